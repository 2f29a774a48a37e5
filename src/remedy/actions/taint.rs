//! Taint: keep pods that do not tolerate it off a node, or drive them away.

use crate::remedy::action::{Action, Right, Spec};
use crate::remedy::cx::Cx;
use crate::remedy::run::{Done, Job, Params};
use crate::remedy::taints::{self, Typed, Wanted};
use crate::remedy::{together, words};
use crate::world::{Kind, ObjectRef};

pub(super) static ACTION: Action = Action {
    title: "Taint",
    about: "keep off a node what does not tolerate the taint",
    kinds: &[Kind::Node],
    options: &[
        Spec::words("taint", "KEY=VALUE:EFFECT", "NoSchedule, PreferNoSchedule or NoExecute").required()
    ],
    rights: &[Right::on_target("patch")],
    sequential: true,
    kubectl,
    combined: together::capacity,
    ..Action::new("taint", start)
};

fn kubectl(target: &ObjectRef, params: &Params) -> String {
    format!(
        "kubectl taint node {} {} --overwrite",
        target.name,
        params.get("taint").map_or("", String::as_str)
    )
}

fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    let words = words::split(params.get("taint").map_or("", String::as_str))?;
    let typed = words.iter().map(|w| Typed::read(w, false)).collect::<Result<Vec<_>, _>>()?;
    Ok(Box::pin(async move {
        let node = cx.target(&target).await?;
        let taints = typed.iter().fold(taints::of(&node), taints::with);
        let named = typed.iter().map(Typed::to_string).collect::<Vec<_>>().join(", ");
        if taints == taints::of(&node) {
            return Ok(Done::Verified(format!("{target} has the taint {named} already; nothing was sent")));
        }
        for taint in &typed {
            taints::evicted(&cx, &target, taint).await?;
        }
        let drives_away = typed.iter().any(|t| t.effect == "NoExecute");
        let wanted = Wanted {
            taints,
            question: format!("Taint {target} with {named}?"),
            typed: drives_away.then_some(&*target.name),
            done: format!("{target} has the taint {named}"),
        };
        taints::replace(&cx, &target, &node, wanted).await
    }))
}
