//! What a container's own status proves, without events or logs.

use super::{Match, create, pull, start};
use crate::judge::{crash, create as causes};
use crate::world::quantity::bytes;
use crate::world::{Container, ContainerState, Pod, Role, Terminated};

/// Why this container does not run, as far as its status alone says. `None` for one that runs or finished well, and
/// where the status only says *that* it failed in a way that needs more (`ContainerCreating`).
pub fn container(container: &Container) -> Option<Match> {
    match &container.state {
        ContainerState::Waiting { reason, message } => match &**reason {
            "CreateContainerConfigError" => create(message),
            "CreateContainerError" | "RunContainerError" | "PreStartHookError" => {
                start(message).or_else(|| create(message))
            }
            "PostStartHookError" => Some(Match::new(causes::HOOK, "postStart hook failed", "")),
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
pub fn again(container: &Container, t: &Terminated) -> Option<Match> {
    let backs_off =
        matches!(&container.state, ContainerState::Waiting { reason, .. } if &**reason == "CrashLoopBackOff");
    (backs_off && t.exit_code == 0).then(|| {
        let words = "ends by itself with exit code 0, again and again";
        Match::new(crash::APPLICATION, words, container.spec.name.to_string())
    })
}

/// Why a container ended. Exits of the program's own making are `crash.application`: its log may say more.
pub fn ended(container: &Container, t: &Terminated) -> Option<Match> {
    if t.exit_code == 0 && &*t.reason != "OOMKilled" {
        return None;
    }
    let name = &container.spec.name;
    if &*t.reason == "OOMKilled" {
        return Some(match container.spec.limits.memory {
            Some(limit) => {
                Match::new(crash::OOM_LIMIT, format!("OOM at {} limit", bytes(limit)), name.to_string())
            }
            None => {
                let words = "killed by the node's out-of-memory killer, no limit of its own";
                Match::new(crash::OOM_NODE, words, name.to_string())
            }
        });
    }
    if matches!(&*t.reason, "StartError" | "ContainerCannotRun")
        && let Some(clue) = start(&t.message)
    {
        return Some(clue);
    }
    match t.exit_code {
        127 => Some(Match::new(causes::COMMAND, "command not found (exit 127)", name.to_string())),
        126 => Some(Match::new(causes::COMMAND, "command is not executable (exit 126)", name.to_string())),
        code => Some(Match::new(crash::APPLICATION, format!("exit code {code}"), name.to_string())),
    }
}

/// The container that keeps the pod down, with what its status proves: init containers before app containers, sure
/// causes before plain exits.
pub fn pod(pod: &Pod) -> Option<(&Container, Match)> {
    let found = |c: &Container| -> Option<Match> {
        let clue = container(c)?;
        // An app container that may finish and did is no trouble; one that failed is.
        (!c.ready || !matches!(c.state, ContainerState::Running { .. })).then_some(clue)
    };
    pod.containers
        .iter()
        .filter(|c| c.spec.role != Role::Ephemeral)
        .filter_map(|c| found(c).map(|clue| (c, clue)))
        .min_by_key(|(c, clue)| (c.spec.role != Role::Init, clue.cause == crash::APPLICATION))
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
                ..ContainerSpec::default()
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
            container(&c).map(|c| (c.cause.id(), c.words)),
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
    }
}
