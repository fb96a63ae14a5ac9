//! Recognises packets that were captured more than once: on several interfaces that they passed.
//!
//! A segment that was sent again has another identification in its IP header, and comes later.

/// Most packets of one direction that lie between two captures of one.
const KEPT: usize = 8;
/// Longest time between them, microseconds: a packet passes the interfaces of one machine in less.
const WITHIN_US: u64 = 1_000;

/// The last packets of one direction.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Repeats {
    digests: [u64; KEPT],
    times_us: [u64; KEPT],
    next: usize,
}

impl Repeats {
    /// Whether a packet with this digest was captured just before. It is recorded otherwise.
    pub(crate) fn is_repeated(&mut self, digest: u64, now_us: u64) -> bool {
        let seen = self.digests.iter().zip(&self.times_us);
        let is_same = |(other, at): (&u64, &u64)| {
            *other == digest && *at != 0 && now_us.saturating_sub(*at) <= WITHIN_US
        };
        if seen.into_iter().any(is_same) {
            return true;
        }
        if let (Some(place), Some(time)) =
            (self.digests.get_mut(self.next), self.times_us.get_mut(self.next))
        {
            (*place, *time) = (digest, now_us);
        }
        self.next = (self.next + 1) % KEPT;
        false
    }
}

/// Mixes the numbers that make a packet what it is. Collisions need equal numbers in nearly every place.
pub(crate) fn digest(numbers: &[u64]) -> u64 {
    // The multiplier of FNV-1a, with a rotation so that upper bits count.
    numbers.iter().fold(0xcbf2_9ce4_8422_2325, |hash, number| {
        (hash ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
    })
}
