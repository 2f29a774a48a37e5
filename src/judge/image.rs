//! Why an image cannot be pulled, from the words the runtime left in `waiting.message`.

use crate::judge::patterns;
use crate::world::{Container, ObjectRef, Pod, Time};

use super::diagnosis::{Ctx, Diagnosis, Out};
use super::registry::{Cause, causes};
use super::text::Image;
use super::{create, reach};

const PULL: &str = "waiting.message of the container; kubelet and containerd wording";
const WHY_IMAGE: &str = "the pod never starts, and a rollout with it stands half done";

causes! {
    NOT_FOUND = "image.not-found" Critical Watch("pods") tree "pod":
        "the tag or the repository does not exist in the registry",
        why WHY_IMAGE, source PULL;
    AUTH = "image.auth" Critical Watch("pods") tree "pod":
        "the registry refused the credentials, or none were sent",
        why WHY_IMAGE, source PULL;
    RATE_LIMIT = "image.rate-limit" Critical Watch("pods") tree "pod":
        "the registry throttles pulls; judged before auth and not-found",
        why WHY_IMAGE, source PULL;
    NETWORK = "image.network" Critical Watch("pods") tree "pod":
        "the registry cannot be reached: DNS, refused, timeout or TLS",
        why WHY_IMAGE, source PULL;
    INVALID_NAME = "image.invalid-name" Critical Watch("pods") tree "pod":
        "the image reference cannot be parsed",
        why WHY_IMAGE, source "waiting.reason InvalidImageName";
    NEVER_PULL = "image.never-pull" Critical Watch("pods") tree "pod":
        "pull policy Never and the image is not on the node",
        why WHY_IMAGE, source "waiting.reason ErrImageNeverPull";
    PLATFORM = "image.platform" Critical Log("pods, events, previous log") tree "pod":
        "the image is for another architecture, or its entry point is no executable",
        why WHY_IMAGE, source "`exec format error`, `no match for platform`";
    SIGNATURE = "image.signature" Critical Watch("pods") tree "pod":
        "the node's policy refuses the image: its signature is missing or not valid",
        why WHY_IMAGE, source "waiting.reason SignatureValidationFailed";
    UNKNOWN = "image.unknown" Critical Watch("pods") tree "pod":
        "the pull fails for a reason none of the others explains; the message is quoted",
        why WHY_IMAGE, source PULL;
}

/// The cause that a pull error's text proves, and its words.
fn classify(reason: &str, message: &str, image: &str) -> (Cause, String) {
    patterns::pull(reason, message, image)
        .map_or_else(|| (UNKNOWN, "image pull fails".into()), |clue| (clue.cause, clue.words))
}

/// Judges a container that waits for its image. `false` where its waiting reason is about something else.
pub fn judge(ctx: &Ctx, pod: &Pod, c: &Container, reason: &str, message: &str, out: &mut Out) -> bool {
    let object = ObjectRef::new(crate::world::Kind::Pod, pod.meta.namespace.clone(), pod.meta.name.clone());
    // An image volume's pull fails in the words of the container that mounts it.
    let pulled = patterns::pulled(message).filter(|i| !same_image(i, &c.spec.image));
    let image = pulled.unwrap_or(&c.spec.image);
    let parts = Image::parse(image);
    let mut event = None;
    let (cause, words) = match reason {
        "ErrImagePull" | "ImagePullBackOff" | "RegistryUnavailable" | "ImageInspectError" => {
            match classify(reason, message, image) {
                // Older kubelets keep the cause in an event alone.
                (UNKNOWN, words) => {
                    event = ctx.world.events_of(&object).into_iter().find(|e| {
                        super::diagnosis::same(&e.regarding_uid, &pod.meta.uid)
                            && &*e.reason == "Failed"
                            && e.note.starts_with("Failed to pull image")
                            && e.note.contains(image)
                    });
                    event.map_or((UNKNOWN, words), |e| classify("", &e.note, image))
                }
                proved => proved,
            }
        }
        "InvalidImageName" | "ErrImageNeverPull" => classify(reason, message, image),
        "SignatureValidationFailed" => (SIGNATURE, "signature refused".into()),
        _ => return false,
    };
    let registry = parts.registry;
    let said = message.to_ascii_lowercase();
    let (title, row) = match cause {
        NOT_FOUND if said.contains("name unknown") || said.contains("repository does not exist") => (
            format!("image repository {} does not exist on {registry}", parts.repository),
            format!("repository {} not found", parts.repository),
        ),
        NOT_FOUND => match parts.tag {
            Some(tag) => (format!("image tag {tag} does not exist"), format!("tag {tag} not found")),
            None => ("the image's digest does not exist".into(), "digest not found".into()),
        },
        AUTH if said.contains("no basic auth credentials") => (
            format!("registry {registry} asks for credentials and none were sent"),
            format!("no credentials for {registry}"),
        ),
        AUTH => {
            (format!("registry {registry} refused the pull of {}", parts.repository), "pull denied".into())
        }
        RATE_LIMIT => (format!("registry {registry} throttles pulls"), "pull rate limited".into()),
        NETWORK => (words.clone(), words),
        INVALID_NAME => (format!("image name {image} cannot be parsed"), "invalid image name".into()),
        NEVER_PULL => (
            format!("image {image} is not on the node and pull policy Never forbids pulling it"),
            "image absent, never pulled".into(),
        ),
        create::RUNTIME_DISK_FULL => {
            ("the node has no space left for the image".into(), "no space on the node".into())
        }
        SIGNATURE => (format!("the signature of image {image} is missing or not valid"), words),
        PLATFORM => (format!("image {image} has no build for the node's platform"), "wrong platform".into()),
        _ => (format!("image {image} cannot be pulled"), words),
    };
    let quote = if message.is_empty() { reason } else { message };
    let since = began(pod).unwrap_or(ctx.now);
    let mut signal = Diagnosis::new(cause, ctx.root(&object), since)
        .container(&c.spec.name)
        .title(title)
        .row(row)
        .evidence(format!("pod status, container {}", c.spec.name), quote, &object, pod.started);
    if matches!(cause, NOT_FOUND | INVALID_NAME | PLATFORM | SIGNATURE) {
        // Several workloads with one bad image have one trouble.
        signal = signal.fold(format!("{cause} {image}"));
    }
    if matches!(cause, NETWORK | RATE_LIMIT | AUTH) {
        signal = signal.fold(format!("{cause} {registry}"));
    }
    if cause == NETWORK {
        // A registry that runs in this cluster.
        signal = signal.waits_for(reach::service(ctx.world, &object.namespace, registry));
    }
    if let Some(event) = event {
        signal = signal.event(event);
    }
    out.push(signal);
    true
}

/// Whether a message means the image of the spec: a runtime writes the reference out (`docker.io/library/nginx:1`).
fn same_image(said: &str, spec: &str) -> bool {
    said.ends_with(spec) || Image::parse(said).repository == Image::parse(spec).repository
}

/// When a pod that never ran began to wait.
pub fn began(pod: &Pod) -> Option<Time> {
    pod.started.or(pod.meta.created)
}
