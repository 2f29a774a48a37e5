//! Restart: replace all pods of a workload under its own update strategy, by kubectl's annotation on the template.

use serde_json::json;

use crate::remedy::action::{Action, Right};
use crate::remedy::change;
use crate::remedy::cx::Cx;
use crate::remedy::rollout::{self};
use crate::remedy::run::{Job, Params, Stop};
use crate::world::{Kind, ObjectRef, Time};

pub(super) static ACTION: Action = Action {
    title: "Restart",
    about: "replace all pods under the workload's own update strategy",
    kinds: &[Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet],
    rights: &[Right::on_target("patch")],
    causes: &[
        ("crash.oom-limit", 5),
        ("crash.oom-heap", 4),
        ("memory.leak", 4),
        ("memory.near-limit", 5),
        ("jvm.unbounded-cache", 4),
        ("jvm.lock-contention", 2),
        ("pool.exhausted", 2),
        ("crash.", 2),
        ("ready.probe", 4),
        ("ready.unknown", 3),
        ("gpu.memory", 1),
        ("gpu.fragmentation", 1),
    ],
    kubectl,
    ..Action::new("restart", start)
};

fn kubectl(target: &ObjectRef, _: &Params) -> String {
    let kind = target.kind.name().to_ascii_lowercase();
    format!("kubectl rollout restart {kind}/{} -n {}", target.name, target.namespace)
}

fn start(cx: Cx, target: ObjectRef, _: Params) -> Result<Job, String> {
    Ok(Box::pin(async move {
        let object = cx.target(&target).await?;
        if object["spec"]["paused"].as_bool() == Some(true) {
            return Err(Stop::Refused(format!("{target} is paused; resume it first")));
        }
        change::replaced(&cx, &object);
        let at = cx.now().seconds();
        let at = Time(at * 1000).to_string();
        let body = json!({"spec": {"template": {"metadata": {"annotations": {
            "kubectl.kubernetes.io/restartedAt": at}}}}});
        let (done, baseline) =
            change::change(&cx, &target, &object, body, format!("Restart all pods of {target}?")).await?;
        rollout::watch(&cx, &target, change::generation(&done), baseline).await
    }))
}
