//! Connections of the transfer service as rows of a table.

use conns_api::printable;
use conns_core::human;
use conns_core::model::{EncryptionState, Transfer};

/// Titles of the columns.
pub const TRANSFER_TITLES: [&str; 9] =
    ["DESTINATION", "ENCRYPTION", "WAITING", "RATE", "MAX-RATE", "RTT", "METHOD", "RELAY", "ERROR"];
/// Which columns are aligned to the right.
pub const TRANSFER_RIGHT: [bool; 9] = [false, false, true, true, true, true, false, false, false];

/// The cells of one connection.
#[must_use]
pub fn transfer_row(of: &Transfer) -> Vec<String> {
    let text = |text: &str| printable(text.into()).into_owned();
    let kbit = |rate: Option<f64>| {
        rate.map_or_else(|| "-".to_owned(), |kbit| human::bit_rate(kbit * 125.0))
    };
    let encryption = match of.encrypted_connection_state {
        EncryptionState::Disconnected => "disconnected",
        EncryptionState::Negotiating => "negotiating",
        EncryptionState::Connected => "connected",
    };
    let relay = of.relay_ip.zip(of.relay_port);
    let dash = || "-".to_owned();
    #[allow(clippy::cast_precision_loss, reason = "a rate above 2^53 kbit/s is no rate")]
    let max = of.send_rate_max_kbit_per_s.map(|kbit| kbit as f64);
    vec![
        end(of.destination_ip, of.destination_port),
        encryption.to_owned(),
        of.transfers_queued.to_string(),
        kbit(of.send_rate_recent_kbit_per_s),
        kbit(max),
        of.round_trip_time_ms.map_or_else(dash, |ms| human::duration((ms * 1e3) as u64)),
        text(&of.rate_control_method),
        relay.map_or_else(dash, |(address, port)| end(address, port)),
        of.last_error_message.as_deref().map_or_else(dash, text),
    ]
}

fn end(address: std::net::IpAddr, port: u16) -> String {
    std::net::SocketAddr::new(address, port).to_string()
}
