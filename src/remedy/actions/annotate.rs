//! Annotate: set or remove annotations of an object.

use crate::remedy::action::{Action, Right, Spec, each_alone};
use crate::remedy::cx::Cx;
use crate::remedy::run::{Job, Params};
use crate::remedy::{kubectl, metadata, words};
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
    let words = params.get("annotation").map_or("", String::as_str);
    format!("kubectl annotate {} {words} --overwrite", kubectl::object(target))
}

fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    let words = words::pairs(params.get("annotation").map_or("", String::as_str))?;
    Ok(Box::pin(metadata::set(cx, target, "annotations", words)))
}
