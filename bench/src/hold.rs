//! Opens N real, established loopback TCP sockets in a network namespace of their own.
//!
//! The sockets are spread over P processes in a ring: each connects to the next one, so that the two ends of
//! a connection belong to different processes, as on a real host. Everything ends when stdin closes.

pub(crate) mod namespace;
pub(crate) mod process;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, ensure};
use clap::Args;
use rustix::process::{Resource, getrlimit};

use namespace::OwnNamespace;

/// Listening sockets of each process, so that no single listener takes all connections.
pub(crate) const LISTENERS_PER_PROCESS: u32 = 4;
/// stdin, stdout, stderr, the namespace while entering, one socket in the making, and slack.
const SPARE_DESCRIPTORS: u64 = 16;
/// The part number is written into two bytes of an address, 250 values each.
const MAX_PROCESSES: u32 = 250 * 250;

/// How many sockets to open, and in how many processes.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Established sockets to open; both ends of a connection count.
    #[arg(long)]
    pub(crate) sockets: u32,
    /// Processes that own them.
    #[arg(long, default_value_t = 20)]
    pub(crate) processes: u32,
}

impl Size {
    /// Listening sockets beside the established ones.
    pub(crate) fn listeners(&self) -> u32 {
        self.processes * LISTENERS_PER_PROCESS
    }

    /// Connections that part number `part` opens.
    pub(crate) fn opened_by(&self, part: u32) -> u32 {
        let connections = self.sockets / 2;
        connections / self.processes + u32::from(part < connections % self.processes)
    }

    /// Refuses a size that cannot be opened, before anything is created.
    fn check(&self, descriptor_limit: u64) -> anyhow::Result<()> {
        let Size { sockets, processes } = *self;
        ensure!(
            sockets.is_multiple_of(2),
            "cannot open {sockets} sockets: each connection has two ends, give an even number"
        );
        ensure!(
            (1..=MAX_PROCESSES).contains(&processes),
            "cannot spread sockets over {processes} processes: give 1 to {MAX_PROCESSES}"
        );
        let fixed = u64::from(LISTENERS_PER_PROCESS) + SPARE_DESCRIPTORS;
        let each = u64::from(self.sockets.div_ceil(processes)) + 2;
        let room = descriptor_limit.saturating_sub(fixed + 2).max(1);
        ensure!(
            each + fixed <= descriptor_limit,
            "cannot open {sockets} sockets in {processes} processes: about {each} each, and the hard limit of open \
             files (ulimit -Hn) is {descriptor_limit}; use --processes {} or more",
            u64::from(sockets).div_ceil(room)
        );
        Ok(())
    }
}

/// One running process of the ring.
struct Member {
    number: u32,
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Member {
    fn start(number: u32, size: &Size, netns: &str) -> anyhow::Result<Member> {
        let mut child = Command::new(crate::own::program()?)
            .args(["hold-process", "--netns", netns, "--number", &number.to_string()])
            .args([
                "--sockets",
                &size.sockets.to_string(),
                "--processes",
                &size.processes.to_string(),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start fixture process {number}"))?;
        let commands = child.stdin.take().context("a fixture process has no stdin")?;
        let answers =
            BufReader::new(child.stdout.take().context("a fixture process has no stdout")?);
        Ok(Member { number, child, commands, answers })
    }

    fn expect(&mut self, answer: &str) -> anyhow::Result<()> {
        let mut line = String::new();
        self.answers
            .read_line(&mut line)
            .with_context(|| format!("cannot read from fixture process {}", self.number))?;
        ensure!(
            line.trim_end() == answer,
            "fixture process {} answered {:?} where {answer:?} was expected: its error is above",
            self.number,
            line.trim_end()
        );
        Ok(())
    }
}

/// Keeps the sockets open until stdin closes; a line on stdout reports that they are open.
pub(crate) fn run(size: &Size) -> anyhow::Result<()> {
    size.check(getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX))?;
    let namespace = OwnNamespace::create()?;
    let mut ring = (0..size.processes)
        .map(|number| Member::start(number, size, namespace.name()))
        .collect::<anyhow::Result<Vec<Member>>>()?;
    for member in &mut ring {
        member.expect(process::LISTENING)?;
    }
    for member in &mut ring {
        writeln!(member.commands, "{}", process::CONNECT).with_context(|| {
            format!("cannot command fixture process {} to connect: it has ended", member.number)
        })?;
    }
    for member in &mut ring {
        member.expect(process::READY)?;
    }

    println!(
        "ready netns={} sockets={} listeners={} processes={}",
        namespace.name(),
        size.sockets,
        size.listeners(),
        size.processes
    );
    std::io::stdin()
        .read_to_end(&mut Vec::new())
        .context("cannot wait on stdin for the end of the fixture")?;

    for member in ring {
        let Member { number, mut child, commands, .. } = member;
        drop(commands);
        child.wait().with_context(|| format!("cannot wait for fixture process {number} to end"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_connection_is_opened_by_exactly_one_process() {
        for (sockets, processes) in [(0, 1), (2, 20), (1000, 20), (1002, 7), (100_000, 20)] {
            let size = Size { sockets, processes };
            assert_eq!((0..processes).map(|part| size.opened_by(part)).sum::<u32>(), sockets / 2);
        }
    }

    #[test]
    fn a_size_beyond_the_descriptor_limit_is_refused_with_the_number_that_fits() {
        assert!(Size { sockets: 100_000, processes: 20 }.check(20_000).is_ok());
        let refusal =
            Size { sockets: 100_000, processes: 5 }.check(20_000).unwrap_err().to_string();
        assert!(refusal.contains("--processes 6"), "{refusal}");
        assert!(Size { sockets: 100_000, processes: 6 }.check(20_000).is_ok());
        assert!(Size { sockets: 3, processes: 1 }.check(20_000).is_err());
    }
}
