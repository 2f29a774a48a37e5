//! One remedy from its plan to its end, and what the operator did so far in its dialog.

use crate::app::core::cluster::Cluster;
use crate::app::core::data::Data;
use crate::app::core::msg::Effect;
use crate::app::core::notice::{Dirty, Tone};
use crate::config::Id;
use crate::remedy::Action;
use crate::remedy::journal::run_id;
use crate::remedy::plan::{Outcome, Stage};
use crate::remedy::run::{Confirm, Need, NeedId, Options, Params, Reply, Run};
use crate::world::ObjectRef;

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
    /// It ended, and its end was taken in.
    pub ended: bool,
}

/// The operator's input in a dialog that asks.
#[derive(Clone, Debug, Default)]
pub struct Form {
    /// The text typed where the plan asks for words.
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

    /// A run that begins with its plan.
    ///
    /// # Errors
    /// A sentence about options that do not fit.
    pub(super) fn new(
        cluster: &Cluster,
        data: &Data,
        id: u64,
        action: &'static Action,
        target: ObjectRef,
        params: Params,
        protected: Vec<String>,
    ) -> Result<ActiveRun, String> {
        let run = run_id(data.now);
        let options = Options {
            dry_run: false,
            read_only: cluster.read_only,
            timeout: None,
            context: cluster.context.clone(),
            kubectl: cluster.kubectl.clone(),
            state: cluster.runs.as_ref().map(|dir| dir.join(format!("{run}.json"))),
            id: run,
            terminal: true,
            protected,
            uid: data.world.meta(&target).map(|m| m.uid.clone()),
        };
        let title = match action.is_cluster_wide() {
            true => action.title.to_owned(),
            false => format!("{} {target}", action.title),
        };
        let mut run = Run::new(action, target, params, options)?;
        if let Some(why) = cluster.unverified() {
            run.unverified(why);
        }
        Ok(ActiveRun {
            id,
            run,
            title,
            dangerous: action.dangerous,
            question: None,
            form: Form::default(),
            ended: false,
        })
    }

    /// The text to type before it goes ahead, where one is asked for.
    pub fn wanted(&self) -> Option<&str> {
        self.question.as_ref().and_then(|(_, q)| q.typed.as_deref())
    }

    /// Moves it on as far as it goes now; true when it has just ended.
    pub fn advance(&mut self, data: &Data, dirty: &mut Dirty, effects: &mut Vec<Effect>) -> bool {
        if self.ended {
            return false;
        }
        let before = (self.run.stage(), self.run.progress());
        for (id, need) in self.run.poll(&data.world, data.now) {
            match need {
                Need::Confirm(question) => self.question = Some((id, question)),
                need => effects.push(Effect::Need { run: self.id, id, need: Box::new(need) }),
            }
        }
        self.ended = self.run.done();
        // A plan that became stale withdraws its question and asks again.
        if self.question.as_ref().is_some_and(|(id, _)| self.run.question() != Some(*id)) {
            self.question = None;
            self.form.go = false;
        }
        if self.ended || (self.run.stage(), self.run.progress()) != before {
            *dirty = (*dirty).max(Dirty::Data);
        }
        self.ended
    }

    /// Whether the operator said yes and it has not ended.
    pub fn acts(&self) -> bool {
        !self.ended && self.run.stage() >= Stage::Applying
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
