//! Pause rollout: hold a rollout where it stands.

use crate::remedy::action::{Action, Right};
use crate::remedy::change;
use crate::remedy::cx::Cx;
use crate::remedy::run::{Job, Params};
use crate::world::{Kind, ObjectRef};

pub(super) static ACTION: Action = Action {
    title: "Pause rollout",
    about: "hold a rollout where it stands",
    kinds: &[Kind::Deployment],
    rights: &[Right::on_target("patch")],
    causes: &[("image.", 3), ("crash.", 3), ("container.", 3), ("rollout.", 2)],
    kubectl,
    ..Action::new("pause", start)
};

fn kubectl(target: &ObjectRef, _: &Params) -> String {
    let kind = target.kind.name().to_ascii_lowercase();
    format!("kubectl rollout pause {kind}/{} -n {}", target.name, target.namespace)
}

fn start(cx: Cx, target: ObjectRef, _: Params) -> Result<Job, String> {
    Ok(Box::pin(change::set_paused(cx, target, true)))
}
