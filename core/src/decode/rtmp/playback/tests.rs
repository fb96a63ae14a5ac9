use std::sync::Arc;

use super::{COMPARED, Header, MAX_HELD_BACK, Playback, VIDEO};
use crate::decode::media::{
    Counted, Input, Publications, Published, Role, Server, Stream, Tracks, played,
};
use crate::decode::{BothSides, Ends, Side};
use crate::model::Endpoint;

/// Video of 25 pictures a second that is published, and one player of it, whose timestamps begin at 0.
struct Relay {
    publications: Publications,
    published: Arc<Published>,
    playback: Playback,
    stream: Stream,
    count: u32,
}

/// When the publication has its first message, milliseconds, near the largest timestamp.
const BEGIN_MS: u32 = u32::MAX - 100;

fn header(number: u32, begin_ms: u32) -> Header {
    let timestamp = begin_ms.wrapping_add(40 * number);
    Header { kind: VIDEO, length: 1000 + number, timestamp, stream: 1 }
}

impl Relay {
    fn new() -> Self {
        let publications = Publications::default();
        let end = Endpoint { address: [127, 0, 0, 1].into(), port: 1935 };
        let ends = Ends { remote: Some(end), ..Ends::default() };
        let server = Server::of(ends, Side::Sent).expect("a port");
        let name: Arc<str> = "cam".into();
        let published = publications.begin(server, &name);
        let playback = Playback::new(publications.clone(), Some(server), None, Arc::clone(&name));
        let stream = Stream {
            number: 1,
            role: Role::Play,
            sender: Side::Received,
            name: Some(name),
            ingest_point: None,
            since: BothSides::default(),
            bandwidth_kbit_per_s: 0,
            tracks: Tracks::default(),
            is_linked: None,
            input: None,
            began_before: false,
        };
        Self { publications, published, playback, stream, count: 0 }
    }

    /// Publishes messages, and returns the number of the first one.
    fn publish(&mut self, messages: u32) -> u32 {
        let first = self.count;
        self.count += messages;
        for number in first..self.count {
            let Header { length, timestamp, .. } = header(number, BEGIN_MS);
            self.published.message(true, timestamp, length);
            self.published.chunk(true, true, length.into());
        }
        first
    }

    fn send(&mut self, number: u32) {
        let header = header(number, 0);
        self.playback.message(&header);
        self.stream.tracks.video.sent.add(header.length.into());
    }

    /// Publishes messages of which each is sent at once.
    fn relay(&mut self, messages: u32) {
        for _ in 0..messages {
            let number = self.publish(1);
            self.send(number);
        }
    }

    /// What was offered, dropped, and is not sent yet.
    fn counts(&self) -> [Option<Counted>; 3] {
        let mut stream = self.stream.clone();
        self.playback.complete(&mut stream);
        let video = &stream.tracks.video;
        [Some(video.sent), Some(video.dropped), video.unsent]
    }
}

fn counted(numbers: impl IntoIterator<Item = u32>) -> Option<Counted> {
    let mut counted = Counted::default();
    numbers.into_iter().for_each(|number| counted.add((1000 + number).into()));
    Some(counted)
}

#[test]
fn what_was_published_since_the_last_message_that_was_sent_is_not_sent_yet() {
    let mut relay = Relay::new();
    relay.relay(10);
    assert_eq!(relay.counts(), [counted(0..10), counted([]), counted([])]);
    relay.publish(5);
    assert_eq!(relay.counts(), [counted(0..15), counted([]), counted(10..15)]);
    for number in 10..15 {
        relay.send(number);
    }
    assert_eq!(relay.counts(), [counted(0..15), counted([]), counted([])]);
}

#[test]
fn what_waits_when_the_publisher_leaves_is_still_sent() {
    let mut relay = Relay::new();
    relay.relay(10);
    relay.publish(2);
    relay.publications.end("cam", &relay.published);
    relay.playback.follow();
    relay.send(10);
    relay.playback.follow();
    assert_eq!(relay.counts(), [counted(0..12), counted([]), counted(11..12)]);
}

#[test]
fn what_a_server_passes_over_was_dropped() {
    let mut relay = Relay::new();
    relay.relay(10);
    relay.publish(8);
    relay.send(10);
    relay.send(14);
    let dropped = counted(11..14);
    assert_eq!(relay.counts(), [counted(0..18), dropped, counted(15..18)]);
}

#[test]
fn a_server_that_changes_timestamps_leaves_it_unknown_what_is_not_sent_yet() {
    let mut relay = Relay::new();
    for _ in 0..20 {
        let number = relay.publish(1);
        let header = Header { timestamp: number * number, ..header(number, 0) };
        relay.playback.message(&header);
        relay.stream.tracks.video.sent.add(header.length.into());
    }
    relay.publish(2);
    assert_eq!(relay.counts(), [counted(0..22), counted(20..22), None]);
}

#[test]
fn more_than_servers_hold_back_was_dropped() {
    let mut relay = Relay::new();
    relay.relay(10);
    let messages = MAX_HELD_BACK as u32 / 1000;
    relay.publish(messages);
    let end = 10 + messages;
    assert_eq!(relay.counts(), [counted(0..end), counted(10..end), None]);
}

#[test]
fn what_is_sent_later_shows_what_was_held_back_at_a_moment() {
    let mut ahead = Relay::new();
    ahead.relay(10);
    ahead.publish(10);
    ahead.publications.mark(0);
    ahead.send(10);
    ahead.send(13);
    assert!(!ahead.publications.is_known());
    ahead.publish(3);
    ahead.send(21);
    assert!(ahead.publications.is_known());

    let mut relay = Relay::new();
    relay.relay(10);
    relay.publish(10);
    assert_eq!(relay.counts(), [counted(0..20), counted([]), counted(10..20)]);
    relay.publications.adopt(&ahead.publications);
    let dropped = counted([11, 12].into_iter().chain(14..20));
    assert_eq!(relay.counts(), [counted(0..20), dropped, counted([10, 13])]);
}

#[test]
fn a_player_that_gets_nothing_more_leaves_it_unknown_what_was_held_back() {
    let mut ahead = Relay::new();
    ahead.relay(10);
    ahead.publish(5);
    ahead.publications.mark(0);
    ahead.send(10);
    assert!(!ahead.publications.is_known());
    let mut relay = Relay::new();
    relay.relay(10);
    relay.publish(5);
    relay.publications.adopt(&ahead.publications);
    assert_eq!(relay.counts(), [counted(0..15), counted([]), counted(10..15)]);
}

/// The server that receives inputs and sends them on.
const RELAY: Endpoint =
    Endpoint { address: std::net::IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2)), port: 1935 };

/// What the server pulls from another one under the name `origin`.
fn pulled(publications: &Publications, origin: u8) -> Arc<Input> {
    let local = Endpoint { port: 50_000, ..RELAY };
    let remote = Endpoint { address: [127, 0, 0, origin].into(), port: 1935 };
    let ends = Ends { local: Some(local), remote: Some(remote), opener: Some(Side::Sent) };
    let name = "origin".into();
    publications.begin_input(ends, Side::Received, Some(&name)).expect("room")
}

/// A player of the server.
fn player(publications: &Publications) -> Playback {
    let local = Endpoint { port: 50_001, ..RELAY };
    let ends = Ends { local: Some(local), remote: Some(RELAY), opener: Some(Side::Sent) };
    let name = "local".into();
    let played = played(ends, Side::Sent, &name);
    Playback::new(publications.clone(), Server::of(ends, Side::Sent), played, name)
}

/// Sends messages of an input on to a player, which are as well those of the inputs `same`.
fn send_on(player: &mut Playback, same: &[&Arc<Input>]) {
    for number in 0..COMPARED {
        let Header { length, timestamp, .. } = header(number, BEGIN_MS);
        same.iter().for_each(|input| input.message(true, timestamp, length));
        player.message(&header(number, 0));
    }
}

#[test]
fn an_input_has_the_name_under_which_the_same_messages_are_played() {
    let publications = Publications::default();
    let (one, other) = (pulled(&publications, 3), pulled(&publications, 4));
    send_on(&mut player(&publications), &[&one]);
    assert_eq!(one.name().map(|name| &**name), Some("local"));
    assert_eq!(other.name(), None);
}

#[test]
fn inputs_that_have_the_same_messages_have_no_name() {
    let publications = Publications::default();
    let (one, other) = (pulled(&publications, 3), pulled(&publications, 4));
    send_on(&mut player(&publications), &[&one, &other]);
    assert_eq!((one.name(), other.name()), (None, None));
}

#[test]
fn the_name_of_an_input_at_a_moment_is_known_if_it_is_played_later() {
    let ahead = Publications::default();
    let input = pulled(&ahead, 3);
    assert!(ahead.is_unsettled());
    ahead.mark(0);
    assert!(!ahead.is_known());
    send_on(&mut player(&ahead), &[&input]);
    assert!(ahead.is_known());
    let publications = Publications::default();
    let input = pulled(&publications, 3);
    publications.adopt(&ahead);
    assert_eq!(input.name().map(|name| &**name), Some("local"));
}
