//! `conns`: the list, once or repeatedly.

use std::io::Write;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use conns_api::{Answer, Ask, Pace, RecordWriter, next_update, sample_once};
use conns_core::model::{Connection, Loss, Snapshot};
use conns_core::query::{
    Field, Filter, Group, Groups, SortKey, field_named, group, parse_columns, sort,
};
use conns_core::track::Retention;
use conns_engine::Purpose;
use conns_print::{Layout, closed_columns, default_columns, other_columns};

use crate::agent;
use crate::failure::{Failure, report_losses};
use crate::flags::{AgentFlags, Format, ListFlags, parse_span};
use crate::follow;
use crate::terminal;

/// The default order of a table; machine-readable output is in the order of the kernel.
const TABLE_ORDER: &str = "process,pid,local,remote";

/// The parsed flags, validated before anything is sampled.
pub(crate) struct Plan<'a> {
    flags: &'a ListFlags,
    pub(crate) ask: Ask,
    filter: Option<Filter>,
    sort: Vec<SortKey>,
    pub(crate) group_by: Option<&'static Field>,
    interval: Option<Duration>,
}

/// Runs the list; true if it is incomplete.
pub(crate) fn run(flags: &ListFlags, agent_flags: &AgentFlags) -> Result<bool, Failure> {
    let plan = Plan::new(flags)?;
    let memory = match plan.interval {
        None => Retention::None,
        Some(_) => Retention::Window(Duration::from_secs(5)),
    };
    let chosen = flags.selection.among.source;
    let source = flags.families.source(chosen, agent::is_remote(agent_flags, chosen))?;
    let mut agent = agent::open(agent_flags, source, memory, Purpose::Sample)?;
    let Some(interval) = plan.interval else {
        let snapshot = sample_once(&mut *agent, &plan.ask)?;
        plan.print(plan.choose(&snapshot), &snapshot.losses)?;
        let lost = report_losses(&snapshot.losses);
        // The program exits next, which frees the memory at once.
        std::mem::forget(snapshot);
        return Ok(lost);
    };
    // Rates need two samples, so the first one is not shown.
    let mut due = Instant::now();
    let mut updates = agent.updates(&plan.ask, Pace::every(interval))?;
    next_update(&mut *updates)?;
    loop {
        due += interval;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let snapshot = Arc::clone(&next_update(&mut *updates)?.snapshot);
        plan.print_next(&snapshot)?;
        report_losses(&snapshot.losses);
        due = due.max(Instant::now() - interval);
    }
}

impl<'a> Plan<'a> {
    pub(crate) fn new(flags: &'a ListFlags) -> Result<Self, Failure> {
        let mut words = flags.selection.among.filter.clone();
        let interval = match flags.watch.as_deref() {
            None => None,
            // `--watch nginx`: a word that is not a time belongs to the filter.
            Some(word) => match parse_span(word) {
                Ok(span) => Some(span),
                Err(_) if word.starts_with(|c: char| c.is_alphabetic()) => {
                    words.insert(0, word.to_owned());
                    Some(Duration::from_secs(2))
                }
                Err(error) => return Err(Failure::Usage(format!("--watch: {error}"))),
            },
        };
        if flags.explain && flags.output == Format::Csv {
            let remedy = "use -o table, wide, json or jsonl";
            return Err(Failure::Usage(format!("--explain does not go with -o csv: {remedy}")));
        }
        let is_table = matches!(flags.output, Format::Table | Format::Wide);
        // Closed connections are in the order of their end.
        let default = (is_table && !flags.closed).then_some(TABLE_ORDER);
        let order = flags.sort.as_deref().or(default);
        let plan = Self {
            flags,
            ask: match flags.closed {
                true => follow::ask(&flags.selection.among)?,
                false => flags.families.ask(&flags.selection),
            },
            filter: parse_filter(&words)?,
            sort: order.map(SortKey::parse).transpose()?.unwrap_or_default(),
            group_by: flags.group_by.as_deref().map(field_named).transpose()?,
            interval,
        };
        plan.columns(&[])?;
        Ok(plan)
    }

    fn columns(&self, connections: &[&Connection]) -> Result<Vec<&'static Field>, Failure> {
        let (view, is_wide) = (self.ask.view, self.flags.output == Format::Wide);
        let default = match self.flags.closed {
            true => closed_columns(is_wide, connections),
            false if !self.ask.others.is_empty() => other_columns(is_wide, connections),
            false => default_columns(view, is_wide, connections),
        };
        Ok(match (&self.flags.columns, self.flags.output) {
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
            width: terminal::size()
                .map(|(width, _)| width)
                .filter(|_| self.flags.output != Format::Wide),
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
        self.flags.output == Format::Jsonl && self.sort.is_empty() && self.group_by.is_none()
    }

    /// Prints chosen and arranged connections.
    pub(crate) fn print(&self, chosen: Vec<&Connection>, losses: &[Loss]) -> Result<(), Failure> {
        let mut out = terminal::stdout();
        self.write(&mut out, &chosen, losses)?;
        Ok(out.flush()?)
    }

    fn write(
        &self,
        out: &mut impl Write,
        chosen: &[&Connection],
        losses: &[Loss],
    ) -> Result<(), Failure> {
        match self.group_by {
            Some(field) => self.write_groups(out, field, group(chosen, field)),
            None => self.print_list(out, chosen, losses),
        }
    }

    fn print_list(
        &self,
        out: &mut impl Write,
        chosen: &[&Connection],
        losses: &[Loss],
    ) -> Result<(), Failure> {
        let fields = self.columns(chosen)?;
        match self.flags.output {
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
                Answer::Connections.write(out, self.records(&fields), chosen, losses)?
            }
            Format::Jsonl => Answer::Connections.write_lines(out, self.records(&fields), chosen)?,
            Format::Csv => conns_print::csv(out, !self.flags.no_header, &fields, chosen)?,
        }
        Ok(())
    }

    /// A writer of JSON records.
    fn records<'f>(&self, fields: &[&'f Field]) -> RecordWriter<'f> {
        RecordWriter::new(fields).explaining(self.flags.explain)
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
    pub(crate) fn print_groups(&self, field: &Field, groups: Groups<'_>) -> Result<(), Failure> {
        let mut out = terminal::stdout();
        self.write_groups(&mut out, field, groups.finish())?;
        Ok(out.flush()?)
    }

    fn write_groups(
        &self,
        out: &mut impl Write,
        field: &Field,
        mut groups: Vec<Group>,
    ) -> Result<(), Failure> {
        groups.truncate(self.limit());
        match self.flags.output {
            Format::Table | Format::Wide => {
                conns_print::groups(out, self.layout(), field, &groups)?
            }
            Format::Json => conns_print::groups_json(out, false, field, &groups)?,
            Format::Jsonl => conns_print::groups_json(out, true, field, &groups)?,
            Format::Csv => conns_print::groups_csv(out, !self.flags.no_header, field, &groups)?,
        }
        Ok(())
    }

    /// Prints the next snapshot: on a terminal in place of the previous one, else below it.
    fn print_next(&self, snapshot: &Snapshot) -> Result<(), Failure> {
        let is_table = matches!(self.flags.output, Format::Table | Format::Wide);
        match terminal::size().filter(|_| is_table) {
            Some((_, height)) => {
                let mut text = Vec::new();
                self.write(&mut text, &self.choose(snapshot), &snapshot.losses)?;
                let mut out = terminal::stdout();
                // Cursor home, then clear to the end, without the flicker of an empty screen.
                write!(out, "\x1b[H\x1b[J")?;
                for line in
                    text.split_inclusive(|byte| *byte == b'\n').take(height.saturating_sub(1))
                {
                    out.write_all(line)?;
                }
                Ok(out.flush()?)
            }
            None => {
                self.print(self.choose(snapshot), &snapshot.losses)?;
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

/// Parses the words of a filter, if there are any.
pub(crate) fn parse_filter(words: &[String]) -> Result<Option<Filter>, Failure> {
    let text = words.join(" ");
    if text.trim().is_empty() {
        return Ok(None);
    }
    Ok(Some(Filter::parse(&text)?))
}
