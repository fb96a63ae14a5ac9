//! `conns top` on a real terminal: a pseudo-terminal whose other side is a terminal emulator, and sockets
//! that the test opens.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "top/screen.rs"]
mod screen;

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use screen::Screen;

const CONNS: &str = env!("CARGO_BIN_EXE_conns");

/// Connections of this process to its own listener; both ends of each are rows.
struct Sockets {
    listener: TcpListener,
    held: Vec<(TcpStream, TcpStream)>,
}

impl Sockets {
    fn open(count: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut sockets = Self { listener, held: Vec::new() };
        (0..count).for_each(|_| sockets.add());
        sockets
    }

    fn add(&mut self) {
        let client = TcpStream::connect(self.listener.local_addr().unwrap()).unwrap();
        self.held.push((client, self.listener.accept().unwrap().0));
    }

    fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    /// The accepted ends, and no sockets of others, which may have the same port in another namespace.
    fn filter(&self) -> String {
        format!("local_port == {} and pid == {}", self.port(), std::process::id())
    }

    /// The words of a command that shows them.
    fn top(&self) -> Vec<String> {
        vec!["top".into(), self.filter(), "--source=kernel".into()]
    }

    fn clients(&self) -> Vec<String> {
        self.held.iter().map(|(client, _)| client.local_addr().unwrap().to_string()).collect()
    }
}

/// An agent on a port of its own; ended when it is dropped.
struct Agent(Child, u16);

impl Agent {
    fn start(port: u16) -> Self {
        let mut command = Command::new(CONNS);
        command.args(["serve", "--source=kernel", "--config=/dev/null", "--interval=200ms"]);
        command.arg(format!("--listen=http=127.0.0.1:{port}"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut port = port;
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        for line in lines.by_ref() {
            let line = line.expect("the agent has ended");
            if let Some(place) = line.strip_prefix("conns: http on http://127.0.0.1:") {
                port = place.parse().unwrap();
            }
            if line == "conns: ready" {
                break;
            }
        }
        // A log that is not read would fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self(child, port)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn it_lists_follows_and_is_left() {
    let mut sockets = Sockets::open(3);
    let mut screen = Screen::start(&sockets.top(), (120, 24), &[]);
    screen.wait("three rows", |text| sockets.clients().iter().all(|end| text.contains(end)));
    screen.wait("the process", |text| text.contains("3 connections"));
    sockets.add();
    screen.wait("the new one", |text| text.contains("4 connections"));
    let closed = sockets.clients()[0].clone();
    drop(sockets.held.remove(0));
    screen.wait("the closed one", |text| {
        text.lines().any(|line| line.starts_with('x') && line.contains(&closed))
    });
    screen.press("r");
    screen.wait("a list without it", |text| !text.contains(&closed));
    // Narrower, to one connection.
    let last = sockets.held[2].0.local_addr().unwrap().port();
    screen.press(&format!("/ and remote_port == {last}\r"));
    screen.wait("one row", |text| text.contains("1 connection  out"));
    screen.press("\r");
    screen.wait("why", |text| text.contains("Since the screen opened"));
    screen.press("\u{1b}");
    screen.wait("the list again", |text| text.contains("1 connection  out"));
    screen.press("q");
    assert_eq!(screen.end(), 0);
    screen.assert_given_back();
}

#[test]
fn it_takes_every_size_down_to_40_by_10() {
    let sockets = Sockets::open(3);
    let mut screen = Screen::start(&sockets.top(), (200, 50), &[]);
    screen.wait("three rows", |text| text.contains("3 connections") && text.contains("VERDICT"));
    for (width, height) in [(100, 30), (60, 15), (40, 10), (80, 24)] {
        screen.resize(width, height);
        let status = usize::from(height) - 1;
        let text = screen.wait("a screen of this size", |text| {
            let lines: Vec<&str> = text.lines().collect();
            lines.get(status).is_some_and(|line| line.contains(" old"))
                && lines.iter().any(|line| line.contains("REMOTE"))
        });
        for end in sockets.clients() {
            let port = end.rsplit_once(':').unwrap().1;
            assert!(text.contains(&format!(":{port}")), "{width}x{height}:\n{text}");
        }
    }
    screen.resize(39, 9);
    screen.wait("why not", |text| text.contains("39x9 is too small"));
    screen.resize(80, 24);
    screen.wait("the list again", |text| text.contains("3 connections"));
}

#[test]
fn colours_are_those_that_are_wanted() {
    let sockets = Sockets::open(1);
    for (variables, flags, is_coloured) in [
        (&[][..], &[][..], true),
        (&[("NO_COLOR", "1")], &[], false),
        (&[], &["--color=never"], false),
    ] {
        let mut words = sockets.top();
        words.extend(flags.iter().map(|flag| (*flag).to_owned()));
        let mut screen = Screen::start(&words, (100, 24), variables);
        screen.wait("a row", |text| text.contains("1 connection  out"));
        assert_eq!(screen.has_colours(), is_coloured, "{variables:?} {flags:?}");
    }
    let mut words = sockets.top();
    words.push("--ascii".to_owned());
    let mut screen = Screen::start(&words, (60, 24), &[]);
    let text = screen.wait("a row", |text| text.contains("1 connection  out"));
    assert!(text.is_ascii(), "{text}");
}

#[test]
fn a_signal_that_ends_it_gives_the_terminal_back() {
    let sockets = Sockets::open(1);
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let mut screen = Screen::start(&sockets.top(), (100, 24), &[]);
        screen.wait("a row", |text| text.contains("1 connection  out"));
        assert!(screen.is_taken());
        kill_process(Pid::from_raw(screen.pid()).unwrap(), signal).unwrap();
        screen.end();
        screen.assert_given_back();
    }
}

#[test]
fn it_stops_and_goes_on() {
    let sockets = Sockets::open(1);
    let mut screen = Screen::start(&sockets.top(), (100, 24), &[]);
    screen.wait("a row", |text| text.contains("1 connection  out"));
    let pid = Pid::from_raw(screen.pid()).unwrap();
    for how in ["the signal", "the key"] {
        match how {
            "the signal" => kill_process(pid, Signal::TSTP).unwrap(),
            _ => screen.press("\u{1a}"),
        }
        screen.wait_until("it has stopped", |_| state_of(pid) == 'T');
        screen.assert_given_back();
        kill_process(pid, Signal::CONT).unwrap();
        screen.wait("the screen again", |text| text.contains("1 connection  out"));
        screen.wait_until("the terminal is taken again", Screen::is_taken);
    }
}

/// The state of a process, the letter of `ps` (proc_pid_stat(5)).
fn state_of(pid: Pid) -> char {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap();
    stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next()).unwrap()
}

#[test]
fn a_lost_agent_is_loud_and_the_screen_resumes() {
    let mut sockets = Sockets::open(2);
    let agent = Agent::start(0);
    let port = agent.1;
    let url = format!("--agent=http://127.0.0.1:{port}");
    let words = ["top".to_owned(), sockets.filter(), url];
    let mut screen = Screen::start(&words, (140, 24), &[]);
    screen.wait("two rows", |text| text.contains("2 connections"));
    drop(agent);
    screen.wait("the loss", |text| text.contains("NO ANSWER from http://127.0.0.1"));
    assert!(screen.text().contains("2 connections"), "what was known stays");
    sockets.add();
    let _again = Agent::start(port);
    screen.wait("the new agent", |text| {
        !text.contains("NO ANSWER") && text.contains("3 connections")
    });
}

#[test]
fn an_agent_that_never_answered_is_an_error() {
    let mut screen =
        Screen::start(&["top".into(), "--agent=http://127.0.0.1:1".into()], (80, 24), &[]);
    assert_eq!(screen.end(), 1);
    assert!(screen.text().contains("127.0.0.1:1"), "{}", screen.text());
    screen.assert_given_back();
}

#[test]
fn a_name_is_no_command_to_the_terminal() {
    let sockets = Sockets::open(1);
    // Copies to the clipboard, if a terminal receives it (OSC 52). The name of the process is its first thread's.
    let name = b"\x1b]52;c;Zm9v\x07";
    std::fs::write(format!("/proc/{}/comm", std::process::id()), name).unwrap();
    let mut screen = Screen::start(&sockets.top(), (120, 24), &[]);
    screen.wait("the name", |text| text.contains("\\u{1b}]"));
    for keys in ["\r", "\u{1b}", "2", "l", "1", "y", "\u{1b}"] {
        screen.press(keys);
    }
    screen.press("q");
    screen.end();
    let written = screen.written();
    let harmful = written.windows(name.len()).any(|part| part == name);
    assert!(!harmful && !written.windows(4).any(|part| part == b"\x1b]52"));
}

#[test]
fn a_row_goes_to_the_clipboard_of_the_terminal() {
    let sockets = Sockets::open(1);
    let mut screen = Screen::start(&sockets.top(), (120, 24), &[]);
    screen.wait("a row", |text| text.contains("1 connection  out"));
    screen.press("yj\r");
    let end = &sockets.clients()[0];
    screen.wait("what was copied", |text| text.contains(&format!("copied: {end}")));
    assert_eq!(screen.copied(), end.as_bytes());
}

#[test]
fn what_is_wrong_with_the_configuration_is_named() {
    let sockets = Sockets::open(1);
    let folder = screen::folder();
    std::fs::create_dir(folder.join("conns")).unwrap();
    std::fs::write(folder.join("conns/top.toml"), "[keys]\nquit = \"x\"\nquti = \"z\"\n").unwrap();
    let config = [("XDG_CONFIG_HOME", folder.to_str().unwrap())];
    let mut screen = Screen::start(&sockets.top(), (120, 24), &config);
    screen.wait("the complaint", |text| text.contains("configuration is wrong"));
    screen.press("i");
    screen.wait("what is wrong", |text| text.contains("keys.quti: there is no such action"));
    screen.press("\u{1b}");
    // A filter with a name is kept for the next time.
    screen.wait("the list", |text| text.contains("1 connection  out"));
    screen.press("F\rmine\r");
    screen.wait("the name", |text| text.contains("kept as `mine`"));
    let kept = std::fs::read_to_string(folder.join("conns/filters.toml")).unwrap();
    assert_eq!(kept, format!("\"mine\" = \"{}\"\n", sockets.filter()));
    screen.press("x");
    assert_eq!(screen.end(), 0, "the key of the configuration leaves");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_is_shown_is_written_to_a_file() {
    let sockets = Sockets::open(2);
    let folder = screen::folder();
    let path = folder.join("shown.json");
    let mut screen = Screen::start(&sockets.top(), (120, 24), &[]);
    screen.wait("two rows", |text| text.contains("2 connections"));
    screen.press(&format!("e\r\u{15}{}\r", path.display()));
    screen.wait("that it is written", |text| text.contains("written to"));
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let rows = json["connections"].as_array().unwrap();
    let mut ends: Vec<&str> = rows.iter().map(|row| row["remote"].as_str().unwrap()).collect();
    let mut clients = sockets.clients();
    ends.sort_unstable();
    clients.sort_unstable();
    assert_eq!(ends, clients);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn without_a_terminal_it_is_an_error() {
    let output = Command::new(CONNS).arg("top").stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("needs a terminal") && errors.contains("--watch"), "{errors}");
}
