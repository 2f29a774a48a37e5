//! Begins actions, moves their runs on and stops them.

use crate::app::core::dialog::Dialog;
use crate::app::core::dossier;
use crate::app::core::model::Model;
use crate::app::core::msg::Effect;
use crate::app::core::notice::{Dirty, Tone};
use crate::app::core::record;
use crate::app::core::runs::active::ActiveRun;
use crate::app::core::runs::batch::Batch;
use crate::app::core::runs::forwards::Forwarded;
use crate::app::core::runs::many;
use crate::app::core::runs::targets::Targets;
use crate::app::core::typed::{Asks, Prompt, PromptKind};
use crate::remedy::plan::Outcome;
use crate::remedy::run::{Ended, Need, NeedId, Params, Reply};
use crate::remedy::{self, Action, Spec};
use crate::world::ask::ForwardState;
use crate::world::{ObjectRef, Time};

/// Finished runs kept to look at.
const KEPT: usize = 30;

impl Model {
    /// A run that begins with its plan.
    ///
    /// # Errors
    /// A sentence about options that do not fit.
    pub(in crate::app) fn new_run(
        &mut self,
        action: &'static Action,
        target: ObjectRef,
        params: Params,
    ) -> Result<ActiveRun, String> {
        self.next_id += 1;
        let own = remedy::places(action, &target, &params);
        // Another context has its name typed in any case.
        let own = own.iter().filter(|(context, _)| context.is_empty()).map(|(_, namespace)| namespace);
        let named = own.flat_map(|n| self.prefs.settings.protected_names(&self.cluster.context, n));
        let mut protected: Vec<String> = named.collect();
        protected.dedup();
        ActiveRun::new(&self.cluster, &self.data, self.next_id, action, target, params, protected)
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
        let proposed = match asked[..] {
            [one] => proposed(model, one, &targets),
            _ => None,
        };
        let otherwise = proposed.as_ref().map_or(String::new(), |p| format!(" (enter: {p})"));
        let what = format!("{} {targets}: {}{otherwise}", action.title, usages.join(" "));
        ask(model, Asks { action, targets, params, option: None, what, proposed }, "");
        return Vec::new();
    }
    if let Some(option) = action.options.iter().find(|o| o.required && !params.contains_key(o.name)) {
        let what = format!("{} {targets}: {} ({})", action.title, option.usage(), option.about);
        ask(model, Asks { action, targets, params, option: Some(option.name), what, proposed: None }, "");
        return Vec::new();
    }
    // While the menu was open, or an option was typed, time went on.
    targets.part(model.table(), &model.data.cx());
    let begun = match targets.alone() {
        Some(target) => model.new_run(action, target.clone(), params).map(|active| {
            model.dialog = Some(Dialog::Plan(active.id));
            model.runs.push(active);
        }),
        None => many::begin(model, action, targets, params),
    };
    match begun {
        Ok(()) => drive(model),
        Err(why) => {
            model.say(Tone::Bad, why);
            Vec::new()
        }
    }
}

/// The value of the option for the first of the targets, where the action proposes one.
fn proposed(model: &Model, option: &Spec, targets: &Targets) -> Option<String> {
    option.suggest?(&model.data.world, targets.objects.first()?)
}

/// Asks for what the action has to be told, in the prompt.
fn ask(model: &mut Model, asks: Asks, typed: &str) {
    model.prompt =
        Some(Prompt { kind: PromptKind::Option, input: typed.into(), asks: Some(asks), ..Prompt::default() });
    model.dirty = Dirty::Input;
}

/// Plans an action with what was typed for it; a line that cannot be read stays, with the reason.
pub fn answered(model: &mut Model, asks: Asks, text: &str) -> Vec<Effect> {
    let mut params = asks.params.clone();
    let proposed = asks.proposed.clone().filter(|_| text.trim().is_empty());
    let text = proposed.as_deref().unwrap_or(text);
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
        record::action(model, Some(target), &text);
        many::clear_marks(model);
    }
    for id in ended {
        end(model, id);
    }
    if model.runs.len() > KEPT
        && let Some(i) = model.runs.iter().position(|r| r.ended && model.dialog != Some(Dialog::Plan(r.id)))
    {
        model.runs.remove(i);
    }
    effects.extend(many::drive(model));
    // The dossier comes from the model: no task has to fetch it.
    let mut told = Vec::new();
    effects.retain(|effect| match effect {
        Effect::Need { run, id, need } => match &**need {
            Need::Known(object) => {
                told.push((*run, *id, object.clone()));
                false
            }
            _ => true,
        },
        _ => true,
    });
    for (run, id, object) in told {
        let known = dossier::of_model(model, &object);
        effects.extend(reply(model, run, id, Reply::Known(known)));
    }
    effects
}

/// Says how a run ended.
fn end(model: &mut Model, id: u64) {
    let Some(active) = model.runs.iter().find(|r| r.id == id) else { return };
    let report = active.run.report();
    let (text, tone) = active.ending();
    // Cancelling a plan ends the matter; all else may be looked at.
    let cancelled = report.outcome == Some(Outcome::Refused) && report.refusals().next().is_none();
    if cancelled && model.dialog == Some(Dialog::Plan(id)) {
        model.dialog = None;
    }
    record::action(model, Some(report.target), &text);
    model.say(tone, text);
}

pub fn reply(model: &mut Model, run: u64, id: NeedId, reply: Reply) -> Vec<Effect> {
    // After a session or with a port open the keys are for the view again, also while the end is being journaled.
    let over = matches!(reply, Reply::Terminal(Ok(Ended::Exit(_))) | Reply::Forward(Ok(_)));
    if over && model.dialog == Some(Dialog::Plan(run)) {
        model.dialog = None;
    }
    let Model { runs, batches, .. } = model;
    let of_batches = batches.iter_mut().flat_map(|b| &mut b.items).map(|i| &mut i.active);
    if let Some(active) = runs.iter_mut().chain(of_batches).find(|r| r.id == run) {
        active.run.answer(id, reply);
    }
    drive(model)
}

/// Takes in what is new about a port. A trouble is told once.
pub fn forwarded(model: &mut Model, run: u64, state: ForwardState) {
    model.dirty = model.dirty.max(Dirty::Data);
    let Some(forwarded) = model.forwards.iter_mut().find(|f| f.run == run) else {
        let of_batches = model.batches.iter().flat_map(|b| &b.items).map(|i| &i.active);
        let opened = model.runs.iter().chain(of_batches).find(|r| r.id == run);
        let Some(target) = opened.map(|r| r.run.report().target) else { return };
        model.forwards.push(Forwarded { run, target, since: model.data.now, state });
        return;
    };
    let before = std::mem::replace(&mut forwarded.state, state);
    let (target, now) = (forwarded.target.clone(), forwarded.state.clone());
    if let Some(why) = now.trouble.as_ref().filter(|why| before.trouble.as_ref() != Some(why)) {
        model.say(Tone::Bad, format!("Port-forward {} to {target}: {why}.", now.local));
    } else if before.pod != now.pod {
        model.say(Tone::Info, format!("Port-forward {} to {target}: now to pod {}.", now.local, now.pod));
    }
}

/// When a run next wants to be looked at though nothing happened.
pub fn next_timer(model: &Model) -> Option<Time> {
    let of_batches = model.batches.iter().flat_map(Batch::under_way);
    let single = model.runs.iter().filter(|r| !r.ended);
    single.chain(of_batches).filter_map(|r| r.run.wake()).min()
}

/// Whether anything the operator said yes to has not ended.
pub fn acting(model: &Model) -> bool {
    model.runs.iter().any(ActiveRun::acts) || model.batches.iter().any(|b| b.begun() && !b.ended)
}

/// The runs that act now: action, steps done and steps in all (0 of 0 where there is no measure).
pub fn running(model: &Model) -> Vec<(&'static str, u64, u64)> {
    let single = model.runs.iter().filter(|r| r.acts()).map(|r| {
        let progress = r.run.progress();
        (r.run.action().name, progress.done, progress.total)
    });
    let many = model.batches.iter().filter(|b| b.begun() && !b.ended).map(|b| {
        let ended = b.items.iter().filter(|i| i.active.ended).count();
        (b.action.name, ended as u64, b.items.len() as u64)
    });
    single.chain(many).collect()
}

/// Stops all that acts after the step under way, and drops what only waits for an answer or its turn. Called again, it does
/// not wait for the steps.
pub fn stop_all(model: &mut Model) -> Vec<Effect> {
    for active in model.runs.iter_mut().filter(|r| !r.ended) {
        active.stop();
    }
    for batch in model.batches.iter_mut().filter(|b| !b.ended) {
        batch.stop();
    }
    drive(model)
}

/// Begins nothing more: what acts goes on to its end, what waits for an answer or its turn is dropped.
pub fn begin_no_more(model: &mut Model) -> Vec<Effect> {
    for active in model.runs.iter_mut().filter(|r| !r.ended && !r.acts()) {
        active.run.stop();
    }
    for batch in model.batches.iter_mut().filter(|b| !b.ended) {
        if batch.begun() { batch.drop_ready() } else { batch.stop() }
    }
    drive(model)
}

/// Whether anything was planned or begun and has not ended.
pub fn under_way(model: &Model) -> bool {
    model.runs.iter().any(|r| !r.ended) || model.batches.iter().any(|b| !b.ended)
}
