//! Why a container cannot be made: missing ConfigMaps, Secrets and keys, refused users, commands that are not there.

use crate::world::patterns::{self, Clue};
use crate::world::{Container, ContainerState, ObjectRef, Pod, Terminated};

use super::image::began;
use super::signal::{Ctx, Out, Signal};

/// What a clue about a missing ConfigMap, Secret or key, or about the user, says: cause, title and row.
pub fn told(clue: Clue) -> (&'static str, String, String) {
    let title = match clue.cause {
        "config.configmap-missing" => format!("ConfigMap {} does not exist", clue.subject),
        "config.secret-missing" => format!("Secret {} does not exist", clue.subject),
        "config.run-as-root" => "the image would run as root and the pod forbids it".into(),
        _ => clue.words.clone(),
    };
    (clue.cause, title, clue.words)
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
    let mut signal = Signal::new(cause, ctx.root(object), began(pod).unwrap_or(ctx.now));
    if cause.ends_with("-missing") {
        signal = signal.fold(format!("{cause} {} {title}", object.namespace));
    }
    out.push(signal.title(title).row(row).evidence(
        format!("pod status, container {}", c.spec.name),
        quote,
        object,
        pod.started,
    ));
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
    let clue = patterns::start(message)?;
    let title = match clue.cause {
        "image.platform" => format!("image {} is not built for this node: exec format error", c.spec.image),
        "container.command" if message.contains("permission denied") => {
            format!("command {} may not be executed: permission denied", clue.subject)
        }
        "container.command" => format!("command {} is not in the image", clue.subject),
        "gpu.driver-mismatch" => "the GPU driver loaded on the node differs from its libraries".into(),
        _ => clue.words.clone(),
    };
    Some((clue.cause, title, clue.words))
}

fn create(c: &Container, message: &str) -> (&'static str, String, String) {
    let brief = message.rsplit(": ").next().unwrap_or(message);
    (
        "container.create",
        format!("container {} cannot be created: {brief}", c.spec.name),
        "cannot be created".into(),
    )
}
