//! Capture files: how fast is a large one read of which no protocol is decoded, beside tshark with the same question?

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Args;
use conns_lab::netns::Namespace;

use crate::measure::Usage;
use crate::run::figures::Spread;
use crate::run::machine::Machine;
use crate::run::{measure_in, write};

/// Payload of a segment, with time stamps in a link of 1500 bytes.
pub(crate) const SEGMENT: usize = 1448;
/// Protocol numbers of IP.
const TCP: u8 = 6;
const UDP: u8 = 17;
/// Data segments for each acknowledgement.
pub(crate) const SEGMENTS_ACKED: u64 = 2;

/// What to run.
#[derive(Args, Clone, Debug)]
pub(crate) struct Plan {
    /// Size of the file, MB.
    #[arg(long, default_value_t = 1000)]
    megabytes: u64,
    /// Connections in it, which send in turns.
    #[arg(long, default_value_t = 1000)]
    connections: u16,
    /// Turns of each program.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
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

/// A program that reads a file, and what its turns used.
pub(crate) struct Reader {
    pub(crate) name: &'static str,
    command: Vec<String>,
    pub(crate) turns: Vec<Usage>,
}

impl Reader {
    pub(crate) fn new(name: &'static str, command: &[&str]) -> Self {
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        Self { name, command, turns: Vec::new() }
    }

    /// The median of a figure of the turns, and how it is shown.
    pub(crate) fn spread(&self, figure: impl Fn(&Usage) -> f64) -> (f64, String) {
        let spread = Spread::of(self.turns.iter().map(figure));
        spread.map_or((0.0, "–".to_owned()), |Spread { min, median, max }| {
            (median, format!("{median:.2} [{min:.2}–{max:.2}]"))
        })
    }
}

/// Lets each program read its file `rounds` times, in turns.
pub(crate) fn take_turns(
    readers: &mut [Reader],
    rounds: u32,
    namespace: &Namespace,
) -> anyhow::Result<()> {
    for round in 0..rounds {
        for reader in &mut *readers {
            eprintln!("round {} of {rounds}: {}", round + 1, reader.name);
            let usage = measure_in(namespace.name(), &reader.command)?;
            ensure!(usage.status == 0, "{} ended with {}", reader.name, usage.status);
            reader.turns.push(usage);
        }
    }
    Ok(())
}

/// Runs the plan and writes `<UTC>-capture.md` and `.csv`.
pub(crate) fn run(plan: &Plan) -> anyhow::Result<()> {
    let started = Instant::now();
    let machine = Machine::read(&plan.conns);
    let path = plan.scratch.join(format!("conns-bench-{}.pcap", std::process::id()));
    let removed = Removed(&path);
    let bytes = make(&path, plan).with_context(|| format!("cannot write {}", path.display()))?;
    let file = path.display().to_string();
    let conns = plan.conns.display().to_string();
    let mut readers = [
        Reader::new("conns", &[&conns, "--read", &file, "-a", "-o", "json"]),
        Reader::new("tshark", &["tshark", "-r", &file, "-q", "-z", "conv,tcp"]),
    ];
    take_turns(&mut readers, plan.rounds, &Namespace::create("capture")?)?;
    drop(removed);
    let text = markdown(&machine, plan, bytes, &readers, started.elapsed());
    print!("{text}");
    let stem = plan.out.join(format!("{}-capture", machine.stamp()));
    write(&stem, &[("md", text), ("csv", csv(&readers))])
}

/// Removes the file when dropped.
pub(crate) struct Removed<'a>(pub(crate) &'a Path);

impl Drop for Removed<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.0);
    }
}

fn markdown(
    machine: &Machine,
    plan: &Plan,
    bytes: u64,
    readers: &[Reader],
    took: std::time::Duration,
) -> String {
    let how = format!(
        "{} MB in {} connections, in the page cache, {} turns each. ",
        bytes / 1_000_000,
        plan.connections,
        plan.rounds
    );
    let mut text = machine.heading("Bench of a capture file", &how, took);
    text.push_str("| program | GB/s | CPU s | peak MB |\n|---|--:|--:|--:|\n");
    for reader in readers {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            reader.name,
            reader.spread(|usage| bytes as f64 / 1e3 / usage.wall_us as f64).1,
            reader.spread(|usage| usage.cpu_us() as f64 / 1e6).1,
            reader.spread(|usage| usage.peak_kib as f64 / 1024.0).1,
        );
    }
    text.push_str(
        "\nThe payload is of no known protocol. Each lists every connection of the file with its bytes; conns reads it twice, the first\n\
         time for its end. Start-up is included.\n",
    );
    text
}

pub(crate) fn csv(readers: &[Reader]) -> String {
    let mut text = String::from("program,user_us,system_us,wall_us,peak_kib\n");
    for reader in readers {
        for turn in &reader.turns {
            let Usage { user_us, system_us, wall_us, peak_kib, .. } = turn;
            let _ = writeln!(text, "{},{user_us},{system_us},{wall_us},{peak_kib}", reader.name);
        }
    }
    text
}

/// Writes a file of Ethernet frames: handshakes, and then data in turns with acknowledgements. Returns its size.
fn make(path: &Path, plan: &Plan) -> std::io::Result<u64> {
    let mut file = Frames::begin(BufWriter::new(File::create(path)?), 443)?;
    for port in 0..plan.connections {
        file.put(port, true, (0, 0), 2, &[])?;
        file.put(port, false, (0, 1), 18, &[])?;
        file.put(port, true, (1, 1), 16, &[])?;
    }
    // No protocol begins so, and none is between.
    let payload: Vec<u8> = (0..SEGMENT).map(|at| (at * 7 + 130) as u8 | 0x80).collect();
    let mut turn = 0;
    while file.bytes < plan.megabytes * 1_000_000 {
        let sent = 1 + (turn * SEGMENT as u64) as u32;
        for port in 0..plan.connections {
            file.put(port, true, (sent, 1), 24, &payload)?;
            if turn % SEGMENTS_ACKED == 1 {
                file.put(port, false, (1, sent + SEGMENT as u32), 16, &[])?;
            }
        }
        turn += 1;
    }
    file.end()?;
    Ok(file.bytes)
}

/// A file of frames, a microsecond apart.
pub(crate) struct Frames {
    out: BufWriter<File>,
    /// Of the server.
    port: u16,
    micros: u32,
    bytes: u64,
}

impl Frames {
    /// Begins a file of connections to `port`.
    pub(crate) fn begin(mut out: BufWriter<File>, port: u16) -> std::io::Result<Self> {
        let header: [u32; 6] = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, 1];
        out.write_all(header.map(u32::to_le_bytes).as_flattened())?;
        Ok(Self { out, port, micros: 0, bytes: 24 })
    }

    /// Bytes of the file so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Ends the file.
    pub(crate) fn end(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }

    /// Writes a segment of the client of `port`, or of its server.
    pub(crate) fn put(
        &mut self,
        port: u16,
        is_of_client: bool,
        (sequence, acknowledgement): (u32, u32),
        flags: u8,
        payload: &[u8],
    ) -> std::io::Result<()> {
        let mut transport = Vec::with_capacity(32 + payload.len());
        let (client, server) = (1024 + port, self.port);
        let ports = if is_of_client { [client, server] } else { [server, client] };
        transport.extend(ports.map(u16::to_be_bytes).as_flattened());
        transport.extend([sequence, acknowledgement].map(u32::to_be_bytes).as_flattened());
        transport.extend([0x80, flags, 2, 0, 0, 0, 0, 0, 1, 1, 8, 10]);
        transport.extend((self.micros + 1).to_be_bytes());
        transport.extend([0; 4]);
        transport.extend(payload);
        self.frame(is_of_client, TCP, &transport)
    }

    /// Writes a datagram of the client of `port`.
    pub(crate) fn put_datagram(&mut self, port: u16, payload: &[u8]) -> std::io::Result<()> {
        let mut transport = Vec::with_capacity(8 + payload.len());
        let length = 8 + payload.len() as u16;
        transport.extend([1024 + port, self.port, length, 0].map(u16::to_be_bytes).as_flattened());
        transport.extend(payload);
        self.frame(true, UDP, &transport)
    }

    fn frame(&mut self, is_of_client: bool, protocol: u8, transport: &[u8]) -> std::io::Result<()> {
        self.micros += 1;
        let (from, to) = if is_of_client { (1, 2) } else { (2, 1) };
        let mut frame = Vec::with_capacity(34 + transport.len());
        frame.extend([0; 12]);
        frame.extend([8, 0, 0x45, 0]);
        frame.extend((20 + transport.len() as u16).to_be_bytes());
        frame.extend((self.micros as u16).to_be_bytes());
        frame.extend([0x40, 0, 64, protocol, 0, 0, 10, 0, 0, from, 10, 0, 0, to]);
        frame.extend(transport);
        let length = frame.len() as u32;
        let head =
            [1_767_225_600 + self.micros / 1_000_000, self.micros % 1_000_000, length, length];
        self.out.write_all(head.map(u32::to_le_bytes).as_flattened())?;
        self.bytes += 16 + u64::from(length);
        self.out.write_all(&frame)
    }
}
