//! One action on many objects: a run for each; one plan, one question and one end for the operator to read.

use crate::app::core::model::{Dialog, Dirty, Model, Tone};
use crate::app::core::msg::Effect;
use crate::app::dialogs::runs::{self, ActiveRun, Form};
use crate::app::dialogs::targets::{Targets, counted};
use crate::config::Id;
use crate::remedy::Action;
use crate::remedy::plan::{Impact, Outcome};
use crate::remedy::run::Params;
use crate::world::{ObjectRef, Uid, World};

/// Runs that look at the cluster for their plan at the same time.
const PLANNED_AT_ONCE: usize = 8;
/// Runs that change the cluster at the same time, where they need not go one after the other.
const ABREAST: usize = 4;
/// Batches kept to look at after their end.
const KEPT: usize = 10;

/// Where an object stands in the queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Turn {
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
    uid: Option<Uid>,
    pub active: ActiveRun,
    turn: Turn,
    /// It failed, and the operator said to go on all the same.
    excused: bool,
}

impl Item {
    pub fn fate(&self) -> Fate {
        match (self.turn, self.active.run.outcome().filter(|_| self.active.told)) {
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

/// What a batch waits for.
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
    /// What only all of them together do.
    pub together: Vec<Impact>,
    pub form: Form,
    /// The operator said yes.
    begun: bool,
    /// That it stopped was said.
    announced: bool,
    pub told: bool,
}

impl Batch {
    pub fn phase(&self) -> Phase {
        let settled = |i: &Item| i.active.told || i.active.question.is_some();
        if self.items.iter().all(|i| i.active.told) {
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
        self.items.iter().filter(|i| i.turn != Turn::Held).map(|i| &i.active).filter(|a| !a.told)
    }

    fn ready(&self) -> usize {
        self.items.iter().filter(|i| i.ready()).count()
    }

    pub fn count(&self, fate: Fate) -> usize {
        let gone = if fate == Fate::Gone { self.gone.len() } else { 0 };
        gone + self.items.iter().filter(|i| i.fate() == fate).count()
    }

    /// What failed and the operator has not yet said to go on after.
    fn failed(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|i| !i.excused && matches!(i.fate(), Fate::Failed | Fate::Unverified))
    }

    /// How many go at the same time.
    fn width(&self) -> usize {
        if self.action.sequential { 1 } else { ABREAST }
    }

    /// The words to type before it goes ahead, where any of the plans asks for some.
    pub fn wanted(&self) -> Option<String> {
        let asks = self.phase() == Phase::Asking && self.items.iter().any(|i| i.active.wanted().is_some());
        asks.then(|| format!("{} {}", self.action.name, self.ready()))
    }

    /// What is asked now.
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

    /// What failed since the operator last said to go on, as a sentence.
    fn failure(&self) -> String {
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
        for item in self.items.iter_mut().filter(|i| !i.active.told) {
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
    fn release(&mut self, world: &World) -> bool {
        // What was to begin and became stale asks again.
        for item in self.items.iter_mut().filter(|i| i.turn == Turn::Begun && i.active.question.is_some()) {
            item.turn = Turn::Planned;
        }
        let phase = self.phase();
        let busy = |i: &&Item| {
            !i.active.told
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

/// Begins to plan for each of the targets and opens the dialog of all.
///
/// # Errors
/// A sentence about options that do not fit.
pub fn begin(
    model: &mut Model,
    action: &'static Action,
    targets: Targets,
    params: Params,
) -> Result<(), String> {
    let title = format!("{} {targets}", action.title);
    let together = (action.combined)(&model.data.world, &targets.objects);
    let mut items = Vec::with_capacity(targets.objects.len());
    for object in targets.objects {
        let uid = model.data.world.meta(&object).map(|m| m.uid.clone());
        let active = ActiveRun::new(model, action, object.clone(), params.clone())?;
        items.push(Item { object, uid, active, turn: Turn::Held, excused: false });
    }
    model.next_id += 1;
    let id = model.next_id;
    model.batches.push(Batch {
        id,
        action,
        title,
        items,
        gone: targets.gone,
        together,
        form: Form::default(),
        begun: false,
        announced: false,
        told: false,
    });
    model.dialog = Some(Dialog::Batch(id));
    Ok(())
}

/// Moves every batch on as far as it goes now.
pub fn drive(model: &mut Model) -> Vec<Effect> {
    let (mut effects, mut notes, mut said) = (Vec::new(), Vec::new(), Vec::new());
    let Model { batches, data, dirty, .. } = model;
    for batch in batches.iter_mut().filter(|b| !b.told) {
        loop {
            for item in batch.items.iter_mut().filter(|i| i.turn != Turn::Held) {
                if item.active.advance(data, dirty, &mut effects) && item.turn == Turn::Begun {
                    notes.push((Some(item.object.clone()), item.active.ending().0));
                }
            }
            if !batch.release(&data.world) {
                break;
            }
        }
        match batch.phase() {
            // A plan is made again: the yes that was about to be given was to another.
            Phase::Planning => batch.form.go = false,
            Phase::Over => {
                batch.told = true;
                *dirty = (*dirty).max(Dirty::Data);
                let text = format!("{}: {}.", batch.title, batch.summary());
                let done = batch.count(Fate::Done) == batch.items.len();
                let tone = match batch.count(Fate::Failed) + batch.count(Fate::Unverified) {
                    0 if done => Tone::Good,
                    0 => Tone::Info,
                    _ => Tone::Bad,
                };
                notes.push((None, text.clone()));
                said.push((tone, text));
            }
            Phase::Halted if !batch.announced => {
                batch.announced = true;
                // Whatever the operator was about to press was not meant for this.
                batch.form = Form::default();
                let (title, ready) = (&batch.title, batch.ready());
                let text = format!("{title} stopped, {ready} not begun (`:journal`): {}", batch.failure());
                said.push((Tone::Bad, text));
            }
            _ => {}
        }
    }
    for (object, text) in notes {
        runs::note(model, object, &text);
    }
    for (tone, text) in said {
        model.say(tone, text);
    }
    if model.batches.len() > KEPT
        && let Some(i) =
            model.batches.iter().position(|b| b.told && model.dialog != Some(Dialog::Batch(b.id)))
    {
        model.batches.remove(i);
    }
    effects
}

/// Keys in the dialog of a batch.
pub fn keys(model: &mut Model, key: Id) -> Vec<Effect> {
    let Some(Dialog::Batch(id)) = model.dialog else { return Vec::new() };
    let Some(batch) = model.batches.iter_mut().find(|b| b.id == id) else {
        model.dialog = None;
        return Vec::new();
    };
    let phase = batch.phase();
    if batch.form.moved(key, matches!(phase, Phase::Asking | Phase::Halted), 0) {
        return Vec::new();
    }
    match (phase, key) {
        (_, Id::CopyKubectl) => {
            let kubectl = batch.kubectl();
            model.say(Tone::Info, format!("Copied {} kubectl commands.", kubectl.lines().count()));
            return vec![Effect::Copy(kubectl)];
        }
        (Phase::Asking, Id::DialogPress) if batch.form.go => {
            if let Some(words) = batch.wanted().filter(|w| !batch.form.released(Some(w))) {
                model.say(Tone::Info, format!("Type {words} first: this cannot be undone."));
                return Vec::new();
            }
            batch.begun = true;
            batch.form = Form::default();
            let text = format!("{}: begun with {}", batch.title, batch.ready());
            runs::note(model, None, &text);
            clear_marks(model);
        }
        (Phase::Planning, Id::DialogCancel) | (Phase::Asking, Id::DialogCancel | Id::DialogPress) => {
            batch.stop();
            model.dialog = None;
        }
        (Phase::Halted, Id::DialogPress) if batch.form.go => {
            for item in &mut batch.items {
                item.excused |= matches!(item.fate(), Fate::Failed | Fate::Unverified);
            }
            batch.announced = false;
            batch.form = Form::default();
        }
        (Phase::Halted, Id::DialogPress | Id::DialogCancel) => batch.drop_ready(),
        (Phase::Going | Phase::Over, Id::DialogPress | Id::DialogCancel) => model.dialog = None,
        _ => {}
    }
    runs::drive(model)
}

/// What was marked is being acted on: the next action shall not meet it by accident.
pub fn clear_marks(model: &mut Model) {
    if let Some((table, _)) = model.table_mut() {
        table.marks.clear();
    }
}
