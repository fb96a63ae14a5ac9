//! The protocol between a peer and the lab: one JSON object a line out, one word a line in; the end of input ends the peer.

use std::io::{BufRead, Write};
use std::sync::{Condvar, Mutex, PoisonError};

use serde_json::Value;

/// Writes one event.
pub(super) fn emit(event: &Value) {
    let mut out = std::io::stdout().lock();
    // Without a reader the end of input ends this process.
    let _ = writeln!(out, "{event}");
    let _ = out.flush();
}

/// The words received so far; any thread can wait for one.
#[derive(Debug)]
pub(super) struct Commands {
    received: Mutex<Vec<String>>,
    more: Condvar,
}

impl Commands {
    pub(super) const fn new() -> Self {
        Self { received: Mutex::new(Vec::new()), more: Condvar::new() }
    }

    /// Starts listening to standard input; the process exits when that ends.
    pub(super) fn listen(&'static self) {
        std::thread::spawn(move || {
            for word in std::io::stdin().lock().lines().map_while(Result::ok) {
                self.received.lock().unwrap_or_else(PoisonError::into_inner).push(word);
                self.more.notify_all();
            }
            std::process::exit(0);
        });
    }

    /// Waits until the word is received.
    pub(super) fn wait(&self, word: &str) {
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        while !received.iter().any(|one| one == word) {
            received = self.more.wait(received).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The words sent to this peer.
pub(super) static COMMANDS: Commands = Commands::new();

/// Blocks until standard input closes.
pub(super) fn park() -> ! {
    loop {
        std::thread::park();
    }
}
