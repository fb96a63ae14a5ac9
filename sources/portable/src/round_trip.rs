//! Round trip times on Windows (`GetPerTcpConnectionEStats`, since Vista); the other systems' crates report none.
//!
//! Windows measures a connection for this only after an administrator's call has asked for it. What it answers without
//! is no measure, so the call comes before each reading, and what it refuses stays unknown.

#[cfg(windows)]
mod windows;

use std::net::IpAddr;

use conns_core::model::{
    Endpoint, Known, Protocol, Socket, Source, State, TcpInfoBuilder, Unknown,
};

/// The sockets, each TCP connection with its round trip time, or why there is none.
#[cfg(windows)]
pub(crate) fn added(mut sockets: Vec<Socket>) -> Vec<Socket> {
    if let Some(functions) = windows::Functions::find() {
        add(&functions, &mut sockets);
    }
    sockets
}

fn add(calls: &impl Calls, sockets: &mut [Socket]) {
    let mut is_refused = false;
    for socket in sockets.iter_mut().filter(|socket| socket.protocol == Protocol::Tcp) {
        let Some(row) = Row::new(socket) else { continue };
        // One refusal holds for all connections.
        let measured = match is_refused {
            true => Err(Unknown::NotPrivileged),
            false => measure(calls, &row),
        };
        is_refused |= measured == Err(Unknown::NotPrivileged);
        socket.tcp = match measured {
            Ok(us) => {
                let mut tcp = TcpInfoBuilder::default();
                tcp.rtt(us);
                Known::Value(tcp.build(), Source::Portable)
            }
            // The only one of the measures that is read, so its reason is that of all.
            Err(why) => Known::Unknown(why),
        };
    }
}

/// Microseconds; 0 before the first measurement.
fn measure(calls: &impl Calls, row: &Row) -> Result<u32, Unknown> {
    succeeded(calls.enable(row))?;
    let mut path = Path::default();
    succeeded(calls.read(row, &mut path))?;
    match path.smoothed_rtt {
        0 if path.count_rtt == 0 => Ok(0),
        // Less than the millisecond it is counted in.
        0 => Err(Unknown::SourceDoesNotReport),
        ms => ms.checked_mul(1000).ok_or(Unknown::NothingMeasured),
    }
}

fn succeeded(code: u32) -> Result<(), Unknown> {
    // `winerror.h`.
    const ERROR_SUCCESS: u32 = 0;
    const ERROR_ACCESS_DENIED: u32 = 5;
    const ERROR_NOT_SUPPORTED: u32 = 50;
    /// No such connection: it was closed meanwhile, or the address has a scope, which the crate does not report.
    const ERROR_NOT_FOUND: u32 = 1168;
    match code {
        ERROR_SUCCESS => Ok(()),
        ERROR_ACCESS_DENIED => Err(Unknown::NotPrivileged),
        ERROR_NOT_SUPPORTED => Err(Unknown::KernelDoesNotReport),
        ERROR_NOT_FOUND => Err(Unknown::SourceDoesNotReport),
        _ => Err(Unknown::SourceFailed),
    }
}

/// The system's two functions, for `TcpConnectionEstatsPath`. Each answers with a code of `winerror.h`.
trait Calls {
    /// Has the system measure this connection from now on.
    fn enable(&self, row: &Row) -> u32;
    /// Reads what it has measured.
    fn read(&self, row: &Row, path: &mut Path) -> u32;
}

/// A connection, as the functions take it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Row {
    /// `MIB_TCPROW`: state, local address, local port, remote address, remote port.
    Ipv4([u32; 5]),
    /// `MIB_TCP6ROW`: state, local address, scope and port, remote address, scope and port.
    Ipv6([u32; 13]),
}

impl Row {
    /// `None` for what is no connection.
    fn new(socket: &Socket) -> Option<Self> {
        let state = number(socket.state)?;
        let (local, remote) = (socket.local, socket.remote?);
        match (local.address, remote.address) {
            (IpAddr::V4(from), IpAddr::V4(to)) => Some(Self::Ipv4([
                state,
                u32::from_ne_bytes(from.octets()),
                port(local),
                u32::from_ne_bytes(to.octets()),
                port(remote),
            ])),
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                let [a, b, c, d] = words(from.octets());
                let [e, f, g, h] = words(to.octets());
                Some(Self::Ipv6([state, a, b, c, d, 0, port(local), e, f, g, h, 0, port(remote)]))
            }
            _ => None,
        }
    }
}

/// `MIB_TCP_STATE` of a state in which a connection carries data.
fn number(state: State) -> Option<u32> {
    Some(match state {
        State::Established => 5,
        State::FinWait1 => 6,
        State::FinWait2 => 7,
        State::CloseWait => 8,
        State::Closing => 9,
        State::LastAck => 10,
        _ => return None,
    })
}

/// In network byte order, in the first two of the four bytes.
fn port(end: Endpoint) -> u32 {
    let [high, low] = end.port.to_be_bytes();
    u32::from_ne_bytes([high, low, 0, 0])
}

fn words(address: [u8; 16]) -> [u32; 4] {
    let mut words = [0; 4];
    let (bytes, _) = address.as_chunks::<4>();
    words.iter_mut().zip(bytes).for_each(|(word, bytes)| *word = u32::from_ne_bytes(*bytes));
    words
}

/// `TCP_ESTATS_PATH_ROD_v0` of `tcpestats.h`, whose numbers all have four bytes; times are in milliseconds.
#[derive(Debug, Default)]
#[repr(C)]
struct Path {
    /// Counters of retransmissions and congestion.
    before: [u32; 27],
    smoothed_rtt: u32,
    /// Variation, maximum, minimum and sum of round trip times.
    more: [u32; 4],
    count_rtt: u32,
    /// Timeouts and segment sizes.
    after: [u32; 7],
}

#[cfg(test)]
mod tests;
