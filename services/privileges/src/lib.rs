//! Privileges only shrink: what the agent keeps once everything is open, and proof of what holds.
