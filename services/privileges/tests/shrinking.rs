//! Shrinking, each time in a process of its own: this program, started again, gives up what it has
//! and then shows that it is gone and that everything the agent does still works.
//!
//! A test that needs what this machine lacks is listed as ignored, by name; none passes silently.

#[cfg(target_os = "linux")]
#[path = "shrinking/denied.rs"]
mod denied;
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
#[path = "shrinking/stage.rs"]
mod stage;
#[cfg(target_os = "linux")]
#[path = "shrinking/unit.rs"]
mod unit;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    stage::main(&[denied::TESTS, kept::TESTS, landlock::TESTS, programs::TESTS, unit::TESTS])
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("these tests are for Linux: none was run");
}
