//! Resume rollout: let a paused rollout go on.

use crate::remedy::action::{Action, Right, each_alone};
use crate::remedy::change;
use crate::remedy::cx::Cx;
use crate::remedy::run::{Job, Params};
use crate::world::{Kind, ObjectRef};

pub(super) static ACTION: Action = Action {
    name: "resume",
    title: "Resume rollout",
    about: "let a paused rollout go on",
    kinds: &[Kind::Deployment],
    options: &[],
    rights: &[Right::on_target("patch")],
    causes: &[("rollout.paused", 1)],
    dangerous: false,
    sequential: false,
    remedy_for: &[],
    kubectl,
    combined: each_alone,
    start,
};

fn kubectl(target: &ObjectRef, _: &Params) -> String {
    let kind = target.kind.name().to_ascii_lowercase();
    format!("kubectl rollout resume {kind}/{} -n {}", target.name, target.namespace)
}

fn start(cx: Cx, target: ObjectRef, _: Params) -> Result<Job, String> {
    Ok(Box::pin(change::set_paused(cx, target, false)))
}
