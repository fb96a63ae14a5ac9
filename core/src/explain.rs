//! Sentences for people: verdicts, losses and abilities as text. The types are in `model`; no code
//! reads these sentences back.

mod ability;
mod loss;
mod stream;
mod verdict;
