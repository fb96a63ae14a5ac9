use std::net::IpAddr;

use super::{ExpectedFlow, ExpectedFlows, FlowEnd, MAX_OF_ONE};
use crate::decode::rtp::RTP;
use crate::decode::{BothSides, Ends, Side};
use crate::model::Endpoint;

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
const SERVER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

/// Set up by a connection whose own end is that of the client.
fn flow(number: u32, client: u16, server: u16) -> ExpectedFlow {
    let sent = FlowEnd { address: Some(CLIENT), port: client };
    let received = FlowEnd { address: None, port: server };
    ExpectedFlow { number, protocol: &RTP, ends: BothSides { sent, received } }
}

fn ends(local: (IpAddr, u16), remote: (IpAddr, u16)) -> Ends {
    let end = |(address, port)| Some(Endpoint { address, port });
    Ends { local: end(local), remote: end(remote), opener: None }
}

#[test]
fn a_flow_is_found_from_either_end_until_its_connection_ends() {
    let mut flows = ExpectedFlows::default();
    let mut announced = Vec::new();
    flows.add('a', flow(0, 5000, 6000), &mut announced);
    flows.add('a', flow(1, 5001, 6001), &mut announced);
    let same = flows.find(ends((CLIENT, 5001), (SERVER, 6001))).expect("a link");
    assert_eq!((same.owner, same.number, same.side(Side::Sent)), ('a', 1, Side::Sent));
    let turned = flows.find(ends((SERVER, 6000), (CLIENT, 5000))).expect("a link");
    assert_eq!((turned.number, turned.side(Side::Sent)), (0, Side::Received));
    // Of another client.
    assert!(flows.find(ends((SERVER, 6000), (SERVER, 5000))).is_none());
    flows.remove('a', &mut announced);
    assert!(flows.find(ends((CLIENT, 5001), (SERVER, 6001))).is_none());
    assert!(flows.by_ports.is_empty() && flows.length == 0);
}

#[test]
fn each_end_of_this_machine_has_its_own_connection() {
    let mut flows = ExpectedFlows::default();
    flows.add('c', flow(0, 5000, 6000), &mut Vec::new());
    // The same flow as the connection of the server's end has it.
    let ExpectedFlow { number, protocol, ends: BothSides { sent, received } } = flow(7, 5000, 6000);
    let turned = BothSides { sent: received, received: sent };
    flows.add('s', ExpectedFlow { number, protocol, ends: turned }, &mut Vec::new());
    let of = |ends| flows.find(ends).map(|link| (link.owner, link.side(Side::Sent)));
    assert_eq!(of(ends((CLIENT, 5000), (SERVER, 6000))), Some(('c', Side::Sent)));
    assert_eq!(of(ends((SERVER, 6000), (CLIENT, 5000))), Some(('s', Side::Sent)));
}

#[test]
fn a_connection_expects_no_more_than_its_share() {
    let mut flows = ExpectedFlows::default();
    let mut announced = Vec::new();
    for number in 0..1000 {
        flows.add('a', flow(number, number as u16, 1), &mut announced);
    }
    assert_eq!((flows.length, announced.len()), (MAX_OF_ONE, MAX_OF_ONE));
}
