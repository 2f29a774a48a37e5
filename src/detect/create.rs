//! Why a container cannot be made: missing ConfigMaps, Secrets and keys, refused users, commands that are not there.

use std::sync::LazyLock;

use regex::Regex;

use crate::world::{Container, ContainerState, ObjectRef, Pod, Terminated};

use super::image::began;
use super::pattern;
use super::signal::{Ctx, Out, Signal};

static MISSING: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#"(?i)\b(configmap|secret) "([^"]+)" not found"#));
static KEY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"couldn't find key (\S+) in (ConfigMap|Secret) ([^/\s]+)/(\S+)|references non-existent (secret|config) key: (\S+)",
    )
});
static EXEC: LazyLock<Regex> = LazyLock::new(|| pattern(r#"exec: "([^"]+)": ([^\n]+)"#));

/// A missing ConfigMap, Secret or key in the kubelet's words: cause, title and row.
pub fn missing(message: &str) -> Option<(&'static str, String, String)> {
    if let Some(m) = KEY.captures(message) {
        return Some(match (m.get(1), m.get(2), m.get(4), m.get(6)) {
            (Some(key), Some(kind), Some(name), _) => (
                "config.key-missing",
                format!("{} {} has no key {}", kind.as_str(), name.as_str(), key.as_str()),
                format!("key {} missing", key.as_str()),
            ),
            (_, _, _, Some(key)) => (
                "config.key-missing",
                format!("a mounted Secret or ConfigMap has no key {}", key.as_str()),
                format!("key {} missing", key.as_str()),
            ),
            _ => return None,
        });
    }
    let m = MISSING.captures(message)?;
    let name = &m[2];
    Some(if m[1].eq_ignore_ascii_case("secret") {
        ("config.secret-missing", format!("Secret {name} does not exist"), format!("secret {name} missing"))
    } else {
        (
            "config.configmap-missing",
            format!("ConfigMap {name} does not exist"),
            format!("configmap {name} missing"),
        )
    })
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
        "CreateContainerConfigError" => match missing(message) {
            Some(found) => found,
            None if message.contains("runAsNonRoot") || message.contains("run as root") => (
                "config.run-as-root",
                format!("container {} would run as root and the pod forbids it", c.spec.name),
                "would run as root".into(),
            ),
            None => create(c, message),
        },
        "CreateContainerError" | "PreCreateHookError" | "PreStartHookError" => match command(c, message) {
            Some(found) => found,
            None => create(c, message),
        },
        "RunContainerError" => command(c, message).unwrap_or_else(|| create(c, message)),
        "PostStartHookError" => (
            "container.hook",
            format!("postStart hook of container {} fails", c.spec.name),
            "postStart hook fails".into(),
        ),
        _ => return false,
    };
    let quote = if message.is_empty() { reason } else { message };
    out.push(
        Signal::new(cause, ctx.root(object), began(pod).unwrap_or(ctx.now)).title(title).row(row).evidence(
            format!("pod status, container {}", c.spec.name),
            quote,
            object,
            pod.started,
        ),
    );
    true
}

/// A container that could not be started, by its last termination (`StartError`, `ContainerCannotRun`).
pub fn start_error(c: &Container, end: &Terminated) -> Option<(&'static str, String, String)> {
    let failed = matches!(&*end.reason, "StartError" | "ContainerCannotRun");
    if failed {
        return Some(command(c, &end.message).unwrap_or_else(|| create(c, &end.message)));
    }
    match &c.state {
        ContainerState::Waiting { reason, message } if &**reason == "RunContainerError" => {
            Some(command(c, message).unwrap_or_else(|| create(c, message)))
        }
        _ => None,
    }
}

fn command(c: &Container, message: &str) -> Option<(&'static str, String, String)> {
    if message.contains("exec format error") {
        return Some((
            "image.platform",
            format!("image {} is not built for this node: exec format error", c.spec.image),
            "exec format error".into(),
        ));
    }
    if message.contains("driver/library version mismatch") {
        return Some((
            "gpu.driver-mismatch",
            "the GPU driver loaded on the node differs from its libraries: driver/library version mismatch"
                .into(),
            "GPU driver mismatch".into(),
        ));
    }
    let m = EXEC.captures(message)?;
    let (what, why) = (&m[1], &m[2]);
    let (title, row) = if why.contains("permission denied") {
        (format!("command {what} may not be executed: permission denied"), format!("{what}: not executable"))
    } else if why.contains("not found") || why.contains("no such file") {
        (format!("command {what} is not in the image"), format!("{what}: not found"))
    } else {
        (format!("command {what} cannot be started: {why}"), format!("{what}: cannot start"))
    };
    Some(("container.command", title, row))
}

fn create(c: &Container, message: &str) -> (&'static str, String, String) {
    let brief = message.rsplit(": ").next().unwrap_or(message);
    (
        "container.create",
        format!("container {} cannot be created: {brief}", c.spec.name),
        "cannot be created".into(),
    )
}
