//! The stake of a node: its pods, the work that an end of them loses, and the room that other nodes have.

use serde_json::{Value, json};

use super::facts::{at, object};
use crate::world::Object as _;
use crate::world::scheduling::{free_on, requests};
use crate::world::time::human;
use crate::world::{Kind, Node, ObjectRef, Phase, Pod, Role, Status, Time, World, condition};

/// The price of a GPU hour, as `khud do waves` takes it where nobody names another.
const PRICE: f64 = 2.0;
/// Pieces of work that are named.
const NAMED: usize = 4;

/// The stake of a node: `pods` that would go, `work` that holds GPUs or belongs to a Job with its age, and `spare`.
///
/// # Errors
/// A sentence: the node is not known.
pub(super) fn stake(world: &World, name: &str, now: Time) -> Result<Value, String> {
    let node = world.nodes.find("", name).ok_or_else(|| format!("there is no node {name}"))?;
    // A DaemonSet's pod goes with its node and comes back with it.
    let stays =
        |p: &Pod| p.meta.owner.as_ref().is_some_and(|o| matches!(o.kind, Kind::DaemonSet | Kind::Node));
    let live = |p: &Pod| matches!(p.phase, Phase::Running | Phase::Pending) && p.meta.deleting.is_none();
    let pods: Vec<&Pod> = world.pods_on(name).map(|(_, p)| p).filter(|p| live(p) && !stays(p)).collect();
    let mut work: Vec<(u64, u64, &Pod)> = pods
        .iter()
        .filter(|p| p.phase == Phase::Running)
        .map(|p| (gpus(p), p.meta.created.map_or(0, |t| t.age(now).as_secs()), *p))
        .filter(|(gpus, _, p)| *gpus > 0 || of_job(world, p))
        .collect();
    work.sort_by_key(|(gpus, age, p)| (std::cmp::Reverse(gpus * age), p.meta.name.clone()));
    #[allow(clippy::cast_precision_loss, reason = "seconds of GPUs")]
    let hours = work.iter().map(|(g, age, _)| (g * age) as f64 / 3600.0).sum::<f64>();
    let named: Vec<String> = work
        .iter()
        .take(NAMED)
        .map(|(g, age, p)| {
            let gpus = if *g > 0 { format!(", {g} GPUs") } else { String::new() };
            format!("{} ({}{gpus})", p.meta.name, human(std::time::Duration::from_secs(*age)))
        })
        .collect();
    let more = work.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let lost = match work.is_empty() {
        true => "no Job and no GPU work runs there".to_owned(),
        false => format!(
            "at most {hours:.0} GPU hours ({:.0} at {PRICE} an hour), less what was checkpointed: {}{more}",
            hours * PRICE,
            named.join(", ")
        ),
    };
    let (enough, spare) = spare(world, node, &pods);
    let hour = now.to_jiff().strftime("%A %H:%M UTC").to_string();
    let o = ObjectRef::new(Kind::Node, "", name);
    Ok(json!({
        "pods": pods.len(), "work": work.len(), "lost": lost, "spare": spare, "enough": enough, "hour": hour,
        "gpus": node.allocatable.gpu.unwrap_or(0),
        "quote": format!("{} pods; {lost}; {spare}", pods.len()), "source": "pods of the node", "at": at(None),
        "object": object(&o),
    }))
}

fn gpus(p: &Pod) -> u64 {
    let of = |c: &crate::world::Container| c.spec.requests.gpu.or(c.spec.limits.gpu).unwrap_or(0);
    p.containers.iter().filter(|c| c.spec.role == Role::App).map(of).sum()
}

fn of_job(world: &World, p: &Pod) -> bool {
    world.owners(&p.reference()).any(|o| o.kind == Kind::Job)
}

/// Whether the node's pods find room on the others, by the sums of what they request; a sum may still not fit pod by pod.
fn spare(world: &World, node: &Node, pods: &[&Pod]) -> (bool, String) {
    let takes = |n: &&Node| {
        let ready = condition(&n.conditions, "Ready").is_some_and(|c| c.status == Status::True);
        n.meta.name != node.meta.name && ready && !n.unschedulable && n.meta.deleting.is_none()
    };
    let others: Vec<&Node> = world.nodes.values().filter(takes).collect();
    let wanted_gpus: u64 = pods.iter().map(|p| gpus(p)).sum();
    let free_gpus = |n: &Node| {
        let held: u64 = world.pods_on(&n.meta.name).map(|(_, p)| gpus(p)).sum();
        n.allocatable.gpu.unwrap_or(0).saturating_sub(held)
    };
    let room_gpus: u64 = others.iter().map(|n| free_gpus(n)).sum();
    let largest = pods.iter().map(|p| gpus(p)).max().unwrap_or(0);
    let fits_one = others.iter().any(|n| free_gpus(n) >= largest);
    let short = ["cpu", "memory"].into_iter().find(|r| {
        let wanted: u64 = pods.iter().map(|p| requests(p, r)).sum();
        let room: u64 = others.iter().map(|n| free_on(world, n, r)).sum();
        wanted > room
    });
    let enough = short.is_none() && room_gpus >= wanted_gpus && fits_one;
    let gpus = format!("{wanted_gpus} GPUs wanted, {room_gpus} free on {} other nodes", others.len());
    let says = match (enough, short) {
        (true, _) => format!("others have room: {gpus}"),
        (false, Some(resource)) => format!("others have too little {resource}; {gpus}"),
        (false, None) => format!("others have too little room: {gpus}"),
    };
    (enough, says)
}
