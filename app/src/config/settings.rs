//! Every setting, declared once.
//!
//! The one idea: add a row here and a field in `Config`, and there is a flag, a variable, a key in
//! the file, help, a line in docs/config.md and in `conns config explain`.

use conns_dialects::ems::DEFAULT_STREAMS;
use conns_dialects::monero::DEFAULT_PEERS;

use super::Kind::{self, Choice, Count, Size, Span, Switch, Text, Texts};
use super::read::{maybe, number, span, switch, text, texts};
use super::{Config, Value};

/// One setting.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Its key in the file, with the table it stands in.
    pub(crate) key: &'static str,
    /// Its flag, without the dashes.
    pub(crate) flag: &'static str,
    /// What its value is called in help.
    pub(crate) placeholder: &'static str,
    /// What it holds.
    pub(crate) kind: Kind,
    /// What it is if nothing is said, as a variable would say it; empty if nothing.
    pub(crate) default: &'static str,
    /// What it means, in a phrase.
    pub(crate) meaning: &'static str,
    /// Whether a change takes a restart: what it needs is given up after the start.
    pub(crate) restart: bool,
    /// How it gets into `Config`, and whether two differ in it.
    pub(super) field: (Set, Differs),
}

pub(super) type Set = fn(&mut Config, &Value) -> Result<(), String>;
pub(super) type Differs = fn(&Config, &Config) -> bool;

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

    /// Whether its value lets somebody in, and is not to be shown.
    pub(crate) fn is_secret(&self) -> bool {
        self.key == "monero.login"
    }

    /// The default where `env` tells variables: the socket file stands in the folder for such files,
    /// that of the service (systemd.exec(5), `RUNTIME_DIRECTORY`) or of the user.
    pub(super) fn default_in(&self, env: &impl Fn(&str) -> Option<String>) -> String {
        let first = |name| Some(env(name)?.split(':').next()?.to_owned());
        let folder = ["RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"].into_iter().find_map(first);
        match folder.filter(|folder| !folder.contains(',')) {
            Some(folder) => self.default.replace(SOCKET, &format!("unix:{folder}/conns.sock")),
            None => self.default.to_owned(),
        }
    }

    /// The setting of this key.
    pub(crate) fn of_key(key: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.key == key)
    }
}

/// The socket file where no folder is named.
const SOCKET: &str = "unix:/run/conns/conns.sock";

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// All of them; those of one table stand together.
pub(crate) static SETTINGS: &[Setting] = &[
    Setting {
        key: "interval",
        flag: "interval",
        placeholder: "TIME",
        kind: Span(100, MINUTE),
        default: "1s",
        meaning: "Time between two looks at the machine",
        restart: false,
        field: field!(interval = span),
    },
    Setting {
        key: "window",
        flag: "window",
        placeholder: "TIME",
        kind: Span(SECOND, MINUTE),
        default: "5s",
        meaning: "A verdict looks back once to twice so long; at least two intervals",
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
        key: "follow_namespaces",
        flag: "follow-namespaces",
        placeholder: "BOOL",
        kind: Switch,
        default: "false",
        meaning: "Watch network namespaces that appear after the start too; keeps CAP_SYS_ADMIN for it",
        restart: true,
        field: field!(follow_namespaces = switch),
    },
    Setting {
        key: "user",
        flag: "user",
        placeholder: "NAME",
        kind: Text,
        default: "",
        meaning: "Become this user once everything is open",
        restart: true,
        field: field!(user = maybe),
    },
    Setting {
        key: "listen",
        flag: "listen",
        placeholder: "WHERE",
        kind: Texts,
        default: "http=127.0.0.1:7979,unix:/run/conns/conns.sock",
        meaning: "What is spoken where: [PROTOCOL=]ADDRESS:PORT, an empty address is 127.0.0.1; or unix:/PATH. \
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
        meaning: "Let other machines read without TLS and token",
        restart: false,
        field: field!(insecure = switch),
    },
    Setting {
        key: "hosts",
        flag: "host",
        placeholder: "NAME",
        kind: Texts,
        default: "",
        meaning: "Names this machine is called by, accepted in the Host header besides addresses and localhost",
        restart: false,
        field: field!(hosts = texts),
    },
    Setting {
        key: "tokens",
        flag: "token-hash",
        placeholder: "HASH",
        kind: Texts,
        default: "",
        meaning: "Hashes (sha256:…) of the bearer tokens that are let in over TCP; `conns token` makes one",
        restart: false,
        field: field!(tokens = texts),
    },
    Setting {
        key: "tls.certificate",
        flag: "tls-cert",
        placeholder: "FILE",
        kind: Text,
        default: "",
        meaning: "PEM file with the certificate and those it hangs on",
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
        meaning: "Which of them are those of the node to speak for, where several run",
        restart: false,
        field: field!(monero.node = maybe),
    },
    Setting {
        key: "monero.era",
        flag: "monero-era",
        placeholder: "ERA",
        kind: Choice(&["current", "0.11"]),
        default: "current",
        meaning: "The release of Monero whose shape is answered",
        restart: false,
        field: field!(monero.era = text),
    },
    Setting {
        key: "monero.restricted",
        flag: "monero-restricted",
        placeholder: "BOOL",
        kind: Switch,
        default: "false",
        meaning: "Answer as a node's restricted port does, which does not know the method",
        restart: false,
        field: field!(monero.restricted = switch),
    },
    Setting {
        key: "monero.login",
        flag: "monero-login",
        placeholder: "USER:DIGEST",
        kind: Text,
        default: "",
        meaning: "Who may ask the Monero dialect; the digest is what `printf %s USER:monero-rpc:PASSWORD | md5sum` prints. \
                  Better kept in the file: flags and variables can be seen by others",
        restart: false,
        field: field!(monero.login = maybe),
    },
    Setting {
        key: "ems.streams",
        flag: "ems-streams",
        placeholder: "FILTER",
        kind: Text,
        default: DEFAULT_STREAMS,
        meaning: "Which connections are those of a media server",
        restart: false,
        field: field!(ems.streams = text),
    },
    Setting {
        key: "ems.length_prefix",
        flag: "ems-length-prefix",
        placeholder: "BOOL",
        kind: Switch,
        default: "true",
        meaning: "Send four bytes with its length before each answer in JSON over TCP, as EMS does",
        restart: false,
        field: field!(ems.length_prefix = switch),
    },
    Setting {
        key: "metrics.top",
        flag: "metrics-top",
        placeholder: "N",
        kind: Count(0, 1000),
        default: "20",
        meaning: "How many of the largest have series of their own in /metrics; the others are summed up",
        restart: false,
        field: field!(metrics_top = number),
    },
    Setting {
        key: "limits.clients",
        flag: "limits-clients",
        placeholder: "N",
        kind: Count(1, 1_000_000),
        default: "3072",
        meaning: "Clients connected at once",
        restart: false,
        field: field!(limits.clients = number),
    },
    Setting {
        key: "limits.clients_per_listener",
        flag: "limits-clients-per-listener",
        placeholder: "N",
        kind: Count(1, 1_000_000),
        default: "2560",
        meaning: "Clients connected at once to one listener",
        restart: false,
        field: field!(limits.clients_per_listener = number),
    },
    Setting {
        key: "limits.clients_per_address",
        flag: "limits-clients-per-address",
        placeholder: "N",
        kind: Count(1, 1_000_000),
        default: "256",
        meaning: "Clients connected at once from one address (IPv6: one /64); loopback is not counted",
        restart: false,
        field: field!(limits.clients_per_address = number),
    },
    Setting {
        key: "limits.streams",
        flag: "limits-streams",
        placeholder: "N",
        kind: Count(0, 100_000),
        default: "32",
        meaning: "Streams of events at once",
        restart: false,
        field: field!(limits.streams = number),
    },
    Setting {
        key: "limits.head_bytes",
        flag: "limits-head-bytes",
        placeholder: "SIZE",
        kind: Size(8 * KIB, MIB),
        default: "16KiB",
        meaning: "Longest head of an HTTP request",
        restart: false,
        field: field!(limits.head_bytes = number),
    },
    Setting {
        key: "limits.bodies_bytes",
        flag: "limits-bodies-bytes",
        placeholder: "SIZE",
        kind: Size(MIB, GIB),
        default: "32MiB",
        meaning: "Request bodies and unfinished lines held at once, over all clients",
        restart: false,
        field: field!(limits.bodies_bytes = number),
    },
    Setting {
        key: "limits.in_flight_bytes",
        flag: "limits-in-flight-bytes",
        placeholder: "SIZE",
        kind: Size(MIB, 4 * GIB),
        default: "64MiB",
        meaning: "Answers on their way held at once, over all clients",
        restart: false,
        field: field!(limits.in_flight_bytes = number),
    },
    Setting {
        key: "limits.idle_time",
        flag: "limits-idle-time",
        placeholder: "TIME",
        kind: Span(SECOND, HOUR),
        default: "75s",
        meaning: "Longest time between two requests of an HTTP client",
        restart: false,
        field: field!(limits.idle_time = span),
    },
    Setting {
        key: "limits.line_idle_time",
        flag: "limits-line-idle-time",
        placeholder: "TIME",
        kind: Span(SECOND, 24 * HOUR),
        default: "10m",
        meaning: "Longest time between two lines of a client that speaks in lines",
        restart: false,
        field: field!(limits.line_idle_time = span),
    },
    Setting {
        key: "limits.head_time",
        flag: "limits-head-time",
        placeholder: "TIME",
        kind: Span(100, 10 * MINUTE),
        default: "10s",
        meaning: "Longest time for the head of a request, or a TLS handshake",
        restart: false,
        field: field!(limits.head_time = span),
    },
    Setting {
        key: "limits.body_time",
        flag: "limits-body-time",
        placeholder: "TIME",
        kind: Span(100, 10 * MINUTE),
        default: "10s",
        meaning: "Longest time for the body of a request",
        restart: false,
        field: field!(limits.body_time = span),
    },
    Setting {
        key: "limits.line_time",
        flag: "limits-line-time",
        placeholder: "TIME",
        kind: Span(100, HOUR),
        default: "2m",
        meaning: "Longest time for a line, from its first byte to its end",
        restart: false,
        field: field!(limits.line_time = span),
    },
    Setting {
        key: "limits.work_time",
        flag: "limits-work-time",
        placeholder: "TIME",
        kind: Span(100, 10 * MINUTE),
        default: "30s",
        meaning: "Longest time to make an answer",
        restart: false,
        field: field!(limits.work_time = span),
    },
    Setting {
        key: "limits.write_time",
        flag: "limits-write-time",
        placeholder: "TIME",
        kind: Span(100, 10 * MINUTE),
        default: "10s",
        meaning: "A reader that takes nothing at all for so long is dropped",
        restart: false,
        field: field!(limits.write_time = span),
    },
    Setting {
        key: "limits.answer_rate",
        flag: "limits-answer-rate",
        placeholder: "SIZE",
        kind: Size(0, GIB),
        default: "64KiB",
        meaning: "A reader slower than this each second, over a whole answer, is dropped",
        restart: false,
        field: field!(limits.answer_rate = number),
    },
    Setting {
        key: "limits.stop_time",
        flag: "limits-stop-time",
        placeholder: "TIME",
        kind: Span(100, 10 * MINUTE),
        default: "5s",
        meaning: "Time for requests under way to end once the agent is asked to stop",
        restart: false,
        field: field!(limits.stop_time = span),
    },
];
