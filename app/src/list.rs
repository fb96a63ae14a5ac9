//! `conns`: the list, once or repeatedly.

use std::cell::Cell;
use std::io::Write;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use conns_api::{Answer, Ask, Pace, RecordWriter, Stamp, View, next_update, sample_once};
use conns_core::model::{Connection, Loss, Snapshot};
use conns_core::query::{
    ColumnError, Field, Filter, Group, GroupColumn, GroupSortKey, Groups, SortKey, field_named,
    find_field, group, parse_columns, parse_group_columns, sort, sort_groups,
};
use conns_core::track::Retention;
use conns_engine::Purpose;
use conns_print::{
    Layout, TABLE_ORDER, WATCHED_GROUP_ORDER, closed_columns, closed_csv_columns, csv_columns,
    default_columns, default_group_columns, other_columns, other_csv_columns,
};

use crate::agent;
use crate::failure::{Failure, report_losses};
use crate::flags::{AgentFlags, Format, ListFlags, SsFlags, parse_span};
use crate::follow::{self, Stop};
use crate::misspelt_command;
use crate::past::{self, Asked};
use crate::terminal::{self, AlternateScreen};

/// The parsed flags, validated before anything is sampled.
pub(crate) struct Plan<'a> {
    flags: &'a ListFlags,
    output: Format,
    pub(crate) ask: Ask,
    filter: Option<Filter>,
    sort: Vec<SortKey>,
    pub(crate) group_by: Option<&'static Field>,
    /// The order of groups; empty is by the number of connections.
    group_sort: Vec<GroupSortKey>,
    interval: Option<Duration>,
    /// The list of columns without `snapshot`.
    columns: Option<String>,
    /// Rows of CSV and JSON lines begin with time and host of their snapshot.
    names_snapshot: bool,
    /// The header of CSV has been written.
    has_header: Cell<bool>,
}

/// Runs the list; true if it is incomplete.
pub(crate) fn run(flags: &ListFlags, agent_flags: &AgentFlags) -> Result<bool, Failure> {
    let plan = Plan::new(flags)?;
    flags.past.kept.check(flags.past.at.is_some(), "--at TIME")?;
    if flags.past.at.is_some() && !plan.ask.others.is_empty() {
        let why = "the history keeps TCP and UDP only";
        return Err(Failure::Usage(format!("cannot list sockets of other families: {why}")));
    }
    let memory = match plan.interval {
        None => Retention::None,
        Some(_) => Retention::Window(Duration::from_secs(5)),
    };
    let chosen = flags.selection.among.source;
    let source = flags.families.source(chosen, agent::is_remote(agent_flags, chosen))?;
    let mut agent = match flags.past.at {
        Some(_) if plan.interval.is_some() => {
            return Err(Failure::Usage("--at is of one moment: omit --watch".to_owned()));
        }
        Some(at_us) => past::open(agent_flags, &flags.past.kept, Asked::At(at_us))?,
        None => agent::open(agent_flags, source, memory, Purpose::Sample)?,
    };
    let Some(interval) = plan.interval else {
        let snapshot = sample_once(&mut *agent, &plan.ask)?;
        let chosen = plan.choose(&snapshot);
        if chosen.is_empty()
            && let Some(failure) = plan.misspelt_command()
        {
            return Err(failure);
        }
        plan.print(chosen, &snapshot.losses, Some(Stamp::from(&*snapshot)))?;
        let lost = report_losses(&snapshot.losses);
        // The program exits next, which frees the memory at once.
        std::mem::forget(snapshot);
        return Ok(lost);
    };
    // Rates need two samples, so the first one is not shown.
    let mut due = Instant::now();
    let mut updates = agent.updates(&plan.ask, Pace::every(interval))?;
    next_update(&mut *updates)?;
    let stop = Stop::on_signals()?;
    let is_table = matches!(plan.output, Format::Table | Format::Wide);
    let screen = if is_table { AlternateScreen::enter()? } else { None };
    let mut losses = Vec::new();
    loop {
        due += interval;
        if stop.sleep_until(due) {
            drop(screen);
            return Ok(report_losses(&losses));
        }
        let snapshot = Arc::clone(&next_update(&mut *updates)?.snapshot);
        plan.print_next(&snapshot)?;
        // On a terminal they would be written into the table, so they follow when it is left.
        match &screen {
            Some(_) => losses.clone_from(&snapshot.losses),
            None => {
                report_losses(&snapshot.losses);
            }
        }
        due = due.max(Instant::now() - interval);
    }
}

impl<'a> Plan<'a> {
    pub(crate) fn new(flags: &'a ListFlags) -> Result<Self, Failure> {
        let interval = flags.watch.as_deref().map(parse_span).transpose();
        let interval = interval.map_err(|error| Failure::Usage(format!("--watch: {error}")))?;
        let output = if flags.json { Format::Json } else { flags.output };
        if flags.explain && output == Format::Csv {
            let remedy = "use -o table, wide, json or jsonl";
            return Err(Failure::Usage(format!("--explain does not go with -o csv: {remedy}")));
        }
        let is_table = matches!(output, Format::Table | Format::Wide);
        let filter = filter_of(flags)?;
        let mut ask = match flags.closed {
            true => follow::ask(&flags.selection.among)?,
            false => flags.families.ask(&flags.selection),
        };
        if ask.view == View::Connections && filter.as_ref().is_some_and(Filter::names_states) {
            ask.view = View::All;
        }
        // Closed connections are in the order of their end.
        let default = (is_table && !flags.closed).then_some(TABLE_ORDER);
        let order = flags.sort.as_deref().or(default);
        let group_by = flags.group_by.as_deref().map(field_named).transpose()?;
        let (mut sort, mut group_sort) = (Vec::new(), Vec::new());
        match (group_by, order) {
            (None, Some(order)) => sort = SortKey::parse(order)?,
            (Some(field), _) => {
                let usual = interval.map(|_| WATCHED_GROUP_ORDER);
                if let Some(order) = flags.sort.as_deref().or(usual) {
                    group_sort = GroupSortKey::parse(order, field)
                        .map_err(|error| Failure::Usage(error.to_string()))?;
                }
            }
            (None, None) => {}
        }
        let (names_snapshot, columns) = snapshot_column(flags, output)?;
        let plan = Self {
            flags,
            output,
            ask,
            filter,
            sort,
            group_by,
            group_sort,
            interval,
            columns,
            names_snapshot,
            has_header: Cell::new(false),
        };
        match plan.group_by {
            Some(field) => drop(plan.group_columns(field, &[])?),
            None => drop(plan.columns(&[])?),
        }
        Ok(plan)
    }

    fn group_columns(
        &self,
        field: &'static Field,
        groups: &[Group],
    ) -> Result<Vec<GroupColumn>, Failure> {
        let default = match self.output {
            Format::Table | Format::Wide => default_group_columns(self.interval.is_some(), groups),
            Format::Json | Format::Jsonl => GroupColumn::ALL.to_vec(),
            // Verdicts are several numbers.
            Format::Csv => GroupColumn::ALL
                .into_iter()
                .filter(|column| *column != GroupColumn::Verdicts)
                .collect(),
        };
        Ok(match &self.columns {
            Some(columns) => parse_group_columns(columns, field, &default)?,
            None => default,
        })
    }

    fn columns(&self, connections: &[&Connection]) -> Result<Vec<&'static Field>, Failure> {
        let (view, is_wide) = (self.ask.view, self.output == Format::Wide);
        let is_csv = self.output == Format::Csv;
        let mut default = match (self.flags.closed, self.ask.others.is_empty()) {
            (true, _) if is_csv => closed_csv_columns(),
            (true, _) => closed_columns(is_wide, connections),
            (false, false) if is_csv => other_csv_columns(),
            (false, false) => other_columns(is_wide, connections),
            (false, true) if is_csv => csv_columns(view),
            (false, true) => default_columns(view, is_wide, connections),
        };
        add_columns(&mut default, &self.flags.as_of_ss);
        Ok(match (&self.columns, self.output) {
            (Some(columns), _) => parse_columns(columns, &default)?,
            (None, Format::Json | Format::Jsonl) => Answer::Connections.usual_fields(),
            (None, _) => default,
        })
    }

    /// The selected connections, arranged.
    fn choose<'s>(&self, snapshot: &'s Snapshot) -> Vec<&'s Connection> {
        let chosen = snapshot
            .connections
            .iter()
            .filter(|c| self.ask.view.contains(c) && self.matches(c))
            .collect();
        self.arranged(chosen)
    }

    /// The error if the filter is a single word that resembles a command.
    fn misspelt_command(&self) -> Option<Failure> {
        let words = &self.flags.selection.among.filter;
        let is_one_word = words.len() == 1;
        self.filter
            .as_ref()?
            .single_word()
            .filter(|_| is_one_word)
            .and_then(misspelt_command::failure)
    }

    /// Whether it matches the filter, if there is one.
    pub(crate) fn matches(&self, connection: &Connection) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.matches(connection))
    }

    /// Sorts and limits connections.
    pub(crate) fn arranged<'s>(&self, mut chosen: Vec<&'s Connection>) -> Vec<&'s Connection> {
        // Groups have their own order, and their sums cover all chosen connections.
        if self.group_by.is_none() {
            sort(&mut chosen, &self.sort);
            chosen.truncate(self.limit());
        }
        chosen
    }

    fn layout(&self) -> Layout {
        Layout {
            width: terminal::size().map(|(width, _)| width).filter(|_| self.output != Format::Wide),
            header: !self.flags.no_header,
            palette: terminal::palette(self.flags.selection.among.color),
        }
    }

    /// Maximum rows.
    pub(crate) fn limit(&self) -> usize {
        self.flags.limit.unwrap_or(usize::MAX)
    }

    /// Whether lines can be printed one by one, without sorting or grouping.
    pub(crate) fn is_in_lines(&self) -> bool {
        self.output == Format::Jsonl && self.sort.is_empty() && self.group_by.is_none()
    }

    /// Prints chosen and arranged connections.
    pub(crate) fn print(
        &self,
        chosen: Vec<&Connection>,
        losses: &[Loss],
        stamp: Option<Stamp<'_>>,
    ) -> Result<(), Failure> {
        let mut out = terminal::stdout();
        self.write(&mut out, &chosen, losses, stamp)?;
        Ok(out.flush()?)
    }

    fn write(
        &self,
        out: &mut impl Write,
        chosen: &[&Connection],
        losses: &[Loss],
        stamp: Option<Stamp<'_>>,
    ) -> Result<(), Failure> {
        match self.group_by {
            Some(field) => self.write_groups(out, field, group(chosen, field), stamp),
            None => self.print_list(out, chosen, losses, stamp),
        }
    }

    fn print_list(
        &self,
        out: &mut impl Write,
        chosen: &[&Connection],
        losses: &[Loss],
        stamp: Option<Stamp<'_>>,
    ) -> Result<(), Failure> {
        let fields = self.columns(chosen)?;
        let of_rows = stamp.filter(|_| self.names_snapshot);
        match self.output {
            Format::Table | Format::Wide => {
                let names = terminal::names(self.flags.selection.among.resolve, chosen);
                conns_print::list(out, self.layout(), &fields, chosen, &names)?;
                if chosen.is_empty() && terminal::size().is_some() {
                    writeln!(out, "{}", self.nothing())?;
                }
                if self.flags.explain {
                    writeln!(out)?;
                    conns_print::explanation(out, self.layout(), &fields, chosen)?;
                }
            }
            Format::Json => {
                Answer::Connections.write(out, self.records(&fields), chosen, losses, stamp)?
            }
            Format::Jsonl => {
                let records = self.records(&fields).stamped(of_rows);
                Answer::Connections.write_lines(out, records, chosen)?
            }
            Format::Csv => conns_print::csv(out, self.csv_header(), of_rows, &fields, chosen)?,
        }
        Ok(())
    }

    /// A writer of JSON records.
    fn records<'f>(&self, fields: &[&'f Field]) -> RecordWriter<'f> {
        RecordWriter::new(fields).explaining(self.flags.explain)
    }

    /// Whether CSV begins with the names of its columns: once, also when it is repeated.
    fn csv_header(&self) -> bool {
        !self.flags.no_header && !self.has_header.replace(true)
    }

    /// What a terminal shows if there are no rows.
    fn nothing(&self) -> &'static str {
        match self.flags.closed {
            true => "No matching connection closed or failed.",
            false => {
                "No matching connections; `conns -l` lists listening endpoints, `conns -a` all states."
            }
        }
    }

    /// Prints the groups of connections that were added to them one by one.
    pub(crate) fn print_groups(
        &self,
        field: &'static Field,
        groups: Groups<'_>,
    ) -> Result<(), Failure> {
        let mut out = terminal::stdout();
        self.write_groups(&mut out, field, groups.finish(), None)?;
        Ok(out.flush()?)
    }

    fn write_groups(
        &self,
        out: &mut impl Write,
        field: &'static Field,
        mut groups: Vec<Group>,
        stamp: Option<Stamp<'_>>,
    ) -> Result<(), Failure> {
        let of_rows = stamp.filter(|_| self.names_snapshot);
        sort_groups(&mut groups, &self.group_sort);
        groups.truncate(self.limit());
        let columns = self.group_columns(field, &groups)?;
        match self.output {
            Format::Table | Format::Wide => {
                conns_print::groups(out, self.layout(), field, &columns, &groups)?
            }
            Format::Json => conns_print::groups_json(out, stamp, field, &columns, &groups)?,
            Format::Jsonl => conns_print::groups_jsonl(out, of_rows, field, &columns, &groups)?,
            Format::Csv => {
                let header = self.csv_header();
                conns_print::groups_csv(out, header, of_rows, field, &columns, &groups)?
            }
        }
        Ok(())
    }

    /// Prints the next snapshot: on a terminal in place of the previous one, else below it.
    fn print_next(&self, snapshot: &Snapshot) -> Result<(), Failure> {
        let is_table = matches!(self.output, Format::Table | Format::Wide);
        let stamp = Some(Stamp::from(snapshot));
        match terminal::size().filter(|_| is_table) {
            Some((_, height)) => {
                let mut text = Vec::new();
                self.write(&mut text, &self.choose(snapshot), &snapshot.losses, stamp)?;
                let mut out = terminal::stdout();
                // Cursor home, then clear to the end, without the flicker of an empty screen.
                write!(out, "\x1b[H\x1b[J")?;
                let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
                let fitting = height.saturating_sub(1);
                let shown =
                    if lines.len() > fitting { fitting.saturating_sub(1) } else { lines.len() };
                for line in lines.iter().take(shown) {
                    out.write_all(line)?;
                }
                if shown < lines.len() {
                    writeln!(out, "+{} more", lines.len() - shown)?;
                }
                Ok(out.flush()?)
            }
            None => {
                self.print(self.choose(snapshot), &snapshot.losses, stamp)?;
                if is_table {
                    let mut out = terminal::stdout();
                    writeln!(out)?;
                    out.flush()?;
                }
                Ok(())
            }
        }
    }
}

/// Takes `snapshot` out of the list of columns: whether rows begin with time and host of their snapshot, and the other
/// columns, if any are named.
fn snapshot_column(flags: &ListFlags, output: Format) -> Result<(bool, Option<String>), Failure> {
    let is_in_rows = matches!(output, Format::Csv | Format::Jsonl) && !flags.closed;
    let Some(list) = &flags.columns else { return Ok((is_in_rows, None)) };
    let signed = |name: &&str| name.starts_with(['+', '-']);
    let names: Vec<&str> = list.split(',').map(str::trim).collect();
    let is_change = names.iter().all(signed);
    let is_snapshot =
        |name: &&str| name.trim_start_matches(['+', '-']).trim().eq_ignore_ascii_case("snapshot");
    let (snapshot, others): (Vec<&str>, Vec<&str>) = names.iter().copied().partition(is_snapshot);
    let Some(last) = snapshot.last() else {
        return Ok((is_change && is_in_rows, Some(list.clone())));
    };
    let is_named = !last.starts_with('-');
    if is_named && !is_in_rows {
        let message = match (flags.closed, output) {
            (true, _) => "--closed lists connections of several times; `closed_at` is that of each",
            (false, Format::Json) => "`snapshot` is in -o json beside the connections",
            (false, _) => "`snapshot` is a column of -o csv and -o jsonl",
        };
        return Err(Failure::Usage(format!("--columns {list}: {message}")));
    }
    if others.is_empty() && !is_change {
        return Err(ColumnError::NoneLeft { list: list.clone() }.into());
    }
    Ok((is_named, (!others.is_empty()).then(|| others.join(","))))
}

/// The words of a filter, and the pids of the flags.
fn filter_of(flags: &ListFlags) -> Result<Option<Filter>, Failure> {
    let words = &flags.selection.among.filter;
    let pids: Vec<String> = flags.as_of_ss.pid.iter().map(u32::to_string).collect();
    if pids.is_empty() {
        return parse_filter(words);
    }
    let pids = format!("pid in ({})", pids.join(","));
    // The words alone, so that errors show what was typed.
    Ok(match parse_filter(words)? {
        Some(filter) => Some(Filter::parse(&format!("{pids} and ({filter})"))?),
        None => Some(Filter::parse(&pids)?),
    })
}

/// Parses the words of a filter, if there are any.
pub(crate) fn parse_filter(words: &[String]) -> Result<Option<Filter>, Failure> {
    let text = words.join(" ");
    if text.trim().is_empty() {
        return Ok(None);
    }
    Ok(Some(Filter::parse_with(&text, &addresses_of)?))
}

/// The addresses of a host by the resolver of this machine; none if it knows no such host.
pub(crate) fn addresses_of(host: &str) -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> = match (host, 0).to_socket_addrs() {
        Ok(ends) => ends.map(|end| end.ip()).collect(),
        Err(_) => Vec::new(),
    };
    addresses.dedup();
    addresses
}

/// Columns of `-e`, `-i`, `-m` and `-o`, as `ss` adds them.
fn add_columns(columns: &mut Vec<&'static Field>, flags: &SsFlags) {
    let added: [(bool, &[&str]); 4] = [
        (flags.extended, &["user", "inode", "cookie"]),
        (flags.info, &["snd_cwnd", "rto", "snd_mss", "min_rtt", "delivery_rate", "congestion"]),
        (flags.memory, &["recv_queue", "send_queue", "rcvbuf", "sndbuf"]),
        (flags.timers, &["timer", "timer_expires", "timer_retransmits"]),
    ];
    let names = added.iter().filter(|(is_asked, _)| *is_asked).flat_map(|(_, names)| *names);
    for field in names.filter_map(|name| find_field(name)) {
        if columns.iter().all(|column| column.name != field.name) {
            columns.push(field);
        }
    }
}
