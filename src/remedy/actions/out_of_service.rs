//! Out of service: the taint that lets go of pods and volumes on a node that is shut down for good.
//!
//! Source: Kubernetes documentation, "Non-graceful node shutdown handling".

use crate::remedy::action::{Action, Right, Spec};
use crate::remedy::cx::Cx;
use crate::remedy::plan::Severity;
use crate::remedy::run::{Done, Job, Params};
use crate::remedy::taints::{self, Typed, Wanted};
use crate::world::{Kind, ObjectRef, Status, condition};

const KEY: &str = "node.kubernetes.io/out-of-service";

pub(super) static ACTION: Action = Action {
    title: "Out of service",
    about: "let go of pods and volumes on a node that is off",
    kinds: &[Kind::Node],
    options: &[Spec::flag("undo", "back to how it was before")],
    rights: &[Right::on_target("patch")],
    causes: &[("node.not-ready", 3)],
    dangerous: true,
    sequential: true,
    kubectl,
    ..Action::new("out-of-service", start)
};

fn kubectl(target: &ObjectRef, params: &Params) -> String {
    let taint = if params.contains_key("undo") { "-" } else { "=nodeshutdown:NoExecute" };
    format!("kubectl taint node {} {KEY}{taint}", target.name)
}

fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    let undo = params.contains_key("undo");
    Ok(Box::pin(async move {
        let node = cx.target(&target).await?;
        let has = taints::of(&node);
        let taint = Typed {
            key: KEY.to_owned(),
            value: Some("nodeshutdown".to_owned()),
            effect: "NoExecute".to_owned(),
        };
        if has.iter().any(|t| t["key"] == KEY) != undo {
            let state = if undo { "is not" } else { "is already" };
            return Ok(Done::Verified(format!("{target} {state} out of service; nothing was sent")));
        }
        let name = target.name.clone();
        let ready = cx
            .look(move |world, _| {
                let node = world.nodes.find("", &name);
                node.and_then(|n| condition(&n.conditions, "Ready")).map(|c| c.status)
            })
            .await?;
        let (taints, question, done) = if undo {
            let left = has.iter().filter(|t| t["key"] != KEY).cloned().collect();
            let done = format!("{target} is in service again");
            (left, format!("Take {target} back into service?"), done)
        } else {
            // On a node that runs, volumes would be detached under programs that write to them.
            let off = ready.is_some_and(|s| s != Status::True);
            let reason = match ready {
                Some(Status::True) => {
                    "its kubelet reports Ready: its programs run and write to their volumes"
                }
                Some(_) => "its kubelet does not report Ready",
                None => "khud does not see whether the node is Ready",
            };
            cx.guard("the node is down", off, reason);
            let what = "pods there are deleted at once, and their volumes detached";
            let why = "khud cannot see whether the machine is off: a machine that only lost its network goes on \
                       writing, and the volume's data is damaged. Make sure that it is powered off";
            cx.impact(what, Severity::Critical, why);
            taints::evicted(&cx, &target, &taint).await?;
            let after = format!("khud do out-of-service node/{} --undo", target.name);
            cx.impact("the taint stays until it is taken away", Severity::Warning, after);
            (
                taints::with(has.clone(), &taint),
                format!("Is the machine of {target} powered off?"),
                format!("{target} is out of service"),
            )
        };
        let typed = (!undo).then_some(&*target.name);
        taints::replace(&cx, &target, &node, Wanted { taints, question, typed, done }).await
    }))
}
