//! rclone copies to a server of its own: webdav without encryption, and sftp. Many files at a time, as one would set on a
//! long path.

use super::super::host::Port;
use super::super::payload::NAME;
use super::super::transfer::{Ended, Transfer};

const PORT: u16 = 8080;
/// Files at a time; the default is 4.
const TRANSFERS: &str = "16";
const NO_CONFIGURATION: [&str; 2] = ["--config", "/dev/null"];
/// As the sftp server of rclone has it on its command line.
const USER: [&str; 2] = ["bench", "bench"];

pub(super) fn webdav(transfer: &Transfer<'_>) -> Ended {
    serve(transfer, "webdav", &[])?;
    let url = format!("http://{}:{PORT}", transfer.to.address);
    copy(transfer, ":webdav:", &["--webdav-url", &url])
}

pub(super) fn sftp(transfer: &Transfer<'_>) -> Ended {
    let rclone = transfer.program("rclone")?;
    let [user, password] = USER;
    serve(transfer, "sftp", &["--user", user, "--pass", password])?;
    // A password on the command line is one that rclone can decode.
    let obscured = transfer.from.output(&rclone, &["obscure", password])?;
    let host = transfer.to.address.to_string();
    let port = PORT.to_string();
    let login = ["--sftp-host", &host, "--sftp-port", &port, "--sftp-user", user, "--sftp-pass"];
    let mut arguments = login.to_vec();
    arguments.push(&obscured);
    copy(transfer, ":sftp:", &arguments)
}

fn serve(transfer: &Transfer<'_>, protocol: &str, login: &[&str]) -> anyhow::Result<()> {
    let address = format!("{}:{PORT}", transfer.to.address);
    let target = transfer.target();
    let mut arguments = vec!["serve", protocol, "--addr", &address];
    arguments.extend(NO_CONFIGURATION);
    arguments.extend_from_slice(login);
    arguments.push(&target);
    transfer.to.serve("rclone", &transfer.program("rclone")?, &arguments, Port::Tcp(PORT))
}

fn copy(transfer: &Transfer<'_>, remote: &str, login: &[&str]) -> Ended {
    let target = format!("{remote}{NAME}");
    let source = transfer.source();
    let verb = if transfer.payload.is_folder() { "copy" } else { "copyto" };
    let mut arguments = vec![verb, "--transfers", TRANSFERS, "--checkers", TRANSFERS];
    arguments.extend(NO_CONFIGURATION);
    arguments.extend_from_slice(login);
    arguments.extend([source.as_str(), target.as_str()]);
    transfer.send(&transfer.program("rclone")?, &arguments)
}
