//! Why a request has no result, and the error object of JSON-RPC that reports it.

use super::control::ControlError;

/// Why a request has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// Not JSON.
    Parse(String),
    /// JSON, but no request.
    InvalidRequest(String),
    /// No method has this name.
    MethodNotFound(String),
    /// A known method with parameters it does not have.
    InvalidParams(String),
    /// The answer could not be written.
    Internal(String),
    /// No connection has this id.
    ConnectionNotFound(String),
    /// No destination, manifest, transfer or request has this id.
    NotFound(String),
    /// The state of the transfer service does not allow the call.
    Refused(String),
    /// The transfer service cannot answer now.
    Unavailable(String),
    /// There is no transfer service.
    NoService,
    /// The error object that another process answered, as received.
    Forwarded(String),
}

impl From<ControlError> for Fault {
    fn from(error: ControlError) -> Self {
        let text = error.to_string();
        match error {
            ControlError::NotFound { .. } => Self::NotFound(text),
            ControlError::Invalid(_) => Self::InvalidParams(text),
            ControlError::Refused(_) => Self::Refused(text),
            ControlError::Unavailable(_) => Self::Unavailable(text),
        }
    }
}

impl Fault {
    /// The error object (section 5.1 of the specification), in one line.
    pub(super) fn error_object(&self) -> String {
        let (code, message, detail) = match self {
            Self::Parse(detail) => (-32700, "Parse error", detail.as_str()),
            Self::InvalidRequest(detail) => (-32600, "Invalid Request", detail.as_str()),
            Self::MethodNotFound(detail) => (-32601, "Method not found", detail.as_str()),
            Self::InvalidParams(detail) => (-32602, "Invalid params", detail.as_str()),
            Self::Internal(detail) => (-32603, "Internal error", detail.as_str()),
            // From here on in the range for servers, -32000 to -32099.
            Self::ConnectionNotFound(id) => (
                -32001,
                "Connection not found",
                &*format!("no connection has the id `{id}`; getConnections lists all"),
            ),
            Self::NotFound(detail) => (-32002, "Not found", detail.as_str()),
            Self::Refused(detail) => (-32003, "Refused", detail.as_str()),
            Self::Unavailable(detail) => (-32004, "Unavailable", detail.as_str()),
            Self::NoService => (
                -32005,
                "No transfer service",
                "this agent has no transfer service; set [link] in its configuration, or run `conns link serve`",
            ),
            Self::Forwarded(object) => return object.clone(),
        };
        let detail = serde_json::Value::from(detail);
        format!(r#"{{"code":{code},"message":"{message}","data":{detail}}}"#)
    }

    /// The detail, for a person.
    pub(super) fn detail(&self) -> String {
        let object: serde_json::Value =
            serde_json::from_str(&self.error_object()).unwrap_or_default();
        object["data"].as_str().or(object["message"].as_str()).unwrap_or_default().to_owned()
    }
}
