//! Where the parts of the screen are.

use ratatui::layout::Rect;

/// The smallest screen that is drawn.
pub const MIN_SIZE: (u16, u16) = (40, 10);

/// The parts, from top to bottom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Regions {
    /// The names of the screens.
    pub tabs: Rect,
    /// The filter, and what is wrong with it.
    pub filter: Rect,
    /// The totals.
    pub totals: Rect,
    /// The time line, while the past is shown.
    pub time_line: Rect,
    /// The headings of the columns.
    pub header: Rect,
    /// The rows.
    pub body: Rect,
    /// The line with what is missing.
    pub status: Rect,
}

impl Regions {
    /// The parts of a screen of this size; the filter and what is below it have `filter_lines`, the time line `time_lines`.
    pub(crate) fn of((width, height): (u16, u16), filter_lines: u16, time_lines: u16) -> Self {
        let line = |y: u16, lines: u16| Rect::new(0, y.min(height), width, lines);
        let header = filter_lines + 2 + time_lines;
        let body = header + 1;
        Self {
            tabs: line(0, 1),
            filter: line(1, filter_lines),
            totals: line(1 + filter_lines, 1),
            time_line: line(2 + filter_lines, time_lines),
            header: line(header, 1),
            body: line(body, height.saturating_sub(body + 1)),
            status: line(height.saturating_sub(1), 1),
        }
    }

    /// Everything below the tabs and above the status.
    #[must_use]
    pub(crate) fn middle(self) -> Rect {
        Rect::new(0, 1, self.tabs.width, self.status.y.saturating_sub(1))
    }
}
