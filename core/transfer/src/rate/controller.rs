//! The controller of one connection: chooses the method, and applies the limits.

use super::fair::Fair;
use super::low::{INITIAL_WINDOW, Low, MIN_WINDOW};
use super::round::{Acknowledgement, Round};
use super::round_trip::{Estimator, RoundTrip};
use super::{BytesPerSecond, Method};

/// While the window doubles, pacing allows more than twice the window in a round trip, so that the window binds (BBR's gain is
/// 2 / ln 2).
const DOUBLING_GAIN: f64 = 2.89;
/// Afterwards pacing is only this much faster than the window in a round trip: a sender that had less to send than the window
/// allows catches up without a queue.
const STEADY_GAIN: f64 = 1.05;
/// Bytes of this time are in flight in addition where the pacing binds and not the window.
const PACING_SLACK_US: u64 = 10_000;
/// Round-trip time before the first sample (RFC 9002, section 6.2.2).
const INITIAL_ROUND_TRIP_US: f64 = 333_000.0;

/// What the owner of a connection chooses; may change at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How the window is chosen.
    pub method: Method,
    /// The rate of [`Method::Fixed`].
    pub fixed_rate: BytesPerSecond,
    /// The other methods never go below this rate, whatever the path does.
    pub min_rate: BytesPerSecond,
    /// No method goes above this rate.
    pub max_rate: BytesPerSecond,
}

/// What an earlier connection to the same destination measured. Half of the rate is tried first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// Rate of the earlier connection.
    pub rate: BytesPerSecond,
    /// Base round-trip time of the earlier connection, in microseconds.
    pub base_us: u64,
}

/// Window and pacing rate of one connection.
#[derive(Debug, Clone)]
pub struct Controller {
    settings: Settings,
    round_trip: Estimator,
    round: Option<Round>,
    low: Low,
    fair: Fair,
}

impl Controller {
    /// A controller before the first packet.
    #[must_use]
    pub fn new(settings: Settings, start: Option<Start>) -> Self {
        let window = start.map_or(INITIAL_WINDOW, |start| {
            BytesPerSecond(start.rate.0 / 2).bytes_in(start.base_us) as f64
        });
        Self {
            settings,
            round_trip: Estimator::default(),
            round: None,
            low: Low::new(window),
            fair: Fair::default(),
        }
    }

    /// The settings in use.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// Replaces the settings. Window and pacing rate obey them at once.
    pub fn set(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Applies an acknowledged packet.
    pub fn on_acknowledged(&mut self, acknowledgement: &Acknowledgement) {
        let now_us = acknowledgement.now_us;
        let sample_us = acknowledgement.round_trip_us();
        self.round_trip.add(now_us, sample_us);
        let (base_us, smoothed_us) = (self.base_us(), self.smoothed_us());
        let round = self.round.get_or_insert_with(|| Round::begin(now_us));
        let is_end = round.add(acknowledgement);
        let round = *round;
        let ends_doubling = self.low.sample(
            acknowledgement.bytes,
            sample_us,
            base_us,
            acknowledgement.is_application_limited,
        );
        // The rate of a short part of a round would be that of one burst.
        if ends_doubling && round.duration_us(now_us) > base_us * 3 / 10 {
            self.low.settle(now_us, round.measures(now_us).delivered, base_us);
        }
        if is_end {
            // What the limits allow is what is measured, so the next step starts from there.
            self.low
                .set_window(self.low.window().clamp(self.least_window(), self.greatest_window()));
            let measures = round.measures(now_us);
            if self.settings.method == Method::Fair {
                self.fair.end_round(&mut self.low, now_us, &measures, base_us, smoothed_us);
            } else {
                self.low.end_round(now_us, &measures, base_us, smoothed_us);
            }
            self.round = Some(Round::begin(now_us));
        }
    }

    /// Applies lost packets of this number of bytes.
    pub fn on_lost(&mut self, bytes: u64) {
        if let Some(round) = &mut self.round {
            round.lose(bytes);
        }
    }

    /// Bytes that may be in flight.
    #[must_use]
    pub fn window_bytes(&self) -> u64 {
        let window = match self.settings.method {
            Method::Fixed => self.paced_window_of(self.settings.fixed_rate),
            Method::Low | Method::Fair => self.low.window().max(self.least_window()),
        };
        window.min(self.greatest_window()) as u64
    }

    /// The rate of packets, at most [`Settings::max_rate`].
    #[must_use]
    pub fn pacing_rate(&self) -> BytesPerSecond {
        let rate = match self.settings.method {
            Method::Fixed => self.settings.fixed_rate,
            Method::Low | Method::Fair => {
                let rate = self.window_bytes() as f64 * 1e6 / self.smoothed_us();
                let gain = if self.low.is_doubling() { DOUBLING_GAIN } else { STEADY_GAIN };
                BytesPerSecond((rate * gain) as u64)
            }
        };
        rate.min(self.settings.max_rate)
    }

    /// Round-trip times of the path.
    #[must_use]
    pub fn round_trip(&self) -> RoundTrip {
        self.round_trip.read()
    }

    fn base_us(&self) -> u64 {
        self.round_trip.base_us().unwrap_or(INITIAL_ROUND_TRIP_US as u64)
    }

    fn smoothed_us(&self) -> f64 {
        self.round_trip.smoothed_us().unwrap_or(INITIAL_ROUND_TRIP_US).max(1.0)
    }

    /// The window that sends at `rate`.
    fn window_of(&self, rate: BytesPerSecond) -> f64 {
        // Without a sample the path may be short: the first window is that of any connection.
        let Some(smoothed_us) = self.round_trip.smoothed_us() else { return INITIAL_WINDOW };
        (rate.0 as f64 * smoothed_us / 1e6).max(MIN_WINDOW)
    }

    fn least_window(&self) -> f64 {
        self.window_of(self.settings.min_rate).min(self.greatest_window())
    }

    fn greatest_window(&self) -> f64 {
        self.paced_window_of(self.settings.max_rate)
    }

    /// A window that leaves it to the pacing to send at `rate`, also where packets and acknowledgements are some
    /// milliseconds late.
    fn paced_window_of(&self, rate: BytesPerSecond) -> f64 {
        self.window_of(rate) + rate.bytes_in(PACING_SLACK_US) as f64
    }
}
