//! Set resources: requests and limits of a container, by a rollout or, for a pod, in place.

use serde_json::{Value, json};

use crate::remedy::action::{Action, Right, Spec};
use crate::remedy::change::{Change, merged};
use crate::remedy::cx::Cx;
use crate::remedy::run::{Done, Job, Params, STRATEGIC, Stop, patch};
use crate::remedy::sizing::{self, Size};
use crate::remedy::{kubectl, seen, template, words};
use crate::world::{Kind, ObjectRef};

pub(super) static ACTION: Action = Action {
    title: "Set resources",
    about: "change requests and limits; of a pod in place",
    kinds: &[Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet, Kind::Pod],
    options: &[
        Spec::value("requests", "LIST", "for example cpu=500m,memory=1Gi; cpu= takes one away").asked(),
        Spec::value("limits", "LIST", "for example memory=2Gi; cpu= takes one away").asked(),
        template::CONTAINER,
    ],
    rights: &[Right::on_target("patch")],
    causes: &[
        ("crash.oom-limit", 4),
        ("memory.near-limit", 4),
        ("jvm.heap-over-limit", 1),
        ("cpu.throttled", 1),
        ("schedule.insufficient", 3),
        ("quota.must-specify", 1),
        ("limitrange.violated", 1),
        ("namespace.unbounded", 1),
        ("evicted.ephemeral-limit", 1),
    ],
    kubectl,
    ..Action::new("set-resources", start)
};

fn kubectl(target: &ObjectRef, params: &Params) -> String {
    if target.kind == Kind::Pod {
        let container = params.get("container").map_or("CONTAINER", String::as_str);
        let part = |name: &str| {
            let amounts = words::amounts(params.get(name).map_or("", String::as_str)).unwrap_or_default();
            Value::Object(
                amounts.into_iter().map(|(k, v)| (k, v.map_or(Value::Null, Value::String))).collect(),
            )
        };
        let body = json!({"spec": {"containers": [{"name": container,
            "resources": {"requests": part("requests"), "limits": part("limits")}}]}});
        let body = body.to_string();
        return format!(
            "kubectl patch {} --subresource resize -p {}",
            kubectl::object(target),
            kubectl::quoted(&body)
        );
    }
    let container =
        params.get("container").map_or_else(String::new, |c| format!(" -c {}", kubectl::quoted(c)));
    let rest = kubectl::options(params, &["requests", "limits"]);
    format!("kubectl set resources {}{container}{rest}", kubectl::object(target))
}

fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    let read = |name: &str| words::amounts(params.get(name).map_or("", String::as_str));
    let (requests, limits) = (read("requests")?, read("limits")?);
    if requests.is_empty() && limits.is_empty() {
        return Err("set-resources needs --requests LIST or --limits LIST".to_owned());
    }
    Ok(Box::pin(async move {
        let object = cx.target(&target).await?;
        let (list, container) = template::container(&target, &object, &params)?;
        let amounts = |all: &[(String, Option<String>)]| -> Value {
            all.iter().map(|(k, v)| (k.clone(), v.clone().map_or(Value::Null, Value::String))).collect()
        };
        let mut resources = json!({});
        for (part, all) in [("requests", &requests), ("limits", &limits)] {
            if !all.is_empty() {
                resources[part] = amounts(all);
            }
        }
        let fields = json!({"resources": resources});
        let mut after = container.clone();
        after["resources"] =
            merged(&json!({"r": container["resources"]}), &json!({"r": resources}))["r"].clone();
        let size = Size { before: container, after: &after };
        sizing::check(&cx, &target, &object, &size).await?;
        let name = container["name"].as_str().unwrap_or("?");
        let question = format!("Set the resources of {name} in {target}?");
        let body = template::patch_of(&target, &object, list, fields, container);
        if target.kind == Kind::Pod {
            return in_place(cx.clone(), &target, &object, body, question, name, &after["resources"]).await;
        }
        template::roll(&cx, &target, &object, body, question).await
    }))
}

/// Resizes a running pod through its resize subresource, and waits until the kubelet says that it holds.
async fn in_place(
    cx: Cx,
    target: &ObjectRef,
    object: &Value,
    body: Value,
    question: String,
    container: &str,
    wanted: &Value,
) -> Result<Done, Stop> {
    let mut call = patch(target, STRATEGIC, cx.pinned(body.clone()));
    call.path.push_str("/resize");
    let change = Change { target, object, after: merged(object, &body), call, question, typed: None };
    change.carry_out(&cx).await?;
    let (name, wanted) = (container.to_owned(), wanted.clone());
    let done = format!("{target} runs {container} with the new resources");
    let result = seen::read_back(&cx, target, done, move |o| {
        let statuses = o["status"]["containerStatuses"].as_array().into_iter().flatten();
        let actual = statuses.filter(|s| s["name"] == name.as_str()).map(|s| &s["resources"]).next();
        actual.is_some_and(|a| {
            ["requests", "limits"].iter().all(|part| sizing::same(&a[*part], &wanted[*part]))
        })
    })
    .await?;
    let Done::Applied(why) = result else { return Ok(result) };
    let now = cx.get(target.path()).await?;
    let conditions = now["status"]["conditions"].as_array().into_iter().flatten();
    let pending = conditions
        .filter(|c| c["status"] == "True")
        .find(|c| matches!(c["type"].as_str(), Some("PodResizePending" | "PodResizeInProgress")));
    Ok(Done::Applied(match pending {
        Some(c) => format!(
            "accepted, and the kubelet has not done it: {} {}",
            c["reason"].as_str().or(c["type"].as_str()).unwrap_or(""),
            c["message"].as_str().unwrap_or("")
        ),
        None => why,
    }))
}
