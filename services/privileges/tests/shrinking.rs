//! Dropping privileges. Each test runs in a process of its own: this program executes itself, drops
//! its privileges, and asserts that they are absent and that the agent's operations work.
//!
//! A test whose requirements this machine lacks is listed as ignored, by name.

#[cfg(target_os = "linux")]
#[path = "shrinking/denied.rs"]
mod denied;
#[cfg(target_os = "linux")]
#[path = "shrinking/harness.rs"]
mod harness;
#[cfg(target_os = "linux")]
#[path = "shrinking/kept.rs"]
mod kept;
#[cfg(target_os = "linux")]
#[path = "shrinking/landlock.rs"]
mod landlock;
#[cfg(target_os = "linux")]
#[path = "shrinking/programs.rs"]
mod programs;
#[cfg(target_os = "linux")]
#[path = "shrinking/serving_process.rs"]
mod serving_process;
#[cfg(target_os = "linux")]
#[path = "shrinking/unit.rs"]
mod unit;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    harness::main(&[
        denied::TESTS,
        kept::TESTS,
        landlock::TESTS,
        programs::TESTS,
        serving_process::TESTS,
        unit::TESTS,
    ])
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("these tests are for Linux: none was run");
}
