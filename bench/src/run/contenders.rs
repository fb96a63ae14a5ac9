//! Who is measured: a table. Adding a contender is adding an entry.

use std::path::{Path, PathBuf};

/// How a contender's output is turned into a number of sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    /// Elements of the array `connections` of one JSON object.
    Json,
    /// Lines that begin with neither white space nor a heading of this many lines.
    Unindented {
        /// Lines to skip at the top.
        heading: u64,
    },
    /// Lines that begin with this text.
    BeginWith(&'static str),
    /// The number the first line begins with.
    FirstNumber,
}

/// Which sockets a contender is expected to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listed {
    /// The fixture's established sockets only.
    Established,
    /// The fixture's established sockets and listeners.
    Everything,
}

/// The program behind a contender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// What this bench is about.
    Conns,
    /// This program itself.
    Own,
    /// A program of the system, by name.
    Peer(&'static str),
}

/// One command to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contender {
    /// As shown in the result.
    pub(crate) label: &'static str,
    /// What is executed.
    pub(crate) program: Program,
    /// `{netns}` stands for the fixture's namespace.
    arguments: &'static [&'static str],
    /// How to count.
    pub(crate) rows: Rows,
    /// What to expect.
    pub(crate) lists: Listed,
}

/// The command whose cost the goals are about, first in the table.
pub(crate) const SUBJECT: &str = "conns -a -o json --source ebpf";
/// The same by netlink and `/proc`, for where there is no eBPF.
pub(crate) const SUBJECT_KERNEL: &str = "conns -a -o json --source kernel";
/// The fields that its rival prints.
pub(crate) const SUBJECT_SAME: &str = "conns -t -o json, fields of ss -tinp";
/// conns as a person uses it.
pub(crate) const SUBJECT_TABLE: &str = "conns -t -o table";
/// The peer that lists the most similar things: sockets, kernel facts, owners.
pub(crate) const RIVAL: &str = "ss -tinp";

/// The table alone, by eBPF, put into rows and not printed.
pub(crate) const TABLE: &str = "table by eBPF, not printed";
/// The same dumps as `conns` asks for by netlink, received and not decoded.
pub(crate) const DRAIN: &str = "drain (the floor of netlink)";

/// What `ss -tinp` prints, by the names of conns.
const FIELDS_OF_SS: &str = "state,recv_queue,send_queue,local,remote,owners,congestion,snd_wscale,rcv_wscale,rto,rtt,rttvar,ato,\
    snd_mss,pmtu,rcv_mss,advmss,snd_cwnd,snd_ssthresh,bytes_sent,bytes_retrans,bytes_acked,bytes_received,segs_out,segs_in,\
    data_segs_out,data_segs_in,last_data_sent,last_data_recv,last_ack_recv,pacing_rate,delivery_rate,delivered,app_limited,\
    busy_time,rwnd_limited,sndbuf_limited,retrans,total_retrans,rcv_rtt,rcv_space,rcv_ssthresh,notsent_bytes,min_rtt,snd_wnd";

/// All contenders, in the order of the result and of round one.
pub(crate) static CONTENDERS: [Contender; 10] = [
    Contender {
        label: SUBJECT,
        program: Program::Conns,
        arguments: &["-a", "--netns", "{netns}", "-o", "json", "--source", "ebpf"],
        rows: Rows::Json,
        lists: Listed::Everything,
    },
    Contender {
        label: SUBJECT_KERNEL,
        program: Program::Conns,
        arguments: &["-a", "--netns", "{netns}", "-o", "json", "--source", "kernel"],
        rows: Rows::Json,
        lists: Listed::Everything,
    },
    Contender {
        label: SUBJECT_SAME,
        program: Program::Conns,
        arguments: &[
            "-t",
            "--netns",
            "{netns}",
            "-o",
            "json",
            "--source",
            "ebpf",
            "--columns",
            FIELDS_OF_SS,
        ],
        rows: Rows::Json,
        lists: Listed::Established,
    },
    Contender {
        label: SUBJECT_TABLE,
        program: Program::Conns,
        arguments: &["-t", "--netns", "{netns}", "-o", "table"],
        rows: Rows::Unindented { heading: 1 },
        lists: Listed::Established,
    },
    Contender {
        label: RIVAL,
        program: Program::Peer("ss"),
        arguments: &["-tinp"],
        rows: Rows::Unindented { heading: 1 },
        lists: Listed::Established,
    },
    Contender {
        label: "ss -tin",
        program: Program::Peer("ss"),
        arguments: &["-tin"],
        rows: Rows::Unindented { heading: 1 },
        lists: Listed::Established,
    },
    Contender {
        label: "lsof -nP -iTCP",
        program: Program::Peer("lsof"),
        arguments: &["-nP", "-iTCP"],
        rows: Rows::Unindented { heading: 1 },
        lists: Listed::Everything,
    },
    Contender {
        label: "netstat -tnp",
        program: Program::Peer("netstat"),
        arguments: &["-tnp"],
        rows: Rows::BeginWith("tcp"),
        lists: Listed::Established,
    },
    Contender {
        label: TABLE,
        program: Program::Own,
        arguments: &["table"],
        rows: Rows::FirstNumber,
        lists: Listed::Everything,
    },
    Contender {
        label: DRAIN,
        program: Program::Own,
        arguments: &["drain"],
        rows: Rows::FirstNumber,
        lists: Listed::Everything,
    },
];

impl Contender {
    /// Whether it only works where programs can be loaded into the kernel.
    pub(crate) fn is_by_ebpf(&self) -> bool {
        matches!(self.label, SUBJECT | SUBJECT_SAME | TABLE)
    }

    /// Is it conns?
    pub(crate) fn is_subject(&self) -> bool {
        self.program == Program::Conns
    }

    /// Where its program is; `None` if it is not installed.
    pub(crate) fn find(&self, conns: &Path) -> Option<PathBuf> {
        match self.program {
            Program::Conns => std::fs::canonicalize(conns).ok().filter(|path| path.is_file()),
            Program::Own => crate::own::program().ok(),
            Program::Peer(name) => find_installed(name),
        }
    }

    /// Program and arguments, with the namespace filled in.
    pub(crate) fn command(&self, conns: &Path, netns: &str) -> Vec<String> {
        let program = self.find(conns).unwrap_or_else(|| PathBuf::from(self.label));
        std::iter::once(program.to_string_lossy().into_owned())
            .chain(self.arguments.iter().map(|argument| argument.replace("{netns}", netns)))
            .collect()
    }
}

/// Where a program of the system is.
pub(crate) fn find_installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
}
