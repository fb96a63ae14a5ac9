//! The figures of a connection of the past.

use conns_core::model::{MptcpState, Queues, TcpInfo, TcpInfoBuilder, UdpTraffic};

use super::row::Row;

/// The measures of a TCP connection; `None` if none is kept.
pub(super) fn tcp(row: &Row<'_, '_>) -> Option<TcpInfo> {
    let mut tcp = TcpInfoBuilder::default();
    let nothing = tcp.clone().build();
    set(row.small("rtt_us"), |us| tcp.rtt(us));
    set(row.small("min_rtt_us"), |us| tcp.min_rtt(us));
    set(row.small("data_segs_out"), |count| tcp.data_segs_out(count));
    set(row.small("total_retrans"), |count| tcp.total_retrans(count));
    set(row.whole("bytes_retrans"), |bytes| tcp.bytes_retrans(bytes));
    set(row.small("snd_cwnd"), |count| tcp.snd_cwnd(count));
    set(row.small("snd_mss_bytes"), |bytes| tcp.snd_mss(bytes));
    let rate = row.fraction("delivery_rate_bytes_per_s");
    set(rate, |rate| tcp.delivery_rate(rate as u64));
    let idle_ms = row.whole("idle_us").and_then(|us| u32::try_from(us / 1000).ok());
    set(idle_ms, |ms| tcp.kept_idle(ms));
    set(row.fraction("loss_percent"), |percent| tcp.kept_loss_percent(percent));
    set(row.whole("bytes_out"), |bytes| tcp.kept_payload_sent(bytes));
    set(row.whole("bytes_in"), |bytes| tcp.kept_payload_received(bytes));
    let is_known = tcp.clone().build() != nothing;
    tcp.of_history();
    is_known.then(|| tcp.build())
}

fn set<'t, T>(value: Option<T>, put: impl FnOnce(T) -> &'t mut TcpInfoBuilder) {
    if let Some(value) = value {
        put(value);
    }
}

/// Payload of an MPTCP connection.
pub(super) fn mptcp(row: &Row<'_, '_>) -> Option<MptcpState> {
    let (sent, received) = (row.whole("bytes_out"), row.whole("bytes_in"));
    let is_known = sent.is_some() || received.is_some();
    // No field shows its subflows and its token.
    is_known.then(|| MptcpState {
        bytes_sent: sent,
        bytes_received: received,
        ..MptcpState::default()
    })
}

/// Payload of a UDP socket. No field shows its peers.
pub(super) fn udp(row: &Row<'_, '_>) -> Option<UdpTraffic> {
    let (bytes_out, bytes_in) = row.whole("bytes_out").zip(row.whole("bytes_in"))?;
    Some(UdpTraffic { bytes_out, bytes_in, peers: [].into(), peers_omitted: 0 })
}

/// Bytes in the queues.
pub(super) fn queues(row: &Row<'_, '_>) -> Option<Queues> {
    let queues = row.small("recv_queue_bytes").zip(row.small("send_queue_bytes"));
    queues.map(|(receive_bytes, send_bytes)| Queues { receive_bytes, send_bytes })
}
