//! The window of CUBIC as a function of time (RFC 9438, sections 4.2 to 4.7), in bytes.

/// The constant C of CUBIC, in packets per cubic second.
const C: f64 = 0.4;
/// Factor of a reduction.
const BETA: f64 = 0.7;
/// Packets per round trip that Reno-friendly growth adds: 3·(1 − β)/(1 + β).
const RENO_GROWTH: f64 = 3.0 * (1.0 - BETA) / (1.0 + BETA);
/// Bytes of a packet; CUBIC counts its window in packets.
const PACKET: f64 = 1480.0;

/// An epoch of growth, from one reduction to the next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Epoch {
    begin_us: u64,
    window: f64,
    /// Window before the latest reduction, where growth is slowest.
    plateau: f64,
}

impl Epoch {
    /// An epoch at its plateau.
    pub(super) fn at_plateau(now_us: u64, window: f64) -> Self {
        Self { begin_us: now_us, window, plateau: window }
    }

    /// The epoch that follows a congestion event at `window`.
    pub(super) fn reduced(self, now_us: u64, window: f64) -> Self {
        // Fast convergence: releases bandwidth to a flow that started later.
        let plateau = if window < self.plateau { window * (1.0 + BETA) / 2.0 } else { window };
        Self { begin_us: now_us, window: window * BETA, plateau }
    }

    pub(super) fn window(&self, now_us: u64, smoothed_us: f64) -> f64 {
        let seconds = now_us.saturating_sub(self.begin_us) as f64 / 1e6;
        let plateau = self.plateau.max(self.window);
        let to_plateau = ((plateau - self.window) / PACKET / C).cbrt();
        let cubic = plateau + C * (seconds - to_plateau).powi(3) * PACKET;
        let reno = self.window + RENO_GROWTH * PACKET * seconds * 1e6 / smoothed_us.max(1.0);
        cubic.max(reno)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_returns_to_its_plateau_after_k_seconds() {
        // 1000 packets: K is the cube root of 1000 · 0.3 / 0.4.
        let epoch = Epoch::at_plateau(0, 1000.0 * PACKET).reduced(0, 1000.0 * PACKET);
        assert!((epoch.window(0, 1e6) / PACKET - 700.0).abs() < 1.0);
        assert!((epoch.window(9_085_603, 1e6) / PACKET - 1000.0).abs() < 1.0);
        assert!(epoch.window(12_000_000, 1e6) / PACKET > 1005.0);
    }

    #[test]
    fn a_reduction_below_the_plateau_lowers_it_further() {
        let epoch = Epoch::at_plateau(0, 1e6).reduced(0, 8e5);
        assert!((epoch.plateau - 6.8e5).abs() < 1.0);
    }
}
