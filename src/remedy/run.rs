//! One remedy under way: what it needs next, what it learned, where it stands. No I/O and no clock of its own.
//!
//! The action itself is a future over a [`Cx`]; polling it takes no runtime. Every await is one of: an answer to a
//! [`Need`], a fact to appear in the World, or a point in time. A plan that becomes stale while the operator reads it
//! is made again: the run drops the future and starts the action from its beginning.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::action::{Action, Right};
use super::bundle::Known;
use super::cx::Cx;
use super::files::{FileDone, FileOp};
use super::journal::Entry;
use super::plan::{Impact, Outcome, Report, Severity, Stage};
use super::stale::Planned;
use crate::world::ask::{Answer, Call, Exec, ExecOutput, Forward, ForwardState, Interactive, Verb};
use crate::world::{ObjectRef, Text, Time, Uid, World};

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
    /// Run a program on this machine.
    Command(Command),
    /// Something that needs the operator's terminal for a while.
    Terminal(Terminal),
    /// Ask the operator. The default answer is no.
    Confirm(Confirm),
    /// Append to the journal before going on.
    Journal(Box<Entry>),
    /// Open a local port and keep it open beyond the run.
    Forward(Forward),
    /// Say what was found out about an object so far.
    Known(ObjectRef),
    /// A request to the cluster of another context.
    Elsewhere(Text, Call),
}

/// A program at the operator's terminal.
#[derive(Clone, PartialEq, Debug)]
pub enum Terminal {
    /// The operator's editor on a file of that name with this text.
    Edit {
        name: String,
        text: String,
    },
    Session(Interactive),
}

/// How it ended there.
#[derive(Clone, PartialEq, Debug)]
pub enum Ended {
    /// The file's text and its path.
    Text { text: String, path: PathBuf },
    /// The command's exit status.
    Exit(i32),
}

/// The question before anything is sent.
#[derive(Clone, PartialEq, Debug)]
pub struct Confirm {
    pub question: String,
    /// The text the operator has to type; `None` where a plain yes is enough.
    pub typed: Option<Text>,
}

/// A program on this machine, run without a shell. What it prints goes to `log`, which grows.
#[derive(Clone, PartialEq, Debug)]
pub struct Command {
    /// The program and its arguments.
    pub words: Vec<String>,
    /// Added to khud's own environment.
    pub env: Vec<(String, String)>,
    pub log: std::path::PathBuf,
    pub timeout: Duration,
}

/// How a program ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ran {
    /// `None`: a signal ended it, or it ran past its time and was ended.
    pub code: Option<i32>,
    /// The last lines that it printed, at most 2 KiB.
    pub tail: String,
}

/// The answer to a [`Need`]. An error is a sentence: no connection, no permission to write, …
#[derive(Clone, PartialEq, Debug)]
pub enum Reply {
    Call(Result<Answer, String>),
    Exec(Result<ExecOutput, String>),
    File(Result<FileDone, String>),
    Command(Result<Ran, String>),
    Terminal(Result<Ended, String>),
    Confirm(bool),
    Journal(Result<(), String>),
    Forward(Result<ForwardState, String>),
    Known(Known),
    Elsewhere(Result<Elsewhere, Away>),
}

/// Why another context's cluster did not answer.
#[derive(Clone, PartialEq, Debug)]
pub struct Away {
    pub why: String,
    /// The kubeconfig has no such context.
    pub unknown: bool,
}

impl From<String> for Away {
    fn from(why: String) -> Away {
        Away { why, unknown: false }
    }
}

/// The answer of another context's cluster.
#[derive(Clone, PartialEq, Debug)]
pub struct Elsewhere {
    /// The API server's address.
    pub server: Text,
    pub answer: Answer,
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
    /// The run's id in the journal, from [`run_id`](super::journal::run_id).
    pub id: String,
    /// The operator sits at a terminal that a session may have.
    pub terminal: bool,
    /// Where a run that can be resumed is written down, unless its options name a file.
    pub state: Option<PathBuf>,
    /// Names that have to be typed before anything is changed: those of a protected context and namespace.
    pub protected: Vec<String>,
    /// The object the operator chose. `None`: whichever has the name when the plan is made.
    pub uid: Option<Uid>,
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
    /// The operator stopped it.
    Cancelled,
    /// What the plan was made from changed before the operator said yes.
    Stale,
}

/// How urgently a run is stopped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) enum Halt {
    #[default]
    No,
    /// After the write, command or file that is under way.
    AfterStep,
    /// Without waiting for what is under way; clean-up is still done.
    Now,
}

pub(super) type Job = Pin<Box<dyn Future<Output = Result<Done, Stop>> + Send>>;

pub(super) type Look = Box<dyn FnMut(&World, Time) -> bool + Send>;

pub(super) struct Shared {
    pub report: Report,
    pub stage: Stage,
    pub progress: Progress,
    pub options: Options,
    pub params: Params,
    pub rights: &'static [Right],
    /// What the plan is made from; `None` until the object was read.
    pub planned: Option<Planned>,
    /// The plan before this one, where that became stale.
    pub before: Option<Report>,
    /// The question that waits for the operator.
    pub question: Option<NeedId>,
    pub now: Time,
    pub next: NeedId,
    pub needs: Vec<(NeedId, Need)>,
    pub replies: HashMap<NeedId, Reply>,
    pub looks: Vec<(NeedId, Look)>,
    pub looked: HashSet<NeedId>,
    pub wakes: Vec<Time>,
    pub halt: Halt,
    /// An answer or a stop came since the last poll.
    pub stirred: bool,
    /// A write other than a dry run was accepted.
    pub applied: bool,
    /// Why nobody can say which cluster this is, where nobody can.
    pub unverified: Option<String>,
}

/// One remedy under way.
pub struct Run {
    shared: Arc<Mutex<Shared>>,
    action: &'static Action,
    target: ObjectRef,
    job: Option<Job>,
    started: Option<Time>,
    /// The last journal entry is still to be written.
    closing: Option<NeedId>,
}

pub(super) fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    // A panic while it is held cannot leave it half written in a way that matters: every write is one assignment.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Run {
    /// # Errors
    /// A sentence about what was typed: not for this kind, an option missing or malformed.
    pub fn new(
        action: &'static Action,
        target: ObjectRef,
        params: Params,
        options: Options,
    ) -> Result<Run, String> {
        action.check(&target, &params)?;
        let shared = Arc::new(Mutex::new(Shared {
            report: Report::new(action.name, target.clone()),
            stage: Stage::Planning,
            progress: Progress::default(),
            options,
            params,
            rights: action.rights,
            planned: None,
            before: None,
            question: None,
            now: Time::default(),
            next: 0,
            needs: Vec::new(),
            replies: HashMap::new(),
            looks: Vec::new(),
            looked: HashSet::new(),
            wakes: Vec::new(),
            halt: Halt::No,
            stirred: false,
            applied: false,
            unverified: None,
        }));
        let mut run = Run { shared, action, target, job: None, started: None, closing: None };
        run.plan()?;
        Ok(run)
    }

    /// Starts the action from its beginning.
    fn plan(&mut self) -> Result<(), String> {
        let params = {
            let mut s = lock(&self.shared);
            let command = (self.action.kubectl)(&self.target, &s.params);
            s.report.plan.kubectl = super::kubectl::aimed(&command, &s.options.kubectl);
            if let Some(why) = s.unverified.clone() {
                s.report.plan.impact.push(unverified(why));
            }
            s.params.clone()
        };
        self.job = Some((self.action.start)(Cx::new(self.shared.clone()), self.target.clone(), params)?);
        Ok(())
    }

    /// Makes the plan again: the old one is kept to show the difference. What was sent so far, dry runs, stays listed.
    fn plan_again(&mut self) -> Result<(), String> {
        self.job = None;
        {
            let mut s = lock(&self.shared);
            let mut report = Report::new(self.action.name, self.target.clone());
            report.requests.clone_from(&s.report.requests);
            let old = std::mem::replace(&mut s.report, report);
            s.before = Some(old);
            s.stage = Stage::Planning;
            s.progress = Progress::default();
            (s.planned, s.question) = (None, None);
            s.looks.clear();
            s.looked.clear();
            s.replies.clear();
            // A need that was not handed out yet is nobody's any more.
            s.needs.clear();
        }
        self.plan()
    }

    /// Says in the plan, and in the question of a destructive one, why nobody can tell which cluster this is.
    pub fn unverified(&mut self, why: &str) {
        let mut s = lock(&self.shared);
        s.unverified = Some(why.to_owned());
        s.report.plan.impact.push(unverified(why.to_owned()));
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
                let result = match result {
                    Err(Stop::Stale) => match self.plan_again() {
                        Ok(()) => continue,
                        Err(why) => Err(Stop::Refused(why)),
                    },
                    result => result,
                };
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
            && let Some(reply) = s.replies.remove(&id)
        {
            self.closing = None;
            if let Reply::Journal(Err(why)) = reply {
                s.report.reason.push_str(&format!("; the end is not in the journal: {why}"));
            }
        }
        std::mem::take(&mut s.needs)
    }

    /// Answers a need. Answers nobody waits for any more are dropped.
    pub fn answer(&mut self, id: NeedId, reply: Reply) {
        let mut s = lock(&self.shared);
        s.replies.insert(id, reply);
        s.stirred = true;
    }

    /// Stops it after the step that is under way: nothing new is sent except clean-up. Poll until [`Run::done`].
    pub fn stop(&mut self) {
        self.halt(Halt::AfterStep);
    }

    /// Stops it without waiting for an answer to what was sent; clean-up is still done. Poll until [`Run::done`].
    pub fn cancel(&mut self) {
        self.halt(Halt::Now);
    }

    fn halt(&mut self, halt: Halt) {
        let mut s = lock(&self.shared);
        s.halt = s.halt.max(halt);
        s.stirred = true;
    }

    /// Whether it was asked to stop.
    pub fn stopping(&self) -> bool {
        lock(&self.shared).halt > Halt::No
    }

    /// The question that waits for the operator. A question that was asked before and is not this one is withdrawn.
    pub fn question(&self) -> Option<NeedId> {
        lock(&self.shared).question
    }

    /// The next time it wants to be polled though nothing happened in the World; at once after an answer or a cancel.
    pub fn wake(&self) -> Option<Time> {
        let s = lock(&self.shared);
        if s.stirred { Some(s.now) } else { s.wakes.iter().min().copied() }
    }

    pub fn done(&self) -> bool {
        self.job.is_none() && self.closing.is_none()
    }

    /// The options it was given.
    pub fn params(&self) -> Params {
        lock(&self.shared).params.clone()
    }

    pub fn action(&self) -> &'static Action {
        self.action
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
        let remote = lock(&self.shared).report.exit_code;
        match remote {
            // A shell hands the remote status on; what does not fit is a failure like others.
            Some(code) => u8::try_from(code).unwrap_or(1),
            None => self.outcome().map_or(0, Outcome::exit_code),
        }
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
            Err(Stop::Cancelled) if applied => {
                let at = &s.progress.line;
                let at = if at.is_empty() { String::new() } else { format!(" at: {at}") };
                (
                    Some(Outcome::Applied),
                    format!("stopped{at}; what was sent stands and its result was not seen"),
                )
            }
            // A stale plan is made again and never ends a run.
            Err(Stop::Cancelled | Stop::Stale) => {
                (Some(Outcome::Refused), "stopped by the operator; nothing was changed".to_owned())
            }
        };
        s.report.outcome = outcome;
        s.report.reason = reason;
        s.report.took_ms = u64::try_from(now.0 - started.0).unwrap_or(0);
        s.stage = Stage::Done;
        s.question = None;
        s.looks.clear();
        s.wakes.clear();
        // A plan that was only looked at changed nothing and is no entry.
        if outcome.is_some() {
            let entry = Entry::ended(&s.report, &s.params, &s.options, now);
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

fn unverified(why: String) -> Impact {
    Impact { what: "cluster identity not verified".to_owned(), severity: Severity::Warning, detail: why }
}

/// The answer to a need was of another kind.
pub(super) fn wrong(what: &str, reply: &Reply) -> Stop {
    let kind = match reply {
        Reply::Call(_) => "a response",
        Reply::Exec(_) => "a command's output",
        Reply::File(_) => "a file's length",
        Reply::Command(_) => "a program's end",
        Reply::Terminal(_) => "a session's end",
        Reply::Confirm(_) => "a confirmation",
        Reply::Journal(_) => "a journal's answer",
        Reply::Forward(_) => "a forwarded port",
        Reply::Known(_) => "what is known",
        Reply::Elsewhere(_) => "the response of another cluster",
    };
    Stop::Failed(format!("{what} was answered with {kind}"))
}

/// A JSON patch, merge patch or strategic merge patch of an object.
pub(super) fn patch(object: &ObjectRef, content_type: &str, body: serde_json::Value) -> Call {
    Call { verb: Verb::Patch, path: object.path(), content_type: content_type.into(), body: Some(body) }
}

pub(super) const STRATEGIC: &str = "application/strategic-merge-patch+json";
pub(super) const JSON_PATCH: &str = "application/json-patch+json";
/// The only patch of these three that custom resources take beside a JSON patch.
pub(super) const MERGE: &str = "application/merge-patch+json";

/// A new object, in the collection where it belongs.
pub(super) fn post(kind: &crate::world::Kind, namespace: &str, object: serde_json::Value) -> Call {
    Call {
        verb: Verb::Post,
        path: kind.collection_path(namespace),
        content_type: "application/json".into(),
        body: Some(object),
    }
}
