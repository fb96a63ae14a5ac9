//! Colours: a verdict's is how much it asks for attention. Without colours every style is empty.

use anstyle::{AnsiColor, Style};
use conns_core::model::Class;
use conns_core::model::EventKind;

/// Which styles are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Palette {
    coloured: bool,
}

impl Palette {
    /// Colours if `coloured`, else plain text.
    #[must_use]
    pub fn new(coloured: bool) -> Self {
        Self { coloured }
    }

    fn pick(self, style: Style) -> Style {
        if self.coloured { style } else { Style::new() }
    }

    pub(crate) fn header(self) -> Style {
        self.pick(Style::new().bold())
    }

    pub(crate) fn faint(self) -> Style {
        self.pick(Style::new().dimmed())
    }

    pub(crate) fn event(self, kind: EventKind) -> Style {
        let colour = match kind {
            EventKind::Opened | EventKind::Accepted => AnsiColor::Green,
            EventKind::Closed => return self.pick(Style::new()),
            EventKind::Failed => AnsiColor::Red,
        };
        self.pick(colour.on_default())
    }

    pub(crate) fn verdict(self, class: Class) -> Style {
        let colour = match class {
            Class::Healthy => AnsiColor::Green,
            Class::Idle | Class::Unknown => return self.faint(),
            Class::AppLimited | Class::PathLimited => AnsiColor::Cyan,
            Class::SlowReaderLocal
            | Class::SlowReaderRemote
            | Class::SndbufLimited
            | Class::PathLoss
            | Class::Bufferbloat
            | Class::CwndLimited
            | Class::CloseWaitLeak => AnsiColor::Yellow,
            Class::Stalled
            | Class::HandshakeFailing
            | Class::AcceptOverflow
            | Class::SynQueueFull => AnsiColor::Red,
        };
        self.pick(colour.on_default())
    }
}
