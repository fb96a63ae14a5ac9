//! Jitter, reordering and loss of the way back, measured with datagrams through a path: the lab proves what it models.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use conns_lab::path::{A4, B4, Jitter, Path, Reordering, Shape, Shift};

const PACKETS: usize = 3_000;
const INTERVAL: Duration = Duration::from_millis(1);
const DELAY: Duration = Duration::from_millis(20);
/// No datagram comes for this time after the last.
const SILENCE: Duration = Duration::from_millis(500);
/// Packets may be this late on a busy machine and still count as what the dice chose.
const LATENESS_MS: f64 = 2.0;

/// One datagram that arrived.
struct Arrival {
    ordinal: usize,
    delay_ms: f64,
}

/// Later packets are overtaken, and the path counts the same as the receiver.
pub(crate) fn reordering() -> Result<()> {
    let shift = Shift::Later(Duration::from_millis(10));
    let shape =
        Shape { reordering: Reordering { share: 0.05, shift }, seed: 11, ..Shape::delay(DELAY) };
    let path = Path::build(shape, Shape::delay(DELAY))?;
    let arrivals = send(&path)?;
    ensure!(arrivals.len() == PACKETS, "{} of {PACKETS} arrived", arrivals.len());
    let mut highest = 0;
    let mut overtaken = 0;
    for arrival in &arrivals {
        overtaken += u64::from(arrival.ordinal < highest);
        highest = highest.max(arrival.ordinal);
    }
    // Four standard deviations of a binomial with n = 3000, p = 0.05 are 48; a late thread hands over in order.
    ensure!((100..200).contains(&overtaken), "{overtaken} datagrams were overtaken");
    let counted = path.a_to_b().reordered_packets;
    ensure!(counted == overtaken, "the path counts {counted} reordered packets, not {overtaken}");
    let late = share(&arrivals, 30.0 - 0.1..30.0 + LATENESS_MS);
    ensure!((0.03..0.07).contains(&late), "{:.1} % took 30 ms", late * 100.0);
    let rest = share(&arrivals, 20.0 - 0.1..20.0 + LATENESS_MS);
    ensure!(rest > 0.85, "{:.1} % took 20 ms", rest * 100.0);
    Ok(())
}

/// Jitter is spread over its span, in order or not.
pub(crate) fn jitter() -> Result<()> {
    for may_reorder in [true, false] {
        let jitter = Jitter { most: Duration::from_millis(16), may_reorder };
        let shape = Shape { jitter, seed: 12, ..Shape::delay(DELAY) };
        let path = Path::build(shape, Shape::delay(DELAY))?;
        let arrivals = send(&path)?;
        ensure!(arrivals.len() == PACKETS, "{} of {PACKETS} arrived", arrivals.len());
        let within = share(&arrivals, 20.0 - 0.1..36.0 + LATENESS_MS);
        ensure!(within > 0.9, "{:.1} % took 20 to 36 ms", within * 100.0);
        let is_sorted = arrivals.is_sorted_by_key(|arrival| arrival.ordinal);
        ensure!(is_sorted != may_reorder, "in order: {is_sorted}, may reorder: {may_reorder}");
        if may_reorder {
            for quarter in 0..4 {
                let from = 20.0 + 4.0 * f64::from(quarter);
                let part = share(&arrivals, from..from + 4.0);
                ensure!((0.18..0.32).contains(&part), "{:.1} % from {from} ms on", part * 100.0);
            }
        } else {
            // A packet waits for the slowest of the sixteen before it.
            let upper = share(&arrivals, 28.0..36.0 + LATENESS_MS);
            ensure!(upper > 0.85, "{:.1} % took 28 ms or more", upper * 100.0);
        }
    }
    Ok(())
}

/// The way back loses its own share, and the way out none.
pub(crate) fn loss_of_the_way_back() -> Result<()> {
    let back = Shape { loss: 0.05, seed: 13, ..Shape::delay(DELAY) };
    let path = Path::build(Shape::delay(DELAY), back)?;
    let out = send(&path)?;
    ensure!(out.len() == PACKETS, "{} of {PACKETS} arrived", out.len());
    let back = exchange(socket(&path, Side::B)?, socket(&path, Side::A)?)?;
    let lost = PACKETS - back.len();
    // Four standard deviations of a binomial with n = 3000, p = 0.05.
    ensure!((102..198).contains(&lost), "{lost} of {PACKETS} lost on the way back");
    let counted = path.b_to_a().lost_packets;
    ensure!(counted.abs_diff(lost as u64) <= 2, "the path counts {counted} lost, not {lost}");
    ensure!(path.a_to_b().lost_packets == 0, "{:?}", path.a_to_b());
    Ok(())
}

/// Share of the arrivals whose delay is in the span.
fn share(arrivals: &[Arrival], span: std::ops::Range<f64>) -> f64 {
    let inside = arrivals.iter().filter(|arrival| span.contains(&arrival.delay_ms)).count();
    inside as f64 / arrivals.len() as f64
}

enum Side {
    A,
    B,
}

fn socket(path: &Path, side: Side) -> Result<UdpSocket> {
    let (namespace, host) = match side {
        Side::A => (path.a(), A4),
        Side::B => (path.b(), B4),
    };
    // A socket belongs to the namespace it was made in, whichever thread uses it.
    let socket = namespace.inside(|| UdpSocket::bind((host, 0)))?;
    socket.with_context(|| format!("binding UDP to {host}"))
}

/// Sends numbered datagrams from A to B.
fn send(path: &Path) -> Result<Vec<Arrival>> {
    exchange(socket(path, Side::A)?, socket(path, Side::B)?)
}

fn exchange(from: UdpSocket, to: UdpSocket) -> Result<Vec<Arrival>> {
    let target: SocketAddr = to.local_addr()?;
    let start = Instant::now();
    std::thread::scope(|scope| {
        let sender = scope.spawn(move || -> Result<()> {
            for ordinal in 0..PACKETS {
                let due = INTERVAL * ordinal as u32;
                std::thread::sleep(due.saturating_sub(start.elapsed()));
                let sent_us = start.elapsed().as_micros() as u64;
                let text = [(ordinal as u64).to_le_bytes(), sent_us.to_le_bytes()];
                from.send_to(text.as_flattened(), target).context("sending a datagram")?;
            }
            Ok(())
        });
        let mut arrivals = Vec::new();
        to.set_read_timeout(Some(SILENCE))?;
        let mut datagram = [0; 16];
        while let Ok(16) = to.recv(&mut datagram) {
            let now_us = start.elapsed().as_micros() as u64;
            let (numbers, _) = datagram.as_chunks::<8>();
            let [ordinal, sent_us] = [0, 1].map(|at| u64::from_le_bytes(numbers[at]));
            let delay_ms = (now_us - sent_us) as f64 / 1e3;
            arrivals.push(Arrival { ordinal: ordinal as usize, delay_ms });
        }
        sender.join().map_err(|_| anyhow::anyhow!("the sender panicked"))??;
        Ok(arrivals)
    })
}
