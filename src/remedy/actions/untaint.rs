//! Untaint: take a taint from a node.

use crate::remedy::action::{Action, Right, Spec};
use crate::remedy::cx::Cx;
use crate::remedy::plan::Severity;
use crate::remedy::run::{Job, Params, Stop};
use crate::remedy::taints::{self, Typed, Wanted};
use crate::remedy::words;
use crate::world::{Kind, ObjectRef};

pub(super) static ACTION: Action = Action {
    title: "Untaint",
    about: "take a taint from a node",
    kinds: &[Kind::Node],
    options: &[Spec::words("remove-taint", "KEY[:EFFECT]", "the taint, of one effect or of all").required()],
    rights: &[Right::on_target("patch")],
    causes: &[("schedule.taint", 1)],
    kubectl,
    ..Action::new("untaint", start)
};

fn kubectl(target: &ObjectRef, params: &Params) -> String {
    let words = words::split(params.get("remove-taint").map_or("", String::as_str)).unwrap_or_default();
    let words: Vec<String> = words.iter().map(|w| format!("{w}-")).collect();
    format!("kubectl taint node {} {}", target.name, words::joined(words.iter().map(String::as_str)))
}

fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    let words = words::split(params.get("remove-taint").map_or("", String::as_str))?;
    // kubectl's form with a minus behind it is understood, too.
    let words = words.iter().map(|w| w.strip_suffix('-').unwrap_or(w));
    let typed = words.map(|w| Typed::read(w, true)).collect::<Result<Vec<_>, _>>()?;
    Ok(Box::pin(async move {
        let node = cx.target(&target).await?;
        let has = taints::of(&node);
        let left: Vec<_> = has.iter().filter(|t| !typed.iter().any(|w| w.is(t))).cloned().collect();
        if let Some(absent) = typed.iter().find(|w| !has.iter().any(|t| w.is(t))) {
            let names: Vec<String> = has
                .iter()
                .map(|t| {
                    format!("{}:{}", t["key"].as_str().unwrap_or("?"), t["effect"].as_str().unwrap_or("?"))
                })
                .collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            return Err(Stop::Refused(format!("{target} has no taint {absent}; it has {names}")));
        }
        let conditions =
            |t: &Typed| t.key.starts_with("node.kubernetes.io/") && !t.key.ends_with("/out-of-service");
        if let Some(own) = typed.iter().find(|t| conditions(t)) {
            let why = "the node controller sets it from a condition and sets it again while that holds";
            cx.impact(format!("{} comes back", own.key), Severity::Critical, why);
        }
        cx.impact("pods may be placed there again", Severity::Info, "those that did not tolerate it");
        let named = typed.iter().map(Typed::to_string).collect::<Vec<_>>().join(", ");
        let wanted = Wanted {
            taints: left,
            question: format!("Take the taint {named} from {target}?"),
            typed: None,
            done: format!("{target} has no taint {named} any more"),
        };
        taints::replace(&cx, &target, &node, wanted).await
    }))
}
