//! Annotate: set or remove annotations of an object.

use crate::remedy::action::{Action, Right, Spec, each_alone};
use crate::remedy::cx::Cx;
use crate::remedy::metadata;
use crate::remedy::run::{Job, Params};
use crate::world::ObjectRef;

pub(super) static ACTION: Action = Action {
    name: "annotate",
    title: "Annotate",
    about: "set or remove annotations",
    kinds: &[],
    options: &[Spec::words("annotation", "KEY=VALUE|KEY-", "annotations to set, and to remove").required()],
    rights: &[Right::on_target("patch")],
    causes: &[],
    dangerous: false,
    sequential: false,
    remedy_for: &[],
    kubectl,
    combined: each_alone,
    start,
};

fn kubectl(target: &ObjectRef, params: &Params) -> String {
    metadata::kubectl(ACTION.name, "annotation", target, params)
}

fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    metadata::start(cx, target, "annotations", "annotation", &params)
}
