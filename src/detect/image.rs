//! Why an image cannot be pulled, from the words the runtime left in `waiting.message`.

use crate::world::patterns;
use crate::world::{Container, ObjectRef, Pod, Time};

use super::signal::{Ctx, Out, Signal};
use super::text::Image;

/// The cause that a pull error's text proves, and its words.
fn classify(reason: &str, message: &str, image: &str) -> (&'static str, String) {
    patterns::pull(reason, message, image)
        .map_or_else(|| ("image.unknown", "image pull fails".into()), |clue| (clue.cause, clue.words))
}

/// Judges a container that waits for its image. `false` where its waiting reason is about something else.
pub fn judge(ctx: &Ctx, pod: &Pod, c: &Container, reason: &str, message: &str, out: &mut Out) -> bool {
    let object = ObjectRef::new(crate::world::Kind::Pod, pod.meta.namespace.clone(), pod.meta.name.clone());
    let image = &c.spec.image;
    let parts = Image::parse(image);
    let mut event = None;
    let (cause, words) = match reason {
        "ErrImagePull" | "ImagePullBackOff" | "RegistryUnavailable" | "ImageInspectError" => {
            match classify(reason, message, image) {
                // Older kubelets keep the cause in an event alone.
                ("image.unknown", words) => {
                    event = ctx.world.events_of(&object).into_iter().find(|e| {
                        super::signal::same(&e.regarding_uid, &pod.meta.uid)
                            && &*e.reason == "Failed"
                            && e.note.starts_with("Failed to pull image")
                            && e.note.contains(&**image)
                    });
                    event.map_or(("image.unknown", words), |e| classify("", &e.note, image))
                }
                proved => proved,
            }
        }
        "InvalidImageName" | "ErrImageNeverPull" => classify(reason, message, image),
        "SignatureValidationFailed" => ("image.unknown", "signature not valid".into()),
        _ => return false,
    };
    let registry = parts.registry;
    let said = message.to_ascii_lowercase();
    let (title, row) = match cause {
        "image.not-found" if said.contains("name unknown") || said.contains("repository does not exist") => (
            format!("image repository {} does not exist on {registry}", parts.repository),
            format!("repository {} not found", parts.repository),
        ),
        "image.not-found" => match parts.tag {
            Some(tag) => (format!("image tag {tag} does not exist"), format!("tag {tag} not found")),
            None => ("the image's digest does not exist".into(), "digest not found".into()),
        },
        "image.auth" if said.contains("no basic auth credentials") => (
            format!("registry {registry} asks for credentials and none were sent"),
            format!("no credentials for {registry}"),
        ),
        "image.auth" => {
            (format!("registry {registry} refused the pull of {}", parts.repository), "pull denied".into())
        }
        "image.rate-limit" => (format!("registry {registry} throttles pulls"), "pull rate limited".into()),
        "image.network" => (words.clone(), words),
        "image.invalid-name" => (format!("image name {image} cannot be parsed"), "invalid image name".into()),
        "image.never-pull" => (
            format!("image {image} is not on the node and pull policy Never forbids pulling it"),
            "image absent, never pulled".into(),
        ),
        "runtime.disk-full" => {
            ("the node has no space left for the image".into(), "no space on the node".into())
        }
        "image.platform" => {
            (format!("image {image} has no build for the node's platform"), "wrong platform".into())
        }
        _ => (format!("image {image} cannot be pulled"), words),
    };
    let quote = if message.is_empty() { reason } else { message };
    let since = began(pod).unwrap_or(ctx.now);
    let mut signal = Signal::new(cause, ctx.root(&object), since).title(title).row(row).evidence(
        format!("pod status, container {}", c.spec.name),
        quote,
        &object,
        pod.started,
    );
    if matches!(cause, "image.network" | "image.rate-limit" | "image.auth") {
        signal = signal.fold(format!("{cause} {registry}"));
    }
    if let Some(event) = event {
        signal = signal.event(event);
    }
    out.push(signal);
    true
}

/// When a pod that never ran began to wait.
pub fn began(pod: &Pod) -> Option<Time> {
    pod.started.or(pod.meta.created)
}
