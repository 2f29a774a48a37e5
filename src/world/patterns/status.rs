//! What a container's own status proves, without events or logs.

use super::{Clue, create, pull, start};
use crate::world::{Container, ContainerState, Pod, Role, Terminated};

/// Why this container does not run, as far as its status alone says. `None` for one that runs or finished well, and
/// where the status only says *that* it failed in a way that needs more (`ContainerCreating`).
pub fn container(container: &Container) -> Option<Clue> {
    match &container.state {
        ContainerState::Waiting { reason, message } => match &**reason {
            "CreateContainerConfigError" => create(message),
            "CreateContainerError" | "RunContainerError" | "PreStartHookError" => {
                start(message).or_else(|| create(message))
            }
            "PostStartHookError" => Some(Clue::new("container.hook", "postStart hook failed", "")),
            "CrashLoopBackOff" => {
                let last = container.last.as_deref()?;
                ended(container, last).or_else(|| again(container, last))
            }
            _ => pull(reason, message, &container.spec.image),
        },
        ContainerState::Terminated(t) => ended(container, t),
        ContainerState::Running { .. } | ContainerState::None => None,
    }
}

/// A container that ends well again and again though it should run on.
pub fn again(container: &Container, t: &Terminated) -> Option<Clue> {
    let backs_off =
        matches!(&container.state, ContainerState::Waiting { reason, .. } if &**reason == "CrashLoopBackOff");
    (backs_off && t.exit_code == 0).then(|| {
        let words = "ends by itself with exit code 0, again and again";
        Clue::new("crash.application", words, container.spec.name.to_string())
    })
}

/// Why a container ended. Exits of the program's own making are `crash.application`: its log may say more.
pub fn ended(container: &Container, t: &Terminated) -> Option<Clue> {
    if t.exit_code == 0 && &*t.reason != "OOMKilled" {
        return None;
    }
    let name = &container.spec.name;
    if &*t.reason == "OOMKilled" {
        return Some(match container.spec.limits.memory {
            Some(limit) => {
                Clue::new("crash.oom-limit", format!("OOM at {} limit", bytes(limit)), name.to_string())
            }
            None => {
                let words = "killed by the node's out-of-memory killer, no limit of its own";
                Clue::new("crash.oom-node", words, name.to_string())
            }
        });
    }
    if matches!(&*t.reason, "StartError" | "ContainerCannotRun")
        && let Some(clue) = start(&t.message)
    {
        return Some(clue);
    }
    match t.exit_code {
        127 => Some(Clue::new("container.command", "command not found (exit 127)", name.to_string())),
        126 => Some(Clue::new("container.command", "command is not executable (exit 126)", name.to_string())),
        code => Some(Clue::new("crash.application", format!("exit code {code}"), name.to_string())),
    }
}

/// The container that keeps the pod down, with what its status proves: init containers before app containers, sure
/// causes before plain exits.
pub fn pod(pod: &Pod) -> Option<(&Container, Clue)> {
    let found = |c: &Container| -> Option<Clue> {
        let clue = container(c)?;
        // An app container that may finish and did is no trouble; one that failed is.
        (!c.ready || !matches!(c.state, ContainerState::Running { .. })).then_some(clue)
    };
    pod.containers
        .iter()
        .filter(|c| c.spec.role != Role::Ephemeral)
        .filter_map(|c| found(c).map(|clue| (c, clue)))
        .min_by_key(|(c, clue)| (c.spec.role != Role::Init, clue.cause == "crash.application"))
}

/// `2Gi`, `512Mi`, `1500Ki`: the largest binary unit that divides it, else one decimal.
pub fn bytes(n: u64) -> String {
    for (unit, size) in [("Ti", 1u64 << 40), ("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)] {
        if n >= size {
            if n.is_multiple_of(size) {
                return format!("{}{unit}", n / size);
            }
            if n >= 10 * size || unit == "Ki" {
                return format!("{}{unit}", (n + size / 2) / size);
            }
            #[allow(clippy::cast_precision_loss)] // one decimal is all that is shown
            return format!("{:.1}{unit}", n as f64 / size as f64);
        }
    }
    format!("{n}B")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::world::{ContainerSpec, Resources};

    fn with(state: ContainerState, last: Option<Terminated>, memory: Option<u64>) -> Container {
        Container {
            spec: Arc::new(ContainerSpec {
                name: "app".into(),
                image: "r.io/app:v2".into(),
                role: Role::App,
                requests: Resources::default(),
                limits: Resources { memory, ..Resources::default() },
                ports: Box::new([]),
                liveness: None,
                readiness: None,
                startup: None,
            }),
            ready: false,
            started: None,
            restarts: 4,
            state,
            last: last.map(Box::new),
        }
    }

    fn exit(code: i32, reason: &str) -> Terminated {
        Terminated {
            exit_code: code,
            signal: 0,
            reason: reason.into(),
            message: "".into(),
            started: None,
            finished: None,
        }
    }

    #[test]
    fn a_status_proves_what_it_says_and_no_more() {
        let waiting = |reason: &str, message: &str| ContainerState::Waiting {
            reason: reason.into(),
            message: message.into(),
        };
        let c = with(waiting("CrashLoopBackOff", "back-off"), Some(exit(137, "OOMKilled")), Some(2 << 30));
        assert_eq!(
            container(&c).map(|c| (c.cause, c.words)),
            Some(("crash.oom-limit", "OOM at 2Gi limit".into()))
        );
        let c = with(waiting("CrashLoopBackOff", "back-off"), Some(exit(137, "OOMKilled")), None);
        assert_eq!(container(&c).unwrap().cause, "crash.oom-node");
        let c = with(waiting("CrashLoopBackOff", "back-off"), Some(exit(1, "Error")), None);
        assert_eq!(container(&c).unwrap().cause, "crash.application");
        let c = with(waiting("CrashLoopBackOff", "back-off"), Some(exit(0, "Completed")), None);
        assert_eq!(container(&c).unwrap().cause, "crash.application", "it should not end at all");
        let c = with(waiting("ContainerCreating", ""), None, None);
        assert_eq!(container(&c), None);
        let c = with(waiting("ErrImagePull", "x: not found"), None, None);
        assert_eq!(container(&c).unwrap().words, "tag v2 not found");
        let c = with(ContainerState::Terminated(Box::new(exit(0, "Completed"))), None, None);
        assert_eq!(container(&c), None);
        assert_eq!(
            (bytes(180 << 20), bytes(1536 << 20), bytes(900)),
            ("180Mi".into(), "1.5Gi".into(), "900B".into())
        );
    }
}
