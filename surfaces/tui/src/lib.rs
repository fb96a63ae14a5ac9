//! The terminal screen `conns top`: one pure state, keys and the mouse that change it, and one draw.
//! No fact, filter, order or sentence is made here; they come from the core and from `conns-print`.

mod agent_threads;
mod choices;
mod control;
mod detail;
mod detail_lines;
mod draw;
mod event_log;
mod export;
mod format;
mod history;
pub mod keys;
mod list;
mod menu;
mod past;
mod places;
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
mod time_line;

pub use agent_threads::{Channels, Open, ReadPast};
pub use draw::draw;
pub use past::PastMoment;
pub use regions::MIN_SIZE;
pub use run::{Files, RunError, run};
pub use settings::{Named, Settings};
pub use state::{Effect, LOOPBACK, Screen, Start, State};
pub use terminal::Taken;
pub use theme::Theme;
pub use time_line::{MAX_BUCKETS, REACH_US};
