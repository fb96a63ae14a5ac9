//! Colours and signs. Calm by default: one accent, colour only for what is wrong, and a sign beside
//! each colour. The colours are the 16 of the terminal, so that light and dark are its own choice.

use std::borrow::Cow;

use conns_api::{is_problem, urgency};
use conns_core::model::Connection;
use ratatui::style::{Color, Modifier, Style};

/// Colours, and whether they and other signs than ASCII are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    /// Whether there are colours at all; <https://no-color.org>.
    pub coloured: bool,
    /// Whether only ASCII is drawn.
    pub ascii: bool,
    /// Headings, and what is chosen.
    pub accent: Color,
    /// Something is wrong.
    pub warning: Color,
    /// Something does not work at all.
    pub danger: Color,
}

impl Default for Theme {
    fn default() -> Self {
        Self {
            coloured: true,
            ascii: false,
            accent: Color::Cyan,
            warning: Color::Yellow,
            danger: Color::Red,
        }
    }
}

/// A sign beside a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Nothing is wrong.
    None,
    /// The verdict is a problem.
    Warning,
    /// The verdict is that it does not work.
    Danger,
    /// It closed while the list holds still.
    Closed,
    /// It does not match the filter any more.
    Unmatched,
}

impl Sign {
    /// The sign of a row that is there.
    #[must_use]
    pub fn of(connection: &Connection) -> Self {
        match is_problem(connection.verdict.class) {
            true if urgency(connection).0 == 0 => Self::Danger,
            true => Self::Warning,
            false => Self::None,
        }
    }
}

impl Theme {
    fn colour(self, colour: Color) -> Style {
        if self.coloured { Style::new().fg(colour) } else { Style::new() }
    }

    /// Headings.
    #[must_use]
    pub fn heading(self) -> Style {
        self.colour(self.accent).add_modifier(Modifier::BOLD)
    }

    /// What is chosen.
    #[must_use]
    pub fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// What matters less.
    #[must_use]
    pub fn faint(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// Something is wrong.
    #[must_use]
    pub fn warning(self) -> Style {
        self.colour(self.warning).add_modifier(Modifier::BOLD)
    }

    /// Something does not work.
    #[must_use]
    pub fn danger(self) -> Style {
        self.colour(self.danger).add_modifier(Modifier::BOLD)
    }

    /// A whole line that must not be overlooked.
    #[must_use]
    pub fn loud(self) -> Style {
        self.danger().add_modifier(Modifier::REVERSED)
    }

    /// The style of a sign, and of the cell it is about.
    #[must_use]
    pub fn sign(self, sign: Sign) -> (&'static str, Style) {
        match sign {
            Sign::None => (" ", Style::new()),
            Sign::Warning => ("!", self.warning()),
            Sign::Danger => ("#", self.danger()),
            Sign::Closed => ("x", self.faint()),
            Sign::Unmatched => ("~", self.faint()),
        }
    }

    /// The text, in ASCII if that is all there is.
    #[must_use]
    pub fn text<'t>(self, text: &'t str) -> Cow<'t, str> {
        if !self.ascii || text.is_ascii() {
            return text.into();
        }
        let plain = |c| match c {
            c if char::is_ascii(&c) => c,
            '…' => '~',
            '×' => 'x',
            '·' => '-',
            '←' => '<',
            '→' => '>',
            '↑' => '^',
            '↓' => 'v',
            '▸' => '+',
            '▾' => '-',
            _ => '?',
        };
        text.chars().map(plain).collect::<String>().into()
    }
}
