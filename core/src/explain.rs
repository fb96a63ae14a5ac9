//! Sentences for people: verdicts, losses and abilities as text. The types are in `model`; no code
//! reads these sentences back.

mod ability;
mod loss;
mod loss_lines;
mod stream;
mod verdict;

pub use loss_lines::loss_lines;
