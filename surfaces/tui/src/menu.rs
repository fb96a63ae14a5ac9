//! A menu: items, and the one that is chosen.

/// What a menu is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    Sort,
    Group,
    Columns,
    Copy,
    Export,
    Filters,
}

/// One item: its text, and what it stands for.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) label: String,
    pub(crate) value: String,
    pub(crate) is_on: bool,
}

/// A menu, with the item that is chosen.
#[derive(Debug)]
pub(crate) struct Menu {
    pub(crate) about: About,
    pub(crate) items: Vec<Item>,
    pub(crate) at: usize,
}

impl Menu {
    pub(crate) fn title(&self) -> &'static str {
        match self.about {
            About::Sort => "Sort by",
            About::Group => "Group by",
            About::Columns => "Columns: space shows or hides",
            About::Copy => "Copy",
            About::Export => "Write what is shown",
            About::Filters => "Filters: d forgets one",
        }
    }

    /// Goes `by` items down, or up, around both ends.
    pub(crate) fn go(&mut self, by: isize) {
        let count = self.items.len().max(1);
        self.at = self.at.saturating_add_signed(by).min(count - 1);
    }
}

/// An item.
pub(crate) fn item(label: impl Into<String>, value: impl Into<String>, is_on: bool) -> Item {
    Item { label: label.into(), value: value.into(), is_on }
}
