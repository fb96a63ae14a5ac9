//! [`Overwrite`] in JSON: its word, or JetStream's number of it. A received file is always written to a hidden file first, so
//! JetStream's constants 0 and 1, which write in place, and 5, which keeps a backup, do not exist.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::words::Word;
use crate::frames::Overwrite;

impl Serialize for Overwrite {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.word())
    }
}

impl Word for Overwrite {
    const LIST: &'static str = "overwrite";
    const VALUES: &'static [Self] = &[Self::Never, Self::Same, Self::Always];

    fn word(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Same => "same",
            Self::Always => "always",
        }
    }
}

impl<'de> Deserialize<'de> for Overwrite {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(OverwriteVisitor)
    }
}

struct OverwriteVisitor;

impl Visitor<'_> for OverwriteVisitor {
    type Value = Overwrite;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("never, same, always, 3 (never) or 4 (always)")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Overwrite, E> {
        match word {
            "never" => Ok(Overwrite::Never),
            "same" => Ok(Overwrite::Same),
            "always" => Ok(Overwrite::Always),
            _ => Err(E::invalid_value(serde::de::Unexpected::Str(word), &self)),
        }
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Overwrite, E> {
        match number {
            3 => Ok(Overwrite::Never),
            4 => Ok(Overwrite::Always),
            _ => Err(E::invalid_value(serde::de::Unexpected::Unsigned(number), &self)),
        }
    }
}
