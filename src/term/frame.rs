//! When to draw: a redraw is a request, and requests closer together than a frame become one.

use std::time::{Duration, Instant};

/// Shortest time between two frames.
pub const FRAME: Duration = Duration::from_millis(16);
/// Shortest time between two frames that only new data asked for.
pub const DATA_FRAME: Duration = Duration::from_millis(66);

/// Decides when the next frame is due. Pure: every method is told the time.
#[derive(Debug, Default)]
pub struct Frames {
    last: Option<Instant>,
    due: Option<Instant>,
}

impl Frames {
    /// Asks for a frame as soon as the rate allows: for what an operator did.
    pub fn request(&mut self, now: Instant) {
        self.at(self.last.map_or(now, |l| now.max(l + FRAME)));
    }

    /// Asks for a frame because data changed: these come a little slower, so that a storm costs little.
    pub fn request_data(&mut self, now: Instant) {
        self.at(self.last.map_or(now, |l| now.max(l + DATA_FRAME)));
    }

    /// Asks for a frame not before `then`: for ages that will read differently.
    pub fn at(&mut self, then: Instant) {
        let then = self.last.map_or(then, |l| then.max(l + FRAME));
        self.due = Some(self.due.map_or(then, |d| d.min(then)));
    }

    /// When the next frame is due, if any is.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// A frame was drawn.
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
