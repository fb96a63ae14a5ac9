//! Media: how fast are bulk RTMP and a bulk MPEG transport stream of a capture file decoded, beside tshark with the same question;
//! and what does an agent use that watches live streams?

mod live;
mod rtmp;
mod ts;

use std::fmt::Write as _;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use clap::Args;
use conns_lab::netns::Namespace;

use crate::capture::{self, Frames, Reader, Removed, SEGMENT, SEGMENTS_ACKED, take_turns};
use crate::run::machine::Machine;
use crate::run::write;

use live::Watched;

/// Where RTMP is served.
const PORT: u16 = 1935;
/// Where a transport stream is received.
const TS_PORT: u16 = 9997;
/// Bytes of a picture in the file.
const PICTURE: usize = 20_000;
/// How many times as fast as tshark.
const GOAL: f64 = 50.0;

/// What to run.
#[derive(Args, Clone, Debug)]
pub(crate) struct Plan {
    /// Size of the file, MB.
    #[arg(long, default_value_t = 500)]
    megabytes: u64,
    /// Turns of each program.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Seconds for which the agent watches.
    #[arg(long, default_value_t = 30)]
    watch: u32,
    /// The conns binary.
    #[arg(long, default_value = "target/release/conns")]
    conns: PathBuf,
    /// Folder of the file, which is removed in the end.
    #[arg(long, default_value = "/tmp")]
    scratch: PathBuf,
    /// Folder of the dated results.
    #[arg(long, default_value = "bench/runs")]
    out: PathBuf,
}

/// Runs the plan and writes `<UTC>-media.md` and `.csv`.
pub(crate) fn run(plan: &Plan) -> anyhow::Result<()> {
    let started = Instant::now();
    let machine = Machine::read(&plan.conns);
    let races = [race(plan, "RTMP", make_rtmp)?, race(plan, "MPEG-TS over UDP", make_ts)?];
    let watched = [
        // As in a studio, and as on a server with many viewers.
        live::watch(plan, live::Load { publishers: 200, players: 0, bits_per_s: 4_000_000 })?,
        live::watch(plan, live::Load { publishers: 10, players: 50, bits_per_s: 4_000_000 })?,
    ];
    let how = format!("Files of one flow in the page cache, {} turns each. ", plan.rounds);
    let mut text = machine.heading("Bench of media", &how, started.elapsed());
    text.push_str(&of_files(&races));
    text.push_str(&of_agent(&watched));
    print!("{text}");
    let stem = plan.out.join(format!("{}-media", machine.stamp()));
    write(&stem, &[("md", text), ("csv", csv(&races, &watched))])
}

/// What both programs needed for one file.
struct Race {
    media: &'static str,
    /// Bytes of media in the file.
    bytes: u64,
    readers: [Reader; 2],
}

/// Makes a file, and lets each program count its messages or packets.
fn race(
    plan: &Plan,
    media: &'static str,
    make: impl Fn(&Path, &Plan) -> std::io::Result<u64>,
) -> anyhow::Result<Race> {
    let path = plan.scratch.join(format!("conns-bench-{}.pcap", std::process::id()));
    let _removed = Removed(&path);
    let bytes = make(&path, plan).with_context(|| format!("cannot write {}", path.display()))?;
    let file = path.display().to_string();
    let conns = plan.conns.display().to_string();
    let columns = "local_port,rtmp.media_messages_sent,rtmp.media_messages_received,ts.packets";
    let conns = [&conns, "--read", &file, "-a", "-o", "json", "--columns", columns];
    // Messages may be long.
    let longest = "rtmpt.max_packet_size:16777215";
    let stream = format!("udp.port=={TS_PORT},mp2t");
    let either = ["-Y", "rtmpt || mp2t", "-e", "rtmpt.header.format", "-e", "mp2t.pid"];
    let tshark = ["tshark", "-r", &file, "-o", longest, "-d", &stream, "-T", "fields"];
    let tshark = [&tshark[..], &either].concat();
    let mut readers = [Reader::new("conns", &conns), Reader::new("tshark", &tshark)];
    eprintln!("{media}");
    take_turns(&mut readers, plan.rounds, &Namespace::create("media")?)?;
    Ok(Race { media, bytes, readers })
}

fn of_files(races: &[Race]) -> String {
    let mut text = String::from(
        "| media | MB | program | Gbit/s a core | CPU s | peak MB | times as fast |\n|---|--:|---|--:|--:|--:|--:|\n",
    );
    for Race { media, bytes, readers } in races {
        let [ours, theirs] =
            readers.each_ref().map(|reader| reader.spread(|usage| usage.cpu_us() as f64).0);
        for (reader, times) in readers.iter().zip([format!("{:.1}", theirs / ours), "1".into()]) {
            let _ = writeln!(
                text,
                "| {media} | {} | {} | {} | {} | {} | {times} |",
                bytes / 1_000_000,
                reader.name,
                reader.spread(|usage| *bytes as f64 * 8.0 / 1e3 / usage.cpu_us() as f64).1,
                reader.spread(|usage| usage.cpu_us() as f64 / 1e6).1,
                reader.spread(|usage| usage.peak_kib as f64 / 1024.0).1,
            );
        }
    }
    let _ = writeln!(
        text,
        "\nBoth count the messages or packets of the file, by CPU time, start-up included. The goal is {GOAL:.0} times the speed of tshark.\n",
    );
    text
}

fn of_agent(watched: &[Watched]) -> String {
    let mut text = String::from(
        "| publishers | players | Mbit/s in all | % of a core | resident MB | proportional MB | peak MB | connections of RTMP shown | bytes not decoded |\n\
         |--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for one in watched {
        let _ = writeln!(
            text,
            "| {} | {} | {:.0} | {:.1} | {:.0} | {:.0} | {:.0} | {} | {} |",
            one.load.publishers,
            one.load.players,
            one.megabits_per_s,
            one.percent,
            one.resident_mb,
            one.proportional_mb,
            one.peak_mb,
            one.shown,
            one.gap_bytes,
        );
    }
    text.push_str(
        "\nThe streams are sent over loopback by this program, 25 pictures a second each. Both ends of a connection are shown. The goal for 200 \
         streams of 4 Mbit/s is 25 % of a core and 64 MB. The agent maps each page of a ring of the kernel twice; it counts twice as resident (VmRSS), once \
         as proportional (Pss).\n",
    );
    text
}

fn csv(races: &[Race], watched: &[Watched]) -> String {
    let mut text = String::new();
    for race in races {
        let _ = writeln!(text, "{}", race.media);
        text.push_str(&capture::csv(&race.readers));
    }
    text.push_str(
        "publishers,players,megabits_per_s,percent,resident_mb,proportional_mb,peak_mb,shown,gap_bytes\n",
    );
    for one in watched {
        let _ = writeln!(
            text,
            "{},{},{:.1},{:.2},{:.1},{:.1},{:.1},{},{}",
            one.load.publishers,
            one.load.players,
            one.megabits_per_s,
            one.percent,
            one.resident_mb,
            one.proportional_mb,
            one.peak_mb,
            one.shown,
            one.gap_bytes,
        );
    }
    text
}

/// Writes a file of one connection, whose client publishes. Returns the bytes that it sends.
fn make_rtmp(path: &Path, plan: &Plan) -> std::io::Result<u64> {
    let mut file = Frames::begin(BufWriter::new(File::create(path)?), PORT)?;
    let (mut sent, mut received) = (0_u64, 0_u64);
    file.put(0, true, (0, 0), 2, &[])?;
    file.put(0, false, (0, 1), 18, &[])?;
    file.put(0, true, (1, 1), 16, &[])?;
    let numbers = |sent: u64, received: u64| (1 + sent as u32, 1 + received as u32);
    for (is_of_client, bytes) in rtmp::dialogue("bench", rtmp::Role::Publish) {
        for segment in bytes.chunks(SEGMENT) {
            let (client, server) = numbers(sent, received);
            let place = if is_of_client { (client, server) } else { (server, client) };
            file.put(0, is_of_client, place, 24, segment)?;
            *(if is_of_client { &mut sent } else { &mut received }) += segment.len() as u64;
        }
    }
    let picture = rtmp::picture(PICTURE);
    let mut rest: Vec<u8> = Vec::new();
    let mut turn = 0;
    while file.bytes() < plan.megabytes * 1_000_000 {
        while rest.len() < SEGMENT {
            rest.extend_from_slice(&picture);
        }
        let whole = rest.len() - rest.len() % SEGMENT;
        for segment in rest[..whole].chunks(SEGMENT) {
            let (client, server) = numbers(sent, received);
            file.put(0, true, (client, server), 24, segment)?;
            sent += segment.len() as u64;
            turn += 1;
            if turn % SEGMENTS_ACKED == 0 {
                let (client, server) = numbers(sent, received);
                file.put(0, false, (server, client), 16, &[])?;
            }
        }
        rest.drain(..whole);
    }
    file.end()?;
    Ok(sent)
}

/// Writes a file of one flow with a transport stream. Returns the bytes that it sends.
fn make_ts(path: &Path, plan: &Plan) -> std::io::Result<u64> {
    let mut file = Frames::begin(BufWriter::new(File::create(path)?), TS_PORT)?;
    let mut stream = ts::Stream::new(PICTURE);
    let (mut rest, mut sent) = (Vec::new(), 0);
    while file.bytes() < plan.megabytes * 1_000_000 {
        stream.picture(&mut rest);
        let whole = rest.len() - rest.len() % ts::DATAGRAM;
        for datagram in rest.drain(..whole).as_slice().chunks(ts::DATAGRAM) {
            file.put_datagram(0, datagram)?;
            sent += datagram.len() as u64;
        }
    }
    file.end()?;
    Ok(sent)
}
