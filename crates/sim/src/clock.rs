//! The embedded cluster's time: the wall clock times a speed, or a manual clock for tests.
use jiff::{SignedDuration, Timestamp};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// One clock for everything inside the embedded cluster. Clones share the same time.
#[derive(Clone, Debug)]
pub struct SimClock {
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    mode: Mode,
    /// The clock-skew fault: how far the cluster's clock is off.
    skew: Mutex<SignedDuration>,
    /// Incremented whenever time jumps, so that sleepers check again.
    jumps: watch::Sender<u64>,
}

#[derive(Debug)]
enum Mode {
    Wall { base: Timestamp, started: Instant, speed: f64 },
    Manual(Mutex<Timestamp>),
}

impl SimClock {
    /// Wall time from now on, `speed` times as fast (1.0 is real time). A speed that is not positive and
    /// finite counts as 1.
    pub fn wall(speed: f64) -> Self {
        let speed = if speed.is_finite() && speed > 0.0 { speed } else { 1.0 };
        Self::with(Mode::Wall { base: Timestamp::now(), started: Instant::now(), speed })
    }

    /// A clock that stands still until [`SimClock::advance`].
    pub fn manual(start: Timestamp) -> Self {
        Self::with(Mode::Manual(Mutex::new(start)))
    }

    /// A clock with the same time and speed that can be changed independently.
    pub fn another(&self) -> Self {
        Self::with(match &self.state.mode {
            Mode::Wall { base, started, speed } => {
                Mode::Wall { base: *base, started: *started, speed: *speed }
            }
            Mode::Manual(now) => {
                Mode::Manual(Mutex::new(*now.lock().unwrap_or_else(PoisonError::into_inner)))
            }
        })
    }

    fn with(mode: Mode) -> Self {
        let state = State { mode, skew: Mutex::new(SignedDuration::ZERO), jumps: watch::Sender::new(0) };
        SimClock { state: Arc::new(state) }
    }

    /// The time without the clock-skew fault.
    pub fn true_now(&self) -> Timestamp {
        match &self.state.mode {
            Mode::Wall { base, started, speed } => {
                let run = started.elapsed().as_secs_f64() * speed;
                add(*base, Duration::try_from_secs_f64(run).unwrap_or(Duration::ZERO))
            }
            Mode::Manual(now) => *now.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// The time of the cluster's clock.
    pub fn now(&self) -> Timestamp {
        let now = self.true_now();
        now.checked_add(self.skew()).unwrap_or(now)
    }

    /// Cluster seconds per wall second; a manual clock has 0.
    pub fn speed(&self) -> f64 {
        match &self.state.mode {
            Mode::Wall { speed, .. } => *speed,
            Mode::Manual(_) => 0.0,
        }
    }

    /// Moves a manual clock forward and wakes its sleepers. A wall clock ignores it.
    pub fn advance(&self, by: Duration) {
        if let Mode::Manual(now) = &self.state.mode {
            let mut now = now.lock().unwrap_or_else(PoisonError::into_inner);
            *now = add(*now, by);
        }
        self.state.jumps.send_modify(|n| *n += 1);
    }

    /// How far [`SimClock::now`] is ahead of the true time.
    pub fn skew(&self) -> SignedDuration {
        *self.state.skew.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the clock-skew fault.
    pub fn set_skew(&self, skew: SignedDuration) {
        *self.state.skew.lock().unwrap_or_else(PoisonError::into_inner) = skew;
        self.state.jumps.send_modify(|n| *n += 1);
    }

    /// Returns once [`SimClock::now`] has reached `t`.
    pub async fn sleep_until(&self, t: Timestamp) {
        self.sleep(t, Self::now).await;
    }

    /// Returns once [`SimClock::true_now`] has reached `t`.
    pub async fn sleep_until_true(&self, t: Timestamp) {
        self.sleep(t, Self::true_now).await;
    }

    async fn sleep(&self, t: Timestamp, now: impl Fn(&Self) -> Timestamp) {
        let mut jumps = self.state.jumps.subscribe();
        loop {
            let left = t.duration_since(now(self));
            if left <= SignedDuration::ZERO {
                return;
            }
            match self.speed() {
                s if s > 0.0 => {
                    // At least a millisecond: rounding to zero would make this a busy loop.
                    let wall = Duration::try_from_secs_f64(left.as_secs_f64() / s)
                        .unwrap_or(Duration::from_secs(3600))
                        .max(Duration::from_millis(1));
                    let _ = tokio::time::timeout(wall, jumps.changed()).await;
                }
                // `self.state` owns the sender, so only a jump ends this.
                _ => drop(jumps.changed().await),
            }
        }
    }
}

fn add(t: Timestamp, by: Duration) -> Timestamp {
    t.checked_add(by).unwrap_or(t)
}

/// `2026-11-21T01:05:53Z`, the form of `metav1.Time`.
pub fn rfc3339(t: Timestamp) -> String {
    t.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_manual_clock_stands_still_until_it_is_advanced() {
        let start: Timestamp = "2026-11-21T01:05:53Z".parse().unwrap();
        let clock = SimClock::manual(start);
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(start + Duration::from_secs(10)).await }
        });
        clock.advance(Duration::from_secs(9));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(Duration::from_secs(1));
        sleeper.await.unwrap();
        assert_eq!(rfc3339(clock.now()), "2026-11-21T01:06:03Z");
    }

    #[test]
    fn skew_moves_the_clusters_time_and_nothing_else() {
        let clock = SimClock::manual("2026-11-21T01:00:00Z".parse().unwrap());
        clock.set_skew(SignedDuration::from_mins(-7));
        assert_eq!(rfc3339(clock.now()), "2026-11-21T00:53:00Z");
        clock.set_skew(SignedDuration::ZERO);
        assert_eq!(rfc3339(clock.now()), "2026-11-21T01:00:00Z");
    }
}
