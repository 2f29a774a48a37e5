//! Waves: change many nodes a few at a time, with gates between the waves.

use crate::remedy::action::{Action, Right};
use crate::remedy::cx::Cx;
use crate::remedy::run::{Job, Params};
use crate::remedy::waves::{Asked, SPECS, waves};
use crate::world::{Kind, ObjectRef};

pub(super) static ACTION: Action = Action {
    title: "Waves",
    about: "change many nodes a few at a time: cordon, drain, replace, gates, uncordon; resumable",
    kinds: &[Kind::Namespace],
    options: SPECS,
    rights: &[
        Right { verb: "patch", kind: Some(&Kind::Node), subresource: "" },
        Right { verb: "create", kind: Some(&Kind::Pod), subresource: "eviction" },
    ],
    dangerous: true,
    sequential: true,
    ..Action::new("waves", start)
};

fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    let asked = Asked::parse(&params)?;
    Ok(Box::pin(async move { waves(cx, target, asked).await }))
}
