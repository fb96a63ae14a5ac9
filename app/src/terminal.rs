//! Properties of standard output: terminal or pipe, size and colours.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use conns_core::model::Connection;
use conns_print::{Names, Palette};

use crate::failure::{self, Failure};
use crate::flags::Colour;

/// Buffer size of standard output: a long list needs few system calls.
const WRITE_BUFFER_BYTES: usize = 64 * 1024;

/// Standard output, buffered.
pub(crate) fn stdout() -> BufWriter<StdoutLock<'static>> {
    BufWriter::with_capacity(WRITE_BUFFER_BYTES, io::stdout().lock())
}

/// Writes `text` to standard output.
pub(crate) fn write(text: &[u8]) -> Result<(), Failure> {
    let mut out = stdout();
    out.write_all(text)?;
    Ok(out.flush()?)
}

/// Width and height of the terminal; `None` if standard output is not a terminal.
pub(crate) fn size() -> Option<(usize, usize)> {
    if !io::stdout().is_terminal() {
        return None;
    }
    let (width, height) = terminal_size::terminal_size()?;
    Some((width.0.into(), height.0.into()))
}

/// The alternate screen of a terminal (xterm's 1049), without a cursor; what was there before returns when it is dropped.
pub(crate) struct AlternateScreen;

impl AlternateScreen {
    /// `None` if standard output is not a terminal.
    pub(crate) fn enter() -> io::Result<Option<Self>> {
        if size().is_none() {
            return Ok(None);
        }
        let mut out = io::stdout();
        out.write_all(b"\x1b[?1049h\x1b[?25l")?;
        out.flush()?;
        Ok(Some(Self))
    }
}

impl Drop for AlternateScreen {
    fn drop(&mut self) {
        let mut out = io::stdout();
        // A closed terminal has no screen to restore.
        let _ = out.write_all(b"\x1b[?25h\x1b[?1049l").and_then(|()| out.flush());
    }
}

/// Whether the reader of standard output closed its end. A write would fail as well, but there may be
/// nothing to write for a long time.
#[cfg(unix)]
pub(crate) fn is_reader_closed() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let stdout = io::stdout();
    let mut polled = [PollFd::new(&stdout, PollFlags::empty())];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    // If the poll fails, the reader counts as open.
    let answered = poll(&mut polled, Some(&at_once)).is_ok();
    let [polled] = polled;
    answered && polled.revents().intersects(PollFlags::ERR | PollFlags::HUP)
}

/// Not known on this system until a write fails.
#[cfg(not(unix))]
pub(crate) fn is_reader_closed() -> bool {
    false
}

/// Colours as requested, or by default; <https://no-color.org>.
pub(crate) fn palette(colour: Colour) -> Palette {
    Palette::new(is_coloured(colour))
}

/// Whether there are colours: as requested, or by default.
pub(crate) fn is_coloured(colour: Colour) -> bool {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    match colour {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => !no_color && !is_dumb && io::stdout().is_terminal(),
    }
}

/// Number of threads that resolve host names.
const RESOLVERS: usize = 16;
/// Maximum addresses to resolve; the rest stay numbers.
const MAX_RESOLVED: usize = 1024;
/// Longest time to resolve all of them: a name server that does not answer takes ten seconds for each.
const RESOLVE_TIME: Duration = Duration::from_secs(5);
/// Whether that time has passed once. Then names are not resolved again, so that `--watch` and `events` go on.
static HAS_GIVEN_UP: AtomicBool = AtomicBool::new(false);

/// The names of the ends of `connections` and of services, if `resolve`. What is not resolved in time is
/// reported on standard error.
pub(crate) fn names(resolve: bool, connections: &[&Connection]) -> Names {
    if !resolve {
        return Names::default();
    }
    let addresses: BTreeSet<IpAddr> = connections
        .iter()
        .flat_map(|c| [Some(c.socket.local.address), c.socket.remote.map(|end| end.address)])
        .flatten()
        .filter(|address| !address.is_unspecified())
        .collect();
    let total = addresses.len();
    if HAS_GIVEN_UP.load(Ordering::Relaxed) {
        return Names { services: true, hosts: HashMap::new() };
    }
    let (hosts, answered) = resolved_within(RESOLVE_TIME, addresses, |address| {
        // getnameinfo returns the number itself if there is no name.
        let name = dns_lookup::lookup_addr(&address).ok();
        name.filter(|name| name.parse::<IpAddr>().is_err())
    });
    if answered < total {
        HAS_GIVEN_UP.store(true, Ordering::Relaxed);
        let seconds = RESOLVE_TIME.as_secs();
        failure::log(format_args!(
            "{} of {total} addresses are shown as numbers: their names were not found in {seconds} s \
             (at most {MAX_RESOLVED} are resolved); does the name server answer?",
            total - answered
        ));
    }
    Names { services: true, hosts }
}

/// The names that `look_up` finds within `time`, and for how many addresses it answered. Threads that still wait
/// then end with the process.
fn resolved_within(
    time: Duration,
    addresses: BTreeSet<IpAddr>,
    look_up: impl Fn(IpAddr) -> Option<String> + Clone + Send + 'static,
) -> (HashMap<IpAddr, String>, usize) {
    let until = Instant::now() + time;
    let queue = Arc::new(Mutex::new(addresses.into_iter().take(MAX_RESOLVED)));
    let (sender, answers) = mpsc::channel();
    for _ in 0..RESOLVERS {
        let (queue, sender, look_up) = (Arc::clone(&queue), sender.clone(), look_up.clone());
        let next = move || queue.lock().map_or(None, |mut queue| queue.next());
        thread::spawn(move || {
            while let Some(address) = next()
                && sender.send((address, look_up(address))).is_ok()
            {}
        });
    }
    drop(sender);
    let (mut hosts, mut answered) = (HashMap::new(), 0);
    while let Ok((address, name)) =
        answers.recv_timeout(until.saturating_duration_since(Instant::now()))
    {
        answered += 1;
        hosts.extend(name.map(|name| (address, name)));
    }
    (hosts, answered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_server_that_does_not_answer_takes_a_bounded_time() {
        let address = |last: u8| IpAddr::from([192, 0, 2, last]);
        let addresses: BTreeSet<IpAddr> = (0..60).map(address).collect();
        // Those below 10 have a name, for the next ten the server does not answer, the others have none.
        let (hosts, answered) = resolved_within(Duration::from_secs(2), addresses, |address| {
            let IpAddr::V4(v4) = address else { return None };
            match v4.octets()[3] {
                0..10 => Some(format!("host-{address}")),
                10..20 => loop {
                    thread::park();
                },
                _ => None,
            }
        });
        assert_eq!((hosts.len(), answered), (10, 50));
        assert_eq!(hosts[&address(3)], "host-192.0.2.3");
    }
}
