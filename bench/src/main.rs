//! `conns-bench`: what does it cost to list 1 000, 10 000 or 100 000 real sockets?
//!
//! It opens the sockets, runs `conns` and its peers against them in turn, and writes a dated result.
//! Nothing here is shipped; every number comes from the kernel's own accounting of a finished process.

mod agent;
mod blocking;
mod capture;
mod decoding;
mod drain;
mod history;
mod hold;
mod inside;
mod link;
mod measure;
mod media;
mod memory;
mod overhead;
mod own;
mod recorded;
mod run;
mod screen;
mod short;
mod sql;
mod sums;
mod table;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "conns-bench",
    about = "Measures conns against ss, lsof and netstat on real sockets"
)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run every command against every size and write a dated result.
    Run(run::Plan),
    /// Measure a running agent: its own cost, and its answers against nginx serving the same bytes.
    Agent(agent::Plan),
    /// Measure how long /health takes while other clients request long lists.
    Blocking(blocking::Plan),
    /// Measure which share of very many short connections each of several watchers sees.
    Short(short::Plan),
    /// Measure how fast a capture file is read, beside tshark.
    Capture(capture::Plan),
    /// Measure how fast recorded traffic is decoded, beside tshark.
    Decoding(decoding::Plan),
    /// Measure how fast RTMP of a capture file is decoded, beside tshark, and what an agent uses that watches live streams.
    Media(media::Plan),
    /// Measure what the agent's programs in the kernel cost the monitored processes.
    Overhead(overhead::Plan),
    /// Measure what keeping ended connections costs, and queries over them, beside an ordinary table of SQLite.
    History(history::Plan),
    /// Measure how much memory recognition takes for each of many idle connections.
    Memory(memory::Plan),
    /// Measure how long `conns top` takes from a key to the screen that it changes, and what it costs.
    Screen(screen::Plan),
    /// Measure how long queries in SQL over an agent's live tables take, beside sqlite3.
    Sql(sql::Plan),
    /// Measure what the sums of an hour cost.
    Sums(sums::Plan),
    /// Measure transfers of files: conns link beside scp, rsync, rclone, syncthing, uftp, srt, qcp and sendme.
    Link(link::Plan),
    /// Measure conns link over paths of several round trips and losses, and beside one TCP flow.
    LinkMatrix(link::matrix::Plan),
    /// Open established sockets and keep them in a network namespace of their own until stdin closes.
    Hold(hold::Size),
    /// Receive and count the kernel's socket dumps of this namespace, decoding nothing: the floor.
    Drain(drain::Drain),
    /// Read the socket table of this namespace by eBPF and count it, printing nothing of it.
    Table(table::Table),
    /// Run a command inside a named network namespace.
    Inside {
        /// Name under /run/netns.
        #[arg(long)]
        netns: String,
        /// Command and its arguments.
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    #[command(
        hide = true,
        about = "Run a command inside a namespace, output discarded, and print what it used"
    )]
    Measure {
        #[arg(long)]
        netns: String,
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    #[command(hide = true, about = "One process of `hold`")]
    HoldProcess(hold::process::Options),
    #[command(hide = true, about = "One process of a storm")]
    Peer {
        #[command(subcommand)]
        role: conns_lab::peer::Role,
    },
}

fn main() -> ExitCode {
    match perform(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("conns-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn perform(task: Task) -> anyhow::Result<()> {
    match task {
        Task::Run(plan) => run::run(&plan),
        Task::Agent(plan) => agent::run(&plan),
        Task::Blocking(plan) => blocking::run(&plan),
        Task::Capture(plan) => capture::run(&plan),
        Task::Decoding(plan) => decoding::run(&plan),
        Task::Media(plan) => media::run(&plan),
        Task::Short(plan) => short::run(&plan),
        Task::Overhead(plan) => overhead::run(&plan),
        Task::History(plan) => history::run(&plan),
        Task::Memory(plan) => memory::run(&plan),
        Task::Screen(plan) => screen::run(&plan),
        Task::Sql(plan) => sql::run(&plan),
        Task::Sums(plan) => sums::run(&plan),
        Task::Link(plan) => link::run(&plan),
        Task::LinkMatrix(plan) => link::matrix::run(&plan),
        Task::Hold(size) => hold::run(&size),
        Task::Drain(order) => drain::drain(order),
        Task::Table(table) => table.read(),
        Task::Inside { netns, command } => inside::exec(&netns, &command),
        Task::Measure { netns, command } => measure::measure(&netns, &command),
        Task::HoldProcess(options) => hold::process::run(&options),
        Task::Peer { role } => role.run(),
    }
}
