//! What standard output is: a terminal of some width and colours, or a pipe.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, BufWriter, IsTerminal, StdoutLock};
use std::net::IpAddr;
use std::sync::Mutex;
use std::thread;

use conns_core::model::Connection;
use conns_print::{Names, Palette};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::flags::Colour;

/// Large enough that a hundred thousand rows are written in few calls.
const WRITE_BUFFER_BYTES: usize = 64 * 1024;

/// Standard output, buffered.
pub(crate) fn stdout() -> BufWriter<StdoutLock<'static>> {
    BufWriter::with_capacity(WRITE_BUFFER_BYTES, io::stdout().lock())
}

/// Width and height of the terminal that standard output is; `None` if it is none.
pub(crate) fn size() -> Option<(usize, usize)> {
    if !io::stdout().is_terminal() {
        return None;
    }
    let (width, height) = terminal_size::terminal_size()?;
    Some((width.0.into(), height.0.into()))
}

/// Whether standard output is a pipe or terminal of which the other end is closed. Writing would tell
/// it too, but there may be nothing to write for long.
pub(crate) fn is_reader_gone() -> bool {
    let stdout = io::stdout();
    let mut watched = [PollFd::new(&stdout, PollFlags::empty())];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    // What cannot be asked is taken to be there.
    let asked = poll(&mut watched, Some(&at_once)).is_ok();
    let [watched] = watched;
    asked && watched.revents().intersects(PollFlags::ERR | PollFlags::HUP)
}

/// Colours as asked for, or as fits; <https://no-color.org>.
pub(crate) fn palette(colour: Colour) -> Palette {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    Palette::new(match colour {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => !no_color && !is_dumb && io::stdout().is_terminal(),
    })
}

/// Host names are asked for by so many at a time.
const RESOLVERS: usize = 16;
/// Most addresses that are asked for; the rest stay numbers.
const RESOLVED_ADDRESSES: usize = 1024;

/// The names of the remote ends of `connections`, and of services, if `wanted`.
pub(crate) fn names(wanted: bool, connections: &[&Connection]) -> Names {
    if !wanted {
        return Names::default();
    }
    let addresses: BTreeSet<IpAddr> = connections
        .iter()
        .flat_map(|c| [Some(c.socket.local.address), c.socket.remote.map(|end| end.address)])
        .flatten()
        .filter(|address| !address.is_unspecified())
        .collect();
    let queue = Mutex::new(addresses.into_iter().take(RESOLVED_ADDRESSES));
    let next = || queue.lock().map_or(None, |mut queue| queue.next());
    let hosts = thread::scope(|scope| {
        let resolve = || {
            let mut found = Vec::new();
            while let Some(address) = next() {
                // getnameinfo answers with the number itself where there is no name.
                let name = dns_lookup::lookup_addr(&address).ok();
                found.extend(name.filter(|n| n.parse::<IpAddr>().is_err()).map(|n| (address, n)));
            }
            found
        };
        let resolvers: Vec<_> = (0..RESOLVERS).map(|_| scope.spawn(resolve)).collect();
        let answers = resolvers.into_iter().filter_map(|resolver| resolver.join().ok());
        answers.flatten().collect::<HashMap<_, _>>()
    });
    Names { services: true, hosts }
}
