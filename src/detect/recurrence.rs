//! Whether an incident is new or back: how often the same cause began at the same object, and how it ended last.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::timeline::{Entry, What};
use crate::world::{ObjectRef, Time};

/// How far back the timeline is read.
const BACK: Duration = Duration::from_secs(7 * 86_400);

/// The earlier times of an incident.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Recurrence {
    /// How often it began within 7 days, this time included; 2 or more.
    pub times: usize,
    /// When it ended last.
    pub ended: Time,
    /// The last action about its root before that end, as the timeline has it; `None` where it went by itself.
    pub ended_by: Option<String>,
}

impl Recurrence {
    /// `third time in 7 days; last ended 2026-11-28T10:00:00Z after: restarted deployment api (ana)`.
    pub fn sentence(&self) -> String {
        const WORDS: &[&str] =
            &["second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"];
        let mut out = match self.times.checked_sub(2).and_then(|i| WORDS.get(i)) {
            Some(word) => format!("{word} time"),
            None => format!("{} times", self.times),
        };
        let _ = write!(out, " in 7 days; last ended {}", self.ended);
        match &self.ended_by {
            Some(by) => drop(write!(out, " after: {by}")),
            None => out.push_str(", and no action of khud is recorded before that"),
        }
        out
    }
}

/// The earlier times of the cause at that object, from a timeline in the order of time; `None` where this is the first.
pub fn of(timeline: &[Entry], root: &ObjectRef, cause: &str, since: Time) -> Option<Recurrence> {
    let about = |e: &&Entry| e.object.as_ref() == Some(root) && e.at >= since.minus(BACK) && e.at < since;
    let (mut begun, mut open): (usize, Option<Time>) = (0, None);
    let mut last: Option<(Time, Time)> = None;
    for e in timeline.iter().filter(about).filter(|e| e.cause == cause) {
        match e.what {
            What::FindingBegan if open.is_none() => {
                begun += 1;
                open = Some(e.at);
            }
            What::FindingEnded => last = open.take().map(|from| (from, e.at)).or(last),
            _ => {}
        }
    }
    // One that has not ended is this very time, seen to begin a moment earlier.
    let earlier = begun - usize::from(open.is_some());
    let (from, ended) = last.filter(|_| earlier > 0)?;
    let acted = |e: &&Entry| e.what == What::Action && e.at >= from && e.at <= ended;
    let by = timeline.iter().filter(about).rfind(acted);
    let who = |e: &Entry| if e.who.is_empty() { String::new() } else { format!(" ({})", e.who) };
    Some(Recurrence { times: earlier + 1, ended, ended_by: by.map(|e| format!("{}{}", e.text, who(e))) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Kind;

    fn api() -> ObjectRef {
        ObjectRef::new(Kind::Deployment, "prod", "api")
    }

    fn at(hour: i64) -> Time {
        Time::parse("2026-11-28T00:00:00Z").unwrap().plus(Duration::from_secs(3600 * hour.unsigned_abs()))
    }

    fn entry(hour: i64, what: What, text: &str) -> Entry {
        let mut entry = Entry::new(at(hour), what, Some(api()), text);
        if matches!(what, What::FindingBegan | What::FindingEnded) {
            entry.cause = "crash.config".into();
        }
        entry
    }

    #[test]
    fn an_incident_that_is_back_says_how_often_and_how_it_ended() {
        let timeline = [
            entry(1, What::FindingBegan, "crashes"),
            entry(2, What::FindingEnded, "crashes"),
            entry(5, What::FindingBegan, "crashes"),
            entry(6, What::Action, "rolled back deployment api").by("ana"),
            entry(7, What::FindingEnded, "crashes"),
        ];
        let back = of(&timeline, &api(), "crash.config", at(9)).unwrap();
        assert_eq!(
            back.sentence(),
            "third time in 7 days; last ended 2026-11-28T07:00:00Z after: rolled back deployment api (ana)"
        );
        let once = of(&timeline[..2], &api(), "crash.config", at(4)).unwrap();
        assert_eq!((once.times, once.ended_by), (2, None));
        // Another cause, another object, or a week later: new.
        assert_eq!(of(&timeline, &api(), "crash.oom-limit", at(9)), None);
        let other = ObjectRef::new(Kind::Deployment, "prod", "web");
        assert_eq!(of(&timeline, &other, "crash.config", at(9)), None);
        assert_eq!(of(&timeline, &api(), "crash.config", at(24 * 8)), None);
        // It began a moment ago, and that beginning is on the timeline already.
        assert_eq!(of(&timeline[..1], &api(), "crash.config", at(1).plus(Duration::from_secs(5))), None);
    }
}
