//! Label: set or remove labels of an object.

use crate::remedy::action::{Action, Right, Spec};
use crate::remedy::cx::Cx;
use crate::remedy::metadata;
use crate::remedy::run::{Job, Params};
use crate::world::ObjectRef;

pub(super) static ACTION: Action = Action {
    title: "Label",
    about: "set or remove labels",
    options: &[Spec::words("label", "KEY=VALUE|KEY-", "labels to set, and to remove").required()],
    rights: &[Right::on_target("patch")],
    kubectl,
    ..Action::new("label", start)
};

fn kubectl(target: &ObjectRef, params: &Params) -> String {
    metadata::kubectl(ACTION.name, "label", target, params)
}

fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    metadata::start(cx, target, "labels", "label", &params)
}
