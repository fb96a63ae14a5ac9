//! What cannot be understood is refused: exit code 2, nothing on standard output, and on standard
//! error what is wrong, where, and what was perhaps meant.

use anyhow::{Result, ensure};

use crate::Case;
use crate::program::{finish, run};
use crate::scene::each;

pub(crate) const TESTS: &[Case] = &[
    Case("wrong_flags_are_refused", &[], || refused(FLAGS)),
    Case("broken_filters_are_refused_with_the_place", &[], || refused_with_place(FILTERS, &[])),
    Case("events_refuse_the_same_filters", &[], || refused_with_place(FILTERS, &["events"])),
    Case("closed_refuses_the_same_filters", &[], || refused_with_place(FILTERS, &["--closed"])),
    Case("why_refuses_the_same_filters", &[], || {
        refused_with_place(FILTERS, &["why", "--for", "0.1"])
    }),
    Case("flags_of_the_present_are_refused_for_the_past", &[], || refused(PAST)),
    Case("unknown_fields_are_refused_with_the_nearest", &[], || refused(FIELDS)),
    Case("times_that_are_none_are_refused", &[], || refused(TIMES)),
    Case("calls_that_are_none_are_refused_with_the_place", &[], || refused(CALLS)),
    Case("escape_sequences_in_arguments_are_not_echoed", &[], not_echoed),
    Case("very_long_arguments_are_refused_briefly", &[], long_arguments),
    Case("many_arguments_are_no_crash", &[], many_arguments),
    Case("arguments_that_are_no_text_are_refused", &[], no_text),
    Case("keys_of_pairs_that_are_none_are_refused", &[], pair_keys),
];

/// A command line, and the expected parts of the message.
type Refusal = (&'static [&'static str], &'static [&'static str]);

const FLAGS: &[Refusal] = &[
    (&["--bogus"], &["--bogus"]),
    (&["-X"], &["-X"]),
    (&["--listning"], &["--listning", "--listening"]),
    (&["-o", "xml"], &["xml", "jsonl"]),
    (&["-oxml"], &["xml", "jsonl"]),
    (&["--output"], &["--output"]),
    (&["--limit", "3", "fields"], &["--limit"]),
    (&["-l", "events"], &["-l"]),
    (&["300.1.1.1"], &["300.1.1.1", "address"]),
    (&["10.0.0.0/33"], &["10.0.0.0/33", "address"]),
    (&["evnts"], &["evnts", "conns events"]),
    (&["watch"], &["watch", "conns top"]),
    (&["--source", "magic"], &["magic", "portable"]),
    (&["--color", "pink"], &["pink", "never"]),
    (&["--limit", "many"], &["many", "--limit"]),
    (&["--limit=-1"], &["-1", "--limit"]),
    (&["why", "-o", "csv"], &["csv", "jsonl"]),
    (&["--explain", "-o", "csv"], &["--explain", "csv", "json"]),
    (&["--explain", "--group-by", "process"], &["--explain", "--group-by"]),
    (&["why", "--explain"], &["--explain", "text", "json"]),
    (&["fields", "-o", "csv"], &["csv", "markdown"]),
    (&["completions", "tcsh"], &["tcsh", "bash"]),
    (&["completions"], &["<SHELL>"]),
    (&["man", "page"], &["page"]),
    (&["call"], &["<CALL>"]),
    (&["--closed", "-l"], &["--closed", "--listening"]),
    (&["--closed", "--watch"], &["--closed", "--watch"]),
    (&["--for", "5s"], &["--closed"]),
    (&["events", "-l"], &["-l"]),
    (&["events", "-u"], &["only TCP"]),
    (&["--closed", "-u"], &["only TCP"]),
    (&["events", "-o", "json"], &["json", "jsonl"]),
    (&["events", "--columns", "pid"], &["--columns", "jsonl"]),
    (&["events", "-o", "jsonl", "--columns", "pidd"], &["`pidd`", "`pid`"]),
    (&["abilities", "-o", "text"], &["text", "json"]),
];

const PAST: &[Refusal] = &[
    (&["--closed", "--at", "now"], &["--closed", "--from and --to"]),
    (&["--closed", "--from", "now", "--for", "5s"], &["--from", "--for"]),
    (&["--closed", "--from", "now", "--source", "kernel"], &["--from", "--source"]),
    (&["--closed", "--to", "now"], &["--from"]),
    (&["--closed", "--from", "5m ago", "--to", "10m ago"], &["is after"]),
    (&["--from", "5m ago"], &["--closed"]),
    (&["--at", "now", "--watch"], &["--at", "--watch"]),
    (&["--at", "now", "--source", "kernel"], &["--at", "--source"]),
    (&["--at", "now", "--until", "0"], &["--at", "--until"]),
    (&["--at", "now", "--read", "x"], &["--at", "--read"]),
    (&["--at", "now", "-x"], &["TCP and UDP only"]),
    (&["--history", "x"], &["--history", "--at TIME"]),
    (&["--closed", "--history", "x"], &["--history", "--from TIME"]),
    (&["why", "--at", "now", "--for", "1s"], &["--at", "--for"]),
    (&["why", "--from", "now", "--for", "1s"], &["--from", "--for"]),
    (&["why", "--history", "x"], &["--history", "--at TIME, or --from and --to"]),
    (&["streams", "--at", "now", "--for", "1s"], &["--at", "--for"]),
    (&["streams", "--history", "x"], &["--history", "--at TIME"]),
    (&["events", "--history", "x"], &["--history", "--since TIME"]),
    (&["events", "--at", "now"], &["--at", "present only", "--since and --to"]),
    (&["--at", "now", "abilities"], &["--at", "present only", "conns streams"]),
];

/// A filter, the part under which the carets stand, and what else is stderr.
type BadFilter = (&'static str, &'static str, &'static str);

const FILTERS: &[BadFilter] = &[
    ("proces == nginx", "proces", "did you mean `process`?"),
    ("rtt > 50", "50", "ms"),
    ("rtt > 50 parsecs", "50", "ms"),
    ("rtt => 50ms", ">", "value"),
    ("state == ESTABLISHD", "ESTABLISHD", "established"),
    ("local_port == htpts", "htpts", "https"),
    ("pid >", "", "the end"),
    ("(pid == 1", "", "the end"),
    ("pid == 1)", ")", "expected"),
    ("pid == 1 and", "", "the end"),
    ("process ~ \"(\"", "\"(\"", "process"),
    ("process == \"nginx", "\"nginx", "quote"),
    ("remote in 10.0.0.0/99", "10.0.0.0/99", "remote"),
    ("rate_out > 5Mb/s", "5Mb/s", "M"),
];

const FIELDS: &[Refusal] = &[
    (&["--columns", "pidd"], &["`pidd`", "`pid`"]),
    (&["--columns", "+proces"], &["`proces`", "`process`"]),
    (&["--columns", "pid,,rtt"], &["column name missing"]),
    (&["--columns", "-pid,-zzzzzzzzz"], &["`zzzzzzzzz`", "conns fields"]),
    (&["--columns", "-all"], &["leaves no columns"]),
    (&["--columns="], &["column name missing"]),
    (&["--columns", "+snapshot"], &["--columns +snapshot", "csv"]),
    (&["--columns", "pid,snapshot", "-o", "json"], &["beside the connections"]),
    (&["--closed", "--columns", "pid,snapshot", "-o", "csv"], &["`closed_at`"]),
    (&["--columns", "snapshot", "-o", "csv"], &["leaves no columns"]),
    (&["--sort", "rttt"], &["`rttt`", "`rtt`"]),
    (&["--sort", "rtt,"], &["sort field missing"]),
    (&["--sort", "-"], &["sort field missing"]),
    (&["--group-by", "proces"], &["`proces`", "`process`"]),
    (&["--group-by", ""], &["unknown field"]),
    (&["--group-by", "process", "--columns", "verdict"], &["`verdict`", "`verdicts`", "process"]),
    (&["--group-by", "process", "--columns", "pid"], &["`pid`", "connections, bytes_out"]),
    (&["--group-by", "process", "--columns", "process,,loss"], &["column name missing"]),
];

const TIMES: &[Refusal] = &[
    (&["--watch", "0"], &["--watch", "0"]),
    (&["--watch=-1"], &["--watch", "-1"]),
    (&["--watch", "1x"], &["--watch", "1x", "5s"]),
    (&["--watch=25h"], &["--watch", "25h", "day"]),
    (&["--watch=1e300"], &["--watch", "1e300"]),
    (&["why", "--for", "0s"], &["--for", "0s"]),
    (&["why", "--for=-5s"], &["--for", "-5s"]),
    (&["why", "--for", "soon"], &["--for", "soon", "500ms"]),
    (&["why", "--for", "nan"], &["--for", "nan"]),
    (&["why", "--for", "inf"], &["--for", "inf"]),
    (&["why", "--for", "25h"], &["--for", "25h", "day"]),
    (&["why", "--for", ""], &["--for"]),
    (&["--closed", "--for", "0"], &["--for", "0"]),
    (&["events", "--for", "25h"], &["--for", "25h", "day"]),
];

const CALLS: &[Refusal] = &[
    (
        &["call", "Network.GetConnection"],
        &["`GetConnection`", "`GetConnections`", "column 9", "^^^"],
    ),
    (&["call", "Netwrk.GetConnections"], &["`Netwrk`", "`Network`", "^^^"]),
    (&["call", "network.getconnections"], &["`network`", "`Network`"]),
    (&["call", "GetConnections"], &["without its module", "Network.GetConnections();"]),
    (&["call", "Network.GetConnections(5)"], &["takes no arguments", "`5`", "column 24"]),
    (&["call", "Network.GetConnections(); Network.GetConnections();"], &["column", "^"]),
    (&["call", "Network"], &["the end"]),
    (&["call", ""], &["Network.GetConnections();"]),
    (&["call", "Network.GetConnections", "-o", "text"], &["text", "csv"]),
];

fn refused(cases: &[Refusal]) -> Result<()> {
    each(cases, |(words, expected)| run(words)?.refused(expected))
}

fn refused_with_place(cases: &[BadFilter], before: &[&str]) -> Result<()> {
    each(cases, |(filter, place, expected)| {
        let ran = run(&[before, &[filter]].concat())?;
        ran.refused(&[expected, "column"])?;
        // The last two lines are the filter and carets under the place.
        let lines: Vec<&str> = ran.err.lines().collect();
        let [.., shown, carets] = &*lines else { anyhow::bail!("{filter}: only {lines:?}") };
        ensure!(shown.trim() == *filter, "{filter}: shown as {shown:?}");
        let (from, to) = (carets.find('^'), carets.rfind('^'));
        let (Some(from), Some(to)) = (from, to) else {
            anyhow::bail!("{filter}: no carets in {carets:?}")
        };
        let under = shown.get(from..=to).unwrap_or_default();
        ensure!(
            under == *place || (place.is_empty() && from >= shown.len()),
            "{filter}: carets under {under:?}, not {place:?}"
        );
        Ok(())
    })
}

/// What reaches a terminal of what the user typed (or pasted) has no control characters.
fn not_echoed() -> Result<()> {
    let evil = "\u{1b}[31mred\u{7}";
    let (comparison, watch) = (format!("{evil} == 1"), format!("--watch={evil}"));
    let cases = [
        &[evil][..],
        &["pid", "==", evil],
        &[&comparison],
        &["--columns", evil],
        &["--sort", evil],
        &["--group-by", evil],
        &["--netns", evil],
        &[&watch],
        &["why", "--for", evil],
        &["call", evil],
        &["--output", evil],
        &["completions", evil],
    ];
    each(cases, |words| {
        let ran = run(words)?;
        // The bare word is a filter like any other and finds nothing.
        ensure!(ran.code == Some(2) || words == &[evil][..], "{words:?}: exit code {:?}", ran.code);
        let raw = ran.err.chars().find(|c| c.is_control() && *c != '\n');
        ensure!(raw.is_none(), "{words:?}: standard error has {raw:?}: {:?}", ran.err);
        Ok(())
    })
}

/// The longest argument Linux takes is 128 KiB with its end.
const LONG: usize = 128 * 1024 - 200;
/// More than this of an answer to a mistake is no help.
const BRIEF_BYTES: usize = 4 * 1024;

fn long_arguments() -> Result<()> {
    let word = "a".repeat(LONG);
    let deep = "(".repeat(LONG);
    let not = "not ".repeat(LONG / 4);
    let watch = format!("1{word}");
    let cases = [
        &[&*word][..],
        &[&deep],
        &[&not],
        &["--columns", &word],
        &["--sort", &word],
        &["--group-by", &word],
        &["--netns", &word],
        &["call", &word],
        &["why", "--for", &word],
        &["--watch", &watch],
    ];
    each(cases, |words| {
        let ran = run(words)?;
        ran.refused(&[])?;
        ensure!(!ran.err.is_empty(), "no message about {:.20} …", words.join(" "));
        ensure!(
            ran.err.len() <= BRIEF_BYTES,
            "{} bytes of messages about {:.20} …",
            ran.err.len(),
            words.join(" ")
        );
        Ok(())
    })
}

fn many_arguments() -> Result<()> {
    let many = vec!["or"; 20_000];
    run(&many)?.refused(&[])?;
    // As many columns as one likes: a field is shown once.
    let columns = vec!["pid"; 20_000].join(",");
    run(&["--columns", &columns, "pid", "==", "0", "-o", "csv"])?.code(0)?;
    Ok(())
}

fn pair_keys() -> Result<()> {
    for (file, expected) in [
        ("/nonexistent/key", "No such file"),
        ("/dev/null", "32 hexadecimal"),
        ("/dev/zero", "longer"),
    ] {
        let mut command = crate::program::conns(["-l"]);
        finish(command.env("CONNS_PAIR_KEY", file))?.refused(&[file, expected])?;
        let mut command =
            crate::program::conns(["serve", "--pair-key", file, "--listen", "http=127.0.0.1:0"]);
        finish(&mut command)?.refused(&[file, expected])?;
    }
    Ok(())
}

fn no_text() -> Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let bytes = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    for before in [&[][..], &["--columns"], &["--netns"], &["call"]] {
        let mut command = crate::program::conns(before);
        finish(command.arg(bytes))?.refused(&[])?;
    }
    Ok(())
}
