//! The key of the field `pair`, which two machines must share to find that they hold the two ends of one connection.

use std::path::Path;

use conns_core::model::PairKey;

use crate::environment::variable;
use crate::failure::Failure;
use crate::secret::secret_in;

/// The file of the key; an agent has the setting `pair_key` of this variable.
const VARIABLE: &str = "CONNS_PAIR_KEY";

/// The key in a file, 32 hexadecimal digits; without a file a random one, which holds for this process only.
pub(crate) fn read(file: Option<&Path>) -> Result<PairKey, Failure> {
    let Some(file) = file else {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| {
            Failure::NoAnswer(format!("cannot read random bytes for a key of `pair`: {error}"))
        })?;
        return Ok(PairKey::new(bytes));
    };
    let text = secret_in(file, "key of `pair`")?;
    text.parse().map_err(|error| {
        Failure::Usage(format!("cannot use the key of `pair` in {}: {error}", file.display()))
    })
}

/// The key in the file that the environment names; without one a random one.
pub(crate) fn of_environment() -> Result<PairKey, Failure> {
    let file = variable(VARIABLE)?;
    read(file.as_deref().map(Path::new))
}
