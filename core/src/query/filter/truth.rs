//! Three-valued logic as in SQL: `None` is an unknown answer, neither true nor false.

/// Logical or: true if one answer is true, else unknown if one is unknown, else false.
pub(super) fn any(answers: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    let mut result = Some(false);
    for answer in answers {
        match answer {
            Some(true) => return Some(true),
            Some(false) => {}
            None => result = None,
        }
    }
    result
}

/// Logical not: the negation of an unknown answer is unknown.
pub(super) fn not(answer: Option<bool>) -> Option<bool> {
    answer.map(|answer| !answer)
}
