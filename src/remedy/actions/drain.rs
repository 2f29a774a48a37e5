//! Drain: cordon a node, then evict its pods, with the outcome predicted first and every pod's progress shown.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use crate::remedy::action::{Action, Right, Spec};
use crate::remedy::cx::Cx;
use crate::remedy::forecast::{Allowed, Victim, forecast};
use crate::remedy::plan::Stage;
use crate::remedy::pods::{eviction, refusal};
use crate::remedy::run::{Done, Job, Params, Progress, Stop};
use crate::remedy::{schedulable, together};
use crate::world::{Kind, ObjectRef, Time};

pub(super) static ACTION: Action = Action {
    title: "Drain",
    about: "cordon a node and evict its pods, within their disruption budgets",
    kinds: &[Kind::Node],
    options: &[
        Spec::flag("delete-emptydir-data", "also evict pods whose emptyDir is lost with them"),
        Spec::flag("force", "go on in spite of what speaks against it"),
        Spec::value("grace-period", "SECONDS", "how long each pod may take to end (default: its own)"),
    ],
    rights: &[
        Right::on_target("patch"),
        Right { verb: "create", kind: Some(&Kind::Pod), subresource: "eviction" },
    ],
    // Not where the runtime is down: pods that cannot be stopped do not leave, and their jobs would be lost.
    causes: &[
        ("gpu.xid", 2),
        ("gpu.ecc", 2),
        ("node.network", 2),
        ("node.pressure-", 2),
        ("node.problem", 2),
        ("node.host-event", 2),
        ("runtime.disk-full", 2),
        ("sandbox.network", 2),
    ],
    dangerous: true,
    sequential: true,
    kubectl,
    combined: together::capacity,
    ..Action::new("drain", start)
};

fn kubectl(target: &ObjectRef, params: &Params) -> String {
    let flag = |o: &str| match params.get(o).is_some_and(|v| v != "false") {
        true => format!(" --{o}"),
        false => String::new(),
    };
    let grace = params.get("grace-period").map_or_else(String::new, |s| format!(" --grace-period={s}"));
    format!(
        "kubectl drain {} --ignore-daemonsets{}{}{grace}",
        target.name,
        flag("delete-emptydir-data"),
        flag("force")
    )
}

/// kubectl's pause between two tries of one eviction.
const RETRY: Duration = Duration::from_secs(5);
/// Without `--timeout`: long enough for slow shutdowns, short enough not to be forgotten.
const LIMIT: Duration = Duration::from_secs(900);
/// Pods named in the sentence at the end; `progress` has all of them.
const NAMED: usize = 5;

fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    let flag = |name: &str| params.get(name).is_some_and(|v| v != "false");
    let allowed = Allowed { force: flag("force"), local: flag("delete-emptydir-data") };
    let grace = match params.get("grace-period").map(|t| (t, t.parse::<u32>())) {
        None => None,
        Some((_, Ok(seconds))) => Some(seconds),
        Some((t, Err(_))) => return Err(format!("--grace-period {t:?} is not a number of seconds")),
    };
    Ok(Box::pin(async move { drain(cx, target, allowed, grace).await }))
}

async fn drain(cx: Cx, target: ObjectRef, allowed: Allowed, grace: Option<u32>) -> Result<Done, Stop> {
    let object = cx.target(&target).await?;
    let cordoned = object["spec"]["unschedulable"].as_bool() == Some(true);
    let node = target.clone();
    let f = cx.look(move |world, _| forecast(world, &node.name, allowed)).await?;
    for (what, severity, detail) in &f.impacts {
        cx.impact(what, *severity, detail);
    }
    for refusal in &f.refusals {
        cx.guard("drain", false, refusal.clone());
    }
    cx.guards().await?;
    cx.cleared()?;
    let call = schedulable::body(&cx, &target, true);
    if !cordoned {
        cx.dry_run(&call).await?;
    }
    let node = target.name.clone();
    cx.confirm_on(
        format!("Drain {target}: evict {} pods?", f.victims.len()),
        Some(target.name.clone()),
        // Pods that come and go while the plan is read are others than the ones agreed to.
        move |world| forecast(world, &node, allowed).basis(),
    )
    .await?;
    if !cordoned {
        cx.apply(call).await?;
        cx.step(format!("{target} is cordoned; no pod is evicted yet")).await;
    }
    evict_all(&cx, &target, f.victims, grace).await
}

type States = Arc<Mutex<Vec<(String, String)>>>;

/// Evicts all at once, as kubectl does; how it ended is said by pod.
async fn evict_all(
    cx: &Cx,
    target: &ObjectRef,
    victims: Vec<Victim>,
    grace: Option<u32>,
) -> Result<Done, Stop> {
    cx.stage(Stage::Watching);
    let wait = cx.options().timeout.unwrap_or(LIMIT);
    let total = victims.len() as u64;
    let ended = evict(cx, victims, grace, cx.now().plus(wait), |gone, items| {
        cx.progress(Progress { line: format!("{gone} of {total} pods gone"), done: gone, total, items });
    })
    .await;
    let gone = ended.gone;
    if gone == total {
        return Ok(Done::Verified(format!("{target} is drained: {total} pods gone")));
    }
    let summary = format!("{gone} of {total} pods gone, {target} stays cordoned; {}", left(&ended.states));
    if ended.cancelled {
        return Ok(Done::Applied(format!("stopped by the operator: {summary}")));
    }
    if ended.failed {
        return Err(Stop::Failed(summary));
    }
    Ok(Done::Applied(format!("after {} s {summary}", wait.as_secs())))
}

/// How the eviction of a node's pods ended.
pub(in crate::remedy) struct Evicted {
    pub gone: u64,
    /// Each pod and what became of it.
    pub states: Vec<(String, String)>,
    pub cancelled: bool,
    pub failed: bool,
}

/// Evicts pods, all at once as kubectl does, until they are gone or the time is. `seen` hears how many are gone and how
/// each pod stands.
pub(in crate::remedy) async fn evict(
    cx: &Cx,
    victims: Vec<Victim>,
    grace: Option<u32>,
    until: Time,
    seen: impl Fn(u64, Vec<(String, String)>) + Send + Sync,
) -> Evicted {
    let states: States = Arc::new(Mutex::new(
        victims
            .iter()
            .map(|v| (format!("{}/{}", v.pod.namespace, v.pod.name), "waiting".to_owned()))
            .collect(),
    ));
    type One = Pin<Box<dyn Future<Output = Result<bool, Stop>> + Send>>;
    let mut jobs: Vec<Option<One>> = victims
        .into_iter()
        .enumerate()
        .map(|(i, v)| {
            let (cx, states) = (cx.clone(), states.clone());
            let job: One = Box::pin(async move { one(&cx, v, grace, until, i, &states).await });
            Some(job)
        })
        .collect();
    let mut gone = 0u64;
    let mut failed = false;
    let mut cancelled = false;
    // Polled by hand because nothing here has a waker.
    poll_fn(|context| {
        for slot in &mut jobs {
            let Some(job) = slot else { continue };
            if let Poll::Ready(result) = job.as_mut().poll(context) {
                *slot = None;
                match result {
                    Ok(true) => gone += 1,
                    Ok(false) => {}
                    Err(Stop::Cancelled) => cancelled = true,
                    // Its state says why.
                    Err(Stop::Failed(_) | Stop::Refused(_)) => failed = true,
                    Err(Stop::Planned | Stop::Stale) => {}
                }
            }
        }
        seen(gone, states.lock().unwrap_or_else(PoisonError::into_inner).clone());
        if jobs.iter().all(Option::is_none) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    let states = states.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Evicted { gone, states, cancelled, failed }
}

/// What became of the pods that are not gone: each state with how many are in it and which.
pub(in crate::remedy) fn left(all: &[(String, String)]) -> String {
    let mut by_state: Vec<(&str, Vec<&str>)> = Vec::new();
    for (name, state) in all.iter().filter(|(_, state)| state != "gone") {
        match by_state.iter_mut().find(|(s, _)| s == state) {
            Some((_, names)) => names.push(name),
            None => by_state.push((state, vec![name])),
        }
    }
    let part = |(state, names): (&str, Vec<&str>)| {
        let shown = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
        match names.len().saturating_sub(NAMED) {
            0 => format!("{} {state}: {shown}", names.len()),
            more => format!("{} {state}: {shown} and {more} more", names.len()),
        }
    };
    by_state.into_iter().map(part).collect::<Vec<_>>().join("; ")
}

/// Evicts one pod until it is gone; `false` where time ran out.
async fn one(
    cx: &Cx,
    v: Victim,
    grace: Option<u32>,
    until: Time,
    i: usize,
    states: &States,
) -> Result<bool, Stop> {
    let say = |text: String| {
        if let Some(slot) = states.lock().unwrap_or_else(PoisonError::into_inner).get_mut(i) {
            slot.1 = text;
        }
    };
    let uid = v.uid.to_string();
    loop {
        say("evicting".to_owned());
        let answer = match cx.send(eviction(&v.pod, &uid, grace), false).await {
            Err(Stop::Cancelled) => {
                say("not evicted".to_owned());
                return Err(Stop::Cancelled);
            }
            answer => answer?,
        };
        match answer.status {
            200..=299 => {
                cx.step(format!("{} is evicted", v.pod)).await;
                break;
            }
            // Gone, or another pod has its name by now.
            404 | 409 => {
                say("gone".to_owned());
                return Ok(true);
            }
            429 => {
                say(format!("held by {}", refusal(&answer)));
                // A budget that lets go shows in the watch; the pause keeps the server from being asked in a loop.
                cx.sleep(RETRY).await?;
            }
            403 if answer.message().contains("being terminated") => cx.sleep(RETRY).await?,
            status => {
                say(format!("refused with {status} ({})", refusal(&answer)));
                return Err(Stop::Failed(format!(
                    "evicting {} was answered {status}: {}",
                    v.pod,
                    refusal(&answer)
                )));
            }
        }
        if cx.now() >= until {
            return Ok(false);
        }
    }
    say("terminating".to_owned());
    let (pod, uid) = (v.pod.clone(), v.uid.clone());
    let seen = cx
        .until(Some(until), move |world, _| {
            world.pods.find(&pod.namespace, &pod.name).is_none_or(|p| p.meta.uid != uid).then_some(())
        })
        .await?;
    if seen.is_some() {
        say("gone".to_owned());
    }
    Ok(seen.is_some())
}
