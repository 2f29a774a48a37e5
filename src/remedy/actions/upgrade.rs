//! Upgrade: bring control-plane nodes, then workers, to another Kubernetes version.

use crate::remedy::action::{Action, Right};
use crate::remedy::cx::Cx;
use crate::remedy::run::{Job, Params};
use crate::remedy::waves::{Asked, UPGRADE, waves};
use crate::world::{Kind, ObjectRef};

pub(super) static ACTION: Action = Action {
    title: "Upgrade",
    about: "bring control-plane nodes, then workers, to another version: checks, drain, your command, gates; resumable",
    kinds: &[Kind::Namespace],
    options: UPGRADE,
    rights: &[
        Right { verb: "patch", kind: Some(&Kind::Node), subresource: "" },
        Right { verb: "create", kind: Some(&Kind::Pod), subresource: "eviction" },
    ],
    dangerous: true,
    sequential: true,
    ..Action::new("upgrade", start)
};

fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    let asked = Asked::upgrade(&params)?;
    Ok(Box::pin(async move { waves(cx, target, asked).await }))
}
