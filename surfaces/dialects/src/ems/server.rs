//! The connections of a media server: the entries of their list, and how their streams are linked.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use conns_core::decode::{LayerValues, MediaStream, RTMP, WRITTEN_FILE};
use conns_core::model::{Connection, Moment, OpenFile, Source, State, unmapped};

use super::entry::{Carrier, Element, Entry, Role, Top};
use super::settings::{Files, Request, Settings, Uri};
use super::stack::{Acceptors, Stack};
use super::stream::{Around, StreamEnds, StreamEntry, Urls, local_name};

/// Ids reserved for the stack of one connection.
const IDS_PER_STACK: u64 = 8;
/// Ids reserved for the streams of one connection.
const IDS_PER_CONNECTION: u64 = 256;
/// The serial number from which on files are counted: connections have lower ones.
const FIRST_OF_FILES: u64 = 1 << 32;
/// Characters around the id in the `clientid` of a status.
const AROUND_ID: usize = 4;

/// The entries of these connections, sampled at `at`, in the order of their creation. Those that carry nothing that
/// a media server lists have none. Files have entries without socket.
pub(super) fn entries(listed: &[&Connection], files: &[OpenFile], at: Moment) -> Vec<Entry> {
    let acceptors = Acceptors::of(listed.iter().copied());
    let (peers, sockets): (Vec<&Connection>, _) = listed.iter().partition(|one| one.is_peer());
    // What a socket received is what its peers sent, and more.
    let listed_sockets: HashSet<_> = sockets.iter().map(|one| one.socket_inode()).collect();
    let mut entries: Vec<Entry> = Vec::with_capacity(listed.len());
    for one in peers.into_iter().chain(sockets) {
        let is_in_socket = one.is_peer() && listed_sockets.contains(&one.socket_inode());
        let stack = acceptors.stack(one);
        let Some(mut entry) = stack.and_then(|stack| entry(one, stack, at)) else { continue };
        if let Some(Carrier::Udp { received, .. }) = &mut entry.carrier
            && is_in_socket
        {
            *received = 0;
        }
        entries.push(entry);
    }
    merge_ports(&mut entries);
    let first = FIRST_OF_FILES..;
    entries.extend(first.zip(files).filter_map(|(number, file)| written(file, number, at)));
    link(&mut entries);
    entries.sort_by_key(|entry| (entry.created_wall_us(), entry.last_id()));
    entries
}

fn entry(connection: &Connection, stack: Stack, at: Moment) -> Option<Entry> {
    let socket = &connection.socket;
    let serial = connection.stats.serial;
    let (local, remote) = (connection.local(), connection.remote());
    let near = (unmapped(local.address), local.port);
    let received = connection.bytes_in().get().unwrap_or(0);
    let far = remote.map(|end| (unmapped(end.address), end.port));
    let (carrier, tag) = match Role::of(connection)? {
        Role::TcpCarrier => {
            let sent = connection.bytes_out().get().unwrap_or(0);
            (Carrier::Tcp { id: serial, near, far: far?, received, sent }, "TCP")
        }
        Role::UdpCarrier => {
            // EMS lists the address to which it is bound, which packets do not show.
            let address = match near.0 {
                address if socket.source != Source::Capture => address,
                IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            };
            (Carrier::Udp { id: serial, near: (address, near.1), received }, "UDP")
        }
        Role::TcpAcceptor | Role::TcpConnector => return None,
    };
    let (Carrier::Tcp { near, .. } | Carrier::Udp { near, .. }) = carrier;
    let is_tcp = tag == "TCP";
    let rtmp = LayerValues::of(connection, &RTMP);
    let created_wall_us = at.wall_us.saturating_sub_unsigned(connection.stats.least_age_us(at));
    let first_id = first_id(serial, stack, rtmp);
    let element = |tag, relative: i64| Element {
        id: first_id.saturating_add_signed(relative),
        tag,
        application_id: u64::from(relative != 0),
        created_wall_us,
        is_closing: matches!(
            socket.state,
            State::FinWait1 | State::FinWait2 | State::LastAck | State::Closing
        ),
    };
    let above = stack.tags().iter().map(|(tag, relative)| element(*tag, *relative));
    let stack_elements: Vec<Element> = [element(tag, 0)].into_iter().chain(above).collect();
    let text = |name: &str| rtmp.and_then(|rtmp| rtmp.text(name)).map(str::to_owned);
    let is_outbound = matches!(stack, Stack::OutboundRtmp | Stack::OutboundRtmps);
    let (mut user_agent, mut server_agent) =
        if is_outbound { (None, text("server")) } else { (text("user_agent"), None) };
    if stack == Stack::Rtsp
        && let Some(rtsp) = LayerValues::all(connection).find(|one| one.protocol() == "rtsp")
    {
        let is_client = rtsp.text("role") == Some("client");
        let agent = rtsp.text(if is_client { "server" } else { "user_agent" }).map(str::to_owned);
        (user_agent, server_agent) = if is_client { (None, agent) } else { (agent, None) };
    }
    let settings = settings(connection, stack, rtmp, received);
    let process = connection.first_owner();
    let process = process.value().map(|owner| &owner.process);
    let streams = MediaStream::of(connection).map(|stream| {
        let number = stream.count("number").unwrap_or(0);
        let around = Around {
            id: serial.saturating_mul(IDS_PER_CONNECTION).saturating_add(number),
            ends: StreamEnds { near, far: far.filter(|_| is_tcp) },
            process_id: process.map_or(0, |process| process.pid.into()),
            application: text("app").unwrap_or_default(),
            urls: Urls {
                tc: text("tc_url"),
                swf: text("swf_url"),
                // Of an outbound connection it is that of its settings.
                page: text("page_url").or_else(|| is_outbound.then(String::new)),
            },
            user_agent: user_agent.clone(),
            server_agent: server_agent.clone(),
            settings: settings.clone(),
            since_wall_us: created_wall_us,
        };
        StreamEntry::new(&stream, around)
    });
    let invokes = |name| rtmp.and_then(|rtmp| rtmp.count(name)).unwrap_or(0);
    let top = Top {
        streams: streams.collect(),
        invokes: stack.is_rtmp().then(|| (invokes("messages_received"), invokes("messages_sent"))),
        always_has_streams: stack.always_has_streams(),
        hides_streams: stack == Stack::MpegTs,
        user_agent,
        server_agent,
    };
    let queried_wall_us = at.wall_us;
    Some(Entry { carrier: Some(carrier), stack: stack_elements, top, settings, queried_wall_us })
}

/// The entry of files that are written.
fn written(file: &OpenFile, number: u64, at: Moment) -> Option<Entry> {
    let facts = LayerValues::of_layers(file.application.value()?, &WRITTEN_FILE)?;
    let process = file.owner.value()?;
    let kind = facts.text("kind")?;
    let files = Files {
        kind: ["hls", "dash", "mp4", "flv"].into_iter().find(|one| *one == kind).unwrap_or("ts"),
        stream: facts.text("stream")?.to_owned(),
        path: file.path.to_string(),
        segment_s: facts.count("segment_time").unwrap_or(0).div_ceil(1_000_000),
        since_wall_us: file.first_seen.wall_us,
    };
    let element = Element {
        id: number.saturating_mul(IDS_PER_STACK),
        tag: "PT",
        application_id: 1,
        created_wall_us: file.first_seen.wall_us,
        is_closing: false,
    };
    let id = number.saturating_mul(IDS_PER_CONNECTION);
    let streams = vec![StreamEntry::written(id, files.clone(), process)];
    Some(Entry {
        carrier: None,
        stack: vec![element],
        top: Top { streams, ..Top::default() },
        settings: Some(Settings::Files(files)),
        queried_wall_us: at.wall_us,
    })
}

/// The id of the transport. That of an inbound RTMP connection is on the wire where the server is an EMS: the
/// `clientid` of each status has it between random characters.
fn first_id(serial: u64, stack: Stack, rtmp: Option<LayerValues<'_>>) -> u64 {
    let of_server = || {
        let id = rtmp?.text("client_id")?;
        let end = id.len().checked_sub(AROUND_ID)?;
        let id: u64 = id.get(AROUND_ID..end)?.parse().ok()?;
        let (_, relative) = stack.tags().iter().find(|(tag, _)| *tag == "IR")?;
        id.checked_add_signed(-relative)
    };
    of_server().unwrap_or_else(|| serial.saturating_mul(IDS_PER_STACK))
}

/// The request that opened an outbound connection.
fn settings(
    connection: &Connection,
    stack: Stack,
    rtmp: Option<LayerValues<'_>>,
    received: u64,
) -> Option<Settings> {
    if stack == Stack::MpegTs {
        return (received > 0).then_some(Settings::Accepted);
    }
    let rtmp = rtmp.filter(|_| stack == Stack::OutboundRtmp)?;
    let stream = MediaStream::of(connection).next()?;
    let name = stream.text("name").unwrap_or_default().to_owned();
    let text = |name| rtmp.text(name).unwrap_or_default().to_owned();
    let base = text("tc_url");
    let mut request = Request {
        page_url: text("page_url"),
        user_agent: text("user_agent"),
        local_name: local_name(&stream).unwrap_or_default().to_owned(),
        ..Request::default()
    };
    if stream.is_published() {
        request.target_name = name;
        request.uri = Uri::new(base);
        return Some(Settings::Push(request));
    }
    let has_name = base.ends_with(&format!("/{name}"));
    request.uri = Uri::new(if has_name { base } else { format!("{base}/{name}") });
    Some(Settings::Pull(request))
}

/// Sockets that are shown by their peers are one entry a port, the first one.
fn merge_ports(entries: &mut Vec<Entry>) {
    let mut first: HashMap<(IpAddr, u16), u64> = HashMap::new();
    for entry in entries.iter() {
        if let Some(Carrier::Udp { near, received, .. }) = &entry.carrier {
            *first.entry(*near).or_default() += received;
        }
    }
    entries.retain_mut(|entry| match &mut entry.carrier {
        Some(Carrier::Udp { near, received, .. }) => match first.remove(near) {
            Some(sum) => {
                *received = sum;
                true
            }
            None => false,
        },
        _ => true,
    });
}

/// Links outputs to the inputs of their names. The name that a pulled or pushed stream has at this server is not on
/// the wire: if only one stream can be meant, it is that.
fn link(entries: &mut [Entry]) {
    name_pushes(entries);
    name_pulls(entries);
    drop_metadata_of_pulls(entries);
    let inputs: HashMap<String, (u64, super::stream::Format)> = streams(entries)
        .filter(|stream| !stream.is_output)
        .map(|stream| (stream.name.clone(), (stream.id, stream.format.clone())))
        .collect();
    let mut outputs: HashMap<u64, Vec<u64>> = HashMap::new();
    for stream in streams_mut(entries).filter(|stream| stream.is_output) {
        let name = stream.name.split('?').next().unwrap_or_default();
        let input = inputs.get(name).filter(|_| !stream.is_unlinked).cloned();
        if let Some((id, _)) = &input {
            outputs.entry(*id).or_default().push(stream.id);
        }
        stream.link(input);
    }
    for stream in streams_mut(entries) {
        if let Some(ids) = outputs.remove(&stream.id) {
            stream.outputs = ids;
        }
    }
}

fn streams(entries: &[Entry]) -> impl Iterator<Item = &StreamEntry> {
    entries.iter().flat_map(|entry| entry.top.streams.iter())
}

fn streams_mut(entries: &mut [Entry]) -> impl Iterator<Item = &mut StreamEntry> {
    entries.iter_mut().flat_map(|entry| entry.top.streams.iter_mut())
}

/// EMS files metadata under the message stream that was published last, on any connection: where nothing is published,
/// that of a pulled stream is lost.
fn drop_metadata_of_pulls(entries: &mut [Entry]) {
    let is_pull = |entry: &Entry| matches!(entry.settings, Some(Settings::Pull(_)));
    let is_published = |stream: &StreamEntry| stream.kind == "INR";
    let mut others =
        entries.iter().filter(|entry| !is_pull(entry)).flat_map(|one| &one.top.streams);
    if others.any(is_published) {
        return;
    }
    for entry in entries.iter_mut().filter(|entry| is_pull(entry)) {
        entry.top.streams.iter_mut().for_each(|stream| stream.format.bandwidth = 0);
    }
}

/// Names a pushed stream by the only input, or the only one of its format.
fn name_pushes(entries: &mut [Entry]) {
    let inputs: Vec<(String, u64, super::stream::Format)> = streams(entries)
        .filter(|stream| !stream.is_output)
        .map(|stream| (stream.name.clone(), stream.id, stream.format.clone()))
        .collect();
    for entry in entries {
        let Some(settings @ Settings::Push(_)) = &mut entry.settings else { continue };
        for stream in &mut entry.top.streams {
            let mut same = inputs
                .iter()
                .filter(|(_, _, format)| inputs.len() == 1 || *format == stream.format);
            if let (Some((name, id, _)), None) = (same.next(), same.next()) {
                stream.name.clone_from(name);
                for settings in
                    [Some(&mut *settings), stream.settings.as_mut()].into_iter().flatten()
                {
                    if let Some(request) = settings.request_mut() {
                        request.local_name.clone_from(name);
                        request.local_id = *id;
                    }
                }
            }
        }
    }
}

/// Names a pulled stream by the only name that is played and that no other input has.
fn name_pulls(entries: &mut [Entry]) {
    let is_pull = |entry: &Entry| matches!(entry.settings, Some(Settings::Pull(_)));
    let published: Vec<String> = entries
        .iter()
        .filter(|entry| !is_pull(entry))
        .flat_map(|entry| &entry.top.streams)
        .filter(|stream| !stream.is_output)
        .map(|stream| stream.name.clone())
        .collect();
    let pulled = entries.iter().filter(|entry| is_pull(entry)).flat_map(|entry| &entry.top.streams);
    let pulled: Vec<String> = pulled.map(|stream| stream.name.clone()).collect();
    let is_fed = |stream: &&StreamEntry| {
        stream.is_output
            && !stream.is_empty()
            && !published.contains(&stream.name)
            && !pulled.contains(&stream.name)
    };
    let mut names: Vec<String> =
        streams(entries).filter(is_fed).map(|one| one.name.clone()).collect();
    names.dedup();
    let ([name], [_]) = (&names[..], &pulled[..]) else { return };
    for entry in entries {
        let Some(settings @ Settings::Pull(_)) = &mut entry.settings else { continue };
        for stream in &mut entry.top.streams {
            stream.name.clone_from(name);
            for settings in [Some(&mut *settings), stream.settings.as_mut()].into_iter().flatten() {
                if let Some(request) = settings.request_mut() {
                    request.local_name.clone_from(name);
                }
            }
        }
    }
}
