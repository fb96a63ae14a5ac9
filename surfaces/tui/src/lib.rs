//! The terminal screen `conns top`: one pure state, keys and the mouse that change it, and one draw.
//! No fact, filter, order or sentence is made here; they come from the core and from `conns-print`.

mod control;
mod detail;
mod draw;
mod event_log;
mod export;
mod feed;
mod history;
pub mod keys;
mod list;
mod menu;
mod prompt;
mod regions;
mod run;
mod settings;
mod state;
mod status;
mod terminal;
#[cfg(test)]
mod tests;
mod theme;

pub use draw::draw;
pub use feed::{Channels, Open};
pub use regions::MIN_SIZE;
pub use run::{Files, RunError, run};
pub use settings::{Named, Settings};
pub use state::{Effect, LOOPBACK, Screen, Start, State};
pub use terminal::Taken;
pub use theme::Theme;
