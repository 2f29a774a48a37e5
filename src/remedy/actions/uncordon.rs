//! Uncordon: let a node take pods again.

use crate::remedy::action::{Action, Right};
use crate::remedy::cx::Cx;
use crate::remedy::run::{Job, Params};
use crate::remedy::schedulable;
use crate::world::{Kind, ObjectRef};

pub(super) static ACTION: Action = Action {
    title: "Uncordon",
    about: "let a node take pods again",
    kinds: &[Kind::Node],
    rights: &[Right::on_target("patch")],
    causes: &[("schedule.cordoned", 1), ("node.cordoned", 1)],
    sequential: true,
    kubectl,
    ..Action::new("uncordon", start)
};

fn kubectl(target: &ObjectRef, _: &Params) -> String {
    format!("kubectl uncordon {}", target.name)
}

fn start(cx: Cx, target: ObjectRef, _: Params) -> Result<Job, String> {
    Ok(Box::pin(schedulable::set(cx, target, false)))
}
