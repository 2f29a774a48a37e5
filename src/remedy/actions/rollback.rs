//! Rollback: the request `kubectl rollout undo` sends, behind khud's guards.
//!
//! Deployment: the ReplicaSet of the wanted revision gives template and annotations; one JSON patch replaces both.
//! StatefulSet and DaemonSet: the ControllerRevision gives the template. Unlike kubectl's, the patch tests the uid and the
//! generation first: a racing change of the spec is never overwritten, and a status update does not get in the way.
//! Source: kubectl `pkg/polymorphichelpers/rollback.go`.

use serde_json::{Map, Value, json};

use crate::remedy::action::{Action, Right, Spec};
use crate::remedy::cx::Cx;
use crate::remedy::diff;
use crate::remedy::guard::configuration;
use crate::remedy::plan::Severity;
use crate::remedy::revisions::{self, Revision};
use crate::remedy::rollout::{self, Baseline};
use crate::remedy::run::{Done, JSON_PATCH, Job, Params, Stop, patch};
use crate::world::ask::Call;
use crate::world::{Kind, ObjectRef};

pub(super) static ACTION: Action = Action {
    title: "Roll back",
    about: "put the pod template of an earlier revision back",
    kinds: &[Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet],
    options: &[Spec::value(
        "to-revision",
        "N",
        "the revision to go back to (default: the newest known to run)",
    )],
    rights: &[Right::on_target("patch")],
    causes: &[
        ("image.", 1),
        ("crash.oom-limit", 6),
        ("crash.oom-heap", 5),
        ("memory.leak", 5),
        ("memory.near-limit", 6),
        ("jvm.unbounded-cache", 5),
        ("crash.", 1),
        ("container.", 1),
        ("config.", 1),
        ("ready.probe", 1),
        ("ready.unknown", 1),
        ("schedule.", 1),
        ("schedule.insufficient", 1),
        ("quota.", 1),
        ("quota.exceeded", 2),
        ("rollout.paused", 2),
        ("rollout.", 1),
    ],
    kubectl,
    ..Action::new("rollback", start)
};

fn kubectl(target: &ObjectRef, params: &Params) -> String {
    let kind = target.kind.name().to_ascii_lowercase();
    let to = params.get("to-revision").map_or_else(String::new, |n| format!(" --to-revision={n}"));
    format!("kubectl rollout undo {kind}/{} -n {}{to}", target.name, target.namespace)
}

/// Annotations that belong to the Deployment and not to a revision.
const KEPT: &[&str] = &[
    "kubectl.kubernetes.io/last-applied-configuration",
    "deployment.kubernetes.io/revision",
    "deployment.kubernetes.io/revision-history",
    "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas",
    "deprecated.deployment.rollback.to",
];

fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    let to = match params.get("to-revision").map(|t| (t, t.parse::<i64>())) {
        None => 0,
        Some((_, Ok(n))) if n >= 0 => n,
        Some((t, _)) => return Err(format!("--to-revision {t:?} is not a revision number")),
    };
    Ok(Box::pin(async move { rollback(cx, target, to).await }))
}

async fn rollback(cx: Cx, target: ObjectRef, to: i64) -> Result<Done, Stop> {
    let object = cx.target(&target).await?;
    if target.kind == Kind::Deployment && object["spec"]["paused"].as_bool() == Some(true) {
        return Err(Stop::Refused(format!(
            "{target} is paused and cannot be rolled back; resume it first (khud do resume {})",
            target.name
        )));
    }
    let all = revisions::list(&cx, &target, &object).await?;
    let chosen = revisions::choose(&all, to, &target)?;
    let call = put_back(&cx, &target, &object, &chosen)?;
    let Revision { number: revision, template, created, .. } = chosen.clone();
    // kubectl goes to the one before where no number is given.
    if all.get(1).is_some_and(|before| before.number != revision) {
        let mut params = cx.params();
        params.insert("to-revision".to_owned(), revision.to_string());
        cx.kubectl(kubectl(&target, &params));
    }
    let desired = (target.kind != Kind::DaemonSet).then(|| object["spec"]["replicas"].as_u64().unwrap_or(1));
    let others = all.iter().filter(|r| r.name != chosen.name).map(|r| r.pods).sum();
    cx.impact(
        replaced(others, chosen.pods, desired),
        Severity::Warning,
        format!("back to revision {revision}, {}", strategy(&object)),
    );
    revisions::explain(&cx, &all, &chosen);
    let namespace = target.namespace.clone();
    let spec = template.clone();
    let (named, changed) = cx.look(move |world, _| configuration(&spec, &namespace, world, created)).await?;
    if !changed.is_empty() {
        cx.impact(
            "configuration is newer than that revision",
            Severity::Warning,
            format!("not rolled back, and changed since: {}", changed.join(", ")),
        );
    } else if !named.is_empty() {
        cx.impact(
            "configuration is not rolled back",
            Severity::Info,
            format!("it keeps reading {}", named.join(", ")),
        );
    }
    cx.warn_of_owner(&object);
    cx.guards().await?;
    cx.cleared()?;
    let after = cx.dry_run(&call).await?;
    cx.change(target.clone(), diff::unified(&diff::essence(&object), &diff::essence(&after)));
    cx.confirm(format!("Roll {target} back to revision {revision}?"), None).await?;
    let baseline = Baseline::take(&cx, &target).await?;
    let done = cx.apply(call).await?;
    let generation = done["metadata"]["generation"].as_i64().unwrap_or(i64::MAX);
    match rollout::watch(&cx, &target, generation, baseline).await? {
        Done::Verified(line) => {
            Ok(Done::Verified(format!("{target} runs revision {revision}'s template: {line}")))
        }
        applied => Ok(applied),
    }
}

/// How many pods go, come and stay where `go` are of other revisions and `have` of the wanted one; without a wanted
/// number, one on each node.
fn replaced(go: usize, have: usize, desired: Option<u64>) -> String {
    let pods = |n: u64| format!("{n} pod{}", if n == 1 { "" } else { "s" });
    let desired = desired.unwrap_or((go + have) as u64);
    let stay = (have as u64).min(desired);
    match (go as u64, desired - stay, stay) {
        (0, 0, stay) => format!("no pods replaced: {} of that revision stay", pods(stay)),
        (go, come, 0) if go == come => format!("{} replaced", pods(go)),
        (go, come, stay) => {
            let counts = [(go, "goes", "go"), (come, "comes", "come"), (stay, "stays", "stay")];
            let said = counts.iter().filter(|(n, ..)| *n > 0);
            let said = said.map(|(n, one, many)| format!("{n} {}", if *n == 1 { one } else { many }));
            format!("pods: {}", said.collect::<Vec<_>>().join(", "))
        }
    }
}

fn strategy(object: &Value) -> String {
    let s = if object["spec"]["strategy"].is_object() {
        &object["spec"]["strategy"]
    } else {
        &object["spec"]["updateStrategy"]
    };
    let kind = s["type"].as_str().unwrap_or("RollingUpdate");
    let part = |key: &str| match &s["rollingUpdate"][key] {
        Value::Null => None,
        Value::String(text) => Some(format!("{key} {text}")),
        other => Some(format!("{key} {other}")),
    };
    match (kind, part("maxSurge"), part("maxUnavailable")) {
        ("Recreate", ..) => "all at once (Recreate)".to_owned(),
        ("OnDelete", ..) => "only as pods are deleted (OnDelete)".to_owned(),
        (_, surge, unavailable) => {
            let parts: Vec<String> = [surge, unavailable].into_iter().flatten().collect();
            if parts.is_empty() {
                "one after another".to_owned()
            } else {
                format!("rolling with {}", parts.join(", "))
            }
        }
    }
}

/// The patch that puts the revision's template back, after what the plan shows of it.
fn put_back(cx: &Cx, target: &ObjectRef, object: &Value, to: &Revision) -> Result<Call, Stop> {
    let mut template = to.template.clone();
    if !template.is_object() {
        return Err(Stop::Failed(format!("revision {} of {target} holds no pod template", to.number)));
    }
    let mut current = object["spec"]["template"].clone();
    for t in [&mut template, &mut current] {
        if let Some(meta) = t["metadata"].as_object_mut() {
            // Older servers write `creationTimestamp: null` into templates; it says nothing.
            meta.remove("creationTimestamp");
        }
    }
    if template == current {
        return Err(Stop::Refused(format!(
            "nothing to roll back: {target} already runs the template of revision {}",
            to.number
        )));
    }
    let mut after = object.clone();
    after["spec"]["template"] = template.clone();
    let mut body = same_object(object);
    body.push(json!({"op": "replace", "path": "/spec/template", "value": template}));
    if target.kind == Kind::Deployment {
        let mut annotations = Map::new();
        let all = |of: &Value| of.as_object().cloned().unwrap_or_default();
        let own = &object["metadata"]["annotations"];
        annotations.extend(all(own).into_iter().filter(|(k, _)| KEPT.contains(&k.as_str())));
        annotations.extend(all(&to.annotations).into_iter().filter(|(k, _)| !KEPT.contains(&k.as_str())));
        // `replace` needs something to replace.
        let op = if own.is_object() { "replace" } else { "add" };
        body.push(json!({"op": op, "path": "/metadata/annotations", "value": annotations}));
        after["metadata"]["annotations"] = Value::Object(annotations);
    }
    cx.change(target.clone(), diff::unified(&diff::essence(object), &diff::essence(&after)));
    Ok(patch(target, JSON_PATCH, Value::Array(body)))
}

/// The tests that end the patch where the object is another one by now, or its spec was changed since.
fn same_object(object: &Value) -> Vec<Value> {
    let tests = ["uid", "generation"].map(|field| (field, &object["metadata"][field]));
    let there = tests.iter().filter(|(_, value)| !value.is_null());
    there
        .map(|(field, value)| json!({"op": "test", "path": format!("/metadata/{field}"), "value": value}))
        .collect()
}
