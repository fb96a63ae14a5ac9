//! The state of the screen. Keys, the mouse and the agent change it; [`draw`](crate::draw::draw)
//! shows it. It reads no clock and does nothing itself: what is to be done comes out as [`Effect`]s.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use conns_api::{EventBatch, Timeline};
use conns_core::model::{Connection, ConnectionId, Update};
use conns_core::query::{
    Field, Filter, FilterError, GroupKey, GroupSortKey, SortKey, field_named, find_field,
    parse_columns,
};
use conns_print::{Columns, EventTime, GAP, Names, TABLE_ORDER, WATCHED_GROUP_ORDER};

use crate::detail::Detail;
use crate::event_log::EventLog;
use crate::history::History;
use crate::keys::KeyMap;
use crate::list::{Line, List, Spec, Subject};
use crate::menu::Menu;
use crate::prompt::Prompt;
use crate::regions::Regions;
use crate::settings::{Named, Settings};
use crate::theme::Theme;

/// What `h` hides, as a filter.
pub const LOOPBACK: &str = "addr in (127.0.0.0/8, ::1)";

/// The screens behind the keys 1 to 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Screen {
    /// Connections.
    #[default]
    Connections,
    /// Processes: connections grouped by process.
    Processes,
    /// Listening endpoints.
    Listeners,
    /// Events.
    Events,
    /// Media streams.
    Streams,
    /// Transfers between hosts.
    Transfers,
}

impl Screen {
    /// All, in the order of their keys.
    pub const ALL: [Self; 6] = [
        Self::Connections,
        Self::Processes,
        Self::Listeners,
        Self::Events,
        Self::Streams,
        Self::Transfers,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Processes => "processes",
            Self::Listeners => "listeners",
            Self::Events => "events",
            Self::Streams => "streams",
            Self::Transfers => "transfers",
        }
    }
}

/// How the screen begins.
pub struct Start {
    /// What is observed, for people: `this machine`, or the address of an agent.
    pub observed: String,
    /// The flags of `conns` that lead to the same agent.
    pub agent_flags: Vec<String>,
    /// The flags of `conns` that lead to the same history.
    pub history_flags: Vec<String>,
    /// The filter.
    pub filter: String,
    /// The order, as of `--sort`.
    pub sort: Option<String>,
    /// The columns, as of `--columns`.
    pub columns: Option<String>,
    /// The field to group by.
    pub group_by: Option<String>,
    /// The first screen.
    pub screen: Screen,
    /// Keys and colours.
    pub settings: Settings,
    /// Filters with a name.
    pub named: Named,
    /// What is wrong with the configuration.
    pub warnings: Vec<String>,
    /// How times are written.
    pub time: EventTime,
    /// Finds the addresses of a host in a filter; it must not take long.
    pub addresses: fn(&str) -> Vec<IpAddr>,
}

/// Something to be done outside of the state.
#[derive(Debug)]
pub enum Effect {
    /// Make the list of this update; whether it is sorted anew.
    List {
        /// The update.
        update: Arc<Update>,
        /// What is asked.
        spec: Arc<Spec>,
        /// Whether rows leave their places.
        fresh: bool,
    },
    /// Read what was at this moment, microseconds since 1970-01-01 UTC.
    Past(i64),
    /// Copy to the clipboard.
    Copy(String),
    /// Write a file that does not exist yet.
    Write {
        /// Where.
        path: PathBuf,
        /// What.
        text: Vec<u8>,
    },
    /// Keep the named filters.
    Keep(Named),
    /// Take the mouse, or give it back.
    Mouse(bool),
    /// Stop the program as a shell does.
    Suspend,
    /// Leave.
    Quit,
}

/// What is chosen; it is followed wherever its line goes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Chosen {
    Connection(ConnectionId),
    Group(GroupKey),
    Event(u64),
    Text(usize),
}

/// What the screen knows of its agent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Contact {
    /// No update has come yet.
    Waiting,
    /// The last update came then.
    Live { at: Duration },
    /// It does not answer since then, and why.
    Lost { since: Duration, why: String },
}

/// While the screen stands still.
#[derive(Debug)]
pub(crate) struct Frozen {
    /// What is shown meanwhile.
    pub(crate) update: Arc<Update>,
    /// Updates that came meanwhile.
    pub(crate) updates: usize,
    /// Whether that is of the history.
    pub(crate) is_past: bool,
}

/// What is in front of the list.
#[derive(Debug)]
pub(crate) enum Overlay {
    Menu(Menu),
    Prompt(Prompt),
    Help {
        top: usize,
    },
    Missing {
        top: usize,
    },
    /// A text, as the command that gives what is shown.
    Text(String),
}

/// The state.
pub struct State {
    pub(crate) observed: String,
    pub(crate) agent_flags: Vec<String>,
    pub(crate) history_flags: Vec<String>,
    pub(crate) keys: KeyMap,
    pub(crate) theme: Theme,
    pub(crate) named: Named,
    pub(crate) warnings: Vec<String>,
    pub(crate) time: EventTime,
    pub(crate) names: Names,
    addresses: fn(&str) -> Vec<IpAddr>,

    pub(crate) screen: Screen,
    /// The last filter without an error, as it was typed.
    pub(crate) filter_text: String,
    pub(crate) hides_loopback: bool,
    pub(crate) sort: String,
    pub(crate) group_sort: String,
    pub(crate) columns: HashMap<ColumnsKey, String>,
    pub(crate) group_by: Option<&'static Field>,
    pub(crate) open: Vec<GroupKey>,

    pub(crate) list: Arc<List>,
    pub(crate) latest: Option<Arc<Update>>,
    pub(crate) cpu_percent: Option<f64>,
    pub(crate) events: EventLog,
    pub(crate) history: History,
    pub(crate) frozen: Option<Frozen>,
    /// The moment of the past that is read.
    pub(crate) wanted_us: Option<i64>,
    /// The time around the moment of the past that is shown, or why it is not known.
    pub(crate) time_line: Result<Timeline, String>,
    pub(crate) contact: Contact,

    pub(crate) chosen: Option<Chosen>,
    /// The line that is chosen, and the first one that is shown.
    pub(crate) at: usize,
    pub(crate) top: usize,
    pub(crate) detail: Option<Detail>,
    pub(crate) overlay: Option<Overlay>,
    pub(crate) notice: Option<(String, Duration)>,
    pub(crate) takes_mouse: bool,
    pub(crate) clicked: Option<(Duration, usize)>,

    pub(crate) now: Duration,
    pub(crate) size: (u16, u16),
    /// Widths of columns, which only grow until the list is sorted anew.
    pub(crate) widths: HashMap<&'static str, usize>,
    /// A list that is to be made: whether it is sorted anew.
    pub(crate) due: Option<bool>,
    pub(crate) effects: Vec<Effect>,
}

/// Screens whose columns are chosen apart from each other: the subject, and whether it is grouped.
pub(crate) type ColumnsKey = (Table, bool);

/// Tables that have columns of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Table {
    Connections,
    Listeners,
}

impl State {
    /// The state before anything has come.
    ///
    /// # Errors
    /// If the filter, the order, the columns or the field to group by are none.
    pub fn new(start: Start, size: (u16, u16)) -> Result<Self, String> {
        let group_by = start.group_by.as_deref().map(field_named).transpose();
        let group_by = group_by.map_err(|error| error.to_string())?;
        let mut state = Self {
            observed: start.observed,
            agent_flags: start.agent_flags,
            history_flags: start.history_flags,
            keys: start.settings.keys,
            theme: start.settings.theme,
            named: start.named,
            warnings: start.warnings,
            time: start.time,
            names: Names::default(),
            addresses: start.addresses,
            screen: start.screen,
            filter_text: start.filter,
            hides_loopback: false,
            sort: TABLE_ORDER.to_owned(),
            group_sort: WATCHED_GROUP_ORDER.to_owned(),
            columns: HashMap::new(),
            group_by,
            open: Vec::new(),
            list: Arc::default(),
            latest: None,
            cpu_percent: None,
            events: EventLog::default(),
            history: History::default(),
            frozen: None,
            wanted_us: None,
            time_line: Ok(Timeline::default()),
            contact: Contact::Waiting,
            chosen: None,
            at: 0,
            top: 0,
            detail: None,
            overlay: None,
            notice: None,
            takes_mouse: true,
            clicked: None,
            now: Duration::ZERO,
            size,
            widths: HashMap::new(),
            due: None,
            effects: Vec::new(),
        };
        let filter = state.filter_of(&state.filter_text).map_err(|error| error.to_string())?;
        drop(filter);
        if let Some(order) = start.sort {
            match state.grouped_by() {
                Some(field) => {
                    GroupSortKey::parse(&order, field).map_err(|error| error.to_string())?;
                    state.group_sort = order;
                }
                None => {
                    SortKey::parse(&order).map_err(|error| error.to_string())?;
                    state.sort = order;
                }
            }
        }
        if let Some(columns) = start.columns {
            let usual: Vec<&Field> = find_field("process").into_iter().collect();
            if state.grouped_by().is_none() {
                parse_columns(&columns, &usual).map_err(|error| error.to_string())?;
            }
            state.columns.insert(state.columns_key(), columns);
        }
        Ok(state)
    }

    /// What is to be done, once what came in was handled.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        if let (Some(fresh), Some(update)) = (self.due, self.shown_update()) {
            self.due = None;
            let spec = Arc::new(self.spec());
            self.effects.push(Effect::List { update, spec, fresh });
        }
        std::mem::take(&mut self.effects)
    }

    /// The update that is shown: the last one, or the one at which the screen stands still.
    pub(crate) fn shown_update(&self) -> Option<Arc<Update>> {
        let frozen = self.frozen.as_ref().map(|frozen| &frozen.update);
        frozen.or(self.latest.as_ref()).cloned()
    }

    // === what is asked ===

    /// Compiles a filter as it was typed.
    pub(crate) fn filter_of(&self, text: &str) -> Result<Filter, FilterError> {
        Filter::parse_with(text, &self.addresses)
    }

    /// The filter that is in effect, with what else narrows the list.
    pub(crate) fn whole_filter_text(&self) -> String {
        match (self.filter_text.trim(), self.hides_loopback) {
            (text, false) => text.to_owned(),
            ("", true) => format!("not {LOOPBACK}"),
            (text, true) => format!("({text}) and not {LOOPBACK}"),
        }
    }

    pub(crate) fn filter(&self) -> Option<Filter> {
        let text = self.whole_filter_text();
        // Without the rest, if both together are too deep.
        let whole = self.filter_of(&text).or_else(|_| self.filter_of(&self.filter_text)).ok();
        whole.filter(|_| !text.is_empty())
    }

    /// The field that the list is grouped by.
    pub(crate) fn grouped_by(&self) -> Option<&'static Field> {
        match self.screen {
            Screen::Processes => find_field("process"),
            Screen::Connections | Screen::Listeners => self.group_by,
            Screen::Events | Screen::Streams | Screen::Transfers => None,
        }
    }

    pub(crate) fn columns_key(&self) -> ColumnsKey {
        let subject = match self.screen {
            Screen::Listeners => Table::Listeners,
            _ => Table::Connections,
        };
        (subject, self.grouped_by().is_some())
    }

    fn spec(&self) -> Spec {
        let (subject, _) = self.columns_key();
        let group_by = self.grouped_by();
        let by = group_by.and_then(|field| GroupSortKey::parse(&self.group_sort, field).ok());
        Spec {
            subject: match self.screen {
                Screen::Listeners => Subject::Listeners,
                Screen::Streams => Subject::Streams,
                Screen::Transfers => Subject::Transfers,
                Screen::Connections | Screen::Processes | Screen::Events => Subject::Connections,
            },
            filter: self.filter(),
            sort: SortKey::parse(&self.sort).unwrap_or_default(),
            group_by,
            group_sort: by.unwrap_or_default(),
            open: self.open.clone(),
            columns: self.columns.get(&(subject, false)).cloned(),
            group_columns: self.columns.get(&(subject, true)).cloned(),
        }
    }

    /// Asks for the list anew: sorted, or with every row at its place.
    pub(crate) fn ask(&mut self, fresh: bool) {
        self.due = Some(self.due.unwrap_or(false) || fresh);
        if fresh {
            self.widths.clear();
        }
    }

    /// Uses a filter that is known to be one.
    pub(crate) fn set_filter(&mut self, text: String) {
        self.filter_text = text;
        let filter = self.filter();
        self.events.choose(filter.as_ref());
        self.ask(true);
    }

    // === what comes from the agent ===

    /// Time has passed since the screen opened.
    pub fn tick(&mut self, now: Duration) {
        const NOTICE_TIME: Duration = Duration::from_secs(5);
        self.now = now;
        self.notice =
            self.notice.take().filter(|(_, since)| now.saturating_sub(*since) < NOTICE_TIME);
    }

    /// An update has come.
    pub fn update(&mut self, update: Arc<Update>) {
        self.contact = Contact::Live { at: self.now };
        let id = self.detail.as_ref().map(|detail| detail.id);
        for id in self.visible_ids().into_iter().chain(id) {
            self.history.watch(id);
        }
        self.history.add(&update.snapshot.connections);
        if let Some(before) = self.latest.replace(Arc::clone(&update)) {
            self.cpu_percent = cpu_percent(&before, &update);
        }
        match &mut self.frozen {
            Some(frozen) => frozen.updates += 1,
            None => {
                if let Some(detail) = &mut self.detail {
                    detail.refresh(&update);
                }
                self.ask(self.list.lines.is_empty());
            }
        }
    }

    /// Events have come.
    pub fn events(&mut self, batch: EventBatch) {
        let filter = self.filter();
        let was_at_end = self.at + 1 >= self.count();
        self.events.add(batch.events, batch.losses, filter.as_ref());
        if self.screen == Screen::Events && self.frozen.is_none() {
            match was_at_end {
                true => self.choose(self.count().saturating_sub(1)),
                false => self.find_chosen(),
            }
        }
    }

    /// The list was made; answers the one before.
    pub fn listed(&mut self, list: Arc<List>) -> Arc<List> {
        let is_first = self.list.lines.is_empty();
        let before = std::mem::replace(&mut self.list, list);
        if is_first && self.chosen.is_none() {
            self.choose(0);
        }
        self.find_chosen();
        before
    }

    /// The agent does not answer.
    pub fn lost(&mut self, why: String) {
        let since = match self.contact {
            Contact::Lost { since, .. } => since,
            Contact::Waiting | Contact::Live { .. } => self.now,
        };
        self.contact = Contact::Lost { since, why };
    }

    /// Shows a message for a few seconds.
    pub fn notify(&mut self, text: String) {
        self.notice = Some((text, self.now));
    }

    /// The terminal has another size.
    pub fn resize(&mut self, size: (u16, u16)) {
        self.size = size;
        self.keep_in_sight();
    }

    // === lines ===

    /// How many lines there are.
    pub(crate) fn count(&self) -> usize {
        match self.screen {
            Screen::Events => self.events.shown().len(),
            _ => self.list.lines.len(),
        }
    }

    fn chosen_at(&self, at: usize) -> Option<Chosen> {
        if self.screen == Screen::Events {
            return self.events.shown().get(at).map(|event| Chosen::Event(event.serial));
        }
        match self.list.lines.get(at)? {
            Line::Group(group) => {
                self.list.groups.get(*group).map(|group| Chosen::Group(group.key.clone()))
            }
            Line::Text(at) => Some(Chosen::Text(*at)),
            line => self.list.connection(line).map(|one| Chosen::Connection(one.id())),
        }
    }

    /// Chooses the line `at`, or the last one.
    pub(crate) fn choose(&mut self, at: usize) {
        self.at = at.min(self.count().saturating_sub(1));
        self.chosen = self.chosen_at(self.at);
        self.keep_in_sight();
    }

    /// Goes to where the chosen one is now.
    pub(crate) fn find_chosen(&mut self) {
        let Some(chosen) = self.chosen.take() else { return self.choose(self.at) };
        if self.chosen_at(self.at).as_ref() != Some(&chosen) {
            let found = match chosen {
                Chosen::Connection(id) if self.screen != Screen::Events => self.list.line_of(id),
                _ => (0..self.count()).find(|at| self.chosen_at(*at).as_ref() == Some(&chosen)),
            };
            match found {
                Some(at) => self.at = at,
                None => return self.choose(self.at),
            }
        }
        self.chosen = Some(chosen);
        self.keep_in_sight();
    }

    pub(crate) fn keep_in_sight(&mut self) {
        let height = usize::from(self.regions().body.height).max(1);
        let last_top = self.count().saturating_sub(height);
        let least = self.at.saturating_sub(height - 1);
        self.top = self.top.clamp(least, self.at.max(least)).min(last_top);
    }

    /// The connection of the chosen line.
    pub(crate) fn chosen_connection(&self) -> Option<&Connection> {
        if self.screen == Screen::Events {
            return self.events.shown().get(self.at).map(|event| &event.connection);
        }
        self.list.lines.get(self.at).and_then(|line| self.list.connection(line))
    }

    /// The indices of the lines that are shown.
    pub(crate) fn visible(&self) -> std::ops::Range<usize> {
        let height = usize::from(self.regions().body.height);
        self.top..self.count().min(self.top + height)
    }

    fn visible_ids(&self) -> Vec<ConnectionId> {
        if self.screen == Screen::Events {
            return Vec::new();
        }
        let lines = self.list.lines.get(self.visible()).unwrap_or_default();
        lines.iter().filter_map(|line| self.list.connection(line)).map(Connection::id).collect()
    }

    /// Where the parts of the screen are.
    pub(crate) fn regions(&self) -> Regions {
        let (width, height) = self.size;
        let filter_lines = match &self.overlay {
            Some(Overlay::Prompt(prompt)) => prompt.lines(width, height),
            _ => 1,
        };
        Regions::of(self.size, filter_lines, u16::from(self.has_time_line()))
    }

    // === columns ===

    /// Width of the signs before each row.
    pub(crate) const SIGNS: usize = 2;

    /// The columns of the list of connections, as they fit.
    pub(crate) fn table_columns(&self) -> Columns<'static> {
        let mut columns = self.measured_columns();
        // Below a group, rows are indented.
        let indent = if self.grouped_by().is_some() { Self::SIGNS } else { 0 };
        columns.fit(usize::from(self.size.0).saturating_sub(Self::SIGNS + indent));
        columns
    }

    fn measured_columns(&self) -> Columns<'static> {
        let mut columns = Columns::new(&self.list.columns);
        columns.widen(|field| self.widths.get(field.name).copied().unwrap_or(0));
        if self.screen != Screen::Events {
            let lines = self.list.lines.get(self.visible()).unwrap_or_default();
            for connection in lines.iter().filter_map(|line| self.list.connection(line)) {
                columns.measure(connection, &self.names);
            }
        }
        columns
    }

    /// Keeps the widths of the columns, before it is drawn.
    pub fn settle(&mut self) {
        let columns = self.measured_columns();
        self.widths.extend(columns.all().iter().map(|column| (column.field.name, column.natural)));
    }

    /// The field whose heading is at this column of the terminal.
    pub(crate) fn field_at(&self, x: u16) -> Option<&'static Field> {
        let x = usize::from(x);
        let columns = self.table_columns();
        let mut start = Self::SIGNS;
        for column in columns.all() {
            if x < start + column.width + GAP {
                return Some(column.field);
            }
            start += column.width + GAP;
        }
        None
    }
}

/// CPU time of the agent between two updates, percent of one processor.
#[allow(clippy::cast_precision_loss, reason = "a share has fewer digits")]
fn cpu_percent(before: &Update, update: &Update) -> Option<f64> {
    let us = update.snapshot.at.since(before.snapshot.at).as_micros();
    let cpu_us = update.health.cost.cpu_us.checked_sub(before.health.cost.cpu_us)?;
    (us > 0 && update.health.cost.cpu_us > 0).then(|| cpu_us as f64 * 100.0 / us as f64)
}
