//! Decodes pods and the pod templates of workloads.

use super::meta::set;
use super::wire::{self, i32_of, time, u32_of};
use super::{Decoder, own, shared};
use crate::world::quantity;
use crate::world::{
    COMMAND, Container, ContainerSpec, ContainerState, Handler, Mount, Phase, Pod, PodSpec, Probe, Role,
    Template, Terminated, Text, Toleration,
};

impl Decoder {
    pub(super) fn pod(&mut self, w: wire::Pod<'_>) -> Pod {
        let mut metadata = w.metadata.unwrap_or_default();
        let mirror = metadata.annotations.take().is_some_and(|a| a.mirror.is_some());
        let (mut spec, status) = (w.spec.unwrap_or_default(), w.status.unwrap_or_default());
        let meta = self.meta(Some(metadata));
        let node = self.t(spec.node_name.take());
        let pod_spec = self.pod_spec(&spec);
        let specs = self.container_specs(spec);
        let mut pod = Pod {
            meta,
            spec: pod_spec,
            node,
            phase: phase(status.phase.as_deref()),
            reason: self.t(status.reason),
            message: own(status.message),
            ip: own(status.pod_ip),
            started: time(status.start_time),
            mirror,
            ..Pod::default()
        };
        let mut conditions = Vec::new();
        for c in status.conditions.unwrap_or_default() {
            let (is_true, says_why) =
                (c.status.as_deref() == Some("True"), c.reason.as_ref().is_some_and(|r| !r.is_empty()));
            if c.kind.as_deref() == Some("Ready") {
                pod.ready = is_true;
                pod.ready_since = time(c.last_transition_time);
            }
            if !is_true || says_why {
                conditions.push(self.condition(c));
            }
        }
        pod.conditions = conditions.into();
        let mut statuses: [Vec<Option<wire::ContainerStatus<'_>>>; 3] =
            [status.init_container_statuses, status.container_statuses, status.ephemeral_container_statuses]
                .map(|list| list.unwrap_or_default().into_iter().map(Some).collect());
        pod.containers = specs
            .into_iter()
            .map(|spec| {
                let among = match spec.role {
                    Role::Init | Role::Sidecar => &mut statuses[0],
                    Role::App => &mut statuses[1],
                    Role::Ephemeral => &mut statuses[2],
                };
                let status = among
                    .iter_mut()
                    .find(|s| {
                        s.as_ref().is_some_and(|s| s.name.as_deref().unwrap_or_default() == &*spec.name)
                    })
                    .and_then(Option::take)
                    .unwrap_or_default();
                Container {
                    ready: status.ready == Some(true),
                    started: status.started,
                    restarts: u32_of(status.restart_count),
                    state: self.state(status.state),
                    last: status.last_state.and_then(|s| s.terminated).map(|t| Box::new(self.terminated(t))),
                    spec,
                }
            })
            .collect();
        pod
    }

    fn state(&mut self, s: Option<wire::State<'_>>) -> ContainerState {
        match s {
            Some(wire::State { terminated: Some(t), .. }) => {
                ContainerState::Terminated(Box::new(self.terminated(t)))
            }
            Some(wire::State { running: Some(r), .. }) => {
                ContainerState::Running { since: time(r.started_at) }
            }
            Some(wire::State { waiting: Some(w), .. }) => {
                ContainerState::Waiting { reason: self.t(w.reason), message: own(w.message) }
            }
            _ => ContainerState::None,
        }
    }

    fn terminated(&mut self, t: wire::Terminated<'_>) -> Terminated {
        Terminated {
            exit_code: i32_of(t.exit_code),
            signal: i32_of(t.signal),
            reason: self.t(t.reason),
            message: own(t.message),
            started: time(t.started_at),
            finished: time(t.finished_at),
        }
    }

    fn pod_spec(&mut self, s: &wire::PodSpec<'_>) -> std::sync::Arc<PodSpec> {
        let (mut maps, mut secrets, mut claims) = (Vec::new(), Vec::new(), Vec::new());
        let mut add = |list: &mut Vec<Text>, name: Option<&wire::S<'_>>| {
            if let Some(name) = name.filter(|n| !n.is_empty()) {
                list.push(self.text.get(&**name));
            }
        };
        fn named<'b, 'a>(n: &'b Option<wire::Named<'a>>) -> Option<&'b wire::S<'a>> {
            n.as_ref().and_then(|n| n.name.as_ref())
        }
        let mut empty_dir = false;
        for v in s.volumes.iter().flatten() {
            add(&mut maps, named(&v.config_map));
            add(&mut secrets, v.secret.as_ref().and_then(|s| s.secret_name.as_ref()));
            add(&mut claims, v.persistent_volume_claim.as_ref().and_then(|c| c.claim_name.as_ref()));
            for p in v.projected.iter().flat_map(|p| p.sources.iter().flatten()) {
                add(&mut maps, named(&p.config_map));
                add(&mut secrets, named(&p.secret));
            }
            empty_dir |= v.empty_dir.is_some();
        }
        let lists = [&s.init_containers, &s.containers, &s.ephemeral_containers];
        for c in lists.into_iter().flatten().flatten() {
            for from in c.env.iter().flatten().filter_map(|e| e.value_from.as_ref()) {
                add(&mut maps, named(&from.config_map_key_ref));
                add(&mut secrets, named(&from.secret_key_ref));
            }
            for from in c.env_from.iter().flatten() {
                add(&mut maps, named(&from.config_map_ref));
                add(&mut secrets, named(&from.secret_ref));
            }
        }
        for s in s.image_pull_secrets.iter().flatten() {
            add(&mut secrets, s.name.as_ref());
        }
        let mut held = Vec::new();
        for gate in s.scheduling_gates.iter().flatten() {
            add(&mut held, gate.name.as_ref());
        }
        let pairs = |d: &mut Self, p: &Option<wire::Pairs<'_>>| -> Box<[(Text, Text)]> {
            p.iter().flat_map(|p| &p.0).map(|(k, v)| (d.text.get(&**k), d.text.get(&**v))).collect()
        };
        let gates: Box<[Text]> = s
            .readiness_gates
            .iter()
            .flatten()
            .filter_map(|g| g.condition_type.as_ref())
            .map(|t| self.text.get(&**t))
            .collect();
        let spec = PodSpec {
            config_maps: set(maps),
            secrets: set(secrets),
            claims: set(claims),
            node_selector: pairs(self, &s.node_selector),
            service_account: self.t(s.service_account_name.clone()),
            priority: i32_of(s.priority),
            host_network: s.host_network == Some(true),
            restart_always: s.restart_policy.as_deref().is_none_or(|p| p == "Always"),
            empty_dir,
            scheduling_gates: held.into(),
            readiness_gates: gates,
            grace: s.termination_grace_period_seconds.map_or(30, |n| u32_of(Some(n))),
            fs_group: s.security_context.as_ref().and_then(|c| c.fs_group).map(|n| n.0),
            tolerations: s.tolerations.iter().flatten().map(|t| self.toleration(t)).collect(),
            scheduler: self.t(s.scheduler_name.clone().filter(|n| &**n != "default-scheduler")),
            node_affinity: s
                .affinity
                .as_ref()
                .and_then(|a| a.node_affinity.as_ref())
                .is_some_and(|n| n.required_during_scheduling_ignored_during_execution.is_some()),
            memory_limit: s
                .resources
                .as_ref()
                .and_then(|r| r.limits.as_ref()?.0.iter().find(|(name, _)| &**name == "memory"))
                .and_then(|(_, amount)| quantity::value(amount)),
        };
        shared(&mut self.pods, spec)
    }

    fn toleration(&mut self, t: &wire::Toleration<'_>) -> Toleration {
        Toleration {
            key: self.t(t.key.clone()),
            exists: t.operator.as_deref() == Some("Exists"),
            value: self.t(t.value.clone()),
            effect: self.t(t.effect.clone()),
        }
    }

    fn container_specs(&mut self, s: wire::PodSpec<'_>) -> Vec<std::sync::Arc<ContainerSpec>> {
        let mut out = Vec::new();
        let user_of = |c: &Option<wire::SecurityContext>| c.as_ref().and_then(|c| c.run_as_user).map(|n| n.0);
        let pod_user = user_of(&s.security_context);
        let lists = [
            (s.init_containers, Role::Init),
            (s.containers, Role::App),
            (s.ephemeral_containers, Role::Ephemeral),
        ];
        for (list, role) in lists {
            for c in list.unwrap_or_default() {
                let always = c.restart_policy.as_deref() == Some("Always");
                let role = if role == Role::Init && always { Role::Sidecar } else { role };
                let resources = c.resources.unwrap_or_default();
                let words = c.command.iter().flatten().chain(c.args.iter().flatten());
                let command = line(words);
                let mounts = c.volume_mounts.unwrap_or_default().into_iter().map(|m| Mount {
                    path: self.t(m.mount_path),
                    volume: self.t(m.name),
                    read_only: m.read_only == Some(true),
                });
                let mounts = mounts.collect();
                let spec = ContainerSpec {
                    name: self.t(c.name),
                    image: self.t(c.image),
                    role,
                    requests: self.resources(resources.requests),
                    limits: self.resources(resources.limits),
                    ports: self.ports(c.ports),
                    liveness: self.probe(c.liveness_probe),
                    readiness: self.probe(c.readiness_probe),
                    startup: self.probe(c.startup_probe),
                    command: self.text.get(command),
                    mounts,
                    user: user_of(&c.security_context).or(pod_user),
                };
                out.push(shared(&mut self.containers, spec));
            }
        }
        out
    }

    pub(super) fn template(&mut self, t: Option<wire::Template<'_>>) -> std::sync::Arc<Template> {
        let spec = t.and_then(|t| t.spec).unwrap_or_default();
        let pod = self.pod_spec(&spec);
        let containers = self.container_specs(spec).into();
        shared(&mut self.templates, Template { containers, pod })
    }

    fn probe(&mut self, p: Option<wire::Probe<'_>>) -> Option<Probe> {
        let p = p?;
        let handler = if let Some(h) = p.http_get {
            Handler::Http {
                path: self.text.get(h.path.as_deref().unwrap_or("/")),
                port: self.t(h.port),
                https: h.scheme.as_deref() == Some("HTTPS"),
            }
        } else if let Some(t) = p.tcp_socket {
            Handler::Tcp { port: self.t(t.port) }
        } else if let Some(g) = p.grpc {
            Handler::Grpc { port: self.t(g.port) }
        } else {
            let words = p.exec.and_then(|e| e.command).unwrap_or_default();
            let line = words.iter().map(|w| &**w).collect::<Vec<_>>().join(" ");
            Handler::Exec { command: self.text.get(line) }
        };
        // The API server sets these fields; the fallbacks are its defaults.
        Some(Probe {
            handler,
            initial_delay: u32_of(p.initial_delay_seconds),
            period: p.period_seconds.map_or(10, |n| u32_of(Some(n))),
            timeout: p.timeout_seconds.map_or(1, |n| u32_of(Some(n))),
            failure_threshold: p.failure_threshold.map_or(3, |n| u32_of(Some(n))),
        })
    }
}

/// The words in one line, cut to what is kept of a command.
fn line<'a>(words: impl Iterator<Item = &'a wire::S<'a>>) -> String {
    let mut out = String::new();
    for word in words {
        if out.len() >= COMMAND {
            break;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    let mut end = out.len().min(COMMAND);
    while !out.is_char_boundary(end) {
        end -= 1;
    }
    out.truncate(end);
    out
}

fn phase(text: Option<&str>) -> Phase {
    match text {
        Some("Pending") => Phase::Pending,
        Some("Running") => Phase::Running,
        Some("Succeeded") => Phase::Succeeded,
        Some("Failed") => Phase::Failed,
        _ => Phase::Unknown,
    }
}
