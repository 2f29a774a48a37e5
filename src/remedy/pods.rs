//! Single pods: what the actions that remove one share.

use serde_json::{Value, json};

use super::cx::Cx;
use super::diff;
use super::guard::budgets_of;
use super::plan::{Severity, Stage};
use super::run::{Done, Stop};
use crate::judge::patterns::budget_refusal;
use crate::world::ask::{Answer, Call, Verb};
use crate::world::{ObjectRef, Pod, Uid};

/// The eviction of one pod, of exactly the incarnation that was looked at.
///
/// `grace`: seconds; `None` is the pod's own.
pub(super) fn eviction(pod: &ObjectRef, uid: &str, grace: Option<u32>) -> Call {
    let mut body = json!({
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod.name, "namespace": pod.namespace},
    });
    if !uid.is_empty() {
        body["deleteOptions"] = json!({"preconditions": {"uid": uid}});
    }
    if let Some(seconds) = grace {
        body["deleteOptions"]["gracePeriodSeconds"] = json!(seconds);
    }
    Call {
        verb: Verb::Post,
        path: format!("{}/eviction", pod.path()),
        content_type: "application/json".into(),
        body: Some(body),
    }
}

/// What a refused eviction says, with the budget's own cause, which kubectl leaves out.
pub(super) fn refusal(answer: &Answer) -> String {
    let causes = answer.body["details"]["causes"].as_array();
    let cause = causes.into_iter().flatten().find_map(|c| c["message"].as_str());
    match cause.and_then(budget_refusal) {
        Some(r) => format!("budget {} needs {} healthy pods and has {}", r.budget, r.needs, r.has),
        None => cause.map_or_else(|| answer.message(), str::to_owned),
    }
}

pub(super) async fn plan(cx: &Cx, target: &ObjectRef, verb: &str) -> Result<Value, Stop> {
    let object = cx.target(target).await?;
    cx.change(target.clone(), diff::unified(&json!({"pod": &*target.name}), &json!({"pod": Value::Null})));
    let pod = target.clone();
    let (owner, budgets, local, mirror) = cx
        .look(move |world, _| {
            let p = world.pods.find(&pod.namespace, &pod.name);
            let owner = p.and_then(|p| p.meta.owner.as_ref()).map(|_| world.root(&pod).to_string());
            let is = |what: fn(&Pod) -> bool| p.is_some_and(what);
            (owner, budgets_of(world, &pod), is(|p| p.spec.empty_dir), is(|p| p.mirror))
        })
        .await?;
    if mirror {
        let why = "its node's kubelet runs it from a file and makes it anew; take the file away there";
        cx.guard("static pod", false, why);
    }
    match owner {
        Some(owner) => cx.impact("pod is replaced", Severity::Info, format!("{owner} makes a new one")),
        None => cx.impact("pod is gone for good", Severity::Critical, "no controller makes a new one"),
    }
    if local {
        cx.impact("emptyDir is lost", Severity::Warning, "its local storage goes with the pod");
    }
    for (text, free) in budgets {
        if verb == "evict" {
            let severity = if free { Severity::Info } else { Severity::Critical };
            cx.impact("disruption budget", severity, text);
        } else if !free {
            cx.impact("disruption budget is passed over", Severity::Critical, text);
        }
    }
    Ok(object)
}

/// Waits until the pod of that uid is gone.
pub(super) async fn gone(cx: &Cx, target: &ObjectRef, uid: &str) -> Result<Done, Stop> {
    cx.stage(Stage::Watching);
    let wait = cx.options().timeout.unwrap_or(std::time::Duration::from_secs(300));
    let (pod, uid) = (target.clone(), Uid::from(uid));
    let seen = cx
        .until(Some(cx.now().plus(wait)), move |world, _| {
            world.pods.find(&pod.namespace, &pod.name).is_none_or(|p| p.meta.uid != uid).then_some(())
        })
        .await?;
    Ok(match seen {
        Some(()) => Done::Verified(format!("{target} is gone")),
        None => Done::Applied(format!("{target} is still terminating after {} s", wait.as_secs())),
    })
}
