//! The declaration of a field: everything that surfaces need to know of it, in one place. Fields of
//! sockets are declared in `query/catalogue`, those of a protocol where the protocol is.

/// The type of a field, its unit included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Text; compared without regard to case.
    Text,
    /// A plain number.
    Count,
    /// A port number; a service name is understood too.
    Port,
    /// Bytes.
    Bytes,
    /// Bytes a second.
    BytesPerSecond,
    /// A time span, kept in microseconds.
    Duration,
    /// Percent, 0 to 100.
    Percent,
    /// An address; IPv4-mapped ones match both ways.
    Address,
    /// Address and port.
    Endpoint,
    /// True or false.
    Bool,
    /// A moment, kept in microseconds since 1970-01-01 UTC.
    Time,
    /// A list of records; shown, not compared.
    List(&'static ListSpec),
}

/// The declaration of a list: what its records are, and how they are shown.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct ListSpec {
    /// Name of a record in the API's schemas.
    pub item: &'static str,
    /// What a record is, for the API's schemas.
    pub meaning: &'static str,
    /// The columns of a record.
    pub columns: &'static [ListColumn],
    /// The fields to compare in place of the list, for error messages.
    pub compare_instead: &'static str,
    /// Whether tables show the records; else they show how many there are.
    pub shows_records: bool,
}

/// One column of a list.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct ListColumn {
    /// Its key in machine-read output, with the unit.
    pub key: &'static str,
    /// Its type and unit.
    pub kind: Kind,
    /// What it means.
    pub meaning: &'static str,
    /// Whether each record has it.
    pub always: bool,
}

impl Kind {
    /// The type in a word, for the field reference.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Count => "number",
            Self::Port => "port",
            Self::Bytes => "bytes",
            Self::BytesPerSecond => "rate",
            Self::Duration => "duration",
            Self::Percent => "percent",
            Self::Address => "address",
            Self::Endpoint => "endpoint",
            Self::Bool => "bool",
            Self::Time => "time",
            Self::List(_) => "list",
        }
    }

    /// The unit in machine-read output; empty where there is none.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::BytesPerSecond => "bytes/s",
            Self::Duration => "us",
            Self::Percent => "%",
            Self::Time => "us since 1970-01-01 UTC",
            _ => "",
        }
    }

    /// The suffix of machine-read names, so that they carry their unit.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Bytes => "_bytes",
            Self::BytesPerSecond => "_bytes_per_s",
            Self::Duration | Self::Time => "_us",
            Self::Percent => "_percent",
            _ => "",
        }
    }

    /// Whether it is a list: shown, not compared.
    #[must_use]
    pub fn is_list(self) -> bool {
        matches!(self, Self::List(_))
    }

    /// Whether larger and smaller mean something, so that sums and `--sort` do too.
    #[must_use]
    pub fn is_quantity(self) -> bool {
        matches!(
            self,
            Self::Count | Self::Bytes | Self::BytesPerSecond | Self::Duration | Self::Percent
        )
    }
}

/// From when on in a connection's life a field can be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// From its opening.
    Opened,
    /// Once something was measured.
    Measured,
    /// After a second sample, so in no event.
    Sampled,
}

/// A closed list of words that the values of a text field are from, so that any spelling of a word is
/// understood and a misspelt one is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Words {
    /// States of sockets.
    State,
    /// Transport protocols.
    Protocol,
    /// Address families.
    Family,
    /// Directions.
    Direction,
    /// Classes of verdicts.
    Class,
    /// Ends that closed first.
    Closer,
    /// Ways to close.
    CloseReason,
    /// These.
    List(&'static [&'static str]),
}

/// The part of a connection that a field is read from; each part has a source of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// The row of the socket table.
    Socket,
    /// The direction.
    Direction,
    /// The processes that own the socket.
    Owners,
    /// The processes that own the socket at the other end.
    PeerOwners,
    /// `tcp_info`.
    Tcp,
    /// Payload counters.
    Bytes,
    /// Send and receive queues.
    Queues,
    /// The accept queue.
    AcceptQueue,
    /// The memory of the socket.
    Memory,
    /// The pending timer.
    Timer,
    /// Congestion control.
    Congestion,
    /// MPTCP's state.
    Mptcp,
    /// Traffic of UDP.
    Udp,
    /// The opening.
    Opened,
    /// The close.
    Closed,
    /// The age.
    Age,
    /// Application layers.
    Application,
    /// The name of the remote end.
    RemoteName,
    /// Computed here.
    Derived,
}

/// The declaration of a field.
#[derive(Debug, Clone, Copy)]
pub struct FieldSpec {
    /// Its name in filters and on the command line.
    pub name: &'static str,
    /// Other names that filters understand.
    pub aliases: &'static [&'static str],
    /// Its type and unit.
    pub kind: Kind,
    /// What it means, as a sentence.
    pub meaning: &'static str,
    /// Where it comes from: a kernel structure, a file, an RFC.
    pub origin: &'static str,
    /// The part of a connection that it is read from.
    pub part: Part,
    /// From when on it can be known.
    pub phase: Phase,
    /// Whether it is known wherever it applies, so that it is never `null`.
    pub is_always_known: bool,
    /// Whether it identifies the connection, so that records of verdicts have it.
    pub identifies: bool,
    /// Whether JSON records have it if no fields are named.
    pub is_default: bool,
    /// The words its values are from, if they are from a closed list.
    pub words: Option<Words>,
    /// Whether it is the name of the server, so that it names the remote end of a connection that was opened
    /// here.
    pub names_server: bool,
    /// Whether it depends on nothing but the process that owns the socket.
    pub of_process: bool,
    /// Where a table drops columns to fit a terminal: lower ranks first; `None` is never dropped
    /// before all that have a rank.
    pub drop_rank: Option<u8>,
    /// Where a table cuts texts to fit a terminal: lower ranks first, and the width in characters
    /// that is left; `None` is never cut.
    pub cut: Option<(u8, u8)>,
}

impl FieldSpec {
    /// A field without attributes.
    #[must_use]
    pub const fn new(
        name: &'static str,
        kind: Kind,
        meaning: &'static str,
        origin: &'static str,
    ) -> Self {
        Self {
            name,
            aliases: &[],
            kind,
            meaning,
            origin,
            part: Part::Socket,
            phase: Phase::Measured,
            is_always_known: false,
            identifies: false,
            is_default: true,
            words: None,
            names_server: false,
            of_process: false,
            drop_rank: None,
            cut: None,
        }
    }

    /// With other names that filters understand.
    #[must_use]
    pub const fn aliases(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    /// Read from this part of a connection.
    #[must_use]
    pub const fn part(self, part: Part) -> Self {
        Self { part, ..self }
    }

    /// Known from the opening of a connection.
    #[must_use]
    pub const fn at_opening(self) -> Self {
        Self { phase: Phase::Opened, ..self }
    }

    /// Known after a second sample only.
    #[must_use]
    pub const fn after_two_samples(self) -> Self {
        Self { phase: Phase::Sampled, ..self }
    }

    /// Known wherever it applies.
    #[must_use]
    pub const fn always_known(self) -> Self {
        Self { is_always_known: true, ..self }
    }

    /// Identifies the connection.
    #[must_use]
    pub const fn identifies(self) -> Self {
        Self { identifies: true, ..self }
    }

    /// In JSON records only if it is named.
    #[must_use]
    pub const fn on_request(self) -> Self {
        Self { is_default: false, ..self }
    }

    /// With values from a closed list of words.
    #[must_use]
    pub const fn words(self, words: Words) -> Self {
        Self { words: Some(words), ..self }
    }

    /// The name of the server.
    #[must_use]
    pub const fn names_server(self) -> Self {
        Self { names_server: true, ..self }
    }

    /// Depends on nothing but the process that owns the socket.
    #[must_use]
    pub const fn of_process(self) -> Self {
        Self { of_process: true, ..self }
    }

    /// Dropped from narrow tables in the order of `rank`.
    #[must_use]
    pub const fn drop_rank(self, rank: u8) -> Self {
        Self { drop_rank: Some(rank), ..self }
    }

    /// Cut in narrow tables in the order of `rank`, to `width` characters at the least.
    #[must_use]
    pub const fn cut(self, rank: u8, width: u8) -> Self {
        Self { cut: Some((rank, width)), ..self }
    }
}
