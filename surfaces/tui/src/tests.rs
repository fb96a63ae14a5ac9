//! States and how they are drawn: keys as they are pressed, updates as they come.

mod drawn;
mod keys;
mod lines;

use std::sync::Arc;
use std::time::Duration;

use conns_api::{Bucket, EventBatch, Timeline};
use conns_core::model::{Class, Connection, Event, EventKind, Known, Moment, Source, Update};
use conns_fixtures::{connection, established, owner, snapshot, update, with_cookie};
use conns_print::EventTime;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::draw::draw;
use crate::list::List;
use crate::past::PastMoment;
use crate::settings::{Named, Settings};
use crate::state::{Effect, Screen, Start, State};

/// A screen and what it asked for.
struct Session {
    state: State,
    list: Arc<List>,
    sequence: u64,
    /// What is to be done outside, besides lists.
    effects: Vec<Effect>,
}

fn start() -> Start {
    Start {
        observed: "http://127.0.0.1:7979".to_owned(),
        agent_flags: vec!["--agent=http://127.0.0.1:7979".to_owned()],
        history_flags: Vec::new(),
        filter: String::new(),
        sort: None,
        columns: None,
        group_by: None,
        screen: Screen::Connections,
        settings: Settings::default(),
        named: Named::default(),
        warnings: Vec::new(),
        time: EventTime::Utc,
        addresses: |_| Vec::new(),
    }
}

impl Session {
    fn of(start: Start, size: (u16, u16)) -> Self {
        let state = State::new(start, size).unwrap();
        Self { state, list: Arc::default(), sequence: 0, effects: Vec::new() }
    }

    fn new(size: (u16, u16)) -> Self {
        Self::of(start(), size)
    }

    /// Does what the loop does after each message.
    fn settle(&mut self) {
        for effect in self.state.take_effects() {
            match effect {
                Effect::List { update, spec, fresh } => {
                    let list = self.list.next(update, spec, fresh, &|| false);
                    self.list = Arc::new(list.unwrap());
                    self.state.listed(Arc::clone(&self.list));
                }
                effect => self.effects.push(effect),
            }
        }
        self.state.settle();
    }

    /// An update with these connections, a second after the one before.
    fn update(&mut self, connections: Vec<Connection>) {
        self.sequence += 1;
        let at = Moment {
            monotonic_us: self.sequence * 1_000_000,
            wall_us: 1_795_688_530_000_000 + i64::try_from(self.sequence).unwrap() * 1_000_000,
        };
        self.update_of(update(snapshot(self.sequence, at, connections)));
    }

    fn update_of(&mut self, update: Update) {
        self.state.tick(Duration::from_secs(self.sequence));
        self.state.update(Arc::new(update));
        self.settle();
    }

    fn event(&mut self, serial: u64, kind: EventKind, connection: Connection) {
        let at = Moment { monotonic_us: 0, wall_us: 1_795_688_530_000_000 };
        let event = Arc::new(Event { serial, at, kind, connection });
        self.state.events(EventBatch { events: vec![event], ..EventBatch::default() });
        self.settle();
    }

    /// Presses keys: `<enter>` is a name, everything else a letter.
    fn press(&mut self, keys: &str) {
        let mut rest = keys;
        while let Some(letter) = rest.chars().next() {
            let (code, length) = match rest.split_once('>') {
                Some((name, _)) if letter == '<' => (named(&name[1..]), name.len() + 1),
                _ => (KeyEvent::from(KeyCode::Char(letter)), letter.len_utf8()),
            };
            self.state.key(code);
            self.settle();
            rest = &rest[length..];
        }
    }

    fn terminal(&self) -> Terminal<TestBackend> {
        let (width, height) = self.state.size;
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(&self.state, frame)).unwrap();
        terminal
    }

    /// The lines of the screen, without spaces at their ends.
    fn lines(&self) -> Vec<String> {
        let terminal = self.terminal();
        let buffer = terminal.backend().buffer();
        let width = usize::from(buffer.area.width);
        let lines = buffer.content.chunks(width);
        lines
            .map(|cells| cells.iter().map(|cell| cell.symbol()).collect::<String>())
            .map(|line| line.trim_end().to_owned())
            .collect()
    }

    fn text(&self) -> String {
        self.lines().join("\n")
    }
}

fn named(name: &str) -> KeyEvent {
    let (modifiers, name) = match name.strip_prefix("ctrl-") {
        Some(name) => (KeyModifiers::CONTROL, name),
        None => (KeyModifiers::NONE, name),
    };
    let code = match name {
        "enter" => KeyCode::Enter,
        "esc" => KeyCode::Esc,
        "tab" => KeyCode::Tab,
        "up" => KeyCode::Up,
        "down" => KeyCode::Down,
        "left" => KeyCode::Left,
        "right" => KeyCode::Right,
        "backspace" => KeyCode::Backspace,
        "pgdn" => KeyCode::PageDown,
        letter => KeyCode::Char(letter.chars().next().unwrap()),
    };
    KeyEvent::new(code, modifiers)
}

/// A connection of a process, with this cookie and class.
fn made(cookie: u64, name: &str, remote: &str, class: Class) -> Connection {
    let socket = with_cookie(cookie, established("10.0.0.9:50000", remote));
    let mut made = connection(socket);
    let pid = 500 + u32::try_from(cookie).unwrap();
    made.owners = Known::Value(Arc::from([owner(pid, name, 3)]), Source::Procfs);
    made.verdict.class = class;
    made
}

fn some() -> Vec<Connection> {
    vec![
        made(1, "nginx", "10.0.0.5:443", Class::Healthy),
        made(2, "curl", "192.0.2.7:80", Class::PathLoss),
        made(3, "curl", "[2001:db8:1234:5678:9abc:def0:1234:5678]:51413", Class::Stalled),
        made(4, "sshd", "127.0.0.1:22", Class::Idle),
    ]
}

/// A time line of minutes around a moment, of which no agent sampled the first ten.
fn line(at_us: i64) -> Timeline {
    let first = at_us - at_us.rem_euclid(60_000_000) - 30 * 60_000_000;
    let bucket = |minute: i64| {
        let from_us = first + minute * 60_000_000;
        let sampled_us = if minute < 10 { 0 } else { 60_000_000 };
        let known = |count: i64| (minute >= 10).then(|| count.unsigned_abs());
        Bucket {
            from_us,
            to_us: from_us + 60_000_000,
            sampled_us,
            open: known(minute),
            problems: known(minute % 2),
            ended: known(7),
            failed: known(0),
        }
    };
    Timeline { step_us: 60_000_000, buckets: (0..60).map(bucket).collect(), is_cut: false }
}
