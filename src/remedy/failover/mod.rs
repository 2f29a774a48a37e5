//! Failover: pods where the region is well, then the traffic there: one plan over several clusters.

mod asked;
mod manifest;
mod regions;
mod routes;

use std::time::Duration;

use serde_json::{Value, json};

use asked::Route;
pub(super) use asked::{Asked, SPECS};
use regions::Write;

use super::change;
use super::cx::Cx;
use super::diff;
use super::kubectl;
use super::plan::{Severity, Stage};
use super::run::{Done, MERGE, Progress, Stop};
use crate::world::ask::{Call, Verb};
use crate::world::{Kind, ObjectRef};

/// How long pods may take to become ready in a region: weights of models are read from far.
const READY: Duration = Duration::from_secs(600);
const EVERY: Duration = Duration::from_secs(3);

/// Pods that have to be ready in a region before it gets traffic.
struct Awaited {
    context: String,
    workload: ObjectRef,
    replicas: u64,
}

/// The route as it is and as it shall be.
struct Turn {
    path: String,
    words: String,
    call: Call,
    hosts: Vec<(String, u64, u64)>,
}

/// Plans, asks and carries it out.
pub(super) async fn failover(cx: Cx, asked: Asked) -> Result<Done, Stop> {
    let names: Vec<&str> = asked.to.iter().map(|heir| heir.context.as_str()).collect();
    regions::meet(&cx, asked.from.as_deref(), &names).await?;
    cx.guards().await?;
    cx.cleared()?;
    let (mut writes, mut awaited) = (Vec::new(), Vec::new());
    for context in &names {
        if let Some(file) = &asked.apply {
            manifest::plan(&cx, context, file, &asked, &mut writes, &mut awaited).await?;
        }
        for workload in &asked.workloads {
            scale(&cx, context, workload, &asked, &mut writes, &mut awaited).await?;
        }
    }
    let turn = match &asked.route {
        Some(route) => Some(turn(&cx, route, &asked).await?),
        None => None,
    };
    order(&cx, &asked, turn.as_ref());
    cx.cleared()?;
    for write in &writes {
        regions::dry_run(&cx, write).await?;
    }
    if let Some(turn) = &turn {
        cx.dry_run(&turn.call).await?;
    }
    if writes.is_empty() && turn.as_ref().is_none_or(|t| t.hosts.iter().all(|(_, a, b)| a == b)) {
        return Ok(Done::Verified("all of it is so already; nothing was sent".to_owned()));
    }
    let question = match &asked.from {
        Some(from) => format!("Fail over from {from} to {}?", names.join(" and ")),
        None => format!("Fail over to {}?", names.join(" and ")),
    };
    // What happens in several clusters at once is agreed to by the name of each.
    cx.confirm_as_it_is(question, Some(names.join(" ").into())).await?;
    if asked.route_first
        && let Some(turn) = &turn
    {
        cx.apply(turn.call.clone()).await?;
        cx.step(format!("{} is changed", turn.words)).await;
    }
    for write in &writes {
        regions::apply(&cx, write).await?;
    }
    let late = ready(&cx, &awaited).await?;
    if !late.is_empty() {
        let route = match &turn {
            None => "",
            Some(_) if asked.route_first => "; the traffic goes there already",
            Some(_) => "; the traffic was not moved: run it again when they are ready, or with --route-first",
        };
        return Ok(Done::Applied(format!("not ready in time: {}{route}", late.join("; "))));
    }
    if !asked.route_first
        && let Some(turn) = &turn
    {
        cx.apply(turn.call.clone()).await?;
        cx.step(format!("{} is changed", turn.words)).await;
    }
    let mut done: Vec<String> = awaited
        .iter()
        .map(|a| {
            format!(
                "{}: {}/{} has {} ready pods",
                a.context, a.workload.namespace, a.workload.name, a.replicas
            )
        })
        .collect();
    if let Some(turn) = &turn {
        let now = cx.get(turn.path.clone()).await?;
        let patch = turn.call.body.as_ref().map_or(&Value::Null, |b| &b["spec"]);
        let same = patch.as_object().into_iter().flatten().all(|(key, value)| now["spec"][key] == *value);
        if !same {
            return Ok(Done::Applied(format!(
                "{} was changed by somebody else after it was set",
                turn.words
            )));
        }
        let shares = turn.hosts.iter().filter(|(.., after)| *after > 0);
        let shares: Vec<String> = shares.map(|(host, _, after)| format!("{after} to {host}")).collect();
        done.push(format!("{} sends {}", turn.words, shares.join(", ")));
    }
    Ok(Done::Verified(done.join("; ")))
}

/// Says in which order it is done.
fn order(cx: &Cx, asked: &Asked, turn: Option<&Turn>) {
    if turn.is_none() {
        return;
    }
    match asked.route_first {
        true => cx.impact(
            "the traffic moves first",
            Severity::Critical,
            "the regions take it with the pods that they have until the new ones are ready",
        ),
        false => cx.impact(
            "the traffic moves last",
            Severity::Info,
            format!("once the pods are ready, within {} s", cx.options().timeout.unwrap_or(READY).as_secs()),
        ),
    }
}

/// Plans the pods of a workload in a region.
async fn scale(
    cx: &Cx,
    context: &str,
    workload: &ObjectRef,
    asked: &Asked,
    writes: &mut Vec<Write>,
    awaited: &mut Vec<Awaited>,
) -> Result<(), Stop> {
    let Some(replicas) = asked.replicas.map(u64::from) else { return Ok(()) };
    let answer = regions::ask(cx, context, workload.path()).await?;
    let words = format!("{}/{}", workload.namespace, workload.name);
    if answer.status == 404 {
        // The manifest that makes it says how many pods it has.
        let made = writes.iter().any(|w| w.context == context && w.call.path.contains(&workload.path()));
        let why = format!("{context} has no {workload}: --apply FILE makes it there");
        if !made {
            cx.guard(&format!("{context} has {words}"), false, why);
        }
        return Ok(());
    }
    if !answer.ok() {
        return Err(Stop::Failed(format!("{context}: {workload}: {}: {}", answer.status, answer.message())));
    }
    let object = answer.body;
    let have = object["spec"]["replicas"].as_u64().unwrap_or(1);
    if have > replicas {
        let why = format!("{context}: {words} has {have} pods; a failover takes none away");
        cx.guard(&format!("{context} keeps its pods"), false, why);
        return Ok(());
    }
    regions::room(cx, context, &workload.namespace, &object["spec"]["template"], replicas - have).await?;
    cx.impact(
        format!("{context}: {words} {have} → {replicas} pods"),
        Severity::Warning,
        "its own rollout stays as it is",
    );
    autoscaler(cx, context, workload, asked, replicas, writes).await?;
    if have < replicas {
        writes.push(Write {
            context: context.to_owned(),
            call: Call {
                verb: Verb::Patch,
                path: format!("{}/scale", workload.path()),
                content_type: MERGE.into(),
                body: Some(json!({"spec": {"replicas": replicas}})),
            },
            what: format!("{words} has {replicas} pods"),
        });
    }
    awaited.push(Awaited { context: context.to_owned(), workload: workload.clone(), replicas });
    Ok(())
}

/// Plans other bounds of the autoscaler that owns the number.
async fn autoscaler(
    cx: &Cx,
    context: &str,
    workload: &ObjectRef,
    asked: &Asked,
    replicas: u64,
    writes: &mut Vec<Write>,
) -> Result<(), Stop> {
    let path = format!("/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers", workload.namespace);
    let all = regions::get(cx, context, path.as_str()).await?;
    let its = |a: &&Value| {
        let target = &a["spec"]["scaleTargetRef"];
        target["kind"] == workload.kind.name() && target["name"] == *workload.name
    };
    let Some(found) = all["items"].as_array().into_iter().flatten().find(its) else {
        if asked.max.is_some() {
            let detail = format!("--max-replicas has nothing to change for {workload}");
            cx.impact(format!("{context} has no autoscaler for it"), Severity::Info, detail);
        }
        return Ok(());
    };
    let name = found["metadata"]["name"].as_str().unwrap_or("");
    let (min, max) = (
        found["spec"]["minReplicas"].as_u64().unwrap_or(1),
        found["spec"]["maxReplicas"].as_u64().unwrap_or(1),
    );
    let (low, high) = (min.max(replicas), max.max(replicas).max(asked.max.map_or(0, u64::from)));
    if (low, high) == (min, max) {
        return Ok(());
    }
    let what = format!("autoscaler {}/{name} keeps {low} to {high} pods", workload.namespace);
    let detail = format!("before: {min} to {max}; it would take the new pods away again");
    cx.impact(format!("{context}: {what}"), Severity::Warning, detail);
    writes.push(Write {
        context: context.to_owned(),
        call: Call {
            verb: Verb::Patch,
            path: format!("{path}/{name}"),
            content_type: MERGE.into(),
            body: Some(json!({"spec": {"minReplicas": low, "maxReplicas": high}})),
        },
        what,
    });
    Ok(())
}

/// Plans the other weights of the route.
async fn turn(cx: &Cx, route: &Route, asked: &Asked) -> Result<Turn, Stop> {
    let group = cx.get(format!("/apis/{}", route.divider.group())).await?;
    let version = group["preferredVersion"]["version"].as_str().unwrap_or("v1");
    let path = format!(
        "/apis/{}/{version}/namespaces/{}/{}/{}",
        route.divider.group(),
        route.namespace,
        route.divider.plural(),
        route.name
    );
    let words = format!("{} {}/{}", route.divider.word(), route.namespace, route.name);
    let object = cx.get(path.clone()).await?;
    let divided = routes::divide(route.divider, &object, &asked.to)
        .map_err(|why| Stop::Refused(format!("{words}: {why}; nothing was changed")))?;
    let mut body = divided.patch;
    // A change in between is a conflict, not a loss.
    body["metadata"]["resourceVersion"] = object["metadata"]["resourceVersion"].clone();
    body["metadata"]["uid"] = object["metadata"]["uid"].clone();
    let kind = ObjectRef::new(Kind::Namespace, "", "");
    let shown = ObjectRef { name: format!("{words} (traffic)").into(), ..kind };
    cx.change(shown, diff::unified(&diff::essence(&object), &diff::essence(&change::merged(&object, &body))));
    cx.warn_of_owner(&object);
    for (host, before, after) in &divided.hosts {
        let severity = if *after == 0 && *before > 0 { Severity::Critical } else { Severity::Info };
        cx.impact(format!("{host}: weight {before} → {after}"), severity, words.clone());
    }
    cx.impact("the way back", Severity::Info, back(route, asked, &divided.hosts));
    let call = Call { verb: Verb::Patch, path: path.clone(), content_type: MERGE.into(), body: Some(body) };
    Ok(Turn { path, words, call, hosts: divided.hosts })
}

/// The command that sets the weights of before, where each host's context is known; else the weights.
fn back(route: &Route, asked: &Asked, hosts: &[(String, u64, u64)]) -> String {
    let heir =
        |host: &str| asked.to.iter().find(|heir| routes::is(heir, host)).map(|heir| heir.context.as_str());
    let before: Vec<&(String, u64, u64)> = hosts.iter().filter(|(_, before, _)| *before > 0).collect();
    // The one host that no region takes over is that of the region which is left.
    let others = before.iter().filter(|(host, ..)| heir(host).is_none()).count();
    let context = |host: &str| heir(host).or(asked.from.as_deref().filter(|_| others == 1));
    let known: Option<Vec<String>> =
        before.iter().map(|(host, n, _)| Some(format!("{}={n}@{host}", context(host)?))).collect();
    match known {
        Some(parts) => format!(
            "khud do failover --to {} --route {}/{}/{}",
            kubectl::quoted(&parts.join(",")),
            route.namespace,
            route.divider.word(),
            route.name
        ),
        None => before.iter().map(|(host, n, _)| format!("{host} {n}")).collect::<Vec<_>>().join(", "),
    }
}

/// Waits until the pods are ready; those that are not in time, in words.
async fn ready(cx: &Cx, awaited: &[Awaited]) -> Result<Vec<String>, Stop> {
    cx.stage(Stage::Watching);
    let until = cx.now().plus(cx.options().timeout.unwrap_or(READY));
    loop {
        let mut items = Vec::new();
        let mut late = Vec::new();
        for a in awaited {
            let now = regions::get(cx, &a.context, a.workload.path()).await?;
            let ready = now["status"]["readyReplicas"].as_u64().unwrap_or(0);
            let seen = now["status"]["observedGeneration"].as_u64() >= now["metadata"]["generation"].as_u64();
            let what = format!("{}: {}/{}", a.context, a.workload.namespace, a.workload.name);
            if ready < a.replicas || !seen {
                late.push(format!("{what} has {ready} of {} ready pods", a.replicas));
            }
            items.push((what, format!("{ready} of {} ready", a.replicas)));
        }
        if late.is_empty() || cx.now() >= until {
            return Ok(late);
        }
        let done = (awaited.len() - late.len()) as u64;
        let line = format!("{done} of {} regions have their pods", awaited.len());
        cx.progress(Progress { line, done, total: awaited.len() as u64, items });
        cx.sleep(EVERY).await?;
    }
}
