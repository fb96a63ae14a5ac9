//! Environment variables.

use crate::failure::Failure;

/// The value of an environment variable; an empty one counts as unset.
pub(crate) fn variable(name: &str) -> Result<Option<String>, Failure> {
    match std::env::var_os(name) {
        Some(value) if !value.is_empty() => {
            let not_text =
                |_| Failure::Usage(format!("the environment variable {name} is not UTF-8"));
            value.into_string().map(Some).map_err(not_text)
        }
        _ => Ok(None),
    }
}
