//! Tests of the program: output, errors and exit codes. Its verdicts are tested in `lab/`.
//!
//! A test whose requirements are missing on this machine is listed as ignored, by name.
//! `CONNS_UPDATE_GOLDEN=1 cargo test -p conns --test cli golden` rewrites the golden files and docs/fields.md.

#[cfg(target_os = "linux")]
mod cli {
    pub(crate) mod abilities;
    pub(crate) mod bad_input;
    pub(crate) mod call;
    pub(crate) mod capture;
    pub(crate) mod choosing;
    pub(crate) mod closed;
    pub(crate) mod completions;
    pub(crate) mod degraded;
    pub(crate) mod events;
    pub(crate) mod follower;
    pub(crate) mod formats;
    pub(crate) mod golden;
    pub(crate) mod groups;
    pub(crate) mod history;
    pub(crate) mod hostile;
    pub(crate) mod link;
    pub(crate) mod namespaces;
    pub(crate) mod output_errors;
    pub(crate) mod owner;
    pub(crate) mod portable;
    pub(crate) mod privileges;
    pub(crate) mod program;
    pub(crate) mod requests;
    pub(crate) mod sandbox;
    pub(crate) mod scene;
    pub(crate) mod screen;
    pub(crate) mod terminal;
    pub(crate) mod watch;
}
#[cfg(target_os = "linux")]
pub(crate) use cli::*;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    use libtest_mimic::{Arguments, Trial, run};

    if owner::run_if_asked() {
        return std::process::ExitCode::SUCCESS;
    }
    let mut arguments = Arguments::from_args();
    // One at a time: between fork and exec a child has copies of all descriptors, and would be a
    // second owner of another test's sockets.
    arguments.test_threads = Some(1);
    let suites = [
        golden::TESTS,
        completions::TESTS,
        formats::TESTS,
        choosing::TESTS,
        groups::TESTS,
        history::TESTS,
        namespaces::TESTS,
        screen::TESTS,
        watch::TESTS,
        bad_input::TESTS,
        output_errors::TESTS,
        hostile::TESTS,
        link::TESTS,
        degraded::TESTS,
        privileges::TESTS,
        portable::TESTS,
        call::TESTS,
        capture::TESTS,
        events::TESTS,
        closed::TESTS,
        abilities::TESTS,
        requests::TESTS,
    ];
    // Root runs the tests of unprivileged users as another user instead.
    let unprivileged = |needs: &[Need]| needs.iter().any(|need| matches!(need, Need::Unprivileged));
    let cases = suites.into_iter().flatten();
    let cases = cases.filter(|Case(_, needs, _)| !(sandbox::is_root() && unprivileged(needs)));
    let trials = cases.map(|Case(name, needs, test)| {
        let missing: Vec<_> = needs.iter().filter_map(|need| need.missing()).collect();
        if !missing.is_empty() {
            eprintln!("{name} is ignored: {}", missing.join(", "));
        }
        Trial::test(*name, move || test().map_err(|error| format!("{error:#}").into()))
            .with_ignored_flag(!missing.is_empty())
    });
    run(&arguments, trials.collect()).exit_code()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("these tests are for Linux: none was run");
}

/// A test: its name, what it needs, and what it does.
#[cfg(target_os = "linux")]
pub(crate) struct Case(&'static str, &'static [Need], fn() -> anyhow::Result<()>);

/// A requirement of a test.
#[cfg(target_os = "linux")]
#[derive(Clone, Copy)]
pub(crate) enum Need {
    /// Root, and `ip` to make network namespaces.
    Root,
    /// An unprivileged user.
    Unprivileged,
    /// A program, and the Debian package it is in.
    Program(&'static str, &'static str),
    /// IPv6 on loopback.
    Ipv6,
}

#[cfg(target_os = "linux")]
impl Need {
    fn missing(self) -> Option<String> {
        let has = |program: &str| {
            let path = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
        };
        match self {
            Self::Root if !sandbox::is_root() => Some("it needs root".to_owned()),
            Self::Root if !has("ip") => Some("it needs `ip` (Debian: iproute2)".to_owned()),
            Self::Program(name, package) if !has(name) => {
                Some(format!("it needs `{name}` (Debian: {package})"))
            }
            Self::Ipv6 if std::net::UdpSocket::bind("[::1]:0").is_err() => {
                Some("it needs IPv6 on loopback".to_owned())
            }
            _ => None,
        }
    }
}
