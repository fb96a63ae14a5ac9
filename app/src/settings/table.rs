//! Every setting, declared once.
//!
//! Invariant: a row here and a field in `Config` are all that a setting needs. Flag, variable, key,
//! help, docs/config.md and `conns config explain` are generated from the row.

use conns_dialects::ems::DEFAULT_STREAMS;
use conns_dialects::monero::DEFAULT_PEERS;

use super::config::Config;
use super::kind::Kind::{self, Choice, Count, Size, Span, Switch, Text, Texts};
use super::kind::Value;
use super::parse::{maybe, number, span, switch, text, texts};

/// One setting.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Its key in the file, with its table.
    pub(crate) key: &'static str,
    /// Its flag, without the dashes.
    pub(crate) flag: &'static str,
    /// The placeholder of its value in help.
    pub(crate) placeholder: &'static str,
    /// The kind of its value.
    pub(crate) kind: Kind,
    /// The default, as in a variable; empty if there is none.
    pub(crate) default: &'static str,
    /// What it means, for help.
    pub(crate) meaning: &'static str,
    /// Whether a change needs a restart, because the agent drops the privileges for it at the start.
    pub(crate) restart: bool,
    /// Stores a value in `Config`, and compares two of them.
    pub(crate) field: (Set, Differs),
}

pub(crate) type Set = fn(&mut Config, &Value) -> Result<(), String>;
pub(crate) type Differs = fn(&Config, &Config) -> bool;

macro_rules! field {
    ($($path:ident).+ = $read:expr) => {
        (
            |config, value| {
                config.$($path).+ = $read(value)?;
                Ok(())
            },
            |a, b| a.$($path).+ != b.$($path).+,
        )
    };
}

impl Setting {
    /// The name of its variable.
    pub(crate) fn variable(&self) -> String {
        format!("CONNS_{}", self.key.replace('.', "_").to_ascii_uppercase())
    }

    /// Whether its value grants access, so that it is not printed.
    pub(crate) fn is_secret(&self) -> bool {
        self.key == "monero.login"
    }

    /// The default in the environment `env`: the socket file is in the runtime directory of the
    /// service (systemd.exec(5), `RUNTIME_DIRECTORY`) or of the user. Without unix sockets there is none.
    pub(crate) fn default_in(&self, env: &impl Fn(&str) -> Option<String>) -> String {
        if !cfg!(unix) {
            return self.default.replace(&format!(",{SOCKET}"), "");
        }
        let first = |name| Some(env(name)?.split(':').next()?.to_owned());
        let folder = ["RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"].into_iter().find_map(first);
        match folder.filter(|folder| !folder.contains(',')) {
            Some(folder) => self.default.replace(SOCKET, &format!("unix:{folder}/conns.sock")),
            None => self.default.to_owned(),
        }
    }

    /// The setting with this key.
    pub(crate) fn of_key(key: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.key == key)
    }
}

/// The socket file if the environment names no runtime directory.
const SOCKET: &str = "unix:/run/conns/conns.sock";

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// All settings; those of one table are adjacent.
pub(crate) static SETTINGS: &[Setting] = &[
    Setting {
        key: "interval",
        flag: "interval",
        placeholder: "TIME",
        kind: Span(100, MINUTE),
        default: "1s",
        meaning: "Time between two samples of the machine",
        restart: false,
        field: field!(interval = span),
    },
    Setting {
        key: "window",
        flag: "window",
        placeholder: "TIME",
        kind: Span(SECOND, MINUTE),
        default: "5s",
        meaning: "A verdict covers one to two windows of this length; at least two intervals",
        restart: true,
        field: field!(window = span),
    },
    Setting {
        key: "source",
        flag: "source",
        placeholder: "SOURCE",
        kind: Choice(&["auto", "kernel", "ebpf", "portable"]),
        default: "auto",
        meaning: "Where connections are read from",
        restart: true,
        field: field!(source = text),
    },
    Setting {
        key: "tap",
        flag: "tap",
        placeholder: "BOOL",
        kind: Switch,
        default: "true",
        meaning: "Decode what TCP connections carry, from their payload",
        restart: true,
        field: field!(tap = switch),
    },
    Setting {
        key: "pair_key",
        flag: "pair-key",
        placeholder: "FILE",
        kind: Text,
        default: "",
        meaning: "File with the key of the field `pair`, 32 hexadecimal digits, the same on all machines; else a random one",
        restart: true,
        field: field!(pair_key = maybe),
    },
    Setting {
        key: "show_credentials",
        flag: "show-credentials",
        placeholder: "BOOL",
        kind: Switch,
        default: "false",
        meaning: "Show passwords and tokens of decoded URIs; else they are replaced by ***",
        restart: true,
        field: field!(show_credentials = switch),
    },
    Setting {
        key: "files_of",
        flag: "files-of",
        placeholder: "PROCESS",
        kind: Texts,
        default: "",
        meaning: "Names of processes besides media servers whose media files are listed",
        restart: true,
        field: field!(files_of = texts),
    },
    Setting {
        key: "ask_daemons",
        flag: "ask-daemons",
        placeholder: "BOOL",
        kind: Switch,
        default: "false",
        meaning: "Ask Monero nodes, over their RPC ports on loopback, for what their handshakes before the agent announced",
        restart: true,
        field: field!(ask_daemons = switch),
    },
    Setting {
        key: "follow_namespaces",
        flag: "follow-namespaces",
        placeholder: "BOOL",
        kind: Switch,
        default: "false",
        meaning: "Also sample network namespaces created after the start; keeps CAP_SYS_ADMIN for it",
        restart: true,
        field: field!(follow_namespaces = switch),
    },
    Setting {
        key: "user",
        flag: "user",
        placeholder: "NAME",
        kind: Text,
        default: "",
        meaning: "Run as this user once everything is open",
        restart: true,
        field: field!(user = maybe),
    },
    Setting {
        key: "serving_process",
        flag: "serving-process",
        placeholder: "WHEN",
        kind: Choice(&["auto", "yes", "no"]),
        default: "auto",
        meaning: "Serve clients from a process of its own, without any privilege: auto is yes where other machines can \
                  connect (Linux only)",
        restart: true,
        field: field!(serving_process = text),
    },
    Setting {
        key: "listen",
        flag: "listen",
        placeholder: "WHERE",
        kind: Texts,
        default: "http=127.0.0.1:7979,unix:/run/conns/conns.sock",
        meaning: "Where to listen: [PROTOCOL=]ADDRESS:PORT, an empty address is 127.0.0.1; or unix:/PATH. \
                  Protocols: http (all of them, each under its path), https, 1e, monero, ems-json, ems-ascii, ems-http, jetstream",
        restart: true,
        field: field!(listen = texts),
    },
    Setting {
        key: "insecure",
        flag: "insecure",
        placeholder: "BOOL",
        kind: Switch,
        default: "false",
        meaning: "Serve other machines without TLS and token",
        restart: false,
        field: field!(insecure = switch),
    },
    Setting {
        key: "hosts",
        flag: "host",
        placeholder: "NAME",
        kind: Texts,
        default: "",
        meaning: "Names of this machine, accepted in the Host header besides addresses and localhost",
        restart: false,
        field: field!(hosts = texts),
    },
    Setting {
        key: "tokens",
        flag: "token-hash",
        placeholder: "HASH",
        kind: Texts,
        default: "",
        meaning: "Hashes (sha256:…) of the bearer tokens accepted over TCP; `conns token` generates one",
        restart: false,
        field: field!(tokens = texts),
    },
    Setting {
        key: "tls.certificate",
        flag: "tls-cert",
        placeholder: "FILE",
        kind: Text,
        default: "",
        meaning: "PEM file with the certificate and its chain",
        restart: false,
        field: field!(tls.certificate = maybe),
    },
    Setting {
        key: "tls.key",
        flag: "tls-key",
        placeholder: "FILE",
        kind: Text,
        default: "",
        meaning: "PEM file with the private key",
        restart: false,
        field: field!(tls.key = maybe),
    },
    Setting {
        key: "monero.peers",
        flag: "monero-peers",
        placeholder: "FILTER",
        kind: Text,
        default: DEFAULT_PEERS,
        meaning: "Which connections are peers of a Monero node",
        restart: false,
        field: field!(monero.peers = text),
    },
    Setting {
        key: "monero.node",
        flag: "monero-node",
        placeholder: "FILTER",
        kind: Text,
        default: "",
        meaning: "Which of them belong to the node to report, if several run",
        restart: false,
        field: field!(monero.node = maybe),
    },
    Setting {
        key: "monero.era",
        flag: "monero-era",
        placeholder: "ERA",
        kind: Choice(&["current", "0.11"]),
        default: "current",
        meaning: "The release of Monero whose response format is used",
        restart: false,
        field: field!(monero.era = text),
    },
    Setting {
        key: "monero.restricted",
        flag: "monero-restricted",
        placeholder: "BOOL",
        kind: Switch,
        default: "false",
        meaning: "Answer as the restricted RPC port of a node, which does not know the method",
        restart: false,
        field: field!(monero.restricted = switch),
    },
    Setting {
        key: "monero.login",
        flag: "monero-login",
        placeholder: "USER:DIGEST",
        kind: Text,
        default: "",
        meaning: "Login of the Monero API; the digest is the output of `printf %s USER:monero-rpc:PASSWORD | md5sum`. \
                  Prefer the file: other users can read flags and variables",
        restart: false,
        field: field!(monero.login = maybe),
    },
    Setting {
        key: "ems.streams",
        flag: "ems-streams",
        placeholder: "FILTER",
        kind: Text,
        default: DEFAULT_STREAMS,
        meaning: "Which connections belong to a media server",
        restart: false,
        field: field!(ems.streams = text),
    },
    Setting {
        key: "ems.length_prefix",
        flag: "ems-length-prefix",
        placeholder: "BOOL",
        kind: Switch,
        default: "true",
        meaning: "Send a four-byte length before each JSON answer over TCP, as EMS does",
        restart: false,
        field: field!(ems.length_prefix = switch),
    },
    Setting {
        key: "link.listen",
        flag: "link-listen",
        placeholder: "IP:PORT",
        kind: Text,
        default: "",
        meaning: "Host a link server, which transfers files between hosts, and receive at this UDP port (Linux only); without it there is none",
        restart: true,
        field: field!(link.listen = maybe),
    },
    Setting {
        key: "link.key",
        flag: "link-key",
        placeholder: "FILE",
        kind: Text,
        default: "",
        meaning: "Its key file, which `conns link keygen` makes and the account of the agent owns; without it one is made",
        restart: true,
        field: field!(link.key = maybe),
    },
    Setting {
        key: "link.folder",
        flag: "link-folder",
        placeholder: "DIR",
        kind: Text,
        default: "",
        meaning: "Folder that received files are written below, an absolute path",
        restart: true,
        field: field!(link.folder = maybe),
    },
    Setting {
        key: "link.allow",
        flag: "link-allow",
        placeholder: "KEY",
        kind: Texts,
        default: "",
        meaning: "Public keys (ck1…) of the senders that may connect; without any, every sender may write to the folder",
        restart: true,
        field: field!(link.allow = texts),
    },
    Setting {
        key: "link.relay",
        flag: "link-relay",
        placeholder: "KEY@HOST",
        kind: Text,
        default: "",
        meaning: "Receive through this relay too: ck1…@HOST[:PORT]",
        restart: true,
        field: field!(link.relay = maybe),
    },
    Setting {
        key: "link.incoming_limit",
        flag: "link-incoming-limit",
        placeholder: "RATE",
        kind: Text,
        default: "",
        meaning: "Rate that all senders together may use, such as 500Mbit/s; without it the one set before",
        restart: true,
        field: field!(link.incoming_limit = maybe),
    },
    Setting {
        key: "link.outgoing_limit",
        flag: "link-outgoing-limit",
        placeholder: "RATE",
        kind: Text,
        default: "",
        meaning: "Rate that all destinations together may use; without it the one set before",
        restart: true,
        field: field!(link.outgoing_limit = maybe),
    },
    Setting {
        key: "metrics.top",
        flag: "metrics-top",
        placeholder: "N",
        kind: Count(0, 1000),
        default: "20",
        meaning: "How many of the largest processes and remote addresses have time series of their own in /metrics; the others are summed",
        restart: false,
        field: field!(metrics_top = number),
    },
    Setting {
        key: "history.size",
        flag: "history-size",
        placeholder: "SIZE",
        kind: Size(0, 1024 * GIB),
        default: "1GiB",
        meaning: "Most bytes of the file in which ended connections, samples and their sums are kept, at least 16 MiB; 0 keeps nothing",
        restart: true,
        field: field!(history.size_bytes = number),
    },
    Setting {
        key: "history.path",
        flag: "history-path",
        placeholder: "FILE",
        kind: Text,
        default: "",
        meaning: "That file; without it history/history.db in the folder of the state, /var/lib/conns of root",
        restart: true,
        field: field!(history.path = maybe),
    },
    Setting {
        key: "history.sql",
        flag: "history-sql",
        placeholder: "BOOL",
        kind: Switch,
        default: "true",
        meaning: "Answer queries in SQL (POST /api/v1/sql)",
        restart: true,
        field: field!(history.sql = switch),
    },
    Setting {
        key: "limits.clients",
        flag: "limits-clients",
        placeholder: "N",
        kind: Count(1, 1_000_000),
        default: "3072",
        meaning: "Maximum clients connected at once",
        restart: false,
        field: field!(limits.clients = number),
    },
    Setting {
        key: "limits.clients_per_listener",
        flag: "limits-clients-per-listener",
        placeholder: "N",
        kind: Count(1, 1_000_000),
        default: "2560",
        meaning: "Maximum clients connected at once to one listener",
        restart: false,
        field: field!(limits.clients_per_listener = number),
    },
    Setting {
        key: "limits.clients_per_address",
        flag: "limits-clients-per-address",
        placeholder: "N",
        kind: Count(1, 1_000_000),
        default: "256",
        meaning: "Maximum clients connected at once from one address (IPv6: one /64); loopback is not counted",
        restart: false,
        field: field!(limits.clients_per_address = number),
    },
    Setting {
        key: "limits.streams",
        flag: "limits-streams",
        placeholder: "N",
        kind: Count(0, 100_000),
        default: "32",
        meaning: "Maximum event streams at once",
        restart: false,
        field: field!(limits.streams = number),
    },
    Setting {
        key: "limits.head_bytes",
        flag: "limits-head-bytes",
        placeholder: "SIZE",
        kind: Size(8 * KIB, MIB),
        default: "16KiB",
        meaning: "Maximum size of the head of an HTTP request",
        restart: false,
        field: field!(limits.head_bytes = number),
    },
    Setting {
        key: "limits.bodies_bytes",
        flag: "limits-bodies-bytes",
        placeholder: "SIZE",
        kind: Size(MIB, GIB),
        default: "32MiB",
        meaning: "Maximum bytes of request bodies and incomplete lines, over all clients",
        restart: false,
        field: field!(limits.bodies_bytes = number),
    },
    Setting {
        key: "limits.in_flight_bytes",
        flag: "limits-in-flight-bytes",
        placeholder: "SIZE",
        kind: Size(MIB, 4 * GIB),
        default: "64MiB",
        meaning: "Maximum bytes of answers in flight, over all clients",
        restart: false,
        field: field!(limits.in_flight_bytes = number),
    },
    Setting {
        key: "limits.idle_time",
        flag: "limits-idle-time",
        placeholder: "TIME",
        kind: Span(SECOND, HOUR),
        default: "75s",
        meaning: "Maximum time between two requests of an HTTP client",
        restart: false,
        field: field!(limits.idle_time = span),
    },
    Setting {
        key: "limits.line_idle_time",
        flag: "limits-line-idle-time",
        placeholder: "TIME",
        kind: Span(SECOND, 24 * HOUR),
        default: "10m",
        meaning: "Maximum time between two requests of a client of a line protocol",
        restart: false,
        field: field!(limits.line_idle_time = span),
    },
    Setting {
        key: "limits.head_time",
        flag: "limits-head-time",
        placeholder: "TIME",
        kind: Span(100, 10 * MINUTE),
        default: "10s",
        meaning: "Maximum time for the head of a request, or a TLS handshake",
        restart: false,
        field: field!(limits.head_time = span),
    },
    Setting {
        key: "limits.body_time",
        flag: "limits-body-time",
        placeholder: "TIME",
        kind: Span(100, 10 * MINUTE),
        default: "10s",
        meaning: "Maximum time for the body of a request",
        restart: false,
        field: field!(limits.body_time = span),
    },
    Setting {
        key: "limits.line_time",
        flag: "limits-line-time",
        placeholder: "TIME",
        kind: Span(100, HOUR),
        default: "2m",
        meaning: "Maximum time for a line, from its first byte to its end",
        restart: false,
        field: field!(limits.line_time = span),
    },
    Setting {
        key: "limits.work_time",
        flag: "limits-work-time",
        placeholder: "TIME",
        kind: Span(100, 10 * MINUTE),
        default: "30s",
        meaning: "Maximum time to generate an answer",
        restart: false,
        field: field!(limits.work_time = span),
    },
    Setting {
        key: "limits.write_time",
        flag: "limits-write-time",
        placeholder: "TIME",
        kind: Span(100, 10 * MINUTE),
        default: "10s",
        meaning: "A client that reads nothing for this long is disconnected",
        restart: false,
        field: field!(limits.write_time = span),
    },
    Setting {
        key: "limits.answer_rate",
        flag: "limits-answer-rate",
        placeholder: "SIZE",
        kind: Size(0, GIB),
        default: "64KiB",
        meaning: "A client that reads less than this per second, averaged over an answer, is disconnected",
        restart: false,
        field: field!(limits.answer_rate = number),
    },
    Setting {
        key: "limits.stop_time",
        flag: "limits-stop-time",
        placeholder: "TIME",
        kind: Span(100, 10 * MINUTE),
        default: "5s",
        meaning: "Time for requests in progress to finish when the agent stops",
        restart: false,
        field: field!(limits.stop_time = span),
    },
];
