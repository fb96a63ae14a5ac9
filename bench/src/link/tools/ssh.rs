//! scp and rsync over ssh. The server has its configuration and keys in the scratch folder and changes no file of the
//! system; `/run/sshd`, which every sshd needs, is made if it does not exist.

use std::path::PathBuf;

use anyhow::Context;

use super::super::host::Port;
use super::super::transfer::{Ended, Transfer};

const PORT: u16 = 2222;

/// What a client needs to reach the server.
pub(super) struct Client {
    /// The options of `ssh`, which scp and qcp take too.
    pub(super) options: Vec<String>,
    /// `root@address`.
    pub(super) login: String,
    /// Of the server.
    pub(super) port: u16,
}

pub(super) fn scp(transfer: &Transfer<'_>) -> Ended {
    let client = serve(transfer)?;
    let source = transfer.source();
    let target = format!("{}:{}/", client.login, transfer.target());
    let mut arguments = vec!["-q"];
    if transfer.payload.is_folder() {
        arguments.push("-r");
    }
    arguments.extend(client.options.iter().map(String::as_str));
    let port = client.port.to_string();
    arguments.extend(["-P", &port, &source, &target]);
    transfer.send(&transfer.program("scp")?, &arguments)
}

pub(super) fn rsync(transfer: &Transfer<'_>) -> Ended {
    let client = serve(transfer)?;
    let shell = format!("ssh {} -p {}", client.options.join(" "), client.port);
    let target = format!("{}:{}/", client.login, transfer.target());
    transfer.send(&transfer.program("rsync")?, &["-a", "-e", &shell, &transfer.source(), &target])
}

/// Starts an ssh server at the receiver, with a key for the sender.
pub(super) fn serve(transfer: &Transfer<'_>) -> anyhow::Result<Client> {
    let (from, to) = (transfer.from, transfer.to);
    let keygen = transfer.program("ssh-keygen")?;
    let [key, host_key] = [from.path("id"), to.path("host_key")];
    from.output(&keygen, &["-q", "-t", "ed25519", "-N", "", "-f", &key])?;
    to.output(&keygen, &["-q", "-t", "ed25519", "-N", "", "-f", &host_key])?;
    let public = std::fs::read_to_string(format!("{key}.pub")).context("cannot read the key")?;
    let authorized = to.write("authorized_keys", &public)?;
    std::fs::create_dir_all("/run/sshd").context("cannot make /run/sshd, which sshd needs")?;
    let configuration = to.write(
        "sshd_config",
        &format!(
            "ListenAddress {}:{PORT}\nHostKey {host_key}\nAuthorizedKeysFile {authorized}\nPidFile none\nUsePAM no\n\
             StrictModes no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\n",
            to.address
        ),
    )?;
    // sshd starts itself again for each connection, and so asks for an absolute path.
    let sshd: PathBuf = transfer.program("sshd")?;
    to.serve("sshd", &sshd, &["-D", "-e", "-f", &configuration], Port::Tcp(PORT))?;
    let known = from.path("known_hosts");
    let options = [
        format!("IdentityFile={key}"),
        "IdentitiesOnly=yes".to_owned(),
        "BatchMode=yes".to_owned(),
        "StrictHostKeyChecking=no".to_owned(),
        format!("UserKnownHostsFile={known}"),
    ];
    let mut words = vec!["-F".to_owned(), "none".to_owned()];
    words.extend(options.into_iter().flat_map(|option| ["-o".to_owned(), option]));
    Ok(Client { options: words, login: format!("root@{}", to.address), port: PORT })
}
