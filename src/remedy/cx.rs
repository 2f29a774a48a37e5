//! An action's view of its run: what it may ask for, wait for and send, and what it notes in the report.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use super::action::Right;
use super::bundle::Known;
use super::files::{FileDone, FileOp};
use super::journal::Entry;
use super::plan::{ChangedObject, Choice, Guard, Impact, LocalFile, NextStep, Severity, Shown, Stage};
use super::run::{
    Command, Confirm, Ended, Halt, Look, Need, NeedId, Options, Params, Progress, Ran, Reply, Shared, Stop,
    Terminal, lock, wrong,
};
use super::stale;
use crate::world::ask::{Forward, ForwardState, Verb};
use crate::world::{ObjectRef, Text, Time, World};

/// An action's view of its run.
#[derive(Clone)]
pub(super) struct Cx {
    shared: Arc<Mutex<Shared>>,
    /// Clean-up goes on after a stop.
    stubborn: bool,
}

impl Cx {
    pub fn new(shared: Arc<Mutex<Shared>>) -> Cx {
        Cx { shared, stubborn: false }
    }

    pub(super) fn s(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }

    pub fn options(&self) -> Options {
        self.s().options.clone()
    }

    pub fn now(&self) -> Time {
        self.s().now
    }

    /// The same run, deaf to a stop: for clean-up.
    pub fn stubborn(&self) -> Cx {
        Cx { shared: self.shared.clone(), stubborn: true }
    }

    pub fn stage(&self, stage: Stage) {
        self.s().stage = stage;
    }

    pub fn progress(&self, progress: Progress) {
        self.s().progress = progress;
    }

    pub fn impact(&self, what: impl Into<String>, severity: Severity, detail: impl Into<String>) {
        self.s().report.plan.impact.push(Impact { what: what.into(), severity, detail: detail.into() });
    }

    pub fn change(&self, object: ObjectRef, diff: String) {
        let mut s = self.s();
        // The server's dry run replaces khud's own reckoning.
        s.report.plan.changes.retain(|c| c.object != object);
        s.report.plan.changes.push(ChangedObject { object, diff });
    }

    /// Shows the plan in a form of its own.
    pub fn shown(&self, text: String, json: serde_json::Value) {
        self.s().report.shown = Some(Box::new(Shown { text, json }));
    }

    pub fn kubectl(&self, command: String) {
        let mut s = self.s();
        s.report.plan.kubectl = super::kubectl::aimed(&command, &s.options.kubectl);
    }

    pub fn guard(&self, check: &str, ok: bool, reason: impl Into<String>) {
        self.s().report.guard.push(Guard { check: check.to_owned(), ok, reason: reason.into() });
    }

    pub fn file(&self, file: LocalFile) {
        self.s().report.files.push(file);
    }

    /// The rights that the action declares, and its target.
    pub fn asks(&self) -> (&'static [Right], ObjectRef) {
        let s = self.s();
        (s.rights, s.report.target.clone())
    }

    /// The options as given.
    pub fn params(&self) -> Params {
        self.s().params.clone()
    }

    /// Offers other values of an option.
    pub fn choices(&self, choices: Vec<Choice>) {
        self.s().report.plan.choices = choices;
    }

    /// Proposes what should follow.
    pub fn next(&self, action: &'static str, target: ObjectRef) {
        self.s().report.next.push(NextStep { action, target });
    }

    pub fn refusals(&self) -> Vec<String> {
        self.s().report.refusals().map(|g| g.reason.clone()).collect()
    }

    /// Whether a stop of this urgency ends what is awaited now.
    pub(super) fn halted(&self, s: &Shared, least: Halt) -> bool {
        !self.stubborn && s.halt >= least
    }

    pub(super) async fn need(&self, need: Need) -> Result<Reply, Stop> {
        // What may change something, here or in the cluster, is a step: a stop waits for its answer.
        let least = match &need {
            Need::Exec(_)
            | Need::File(_)
            | Need::Command(_)
            | Need::Journal(_)
            | Need::Terminal(_)
            | Need::Forward(_) => Halt::Now,
            Need::Call(call) | Need::Elsewhere(_, call) if call.verb != Verb::Get => Halt::Now,
            Need::Call(_) | Need::Elsewhere(..) | Need::Confirm(_) | Need::Known(_) => Halt::AfterStep,
        };
        if self.halted(&self.s(), Halt::AfterStep) {
            return Err(Stop::Cancelled);
        }
        let id = self.push(need);
        poll_fn(|_| {
            let mut s = self.s();
            if let Some(reply) = s.replies.remove(&id) {
                return Poll::Ready(Ok(reply));
            }
            if self.halted(&s, least) {
                return Poll::Ready(Err(Stop::Cancelled));
            }
            Poll::Pending
        })
        .await
    }

    pub(super) fn push(&self, need: Need) -> NeedId {
        let mut s = self.s();
        let id = s.next;
        s.next += 1;
        s.needs.push((id, need));
        id
    }

    /// Waits until `look` finds what it looks for, `deadline` passes (`None`) or the operator stops the run.
    pub async fn until<T, F>(&self, deadline: Option<Time>, mut look: F) -> Result<Option<T>, Stop>
    where
        T: Send + 'static,
        F: FnMut(&World, Time) -> Option<T> + Send + 'static,
    {
        let found: Arc<Mutex<Option<T>>> = Arc::new(Mutex::new(None));
        let put = found.clone();
        let id = {
            let mut s = self.s();
            let id = s.next;
            s.next += 1;
            let look: Look = Box::new(move |world, now| {
                let hit = look(world, now);
                let is = hit.is_some();
                if is {
                    *put.lock().unwrap_or_else(PoisonError::into_inner) = hit;
                }
                is
            });
            s.looks.push((id, look));
            id
        };
        poll_fn(|_| {
            let mut s = self.s();
            if s.looked.remove(&id) {
                return Poll::Ready(Ok(found.lock().unwrap_or_else(PoisonError::into_inner).take()));
            }
            let over = deadline.is_some_and(|d| s.now >= d);
            if self.halted(&s, Halt::AfterStep) || over {
                s.looks.retain(|(i, _)| *i != id);
                return Poll::Ready(if over { Ok(None) } else { Err(Stop::Cancelled) });
            }
            if let Some(deadline) = deadline {
                s.wakes.push(deadline);
            }
            Poll::Pending
        })
        .await
    }

    /// Looks at the World as it is.
    pub async fn look<T, F>(&self, look: F) -> Result<T, Stop>
    where
        T: Send + 'static,
        F: FnOnce(&World, Time) -> T + Send + 'static,
    {
        let mut once = Some(look);
        let found = self.until(None, move |world, now| once.take().map(|f| f(world, now))).await?;
        found.ok_or(Stop::Cancelled)
    }

    pub async fn sleep(&self, d: Duration) -> Result<(), Stop> {
        let deadline = self.now().plus(d);
        self.until(Some(deadline), |_, _| None::<()>).await.map(|_| ())
    }

    /// Refuses if a guard said no; stops here for `--dry-run`; else asks, and goes on only after a yes.
    ///
    /// # Errors
    /// [`Stop::Stale`] where the target changed meanwhile so that the plan does not hold any more.
    pub async fn confirm(&self, question: String, typed: Option<Text>) -> Result<(), Stop> {
        self.confirm_on(question, typed, |_| String::new()).await
    }

    /// As [`Cx::confirm`], for a plan that depends on more than the target: it is stale, too, once `depends` says
    /// something else of the World.
    pub async fn confirm_on<F>(&self, question: String, typed: Option<Text>, depends: F) -> Result<(), Stop>
    where
        F: Fn(&World) -> String + Clone + Send + 'static,
    {
        let (target, planned) = {
            let s = self.s();
            (s.report.target.clone(), s.planned.clone())
        };
        let basis = {
            let (target, depends) = (target.clone(), depends.clone());
            self.look(move |world, _| (stale::state(world, &target), depends(world))).await?
        };
        let check = move |world: &World| {
            let now = (stale::state(world, &target), depends(world));
            now.1 != basis.1 || (now.0 != basis.0 && !planned.as_ref().is_some_and(|p| p.is(now.0.as_ref())))
        };
        self.confirm_while(question, typed, check).await
    }

    /// As [`Cx::confirm`], for a plan that holds whatever the target becomes: what the operator typed.
    pub async fn confirm_as_it_is(&self, question: String, typed: Option<Text>) -> Result<(), Stop> {
        self.confirm_while(question, typed, |_| false).await
    }

    /// Asks, with the plan stale once `check` says so of the World.
    async fn confirm_while<F>(&self, question: String, typed: Option<Text>, check: F) -> Result<(), Stop>
    where
        F: Fn(&World) -> bool + Clone + Send + 'static,
    {
        self.cleared()?;
        let options = self.options();
        if options.dry_run {
            return Err(Stop::Planned);
        }
        let words: Vec<&str> = options.protected.iter().map(String::as_str).chain(typed.as_deref()).collect();
        let typed = (!words.is_empty()).then(|| Text::from(words.join(" ")));
        self.stage(Stage::Confirming);
        {
            let mut s = self.s();
            if let Some(before) = s.before.take() {
                s.report.refreshed = stale::difference(&before, &s.report);
            }
        }
        let shown = self.now();
        let again = check.clone();
        let stale = move |world: &World, now: Time| {
            // An object that changes all the time leaves the plan on the screen long enough to be seen.
            (shown.age(now) >= LEGIBLE && again(world)).then_some(())
        };
        let question = match self.s().unverified.is_some() && typed.is_some() {
            true => format!("{question} The cluster's identity is not verified."),
            false => question,
        };
        let yes = self.ask(Confirm { question, typed }, stale).await?;
        if !yes {
            return Err(Stop::Refused("not confirmed; nothing was changed".to_owned()));
        }
        if self.look(move |world, _| check(world)).await? {
            return Err(Stop::Stale);
        }
        self.begin().await
    }

    /// Notes in the journal that the run begins: the last step before what it does, asked about or not.
    pub async fn begin(&self) -> Result<(), Stop> {
        self.cleared()?;
        if self.options().dry_run {
            return Err(Stop::Planned);
        }
        self.stage(Stage::Applying);
        // Written before the first request, so that a crash in between leaves a trace.
        let entry = {
            let s = self.s();
            Entry::begun(&s.report, &s.params, &s.options, s.now)
        };
        match self.need(Need::Journal(Box::new(entry))).await? {
            Reply::Journal(Err(why)) => Err(Stop::Refused(format!(
                "{why}; nothing was changed: khud only acts where it can write down what it does"
            ))),
            Reply::Journal(Ok(())) => Ok(()),
            other => Err(wrong("the journal", &other)),
        }
    }

    /// Asks the operator in the middle of a run, until `seen` finds the answer in the World. `None`: it did.
    pub async fn ask_or_see<F>(&self, question: Confirm, seen: F) -> Result<Option<bool>, Stop>
    where
        F: FnMut(&World, Time) -> Option<()> + Send + 'static,
    {
        match self.ask(question, seen).await {
            Ok(answer) => Ok(Some(answer)),
            Err(Stop::Stale) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Asks the operator; [`Stop::Stale`] where `stale` finds something before the answer.
    async fn ask<F>(&self, question: Confirm, mut stale: F) -> Result<bool, Stop>
    where
        F: FnMut(&World, Time) -> Option<()> + Send + 'static,
    {
        if self.halted(&self.s(), Halt::AfterStep) {
            return Err(Stop::Cancelled);
        }
        let id = self.push(Need::Confirm(question));
        let look = {
            let mut s = self.s();
            s.question = Some(id);
            let look = s.next;
            s.next += 1;
            s.looks.push((look, Box::new(move |world, now| stale(world, now).is_some())));
            look
        };
        let answer = poll_fn(|_| {
            let mut s = self.s();
            if s.looked.remove(&look) {
                return Poll::Ready(Err(Stop::Stale));
            }
            if let Some(reply) = s.replies.remove(&id) {
                return Poll::Ready(Ok(reply));
            }
            if self.halted(&s, Halt::AfterStep) {
                return Poll::Ready(Err(Stop::Cancelled));
            }
            Poll::Pending
        })
        .await;
        let mut s = self.s();
        s.question = None;
        s.looks.retain(|(i, _)| *i != look);
        drop(s);
        match answer? {
            Reply::Confirm(yes) => Ok(yes),
            other => Err(wrong("the question", &other)),
        }
    }

    /// Writes in the journal how far a long action came, so that a killed khud leaves a trace of where it stopped.
    pub async fn step(&self, what: String) {
        let entry = {
            let s = self.s();
            Entry::step(&s.report, &s.params, &s.options, s.now, what)
        };
        // The action is under way: a journal that became full must not leave it half done. The report says it.
        if let Ok(Reply::Journal(Err(why))) = self.stubborn().need(Need::Journal(Box::new(entry))).await {
            let mut s = self.s();
            if !s.report.plan.impact.iter().any(|i| i.what == UNWRITTEN) {
                let impact = Impact { what: UNWRITTEN.to_owned(), severity: Severity::Warning, detail: why };
                s.report.plan.impact.push(impact);
            }
        }
    }

    /// Ends the run where a guard said no.
    pub fn cleared(&self) -> Result<(), Stop> {
        let refusals = self.refusals();
        if refusals.is_empty() { Ok(()) } else { Err(Stop::Refused(refusals.join("; "))) }
    }

    /// Runs a program on this machine. `Err` where it could not be started.
    pub async fn command(&self, command: Command) -> Result<Result<Ran, String>, Stop> {
        match self.need(Need::Command(command)).await? {
            Reply::Command(result) => Ok(result),
            other => Err(wrong("the program", &other)),
        }
    }

    /// Has something done at the operator's terminal.
    pub async fn terminal(&self, work: Terminal) -> Result<Ended, Stop> {
        match self.need(Need::Terminal(work)).await? {
            Reply::Terminal(result) => result.map_err(Stop::Failed),
            other => Err(wrong("the terminal", &other)),
        }
    }

    /// Has a local port opened, which stays open after the run.
    pub async fn forward(&self, ask: Forward) -> Result<ForwardState, Stop> {
        match self.need(Need::Forward(ask)).await? {
            Reply::Forward(result) => result.map_err(Stop::Failed),
            other => Err(wrong("the forwarded port", &other)),
        }
    }

    /// Asks for findings, report, tree walk and timeline of an object.
    pub async fn known(&self, object: &ObjectRef) -> Result<Known, Stop> {
        match self.need(Need::Known(object.clone())).await? {
            Reply::Known(known) => Ok(known),
            other => Err(wrong("what is known", &other)),
        }
    }

    /// Notes how the command of a session ended.
    pub fn exited(&self, code: i32) {
        self.s().report.exit_code = Some(code);
    }

    pub async fn local(&self, op: FileOp) -> Result<FileDone, Stop> {
        match self.need(Need::File(op)).await? {
            Reply::File(result) => result.map_err(Stop::Failed),
            other => Err(wrong("the local file", &other)),
        }
    }
}

/// How long a plan stays on the screen at least before it is made again, in case its object changes all the time.
const LEGIBLE: Duration = Duration::from_secs(2);

/// The impact that says that the journal cannot be written any more.
const UNWRITTEN: &str = "the journal cannot be written";
