//! Keys and the mouse: what each does in the state.

use std::sync::Arc;
use std::time::Duration;

use conns_core::model::Connection;
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, MouseButton, MouseEvent, MouseEventKind};

use crate::detail::Detail;
use crate::keys::Action;
use crate::list::{Line, List};
use crate::menu::About;
use crate::past::Step;
use crate::prompt::{Prompt, Purpose};
use crate::state::{Effect, Frozen, Overlay, Screen, State};

/// Two clicks on one row within this time open it.
const DOUBLE_CLICK: Duration = Duration::from_millis(400);
/// Rows that one notch of the wheel moves.
const WHEEL_ROWS: isize = 3;

impl State {
    /// A key was pressed.
    pub fn key(&mut self, event: KeyEvent) {
        if event.kind == KeyEventKind::Release {
            return;
        }
        let action = self.keys.action(event.into());
        match &self.overlay {
            Some(Overlay::Prompt(_)) => self.prompt_key(event, action),
            Some(Overlay::Menu(_)) => self.menu_key(event, action),
            Some(Overlay::Help { .. } | Overlay::Missing { .. }) => self.page_key(action),
            Some(Overlay::Text(text)) => {
                let text = text.clone();
                self.overlay = None;
                if action == Some(Action::Copy) {
                    self.copy(text);
                }
            }
            None => {
                if let Some(action) = action {
                    self.act(action);
                }
            }
        }
    }

    fn act(&mut self, action: Action) {
        if self.detail.is_some() && self.scroll_detail(action) {
            return;
        }
        let page = isize::try_from(self.regions().body.height).unwrap_or(1).max(1);
        match action {
            Action::Up => self.go(-1),
            Action::Down => self.go(1),
            Action::PageUp => self.go(-page),
            Action::PageDown => self.go(page),
            Action::HalfUp => self.go(-page / 2),
            Action::HalfDown => self.go(page / 2),
            Action::Top => self.choose(0),
            Action::Bottom => self.choose(usize::MAX),
            Action::Right => self.open_group(),
            Action::Left => self.close_group(),
            Action::Open => self.open(),
            Action::Back => self.back(),
            Action::Connections => self.go_to(Screen::Connections),
            Action::Processes => self.go_to(Screen::Processes),
            Action::Listeners => self.go_to(Screen::Listeners),
            Action::Events => self.go_to(Screen::Events),
            Action::Streams => self.go_to(Screen::Streams),
            Action::Transfers => self.go_to(Screen::Transfers),
            Action::Filter => {
                let before = self.filter_text.clone();
                let prompt = Prompt::new(Purpose::Filter { before: before.clone() }, before);
                self.overlay = Some(Overlay::Prompt(prompt));
            }
            Action::Filters => self.open_menu(About::Filters),
            // Among groups, h is the left of hjkl.
            Action::Loopback if self.is_in_group() => self.close_group(),
            Action::Loopback => {
                self.hides_loopback = !self.hides_loopback;
                self.set_filter(self.filter_text.clone());
            }
            Action::Freeze => self.freeze(),
            Action::Earlier => self.earlier(Step::Minute),
            Action::Later => self.later(Step::Minute),
            Action::HourEarlier => self.earlier(Step::Hour),
            Action::HourLater => self.later(Step::Hour),
            Action::Refresh => {
                self.find_chosen();
                self.ask(true);
            }
            Action::Sort => self.open_menu(About::Sort),
            Action::Reverse => self.reverse(),
            Action::Group => self.open_menu(About::Group),
            Action::Columns => self.open_menu(About::Columns),
            Action::Copy => self.open_menu(About::Copy),
            Action::Export => self.open_menu(About::Export),
            Action::Missing => self.overlay = Some(Overlay::Missing { top: 0 }),
            Action::Help => self.overlay = Some(Overlay::Help { top: 0 }),
            Action::Mouse => {
                self.takes_mouse = !self.takes_mouse;
                let whose = if self.takes_mouse {
                    "clicks choose rows"
                } else {
                    "the mouse is the terminal's"
                };
                self.notify(whose.to_owned());
                self.effects.push(Effect::Mouse(self.takes_mouse));
            }
            Action::Suspend => self.effects.push(Effect::Suspend),
            Action::Quit => self.effects.push(Effect::Quit),
        }
    }

    fn go(&mut self, by: isize) {
        self.choose(self.at.saturating_add_signed(by));
    }

    fn go_to(&mut self, screen: Screen) {
        self.detail = None;
        if self.screen != screen {
            self.screen = screen;
            (self.at, self.top, self.chosen) = (0, 0, None);
            self.open.clear();
            // Rows of the screen before are not of this one.
            let update = Arc::clone(&self.list.update);
            self.list = Arc::new(List { update, ..List::default() });
            self.ask(true);
            if screen == Screen::Events {
                self.choose(usize::MAX);
            }
        }
    }

    /// Stops at this second, or goes on with what has come.
    fn freeze(&mut self) {
        if self.frozen.is_some() {
            return self.unfreeze();
        }
        let Some(update) = self.latest.clone() else { return };
        self.frozen = Some(Frozen { update, updates: 0, is_past: false });
        let filter = self.filter();
        self.events.freeze(true, filter.as_ref());
    }

    /// Goes on with what has come.
    pub(crate) fn unfreeze(&mut self) {
        self.wanted_us = None;
        let was_past = self.frozen.take().is_some_and(|frozen| frozen.is_past);
        let filter = self.filter();
        self.events.set_past(None);
        self.events.freeze(false, filter.as_ref());
        if let (Some(detail), Some(update)) = (&mut self.detail, &self.latest) {
            detail.refresh(update);
        }
        self.ask(was_past);
        self.find_chosen();
    }

    // === groups and connections ===

    /// The index of the group that the chosen line is or is in.
    fn group_at(&self) -> Option<(usize, usize)> {
        self.grouped_by()?;
        let lines = self.list.lines.get(..=self.at)?;
        lines.iter().enumerate().rev().find_map(|(at, line)| match line {
            Line::Group(group) => Some((at, *group)),
            _ => None,
        })
    }

    fn is_in_group(&self) -> bool {
        self.group_at().is_some()
    }

    fn open_group(&mut self) {
        let Some((_, group)) = self.group_at() else { return };
        if let Some(group) = self.list.groups.get(group)
            && !self.open.contains(&group.key)
        {
            self.open.push(group.key.clone());
            self.ask(false);
        }
    }

    fn close_group(&mut self) {
        let Some((line, group)) = self.group_at() else { return };
        let Some(key) = self.list.groups.get(group).map(|group| group.key.clone()) else { return };
        self.open.retain(|open| *open != key);
        self.choose(line);
        self.ask(false);
    }

    fn open(&mut self) {
        if let Some(Line::Group(group)) = self.list.lines.get(self.at)
            && self.screen != Screen::Events
        {
            let is_open = self.list.groups.get(*group).is_some_and(|g| self.open.contains(&g.key));
            return if is_open { self.close_group() } else { self.open_group() };
        }
        let is_closed = matches!(self.list.lines.get(self.at), Some(Line::Closed(_)));
        let Some(connection) = self.chosen_connection() else { return };
        let mut detail = Detail::of(connection, is_closed);
        if self.screen == Screen::Events {
            detail.refresh(&self.list.update);
        }
        self.history.watch(detail.id);
        self.detail = Some(detail);
    }

    /// The connection that is open, or that of the chosen line.
    pub(crate) fn open_connection(&self) -> Option<&Connection> {
        match &self.detail {
            Some(detail) => Some(&detail.connection),
            None => self.chosen_connection(),
        }
    }

    fn back(&mut self) {
        if self.detail.take().is_some() {
            return self.find_chosen();
        }
        if !self.filter_text.is_empty() {
            self.set_filter(String::new());
        }
    }

    /// Scrolls the open connection; whether the action was that.
    fn scroll_detail(&mut self, action: Action) -> bool {
        let page = usize::from(self.regions().middle().height).max(1);
        let Some(detail) = &mut self.detail else { return false };
        detail.top = match scrolled(detail.top, action, page) {
            Some(top) => top,
            None => return false,
        };
        true
    }

    fn page_key(&mut self, action: Option<Action>) {
        let page = usize::from(self.regions().middle().height).max(1);
        let Some(Overlay::Help { top } | Overlay::Missing { top }) = &mut self.overlay else {
            return;
        };
        match action.and_then(|action| scrolled(*top, action, page)) {
            Some(next) => *top = next,
            None => {
                self.overlay = None;
                if action == Some(Action::Quit) {
                    self.effects.push(Effect::Quit);
                }
            }
        }
    }

    // === menus and lines that are typed ===

    fn menu_key(&mut self, event: KeyEvent, action: Option<Action>) {
        let Some(Overlay::Menu(menu)) = &mut self.overlay else { return };
        let about = menu.about;
        match (action, event.code) {
            (_, KeyCode::Char('d')) if about == About::Filters => self.forget_filter(),
            // The second g of gg.
            (Some(Action::Group), _) if about == About::Group => {
                self.overlay = None;
                self.choose(0);
            }
            // The second y of yy: the row.
            (Some(Action::Copy), _) if about == About::Copy => self.choose_item(),
            (Some(Action::Up), _) => menu.go(-1),
            (Some(Action::Down), _) => menu.go(1),
            (Some(Action::PageUp | Action::HalfUp), _) => menu.go(-10),
            (Some(Action::PageDown | Action::HalfDown), _) => menu.go(10),
            (Some(Action::Top), _) => menu.at = 0,
            (Some(Action::Bottom), _) => menu.go(isize::MAX),
            (Some(Action::Open | Action::Right), _) => self.choose_item(),
            (Some(Action::Freeze), _) if about == About::Columns => self.choose_item(),
            (Some(Action::Suspend), _) => self.effects.push(Effect::Suspend),
            _ => self.overlay = None,
        }
    }

    fn prompt_key(&mut self, event: KeyEvent, action: Option<Action>) {
        let Some(Overlay::Prompt(prompt)) = &mut self.overlay else { return };
        match event.code {
            KeyCode::Enter => self.finish_prompt(),
            KeyCode::Esc => self.give_up_prompt(),
            KeyCode::Tab => {
                prompt.complete(false);
                self.filter_typed();
            }
            KeyCode::BackTab => {
                prompt.complete(true);
                self.filter_typed();
            }
            _ => {
                if prompt.edit(event) {
                    self.filter_typed();
                } else if action == Some(Action::Quit) {
                    self.give_up_prompt();
                } else if action == Some(Action::Suspend) {
                    self.effects.push(Effect::Suspend);
                }
            }
        }
    }

    /// Uses the filter so far, unless it is none: then the last one that was stays.
    fn filter_typed(&mut self) {
        let Some(Overlay::Prompt(prompt)) = &self.overlay else { return };
        if !matches!(prompt.purpose, Purpose::Filter { .. }) {
            return;
        }
        let text = prompt.input.value().to_owned();
        let parsed = self.filter_of(&text);
        if let Some(Overlay::Prompt(prompt)) = &mut self.overlay {
            prompt.error = parsed.as_ref().err().cloned();
        }
        if parsed.is_ok() && text != self.filter_text {
            self.set_filter(text);
        }
    }

    fn finish_prompt(&mut self) {
        let Some(Overlay::Prompt(prompt)) = self.overlay.take() else { return };
        let text = prompt.input.value().trim().to_owned();
        match &prompt.purpose {
            Purpose::Filter { .. } if prompt.error.is_some() => {
                self.overlay = Some(Overlay::Prompt(prompt));
            }
            Purpose::Filter { .. } => {}
            Purpose::Name if text.is_empty() => {}
            Purpose::Name => {
                self.named.0.insert(text.clone(), self.filter_text.clone());
                self.notify(format!("kept as `{text}`"));
                self.effects.push(Effect::Keep(self.named.clone()));
            }
            Purpose::Path(_) if text.is_empty() => {}
            Purpose::Path(format) => self.export(*format, &text),
        }
    }

    fn give_up_prompt(&mut self) {
        let Some(Overlay::Prompt(prompt)) = self.overlay.take() else { return };
        if let Purpose::Filter { before } = prompt.purpose
            && before != self.filter_text
        {
            self.set_filter(before);
        }
    }

    // === the mouse ===

    /// The mouse was used.
    pub fn mouse(&mut self, event: MouseEvent) {
        match event.kind {
            MouseEventKind::ScrollUp => self.wheel(-WHEEL_ROWS),
            MouseEventKind::ScrollDown => self.wheel(WHEEL_ROWS),
            MouseEventKind::Down(MouseButton::Left) => self.click(event.column, event.row),
            _ => {}
        }
    }

    fn wheel(&mut self, by: isize) {
        match (&mut self.overlay, &mut self.detail) {
            (Some(Overlay::Menu(menu)), _) => menu.go(by),
            (Some(Overlay::Help { top } | Overlay::Missing { top }), _) => {
                *top = top.saturating_add_signed(by);
            }
            (Some(_), _) => {}
            (None, Some(detail)) => detail.top = detail.top.saturating_add_signed(by),
            (None, None) => self.go(by),
        }
    }

    fn click(&mut self, x: u16, y: u16) {
        let regions = self.regions();
        if self.overlay.is_some() || self.detail.is_some() && y != regions.tabs.y {
            return;
        }
        if y == regions.tabs.y {
            if let Some(screen) = crate::draw::tab_at(self, x) {
                self.go_to(screen);
            }
        } else if y == regions.header.y {
            if let Some(name) = crate::draw::heading_at(self, x) {
                self.sort_by(&name);
            }
        } else if regions.body.contains((x, y).into()) {
            let at = self.top + usize::from(y - regions.body.y);
            if at >= self.count() {
                return;
            }
            let is_double = self.clicked.take().is_some_and(|(since, before)| {
                before == at && self.now.saturating_sub(since) <= DOUBLE_CLICK
            });
            self.choose(at);
            match is_double {
                true => self.open(),
                false => self.clicked = Some((self.now, at)),
            }
        }
    }
}

/// Where a page begins after this action; `None` if it scrolls nothing. The end is bounded when it is drawn.
fn scrolled(top: usize, action: Action, page: usize) -> Option<usize> {
    Some(match action {
        Action::Up => top.saturating_sub(1),
        Action::Down => top.saturating_add(1),
        Action::PageUp => top.saturating_sub(page),
        Action::PageDown => top.saturating_add(page),
        Action::HalfUp => top.saturating_sub(page / 2),
        Action::HalfDown => top.saturating_add(page / 2),
        Action::Top => 0,
        Action::Bottom => usize::MAX / 2,
        _ => return None,
    })
}
