//! Drawn states.
