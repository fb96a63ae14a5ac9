//! Panics while it has the terminal. `tests/panic.rs` runs it on a terminal of its own.

#![allow(clippy::unwrap_used, clippy::panic, reason = "panics are what it is for")]

use conns_tui::Taken;

fn main() {
    let _taken = Taken::take(true).unwrap();
    std::thread::spawn(|| panic!("a fault in a thread of the screen")).join().unwrap_err();
    assert!(Taken::has_panicked());
    panic!("a fault of the screen");
}
