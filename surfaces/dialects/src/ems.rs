//! EvoStream Media Server's command line interfaces and `listConnections`. Described in `docs/dialects/ems.md`.
