//! Evict: ask a pod to go, within its disruption budget.

use crate::remedy::action::{Action, Right};
use crate::remedy::cx::Cx;
use crate::remedy::plan::{Impact, Stage};
use crate::remedy::run::{Job, Params, Stop};
use crate::remedy::{pods, together};
use crate::world::{Kind, ObjectRef, World};

pub(super) static ACTION: Action = Action {
    title: "Evict",
    about: "ask the pod to go, within its disruption budget",
    kinds: &[Kind::Pod],
    rights: &[Right::on_target("create").sub("eviction")],
    causes: &[("gpu.memory", 2)],
    kubectl,
    combined,
    ..Action::new("evict", start)
};

fn kubectl(target: &ObjectRef, _: &Params) -> String {
    format!(
        "kubectl create --raw {}/eviction -f - <<<'{{\"apiVersion\":\"policy/v1\",\"kind\":\"Eviction\",\"metadata\":{{\"name\":\"{}\"}}}}'",
        target.path(),
        target.name
    )
}

fn combined(world: &World, targets: &[ObjectRef]) -> Vec<Impact> {
    together::pods(world, true, targets)
}

fn start(cx: Cx, target: ObjectRef, _: Params) -> Result<Job, String> {
    Ok(Box::pin(async move {
        let object = pods::plan(&cx, &target, "evict").await?;
        let uid = object["metadata"]["uid"].as_str().unwrap_or("").to_owned();
        cx.guards().await?;
        cx.cleared()?;
        let call = pods::eviction(&target, &uid, None);
        cx.stage(Stage::DryRun);
        let mut dry = call.clone();
        dry.path.push_str("?dryRun=All");
        let answer = cx.send(dry, true).await?;
        if !answer.ok() {
            return Err(Stop::Refused(format!("{target} cannot be evicted now: {}", pods::refusal(&answer))));
        }
        cx.confirm(format!("Evict {target}?"), None).await?;
        let answer = cx.send(call, false).await?;
        if matches!(answer.status, 404 | 409)
            && let Some(why) = cx.replaced(&target).await?
        {
            return Err(Stop::Refused(format!("{why}; nothing was changed")));
        }
        if !answer.ok() {
            return Err(Stop::Failed(format!(
                "the eviction was answered {}: {}",
                answer.status,
                pods::refusal(&answer)
            )));
        }
        pods::gone(&cx, &target, &uid).await
    }))
}
