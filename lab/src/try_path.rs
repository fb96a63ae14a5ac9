//! `conns-lab path`: a path between two namespaces for trying things by hand.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Result;

use crate::path::{Path, Queue, Shape};

/// The shape of the path, the same both ways.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Round-trip time, milliseconds.
    #[arg(long, default_value_t = 100)]
    rtt_ms: u64,
    /// Share of packets that are lost at random, percent.
    #[arg(long, default_value_t = 0.0)]
    loss: f64,
    /// Rate, Mbit/s of IP packets.
    #[arg(long, default_value_t = 100)]
    rate: u64,
    /// Longest queueing delay, milliseconds.
    #[arg(long, default_value_t = 100)]
    queue_ms: u64,
}

impl Options {
    /// Prints the names of both namespaces (`ip netns exec NAME`), then carries packets and prints the queueing delay from a to b,
    /// 50 samples a second in each line: median and 95th percentile.
    ///
    /// # Errors
    /// Whatever the namespaces or devices fail with.
    pub fn run(&self) -> Result<()> {
        let rate_bits = self.rate * 1_000_000;
        let shape = |seed| Shape {
            loss: self.loss / 100.0,
            rate_bits: Some(rate_bits),
            queue: Queue::Bytes(rate_bits / 8 * self.queue_ms / 1000),
            seed,
            ..Shape::delay(Duration::from_micros(self.rtt_ms * 500))
        };
        let path = Path::build(shape(1), shape(2))?;
        println!("{} {}", path.a().name(), path.b().name());
        let ended = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    let mut samples: Vec<Duration> = Vec::new();
                    for _ in 0..50 {
                        samples.push(path.queueing_delay_a_to_b());
                        thread::sleep(Duration::from_millis(20));
                    }
                    samples.sort_unstable();
                    let at = |share: usize| samples.get(samples.len() * share / 100);
                    println!(
                        "{:?} {:?}",
                        at(50).unwrap_or(&Duration::ZERO),
                        at(95).unwrap_or(&Duration::ZERO)
                    );
                }
            });
            // Whatever is typed is read and dropped.
            let copied = io::copy(&mut io::stdin(), &mut io::sink());
            ended.store(true, Ordering::Relaxed);
            copied
        })?;
        io::stdout().flush()?;
        Ok(())
    }
}
