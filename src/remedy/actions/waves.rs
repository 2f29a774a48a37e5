//! Waves: change many nodes a few at a time, with gates between the waves.

use crate::remedy::action::{Action, Right, each_alone};
use crate::remedy::cx::Cx;
use crate::remedy::run::{Job, Params};
use crate::remedy::waves::{Asked, SPECS, waves};
use crate::world::{Kind, ObjectRef};

pub(super) static ACTION: Action = Action {
    name: "waves",
    title: "Waves",
    about: "change many nodes a few at a time: cordon, drain, replace, gates, uncordon; resumable",
    kinds: &[Kind::Namespace],
    options: SPECS,
    rights: &[
        Right { verb: "patch", kind: Some(&Kind::Node), subresource: "" },
        Right { verb: "create", kind: Some(&Kind::Pod), subresource: "eviction" },
    ],
    causes: &[],
    dangerous: true,
    sequential: true,
    remedy_for: &[],
    kubectl: |_, _| String::new(),
    combined: each_alone,
    start,
};

fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    let asked = Asked::parse(&params)?;
    Ok(Box::pin(async move { waves(cx, target, asked).await }))
}
