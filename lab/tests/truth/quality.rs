//! Round trip, loss and congestion control: what the path was reported to do, and what the kernel shows of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use conns_lab::oracle::SsRow;
use conns_lab::path::{Path, Shape};
use conns_lab::process::wait_for;

use crate::fixture::{TIMEOUT, number, path_of, peer, port_of, record, shows, ss_row};

/// Two full segments at a time: the other kernel acknowledges each pair at once, so neither the delayed acknowledgement
/// nor a reader that waits for its processor is part of the round trip.
const PAIRS: &str = "connect --to 10.77.0.2:{port} --do drip:2896:20";

/// Samples of `conns` that count: `ss` fits the path before and after each.
const SAMPLES: usize = 10;
/// Samples of them that may be off, by a late packet whose trace `ss` shows neither before nor after.
const MAX_OFF: usize = 1;
/// How long the samples may take on a machine that keeps making packets late.
const SAMPLES_TIMEOUT: Duration = Duration::from_secs(60);

fn tolerance_ms(rtt_ms: f64) -> f64 {
    (rtt_ms * 0.05).max(4.0)
}

/// The lab proves itself first: the kernel's own round trip fits the path, with one core taken away.
pub(crate) fn path_is_precise() -> Result<()> {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        let outcome = measure_80_ms();
        stop.store(true, Ordering::Relaxed);
        outcome
    })
}

fn measure_80_ms() -> Result<()> {
    let path = path_of(Duration::from_millis(80))?;
    let _server = peer(path.b(), "listen --at 10.77.0.2:7000 --do sink")?;
    let client = peer(path.a(), PAIRS.replace("{port}", "7000").as_str())?;
    let port = port_of(&client)?;
    exchanged(&path, port, 7000)?;
    settled(&path, port, 7000, 80.0)
}

/// Whether the kernel's own round trip, as `ss` shows it, fits the path.
fn fits(row: &SsRow, expected_ms: f64) -> bool {
    let fits = |name| {
        row.number(name)
            .is_some_and(|shown| (shown - expected_ms).abs() <= tolerance_ms(expected_ms))
    };
    fits("rtt") && fits("minrtt")
}

/// Waits until the kernel's own round trip fits the path: on a machine whose processors are all taken single packets are
/// late, and the smoothed value forgets them within a second; a path that is wrong never settles.
fn settled(path: &Path, port: u16, remote: u16, expected_ms: f64) -> Result<()> {
    let mut last = String::new();
    wait_for("the round trip to settle", TIMEOUT, || {
        let row = ss_row(path.a(), port, remote)?;
        last.clone_from(&row.detail);
        Ok(fits(&row, expected_ms).then_some(()))
    })
    .with_context(|| format!("a path of {expected_ms} ms, of which ss shows {last}"))
}

fn exchanged(path: &Path, port: u16, remote: u16) -> Result<SsRow> {
    wait_for("sixty segments", TIMEOUT, || {
        let row = ss_row(path.a(), port, remote)?;
        Ok((row.number("data_segs_out").unwrap_or(0.0) >= 60.0).then_some(row))
    })
}

/// `rtt_us` and `min_rtt_us` fit the path.
pub(crate) fn rtt(rtt_ms: u32) -> Result<()> {
    let path = path_of(Duration::from_millis(rtt_ms.into()))?;
    let _server = peer(path.b(), "listen --at 10.77.0.2:7001 --do sink")?;
    let client = peer(path.a(), PAIRS.replace("{port}", "7001").as_str())?;
    let port = port_of(&client)?;
    exchanged(&path, port, 7001)?;
    let expected = f64::from(rtt_ms);
    let (mut counted, mut off) = (0, Vec::new());
    let until = Instant::now() + SAMPLES_TIMEOUT;
    while counted < SAMPLES {
        ensure!(Instant::now() < until, "only {counted} samples while ss fits {expected} ms");
        settled(&path, port, 7001, expected)?;
        let row = record(path.a(), port, 7001)?;
        if !fits(&ss_row(path.a(), port, 7001)?, expected) {
            continue;
        }
        counted += 1;
        let shown = (number(&row, "rtt_us")? / 1e3, number(&row, "min_rtt_us")? / 1e3);
        let is_off = |ms: f64| (ms - expected).abs() > tolerance_ms(expected);
        if is_off(shown.0) || is_off(shown.1) {
            off.push(shown);
        }
    }
    ensure!(
        off.len() <= MAX_OFF,
        "on a path of {expected} ms, which ss confirms, conns shows (rtt, min_rtt) of {off:?} ms in {SAMPLES} samples"
    );
    Ok(())
}

/// `loss_percent` fits the dice, and what the path itself counted.
pub(crate) fn loss() -> Result<()> {
    let shape = Shape { loss: 0.02, seed: 5, ..Shape::delay(Duration::from_micros(500)) };
    let path = Path::build(shape, Shape::delay(Duration::from_micros(500)))?;
    // 25 MB are 17 000 segments; three standard deviations of 2 % of them are 0.32 %.
    let _server = peer(path.b(), "listen --at 10.77.0.2:7002 --do exact:0:25000000")?;
    let mut client = peer(path.a(), "connect --to 10.77.0.2:7002 --do exact:25000000:0")?;
    let port = port_of(&client)?;
    client.wait("moved", Duration::from_secs(60))?;
    wait_for("the last acknowledgement", TIMEOUT, || {
        Ok((ss_row(path.a(), port, 7002)?.send_queue == 0).then_some(()))
    })?;
    let row = record(path.a(), port, 7002)?;
    let truth = path.a_to_b();
    let lost = 100.0 * truth.data_packets_missing as f64 / truth.data_packets as f64;
    let shown = number(&row, "loss_percent")?;
    ensure!((1.5..=2.5).contains(&shown), "loss_percent is {shown} on a path that loses 2 %");
    ensure!(
        (shown - lost).abs() <= 0.25,
        "loss_percent is {shown}, but the path lost {} of {} data packets ({lost:.2} %)",
        truth.data_packets_missing,
        truth.data_packets
    );
    Ok(())
}

/// Algorithm names, windows and the detail of bbr are those `ss` shows.
pub(crate) fn congestion() -> Result<()> {
    let path = path_of(Duration::from_millis(8))?;
    let _server = peer(path.b(), "listen --at 10.77.0.2:7003 --do answer:1000:1000")?;
    for name in ["bbr", "cubic", "reno"] {
        let run = format!("connect --to 10.77.0.2:7003 --congestion {name} --do ask:1000:1000:0");
        let client = peer(path.a(), &run)?;
        let port = port_of(&client)?;
        exchanged(&path, port, 7003)?;
        let row = record(path.a(), port, 7003)?;
        let after = ss_row(path.a(), port, 7003)?;
        ensure!(after.field(name).is_some(), "ss itself does not show {name}: {}", after.detail);
        let named =
            row.as_object().into_iter().flatten().find(|(key, _)| key.contains("congestion"));
        ensure!(
            named.is_some_and(|(_, value)| value == name),
            "no field with `congestion` in its name is {name}: {row}"
        );
        shows(&row, "snd_mss", after.number("mss").unwrap_or(0.0) as u64)
            .or_else(|_| shows(&row, "snd_mss_bytes", after.number("mss").unwrap_or(0.0) as u64))?;
        let bbr: Vec<_> =
            row.as_object().into_iter().flatten().filter(|(key, _)| key.contains("bbr")).collect();
        let shown = bbr.iter().any(|(_, value)| !value.is_null());
        ensure!(
            shown == (name == "bbr"),
            "for {name} the fields of bbr are {bbr:?}; ss: {}",
            after.detail
        );
    }
    Ok(())
}
