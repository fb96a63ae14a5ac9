//! A client of a link server's unix socket.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::places;
use crate::failure::Failure;

/// A server answers within this time, also while it reads a large manifest.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// A connection to a server.
pub(super) struct Client {
    path: PathBuf,
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Connects; `None` if no server listens there.
    pub(super) fn connect(path: &Path) -> Result<Option<Self>, Failure> {
        Self::connect_within(path, ANSWER_TIMEOUT)
    }

    /// Connects to a server that answers within `timeout`.
    pub(super) fn connect_within(path: &Path, timeout: Duration) -> Result<Option<Self>, Failure> {
        match UnixStream::connect(path) {
            Ok(stream) => {
                stream
                    .set_read_timeout(Some(timeout))
                    .and_then(|()| stream.set_write_timeout(Some(timeout)))
                    .map_err(|error| failed(path, &error))?;
                Ok(Some(Self { path: path.to_owned(), stream: BufReader::new(stream) }))
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(failed(path, &error)),
        }
    }

    /// The process of the server, by the credentials of the socket.
    pub(super) fn server_pid(&self) -> Option<i32> {
        let credentials = rustix::net::sockopt::socket_peercred(self.stream.get_ref()).ok()?;
        Some(credentials.pid.as_raw_nonzero().get())
    }

    /// The servers that the flags mean: that of a key, or all that run.
    pub(super) fn all(key: Option<&Path>) -> Result<Vec<Self>, Failure> {
        if key.is_some() {
            let Some(key) = places::public_key(key)? else { return Ok(Vec::new()) };
            return Ok(Self::connect(&places::socket_path(key))?.into_iter().collect());
        }
        let folder = places::socket_folder();
        let mut paths = match std::fs::read_dir(&folder) {
            Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed(&folder, &error)),
        };
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "sock"));
        paths.sort();
        let mut clients = Vec::new();
        for path in paths {
            clients.extend(Self::connect(&path)?);
        }
        Ok(clients)
    }

    /// Sends a request, and returns the line that answers it.
    pub(super) fn exchange(&mut self, request: &str) -> Result<Vec<u8>, Failure> {
        let mut answer = Vec::new();
        let exchanged = self
            .stream
            .get_mut()
            .write_all(format!("{request}\n").as_bytes())
            .and_then(|()| self.stream.read_until(b'\n', &mut answer));
        exchanged.map_err(|error| failed(&self.path, &error))?;
        if answer.is_empty() {
            let path = self.path.display();
            return Err(Failure::NoAnswer(format!("the link server at {path} has ended")));
        }
        Ok(answer)
    }

    /// Calls a method; an error of the server is a failure with its message.
    pub(super) fn call<T: DeserializeOwned>(
        &mut self,
        method: &str,
        params: &Value,
    ) -> Result<T, Failure> {
        let request = json!({"jsonrpc": "2.0", "method": method, "params": params, "id": 1});
        let answer = self.exchange(&request.to_string())?;
        let unreadable = |why: String| {
            Failure::NoAnswer(format!("{method}: the link server's answer is not readable: {why}"))
        };
        let mut answer: Value =
            serde_json::from_slice(&answer).map_err(|error| unreadable(error.to_string()))?;
        if let Some(error) = answer.get("error") {
            let message = error.get("message").and_then(Value::as_str).unwrap_or("no message");
            let data = error.get("data").and_then(Value::as_str);
            return Err(Failure::NoAnswer(data.unwrap_or(message).to_owned()));
        }
        let result = answer.get_mut("result").map(Value::take).unwrap_or_default();
        serde_json::from_value(result).map_err(|error| unreadable(error.to_string()))
    }
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::NoAnswer(format!("cannot ask the link server at {}: {error}", path.display()))
}
