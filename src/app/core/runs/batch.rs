//! One action on many objects: a run for each, and how far each came.

use crate::app::core::runs::active::{ActiveRun, Form};
use crate::app::core::runs::targets::counted;
use crate::remedy::Action;
use crate::remedy::plan::{Impact, Outcome};
use crate::world::{ObjectRef, Uid, World};

/// Runs that look at the cluster for their plan at the same time.
const PLANNED_AT_ONCE: usize = 8;
/// Runs that change the cluster at the same time, where they need not go one after the other.
const PARALLEL: usize = 4;
/// Where an object stands in the queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Turn {
    /// Its plan is not begun.
    Held,
    /// Its plan is made, or is being made.
    Planned,
    /// The operator's yes was handed on.
    Begun,
    /// The operator's no was.
    Dropped,
    /// It vanished after it was planned; nothing was sent.
    Gone,
}

/// How far an object came; what one must know of first comes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fate {
    Failed,
    Unverified,
    /// Its plan said no, or could not be made.
    Refused,
    Gone,
    UnderWay,
    Waiting,
    NotBegun,
    Done,
}

impl Fate {
    /// As counted in a summary, in this order.
    const WORDS: [(Fate, &'static str); 8] = [
        (Fate::Done, "done and verified"),
        (Fate::Unverified, "applied, not verified"),
        (Fate::Failed, "failed"),
        (Fate::UnderWay, "under way"),
        (Fate::Waiting, "waiting"),
        (Fate::Refused, "cannot be done"),
        (Fate::NotBegun, "not begun"),
        (Fate::Gone, "gone"),
    ];
}

/// One object of a batch with its run.
#[derive(Debug)]
pub struct Item {
    pub object: ObjectRef,
    /// The incarnation that was planned for.
    pub(super) uid: Option<Uid>,
    pub active: ActiveRun,
    pub(super) turn: Turn,
    /// It failed, and the operator said to go on all the same.
    pub(in crate::app) excused: bool,
}

impl Item {
    pub fn fate(&self) -> Fate {
        match (self.turn, self.active.run.outcome().filter(|_| self.active.ended)) {
            (Turn::Gone, _) => Fate::Gone,
            (Turn::Dropped, _) => Fate::NotBegun,
            (Turn::Begun, None) => Fate::UnderWay,
            (Turn::Held | Turn::Planned, None) => Fate::Waiting,
            (_, Some(Outcome::Verified)) => Fate::Done,
            (_, Some(Outcome::Applied)) => Fate::Unverified,
            // Stopped before anything was sent.
            (Turn::Begun, Some(Outcome::Refused)) => Fate::NotBegun,
            (Turn::Begun, Some(Outcome::Failed)) => Fate::Failed,
            (Turn::Held | Turn::Planned, Some(Outcome::Refused | Outcome::Failed)) => Fate::Refused,
        }
    }

    /// Its plan is made and waits for a yes.
    fn ready(&self) -> bool {
        self.turn == Turn::Planned && self.active.question.is_some()
    }
}

/// The event that a batch waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    Planning,
    /// For the operator's yes.
    Asking,
    Going,
    /// One failed: for the operator's word on those not begun.
    Halted,
    Over,
}

#[derive(Debug)]
pub struct Batch {
    pub id: u64,
    pub action: &'static Action,
    pub title: String,
    pub items: Vec<Item>,
    pub gone: Vec<(ObjectRef, &'static str)>,
    /// Effects that only all runs together have.
    pub combined: Vec<Impact>,
    pub form: Form,
    /// The operator said yes.
    pub(in crate::app) begun: bool,
    /// The operator was told that it stopped.
    pub(in crate::app) announced: bool,
    /// Nothing of it is left to do, and that was said.
    pub ended: bool,
}

impl Batch {
    pub fn phase(&self) -> Phase {
        let settled = |i: &Item| i.active.ended || i.active.question.is_some();
        if self.items.iter().all(|i| i.active.ended) {
            Phase::Over
        } else if !self.begun {
            if self.items.iter().all(settled) { Phase::Asking } else { Phase::Planning }
        } else if self.ready() > 0 && self.failed().next().is_some() {
            Phase::Halted
        } else {
            Phase::Going
        }
    }

    /// Runs that are planned or begun and have not ended.
    pub fn under_way(&self) -> impl Iterator<Item = &ActiveRun> {
        self.items.iter().filter(|i| i.turn != Turn::Held).map(|i| &i.active).filter(|a| !a.ended)
    }

    pub(in crate::app) fn ready(&self) -> usize {
        self.items.iter().filter(|i| i.ready()).count()
    }

    pub fn count(&self, fate: Fate) -> usize {
        let gone = if fate == Fate::Gone { self.gone.len() } else { 0 };
        gone + self.items.iter().filter(|i| i.fate() == fate).count()
    }

    /// Failures after which the operator has not yet chosen to go on.
    fn failed(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|i| !i.excused && matches!(i.fate(), Fate::Failed | Fate::Unverified))
    }

    /// How many go at the same time.
    fn width(&self) -> usize {
        if self.action.sequential { 1 } else { PARALLEL }
    }

    /// The words to type before it goes ahead, where any of the plans asks for some.
    pub fn wanted(&self) -> Option<String> {
        let asks = self.phase() == Phase::Asking && self.items.iter().any(|i| i.active.wanted().is_some());
        asks.then(|| format!("{} {}", self.action.name, self.ready()))
    }

    /// The open question.
    pub fn question(&self) -> Option<String> {
        let n = self.ready();
        match self.phase() {
            Phase::Asking => {
                let objects: Vec<ObjectRef> =
                    self.items.iter().filter(|i| i.ready()).map(|i| i.object.clone()).collect();
                let pace = match self.width() {
                    _ if n == 1 => String::new(),
                    1 => ", one after the other".to_owned(),
                    width if n <= width => String::new(),
                    width => format!(", {width} at a time"),
                };
                let mut text = format!("{} {}{pace}?", self.action.title, counted(&objects));
                if n > self.width() {
                    text.push_str(" The first that fails stops the rest.");
                }
                for (fate, what) in
                    [(Fate::Refused, "cannot be done"), (Fate::Gone, "gone"), (Fate::Done, "need nothing")]
                {
                    let n = self.count(fate);
                    if n > 0 {
                        text.push_str(&format!(" {n} {what}."));
                    }
                }
                Some(text)
            }
            Phase::Halted => Some(format!("{} Go on with the other {n}?", self.failure())),
            _ => None,
        }
    }

    /// The failures since the operator last chose to go on, as a sentence.
    pub(super) fn failure(&self) -> String {
        let Some(first) = self.failed().next() else { return String::new() };
        let (count, reason) = (self.failed().count(), first.active.run.report().reason);
        let (object, outcome) = (&first.object, first.fate());
        match (count, outcome) {
            (1, Fate::Unverified) => format!("{object} was not verified: {reason}."),
            (1, _) => format!("{object} failed: {reason}."),
            (n, _) => format!("{n} failed; {object}: {reason}."),
        }
    }

    /// How many came how far.
    pub fn summary(&self) -> String {
        let parts = Fate::WORDS.iter().filter_map(|(fate, word)| match self.count(*fate) {
            0 => None,
            n => Some(format!("{n} {word}")),
        });
        parts.collect::<Vec<_>>().join(", ")
    }

    /// The kubectl commands that do the same, one a line; none for what is not done.
    pub fn kubectl(&self) -> String {
        let done = |i: &&Item| !matches!(i.fate(), Fate::Refused | Fate::Gone | Fate::NotBegun);
        let commands = self.items.iter().filter(done).map(|i| i.active.run.report().plan.kubectl);
        commands.filter(|c| !c.is_empty()).collect::<Vec<_>>().join("\n")
    }

    /// Stops what is under way and drops the rest.
    pub fn stop(&mut self) {
        self.drop_ready();
        for item in self.items.iter_mut().filter(|i| !i.active.ended) {
            if matches!(item.turn, Turn::Held | Turn::Planned) {
                item.turn = Turn::Dropped;
            }
            item.active.stop();
        }
    }

    /// The operator said yes.
    pub fn begun(&self) -> bool {
        self.begun
    }

    /// Nothing more is begun.
    pub fn drop_ready(&mut self) {
        for item in self.items.iter_mut().filter(|i| i.ready()) {
            item.turn = Turn::Dropped;
            item.active.answer(false);
        }
    }

    /// Lets as many as may go on go on; true where any did.
    pub(super) fn release(&mut self, world: &World) -> bool {
        // A run whose plan became stale before it began asks again.
        for item in self.items.iter_mut().filter(|i| i.turn == Turn::Begun && i.active.question.is_some()) {
            item.turn = Turn::Planned;
        }
        let phase = self.phase();
        let busy = |i: &&Item| {
            !i.active.ended
                && match phase {
                    Phase::Planning => i.turn == Turn::Planned && i.active.question.is_none(),
                    _ => i.turn == Turn::Begun,
                }
        };
        let busy = self.items.iter().filter(busy).count();
        let mut released = false;
        match phase {
            Phase::Planning => {
                let held = self.items.iter_mut().filter(|i| i.turn == Turn::Held);
                for item in held.take(PLANNED_AT_ONCE.saturating_sub(busy)) {
                    item.turn = Turn::Planned;
                    released = true;
                }
            }
            Phase::Going => {
                let mut room = self.width().saturating_sub(busy);
                for item in self.items.iter_mut().filter(|i| i.ready()) {
                    if room == 0 {
                        break;
                    }
                    let here = world.meta(&item.object).map(|m| &m.uid) == item.uid.as_ref();
                    item.turn = if here { Turn::Begun } else { Turn::Gone };
                    item.active.answer(here);
                    room -= usize::from(here);
                    released = true;
                }
            }
            Phase::Asking | Phase::Halted | Phase::Over => {}
        }
        released
    }
}
