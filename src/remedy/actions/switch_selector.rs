//! Switch selector: send a Service's connections to other pods, as a blue/green switch does.

use serde_json::{Map, Value, json};

use crate::remedy::action::{Action, Right, Spec};
use crate::remedy::change::{Change, merged};
use crate::remedy::cx::Cx;
use crate::remedy::kubectl;
use crate::remedy::plan::{Severity, Stage};
use crate::remedy::run::{Done, Job, MERGE, Params, Stop, patch};
use crate::remedy::words::{self, Word};
use crate::world::{Kind, Labels, ObjectRef, Text, World};

pub(super) static ACTION: Action = Action {
    title: "Switch selector",
    about: "send a Service's connections to other pods",
    kinds: &[Kind::Service],
    options: &[Spec::words("selector", "KEY=VALUE|KEY-", "labels of the pods it is to choose").required()],
    rights: &[Right::on_target("patch")],
    causes: &[("service.no-endpoints", 1)],
    kubectl,
    ..Action::new("switch-selector", start)
};

fn body(words: &[Word]) -> Value {
    let selector = words.iter().map(|word| match word {
        Word::Set(key, value) => (key.clone(), json!(value)),
        Word::Remove(key) => (key.clone(), Value::Null),
    });
    json!({"spec": {"selector": selector.collect::<Map<String, Value>>()}})
}

fn kubectl(target: &ObjectRef, params: &Params) -> String {
    let words = words::pairs(params.get("selector").map_or("", String::as_str)).unwrap_or_default();
    let body = body(&words).to_string();
    format!("kubectl patch {} --type merge -p {}", kubectl::object(target), kubectl::quoted(&body))
}

fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    let words = words::pairs(params.get("selector").map_or("", String::as_str))?;
    Ok(Box::pin(async move {
        let object = cx.target(&target).await?;
        let before = pairs(&object["spec"]["selector"]);
        let body = body(&words);
        let after = merged(&object, &body);
        let wanted = pairs(&after["spec"]["selector"]);
        if wanted == before {
            return Ok(Done::Verified(format!("{target} selects so already; nothing was sent")));
        }
        if wanted.is_empty() {
            return Err(Stop::Refused(format!(
                "{target} would select nothing; a Service needs a label to choose by"
            )));
        }
        let (of, old, new) = (target.clone(), before.clone(), wanted.clone());
        let (had, has) = cx.look(move |world, _| (ready(world, &of, &old), ready(world, &of, &new))).await?;
        let detail = format!("{} → {}", words_of(&before), words_of(&wanted));
        let severity = if has < had { Severity::Critical } else { Severity::Warning };
        cx.impact(format!("ready pods behind it: {had} → {has}"), severity, detail);
        if has < had {
            let detail = "the same load meets fewer pods";
            cx.impact("less capacity", Severity::Critical, detail);
        }
        cx.guard(
            "pods answer behind it",
            has > 0,
            match has {
                0 => format!("no ready pod has {}", words_of(&wanted)),
                n => format!("{n} ready pods have {}", words_of(&wanted)),
            },
        );
        let back: Vec<String> = words
            .iter()
            .map(|w| match before.iter().find(|(k, _)| *k == w.key()) {
                Some((key, value)) => format!("{key}={value}"),
                None => format!("{}-", w.key()),
            })
            .collect();
        let undo =
            format!("khud do switch-selector svc/{} {} -n {}", target.name, back.join(" "), target.namespace);
        cx.impact("the way back", Severity::Info, undo);
        let change = Change {
            target: &target,
            object: &object,
            after,
            call: patch(&target, MERGE, cx.pinned(body)),
            question: format!("Send the connections of {target} to {}?", words_of(&wanted)),
            typed: None,
        };
        change.carry_out(&cx).await?;
        cx.stage(Stage::Watching);
        let wait = cx.options().timeout.unwrap_or(std::time::Duration::from_secs(60));
        let of = target.clone();
        let seen = cx
            .until(Some(cx.now().plus(wait)), move |world, _| {
                let endpoints: u32 = world
                    .endpoint_slices
                    .values()
                    .filter(|s| s.meta.namespace == of.namespace && s.service == of.name)
                    .map(|s| s.ready)
                    .sum();
                let chosen = world.services.find(&of.namespace, &of.name).and_then(|s| s.selector.as_ref());
                let switched = chosen.is_some_and(|s| s.matches(&labels(&wanted)));
                (switched && endpoints as usize == ready(world, &of, &wanted) && endpoints > 0)
                    .then_some(endpoints)
            })
            .await?;
        Ok(match seen {
            Some(n) => Done::Verified(format!("{target} has {n} ready endpoints, all of the new pods")),
            None => Done::Applied(format!(
                "accepted, and the endpoints have not followed after {} s",
                wait.as_secs()
            )),
        })
    }))
}

fn pairs(selector: &Value) -> Vec<(String, String)> {
    let all = selector.as_object().into_iter().flatten();
    all.map(|(k, v)| (k.clone(), v.as_str().unwrap_or("").to_owned())).collect()
}

fn words_of(selector: &[(String, String)]) -> String {
    selector.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(",")
}

fn labels(selector: &[(String, String)]) -> Labels {
    let mut pairs: Vec<(Text, Text)> =
        selector.iter().map(|(k, v)| (k.as_str().into(), v.as_str().into())).collect();
    pairs.sort();
    Labels(pairs.into())
}

/// The ready pods that carry all of the labels.
fn ready(world: &World, service: &ObjectRef, selector: &[(String, String)]) -> usize {
    let pods =
        world.pods.values().filter(|p| p.meta.namespace == service.namespace && p.meta.deleting.is_none());
    pods.filter(|p| p.ready && selector.iter().all(|(k, v)| p.meta.labels.get(k) == Some(v))).count()
}
