//! The command line: what can be typed. Parser, `--help`, man page and completions all come from
//! these declarations.

pub(crate) mod dialects;
pub(crate) mod serve;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use conns_api::{Ask, View};
use jiff::SignedDuration;

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
    /// Reads the command line.
    pub(crate) fn read() -> Result<Self, clap::Error> {
        Self::try_parse_from(command_first(std::env::args_os().collect()))
    }
}

/// What names an agent may stand before the command: `conns --agent URL why 443`. A flag before a
/// word would make that word one of the filter, so these are moved behind it.
fn command_first(mut words: Vec<OsString>) -> Vec<OsString> {
    const MOVED: [&str; 3] = ["--agent", "--token-file", "--agent-ca"];
    let mut at = 1;
    while let Some(word) = words.get(at).and_then(|word| word.to_str()) {
        let (name, has_value) =
            word.split_once('=').map_or((word, false), |(name, _)| (name, true));
        if !MOVED.contains(&name) {
            break;
        }
        at += if has_value { 1 } else { 2 };
    }
    if words.get(at).is_some_and(|word| !word.as_encoded_bytes().starts_with(b"-"))
        && let Some(flags_and_word) = words.get_mut(1..=at)
    {
        flags_and_word.rotate_right(1);
    }
    words
}

/// Which agent is asked, if not this program itself. In place of a flag the environment does.
#[derive(Debug, Args)]
pub(crate) struct AgentFlags {
    /// Ask the agent (`conns serve`) at http://HOST:PORT, https://HOST or unix:/PATH instead of
    /// looking here [env: CONNS_AGENT]
    #[arg(long, global = true, value_name = "URL", help_heading = AGENT)]
    pub(crate) agent: Option<String>,
    /// Show the agent the token in FILE [env: CONNS_TOKEN, the token itself]
    #[arg(long, global = true, value_name = "FILE", help_heading = AGENT)]
    pub(crate) token_file: Option<PathBuf>,
    /// Trust the certificates in FILE (PEM), not those the system trusts
    #[arg(long, global = true, value_name = "FILE", help_heading = AGENT)]
    pub(crate) agent_ca: Option<PathBuf>,
}

/// Where the help lists the flags that name an agent.
const AGENT: &str = "Agent elsewhere";

const AFTER_HELP: &str = "\
Filters: a bare word matches process, address, port or service; `process == nginx and rtt > 50ms`
compares fields (`conns fields` lists them), docs/filter.md has it all.

Examples:
  conns                                    established connections
  conns -l                                 listening endpoints, their backlog and overflows
  conns nginx --sort -rtt --limit 10       nginx's ten slowest
  conns 'remote in 10.0.0.0/8 and loss > 1%'
  conns --group-by process --watch         bytes a second by process
  conns why 443                            what holds each connection of port 443 back
  conns --closed --for 30s --sort -duration
                                           what closes or fails within 30 s, the longest first
  conns events refused or rst-in           who is refused and reset, as it happens
  conns --agent http://10.0.0.5:7979 -l    listening endpoints of another machine

Exit codes: 0 answered; 1 no answer; 2 wrong flag, filter or column; 3 answered, but a part could
not be read (standard error says which).";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say why each connection is as fast as it is, with evidence and advice
    Why(WhyFlags),
    /// Tell what happens to TCP connections as it happens: opened, accepted, closed, failed
    Events(EventsFlags),
    /// List every field: type, unit, meaning, source
    Fields(FieldsFlags),
    /// List what can be done here, and what not and why
    Abilities(AbilitiesFlags),
    /// Answer a call in the exact shape of another system
    Call(CallFlags),
    /// Watch this machine and answer over HTTP and in the dialects of other systems
    Serve(serve::ServeFlags),
    /// Show what `conns serve` is told, and from where
    Config(serve::ConfigFlags),
    /// Make a token for an agent, and the hash of it for its configuration
    Token,
    /// Print the man page
    Man,
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Which connections, before the filter.
#[derive(Debug, Args)]
pub(crate) struct Selection {
    /// Listening endpoints: TCP listeners, and UDP sockets without a peer
    #[arg(short, long, conflicts_with = "all")]
    pub(crate) listening: bool,
    /// All states, and unconnected UDP
    #[arg(short, long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) among: Among,
}

impl Selection {
    /// The question these flags ask.
    pub(crate) fn ask(&self) -> Ask {
        self.among.ask(match (self.listening, self.all) {
            (true, _) => View::Listening,
            (false, true) => View::All,
            (false, false) => View::Connections,
        })
    }
}

/// Which connections, whatever their state, and how they are shown.
#[derive(Debug, Args)]
pub(crate) struct Among {
    /// Words of one filter: `nginx`, `443`, `10.0.0.0/8`, `process == nginx and rtt > 50ms`
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
    /// Only this network namespace: a name under /run/netns, an inode, a pid or a path; repeatable
    #[arg(long, value_name = "NAME")]
    pub(crate) netns: Vec<String>,
    /// Where connections are read from on this machine [default: auto]
    #[arg(long, value_enum, value_name = "SOURCE", conflicts_with = "agent")]
    pub(crate) source: Option<SourceChoice>,
    /// Show host and service names instead of numbers (asks the resolver)
    #[arg(short, long)]
    pub(crate) resolve: bool,
    /// Colours
    #[arg(long, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    pub(crate) color: Colour,
}

impl Among {
    /// The question these flags ask.
    pub(crate) fn ask(&self, view: View) -> Ask {
        Ask {
            view,
            tcp: self.tcp || !self.udp,
            udp: self.udp || !self.tcp,
            ipv4: self.ipv4 || !self.ipv6,
            ipv6: self.ipv6 || !self.ipv4,
            namespaces: self.netns.clone(),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ListFlags {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Columns by name; `+name` and `-name` change the usual ones, `all` is every field
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    pub(crate) columns: Option<String>,
    /// Sort by these fields; `-name` is descending
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    pub(crate) sort: Option<String>,
    /// One row for each value of a field, with sums
    #[arg(long, value_name = "FIELD")]
    pub(crate) group_by: Option<String>,
    /// At most so many rows
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Leave out the line with the names of the columns
    #[arg(long)]
    pub(crate) no_header: bool,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Format::Table, value_name = "FORMAT")]
    pub(crate) output: Format,
    /// Look again every SECS seconds (2 if left out), and show rates
    #[arg(long, value_name = "SECS", num_args = 0..=1, default_missing_value = "2")]
    pub(crate) watch: Option<String>,
    /// List what closes or fails from now on, not what is there; an agent tells at once what it keeps
    #[arg(long, conflicts_with_all = ["listening", "all", "watch"])]
    pub(crate) closed: bool,
    /// Watch so long for what closes [default: 10s]; Ctrl-C ends it before
    #[arg(long = "for", value_name = "TIME", value_parser = parse_span, requires = "closed")]
    pub(crate) span: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct EventsFlags {
    #[command(flatten)]
    pub(crate) among: Among,
    /// End after so long [default: on Ctrl-C]
    #[arg(long = "for", value_name = "TIME", value_parser = parse_span)]
    pub(crate) span: Option<Duration>,
    /// Fields of jsonl by name; `+name` and `-name` change the usual ones, `all` is every field
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    pub(crate) columns: Option<String>,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = EventsFormat::Text, value_name = "FORMAT")]
    pub(crate) output: EventsFormat,
}

#[derive(Debug, Args)]
pub(crate) struct AbilitiesFlags {
    /// How to print
    #[arg(short, long, value_enum, default_value_t = AbilitiesFormat::Table, value_name = "FORMAT")]
    pub(crate) output: AbilitiesFormat,
}

#[derive(Debug, Args)]
pub(crate) struct WhyFlags {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// How long to watch before judging; an agent judges its own window of the last seconds
    #[arg(long = "for", value_name = "TIME", default_value = "5s", value_parser = parse_span)]
    pub(crate) span: Duration,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = WhyFormat::Text, value_name = "FORMAT")]
    pub(crate) output: WhyFormat,
}

#[derive(Debug, Args)]
pub(crate) struct FieldsFlags {
    /// How to print
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
    #[arg(long, value_enum, value_name = "SOURCE", conflicts_with = "agent")]
    pub(crate) source: Option<SourceChoice>,
    /// Only this network namespace; repeatable
    #[arg(long, value_name = "NAME")]
    pub(crate) netns: Vec<String>,
    /// Omit the line with the names of the columns
    #[arg(long)]
    pub(crate) no_header: bool,
    #[command(flatten)]
    pub(crate) dialects: dialects::DialectFlags,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people, made to fit the terminal
    Table,
    /// For people, more columns, nothing cut
    Wide,
    /// One JSON object
    Json,
    /// One JSON object a line for each connection
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
    /// One JSON object a line for each connection
    Jsonl,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EventsFormat {
    /// One line for each event
    Text,
    /// One JSON object a line for each event
    Jsonl,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AbilitiesFormat {
    /// For people
    Table,
    /// One JSON object
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FieldsFormat {
    /// For people
    Table,
    /// The page docs/fields.md
    Markdown,
    /// One JSON object
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SourceChoice {
    /// The kernel's tables where they can be read, else portable
    Auto,
    /// sock_diag and procfs (Linux)
    Kernel,
    /// Own programs in the kernel (Linux), or an error where they do not work
    Ebpf,
    /// The operating system's common interfaces: no latency, loss or bytes
    Portable,
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

/// Longest time to watch in one go: a day.
const LONGEST_SPAN: Duration = Duration::from_secs(24 * 3600);

/// A span of time: `5`, `5s`, `500ms`, `2m`; a bare number is seconds.
pub(crate) fn parse_span(text: &str) -> Result<Duration, String> {
    let expected = || format!("expected a time such as 5s, 500ms or 2m, not `{text}`");
    let span = match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).map_err(|_| expected())?,
        Err(_) => {
            let signed: SignedDuration = text.parse().map_err(|_| expected())?;
            Duration::try_from(signed).map_err(|_| expected())?
        }
    };
    if span.is_zero() || span > LONGEST_SPAN {
        return Err(format!("expected more than nothing and at most a day, not `{text}`"));
    }
    Ok(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_an_agent_may_stand_before_the_command() {
        for (typed, read) in [
            ("conns --agent u why 443", "conns why --agent u 443"),
            ("conns --agent=u --token-file f why", "conns why --agent=u --token-file f"),
            ("conns --agent u", "conns --agent u"),
            ("conns --agent", "conns --agent"),
            ("conns --agent u -l why", "conns --agent u -l why"),
            ("conns --agent u -- why", "conns --agent u -- why"),
            ("conns why --agent u", "conns why --agent u"),
            ("conns nginx --agent u why", "conns nginx --agent u why"),
            ("conns", "conns"),
        ] {
            let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
            assert_eq!(command_first(words(typed)), words(read), "{typed}");
            if let Ok(flags) = Flags::try_parse_from(command_first(words(typed))) {
                let has_command = read.starts_with("conns why");
                assert_eq!(flags.command.is_some(), has_command, "{typed}");
                assert_eq!(flags.agent.agent.is_some(), read.contains("--agent"), "{typed}");
            }
        }
    }
}
