//! The shapes of what everything is made of: codes, values with their source, moments, addresses.
//!
//! A code is a number of its own for each variant of an enumeration of the model, so that the order
//! of variants there is no part of the format.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use conns_core::model;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A code of a newer version, which this one cannot show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UnknownCode;

/// Declares the codes of an enumeration. With `else`, a code of a newer version becomes that variant;
/// without, it is [`UnknownCode`].
macro_rules! codes {
    ($name:ident: $model:ty { $($number:literal = $variant:path),* $(,)? } else $other:expr) => {
        codes!(@to $name: $model { $($number = $variant),* });
        impl From<$name> for $model {
            fn from(code: $name) -> Self {
                match code.0 {
                    $($number => $variant,)*
                    _ => $other,
                }
            }
        }
    };
    ($name:ident: $model:ty { $($number:literal = $variant:path),* $(,)? }) => {
        codes!(@to $name: $model { $($number = $variant),* });
        impl TryFrom<$name> for $model {
            type Error = UnknownCode;

            fn try_from(code: $name) -> Result<Self, UnknownCode> {
                match code.0 {
                    $($number => Ok($variant),)*
                    _ => Err(UnknownCode),
                }
            }
        }
    };
    (@to $name:ident: $model:ty { $($number:literal = $variant:path),* }) => {
        #[derive(Clone, Copy, Serialize, Deserialize)]
        pub(super) struct $name(u8);

        impl From<$model> for $name {
            fn from(value: $model) -> Self {
                Self(match value {
                    $($variant => $number,)*
                })
            }
        }
    };
}
pub(super) use codes;

/// Declares a shape with the fields of a structure of the model.
macro_rules! mirror {
    ($name:ident: $model:ty { $($field:ident: $shape:ty),* $(,)? }) => {
        #[derive(Clone, Copy, Serialize, Deserialize)]
        pub(super) struct $name {
            $($field: $shape),*
        }

        impl From<$model> for $name {
            fn from(value: $model) -> Self {
                Self { $($field: value.$field.into()),* }
            }
        }

        impl From<$name> for $model {
            fn from(shape: $name) -> Self {
                Self { $($field: shape.$field.into()),* }
            }
        }
    };
}
pub(super) use mirror;

codes!(SourceCode: model::Source {
    0 = model::Source::SockDiag,
    1 = model::Source::Procfs,
    2 = model::Source::Portable,
    3 = model::Source::Ebpf,
    4 = model::Source::Capture,
    5 = model::Source::Wire,
    6 = model::Source::Derived,
    7 = model::Source::Reported,
    8 = model::Source::History,
} else model::Source::Derived);

codes!(UnknownReason: model::Unknown {
    0 = model::Unknown::NotPrivileged,
    1 = model::Unknown::KernelDoesNotReport,
    2 = model::Unknown::SourceDoesNotReport,
    3 = model::Unknown::NeedsTwoObservations,
    4 = model::Unknown::NothingMeasured,
    5 = model::Unknown::Ambiguous,
    6 = model::Unknown::NoOwnerFound,
    7 = model::Unknown::Vanished,
    8 = model::Unknown::SourceFailed,
    9 = model::Unknown::BeganBefore,
    10 = model::Unknown::Unlimited,
    11 = model::Unknown::NotKept,
} else model::Unknown::SourceDoesNotReport);

/// A value and its source, or why there is none.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) enum Known<T> {
    Value(T, SourceCode),
    Unknown(UnknownReason),
    NotApplicable,
}

impl<T> Known<T> {
    /// The value changed by `change`, its source or reason kept.
    pub(super) fn try_map<U>(
        self,
        change: impl FnOnce(T) -> Result<U, UnknownCode>,
    ) -> Result<model::Known<U>, UnknownCode> {
        Ok(match self {
            Self::Value(value, source) => model::Known::Value(change(value)?, source.into()),
            Self::Unknown(why) => model::Known::Unknown(why.into()),
            Self::NotApplicable => model::Known::NotApplicable,
        })
    }
}

impl<T, U: Into<T>> From<model::Known<U>> for Known<T> {
    fn from(value: model::Known<U>) -> Self {
        match value {
            model::Known::Value(value, source) => Self::Value(value.into(), source.into()),
            model::Known::Unknown(why) => Self::Unknown(why.into()),
            model::Known::NotApplicable => Self::NotApplicable,
        }
    }
}

impl<T, U: Into<T>> From<Known<U>> for model::Known<T> {
    fn from(shape: Known<U>) -> Self {
        match shape {
            Known::Value(value, source) => Self::Value(value.into(), source.into()),
            Known::Unknown(why) => Self::Unknown(why.into()),
            Known::NotApplicable => Self::NotApplicable,
        }
    }
}

mirror!(Moment: model::Moment { monotonic_us: u64, wall_us: i64 });

/// Bytes with their length before them, borrowed from the answer that is read.
#[derive(Clone)]
pub(super) struct Bytes<'a>(pub(super) Cow<'a, [u8]>);

impl<'a> Bytes<'a> {
    /// The encoding of `item`.
    pub(super) fn of(item: &impl Serialize) -> postcard::Result<Bytes<'static>> {
        Ok(Bytes(Cow::Owned(postcard::to_allocvec(item)?)))
    }

    /// The item that they begin with; what follows is of a newer version.
    pub(super) fn read<T: Deserialize<'a>>(&'a self) -> Option<T> {
        postcard::take_from_bytes(&self.0).ok().map(|(item, _)| item)
    }
}

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Bytes<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowed;
        impl<'de> Visitor<'de> for Borrowed {
            type Value = &'de [u8];

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<&'de [u8], E> {
                Ok(bytes)
            }
        }
        deserializer.deserialize_bytes(Borrowed).map(|bytes| Self(Cow::Borrowed(bytes)))
    }
}

/// An address: 4 bytes are IPv4, 16 are IPv6.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) enum Address {
    V4([u8; 4]),
    V6([u8; 16]),
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => Self::V6(address.octets()),
        }
    }
}

impl From<Address> for IpAddr {
    fn from(shape: Address) -> Self {
        match shape {
            Address::V4(octets) => Ipv4Addr::from(octets).into(),
            Address::V6(octets) => Ipv6Addr::from(octets).into(),
        }
    }
}

mirror!(Endpoint: model::Endpoint { address: Address, port: u16 });
