//! The agent's ways out over the network: HTTP, events, metrics, and the ports of the dialects.

mod shelves;
