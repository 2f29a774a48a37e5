//! Remedies under way in the cockpit: the plan with its question, and how each run ended.

use crate::app::core::model::{Data, Dialog, Dirty, Model, Prompt, PromptKind, Tone};
use crate::app::core::msg::Effect;
use crate::app::dialogs::batch;
use crate::app::dialogs::targets::Targets;
use crate::app::views::timeline;
use crate::config::Id;
use crate::detect::timeline::{Entry, What};
use crate::remedy::Action;
use crate::remedy::plan::{Outcome, Stage};
use crate::remedy::run::{Confirm, Need, NeedId, Options, Params, Reply, Run};
use crate::world::{ObjectRef, Time};

/// Finished runs kept to look at.
const KEPT: usize = 30;

/// One remedy, from its plan to its end.
#[derive(Debug)]
pub struct ActiveRun {
    pub id: u64,
    pub run: Run,
    pub title: String,
    pub dangerous: bool,
    /// The question that waits for the operator.
    pub question: Option<(NeedId, Confirm)>,
    pub form: Form,
    pub told: bool,
}

/// What the operator did so far in a dialog that asks.
#[derive(Clone, Debug, Default)]
pub struct Form {
    /// What was typed where the plan asks for words.
    pub typed: String,
    /// Whether the button that goes ahead is the focused one. Cancel is, until the operator moves.
    pub go: bool,
    pub scroll: usize,
}

impl Form {
    /// Keys that move in the dialog; true where it was one.
    pub fn moved(&mut self, id: Id, asking: bool) -> bool {
        match id {
            // Before the question is there nobody can mean a button.
            Id::DialogNext | Id::DialogPrevious => self.go = asking && !self.go,
            Id::DialogDown => self.scroll += 1,
            Id::DialogUp => self.scroll = self.scroll.saturating_sub(1),
            Id::DialogPageDown => self.scroll += 10,
            Id::DialogPageUp => self.scroll = self.scroll.saturating_sub(10),
            _ => return false,
        }
        true
    }

    /// Whether what has to be typed was.
    pub fn released(&self, wanted: Option<&str>) -> bool {
        wanted.is_none_or(|w| self.typed == w)
    }

    /// A character typed, or the last one erased; the button follows.
    pub fn edit(&mut self, c: Option<char>, wanted: Option<&str>) {
        match c {
            _ if wanted.is_none() => return,
            Some(c) if self.typed.chars().count() < 253 => self.typed.push(c),
            Some(_) => {}
            None => drop(self.typed.pop()),
        }
        self.go = self.released(wanted);
    }
}

impl ActiveRun {
    /// # Errors
    /// A sentence about options that do not fit.
    pub fn new(
        model: &mut Model,
        action: &'static Action,
        target: ObjectRef,
        params: Params,
    ) -> Result<ActiveRun, String> {
        let options = Options {
            dry_run: false,
            read_only: model.cluster.read_only,
            timeout: None,
            context: model.cluster.context.clone(),
            kubectl: model.cluster.kubectl.clone(),
        };
        let title = format!("{} {target}", action.title);
        let mut run = Run::new(action.name, target, params, options)?;
        if let Some(why) = model.cluster.unverified() {
            run.unverified(why);
        }
        model.next_id += 1;
        Ok(ActiveRun {
            id: model.next_id,
            run,
            title,
            dangerous: action.dangerous,
            question: None,
            form: Form::default(),
            told: false,
        })
    }

    /// The text to type before it goes ahead, where one is asked for.
    pub fn wanted(&self) -> Option<&str> {
        self.question.as_ref().and_then(|(_, q)| q.typed.as_deref())
    }

    /// Moves it on as far as it goes now; true when it has just ended.
    pub fn advance(&mut self, data: &Data, dirty: &mut Dirty, effects: &mut Vec<Effect>) -> bool {
        if self.told {
            return false;
        }
        let before = (self.run.stage(), self.run.progress());
        for (id, need) in self.run.poll(&data.world, data.now) {
            match need {
                Need::Confirm(question) => self.question = Some((id, question)),
                need => effects.push(Effect::Need { run: self.id, id, need: Box::new(need) }),
            }
        }
        self.told = self.run.done();
        if self.told {
            self.question = None;
        }
        if self.told || (self.run.stage(), self.run.progress()) != before {
            *dirty = (*dirty).max(Dirty::Data);
        }
        self.told
    }

    /// Answers the question that waits.
    pub fn answer(&mut self, yes: bool) {
        if let Some((need, _)) = self.question.take() {
            self.run.answer(need, Reply::Confirm(yes));
        }
    }

    /// How it ended, in a sentence.
    pub fn ending(&self) -> (String, Tone) {
        let report = self.run.report();
        let (word, tone) = match report.outcome {
            Some(Outcome::Verified) => ("done and verified", Tone::Good),
            Some(Outcome::Applied) => ("applied, not verified", Tone::Bad),
            Some(Outcome::Refused) => ("not done", Tone::Info),
            Some(Outcome::Failed) => ("failed", Tone::Bad),
            None => ("planned", Tone::Info),
        };
        (format!("{}: {word}. {}", self.title, report.reason), tone)
    }
}

/// Plans an action; asks for the options it needs first, one after the other and once for all its targets.
pub fn begin(
    model: &mut Model,
    action: &'static Action,
    mut targets: Targets,
    params: Params,
) -> Vec<Effect> {
    if let Some(option) = action.options.iter().find(|o| o.required && !params.contains_key(o.name)) {
        let what = format!("{} {targets}: {} ({})", action.title, option.name, option.about);
        model.prompt = Some(Prompt {
            kind: PromptKind::Option,
            asks: Some(crate::app::core::model::Asks { action, targets, params, option: option.name, what }),
            ..Prompt::default()
        });
        model.dirty = Dirty::Input;
        return Vec::new();
    }
    // While the menu was open, or an option was typed, time went on.
    targets.part(model);
    let begun = match targets.alone() {
        Some(target) => ActiveRun::new(model, action, target.clone(), params).map(|active| {
            model.dialog = Some(Dialog::Plan(active.id));
            model.runs.push(active);
        }),
        None => batch::begin(model, action, targets, params),
    };
    match begun {
        Ok(()) => drive(model),
        Err(why) => {
            model.say(Tone::Bad, why);
            Vec::new()
        }
    }
}

/// Moves every run on as far as it goes now.
pub fn drive(model: &mut Model) -> Vec<Effect> {
    let (mut effects, mut ended) = (Vec::new(), Vec::new());
    let Model { runs, data, dirty, .. } = model;
    for active in runs {
        if active.advance(data, dirty, &mut effects) {
            ended.push(active.id);
        }
    }
    for id in ended {
        end(model, id);
    }
    if model.runs.len() > KEPT
        && let Some(i) = model.runs.iter().position(|r| r.told && model.dialog != Some(Dialog::Plan(r.id)))
    {
        model.runs.remove(i);
    }
    effects.extend(batch::drive(model));
    effects
}

/// Says how a run ended.
fn end(model: &mut Model, id: u64) {
    let Some(active) = model.runs.iter().find(|r| r.id == id) else { return };
    let report = active.run.report();
    let (text, tone) = active.ending();
    // Cancelling a plan ends the matter; all else may be looked at.
    if report.outcome == Some(Outcome::Refused)
        && report.refusals().next().is_none()
        && model.dialog == Some(Dialog::Plan(id))
    {
        model.dialog = None;
    }
    note(model, Some(report.target), &text);
    model.say(tone, text);
}

/// Puts something done, or not, on the timeline.
pub(super) fn note(model: &mut Model, target: Option<ObjectRef>, text: &str) {
    let entry = Entry::new(model.data.now, What::Action, target, text).by(model.cluster.user.clone());
    timeline::note(model, entry);
}

pub fn reply(model: &mut Model, run: u64, id: NeedId, reply: Reply) -> Vec<Effect> {
    let Model { runs, batches, .. } = model;
    let of_batches = batches.iter_mut().flat_map(|b| &mut b.items).map(|i| &mut i.active);
    if let Some(active) = runs.iter_mut().chain(of_batches).find(|r| r.id == run) {
        active.run.answer(id, reply);
    }
    drive(model)
}

/// When a run next wants to be looked at though nothing happened.
pub fn next_timer(model: &Model) -> Option<Time> {
    let of_batches = model.batches.iter().flat_map(batch::Batch::under_way);
    let single = model.runs.iter().filter(|r| !r.told);
    single.chain(of_batches).filter_map(|r| r.run.wake()).min()
}

/// Whether anything was planned or begun and has not ended.
pub fn under_way(model: &Model) -> bool {
    model.runs.iter().any(|r| !r.told) || model.batches.iter().any(|b| !b.told)
}

/// Keys in the dialog of a plan.
pub fn in_plan(model: &mut Model, id: Id) -> Vec<Effect> {
    let Some(Dialog::Plan(run)) = model.dialog else { return Vec::new() };
    let Some(active) = model.runs.iter_mut().find(|r| r.id == run) else {
        model.dialog = None;
        return Vec::new();
    };
    let asking = active.question.is_some();
    if active.form.moved(id, asking) {
        return Vec::new();
    }
    match id {
        Id::CopyKubectl => {
            let kubectl = active.run.report().plan.kubectl;
            model.say(Tone::Info, "Copied the kubectl command.");
            return vec![Effect::Copy(kubectl)];
        }
        Id::DialogPress if asking => {
            if active.form.go && !active.form.released(active.wanted()) {
                model.say(Tone::Info, "Type the name first: this cannot be undone.");
                return Vec::new();
            }
            let go = active.form.go;
            active.answer(go);
            if go {
                let (target, text) = (active.run.report().target, format!("{}: begun", active.title));
                note(model, Some(target), &text);
                batch::clear_marks(model);
            }
            return drive(model);
        }
        Id::DialogCancel if asking => {
            active.answer(false);
            return drive(model);
        }
        // While nothing was sent yet, leaving the plan stops it; after that it goes on in the background.
        Id::DialogCancel if !active.told && active.run.stage() < Stage::Applying => {
            active.run.cancel();
            model.dialog = None;
            return drive(model);
        }
        Id::DialogCancel | Id::DialogPress => model.dialog = None,
        _ => {}
    }
    Vec::new()
}

/// Stops what the open dialog shows; what was begun in the cluster is cleaned up first.
pub fn stop(model: &mut Model) -> Vec<Effect> {
    match model.dialog {
        Some(Dialog::Plan(id)) => {
            if let Some(active) = model.runs.iter_mut().find(|r| r.id == id && !r.told) {
                active.run.cancel();
            }
        }
        Some(Dialog::Batch(id)) => {
            if let Some(batch) = model.batches.iter_mut().find(|b| b.id == id) {
                batch.stop();
            }
        }
        _ => return Vec::new(),
    }
    drive(model)
}

/// A character typed into the dialog, or the last one erased: what a destructive plan asks for.
pub fn typed(model: &mut Model, c: Option<char>) {
    match model.dialog {
        Some(Dialog::Plan(id)) => {
            if let Some(active) = model.runs.iter_mut().find(|r| r.id == id) {
                let wanted = active.wanted().map(str::to_owned);
                active.form.edit(c, wanted.as_deref());
            }
        }
        Some(Dialog::Batch(id)) => {
            if let Some(batch) = model.batches.iter_mut().find(|b| b.id == id) {
                let wanted = batch.wanted();
                batch.form.edit(c, wanted.as_deref());
            }
        }
        _ => {}
    }
}
