//! Annotate: set or remove annotations of an object.

use crate::remedy::action::{Action, Right, Spec};
use crate::remedy::cx::Cx;
use crate::remedy::metadata;
use crate::remedy::run::{Job, Params};
use crate::world::ObjectRef;

pub(super) static ACTION: Action = Action {
    title: "Annotate",
    about: "set or remove annotations",
    options: &[Spec::words("annotation", "KEY=VALUE|KEY-", "annotations to set, and to remove").required()],
    rights: &[Right::on_target("patch")],
    kubectl,
    ..Action::new("annotate", start)
};

fn kubectl(target: &ObjectRef, params: &Params) -> String {
    metadata::kubectl(ACTION.name, "annotation", target, params)
}

fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    metadata::start(cx, target, "annotations", "annotation", &params)
}
