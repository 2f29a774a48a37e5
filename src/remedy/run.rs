//! One remedy under way: what it needs next, what it learned, where it stands. No I/O and no clock of its own.
//!
//! The action itself is a future over a [`Cx`]; polling it takes no runtime. Every await is one of: an answer to a
//! [`Need`], a fact to appear in the World, or a point in time.

use std::collections::{BTreeMap, HashMap};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::files::{FileDone, FileOp};
use super::journal::Entry;
use super::plan::{ChangedObject, Guard, Impact, LocalFile, Outcome, Report, RequestLine, Severity, Stage};
use crate::world::ask::{Answer, Call, Exec, ExecOutput, Verb};
use crate::world::{ObjectRef, Text, Time, World};

/// An action's options by name, as typed after `--`.
pub type Params = BTreeMap<String, String>;

/// Names one need of one run.
pub type NeedId = u64;

/// What somebody else has to do for the run.
#[derive(Clone, PartialEq, Debug)]
pub enum Need {
    Call(Call),
    Exec(Exec),
    File(FileOp),
    /// Ask the operator. The default answer is no.
    Confirm(Confirm),
    /// Append to the journal before going on.
    Journal(Box<Entry>),
}

/// The question before anything is sent.
#[derive(Clone, PartialEq, Debug)]
pub struct Confirm {
    pub question: String,
    /// The text the operator has to type; `None` where a plain yes is enough.
    pub typed: Option<Text>,
}

/// The answer to a [`Need`]. An error is a sentence: no connection, no permission to write, …
#[derive(Clone, PartialEq, Debug)]
pub enum Reply {
    Call(Result<Answer, String>),
    Exec(Result<ExecOutput, String>),
    File(Result<FileDone, String>),
    Confirm(bool),
    Journal(Result<(), String>),
}

#[derive(Clone, PartialEq, Debug, Default)]
pub struct Options {
    /// Stop after the dry run.
    pub dry_run: bool,
    /// khud runs read-only: plan, but refuse.
    pub read_only: bool,
    /// How long to watch for the result; `None`: as long as the action thinks right.
    pub timeout: Option<Duration>,
    /// The context's name, for the journal.
    pub context: String,
    /// The flags that lead kubectl to the same cluster, for the command that is shown.
    pub kubectl: Vec<String>,
}

/// How far a long run got.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    pub line: String,
    /// Bytes or pods, of `total`; both zero where there is no measure.
    pub done: u64,
    pub total: u64,
    /// One line per pod (drain): name, state.
    pub items: Vec<(String, String)>,
}

/// How an action ended well.
#[derive(Debug)]
pub(super) enum Done {
    Verified(String),
    Applied(String),
}

/// How it ended otherwise.
#[derive(Debug)]
pub(super) enum Stop {
    /// The plan was all that was wanted.
    Planned,
    Refused(String),
    Failed(String),
    Cancelled,
}

pub(super) type Job = Pin<Box<dyn Future<Output = Result<Done, Stop>> + Send>>;

type Look = Box<dyn FnMut(&World, Time) -> bool + Send>;

struct Shared {
    report: Report,
    stage: Stage,
    progress: Progress,
    options: Options,
    params: Params,
    now: Time,
    next: NeedId,
    needs: Vec<(NeedId, Need)>,
    replies: HashMap<NeedId, Reply>,
    looks: Vec<(NeedId, Look)>,
    looked: std::collections::HashSet<NeedId>,
    wakes: Vec<Time>,
    cancelled: bool,
    /// An answer or a cancel came since the last poll.
    stirred: bool,
    /// A write other than a dry run was accepted.
    applied: bool,
    /// Nobody can say which cluster this is.
    unverified: bool,
}

/// One remedy under way.
pub struct Run {
    shared: Arc<Mutex<Shared>>,
    job: Option<Job>,
    started: Option<Time>,
    /// The last journal entry is still to be written.
    closing: Option<NeedId>,
}

/// An action's view of its run.
#[derive(Clone)]
pub(super) struct Cx {
    shared: Arc<Mutex<Shared>>,
    /// Clean-up goes on after a cancel.
    stubborn: bool,
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    // A panic while it is held cannot leave it half written in a way that matters: every write is one assignment.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Run {
    /// # Errors
    /// A sentence about what was typed: no such action, not for this kind, an option missing or malformed.
    pub fn new(action: &str, target: ObjectRef, params: Params, options: Options) -> Result<Run, String> {
        let spec = super::catalogue::action(action)
            .ok_or_else(|| format!("there is no action {action:?}; `khud do --list` names them"))?;
        spec.check(&target, &params)?;
        let mut report = Report::new(action, target.clone());
        let command = super::catalogue::kubectl(action, &target, &params);
        report.plan.kubectl = super::kubectl::aimed(&command, &options.kubectl);
        let shared = Arc::new(Mutex::new(Shared {
            report,
            stage: Stage::Planning,
            progress: Progress::default(),
            options,
            params: params.clone(),
            now: Time::default(),
            next: 0,
            needs: Vec::new(),
            replies: HashMap::new(),
            looks: Vec::new(),
            looked: std::collections::HashSet::new(),
            wakes: Vec::new(),
            cancelled: false,
            stirred: false,
            applied: false,
            unverified: false,
        }));
        let cx = Cx { shared: shared.clone(), stubborn: false };
        let job = (spec.start)(cx, target, params)?;
        Ok(Run { shared, job: Some(job), started: None, closing: None })
    }

    /// Says in the plan, and in the question of a destructive one, why nobody can tell which cluster this is.
    pub fn unverified(&mut self, why: &str) {
        let mut s = lock(&self.shared);
        s.unverified = true;
        s.report.plan.impact.push(Impact {
            what: "cluster identity not verified".to_owned(),
            severity: Severity::Warning,
            detail: why.to_owned(),
        });
    }

    /// Moves on as far as the World, the time and the answers so far allow; returns what is newly needed.
    pub fn poll(&mut self, world: &World, now: Time) -> Vec<(NeedId, Need)> {
        let started = *self.started.get_or_insert(now);
        {
            let mut s = lock(&self.shared);
            s.now = now;
            s.stirred = false;
            s.wakes.clear();
        }
        let mut waker = Context::from_waker(Waker::noop());
        while let Some(job) = self.job.as_mut() {
            // The wakes are those of the awaits that are pending after this poll.
            lock(&self.shared).wakes.clear();
            let result = job.as_mut().poll(&mut waker);
            if let Poll::Ready(result) = result {
                self.job = None;
                self.close(result, started, now);
                break;
            }
            // Taken out so that a closure may touch the run (progress lines).
            let mut looks = std::mem::take(&mut lock(&self.shared).looks);
            let mut found = Vec::new();
            looks.retain_mut(|(id, look)| {
                let hit = look(world, now);
                if hit {
                    found.push(*id);
                }
                !hit
            });
            let mut s = lock(&self.shared);
            s.looks.extend(looks);
            if found.is_empty() {
                break;
            }
            s.looked.extend(found);
        }
        let mut s = lock(&self.shared);
        if let Some(id) = self.closing
            && s.replies.remove(&id).is_some()
        {
            self.closing = None;
        }
        std::mem::take(&mut s.needs)
    }

    /// Answers a need. Answers nobody waits for any more are dropped.
    pub fn answer(&mut self, id: NeedId, reply: Reply) {
        let mut s = lock(&self.shared);
        s.replies.insert(id, reply);
        s.stirred = true;
    }

    /// Stops it: nothing new is sent except clean-up. Poll until [`Run::done`].
    pub fn cancel(&mut self) {
        let mut s = lock(&self.shared);
        s.cancelled = true;
        s.stirred = true;
    }

    /// The next time it wants to be polled though nothing happened in the World; at once after an answer or a cancel.
    pub fn wake(&self) -> Option<Time> {
        let s = lock(&self.shared);
        if s.stirred { Some(s.now) } else { s.wakes.iter().min().copied() }
    }

    pub fn done(&self) -> bool {
        self.job.is_none() && self.closing.is_none()
    }

    pub fn stage(&self) -> Stage {
        lock(&self.shared).stage
    }

    pub fn progress(&self) -> Progress {
        lock(&self.shared).progress.clone()
    }

    pub fn report(&self) -> Report {
        lock(&self.shared).report.clone()
    }

    /// How it ended; `None` until it has, and for a plan that was only shown.
    pub fn outcome(&self) -> Option<Outcome> {
        lock(&self.shared).report.outcome
    }

    /// `khud do`'s exit code once done; a plan that was only shown is 0.
    pub fn exit_code(&self) -> u8 {
        self.outcome().map_or(0, Outcome::exit_code)
    }

    fn close(&mut self, result: Result<Done, Stop>, started: Time, now: Time) {
        let mut s = lock(&self.shared);
        let applied = s.applied;
        let (outcome, reason) = match result {
            Ok(Done::Verified(reason)) => (Some(Outcome::Verified), reason),
            Ok(Done::Applied(reason)) => (Some(Outcome::Applied), reason),
            Err(Stop::Planned) => (None, "dry run: nothing was changed".to_owned()),
            Err(Stop::Refused(reason)) => (Some(Outcome::Refused), reason),
            Err(Stop::Failed(reason)) => (Some(Outcome::Failed), reason),
            Err(Stop::Cancelled) if applied => (
                Some(Outcome::Applied),
                "stopped; what was sent stands and its result was not seen".to_owned(),
            ),
            Err(Stop::Cancelled) => {
                (Some(Outcome::Refused), "stopped by the operator; nothing was changed".to_owned())
            }
        };
        s.report.outcome = outcome;
        s.report.reason = reason;
        s.report.took_ms = u64::try_from(now.0 - started.0).unwrap_or(0);
        s.stage = Stage::Done;
        s.looks.clear();
        s.wakes.clear();
        // A plan that was only looked at changed nothing and is no entry.
        if outcome.is_some() {
            let entry = Entry::ended(&s.report, &s.params, &s.options.context, now);
            let id = s.next;
            s.next += 1;
            s.needs.push((id, Need::Journal(Box::new(entry))));
            self.closing = Some(id);
        }
    }
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let s = lock(&self.shared);
        f.debug_struct("Run").field("report", &s.report).field("stage", &s.stage).finish_non_exhaustive()
    }
}

impl Cx {
    fn s(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }

    pub fn options(&self) -> Options {
        self.s().options.clone()
    }

    pub fn now(&self) -> Time {
        self.s().now
    }

    /// The same run, deaf to a cancel: for clean-up.
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

    pub fn refusals(&self) -> Vec<String> {
        self.s().report.refusals().map(|g| g.reason.clone()).collect()
    }

    async fn need(&self, need: Need) -> Result<Reply, Stop> {
        if self.s().cancelled && !self.stubborn {
            return Err(Stop::Cancelled);
        }
        let id = {
            let mut s = self.s();
            let id = s.next;
            s.next += 1;
            s.needs.push((id, need));
            id
        };
        poll_fn(|_| {
            let mut s = self.s();
            if let Some(reply) = s.replies.remove(&id) {
                return Poll::Ready(Ok(reply));
            }
            if s.cancelled && !self.stubborn {
                return Poll::Ready(Err(Stop::Cancelled));
            }
            Poll::Pending
        })
        .await
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
            if (s.cancelled && !self.stubborn) || over {
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

    /// Sends a read and gives back what came, whatever its status.
    pub async fn call(&self, call: Call) -> Result<Answer, Stop> {
        let what = format!("{} {}", call.verb.as_str(), call.path);
        match self.need(Need::Call(call)).await? {
            Reply::Call(Ok(answer)) => Ok(answer),
            Reply::Call(Err(why)) => Err(Stop::Failed(format!("{what} got no answer: {why}"))),
            other => Err(wrong(&what, &other)),
        }
    }

    /// GET that must succeed.
    pub async fn get(&self, path: String) -> Result<serde_json::Value, Stop> {
        let answer = self.call(Call::get(path.clone())).await?;
        if answer.ok() {
            return Ok(answer.body);
        }
        Err(Stop::Failed(format!("GET {path} was answered {}: {}", answer.status, answer.message())))
    }

    /// Sends a write, notes it among the requests and gives back what came, whatever its status.
    pub async fn send(&self, call: Call, dry_run: bool) -> Result<Answer, Stop> {
        let (verb, path) = (call.verb.as_str().to_owned(), call.path.clone());
        let unsent = self.s().cancelled && !self.stubborn;
        let result = self.call(call).await;
        let status = result.as_ref().map_or(0, |a| a.status);
        let mut s = self.s();
        s.report.requests.push(RequestLine { verb, path, dry_run, status });
        s.applied |= !dry_run
            && match &result {
                Ok(answer) => answer.ok(),
                // Stopped before the answer came: the server may well have done it.
                Err(Stop::Cancelled) => !unsent,
                Err(_) => false,
            };
        drop(s);
        result
    }

    /// The server's dry run of a write. A refusal there ends the run: nothing was changed.
    pub async fn dry_run(&self, call: &Call) -> Result<serde_json::Value, Stop> {
        self.stage(Stage::DryRun);
        let mut dry = call.clone();
        dry.path.push(if dry.path.contains('?') { '&' } else { '?' });
        dry.path.push_str("dryRun=All");
        let answer = self.send(dry, true).await?;
        if answer.ok() {
            return Ok(answer.body);
        }
        Err(Stop::Refused(format!(
            "the dry run was answered {}: {}; nothing was changed",
            answer.status,
            answer.message()
        )))
    }

    /// Refuses if a guard said no; stops here for `--dry-run`; else asks, and goes on only after a yes.
    pub async fn confirm(&self, question: String, typed: Option<Text>) -> Result<(), Stop> {
        self.cleared()?;
        if self.options().dry_run {
            return Err(Stop::Planned);
        }
        self.stage(Stage::Confirming);
        let question = match self.s().unverified && typed.is_some() {
            true => format!("{question} The cluster's identity is not verified."),
            false => question,
        };
        match self.need(Need::Confirm(Confirm { question, typed })).await? {
            Reply::Confirm(true) => {}
            Reply::Confirm(false) => {
                return Err(Stop::Refused("not confirmed; nothing was changed".to_owned()));
            }
            other => return Err(wrong("the question", &other)),
        }
        self.stage(Stage::Applying);
        // Written before the first request, so that a crash in between leaves a trace.
        let entry = {
            let s = self.s();
            Entry::begun(&s.report, &s.params, &s.options.context, s.now)
        };
        match self.need(Need::Journal(Box::new(entry))).await? {
            Reply::Journal(Err(why)) => self.impact("journal", Severity::Warning, why),
            Reply::Journal(Ok(())) => {}
            other => return Err(wrong("the journal", &other)),
        }
        Ok(())
    }

    /// Ends the run where a guard said no.
    pub fn cleared(&self) -> Result<(), Stop> {
        let refusals = self.refusals();
        if refusals.is_empty() { Ok(()) } else { Err(Stop::Refused(refusals.join("; "))) }
    }

    /// Sends a write for real. Anything but success ends the run.
    pub async fn apply(&self, call: Call) -> Result<serde_json::Value, Stop> {
        self.stage(Stage::Applying);
        let what = format!("{} {}", call.verb.as_str(), call.path);
        let answer = self.send(call, false).await?;
        if answer.ok() {
            return Ok(answer.body);
        }
        let hint = match answer.status {
            409 | 422 => "; it changed in the meantime or is not valid, plan again",
            403 => "; you are not allowed to",
            _ => "",
        };
        Err(Stop::Failed(format!("{what} was answered {}: {}{hint}", answer.status, answer.message())))
    }

    /// Runs a command in a container. `Err` where it could not be run at all.
    pub async fn exec(&self, exec: Exec) -> Result<Result<ExecOutput, String>, Stop> {
        match self.need(Need::Exec(exec)).await? {
            Reply::Exec(result) => Ok(result),
            other => Err(wrong("the command", &other)),
        }
    }

    /// Notes a command among the requests: exec is a connection that is upgraded.
    pub fn note_exec(&self, exec: &Exec, status: u16) {
        let path = format!(
            "/api/v1/namespaces/{}/pods/{}/exec?container={}&command={}",
            exec.namespace,
            exec.pod,
            exec.container,
            exec.command.join("&command=")
        );
        let mut s = self.s();
        s.report.requests.push(RequestLine { verb: "GET".into(), path, dry_run: false, status });
        if status == 101 {
            s.applied = true;
        }
    }

    pub async fn local(&self, op: FileOp) -> Result<FileDone, Stop> {
        match self.need(Need::File(op)).await? {
            Reply::File(result) => result.map_err(Stop::Failed),
            other => Err(wrong("the local file", &other)),
        }
    }
}

fn wrong(what: &str, reply: &Reply) -> Stop {
    let kind = match reply {
        Reply::Call(_) => "a response",
        Reply::Exec(_) => "a command's output",
        Reply::File(_) => "a file's length",
        Reply::Confirm(_) => "a confirmation",
        Reply::Journal(_) => "a journal's answer",
    };
    Stop::Failed(format!("{what} was answered with {kind}"))
}

/// A JSON patch, merge patch or strategic merge patch of an object.
pub(super) fn patch(object: &ObjectRef, content_type: &str, body: serde_json::Value) -> Call {
    Call { verb: Verb::Patch, path: object.path(), content_type: content_type.into(), body: Some(body) }
}

pub(super) const STRATEGIC: &str = "application/strategic-merge-patch+json";
pub(super) const JSON_PATCH: &str = "application/json-patch+json";
