//! Set image: another image for containers of a workload, as `kubectl set image`.

use serde_json::{Value, json};

use crate::remedy::action::{Action, Right, Spec};
use crate::remedy::change;
use crate::remedy::cx::Cx;
use crate::remedy::run::{Done, Job, Params, Stop};
use crate::remedy::{template, words};
use crate::world::{Kind, ObjectRef};

pub(super) static ACTION: Action = Action {
    title: "Set image",
    about: "run another image",
    kinds: &[Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet],
    options: &[Spec::words("image", "C=IMAGE", "container and image").required()],
    rights: &[Right::on_target("patch")],
    causes: &[("image.", 2), ("rollout.", 3)],
    kubectl,
    ..Action::new("set-image", start)
};

fn kubectl(target: &ObjectRef, params: &Params) -> String {
    let kind = target.kind.name().to_ascii_lowercase();
    let images = params.get("image").map_or("", String::as_str);
    format!("kubectl set image {kind}/{} -n {} {images}", target.name, target.namespace)
}

fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    let text = params.get("image").map(String::as_str).unwrap_or("");
    let mut images = Vec::new();
    for part in words::split(text)? {
        match part.split_once('=') {
            Some((c, image)) if !c.is_empty() && !image.is_empty() => {
                images.push((c.to_owned(), image.to_owned()))
            }
            _ => return Err(format!("{part:?} is not CONTAINER=IMAGE")),
        }
    }
    Ok(Box::pin(async move {
        let words: Vec<String> = images.iter().map(|(c, i)| format!("{c}={i}")).collect();
        let object = cx.target(&target).await?;
        let pod = &object["spec"]["template"]["spec"];
        let names = |list: &str| -> Vec<String> {
            let items = pod[list].as_array().into_iter().flatten();
            items.filter_map(|c| c["name"].as_str().map(str::to_owned)).collect()
        };
        let (apps, inits) = (names("containers"), names("initContainers"));
        let mut spec = json!({});
        for (name, image) in &images {
            let list = if apps.contains(name) {
                "containers"
            } else if inits.contains(name) {
                "initContainers"
            } else {
                return Err(Stop::Refused(format!(
                    "{target} has no container {name}; it has {}",
                    apps.iter().chain(&inits).cloned().collect::<Vec<_>>().join(", ")
                )));
            };
            if !spec[list].is_array() {
                spec[list] = json!([]);
                // kubectl names them all, in the order they have.
                let all = if list == "containers" { &apps } else { &inits };
                let order: Vec<Value> = all.iter().map(|n| json!({"name": n})).collect();
                spec[format!("$setElementOrder/{list}")] = Value::Array(order);
            }
            if let Some(items) = spec[list].as_array_mut() {
                items.push(json!({"name": name, "image": image}));
            }
        }
        let body = json!({"spec": {"template": {"spec": spec}}});
        if change::merged(&object, &body)["spec"]["template"] == object["spec"]["template"] {
            return Ok(Done::Verified(format!(
                "{target} already runs {}; nothing was sent",
                words.join(" ")
            )));
        }
        template::roll(&cx, &target, &object, body, format!("Set {} in {target}?", words.join(" "))).await
    }))
}
