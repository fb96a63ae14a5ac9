//! The socket table by the programs in the kernel, read and put into rows, and nothing printed: what stands beside the
//! bare drain.
//!
//! Two figures, because a program must be loaded once before it can read: the whole process is measured from outside, and
//! the reading alone is reported on standard output.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use clap::Args;
use conns_contract::{Namespaces, Scope};
use conns_core::model::Moment;
use conns_ebpf::Features;

use crate::drain::ALONE;

/// How often.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Table {
    /// Readings, one after the other; the best is reported.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    readings: u32,
}

impl Table {
    /// Reads TCP of the current namespace and prints one line.
    pub(crate) fn read(self) -> anyhow::Result<()> {
        let features = Features { tables: true, ..Features::NONE };
        let mut opened = conns_ebpf::open(features);
        let Some(tables) = &mut opened.tables else {
            let why = opened
                .abilities
                .iter()
                .find_map(|ability| ability.missing.as_ref())
                .map(ToString::to_string);
            bail!(
                "there is no table by eBPF here: {}",
                why.unwrap_or_else(|| "no reason reported".to_owned())
            );
        };
        let scope = Scope { udp: false, namespaces: Namespaces::Own, ..Scope::everything() };
        let mut best = None;
        let mut rows = 0;
        for _ in 0..self.readings {
            let wall_us = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros());
            let now = Moment { monotonic_us: 0, wall_us: i64::try_from(wall_us).unwrap_or(0) };
            let started = Instant::now();
            let seen = tables.observe(&scope, now).context("cannot read the table")?;
            let took = started.elapsed();
            best = Some(best.map_or(took, |best| took.min(best)));
            rows = seen.rows().len();
        }
        let ms = best.unwrap_or_default().as_secs_f64() * 1e3;
        println!("{rows} sockets, {ms:.1} {ALONE}");
        Ok(())
    }
}
