//! Media streams over all connections: who publishes and who plays each, and who is slow.

use std::collections::{HashMap, HashSet};

use crate::decode::{LayerValues, MediaStream};
use crate::model::{Class, Connection, Endpoint, Process};

/// Below this share of real time a stream is slow, percent: players have a buffer of a few seconds.
const SLOW_PERCENT: f64 = 90.0;

/// A stream at a server.
#[derive(Debug)]
pub struct PublishedStream<'a> {
    /// Its name at the server; empty if it has none.
    pub name: &'a str,
    /// The server.
    pub server: StreamServer<'a>,
    /// The connections on which the server receives it.
    pub publishers: Vec<StreamEnd<'a>>,
    /// The connections on which the server sends it.
    pub players: Vec<StreamEnd<'a>>,
}

/// The server of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StreamServer<'a> {
    /// A process of this machine: its name, its pid.
    Process(&'a str, u32),
    /// An end whose process is not known, or on another machine.
    End(Endpoint),
}

/// A connection that carries a stream.
#[derive(Debug, Clone, Copy)]
pub struct StreamEnd<'a> {
    /// The connection.
    pub connection: &'a Connection,
    /// The stream on it.
    pub stream: MediaStream<'a>,
    /// How it goes.
    pub state: StreamState,
}

/// How a stream goes on a connection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum StreamState {
    /// In real time, or faster.
    Flowing,
    /// Not known yet.
    Unknown,
    /// Nothing is published under the name that is played.
    Waiting,
    /// The publisher sends less than real time.
    PublisherSlow {
        /// Media time for each unit of real time, percent.
        pace_percent: f64,
        /// What limits the publisher's connection.
        limit: Class,
    },
    /// What is played is published in less than real time.
    StarvedByPublisher {
        /// Of the publisher.
        pace_percent: f64,
        /// What limits the publisher's connection.
        limit: Class,
    },
    /// It is published in real time, and gets to the player in less.
    PathSlow {
        /// Of the player.
        pace_percent: f64,
        /// What limits the player's connection.
        limit: Class,
    },
}

impl StreamState {
    /// The state in a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Flowing => "flowing",
            Self::Unknown => "unknown",
            Self::Waiting => "waiting",
            Self::PublisherSlow { .. } => "publisher-slow",
            Self::StarvedByPublisher { .. } => "starved-by-publisher",
            Self::PathSlow { .. } => "path-slow",
        }
    }
}

/// The streams of these connections by server and name. Of a connection between two processes of this machine the
/// server's end counts. A server that pulls from another one or pushes to it has the stream itself.
#[must_use]
pub fn published_streams<'a>(connections: &[&'a Connection]) -> Vec<PublishedStream<'a>> {
    let servers = Servers::of(connections);
    let mut found: Vec<PublishedStream<'a>> = Vec::new();
    let mut places: HashMap<(StreamServer<'a>, &'a str), usize> = HashMap::new();
    for connection in connections {
        let Some((server, is_own)) = servers.server_of(connection) else { continue };
        for stream in MediaStream::of(connection) {
            let name = stream.text("name").unwrap_or_default();
            let name = name.split('?').next().unwrap_or_default();
            let at = *places.entry((server, name)).or_insert_with(|| {
                let (publishers, players) = (Vec::new(), Vec::new());
                found.push(PublishedStream { name, server, publishers, players });
                found.len() - 1
            });
            let Some(place) = found.get_mut(at) else { continue };
            let end = StreamEnd { connection, stream, state: StreamState::Unknown };
            // What the server receives is published; of another machine's server this is what is sent to it.
            let is_input = stream.is_sent() != is_own;
            if is_input { &mut place.publishers } else { &mut place.players }.push(end);
        }
    }
    found.iter_mut().for_each(judge);
    found.sort_by(|a, b| (a.server, a.name).cmp(&(b.server, b.name)));
    found
}

/// Whether this end is the client of its media protocol.
fn is_client(connection: &Connection) -> bool {
    LayerValues::all(connection).any(|layer| layer.text("role") == Some("client"))
}

/// Whether this end is the server of a media protocol, with a stream.
#[must_use]
pub fn serves_media(connection: &Connection) -> bool {
    MediaStream::of(connection).next().is_some() && !is_client(connection)
}

/// The process that holds a connection.
fn process(connection: &Connection) -> Option<&Process> {
    connection.listed_owners().first().map(|owner| &*owner.process)
}

/// The media servers of this machine.
struct Servers {
    /// Their ends, near and far.
    ends: HashSet<(Endpoint, Endpoint)>,
    pids: HashSet<u32>,
}

impl Servers {
    fn of(connections: &[&Connection]) -> Self {
        let is_server = |one: &&&Connection| serves_media(one);
        let servers = || connections.iter().filter(is_server);
        Self {
            ends: servers().filter_map(|one| Some((one.local(), one.remote()?))).collect(),
            pids: servers().filter_map(|one| process(one)).map(|one| one.pid).collect(),
        }
    }

    /// The server of a connection's streams, and whether this end is that server; `None` if the server's own end is
    /// among the connections.
    fn server_of<'a>(&self, connection: &'a Connection) -> Option<(StreamServer<'a>, bool)> {
        let local = connection.local();
        let process = process(connection);
        let of_process = |process: &'a Process| StreamServer::Process(&process.name, process.pid);
        if !is_client(connection) {
            return Some((process.map_or(StreamServer::End(local), of_process), true));
        }
        if let Some(process) = process.filter(|process| self.pids.contains(&process.pid)) {
            return Some((of_process(process), true));
        }
        let remote = connection.remote()?;
        let is_listed = self.ends.contains(&(remote, local));
        (!is_listed).then_some((StreamServer::End(remote), false))
    }
}

/// Decides who is slow.
fn judge(stream: &mut PublishedStream<'_>) {
    for publisher in &mut stream.publishers {
        publisher.state = match publisher.pace() {
            None => StreamState::Unknown,
            Some(pace_percent) if pace_percent < SLOW_PERCENT => {
                let limit = publisher.connection.verdict.class;
                StreamState::PublisherSlow { pace_percent, limit }
            }
            Some(_) => StreamState::Flowing,
        };
    }
    let publisher = stream.publishers.first().copied();
    for player in &mut stream.players {
        let limit = player.connection.verdict.class;
        player.state = match (player.pace(), publisher.map(|publisher| publisher.state)) {
            (_, None) if player.stream.is("is_linked") == Some(false) => StreamState::Waiting,
            (None, None) => StreamState::Waiting,
            (_, Some(StreamState::PublisherSlow { pace_percent, limit })) => {
                StreamState::StarvedByPublisher { pace_percent, limit }
            }
            (Some(pace_percent), _) if pace_percent < SLOW_PERCENT => {
                StreamState::PathSlow { pace_percent, limit }
            }
            (Some(_), _) => StreamState::Flowing,
            (None, Some(_)) => StreamState::Unknown,
        };
    }
}

impl StreamEnd<'_> {
    fn pace(&self) -> Option<f64> {
        self.stream.percent("pace_percent")
    }
}
