//! Force-delete: take a pod out of the API without waiting for its kubelet.

use serde_json::json;

use crate::remedy::action::{Action, Right};
use crate::remedy::cx::Cx;
use crate::remedy::plan::{Impact, Severity};
use crate::remedy::run::{Job, Params};
use crate::remedy::{kubectl, pods, together};
use crate::world::ask::{Call, Verb};
use crate::world::{Kind, ObjectRef, Status, World, condition};

pub(super) static ACTION: Action = Action {
    title: "Force-delete",
    about: "take a pod out of the API without waiting for its kubelet",
    kinds: &[Kind::Pod],
    rights: &[Right::on_target("delete")],
    causes: &[("delete.stuck", 1)],
    dangerous: true,
    kubectl,
    combined,
    ..Action::new("force-delete", start)
};

fn kubectl(target: &ObjectRef, _: &Params) -> String {
    format!("kubectl delete {} --grace-period=0 --force", kubectl::object(target))
}

fn combined(world: &World, targets: &[ObjectRef]) -> Vec<Impact> {
    together::pods(world, false, targets)
}

/// The state of the pod and of its node.
struct State {
    node: String,
    /// `None`: the node is not there any more.
    ready: Option<bool>,
    terminating: bool,
    of_stateful_set: bool,
}

fn state(world: &World, target: &ObjectRef) -> Option<State> {
    let pod = world.pods.find(&target.namespace, &target.name)?;
    let node = world.nodes.find("", &pod.node);
    let ready = |c: &crate::world::Condition| c.status == Status::True;
    Some(State {
        node: pod.node.to_string(),
        ready: node.map(|n| condition(&n.conditions, "Ready").is_some_and(ready)),
        terminating: pod.meta.deleting.is_some(),
        of_stateful_set: pod.meta.owner.as_ref().is_some_and(|o| o.kind == Kind::StatefulSet),
    })
}

fn start(cx: Cx, target: ObjectRef, _: Params) -> Result<Job, String> {
    Ok(Box::pin(async move {
        let object = pods::plan(&cx, &target, "delete").await?;
        let uid = object["metadata"]["uid"].as_str().unwrap_or("").to_owned();
        let of = target.clone();
        let Some(state) = cx.look(move |world, _| state(world, &of)).await? else {
            cx.guard(
                "the pod is seen",
                false,
                "khud does not watch this pod, so it does not know its node's state",
            );
            cx.cleared()?;
            return Err(crate::remedy::run::Stop::Refused("the pod is not seen".to_owned()));
        };
        let node = &state.node;
        match state.ready {
            _ if node.is_empty() => cx.impact("it runs on no node", Severity::Info, "nothing is left behind"),
            Some(true) => cx.impact(
                format!("its kubelet on {node} works"),
                Severity::Critical,
                "the processes may run on for a while, unseen; a plain delete is enough",
            ),
            Some(false) => cx.impact(
                format!("node {node} is not ready"),
                Severity::Critical,
                "if the machine runs, the processes run on, with their volumes and their ports",
            ),
            None => {
                cx.impact(format!("node {node} is gone"), Severity::Info, "its processes are gone with it")
            }
        }
        if state.of_stateful_set && state.ready.is_some() {
            let detail = "the StatefulSet makes a pod of the same name at once: two may write to the same data. \
                          Make sure that the machine is off";
            cx.impact("two of one identity", Severity::Critical, detail);
        }
        if !state.terminating {
            let detail = "try a plain delete first: this one is for a pod that stays terminating";
            cx.impact("it is not terminating", Severity::Warning, detail);
        }
        cx.guards().await?;
        cx.cleared()?;
        let call = Call {
            verb: Verb::Delete,
            path: target.path(),
            content_type: "application/json".into(),
            body: Some(json!({"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0,
                "preconditions": {"uid": uid}})),
        };
        cx.dry_run(&call).await?;
        cx.confirm(format!("Delete {target} without waiting for its kubelet?"), Some(target.name.clone()))
            .await?;
        cx.apply(call).await?;
        pods::gone(&cx, &target, &uid).await
    }))
}
