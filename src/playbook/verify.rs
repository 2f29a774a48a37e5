//! Whether a verdict's trouble is over: the judge's answer about the object from live facts, over some time.

use std::time::Duration;

use super::walk::Walk;
use crate::judge::{Answer, Severity};
use crate::world::time::human;
use crate::world::{Kind, ObjectRef, Phase, Time, World};

/// How long nothing may speak against the object before its trouble counts as over, where the leaf names no time.
pub const HOLD: Duration = Duration::from_secs(15);
/// How long the trouble may last after a remedy before the remedy counts as one that did not help.
pub const LIMIT: Duration = Duration::from_secs(600);

/// The state of a verdict's trouble.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It lasts, for that reason.
    Lasts(String),
    /// Nothing speaks against the object since then; it counts as over where that is still so at `until`.
    Settling { since: Time, until: Time },
    /// It is over since then.
    Over(Time),
    /// The object is deleted, and nothing took its place.
    Gone,
    /// It cannot be told: what could not be looked at, with why.
    Unknown(String),
}

/// A remedy that was begun after the verdict.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Acted {
    pub title: String,
    pub at: Time,
}

/// The verification of one verdict.
#[derive(Clone, Debug)]
pub struct Verification {
    /// The workload of a pod, because a remedy replaces the pod; else the object that was asked about.
    pub subject: ObjectRef,
    cause: String,
    hold: Duration,
    well: Option<Time>,
    looked: Time,
    pub acted: Option<Acted>,
    pub standing: Standing,
}

impl Verification {
    /// Begins for a walk that proved a trouble; `None` for any other.
    pub fn begin(walk: &Walk, world: &World, now: Time) -> Option<Verification> {
        let verdict = walk.verdict().filter(|v| v.cause != "none")?;
        let object = &walk.object;
        let above = || world.owners(object).filter(|o| world.meta(o).is_some()).last();
        let owner = || world.rolled_by(object).or_else(above);
        let owner = if object.kind == Kind::Pod { owner() } else { None };
        let subject = owner.unwrap_or_else(|| object.clone());
        Some(Verification {
            subject,
            cause: verdict.cause.clone(),
            hold: verdict.hold,
            well: None,
            looked: now,
            acted: None,
            standing: Standing::Lasts(verdict.title.clone()),
        })
    }

    /// When it last looked.
    pub fn looked(&self) -> Time {
        self.looked
    }

    /// The time after which the remedy counts as one that did not help; `None` where there was no remedy.
    pub fn deadline(&self) -> Option<Time> {
        self.acted.as_ref().map(|a| a.at.plus(LIMIT.max(self.hold * 2)))
    }

    /// Looks again; true where the standing changed. `answer` is the judge's about [`Verification::subject`].
    pub fn look(&mut self, world: &World, now: Time, answer: &Answer) -> bool {
        self.looked = now;
        if answer.waiting {
            return false;
        }
        let standing = match self.trouble(world, answer) {
            Some(standing) => {
                self.well = None;
                standing
            }
            None => {
                let since = *self.well.get_or_insert(now);
                let until = since.plus(self.hold);
                if until <= now { Standing::Over(since) } else { Standing::Settling { since, until } }
            }
        };
        let changed = standing != self.standing;
        self.standing = standing;
        changed
    }

    /// Why the trouble does not count as over; `None` where nothing speaks against the object.
    fn trouble(&self, world: &World, answer: &Answer) -> Option<Standing> {
        if let Some(found) = answer.causes.iter().find(|f| *f.cause == *self.cause) {
            return Some(Standing::Lasts(found.title.clone()));
        }
        let heavy = |f: &&crate::judge::Found| f.severity >= Severity::Warning;
        if let Some(found) = answer.causes.iter().find(heavy) {
            return Some(Standing::Lasts(format!("another cause now: {}", found.title)));
        }
        if let Some((what, why)) = answer.unseen.first() {
            return Some(Standing::Unknown(format!("could not look at {what}: {why}")));
        }
        let o = &self.subject;
        if let Some(w) = world.workload(o) {
            let whole = w.available >= w.desired && w.ready >= w.desired;
            let seen = w.observed_generation >= w.meta.generation;
            return (!whole || !seen)
                .then(|| Standing::Lasts(format!("{} of {} pods are available", w.available, w.desired)));
        }
        if o.kind == Kind::Pod {
            let Some(p) = world.pods.find(&o.namespace, &o.name) else { return Some(Standing::Gone) };
            let well = p.meta.deleting.is_none() && (p.ready || p.phase == Phase::Succeeded);
            return (!well).then(|| Standing::Lasts(format!("the pod is {}, not ready", p.status().status)));
        }
        let listed = world.synced_in(&o.kind, &"".into()) || world.synced_in(&o.kind, &o.namespace);
        (listed && world.meta(o).is_none()).then_some(Standing::Gone)
    }

    /// The standing in one sentence.
    pub fn sentence(&self, now: Time) -> String {
        let after = |at: Time| match &self.acted {
            Some(a) if a.at <= at => format!(", {} after “{}”", human(a.at.age(at)), a.title),
            _ => String::new(),
        };
        match &self.standing {
            Standing::Over(since) => {
                format!(
                    "Over for {}{}: nothing speaks against {}.",
                    human(since.age(now)),
                    after(*since),
                    self.subject
                )
            }
            Standing::Settling { since, .. } => format!(
                "Nothing speaks against {} for {}; it counts as over after {}.",
                self.subject,
                human(since.age(now)),
                human(self.hold)
            ),
            Standing::Gone => format!("{} is deleted; nothing is left to verify.", self.subject),
            Standing::Unknown(why) => format!("Whether it is over is not known: {why}."),
            Standing::Lasts(why) => match (&self.acted, self.deadline()) {
                (Some(a), Some(end)) if end <= now => {
                    format!("Not over {} after “{}”: {why}.", human(a.at.age(now)), a.title)
                }
                (Some(a), Some(end)) => format!(
                    "“{}” began {} ago; not over yet: {why}. khud gives it {}.",
                    a.title,
                    human(a.at.age(now)),
                    human(a.at.age(end))
                ),
                _ => format!("Not over: {why}."),
            },
        }
    }

    /// Whether a remedy was begun and did not help in time.
    pub fn failed(&self, now: Time) -> bool {
        matches!(self.standing, Standing::Lasts(_)) && self.deadline().is_some_and(|end| end <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(seconds: u64) -> Time {
        Time::parse("2026-11-21T02:00:00Z").unwrap().plus(Duration::from_secs(seconds))
    }

    fn of_a_node() -> Verification {
        Verification {
            subject: ObjectRef::new(Kind::Node, "", "n"),
            cause: "node.not-ready".to_owned(),
            hold: HOLD,
            well: None,
            looked: after(0),
            acted: None,
            standing: Standing::Lasts("n is not ready".to_owned()),
        }
    }

    #[test]
    fn nothing_is_over_before_its_time_and_nothing_unseen_is_over() {
        let (world, mut v) = (World::new(), of_a_node());
        v.look(&world, after(1), &Answer::default());
        assert_eq!(v.standing, Standing::Settling { since: after(1), until: after(16) });
        v.look(&world, after(16), &Answer::default());
        assert_eq!(v.standing, Standing::Over(after(1)));
        // A list that is forbidden from now on takes the word back.
        let blind = Answer { unseen: vec![("nodes".into(), "forbidden".into())], ..Answer::default() };
        v.look(&world, after(17), &blind);
        assert!(v.sentence(after(17)).contains("not known: could not look at nodes: forbidden"));
        // And the time counts anew.
        v.look(&world, after(20), &Answer::default());
        assert_eq!(v.standing, Standing::Settling { since: after(20), until: after(35) });
    }

    #[test]
    fn a_remedy_that_does_not_help_is_named_after_ten_minutes() {
        let mut v = of_a_node();
        v.acted = Some(Acted { title: "Cordon node n".to_owned(), at: after(0) });
        assert!(
            v.sentence(after(30)).starts_with("“Cordon node n” began 30s ago; not over yet: n is not ready.")
        );
        assert!(!v.failed(after(599)) && v.failed(after(600)));
        assert_eq!(v.sentence(after(660)), "Not over 11m after “Cordon node n”: n is not ready.");
    }
}
