//! Connects that lead nowhere, each with its reason.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use conns_lab::netns::Namespace;
use conns_lab::path::{Path, Shape};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use serde_json::{Value, json};

use crate::fixture::{Attempt, attempt, by_us, follower, lacks, shows, story, time};

/// Beyond every path of the lab.
const ELSEWHERE: &str = "10.99.0.1:80";

fn at(text: &str) -> Result<SocketAddr> {
    text.parse().with_context(|| format!("{text} is no address"))
}

/// Both times are of the same connect, seen from two sides of one system call.
fn same_time(event: &Value, took: Duration) -> Result<()> {
    let reported = time(event, "duration_us")?;
    ensure!(reported <= took, "{reported:?} is reported of a connect that took {took:?}");
    ensure!(
        took - reported < Duration::from_millis(500),
        "{reported:?} is reported of a connect that took {took:?}"
    );
    Ok(())
}

/// One failed connect: the event has this reason, and is the only one.
fn fails(
    namespace: &Namespace,
    (from, to): (&str, &str),
    errno: Errno,
    expected: &Value,
    connect: impl FnOnce(SocketAddr, SocketAddr) -> Result<Attempt>,
) -> Result<Duration> {
    let (from, to) = (at(from)?, at(to)?);
    let mut follower = follower()?;
    let Attempt { outcome, took } = connect(from, to)?;
    ensure!(outcome == Err(errno), "the connect itself came to {outcome:?}");
    let reported = follower.until_over(namespace, from, to)?;
    follower.catch_up()?;
    story(&follower.of(namespace, from, to), &["failed"])?;
    let event = &reported[0];
    shows(event, expected)?;
    shows(event, &by_us()?)?;
    shows(event, &json!({"direction": "outbound", "state": "UNCONN", "handshake_us": null}))?;
    lacks(event, &["first_use_us", "errno"])?;
    same_time(event, took)?;
    Ok(took)
}

/// No socket listens.
pub(crate) fn refused() -> Result<()> {
    let namespace = Namespace::create("a")?;
    let expected = json!({"ended": "refused", "closed_by": "remote"});
    for ends in [("127.0.0.1:5001", "127.0.0.1:9"), ("[::1]:5002", "[::1]:9")] {
        fails(&namespace, ends, Errno::CONNREFUSED, &expected, |from, to| {
            attempt(&namespace, from, to)
        })?;
    }
    Ok(())
}

fn path() -> Result<Path> {
    Path::build(Shape::delay(Duration::from_millis(1)), Shape::delay(Duration::from_millis(1)))
}

/// Nothing comes back: a second for the first SYN, and one or two for the only repetition.
pub(crate) fn timed_out() -> Result<()> {
    let path = path()?;
    path.a().set("net/ipv4/tcp_syn_retries", "1")?;
    path.swallow_a_to_b(true);
    let expected = json!({"ended": "timed-out", "closed_by": "neither"});
    let ends = ("10.77.0.1:5003", "10.77.0.2:9");
    let took =
        fails(path.a(), ends, Errno::TIMEDOUT, &expected, |from, to| attempt(path.a(), from, to))?;
    ensure!((1..10).contains(&took.as_secs()), "the connect took {took:?}");
    Ok(())
}

/// Side B forwards, and has for everything else a route that answers with ICMP.
fn router(kind: &str) -> Result<Path> {
    let path = path()?;
    path.b().set("net/ipv4/ip_forward", "1")?;
    path.b().ip(&["route", "add", kind, "10.99.0.0/16"])?;
    path.a().ip(&["route", "add", "10.99.0.0/16", "via", "10.77.0.2"])?;
    Ok(path)
}

fn refused_by_router(kind: &str) -> Result<()> {
    let path = router(kind)?;
    let expected = json!({"ended": "unreachable", "closed_by": "neither"});
    let ends = ("10.77.0.1:5004", ELSEWHERE);
    let took = fails(path.a(), ends, Errno::HOSTUNREACH, &expected, |from, to| {
        attempt(path.a(), from, to)
    })?;
    // Without ICMP the kernel gives up after two minutes (net.ipv4.tcp_syn_retries).
    ensure!(took < Duration::from_secs(60), "ICMP took {took:?}, so it was not ICMP");
    Ok(())
}

/// ICMP host unreachable.
pub(crate) fn unreachable() -> Result<()> {
    refused_by_router("unreachable")
}

/// ICMP communication administratively prohibited.
pub(crate) fn prohibited() -> Result<()> {
    refused_by_router("prohibit")
}

/// Without a route connect fails before there is a SYN or a change of state, so no event is reported.
pub(crate) fn no_route() -> Result<()> {
    let namespace = Namespace::create("a")?;
    let mut follower = follower()?;
    let (from, to) = (at("127.0.0.1:5005")?, at(ELSEWHERE)?);
    let none = attempt(&namespace, from, to)?;
    ensure!(none.outcome.is_err(), "a connect without a route came to {:?}", none.outcome);
    for (kind, errno) in [
        ("unreachable", Errno::HOSTUNREACH),
        ("prohibit", Errno::ACCESS),
        ("blackhole", Errno::INVAL),
    ] {
        namespace.ip(&["route", "replace", kind, "10.99.0.0/16"])?;
        let got = attempt(&namespace, at("0.0.0.0:5006")?, to)?;
        ensure!(got.outcome == Err(errno), "with a route `{kind}` it came to {:?}", got.outcome);
    }
    follower.catch_up()?;
    let reported = follower.all(&namespace);
    ensure!(
        reported.is_empty(),
        "events are reported of connects that never started: {reported:?}"
    );
    Ok(())
}

/// The caller closes the socket while its SYN is on the way.
pub(crate) fn given_up() -> Result<()> {
    let path = path()?;
    path.swallow_a_to_b(true);
    let (from, to) = (at("10.77.0.1:5007")?, at("10.77.0.2:9")?);
    let mut follower = follower()?;
    let begun = std::time::Instant::now();
    path.a().inside(|| -> Result<()> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        rustix::net::bind(&socket, &from)?;
        let outcome = rustix::net::connect(&socket, &to);
        ensure!(outcome == Err(Errno::INPROGRESS), "the connect came to {outcome:?}");
        Ok(())
    })??;
    let reported = follower.until_over(path.a(), from, to)?;
    story(&reported, &["failed"])?;
    shows(
        &reported[0],
        &json!({"ended": "given-up", "closed_by": "local", "direction": "outbound"}),
    )?;
    shows(&reported[0], &by_us()?)?;
    let took = time(&reported[0], "duration_us")?;
    ensure!(took < begun.elapsed(), "it is reported to have taken {took:?}");
    Ok(())
}
