//! Pods that wait for their claims, volumes that do not mount or attach, sandboxes that are not made.

use std::sync::LazyLock;

use regex::Regex;

use crate::judge::patterns;
use crate::world::{ContainerState, Event, Kind, Object, ObjectRef, Phase, Pod, Time};

use super::diagnosis::{Ctx, Diagnosis, Out, same};
use super::limits::seconds;
use super::pattern;
use super::registry::{Cause, causes};
use super::{claim, create, pod as pods};

const SCHED: &str = "condition PodScheduled; scheduler wording of 1.2x to 1.36";
const WHY_VOLUME: &str = "the pod waits for its data, or cannot write any more";
const WHY_SANDBOX: &str = "no pod starts on that node until its network or runtime is mended";

causes! {
    ZONE = "volume.zone" Critical Watch("pods") tree "pod":
        "the volume lives where no fitting node is",
        why WHY_VOLUME, source SCHED;
    CAPACITY = "volume.capacity" Critical Watch("pods, claims, events") tree "pod":
        "no storage with enough free space",
        why WHY_VOLUME, source SCHED;
    MOUNT = "volume.mount" Critical Watch("pods, events") tree "pod":
        "the kubelet cannot mount a volume",
        why WHY_VOLUME, source "event FailedMount";
    ATTACH = "volume.attach" Critical Watch("pods, events") tree "pod":
        "the volume cannot be attached to the node",
        why WHY_VOLUME, source "event FailedAttachVolume";
    MULTI_ATTACH = "volume.multi-attach" Critical Watch("pods, events") tree "pod":
        "the volume is attached to another node",
        why WHY_VOLUME, source "event FailedAttachVolume, `Multi-Attach error`";
    PERMISSION = "volume.permission" Critical Watch("pods, events") tree "pod":
        "mounting is refused for lack of permission",
        why WHY_VOLUME, source "event FailedMount";
    SANDBOX_NETWORK = "sandbox.network" Critical Watch("pods, events") tree "pod":
        "the network plugin cannot set up the pod's sandbox",
        why WHY_SANDBOX, source "event FailedCreatePodSandBox, NetworkNotReady";
    SANDBOX_RUNTIME = "sandbox.runtime" Critical Watch("pods, events") tree "pod":
        "the container runtime cannot make the pod's sandbox",
        why WHY_SANDBOX, source "event FailedCreatePodSandBox";
}

/// Reasons of events that say why volumes or the sandbox do not come.
const FAILURES: &[&str] =
    &["FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedCreatePodSandBox", "NetworkNotReady"];

/// The server in the kubelet's `mount -t nfs SERVER:/path`.
static NFS: LazyLock<Regex> = LazyLock::new(|| pattern(r"-t nfs\S* (?:-o \S+ )?([^\s:]+):/"));
static CLAIM: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#"persistentvolumeclaim "([^"]+)" (not found|is being deleted|bound to)"#));
/// A pod that the scheduler holds back for its claims. The claim is what is to be fixed where one can be named.
#[allow(clippy::too_many_arguments)]
pub fn unschedulable(
    ctx: &Ctx,
    pod: &Pod,
    object: &ObjectRef,
    root: ObjectRef,
    message: &str,
    since: Time,
    fires: Time,
    out: &mut Out,
) {
    let mut signal = match CLAIM.captures(message) {
        Some(m) if &m[2] == "not found" => Diagnosis::new(claim::CLAIM_MISSING, root, since)
            .title(format!("claim {} does not exist", &m[1]))
            .row(format!("claim {} missing", &m[1]))
            .waits_for(Some(ObjectRef::new(Kind::PersistentVolumeClaim, pod.meta.namespace.clone(), &m[1]))),
        Some(m) if &m[2] == "is being deleted" => Diagnosis::new(claim::CLAIM_UNBOUND, root, since)
            .title(format!("claim {} is being deleted: no new pod may use it", &m[1]))
            .row(format!("claim {} is going", &m[1])),
        Some(m) => Diagnosis::new(claim::CLAIM_UNBOUND, root, since)
            .title(format!("claim {} lost its volume", &m[1]))
            .row(format!("claim {} lost", &m[1])),
        None => match claim::pending(ctx, pod) {
            Some(claim) => {
                let found = claim::unbound(ctx, claim, since).0;
                if ctx.now < found.fires_at {
                    out.again(found.fires_at);
                }
                found
            }
            None => Diagnosis::new(claim::CLAIM_UNBOUND, root, since)
                .title("a claim of the pod is not bound")
                .row("claim unbound")
                .likely(),
        },
    }
    .fires_at(fires);
    signal = signal.evidence("condition PodScheduled", message, object, Some(since));
    if ctx.now < fires {
        out.again(fires);
    }
    out.push(signal);
}

/// A scheduled pod whose containers wait for volumes or for the sandbox. `true` where that is what is wrong.
pub fn judge(ctx: &Ctx, pod: &Pod, object: &ObjectRef, out: &mut Out) -> bool {
    if pod.phase != Phase::Pending {
        return false;
    }
    let waits = pod.containers.iter().any(|c| match &c.state {
        ContainerState::Waiting { reason, .. } => {
            matches!(&**reason, "ContainerCreating" | "PodInitializing" | "")
        }
        ContainerState::None => true,
        _ => false,
    });
    let ran = pod
        .containers
        .iter()
        .any(|c| !matches!(c.state, ContainerState::Waiting { .. } | ContainerState::None));
    if !waits || ran {
        return false;
    }
    let events = ctx.world.events_of(object);
    let recent = ctx.now.minus(seconds(900));
    let own: Vec<_> = events.into_iter().filter(|e| same(&e.regarding_uid, &pod.meta.uid)).collect();
    let failures = || own.iter().copied().filter(|e| FAILURES.contains(&&*e.reason));
    let is_vague = |e: &Event| e.note.starts_with("Unable to attach or mount volumes");
    let attached = own.iter().find(|e| &*e.reason == "SuccessfulAttachVolume").map(|e| e.last);
    // The controller says once that a volume is attached elsewhere, and then waits in silence.
    let stands =
        |e: &Event| e.note.starts_with("Multi-Attach error") && attached.is_none_or(|at| at < e.last);
    let event = failures()
        .find(|e| !is_vague(e) && (e.last >= recent || stands(e)))
        .or_else(|| failures().find(|e| e.last >= recent));
    // The kubelet's line about all mounts names no cause, and events go after an hour.
    // A pod whose image is pulled has its volumes.
    let pulls = || ctx.event(pod, object, &["Pulling", "Pulled"]).is_some();
    let vague = event.map_or_else(|| !pulls(), is_vague);
    let computed = || absent(ctx, pod, object).or_else(|| held_elsewhere(ctx, pod, object));
    if let Some(found) = vague.then(computed).flatten() {
        if ctx.now < found.fires_at {
            out.again(found.fires_at);
        }
        out.push(match event {
            Some(event) => found.event(event),
            None => found,
        });
        return true;
    }
    let Some(event) = event else {
        // The ConfigMaps may be listed later than the pod.
        if ctx.now >= pods::patience(ctx, pod) && !ctx.world.synced(&Kind::ConfigMap) {
            out.again(ctx.now.plus(seconds(10)));
        }
        return false;
    };
    let (cause, title, row) = classify(&event.reason, &event.note);
    let since = super::image::began(pod).unwrap_or(event.first);
    // What does not exist will not come by waiting; a slow attach or a busy network plugin may.
    let fires = if cause.starts_with("config.") { since.plus(seconds(5)) } else { pods::patience(ctx, pod) };
    if ctx.now < fires {
        out.again(fires);
    }
    let mut signal = Diagnosis::new(cause, ctx.root(object), since).fires_at(fires);
    if cause.starts_with("config.") {
        signal = signal.fold(format!("{cause} {} {title}", object.namespace));
        let said = patterns::mount(&event.reason, &event.note);
        let key = said.as_ref().filter(|_| cause == create::KEY_MISSING);
        let key = key.and_then(|m| create::lacks_key(pod, m));
        signal = signal.waits_for(key.or_else(|| create::missing(cause, object, said)));
    } else if matches!(cause, MOUNT | PERMISSION | ATTACH) {
        signal = signal.waits_for(claim_of(ctx, pod, &event.note));
        if let Some(server) = NFS.captures(&event.note) {
            signal = signal.fold(format!("{cause} nfs {}", &server[1]));
        }
    }
    out.push(signal.title(title).row(row).event(event));
    true
}

/// A disk for one node that a pod on another node holds. Only likely: some storage lets go of it by itself.
fn held_elsewhere(ctx: &Ctx, pod: &Pod, object: &ObjectRef) -> Option<Diagnosis> {
    let (namespace, w) = (&pod.meta.namespace, ctx.world);
    let of_one_node = |c: &&crate::world::Claim| {
        !c.access_modes.is_empty() && c.access_modes.iter().all(|m| &**m == "ReadWriteOnce")
    };
    let ended = |p: &Pod| matches!(p.phase, Phase::Succeeded | Phase::Failed);
    let claims = pod.spec.claims.iter().filter_map(|n| w.claims.find(namespace, n)).filter(of_one_node);
    let (claim, holder) = claims.into_iter().find_map(|claim| {
        let holds = |p: &&Pod| {
            p.meta.namespace == *namespace
                && p.spec.claims.contains(&claim.meta.name)
                && !p.node.is_empty()
                && p.node != pod.node
                && !ended(p)
        };
        w.pods.values().find(holds).map(|p| (claim, p))
    })?;
    let since = super::image::began(pod).unwrap_or(ctx.now);
    let (name, other) = (&claim.meta.name, &holder.meta.name);
    Some(
        Diagnosis::new(MULTI_ATTACH, ctx.root(object), since)
            .fires_at(pods::patience(ctx, pod))
            .title(format!("the volume of claim {name} is held by pod {other} on node {}", holder.node))
            .row("volume is attached to another node")
            .evidence("claim spec", "accessModes: ReadWriteOnce", &claim.reference(), None)
            .evidence("pod spec", format!("pod {other} uses claim {name}"), &pods::reference(holder), None)
            .likely(),
    )
}

/// The claim of the pod whose volume a text names.
fn claim_of(ctx: &Ctx, pod: &Pod, note: &str) -> Option<ObjectRef> {
    let named = note.split("volume \"").nth(1)?.split('"').next()?;
    let volume = ctx.world.volumes.find("", named)?;
    let own = volume.claim.0 == pod.meta.namespace && pod.spec.claims.contains(&volume.claim.1);
    own.then(|| ObjectRef::new(Kind::PersistentVolumeClaim, volume.claim.0.clone(), volume.claim.1.clone()))
}

/// A ConfigMap that the pod reads and that does not exist. Only likely: an optional one holds nothing up.
fn absent(ctx: &Ctx, pod: &Pod, object: &ObjectRef) -> Option<Diagnosis> {
    let (namespace, w) = (&pod.meta.namespace, ctx.world);
    if !(w.synced_in(&Kind::ConfigMap, &"".into()) || w.synced_in(&Kind::ConfigMap, namespace)) {
        return None;
    }
    let name = pod.spec.config_maps.iter().find(|n| w.config_maps.find(namespace, n).is_none())?;
    let since = super::image::began(pod).unwrap_or(ctx.now);
    let (cause, title) = (create::CONFIGMAP_MISSING, format!("ConfigMap {name} does not exist"));
    Some(
        Diagnosis::new(cause, ctx.root(object), since)
            .fires_at(pods::patience(ctx, pod))
            .fold(format!("{cause} {namespace} {title}"))
            .waits_for(Some(ObjectRef::new(Kind::ConfigMap, namespace.clone(), name.clone())))
            .title(title)
            .row(format!("ConfigMap {name} missing"))
            .evidence(
                "pod spec",
                format!("reads ConfigMap {name}; {namespace} has none of that name"),
                object,
                None,
            )
            .likely(),
    )
}

/// What a volume or sandbox event proves: cause, title, row.
pub fn classify(reason: &str, note: &str) -> (Cause, String, String) {
    let clue = match reason {
        "FailedMount" | "FailedAttachVolume" | "FailedMapVolume" => patterns::mount(reason, note),
        _ => patterns::sandbox(note),
    };
    let Some(clue) = clue else {
        return (SANDBOX_RUNTIME, "the pod's sandbox cannot be made".into(), "sandbox fails".into());
    };
    let volume = if clue.subject.is_empty() { String::new() } else { format!(" {}", clue.subject) };
    match clue.cause {
        c if c.starts_with("config.") => create::told(clue),
        MOUNT
            if ["permission denied", "access denied by server"]
                .iter()
                .any(|w| note.to_ascii_lowercase().contains(w)) =>
        {
            (
                PERMISSION,
                format!("volume{volume} cannot be mounted: permission denied"),
                "mount: permission denied".into(),
            )
        }
        SANDBOX_NETWORK => {
            (clue.cause, format!("the pod's network cannot be set up: {}", clue.words), clue.words)
        }
        SANDBOX_RUNTIME => {
            (clue.cause, "the container runtime cannot make the pod's sandbox".into(), "sandbox fails".into())
        }
        _ => (clue.cause, clue.words.clone(), clue.words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volume_and_sandbox_events_are_told_apart() {
        let cases = [
            (
                "FailedMount",
                r#"MountVolume.SetUp failed for volume "s" : secret "db-credentials" not found"#,
                "config.secret-missing",
            ),
            (
                "FailedMount",
                r#"MountVolume.SetUp failed for volume "m" : configmap "prompt-templates" not found"#,
                "config.configmap-missing",
            ),
            (
                "FailedMount",
                r#"MountVolume.SetUp failed for volume "s" : references non-existent secret key: password"#,
                "config.key-missing",
            ),
            (
                "FailedMount",
                r#"MountVolume.SetUp failed for volume "m" : hostPath type check failed: /no/such/dir is not a directory"#,
                "volume.mount",
            ),
            (
                "FailedMount",
                r#"MountVolume.MountDevice failed for volume "d" : mount failed: permission denied"#,
                "volume.permission",
            ),
            (
                "FailedAttachVolume",
                r#"Multi-Attach error for volume "d" Volume is already exclusively attached to one node and can't be attached to another"#,
                "volume.multi-attach",
            ),
            (
                "FailedAttachVolume",
                r#"AttachVolume.Attach failed for volume "d" : rpc error"#,
                "volume.attach",
            ),
            (
                "FailedCreatePodSandBox",
                r#"Failed to create pod sandbox: rpc error: failed to setup network for sandbox "x": plugin type="calico" failed (add): boom"#,
                "sandbox.network",
            ),
            (
                "FailedCreatePodSandBox",
                "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to create containerd task: disk I/O error",
                "sandbox.runtime",
            ),
            (
                "NetworkNotReady",
                "network is not ready: container runtime network not ready: NetworkReady=false",
                "sandbox.network",
            ),
        ];
        for (reason, note, want) in cases {
            assert_eq!(classify(reason, note).0, want, "{note}");
        }
    }
}
