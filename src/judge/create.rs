//! Why a container cannot be made: missing ConfigMaps, Secrets and keys, refused users, commands that are not there.

use crate::judge::patterns::{self, Match};
use crate::world::{Container, ContainerState, Kind, ObjectRef, Pod, Terminated};

use super::diagnosis::{Ctx, Diagnosis, Out};
use super::image::began;
use super::registry::{Cause, causes};
use super::text;
use super::{crash, image, roles, workload};

const WHY_CONFIG: &str =
    "the pod waits for ever: nothing retries a reference to what does not exist into existence";
const WHY_CONTAINER: &str =
    "the image is there and the program is not started: restarting does not help, the spec must change";
const WHY_RUNTIME: &str = "the node keeps its old pods and starts no new one: it looks half alive";

causes! {
    CONFIGMAP_MISSING = "config.configmap-missing" Critical Watch("pods, events") tree "pod":
        "a ConfigMap that the pod needs does not exist; names it",
        why WHY_CONFIG, source "waiting.message, event FailedMount";
    SECRET_MISSING = "config.secret-missing" Critical Watch("pods, events") tree "pod":
        "a Secret that the pod needs does not exist; names it",
        why WHY_CONFIG, source "waiting.message, event FailedMount";
    KEY_MISSING = "config.key-missing" Critical Watch("pods, events") tree "pod":
        "the ConfigMap or Secret lacks the key",
        why WHY_CONFIG, source "waiting.message, event FailedMount";
    RUN_AS_ROOT = "config.run-as-root" Critical Watch("pods") tree "pod":
        "the image would run as root and the pod forbids it",
        why WHY_CONFIG, source "waiting.message";
    COMMAND = "container.command" Critical Watch("pods") tree "pod":
        "the command is not in the image or not executable",
        why WHY_CONTAINER, source "RunContainerError, StartError; runc's words";
    SUBPATH = "volume.subpath" Critical Watch("pods") tree "pod":
        "the subPath of a mount is not in its volume, or cannot be made there",
        why WHY_CONFIG, source "waiting.message";
    HOOK = "container.hook" Critical Watch("pods, events") tree "pod":
        "a postStart or preStop hook fails",
        why WHY_CONTAINER, source "events FailedPostStartHook, FailedPreStopHook";
    CREATE = "container.create" Critical Watch("pods") tree "pod":
        "the runtime cannot create the container; its words are quoted",
        why WHY_CONTAINER, source "CreateContainerError";
    RUNTIME_DISK_FULL = "runtime.disk-full" Critical Watch("pods") tree "node":
        "the node has no space left for images or containers",
        why WHY_RUNTIME, source "waiting.message and StartError; the node's own log says more";
    RUNTIME_NVIDIA = "runtime.nvidia" Critical Watch("pods") tree "node":
        "the NVIDIA container runtime fails",
        why WHY_RUNTIME, source "StartError: `nvidia-container-cli`; the node's own log says more";
}

/// The ConfigMap that every namespace has and every pod with a token reads.
pub const ROOT_CA: &str = "kube-root-ca.crt";

/// What a clue about a missing ConfigMap, Secret or key, or about the user, says: cause, title and row.
pub fn told(clue: Match) -> (Cause, String, String) {
    let title = match clue.cause {
        CONFIGMAP_MISSING => format!("ConfigMap {} does not exist", clue.subject),
        SECRET_MISSING => format!("Secret {} does not exist", clue.subject),
        RUN_AS_ROOT => "the image would run as root and the pod forbids it".into(),
        _ => clue.words.clone(),
    };
    (clue.cause, title, clue.words)
}

/// The ConfigMap or Secret that a text says is missing.
pub fn missing(cause: Cause, pod: &ObjectRef, said: Option<Match>) -> Option<ObjectRef> {
    let kind = match cause {
        CONFIGMAP_MISSING => Kind::ConfigMap,
        SECRET_MISSING => Kind::Secret,
        workload::SERVICE_ACCOUNT_MISSING => Kind::of("ServiceAccount"),
        _ => return None,
    };
    let name = said?.subject;
    (!name.is_empty()).then(|| ObjectRef::new(kind, pod.namespace.clone(), name))
}

/// The ConfigMap or Secret that lacks a key: the one that the text names, else the only one of its kind that the pod
/// reads, because the kubelet names only the volume.
pub fn lacks_key(pod: &Pod, said: &Match) -> Option<ObjectRef> {
    let (_, place) = said.words.split_once(" missing in ")?;
    let (kind, names) = if place.contains("Secret") {
        (Kind::Secret, &pod.spec.secrets)
    } else {
        (Kind::ConfigMap, &pod.spec.config_maps)
    };
    let named = place.strip_prefix("Secret ").or_else(|| place.strip_prefix("ConfigMap "));
    let mut own = names.iter().filter(|n| &***n != ROOT_CA);
    let only = || own.next().filter(|_| own.next().is_none()).map(|n| &**n);
    let name = named.or_else(only)?;
    Some(ObjectRef::new(kind, pod.meta.namespace.clone(), name))
}

/// Judges a container that waits for anything but its image. `false` where the reason is not about making it.
pub fn judge(
    ctx: &Ctx,
    pod: &Pod,
    object: &ObjectRef,
    c: &Container,
    reason: &str,
    message: &str,
    out: &mut Out,
) -> bool {
    let (cause, title, row) = match reason {
        "CreateContainerConfigError" => match patterns::create(message) {
            Some(clue) => told(clue),
            None => create(c, message),
        },
        "RunContainerError" | "CreateContainerError"
            if message.contains(crash::OOM_KILLED_AT_START) && c.spec.limits.memory.is_some() =>
        {
            let limit = c.spec.limits.memory.map_or_else(String::new, text::bytes);
            let title =
                format!("container {} is killed at its memory limit of {limit} while it starts", c.spec.name);
            (crash::OOM_LIMIT, title, format!("OOM at {limit} limit"))
        }
        "CreateContainerError" | "PreCreateHookError" | "PreStartHookError" | "RunContainerError" => {
            command(c, message)
                .or_else(|| patterns::create(message).map(told))
                .unwrap_or_else(|| create(c, message))
        }
        "PostStartHookError" => (
            HOOK,
            format!("postStart hook of container {} fails", c.spec.name),
            "postStart hook fails".into(),
        ),
        _ => return false,
    };
    let quote = if message.is_empty() { reason } else { message };
    let mut signal = Diagnosis::new(cause, ctx.root(object), began(pod).unwrap_or(ctx.now));
    if cause.ends_with("-missing") {
        signal = signal.fold(format!("{cause} {} {title}", object.namespace));
        let said = patterns::create(message);
        let key = said.as_ref().filter(|_| cause == KEY_MISSING).and_then(|m| lacks_key(pod, m));
        signal = signal.waits_for(key.or_else(|| missing(cause, object, said)));
    }
    out.push(signal.container(&c.spec.name).title(title).row(row).evidence(
        format!("pod status, container {}", c.spec.name),
        quote,
        object,
        pod.started,
    ));
    true
}

/// A container that could not be started, by its last termination (`StartError`, `ContainerCannotRun`).
pub fn start_error(c: &Container, end: &Terminated) -> Option<(Cause, String, String)> {
    let failed = matches!(&*end.reason, "StartError" | "ContainerCannotRun");
    if failed {
        let known = command(c, &end.message).or_else(|| patterns::create(&end.message).map(told));
        return Some(known.unwrap_or_else(|| create(c, &end.message)));
    }
    match &c.state {
        ContainerState::Waiting { reason, message } if &**reason == "RunContainerError" => {
            Some(command(c, message).unwrap_or_else(|| create(c, message)))
        }
        _ => None,
    }
}

fn command(c: &Container, message: &str) -> Option<(Cause, String, String)> {
    let clue = patterns::start(message)?;
    let title = match clue.cause {
        image::PLATFORM => format!("image {} is not built for this node: exec format error", c.spec.image),
        COMMAND if message.contains("permission denied") => {
            format!("command {} may not be executed: permission denied", clue.subject)
        }
        COMMAND => format!("command {} is not in the image", clue.subject),
        roles::GPU_DRIVER_MISMATCH if clue.subject.is_empty() => {
            "the GPU driver loaded on the node differs from its libraries".into()
        }
        _ => clue.words.clone(),
    };
    Some((clue.cause, title, clue.words))
}

fn create(c: &Container, message: &str) -> (Cause, String, String) {
    // containerd ends with the class of an error it does not know, the kubelet with the pod it speaks of.
    let said = message.strip_suffix(": unknown").unwrap_or(message);
    let said = said.split_once(" (pod: \"").map_or(said, |(said, _)| said);
    let brief = said.rsplit(": ").next().unwrap_or(said);
    (CREATE, format!("container {} cannot be created: {brief}", c.spec.name), "cannot be created".into())
}
