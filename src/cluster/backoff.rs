//! The pause before a retry: exponential, with jitter, so that many khuds do not reconnect at the same
//! moment.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    limit: Duration,
    failures: u32,
}

impl Backoff {
    pub fn new(first: Duration, limit: Duration) -> Backoff {
        Backoff { first, limit, failures: 0 }
    }

    /// Failures since the last `reset`.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// The next pause: between half and all of `first · 2ⁿ`, at most `limit`.
    pub fn next(&mut self) -> Duration {
        let whole = self.first.saturating_mul(1 << self.failures.min(20)).min(self.limit);
        self.failures = self.failures.saturating_add(1);
        whole.mul_f64(0.5 + 0.5 * chance())
    }
}

/// A random number in 0..1. `RandomState` is seeded by the system, which is enough for jitter.
pub(super) fn chance() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 11;
    bits as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_limit() {
        let mut b = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
        for whole in [100u64, 200, 400, 800, 1600, 2000, 2000] {
            let pause = b.next();
            let (low, high) = (Duration::from_millis(whole / 2), Duration::from_millis(whole));
            assert!((low..=high).contains(&pause), "{pause:?} of {whole} ms");
        }
        b.reset();
        assert!(b.next() <= Duration::from_millis(100));
    }
}
