//! Menus: what to sort by, to group by, to copy, to write, and which columns and filters.

use conns_core::query::{GroupColumn, catalogue, find_field, parse_columns};
use conns_print::{COPIED, GROUPED_BY, field_text};

use crate::format::Format;
use crate::list::Line;
use crate::menu::{About, Item, Menu, item};
use crate::prompt::{Prompt, Purpose};
use crate::state::{Effect, Overlay, Screen, State};

impl State {
    /// Opens a menu, unless there is nothing to choose.
    pub(crate) fn open_menu(&mut self, about: About) {
        let items = match about {
            About::Sort => self.sort_items(),
            About::Group => self.group_items(),
            About::Columns => self.column_items(),
            About::Copy => self.copy_items(),
            About::Export => self.export_items(),
            About::Filters => self.filter_items(),
        };
        if items.is_empty() {
            return self.notify("there is nothing to choose here".to_owned());
        }
        let at = items.iter().position(|item| item.is_on).unwrap_or(0);
        let at = if about == About::Columns { 0 } else { at };
        self.overlay = Some(Overlay::Menu(Menu { about, items, at }));
    }

    fn has_rows_of_connections(&self) -> bool {
        matches!(self.screen, Screen::Connections | Screen::Processes | Screen::Listeners)
    }

    fn sort_items(&self) -> Vec<Item> {
        if !self.has_rows_of_connections() {
            return Vec::new();
        }
        let order = if self.grouped_by().is_some() { &self.group_sort } else { &self.sort };
        let first = order.split(',').next().unwrap_or_default().trim_start_matches('-');
        match self.grouped_by() {
            Some(field) => {
                let columns = GroupColumn::ALL.iter().filter(|one| **one != GroupColumn::Verdicts);
                let names = columns.map(|column| column.name(field));
                names.map(|name| item(name, name, name == first)).collect()
            }
            None => {
                let shown = self.list.columns.iter().map(|field| field.name);
                let others = catalogue().iter().map(|field| field.name);
                let others =
                    others.filter(|name| self.list.columns.iter().all(|f| f.name != *name));
                shown.chain(others).map(|name| item(name, name, name == first)).collect()
            }
        }
    }

    fn group_items(&self) -> Vec<Item> {
        if !matches!(self.screen, Screen::Connections | Screen::Listeners) {
            return Vec::new();
        }
        let chosen = self.group_by.map(|field| field.name);
        let none = item("nothing", "", chosen.is_none());
        let names = GROUPED_BY.iter().filter_map(|name| find_field(name));
        let fields = names.map(|field| {
            item(field.name.replace('_', " "), field.name, chosen == Some(field.name))
        });
        std::iter::once(none).chain(fields).collect()
    }

    fn column_items(&self) -> Vec<Item> {
        if !self.has_rows_of_connections() {
            return Vec::new();
        }
        if let Some(field) = self.grouped_by() {
            let is_on = |column: &GroupColumn| self.list.group_columns.contains(column);
            let columns = GroupColumn::ALL.iter();
            return columns
                .map(|column| item(column.name(field), column.name(field), is_on(column)))
                .collect();
        }
        let shown = self.list.columns.iter().map(|field| (*field, true));
        let others = catalogue()
            .iter()
            .filter(|field| self.list.columns.iter().all(|shown| shown.name != field.name));
        let all = shown.chain(others.map(|field| (field, false)));
        all.map(|(field, is_on)| {
            item(format!("{}: {}", field.name, field.meaning), field.name, is_on)
        })
        .collect()
    }

    fn copy_items(&self) -> Vec<Item> {
        let row = self.chosen_text();
        let mut items: Vec<Item> =
            row.into_iter().map(|row| item(format!("row: {row}"), row, false)).collect();
        let Some(connection) = self.open_connection() else { return items };
        let shown = self.list.columns.iter().copied();
        let ends = COPIED.iter().filter_map(|name| find_field(name));
        for field in ends.chain(shown.filter(|field| !COPIED.contains(&field.name))) {
            let text = field_text(field, connection, &self.names).into_owned();
            items.push(item(format!("{}: {text}", field.name), text, false));
        }
        items
    }

    fn export_items(&self) -> Vec<Item> {
        let formats = Format::ALL.into_iter().filter(|format| self.can_write(*format));
        formats.map(|format| item(format.label(), format.label(), false)).collect()
    }

    fn filter_items(&self) -> Vec<Item> {
        let keep = match self.filter_text.trim() {
            "" => None,
            text => Some(item(format!("keep `{text}` under a name"), "", false)),
        };
        let named = self.named.0.iter();
        let named = named.map(|(name, text)| {
            item(format!("{name}: {text}"), name.as_str(), *text == self.filter_text)
        });
        keep.into_iter().chain(named).collect()
    }

    /// Does what the chosen item stands for.
    pub(crate) fn choose_item(&mut self) {
        let Some(Overlay::Menu(menu)) = self.overlay.take() else { return };
        let Some(item) = menu.items.get(menu.at).cloned() else { return };
        match menu.about {
            About::Sort => self.sort_by(&item.value),
            About::Group => {
                self.group_by = find_field(&item.value);
                self.open.clear();
                self.ask(true);
            }
            About::Columns => {
                self.toggle_column(&item.value);
                let (at, mut items) = (menu.at, menu.items);
                if let Some(item) = items.get_mut(at) {
                    item.is_on = !item.is_on;
                }
                self.overlay = Some(Overlay::Menu(Menu { at, items, about: menu.about }));
            }
            About::Copy => self.copy(item.value),
            About::Export => self.begin_export(&item.value),
            About::Filters if item.value.is_empty() => {
                self.overlay = Some(Overlay::Prompt(Prompt::new(Purpose::Name, String::new())));
            }
            About::Filters => {
                if let Some(text) = self.named.0.get(&item.value).cloned() {
                    match self.filter_of(&text) {
                        Ok(_) => self.set_filter(text),
                        Err(error) => self.notify(format!("{}: {}", item.value, error.message())),
                    }
                }
            }
        }
    }

    /// Forgets the filter that is chosen in the menu.
    pub(crate) fn forget_filter(&mut self) {
        let Some(Overlay::Menu(menu)) = &self.overlay else { return };
        let name = menu.items.get(menu.at).map(|item| item.value.clone()).unwrap_or_default();
        if self.named.0.remove(&name).is_some() {
            self.effects.push(Effect::Keep(self.named.clone()));
            self.overlay = None;
            self.open_menu(About::Filters);
        }
    }

    pub(crate) fn copy(&mut self, text: String) {
        self.notify(format!("copied: {text}"));
        self.effects.push(Effect::Copy(text));
    }

    /// Sorts by a field, the largest first where numbers are; by the one it is sorted by, the other way.
    pub(crate) fn sort_by(&mut self, name: &str) {
        let is_grouped = self.grouped_by().is_some();
        let order = if is_grouped { &self.group_sort } else { &self.sort };
        let first = order.split(',').next().unwrap_or_default();
        let descends = match first.trim_start_matches('-') == name {
            true => !first.starts_with('-'),
            false => find_field(name).is_none_or(|field| field.kind.is_quantity()),
        };
        let new = format!("{}{name}", if descends { "-" } else { "" });
        self.set_order(new);
    }

    /// Reverses the order.
    pub(crate) fn reverse(&mut self) {
        let order = if self.grouped_by().is_some() { &self.group_sort } else { &self.sort };
        let reversed = order.split(',').map(|key| match key.strip_prefix('-') {
            Some(name) => name.to_owned(),
            None => format!("-{key}"),
        });
        self.set_order(reversed.collect::<Vec<_>>().join(","));
    }

    fn set_order(&mut self, order: String) {
        match self.grouped_by() {
            Some(_) => self.group_sort = order,
            None => self.sort = order,
        }
        self.ask(true);
    }

    fn toggle_column(&mut self, name: &str) {
        let shown: Vec<&str> = match self.grouped_by() {
            Some(field) => self.list.group_columns.iter().map(|one| one.name(field)).collect(),
            None => self.list.columns.iter().map(|field| field.name).collect(),
        };
        // What was chosen last may not be listed yet.
        let now = match self.columns.get(&self.columns_key()) {
            Some(text) if !text.contains(['+', '-']) => text.clone(),
            _ => shown.join(","),
        };
        let mut names: Vec<&str> = now.split(',').collect();
        match names.iter().position(|shown| *shown == name) {
            Some(at) => drop(names.remove(at)),
            None => names.push(name),
        }
        let is_valid = self.grouped_by().is_some() || parse_columns(&names.join(","), &[]).is_ok();
        if names.is_empty() || !is_valid {
            return self.notify("a column must stay".to_owned());
        }
        self.columns.insert(self.columns_key(), names.join(","));
        self.ask(true);
    }

    /// The text of the chosen line.
    fn chosen_text(&self) -> Option<String> {
        if self.screen == Screen::Events {
            return self.events.shown().get(self.at).map(|event| self.event_text(event));
        }
        match self.list.lines.get(self.at)? {
            Line::Text(at) => self.list.texts.get(*at).map(|row| row.cells.join("  ")),
            Line::Group(at) => self.list.groups.get(*at).map(|group| group.key.to_string()),
            line => {
                let connection = self.list.connection(line)?;
                let cells =
                    self.list.columns.iter().map(|f| field_text(f, connection, &self.names));
                Some(cells.collect::<Vec<_>>().join("  "))
            }
        }
    }
}
