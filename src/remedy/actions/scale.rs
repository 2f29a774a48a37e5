//! Scale: another number of pods, through the scale subresource.

use serde_json::json;

use crate::remedy::action::{Action, Right, Spec};
use crate::remedy::cx::Cx;
use crate::remedy::diff;
use crate::remedy::plan::{Severity, Stage};
use crate::remedy::rollout::{self, Baseline};
use crate::remedy::run::{Done, Job, Params};
use crate::world::ask::{Call, Verb};
use crate::world::{Kind, ObjectRef};

pub(super) static ACTION: Action = Action {
    title: "Scale",
    about: "change the number of pods",
    kinds: &[Kind::Deployment, Kind::StatefulSet, Kind::ReplicaSet],
    options: &[Spec::value("replicas", "N", "how many pods").required()],
    rights: &[Right::on_target("patch").sub("scale")],
    causes: &[
        ("schedule.insufficient", 4),
        ("schedule.host-port", 2),
        ("schedule.too-many-pods", 1),
        ("quota.exceeded", 3),
    ],
    kubectl,
    ..Action::new("scale", start)
};

fn kubectl(target: &ObjectRef, params: &Params) -> String {
    let kind = target.kind.name().to_ascii_lowercase();
    let replicas = params.get("replicas").map_or("", String::as_str);
    format!("kubectl scale {kind}/{} -n {} --replicas={replicas}", target.name, target.namespace)
}

fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    let wanted: u32 = params
        .get("replicas")
        .and_then(|r| r.parse().ok())
        .ok_or_else(|| "scale needs --replicas N, a number of pods".to_owned())?;
    Ok(Box::pin(async move {
        let object = cx.target(&target).await?;
        let have = object["spec"]["replicas"].as_u64().unwrap_or(1);
        if have == u64::from(wanted) {
            return Ok(Done::Verified(format!("{target} already wants {wanted} replicas; nothing was sent")));
        }
        let severity = if wanted == 0 { Severity::Critical } else { Severity::Warning };
        let detail = if u64::from(wanted) < have {
            "the pods that go are chosen by the controller; disruption budgets do not apply"
        } else {
            "new pods need room on the nodes and in the namespace's quota"
        };
        cx.impact(format!("{have} → {wanted} pods"), severity, detail);
        let wl = target.clone();
        let scaler = cx
            .look(move |world, _| {
                world
                    .autoscalers
                    .values()
                    .find(|a| {
                        a.meta.namespace == wl.namespace
                            && *a.target_kind == *wl.kind.name()
                            && a.target_name == wl.name
                    })
                    .map(|a| (a.meta.name.to_string(), a.min, a.max))
            })
            .await?;
        if let Some((name, min, max)) = scaler {
            cx.impact(
                format!("autoscaler {name} owns the number"),
                Severity::Warning,
                format!("it keeps {min} to {max} pods and may change it again at once"),
            );
        }
        cx.warn_of_owner(&object);
        let mut after = object.clone();
        after["spec"]["replicas"] = json!(wanted);
        cx.change(target.clone(), diff::unified(&diff::essence(&object), &diff::essence(&after)));
        cx.guards().await?;
        cx.cleared()?;
        let call = Call {
            verb: Verb::Patch,
            path: format!("{}/scale", target.path()),
            content_type: "application/merge-patch+json".into(),
            body: Some(cx.pinned(json!({"spec": {"replicas": wanted}}))),
        };
        cx.dry_run(&call).await?;
        let typed = (wanted == 0).then(|| target.name.clone());
        cx.confirm(format!("Scale {target} from {have} to {wanted}?"), typed).await?;
        let baseline = Baseline::take(&cx, &target).await?;
        cx.apply(call).await?;
        cx.stage(Stage::Watching);
        let wl = target.clone();
        let wait = std::time::Duration::from_secs(30);
        let taken = cx
            .until(Some(cx.now().plus(wait)), move |world, _| {
                let w = world.workload(&wl)?;
                (w.desired == wanted && w.observed_generation >= w.meta.generation)
                    .then_some(w.meta.generation)
            })
            .await?;
        match taken {
            Some(generation) => rollout::watch(&cx, &target, generation, baseline.scaled()).await,
            None => Ok(Done::Applied(format!(
                "accepted, but the watch has not shown {target} wanting {wanted} pods"
            ))),
        }
    }))
}
