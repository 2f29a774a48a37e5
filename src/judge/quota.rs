//! Quotas that are nearly used up.

use crate::world::{ObjectRef, Quota};

use super::diagnosis::{Ctx, Diagnosis, Out};
use super::registry::causes;

const WHY_NAMESPACE: &str =
    "a full quota or a crowding neighbour stops the next rollout or scale-up, not the pods of today";

causes! {
    QUOTA_NEAR = "namespace.quota-near" Warning Watch("quotas") tree "namespace":
        "a namespace uses more than 90 % of a quota",
        why WHY_NAMESPACE, source "numbers of the field";
}

pub fn judge(ctx: &Ctx, quota: &Quota, object: &ObjectRef, out: &mut Out) {
    let near = quota
        .amounts
        .iter()
        .filter(|a| {
            a.hard_value > 0
                && a.used_value.saturating_mul(100) > a.hard_value.saturating_mul(ctx.limits.quota)
        })
        .max_by_key(|a| a.used_value.saturating_mul(1000) / a.hard_value);
    let Some(a) = near else { return };
    let percent = a.used_value.saturating_mul(100) / a.hard_value;
    out.push(
        Diagnosis::new(QUOTA_NEAR, object.clone(), ctx.now)
            .title(format!(
                "namespace {} uses {percent} % of its quota for {}",
                quota.meta.namespace, a.resource
            ))
            .row(format!("{} at {percent} %", a.resource))
            .evidence("quota status", format!("{} used {} of {}", a.resource, a.used, a.hard), object, None),
    );
}
