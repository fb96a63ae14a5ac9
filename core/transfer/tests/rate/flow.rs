//! A sender with endless data over the bottleneck: loss detection and probe timeouts as QUIC has them (RFC 9002), and
//! quinn's pacer, which knows only the window.

use std::collections::VecDeque;

use conns_transfer::rate::{Acknowledgement, Controller};

use crate::cubic::Cubic;

/// IP bytes of a packet, and what of them is data.
pub const PACKET: u64 = 1480;
pub const DATA: u64 = 1420;
/// A packet is lost when one that was sent this number of packets later is acknowledged. RFC 9002, section 6.1.1,
/// recommends 3, which takes reordered packets for lost ones.
const REORDERING: u64 = 128;

/// What decides how fast a flow sends.
#[derive(Debug)]
pub enum Control {
    /// Our controller, packets paced by the later of its own rate and quinn's pacer.
    Ours(Box<Controller>),
    /// Our controller, packets paced by its own rate.
    Paced(Box<Controller>),
    /// Linux's default, without pacing.
    Cubic(Cubic),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    InFlight,
    Lost,
    Acknowledged,
}

#[derive(Debug)]
pub struct Flow {
    pub control: Control,
    /// First number of `sent`.
    first: u64,
    sent: VecDeque<(u64, State)>,
    in_flight: u64,
    largest: Option<u64>,
    pub sent_bytes: u64,
    pub data_bytes: u64,
    pub lost_bytes: u64,
    smoothed_ns: f64,
    variation_ns: f64,
    last_progress_ns: u64,
    timeouts: u32,
    probes: u32,
    pub is_stopped: bool,
    tokens: f64,
    paced_at_ns: u64,
    /// When the packets so far are through at the controller's rate.
    own_pace_ns: u64,
    /// Packets received and not yet acknowledged, since an acknowledgement may be lost.
    pub received: Vec<u64>,
}

/// What a flow wants next.
#[derive(Debug, PartialEq)]
pub enum Next {
    Send(u64),
    At(u64),
    Blocked,
}

impl Flow {
    pub fn new(control: Control, now_ns: u64) -> Self {
        Self {
            control,
            first: 0,
            sent: VecDeque::new(),
            in_flight: 0,
            largest: None,
            sent_bytes: 0,
            data_bytes: 0,
            lost_bytes: 0,
            smoothed_ns: 333e6,
            variation_ns: 166e6,
            last_progress_ns: now_ns,
            timeouts: 0,
            probes: 0,
            is_stopped: false,
            tokens: 10.0 * PACKET as f64,
            paced_at_ns: now_ns,
            own_pace_ns: 0,
            received: Vec::new(),
        }
    }

    fn window(&self) -> u64 {
        match &self.control {
            Control::Ours(controller) | Control::Paced(controller) => controller.window_bytes(),
            Control::Cubic(cubic) => cubic.window_bytes(),
        }
    }

    /// Sends a packet if the window and the pacer allow it.
    pub fn next(&mut self, now_ns: u64) -> Next {
        if self.is_stopped {
            return Next::Blocked;
        }
        if self.probes > 0 {
            self.probes -= 1;
        } else if self.in_flight + PACKET > self.window() {
            return Next::Blocked;
        } else if let Some(at) = self.pace(now_ns) {
            return Next::At(at);
        }
        self.in_flight += PACKET;
        self.sent_bytes += PACKET;
        self.sent.push_back((now_ns, State::InFlight));
        Next::Send(self.first + self.sent.len() as u64 - 1)
    }

    /// When the pacer lets the next packet go, if not now.
    fn pace(&mut self, now_ns: u64) -> Option<u64> {
        match &self.control {
            Control::Cubic(_) => None,
            Control::Paced(controller) => {
                if self.paced_at_ns > now_ns {
                    return Some(self.paced_at_ns);
                }
                let interval = PACKET as f64 * 1e9 / controller.pacing_rate().0.max(1) as f64;
                self.paced_at_ns =
                    self.paced_at_ns.max(now_ns.saturating_sub(1_000_000)) + interval as u64;
                None
            }
            // quinn-proto 0.11, src/connection/pacing.rs.
            Control::Ours(controller) => {
                if self.own_pace_ns > now_ns + 4_000_000 {
                    return Some(self.own_pace_ns - 4_000_000);
                }
                let rate = controller.pacing_rate().0.max(1) as f64;
                let interval = (PACKET as f64 * 1e9 / rate) as u64;
                let packet = PACKET as f64;
                let window = self.window() as f64;
                let rate = window * 1.25 / self.smoothed_ns;
                let burst = (window * 10e6 / self.smoothed_ns).clamp(10.0 * packet, 256.0 * packet);
                self.tokens = (self.tokens + rate * (now_ns - self.paced_at_ns) as f64).min(burst);
                self.paced_at_ns = now_ns;
                if self.tokens >= packet {
                    let earliest_ns = now_ns.saturating_sub(20_000_000);
                    self.own_pace_ns = self.own_pace_ns.max(earliest_ns) + interval;
                    self.tokens -= packet;
                    return None;
                }
                Some(now_ns + ((burst - self.tokens) / rate) as u64 + 1)
            }
        }
    }

    /// Applies an acknowledgement of packets.
    pub fn acknowledge(&mut self, now_ns: u64, numbers: &[u64]) {
        for &number in numbers {
            let Some(index) = number.checked_sub(self.first) else { continue };
            let (sent_ns, state) = self.sent[index as usize];
            if state == State::Acknowledged {
                continue;
            }
            self.sent[index as usize].1 = State::Acknowledged;
            self.last_progress_ns = now_ns;
            self.timeouts = 0;
            if state == State::Lost {
                continue;
            }
            self.in_flight -= PACKET;
            self.data_bytes += DATA;
            let sample = (now_ns - sent_ns) as f64;
            if self.largest.is_none() {
                (self.smoothed_ns, self.variation_ns) = (sample, sample / 2.0);
            } else if self.largest.is_some_and(|largest| number > largest) {
                self.variation_ns += ((self.smoothed_ns - sample).abs() - self.variation_ns) / 4.0;
                self.smoothed_ns += (sample - self.smoothed_ns) / 8.0;
            }
            self.largest = self.largest.max(Some(number));
            match &mut self.control {
                Control::Ours(controller) | Control::Paced(controller) => {
                    controller.on_acknowledged(&Acknowledgement {
                        now_us: now_ns / 1000,
                        sent_us: sent_ns / 1000,
                        bytes: PACKET,
                        is_application_limited: false,
                    });
                }
                Control::Cubic(cubic) => cubic.on_acknowledged(now_ns, self.smoothed_ns),
            }
        }
        self.detect(now_ns);
    }

    fn detect(&mut self, now_ns: u64) {
        let Some(largest) = self.largest else { return };
        let old_ns = now_ns.saturating_sub((self.smoothed_ns * 1.125) as u64);
        let end = (largest.saturating_sub(self.first) as usize).min(self.sent.len());
        for index in 0..end {
            let number = self.first + index as u64;
            let (sent_ns, state) = self.sent[index];
            if state != State::InFlight {
                continue;
            }
            if number + REORDERING > largest && sent_ns > old_ns {
                break;
            }
            self.sent[index].1 = State::Lost;
            self.in_flight -= PACKET;
            self.lost_bytes += PACKET;
            match &mut self.control {
                Control::Ours(controller) | Control::Paced(controller) => {
                    controller.on_lost(PACKET)
                }
                Control::Cubic(cubic) => cubic.on_lost(now_ns, sent_ns),
            }
        }
        // What is lost may still arrive for a while; it is kept for a thousand packets.
        while self.sent.len() > 1000
            && self.sent[0].1 != State::InFlight
            && self.first + 1000 < largest
        {
            self.sent.pop_front();
            self.first += 1;
        }
    }

    /// When a probe is due (RFC 9002, section 6.2).
    pub fn timeout_at(&self) -> u64 {
        let period = self.smoothed_ns + (4.0 * self.variation_ns).max(1e6) + 25e6;
        self.last_progress_ns + (period * f64::from(1u32 << self.timeouts.min(12))) as u64
    }

    /// Sends two packets whatever the window.
    pub fn probe(&mut self) {
        self.timeouts += 1;
        self.probes = 2;
        if let Control::Cubic(cubic) = &mut self.control
            && self.timeouts == 3
        {
            cubic.on_persistent_congestion();
        }
    }
}
