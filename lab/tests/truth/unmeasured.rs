//! What the kernel has not measured, and numbers of the kernel that are no values: unknown, by both sources.

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use anyhow::{Context, Result, ensure};
use conns_lab::netns::Namespace;
use rustix::io::ioctl_fionread;
use serde_json::Value;
use socket2::{Domain, Socket, Type};

use crate::fixture::{conns, wait_state};

/// Netlink, and the programs where this kernel accepts them.
fn sources() -> Result<&'static [&'static str]> {
    let has_programs = conns()?.missing("ebpf-watch")?.is_none();
    Ok(if has_programs { &["kernel", "ebpf"] } else { &["kernel"] })
}

/// The one record that this filter finds, as each source has it.
fn by_each_source(namespace: &Namespace, filter: &str) -> Result<Vec<(&'static str, Value)>> {
    let mut all = Vec::new();
    for &source in sources()? {
        let words = ["-a", "--netns", namespace.name(), "--source", source, filter];
        let rows = conns()?.records(&words)?;
        let [row] = &*rows else { anyhow::bail!("{source}: {} rows match {filter}", rows.len()) };
        all.push((source, row.clone()));
    }
    Ok(all)
}

/// A listener whose accept queue is full, and a connection to it in SYN-SENT.
fn unanswered(namespace: &Namespace) -> Result<(TcpListener, Vec<Socket>, String)> {
    namespace.inside(|| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        socket.listen(0)?;
        let listener = TcpListener::from(socket);
        let at = listener.local_addr()?;
        let mut clients = Vec::new();
        for _ in 0..4 {
            let client = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            client.set_nonblocking(true)?;
            // It is in progress.
            drop(client.connect(&at.into()));
            clients.push(client);
        }
        let last = clients.last().context("no client")?.local_addr()?;
        let last = last.as_socket_ipv4().context("no IPv4 address")?.port();
        let filter = format!("local_port == {last} and state == syn-sent");
        Ok((listener, clients, filter))
    })?
}

pub(crate) fn syn_sent() -> Result<()> {
    let namespace = Namespace::create("unmeasured")?;
    let (_listener, _clients, filter) = unanswered(&namespace)?;
    for (source, row) in by_each_source(&namespace, &filter)? {
        for key in [
            "rtt_us",
            "idle_us",
            "min_rtt_us",
            "rttvar_us",
            "last_data_sent_us",
            "last_data_recv_us",
            "last_ack_recv_us",
            "pacing_rate_bytes_per_s",
            "max_pacing_rate_bytes_per_s",
            "snd_ssthresh",
            "delivery_rate_bytes_per_s",
        ] {
            ensure!(row.get(key) == Some(&Value::Null), "{source}: {key} is {:?}", row.get(key));
        }
        ensure!(row["send_queue_bytes"] == 0, "{source}: the SYN is in the queue: {row}");
        for question in ["idle > 1m", "min_rtt > 1s", "pacing_rate > 1GB/s", "snd_ssthresh > 1000"]
        {
            let filter = format!("{filter} and {question}");
            let words = ["-a", "--netns", namespace.name(), "--source", source, &filter];
            ensure!(conns()?.records(&words)?.is_empty(), "{source}: {question} finds it");
        }
    }
    Ok(())
}

/// FIONREAD counts what the application can read.
pub(crate) fn queues() -> Result<()> {
    let namespace = Namespace::create("queues")?;
    for is_read in [false, true] {
        let (listener, client) = namespace.inside(|| -> Result<_> {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let client = TcpStream::connect(listener.local_addr()?)?;
            Ok((listener, client))
        })??;
        let (mut server, _) = listener.accept()?;
        (&client).write_all(&[7; 300])?;
        if is_read {
            std::io::Read::read_exact(&mut server, &mut [0; 300])?;
        }
        drop(client);
        let (local, remote) = (server.local_addr()?.port(), server.peer_addr()?.port());
        wait_state(&namespace, local, remote, "CLOSE-WAIT")?;
        let unread = ioctl_fionread(&server)?;
        let filter = format!("local_port == {local} and remote_port == {remote}");
        for (source, row) in by_each_source(&namespace, &filter)? {
            ensure!(row["recv_queue_bytes"] == unread, "{source}: FIONREAD is {unread}: {row}");
            ensure!(row["bytes_in"] == 300, "{source}: {row}");
        }
        // Its FIN stays without an answer, because the client has no socket any more; until the reset comes it is queued.
        server.shutdown(std::net::Shutdown::Write)?;
        for source in sources()? {
            let words = ["-a", "--netns", namespace.name(), "--source", source, &*filter];
            for row in conns()?.records(&words)? {
                ensure!(row["send_queue_bytes"].as_u64().unwrap_or(0) == 0, "{source}: {row}");
            }
        }
    }
    Ok(())
}
