//! A pod's READY, STATUS and RESTARTS columns exactly as kubectl prints them.
//!
//! Source: `pkg/printers/internalversion/printers.go`, `printPod`, Kubernetes 1.36.

use std::sync::LazyLock;

use super::record::*;
use super::{Text, Time};

/// The names of the phases, allocated once: every drawn, sorted or filtered row needs one.
static PHASES: LazyLock<[Text; 5]> =
    LazyLock::new(|| ["Pending", "Running", "Succeeded", "Failed", "Unknown"].map(Text::from));

/// The columns of `kubectl get pod`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PodStatus {
    /// Ready containers and sidecars.
    pub ready: u32,
    /// Containers and sidecars.
    pub total: u32,
    /// The STATUS column, such as `CrashLoopBackOff`.
    pub status: Text,
    /// The RESTARTS column.
    pub restarts: u32,
    /// When the run before the last restart ended. kubectl prints its age after the count.
    pub last_restart: Option<Time>,
}

impl Pod {
    /// The status as `kubectl get pod` computes it.
    pub fn status(&self) -> PodStatus {
        let of = |role: Role| self.containers.iter().filter(move |c| c.spec.role == role);
        let is_init = |c: &&Container| matches!(c.spec.role, Role::Init | Role::Sidecar);
        let inits = self.containers.iter().filter(is_init).count();
        let total = of(Role::App).count() + of(Role::Sidecar).count();

        let mut word = PHASES[self.phase as usize].clone();
        if !self.reason.is_empty() {
            word = self.reason.clone();
        }
        if condition(&self.conditions, "PodScheduled").is_some_and(|c| &*c.reason == "SchedulingGated") {
            word = "SchedulingGated".into();
        }

        let mut ready = 0;
        let mut all = Restarts::default();
        let mut sidecars = Restarts::default();
        let mut initializing = false;
        let with_status = |c: &&Container| c.state != ContainerState::None;
        for (i, c) in self.containers.iter().filter(is_init).filter(with_status).enumerate() {
            all.add(c);
            let sidecar = c.spec.role == Role::Sidecar;
            if sidecar {
                sidecars.add(c);
            }
            match &c.state {
                ContainerState::Terminated(t) if t.exit_code == 0 => continue,
                _ if sidecar && c.started == Some(true) => {
                    ready += u32::from(c.ready);
                    continue;
                }
                ContainerState::Terminated(t) => word = format!("Init:{}", ended(t)).into(),
                ContainerState::Waiting { reason, .. }
                    if !reason.is_empty() && &**reason != "PodInitializing" =>
                {
                    word = format!("Init:{reason}").into();
                }
                _ => word = format!("Init:{i}/{inits}").into(),
            }
            initializing = true;
            break;
        }

        let initialized = condition(&self.conditions, "Initialized").is_none_or(|c| c.status == Status::True);
        if !initializing || initialized {
            all = sidecars;
            let mut running = false;
            // The kubelet reports containers sorted by name; the first one by name decides.
            let mut first: Option<&str> = None;
            for c in of(Role::App) {
                all.add(c);
                let says = match &c.state {
                    ContainerState::Waiting { reason, .. } if !reason.is_empty() => Some(reason.clone()),
                    ContainerState::Terminated(t) => Some(ended(t)),
                    ContainerState::Running { .. } if c.ready => {
                        running = true;
                        ready += 1;
                        None
                    }
                    _ => None,
                };
                if let Some(says) = says
                    && first.is_none_or(|name| *c.spec.name < *name)
                {
                    (word, first) = (says, Some(&*c.spec.name));
                }
            }
            if &*word == "Completed" && running {
                word = if self.ready { "Running" } else { "NotReady" }.into();
            }
        }

        if self.meta.deleting.is_some() {
            if &*self.reason == "NodeLost" {
                word = "Unknown".into();
            } else if !matches!(self.phase, Phase::Succeeded | Phase::Failed) {
                word = "Terminating".into();
            }
        }
        PodStatus { ready, total: total as u32, status: word, restarts: all.count, last_restart: all.last }
    }
}

#[derive(Default)]
struct Restarts {
    count: u32,
    last: Option<Time>,
}

impl Restarts {
    fn add(&mut self, c: &Container) {
        self.count += c.restarts;
        self.last = self.last.max(c.last.as_ref().and_then(|t| t.finished));
    }
}

fn ended(t: &Terminated) -> Text {
    if !t.reason.is_empty() {
        t.reason.clone()
    } else if t.signal != 0 {
        format!("Signal:{}", t.signal).into()
    } else {
        format!("ExitCode:{}", t.exit_code).into()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn container(name: &str, role: Role, state: ContainerState) -> Container {
        let spec = ContainerSpec {
            name: name.into(),
            image: "i".into(),
            role,
            requests: Resources::default(),
            limits: Resources::default(),
            ports: Box::default(),
            liveness: None,
            readiness: None,
            startup: None,
            ..ContainerSpec::default()
        };
        Container { spec: Arc::new(spec), ready: false, started: None, restarts: 0, state, last: None }
    }

    fn waiting(reason: &str) -> ContainerState {
        ContainerState::Waiting { reason: reason.into(), message: "".into() }
    }

    fn exited(code: i32, signal: i32, reason: &str) -> ContainerState {
        ContainerState::Terminated(Box::new(Terminated {
            exit_code: code,
            signal,
            reason: reason.into(),
            message: "".into(),
            started: None,
            finished: Some(Time(1000)),
        }))
    }

    fn running() -> ContainerState {
        ContainerState::Running { since: None }
    }

    fn ready(mut c: Container) -> Container {
        c.ready = true;
        c.started = Some(true);
        c
    }

    fn pod(phase: Phase, containers: Vec<Container>) -> Pod {
        Pod { phase, containers: containers.into(), ready: true, ..Pod::default() }
    }

    fn not_initialized(mut p: Pod) -> Pod {
        p.conditions = Box::new([Condition {
            kind: "Initialized".into(),
            status: Status::False,
            reason: "ContainersNotInitialized".into(),
            message: "".into(),
            since: None,
            updated: None,
        }]);
        p
    }

    fn say(p: &Pod) -> String {
        let s = p.status();
        format!("{}/{} {}", s.ready, s.total, s.status)
    }

    /// The branches of `printPod`, read from its source.
    #[test]
    fn every_branch_prints_what_kubectl_prints() {
        use Role::*;
        let up = || ready(container("app", App, running()));
        let deleting = |mut p: Pod| {
            p.meta.deleting = Some(Time(0));
            p
        };
        let mut evicted = pod(Phase::Failed, vec![]);
        evicted.reason = "Evicted".into();
        let mut evicted_with_exit = pod(Phase::Failed, vec![container("a", App, exited(137, 0, "Error"))]);
        evicted_with_exit.reason = "Evicted".into();
        let mut lost = deleting(pod(Phase::Running, vec![up()]));
        lost.reason = "NodeLost".into();
        let mut unready = pod(Phase::Running, vec![up(), container("b", App, exited(0, 0, "Completed"))]);
        unready.ready = false;
        let init = |state| {
            let app = container("app", App, waiting("PodInitializing"));
            not_initialized(pod(
                Phase::Pending,
                vec![container("i", Init, state), container("j", Init, waiting("PodInitializing")), app],
            ))
        };
        let cases = [
            (pod(Phase::Pending, vec![container("app", App, ContainerState::None)]), "0/1 Pending"),
            (pod(Phase::Running, vec![up()]), "1/1 Running"),
            (
                pod(Phase::Running, vec![container("app", App, waiting("CrashLoopBackOff"))]),
                "0/1 CrashLoopBackOff",
            ),
            (pod(Phase::Failed, vec![container("app", App, exited(2, 0, ""))]), "0/1 ExitCode:2"),
            (pod(Phase::Failed, vec![container("app", App, exited(0, 9, ""))]), "0/1 Signal:9"),
            (pod(Phase::Succeeded, vec![container("app", App, exited(0, 0, "Completed"))]), "0/1 Completed"),
            (pod(Phase::Running, vec![up(), container("b", App, exited(0, 0, "Completed"))]), "1/2 Running"),
            (unready, "1/2 NotReady"),
            (evicted, "0/0 Evicted"),
            (evicted_with_exit, "0/1 Error"),
            (deleting(pod(Phase::Running, vec![up()])), "1/1 Terminating"),
            (deleting(pod(Phase::Failed, vec![container("a", App, exited(1, 0, "Error"))])), "0/1 Error"),
            (lost, "1/1 Unknown"),
            (init(running()), "0/1 Init:0/2"),
            (init(exited(1, 0, "Error")), "0/1 Init:Error"),
            (init(exited(3, 0, "")), "0/1 Init:ExitCode:3"),
            (init(waiting("CrashLoopBackOff")), "0/1 Init:CrashLoopBackOff"),
            (init(exited(0, 0, "Completed")), "0/1 Init:1/2"),
            (pod(Phase::Running, vec![ready(container("s", Sidecar, running())), up()]), "2/2 Running"),
            (
                pod(
                    Phase::Running,
                    vec![
                        ready(container("s", Sidecar, running())),
                        container("app", App, waiting("CrashLoopBackOff")),
                    ],
                ),
                "1/2 CrashLoopBackOff",
            ),
            (
                pod(
                    Phase::Running,
                    vec![
                        container("a", App, waiting("ImagePullBackOff")),
                        container("b", App, waiting("CrashLoopBackOff")),
                    ],
                ),
                "0/2 ImagePullBackOff",
            ),
        ];
        for (p, want) in cases {
            assert_eq!(say(&p), want);
        }
    }

    #[test]
    fn restarts_of_plain_init_containers_count_only_while_they_run() {
        let with = |mut c: Container, n| {
            c.restarts = n;
            c.last = match exited(1, 0, "Error") {
                ContainerState::Terminated(t) => Some(t),
                _ => None,
            };
            c
        };
        let init = with(container("i", Role::Init, waiting("CrashLoopBackOff")), 4);
        let app = container("app", Role::App, waiting("PodInitializing"));
        let stuck = not_initialized(pod(Phase::Pending, vec![init, app]));
        assert_eq!((stuck.status().restarts, stuck.status().last_restart), (4, Some(Time(1000))));

        let done = with(container("i", Role::Init, exited(0, 0, "Completed")), 4);
        let app = ready(with(container("app", Role::App, running()), 2));
        assert_eq!(pod(Phase::Running, vec![done, app]).status().restarts, 2);
    }
}
