//! Failover: pods in other regions, then the traffic there.

use crate::remedy::action::{Action, Right};
use crate::remedy::cx::Cx;
use crate::remedy::failover::{Asked, SPECS, failover};
use crate::remedy::run::{Job, Params};
use crate::world::{Kind, ObjectRef};

pub(super) static ACTION: Action = Action {
    title: "Fail over",
    about: "scale what other regions run, apply a manifest there, and move the traffic: one plan over several contexts",
    kinds: &[Kind::Namespace],
    options: SPECS,
    // The regions' dry runs tell what is not allowed there.
    rights: &[Right { verb: "get", kind: Some(&Kind::Namespace), subresource: "" }],
    dangerous: true,
    sequential: true,
    ..Action::new("failover", start)
};

fn start(cx: Cx, _: ObjectRef, params: Params) -> Result<Job, String> {
    let asked = Asked::parse(&params)?;
    Ok(Box::pin(async move { failover(cx, asked).await }))
}
