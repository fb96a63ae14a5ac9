//! The task of a flow: copies datagrams between its two UDP ports.

use std::future::poll_fn;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use conns_transfer::relay::{
    Action, Flow, FlowToken, IDLE_US, RelayFrame, RelayRefusal, SharedRate, Side,
};
use quinn::AsyncUdpSocket as _;
use quinn::udp::{RecvMeta, Transmit};
use tokio::sync::oneshot;
use tokio::time::MissedTickBehavior;

use super::port_range::PortChoice;
use super::state::{Client, State};
use super::{BIND_TIMEOUT, describe};
use crate::identity::PublicKey;
use crate::socket::Socket;

/// Datagrams of one source that the kernel received at once (GRO).
const BUFFER_BYTES: usize = 64 << 10;
/// Sizes of the socket buffers: 80 ms of 100 Mbit/s.
const SOCKET_BUFFER_BYTES: usize = 1 << 20;
/// Time between two checks of what ends a flow.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The UDP ports of a flow, one for each side.
#[derive(Debug)]
pub(super) struct Ports {
    sender: Socket,
    receiver: Socket,
}

impl Ports {
    /// Ports of the addresses that the clients connected to.
    pub(super) fn open(
        sender: SocketAddr,
        receiver: SocketAddr,
        choice: &PortChoice,
    ) -> io::Result<Self> {
        let open = |mut local: SocketAddr| {
            if let IpAddr::V4(ip) = local.ip().to_canonical() {
                local.set_ip(ip.into());
            }
            choice.open(local, |local| Socket::listen_with(local, SOCKET_BUFFER_BYTES))
        };
        Ok(Self { sender: open(sender)?, receiver: open(receiver)? })
    }

    /// The port that the receiver sends to.
    pub(super) fn receiver_port(&self) -> io::Result<u16> {
        Ok(self.receiver.local_addr()?.port())
    }

    fn of(&self, side: Side) -> &Socket {
        match side {
            Side::Sender => &self.sender,
            Side::Receiver => &self.receiver,
        }
    }

    /// Receives datagrams of one source; of the side `first` if both have some.
    async fn receive(&self, first: Side, buffer: &mut [u8]) -> (Side, RecvMeta) {
        poll_fn(|context| {
            for side in [first, other(first)] {
                let mut meta = [RecvMeta::default()];
                let mut buffers = [IoSliceMut::new(buffer)];
                let received = self.of(side).poll_recv(context, &mut buffers, &mut meta);
                // The socket keeps errors of the network; a receive that failed has no datagram.
                if let (Poll::Ready(Ok(1..)), [meta]) = (received, meta) {
                    return Poll::Ready((side, meta));
                }
            }
            Poll::Pending
        })
        .await
    }
}

fn other(side: Side) -> Side {
    match side {
        Side::Sender => Side::Receiver,
        Side::Receiver => Side::Sender,
    }
}

/// What the task of a flow has.
pub(super) struct FlowTask {
    state: Arc<State>,
    sender: Client,
    receiver: PublicKey,
    ports: Ports,
    /// Whether the sender was answered.
    is_opened: bool,
    began_us: u64,
    /// Since when the sender, or the receiver, has no control connection.
    sender_lost_us: Option<u64>,
    receiver_lost_us: Option<u64>,
}

/// Forwards until the flow ends.
pub(super) async fn run(
    mut task: FlowTask,
    token: FlowToken,
    rate: Option<SharedRate>,
    mut ended: oneshot::Receiver<RelayRefusal>,
) {
    let mut flow = Flow::new(token, rate, task.began_us);
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut first = Side::Sender;
    let mut interval = tokio::time::interval(CHECK_INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let state = Arc::clone(&task.state);
    let mut stopped = std::pin::pin!(state.stopped());
    let reason = loop {
        tokio::select! {
            (side, meta) = task.ports.receive(first, &mut buffer) => {
                let received = buffer.get(..meta.len).unwrap_or_default();
                task.forward(&mut flow, token, side, received, &meta);
                first = other(side);
            }
            _ = interval.tick() => {
                if let Some(reason) = task.end_reason(&flow) {
                    break reason;
                }
            }
            reason = &mut ended => break reason.unwrap_or(RelayRefusal::Ended),
            () = &mut stopped => break RelayRefusal::Stopped,
        }
    };
    task.close(token, reason);
}

impl FlowTask {
    pub(super) fn new(
        state: Arc<State>,
        sender: Client,
        receiver: PublicKey,
        ports: Ports,
    ) -> Self {
        let began_us = state.now_us();
        Self {
            state,
            sender,
            receiver,
            ports,
            is_opened: false,
            began_us,
            sender_lost_us: None,
            receiver_lost_us: None,
        }
    }

    /// Forwards the datagrams that one source sent to a side's port.
    fn forward(
        &mut self,
        flow: &mut Flow,
        token: FlowToken,
        side: Side,
        received: &[u8],
        meta: &RecvMeta,
    ) {
        let now_us = self.state.now_us();
        let (bytes_before, dropped_before) = (flow.forwarded_bytes(), flow.dropped());
        let mut not_sent = 0;
        // What is forwarded is sent at once up to a datagram that is not; all of it has one destination.
        let mut run = 0..0;
        let mut destination = None;
        for datagram in received.chunks(meta.stride.max(1)) {
            let end = run.end + datagram.len();
            match flow.on_datagram(side, meta.addr, datagram, now_us) {
                Action::Forward { to } => {
                    destination = Some(to);
                    run.end = end;
                }
                action => {
                    not_sent += self.send(side, received.get(run), destination, meta);
                    run = end..end;
                    if action == (Action::Bind { side }) {
                        self.bound(token, side, meta.addr);
                    }
                }
            }
        }
        not_sent += self.send(side, received.get(run), destination, meta);
        let dropped = flow.dropped() - dropped_before + not_sent;
        self.state.count(flow.forwarded_bytes() - bytes_before, dropped);
    }

    /// Sends datagrams from the port of the other side; returns how many the socket had no room for. They are dropped, as a
    /// router does.
    fn send(
        &self,
        from_side: Side,
        bytes: Option<&[u8]>,
        destination: Option<SocketAddr>,
        meta: &RecvMeta,
    ) -> u64 {
        let (Some(bytes), Some(destination)) = (bytes, destination) else { return 0 };
        let socket = self.ports.of(other(from_side));
        let size = meta.stride.max(1);
        let mut not_sent = 0;
        for contents in bytes.chunks(size * socket.max_transmit_segments().max(1)) {
            let segment_size = (contents.len() > size).then_some(size);
            let transmit =
                Transmit { destination, ecn: meta.ecn, contents, segment_size, src_ip: None };
            if socket.try_send(&transmit).is_err() {
                not_sent += contents.len().div_ceil(size) as u64;
            }
        }
        not_sent
    }

    /// Reports that a side has sent its token.
    fn bound(&mut self, flow: FlowToken, side: Side, address: SocketAddr) {
        match side {
            // A client that does not read, or is not connected, finds out by the datagrams that arrive.
            Side::Sender => {
                self.sender.send(RelayFrame::Bound { flow });
            }
            Side::Receiver => {
                if let Some(receiver) = self.state.receiver(self.receiver) {
                    receiver.send(RelayFrame::Bound { flow });
                }
                if let Ok(local) = self.ports.sender.local_addr() {
                    let port = local.port();
                    self.is_opened = true;
                    self.sender.send(RelayFrame::Opened { flow, port, receiver: address });
                }
            }
        }
    }

    /// Why the flow ends now; `None` if it goes on.
    fn end_reason(&mut self, flow: &Flow) -> Option<RelayRefusal> {
        let now_us = self.state.now_us();
        let lost_for = |lost_us: &mut Option<u64>, is_lost: bool| {
            *lost_us = is_lost.then(|| lost_us.unwrap_or(now_us));
            lost_us.is_some_and(|lost_us| now_us - lost_us >= IDLE_US)
        };
        let is_sender_lost = self.sender.outbox.is_closed();
        let is_receiver_lost = self.state.receiver(self.receiver).is_none();
        if flow.is_idle(now_us) {
            Some(RelayRefusal::Idle)
        } else if !self.is_opened && now_us - self.began_us >= BIND_TIMEOUT.as_micros() as u64 {
            Some(RelayRefusal::NotBound)
        } else if lost_for(&mut self.sender_lost_us, is_sender_lost) {
            Some(RelayRefusal::Ended)
        } else if lost_for(&mut self.receiver_lost_us, is_receiver_lost) {
            Some(RelayRefusal::NoSuchReceiver)
        } else {
            None
        }
    }

    /// Forgets the flow, and reports its end to both sides.
    fn close(self, flow: FlowToken, reason: RelayRefusal) {
        self.state.forget(flow);
        if let Some(receiver) = self.state.receiver(self.receiver) {
            receiver.send(RelayFrame::Closed { flow, reason });
        }
        let frame = if self.is_opened {
            RelayFrame::Closed { flow, reason }
        } else {
            RelayFrame::Refused { reason, text: self.refusal_text(reason) }
        };
        self.sender.send(frame);
    }

    fn refusal_text(&self, reason: RelayRefusal) -> String {
        let why = match reason {
            RelayRefusal::NotAllowed => {
                "it does not allow this sender's key (conns link serve --allow)".to_owned()
            }
            other => describe(other),
        };
        format!("no flow to the receiver with the key {}: {why}", self.receiver)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot continue fails")]

    use tokio::sync::{mpsc, watch};
    use tokio::time::advance;

    use super::*;
    use crate::identity::Identity;

    const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
    const TOKEN: FlowToken = FlowToken([7; 16]);

    fn client(state: &State) -> (Client, mpsc::Receiver<RelayFrame>) {
        let (outbox, frames) = mpsc::channel(8);
        let key = Identity::generate().unwrap().public();
        (Client { id: state.next_id(), key, local: LOOPBACK, outbox }, frames)
    }

    #[tokio::test(start_paused = true)]
    async fn a_flow_ends_when_nothing_was_forwarded_for_a_minute() {
        let (_stop, stopped) = watch::channel(false);
        let state = Arc::new(State::new(Vec::new(), None, None, stopped));
        let (sender, mut of_sender) = client(&state);
        let (receiver, mut of_receiver) = client(&state);
        let _replaced = state.register(&receiver).unwrap();
        let ports = Ports::open(LOOPBACK, LOOPBACK, &PortChoice::new(None)).unwrap();
        let mut task = FlowTask::new(Arc::clone(&state), sender, receiver.key, ports);
        let mut flow = Flow::new(TOKEN, None, task.began_us);
        let [sender_at, receiver_at] = [1, 2].map(|port| SocketAddr::new(LOOPBACK.ip(), port));
        for (side, at) in [(Side::Receiver, receiver_at), (Side::Sender, sender_at)] {
            assert_eq!(flow.on_datagram(side, at, &TOKEN.0, state.now_us()), Action::Bind { side });
            task.bound(TOKEN, side, at);
        }
        assert!(matches!(of_receiver.try_recv(), Ok(RelayFrame::Bound { .. })));
        assert!(matches!(of_sender.try_recv(), Ok(RelayFrame::Opened { .. })));
        let minute = Duration::from_micros(IDLE_US);
        advance(minute - Duration::from_millis(1)).await;
        assert_eq!(task.end_reason(&flow), None);
        // A forwarded datagram begins the minute again, and one that is dropped does not.
        let to = receiver_at;
        let forwarded = flow.on_datagram(Side::Sender, sender_at, b"data", state.now_us());
        assert_eq!(forwarded, Action::Forward { to });
        advance(minute - Duration::from_millis(1)).await;
        flow.on_datagram(Side::Sender, receiver_at, b"data", state.now_us());
        assert_eq!(task.end_reason(&flow), None);
        advance(Duration::from_millis(1)).await;
        assert_eq!(task.end_reason(&flow), Some(RelayRefusal::Idle));
        task.close(TOKEN, RelayRefusal::Idle);
        let closed = RelayFrame::Closed { flow: TOKEN, reason: RelayRefusal::Idle };
        assert!(std::iter::from_fn(|| of_sender.try_recv().ok()).any(|frame| frame == closed));
        assert_eq!(of_receiver.try_recv(), Ok(closed));
    }
}
