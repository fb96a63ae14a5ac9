//! Values of a closed list as words in JSON.

use conns_core::model::{EncryptionState, TransferError};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

use crate::rate::Method;

/// A value of a closed list, which JSON has as a word.
pub trait Word: Copy + 'static {
    /// The name of the list, for error messages.
    const LIST: &'static str;
    /// All values.
    const VALUES: &'static [Self];

    /// The word.
    fn word(self) -> &'static str;
}

impl Word for EncryptionState {
    const LIST: &'static str = "encryptedConnectionState";
    const VALUES: &'static [Self] = &Self::ALL;

    fn word(self) -> &'static str {
        match self {
            Self::Disconnected => "disconnected",
            Self::Negotiating => "negotiating",
            Self::Connected => "connected",
        }
    }
}

impl Word for TransferError {
    const LIST: &'static str = "lastError";
    const VALUES: &'static [Self] = &Self::ALL;

    fn word(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::NotAuthorized => "notAuthorized",
            Self::Encryption => "encryption",
            Self::Version => "version",
            Self::Relay => "relay",
            Self::Local => "local",
        }
    }
}

impl Word for Method {
    const LIST: &'static str = "rateControlMethod";
    const VALUES: &'static [Self] = &[Self::Fixed, Self::Low, Self::Fair];

    fn word(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Low => "low",
            Self::Fair => "fair",
        }
    }
}

/// The value of a word.
fn value<T: Word, E: Error>(word: &str) -> Result<T, E> {
    T::VALUES.iter().copied().find(|value| value.word() == word).ok_or_else(|| {
        let known: Vec<&str> = T::VALUES.iter().map(|value| value.word()).collect();
        E::custom(format_args!("unknown {} `{word}`, expected {}", T::LIST, known.join(" or ")))
    })
}

pub(super) fn serialize<T: Word, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(value.word())
}

pub(super) fn deserialize<'de, T: Word, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    value(&String::deserialize(from)?)
}

/// The same with null.
pub(super) mod optional {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Word, value};

    #[allow(clippy::ref_option, reason = "serde passes a reference to the field")]
    pub(in crate::record) fn serialize<T: Word, S: Serializer>(
        value: &Option<T>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        value.map(T::word).serialize(to)
    }

    pub(in crate::record) fn deserialize<'de, T: Word, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<T>, D::Error> {
        Option::<String>::deserialize(from)?.map(|word| value(&word)).transpose()
    }
}

/// A field that is null if it is there without a value, and `None` only if it is absent; for `#[serde(default)]`.
pub(super) fn even_null<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}
