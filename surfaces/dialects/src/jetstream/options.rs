//! What the answers report about the server, and its transfer service.

use super::control::Backend;

/// What the answers report about the server, and its transfer service.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The machine's name; `None` if not known.
    pub host_name: Option<String>,
    /// The friendly name of this server; `None` stands for that of the machine.
    pub server_name: Option<String>,
    /// The port of the JSON-RPC lines; `None` if there is none.
    pub api_port: Option<u16>,
    /// Whether other machines can connect.
    pub remote_control: bool,
    /// Whether a request needs a token.
    pub auth_required: bool,
    /// The transfer service.
    pub backend: Backend,
}
