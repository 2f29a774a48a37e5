//! Set config: keys of a ConfigMap, and a restart of the workloads that read them only when they start.

use serde_json::{Map, Value, json};

use crate::remedy::action::{Action, Right, Spec};
use crate::remedy::change::Change;
use crate::remedy::cx::Cx;
use crate::remedy::plan::Severity;
use crate::remedy::run::{Done, Job, MERGE, Params, patch};
use crate::remedy::words::{self, Word};
use crate::remedy::{kubectl, seen};
use crate::world::{Kind, ObjectRef, World};

pub(super) static ACTION: Action = Action {
    title: "Set configuration",
    about: "set or remove keys of a ConfigMap",
    kinds: &[Kind::ConfigMap],
    options: &[Spec::words("data", "KEY=VALUE|KEY-", "keys to set, and to remove").required().secret()],
    rights: &[Right::on_target("patch")],
    causes: &[("config.key-missing", 3)],
    kubectl,
    ..Action::new("set-config", start)
};

fn body(words: &[Word]) -> Value {
    let data = words.iter().map(|word| match word {
        Word::Set(key, value) => (key.clone(), json!(value)),
        Word::Remove(key) => (key.clone(), Value::Null),
    });
    json!({"data": data.collect::<Map<String, Value>>()})
}

fn kubectl(target: &ObjectRef, params: &Params) -> String {
    let shown = words::shown(params.get("data").map_or("", String::as_str));
    let body = words::pairs(&shown).map(|w| body(&w).to_string()).unwrap_or_default();
    format!("kubectl patch {} --type merge -p {}", kubectl::object(target), kubectl::quoted(&body))
}

fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    let words = words::pairs(params.get("data").map_or("", String::as_str))?;
    Ok(Box::pin(async move {
        let object = cx.target(&target).await?;
        let fixed = object["immutable"] == true;
        let why = if fixed {
            "it is immutable: make one of another name and let the workloads use that"
        } else {
            "it is not immutable"
        };
        cx.guard("may be changed", !fixed, why);
        let mut after = object.clone();
        if !after["data"].is_object() {
            after["data"] = json!({});
        }
        for word in &words {
            match word {
                Word::Set(key, value) => after["data"][key] = json!(value),
                Word::Remove(key) => drop(after["data"].as_object_mut().map(|m| m.remove(key))),
            }
        }
        if after["data"] == object["data"] {
            return Ok(Done::Verified(format!("{target} holds that already; nothing was sent")));
        }
        let of = target.clone();
        let users = cx.look(move |world, _| users(world, &of)).await?;
        let restart =
            "files follow within about a minute; environment variables and subPath mounts only on a restart";
        match users.as_slice() {
            [] => cx.impact("no workload names it", Severity::Info, "as far as khud sees this namespace"),
            users => {
                let names: Vec<String> = users.iter().map(ToString::to_string).collect();
                cx.impact(format!("read by {}", names.join(", ")), Severity::Warning, restart);
            }
        }
        let keys: Vec<&str> = words.iter().map(Word::key).collect();
        let change = Change {
            target: &target,
            object: &object,
            after,
            call: patch(&target, MERGE, cx.pinned(body(&words))),
            question: format!("Change {} in {target}?", keys.join(", ")),
            typed: None,
        };
        change.carry_out(&cx).await?;
        if let Some(user) = users.into_iter().next() {
            cx.next("restart", user);
        }
        seen::read_back(&cx, &target, format!("{target} holds the new values"), move |o| {
            words.iter().all(|w| match w {
                Word::Set(key, value) => o["data"][key] == value.as_str(),
                Word::Remove(key) => o["data"][key].is_null(),
            })
        })
        .await
    }))
}

/// The workloads whose pods name it.
fn users(world: &World, map: &ObjectRef) -> Vec<ObjectRef> {
    let reads = |names: &[crate::world::Text]| names.contains(&map.name);
    let all = [
        (Kind::Deployment, &world.deployments),
        (Kind::StatefulSet, &world.stateful_sets),
        (Kind::DaemonSet, &world.daemon_sets),
    ];
    let mut out = Vec::new();
    for (kind, table) in all {
        let its = table
            .values()
            .filter(|w| w.meta.namespace == map.namespace && reads(&w.template.pod.config_maps));
        out.extend(its.map(|w| ObjectRef::new(kind.clone(), map.namespace.clone(), w.meta.name.clone())));
    }
    out
}
