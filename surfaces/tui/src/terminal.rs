//! The terminal: taken when the screen opens, and given back however it ends: left, stopped, killed by a
//! signal that can be handled, or by a panic.

use std::io::{self, Stdout, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::clipboard::CopyToClipboard;
use crossterm::event::{DisableMouseCapture, EnableMouseCapture};
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

/// Whether the terminal is taken, so that it is given back once.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);
/// Whether a thread has ended by a panic.
static HAS_PANICKED: AtomicBool = AtomicBool::new(false);

/// The terminal while the screen is open.
pub struct Taken {
    /// What is drawn on.
    pub terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Taken {
    /// Takes the terminal.
    ///
    /// # Errors
    /// If there is none.
    pub fn take(with_mouse: bool) -> io::Result<Self> {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // The message would be on the screen that goes away.
            give_back();
            HAS_PANICKED.store(true, Ordering::Relaxed);
            before(panic);
        }));
        enter(with_mouse)?;
        Ok(Self { terminal: Terminal::new(CrosstermBackend::new(io::stdout()))? })
    }

    /// Whether a thread has panicked.
    #[must_use]
    pub fn has_panicked() -> bool {
        HAS_PANICKED.load(Ordering::Relaxed)
    }

    /// Takes it again after it was given back, and draws everything anew.
    ///
    /// # Errors
    /// If there is none any more.
    pub fn retake(&mut self, with_mouse: bool) -> io::Result<()> {
        enter(with_mouse)?;
        execute!(io::stdout(), Clear(ClearType::All))?;
        // One that knows of nothing on the screen draws all of it.
        self.terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
        Ok(())
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        give_back();
    }
}

fn enter(with_mouse: bool) -> io::Result<()> {
    enable_raw_mode()?;
    IS_TAKEN.store(true, Ordering::Relaxed);
    execute!(io::stdout(), EnterAlternateScreen, cursor::Hide)?;
    set_mouse(with_mouse)
}

/// Gives the terminal back, unless it is given back already.
pub(crate) fn give_back() {
    if IS_TAKEN.swap(false, Ordering::Relaxed) {
        // A closed terminal needs nothing.
        let _ = execute!(io::stdout(), DisableMouseCapture, LeaveAlternateScreen, cursor::Show);
        let _ = disable_raw_mode();
    }
}

/// Takes the mouse, or gives it back to the terminal, which then selects text.
///
/// # Errors
/// If the terminal cannot be written.
pub(crate) fn set_mouse(is_taken: bool) -> io::Result<()> {
    match is_taken {
        true => execute!(io::stdout(), EnableMouseCapture),
        false => execute!(io::stdout(), DisableMouseCapture),
    }
}

/// Copies to the clipboard of the terminal (OSC 52), which works over ssh too.
///
/// # Errors
/// If the terminal cannot be written.
pub(crate) fn copy(text: &str) -> io::Result<()> {
    execute!(io::stdout(), CopyToClipboard::to_clipboard_from(text))?;
    io::stdout().flush()
}
