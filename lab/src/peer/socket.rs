//! Makes TCP sockets with the knobs set before the handshake, where the kernel wants them.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, sockopt};

use super::Knobs;

/// A TCP socket with the knobs set, not yet bound.
pub(super) fn tcp(for_address: &SocketAddr, knobs: &Knobs) -> Result<OwnedFd> {
    let family = match for_address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let protocol = if knobs.mptcp { ipproto::MPTCP } else { ipproto::TCP };
    let socket =
        rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, Some(protocol))
            .context("making a TCP socket")?;
    sockopt::set_socket_reuseaddr(&socket, true).context("setting SO_REUSEADDR")?;
    if let Some(bytes) = knobs.sndbuf {
        sockopt::set_socket_send_buffer_size(&socket, bytes).context("setting SO_SNDBUF")?;
    }
    if let Some(bytes) = knobs.rcvbuf {
        sockopt::set_socket_recv_buffer_size(&socket, bytes).context("setting SO_RCVBUF")?;
    }
    if knobs.nodelay {
        sockopt::set_tcp_nodelay(&socket, true).context("setting TCP_NODELAY")?;
    }
    let name = &knobs.congestion;
    sockopt::set_tcp_congestion(&socket, name)
        .with_context(|| format!("choosing the congestion control {name}"))?;
    Ok(socket)
}

/// Binds to any address of the right family and the given port.
pub(super) fn bind_port(socket: &OwnedFd, like: &SocketAddr, port: u16) -> Result<()> {
    let any: SocketAddr = match like {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, port).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, port).into(),
    };
    rustix::net::bind(socket, &any).with_context(|| format!("binding to port {port}"))
}

/// A connected stream.
pub(super) fn connected(
    to: &SocketAddr,
    from_port: Option<u16>,
    knobs: &Knobs,
) -> Result<TcpStream> {
    let socket = tcp(to, knobs)?;
    if let Some(port) = from_port {
        bind_port(&socket, to, port)?;
    }
    rustix::net::connect(&socket, to).with_context(|| format!("connecting to {to}"))?;
    Ok(TcpStream::from(socket))
}
