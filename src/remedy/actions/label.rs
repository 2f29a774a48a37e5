//! Label: set or remove labels of an object.

use crate::remedy::action::{Action, Right, Spec, each_alone};
use crate::remedy::cx::Cx;
use crate::remedy::run::{Job, Params};
use crate::remedy::{kubectl, metadata, words};
use crate::world::ObjectRef;

pub(super) static ACTION: Action = Action {
    name: "label",
    title: "Label",
    about: "set or remove labels",
    kinds: &[],
    options: &[Spec::words("label", "KEY=VALUE|KEY-", "labels to set, and to remove").required()],
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
    let words = params.get("label").map_or("", String::as_str);
    format!("kubectl label {} {words} --overwrite", kubectl::object(target))
}

fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    let words = words::pairs(params.get("label").map_or("", String::as_str))?;
    Ok(Box::pin(metadata::set(cx, target, "labels", words)))
}
