//! `fixed`, and the limits of all methods.

use conns_transfer::rate::{BytesPerSecond, Controller, Method, Settings};
use proptest::prelude::*;

use crate::flow::Control;
use crate::lane::Shape;
use crate::simulation::Simulation;
use crate::{alone, settings};

fn mbit(rate: f64) -> BytesPerSecond {
    BytesPerSecond::from_bits((rate * 1e6) as u64)
}

#[test]
fn fixed_holds_its_rate() {
    for is_paced in [false, true] {
        for round_trip_ms in [20.0, 100.0, 300.0] {
            for loss in [0.0, 0.01, 0.05] {
                let controller = Box::new(Controller::new(settings(Method::Fixed), None));
                let control =
                    if is_paced { Control::Paced(controller) } else { Control::Ours(controller) };
                let shape = Shape::of(round_trip_ms, loss);
                let mut simulation = Simulation::new(shape, vec![(control, 0)]);
                let (sent, _) = simulation.run(12_000).rates(0, 2_000.0, 12_000.0);
                println!(
                    "Fixed at 50 Mbit/s, {round_trip_ms} ms, {:.0} % loss, paced by {}: {sent:.2}",
                    loss * 100.0,
                    if is_paced { "the rate" } else { "quinn" }
                );
                assert!((sent / 50.0 - 1.0).abs() < 0.03);
            }
        }
    }
}

#[test]
fn a_new_limit_holds_after_two_round_trips() {
    for method in [Method::Fixed, Method::Low, Method::Fair] {
        for round_trip_ms in [20.0, 100.0, 300.0] {
            let mut simulation = alone(Shape::of(round_trip_ms, 0.01), settings(method), 10_000);
            let Control::Ours(controller) = &mut simulation.flows[0].control else { continue };
            controller.set(Settings { max_rate: mbit(10.0), ..controller.settings() });
            let from = 10_000.0 + 2.0 * round_trip_ms;
            simulation.run(14_000);
            let (sent, _) = simulation.rates(0, from, from + 1_000.0);
            println!(
                "{method:?} at {round_trip_ms} ms limited to 10 Mbit/s: {sent:.2} two round trips later"
            );
            assert!((9.0..10.3).contains(&sent));
        }
    }
}

#[test]
fn no_method_goes_below_the_least_rate() {
    let shape = Shape { rate_bits: 50e6, ..Shape::of(50.0, 0.0) };
    let least = Settings { min_rate: mbit(60.0), ..settings(Method::Low) };
    let (sent, _) = alone(shape, least, 10_000).rates(0, 2_000.0, 10_000.0);
    assert!(sent > 58.0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// Half of what path and limit allow arrives at least, and no second has more than the limit.
    #[test]
    fn random_paths(
        rate in 2.0..80.0, round_trip_ms in 2.0..300.0, queue_ms in 20.0..300.0, loss in 0.0..0.05,
        jitter in 0.0..0.05, seed: u64, limit in 2.0..80.0, is_fair: bool,
    ) {
        let shape = Shape { rate_bits: rate * 1e6, round_trip_ms, queue_ms, loss, jitter_ms: jitter * round_trip_ms, seed };
        let method = if is_fair { Method::Fair } else { Method::Low };
        let simulation =
            alone(shape, Settings { max_rate: mbit(limit), ..settings(method) }, 15_000);
        let possible = f64::min(rate, limit) * (1.0 - loss);
        let goodput = simulation.goodput(0, 8_000.0, 15_000.0);
        prop_assert!(goodput > 0.5 * possible, "{goodput:.1} of {possible:.1} Mbit/s");
        // Four packets are in flight even if a round trip has room for fewer.
        let four_packets = 6000.0 * 8.0 / 1e3 / round_trip_ms;
        for second in 1..14 {
            let from = f64::from(second) * 1e3;
            let (sent, _) = simulation.rates(0, from, from + 1_000.0);
            prop_assert!(sent < 1.05 * limit.max(four_packets), "{sent:.1} Mbit/s in second {second}");
        }
    }
}
