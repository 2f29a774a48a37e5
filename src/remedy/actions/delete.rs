//! Delete: delete a pod, whatever its disruption budget says.

use serde_json::json;

use crate::remedy::action::{Action, Right};
use crate::remedy::cx::Cx;
use crate::remedy::plan::Impact;
use crate::remedy::run::{Job, Params};
use crate::remedy::{pods, together};
use crate::world::ask::{Call, Verb};
use crate::world::{Kind, ObjectRef, World};

pub(super) static ACTION: Action = Action {
    name: "delete",
    title: "Delete",
    about: "delete the pod, whatever its disruption budget says",
    kinds: &[Kind::Pod],
    options: &[],
    rights: &[Right::on_target("delete")],
    causes: &[("ready.", 4), ("proxy.", 1)],
    dangerous: true,
    sequential: false,
    kubectl,
    combined,
    start,
};

fn kubectl(target: &ObjectRef, _: &Params) -> String {
    format!("kubectl delete pod {} -n {}", target.name, target.namespace)
}

fn combined(world: &World, targets: &[ObjectRef]) -> Vec<Impact> {
    together::pods(world, false, targets)
}

fn start(cx: Cx, target: ObjectRef, _: Params) -> Result<Job, String> {
    Ok(Box::pin(async move {
        let object = pods::plan(&cx, &target, "delete").await?;
        let uid = object["metadata"]["uid"].as_str().unwrap_or("").to_owned();
        cx.guards().await?;
        cx.cleared()?;
        let call = Call {
            verb: Verb::Delete,
            path: target.path(),
            content_type: "application/json".into(),
            body: Some(json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}})),
        };
        cx.dry_run(&call).await?;
        cx.confirm(format!("Delete {target}?"), Some(target.name.clone())).await?;
        cx.apply(call).await?;
        pods::gone(&cx, &target, &uid).await
    }))
}
