//! Schedules frames: requests that come closer together than a frame are merged.

use std::time::{Duration, Instant};

/// The shortest time between two frames.
pub const FRAME: Duration = Duration::from_millis(16);
/// The shortest time between two frames that show only new data.
pub const DATA_FRAME: Duration = Duration::from_millis(66);

/// Decides when the next frame is due. It reads no clock: every method gets the time.
#[derive(Debug, Default)]
pub struct Frames {
    last: Option<Instant>,
    due: Option<Instant>,
}

impl Frames {
    /// Requests a frame as soon as the rate allows, after an input of the user.
    pub fn request(&mut self, now: Instant) {
        self.at(self.last.map_or(now, |l| now.max(l + FRAME)));
    }

    /// Requests a frame for new data. These frames are slower, so that many changes cost little.
    pub fn request_data(&mut self, now: Instant) {
        self.at(self.last.map_or(now, |l| now.max(l + DATA_FRAME)));
    }

    /// Requests a frame at `then` or later, for ages that change.
    pub fn at(&mut self, then: Instant) {
        let then = self.last.map_or(then, |l| then.max(l + FRAME));
        self.due = Some(self.due.map_or(then, |d| d.min(then)));
    }

    /// The time of the next frame, if one is due.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Records that a frame was drawn.
    pub fn drawn(&mut self, now: Instant) {
        self.last = Some(now);
        self.due = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_fold_into_one_frame_and_idle_draws_none() {
        let t0 = Instant::now();
        let mut f = Frames::default();
        assert_eq!(f.due(), None);
        f.request(t0);
        assert_eq!(f.due(), Some(t0));
        f.drawn(t0);
        assert_eq!(f.due(), None);
        let t1 = t0 + Duration::from_millis(1);
        f.request_data(t1);
        assert_eq!(f.due(), Some(t0 + DATA_FRAME));
        f.request(t1);
        assert_eq!(f.due(), Some(t0 + FRAME), "input is not held back by data");
        f.request_data(t1 + Duration::from_millis(3));
        assert_eq!(f.due(), Some(t0 + FRAME));
    }
}
