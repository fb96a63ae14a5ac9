//! Flows that share the path: `low` yields, `fair` holds its share.

use conns_transfer::rate::Method;

use crate::cubic::Cubic;
use crate::flow::Control;
use crate::lane::Shape;
use crate::simulation::Simulation;
use crate::{alone, ours, settings};

/// One flow of ours and one of CUBIC, the later one 5 s after the first.
fn beside_cubic(method: Method, shape: Shape, is_first: bool) -> Simulation {
    let (ours_at, cubic_at) = if is_first { (0, 5_000) } else { (5_000, 0) };
    let flows = vec![(ours(settings(method)), ours_at), (Control::Cubic(Cubic::new()), cubic_at)];
    Simulation::new(shape, flows)
}

#[test]
fn fair_and_cubic_each_have_a_quarter_after_60_s() {
    for round_trip_ms in [20.0, 100.0] {
        for queue_ms in [50.0, 100.0, 200.0] {
            for is_first in [true, false] {
                let shape = Shape { queue_ms, ..Shape::of(round_trip_ms, 0.0) };
                let mut simulation = beside_cubic(Method::Fair, shape, is_first);
                simulation.run(120_000);
                let rates =
                    |from, to| (simulation.goodput(0, from, to), simulation.goodput(1, from, to));
                let (before, after) = (rates(10_000.0, 60_000.0), rates(60_000.0, 120_000.0));
                println!(
                    "Fair and CUBIC at {round_trip_ms} ms, queue {queue_ms} ms, {} first: {:.0} and {:.0} Mbit/s, from 60 s on {:.0} and {:.0}",
                    if is_first { "Fair" } else { "CUBIC" },
                    before.0,
                    before.1,
                    after.0,
                    after.1
                );
                assert!(after.0 > 25.0 && after.1 > 25.0);
            }
        }
    }
}

#[test]
fn low_yields_to_cubic() {
    for round_trip_ms in [20.0, 100.0] {
        let mut simulation = beside_cubic(Method::Low, Shape::of(round_trip_ms, 0.0), true);
        simulation.run(60_000);
        let share = simulation.goodput(0, 30_000.0, 60_000.0);
        println!("Low beside CUBIC at {round_trip_ms} ms: {share:.1} Mbit/s");
        assert!(share < 10.0);
    }
}

#[test]
fn fair_shortens_the_queue_when_cubic_stops() {
    for round_trip_ms in [20.0, 100.0] {
        let mut simulation = beside_cubic(Method::Fair, Shape::of(round_trip_ms, 0.0), true);
        simulation.run(60_000);
        simulation.flows[1].is_stopped = true;
        simulation.run(100_000);
        let queue = |from| simulation.queue(from, from + 10_000.0).0;
        println!(
            "Fair at {round_trip_ms} ms after CUBIC stopped: queue {:.0} ms in the first 10 s, then {:.0}, {:.0}, {:.0}",
            queue(60_000.0),
            queue(70_000.0),
            queue(80_000.0),
            queue(90_000.0)
        );
        assert!(queue(80_000.0) < 25.0);
        assert!(simulation.goodput(0, 70_000.0, 100_000.0) > 90.0);
    }
}

#[test]
fn fair_follows_a_slower_path() {
    for round_trip_ms in [20.0, 100.0] {
        let mut simulation = alone(Shape::of(round_trip_ms, 0.0), settings(Method::Fair), 20_000);
        simulation.lane.shape.rate_bits = 20e6;
        simulation.run(50_000);
        let queue = |from| simulation.queue(from, from + 10_000.0).0;
        println!(
            "Fair at {round_trip_ms} ms on a path that falls to 20 Mbit/s: queue {:.0} ms in the first 10 s, then {:.0}, {:.0}",
            queue(20_000.0),
            queue(30_000.0),
            queue(40_000.0)
        );
        assert!(queue(40_000.0) < 25.0);
        assert!(simulation.goodput(0, 40_000.0, 50_000.0) > 18.0);
    }
}

#[test]
fn two_flows_of_a_method() {
    for method in [Method::Low, Method::Fair] {
        for round_trip_ms in [20.0, 100.0] {
            let flows = vec![(ours(settings(method)), 0), (ours(settings(method)), 5_000)];
            let mut simulation = Simulation::new(Shape::of(round_trip_ms, 0.0), flows);
            simulation.run(120_000);
            let rate = |index| simulation.goodput(index, 60_000.0, 120_000.0);
            println!(
                "two of {method:?} at {round_trip_ms} ms: {:.0} and {:.0} Mbit/s, queue {:.0} ms",
                rate(0),
                rate(1),
                simulation.queue(60_000.0, 120_000.0).0
            );
            assert!(rate(0) > 25.0 && rate(1) > 25.0);
        }
    }
}
