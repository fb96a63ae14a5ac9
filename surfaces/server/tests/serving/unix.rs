//! The socket file.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

use conns_server::{Access, BindError, Listener, TokenHash};

use crate::agent::{Agent, PATIENCE};
use crate::client::Client;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("conns-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("agent.sock")
    }

    fn specs(&self) -> String {
        format!("unix:{}", self.socket().display())
    }

    fn bind(&self) -> Result<Listener, BindError> {
        Listener::bind(&self.specs().parse().unwrap(), false)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn owner_and_group_need_no_token_and_the_file_is_removed_on_shutdown() {
    let folder = Folder::new("unix");
    let access = Access { tokens: vec![TokenHash::of(b"a")], ..Access::default() };
    let mut agent = Agent::start(&[&folder.specs()], access);
    let found = fs::symlink_metadata(folder.socket()).unwrap();
    assert!(found.file_type().is_socket());
    assert_eq!(found.permissions().mode() & 0o7777, 0o660);
    let stream = UnixStream::connect(folder.socket()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut client = Client::over(stream);
    assert_eq!(client.get("/monero/a").text(), "monero GET /a 0 false");
    client.send("GET /1e HTTP/1.1\r\nHost: whatever\r\n\r\n");
    assert_eq!(client.answer().status(), 200);
    // A token is required for the rest of a dialect, also where none is required to connect.
    client.send("POST /jetstream HTTP/1.1\r\n\r\n");
    assert_eq!(client.answer().text(), "jetstream-http POST / 0 false");
    client.send("POST /jetstream HTTP/1.1\r\nAuthorization: Bearer a\r\n\r\n");
    assert_eq!(client.answer().text(), "jetstream-http-with-token POST / 0 false");
    agent.ended();
    assert!(!folder.socket().exists());
    assert_eq!(client.rest(), 0);
}

#[test]
fn a_file_left_by_a_crash_is_replaced() {
    let folder = Folder::new("stale");
    drop(UnixListener::bind(folder.socket()).unwrap());
    assert!(folder.socket().exists());
    let agent = Agent::start(&[&folder.specs()], Access::default());
    assert_eq!(
        Client::over(UnixStream::connect(folder.socket()).unwrap()).get("/1e").status(),
        200
    );
    drop(agent);
}

#[test]
fn no_socket_of_another_process_is_removed() {
    let folder = Folder::new("others");
    fs::write(folder.socket(), "precious").unwrap();
    let error = folder.bind().unwrap_err();
    assert!(matches!(error, BindError::NotASocket(_)), "{error}");
    assert_eq!(fs::read(folder.socket()).unwrap(), b"precious");
    fs::remove_file(folder.socket()).unwrap();

    let lives = UnixListener::bind(folder.socket()).unwrap();
    let error = folder.bind().unwrap_err();
    assert!(matches!(error, BindError::InUse(_)), "{error}");
    assert!(folder.socket().exists());
    drop(lives);

    // A link to a live socket is not followed.
    fs::remove_file(folder.socket()).unwrap();
    let elsewhere = folder.0.join("elsewhere");
    let _lives = UnixListener::bind(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, folder.socket()).unwrap();
    assert!(matches!(folder.bind().unwrap_err(), BindError::NotASocket(_)));
    assert!(elsewhere.exists());
    fs::remove_file(folder.socket()).unwrap();

    // Another agent's file that took the place of ours stays.
    let ours = folder.bind().unwrap();
    fs::remove_file(folder.socket()).unwrap();
    let theirs = UnixListener::bind(folder.socket()).unwrap();
    drop(ours);
    assert!(folder.socket().exists());
    drop(theirs);
}

#[test]
fn errors_name_the_address_and_a_remedy() {
    let missing = "unix:/nowhere/at/all.sock".parse().unwrap();
    let error = Listener::bind(&missing, false).unwrap_err().to_string();
    assert!(error.contains("unix:/nowhere/at/all.sock") && error.contains("folder"), "{error}");
    let first = Listener::bind(&":0".parse().unwrap(), false).unwrap();
    let taken = first.address().unwrap().to_string();
    let error = Listener::bind(&taken.parse().unwrap(), false).unwrap_err().to_string();
    assert!(error.contains(&taken) && error.contains("another port"), "{error}");
}
