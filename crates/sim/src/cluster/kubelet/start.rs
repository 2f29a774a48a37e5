//! Starts containers: back-off, image, configuration, creation, start.
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::api::access::auth::User;
use crate::api::access::rbac::{self, Asked};

use super::{Ended, Place, PodTimer, Run, State, since, spec_of};
use super::{crash, node, pressure, probe, run, stop};
use crate::cluster::chance::digest;
use crate::cluster::engine::{Engine, Timer};
use crate::cluster::http::Around;
use crate::cluster::images::{Pull, reference};
use crate::cluster::object::{self, flag, go_duration, list, text};
use crate::cluster::shell::Env;
use crate::scenario::format::Behaviour;

const CREATE: Duration = Duration::from_millis(30);
const START: Duration = Duration::from_millis(110);
const FAILED_PULL: Duration = Duration::from_millis(130);

/// Tries to start a container. True if it is starting. False if it cannot start now; the pod is then retried.
pub(in crate::cluster) fn try_start(engine: &mut Engine, uid: &Arc<str>, c: usize) -> bool {
    let now = engine.now();
    let Some(run) = engine.runs.get_mut(uid) else { return false };
    let label = run.label();
    let pod_name = run.key.name.clone();
    let Some(container) = run.containers.get_mut(c) else { return false };
    if let Some(finished) = container.ended().and_then(|e| e.finished)
        && let Some(left) = container.crash.waiting(finished, now)
    {
        let (name, wait) = (container.name.clone(), go_duration(container.crash.wait()));
        container.reason = Some((
            "CrashLoopBackOff".into(),
            format!("back-off {wait} restarting failed container={name} pod={label}"),
        ));
        let ns_name = format!("{pod_name}_{}", label.split_once('_').map_or("", |l| l.1));
        run::container_event(
            engine,
            uid,
            c,
            "Warning",
            "BackOff",
            &format!("Back-off restarting failed container {name} in pod {ns_name}"),
        );
        // Retry at the end of the back-off, or at the regular sync.
        let (soon, regular) = (Duration::from_secs(10), Duration::from_secs(60));
        let wait = engine
            .chance
            .jitter(left.max(soon), 0.4)
            .min(engine.chance.jitter(regular, 0.4))
            .max(left.min(regular));
        run::resync(engine, uid, wait);
        return false;
    }
    let image = container.image.clone();
    if let Err(why) = reference(&image) {
        container.reason = Some(("InvalidImageName".into(), why.clone()));
        run::container_event(engine, uid, c, "Warning", "InspectFailed", &why);
        run::container_event(engine, uid, c, "Warning", "Failed", "Error: InvalidImageName");
        run::retry(engine, uid);
        return false;
    }
    get_image(engine, uid, c, &image)
}

fn get_image(engine: &mut Engine, uid: &Arc<str>, c: usize, image: &str) -> bool {
    let now = engine.now();
    let Some(run) = engine.runs.get_mut(uid) else { return false };
    let spec = run.containers.get(c).and_then(|c| spec_of(run, c));
    let policy = match spec.map_or("", |s| text(s, "/imagePullPolicy")) {
        "" if image.ends_with(":latest") || !image.rsplit('/').next().is_some_and(|l| l.contains(':')) => {
            "Always"
        }
        "" => "IfNotPresent",
        policy => policy,
    }
    .to_owned();
    let Some(machine) = engine.machines.get(&run.node) else { return false };
    let present = machine.images.contains(image);
    if present && policy != "Always" || policy == "Never" && registry_has_local(engine, image) {
        let said =
            format!("Container image {image:?} already present on machine and can be accessed by the pod");
        run::container_event(engine, uid, c, "Normal", "Pulled", &said);
        return configure(engine, uid, c);
    }
    let Some(container) = engine.runs.get_mut(uid).and_then(|r| r.containers.get_mut(c)) else {
        return false;
    };
    if policy == "Never" {
        let why = format!("Container image {image:?} is not present with pull policy of Never");
        container.reason = Some(("ErrImageNeverPull".into(), why.clone()));
        run::container_event(engine, uid, c, "Warning", "ErrImageNeverPull", &why);
        run::container_event(engine, uid, c, "Warning", "Failed", "Error: ErrImageNeverPull");
        run::retry(engine, uid);
        return false;
    }
    if container.pull.waiting(now, now).is_some() && container.pull_waits(now) {
        let cause = match &container.reason {
            Some((reason, message)) if reason == "ErrImagePull" => format!(": ErrImagePull: {message}"),
            Some((_, message)) => {
                message.find(": ErrImagePull: ").map_or(String::new(), |i| message[i..].to_owned())
            }
            None => String::new(),
        };
        let said = format!("Back-off pulling image {image:?}");
        container.reason = Some(("ImagePullBackOff".into(), format!("{said}{cause}")));
        run::container_event(engine, uid, c, "Normal", "BackOff", &said);
        run::container_event(engine, uid, c, "Warning", "Failed", "Error: ImagePullBackOff");
        run::retry(engine, uid);
        return false;
    }
    run::container_event(engine, uid, c, "Normal", "Pulling", &format!("Pulling image {image:?}"));
    let (wait, timer) = match engine.registry.pull(image) {
        Pull::Done { took, .. } => (took, PodTimer::Pulled(c)),
        Pull::Failed(_) => (FAILED_PULL, PodTimer::PullFailed(c)),
    };
    if let Some(run) = engine.runs.get_mut(uid) {
        run.busy = true;
    }
    engine.after(wait, Timer::Pod(uid.clone(), timer));
    true
}

/// Whether the registry serves images under `localhost/`. By default they exist only on the node.
fn registry_has_local(engine: &Engine, image: &str) -> bool {
    image.starts_with("localhost/") && matches!(engine.registry.pull(image), Pull::Done { .. })
}

pub(in crate::cluster) fn pull_failed(engine: &mut Engine, uid: &Arc<str>, c: usize) {
    let now = engine.now();
    let Some(image) = unbusy(engine, uid, c) else { return };
    let Pull::Failed(why) = engine.registry.pull(&image) else { return pulled(engine, uid, c) };
    let first = {
        let Some(container) = engine.runs.get_mut(uid).and_then(|r| r.containers.get_mut(c)) else {
            return;
        };
        let first = container.reason.is_none();
        container.reason = Some(("ErrImagePull".into(), why.clone()));
        container.pull.next(now, now);
        first
    };
    run::container_event(
        engine,
        uid,
        c,
        "Warning",
        "Failed",
        &format!("Failed to pull image {image:?}: {why}"),
    );
    run::container_event(engine, uid, c, "Warning", "Failed", "Error: ErrImagePull");
    if first {
        // The new sandbox triggers the next sync.
        run::resync(engine, uid, Duration::from_millis(280));
    } else {
        run::retry(engine, uid);
    }
}

pub(in crate::cluster) fn pulled(engine: &mut Engine, uid: &Arc<str>, c: usize) {
    let Some(image) = unbusy(engine, uid, c) else { return };
    let Pull::Done { took, bytes } = engine.registry.pull(&image) else { return pull_failed(engine, uid, c) };
    if let Some(run) = engine.runs.get_mut(uid) {
        if let Some(container) = run.containers.get_mut(c) {
            container.pull = Default::default();
        }
        if let Some(machine) = engine.machines.get_mut(&run.node) {
            machine.images.insert(image.clone());
        }
    }
    let took = go_duration(took);
    let said = format!(
        "Successfully pulled image {image:?} in {took} ({took} including waiting). Image size: {bytes} bytes."
    );
    run::container_event(engine, uid, c, "Normal", "Pulled", &said);
    configure(engine, uid, c);
}

/// Ends a pull: returns the image, unless the pod is terminating.
fn unbusy(engine: &mut Engine, uid: &Arc<str>, c: usize) -> Option<String> {
    let run = engine.runs.get_mut(uid)?;
    run.busy = false;
    if run.stopping.is_some() || run.done {
        return None;
    }
    Some(run.containers.get(c)?.image.clone())
}

/// Resolves the references of the container's environment, after which it can be created.
fn configure(engine: &mut Engine, uid: &Arc<str>, c: usize) -> bool {
    if let Err(why) = environment(engine, uid, c) {
        if let Some(container) = engine.runs.get_mut(uid).and_then(|r| r.containers.get_mut(c)) {
            container.reason = Some(("CreateContainerConfigError".into(), why.clone()));
        }
        run::container_event(engine, uid, c, "Warning", "Failed", &format!("Error: {why}"));
        run::retry(engine, uid);
        return false;
    }
    if let Some(run) = engine.runs.get_mut(uid) {
        run.busy = true;
    }
    engine.after(CREATE, Timer::Pod(uid.clone(), PodTimer::Create(c)));
    true
}

/// The environment of a container; the error is the kubelet's.
pub(in crate::cluster) fn environment(engine: &Engine, uid: &Arc<str>, c: usize) -> Result<Env, String> {
    let Some(run) = engine.runs.get(uid) else { return Ok(Env::new()) };
    let Some(container) = run.containers.get(c) else { return Ok(Env::new()) };
    let Some(spec) = spec_of(run, container) else { return Ok(Env::new()) };
    let root =
        flag(&run.pod, "/spec/securityContext/runAsNonRoot") || flag(spec, "/securityContext/runAsNonRoot");
    let user = object::int(spec, "/securityContext/runAsUser")
        .or_else(|| object::int(&run.pod, "/spec/securityContext/runAsUser"));
    if root && user.is_none() && !image_has_user(engine, container) {
        return Err(format!(
            "container has runAsNonRoot and image will run as root (pod: \"{}\", container: {})",
            run.label(),
            container.name
        ));
    }
    let mut env = Env::new();
    let ns = &run.key.ns;
    for from in list(spec, "/envFrom") {
        for (kind, resource, pointer) in
            [("configmap", "configmaps", "/configMapRef"), ("secret", "secrets", "/secretRef")]
        {
            let name = text(from, &format!("{pointer}/name"));
            if name.is_empty() || flag(from, &format!("{pointer}/optional")) {
                continue;
            }
            let object = engine.cache.find(resource, ns, name).ok_or(format!("{kind} {name:?} not found"))?;
            let data = object.get("data").and_then(Value::as_object).into_iter().flatten();
            env.extend(data.map(|(k, v)| (k.clone(), decoded(kind, v))));
        }
    }
    for var in list(spec, "/env") {
        let name = text(var, "/name").to_owned();
        if let Some(value) = var.get("value").and_then(Value::as_str) {
            env.insert(name, value.to_owned());
            continue;
        }
        for (kind, said, resource, pointer) in [
            ("configmap", "ConfigMap", "configmaps", "/valueFrom/configMapKeyRef"),
            ("secret", "Secret", "secrets", "/valueFrom/secretKeyRef"),
        ] {
            let of = text(var, &format!("{pointer}/name"));
            let key = text(var, &format!("{pointer}/key"));
            if of.is_empty() || flag(var, &format!("{pointer}/optional")) {
                continue;
            }
            let object = engine.cache.find(resource, ns, of).ok_or(format!("{kind} {of:?} not found"))?;
            let value = object.get("data").and_then(|d| d.get(key));
            let value = value.ok_or(format!("couldn't find key {key} in {said} {ns}/{of}"))?;
            env.insert(name.clone(), decoded(kind, value));
        }
        let field = text(var, "/valueFrom/fieldRef/fieldPath");
        let value = match field {
            "metadata.name" => run.key.name.to_string(),
            "metadata.namespace" => ns.to_string(),
            "spec.nodeName" => run.node.to_string(),
            "status.podIP" => run.ip.clone().unwrap_or_default(),
            _ => continue,
        };
        env.insert(name, value);
    }
    Ok(env)
}

/// Whether the image has a user of its own. It has one unless the behaviour says otherwise.
fn image_has_user(engine: &Engine, container: &super::Container) -> bool {
    let is_of = |image: &str| crate::scenario::units::glob(image, &container.image);
    !engine.behaviours.iter().any(|b| b.runs_as_root && b.matches.image.as_deref().is_some_and(is_of))
}

pub(in crate::cluster) fn create_container(engine: &mut Engine, uid: &Arc<str>, c: usize) {
    let Some(image) = unbusy(engine, uid, c) else { return };
    let id = engine.chance.hex(64);
    let Some(run) = engine.runs.get_mut(uid) else { return };
    let Some(container) = run.containers.get_mut(c) else { return };
    if let Some(ended) = container.ended().cloned() {
        let finished = ended.finished.unwrap_or(run.started);
        let now = engine.store.clock().now();
        container.crash.next(finished, now);
        container.restarts += 1;
    }
    container.attempt += 1;
    container.id = Some(id);
    container.image_id = Some(format!("sha256:{}", digest(&image)));
    run.busy = true;
    run::container_event(engine, uid, c, "Normal", "Created", "Container created");
    engine.after(START, Timer::Pod(uid.clone(), PodTimer::Started(c)));
}

pub(in crate::cluster) fn container_started(engine: &mut Engine, uid: &Arc<str>, c: usize) {
    if unbusy(engine, uid, c).is_none() {
        return;
    }
    let now = engine.now();
    let behaviour = behaviour_for(engine, uid, c);
    let Some(container) = engine.runs.get_mut(uid).and_then(|r| r.containers.get_mut(c)) else { return };
    if let Some(ended) = container.ended().cloned() {
        container.last = Some(ended);
    }
    container.previous = container.run.take().or(container.previous.take());
    container.files = Default::default();
    container.removed = Default::default();
    if let Some(why) = &behaviour.start_error {
        let why = format!(
            "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: {why}"
        );
        let ended = Ended {
            code: 128,
            reason: "StartError".into(),
            message: why.clone(),
            started: Some(jiff::Timestamp::UNIX_EPOCH),
            finished: Some(now),
            id: container.id.clone(),
        };
        container.last = Some(ended.clone());
        container.state = State::Ended(ended);
        container.reason = Some(("RunContainerError".into(), why.clone()));
        run::container_event(engine, uid, c, "Warning", "Failed", &format!("Error: {why}"));
        run::resync(engine, uid, Duration::from_millis(900));
        return;
    }
    container.state = State::Running(now);
    container.reason = None;
    container.run = Some(Run { behaviour, started: now, since: now, ended: None });
    run::container_event(engine, uid, c, "Normal", "Started", "Container started");
    crash::plan_exit(engine, uid, c);
    if let Some(node) = engine.runs.get(uid).map(|r| r.node.clone()) {
        pressure::watch_usage(engine, &node);
    }
    probe::start_probes(engine, uid, c);
    install(engine, uid, c);
    hook_after_start(engine, uid, c);
    run::sync_pod(engine, uid);
}

/// A container that changes its node does so when it starts.
fn install(engine: &mut Engine, uid: &Arc<str>, c: usize) {
    let Some(run) = engine.runs.get(uid) else { return };
    let change = run.containers.get(c).and_then(|c| c.run.as_ref()?.behaviour.installs.clone());
    let node = run.node.clone();
    if let Some(change) = change {
        node::change_node(engine, &node, &change);
    }
}

/// A failed postStart hook stops its container.
fn hook_after_start(engine: &mut Engine, uid: &Arc<str>, c: usize) {
    let fails = engine
        .runs
        .get(uid)
        .and_then(|r| r.containers.get(c))
        .and_then(|c| c.run.as_ref())
        .is_some_and(|r| r.behaviour.post_start_fails);
    if fails {
        run::container_event(engine, uid, c, "Warning", "FailedPostStartHook", "PostStartHook failed");
        stop::kill_container(engine, uid, c, "FailedPostStartHook");
    }
}

/// The scenario's behaviour for a container, or one that runs without doing anything.
pub(in crate::cluster) fn behaviour_for(
    engine: &Engine,
    uid: &Arc<str>,
    c: usize,
) -> Arc<crate::scenario::format::Behaviour> {
    let found = engine.runs.get(uid).and_then(|run| {
        let container = run.containers.get(c)?;
        let env = environment(engine, uid, c).unwrap_or_default();
        let ready = if crash::load_is_shared(engine) { ready_siblings(engine, run) } else { 0 };
        let serves = |version: &str| serves(engine, version);
        let may = |act: &str| may(engine, run, act);
        let around = Around { machine: engine.machines.get(&run.node), ready, serves: &serves, may: &may };
        // A debug container does not do what its pod's workload does: only its image tells.
        let of_image = |b: &Behaviour| container.place != Place::Ephemeral || b.matches.image.is_some();
        let fits = |b: &&Arc<Behaviour>| of_image(b) && b.matches.fits(run, container, &env, &around);
        engine.behaviours.iter().find(fits).cloned()
    });
    found.unwrap_or_else(|| engine.nothing.clone())
}

/// Whether RBAC allows the pod's service account an action (`list secrets`) in its namespace.
fn may(engine: &Engine, run: &super::PodRun, act: &str) -> bool {
    let account = match text(&run.pod, "/spec/serviceAccountName") {
        "" => "default",
        name => name,
    };
    let (verb, resource) = act.split_once(' ').unwrap_or((act, ""));
    let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
    let asked = Asked { verb, group, resource, namespace: &run.key.ns, ..Asked::default() };
    rbac::allowed(&engine.store, &User::service_account(&run.key.ns, account), &asked)
}

/// Whether the API server serves `plural.version.group`.
fn serves(engine: &Engine, version: &str) -> bool {
    let mut parts = version.splitn(3, '.');
    let (Some(plural), Some(version), Some(group)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let crds = "customresourcedefinitions.apiextensions.k8s.io";
    engine.store.get(crds, "", &format!("{plural}.{group}")).is_some_and(|crd| {
        let versions = list(&crd, "/spec/versions");
        versions.iter().any(|v| text(v, "/name") == version && flag(v, "/served"))
    })
}

/// The number of ready pods of the same controller.
fn ready_siblings(engine: &Engine, run: &super::PodRun) -> u32 {
    let Some((_, _, owner)) = object::controller(&run.pod) else { return 0 };
    let siblings = engine.cache.in_namespace("pods", &run.key.ns);
    let ready =
        siblings.filter(|(_, p)| object::controller(p).is_some_and(|o| o.2 == owner) && object::ready(p));
    u32::try_from(ready.count()).unwrap_or(u32::MAX)
}

impl super::Container {
    /// Whether the back-off after the last failed pull is still running.
    fn pull_waits(&self, now: jiff::Timestamp) -> bool {
        self.pull.entry.is_some_and(|(wait, updated)| since(updated, now) < wait)
    }
}

fn decoded(kind: &str, value: &Value) -> String {
    let text = value.as_str().unwrap_or_default();
    if kind != "secret" {
        return text.to_owned();
    }
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
