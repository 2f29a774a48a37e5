//! Resume rollout: let a paused rollout go on.

use crate::remedy::action::{Action, Right};
use crate::remedy::change;
use crate::remedy::cx::Cx;
use crate::remedy::run::{Job, Params};
use crate::world::{Kind, ObjectRef};

pub(super) static ACTION: Action = Action {
    title: "Resume rollout",
    about: "let a paused rollout go on",
    kinds: &[Kind::Deployment],
    rights: &[Right::on_target("patch")],
    causes: &[("rollout.paused", 1)],
    kubectl,
    ..Action::new("resume", start)
};

fn kubectl(target: &ObjectRef, _: &Params) -> String {
    let kind = target.kind.name().to_ascii_lowercase();
    format!("kubectl rollout resume {kind}/{} -n {}", target.name, target.namespace)
}

fn start(cx: Cx, target: ObjectRef, _: Params) -> Result<Job, String> {
    Ok(Box::pin(change::set_paused(cx, target, false)))
}
