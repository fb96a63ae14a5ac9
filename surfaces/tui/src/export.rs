//! Takes away what is shown: as JSON, as CSV, or as the command of `conns` that gives it.

use std::io;

use conns_api::{Answer, EVENTS_REACH_US, EventRecords, RecordWriter, Stamp, write_streams};
use conns_core::media::published_streams;
use conns_core::model::Connection;
use conns_core::query::{Field, Group, GroupColumn};
use conns_print::{
    EventTime, STREAM_TITLES, TRANSFER_TITLES, csv, csv_table, groups_csv, groups_json,
};

use crate::format::Format;
use crate::list::{Line, Subject};
use crate::prompt::{Prompt, Purpose};
use crate::state::{Effect, Overlay, Screen, State};

impl State {
    /// Whether what is shown can be written so.
    pub(crate) fn can_write(&self, format: Format) -> bool {
        match (format, self.screen) {
            // Events have lines of their own, and no table of columns.
            (Format::Csv, Screen::Events) => false,
            // Transfers are no command of the list.
            (Format::Command, Screen::Transfers) => false,
            _ => true,
        }
    }

    pub(crate) fn begin_export(&mut self, label: &str) {
        let format = Format::ALL.into_iter().find(|format| format.label() == label);
        match format {
            Some(Format::Command) => self.overlay = Some(Overlay::Text(self.command())),
            Some(format) => {
                let prompt = Prompt::new(Purpose::Path(format), format.file_name().to_owned());
                self.overlay = Some(Overlay::Prompt(prompt));
            }
            None => {}
        }
    }

    pub(crate) fn export(&mut self, format: Format, path: &str) {
        let mut text = Vec::new();
        match self.write(&mut text, format) {
            Ok(()) => self.effects.push(Effect::Write { path: path.into(), text }),
            Err(error) => self.notify(format!("cannot write {path}: {error}")),
        }
    }

    /// Writes what is shown: all lines of the list, not only those that fit the screen.
    pub(crate) fn write(&self, out: &mut Vec<u8>, format: Format) -> io::Result<()> {
        let snapshot = &self.list.update.snapshot;
        let stamp = Some(Stamp::from(&**snapshot));
        let is_csv = format == Format::Csv;
        match (self.screen, self.grouped_by()) {
            (Screen::Events, _) => {
                let mut records = EventRecords::new(None);
                for event in self.events.shown() {
                    records.append(out, event);
                    out.push(b'\n');
                }
                Ok(())
            }
            (Screen::Streams, _) if is_csv => self.write_texts(out, &STREAM_TITLES),
            (Screen::Streams, _) => {
                let filter = &self.list.spec.filter;
                let is_match = |one: &&Connection| filter.as_ref().is_none_or(|f| f.matches(one));
                let chosen: Vec<&Connection> =
                    snapshot.connections.iter().filter(is_match).collect();
                write_streams(out, &published_streams(&chosen), &snapshot.losses)
            }
            (Screen::Transfers, _) if is_csv => self.write_texts(out, &TRANSFER_TITLES),
            (Screen::Transfers, _) => {
                serde_json::to_writer(&mut *out, &*self.list.update.transfers)?;
                out.push(b'\n');
                Ok(())
            }
            (_, Some(field)) => self.write_groups(out, is_csv, field, stamp),
            (_, None) => {
                let lines = self.list.lines.iter();
                let rows: Vec<&Connection> =
                    lines.filter_map(|line| self.list.connection(line)).collect();
                let fields = &self.list.columns;
                match is_csv {
                    true => csv(out, true, stamp, fields, &rows),
                    false => {
                        let records = RecordWriter::new(fields);
                        Answer::Connections.write(out, records, &rows, &snapshot.losses, stamp)
                    }
                }
            }
        }
    }

    fn write_groups(
        &self,
        out: &mut Vec<u8>,
        is_csv: bool,
        field: &'static Field,
        stamp: Option<Stamp<'_>>,
    ) -> io::Result<()> {
        let lines = self.list.lines.iter();
        let groups: Vec<Group> = lines
            .filter_map(|line| match line {
                Line::Group(at) => self.list.groups.get(*at).cloned(),
                _ => None,
            })
            .collect();
        let columns: &[GroupColumn] = &self.list.group_columns;
        match is_csv {
            true => groups_csv(out, true, stamp, field, columns, &groups),
            false => groups_json(out, stamp, field, columns, &groups),
        }
    }

    fn write_texts(&self, out: &mut Vec<u8>, titles: &[&str]) -> io::Result<()> {
        let rows = self.list.texts.iter().map(|row| row.cells.iter().cloned());
        csv_table(out, true, titles.iter().copied(), rows)
    }

    /// The command that gives what is shown.
    pub(crate) fn command(&self) -> String {
        let mut words = vec!["conns".to_owned()];
        match self.screen {
            Screen::Events => words.push("events".to_owned()),
            Screen::Streams => words.push("streams".to_owned()),
            Screen::Listeners => words.push("-l".to_owned()),
            Screen::Connections | Screen::Processes | Screen::Transfers => {}
        }
        words.extend(self.agent_flags.iter().cloned());
        let past = self.frozen.as_ref().filter(|frozen| frozen.is_past);
        if past.is_some() {
            words.extend(self.history_flags.iter().cloned());
        }
        let mut flag = |name: &str, value: &str| words.push(format!("{name}={value}"));
        if let Some(past) = past {
            let at_us = past.update.snapshot.at.wall_us;
            let time = |us: i64| EventTime::Utc.text(us);
            match self.screen {
                Screen::Events => {
                    flag("--since", &time(at_us.saturating_sub(EVENTS_REACH_US)));
                    flag("--to", &time(at_us));
                }
                _ => flag("--at", &time(at_us)),
            }
        }
        if self.has_columns() {
            match self.grouped_by() {
                Some(field) => {
                    flag("--group-by", field.name);
                    flag("--sort", &self.group_sort);
                }
                None => flag("--sort", &self.sort),
            }
            if let Some(columns) = self.columns.get(&self.columns_key()) {
                flag("--columns", columns);
            }
        }
        let filter = self.whole_filter_text();
        if !filter.is_empty() {
            words.push("--".to_owned());
            words.push(filter);
        }
        words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")
    }

    fn has_columns(&self) -> bool {
        matches!(self.list.spec.subject, Subject::Connections | Subject::Listeners)
            && self.screen != Screen::Events
    }
}

/// A word of a shell (POSIX, 2.2.2): between `'` nothing is special.
fn shell_word(word: &str) -> String {
    let is_plain = |c: char| {
        c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '=' | ',' | '.' | '/' | ':' | '+')
    };
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}
