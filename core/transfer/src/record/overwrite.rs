//! What happens to a file that already stands under the path of a received one.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// What happens to a file that already stands under the path of a received one. A received file is always written to a
/// hidden file first, so JetStream's constants 0 to 2, which write in place, and 5, which keeps a backup, do not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Overwrite {
    /// The transfer fails. JetStream's 3, NEVER.
    #[default]
    Never,
    /// It stays if it has the contents of the received file; otherwise the transfer fails.
    Same,
    /// It is replaced. JetStream's 4, ALWAYS.
    Always,
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
