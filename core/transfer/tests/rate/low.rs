//! `low` alone, beside CUBIC, and with the figures of an earlier connection.

use conns_transfer::rate::{BytesPerSecond, Controller, Method, Start};

use crate::flow::Control;
use crate::lane::Shape;
use crate::simulation::Simulation;
use crate::{alone, settings};

/// Goodput on the 100 Mbit/s path with both methods, which are the same without another flow.
#[test]
fn long_and_lossy_paths_are_filled_with_a_short_queue() {
    for method in [Method::Low, Method::Fair] {
        for round_trip_ms in [20.0, 100.0, 300.0] {
            for loss in [0.0, 0.01, 0.05] {
                let simulation = alone(Shape::of(round_trip_ms, loss), settings(method), 40_000);
                let whole = simulation.goodput(0, 0.0, 40_000.0);
                let steady = simulation.goodput(0, 5_000.0, 40_000.0);
                let (median, p95) = simulation.queue(5_000.0, 40_000.0);
                println!(
                    "{method:?} at {round_trip_ms} ms, {:.0} % loss: {whole:.1} Mbit/s, from 5 s on {steady:.1}; queue {median:.1} ms, p95 {p95:.1}",
                    loss * 100.0
                );
                assert!(whole > 85.0 && steady > 90.0);
                assert!(median < 25.0 && p95 < 60.0);
            }
        }
    }
}

#[test]
fn a_path_with_jitter_is_filled() {
    for jitter_ms in [1.0, 5.0] {
        let shape = Shape { jitter_ms, ..Shape::of(50.0, 0.001) };
        let simulation = alone(shape, settings(Method::Low), 30_000);
        let goodput = simulation.goodput(0, 5_000.0, 30_000.0);
        let (median, _) = simulation.queue(5_000.0, 30_000.0);
        println!("Low with {jitter_ms} ms jitter: {goodput:.1} Mbit/s, queue {median:.1} ms");
        assert!(goodput > 90.0 && median < 25.0);
    }
}

#[test]
fn a_path_that_changes_is_followed() {
    let mut simulation = alone(Shape::of(100.0, 0.0), settings(Method::Low), 20_000);
    simulation.lane.shape.rate_bits = 20e6;
    simulation.run(40_000);
    simulation.lane.shape.rate_bits = 100e6;
    simulation.run(60_000);
    assert!(simulation.goodput(0, 25_000.0, 40_000.0) > 18.0);
    assert!(simulation.queue(25_000.0, 40_000.0).0 < 25.0);
    assert!(simulation.goodput(0, 50_000.0, 60_000.0) > 90.0);
}

#[test]
fn a_known_destination_is_fast_sooner() {
    let first_seconds = |start| {
        let controller = Controller::new(settings(Method::Low), start);
        let control = Control::Ours(Box::new(controller));
        let mut simulation = Simulation::new(Shape::of(300.0, 0.0), vec![(control, 0)]);
        simulation.run(3_000);
        simulation.goodput(0, 0.0, 3_000.0)
    };
    let known = Start { rate: BytesPerSecond::from_bits(96_000_000), base_us: 300_000 };
    let (unknown, known) = (first_seconds(None), first_seconds(Some(known)));
    println!("Low at 300 ms, first 3 s: {unknown:.1} Mbit/s, known destination {known:.1}");
    assert!(known > 2.0 * unknown);
}
