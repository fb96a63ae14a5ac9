//! `conns` on a pseudo-terminal, and a terminal emulator that shows what it writes.

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use vt100::{Color, MouseProtocolMode, Parser};

/// Longer than anything takes on a machine that does something.
const LONG: Duration = Duration::from_secs(100);
/// How often a condition is checked while nothing is written.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// The program and its terminal; ended when it is dropped.
pub(crate) struct Screen {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    writer: Box<dyn Write + Send>,
    chunks: Receiver<Vec<u8>>,
    parser: Parser<Clipboard>,
    written: Vec<u8>,
}

/// What was copied to the clipboard, in base64.
#[derive(Default)]
struct Clipboard(Vec<u8>);

impl vt100::Callbacks for Clipboard {
    fn copy_to_clipboard(&mut self, _: &mut vt100::Screen, _: &[u8], data: &[u8]) {
        self.0 = data.to_vec();
    }
}

/// A new empty directory.
pub(crate) fn folder() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("conns-top-{}-{count}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir(&folder).unwrap();
    folder
}

impl Screen {
    /// Starts `conns` with these words and variables on a terminal of this size.
    pub(crate) fn start(words: &[String], (cols, rows): (u16, u16), env: &[(&str, &str)]) -> Self {
        let size = PtySize { rows, cols, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(super::CONNS);
        command.args(words);
        for name in ["NO_COLOR", "CONNS_AGENT", "CONNS_TOKEN", "CONNS_CONFIG", "LC_ALL", "LC_CTYPE"]
        {
            command.env_remove(name);
        }
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        // The user's own configuration is not read.
        command.env("XDG_CONFIG_HOME", "/nonexistent");
        env.iter().for_each(|(name, value)| command.env(name, value));
        let child = pair.slave.spawn_command(command).unwrap();
        let mut reader = pair.master.try_clone_reader().unwrap();
        let (sender, chunks) = channel();
        std::thread::spawn(move || {
            let mut chunk = vec![0; 64 * 1024];
            while let Ok(length @ 1..) = reader.read(&mut chunk) {
                if sender.send(chunk[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        let writer = pair.master.take_writer().unwrap();
        let parser =
            Parser::new_with_callbacks(non_zero(rows), non_zero(cols), 0, Clipboard::default());
        Self { child, master: pair.master, writer, chunks, parser, written: Vec::new() }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.process_id().unwrap().try_into().unwrap()
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.writer.write_all(keys.as_bytes()).unwrap();
        self.writer.flush().unwrap();
    }

    pub(crate) fn resize(&mut self, cols: u16, rows: u16) {
        self.parser.screen_mut().set_size(non_zero(rows), non_zero(cols));
        self.master.resize(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }).unwrap();
    }

    /// What the terminal shows.
    pub(crate) fn text(&self) -> String {
        self.parser.screen().contents()
    }

    /// Waits until the terminal shows something, and returns it.
    pub(crate) fn wait(&mut self, what: &str, shows: impl Fn(&str) -> bool) -> String {
        self.wait_until(what, |screen| shows(&screen.text()));
        self.text()
    }

    pub(crate) fn wait_until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let until = Instant::now() + LONG;
        while !holds(self) {
            assert!(Instant::now() < until, "no {what}:\n{}", self.text());
            match self.chunks.recv_timeout(CHECK_INTERVAL) {
                Ok(chunk) => self.take(&chunk),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    assert!(holds(self), "it ended before {what}:\n{}", self.text());
                }
            }
        }
    }

    fn take(&mut self, chunk: &[u8]) {
        self.parser.process(chunk);
        self.written.extend_from_slice(chunk);
    }

    /// Waits for its end; its exit code.
    pub(crate) fn end(&mut self) -> u32 {
        let until = Instant::now() + LONG;
        loop {
            while let Ok(chunk) = self.chunks.recv_timeout(CHECK_INTERVAL) {
                self.take(&chunk);
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                while let Ok(chunk) = self.chunks.try_recv() {
                    self.take(&chunk);
                }
                return status.exit_code();
            }
            assert!(Instant::now() < until, "it does not end:\n{}", self.text());
        }
    }

    /// Everything that was written to the terminal.
    pub(crate) fn written(&self) -> &[u8] {
        &self.written
    }

    /// What was copied to the clipboard.
    pub(crate) fn copied(&self) -> Vec<u8> {
        from_base64(&self.parser.callbacks().0)
    }

    /// Whether the screen has the terminal: its own page, keys at once, the mouse.
    pub(crate) fn is_taken(&self) -> bool {
        let screen = self.parser.screen();
        let is_raw = !self.has_line_editing();
        let has_mouse = screen.mouse_protocol_mode() != MouseProtocolMode::None;
        screen.alternate_screen() && screen.hide_cursor() && is_raw && has_mouse
    }

    /// Fails unless all of that is given back.
    pub(crate) fn assert_given_back(&mut self) {
        self.wait_until("the end of the page of its own", |it| {
            !it.parser.screen().alternate_screen()
        });
        let screen = self.parser.screen();
        assert!(!screen.hide_cursor(), "the cursor is hidden");
        assert_eq!(screen.mouse_protocol_mode(), MouseProtocolMode::None);
        assert!(self.has_line_editing(), "the terminal is raw");
    }

    /// Whether lines are edited by the terminal (termios(3), ICANON and ECHO).
    fn has_line_editing(&self) -> bool {
        const ICANON: u32 = 0o2;
        const ECHO: u32 = 0o10;
        let flags = self.master.get_termios().unwrap().local_flags.bits();
        flags & (ICANON | ECHO) == ICANON | ECHO
    }

    /// Whether any cell has a colour of its own.
    pub(crate) fn has_colours(&self) -> bool {
        let screen = self.parser.screen();
        let (rows, columns) = screen.size();
        let (rows, columns) = (rows.get(), columns.get());
        let cells = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        cells
            .filter_map(|(row, column)| screen.cell(row, column))
            .any(|cell| cell.fgcolor() != Color::Default || cell.bgcolor() != Color::Default)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn non_zero(size: u16) -> NonZeroU16 {
    NonZeroU16::new(size).unwrap()
}

/// RFC 4648, section 4.
fn from_base64(text: &[u8]) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.iter().filter_map(|letter| LETTERS.iter().position(|known| known == letter));
    let bits: Vec<usize> =
        digits.flat_map(|digit| (0..6).rev().map(move |bit| digit >> bit & 1)).collect();
    let byte = |bits: &[usize]| bits.iter().fold(0, |byte, bit| byte << 1 | *bit);
    bits.chunks_exact(8).map(|bits| u8::try_from(byte(bits)).unwrap()).collect()
}
