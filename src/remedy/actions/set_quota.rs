//! Set quota: other hard limits of a ResourceQuota.

use serde_json::{Value, json};

use crate::remedy::action::{Action, Right, Spec};
use crate::remedy::change::{Change, merged};
use crate::remedy::cx::Cx;
use crate::remedy::plan::Severity;
use crate::remedy::run::{Done, Job, MERGE, Params, patch};
use crate::remedy::{kubectl, seen, sizing, words};
use crate::world::quantity::milli;
use crate::world::{Kind, ObjectRef};

pub(super) static ACTION: Action = Action {
    title: "Set quota",
    about: "change what a namespace may use",
    kinds: &[Kind::ResourceQuota],
    options: &[Spec::value("hard", "LIST", "for example requests.memory=64Gi,pods=50").required()],
    rights: &[Right::on_target("patch")],
    causes: &[("quota.exceeded", 1), ("namespace.quota-near", 1)],
    kubectl,
    ..Action::new("set-quota", start)
};

fn body(hard: &[(String, Option<String>)]) -> Value {
    let hard: Value =
        hard.iter().map(|(k, v)| (k.clone(), v.clone().map_or(Value::Null, Value::String))).collect();
    json!({"spec": {"hard": hard}})
}

fn kubectl(target: &ObjectRef, params: &Params) -> String {
    let hard = words::amounts(params.get("hard").map_or("", String::as_str)).unwrap_or_default();
    let body = body(&hard).to_string();
    format!("kubectl patch {} --type merge -p {}", kubectl::object(target), kubectl::quoted(&body))
}

fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    let hard = words::amounts(params.get("hard").map_or("", String::as_str))?;
    if hard.is_empty() {
        return Err("set-quota needs --hard LIST, for example requests.memory=64Gi".to_owned());
    }
    Ok(Box::pin(async move {
        let object = cx.target(&target).await?;
        let body = body(&hard);
        let after = merged(&object, &body);
        if sizing::same(&after["spec"]["hard"], &object["spec"]["hard"]) {
            return Ok(Done::Verified(format!("{target} is so already; nothing was sent")));
        }
        for (name, amount) in &hard {
            let used = object["status"]["used"][name].as_str();
            let Some(used) = used else {
                let detail = "the quota has not counted it yet";
                cx.impact(format!("{name}: use not known"), Severity::Info, detail);
                continue;
            };
            match amount {
                None => cx.impact(
                    format!("{name} has no limit any more"),
                    Severity::Warning,
                    format!("{used} used now"),
                ),
                Some(amount) if milli(amount) < milli(used) => cx.impact(
                    format!("{name}: {used} used, more than {amount}"),
                    Severity::Critical,
                    "what runs goes on; no pod that dies can be replaced until the use is below it",
                ),
                Some(amount) => {
                    cx.impact(format!("{name}: {used} used of {amount}"), Severity::Info, "after the change")
                }
            }
        }
        let wanted = after["spec"]["hard"].clone();
        let change = Change {
            target: &target,
            object: &object,
            after,
            call: patch(&target, MERGE, cx.pinned(body)),
            question: format!("Change the limits of {target}?"),
            typed: None,
        };
        change.carry_out(&cx).await?;
        seen::read_back(&cx, &target, format!("{target} enforces the new limits"), move |o| {
            sizing::same(&o["status"]["hard"], &wanted)
        })
        .await
    }))
}
