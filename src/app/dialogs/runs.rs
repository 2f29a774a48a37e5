//! Remedies under way in the cockpit: the plan with its question, and how each run ended.

use crate::app::core::model::{Asks, Data, Dialog, Dirty, Model, Prompt, PromptKind, Tone};
use crate::app::core::msg::Effect;
use crate::app::dialogs::batch;
use crate::app::dialogs::leave::{Choice, Leave};
use crate::app::dialogs::targets::Targets;
use crate::app::views::timeline;
use crate::config::Id;
use crate::detect::timeline::{Entry, What};
use crate::remedy::journal::run_id;
use crate::remedy::plan::{Outcome, Stage};
use crate::remedy::run::{Confirm, Need, NeedId, Options, Params, Reply, Run};
use crate::remedy::{self, Action, Spec};
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
    /// The option that is focused instead of a button.
    pub control: Option<usize>,
    pub scroll: usize,
}

/// An option that can be changed in the dialog of a plan.
#[derive(Clone, PartialEq, Debug)]
pub struct Control {
    pub option: &'static str,
    pub label: String,
    /// `None` for a flag that is not set.
    pub value: Option<String>,
    /// The value it has next; `None` for a flag that is set.
    pub next: Option<String>,
}

impl Form {
    /// Keys that move in the dialog; true where it was one.
    ///
    /// The focus goes from Cancel to the other button, where the dialog asks, and on through the options.
    pub fn moved(&mut self, id: Id, asking: bool, controls: usize) -> bool {
        match id {
            Id::DialogNext | Id::DialogPrevious => {
                let buttons = 1 + usize::from(asking);
                let all = buttons + controls;
                let at = self.control.map_or(usize::from(self.go), |i| buttons + i);
                let to = (at + if id == Id::DialogNext { 1 } else { all - 1 }) % all;
                self.control = to.checked_sub(buttons);
                // Before the question is there nobody can mean a button.
                self.go = asking && to == 1;
            }
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
        self.control = None;
    }
}

impl ActiveRun {
    /// The options that the dialog lets the operator change: flags, and values that the plan offers. None once it acts.
    pub fn controls(&self) -> Vec<Control> {
        let report = self.run.report();
        let refused = report.outcome == Some(Outcome::Refused) && report.requests.iter().all(|r| r.dry_run);
        if self.run.stage() > Stage::Confirming && !refused {
            return Vec::new();
        }
        let params = self.run.params();
        let flags = self.run.action().options.iter().filter(|o| o.value.is_empty()).map(|o| {
            let set = params.get(o.name).cloned();
            let next = if set.is_some() { None } else { Some(String::new()) };
            Control { option: o.name, label: format!("--{}  {}", o.name, o.about), value: set, next }
        });
        let mut out: Vec<Control> = flags.collect();
        let choices = &report.plan.choices;
        if choices.len() > 1
            && let Some(at) = choices.iter().position(|c| c.chosen)
            && let (Some(now), Some(next)) = (choices.get(at), choices.get((at + 1) % choices.len()))
        {
            let label = format!("{}  ({} of {})", now.label, at + 1, choices.len());
            let value = Some(now.value.clone());
            out.push(Control { option: now.option, label, value, next: Some(next.value.clone()) });
        }
        out
    }

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
            id: run_id(model.data.now),
            terminal: true,
            uid: model.data.world.meta(&target).map(|m| m.uid.clone()),
        };
        let title = format!("{} {target}", action.title);
        let mut run = Run::new(action, target, params, options)?;
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
        // A plan that became stale withdraws its question and asks again.
        if self.question.as_ref().is_some_and(|(id, _)| self.run.question() != Some(*id)) {
            self.question = None;
            self.form.go = false;
        }
        if self.told || (self.run.stage(), self.run.progress()) != before {
            *dirty = (*dirty).max(Dirty::Data);
        }
        self.told
    }

    /// Whether the operator said yes and it has not ended.
    pub fn acts(&self) -> bool {
        !self.told && self.run.stage() >= Stage::Applying
    }

    /// Stops it after the step under way; the second time without waiting for that.
    pub fn stop(&mut self) {
        if self.run.stopping() { self.run.cancel() } else { self.run.stop() }
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
    let asked: Vec<&Spec> = action.options.iter().filter(|o| o.asked).collect();
    if !asked.is_empty() && !asked.iter().any(|o| params.contains_key(o.name)) {
        let usages: Vec<String> = asked.iter().map(|o| o.usage()).collect();
        let what = format!("{} {targets}: {}", action.title, usages.join(" "));
        ask(model, Asks { action, targets, params, option: None, what }, "");
        return Vec::new();
    }
    if let Some(option) = action.options.iter().find(|o| o.required && !params.contains_key(o.name)) {
        let what = format!("{} {targets}: {} ({})", action.title, option.usage(), option.about);
        ask(model, Asks { action, targets, params, option: Some(option.name), what }, "");
        return Vec::new();
    }
    // While the menu was open, or an option was typed, time went on.
    targets.part(model.table(), &model.data.cx());
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

/// Asks for what the action has to be told, in the prompt.
fn ask(model: &mut Model, asks: Asks, typed: &str) {
    model.prompt =
        Some(Prompt { kind: PromptKind::Option, input: typed.into(), asks: Some(asks), ..Prompt::default() });
    model.dirty = Dirty::Input;
}

/// Plans an action with what was typed for it; a line that cannot be read stays, with the reason.
pub fn told(model: &mut Model, asks: Asks, text: &str) -> Vec<Effect> {
    let mut params = asks.params.clone();
    match asks.option {
        Some(option) => {
            params.insert(option.to_owned(), text.to_owned());
        }
        None => match remedy::options(asks.action, text) {
            Ok(typed) if typed.is_empty() => {
                model.say(
                    Tone::Info,
                    format!("{}: nothing was named, nothing is planned.", asks.action.title),
                );
                return Vec::new();
            }
            Ok(typed) => params.extend(typed),
            Err(why) => {
                model.say(Tone::Bad, format!("{why}."));
                ask(model, asks, text);
                return Vec::new();
            }
        },
    }
    begin(model, asks.action, asks.targets, params)
}

/// Moves every run on as far as it goes now.
pub fn drive(model: &mut Model) -> Vec<Effect> {
    let (mut effects, mut ended, mut begun) = (Vec::new(), Vec::new(), Vec::new());
    let Model { runs, data, dirty, .. } = model;
    for active in runs {
        let before = active.acts();
        if active.advance(data, dirty, &mut effects) {
            ended.push(active.id);
        }
        if active.acts() && !before {
            begun.push((active.run.report().target, format!("{}: begun", active.title)));
        }
    }
    for (target, text) in begun {
        note(model, Some(target), &text);
        batch::clear_marks(model);
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
    // So does a session that the operator ended.
    let over = report.outcome == Some(Outcome::Refused) && report.refusals().next().is_none();
    if (over || report.exit_code.is_some()) && model.dialog == Some(Dialog::Plan(id)) {
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

/// Whether anything the operator said yes to has not ended.
pub fn acting(model: &Model) -> bool {
    model.runs.iter().any(ActiveRun::acts) || model.batches.iter().any(|b| b.begun() && !b.told)
}

/// What acts now, shortly: its action, how far it is and of how much (0 of 0 where there is no measure).
pub fn running(model: &Model) -> Vec<(&'static str, u64, u64)> {
    let single = model.runs.iter().filter(|r| r.acts()).map(|r| {
        let progress = r.run.progress();
        (r.run.action().name, progress.done, progress.total)
    });
    let many = model.batches.iter().filter(|b| b.begun() && !b.told).map(|b| {
        let ended = b.items.iter().filter(|i| i.active.told).count();
        (b.action.name, ended as u64, b.items.len() as u64)
    });
    single.chain(many).collect()
}

/// Stops all that acts after the step under way, and drops what only waits for an answer or its turn. Called again, it does
/// not wait for the steps.
pub fn stop_all(model: &mut Model) -> Vec<Effect> {
    for active in model.runs.iter_mut().filter(|r| !r.told) {
        active.stop();
    }
    for batch in model.batches.iter_mut().filter(|b| !b.told) {
        batch.stop();
    }
    drive(model)
}

/// Begins nothing more: what acts goes on to its end, what waits for an answer or its turn is dropped.
pub fn begin_no_more(model: &mut Model) -> Vec<Effect> {
    for active in model.runs.iter_mut().filter(|r| !r.told && !r.acts()) {
        active.run.stop();
    }
    for batch in model.batches.iter_mut().filter(|b| !b.told) {
        if batch.begun() { batch.drop_ready() } else { batch.stop() }
    }
    drive(model)
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
    let controls = active.controls().len();
    if active.form.moved(id, asking, controls) {
        return Vec::new();
    }
    if let (Id::DialogPress, Some(control)) = (id, active.form.control) {
        return change(model, run, control);
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
        // What should follow is planned, and asked about like everything else.
        Id::DialogPress if active.told => {
            let next = active.run.report().next.into_iter().next();
            model.dialog = None;
            if let Some((action, step)) = next.and_then(|n| Some((remedy::action(n.action)?, n))) {
                return begin(model, action, Targets::from(step.target), Params::new());
            }
        }
        Id::DialogCancel | Id::DialogPress => model.dialog = None,
        _ => {}
    }
    Vec::new()
}

/// Gives an option its next value and makes another plan with it, in the place of the one that is shown.
fn change(model: &mut Model, run: u64, control: usize) -> Vec<Effect> {
    let Some(index) = model.runs.iter().position(|r| r.id == run) else { return Vec::new() };
    let old = &model.runs[index];
    let Some(control) = old.controls().into_iter().nth(control) else { return Vec::new() };
    let (action, target, mut params) = (old.run.action(), old.run.report().target, old.run.params());
    match control.next {
        Some(value) => params.insert(control.option.to_owned(), value),
        None => params.remove(control.option),
    };
    match ActiveRun::new(model, action, target, params) {
        Ok(mut new) => {
            model.dialog = Some(Dialog::Plan(new.id));
            new.form = std::mem::take(&mut model.runs[index].form);
            model.runs[index] = new;
        }
        Err(why) => model.say(Tone::Bad, why),
    }
    drive(model)
}

/// Stops what the open dialog shows after its step; asked again, without waiting for that. Clean-up is done first.
pub fn stop(model: &mut Model) -> Vec<Effect> {
    match model.dialog {
        Some(Dialog::Plan(id)) => {
            if let Some(active) = model.runs.iter_mut().find(|r| r.id == id && !r.told) {
                active.stop();
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

/// A character typed into the dialog, or the last one erased: what a destructive plan asks for. A space changes the
/// option that is focused.
pub fn typed(model: &mut Model, c: Option<char>) -> Vec<Effect> {
    match model.dialog {
        Some(Dialog::Plan(id)) => {
            let focused = model.runs.iter().find(|r| r.id == id).and_then(|r| r.form.control);
            if let (Some(' '), Some(control)) = (c, focused) {
                return change(model, id, control);
            }
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
    Vec::new()
}

/// Leaves the cockpit, or asks first where actions are under way. Plans nobody said yes to are dropped.
pub fn leave(model: &mut Model) -> Vec<Effect> {
    if acting(model) {
        model.dialog = Some(Dialog::Leave(Leave::default()));
        return Vec::new();
    }
    model.quitting = true;
    vec![Effect::Quit]
}

/// Keys in the question what becomes of the actions.
pub fn leave_keys(model: &mut Model, id: Id) -> Vec<Effect> {
    let Some(Dialog::Leave(leave)) = &mut model.dialog else { return Vec::new() };
    let n = Choice::ALL.len();
    match id {
        Id::MoveDown => leave.index = (leave.index + 1) % n,
        Id::MoveUp => leave.index = (leave.index + n - 1) % n,
        Id::ActionsClose => model.dialog = None,
        Id::Choose => {
            let choice = Choice::ALL[leave.index % n];
            model.dialog = None;
            return choose_leave(model, choice);
        }
        _ => {}
    }
    Vec::new()
}

fn choose_leave(model: &mut Model, choice: Choice) -> Vec<Effect> {
    match choice {
        Choice::Stay => Vec::new(),
        Choice::StopAfterStep => {
            model.leaving = true;
            model.say(Tone::Info, "Stopping after the step under way; then khud ends. `:journal` shows it.");
            let mut effects = stop_all(model);
            effects.extend(left(model));
            effects
        }
        Choice::GoOn => {
            model.quitting = true;
            let mut effects = begin_no_more(model);
            effects.push(Effect::Quit);
            effects
        }
    }
}

/// Ends the cockpit once nothing is under way, where the operator chose to wait for that.
pub fn left(model: &mut Model) -> Option<Effect> {
    (model.leaving && !model.quitting && !under_way(model)).then(|| {
        model.quitting = true;
        Effect::Quit
    })
}
