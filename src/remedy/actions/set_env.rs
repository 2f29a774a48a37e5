//! Set env: environment variables of a container, as `kubectl set env`.

use serde_json::{Value, json};

use crate::remedy::action::{Action, Right, Spec};
use crate::remedy::cx::Cx;
use crate::remedy::plan::Severity;
use crate::remedy::run::{Job, Params};
use crate::remedy::words::{self, Word};
use crate::remedy::{kubectl, template};
use crate::world::ObjectRef;

pub(super) static ACTION: Action = Action {
    title: "Set environment",
    about: "set or remove environment variables",
    kinds: template::ROLLED,
    options: &[
        Spec::words("env", "NAME=VALUE|NAME-", "variables to set, and to remove").required().secret(),
        template::CONTAINER,
    ],
    rights: &[Right::on_target("patch")],
    causes: &[("crash.config", 3), ("gpu.fragmentation", 2)],
    kubectl,
    ..Action::new("set-env", start)
};

fn kubectl(target: &ObjectRef, params: &Params) -> String {
    let words = words::shown(params.get("env").map_or("", String::as_str));
    format!("kubectl set env {} {words}{}", kubectl::object(target), container(params))
}

fn container(params: &Params) -> String {
    params.get("container").map_or_else(String::new, |c| format!(" -c {}", kubectl::quoted(c)))
}

fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    let words = words::pairs(params.get("env").map_or("", String::as_str))?;
    Ok(Box::pin(async move {
        let object = cx.target(&target).await?;
        let (list, container) = template::container(&target, &object, &params)?;
        let has = |name: &str| {
            container["env"].as_array().into_iter().flatten().find(|e| e["name"] == name).cloned()
        };
        let mut env = Vec::new();
        for word in &words {
            match word {
                Word::Set(name, value) => {
                    let mut entry = json!({"name": name, "value": value});
                    if let Some(from) = has(name).map(|e| e["valueFrom"].clone()).filter(Value::is_object) {
                        // The server takes only one of the two.
                        entry["valueFrom"] = Value::Null;
                        let source = ["configMapKeyRef", "secretKeyRef", "fieldRef", "resourceFieldRef"]
                            .iter()
                            .find(|k| from[**k].is_object())
                            .map_or("another source", |k| k.trim_end_matches("Ref"));
                        let detail = format!("a plain value replaces the reference ({source})");
                        cx.impact(
                            format!("{name} is no longer read from elsewhere"),
                            Severity::Warning,
                            detail,
                        );
                    }
                    env.push(entry);
                }
                Word::Remove(name) if has(name).is_some() => {
                    env.push(json!({"name": name, "$patch": "delete"}))
                }
                Word::Remove(name) => {
                    let detail = "it may come from envFrom, or from the image";
                    cx.impact(format!("{name} is not in the container's list"), Severity::Warning, detail);
                }
            }
        }
        let names: Vec<&str> = words.iter().map(Word::key).collect();
        let question = format!("Change {} of {target}?", names.join(", "));
        let body = template::patch_of(&target, &object, list, json!({"env": env}), container);
        template::roll(&cx, &target, &object, body, question).await
    }))
}
