//! Regions: a cluster beside this one that does not answer, or slowly.

use crate::world::regions::{Door, Region};
use crate::world::{Kind, ObjectRef, World, time};

use super::diagnosis::{Ctx, Diagnosis, Out};
use super::registry::causes;

causes! {
    REGION_DOWN = "region.down" Critical Watch("probes of the regions") tree "object":
        "a region has not answered for a minute",
        why "its traffic has to go to the others before their users wait", source "seeds: regional failover";
    REGION_LATENCY = "region.latency" Warning Watch("probes of the regions") tree "object":
        "half of a region's answers took longer than 2 s for five minutes",
        why "users of that region already wait, and an outage often begins like this",
        source "seeds: regional failover";
    REGION_NONE_HEALTHY = "region.none-healthy" Critical Watch("probes of the regions") tree "object":
        "no region answers any more",
        why "there is nowhere left to send traffic; or the way from here is broken, which looks the same",
        source "seeds: regional failover";
}

/// The name of the kind that stands for regions: each is a kubeconfig's context.
pub const KIND: &str = "Region";

/// The object that stands for a region.
pub fn object(context: &str) -> ObjectRef {
    ObjectRef::new(Kind::Other(KIND.into()), "", context)
}

pub fn judge(ctx: &Ctx, region: &Region, object: &ObjectRef, out: &mut Out) {
    if let Some(silence) = region.silent() {
        let what = said(silence.door);
        let lasted = time::human(silence.since.age(ctx.now));
        let quote = format!("{} probes without an answer; the last: {}", silence.missed, silence.why);
        if let Some(first) = none_left(ctx.world) {
            out.push(
                Diagnosis::new(REGION_NONE_HEALTHY, first, silence.since)
                    .title("no region answers")
                    .row("no region answers")
                    .evidence(what, quote, object, Some(silence.since)),
            );
            return;
        }
        out.push(
            Diagnosis::new(REGION_DOWN, object.clone(), silence.since)
                .title(format!("region {}: {what} has not answered for {lasted}", object.name))
                .row(format!("no answer for {lasted}"))
                .evidence(what, quote, object, Some(silence.since)),
        );
    } else if let Some(slow) = region.slow() {
        let what = said(slow.door);
        let seconds = f64::from(slow.median) / 1000.0;
        out.push(
            Diagnosis::new(REGION_LATENCY, object.clone(), ctx.now)
                .title(format!("region {}: {what} answers in {seconds:.1} s", object.name))
                .row(format!("answers in {seconds:.1} s"))
                .evidence(
                    what,
                    format!("median {} ms of {} answers in five minutes", slow.median, slow.samples),
                    object,
                    None,
                ),
        );
    }
}

fn said(door: Door) -> &'static str {
    match door {
        Door::Api => "the API server",
        Door::Health => "the health URL",
    }
}

/// The first region, where none answers.
fn none_left(world: &World) -> Option<ObjectRef> {
    let (first, _) = world.regions.iter().next().filter(|_| world.regions.none_left())?;
    Some(object(first))
}
