//! Verdicts as sentences, for `conns why`: a summary, then each connection.

use std::io::{self, Write};

use conns_api::{is_problem, printable};
use conns_core::media::{PublishedStream, StreamState};
use conns_core::model::{Class, Connection};
use conns_core::query::find_field;

use crate::names::Names;
use crate::palette::Palette;
use crate::table::Layout;
use crate::text::field_text;

/// Writes how many connections have which verdict, problems first: `3 problems (2 path-loss, 1 stalled), 12 healthy, 400 idle`. `hidden`
/// of the idle ones are not written after it.
///
/// # Errors
/// If writing fails.
pub fn verdict_summary(
    out: &mut impl Write,
    palette: Palette,
    connections: &[&Connection],
    hidden: usize,
) -> io::Result<()> {
    let counted = |classes: &[Class]| -> Vec<String> {
        let count =
            |class: &Class| connections.iter().filter(|c| c.verdict.class == *class).count();
        let counts =
            classes.iter().map(|class| (class, count(class))).filter(|(_, count)| *count > 0);
        counts.map(|(class, count)| format!("{count} {}", class.name())).collect()
    };
    let (problems, others): (Vec<Class>, Vec<Class>) =
        Class::ALL.into_iter().partition(|class| is_problem(*class));
    let all = connections.iter().filter(|c| is_problem(c.verdict.class)).count();
    let first = match all {
        0 => "no problems".to_owned(),
        1 => format!("1 problem ({})", counted(&problems).join(", ")),
        _ => format!("{all} problems ({})", counted(&problems).join(", ")),
    };
    let rest = counted(&others).into_iter().map(|count| format!(", {count}")).collect::<String>();
    let bold = palette.header();
    write!(out, "{bold}{first}{rest}{bold:#}")?;
    if hidden > 0 {
        let faint = palette.faint();
        write!(out, " {faint}(idle ones with -a){faint:#}")?;
    }
    writeln!(out)
}

/// Writes for each connection its process and ends, the class of the verdict, the explanation and the advice.
///
/// # Errors
/// If writing fails.
pub fn verdicts(
    out: &mut impl Write,
    layout: Layout,
    connections: &[&Connection],
    streams: &[PublishedStream<'_>],
    names: &Names,
) -> io::Result<()> {
    let palette = layout.palette;
    for connection in connections {
        let verdict = &connection.verdict;
        let (bold, style, faint) =
            (palette.header(), palette.verdict(verdict.class), palette.faint());
        let text = |name: &str| {
            find_field(name).map(|field| field_text(field, connection, names)).unwrap_or_default()
        };
        let arrow = match connection.direction.get() {
            Some(conns_core::model::Direction::Inbound) => "<-",
            Some(conns_core::model::Direction::Outbound) => "->",
            None => "--",
        };
        write!(
            out,
            "{bold}{}[{}] {} {}",
            text("process"),
            text("pid"),
            text("proto"),
            text("local")
        )?;
        if connection.socket.remote.is_some() {
            write!(out, " {arrow} {}", text("remote"))?;
        }
        if !connection.is_established() {
            write!(out, " {}", text("state"))?;
        }
        if !connection.socket.netns.is_own {
            write!(out, " in {}", text("netns"))?;
        }
        writeln!(out, "{bold:#}")?;
        let class = verdict.class.name();
        let sure = match verdict.confidence_percent {
            0 => String::new(),
            percent => format!(" ({percent}% sure)"),
        };
        let sentence =
            wrapped(layout, &format!("{class}{sure}: {}", verdict.why(&connection.socket)));
        // Styles have no width, so they are added after the lines were broken.
        let styled = format!("{style}{class}{style:#}{faint}{sure}{faint:#}");
        writeln!(out, "{}", sentence.replacen(&format!("{class}{sure}"), &styled, 1))?;
        write_streams(out, layout, connection, streams)?;
        let advice = verdict.advice(&connection.socket);
        if !advice.is_empty() {
            let advice = wrapped(layout, &format!("-> {advice}"));
            writeln!(out, "{}", advice.replacen("->", &format!("{faint}->{faint:#}"), 1))?;
        }
    }
    Ok(())
}

/// The text, indented, in lines of the terminal that are broken between words.
fn wrapped(layout: Layout, text: &str) -> String {
    /// Narrower terminals break the lines themselves.
    const MIN_WIDTH: usize = 40;
    match layout.width {
        Some(width) if width >= MIN_WIDTH => {
            let options = textwrap::Options::new(width);
            textwrap::fill(text, options.initial_indent("  ").subsequent_indent("    "))
        }
        _ => format!("  {text}"),
    }
}

/// The streams that a connection carries and how they go, with the connection that slows them.
fn write_streams(
    out: &mut impl Write,
    layout: Layout,
    connection: &Connection,
    streams: &[PublishedStream<'_>],
) -> io::Result<()> {
    let faint = layout.palette.faint();
    for stream in streams {
        let ends = stream.publishers.iter().chain(&stream.players);
        for end in ends.filter(|end| std::ptr::eq(end.connection, connection)) {
            let name = printable(stream.name.into());
            let mut text = format!("stream {name}: {}", end.state.why());
            if let StreamState::StarvedByPublisher { .. } = end.state
                && let Some(publisher) = stream.publishers.first()
            {
                let other = publisher.connection;
                let remote = other.remote().map(|end| format!(" <- {end}")).unwrap_or_default();
                text.push_str(&format!(" Publisher: {}{remote}.", other.local()));
            }
            let text = wrapped(layout, &text);
            writeln!(out, "{}", text.replacen("stream", &format!("{faint}stream{faint:#}"), 1))?;
        }
    }
    Ok(())
}
