//! How a peer talks to the lab: one JSON object a line out, one word a line in, and the end of input ends the peer.

use std::io::{BufRead, Write};
use std::sync::{Condvar, Mutex, PoisonError};

use serde_json::Value;

/// Says one event.
pub(super) fn say(event: &Value) {
    let mut out = std::io::stdout().lock();
    // A lab that is gone needs no answer; the end of input ends this process.
    let _ = writeln!(out, "{event}");
    let _ = out.flush();
}

/// Words heard so far; any thread can wait for one.
#[derive(Debug)]
pub(super) struct Words {
    heard: Mutex<Vec<String>>,
    more: Condvar,
}

impl Words {
    pub(super) const fn new() -> Self {
        Self { heard: Mutex::new(Vec::new()), more: Condvar::new() }
    }

    /// Starts listening to standard input; the process exits when that ends.
    pub(super) fn listen(&'static self) {
        std::thread::spawn(move || {
            for word in std::io::stdin().lock().lines().map_while(Result::ok) {
                self.heard.lock().unwrap_or_else(PoisonError::into_inner).push(word);
                self.more.notify_all();
            }
            std::process::exit(0);
        });
    }

    /// Waits until the word was heard.
    pub(super) fn wait(&self, word: &str) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        while !heard.iter().any(|one| one == word) {
            heard = self.more.wait(heard).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The words told to this peer.
pub(super) static WORDS: Words = Words::new();

/// Stays until standard input closes.
pub(super) fn stay() -> ! {
    loop {
        std::thread::park();
    }
}
