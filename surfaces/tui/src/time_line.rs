//! The time line of the past in one row: a bar a part, by what was open, with the moment that is shown.

use conns_api::{Bucket, Timeline};
use conns_core::human;
use ratatui::style::Style;

use crate::state::State;
use crate::theme::Theme;

/// How far the line reaches to either side of the moment, microseconds.
pub const REACH_US: i64 = 3_600_000_000;
/// Most parts of it.
pub const MAX_BUCKETS: usize = 120;

/// Bars from low to high.
const BARS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
const ASCII_BARS: [&str; 8] = [".", ":", "-", "=", "+", "*", "#", "#"];

/// A character of the line, and how it is drawn.
pub(crate) type Mark = (&'static str, Style);

/// The marks of the parts around the one with the moment `at_us`, at most `width`.
pub(crate) fn marks(line: &Timeline, at_us: i64, width: usize, theme: Theme) -> Vec<Mark> {
    let at = place(line, at_us);
    let buckets = &line.buckets;
    let count = buckets.len().min(width);
    let first = at.saturating_sub(count / 2).min(buckets.len() - count);
    let shown = buckets.iter().enumerate().skip(first).take(count);
    let most = buckets.iter().filter_map(|bucket| bucket.open).max().unwrap_or(0);
    let mark = |(place, bucket): (usize, &Bucket)| match place == at {
        true => (if theme.ascii { "|" } else { "┃" }, theme.selected()),
        false => bar(bucket, most, theme),
    };
    shown.map(mark).collect()
}

/// The place of the part with a moment, or of the nearest one.
fn place(line: &Timeline, at_us: i64) -> usize {
    let after = line.buckets.iter().position(|bucket| at_us < bucket.to_us);
    after.unwrap_or(line.buckets.len().saturating_sub(1))
}

fn bar(bucket: &Bucket, most: u64, theme: Theme) -> Mark {
    let bars = if theme.ascii { ASCII_BARS } else { BARS };
    match bucket.open {
        _ if bucket.sampled_us == 0 => (" ", Style::new()),
        None => ("?", theme.faint()),
        Some(open) => {
            let height = usize::try_from(open.saturating_mul(7) / most.max(1)).unwrap_or(7);
            let style = match bucket.problems {
                Some(1..) => theme.warning(),
                _ => theme.faint(),
            };
            (bars.get(height).copied().unwrap_or("?"), style)
        }
    }
}

/// The figures of the part with the moment.
fn figures(line: &Timeline, at_us: i64) -> String {
    let Some(bucket) = line.buckets.get(place(line, at_us)) else { return String::new() };
    if bucket.sampled_us == 0 {
        return "no agent sampled".to_owned();
    }
    let number = |of: Option<u64>| of.map_or("?".to_owned(), |of| of.to_string());
    let step = human::duration(u64::try_from(line.step_us).unwrap_or(0));
    let Bucket { open, problems, ended, failed, .. } = *bucket;
    let counts = [(open, "open"), (problems, "problems"), (ended, "ended"), (failed, "failed")];
    let counts = counts.map(|(count, word)| format!("{} {word}", number(count)));
    format!("{step}: {}", counts.join(" "))
}

impl State {
    /// Whether the row of the time line is there.
    pub(crate) fn has_time_line(&self) -> bool {
        self.frozen.as_ref().is_some_and(|frozen| frozen.is_past)
    }

    /// The row of the time line: the text before it, its marks, and the text after it.
    pub(crate) fn time_line(&self, width: usize) -> Option<(String, Vec<Mark>, String)> {
        let at_us =
            self.frozen.as_ref().filter(|frozen| frozen.is_past)?.update.snapshot.at.wall_us;
        let line = match &self.time_line {
            Ok(line) => line,
            Err(why) => return Some((format!("no time line: {why}"), Vec::new(), String::new())),
        };
        let first = line.buckets.first()?;
        let before = format!("{} ", self.time_text(first.from_us));
        let after = format!(" {}", figures(line, at_us));
        let rest = width.saturating_sub(before.len() + after.len());
        // Where it is narrow the bars come first.
        let (before, after, rest) = match rest < 10 {
            true => (String::new(), String::new(), width),
            false => (before, after, rest),
        };
        Some((before, marks(line, at_us, rest, self.theme), after))
    }
}
