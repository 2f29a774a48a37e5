//! Drain: cordon a node, then evict its pods, with the outcome predicted first and every pod's progress shown.
//!
//! What is evicted and what refuses the drain follows `kubectl drain` (pkg/drain/filters.go); the prediction reads the
//! same budgets the API server will ask.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use super::cordon;
use super::guard::Permission;
use super::plan::{Severity, Stage};
use super::pods::{eviction, refusal};
use super::run::{Cx, Done, Job, Params, Progress, Stop};
use crate::world::{Kind, ObjectRef, Phase, Pod, Uid, World};

/// kubectl's pause between two tries of one eviction.
const RETRY: Duration = Duration::from_secs(5);
/// Without `--timeout`: long enough for slow shutdowns, short enough not to be forgotten.
const LIMIT: Duration = Duration::from_secs(900);

#[derive(Clone)]
struct Victim {
    pod: ObjectRef,
    uid: Uid,
}

#[derive(Default)]
struct Forecast {
    victims: Vec<Victim>,
    daemons: usize,
    /// Why the drain is refused, with what overrides it.
    refusals: Vec<String>,
    /// Budgets that will hold evictions up: text, and whether nothing at all goes.
    budgets: Vec<(String, bool)>,
    local: Vec<String>,
    unmanaged: Vec<String>,
    gpus: u64,
}

pub(super) fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    let flag = |name: &str| params.get(name).is_some_and(|v| v != "false");
    let (force, local) = (flag("force"), flag("delete-emptydir-data"));
    Ok(Box::pin(async move { drain(cx, target, force, local).await }))
}

async fn drain(cx: Cx, target: ObjectRef, force: bool, delete_local: bool) -> Result<Done, Stop> {
    let object = cx.get(target.path()).await?;
    let cordoned = object["spec"]["unschedulable"].as_bool() == Some(true);
    let node = target.clone();
    let f = cx.look(move |world, _| forecast(world, &node.name, force, delete_local)).await?;
    cx.impact(
        format!("{} pods evicted", f.victims.len()),
        Severity::Warning,
        f.victims
            .iter()
            .map(|v| format!("{}/{}", v.pod.namespace, v.pod.name))
            .collect::<Vec<_>>()
            .join(", "),
    );
    if f.daemons > 0 {
        cx.impact(format!("{} DaemonSet pods stay", f.daemons), Severity::Info, "they belong on every node");
    }
    if f.gpus > 0 {
        cx.impact(
            format!("pods holding {} GPUs lose their work", f.gpus),
            Severity::Critical,
            "since their last checkpoint",
        );
    }
    if delete_local && !f.local.is_empty() {
        cx.impact("emptyDir data is lost", Severity::Critical, f.local.join(", "));
    }
    if force && !f.unmanaged.is_empty() {
        cx.impact("pods without a controller are gone for good", Severity::Critical, f.unmanaged.join(", "));
    }
    for (text, stuck) in &f.budgets {
        let severity = if *stuck { Severity::Critical } else { Severity::Warning };
        cx.impact("disruption budget", severity, text.clone());
    }
    for refusal in &f.refusals {
        cx.guard("drain", false, refusal.clone());
    }
    let pods = ObjectRef::new(Kind::Pod, "", "");
    cx.guards(&[Permission::on("patch", &target), Permission::on("create", &pods).sub("eviction")]).await?;
    cx.cleared()?;
    let call = cordon::body(&target, true);
    if !cordoned {
        cx.dry_run(&call).await?;
    }
    cx.confirm(format!("Drain {target}: evict {} pods?", f.victims.len()), Some(target.name.clone())).await?;
    if !cordoned {
        cx.apply(call).await?;
    }
    evict_all(&cx, &target, f.victims).await
}

fn forecast(world: &World, node: &str, force: bool, delete_local: bool) -> Forecast {
    let mut f = Forecast::default();
    let (mut local, mut unmanaged) = (Vec::new(), Vec::new());
    let mut per_budget: BTreeMap<String, u32> = BTreeMap::new();
    let mut pods: Vec<&Pod> = world.pods_on(node).map(|(_, p)| p).collect();
    pods.sort_by(|a, b| (&a.meta.namespace, &a.meta.name).cmp(&(&b.meta.namespace, &b.meta.name)));
    for p in pods {
        let name = format!("{}/{}", p.meta.namespace, p.meta.name);
        let finished = matches!(p.phase, Phase::Succeeded | Phase::Failed);
        if p.mirror {
            continue;
        }
        if p.meta.owner.as_ref().is_some_and(|o| o.kind == Kind::DaemonSet) && !finished {
            f.daemons += 1;
            continue;
        }
        if p.spec.empty_dir && !finished {
            local.push(name.clone());
        }
        if p.meta.owner.is_none() && !finished {
            unmanaged.push(name.clone());
        }
        f.gpus += p.containers.iter().filter_map(|c| c.spec.requests.gpu.or(c.spec.limits.gpu)).sum::<u64>();
        let budgets: Vec<_> = world
            .budgets
            .values()
            .filter(|b| b.meta.namespace == p.meta.namespace && b.selector.matches(&p.meta.labels))
            .collect();
        if budgets.len() > 1 && !finished {
            let names: Vec<&str> = budgets.iter().map(|b| &*b.meta.name).collect();
            f.refusals.push(format!(
                "{name} has more than one disruption budget ({}); the API server refuses to evict it",
                names.join(", ")
            ));
        }
        for b in budgets {
            let spare = !p.ready && (b.always_evict_unhealthy || b.current_healthy >= b.desired_healthy);
            if !spare && !finished {
                *per_budget.entry(format!("{}/{}", b.meta.namespace, b.meta.name)).or_default() += 1;
            }
        }
        f.victims.push(Victim {
            pod: ObjectRef {
                kind: Kind::Pod,
                namespace: p.meta.namespace.clone(),
                name: p.meta.name.clone(),
            },
            uid: p.meta.uid.clone(),
        });
    }
    for (name, wanted) in per_budget {
        let Some((ns, n)) = name.split_once('/') else { continue };
        let Some(b) = world.budgets.find(ns, n) else { continue };
        if b.disruptions_allowed == 0 {
            f.budgets.push((
                format!(
                    "{name} needs {} healthy pods and has {}: {wanted} of its pods here cannot go until more are ready elsewhere",
                    b.desired_healthy, b.current_healthy
                ),
                true,
            ));
        } else if wanted > b.disruptions_allowed {
            f.budgets.push((
                format!("{name} lets {} of its {wanted} pods here go at a time", b.disruptions_allowed),
                false,
            ));
        }
    }
    if !local.is_empty() && !delete_local {
        f.refusals.push(format!(
            "pods with local storage: {}; --delete-emptydir-data gives it up",
            local.join(", ")
        ));
    }
    if !unmanaged.is_empty() && !force {
        f.refusals
            .push(format!("pods no controller would replace: {}; --force evicts them", unmanaged.join(", ")));
    }
    f.local = local;
    f.unmanaged = unmanaged;
    f
}

type States = Arc<Mutex<Vec<(String, String)>>>;

async fn evict_all(cx: &Cx, target: &ObjectRef, victims: Vec<Victim>) -> Result<Done, Stop> {
    cx.stage(Stage::Watching);
    let wait = cx.options().timeout.unwrap_or(LIMIT);
    let until = cx.now().plus(wait);
    let states: States = Arc::new(Mutex::new(
        victims
            .iter()
            .map(|v| (format!("{}/{}", v.pod.namespace, v.pod.name), "waiting".to_owned()))
            .collect(),
    ));
    let total = victims.len() as u64;
    type One = Pin<Box<dyn Future<Output = Result<bool, Stop>> + Send>>;
    let mut jobs: Vec<Option<One>> = victims
        .into_iter()
        .enumerate()
        .map(|(i, v)| {
            let (cx, states) = (cx.clone(), states.clone());
            let job: One = Box::pin(async move { one(&cx, v, until, i, &states).await });
            Some(job)
        })
        .collect();
    let mut gone = 0u64;
    let mut errors: Vec<String> = Vec::new();
    let mut cancelled = false;
    // All at once, as kubectl does; polled by hand because nothing here has a waker.
    poll_fn(|context| {
        for slot in &mut jobs {
            let Some(job) = slot else { continue };
            if let Poll::Ready(result) = job.as_mut().poll(context) {
                *slot = None;
                match result {
                    Ok(true) => gone += 1,
                    Ok(false) => {}
                    Err(Stop::Cancelled) => cancelled = true,
                    Err(Stop::Failed(why) | Stop::Refused(why)) => errors.push(why),
                    Err(Stop::Planned) => {}
                }
            }
        }
        let items = states.lock().unwrap_or_else(PoisonError::into_inner).clone();
        cx.progress(Progress { line: format!("{gone} of {total} pods gone"), done: gone, total, items });
        if jobs.iter().all(Option::is_none) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    if cancelled {
        return Err(Stop::Cancelled);
    }
    if !errors.is_empty() {
        return Err(Stop::Failed(format!("{}; {target} stays cordoned", errors.join("; "))));
    }
    if gone == total {
        return Ok(Done::Verified(format!("{target} is drained: {total} pods gone")));
    }
    let left: Vec<String> = states
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .iter()
        .filter(|(_, s)| s != "gone")
        .map(|(n, s)| format!("{n}: {s}"))
        .collect();
    Ok(Done::Applied(format!(
        "{gone} of {total} pods gone after {} s, {target} stays cordoned; left: {}",
        wait.as_secs(),
        left.join("; ")
    )))
}

/// Evicts one pod until it is gone; `false` where time ran out.
async fn one(cx: &Cx, v: Victim, until: crate::world::Time, i: usize, states: &States) -> Result<bool, Stop> {
    let say = |text: String| {
        if let Some(slot) = states.lock().unwrap_or_else(PoisonError::into_inner).get_mut(i) {
            slot.1 = text;
        }
    };
    let uid = v.uid.to_string();
    loop {
        say("evicting".to_owned());
        let answer = cx.send(eviction(&v.pod, &uid), false).await?;
        match answer.status {
            200..=299 => break,
            // Gone, or another pod has its name by now.
            404 | 409 => {
                say("gone".to_owned());
                return Ok(true);
            }
            429 => {
                say(format!("held: {}", refusal(&answer)));
                // A budget that lets go shows in the watch; the pause keeps the server from being asked in a loop.
                cx.sleep(RETRY).await?;
            }
            403 if answer.message().contains("being terminated") => cx.sleep(RETRY).await?,
            status => {
                say(format!("refused: {}", refusal(&answer)));
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
