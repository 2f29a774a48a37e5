//! Cordon: keep new pods off a node.

use crate::remedy::action::{Action, Right};
use crate::remedy::cx::Cx;
use crate::remedy::run::{Job, Params};
use crate::remedy::{schedulable, together};
use crate::world::{Kind, ObjectRef};

pub(super) static ACTION: Action = Action {
    title: "Cordon",
    about: "keep new pods off a node",
    kinds: &[Kind::Node],
    rights: &[Right::on_target("patch")],
    causes: &[
        ("gpu.vanished", 1),
        ("gpu.plugin", 1),
        ("gpu.driver-mismatch", 1),
        ("gpu.hung-collective", 1),
        ("gpu.xid", 1),
        ("gpu.ecc", 1),
        ("gpu.thermal", 1),
        ("node.not-ready", 1),
        ("node.runtime-down", 1),
        ("node.network", 1),
        ("node.pressure-", 1),
        ("node.problem", 1),
        ("node.host-event", 1),
        ("runtime.", 1),
        ("sandbox.", 1),
        ("proxy.", 2),
    ],
    sequential: true,
    kubectl,
    combined: together::capacity,
    ..Action::new("cordon", start)
};

fn kubectl(target: &ObjectRef, _: &Params) -> String {
    format!("kubectl cordon {}", target.name)
}

fn start(cx: Cx, target: ObjectRef, _: Params) -> Result<Job, String> {
    Ok(Box::pin(schedulable::set(cx, target, true)))
}
