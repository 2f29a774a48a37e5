//! Remedies under way in the cockpit: the menu of actions, the plan with its question, and how each run ended.

use super::history;
use super::model::{Dialog, Dirty, Model, Prompt, PromptKind, Tone};
use super::msg::Effect;
use crate::config::Id;
use crate::detect::timeline::{Entry, What};
use crate::remedy::plan::{Outcome, Stage};
use crate::remedy::run::{Confirm, Need, NeedId, Options, Params, Reply, Run};
use crate::remedy::{self, Action};
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
    /// What was typed where the plan asks for the name.
    pub typed: String,
    /// Whether the button that goes ahead is the focused one. Cancel is, until the operator moves.
    pub go: bool,
    pub scroll: usize,
    pub told: bool,
}

impl ActiveRun {
    /// Whether what had to be typed was.
    pub fn released(&self) -> bool {
        match &self.question {
            Some((_, Confirm { typed: Some(name), .. })) => self.typed == **name,
            Some(_) => true,
            None => false,
        }
    }
}

/// One line of the menu of actions.
#[derive(Clone, Debug)]
pub struct Offer {
    pub action: &'static Action,
    pub target: ObjectRef,
    /// It fits the cause that was found.
    pub fits: bool,
    pub command: Option<Id>,
    /// Why it cannot be chosen.
    pub refused: Option<&'static str>,
}

#[derive(Clone, Debug)]
pub struct Menu {
    pub object: ObjectRef,
    pub offers: Vec<Offer>,
    pub index: usize,
}

/// Opens the menu for an object, what fits its cause first.
pub fn menu(model: &mut Model, object: ObjectRef) {
    let data = &model.data;
    // Of several findings on it the one under the cursor is meant.
    let meant = model.finding().filter(|f| *f.fix() == object).or_else(|| data.detector.of(&object));
    let cause = meant.map(|f| f.cause.clone()).unwrap_or_default();
    let fitting = remedy::for_cause(&data.world, &cause, &object);
    let refused = model.cluster.read_only.then_some("khud runs read-only");
    let mut offers: Vec<Offer> = Vec::new();
    let all = fitting.into_iter().map(|a| (a, !cause.is_empty()));
    for ((action, target), fits) in
        all.chain(remedy::for_object(&data.world, &object).into_iter().map(|a| (a, false)))
    {
        if offers.iter().all(|o| (o.action.name, &o.target) != (action.name, &target)) {
            let command = crate::config::commands::by_name(&format!("action.{}", action.name)).map(|c| c.id);
            offers.push(Offer { action, target, fits, command, refused });
        }
    }
    if offers.is_empty() {
        model.say(Tone::Info, format!("khud has no action for {object}."));
        return;
    }
    model.dialog = Some(Dialog::Menu(Menu { object, offers, index: 0 }));
}

/// Keys in the menu.
pub fn in_menu(model: &mut Model, id: Id) -> Vec<Effect> {
    let Some(Dialog::Menu(menu)) = &mut model.dialog else { return Vec::new() };
    let n = menu.offers.len();
    let chosen = match id {
        Id::MoveDown => {
            menu.index = (menu.index + 1) % n;
            return Vec::new();
        }
        Id::MoveUp => {
            menu.index = (menu.index + n - 1) % n;
            return Vec::new();
        }
        Id::ActionsClose => {
            model.dialog = None;
            return Vec::new();
        }
        Id::Choose => Some(menu.index),
        other => menu.offers.iter().position(|o| o.command == Some(other)),
    };
    let Some(offer) = chosen.and_then(|i| menu.offers.get(i)).cloned() else { return Vec::new() };
    if let Some(why) = offer.refused {
        model.say(Tone::Bad, format!("{} is refused: {why}.", offer.action.title));
        return Vec::new();
    }
    model.dialog = None;
    begin(model, offer.action, offer.target, Params::new())
}

/// Plans an action; asks for the options it needs first, one after the other.
pub fn begin(model: &mut Model, action: &'static Action, target: ObjectRef, params: Params) -> Vec<Effect> {
    if let Some(option) = action.options.iter().find(|o| o.required && !params.contains_key(o.name)) {
        let what = format!("{} {target}: {} ({})", action.title, option.name, option.about);
        model.prompt = Some(Prompt {
            kind: PromptKind::Option,
            asks: Some(super::model::Asks { action, target, params, option: option.name, what }),
            ..Prompt::default()
        });
        model.dirty = Dirty::Input;
        return Vec::new();
    }
    let options = Options {
        dry_run: false,
        read_only: model.cluster.read_only,
        timeout: None,
        context: model.cluster.context.clone(),
    };
    match Run::new(action.name, target.clone(), params, options) {
        Ok(run) => {
            model.next_id += 1;
            let id = model.next_id;
            model.runs.push(ActiveRun {
                id,
                run,
                title: format!("{} {target}", action.title),
                dangerous: action.dangerous,
                question: None,
                typed: String::new(),
                go: false,
                scroll: 0,
                told: false,
            });
            model.dialog = Some(Dialog::Plan(id));
            drive(model)
        }
        Err(why) => {
            model.say(Tone::Bad, why);
            Vec::new()
        }
    }
}

/// Moves every run on as far as it goes now.
pub fn drive(model: &mut Model) -> Vec<Effect> {
    let (mut effects, mut ended) = (Vec::new(), Vec::new());
    let now = model.data.now;
    for active in model.runs.iter_mut().filter(|r| !r.told) {
        let before = (active.run.stage(), active.run.progress());
        for (need_id, need) in active.run.poll(&model.data.world, now) {
            match need {
                Need::Confirm(question) => active.question = Some((need_id, question)),
                need => effects.push(Effect::Need { run: active.id, id: need_id, need: Box::new(need) }),
            }
        }
        if active.run.done() {
            active.told = true;
            active.question = None;
            ended.push(active.id);
        }
        if (active.run.stage(), active.run.progress()) != before || active.run.done() {
            model.dirty = model.dirty.max(Dirty::Data);
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
    effects
}

/// Says how a run ended.
fn end(model: &mut Model, id: u64) {
    let Some(active) = model.runs.iter().find(|r| r.id == id) else { return };
    let report = active.run.report();
    let (word, tone) = match report.outcome {
        Some(Outcome::Verified) => ("done and verified", Tone::Good),
        Some(Outcome::Applied) => ("applied, not verified", Tone::Bad),
        Some(Outcome::Refused) => ("not done", Tone::Info),
        Some(Outcome::Failed) => ("failed", Tone::Bad),
        None => ("planned", Tone::Info),
    };
    let text = format!("{}: {word}. {}", active.title, report.reason);
    let entry = Entry::new(model.data.now, What::Action, Some(report.target.clone()), &text)
        .by(model.cluster.user.clone());
    // Cancelling a plan ends the matter; all else may be looked at.
    if report.outcome == Some(Outcome::Refused)
        && report.refusals().next().is_none()
        && model.dialog == Some(Dialog::Plan(id))
    {
        model.dialog = None;
    }
    history::note(model, entry);
    model.say(tone, text);
}

pub fn reply(model: &mut Model, run: u64, id: NeedId, reply: Reply) -> Vec<Effect> {
    if let Some(active) = model.runs.iter_mut().find(|r| r.id == run) {
        active.run.answer(id, reply);
    }
    drive(model)
}

/// When a run next wants to be looked at though nothing happened.
pub fn next_timer(model: &Model) -> Option<Time> {
    model.runs.iter().filter(|r| !r.told).filter_map(|r| r.run.wake()).min()
}

/// Keys in the dialog of a plan.
pub fn in_plan(model: &mut Model, id: Id) -> Vec<Effect> {
    let Some(Dialog::Plan(run)) = model.dialog else { return Vec::new() };
    let Some(active) = model.runs.iter_mut().find(|r| r.id == run) else {
        model.dialog = None;
        return Vec::new();
    };
    match id {
        Id::DialogNext | Id::DialogPrevious => active.go = !active.go,
        Id::DialogDown => active.scroll += 1,
        Id::DialogUp => active.scroll = active.scroll.saturating_sub(1),
        Id::DialogPageDown => active.scroll += 10,
        Id::DialogPageUp => active.scroll = active.scroll.saturating_sub(10),
        Id::CopyKubectl => {
            let kubectl = active.run.report().plan.kubectl;
            model.say(Tone::Info, "Copied the kubectl command.");
            return vec![Effect::Copy(kubectl)];
        }
        Id::DialogPress if active.question.is_some() => {
            if active.go && !active.released() {
                model.say(Tone::Info, "Type the name first: this cannot be undone.");
                return Vec::new();
            }
            let go = active.go;
            if let Some((need, _)) = active.question.take() {
                active.run.answer(need, Reply::Confirm(go));
            }
            if go {
                let (target, text) = (active.run.report().target, format!("{}: begun", active.title));
                let entry = Entry::new(model.data.now, What::Action, Some(target), text);
                history::note(model, entry.by(model.cluster.user.clone()));
            }
            return drive(model);
        }
        Id::DialogCancel if active.question.is_some() => {
            if let Some((need, _)) = active.question.take() {
                active.run.answer(need, Reply::Confirm(false));
            }
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

/// Stops the run whose dialog is open; what was begun in the cluster is cleaned up first.
pub fn stop(model: &mut Model) -> Vec<Effect> {
    if let Some(Dialog::Plan(id)) = model.dialog
        && let Some(active) = model.runs.iter_mut().find(|r| r.id == id && !r.told)
    {
        active.run.cancel();
        return drive(model);
    }
    Vec::new()
}

/// A character typed into the dialog: the name a destructive plan asks for.
pub fn typed(model: &mut Model, c: Option<char>) {
    let Some(Dialog::Plan(id)) = model.dialog else { return };
    let Some(active) = model.runs.iter_mut().find(|r| r.id == id) else { return };
    if matches!(&active.question, Some((_, Confirm { typed: Some(_), .. }))) {
        match c {
            Some(c) if active.typed.chars().count() < 253 => active.typed.push(c),
            Some(_) => {}
            None => drop(active.typed.pop()),
        }
        active.go = active.released();
    }
}
