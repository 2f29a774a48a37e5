//! Why an image cannot be pulled, from the words the runtime left in `waiting.message`.

use std::sync::LazyLock;

use regex::Regex;

use crate::world::{Container, ObjectRef, Pod, Time};

use super::pattern;
use super::signal::{Ctx, Out, Signal};
use super::text::Image;

/// Tested in this order: a throttled or refused pull also says "not found" on some registries.
static CAUSES: LazyLock<Vec<(&'static str, Regex)>> = LazyLock::new(|| {
    [
        ("image.rate-limit", r"(?i)toomanyrequests|429 Too Many Requests|pull rate limit"),
        (
            "image.auth",
            r"(?i)pull access denied|insufficient_scope|401 Unauthorized|403 Forbidden|requested access to the resource is denied|no basic auth credentials|authentication required|authorization failed",
        ),
        (
            "image.network",
            r"(?i)no such host|i/o timeout|connection refused|TLS handshake|x509:|\btls: |connection reset by peer|no route to host|network is unreachable|server misbehaving|context deadline exceeded|50[0234] (?:Internal Server Error|Bad Gateway|Service Unavailable|Gateway Time)",
        ),
        (
            "image.not-found",
            r"(?i)manifest(?: for \S+)? (?:not found|unknown)|: not found(?:$|\s)|name unknown|404 Not Found|code = NotFound",
        ),
        ("image.platform", r"(?i)no match for platform|no matching manifest for|does not match the specified platform"),
    ]
    .into_iter()
    .map(|(cause, p)| (cause, pattern(p)))
    .collect()
});

/// The cause that a pull error's text proves. The image's own name never counts as a symptom.
pub fn classify(message: &str, image: &str) -> &'static str {
    let words = if image.is_empty() { message.to_owned() } else { message.replace(image, "") };
    CAUSES.iter().find(|(_, p)| p.is_match(&words)).map_or("image.unknown", |(cause, _)| cause)
}

/// Judges a container that waits for its image. `false` where its waiting reason is about something else.
pub fn judge(ctx: &Ctx, pod: &Pod, c: &Container, reason: &str, message: &str, out: &mut Out) -> bool {
    let object = ObjectRef::new(crate::world::Kind::Pod, pod.meta.namespace.clone(), pod.meta.name.clone());
    let image = &c.spec.image;
    let parts = Image::parse(image);
    let mut event = None;
    let cause = match reason {
        "ErrImagePull" | "ImagePullBackOff" | "RegistryUnavailable" => match classify(message, image) {
            // Older kubelets keep the cause in an event alone.
            "image.unknown" => {
                event = ctx.world.events_of(&object).into_iter().find(|e| {
                    super::signal::same(&e.regarding_uid, &pod.meta.uid)
                        && &*e.reason == "Failed"
                        && e.note.starts_with("Failed to pull image")
                        && e.note.contains(&**image)
                });
                event.map_or("image.unknown", |e| classify(&e.note, image))
            }
            cause => cause,
        },
        "InvalidImageName" => "image.invalid-name",
        "ErrImageNeverPull" => "image.never-pull",
        "ImageInspectError" | "SignatureValidationFailed" => "image.unknown",
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
        "image.network" => {
            let what = if said.contains("no such host") || said.contains("server misbehaving") {
                "does not resolve"
            } else if said.contains("refused") {
                "refuses connections"
            } else if said.contains("x509:") || said.contains("tls") {
                "fails at TLS"
            } else if said.contains("50") && said.contains("unexpected status") {
                "answers with an error"
            } else {
                "does not answer"
            };
            (format!("registry {registry} {what}"), format!("registry {registry} {what}"))
        }
        "image.invalid-name" => (format!("image name {image} cannot be parsed"), "invalid image name".into()),
        "image.never-pull" => (
            format!("image {image} is not on the node and pull policy Never forbids pulling it"),
            "image absent, never pulled".into(),
        ),
        "image.platform" => {
            (format!("image {image} has no build for the node's platform"), "wrong platform".into())
        }
        _ => (format!("image {image} cannot be pulled"), "image pull fails".into()),
    };
    let quote = if message.is_empty() { reason } else { message };
    let since = began(pod).unwrap_or(ctx.now);
    let mut signal = Signal::new(cause, ctx.root(&object), since).title(title).row(row).evidence(
        format!("pod status, container {}", c.spec.name),
        quote,
        &object,
        pod.started,
    );
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Wording of containerd, CRI-O and Docker Hub; the last of each pair differs in the deciding words alone.
    #[test]
    fn pull_errors_are_told_apart() {
        let image = "localhost:5000/api-server:v2.0.1";
        let pull = |tail: &str| {
            format!(
                "Back-off pulling image \"{image}\": ErrImagePull: failed to pull and unpack image \"{image}\": {tail}"
            )
        };
        for (tail, want) in [
            ("failed to resolve image: localhost:5000/api-server:v2.0.1: not found", "image.not-found"),
            ("manifest for localhost:5000/api-server:v2.0.1 not found: manifest unknown", "image.not-found"),
            ("429 Too Many Requests - Server message: toomanyrequests: not found", "image.rate-limit"),
            (
                "pull access denied, repository does not exist or may require authorization: insufficient_scope: not found",
                "image.auth",
            ),
            ("failed to fetch anonymous token: unexpected status: 403 Forbidden", "image.auth"),
            ("dial tcp: lookup myregistry.io on 10.0.0.2:53: no such host", "image.network"),
            ("tls: first record does not look like a TLS handshake", "image.network"),
            ("no match for platform in manifest: not acceptable", "image.platform"),
            ("something nobody has seen before", "image.unknown"),
        ] {
            assert_eq!(classify(&pull(tail), image), want, "{tail}");
        }
        // A name that reads like a symptom is none.
        let odd = "registry.io/tests/429 Too Many Requests:latest";
        assert_eq!(classify(&format!("cannot pull {odd}"), odd), "image.unknown");
    }
}
