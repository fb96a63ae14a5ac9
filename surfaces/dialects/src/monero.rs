//! A Monero node's JSON-RPC `get_connections`. Described in `docs/dialects/monero.md`.
