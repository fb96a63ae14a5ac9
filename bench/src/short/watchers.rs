//! Who watches: a table. Adding a watcher is adding an entry.

use std::path::PathBuf;

use conns_lab::storm::FIELDS;

use super::Plan;
use super::seen::{Parse, bandwhich, conns, rustnet, ss, tcplife};
use crate::run::contenders::find_installed;
use crate::run::machine::ask;

/// The program of a watcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// What this bench is about.
    Conns,
    /// A program of the system, by name.
    System(&'static str),
    /// A program that cargo installed.
    Installed(&'static str),
    /// A shell, to run a program of the system, named here, again and again.
    Again(&'static str),
}

/// One watcher.
#[derive(Debug)]
pub(super) struct Sampler {
    /// As shown in the result.
    pub(super) label: &'static str,
    program: Program,
    /// `{fields}` stands for the fields asked for, `{file}` for a file of the watcher's own.
    arguments: &'static [&'static str],
    /// Whether what it reports is in that file, not on standard output.
    pub(super) reports_in_file: bool,
    /// How a line is read.
    pub(super) parse: Parse,
    /// What it reports a connection it sees.
    pub(super) reports: &'static str,
}

/// All of them.
pub(super) static WATCHERS: [Sampler; 8] = [
    Sampler {
        label: "conns events",
        program: Program::Conns,
        arguments: &["events", "-o", "jsonl", "--columns", "{fields}"],
        reports_in_file: false,
        parse: conns,
        reports: "both ends, owner, exact bytes, open and close",
    },
    Sampler {
        label: "ss -tn, again and again",
        program: Program::Again("ss"),
        arguments: &["-c", "while :; do ss -Htn; done"],
        reports_in_file: false,
        parse: ss,
        reports: "what is open at the moment",
    },
    Sampler {
        label: "ss -tn, once a second",
        program: Program::Again("ss"),
        arguments: &["-c", "while :; do ss -Htn; sleep 1; done"],
        reports_in_file: false,
        parse: ss,
        reports: "what is open at the moment",
    },
    Sampler {
        label: "ss -tan, once a second",
        program: Program::Again("ss"),
        arguments: &["-c", "while :; do ss -Htan; sleep 1; done"],
        reports_in_file: false,
        parse: ss,
        reports: "also the TIME-WAIT socket of one end, a minute long: neither owner nor bytes",
    },
    Sampler {
        label: "tcplife-bpfcc",
        program: Program::System("tcplife-bpfcc"),
        arguments: &[],
        reports_in_file: false,
        parse: tcplife,
        reports: "ends, owner, kB, duration",
    },
    Sampler {
        label: "tcplife (libbpf-tools)",
        program: Program::System("tcplife"),
        arguments: &[],
        reports_in_file: false,
        parse: tcplife,
        reports: "ends, owner, kB, duration",
    },
    Sampler {
        label: "rustnet --headless",
        program: Program::Installed("rustnet"),
        // Its best: on loopback, with every right, and without what is not asked for here.
        arguments: &[
            "--headless",
            "--output",
            "json",
            "--interface",
            "lo",
            "--show-localhost",
            "--no-resolve-dns",
            "--no-geoip",
            "--no-dpi",
            "--no-uid-drop",
            "--json-log",
            "{file}",
        ],
        reports_in_file: true,
        parse: rustnet,
        reports: "new connections, by capture",
    },
    Sampler {
        label: "bandwhich --raw",
        program: Program::Installed("bandwhich"),
        arguments: &["--raw", "--no-resolve", "--connections", "--interface", "lo"],
        reports_in_file: false,
        parse: bandwhich,
        reports: "what moved in the last second, by capture",
    },
];

impl Sampler {
    /// What is executed; `None` if something of it is not installed.
    pub(super) fn find(&self, plan: &Plan) -> Option<PathBuf> {
        match self.program {
            Program::Conns => std::fs::canonicalize(&plan.conns).ok(),
            Program::System(name) => find_installed(name),
            Program::Installed(name) => {
                std::fs::canonicalize(plan.peers.join("bin").join(name)).ok()
            }
            Program::Again(name) => find_installed(name).and_then(|_| find_installed("sh")),
        }
    }

    /// Its arguments, with `file` filled in.
    pub(super) fn arguments(&self, file: &str) -> Vec<String> {
        let fill = |text: &&str| text.replace("{fields}", FIELDS).replace("{file}", file);
        self.arguments.iter().map(fill).collect()
    }

    /// Its version, if it reports one.
    pub(super) fn version(&self, plan: &Plan) -> Option<String> {
        let (program, flag) = match self.program {
            Program::Conns | Program::Installed(_) => (self.find(plan)?, "--version"),
            Program::Again(name) => (find_installed(name)?, "-V"),
            Program::System(_) => return None,
        };
        ask(&program, flag)
    }
}
