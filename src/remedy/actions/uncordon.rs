//! Uncordon: let a node take pods again.

use crate::remedy::action::{Action, Right, each_alone};
use crate::remedy::cx::Cx;
use crate::remedy::run::{Job, Params};
use crate::remedy::schedulable;
use crate::world::{Kind, ObjectRef};

pub(super) static ACTION: Action = Action {
    name: "uncordon",
    title: "Uncordon",
    about: "let a node take pods again",
    kinds: &[Kind::Node],
    options: &[],
    rights: &[Right::on_target("patch")],
    causes: &[("schedule.cordoned", 1), ("node.cordoned", 1)],
    dangerous: false,
    sequential: true,
    remedy_for: &[],
    kubectl,
    combined: each_alone,
    start,
};

fn kubectl(target: &ObjectRef, _: &Params) -> String {
    format!("kubectl uncordon {}", target.name)
}

fn start(cx: Cx, target: ObjectRef, _: Params) -> Result<Job, String> {
    Ok(Box::pin(schedulable::set(cx, target, false)))
}
