//! The verdict in words: one sentence with its numbers, and what to do about it.

use crate::human::{bit_rate, bytes, duration, percent};
use crate::model::{
    Basis, Class, Evidence, Known, Protocol, Socket, SocketSample, Source, State, TcpInfo, Verdict,
};

impl Verdict {
    /// One sentence with the numbers behind the verdict. `socket` is the sample it is about.
    #[must_use]
    pub fn why(&self, socket: &SocketSample) -> String {
        let e = &self.evidence;
        let time = Time(e);
        if self.class != Class::Unknown && socket.source == Source::History && *e == Evidence::NONE
        {
            let name = self.class.name();
            return format!("It was {name}. The history does not keep the numbers behind that.");
        }
        match self.class {
            Class::Healthy if socket.state == State::Listen => {
                let queue = socket.accept_queue.get();
                let (length, limit) = queue.map_or((0, 0), |q| (q.length, q.limit));
                let dropped = match e.drops {
                    0 => format!("no connection was dropped {time}"),
                    drops => format!(
                        "{drops} SYNs or packets were dropped {time}, for another reason than a full queue (a filter, IP_MINTTL, memory)"
                    ),
                };
                match queue {
                    Some(_) => format!(
                        "Accepting: {length} of {limit} places in the accept queue are used, and {dropped}."
                    ),
                    None => format!("Accepting: {dropped}."),
                }
            }
            Class::Healthy => format!(
                "No limit found: {} sent and {} received {time}, {} of segments lost{}.",
                bytes(e.bytes_out),
                bytes(e.bytes_in),
                percent(e.loss_percent()),
                rtt(e)
            ),
            Class::Idle => match socket.state {
                State::Established => format!("Nothing to send and nothing received {time}."),
                state => format!("Closed or closing ({}); no more data moves.", state.name()),
            },
            Class::AppLimited if e.basis == Basis::Lifetime => format!(
                "The application here supplies less than the path could carry: the last data sent was all it had ({} since it began).",
                bytes(e.bytes_out)
            ),
            Class::AppLimited => format!(
                "The application here supplies less than the path could carry: it had something to send for {}, {} sent.",
                share(e, e.busy_us),
                bytes(e.bytes_out)
            ),
            Class::SlowReaderLocal => format!(
                "The application here does not read: {} wait in the receive queue{}{}.",
                bytes(socket.queues.get().map_or(0, |q| u64::from(q.receive_bytes))),
                buffer(socket, |m| m.receive_limit_bytes),
                if e.drops > 0 {
                    format!(", {} packets dropped {time}", e.drops)
                } else {
                    String::new()
                }
            ),
            Class::SlowReaderRemote => format!(
                "Sender waits for the receiver: its window was full {}{}.",
                share(e, e.rwnd_limited_us),
                window(socket)
            ),
            Class::SndbufLimited => {
                let how_long = if e.samples_sndbuf_full > 0 {
                    format!("was full at {} of {} samples {time}", e.samples_sndbuf_full, e.samples)
                } else {
                    format!("limited the sender {}", share(e, e.sndbuf_limited_us))
                };
                let size = buffer(socket, |m| m.send_limit_bytes);
                format!("The send buffer is too small for the path: it {how_long}{size}{}.", rtt(e))
            }
            Class::PathLoss => format!(
                "The path loses segments: {} of {} sent were lost ({}) {time}{}.",
                e.segments_lost,
                e.segments_out,
                percent(e.loss_percent()),
                rtt(e)
            ),
            Class::Bufferbloat => format!(
                "A queue stands on the path: the round trip is {}, {:.1} times the {} of the path itself ({time}).",
                duration(u64::from(e.rtt_us)),
                f64::from(e.rtt_us) / f64::from(e.min_rtt_us.max(1)),
                duration(u64::from(e.min_rtt_us))
            ),
            Class::CwndLimited => format!(
                "The congestion window is full and the path is not: {}{}, no queue on the path, data was waiting at {} of {} samples.",
                cwnd(socket),
                rtt(e),
                e.samples_unsent,
                e.samples
            ),
            Class::PathLimited => format!(
                "The path is full: this connection uses all of the {} that it leaves{}, and more waits to be sent.",
                sent_rate(e),
                rtt(e)
            ),
            Class::CloseWaitLeak => {
                let ms = socket.since(TcpInfo::last_ack_recv);
                let ago = ms.map(|ms| format!(" {} ago", duration(u64::from(ms) * 1000)));
                format!(
                    "The peer closed{}, and the application here has not: it holds a socket that carries nothing.",
                    ago.unwrap_or_default()
                )
            }
            Class::Stalled if socket.state == State::Close => format!(
                "No answer came from the peer, and the kernel gave up ({} timeouts {time}).",
                e.timeouts
            ),
            Class::Stalled if matches!(socket.timer, Known::Unknown(_)) => format!(
                "No answer from the peer: {} timeouts {time}{}.",
                e.timeouts,
                socket.queues.get().map_or_else(String::new, |q| format!(
                    ", {} unacknowledged",
                    bytes(u64::from(q.send_bytes))
                ))
            ),
            Class::Stalled => format!(
                "No answer from the peer: {} timeouts in a row, next try in {}, {} unacknowledged.",
                socket.timer.get().map_or(0, |t| t.retransmits),
                duration(socket.timer_now().get().map_or(0, |t| u64::from(t.expires_ms) * 1000)),
                bytes(socket.queues.get().map_or(0, |q| u64::from(q.send_bytes)))
            ),
            Class::HandshakeFailing if socket.state == State::Close => {
                "The handshake did not complete: no answer until the kernel gave up.".to_owned()
            }
            Class::HandshakeFailing => {
                let what = if socket.state == State::SynSent { "SYN" } else { "SYN-ACK" };
                let times = match socket.timer {
                    Known::Unknown(_) => "sent".to_owned(),
                    timer => {
                        let again = timer.get().map_or(0, |timer| timer.retransmits);
                        format!("sent {} times", u32::from(again) + 1)
                    }
                };
                format!(
                    "The handshake does not complete: the {what} was {times} without an answer."
                )
            }
            Class::AcceptOverflow => {
                let queue = socket.accept_queue.get();
                let waiting = queue.map_or_else(String::new, |q| {
                    format!(", {} wait in an accept queue of {}", q.length, q.limit)
                });
                format!(
                    "Connections are dropped because the application does not accept them: {} dropped {time}{waiting}.",
                    e.drops
                )
            }
            Class::SynQueueFull => {
                let queue = socket.accept_queue.get();
                let limit = queue.map_or_else(String::new, |q| format!(" ({})", q.limit));
                format!(
                    "The SYN queue is full: more handshakes wait for the client's last ACK than it holds{limit}, so that the kernel drops SYNs or answers with cookies; {} dropped {time}.",
                    e.drops
                )
            }
            Class::Unknown if socket.state == State::Listen => format!(
                "{} connections were dropped {time}, and the kernel's reason (ListenOverflows of its network namespace) could not be read.",
                e.drops
            ),
            Class::Unknown => match socket.protocol {
                Protocol::Udp => {
                    "The kernel measures no path for UDP, and the queues show no problem."
                        .to_owned()
                }
                Protocol::Mptcp => {
                    "See its subflows: the kernel measures the paths there.".to_owned()
                }
                Protocol::Tcp => "The evidence is not sufficient.".to_owned(),
                _ => "The kernel measures no path for such sockets.".to_owned(),
            },
        }
    }

    /// What the user can do about it; empty where there is nothing to do.
    #[must_use]
    pub fn advice(&self, socket: &Socket) -> &'static str {
        match self.class {
            Class::Healthy | Class::Idle => "",
            Class::AppLimited => {
                "To go faster, the sending application must supply more at once: check its CPU, disk or upstream, not the network."
            }
            Class::SlowReaderLocal => {
                "Find out why the process that owns this socket does not read: CPU, a lock, a blocked disk, or back-pressure from what it writes to."
            }
            Class::SlowReaderRemote => {
                "Check the receiving process on the other end; if it does read promptly, its receive buffer (SO_RCVBUF, net.ipv4.tcp_rmem) is too small for this path."
            }
            Class::SndbufLimited => {
                "Do not set SO_SNDBUF in the sending application, or set it above rate times round trip; raise net.ipv4.tcp_wmem's maximum if it is the limit."
            }
            Class::PathLoss => {
                "Check for a bad link, Wi-Fi, a policer or a full queue on the way (mtr, interface errors); BBR suffers less from random loss than CUBIC."
            }
            Class::Bufferbloat => {
                "Shorten the queue at the bottleneck (fq_codel, CAKE, a smaller ring or modem buffer), or use BBR at the sender."
            }
            Class::CwndLimited => {
                "The window is still growing or was cut by loss: let it run, reuse connections, raise the initial window (ip route … initcwnd), or use BBR; check for a cwnd clamp on the route."
            }
            Class::PathLimited => {
                "Nothing is wrong. To go faster, use a faster path, or send less over it beside this connection."
            }
            Class::CloseWaitLeak => {
                "Fix the application: it must close the descriptor when a read returns 0. Restarting it frees the descriptors; the kernel never does."
            }
            Class::Stalled => {
                "The peer or the path does not respond: check reachability and firewalls' connection tracking; the kernel gives up after net.ipv4.tcp_retries2."
            }
            Class::HandshakeFailing if socket.state == State::SynReceived => {
                "The client does not answer our SYN-ACK: check the way back and firewalls; many of these at once are a SYN flood."
            }
            Class::HandshakeFailing => {
                "No answer from there: check address and port, firewalls that drop silently, and the listener's accept queue on the other end."
            }
            Class::AcceptOverflow => {
                "The listening process must accept faster; a longer queue (listen backlog, net.core.somaxconn) only helps against bursts."
            }
            Class::SynQueueFull => {
                "The clients' last ACK does not arrive: a SYN flood, or a loss on the way back. Keep net.ipv4.tcp_syncookies on; a longer queue (listen backlog, net.core.somaxconn) helps slow clients."
            }
            Class::Unknown if socket.state == State::Listen => {
                "Compare `nstat -az TcpExtListenOverflows` in its network namespace before and after."
            }
            Class::Unknown => match socket.protocol {
                Protocol::Tcp | Protocol::Mptcp => "Sample it longer: `conns why --for 10s`.",
                _ => "Check what the application reports about its traffic.",
            },
        }
    }
}

/// "in the last 10 s" or "since it began".
struct Time<'a>(&'a Evidence);

impl std::fmt::Display for Time<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.basis {
            Basis::Lifetime => f.write_str("since it began"),
            Basis::Window { us } => write!(f, "in the last {}", duration(us)),
        }
    }
}

/// Payload sent, per second.
fn sent_rate(e: &Evidence) -> String {
    match e.basis {
        Basis::Window { us } => bit_rate(e.bytes_out as f64 * 1e6 / us.max(1) as f64),
        Basis::Lifetime => "rate".to_owned(),
    }
}

/// A part of the time: "71% of the last 5s". For a whole life only the busy time is known.
fn share(e: &Evidence, us: u64) -> String {
    let share = percent(e.share_of_time(us) * 100.0);
    match e.basis {
        Basis::Lifetime => format!("{share} of the time it had data to send"),
        Basis::Window { us } => format!("{share} of the last {}", duration(us)),
    }
}

fn rtt(e: &Evidence) -> String {
    if e.rtt_us == 0 {
        String::new()
    } else {
        format!(", round trip {}", duration(u64::from(e.rtt_us)))
    }
}

fn buffer(socket: &Socket, limit: impl Fn(&crate::model::SocketMemory) -> u32) -> String {
    socket
        .memory
        .value()
        .map_or_else(String::new, |memory| format!(" (buffer {})", bytes(u64::from(limit(memory)))))
}

fn window(socket: &Socket) -> String {
    let window = socket.tcp.value().and_then(|tcp| tcp.snd_wnd());
    let waiting = socket.queues.get().map_or(0, |q| u64::from(q.send_bytes));
    window.map_or_else(String::new, |window| {
        format!(" (its window is {}, {} wait here)", bytes(u64::from(window)), bytes(waiting))
    })
}

fn cwnd(socket: &Socket) -> String {
    let Some(tcp) = socket.tcp.value() else { return String::new() };
    let (segments, size) = (tcp.snd_cwnd().unwrap_or(0), tcp.snd_mss().unwrap_or(0));
    format!("{segments} segments ({})", bytes(u64::from(segments) * u64::from(size)))
}
