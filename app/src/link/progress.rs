//! The progress of a transfer on standard error: a bar on a terminal, a line at each change of state otherwise.

use std::io::IsTerminal;

use conns_core::human;
use conns_transfer::record::{Destination, TransferRecord, TransferStatus};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::failure::log;

/// Bar, durable bytes of all, and what is known of the path.
const TEMPLATE: &str = "{bar:30} {percent:>3}% {msg}";

/// Shows a transfer.
pub(super) struct Progress {
    bar: ProgressBar,
    is_terminal: bool,
    is_quiet: bool,
    /// The state that was shown last.
    shown: Option<(TransferStatus, Option<String>)>,
}

impl Progress {
    pub(super) fn new(is_quiet: bool) -> Self {
        let is_terminal = std::io::stderr().is_terminal() && !is_quiet;
        let target =
            if is_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        Self { bar, is_terminal, is_quiet, shown: None }
    }

    /// Shows the state now.
    pub(super) fn show(&mut self, record: &TransferRecord, destination: &Destination) {
        if self.is_terminal {
            self.bar.set_length(record.total_bytes.unwrap_or(0));
            self.bar.set_position(record.bytes_durable);
            self.bar.set_message(message(record, destination));
            self.bar.tick();
            return;
        }
        let why = record.error_message.clone().or_else(|| destination.last_error_message.clone());
        let state = (record.status, why);
        let waits = matches!(record.status, TransferStatus::Retrying | TransferStatus::Suspended);
        if !self.is_quiet && waits && self.shown.as_ref() != Some(&state) {
            log(message(record, destination));
        }
        self.shown = Some(state);
    }

    /// Shows the end.
    pub(super) fn finish(&mut self, record: &TransferRecord) {
        self.bar.finish_and_clear();
        if self.is_quiet || record.status != TransferStatus::Complete {
            return;
        }
        let bytes = record.total_bytes.unwrap_or(0);
        let files = record.total_files.unwrap_or(0);
        let begin = record.started_wall_us.unwrap_or(record.requested_wall_us);
        let us = record.ended_wall_us.unwrap_or(begin).saturating_sub(begin).max(1);
        let rate = bytes as f64 * 1e6 / us as f64;
        log(format_args!(
            "sent {files} files, {}, in {} ({})",
            human::bytes(bytes),
            human::duration(us.unsigned_abs()),
            human::rate(rate)
        ));
    }
}

/// One line: durable bytes, rate, round-trip time, queueing delay, loss, and the time that is left.
pub(super) fn message(record: &TransferRecord, destination: &Destination) -> String {
    let total = record.total_bytes.unwrap_or(0);
    let mut parts =
        vec![format!("{} of {}", human::bytes(record.bytes_durable), human::bytes(total))];
    let why = record.error_message.clone().or_else(|| destination.last_error_message.clone());
    match record.status {
        TransferStatus::Retrying => {
            let wait = record.next_attempt_wall_us.map(|at| at.saturating_sub(record.at_wall_us));
            let wait = u64::try_from(wait.unwrap_or(0)).unwrap_or(0);
            parts.push(format!("next attempt in {}", human::duration(wait)));
            parts.extend(why);
        }
        TransferStatus::Suspended => parts.push("paused".to_owned()),
        TransferStatus::Pending => {
            parts.push("waits".to_owned());
            parts.extend(why);
        }
        _ => {
            let rate = destination.send_rate_recent_kbit_per_s.map(|kbit| kbit * 125.0);
            parts.extend(rate.map(human::rate));
            let rtt = destination.round_trip_time_ms;
            parts.extend(rtt.map(|ms| format!("RTT {ms:.0} ms")));
            let queue = destination.queueing_delay_ms;
            parts.extend(queue.map(|ms| format!("queue {ms:.0} ms")));
            parts.extend(destination.loss_percent.map(|loss| format!("loss {loss:.1}%")));
            if let Some(rate) = rate.filter(|rate| *rate > 0.0) {
                let left = total.saturating_sub(record.bytes_durable) as f64 / rate;
                parts.push(format!("{} left", human::duration((left * 1e6) as u64)));
            }
        }
    }
    parts.join(", ")
}
