//! Properties of standard output: terminal or pipe, size and colours.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, BufWriter, IsTerminal, StdoutLock};
use std::net::IpAddr;
use std::sync::Mutex;
use std::thread;

use conns_core::model::Connection;
use conns_print::{Names, Palette};

use crate::flags::Colour;

/// Buffer size of standard output: a long list needs few system calls.
const WRITE_BUFFER_BYTES: usize = 64 * 1024;

/// Standard output, buffered.
pub(crate) fn stdout() -> BufWriter<StdoutLock<'static>> {
    BufWriter::with_capacity(WRITE_BUFFER_BYTES, io::stdout().lock())
}

/// Width and height of the terminal; `None` if standard output is not a terminal.
pub(crate) fn size() -> Option<(usize, usize)> {
    if !io::stdout().is_terminal() {
        return None;
    }
    let (width, height) = terminal_size::terminal_size()?;
    Some((width.0.into(), height.0.into()))
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
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    Palette::new(match colour {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => !no_color && !is_dumb && io::stdout().is_terminal(),
    })
}

/// Number of threads that resolve host names.
const RESOLVERS: usize = 16;
/// Maximum addresses to resolve; the rest stay numbers.
const MAX_RESOLVED: usize = 1024;

/// The names of the ends of `connections` and of services, if `resolve`.
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
    let queue = Mutex::new(addresses.into_iter().take(MAX_RESOLVED));
    let next = || queue.lock().map_or(None, |mut queue| queue.next());
    let hosts = thread::scope(|scope| {
        let worker = || {
            let mut found = Vec::new();
            while let Some(address) = next() {
                // getnameinfo returns the number itself if there is no name.
                let name = dns_lookup::lookup_addr(&address).ok();
                found.extend(name.filter(|n| n.parse::<IpAddr>().is_err()).map(|n| (address, n)));
            }
            found
        };
        let resolvers: Vec<_> = (0..RESOLVERS).map(|_| scope.spawn(worker)).collect();
        let answers = resolvers.into_iter().filter_map(|resolver| resolver.join().ok());
        answers.flatten().collect::<HashMap<_, _>>()
    });
    Names { services: true, hosts }
}
