//! A `Face` of an agent elsewhere.
