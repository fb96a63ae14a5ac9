//! The shapes of transfers and of open files.

use std::sync::Arc;

use conns_core::model;
use serde::{Deserialize, Serialize};

use super::application::Application;
use super::basic::{Address, Known, Moment, UnknownCode, codes};
use super::connection::application;
use super::tables::Tables;

codes!(EncryptionState: model::EncryptionState {
    0 = model::EncryptionState::Disconnected,
    1 = model::EncryptionState::Negotiating,
    2 = model::EncryptionState::Connected,
});

codes!(TransferError: model::TransferError {
    0 = model::TransferError::Unreachable,
    1 = model::TransferError::Timeout,
    2 = model::TransferError::NotAuthorized,
    3 = model::TransferError::Encryption,
    4 = model::TransferError::Version,
    5 = model::TransferError::Relay,
    6 = model::TransferError::Local,
});

/// Declares the fields of a transfer: first those that are the same in the model, then those that
/// are converted.
macro_rules! transfer {
    (
        same { $($same:ident: $same_type:ty),* $(,)? }
        text { $($text:ident),* $(,)? }
        optional_text { $($optional:ident),* $(,)? }
    ) => {
        #[derive(Serialize, Deserialize)]
        pub(super) struct Transfer<'a> {
            $($text: &'a str,)*
            $(#[serde(borrow)] $optional: Option<&'a str>,)*
            $($same: $same_type,)*
            destination_ip: Address,
            encrypted_connection_state: EncryptionState,
            last_error: Option<TransferError>,
            relay_ip: Option<Address>,
            sender_ip: Option<Address>,
        }

        impl<'a> From<&'a model::Transfer> for Transfer<'a> {
            fn from(transfer: &'a model::Transfer) -> Self {
                Self {
                    $($text: &transfer.$text,)*
                    $($optional: transfer.$optional.as_deref(),)*
                    $($same: transfer.$same,)*
                    destination_ip: transfer.destination_ip.into(),
                    encrypted_connection_state: transfer.encrypted_connection_state.into(),
                    last_error: transfer.last_error.map(Into::into),
                    relay_ip: transfer.relay_ip.map(Into::into),
                    sender_ip: transfer.sender_ip.map(Into::into),
                }
            }
        }

        impl TryFrom<Transfer<'_>> for model::Transfer {
            type Error = UnknownCode;

            fn try_from(shape: Transfer<'_>) -> Result<Self, UnknownCode> {
                Ok(Self {
                    $($text: shape.$text.into(),)*
                    $($optional: shape.$optional.map(Into::into),)*
                    $($same: shape.$same,)*
                    destination_ip: shape.destination_ip.into(),
                    encrypted_connection_state: shape.encrypted_connection_state.try_into()?,
                    last_error: shape.last_error.map(TryInto::try_into).transpose()?,
                    relay_ip: shape.relay_ip.map(Into::into),
                    sender_ip: shape.sender_ip.map(Into::into),
                })
            }
        }
    };
}

transfer! {
    same {
        destination_port: u16,
        encryption_enabled: bool,
        last_received_wall_us: Option<i64>,
        last_sent_wall_us: Option<i64>,
        transfers_queued: u64,
        rate_controller_active: bool,
        relay_port: Option<u16>,
        round_trip_time_ms: Option<f64>,
        sender_port: Option<u16>,
        send_rate_kbit_per_s: u64,
        send_rate_average_kbit_per_s: Option<f64>,
        send_rate_recent_kbit_per_s: Option<f64>,
        send_rate_max_kbit_per_s: Option<u64>,
        send_rate_min_kbit_per_s: u64,
        at_wall_us: i64,
        socket_receive_buffer_bytes: Option<u64>,
        socket_send_buffer_bytes: Option<u64>,
    }
    text { connection_id, rate_control_method }
    optional_text {
        destination_public_key,
        last_destination_server_id,
        last_destination_server_uid,
        last_error_message,
    }
}

/// Whether all rates and times are numbers from 0 up.
pub(super) fn has_plain_numbers(transfer: &model::Transfer) -> bool {
    [
        transfer.round_trip_time_ms,
        transfer.send_rate_average_kbit_per_s,
        transfer.send_rate_recent_kbit_per_s,
    ]
    .into_iter()
    .flatten()
    .all(|number| number.is_finite() && number >= 0.0)
}

/// An open file; its owner is a place in the table of processes.
#[derive(Serialize, Deserialize)]
pub(super) struct OpenFile<'a> {
    path: &'a str,
    owner: Known<u32>,
    first_seen: Moment,
    size_bytes: Known<u64>,
    #[serde(borrow)]
    application: Known<Application<'a>>,
}

impl<'a> OpenFile<'a> {
    pub(super) fn new(file: &'a model::OpenFile, tables: &Tables<'_>) -> postcard::Result<Self> {
        Ok(Self {
            path: &file.path,
            owner: file.owner.as_ref().map(|owner| tables.place_of(owner)).into(),
            first_seen: file.first_seen.into(),
            size_bytes: file.size_bytes.into(),
            application: application(&file.application)?,
        })
    }

    /// The place of its owner, where that is known.
    pub(super) fn owner(&self) -> Option<u32> {
        match self.owner {
            Known::Value(place, _) => Some(place),
            _ => None,
        }
    }

    pub(super) fn into_model(
        self,
        owner: Option<Arc<model::Process>>,
        share: &mut impl FnMut(&str) -> Arc<str>,
    ) -> Result<model::OpenFile, UnknownCode> {
        Ok(model::OpenFile {
            path: self.path.into(),
            owner: self.owner.try_map(|_| owner.ok_or(UnknownCode))?,
            first_seen: self.first_seen.into(),
            size_bytes: self.size_bytes.into(),
            application: self.application.try_map(|shape| Ok(shape.to_model(share).into()))?,
        })
    }
}
