//! Delete: delete any object, with what goes with it; of a pod, whatever its disruption budget says.

use std::time::Duration;

use serde_json::{Value, json};

use crate::remedy::action::{Action, Right, Spec};
use crate::remedy::cx::Cx;
use crate::remedy::plan::Impact;
use crate::remedy::run::{Job, Params};
use crate::remedy::{diff, kubectl, leftovers, owned, pods, seen, together};
use crate::world::ask::{Call, Verb};
use crate::world::{Kind, ObjectRef, World};

pub(super) static ACTION: Action = Action {
    title: "Delete",
    about: "delete it, with what goes with it; a pod whatever its budget says",
    options: &[
        Spec::value("grace-period", "SECONDS", "the time its processes have to end, instead of its own"),
        leftovers::EVICTED,
        leftovers::COMPLETED,
        Spec::flag("without-backup", "delete a CustomResourceDefinition though it has objects"),
    ],
    rights: &[Right::on_target("delete")],
    causes: &[("proxy.", 1)],
    dangerous: true,
    // A pod comes back. Deleting its workload, its node or its Service cures nothing.
    remedy_for: &[Kind::Pod],
    kubectl,
    combined,
    ..Action::new("delete", start)
};

fn kubectl(target: &ObjectRef, params: &Params) -> String {
    if let Ok(Some(which)) = leftovers::which(target, params) {
        return which.kubectl(target);
    }
    format!("kubectl delete {}{}", kubectl::object(target), kubectl::options(params, &["grace-period"]))
}

fn combined(world: &World, targets: &[ObjectRef]) -> Vec<Impact> {
    let of_pods: Vec<ObjectRef> = targets.iter().filter(|t| t.kind == Kind::Pod).cloned().collect();
    together::pods(world, false, &of_pods)
}

/// How long an object may take to go; a pod has its own time.
const WAIT: Duration = Duration::from_secs(60);

fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    let grace = match params.get("grace-period").map(|t| (t, t.parse::<u32>())) {
        None => None,
        Some((_, Ok(seconds))) => Some(seconds),
        Some((t, Err(_))) => return Err(format!("--grace-period {t:?} is not a number of seconds")),
    };
    if let Some(which) = leftovers::which(&target, &params)? {
        return Ok(Box::pin(async move { leftovers::remove(&cx, &target, which).await }));
    }
    Ok(Box::pin(async move {
        let object = if target.kind == Kind::Pod {
            pods::plan(&cx, &target, "delete").await?
        } else {
            let object = cx.target(&target).await?;
            cx.change(target.clone(), diff::unified(&diff::essence(&object), &Value::Null));
            cx.warn_of_owner(&object);
            owned::explain(&cx, &target, &object).await?;
            object
        };
        let uid = object["metadata"]["uid"].as_str().unwrap_or("").to_owned();
        cx.guards().await?;
        cx.cleared()?;
        let mut options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}});
        if target.kind != Kind::Pod {
            // The default of some kinds is to leave what they own behind.
            options["propagationPolicy"] = json!("Background");
        }
        if let Some(seconds) = grace {
            options["gracePeriodSeconds"] = json!(seconds);
        }
        let call = Call {
            verb: Verb::Delete,
            path: target.path(),
            content_type: "application/json".into(),
            body: Some(options),
        };
        cx.dry_run(&call).await?;
        cx.confirm(format!("Delete {target}?"), Some(target.name.clone())).await?;
        cx.apply(call).await?;
        if target.kind == Kind::Pod {
            return pods::gone(&cx, &target, &uid).await;
        }
        seen::gone(&cx, &target, &uid, WAIT).await
    }))
}
