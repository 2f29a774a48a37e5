//! `khud do`: runs one remedy from plan to journal, without a screen.

use std::io::{self, BufRead, IsTerminal, Write};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::args::{Common, Do, TextOrJson};
use super::open::runtime;
use super::{dossier, settings};
use super::{exit, out};
use crate::app::executor::probe::Session;
use crate::app::executor::{foreground, needs};
use crate::cluster::feed::Scope;
use crate::cluster::{Connection, Forwarding};
use crate::remedy::journal::{Journal, run_id};
use crate::remedy::plan::Stage;
use crate::remedy::render;
use crate::remedy::run::{Confirm, Need, NeedId, Options, Params, Reply, Run};
use crate::remedy::{self, Action};
use crate::term::clean;
use crate::world::{Clock, Kind, ObjectRef, Time, World};

/// The kinds a plan reads: the object, its pods, and objects that may block the action.
const KINDS: &[Kind] = &[
    Kind::Pod,
    Kind::Node,
    Kind::Event,
    Kind::Deployment,
    Kind::ReplicaSet,
    Kind::StatefulSet,
    Kind::DaemonSet,
    Kind::Job,
    Kind::CronJob,
    Kind::PodDisruptionBudget,
    Kind::Service,
    Kind::EndpointSlice,
    Kind::PersistentVolumeClaim,
    Kind::ResourceQuota,
];

/// The kinds a plan also reads in the object's namespace, as the cockpit does: autoscalers and configuration.
const IN_NAMESPACE: &[Kind] = &[Kind::HorizontalPodAutoscaler, Kind::ConfigMap, Kind::Secret];

/// The longest wait for the first lists. After it, the plan uses the data that has arrived.
const LOOK: Duration = Duration::from_secs(10);

pub fn run(common: &Common, args: &Do) -> u8 {
    if args.list {
        return out::result(&render::list());
    }
    let asked = match asked(args) {
        Ok(asked) => asked,
        Err((why, code)) => {
            out::complain(&clean(&why));
            return code;
        }
    };
    if asked.action.is_offline() {
        return offline(args, asked);
    }
    let rt = match runtime() {
        Ok(rt) => rt,
        Err(why) => {
            out::complain(&why);
            return exit::FAILED;
        }
    };
    let code = rt.block_on(carry_out(common, args, asked));
    rt.shutdown_timeout(Duration::from_millis(200));
    code
}

/// The request: an action, or a run to resume.
struct Asked {
    action: &'static Action,
    /// As typed; `None` for an action on the cluster.
    target: Option<String>,
    params: Params,
    journal: Journal,
    /// The run to resume, and the context it was started in.
    resumed: Option<(String, String)>,
}

/// # Errors
/// A sentence and the exit code: there is no such action or run, or the target is missing or not allowed.
fn asked(args: &Do) -> Result<Asked, (String, u8)> {
    let usage = |why: String| (why, exit::USAGE);
    let journal = Journal::at(Journal::default_path().map_err(|why| (why, exit::FAILED))?);
    let find = |name: &str| {
        remedy::action(name)
            .ok_or_else(|| usage(format!("there is no action {name:?}; `khud do --list` names them")))
    };
    if let Some(run) = &args.resume {
        let (entries, _) = journal.read().map_err(|why| (why, exit::FAILED))?;
        let begun = entries.into_iter().find(|e| e.event == "begun" && e.id == *run);
        let begun = begun.ok_or_else(|| {
            usage(format!("the journal of this machine has no run {run:?}; `khud journal` lists the runs"))
        })?;
        let action = find(&begun.action)?;
        if !action.is_resumable() {
            return Err(usage(format!("{} cannot be resumed; plan it again", begun.action)));
        }
        let mut params = begun.params;
        params.extend(args.options.of(action).map_err(usage)?);
        return Ok(Asked {
            action,
            target: None,
            params,
            journal,
            resumed: Some((run.clone(), begun.context)),
        });
    }
    let Some(name) = &args.action else {
        return Err(usage("khud do needs an action; `khud do --list` lists the actions".to_owned()));
    };
    let action = find(name)?;
    let params = args.options.of(action).map_err(usage)?;
    let whole = remedy::of_namespace(action, &params);
    match (&args.target, action.is_cluster_wide()) {
        (None, false) if whole => Ok(Asked { action, target: None, params, journal, resumed: None }),
        (Some(target), false) if whole => Err(usage(format!(
            "--evicted and --completed are about all pods of the namespace: leave {target:?} out"
        ))),
        (None, false) => {
            Err(usage(format!("khud do {name} needs a target: KIND/NAME, for example deploy/api")))
        }
        (Some(first), true) if action.options.iter().any(|o| o.words) => {
            let params = args.options.beginning(action, first).map_err(usage)?;
            Ok(Asked { action, target: None, params, journal, resumed: None })
        }
        (Some(target), true) => {
            Err(usage(format!("khud do {name} takes no target, not {target:?}: it acts on the cluster")))
        }
        (target, _) => {
            let target = target.clone();
            Ok(Asked { action, target, params, journal, resumed: None })
        }
    }
}

/// Parses `KIND/NAME` in a namespace.
///
/// # Errors
/// A sentence that says how to name an object.
pub fn target(text: &str, namespace: &str) -> Result<ObjectRef, String> {
    let (kind, name) =
        text.split_once('/').filter(|(k, n)| !k.is_empty() && !n.is_empty()).ok_or_else(|| {
            format!("{text:?} is not KIND/NAME; write KIND/NAME, for example deploy/api or node/gpu-7")
        })?;
    // `kubectl -o name` appends the group to the kind: replicaset.apps/NAME.
    let grouped = |k: &Kind| {
        kind.split_once('.').is_some_and(|(plain, group)| {
            group == k.group()
                && (plain.eq_ignore_ascii_case(k.name()) || plain.eq_ignore_ascii_case(k.plural()))
        })
    };
    let known =
        Kind::parse(kind).or_else(|| Kind::ALL.iter().find(|k| grouped(k)).cloned()).ok_or_else(|| {
            let names: Vec<String> = Kind::ALL.iter().map(|k| k.name().to_ascii_lowercase()).collect();
            format!("khud knows no kind {kind:?}; it knows {}", names.join(", "))
        })?;
    let namespace = if known.namespaced() { namespace } else { "" };
    Ok(ObjectRef::new(known, namespace, name))
}

/// The object, where its kind is none that khud knows by name and the server serves it.
async fn served(connection: &Connection, text: &str, namespace: &str) -> Option<ObjectRef> {
    let (word, name) = text.split_once('/').filter(|(_, name)| !name.is_empty())?;
    let offers = connection.offers().await.ok()?;
    let kind = offers.into_iter().find(|o| o.answers_to(word))?.kind;
    let namespace = if kind.namespaced() { namespace } else { "" };
    Some(ObjectRef::new(kind, namespace, name))
}

async fn carry_out(common: &Common, args: &Do, asked: Asked) -> u8 {
    let usage = |why: String| {
        out::complain(&clean(&why));
        exit::USAGE
    };
    let Asked { action, target: text, params, journal, resumed } = asked;
    let clock = Clock::wall();
    let connection = match settings::connect(
        common,
        io::stdin().is_terminal(),
        clock,
        &settings::loaded_with_complaints(),
    )
    .await
    {
        Ok(connection) => connection,
        Err(e) => {
            out::complain(&clean(&e.to_string()));
            return exit::FAILED;
        }
    };
    let namespace = common.namespace.first().cloned().unwrap_or_else(|| connection.namespace().to_owned());
    if remedy::of_namespace(action, &params) && (common.all_namespaces || common.namespace.len() > 1) {
        return usage("--evicted and --completed are about one namespace at a time: -n NAMESPACE".to_owned());
    }
    let object = match text.as_deref().map(|text| (text, target(text, &namespace))) {
        None if action.is_cluster_wide() => remedy::the_cluster(),
        None => ObjectRef::new(Kind::Namespace, "", namespace.as_str()),
        Some((_, Ok(object))) => object,
        Some((text, Err(why))) => match served(&connection, text, &namespace).await {
            Some(object) => object,
            None => return usage(why),
        },
    };
    if let Some((run, context)) = resumed.as_ref().filter(|(_, context)| context != connection.context()) {
        return usage(format!("run {run} was begun in the context {context}; add --context {context}"));
    }
    let id = resumed.map_or_else(|| run_id(connection.clock().now()), |(run, _)| run);
    let settings = settings::loaded_with_complaints().config.unwrap_or_default();
    let mut protected: Vec<String> = Vec::new();
    for (context, namespace) in remedy::places(action, &object, &params) {
        let context = if context.is_empty() { connection.context() } else { &context };
        for name in settings.for_context(context).protected_names(context, &namespace) {
            if !protected.contains(&name) {
                protected.push(name);
            }
        }
    }
    if args.yes
        && !args.dry_run
        && let Some(name) = protected.iter().find(|name| !args.confirm.contains(name))
    {
        out::complain(&clean(&format!(
            "{name} is protected: add --confirm {name} to go ahead; nothing was done"
        )));
        return exit::FAILED;
    }
    let options = Options {
        state: Some(journal.state_file(&id)),
        protected,
        dry_run: args.dry_run,
        read_only: connection.read_only(),
        timeout: args.timeout,
        context: connection.context().to_owned(),
        kubectl: connection.kubectl().to_vec(),
        id,
        terminal: io::stdin().is_terminal() && io::stdout().is_terminal(),
        uid: None,
    };
    let mut run = match Run::new(action, object, params, options) {
        Ok(run) => run,
        Err(why) => return usage(why),
    };
    if let Err(e) = connection.check().await {
        out::complain(&clean(&e.to_string()));
        return exit::FAILED;
    }
    match settings::same_cluster(&connection, args.accept_cluster.as_deref()).await {
        Ok(None) => {}
        Ok(Some(why)) => run.unverified(&why),
        Err(why) => {
            out::complain(&clean(&why));
            return exit::FAILED;
        }
    }
    // A node's pods are in all namespaces. Any other object needs only its own.
    let (scope, more) = match run.report().target.namespace.as_ref() {
        "" => (Scope::Cluster, &[][..]),
        namespace => (Scope::Namespaces(vec![namespace.into()]), IN_NAMESPACE),
    };
    let mut session = Session::start(connection, &scope, &[KINDS, more].concat());
    session.settle(LOOK, |_, _| {}).await;
    drive(session, run, journal, args).await
}

/// Runs an action that reads and writes local files alone.
fn offline(args: &Do, asked: Asked) -> u8 {
    let options = Options { dry_run: args.dry_run, ..Options::default() };
    let mut run = match Run::new(asked.action, remedy::the_cluster(), asked.params, options) {
        Ok(run) => run,
        Err(why) => {
            out::complain(&clean(&why));
            return exit::USAGE;
        }
    };
    let (world, clock) = (World::new(), Clock::wall());
    while !run.done() {
        for (id, need) in run.poll(&world, clock.now()) {
            let reply = match need {
                Need::File(op) => Reply::File(op.perform()),
                // Nothing was done to any cluster.
                Need::Journal(_) => Reply::Journal(Ok(())),
                _ => Reply::Confirm(false),
            };
            run.answer(id, reply);
        }
    }
    let output = Output { silent: args.output == TextOrJson::Json, ..Output::default() };
    output.end(&run, args, false)
}

/// The signals that ask a process to end.
struct Signals {
    int: Signal,
    term: Signal,
    hup: Signal,
}

impl Signals {
    fn listen() -> io::Result<Signals> {
        Ok(Signals {
            int: signal(SignalKind::interrupt())?,
            term: signal(SignalKind::terminate())?,
            hup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.int.recv() => "SIGINT",
            _ = self.term.recv() => "SIGTERM",
            _ = self.hup.recv() => "SIGHUP",
        }
    }
}

/// The question on the terminal.
#[derive(Default)]
struct Asking {
    /// The question whose answer is being read.
    open: Option<NeedId>,
    /// The next question. The plan changed, so the line being read does not answer it.
    queued: Option<(NeedId, Confirm)>,
}

impl Asking {
    fn ask(&mut self, work: &mut JoinSet<(NeedId, Reply)>, id: NeedId, question: Confirm) {
        if self.open.is_some() {
            self.queued = Some((id, question));
            return;
        }
        self.open = Some(id);
        work.spawn_blocking(move || (id, Reply::Confirm(ask(&question))));
    }

    fn answered(&mut self, work: &mut JoinSet<(NeedId, Reply)>, id: NeedId) {
        if self.open == Some(id) {
            self.open = None;
            if let Some((id, question)) = self.queued.take() {
                out::complain("the plan changed before you answered; the question is asked again");
                self.ask(work, id, question);
            }
        }
    }
}

async fn drive(mut session: Session, mut run: Run, journal: Journal, args: &Do) -> u8 {
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(e) => {
            out::complain(&format!("cannot listen for signals: {e}; nothing was changed"));
            return exit::FAILED;
        }
    };
    let mut asking = Asking::default();
    let mut work: JoinSet<(NeedId, Reply)> = JoinSet::new();
    let mut output = Output { silent: args.output == TextOrJson::Json, ..Output::default() };
    let mut unconfirmed = false;
    let (opened, mut forwards) = mpsc::unbounded_channel();
    while !run.done() {
        let now = session.now();
        let mut answered = false;
        for (id, need) in run.poll(&session.world, now) {
            match need {
                // `--yes` agrees to a plan. A question in the middle of a run asks what only a person knows.
                Need::Confirm(_) if args.yes && run.stage() <= Stage::Confirming => {
                    output.plan(&run);
                    run.answer(id, Reply::Confirm(true));
                    answered = true;
                }
                Need::Confirm(question) => {
                    output.plan(&run);
                    if io::stdin().is_terminal() && io::stderr().is_terminal() {
                        asking.ask(&mut work, id, question);
                    } else if run.stage() > Stage::Confirming {
                        out::complain(&format!(
                            "{} Nobody can be asked without a terminal: go on with khud do --resume in one",
                            clean(&question.question)
                        ));
                    } else {
                        unconfirmed = true;
                        answered = true;
                        run.answer(id, Reply::Confirm(false));
                    }
                }
                Need::Terminal(work_there) => {
                    let connection = session.connection.clone();
                    work.spawn(async move {
                        (id, Reply::Terminal(foreground::carry_out(&connection, work_there).await))
                    });
                }
                Need::Forward(ask) => {
                    let (connection, opened) = (session.connection.clone(), opened.clone());
                    work.spawn(async move {
                        let reply = match connection.forward(ask).await {
                            Ok(forwarding) => {
                                let state = forwarding.state().borrow().clone();
                                // The other end waits for it until the run is done.
                                let _ = opened.send(forwarding);
                                Ok(state)
                            }
                            Err(e) => Err(e.to_string()),
                        };
                        (id, Reply::Forward(reply))
                    });
                }
                Need::Known(object) => {
                    let connection = session.connection.clone();
                    work.spawn(async move { (id, Reply::Known(dossier::of(connection, &object).await)) });
                }
                need => {
                    let (connection, journal) = (session.connection.clone(), journal.clone());
                    work.spawn(async move { (id, needs::carry_out(&connection, &journal, need).await) });
                }
            }
        }
        if answered || run.done() {
            continue;
        }
        output.progress(&run);
        let wake = until(run.wake(), session.now());
        tokio::select! {
            Some(done) = work.join_next() => match done {
                Ok((id, reply)) => {
                    run.answer(id, reply);
                    asking.answered(&mut work, id);
                }
                // A task that panicked gives no answer. The run ends by its deadline or by Ctrl-C.
                Err(e) => out::complain(&format!("a request stopped: {e}")),
            },
            _ = session.next() => {}
            () = tokio::time::sleep_until(wake) => {}
            name = signals.next() => {
                if run.stopping() {
                    out::complain(&format!("{name} again: cancelling the current step; khud cleans up first"));
                    run.cancel();
                } else {
                    out::complain(&format!("{name}: stopping after the current step"));
                    run.stop();
                }
            }
        }
    }
    let code = output.end(&run, args, unconfirmed);
    drop(opened);
    match forwards.recv().await {
        Some(forwarding) if code == exit::DONE => hold(forwarding, &mut signals).await,
        _ => code,
    }
}

/// Keeps a local port open until a signal ends khud, and says why connections come to nothing.
async fn hold(forwarding: Forwarding, signals: &mut Signals) -> u8 {
    let mut state = forwarding.state();
    out::complain("ctrl-c closes the port");
    let (mut said, mut pod) = (None, state.borrow().pod.clone());
    let mut run = std::pin::pin!(forwarding.run());
    loop {
        tokio::select! {
            _ = signals.next() => return exit::DONE,
            () = &mut run => return exit::DONE,
            Ok(()) = state.changed() => {
                let now = state.borrow_and_update().clone();
                if now.pod != pod {
                    out::complain(&clean(&format!("now to pod {}", now.pod)));
                    pod = now.pod;
                }
                if now.trouble != said {
                    said = now.trouble;
                    if let Some(why) = &said {
                        out::complain(&clean(why));
                    }
                }
            }
        }
    }
}

fn until(wake: Option<Time>, now: Time) -> Instant {
    let wait = wake.map_or(60_000, |t| (t.0 - now.0).clamp(10, 60_000));
    Instant::now() + Duration::from_millis(u64::try_from(wait).unwrap_or(0))
}

/// Asks on the terminal. Only the expected answer counts as yes.
fn ask(question: &Confirm) -> bool {
    let mut err = io::stderr().lock();
    let hint = match &question.typed {
        Some(name) => format!("type {} to go ahead", clean(name)),
        None => "y to go ahead".to_owned(),
    };
    let asked = write!(err, "{} [{hint}, anything else cancels] ", clean(&question.question));
    let mut line = String::new();
    if asked.and_then(|()| err.flush()).is_err() || io::stdin().lock().read_line(&mut line).is_err() {
        return false;
    }
    let answer = line.trim();
    match &question.typed {
        Some(name) => answer == &**name,
        None => answer.eq_ignore_ascii_case("y") || answer.eq_ignore_ascii_case("yes"),
    }
}

/// The output so far, so that nothing is printed twice.
#[derive(Default)]
struct Output {
    silent: bool,
    plan: bool,
    stage: Option<Stage>,
    line: String,
}

impl Output {
    /// Prints the plan before the question, on stderr, because stdout is for the result.
    fn plan(&mut self, run: &Run) {
        if self.silent {
            return;
        }
        let report = run.report();
        let mut err = io::stderr().lock();
        // A closed stderr is no reason to stop.
        let _ = match &report.refreshed {
            Some(difference) if self.plan => {
                write!(
                    err,
                    "\nThe plan changed while you were reading it:\n{}",
                    render::plain(difference, true)
                )
            }
            None if self.plan => Ok(()),
            _ => write!(err, "{}", render::plan(&report)),
        };
        self.plan = true;
    }

    fn progress(&mut self, run: &Run) {
        if self.silent || !io::stderr().is_terminal() {
            return;
        }
        let line = run.progress().line;
        if (Some(run.stage()), &line) != (self.stage, &self.line) {
            self.stage = Some(run.stage());
            self.line = line;
            if !self.line.is_empty() {
                let _ = writeln!(io::stderr().lock(), "  {}", clean(&self.line));
            }
        }
    }

    fn end(&self, run: &Run, args: &Do, unconfirmed: bool) -> u8 {
        let report = run.report();
        let text = match args.output {
            TextOrJson::Json => render::json(&report),
            // A session that ended well shows the command's output and nothing else.
            TextOrJson::Text if report.exit_code.is_some() => String::new(),
            TextOrJson::Text if self.plan => render::outcome(&report),
            TextOrJson::Text => format!("{}{}", render::plan(&report), render::outcome(&report)),
        };
        if unconfirmed {
            out::complain("nothing was done: there is no terminal for the question; add --yes to run it");
        }
        match out::result(&text) {
            exit::DONE => run.exit_code(),
            code => code,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_read_as_operators_write_them() {
        assert_eq!(target("deploy/api", "prod").unwrap(), ObjectRef::new(Kind::Deployment, "prod", "api"));
        assert_eq!(target("node/gpu-7", "prod").unwrap(), ObjectRef::new(Kind::Node, "", "gpu-7"));
        let set = ObjectRef::new(Kind::ReplicaSet, "prod", "api-1");
        assert_eq!(target("replicaset.apps/api-1", "prod").unwrap(), set, "as kubectl -o name writes it");
        for bad in ["api", "deploy/", "/api", "llama/api", "replicaset.batch/api"] {
            assert!(target(bad, "prod").is_err(), "{bad}");
        }
    }
}
