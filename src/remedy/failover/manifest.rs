//! A manifest that regions get: each object applied by the server, with the pods and the priority that were asked for.

use std::path::Path;

use serde_json::{Value, json};

use super::Awaited;
use super::asked::Asked;
use super::regions::{self, Write};
use crate::remedy::cx::Cx;
use crate::remedy::plan::Severity;
use crate::remedy::run::Stop;
use crate::remedy::{definitions, saved};
use crate::world::ask::{Call, Verb};
use crate::world::{Kind, ObjectRef};

/// A body of this type is applied: fields that others own are a conflict.
const APPLY: &str = "application/apply-patch+yaml";

/// Plans the objects of a file in a region.
pub(super) async fn plan(
    cx: &Cx,
    context: &str,
    file: &str,
    asked: &Asked,
    writes: &mut Vec<Write>,
    awaited: &mut Vec<Awaited>,
) -> Result<(), Stop> {
    if let Some(class) = &asked.priority {
        let path = format!("/apis/scheduling.k8s.io/v1/priorityclasses/{class}");
        let there = regions::ask(cx, context, path).await?;
        let why = match there.ok() {
            true => format!("its value is {}", there.body["value"]),
            false => format!("{context}: {}", there.message()),
        };
        cx.guard(&format!("{context} has the priority class {class}"), there.ok(), why);
        if there.ok() && there.body["preemptionPolicy"] != "Never" {
            let detail = format!(
                "{class} {}: pods of a lower priority go where there is no room",
                there.body["value"]
            );
            cx.impact(format!("{context}: it may preempt others"), Severity::Critical, detail);
        }
    }
    for mut object in saved::read(cx, Path::new(file)).await? {
        let words = words(&object);
        let Some((plural, namespaced)) = resource(cx, context, &object).await? else {
            let version = object["apiVersion"].as_str().unwrap_or("");
            let why = format!("{context} serves no {} of {version}", object["kind"].as_str().unwrap_or(""));
            cx.guard(&format!("{context} knows {words}"), false, why);
            continue;
        };
        if namespaced && object["metadata"]["namespace"].is_null() {
            object["metadata"]["namespace"] = "default".into();
        }
        adapt(&mut object, asked);
        let name = object["metadata"]["name"].as_str().unwrap_or("").to_owned();
        let path = format!("{}/{name}", definitions::collection_of(&object, &plural));
        let there = regions::ask(cx, context, path.as_str()).await?;
        let (have, what) = match there.status {
            404 => (0, format!("{context}: {words} is made")),
            _ => (
                there.body["spec"]["replicas"].as_u64().unwrap_or(0),
                format!("{context}: {words} is changed"),
            ),
        };
        cx.impact(what, Severity::Warning, format!("as {file} has it"));
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or("").to_owned();
        if let (Some(replicas), true) =
            (object["spec"]["replicas"].as_u64(), object["spec"]["template"].is_object())
        {
            let more = replicas.saturating_sub(have);
            regions::room(cx, context, &namespace, &object["spec"]["template"], more).await?;
            if let Some(kind @ (Kind::Deployment | Kind::StatefulSet)) =
                object["kind"].as_str().and_then(Kind::parse)
            {
                let workload = ObjectRef::new(kind, namespace.as_str(), name.as_str());
                awaited.push(Awaited { context: context.to_owned(), workload, replicas });
            }
        }
        writes.push(Write {
            context: context.to_owned(),
            call: Call {
                verb: Verb::Patch,
                path: format!("{path}?fieldManager=khud&force=false"),
                content_type: APPLY.into(),
                body: Some(object),
            },
            what: format!("{words} is applied"),
        });
    }
    Ok(())
}

/// Sets the pods and the priority that were asked for, where the object has such fields.
fn adapt(object: &mut Value, asked: &Asked) {
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if let (Some(n), false) = (asked.replicas, object["spec"]["replicas"].is_null()) {
        object["spec"]["replicas"] = json!(n);
    }
    if let Some(class) = &asked.priority {
        if object["spec"]["template"]["spec"].is_object() {
            object["spec"]["template"]["spec"]["priorityClassName"] = class.as_str().into();
        } else if object["spec"]["priority"].is_string() {
            // A custom resource names it itself.
            object["spec"]["priority"] = class.as_str().into();
        }
    }
}

fn words(object: &Value) -> String {
    let text = |v: &Value| v.as_str().unwrap_or("?").to_owned();
    format!("{} {}", text(&object["kind"]).to_ascii_lowercase(), text(&object["metadata"]["name"]))
}

/// The plural of the object's kind in a region, and whether it has a namespace; `None` where it is not served.
async fn resource(cx: &Cx, context: &str, object: &Value) -> Result<Option<(String, bool)>, Stop> {
    let version = object["apiVersion"].as_str().unwrap_or("");
    let root = if version.contains('/') { "/apis" } else { "/api" };
    let answer = regions::ask(cx, context, format!("{root}/{version}")).await?;
    let all = answer.body["resources"].as_array().into_iter().flatten();
    let its = |r: &&Value| {
        r["kind"] == object["kind"] && r["name"].as_str().is_some_and(|name| !name.contains('/'))
    };
    let found = all.into_iter().find(its);
    Ok(found.and_then(|r| Some((r["name"].as_str()?.to_owned(), r["namespaced"] == true))))
}
