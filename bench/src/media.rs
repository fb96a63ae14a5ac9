//! Media: how fast is bulk RTMP of a capture file decoded, beside tshark with the same question; and what does an
//! agent use that watches live streams?

mod live;
mod rtmp;

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
    let path = plan.scratch.join(format!("conns-bench-{}.pcap", std::process::id()));
    let removed = Removed(&path);
    let bytes = make(&path, plan).with_context(|| format!("cannot write {}", path.display()))?;
    let readers = read(&path, plan)?;
    drop(removed);
    let watched = [
        // As in a studio, and as on a server with many viewers.
        live::watch(plan, live::Load { publishers: 200, players: 0, bits_per_s: 4_000_000 })?,
        live::watch(plan, live::Load { publishers: 10, players: 50, bits_per_s: 4_000_000 })?,
    ];
    let how = format!(
        "{} MB of RTMP in one connection, in the page cache, {} turns each. ",
        bytes / 1_000_000,
        plan.rounds
    );
    let mut text = machine.heading("Bench of media", &how, started.elapsed());
    text.push_str(&of_file(bytes, &readers));
    text.push_str(&of_agent(&watched));
    print!("{text}");
    let stem = plan.out.join(format!("{}-media", machine.stamp()));
    write(&stem, &[("md", text), ("csv", csv(&readers, &watched))])
}

/// Lets each program count the messages of the file.
fn read(path: &Path, plan: &Plan) -> anyhow::Result<[Reader; 2]> {
    let file = path.display().to_string();
    let conns = plan.conns.display().to_string();
    let columns = "local_port,rtmp.media_messages_sent,rtmp.media_messages_received";
    let conns = [&conns, "--read", &file, "-a", "-o", "json", "--columns", columns];
    let shown = "rtmpt.header.format";
    let longest = "rtmpt.max_packet_size:16777215";
    let tshark = ["tshark", "-r", &file, "-o", longest, "-Y", "rtmpt", "-T", "fields", "-e", shown];
    let mut readers = [Reader::new("conns", &conns), Reader::new("tshark", &tshark)];
    take_turns(&mut readers, plan.rounds, &Namespace::create("media")?)?;
    Ok(readers)
}

fn of_file(bytes: u64, readers: &[Reader; 2]) -> String {
    let mut text =
        String::from("| program | Gbit/s a core | CPU s | peak MB |\n|---|--:|--:|--:|\n");
    for reader in readers {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            reader.name,
            reader.spread(|usage| bytes as f64 * 8.0 / 1e3 / usage.cpu_us() as f64).1,
            reader.spread(|usage| usage.cpu_us() as f64 / 1e6).1,
            reader.spread(|usage| usage.peak_kib as f64 / 1024.0).1,
        );
    }
    let [ours, theirs] =
        readers.each_ref().map(|reader| reader.spread(|usage| usage.cpu_us() as f64).0);
    let _ = writeln!(
        text,
        "\nBoth count the messages of the file. conns needs 1/{:.1} of tshark's CPU; the goal is 1/{GOAL:.0}. Start-up is included.\n",
        theirs / ours
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

fn csv(readers: &[Reader], watched: &[Watched]) -> String {
    let mut text = capture::csv(readers);
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
fn make(path: &Path, plan: &Plan) -> std::io::Result<u64> {
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
