//! Draws the state. Only the rows that are shown are formatted.

use std::borrow::Cow;
use std::sync::Arc;

use conns_core::model::{Connection, Event};
use conns_core::query::{GroupColumn, Value};
use conns_print::{
    GAP, Layout, Palette, STREAM_RIGHT, STREAM_TITLES, TRANSFER_RIGHT, TRANSFER_TITLES, event_line,
    field_text, groups, plain_table,
};
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::symbols::bar;
use ratatui::widgets::{Clear, Sparkline, SparklineBar, Widget};
use unicode_width::UnicodeWidthStr;

use crate::detail::Detail;
use crate::detail_lines::{self, DetailLine};
use crate::history::charted;
use crate::keys::BINDINGS;
use crate::list::Line;
use crate::menu::Menu;
use crate::prompt::{Prompt, Purpose};
use crate::regions::{MIN_SIZE, Regions};
use crate::state::{Overlay, Screen, State};
use crate::status::Tone;
use crate::theme::{Sign, Theme};

/// Bars of charts where only ASCII is drawn.
const ASCII_BARS: bar::Set<'_> = bar::Set {
    full: "#",
    seven_eighths: "#",
    three_quarters: "*",
    five_eighths: "+",
    half: "=",
    three_eighths: "-",
    one_quarter: ":",
    one_eighth: ".",
    empty: " ",
};

/// Draws the whole screen.
pub fn draw(state: &State, frame: &mut Frame<'_>) {
    let area = frame.area();
    let buffer = frame.buffer_mut();
    let mut pen = Pen { buffer, theme: state.theme };
    if area.width < MIN_SIZE.0 || area.height < MIN_SIZE.1 {
        let text = format!("{}x{} is too small", area.width, area.height);
        pen.text(area.x, area.y, area.width, &text, Style::new());
        let least = format!("{}x{} at least", MIN_SIZE.0, MIN_SIZE.1);
        return pen.text(area.x, area.y + 1, area.width, &least, Style::new());
    }
    let regions = state.regions();
    draw_tabs(state, &mut pen, regions.tabs);
    match (&state.detail, &state.overlay) {
        (Some(detail), None | Some(Overlay::Menu(_) | Overlay::Text(_))) => {
            draw_detail(state, &mut pen, detail, regions.middle());
        }
        _ => {
            draw_filter(state, &mut pen, regions.filter);
            let style = state.theme.faint().remove_modifier(Modifier::DIM);
            pen.line(regions.totals, &state.totals(), style);
            draw_time_line(state, &mut pen, regions.time_line);
            draw_list(state, &mut pen, regions);
        }
    }
    let (status, tone) = state.status();
    let style = match tone {
        Tone::Calm => state.theme.faint(),
        Tone::Warning => state.theme.warning(),
        Tone::Loud => state.theme.loud(),
    };
    pen.line(regions.status, &status, style);
    match &state.overlay {
        Some(Overlay::Menu(menu)) => draw_menu(state, &mut pen, menu, regions.middle()),
        Some(Overlay::Help { top }) => {
            draw_page(&mut pen, "Keys", &help(state), *top, regions.middle())
        }
        Some(Overlay::Missing { top }) => {
            draw_page(&mut pen, "What is missing", &state.missing_lines(), *top, regions.middle());
        }
        Some(Overlay::Text(text)) => {
            let width = usize::from(area.width).saturating_sub(4).max(1);
            let characters: Vec<char> = text.chars().collect();
            let mut lines: Vec<String> =
                characters.chunks(width).map(|chunk| chunk.iter().collect()).collect();
            lines.push("y copies it".to_owned());
            draw_page(&mut pen, "The command that gives this", &lines, 0, regions.middle());
        }
        Some(Overlay::Prompt(prompt)) => {
            let before = prompt_title(prompt).width();
            let x = u16::try_from(before + prompt.input.visual_cursor()).unwrap_or(u16::MAX);
            let line = regions.filter;
            frame.set_cursor_position((line.x + x.min(line.width.saturating_sub(1)), line.y));
        }
        None => {}
    }
}

struct Pen<'b> {
    buffer: &'b mut Buffer,
    theme: Theme,
}

impl Pen<'_> {
    fn text(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) {
        if y < self.buffer.area.bottom() && x < self.buffer.area.right() {
            self.buffer.set_stringn(x, y, self.theme.text(text), usize::from(width), style);
        }
    }

    /// A whole line; what does not fit ends in an ellipsis.
    fn line(&mut self, area: Rect, text: &str, style: Style) {
        let width = usize::from(area.width);
        let text: Cow<'_, str> = match text.width() > width {
            true => {
                let kept: String = text.chars().take(width.saturating_sub(1)).collect();
                format!("{kept}…").into()
            }
            false => text.into(),
        };
        self.text(area.x, area.y, area.width, &text, style);
    }

    fn style(&mut self, area: Rect, style: Style) {
        self.buffer.set_style(area, style);
    }

    fn clear(&mut self, area: Rect) {
        Clear.render(area, self.buffer);
    }
}

// === the lines above the list ===

/// The names of the screens with their keys, and where each begins.
fn tabs(state: &State) -> Vec<(u16, Screen, String)> {
    let is_wide = state.size.0 >= 80;
    let mut x = 0;
    let numbered = Screen::ALL.into_iter().zip(1..);
    let tab = |(screen, number): (Screen, u16)| {
        let is_named = is_wide || screen == state.screen;
        let text =
            if is_named { format!("{number} {}", screen.name()) } else { number.to_string() };
        let at = x;
        x += u16::try_from(text.len() + 2).unwrap_or(u16::MAX);
        (at, screen, text)
    };
    numbered.map(tab).collect()
}

fn draw_tabs(state: &State, pen: &mut Pen<'_>, area: Rect) {
    for (x, screen, text) in tabs(state) {
        let style =
            if screen == state.screen { state.theme.heading() } else { state.theme.faint() };
        pen.text(x, area.y, area.width.saturating_sub(x), &text, style);
    }
    let help = "? help";
    let width = u16::try_from(help.len()).unwrap_or(0);
    pen.text(area.width.saturating_sub(width), area.y, width, help, state.theme.faint());
}

/// The screen whose name is at this column.
pub(crate) fn tab_at(state: &State, x: u16) -> Option<Screen> {
    let mut tabs = tabs(state).into_iter();
    tabs.find(|(at, _, text)| (*at..*at + text.len() as u16).contains(&x))
        .map(|(_, screen, _)| screen)
}

fn prompt_title(prompt: &Prompt) -> &'static str {
    match prompt.purpose {
        Purpose::Filter { .. } => "/ ",
        Purpose::Name => "name of the filter: ",
        Purpose::Path(_) => "new file: ",
    }
}

fn draw_filter(state: &State, pen: &mut Pen<'_>, area: Rect) {
    let Some(Overlay::Prompt(prompt)) = &state.overlay else {
        let loopback = if state.hides_loopback { "  without loopback (h)" } else { "" };
        let by = state.grouped_by().map(|by| format!("  by {}", by.name.replace('_', " ")));
        let by = by.unwrap_or_default();
        let text = match state.filter_text.as_str() {
            "" => format!("/ narrows{by}{loopback}"),
            text => format!("/ {text}{by}{loopback}"),
        };
        let style = if state.filter_text.is_empty() { state.theme.faint() } else { Style::new() };
        let text = conns_print::printable(text.into());
        return pen.line(Rect { height: 1, ..area }, &text, style);
    };
    let title = prompt_title(prompt);
    let text = format!("{title}{}", conns_print::printable(prompt.input.value().into()));
    pen.line(Rect { height: 1, ..area }, &text, Style::new());
    let below = |line: u16| Rect::new(area.x, area.y + line, area.width, 1);
    match (&prompt.error, &prompt.choice) {
        (Some(error), None) => {
            let before = title.width() + error.column().saturating_sub(1);
            let span = error.span();
            let carets = "^".repeat(span.len().clamp(1, usize::from(area.width)));
            pen.line(below(1), &format!("{:before$}{carets}", ""), state.theme.danger());
            let message: Vec<char> = error.message().chars().collect();
            let lines = message.chunks(usize::from(area.width).max(1)).zip(2..area.height);
            for (chunk, line) in lines {
                let text: String = chunk.iter().collect();
                pen.line(below(line), &text, state.theme.danger());
            }
        }
        (_, Some(choice)) => {
            let rows = usize::from(area.height.saturating_sub(1));
            let first = choice.at.map_or(0, |at| at.saturating_sub(rows.saturating_sub(1)));
            let shown = choice.candidates.iter().enumerate().skip(first).take(rows);
            for ((at, candidate), line) in shown.zip(1..) {
                let is_at = choice.at == Some(at);
                let style = if is_at { state.theme.selected() } else { state.theme.faint() };
                let text = format!("  {:20}  {}", candidate.text, candidate.meaning);
                pen.line(below(line), &text, style);
            }
        }
        (None, None) => {}
    }
}

fn draw_time_line(state: &State, pen: &mut Pen<'_>, area: Rect) {
    if area.height == 0 {
        return;
    }
    let Some((before, marks, after)) = state.time_line(usize::from(area.width)) else { return };
    pen.line(area, &before, state.theme.faint());
    let mut x = area.x + u16::try_from(before.width()).unwrap_or(0);
    for (text, style) in marks {
        pen.buffer.set_stringn(x, area.y, text, 1, style);
        x += 1;
    }
    let rest = Rect { x, width: area.width.saturating_sub(x - area.x), ..area };
    pen.line(rest, &after, Style::new());
}

// === the list ===

fn draw_list(state: &State, pen: &mut Pen<'_>, regions: Regions) {
    match (state.screen, state.grouped_by()) {
        (Screen::Events, _) => draw_events(state, pen, regions),
        (Screen::Streams, _) => draw_texts(state, pen, regions, &STREAM_TITLES, &STREAM_RIGHT),
        (Screen::Transfers, _) => {
            draw_texts(state, pen, regions, &TRANSFER_TITLES, &TRANSFER_RIGHT)
        }
        (_, Some(_)) => draw_groups(state, pen, regions),
        (_, None) => draw_connections(state, pen, regions),
    }
    if state.count() == 0 {
        let is_past = state.has_time_line();
        let text = match (&state.latest, state.screen) {
            (None, _) => format!("waiting for {}", state.observed),
            (_, Screen::Events) if is_past => {
                "nothing ended or failed in the day before".to_owned()
            }
            (_, Screen::Streams) if is_past => "no media stream is kept of this moment".to_owned(),
            (_, Screen::Transfers) if is_past => "no transfer is kept of this moment".to_owned(),
            (_, Screen::Events) => "no event yet".to_owned(),
            (_, Screen::Streams) => "no media stream is published or played".to_owned(),
            (_, Screen::Transfers) => "no transfer server runs on this machine".to_owned(),
            _ if !state.whole_filter_text().is_empty() => "no connection matches".to_owned(),
            _ => "no connection".to_owned(),
        };
        pen.line(Rect { height: 1, ..regions.body }, &text, state.theme.faint());
    }
}

/// Each line that is shown: its place on the screen, its index, and the line.
fn shown<'s>(
    state: &'s State,
    regions: Regions,
) -> impl Iterator<Item = (Rect, usize, &'s Line)> + 's {
    let range = state.visible();
    let lines = state.list.lines.get(range.clone()).unwrap_or_default();
    let body = regions.body;
    range
        .zip(lines)
        .zip(0..)
        .map(move |((at, line), row)| (Rect::new(body.x, body.y + row, body.width, 1), at, line))
}

fn draw_connections(state: &State, pen: &mut Pen<'_>, regions: Regions) {
    let columns = state.table_columns();
    let cells = |cell: &dyn Fn(&conns_print::Column<'_>) -> String| {
        let cells: Vec<String> = columns.all().iter().map(cell).collect();
        cells.join(&" ".repeat(GAP))
    };
    let header = cells(&|column| column.cell(column.title.as_str().into()));
    draw_header(state, pen, regions.header, &header);
    for (area, at, line) in shown(state, regions) {
        let Some(connection) = state.list.connection(line) else { continue };
        let text = cells(&|column| column.cell(field_text(column.field, connection, &state.names)));
        draw_row(state, pen, area, (at, line), (connection, &text));
    }
}

fn draw_header(state: &State, pen: &mut Pen<'_>, area: Rect, text: &str) {
    let signs = u16::try_from(State::SIGNS).unwrap_or(0);
    let order = if state.grouped_by().is_some() { &state.group_sort } else { &state.sort };
    let first = order.split(',').next().unwrap_or_default();
    let title = first.trim_start_matches('-').to_ascii_uppercase().replace('_', "-");
    pen.text(area.x + signs, area.y, area.width - signs, text, state.theme.heading());
    // What it is sorted by is underlined.
    if let Some(at) = word_at(text, &title) {
        let x = area.x + signs + u16::try_from(at).unwrap_or(0);
        let width = u16::try_from(title.len()).unwrap_or(0);
        let style = Style::new().add_modifier(Modifier::UNDERLINED);
        pen.style(Rect::new(x, area.y, width, 1).intersection(area), style);
    }
}

/// Where a whole word begins.
fn word_at(text: &str, word: &str) -> Option<usize> {
    let mut words = text.match_indices(word);
    words.find_map(|(at, _)| {
        let before = text.get(..at)?;
        let after = text.get(at + word.len()..)?;
        let is_whole = (before.is_empty() || before.ends_with(' '))
            && (after.is_empty() || after.starts_with(' '));
        is_whole.then_some(at)
    })
}

fn draw_row(
    state: &State,
    pen: &mut Pen<'_>,
    area: Rect,
    (at, line): (usize, &Line),
    (connection, text): (&Connection, &str),
) {
    let (sign, word) = match line {
        Line::Closed(_) => (Sign::Closed, "closed"),
        Line::Unmatched(_) => (Sign::Unmatched, ""),
        _ => (Sign::of(connection), ""),
    };
    let (mark, style) = state.theme.sign(sign);
    let signs = u16::try_from(State::SIGNS).unwrap_or(0);
    let is_past = matches!(sign, Sign::Closed | Sign::Unmatched);
    pen.text(area.x, area.y, signs, mark, style);
    let row_style = if is_past { state.theme.faint() } else { Style::new() };
    pen.text(area.x + signs, area.y, area.width - signs, text, row_style);
    // The verdict is the last column that is coloured with its sign.
    if matches!(sign, Sign::Warning | Sign::Danger) {
        let class = connection.verdict.class.name();
        if let Some(start) = word_at(text, class).or_else(|| word_at(text.trim_end(), class)) {
            let x = area.x
                + signs
                + u16::try_from(text.get(..start).unwrap_or("").width()).unwrap_or(0);
            let width = u16::try_from(class.len()).unwrap_or(0);
            pen.style(Rect::new(x, area.y, width, 1).intersection(area), style);
        }
    }
    if !word.is_empty() {
        let width = u16::try_from(word.len()).unwrap_or(0);
        let text_end = u16::try_from(text.width()).unwrap_or(u16::MAX);
        let x = (area.x + signs + text_end).min(area.right()).saturating_sub(width + 1);
        pen.text(x, area.y, width + 1, &format!(" {word}"), row_style);
    }
    if at == state.at {
        pen.style(area, state.theme.selected());
    }
}

fn draw_groups(state: &State, pen: &mut Pen<'_>, regions: Regions) {
    let Some(field) = state.grouped_by() else { return };
    let lines: Vec<(Rect, usize, &Line)> = shown(state, regions).collect();
    let made: Vec<_> = lines
        .iter()
        .filter_map(|(_, _, line)| match line {
            Line::Group(at) => state.list.groups.get(*at).cloned(),
            _ => None,
        })
        .collect();
    let layout = layout(state);
    let columns: &[GroupColumn] = &state.list.group_columns;
    let texts = texts_of(|out| groups(out, layout, field, columns, &made));
    let mut texts = texts.iter();
    draw_header(state, pen, regions.header, texts.next().map_or("", String::as_str));
    let columns = state.table_columns();
    for (area, at, line) in lines {
        if let Line::Group(group) = line {
            let key = state.list.groups.get(*group).map(|group| &group.key);
            let is_open = key.is_some_and(|key| state.open.contains(key));
            let sign = if is_open { "▾" } else { "▸" };
            let text = texts.next().map_or("", String::as_str);
            pen.text(area.x, area.y, 1, sign, state.theme.faint());
            let signs = u16::try_from(State::SIGNS).unwrap_or(0);
            pen.text(area.x + signs, area.y, area.width - signs, text, Style::new());
            if at == state.at {
                pen.style(area, state.theme.selected());
            }
        } else if let Some(connection) = state.list.connection(line) {
            let cells = columns.all().iter();
            let cells = cells.map(|c| c.cell(field_text(c.field, connection, &state.names)));
            let text = cells.collect::<Vec<_>>().join(&" ".repeat(GAP));
            let inner = Rect { x: area.x + 2, width: area.width - 2, ..area };
            draw_row(state, pen, inner, (at, line), (connection, &text));
        }
    }
}

fn draw_texts(state: &State, pen: &mut Pen<'_>, regions: Regions, titles: &[&str], right: &[bool]) {
    let rows: Vec<Vec<String>> = shown(state, regions)
        .filter_map(|(_, _, line)| match line {
            Line::Text(at) => state.list.texts.get(*at).map(|row| row.cells.clone()),
            _ => None,
        })
        .collect();
    let texts = texts_of(|out| plain_table(out, layout(state), titles, right, &rows));
    let mut texts = texts.iter();
    draw_header(state, pen, regions.header, texts.next().map_or("", String::as_str));
    for ((area, at, _), text) in shown(state, regions).zip(texts) {
        let signs = u16::try_from(State::SIGNS).unwrap_or(0);
        pen.text(area.x + signs, area.y, area.width - signs, text, Style::new());
        if at == state.at {
            pen.style(area, state.theme.selected());
        }
    }
}

fn layout(state: &State) -> Layout {
    let width = usize::from(state.size.0).saturating_sub(State::SIGNS);
    Layout { width: Some(width), header: true, palette: Palette::new(false) }
}

/// The lines that `write` writes.
fn texts_of(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> Vec<String> {
    let mut out = Vec::new();
    let written = write(&mut out);
    debug_assert!(written.is_ok(), "memory takes every text");
    String::from_utf8_lossy(&out).lines().map(str::to_owned).collect()
}

impl State {
    /// An event as a line of a log.
    pub(crate) fn event_text(&self, event: &Arc<Event>) -> String {
        let palette = Palette::new(false);
        let lines = texts_of(|out| event_line(out, palette, &self.time, event, &self.names));
        lines.into_iter().next().unwrap_or_default()
    }
}

fn draw_events(state: &State, pen: &mut Pen<'_>, regions: Regions) {
    let range = state.visible();
    let events = state.events.shown().get(range.clone()).unwrap_or_default();
    pen.text(
        regions.header.x + 2,
        regions.header.y,
        regions.header.width,
        "EVENT",
        state.theme.heading(),
    );
    for ((at, event), row) in range.zip(events).zip(0..) {
        let area = Rect::new(regions.body.x, regions.body.y + row, regions.body.width, 1);
        let is_failed = event.kind == conns_core::model::EventKind::Failed;
        let sign = if is_failed { Sign::Danger } else { Sign::None };
        let (mark, style) = state.theme.sign(sign);
        pen.text(area.x, area.y, 2, mark, style);
        let inner = Rect { x: area.x + 2, width: area.width - 2, ..area };
        pen.line(inner, &state.event_text(event), Style::new());
        if at == state.at {
            pen.style(area, state.theme.selected());
        }
    }
}

/// The name of what is sorted by if its heading at this column is clicked.
pub(crate) fn heading_at(state: &State, x: u16) -> Option<String> {
    match (state.screen, state.grouped_by()) {
        (Screen::Events | Screen::Streams | Screen::Transfers, _) => None,
        (_, None) => state.field_at(x).map(|field| field.name.to_owned()),
        (_, Some(field)) => {
            let columns: &[GroupColumn] = &state.list.group_columns;
            let shown = state.list.lines.get(state.visible()).unwrap_or_default();
            let made: Vec<_> = shown
                .iter()
                .filter_map(|line| match line {
                    Line::Group(at) => state.list.groups.get(*at).cloned(),
                    _ => None,
                })
                .collect();
            let header = texts_of(|out| groups(out, layout(state), field, columns, &made));
            let header = header.first()?;
            let x = usize::from(x).checked_sub(State::SIGNS)?;
            let titles = columns.iter().map(|column| (column.title(field), column.name(field)));
            let mut titles =
                titles.filter_map(|(title, name)| Some((word_at(header, &title)?, title, name)));
            let found = titles.find(|(at, title, _)| (*at..at + title.len()).contains(&x));
            found.map(|(_, _, name)| name.to_owned())
        }
    }
}

// === one connection ===

fn draw_detail(state: &State, pen: &mut Pen<'_>, detail: &Detail, area: Rect) {
    let lines = detail_lines::lines(state, detail, usize::from(area.width));
    let last = lines.len().saturating_sub(usize::from(area.height));
    let visible = lines.iter().skip(detail.top.min(last)).zip(area.y..area.bottom());
    for (line, y) in visible {
        let row = Rect::new(area.x, y, area.width, 1);
        match line {
            DetailLine::Heading(text) => pen.line(row, text, state.theme.heading()),
            DetailLine::Text(text) => pen.line(row, text, Style::new()),
            DetailLine::Chart(figure) => draw_chart(state, pen, detail, *figure, row),
        }
    }
}

/// One figure: its name, its value now, and the last points; a gap where it was not known.
fn draw_chart(state: &State, pen: &mut Pen<'_>, detail: &Detail, figure: usize, area: Rect) {
    let Some(field) = charted().nth(figure) else { return };
    let value = field_text(field, &detail.connection, &state.names);
    let label = format!("  {:11} {value:>10} ", field.name);
    pen.line(area, &label, Style::new());
    let start = u16::try_from(label.width()).unwrap_or(u16::MAX);
    let chart =
        Rect { x: area.x + start.min(area.width), width: area.width.saturating_sub(start), ..area };
    if chart.width == 0 || field.value(&detail.connection) == Value::NotApplicable {
        return;
    }
    let omitted = state.frozen.as_ref().map_or(0, |frozen| frozen.updates);
    let points: Vec<Option<f32>> = state.history.points(detail.id, figure, omitted).collect();
    let shown = points.iter().skip(points.len().saturating_sub(chart.width.into()));
    let most = points.iter().flatten().copied().fold(0_f32, f32::max);
    // Bars have eight steps; a chart is about the shape.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1000")]
    let bars = shown.map(|point| match point {
        Some(value) if most > 0.0 => SparklineBar::from((value / most * 1000.0) as u64),
        Some(_) => SparklineBar::from(0),
        None => SparklineBar::from(None::<u64>),
    });
    let set = if state.theme.ascii { ASCII_BARS } else { bar::NINE_LEVELS };
    let bars: Vec<SparklineBar> = bars.collect();
    Sparkline::default()
        .data(bars)
        .max(1000)
        .bar_set(set)
        .absent_value_symbol("?")
        .render(chart, pen.buffer);
}

// === what is in front ===

fn help(state: &State) -> Vec<String> {
    let line = |binding: &crate::keys::Binding| {
        format!("{:16} {}", state.keys.keys_of(binding.action), binding.meaning)
    };
    let mut lines: Vec<String> = BINDINGS.iter().map(line).collect();
    lines.push(String::new());
    lines.extend(
        [
            "!  the verdict is a problem      #  it does not work",
            "x  closed; r removes it          ~  does not match any more",
            "?  not known                     -  does not apply",
        ]
        .map(str::to_owned),
    );
    lines
}

/// A page of text in a frame, scrolled to `top`.
fn draw_page(pen: &mut Pen<'_>, title: &str, lines: &[String], top: usize, area: Rect) {
    pen.clear(area);
    let heading = pen.theme.heading();
    pen.line(Rect { height: 1, ..area }, title, heading);
    let height = usize::from(area.height.saturating_sub(1));
    let top = top.min(lines.len().saturating_sub(height));
    for (text, y) in lines.iter().skip(top).zip(area.y + 1..area.bottom()) {
        let row = Rect::new(area.x + 2, y, area.width.saturating_sub(2), 1);
        pen.line(row, text, Style::new());
    }
}

fn draw_menu(state: &State, pen: &mut Pen<'_>, menu: &Menu, area: Rect) {
    let widest = menu.items.iter().map(|item| item.label.width() + 6).max().unwrap_or(0);
    let width = widest.max(menu.title().width() + 4).min(usize::from(area.width));
    let height = (menu.items.len() + 1).min(usize::from(area.height));
    let (width, height) = (width as u16, height as u16);
    let frame = Rect::new(area.right() - width, area.y, width, height);
    pen.clear(frame);
    pen.line(Rect { height: 1, ..frame }, &format!(" {}", menu.title()), state.theme.heading());
    let rows = usize::from(height.saturating_sub(1));
    let first = menu.at.saturating_sub(rows.saturating_sub(1));
    let items = menu.items.iter().enumerate().skip(first);
    for ((at, item), y) in items.zip(frame.y + 1..frame.bottom()) {
        let mark = if item.is_on { "*" } else { " " };
        let row = Rect::new(frame.x, y, frame.width, 1);
        let style = if at == menu.at { state.theme.selected() } else { Style::new() };
        pen.line(row, &format!(" {mark} {}", item.label), style);
        pen.style(row, style);
    }
}
