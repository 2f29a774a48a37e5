//! Whether the scheduler may place pods on a node: the patch, its plan and its verification.

use serde_json::{Value, json};

use super::cx::Cx;
use super::diff;
use super::forecast::takes_pods_of;
use super::plan::{Severity, Stage};
use super::run::{Done, STRATEGIC, Stop, patch};
use crate::world::quantity::bytes;
use crate::world::{ObjectRef, World};

pub(super) async fn set(cx: Cx, target: ObjectRef, wanted: bool) -> Result<Done, Stop> {
    let word = if wanted { "cordon" } else { "uncordon" };
    let object = cx.target(&target).await?;
    if (object["spec"]["unschedulable"].as_bool() == Some(true)) == wanted {
        return Ok(Done::Verified(format!("{target} is already {word}ed; nothing was sent")));
    }
    let mut after = object.clone();
    if wanted {
        after["spec"]["unschedulable"] = json!(true);
    } else if let Some(spec) = after["spec"].as_object_mut() {
        spec.remove("unschedulable");
    }
    cx.change(target.clone(), diff::unified(&diff::essence(&object), &diff::essence(&after)));
    let node = target.clone();
    let (pods, left) = cx.look(move |world, _| consequences(world, &node)).await?;
    if wanted {
        cx.impact(
            format!("{pods} pods stay"),
            Severity::Info,
            "running pods go on; no new pod is placed there",
        );
        cx.impact("capacity leaves the scheduler", Severity::Warning, left);
    } else {
        cx.impact("pods may be placed there again", Severity::Info, left);
    }
    cx.guards().await?;
    cx.cleared()?;
    let call = body(&cx, &target, wanted);
    let dry = cx.dry_run(&call).await?;
    cx.change(target.clone(), diff::unified(&diff::essence(&object), &diff::essence(&dry)));
    cx.confirm(format!("{} {target}?", if wanted { "Cordon" } else { "Uncordon" }), None).await?;
    cx.apply(call).await?;
    verify(&cx, &target, wanted).await
}

/// The request kubectl sends, `true` and `null` to undo, for no other node than the one planned for.
pub(super) fn body(cx: &Cx, target: &ObjectRef, wanted: bool) -> crate::world::ask::Call {
    let value = if wanted { Value::Bool(true) } else { Value::Null };
    patch(target, STRATEGIC, cx.pinned(json!({"spec": {"unschedulable": value}})))
}

async fn verify(cx: &Cx, target: &ObjectRef, wanted: bool) -> Result<Done, Stop> {
    cx.stage(Stage::Watching);
    let wait = cx.options().timeout.unwrap_or(std::time::Duration::from_secs(30));
    let node = target.clone();
    let seen = cx
        .until(Some(cx.now().plus(wait)), move |world, _| {
            let n = world.nodes.find("", &node.name)?;
            (n.unschedulable == wanted).then_some(())
        })
        .await?;
    let word = if wanted { "cordoned" } else { "schedulable" };
    Ok(match seen {
        Some(()) => Done::Verified(format!("{target} is {word}")),
        None => Done::Applied(format!(
            "accepted, but the watch has not shown {target} {word} after {} s",
            wait.as_secs()
        )),
    })
}

/// Pods on the node, and what it offers.
fn consequences(world: &World, target: &ObjectRef) -> (usize, String) {
    let pods = world.pods_on(&target.name).count();
    let Some(n) = world.nodes.find("", &target.name) else {
        return (pods, "its capacity is not known".to_owned());
    };
    let mut parts = Vec::new();
    if let Some(cpu) = n.allocatable.cpu {
        parts.push(format!("{} cpu", cpu / 1000));
    }
    if let Some(memory) = n.allocatable.memory {
        parts.push(format!("{} memory", bytes(memory)));
    }
    if let Some(gpu) = n.allocatable.gpu.filter(|g| *g > 0) {
        parts.push(format!("{gpu} GPUs"));
    }
    let others = world.nodes.values().filter(|o| takes_pods_of(o, n) && o.meta.name != n.meta.name).count();
    (pods, format!("{} of {}; {others} other nodes take its pods", parts.join(", "), n.meta.name))
}
