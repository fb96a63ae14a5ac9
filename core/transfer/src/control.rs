//! The calls of a transfer service, which a service implements and surfaces call.

use std::ops::Range;

use crate::record::{
    BandwidthLimits, Destination, LimitsChange, ManifestFile, ManifestRecord, NewDestination,
    NewManifest, NewTransfer, RateChange, ReceiveTransfer, ServerFacts, Source, TransferRecord,
};

/// A transfer service in this process. The calls may block on storage; they run one after the other on a blocking thread.
/// Lists are sorted by their ids, bytewise.
pub trait Control: Send + Sync {
    /// What the service reports about itself.
    ///
    /// # Errors
    /// [`ControlError::Unavailable`].
    fn server(&self) -> Result<ServerFacts, ControlError>;

    /// Changes the limits of all connections together, and returns those that apply then.
    ///
    /// # Errors
    /// [`ControlError::Unavailable`].
    fn update_bandwidth_limits(
        &self,
        change: LimitsChange,
    ) -> Result<BandwidthLimits, ControlError>;

    /// All destinations.
    ///
    /// # Errors
    /// [`ControlError::Unavailable`].
    fn destinations(&self) -> Result<Vec<Destination>, ControlError>;

    /// One destination.
    ///
    /// # Errors
    /// [`ControlError::NotFound`] if no destination has this id, or [`ControlError::Unavailable`].
    fn destination(&self, destination_id: &str) -> Result<Destination, ControlError>;

    /// Adds a destination, or returns the one that has this address, port, key and relay. Of that one the rates stay;
    /// [`Control::set_send_rate`] changes them.
    ///
    /// # Errors
    /// [`ControlError::Invalid`] if the key or the relay is malformed, or [`ControlError::Unavailable`].
    fn create_destination(&self, parameters: NewDestination) -> Result<Destination, ControlError>;

    /// Removes a destination.
    ///
    /// # Errors
    /// [`ControlError::NotFound`] if no destination has this id, [`ControlError::Refused`] if transfers to it have not
    /// ended, or [`ControlError::Unavailable`].
    fn delete_destination(&self, destination_id: &str) -> Result<(), ControlError>;

    /// Changes the rates of a destination at once.
    ///
    /// # Errors
    /// [`ControlError::NotFound`] if no destination has this id, [`ControlError::Invalid`] if the lower bound would be
    /// above the upper one, or [`ControlError::Unavailable`].
    fn set_send_rate(&self, change: RateChange) -> Result<Destination, ControlError>;

    /// A page of the manifests.
    ///
    /// # Errors
    /// [`ControlError::Unavailable`].
    fn manifests(&self, page: &Page) -> Result<Vec<ManifestRecord>, ControlError>;

    /// One manifest.
    ///
    /// # Errors
    /// [`ControlError::NotFound`] if no manifest has this id, or [`ControlError::Unavailable`].
    fn manifest(&self, manifest_id: &str) -> Result<ManifestRecord, ControlError>;

    /// Begins a manifest and returns at once; folders are read afterwards.
    ///
    /// # Errors
    /// [`ControlError::Invalid`] if a path is refused, or [`ControlError::Unavailable`].
    fn create_manifest(&self, parameters: NewManifest) -> Result<ManifestRecord, ControlError>;

    /// Removes a manifest.
    ///
    /// # Errors
    /// [`ControlError::NotFound`] if no manifest has this id, [`ControlError::Refused`] if transfers of it have not
    /// ended, or [`ControlError::Unavailable`].
    fn delete_manifest(&self, manifest_id: &str) -> Result<(), ControlError>;

    /// Files of a manifest by their positions from 0; those that exist of the range.
    ///
    /// # Errors
    /// [`ControlError::NotFound`] if no manifest has this id, [`ControlError::Refused`] if it is not complete, or
    /// [`ControlError::Unavailable`].
    fn manifest_files(
        &self,
        manifest_id: &str,
        positions: Range<u64>,
    ) -> Result<Vec<ManifestFile>, ControlError>;

    /// A page of the transfers that this server sends.
    ///
    /// # Errors
    /// [`ControlError::Unavailable`].
    fn transfers(&self, page: &Page) -> Result<Vec<TransferRecord>, ControlError>;

    /// One transfer.
    ///
    /// # Errors
    /// [`ControlError::NotFound`] if no transfer has this id, or [`ControlError::Unavailable`].
    fn transfer(&self, transfer_id: &str) -> Result<TransferRecord, ControlError>;

    /// Queues a transfer and returns at once. With [`NewTransfer::awaited`], the end that is not read yet of a committed transfer
    /// of the same unchanged sources answers instead; [`Control::transfer`] reads an end.
    ///
    /// # Errors
    /// [`ControlError::NotFound`] if the manifest or the destination does not exist, [`ControlError::Invalid`] if the
    /// path is refused, [`ControlError::Refused`] if the manifest is not complete, or [`ControlError::Unavailable`].
    fn create_transfer(&self, parameters: NewTransfer) -> Result<TransferRecord, ControlError>;

    /// Changes the state of a transfer, and returns the transfer as it is then.
    ///
    /// # Errors
    /// [`ControlError::NotFound`] if no transfer has this id, [`ControlError::Refused`] if its state does not allow the
    /// change, or [`ControlError::Unavailable`].
    fn change_transfer(
        &self,
        transfer_id: &str,
        change: TransferChange,
    ) -> Result<TransferRecord, ControlError>;

    /// Removes the record of a transfer.
    ///
    /// # Errors
    /// [`ControlError::NotFound`] if no transfer has this id, [`ControlError::Refused`] if it has not ended, or
    /// [`ControlError::Unavailable`].
    fn delete_transfer(&self, transfer_id: &str) -> Result<(), ControlError>;

    /// The servers that send to this one.
    ///
    /// # Errors
    /// [`ControlError::Unavailable`].
    fn sources(&self) -> Result<Vec<Source>, ControlError>;

    /// The transfers that this server receives.
    ///
    /// # Errors
    /// [`ControlError::Unavailable`].
    fn received_transfers(&self) -> Result<Vec<ReceiveTransfer>, ControlError>;
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Only records whose id is greater, bytewise.
    pub after: Option<String>,
    /// The most records; `None` is all.
    pub limit: Option<usize>,
}

/// A change of the state of a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransferChange {
    /// It waits for a user.
    Suspend,
    /// It goes on where it was suspended.
    Resume,
    /// It ends as cancelled.
    Cancel,
    /// It ends with this error.
    Fail(String),
}

/// A record that has an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Object {
    /// Listed by `send.getDestinations`.
    Destination,
    /// Listed by `send.getManifests`.
    Manifest,
    /// Listed by `send.getTransfers`.
    Transfer,
}

/// Why a call to a transfer service has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// No record has this id.
    #[error("no {} has the id `{id}`; {} lists all", object.name(), object.method())]
    NotFound {
        /// What was asked for.
        object: Object,
        /// The id.
        id: String,
    },
    /// A parameter is wrong, whatever the state of the service; the text names it.
    #[error("{0}")]
    Invalid(String),
    /// The state of the service does not allow the call; the text names the state.
    #[error("{0}")]
    Refused(String),
    /// The service cannot answer now, such as by an error of its storage.
    #[error("{0}")]
    Unavailable(String),
}

impl Object {
    fn name(self) -> &'static str {
        match self {
            Self::Destination => "destination",
            Self::Manifest => "manifest",
            Self::Transfer => "transfer",
        }
    }

    fn method(self) -> &'static str {
        match self {
            Self::Destination => "send.getDestinations",
            Self::Manifest => "send.getManifests",
            Self::Transfer => "send.getTransfers",
        }
    }
}
