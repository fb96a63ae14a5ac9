//! How fast recorded TLS and Levin traffic is decoded, beside tshark with the same question.
//!
//! A file has many copies of a recorded session (`corpus/`), each from a client of its own, which overlap in time. Both programs read
//! it in turns.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Args;
use conns_lab::netns::Namespace;

use crate::measure::Usage;
use crate::recorded::{self, Packet};
use crate::run::figures::Spread;
use crate::run::machine::Machine;
use crate::run::{measure_in, write};

/// Microseconds between the begins of two copies.
const COPY_INTERVAL_US: u64 = 10_000;
/// How many times as fast as tshark it is meant to be.
const GOAL: f64 = 50.0;

/// What to run.
#[derive(Args, Clone, Debug)]
pub(crate) struct Plan {
    /// Size of each file, MB.
    #[arg(long, default_value_t = 50)]
    megabytes: u64,
    /// Turns of each program.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// The conns binary.
    #[arg(long, default_value = "target/release/conns")]
    conns: PathBuf,
    /// Folder of the recorded sessions.
    #[arg(long, default_value = "corpus")]
    corpus: PathBuf,
    /// Folder of the files, which are removed in the end.
    #[arg(long, default_value = "/tmp")]
    scratch: PathBuf,
    /// Folder of the dated results.
    #[arg(long, default_value = "bench/runs")]
    out: PathBuf,
}

/// A protocol, and how both programs are asked about it.
struct Question {
    protocol: &'static str,
    meaning: &'static str,
    group_by: &'static str,
    tshark: &'static [&'static str],
}

const QUESTIONS: [Question; 2] = [
    Question {
        protocol: "tls",
        meaning: "the server name of each connection",
        group_by: "tls.sni",
        tshark: &[
            "-d",
            "tcp.port==8443,tls",
            "-Y",
            "tls.handshake.type == 1",
            "-T",
            "fields",
            "-e",
            "tcp.stream",
            "-e",
            "tls.handshake.extensions_server_name",
        ],
    },
    Question {
        protocol: "levin",
        meaning: "the messages of Levin, which tshark cuts by a script of the repository",
        group_by: "app",
        tshark: &[
            "-X",
            concat!("lua_script:", env!("CARGO_MANIFEST_DIR"), "/../fuzz/record/levin.lua"),
            "-Y",
            "levin",
            "-T",
            "fields",
            "-e",
            "levin.command",
        ],
    },
];

/// The turns of one protocol.
struct Race {
    question: &'static Question,
    bytes: u64,
    /// Of one round each: conns, tshark.
    rounds: Vec<(Usage, Usage)>,
}

/// Runs the plan and writes `<UTC>-decoding.md` and `.csv`.
pub(crate) fn run(plan: &Plan) -> anyhow::Result<()> {
    let started = Instant::now();
    let machine = Machine::read(&plan.conns);
    let namespace = Namespace::create("decoding")?;
    let mut races = Vec::new();
    for question in &QUESTIONS {
        let name = format!("conns-bench-{}-{}.pcap", std::process::id(), question.protocol);
        let path = plan.scratch.join(name);
        let recorded = plan.corpus.join(question.protocol).join("session.pcap");
        let bytes = copies(&recorded::packets(&recorded)?, &path, plan.megabytes * 1_000_000);
        let rounds = bytes.and_then(|bytes| Ok((bytes, race(plan, question, &namespace, &path)?)));
        let _ = fs::remove_file(&path);
        let (bytes, rounds) = rounds?;
        races.push(Race { question, bytes, rounds });
    }
    let text = markdown(&machine, &races, started.elapsed());
    print!("{text}");
    let stem = plan.out.join(format!("{}-decoding", machine.stamp()));
    write(&stem, &[("md", text), ("csv", csv(&races))])
}

fn race(
    plan: &Plan,
    question: &Question,
    namespace: &Namespace,
    path: &Path,
) -> anyhow::Result<Vec<(Usage, Usage)>> {
    let (conns, file) = (plan.conns.display().to_string(), path.display().to_string());
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let ours = owned(&[&conns, "--read", &file, "--closed", "--group-by", question.group_by]);
    let mut theirs = owned(&["tshark", "-r", &file]);
    theirs.extend(owned(question.tshark));
    let measured = |command: &[String], accepted: &[i32]| -> anyhow::Result<Usage> {
        let usage = measure_in(namespace.name(), command)?;
        ensure!(accepted.contains(&usage.status), "{command:?} ended with {}", usage.status);
        Ok(usage)
    };
    let mut rounds = Vec::new();
    for round in 0..plan.rounds {
        eprintln!("{}: round {} of {}", question.protocol, round + 1, plan.rounds);
        // 3: the recorded sessions have packets that are dated before the one ahead of them.
        let ours = || measured(&ours, &[0, 3]);
        let theirs = || measured(&theirs, &[0]);
        rounds.push(if round % 2 == 0 {
            let ours = ours()?;
            (ours, theirs()?)
        } else {
            let theirs = theirs()?;
            (ours()?, theirs)
        });
    }
    Ok(rounds)
}

/// Writes copies of the packets, as many as fit into `limit` bytes, in the order of their times. Returns the size.
fn copies(packets: &[Packet], path: &Path, limit: u64) -> anyhow::Result<u64> {
    let each: u64 = packets.iter().map(|packet| 16 + packet.bytes.len() as u64).sum();
    ensure!(each > 0, "the recorded session has no packets");
    let copies = u32::try_from(limit / each)?.min(1 << 24);
    let clients: Vec<u16> = packets.iter().filter_map(Packet::opener).collect();
    let mut order: Vec<(u64, u32, &Packet)> = (0..copies)
        .flat_map(|copy| {
            let begin = u64::from(copy) * COPY_INTERVAL_US;
            packets.iter().map(move |packet| (begin + packet.after_us, copy, packet))
        })
        .collect();
    order.sort_by_key(|(at, _, _)| *at);
    let failed = || format!("cannot write {}", path.display());
    let mut file = BufWriter::new(File::create(path).with_context(failed)?);
    let mut write = |bytes: &[u8]| file.write_all(bytes).with_context(failed);
    let header: [u32; 6] = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, recorded::RAW_IP];
    write(header.map(u32::to_le_bytes).as_flattened())?;
    let mut written = 24;
    for (at_us, copy, packet) in order {
        let mut packet = packet.clone();
        let [_, address @ ..] = copy.to_be_bytes();
        let address = [10, address[0], address[1], address[2]];
        for client in &clients {
            packet.move_end(*client, address, *client);
        }
        let length = u32::try_from(packet.bytes.len())?;
        let seconds = 1_767_225_600 + u32::try_from(at_us / 1_000_000)?;
        let head = [seconds, (at_us % 1_000_000) as u32, length, length];
        write(head.map(u32::to_le_bytes).as_flattened())?;
        write(&packet.bytes)?;
        written += 16 + u64::from(length);
    }
    file.flush().with_context(failed)?;
    Ok(written)
}

/// Gigabits for each second of CPU.
fn speed(bytes: u64, usage: &Usage) -> f64 {
    bytes as f64 * 8.0 / 1e3 / usage.cpu_us() as f64
}

fn shown(spread: Option<Spread>, digits: usize) -> String {
    spread.map_or("–".to_owned(), |Spread { min, median, max }| {
        format!("{median:.digits$} ({min:.digits$}–{max:.digits$})")
    })
}

fn markdown(machine: &Machine, races: &[Race], took: std::time::Duration) -> String {
    let mut text = machine.heading("Bench of decoding", "Files in the page cache. ", took);
    text.push_str("## Goals\n\n");
    let ratios = |race: &Race| {
        Spread::of(
            race.rounds.iter().map(|(ours, theirs)| theirs.cpu_us() as f64 / ours.cpu_us() as f64),
        )
    };
    for race in races {
        let judged = ratios(race).map_or("not measured".to_owned(), |ratio| {
            let is_met = ratio.median >= GOAL;
            format!("**{}**, {:.0} times", if is_met { "met" } else { "missed" }, ratio.median)
        });
        let protocol = race.question.protocol;
        let _ = writeln!(text, "- {protocol}: at least {GOAL} times as fast as tshark: {judged}");
    }
    text.push_str(
        "\n| traffic | question | MB | conns, Gbit/s a core | tshark, Gbit/s a core | times as fast | conns, peak MB | tshark, peak MB |\n\
         |---|---|--:|--:|--:|--:|--:|--:|\n",
    );
    for race in races {
        let Race { question, bytes, rounds } = race;
        let of = |figure: &dyn Fn(&(Usage, Usage)) -> f64| Spread::of(rounds.iter().map(figure));
        let megabytes = |kib: u64| kib as f64 / 1024.0;
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            question.protocol,
            question.meaning,
            bytes / 1_000_000,
            shown(of(&|(ours, _)| speed(*bytes, ours)), 2),
            shown(of(&|(_, theirs)| speed(*bytes, theirs)), 3),
            shown(ratios(race), 0),
            shown(of(&|(ours, _)| megabytes(ours.peak_kib)), 0),
            shown(of(&|(_, theirs)| megabytes(theirs.peak_kib)), 0),
        );
    }
    text.push_str(
        "\nBy CPU time, start-up included. Median of the rounds, with smallest–largest in brackets; each ratio is of one round.\n",
    );
    text
}

fn csv(races: &[Race]) -> String {
    let mut text = String::from("traffic,bytes,round,program,user_us,system_us,wall_us,peak_kib\n");
    for Race { question, bytes, rounds } in races {
        for (number, (ours, theirs)) in (1..).zip(rounds) {
            for (program, usage) in [("conns", ours), ("tshark", theirs)] {
                let Usage { user_us, system_us, wall_us, peak_kib, .. } = usage;
                let _ = writeln!(
                    text,
                    "{},{bytes},{number},{program},{user_us},{system_us},{wall_us},{peak_kib}",
                    question.protocol
                );
            }
        }
    }
    text
}
