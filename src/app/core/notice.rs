//! The line at the foot that says what just happened, and why a frame is wanted.

use std::time::Duration;

use crate::world::Time;

/// How long a message stays on the foot line; an error stays twice as long.
const MESSAGE: Duration = Duration::from_secs(8);
/// How long after a key somebody is taken to look at the screen.
const PRESENT: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Info,
    Good,
    Bad,
}

/// The line at the foot that says what just happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub text: String,
    pub tone: Tone,
    pub at: Time,
}

impl Message {
    /// Whether it was there long enough to be read.
    pub fn over(&self, now: Time) -> bool {
        self.at.plus(MESSAGE) <= now
    }

    /// When it goes by itself: an error only where somebody pressed a key shortly before it came or since, so that
    /// there is someone to read it.
    pub fn goes(&self, last_key: Option<Time>) -> Option<Time> {
        let seen = self.tone != Tone::Bad || last_key.is_some_and(|key| key.plus(PRESENT) >= self.at);
        let shown = if self.tone == Tone::Bad { MESSAGE * 2 } else { MESSAGE };
        seen.then(|| {
            last_key.filter(|_| self.tone == Tone::Bad).map_or(self.at, |key| key.max(self.at)).plus(shown)
        })
    }
}

/// Why a frame is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Dirty {
    #[default]
    No,
    /// Data on the screen changed.
    Data,
    /// The operator did something.
    Input,
}
