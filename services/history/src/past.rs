//! Connections made from kept rows, so that lists, filters and verdicts work on the past as on the present.
//!
//! Invariant: a field of such a connection has the value that was kept, or it is unknown, because the history does not keep it. Its
//! source is the history, which does not keep the sources of its values.

mod ends;
mod figures;
mod row;
#[cfg(test)]
mod tests;

use std::hash::BuildHasher;
use std::net::Ipv4Addr;
use std::sync::Arc;

use conns_core::model::{
    Application, Class, Congestion, CongestionDetail, Connection, Direction, Endpoint, Evidence,
    Family, Known, Moment, Netns, OtherSocket, Owner, Process, Protocol, Rates, Socket, SocketId,
    SocketSample, Source, State, Stats, Unknown, Verdict,
};
use foldhash::quality::FixedState;

use crate::cell::Cell;
use crate::layers;
use row::{Row, known, known_if};

/// The connection of a kept row, of which `cell` gives the value of a column, and `NULL` where the table has no such column; `None`
/// if it names no protocol. A row without a state is of a connection that was closed. `own_netns` is the inode of the network
/// namespace that is not named in lists; without one none is.
#[must_use]
pub fn connection<'a>(
    cell: &dyn Fn(&str) -> Cell<'a>,
    own_netns: Option<u64>,
) -> Option<Connection> {
    let row = Row(cell);
    let at = Moment::of_wall(row.time("at_us").or(row.time("closed_at_us")).unwrap_or_default());
    let socket = socket(&row, own_netns)?;
    let is_listener = socket.state == State::Listen;
    let direction = row.word("direction", [Direction::Inbound, Direction::Outbound], |d| d.name());
    let process = row.small("pid").and_then(|pid| process(&row, pid));
    let owner = process.map(|process| Owner { process: Arc::new(process), descriptor: None });
    let application = application(&row).map(Arc::new);
    Some(Connection {
        totals: None,
        socket: SocketSample::from(socket),
        owners: known(owner.map(|owner| Arc::from([owner]))),
        owners_omitted: 0,
        direction: known_if(!is_listener, direction),
        opened: known_if(!is_listener, ends::opened(&row, direction)),
        closed: known_if(false, ends::closed(&row, at)),
        stats: stats(&row, at),
        overflows: known_if(is_listener, None),
        flow: None,
        application: known_if(!is_listener, application),
        resolved_name: row.text("remote_name").map(|name| Arc::from(&*name)),
        verdict: verdict(&row),
    })
}

fn socket(row: &Row<'_, '_>, own_netns: Option<u64>) -> Option<Socket> {
    let why = Unknown::NotKept;
    let protocol = row.word("proto", Protocol::ALL, Protocol::name)?;
    let state = row.word("state", State::ALL, State::name).unwrap_or(State::Close);
    let local = row.endpoint("local_addr", "local_port");
    let remote = row.endpoint("remote_addr", "remote_port");
    let netns = row.whole("netns_inode").unwrap_or(0);
    let id = SocketId { netns, cookie: cookie(row, local, remote) };
    let netns = Netns {
        inode: netns,
        label: row.text("netns").map(|label| Box::from(&*label)),
        is_own: own_netns.is_none_or(|own| own == netns),
    };
    let end = local.unwrap_or(Endpoint { address: Ipv4Addr::UNSPECIFIED.into(), port: 0 });
    let made = Socket::new(id, Source::History, Arc::new(netns), protocol, state, end, why);
    let family = row.word("family", Family::ALL, Family::name).unwrap_or(made.family);
    let is_tcp = protocol.is_tcp();
    let interface: Option<Arc<str>> = row.text("interface").map(|name| Arc::from(&*name));
    let congestion = row
        .text("congestion")
        .map(|name| Congestion { algorithm: Arc::from(&*name), detail: CongestionDetail::None });
    Some(Socket {
        family,
        remote,
        // The index of a named interface is not kept, and no field shows this one.
        interface: if interface.is_some() { u32::MAX } else { 0 },
        interface_name: known(interface),
        ipv6_only: Socket::missing_ipv6_only(family, state, why),
        inode: known(row.whole("inode")),
        uid: known(row.small("uid")),
        queues: known(figures::queues(row)),
        accept_queue: known_if(state == State::Listen, None),
        timer: known_if(is_tcp, None),
        congestion: known_if(is_tcp, congestion),
        upper_layer: known_if(is_tcp, None),
        tcp: known_if(is_tcp, is_tcp.then(|| figures::tcp(row)).flatten()),
        mptcp: match protocol {
            Protocol::Mptcp => known(figures::mptcp(row)),
            _ => Known::NotApplicable,
        },
        udp: match protocol {
            Protocol::Udp => known(figures::udp(row)),
            _ => Known::NotApplicable,
        },
        other: other(protocol, family, local).map(Arc::new),
        ..made
    })
}

/// The cookie, or one above all that are kept where it was too large to be.
fn cookie(row: &Row<'_, '_>, local: Option<Endpoint>, remote: Option<Endpoint>) -> u64 {
    row.whole("cookie").unwrap_or_else(|| {
        let ends = (local, remote, row.whole("pid"));
        FixedState::with_seed(0).hash_one(ends) | 1 << (u64::BITS - 1)
    })
}

/// What a socket has that is neither TCP nor UDP, of which nothing is kept.
fn other(protocol: Protocol, family: Family, local: Option<Endpoint>) -> Option<OtherSocket> {
    if local.is_some() && matches!(protocol, Protocol::Tcp | Protocol::Udp | Protocol::Mptcp) {
        return None;
    }
    let why = Unknown::NotKept;
    Some(OtherSocket {
        socket_type: Known::Unknown(why),
        protocol: Known::Unknown(why),
        local_name: Known::Unknown(why),
        peer_name: Known::Unknown(why),
        peer: Known::Unknown(why),
        groups: Known::Unknown(why),
        is_in_no_table: local.is_none() && family.is_internet() || protocol == Protocol::Other,
    })
}

fn process(row: &Row<'_, '_>, pid: u32) -> Option<Process> {
    let text = |key| known(row.text(key).map(|text| Box::from(&*text)));
    Some(Process {
        uid: known(row.small("process_uid")),
        user: text("user"),
        cgroup: text("cgroup"),
        container_id: text("container"),
        systemd_unit: text("unit"),
        ..Process::bare(pid, &*row.text("process")?, Unknown::NotKept)
    })
}

/// What it carried; of rows without that only the name of the outermost protocol is kept.
fn application(row: &Row<'_, '_>) -> Option<Application> {
    let layers = row.text("layers").and_then(|text| layers::application(&text));
    layers.or_else(|| Some(Application { layers: [layers::bare(&row.text("app")?)].into() }))
}

fn stats(row: &Row<'_, '_>, at: Moment) -> Stats {
    let rate = |key| row.fraction(key);
    let rates = rate("rate_out_bytes_per_s").zip(rate("rate_in_bytes_per_s"));
    Stats {
        age_us: known(row.whole("age_us")),
        rates: known(
            rates
                .map(|(out_bytes_per_s, in_bytes_per_s)| Rates { out_bytes_per_s, in_bytes_per_s }),
        ),
        slot_rates: Known::Unknown(Unknown::NotKept),
        ..Stats::new(0, 0, at)
    }
}

/// The verdict, with its evidence where that is kept.
fn verdict(row: &Row<'_, '_>) -> Verdict {
    let Some(class) = row.word("verdict", Class::ALL, Class::name) else {
        return Verdict::UNKNOWN;
    };
    let kept = row.text("evidence").and_then(|json| serde_json::from_str::<Verdict>(&json).ok());
    let evidence = kept.filter(|kept| kept.class == class).map(|kept| kept.evidence);
    let confidence = row.fraction("confidence_percent").unwrap_or(0.0).clamp(0.0, 100.0);
    Verdict {
        class,
        confidence_percent: confidence as u8,
        evidence: evidence.unwrap_or(Evidence::NONE),
    }
}
