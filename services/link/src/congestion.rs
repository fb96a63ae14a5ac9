//! quinn's congestion controllers: the rate methods of `conns-transfer` for a sender, a constant window for a receiver.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::socket::Pace;
use conns_transfer::rate::{
    Acknowledgement, BytesPerSecond, Controller, RoundTrip, Settings, Start,
};
use quinn::congestion::{self, ControllerFactory};

/// Window of a receiver, which sends acknowledgements and frames. quinn holds acknowledgements back while other frames
/// wait for the window, so a window that follows losses could block both directions.
const RECEIVER_WINDOW_BYTES: u64 = 1 << 20;

/// The controller of a destination. The connections to it, one after the other, share it with those who read and set it.
#[derive(Debug, Clone)]
pub(crate) struct SharedController(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    controller: Controller,
    started: Instant,
    header_bytes: u64,
    mtu_bytes: u64,
    queue_us: Option<u64>,
    lost_bytes: u64,
    acknowledged_bytes: u64,
    delivered: Delivered,
    /// Where the socket reads the rate that it sends at.
    pace: Pace,
}

/// The delivered rate of each of the latest seconds.
#[derive(Debug, Clone, Copy, Default)]
struct Delivered {
    since_us: u64,
    bytes: u64,
    /// The rates of the latest seconds, in turn.
    rates: [u64; 10],
    seconds: usize,
}

/// What a controller measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) round_trip: RoundTrip,
    /// Queueing delay of the latest acknowledgement, microseconds; `None` before the first.
    pub(crate) queue_us: Option<u64>,
    pub(crate) lost_bytes: u64,
    pub(crate) acknowledged_bytes: u64,
    pub(crate) pacing_rate: BytesPerSecond,
    /// The greatest rate at which IP bytes were acknowledged in one of the latest ten seconds with data.
    pub(crate) best: Option<BytesPerSecond>,
}

impl SharedController {
    pub(crate) fn new(
        settings: Settings,
        start: Option<Start>,
        header_bytes: u64,
        pace: Pace,
    ) -> Self {
        let shared = Self(Arc::new(Mutex::new(State {
            controller: Controller::new(settings, start),
            started: Instant::now(),
            header_bytes,
            mtu_bytes: 1200,
            queue_us: None,
            lost_bytes: 0,
            acknowledged_bytes: 0,
            delivered: Delivered::default(),
            pace,
        })));
        shared.with(|state| state.set_pace());
        shared
    }

    pub(crate) fn set(&self, settings: Settings) {
        self.with(|state| {
            state.controller.set(settings);
            state.set_pace();
        });
    }

    pub(crate) fn measured(&self) -> Measured {
        self.with(|state| Measured {
            round_trip: state.controller.round_trip(),
            queue_us: state.queue_us,
            lost_bytes: state.lost_bytes,
            acknowledged_bytes: state.acknowledged_bytes,
            pacing_rate: state.controller.pacing_rate(),
            best: state.delivered.best(),
        })
    }

    fn with<T>(&self, apply: impl FnOnce(&mut State) -> T) -> T {
        apply(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    /// Before the first acknowledgement only a limit applies: the round-trip time is not known.
    fn set_pace(&self) {
        let is_measured = self.controller.round_trip().smoothed_us.is_some();
        let max_rate = self.controller.settings().max_rate;
        let rate = if is_measured { self.controller.pacing_rate() } else { max_rate };
        self.pace.set(rate);
    }

    fn us(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.started).as_micros()).unwrap_or(u64::MAX)
    }

    /// IP bytes of these bytes of UDP payload.
    fn ip_bytes(&self, bytes: u64) -> u64 {
        bytes.saturating_mul(self.mtu_bytes + self.header_bytes) / self.mtu_bytes
    }
}

impl ControllerFactory for SharedController {
    fn build(self: Arc<Self>, _now: Instant, mtu_bytes: u16) -> Box<dyn congestion::Controller> {
        self.with(|state| state.mtu_bytes = u64::from(mtu_bytes.max(1)));
        Box::new(SharedController::clone(&self))
    }
}

impl congestion::Controller for SharedController {
    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        is_application_limited: bool,
        _round_trip: &quinn_proto::RttEstimator,
    ) {
        self.with(|state| {
            let (now_us, sent_us) = (state.us(now), state.us(sent));
            let bytes = state.ip_bytes(bytes);
            state.acknowledged_bytes += bytes;
            state.delivered.add(now_us, bytes);
            state.controller.on_acknowledged(&Acknowledgement {
                now_us,
                sent_us,
                bytes,
                is_application_limited,
            });
            let base_us = state.controller.round_trip().base_us;
            state.queue_us =
                base_us.map(|base_us| now_us.saturating_sub(sent_us).saturating_sub(base_us));
            state.set_pace();
        });
    }

    fn on_congestion_event(
        &mut self,
        _now: Instant,
        _sent: Instant,
        _is_persistent_congestion: bool,
        lost_bytes: u64,
    ) {
        self.with(|state| {
            let bytes = state.ip_bytes(lost_bytes);
            state.lost_bytes += bytes;
            state.controller.on_lost(bytes);
        });
    }

    fn on_mtu_update(&mut self, mtu_bytes: u16) {
        self.with(|state| state.mtu_bytes = u64::from(mtu_bytes.max(1)));
    }

    fn window(&self) -> u64 {
        self.with(|state| {
            let window = state.controller.window_bytes();
            window.saturating_mul(state.mtu_bytes) / (state.mtu_bytes + state.header_bytes)
        })
    }

    fn clone_box(&self) -> Box<dyn congestion::Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        congestion::Controller::window(self)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

impl Delivered {
    fn add(&mut self, now_us: u64, bytes: u64) {
        let elapsed_us = now_us.saturating_sub(self.since_us);
        if elapsed_us >= 1_000_000 {
            let rate = self.bytes.saturating_mul(1_000_000) / elapsed_us;
            let slot = self.seconds % self.rates.len();
            if let Some(slot) = self.rates.get_mut(slot) {
                *slot = rate;
            }
            self.seconds += 1;
            self.since_us = now_us;
            self.bytes = 0;
        }
        self.bytes += bytes;
    }

    fn best(&self) -> Option<BytesPerSecond> {
        self.rates.iter().copied().max().filter(|rate| *rate > 0).map(BytesPerSecond)
    }
}

/// The controller of a receiver.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConstantWindow;

impl ControllerFactory for ConstantWindow {
    fn build(self: Arc<Self>, _now: Instant, _mtu: u16) -> Box<dyn congestion::Controller> {
        Box::new(*self)
    }
}

impl congestion::Controller for ConstantWindow {
    fn on_congestion_event(&mut self, _: Instant, _: Instant, _: bool, _: u64) {}

    fn on_mtu_update(&mut self, _: u16) {}

    fn window(&self) -> u64 {
        RECEIVER_WINDOW_BYTES
    }

    fn clone_box(&self) -> Box<dyn congestion::Controller> {
        Box::new(*self)
    }

    fn initial_window(&self) -> u64 {
        RECEIVER_WINDOW_BYTES
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
