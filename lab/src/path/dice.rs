//! Seeded dice: the same seed gives the same throws, so that a run can be repeated.

/// A sequence of uniform numbers: splitmix64, which is short, seedable and good enough for independent events.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    /// Dice of this seed; `sequence` separates the sequences of one seed.
    pub(super) fn new(seed: u64, sequence: u64) -> Self {
        // The first sequence of a seed is the plain one; the others start far from it.
        Self(seed ^ sequence.wrapping_mul(0xd6e8_feb8_6659_fd93))
    }

    /// A uniform number in [0, 1).
    pub(super) fn throw(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_of_one_seed_are_independent() {
        let mut one = Dice::new(7, 0);
        let mut other = Dice::new(7, 1);
        let (mut sum, mut products) = (0.0, 0.0);
        for _ in 0..100_000 {
            let (a, b) = (one.throw(), other.throw());
            sum += a;
            products += (a - 0.5) * (b - 0.5);
        }
        // Four standard deviations of the mean, and of the mean product of two uniform numbers.
        assert!((sum / 1e5 - 0.5).abs() < 0.004, "{sum}");
        assert!((products / 1e5).abs() < 0.0011, "{products}");
    }
}
