//! A panic while the screen has the terminal gives the terminal back, and its message is seen.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::Read;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use vt100::{MouseProtocolMode, Parser};

const SIZE: (u16, u16) = (24, 80);

/// The program that panics, `examples/panics.rs`: cargo builds it with the tests, beside their folder.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().join("examples/panics")
}

#[test]
fn the_terminal_is_given_back() {
    let (rows, cols) = SIZE;
    let size = PtySize { rows, cols, pixel_width: 0, pixel_height: 0 };
    let pair = native_pty_system().openpty(size).unwrap();
    let mut command = CommandBuilder::new(program());
    // A long backtrace would scroll the message off the screen.
    command.env("RUST_BACKTRACE", "0");
    let mut child = pair.slave.spawn_command(command).unwrap();
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().unwrap();
    let mut written = Vec::new();
    let mut chunk = [0; 4096];
    // A terminal whose other end is closed reports EIO: the end.
    while let Ok(length @ 1..) = reader.read(&mut chunk) {
        written.extend_from_slice(&chunk[..length]);
    }
    assert!(!child.wait().unwrap().success());
    let non_zero = |size| NonZeroU16::new(size).unwrap();
    let mut parser = Parser::new(non_zero(rows), non_zero(cols), 100);
    let mut was_taken = false;
    for byte in written {
        parser.process(&[byte]);
        was_taken |= parser.screen().alternate_screen();
    }
    let screen = parser.screen();
    assert!(was_taken && !screen.alternate_screen() && !screen.hide_cursor());
    assert_eq!(screen.mouse_protocol_mode(), MouseProtocolMode::None);
    let text = screen.contents();
    assert!(text.contains("a fault of the screen"), "{text}");
    const ICANON: u32 = 0o2;
    let flags = pair.master.get_termios().unwrap().local_flags.bits();
    assert_eq!(flags & ICANON, ICANON, "the terminal is raw");
}
