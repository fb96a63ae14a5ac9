//! uftp to one receiver, without encryption. It either sends at a rate that the user knows, or at TFMCC's.

use std::net::IpAddr;

use super::super::host::Port;
use super::super::transfer::{Ended, Transfer};

const PORT: u16 = 1044;
/// Share of the path's rate: one that loses nothing in the queue.
const SHARE: f64 = 0.95;

pub(super) fn at_the_rate(transfer: &Transfer<'_>) -> Ended {
    // -1 is as fast as the interface allows.
    let rate = transfer
        .rate_bits
        .map_or("-1".to_owned(), |rate| format!("{:.0}", rate as f64 * SHARE / 1e3));
    send(transfer, &["-R", &rate])
}

pub(super) fn with_tfmcc(transfer: &Transfer<'_>) -> Ended {
    send(transfer, &["-C", "tfmcc"])
}

fn send(transfer: &Transfer<'_>, rate: &[&str]) -> Ended {
    let target = transfer.target();
    let [from, to] = [transfer.from, transfer.to].map(|host| host.address.to_string());
    let serve = ["-d", "-D", &target, "-I", &to];
    transfer.to.serve("uftpd", &transfer.program("uftpd")?, &serve, Port::Udp(PORT))?;
    let client = client(transfer.to.address);
    let source = transfer.source();
    let mut arguments = rate.to_vec();
    // With the only client named, it does not wait for others.
    arguments.extend(["-M", &to, "-P", &to, "-I", &from, "-H", &client, &source]);
    transfer.send(&transfer.program("uftp")?, &arguments)
}

/// The id of a client, which is its address unless set.
fn client(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("0x{:08X}", u32::from(address)),
        IpAddr::V6(address) => address.to_string(),
    }
}
