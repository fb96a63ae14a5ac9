//! A real `monerod`, alone with itself and a peer on loopback: no seeds, no names looked up, no updates.

use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use conns_lab::netns::Namespace;
use conns_lab::process::wait_for;
use serde_json::Value;

use crate::fixture::{Folder, TIMEOUT, post};

/// The ports of peers by which the agent knows them unless it is reported otherwise: those of the main and the test network.
pub(crate) const LISTENER: u16 = 18_080;
pub(crate) const DIALLER: u16 = 28_080;

/// The call all is about.
pub(crate) const CALL: &str = r#"{"jsonrpc":"2.0","id":"0","method":"get_connections"}"#;

/// One that runs; dropping it ends it, and so does the end of this process.
#[derive(Debug)]
pub(crate) struct Node {
    child: Child,
    /// The port of its JSON-RPC server.
    pub(crate) rpc: u16,
    _folder: Folder,
}

/// Two that are connected: the first accepted, the second dialled.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) acceptor: Node,
    pub(crate) dialler: Node,
}

impl Node {
    fn start(namespace: &Namespace, p2p: u16, rpc: u16, more: &str) -> Result<Self> {
        let folder = Folder::create("node")?;
        let flags = format!(
            "--regtest --keep-fakechain --fixed-difficulty 1 --non-interactive --log-level 0 \
             --p2p-bind-ip 127.0.0.1 --p2p-bind-port {p2p} --rpc-bind-ip 127.0.0.1 \
             --rpc-bind-port {rpc} --rpc-ssl disabled --no-zmq --no-igd --allow-local-ip \
             --max-connections-per-ip 8 --disable-dns-checkpoints --check-updates disabled {more}"
        );
        // The shell becomes the node; what it leaves behind ends the node when its input is closed.
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg("exec 3<&0; (read -r _ <&3; kill -9 $$) & exec monerod \"$@\" 3<&- </dev/null")
            .arg("sh")
            .args(flags.split_whitespace())
            .arg("--data-dir")
            .arg(folder.path())
            .arg("--log-file")
            .arg(folder.path().join("log"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Ok(Self { child: namespace.spawn(&mut command)?, rpc, _folder: folder })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it answers itself.
    pub(crate) fn answer(&self, namespace: &Namespace) -> Result<Vec<u8>> {
        Ok(post(namespace, self.rpc, "/json_rpc", CALL)?.body)
    }

    /// A peer that only sends: what it sends is noise by the protocol, which a node counts and passes over.
    pub(crate) fn mute_peer(namespace: &Namespace) -> Result<TcpStream> {
        namespace
            .inside(|| TcpStream::connect((Ipv4Addr::LOCALHOST, LISTENER)))?
            .context("dialling the node")
    }

    fn ended(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("monerod ended with {status}"),
            None => Ok(()),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // What watches the input kills the node, while its number is still its own.
        drop(self.child.stdin.take());
        let ended = wait_for("the node's end", TIMEOUT, || Ok(self.child.try_wait()?));
        if ended.is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Pair {
    /// Starts both and waits until each of them logs that it is synchronised with the other.
    pub(crate) fn start(namespace: &Namespace) -> Result<Self> {
        let to = |port: u16| format!("--add-exclusive-node 127.0.0.1:{port}");
        // It opens no connection itself, so there is one; without an exclusive node it would look up seeds.
        let listens = format!("--out-peers 0 {}", to(DIALLER));
        let mut acceptor = Node::start(namespace, LISTENER, 28_181, &listens)?;
        wait_for("a node that answers", TIMEOUT, || {
            acceptor.ended()?;
            Ok(acceptor.answer(namespace).ok())
        })?;
        let mut dialler = Node::start(namespace, DIALLER, 28_281, &to(LISTENER))?;
        wait_for("two nodes that agree", TIMEOUT, || {
            acceptor.ended()?;
            dialler.ended()?;
            let agree = |node: &Node| {
                let answer: Value = serde_json::from_slice(&node.answer(namespace).ok()?).ok()?;
                (answer["result"]["connections"][0]["state"] == "normal").then_some(())
            };
            Ok(agree(&acceptor).and(agree(&dialler)))
        })?;
        Ok(Self { acceptor, dialler })
    }
}

/// Bytes of a message of noise, its header included: enough for figures of KiB a second, and below what a node takes
/// from a peer without a handshake.
pub(crate) const NOISE: usize = 60_000;

/// Sends a message that begins and ends a fragment and is neither request nor answer: noise, by the protocol.
pub(crate) fn make_noise(peer: &mut TcpStream) -> Result<()> {
    const HEADER: usize = 33;
    let mut message = vec![0x01, 0x21, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01];
    message.extend(u64::try_from(NOISE - HEADER)?.to_le_bytes());
    message.push(0); // wants no answer
    message.extend(0_u32.to_le_bytes()); // command
    message.extend(0_i32.to_le_bytes()); // return code
    message.extend(12_u32.to_le_bytes()); // begins and ends
    message.extend(1_u32.to_le_bytes()); // version
    message.resize(NOISE, 0);
    peer.write_all(&message).context("sending noise")
}
