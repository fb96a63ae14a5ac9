//! A line that is typed: the filter, the name of one, the path of a file.

use conns_core::query::{Candidate, Completion, FilterError, complete};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tui_input::{Input, InputRequest};

use crate::format::Format;

/// What the line is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The filter; the one before is used again if it is given up.
    Filter { before: String },
    /// A name for the filter.
    Name,
    /// Where what is shown is written.
    Path(Format),
}

/// Completions that Tab goes through.
#[derive(Debug)]
pub(crate) struct Choice {
    /// The text before and after what is replaced.
    around: (String, String),
    pub(crate) candidates: Vec<Candidate>,
    /// The one that is in the line.
    pub(crate) at: Option<usize>,
}

/// The line.
#[derive(Debug)]
pub(crate) struct Prompt {
    pub(crate) purpose: Purpose,
    pub(crate) input: Input,
    pub(crate) error: Option<FilterError>,
    pub(crate) choice: Option<Choice>,
}

impl Prompt {
    pub(crate) fn new(purpose: Purpose, text: String) -> Self {
        Self { purpose, input: text.into(), error: None, choice: None }
    }

    /// Height on the screen: the line, the place of an error and its message.
    pub(crate) fn lines(&self, width: u16, height: u16) -> u16 {
        match (&self.error, &self.choice) {
            (_, Some(choice)) => {
                let rows = u16::try_from(choice.candidates.len()).unwrap_or(u16::MAX);
                (1 + rows).min(height / 2)
            }
            (Some(error), None) => {
                let width = usize::from(width).max(1);
                let message = u16::try_from(error.message().len().div_ceil(width)).unwrap_or(1);
                (2 + message).min(height / 2)
            }
            (None, None) => 1,
        }
    }

    /// Completes the word at the cursor; again, the next candidate; backwards, the one before.
    pub(crate) fn complete(&mut self, is_back: bool) {
        if self.purpose == Purpose::Name || matches!(self.purpose, Purpose::Path(_)) {
            return;
        }
        let text = self.input.value();
        if self.choice.is_none() {
            let cursor =
                text.char_indices().nth(self.input.cursor()).map_or(text.len(), |(at, _)| at);
            let Completion { replaced, candidates } = complete(text, cursor);
            let before = text.get(..replaced.start).unwrap_or_default().to_owned();
            let after = text.get(replaced.end..).unwrap_or_default().to_owned();
            self.choice = Some(Choice { around: (before, after), candidates, at: None });
        }
        let Some(choice) = &mut self.choice else { return };
        let count = choice.candidates.len();
        let next = match choice.at {
            None if is_back => count.saturating_sub(1),
            None => 0,
            Some(at) if is_back => (at + count - 1) % count.max(1),
            Some(at) => (at + 1) % count.max(1),
        };
        let Some(candidate) = choice.candidates.get(next) else {
            self.choice = None;
            return;
        };
        choice.at = Some(next);
        let (before, after) = &choice.around;
        // Behind the only candidate goes on what comes next.
        let space = if count == 1 && after.is_empty() { " " } else { "" };
        let completed = format!("{before}{}{space}", candidate.text);
        let cursor = completed.chars().count();
        self.input = Input::new(format!("{completed}{after}")).with_cursor(cursor);
        if count == 1 {
            self.choice = None;
        }
    }

    /// Edits the line; whether the key was one for that.
    pub(crate) fn edit(&mut self, key: KeyEvent) -> bool {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        let request = match (key.code, ctrl) {
            (KeyCode::Char('a'), true) | (KeyCode::Home, _) => InputRequest::GoToStart,
            (KeyCode::Char('e'), true) | (KeyCode::End, _) => InputRequest::GoToEnd,
            (KeyCode::Char('w'), true) => InputRequest::DeletePrevWord,
            (KeyCode::Char('u'), true) => InputRequest::DeleteLine,
            (KeyCode::Char('k'), true) => InputRequest::DeleteTillEnd,
            (KeyCode::Left, true) => InputRequest::GoToPrevWord,
            (KeyCode::Right, true) => InputRequest::GoToNextWord,
            (KeyCode::Left, false) => InputRequest::GoToPrevChar,
            (KeyCode::Right, false) => InputRequest::GoToNextChar,
            (KeyCode::Backspace, _) => InputRequest::DeletePrevChar,
            (KeyCode::Delete, _) => InputRequest::DeleteNextChar,
            (KeyCode::Char(letter), false) => InputRequest::InsertChar(letter),
            _ => return false,
        };
        self.input.handle(request);
        self.choice = None;
        true
    }
}
