//! Reads the text of a call: the system it belongs to, and the request for the dialect of that system.

use bytes::Bytes;
use conns_api::{Ask, View};
use conns_core::query::nearest;
use conns_dialects::one_e::Method;
use conns_dialects::{ems, jetstream, monero};
use serde_json::Value;

use crate::failure::Failure;

/// Longest part of a call repeated in an error, characters.
const MAX_REPEATED: usize = 64;
/// Columns before the names of the calls in an error.
const INDENT: usize = 13;
/// Columns of a line of an error.
const MAX_COLUMNS: usize = 100;

/// A call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// A method of 1E.
    OneE(Method),
    /// The body of a POST on `/json_rpc` of a Monero node.
    Monero(Bytes),
    /// A command line of EMS.
    Ems(String),
    /// A JSON-RPC message of JetStream.
    JetStream(Bytes),
}

impl Request {
    /// Reads a call as a client of its system writes it, or a whole JSON-RPC request.
    pub(super) fn read(text: &str) -> Result<Self, Failure> {
        let text = text.trim();
        if text.starts_with(['{', '[']) {
            return Self::read_json(text);
        }
        let end = text.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.')));
        let (name, parameters) = text.split_at(end.unwrap_or(text.len()));
        if name == monero::METHOD {
            return match parameters {
                "" => Ok(Self::Monero(monero_request().into())),
                found => Err(Failure::Usage(format!(
                    "`{name}` takes no parameters, found `{}`",
                    repeated(found.trim())
                ))),
            };
        }
        if jetstream::is_method(name) {
            let request = jetstream::request(name, parameters)
                .map_err(|error| Failure::Usage(format!("`{name}`: {error}")))?;
            return Ok(Self::JetStream(request.into()));
        }
        let is_command = ems::command_names().any(|known| known.eq_ignore_ascii_case(name));
        if is_command && (parameters.is_empty() || parameters.starts_with(char::is_whitespace)) {
            return Self::read_line(text);
        }
        match Method::parse(text) {
            Ok(method) => Ok(Self::OneE(method)),
            Err(error) if is_of_1e(name) => Err(error.into()),
            Err(_) if name.is_empty() => Err(unknown(text)),
            Err(_) => Err(unknown(name)),
        }
    }

    fn read_json(text: &str) -> Result<Self, Failure> {
        let usage = |reason: String| Failure::Usage(format!("not a JSON-RPC request: {reason}"));
        let message: Value =
            serde_json::from_str(text).map_err(|error| usage(error.to_string()))?;
        let first = message.as_array().map_or(Some(&message), |batch| batch.first());
        let method = first.and_then(|request| request["method"].as_str());
        let method = method.ok_or_else(|| usage("it has no `method`".to_owned()))?;
        let body = Bytes::copy_from_slice(text.as_bytes());
        if method == monero::METHOD {
            Ok(Self::Monero(body))
        } else if jetstream::is_method(method) {
            Ok(Self::JetStream(body))
        } else {
            Err(unknown(method))
        }
    }

    fn read_line(text: &str) -> Result<Self, Failure> {
        if text.len() > ems::LONGEST_LINE {
            let limit = ems::LONGEST_LINE;
            return Err(Failure::Usage(format!("a command line has at most {limit} bytes")));
        }
        if text.contains(['\r', '\n']) {
            return Err(Failure::Usage("one command line at a time".to_owned()));
        }
        Ok(Self::Ems(text.to_owned()))
    }

    /// The connections its answer is about.
    pub(super) fn ask(&self) -> Ask {
        match self {
            Self::OneE(method) => method.ask(),
            Self::Monero(_) => Ask { udp: false, ..Ask::default() },
            Self::Ems(_) => Ask { view: View::All, ..Ask::default() },
            // An answer is about transfers, whatever the sockets are.
            Self::JetStream(_) => Ask { udp: false, ..Ask::default() },
        }
    }
}

/// The request on Monero's page of the method.
fn monero_request() -> String {
    format!(r#"{{"jsonrpc":"2.0","id":"0","method":"{}"}}"#, monero::METHOD)
}

/// Whether a name is almost one of 1E, so that the error of its parser applies.
fn is_of_1e(name: &str) -> bool {
    match name.split_once('.') {
        Some((module, _)) => nearest(module, Method::ALL.map(Method::module)).is_some(),
        None => Method::ALL.iter().any(|known| name == known.name() || name == known.module()),
    }
}

fn unknown(name: &str) -> Failure {
    let one_e = Method::ALL.map(|method| method.to_string());
    let others =
        [monero::METHOD].into_iter().chain(ems::command_names()).chain(jetstream::method_names());
    let names: Vec<String> = one_e.iter().cloned().chain(others.map(str::to_owned)).collect();
    let what = match (name, nearest(name, names.iter().map(String::as_str))) {
        ("", _) => "no call is given".to_owned(),
        (name, Some(nearest)) => {
            format!("unknown call `{}`; did you mean `{nearest}`?", repeated(name))
        }
        (name, None) => format!("unknown call `{}`", repeated(name)),
    };
    Failure::Usage(format!(
        "{what}\n  1E         {}();\n  Monero     {}\n  EMS        {}\n  JetStream  {}",
        one_e.join("(); "),
        monero::METHOD,
        wrapped(ems::command_names()),
        wrapped(jetstream::METHODS),
    ))
}

/// Words in lines of [`MAX_COLUMNS`], indented as the list of calls.
fn wrapped(words: impl IntoIterator<Item = &'static str>) -> String {
    let (mut text, mut columns) = (String::new(), INDENT);
    for word in words {
        if columns + 1 + word.len() > MAX_COLUMNS && columns > INDENT {
            text.push('\n');
            text.extend(std::iter::repeat_n(' ', INDENT));
            columns = INDENT;
        } else if columns > INDENT {
            text.push(' ');
            columns += 1;
        }
        text.push_str(word);
        columns += word.len();
    }
    text
}

/// The start of `text`, short enough for a message.
fn repeated(text: &str) -> String {
    let mut start: String = text.chars().take(MAX_REPEATED).collect();
    if start.len() < text.len() {
        start.push('…');
    }
    start
}

#[cfg(test)]
#[allow(clippy::panic, reason = "a test that cannot continue fails with the reason")]
mod tests {
    use super::*;

    fn read(text: &str) -> Request {
        Request::read(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_call_is_read_as_a_client_of_its_system_writes_it() {
        assert_eq!(read("Network.GetConnections();"), Request::OneE(Method::GetConnections));
        let Request::Monero(body) = read(" get_connections ") else { panic!("not Monero") };
        assert_eq!(body, r#"{"jsonrpc":"2.0","id":"0","method":"get_connections"}"#);
        for line in ["listConnections excludeNonNetworkProtocols=0", "LISTCONNECTIONSIDS", "help"] {
            assert_eq!(read(line), Request::Ems(line.to_owned()), "{line}");
        }
        for (text, params) in [
            ("send.getConnections", Value::Null),
            (
                "send.getConnection {\"connectionId\":\"a\"}",
                serde_json::json!({"connectionId": "a"}),
            ),
            ("send.getConnection \"connectionId\":\"a\"", serde_json::json!({"connectionId": "a"})),
            ("getConnection[\"a\"]", serde_json::json!(["a"])),
            ("getRequestResult \"requestId\":1", serde_json::json!({"requestId": 1})),
            ("recv.getSourcesAsync", Value::Null),
        ] {
            let Request::JetStream(message) = read(text) else { panic!("{text}: not JetStream") };
            let message: Value = serde_json::from_slice(&message).unwrap_or_default();
            assert!(text.starts_with(message["method"].as_str().unwrap_or("?")), "{text}");
            assert_eq!(message["params"], params, "{text}");
        }
    }

    #[test]
    fn a_json_rpc_request_is_passed_on_unchanged() {
        let monero = r#"{ "jsonrpc":"2.0","method":"get_connections","id":[7]}"#;
        assert_eq!(read(monero), Request::Monero(monero.into()));
        let jetstream = r#"[{"jsonrpc":"2.0","method":"send.getConnections","id":1e0}]"#;
        assert_eq!(read(jetstream), Request::JetStream(jetstream.into()));
    }

    #[test]
    fn a_long_list_of_calls_is_wrapped() {
        let Err(Failure::Usage(message)) = Request::read("frobnicate") else { panic!("read") };
        assert!(message.lines().all(|line| line.len() <= MAX_COLUMNS), "{message}");
        for method in jetstream::METHODS {
            assert!(message.split_whitespace().any(|word| word == method), "{method}: {message}");
        }
        let broken = message.lines().filter(|line| line.starts_with(&" ".repeat(INDENT)));
        assert!(broken.count() > 3, "{message}");
    }

    #[test]
    fn an_unknown_call_is_refused_with_the_nearest_known_one() {
        for (text, parts) in [
            ("get_conections", &["unknown call `get_conections`", "`get_connections`?"][..]),
            ("listConections", &["did you mean `listConnections`?"]),
            ("send.getConnetions", &["did you mean `send.getConnections`?"]),
            ("createTransfr", &["did you mean `createTransfer`?"]),
            ("getSource", &["\n  JetStream  getServerInfo getRequestStatus "]),
            ("Network.GetConections", &["did you mean `GetConnections`?", "^^^"]),
            (r#"{"method":"get_conections"}"#, &["did you mean `get_connections`?"]),
            (
                "frobnicate",
                &["unknown call `frobnicate`\n", "Network.GetConnections();", "help quit"],
            ),
            ("", &["no call is given", "send.getConnections"]),
            ("get_connections {}", &["`get_connections` takes no parameters, found `{}`"]),
            ("send.getConnection a", &["expected parameters such as"]),
            ("{", &["not a JSON-RPC request"]),
            ("[]", &["it has no `method`"]),
            (r#"{"method":5}"#, &["it has no `method`"]),
            ("help\nquit", &["one command line at a time"]),
        ] {
            let Err(Failure::Usage(message)) = Request::read(text) else { panic!("{text}: read") };
            for part in parts {
                assert!(message.contains(part), "{text}: {message}");
            }
        }
    }
}
