//! A process may call itself anything. Whatever it is, a terminal gets no control characters, and
//! machine-readable output has it exactly.

use std::fs;
use std::net::TcpListener;

use anyhow::{Context, Result, ensure};

use crate::Case;
use crate::owner::Owner;
use crate::program::Ran;
use crate::sandbox::Sandbox;
use crate::scene::same;

pub(crate) const TESTS: &[Case] = &[
    Case("hostile_names_do_not_reach_a_terminal_raw", &[], not_raw),
    Case("hostile_names_are_exact_in_json", &[], exact_in_json),
    Case("hostile_names_are_escaped_in_csv_as_in_tables", &[], escaped_in_csv),
    Case("hostile_names_can_be_filtered_and_grouped", &[], filtered),
    Case("a_very_long_command_line_is_listed", &[], long_command_line),
    Case("empty_arguments_are_listed", &[], odd_command_lines),
];

/// Red, bell, a comma, a quote, a new line, a control character of two bytes, and a byte that is no
/// text: 15 bytes, the most a name has.
const NAME: &[u8] = b"\x1b[31mE\x07,\"\nx\xc2\x9b\xff";
/// Sets the title of a terminal.
const ARGUMENT: &str = "\u{1b}]0;pwned\u{7}\r\n\t\u{202e}";

/// A listener held by a process of that name.
struct Hostile {
    sandbox: Sandbox,
    owner: Owner,
}

impl Hostile {
    fn new(arguments: &[&str]) -> Result<Self> {
        let sandbox = Sandbox::new()?;
        let listener: TcpListener = sandbox.listen("127.0.0.1:0")?;
        let owner = Owner::start(NAME, arguments, listener, None)?;
        Ok(Self { sandbox, owner })
    }
}

fn no_controls(ran: &Ran) -> Result<()> {
    let text = [ran.text()?, &ran.err].concat();
    let raw = text.char_indices().find(|(_, c)| c.is_control() && *c != '\n');
    ensure!(raw.is_none(), "{} writes {raw:?} in {text:?}", ran.shown);
    Ok(())
}

fn not_raw() -> Result<()> {
    let hostile = Hostile::new(&[ARGUMENT])?;
    let pid = hostile.owner.pid().to_string();
    for words in [
        &["-a"][..],
        &["-a", "-o", "wide"],
        &["-a", "--columns", "process,cmdline,exe,owners,pid"],
        &["-a", "--group-by", "process"],
        &["-a", "--group-by", "cmdline"],
        &["-a", "--group-by", "owners"],
        &["why", "-a", "--for", "0.1"],
    ] {
        let ran = hostile.sandbox.run(words, "")?;
        no_controls(ran.good()?)?;
        let is_grouped = words.contains(&"--group-by");
        ensure!(
            is_grouped || ran.text()?.contains(&pid),
            "{}: the process is not shown",
            ran.shown
        );
        let lines = ran.text()?.lines().count();
        ensure!(lines <= 3, "{}: {lines} lines of one socket: {:?}", ran.shown, ran.text()?);
    }
    let mut command =
        crate::program::conns(["call", "Network.GetListeningEndpoints", "-o", "table"]);
    command.args(hostile.sandbox.netns()?);
    let ran = hostile.sandbox.finish(&mut command)?;
    no_controls(ran.good()?)?;
    ensure!(ran.text()?.contains(&pid), "the call does not show the process");
    Ok(())
}

fn exact_in_json() -> Result<()> {
    let hostile = Hostile::new(&[ARGUMENT])?;
    let name = hostile.owner.name()?;
    ensure!(name.starts_with("\u{1b}[31mE"), "the process is called {name:?}");
    for words in [
        &["-a", "-o", "json"][..],
        &["-a", "-o", "jsonl"],
        &["why", "-a", "--for", "0.1", "-o", "json"],
    ] {
        let ran = hostile.sandbox.run(words, "")?;
        // RFC 8259 section 7 has these escaped; the newline stands between records.
        let raw = ran.good()?.text()?.chars().find(|c| *c < ' ' && *c != '\n');
        ensure!(raw.is_none(), "{} has {raw:?}", ran.shown);
        let json = ran.json()?;
        let record = [&json["connections"][0], &json["verdicts"][0], &json]
            .into_iter()
            .find(|record| record.get("process").is_some())
            .context("no process")?;
        same("the name", record["process"].as_str(), Some(&*name))?;
        same("the owner's name", record["owners"][0]["process"].as_str(), Some(&*name))?;
    }
    let records = hostile.sandbox.records(&["-a"], "")?;
    let line = records[0]["cmdline"].as_str().context("no command line")?;
    ensure!(line.ends_with(ARGUMENT), "the command line is {line:?}");
    Ok(())
}

fn escaped_in_csv() -> Result<()> {
    let hostile = Hostile::new(&[])?;
    let ran = hostile.sandbox.run(&["-a", "-o", "csv", "--columns", "pid,process,state"], "")?;
    let (_, rows) = ran.good()?.csv()?;
    let name = hostile.owner.name()?;
    let escape = |c: char| match c.is_control() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    let name: String = name.chars().map(escape).collect();
    let expected = [hostile.owner.pid().to_string(), name, "LISTEN".to_owned()];
    same("the rows", rows, vec![expected.to_vec()])?;
    ensure!(
        ran.text()?.contains("\"\""),
        "the quote in the name is not doubled: {:?}",
        ran.text()?
    );
    Ok(())
}

fn filtered() -> Result<()> {
    let hostile = Hostile::new(&[])?;
    let found = hostile.sandbox.records(&["-a"], "process contains \"31mE\"")?;
    same("found by name", found.len(), 1)?;
    let ran = hostile.sandbox.run(&["-a", "--group-by", "process", "-o", "jsonl"], "")?;
    let groups = ran.good()?.lines_of_json()?;
    same("the group", groups[0]["process"].as_str(), Some(&*hostile.owner.name()?))
}

/// As long as Linux allows one argument to be, nearly.
const LONG: usize = 120 * 1024;

fn long_command_line() -> Result<()> {
    let argument = "y".repeat(LONG);
    let hostile = Hostile::new(&[&argument, &argument])?;
    let kernel = fs::read(format!("/proc/{}/cmdline", hostile.owner.pid()))?;
    ensure!(kernel.len() > 2 * LONG, "the kernel returns only {} bytes", kernel.len());
    let records = hostile.sandbox.records(&["-a"], "")?;
    let line = records[0]["cmdline"].as_str().context("no command line")?;
    ensure!(line.contains(&argument[..1000]), "the command line is {:.100}", line);
    // Other columns do not suffer.
    same("the pid", &records[0]["pid"], &hostile.owner.pid().into())?;
    let ran = hostile.sandbox.run(&["-a", "-o", "wide"], "")?;
    same("lines", ran.good()?.text()?.lines().count(), 2)
}

fn odd_command_lines() -> Result<()> {
    let hostile = Hostile::new(&["", "two  blanks", ""])?;
    let records = hostile.sandbox.records(&["-a"], "")?;
    let line = records[0]["cmdline"].as_str().context("no command line")?;
    ensure!(line.contains("two  blanks"), "the command line is {line:?}");
    Ok(())
}
