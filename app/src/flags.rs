//! The command line. Parser, `--help`, man page and completions are generated from these
//! declarations.

mod arguments;
pub(crate) mod dialects;
mod families;
pub(crate) mod history;
#[cfg(target_os = "linux")]
pub(crate) mod link;
pub(crate) mod past;
pub(crate) mod serve;
mod source;
pub(crate) mod top;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use conns_api::{Ask, View};
use conns_core::model::EventKind;
use conns_core::units;

use crate::completions;

use past::{ClosedFlags, EndedFlags, KeptFlags, PastFlags, PeriodFlags};
pub(crate) use source::{ReadFlags, SourceChoice};

/// What is this machine connected to: every connection with its process, its health, and why it is slow
#[derive(Debug, Parser)]
#[command(
    name = "conns",
    version,
    max_term_width = 100,
    args_conflicts_with_subcommands = true,
    after_help = AFTER_HELP
)]
pub(crate) struct Flags {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) agent: AgentFlags,
    #[command(flatten)]
    pub(crate) list: ListFlags,
}

impl Flags {
    /// Parses the command line.
    pub(crate) fn read() -> Result<Self, clap::Error> {
        Self::try_parse_from(arguments::prepared(std::env::args_os().collect()))
            .map_err(past::advised)
    }
}

/// Which remote agent to query, or which file to read; the environment is the default.
#[derive(Debug, Clone, Args)]
pub(crate) struct AgentFlags {
    /// Query the agent (`conns serve`) at http://HOST:PORT, https://HOST or unix:/PATH instead of
    /// this machine [env: CONNS_AGENT]
    #[arg(long, global = true, value_name = "URL", help_heading = AGENT)]
    pub(crate) agent: Option<String>,
    /// Send the bearer token in FILE [env: CONNS_TOKEN, the token itself]
    #[arg(long, global = true, value_name = "FILE", help_heading = AGENT)]
    pub(crate) token_file: Option<PathBuf>,
    /// Trust the CA certificates in FILE (PEM) instead of those of the system
    #[arg(long, global = true, value_name = "FILE", help_heading = AGENT)]
    pub(crate) agent_ca: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) file: ReadFlags,
}

/// The help heading of the flags of the agent.
const AGENT: &str = "Remote agent";

const AFTER_HELP: &str = "\
Filters: a bare word matches process, address, port or service; `process == nginx and rtt > 50ms`
compares fields (`conns fields` lists them); docs/filter.md is the reference.

Examples:
  conns                                    established connections
  conns -l                                 listening endpoints, their backlog and overflows
  conns nginx --sort -rtt --limit 10       nginx's ten slowest
  conns 'remote in 10.0.0.0/8 and loss > 1%'
  conns --group-by process --watch         bytes a second by process
  conns -x docker                          unix sockets of docker, and who is at their other end
  conns top nginx                          the same as a screen that stays: narrow, sort, open one
  conns why 443                            what limits each connection of port 443
  conns --at 14:03 nginx                   nginx's connections as they were at 14:03, by the history
  conns why --from 13:50 --to 14:10        what limited connections then
  conns events --since yesterday --kind failed
                                           attempts that failed since yesterday, then those to come
  conns --closed --from 13:50 --to 14:10   connections that ended or failed then
  conns --closed --for 30s --sort -duration
                                           connections that close or fail within 30 s, longest first
  conns events refused or rst-in           refused and reset connections, live
  conns events --kind failed --limit 10    the next ten attempts that fail
  conns --agent http://10.0.0.5:7979 -l    listening endpoints of another machine
  conns --read web.pcap.gz 'local_port == 443'
                                           what a capture file shows of the server's ends

Exit codes: 0 success; 1 failure; 2 invalid flag, filter or column; 3 incomplete output (standard
error lists what is missing).";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Explain what limits each connection, with evidence and advice
    Why(WhyFlags),
    /// Watch connections live on the whole terminal: narrow, sort, group, freeze, open one; `?` lists the keys
    Top(top::TopFlags),
    /// List media streams: who publishes and who plays each, and who is slow
    Streams(StreamsFlags),
    /// Print TCP connection events live: opened, accepted, closed, failed
    Events(EventsFlags),
    /// Ask for connections, listeners and processes, and for what is kept of them, in SQL
    Sql(SqlFlags),
    /// Show how far back the history reaches, and export it
    History(history::HistoryFlags),
    /// List every field: type, unit, meaning, source
    Fields(FieldsFlags),
    /// List which abilities are available here, and why others are not
    Abilities(AbilitiesFlags),
    /// Answer a call in the exact format of another system
    Call(CallFlags),
    /// Run the agent: sample this machine, serve HTTP and the APIs of other systems
    Serve(serve::ServeFlags),
    /// Transfers between hosts: send and receive files, encrypted and at a controlled rate
    #[cfg(target_os = "linux")]
    Link(link::LinkFlags),
    /// Show the configuration of `conns serve`, and where each value comes from
    Config(serve::ConfigFlags),
    /// Generate a token for clients, and its hash for the configuration of the agent
    Token,
    /// Print the man page
    Man,
    /// Print the script by which a shell completes commands, flags, fields and namespaces
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Which connections, before the filter.
#[derive(Debug, Args)]
pub(crate) struct Selection {
    /// Listening endpoints: TCP listeners, and UDP sockets without a peer
    #[arg(short, long, conflicts_with = "read")]
    pub(crate) listening: bool,
    /// All states, and unconnected UDP
    #[arg(short, long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) among: Among,
}

impl Selection {
    /// The query of these flags.
    pub(crate) fn ask(&self) -> Ask {
        self.among.ask(match (self.listening, self.all) {
            (_, true) => View::All,
            (true, false) => View::Listening,
            (false, false) => View::Connections,
        })
    }
}

/// Which connections, in any state, and how they are printed.
#[derive(Debug, Args)]
pub(crate) struct Among {
    /// Words of one filter: `nginx`, `443`, `10.0.0.0/8`, `process == nginx and rtt > 50ms`
    #[arg(add = completions::filter())]
    pub(crate) filter: Vec<String>,
    /// TCP only, MPTCP included
    #[arg(short, long)]
    pub(crate) tcp: bool,
    /// UDP only
    #[arg(short, long)]
    pub(crate) udp: bool,
    /// IPv4 sockets only
    #[arg(short = '4', long)]
    pub(crate) ipv4: bool,
    /// IPv6 sockets only
    #[arg(short = '6', long)]
    pub(crate) ipv6: bool,
    /// Only this network namespace: a name under /run/netns, `self`, an inode, a pid or a path; repeatable
    #[arg(long, value_name = "NAME", conflicts_with = "read", add = completions::netns())]
    pub(crate) netns: Vec<String>,
    /// Where connections are read from on this machine [default: auto]
    #[arg(long, value_enum, value_name = "SOURCE", conflicts_with_all = ["agent", "read"])]
    pub(crate) source: Option<SourceChoice>,
    /// Show host and service names instead of numbers (asks the resolver)
    #[arg(short, long)]
    pub(crate) resolve: bool,
    /// Colours
    #[arg(long, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    pub(crate) color: Colour,
}

impl Among {
    /// The query of these flags.
    pub(crate) fn ask(&self, view: View) -> Ask {
        Ask {
            view,
            tcp: self.tcp || !self.udp,
            udp: self.udp || !self.tcp,
            ipv4: self.ipv4 || !self.ipv6,
            ipv6: self.ipv6 || !self.ipv4,
            namespaces: self.netns.clone(),
            ..Ask::default()
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ListFlags {
    #[command(flatten)]
    pub(crate) selection: Selection,
    #[command(flatten)]
    pub(crate) families: families::FamilyFlags,
    #[command(flatten)]
    pub(crate) past: PastFlags,
    /// Columns by name; `+name` and `-name` change the default, `all` is every field. Groups: their
    /// field, `connections`, what they sum, `verdicts`. CSV and JSON lines: `snapshot`, its time and host
    #[arg(long, value_name = "LIST", allow_hyphen_values = true, add = completions::columns())]
    pub(crate) columns: Option<String>,
    /// Sort by these fields; `-name` is descending. Groups: by their field, `connections` or what they sum
    #[arg(long, value_name = "LIST", allow_hyphen_values = true, add = completions::sort())]
    pub(crate) sort: Option<String>,
    /// One row for each value of a field, with sums
    #[arg(long, value_name = "FIELD", add = completions::field())]
    pub(crate) group_by: Option<String>,
    /// Maximum number of rows
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Omit the line with the column names
    #[arg(short = 'H', long)]
    pub(crate) no_header: bool,
    /// Output format
    #[arg(short, long, value_enum, default_value_t = Format::Table, value_name = "FORMAT")]
    pub(crate) output: Format,
    /// One JSON object: `-o json`
    #[arg(long, conflicts_with = "output")]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) as_of_ss: SsFlags,
    /// Show the source of each value and the reason of each unknown one: below the table, or as
    /// `explain` in each JSON record
    #[arg(long, conflicts_with = "group_by")]
    pub(crate) explain: bool,
    /// Repeat at this interval (2 seconds unless `--watch=5s`), and show rates
    #[arg(
        long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "2",
        conflicts_with = "read"
    )]
    pub(crate) watch: Option<String>,
    #[command(flatten)]
    pub(crate) ended: ClosedFlags,
    /// List connections that close or fail from now on; a remote agent lists those it has recorded, and `--from` those
    /// of the past
    #[arg(long, conflicts_with_all = ["listening", "all", "watch"])]
    pub(crate) closed: bool,
    /// How long to wait for connections to close [default: 10s]; Ctrl-C stops earlier
    #[arg(
        long = "for", value_name = "TIME", value_parser = parse_span, requires = "closed",
        conflicts_with_all = ["read", "from"]
    )]
    pub(crate) span: Option<Duration>,
}

/// Flags of `ss`, `netstat` and `lsof`.
#[derive(Debug, Args)]
pub(crate) struct SsFlags {
    /// Only connections of these processes; `-p PID` too
    #[arg(long, value_name = "PID", value_delimiter = ',', help_heading = SS)]
    pub(crate) pid: Vec<u32>,
    /// Add user, inode and cookie
    #[arg(short, long, help_heading = SS)]
    pub(crate) extended: bool,
    /// Add the sender's window, retransmission timeout and rates
    #[arg(short, long, help_heading = SS)]
    pub(crate) info: bool,
    /// Add queues and buffers
    #[arg(short, long, help_heading = SS)]
    pub(crate) memory: bool,
    /// Add timers; `-o` without a format too
    #[arg(long, help_heading = SS)]
    pub(crate) timers: bool,
    /// Processes are always shown
    #[arg(short, long, help_heading = SS)]
    pub(crate) processes: bool,
    /// Numbers are always shown, unless `--resolve`
    #[arg(short, long, short_alias = 'P', conflicts_with = "resolve", overrides_with = "numeric", help_heading = SS)]
    pub(crate) numeric: bool,
}

/// The help heading of those flags.
const SS: &str = "As in ss, netstat and lsof";

#[derive(Debug, Args)]
pub(crate) struct EventsFlags {
    #[command(flatten)]
    pub(crate) among: Among,
    #[command(flatten)]
    pub(crate) ended: EndedFlags,
    /// Stop after this time [default: on Ctrl-C]
    #[arg(long = "for", value_name = "TIME", value_parser = parse_span, conflicts_with = "read")]
    pub(crate) span: Option<Duration>,
    /// Only events of these kinds
    #[arg(long, value_enum, value_name = "KIND", value_delimiter = ',')]
    pub(crate) kind: Vec<KindFlag>,
    /// Stop after this number of events
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Fields of jsonl by name; `+name` and `-name` change the default, `all` is every field
    #[arg(long, value_name = "LIST", allow_hyphen_values = true, add = completions::columns())]
    pub(crate) columns: Option<String>,
    /// Output format
    #[arg(short, long, value_enum, default_value_t = EventsFormat::Text, value_name = "FORMAT")]
    pub(crate) output: EventsFormat,
}

/// What happened to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KindFlag {
    /// This machine connected
    Opened,
    /// A listener accepted
    Accepted,
    /// It closed
    Closed,
    /// An attempt failed
    Failed,
}

impl From<KindFlag> for EventKind {
    fn from(flag: KindFlag) -> Self {
        match flag {
            KindFlag::Opened => Self::Opened,
            KindFlag::Accepted => Self::Accepted,
            KindFlag::Closed => Self::Closed,
            KindFlag::Failed => Self::Failed,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct AbilitiesFlags {
    /// Output format
    #[arg(short, long, value_enum, default_value_t = AbilitiesFormat::Table, value_name = "FORMAT")]
    pub(crate) output: AbilitiesFormat,
}

#[derive(Debug, Args)]
pub(crate) struct WhyFlags {
    #[command(flatten)]
    pub(crate) selection: Selection,
    #[command(flatten)]
    pub(crate) past: PastFlags,
    #[command(flatten)]
    pub(crate) period: PeriodFlags,
    /// How long to sample before the verdict; a remote agent uses its own window
    #[arg(
        long = "for", value_name = "TIME", default_value = "5s", value_parser = parse_span,
        conflicts_with_all = ["read", "at", "from"]
    )]
    pub(crate) span: Duration,
    /// Output format
    #[arg(short, long, value_enum, default_value_t = WhyFormat::Text, value_name = "FORMAT")]
    pub(crate) output: WhyFormat,
    /// Add the source of each value and the reason of each unknown one to JSON records
    #[arg(long)]
    pub(crate) explain: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StreamsFlags {
    #[command(flatten)]
    pub(crate) among: Among,
    #[command(flatten)]
    pub(crate) past: PastFlags,
    /// How long to watch before the list; an agent has watched before
    #[arg(
        long = "for", value_name = "TIME", default_value = "5s", value_parser = parse_span,
        conflicts_with_all = ["read", "at"]
    )]
    pub(crate) span: Duration,
    /// Output format
    #[arg(short, long, value_enum, default_value_t = StreamsFormat::Table, value_name = "FORMAT")]
    pub(crate) output: StreamsFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StreamsFormat {
    /// A table
    Table,
    /// One JSON object
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct SqlFlags {
    /// One `select` of SQLite; `-` reads it from standard input
    pub(crate) query: Option<String>,
    /// List the tables and their columns
    #[arg(long, conflicts_with = "query")]
    pub(crate) tables: bool,
    #[command(flatten)]
    pub(crate) kept: KeptFlags,
    /// Maximum number of rows [default: 10000]
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Sample for this long first, so that there are rates and verdicts; an agent has them
    #[arg(long = "for", value_name = "TIME", value_parser = parse_span, conflicts_with = "read")]
    pub(crate) span: Option<Duration>,
    /// Where connections are read from on this machine [default: auto]
    #[arg(long, value_enum, value_name = "SOURCE", conflicts_with_all = ["agent", "read"])]
    pub(crate) source: Option<SourceChoice>,
    /// Only this network namespace; repeatable
    #[arg(long, value_name = "NAME", conflicts_with = "read", add = completions::netns())]
    pub(crate) netns: Vec<String>,
    /// Omit the line with the column names
    #[arg(short = 'H', long)]
    pub(crate) no_header: bool,
    /// Colours
    #[arg(long, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    pub(crate) color: Colour,
    /// Output format
    #[arg(short, long, value_enum, default_value_t = SqlFormat::Table, value_name = "FORMAT")]
    pub(crate) output: SqlFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SqlFormat {
    /// A table
    Table,
    /// One JSON object
    Json,
    /// One JSON object per line and row
    Jsonl,
    /// Comma-separated values
    Csv,
}

#[derive(Debug, Args)]
pub(crate) struct FieldsFlags {
    /// Output format
    #[arg(short, long, value_enum, default_value_t = FieldsFormat::Table, value_name = "FORMAT")]
    pub(crate) output: FieldsFormat,
}

#[derive(Debug, Args)]
pub(crate) struct CallFlags {
    /// The call, as a client of that system writes it
    ///
    /// 1E:         Network.GetConnections();
    /// Monero:     get_connections
    /// EMS:        listConnections excludeNonNetworkProtocols=0
    /// JetStream:  send.getConnections {"limit":10}
    ///
    /// A whole JSON-RPC request of Monero or JetStream is a call too. The answer is what the port of
    /// that system sends; an unknown call lists the known ones.
    #[arg(verbatim_doc_comment)]
    pub(crate) call: String,
    /// How to print a table of 1E; the other systems answer in JSON only
    #[arg(short, long, value_enum, default_value_t = Format::Json, value_name = "FORMAT")]
    pub(crate) output: Format,
    /// Where connections are read from on this machine [default: auto]
    #[arg(long, value_enum, value_name = "SOURCE", conflicts_with_all = ["agent", "read"])]
    pub(crate) source: Option<SourceChoice>,
    /// Only this network namespace; repeatable
    #[arg(long, value_name = "NAME", conflicts_with = "read", add = completions::netns())]
    pub(crate) netns: Vec<String>,
    /// Omit the line with the column names
    #[arg(long)]
    pub(crate) no_header: bool,
    #[command(flatten)]
    pub(crate) dialects: dialects::DialectFlags,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A table that fits the terminal
    Table,
    /// A table with more columns, not truncated
    Wide,
    /// One JSON object
    Json,
    /// One JSON object per line and connection
    Jsonl,
    /// Comma-separated values
    Csv,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum WhyFormat {
    /// Sentences
    Text,
    /// One JSON object
    Json,
    /// One JSON object per line and connection
    Jsonl,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EventsFormat {
    /// One line per event
    Text,
    /// One JSON object per line and event
    Jsonl,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AbilitiesFormat {
    /// A table
    Table,
    /// One JSON object
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FieldsFormat {
    /// A table
    Table,
    /// The page docs/fields.md
    Markdown,
    /// One JSON object
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Longest span of a flag: a day.
const MAX_SPAN: Duration = Duration::from_secs(24 * 3600);

/// A span of time: `5`, `5s`, `500ms`, `2m`; a bare number is seconds.
pub(crate) fn parse_span(text: &str) -> Result<Duration, String> {
    match units::parse_span(text) {
        None => Err(format!("expected a time such as 5s, 500ms or 2m, found `{text}`")),
        Some(span) if span.is_zero() || span > MAX_SPAN => {
            Err(format!("expected a time above 0 and at most a day, found `{text}`"))
        }
        Some(span) => Ok(span),
    }
}
