//! Pods that ended and lie about: all evicted or completed ones of a namespace, deleted at once.

use serde_json::{Value, json};

use super::action::{Action, Spec};
use super::cx::Cx;
use super::guard::Asked;
use super::kubectl;
use super::plan::{Severity, Stage};
use super::run::{Done, Params, Progress, Stop};
use crate::world::ask::{Call, Verb};
use crate::world::{Kind, ObjectRef};

pub(super) const EVICTED: Spec =
    Spec::flag("evicted", "all pods of the namespace that were evicted, without a target");
pub(super) const COMPLETED: Spec =
    Spec::flag("completed", "all pods of the namespace that ended well, without a target");

/// Which of the pods that ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Which {
    Evicted,
    Completed,
}

/// Whether the action with these options is about a whole namespace, which is its target then.
pub fn of_namespace(action: &Action, params: &Params) -> bool {
    let named =
        |spec: &Spec| params.contains_key(spec.name) && action.options.iter().any(|o| o.name == spec.name);
    named(&EVICTED) || named(&COMPLETED)
}

/// # Errors
/// A sentence: both were asked for, or something else than a namespace is the target.
pub(super) fn which(target: &ObjectRef, params: &Params) -> Result<Option<Which>, String> {
    let which = match (params.contains_key(EVICTED.name), params.contains_key(COMPLETED.name)) {
        (false, false) => return Ok(None),
        (true, true) => return Err("--evicted or --completed, one at a time".to_owned()),
        (true, false) => Which::Evicted,
        (false, true) => Which::Completed,
    };
    match target.kind {
        Kind::Namespace => Ok(Some(which)),
        _ => Err(format!("--{} is about all pods of a namespace, not about {target}", which.word())),
    }
}

impl Which {
    fn word(self) -> &'static str {
        match self {
            Which::Evicted => "evicted",
            Which::Completed => "completed",
        }
    }

    fn phase(self) -> &'static str {
        match self {
            Which::Evicted => "Failed",
            Which::Completed => "Succeeded",
        }
    }

    fn is(self, pod: &Value) -> bool {
        let status = &pod["status"];
        status["phase"] == self.phase() && (self == Which::Completed || status["reason"] == "Evicted")
    }

    /// kubectl cannot choose by the reason of a failure.
    pub fn kubectl(self, namespace: &ObjectRef) -> String {
        match self {
            Which::Evicted => String::new(),
            Which::Completed => format!(
                "kubectl delete pods -n {} --field-selector status.phase=Succeeded",
                kubectl::quoted(&namespace.name)
            ),
        }
    }
}

async fn pods(cx: &Cx, namespace: &str, which: Which) -> Result<Vec<Value>, Stop> {
    let query = format!("&fieldSelector=status.phase%3D{}", which.phase());
    let mut all = cx.list(&Kind::Pod.collection_path(namespace), &query).await?;
    all.retain(|pod| which.is(pod));
    Ok(all)
}

/// Plans, asks, deletes each pod that was looked at and no other, and looks again.
pub(super) async fn remove(cx: &Cx, namespace: &ObjectRef, which: Which) -> Result<Done, Stop> {
    let word = which.word();
    let name = &namespace.name;
    let there = cx.call(Call::get(namespace.path())).await?;
    if there.status == 404 {
        return Err(Stop::Refused(format!("there is no namespace {name}; nothing was changed")));
    }
    let found = pods(cx, name, which).await?;
    if found.is_empty() {
        return Ok(Done::Verified(format!("namespace {name} has no {word} pod; nothing was sent")));
    }
    let text = |pod: &Value, key: &str| pod["metadata"][key].as_str().unwrap_or("").to_owned();
    let some: Vec<String> = found.iter().take(5).map(|pod| text(pod, "name")).collect();
    let more = if found.len() > some.len() { ", …" } else { "" };
    let what = format!("{} {word} pods are deleted", found.len());
    cx.impact(what, Severity::Warning, format!("{}{more}", some.join(", ")));
    cx.impact(
        "their logs and statuses go with them",
        Severity::Warning,
        "`khud do bundle` keeps those of one",
    );
    if cx.may_write() {
        let asked = Asked { verb: "delete", group: "", resource: "pods", subresource: "" };
        cx.permitted(&asked, name, "").await?;
    }
    cx.cleared()?;
    let calls: Vec<Call> = found
        .iter()
        .map(|pod| Call {
            verb: Verb::Delete,
            path: ObjectRef::new(Kind::Pod, &**name, text(pod, "name").as_str()).path(),
            content_type: "application/json".into(),
            body: Some(json!({"apiVersion": "v1", "kind": "DeleteOptions",
                "preconditions": {"uid": text(pod, "uid")}})),
        })
        .collect();
    if let Some(first) = calls.first() {
        cx.dry_run(first).await?;
    }
    cx.confirm(format!("Delete {} {word} pods of {name}?", calls.len()), Some(name.clone())).await?;
    let total = calls.len() as u64;
    for (i, call) in calls.into_iter().enumerate() {
        let line = format!("{i} of {total} pods are deleted");
        cx.progress(Progress { line, done: i as u64, total, ..Progress::default() });
        let what = call.path.clone();
        let answer = cx.send(call, false).await?;
        // Gone already, or another pod has the name now.
        if !answer.ok() && !matches!(answer.status, 404 | 409) {
            return Err(Stop::Failed(format!(
                "DELETE {what} was answered {}: {}; {i} of {total} pods were deleted before it",
                answer.status,
                answer.message()
            )));
        }
    }
    cx.stage(Stage::Watching);
    let uids: Vec<String> = found.iter().map(|pod| text(pod, "uid")).collect();
    let until = cx.now().plus(cx.options().timeout.unwrap_or(std::time::Duration::from_secs(60)));
    loop {
        let left = pods(cx, name, which).await?;
        let left = left.iter().filter(|pod| uids.contains(&text(pod, "uid"))).count();
        match left {
            0 => return Ok(Done::Verified(format!("{total} {word} pods of {name} are gone"))),
            n if cx.now() >= until => {
                return Ok(Done::Applied(format!(
                    "{n} of {total} {word} pods of {name} are still there: a finalizer holds them"
                )));
            }
            _ => cx.sleep(std::time::Duration::from_secs(2)).await?,
        }
    }
}
