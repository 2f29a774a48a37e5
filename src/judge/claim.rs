//! Claims that do not bind: which volume, class or provisioner is missing, with the numbers of both sides.

use crate::judge::patterns;
use crate::world::{Claim, Event, Kind, ObjectRef, Pod, Time, Volume};

use super::diagnosis::{Ctx, Diagnosis, Out, same};
use super::limits::seconds;
use super::registry::causes;
use super::text::bytes;
use super::volume;

const SCHED: &str = "condition PodScheduled; scheduler wording of 1.2x to 1.36";
const WHY_CLAIM: &str = "the pod waits for its data";

causes! {
    CLAIM_UNBOUND = "volume.claim-unbound" Critical Watch("pods, claims, events") tree "volume":
        "the claim is not bound to a volume",
        why WHY_CLAIM, source SCHED;
    CLAIM_MISSING = "volume.claim-missing" Critical Watch("pods, claims") tree "pod":
        "the claim that the pod names does not exist",
        why WHY_CLAIM, source SCHED;
    CLASS_MISSING = "volume.class-missing" Critical Watch("pods, claims, events") tree "volume":
        "the claim's storage class does not exist",
        why WHY_CLAIM, source "event ProvisioningFailed";
    PROVISIONER = "volume.provisioner" Critical Watch("claims, events") tree "volume":
        "the provisioner fails, or does not take the claim up",
        why WHY_CLAIM, source "events ProvisioningFailed and ExternalProvisioning";
    NO_MATCH = "volume.no-match" Critical Watch("claims, volumes, classes, events") tree "volume":
        "no volume fits the claim by size, access mode or class, or the one that fits belonged to another claim",
        why WHY_CLAIM, source "the claim and the PersistentVolumes; event VolumeMismatch";
}

/// The class that says that nobody makes volumes: an administrator does.
const BY_HAND: &str = "kubernetes.io/no-provisioner";
/// How long a provisioner may take: a cloud's disk takes up to a minute.
const PROVISIONING: u64 = 120;

/// A claim by itself: a failure that its controller reported, a lost volume, a provisioner that does not answer.
/// Waiting for a consumer is no failure.
pub fn judge(ctx: &Ctx, claim: &Claim, object: &ObjectRef, out: &mut Out) {
    if claim.meta.deleting.is_some() {
        return;
    }
    let since = claim.meta.created.unwrap_or(ctx.now);
    match &*claim.phase {
        "Lost" => out.push(
            Diagnosis::new(CLAIM_UNBOUND, object.clone(), since)
                .title(format!("claim {} lost its volume {}", claim.meta.name, claim.volume))
                .row("volume lost")
                .evidence("claim status", "phase Lost", object, None),
        ),
        "Pending" => {
            let (found, reported) = unbound(ctx, claim, since);
            if !reported {
                return;
            }
            let fires = found.fires_at.max(since.plus(seconds(ctx.limits.unavailable)));
            if ctx.now < fires {
                out.again(fires);
            }
            out.push(found.fires_at(fires));
        }
        _ => {}
    }
}

/// Why a claim is not bound, and whether that is a failure by itself, without a pod that waits.
pub fn unbound(ctx: &Ctx, claim: &Claim, since: Time) -> (Diagnosis, bool) {
    let object =
        ObjectRef::new(Kind::PersistentVolumeClaim, claim.meta.namespace.clone(), claim.meta.name.clone());
    let name = &claim.meta.name;
    let events = ctx.world.events_of(&object);
    let event = |reasons: &[&str]| -> Option<&Event> {
        let mut own = events.iter().copied().filter(|e| same(&e.regarding_uid, &claim.meta.uid));
        own.find(|e| reasons.contains(&&*e.reason))
    };
    let told = event(&["VolumeMismatch", "ProvisioningFailed", "FailedBinding", "ExternalProvisioning"]);
    let by_hand = class(ctx, claim).is_some_and(|c| &*c.provisioner == BY_HAND);
    let refused = told.is_some_and(|e| &*e.reason != "ExternalProvisioning");
    if (refused || by_hand)
        && let Some(Misfit { title, row, quotes }) = no_match(ctx, claim, by_hand)
    {
        let mut found = Diagnosis::new(NO_MATCH, object.clone(), since).title(title).row(row);
        for (quote, of) in quotes {
            found = found.evidence(if of == object { "claim spec" } else { "volume" }, quote, &of, None);
        }
        return (told.map_or(found.clone(), |e| found.event(e)), refused);
    }
    let clue = told.and_then(|e| patterns::claim(&e.reason, &e.note));
    if let (Some(event), Some(clue)) = (told, clue.filter(|c| c.cause != CLAIM_UNBOUND)) {
        let title = match clue.cause {
            CLASS_MISSING => format!("storage class {} of claim {name} does not exist", clue.subject),
            volume::CAPACITY => format!("the volume for claim {name} cannot be made: {}", clue.words),
            NO_MATCH => format!("claim {name} does not fit the volume it asks for: {}", clue.words),
            _ => format!("the volume for claim {name} cannot be provisioned"),
        };
        // The class is what several claims lack.
        let class =
            (clue.cause == CLASS_MISSING).then(|| ObjectRef::new(Kind::StorageClass, "", clue.subject));
        let found = Diagnosis::new(clue.cause, object, since).title(title).row(clue.words).event(event);
        return (found.waits_for(class), true);
    }
    if let Some(event) = told.filter(|e| &*e.reason == "ExternalProvisioning") {
        let waited = event.first.plus(seconds(PROVISIONING));
        let provisioner = event.note.split('\'').nth(1).unwrap_or("the provisioner");
        if ctx.now >= waited {
            let found = Diagnosis::new(PROVISIONER, object, event.first)
                .title(format!("{provisioner} does not provision the volume for claim {name}"))
                .row("provisioner does not answer")
                .fold(format!("{PROVISIONER} {provisioner}"))
                .event(event);
            return (found, true);
        }
        // The claim is looked at again when it has waited long enough.
        let waiting = waiting(name, object, since).fires_at(waited).event(event);
        return (waiting, true);
    }
    // What holds a claim stands in its events, in its class and in the volumes that there are.
    let sources = &[Kind::Event, Kind::PersistentVolume, Kind::StorageClass];
    let found = waiting(name, object, since).likely_unless(ctx.listed(sources, &claim.meta.namespace));
    match told {
        Some(event) => (found.event(event), refused),
        None => (found, false),
    }
}

/// The first claim of a pod that is not bound.
pub fn pending<'w>(ctx: &Ctx<'w>, pod: &Pod) -> Option<&'w Claim> {
    let claims = pod.spec.claims.iter().filter_map(|c| ctx.world.claims.find(&pod.meta.namespace, c));
    claims.into_iter().find(|c| &*c.phase != "Bound")
}

fn waiting(name: &str, object: ObjectRef, since: Time) -> Diagnosis {
    Diagnosis::new(CLAIM_UNBOUND, object, since)
        .title(format!("claim {name} is not bound to a volume"))
        .row(format!("claim {name} unbound"))
}

/// The class that the claim names, or the default one where it names none.
fn class<'w>(ctx: &'w Ctx, claim: &Claim) -> Option<&'w crate::world::StorageClass> {
    let mut classes = ctx.world.storage_classes.values();
    match &claim.class {
        Some(name) => ctx.world.storage_classes.find("", name),
        None => classes.find(|c| c.default),
    }
}

/// Why no volume binds, in a sentence and a few words, with what both sides say of themselves.
struct Misfit {
    title: String,
    row: String,
    quotes: Vec<(String, ObjectRef)>,
}

/// Why none of the volumes that come into question fits. `None` where no
/// volume comes into question and somebody is to make one.
fn no_match(ctx: &Ctx, claim: &Claim, by_hand: bool) -> Option<Misfit> {
    let w = ctx.world;
    if !w.synced(&Kind::PersistentVolume) {
        return None;
    }
    let name = &claim.meta.name;
    let object = ObjectRef::new(Kind::PersistentVolumeClaim, claim.meta.namespace.clone(), name.clone());
    let wanted_class = claim.class.as_deref().unwrap_or("");
    let modes = claim.access_modes.join(", ");
    let of_class =
        if wanted_class.is_empty() { "no class".to_owned() } else { format!("class {wanted_class}") };
    let wants = format!("wants {}, {modes}, {of_class}", bytes(claim.requested));
    let candidates: Vec<&Volume> = if claim.volume.is_empty() {
        w.volumes.values().filter(|v| *v.class == *wanted_class).collect()
    } else {
        w.volumes.values().filter(|v| v.meta.name == claim.volume).collect()
    };
    // The one that fails by the least says most.
    let nearest =
        candidates.iter().filter_map(|v| Some((misfit(claim, v)?, *v))).min_by_key(|((rank, _), _)| *rank);
    if let Some(((_, why), volume)) = nearest {
        let volume_ref = ObjectRef::new(Kind::PersistentVolume, "", volume.meta.name.clone());
        let has = format!(
            "{}: {}, {}, class {}, {}",
            volume.meta.name,
            bytes(volume.capacity),
            volume.access_modes.join(", "),
            if volume.class.is_empty() { "none" } else { &*volume.class },
            volume.phase
        );
        let several = candidates.len() - 1;
        let more = if several > 0 { format!(" (and {several} more do not fit)") } else { String::new() };
        return Some(Misfit {
            title: format!("no volume fits claim {name}: volume {} {why}{more}", volume.meta.name),
            row: format!("no volume fits {name}"),
            quotes: vec![(wants, object), (has, volume_ref)],
        });
    }
    if candidates.is_empty() && (by_hand || !claim.volume.is_empty()) {
        let title = if claim.volume.is_empty() {
            format!("no volume of {of_class} exists for claim {name}, and the class makes none")
        } else {
            format!("volume {} that claim {name} asks for does not exist", claim.volume)
        };
        return Some(Misfit { title, row: format!("no volume for {name}"), quotes: vec![(wants, object)] });
    }
    None
}

/// Why a volume does not fit the claim, with how far from fitting it is; `None` where it fits.
fn misfit(claim: &Claim, volume: &Volume) -> Option<(u8, String)> {
    let mine = volume.claim.0 == claim.meta.namespace && volume.claim.1 == claim.meta.name;
    let class = claim.class.as_deref().unwrap_or("");
    if volume.capacity < claim.requested {
        let (has, wants) = (bytes(volume.capacity), bytes(claim.requested));
        return Some((1, format!("has {has}, and the claim wants {wants}")));
    }
    if let Some(mode) = claim.access_modes.iter().find(|m| !volume.access_modes.contains(m)) {
        return Some((1, format!("allows {}, and the claim wants {mode}", volume.access_modes.join(", "))));
    }
    if *volume.class != *class {
        return Some((2, format!("is of class {:?}, and the claim wants {class:?}", &*volume.class)));
    }
    if &*volume.phase == "Released" {
        return Some((
            0,
            format!(
                "is Released: it still belongs to the deleted claim {}/{}",
                volume.claim.0, volume.claim.1
            ),
        ));
    }
    if &*volume.phase == "Failed" {
        return Some((2, format!("is Failed: {}", volume.message)));
    }
    if !volume.claim.1.is_empty() && !mine {
        return Some((3, format!("belongs to claim {}/{}", volume.claim.0, volume.claim.1)));
    }
    None
}
