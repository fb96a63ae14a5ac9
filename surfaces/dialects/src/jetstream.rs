//! JetStream's `getConnection(s)`. Described in `docs/dialects/jetstream.md`.
