//! The rate methods over a simulated bottleneck. The figures of `docs/decisions/link.md` are printed by
//! `cargo test -p conns-transfer --test rate -- --nocapture`.

#![allow(clippy::indexing_slicing, missing_docs, unreachable_pub, reason = "tests panic")]
#![allow(clippy::disallowed_macros, reason = "tests print the figures")]

mod cubic;
mod fair;
mod flow;
mod lane;
mod limits;
mod low;
mod simulation;

use conns_transfer::rate::{BytesPerSecond, Controller, Method, Settings};
use flow::Control;
use lane::Shape;
use simulation::Simulation;

fn settings(method: Method) -> Settings {
    Settings {
        method,
        fixed_rate: BytesPerSecond::from_bits(50_000_000),
        min_rate: BytesPerSecond(0),
        max_rate: BytesPerSecond::from_bits(10_000_000_000),
    }
}

fn ours(settings: Settings) -> Control {
    Control::Ours(Box::new(Controller::new(settings, None)))
}

/// One flow of ours alone until `end_ms`.
fn alone(shape: Shape, settings: Settings, end_ms: u64) -> Simulation {
    let mut simulation = Simulation::new(shape, vec![(ours(settings), 0)]);
    simulation.run(end_ms);
    simulation
}
