//! Each script of `lab/cases` causes one condition, asks `conns` ($CONNS), compares the answer with an oracle of its own,
//! and ends with 0 if it is right. What is right is at its top.
//!
//! They run alone: some start an agent that sees the whole machine. One whose needs are not met is listed as ignored, by
//! name and with the reason; none passes silently.

#[path = "common/trials.rs"]
mod trials;

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use conns_lab::conns::Conns;
use conns_lab::netns::Namespace;
use conns_lab::process::is_installed;

/// Runs a script in a network namespace of its own, with the interpreter of its name.
macro_rules! case {
    ($name:literal) => {
        ($name, || run($name))
    };
}

type Case = (&'static str, fn() -> Result<()>);

const CASES: &[Case] = &[
    case!("accept_wait_is_not_first_read.py"),
    case!("answer_size_is_bounded.sh"),
    case!("broken_chunks_get_400.sh"),
    case!("browser_over_quic.py"),
    case!("capture_as_the_kernel.py"),
    case!("capture_as_tshark.py"),
    case!("cgroup_namespace.py"),
    case!("containers_by_cgroup.py"),
    case!("csv_is_safe.sh"),
    case!("daemons_are_asked.py"),
    case!("descriptors_of_a_thread.py"),
    case!("ems_recordings.py"),
    case!("fast_open_and_repair.py"),
    case!("history_as_events.py"),
    case!("hidden_processes_are_reported.sh"),
    case!("interfaces_and_zones.py"),
    case!("link_bad_input.py"),
    case!("link_faults.py"),
    case!("link_fields.py"),
    case!("link_relay.py"),
    case!("listener_drops_are_no_overflow.py"),
    case!("media_as_tshark.py"),
    case!("memory_after_a_peak.sh"),
    case!("monero_peers.py"),
    case!("name_of_a_new_namespace.py"),
    case!("namespaces_no_first_thread_is_in.py"),
    case!("nothing_measured_yet_is_unknown.py"),
    case!("queues_without_syn_and_fin.py"),
    case!("media_files.py"),
    case!("rtmp_live.py"),
    case!("screen_as_json.py"),
    case!("screen_of_streams.py"),
    case!("screen_of_the_past.py"),
    case!("socket_of_the_kernel.py"),
    case!("sql_as_sqlite.py"),
    case!("streams_joined_late.py"),
    case!("time_namespace.py"),
    case!("transfers_of_the_past.py"),
    case!("transport_stream_codecs.py"),
    case!("udp_of_unconnected_sockets.py"),
    case!("udp_peer_comes_back.py"),
    case!("udp_peers_are_all_or_counted.py"),
    case!("udp_peers_flood.sh"),
    case!("unit_memory.sh"),
    case!("user_namespace.py"),
];

/// The programs that the scripts use.
const PROGRAMS: [&str; 25] = [
    "b3sum",
    "bash",
    "chromium",
    "curl",
    "dig",
    "dnsmasq",
    "ffmpeg",
    "ffprobe",
    "gst-launch-1.0",
    "ip",
    "iperf3",
    "monerod",
    "nft",
    "nginx",
    "nsenter",
    "openssl",
    "python3",
    "rtmpdump",
    "setpriv",
    "sqlite3",
    "ss",
    "tcpdump",
    "tmux",
    "tshark",
    "unshare",
];

fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("it needs root, to make namespaces and load programs".to_owned());
    }
    let lacks = PROGRAMS.iter().find(|program| !is_installed(program));
    lacks.map(|program| format!("there is no {program}"))
}

fn run(name: &str) -> Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases").join(name);
    let interpreter = if name.ends_with(".py") { "python3" } else { "bash" };
    let mut command = Command::new(interpreter);
    command.arg(&script).env("CONNS", Conns::find(None)?.path());
    command.env("CONNS_LAB", env!("CARGO_BIN_EXE_conns-lab"));
    let output = Namespace::create("case")?.inside(|| command.output())?.context("running it")?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (printed, errors) = (text(&output.stdout), text(&output.stderr));
    ensure!(output.status.success(), "{}: {printed}\n{errors}", output.status);
    ensure!(!printed.contains("skipped"), "it was skipped: {printed}");
    Ok(())
}

/// A firewall that accepts what belongs to a connection which began inside.
const FIREWALL: &str = "add table inet t; add chain inet t c { type filter hook input priority 0; }; \
    add rule inet t c ct state established accept";

/// What the kernel lacks for one script.
fn missing_for(name: &str) -> Option<String> {
    let (program, arguments, lacks): (_, &[&str], _) = match name {
        "link_relay.py" => ("nft", &[FIREWALL], "has no firewall with states of connections"),
        "socket_of_the_kernel.py" => (
            "ip",
            &["link", "add", "vx0", "type", "vxlan", "id", "42", "dstport", "4789"],
            "makes no vxlan device",
        ),
        _ => return None,
    };
    let made = Namespace::create("case").and_then(|namespace| namespace.output(program, arguments));
    made.err().map(|error| format!("this kernel {lacks}: {error:#}"))
}

fn main() -> ExitCode {
    let missing = missing();
    trials::run_all(CASES.iter().map(|(name, test)| {
        let lacks = missing.clone().or_else(|| missing_for(name));
        (*name, lacks, *test)
    }))
}
