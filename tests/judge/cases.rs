//! The cases: one of each rule.

use std::sync::Arc;
use std::time::Duration;

use khud::world::measured::{Counted, Measured, NodeUsage, Proxy, Wait, WaitFor};
use khud::world::selector::Requirement;
use khud::world::*;

use crate::support::scene::*;
// The scene's, not the world's of that name.
use crate::support::scene::condition;

const PULL: &str = "Back-off pulling image \"registry.example.com/team/web:v2.0.1\": ErrImagePull: failed to pull and unpack image \"registry.example.com/team/web:v2.0.1\": failed to resolve image: ";
const SCHED: &str = " no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.";

fn c(rule: &'static str, quotes: &'static str, sick: fn(&mut Scene), near: fn(&mut Scene)) -> Case {
    Case { rule, quotes, sick, near }
}

fn pull(s: &mut Scene, tail: &str) {
    s.waits("ImagePullBackOff", &format!("{PULL}{tail}"));
}

fn sched(s: &mut Scene, why: &str) {
    s.unscheduled(&format!("0/1 nodes are available: 1 {why}.{SCHED}"));
}

/// The condition is set, and true.
fn scheduled(s: &mut Scene) {
    s.pod.conditions[0].status = Status::True;
}

fn xid(code: u32) -> gpu::Xid {
    gpu::Xid { code, ..gpu::Xid::default() }
}

fn slowed(g: &mut gpu::Gpu, thermal: bool) {
    g.temperature = Some(88.0);
    g.slowdown = Some(gpu::Slowdown { thermal, hardware: false, power_cap: !thermal });
}

fn same_answer(reading: &mut readings::Reading, hash: u64) {
    if let readings::Outcome::Measured { print, .. } = &mut reading.outcome {
        *print = hash;
    }
}

fn no_events(s: &mut Scene) {
    s.events.clear();
}

fn creating(s: &mut Scene, reason: &str, note: &str) {
    s.waits("ContainerCreating", "");
    s.event(reason, note);
}

fn claim(s: &mut Scene, phase: &str) {
    let old = ago(s, 3600);
    s.pod_spec().claims = ["models".into()].into();
    s.claim = Some(Claim {
        meta: meta("prod", "models", 600, old),
        phase: phase.into(),
        class: Some("fast".into()),
        requested: 1 << 30,
        ..Claim::default()
    });
}

fn waits_for_claim(s: &mut Scene, reason: &str, note: &str) {
    s.unscheduled("0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found");
    claim(s, "Pending");
    if !reason.is_empty() {
        let object = ObjectRef::new(Kind::PersistentVolumeClaim, "prod", "models");
        s.event_on(object, Uid::Uuid(600), reason, note);
    }
}

fn refused(s: &mut Scene, message: &str) {
    let since = ago(s, 600);
    s.deployment.desired = 3;
    s.deployment.available = 1;
    s.deployment.current = 1;
    s.deployment.conditions =
        [condition("ReplicaFailure", Status::True, "FailedCreate", message, since)].into();
}

fn created(s: &mut Scene) {
    s.deployment.desired = 1;
}

fn evicted(s: &mut Scene, message: &str) {
    s.failed("Evicted", message);
}

fn older(s: &mut Scene) {
    // Long enough ago that its workload has replaced it and nobody asks any more.
    let long = ago(s, 7200);
    s.c().state = ContainerState::Terminated(Box::new(terminated(137, "Error", long)));
}

fn disrupted(s: &mut Scene, reason: &str) {
    s.failed("", "");
    let since = ago(s, 60);
    s.pod.conditions = [condition("DisruptionTarget", Status::True, reason, "said so", since)].into();
}

fn logged(s: &mut Scene, line: &str) {
    s.crashes(1, "Error");
    s.log = format!("starting\n{line}\nbye\n");
}

/// It ended once some minutes ago, runs again, and its log says the same every few lines.
fn repeating(s: &mut Scene, line: &str) {
    let at = ago(s, 200);
    let c = s.c();
    c.restarts = 1;
    c.last = Some(Box::new(terminated(1, "Error", at)));
    c.state = ContainerState::Running { since: Some(at) };
    s.log = format!("INFO served a request\n{line}\n").repeat(5);
}

fn quiet(s: &mut Scene) {
    s.log = "starting\nall is well\n".into();
}

fn proxy(s: &mut Scene, line: &str) {
    s.daemon("kube-proxy", &[("k8s-app", "kube-proxy")]);
    s.crashes(1, "Error");
    s.log = line.into();
    (s.slice.ready, s.slice.not_ready) = (1, 0);
}

fn progress(s: &mut Scene, reason: &str, seconds_ago: u64, status: Status) {
    let since = ago(s, seconds_ago);
    s.deployment.desired = 3;
    s.deployment.current = 4;
    s.deployment.ready = 3;
    s.deployment.available = 3;
    s.deployment.updated = 1;
    s.deployment.conditions =
        [condition("Progressing", status, reason, "ReplicaSet \"web-2\" has timed out progressing.", since)]
            .into();
}

fn init(s: &mut Scene, code: i32) {
    let at = ago(s, 60);
    s.not_ready();
    s.pod.phase = Phase::Pending;
    let mut first = s.pod.containers[0].clone();
    Arc::make_mut(&mut first.spec).role = Role::Init;
    Arc::make_mut(&mut first.spec).name = "wait-db".into();
    first.restarts = 4;
    first.state = ContainerState::Terminated(Box::new(terminated(code, "Error", at)));
    s.c().state = ContainerState::Waiting { reason: "PodInitializing".into(), message: "".into() };
    s.pod.containers = [first, s.pod.containers[0].clone()].into();
}

fn gpu_node(s: &mut Scene, pairs: &[(&str, &str)], gpus: Option<u64>) {
    s.node.meta.labels = labels(pairs);
    s.node.allocatable.gpu = gpus;
    s.node.capacity.gpu = gpus;
}

fn other_node(s: &mut Scene, name: &str) -> Node {
    let old = ago(s, 86_400);
    let mut n = node(name, old);
    n.meta.uid = Uid::Uuid(11 + s.nodes.len() as u128);
    n
}

pub fn cases() -> Vec<Case> {
    let mut all = pods();
    all.extend(ends());
    all.extend(workloads());
    all.extend(nodes());
    all.extend(crate::platform_cases::cases());
    all.extend(crate::field_cases::cases());
    all
}

fn pods() -> Vec<Case> {
    vec![
        // One region goes, the other stays; a probe that is missed once is no outage.
        c(
            "region.down",
            "4 probes without an answer; the last: no answer within 5 s",
            |s| {
                s.probed("us", &[Some(20); 5]);
                s.probed("eu", &[Some(30), None, None, None, None]);
            },
            |s| s.probed("eu", &[Some(31)]),
        ),
        c(
            "region.latency",
            "median 2400 ms of 11 answers in five minutes",
            |s| s.probed("eu", &[Some(2400); 11]),
            |s| s.regions.iter_mut().take(6).for_each(|r| r.api.ms = Some(40)),
        ),
        c(
            "region.none-healthy",
            "3 probes without an answer",
            |s| {
                s.probed("us", &[None; 3]);
                s.probed("eu", &[None; 3]);
            },
            |s| s.probed("us", &[Some(20)]),
        ),
        // Images: the near miss says another cause's words in the same place.
        c(
            "image.not-found",
            "not found",
            |s| pull(s, "registry.example.com/team/web:v2.0.1: not found"),
            |s| {
                pull(s, "429 Too Many Requests: not found");
            },
        ),
        c(
            "image.auth",
            "insufficient_scope",
            |s| {
                pull(
                    s,
                    "pull access denied, repository does not exist or may require authorization: insufficient_scope",
                )
            },
            |s| pull(s, "no such host"),
        ),
        c(
            "image.rate-limit",
            "toomanyrequests",
            |s| pull(s, "429: toomanyrequests: You have reached your pull rate limit."),
            |s| {
                pull(s, "401 Unauthorized");
            },
        ),
        c(
            "image.network",
            "no such host",
            |s| pull(s, "dial tcp: lookup registry.example.com: no such host"),
            |s| {
                pull(s, "registry.example.com/team/web:v2.0.1: not found");
            },
        ),
        c(
            "image.platform",
            "no match for platform",
            |s| pull(s, "no match for platform in manifest: not found"),
            |s| {
                pull(s, "registry.example.com/team/web:v2.0.1: not found");
            },
        ),
        c(
            "image.signature",
            "signature was required",
            |s| s.waits("SignatureValidationFailed", "A signature was required, but no signature exists"),
            |s| pull(s, "i/o timeout"),
        ),
        c("image.unknown", "something new", |s| pull(s, "something new"), |s| pull(s, "i/o timeout")),
        c(
            "image.invalid-name",
            "invalid reference",
            |s| s.waits("InvalidImageName", "couldn't parse image name: invalid reference format"),
            |s| {
                s.waits("ErrImageNeverPull", "Container image \"x\" is not present with pull policy of Never")
            },
        ),
        c(
            "image.never-pull",
            "pull policy of Never",
            |s| {
                s.waits("ErrImageNeverPull", "Container image \"x\" is not present with pull policy of Never")
            },
            |s| s.waits("ErrImagePull", &format!("{PULL}i/o timeout")),
        ),
        // The scheduler.
        c(
            "schedule.insufficient",
            "needs 16 cpu; most free: 8 of 8 on n1",
            |s| {
                s.spec().requests.cpu = Some(16_000);
                sched(s, "Insufficient cpu");
            },
            scheduled,
        ),
        c(
            "schedule.selector",
            "didn't match",
            |s| sched(s, "node(s) didn't match Pod's node affinity/selector"),
            |s| {
                sched(s, "node(s) were unschedulable");
            },
        ),
        c(
            "schedule.taint",
            "untolerated taint",
            |s| sched(s, "node(s) had untolerated taint(s)"),
            |s| {
                // A label that no node has keeps it away whatever their taints.
                s.pod_spec().node_selector = [("disk".into(), "ssd".into())].into();
            },
        ),
        c(
            "schedule.cordoned",
            "unschedulable",
            |s| sched(s, "node(s) were unschedulable"),
            |s| {
                sched(s, "node(s) had untolerated taint {a: b}");
            },
        ),
        c(
            "schedule.pod-affinity",
            "pod affinity rules",
            |s| sched(s, "node(s) didn't match pod affinity rules"),
            |s| {
                sched(s, "node(s) didn't match Pod's node affinity/selector");
            },
        ),
        c(
            "schedule.spread",
            "topology spread",
            |s| sched(s, "node(s) didn't match pod topology spread constraints"),
            scheduled,
        ),
        c(
            "schedule.host-port",
            "free ports",
            |s| sched(s, "node(s) didn't have free ports for the requested pod ports"),
            scheduled,
        ),
        c("schedule.too-many-pods", "Too many pods", |s| sched(s, "Too many pods"), scheduled),
        c(
            "config.resource-claim-missing",
            "resourceclaim",
            |s| sched(s, "resourceclaim.resource.k8s.io \"one-gpu\" not found"),
            |s| {
                s.pod.conditions[0].message =
                    format!("0/1 nodes are available: 1 cannot allocate all claims.{SCHED}").into();
            },
        ),
        c(
            "config.device-class-missing",
            "gpu.amd.com",
            |s| sched(s, "request gpu: device class gpu.amd.com does not exist"),
            |s| {
                s.pod.conditions[0].message =
                    format!("0/1 nodes are available: 1 cannot allocate all claims.{SCHED}").into();
            },
        ),
        c(
            "schedule.unknown",
            "something new",
            |s| s.unscheduled("something new"),
            |s| sched(s, "Too many pods"),
        ),
        c(
            "schedule.gated",
            "waiting",
            |s| {
                s.unscheduled("");
                let since = ago(s, 60);
                s.pod.conditions = [condition(
                    "PodScheduled",
                    Status::False,
                    "SchedulingGated",
                    "waiting for the gate",
                    since,
                )]
                .into();
                (s.slice.ready, s.slice.not_ready) = (1, 0);
            },
            |s| s.pod.conditions[0].reason = "Unschedulable".into(),
        ),
        // Volumes.
        c(
            "volume.claim-missing",
            "not found",
            |s| {
                s.unscheduled(
                    "0/1 nodes are available: persistentvolumeclaim \"models\" not found. not found",
                );
            },
            |s| {
                s.unscheduled(
                    "0/1 nodes are available: persistentvolumeclaim \"models\" is being deleted. not found",
                );
            },
        ),
        c(
            "volume.claim-unbound",
            "no persistent volumes",
            |s| {
                waits_for_claim(
                    s,
                    "FailedBinding",
                    "no persistent volumes available for this claim and no storage class is set",
                );
            },
            |s| {
                s.events.clear();
                let object = ObjectRef::new(Kind::PersistentVolumeClaim, "prod", "models");
                s.event_on(
                    object,
                    Uid::Uuid(600),
                    "ProvisioningFailed",
                    "storageclass.storage.k8s.io \"fast\" not found",
                );
            },
        ),
        c(
            "volume.class-missing",
            "\"fast\" not found",
            |s| {
                waits_for_claim(s, "ProvisioningFailed", "storageclass.storage.k8s.io \"fast\" not found");
            },
            |s| s.events[0].note = "rpc error: quota reached".into(),
        ),
        c(
            "volume.provisioner",
            "quota reached",
            |s| {
                waits_for_claim(
                    s,
                    "ProvisioningFailed",
                    "failed to provision volume: rpc error: quota reached",
                );
            },
            |s| s.events[0].regarding_uid = Uid::Uuid(1),
        ),
        c(
            "volume.zone",
            "PersistentVolume's node affinity",
            |s| {
                sched(s, "node(s) didn't match PersistentVolume's node affinity");
            },
            |s| sched(s, "node(s) didn't match Pod's node affinity/selector"),
        ),
        c(
            "volume.capacity",
            "enough free storage",
            |s| sched(s, "node(s) did not have enough free storage"),
            scheduled,
        ),
        c(
            "volume.mount",
            "hostPath type check",
            |s| {
                creating(
                    s,
                    "FailedMount",
                    "MountVolume.SetUp failed for volume \"m\" : hostPath type check failed: /x is not a directory",
                );
            },
            no_events,
        ),
        c(
            "volume.permission",
            "permission denied",
            |s| {
                creating(
                    s,
                    "FailedMount",
                    "MountVolume.MountDevice failed for volume \"m\" : permission denied",
                );
            },
            |s| s.events[0].note = "MountVolume.MountDevice failed for volume \"m\" : I/O error".into(),
        ),
        c(
            "volume.attach",
            "AttachVolume.Attach failed",
            |s| {
                creating(s, "FailedAttachVolume", "AttachVolume.Attach failed for volume \"m\" : rpc error");
            },
            |s| s.events[0].last = ago(s, 3600),
        ),
        c(
            "volume.multi-attach",
            "exclusively attached",
            |s| {
                creating(
                    s,
                    "FailedAttachVolume",
                    "Multi-Attach error for volume \"m\" Volume is already exclusively attached to one node and can't be attached to another",
                );
            },
            |s| s.events[0].note = "AttachVolume.Attach failed for volume \"m\" : rpc error".into(),
        ),
        // Configuration and creation.
        c(
            "config.configmap-missing",
            "configmap \"app\" not found",
            |s| {
                s.waits("CreateContainerConfigError", "configmap \"app\" not found");
            },
            |s| s.waits("CreateContainerConfigError", "secret \"app\" not found"),
        ),
        c(
            "config.secret-missing",
            "secret \"app\" not found",
            |s| {
                creating(
                    s,
                    "FailedMount",
                    "MountVolume.SetUp failed for volume \"s\" : secret \"app\" not found",
                );
            },
            |s| {
                s.events[0].note =
                    "MountVolume.SetUp failed for volume \"s\" : configmap \"app\" not found".into()
            },
        ),
        c(
            "config.key-missing",
            "couldn't find key",
            |s| {
                s.waits("CreateContainerConfigError", "couldn't find key database_url in ConfigMap prod/app");
            },
            |s| s.waits("CreateContainerConfigError", "configmap \"app\" not found"),
        ),
        c(
            "config.run-as-root",
            "runAsNonRoot",
            |s| {
                s.waits(
                    "CreateContainerConfigError",
                    "container has runAsNonRoot and image will run as root (pod: \"x\", container: app)",
                );
            },
            |s| s.waits("CreateContainerConfigError", "secret \"app\" not found"),
        ),
        c(
            "container.command",
            "no such file",
            |s| {
                s.crashes(128, "StartError");
                s.c().last.as_mut().unwrap().message = "failed to create containerd task: OCI runtime create failed: runc create failed: unable to start container process: exec: \"/app/serve\": stat /app/serve: no such file or directory".into();
            },
            |s| {
                s.c().last.as_mut().unwrap().message =
                    "failed to create containerd task: exec format error".into()
            },
        ),
        c(
            "container.create",
            "name is reserved",
            |s| {
                s.waits("CreateContainerError", "failed to reserve container name: name is reserved");
            },
            |s| s.waits("CreateContainerError", "exec: \"/app/serve\": permission denied"),
        ),
        c(
            "volume.subpath",
            "subPath",
            |s| {
                s.waits(
                    "CreateContainerConfigError",
                    "failed to prepare subPath for volumeMount \"data\" of container \"app\"",
                );
            },
            |s| s.waits("CreateContainerConfigError", "volumeMount \"data\" has a subPath"),
        ),
        c(
            "container.hook",
            "PostStartHook failed",
            |s| {
                s.crashes(137, "Error");
                s.event("FailedPostStartHook", "PostStartHook failed");
            },
            no_events,
        ),
        c(
            "sandbox.network",
            "calico",
            |s| {
                creating(
                    s,
                    "FailedCreatePodSandBox",
                    "Failed to create pod sandbox: rpc error: plugin type=\"calico\" failed (add): no network",
                );
            },
            |s| s.events[0].note = "Failed to create pod sandbox: rpc error: disk I/O error".into(),
        ),
        c(
            "sandbox.runtime",
            "disk I/O error",
            |s| {
                creating(
                    s,
                    "FailedCreatePodSandBox",
                    "Failed to create pod sandbox: rpc error: disk I/O error",
                );
            },
            no_events,
        ),
        // Readiness.
        c(
            "ready.probe",
            "statuscode: 500",
            |s| {
                s.not_ready();
                s.event("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 500");
            },
            |s| s.events[0].note = "Liveness probe failed: HTTP probe failed with statuscode: 500".into(),
        ),
        c(
            "ready.starting",
            "probes allow",
            |s| {
                s.not_ready();
                let since = ago(s, 60);
                s.spec().readiness.as_mut().unwrap().initial_delay = 600;
                s.c().state = ContainerState::Running { since: Some(since) };
                (s.slice.ready, s.slice.not_ready) = (1, 0);
            },
            |s| s.spec().readiness.as_mut().unwrap().initial_delay = 0,
        ),
        c(
            "ready.gate",
            "lb.example.com/ready",
            |s| {
                let since = ago(s, 600);
                s.pod.ready = false;
                s.pod.ready_since = Some(since);
                s.pod_spec().readiness_gates = ["lb.example.com/ready".into()].into();
                s.pod.conditions = [
                    condition("Ready", Status::False, "ReadinessGatesNotReady", "", since),
                    condition("lb.example.com/ready", Status::False, "", "", since),
                ]
                .into();
            },
            |s| s.pod.conditions[1].status = Status::True,
        ),
        c("ready.unknown", "no event", Scene::not_ready, |s| {
            s.event("Unhealthy", "Readiness probe failed: command timed out");
        }),
    ]
}

fn ends() -> Vec<Case> {
    vec![
        c(
            "runtime.disk-full",
            "no space left",
            |s| pull(s, "failed to copy: write /var/lib/containerd/x: no space left on device"),
            |s| {
                pull(s, "failed to copy: something new");
            },
        ),
        c(
            "runtime.nvidia",
            "nvidia-container-cli",
            |s| {
                s.crashes(128, "StartError");
                s.c().last.as_mut().unwrap().message =
                    "OCI runtime create failed: nvidia-container-cli: initialization error: nvml error"
                        .into();
            },
            |s| s.c().last.as_mut().unwrap().reason = "Error".into(),
        ),
        c("volume.full", "no space left", |s| logged(s, "write /data/x: no space left on device"), quiet),
        c(
            "crash.oom-limit",
            "limits.memory 2Gi",
            |s| s.crashes(137, "OOMKilled"),
            |s| {
                s.spec().limits.memory = None;
            },
        ),
        c(
            "crash.oom-node",
            "System OOM",
            |s| {
                s.crashes(137, "OOMKilled");
                s.event_on(
                    ObjectRef::new(Kind::Node, "", "n1"),
                    Uid::Uuid(10),
                    "SystemOOM",
                    "System OOM encountered, victim process: app, pid: 1",
                );
            },
            no_events,
        ),
        c(
            "crash.liveness",
            "failed liveness probe",
            |s| {
                s.crashes(137, "Error");
                s.event("Killing", "Container app failed liveness probe, will be restarted");
            },
            |s| s.events[0].note = "Stopping container app".into(),
        ),
        c(
            "crash.startup-probe",
            "failed startup probe",
            |s| {
                s.crashes(137, "Error");
                s.event("Killing", "Container app failed startup probe, will be restarted");
            },
            |s| s.events[0].note = "Container other failed startup probe, will be restarted".into(),
        ),
        c(
            "crash.oom-heap",
            "Java heap space",
            |s| logged(s, "java.lang.OutOfMemoryError: Java heap space"),
            quiet,
        ),
        c(
            "crash.dependency",
            "missing-dependency",
            |s| logged(s, "Error: Cannot find module 'missing-dependency'"),
            quiet,
        ),
        c(
            "crash.unreachable",
            "no Service db in namespace prod",
            |s| logged(s, "Error: getaddrinfo ENOTFOUND db.prod.svc.cluster.local"),
            quiet,
        ),
        c(
            "crash.config",
            "DATABASE_URL",
            |s| logged(s, "FATAL: environment variable DATABASE_URL is not set"),
            quiet,
        ),
        c(
            "crash.incompatible",
            "GLIBC_2.34",
            |s| logged(s, "/lib/libc.so.6: version `GLIBC_2.34' not found"),
            quiet,
        ),
        c(
            "crash.application",
            "all is well",
            |s| logged(s, "all is well"),
            |s| s.c().last.as_mut().unwrap().reason = "OOMKilled".into(),
        ),
        c(
            "crash.init",
            "exit code 3",
            |s| init(s, 3),
            |s| {
                let at = ago(s, 60);
                s.pod.containers[0].state =
                    ContainerState::Terminated(Box::new(terminated(0, "Completed", at)));
            },
        ),
        c(
            "rbac.forbidden",
            "cannot list",
            |s| {
                logged(
                    s,
                    "pods is forbidden: User \"system:serviceaccount:prod:web\" cannot list resource \"pods\"",
                )
            },
            quiet,
        ),
        c(
            "model.path",
            "model.safetensors",
            |s| logged(s, "OSError: model.safetensors: no such file or directory"),
            quiet,
        ),
        c(
            "model.corrupt",
            "SafetensorError",
            |s| logged(s, "safetensors_rust.SafetensorError: invalid header"),
            quiet,
        ),
        c(
            "model.oom-loading",
            "out of memory",
            |s| logged(s, "Error loading model weights: out of memory"),
            quiet,
        ),
        c(
            "gpu.driver-mismatch",
            "version mismatch",
            |s| logged(s, "nvml error: driver/library version mismatch: unknown"),
            quiet,
        ),
        c(
            "volume.quota",
            "quota exceeded",
            |s| logged(s, "write /data/x: disk quota exceeded"),
            |s| s.log = "disk quota of /data: 3Gi of 10Gi used\n".into(),
        ),
        c(
            "crash.port-in-use",
            "already in use",
            |s| logged(s, "listen tcp :8080: bind: address already in use"),
            |s| s.log = "listening on :8080; address 10.0.0.1 is in use by this pod\n".into(),
        ),
        c(
            "crash.threads",
            "native thread",
            |s| logged(s, "java.lang.OutOfMemoryError: unable to create native thread"),
            |s| s.log = "started 200 native threads\n".into(),
        ),
        c(
            "crash.open-files",
            "too many open files",
            |s| logged(s, "accept4: too many open files"),
            |s| s.log = "open files: 900 of 1024\n".into(),
        ),
        c(
            "jvm.metaspace",
            "Metaspace",
            |s| logged(s, "java.lang.OutOfMemoryError: Metaspace"),
            |s| s.log = "-XX:MaxMetaspaceSize=256m is set\n".into(),
        ),
        c(
            "jvm.heap-over-limit",
            "object heap",
            |s| logged(s, "Could not reserve enough space for object heap"),
            |s| s.log = "reserved 2048 MB for the object heap\n".into(),
        ),
        c(
            "pool.exhausted",
            "too many clients",
            |s| logged(s, "FATAL:  sorry, too many clients already"),
            |s| s.log = "clients: 20 of 100\n".into(),
        ),
        c(
            "model.incompatible",
            "does not recognize",
            |s| {
                logged(
                    s,
                    "ValueError: the checkpoint has model type `x` but Transformers does not recognize this architecture",
                )
            },
            |s| s.log = "loaded model of type llama\n".into(),
        ),
        c(
            "model.transfer-incomplete",
            "should be of size",
            |s| {
                logged(
                    s,
                    "OSError: Consistency check failed: file should be of size 99 but has size 10 (model.safetensors)",
                )
            },
            |s| s.log = "consistency check of model.safetensors passed\n".into(),
        ),
        c(
            "volume.shared-writers",
            "lock DB directory",
            |s| logged(s, "opening storage failed: lock DB directory: resource temporarily unavailable"),
            |s| s.log = "lock DB directory: acquired\n".into(),
        ),
        c(
            "gpu.hung-collective",
            "collective operation timeout",
            |s| logged(s, "[rank0]: Watchdog caught collective operation timeout: WorkNCCL(SeqNum=1)"),
            |s| s.log = "collective operation finished in 2 s\n".into(),
        ),
        c(
            "cert.expired",
            "has expired",
            |s| {
                logged(
                    s,
                    "x509: certificate has expired or is not yet valid: current time 2026-11-21T00:00:00Z is after 2026-01-01T00:00:00Z",
                )
            },
            |s| s.log = "certificate expires in 80 days\n".into(),
        ),
        c(
            "cert.not-yet",
            "is before",
            |s| {
                logged(
                    s,
                    "x509: certificate has expired or is not yet valid: current time 2026-11-21T00:00:00Z is before 2027-01-01T00:00:00Z",
                )
            },
            |s| s.log = "certificate is valid since 2026-01-01\n".into(),
        ),
        c(
            "cert.hostname",
            "not db",
            |s| logged(s, "x509: certificate is valid for db.example.com, not db"),
            |s| s.log = "certificate is valid for db.example.com, db\n".into(),
        ),
        c(
            "cert.untrusted",
            "unknown authority",
            |s| logged(s, "x509: certificate signed by unknown authority"),
            |s| s.log = "certificate signed by authority corp-ca\n".into(),
        ),
        c(
            "cert.key-mismatch",
            "does not match",
            |s| logged(s, "tls: private key does not match public key"),
            |s| s.log = "private key matches the certificate\n".into(),
        ),
        c(
            "cert.format",
            "PEM data",
            |s| logged(s, "tls: failed to find any PEM data in certificate input"),
            |s| s.log = "read 2 certificates from PEM data\n".into(),
        ),
        c(
            "config.read-only-fs",
            "read-only file system",
            |s| logged(s, "open /app/cache: read-only file system"),
            |s| s.log = "root is mounted read-only as configured\n".into(),
        ),
        c(
            "config.capability",
            "Permission denied",
            |s| logged(s, "nginx: [emerg] bind() to 0.0.0.0:80 failed (13: Permission denied)"),
            |s| s.log = "bind() to 0.0.0.0:8080\n".into(),
        ),
        c(
            "config.user",
            "cannot be run as root",
            |s| logged(s, "initdb: error: cannot be run as root"),
            |s| s.log = "running as user postgres\n".into(),
        ),
        c(
            "container.security",
            "Bad system call",
            |s| logged(s, "Bad system call (core dumped)"),
            |s| s.log = "seccomp profile RuntimeDefault is active\n".into(),
        ),
        c(
            "log.tls",
            "handshake failure",
            |s| repeating(s, "ERROR remote error: tls: handshake failure"),
            |s| repeating(s, "INFO remote error: tls: handshake failure; retry 2 succeeded"),
        ),
        c(
            "log.dns",
            "payments",
            |s| repeating(s, "ERROR getaddrinfo ENOTFOUND payments"),
            |s| repeating(s, "DEBUG getaddrinfo ENOTFOUND payments"),
        ),
        c(
            "log.refused",
            "10.0.0.9:5432",
            |s| repeating(s, "ERROR dial tcp 10.0.0.9:5432: connect: connection refused"),
            |s| {
                repeating(
                    s,
                    "WARN dial tcp 10.0.0.9:5432: connect: connection refused, falling back to the replica",
                )
            },
        ),
        c(
            "log.pool",
            "request timed out",
            |s| {
                repeating(
                    s,
                    "ERROR HikariPool-1 - Connection is not available, request timed out after 30000ms.",
                )
            },
            |s| repeating(s, "DEBUG HikariPool-1 - Pool stats (total=10, active=10, idle=0, waiting=3)"),
        ),
        c(
            "log.permission",
            "/data/out",
            |s| repeating(s, "ERROR open /data/out: permission denied"),
            |s| repeating(s, "WARN open /data/out: permission denied (ignored)"),
        ),
        // Over.
        c(
            "evicted.memory",
            "low on resource: memory",
            |s| {
                evicted(
                    s,
                    "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. Container app was using 12Gi, request is 1Gi, has larger consumption of memory. ",
                );
            },
            older,
        ),
        c(
            "evicted.disk",
            "ephemeral-storage",
            |s| {
                evicted(
                    s,
                    "The node was low on resource: ephemeral-storage. Threshold quantity: 1Gi, available: 500Mi. ",
                );
            },
            |s| evicted(s, "The node was low on resource: memory. "),
        ),
        c("evicted.pid", "pids", |s| evicted(s, "The node was low on resource: pids. "), older),
        c(
            "evicted.ephemeral-limit",
            "exceeds the limit",
            |s| evicted(s, "Usage of EmptyDir volume \"d\" exceeds the limit \"4Mi\". "),
            older,
        ),
        c(
            "evicted.taint",
            "said so",
            |s| disrupted(s, "DeletionByTaintManager"),
            |s| {
                s.pod.conditions[0].reason = "EvictionByEvictionAPI".into();
            },
        ),
        c(
            "preempted",
            "said so",
            |s| disrupted(s, "PreemptionByScheduler"),
            |s| {
                s.pod.conditions[0].status = Status::False;
            },
        ),
        c(
            "pod.rejected",
            "requested number of devices",
            |s| {
                s.failed(
                    "UnexpectedAdmissionError",
                    "Allocate failed due to requested number of devices unavailable for nvidia.com/gpu.",
                );
            },
            |s| s.pod.reason = "".into(),
        ),
        c(
            "delete.stuck",
            "all containers have ended",
            |s| {
                s.failed("", "");
                s.pod.meta.deleting = Some(ago(s, 300));
            },
            |s| s.pod.meta.deleting = Some(s.now.plus(Duration::from_secs(60))),
        ),
        // Pods with a name of their own.
        c(
            "proxy.restarting",
            "7 restarts on node n1",
            |s| proxy(s, "bye"),
            |s| {
                // It has run well for longer than restarts are told of.
                let since = ago(s, 1200);
                s.c().state = ContainerState::Running { since: Some(since) };
            },
        ),
        c(
            "proxy.oom",
            "limits.memory 2Gi",
            |s| {
                proxy(s, "");
                s.c().last.as_mut().unwrap().reason = "OOMKilled".into();
            },
            |s| s.c().last.as_mut().unwrap().reason = "Error".into(),
        ),
        c(
            "proxy.iptables-lock",
            "exit status 4",
            |s| proxy(s, "Failed to execute iptables-restore: exit status 4 (holding the xtables lock)"),
            |s| {
                // The same words in another program's log are nothing of kube-proxy's.
                s.pod.meta.labels = labels(&[("app", "web")]);
            },
        ),
        c(
            "proxy.too-many-rules",
            "limit: 65536",
            |s| proxy(s, "too many iptables rules (limit: 65536)"),
            |s| {
                s.pod.meta.labels = labels(&[("app", "web")]);
            },
        ),
        c(
            "proxy.conntrack-full",
            "table full",
            |s| proxy(s, "nf_conntrack: table full, dropping packet"),
            |s| {
                s.pod.meta.labels = labels(&[("app", "web")]);
            },
        ),
        c(
            "gpu.plugin",
            "crash.application",
            |s| {
                s.daemon("nvidia-device-plugin-daemonset", &[("name", "nvidia-device-plugin-ds")]);
                s.crashes(1, "Error");
                (s.slice.ready, s.slice.not_ready) = (1, 0);
            },
            |s| s.pod.meta.labels = labels(&[("app", "web")]),
        ),
        c(
            "gpu.plugin",
            "NVML",
            |s| logged(s, "Failed to initialize NVML: could not load NVML library."),
            quiet,
        ),
        c(
            "gpu.exporter-down",
            "crash.application",
            |s| {
                s.daemon("dcgm-exporter", &[("app.kubernetes.io/name", "dcgm-exporter")]);
                s.crashes(1, "Error");
                (s.slice.ready, s.slice.not_ready) = (1, 0);
            },
            |s| s.pod.meta.labels = labels(&[("app.kubernetes.io/name", "web")]),
        ),
        c(
            "gpu.memory-leak",
            "GiB/h over",
            // 12 to 22 of 32 GiB in half an hour.
            |s| s.gpu(60, 30, |i| 12.0 + i as f64 / 6.0, |_, _| {}),
            // A server that takes 90 % of the GPU, and is on its way there.
            |s| s.engine(|_, _| {}),
        ),
        c(
            "gpu.memory-full",
            "31.9 GiB of 32.0 GiB",
            |s| s.gpu(40, 15, |i| if i < 20 { 20.0 } else { 31.9 }, |_, _| {}),
            // Full from the start: taken on purpose.
            |s| {
                s.readings.clear();
                s.gpu(40, 15, |_| 31.9, |_, _| {});
            },
        ),
        c(
            "gpu.idle-reserved",
            "20.0 GiB of 32.0 GiB used, 0 % busy",
            |s| s.gpu(40, 15, |_| 20.0, |_, g| g.busy = Some(0.0)),
            |s| s.gpu(1, 15, |_| 20.0, |_, g| g.busy = Some(3.0)),
        ),
        c(
            "gpu.xid",
            "XID 79",
            |s| s.gpu(20, 15, |_| 20.0, |i, g| g.xid = (i > 10).then(|| xid(79))),
            // The gauge had it before anybody looked.
            |s| {
                s.readings.clear();
                s.gpu(20, 15, |_| 20.0, |_, g| g.xid = Some(xid(79)));
            },
        ),
        c(
            "gpu.ecc",
            "2 uncorrectable memory errors",
            |s| s.gpu(20, 15, |_| 20.0, |_, g| g.ecc.uncorrected = Some(2)),
            |s| s.gpu(1, 15, |_| 20.0, |_, g| g.ecc.uncorrected = Some(0)),
        ),
        c(
            "gpu.hung-collective",
            "100 % busy, tensor cores 0.2 %, memory 0.1 %",
            |s| {
                s.gpu(
                    60,
                    10,
                    |_| 20.0,
                    |_, g| {
                        (g.busy, g.tensor_active, g.memory_active) = (Some(100.0), Some(0.2), Some(0.1));
                    },
                );
            },
            // It moves data: a kernel that needs no tensor cores.
            |s| {
                s.gpu(
                    1,
                    15,
                    |_| 20.0,
                    |_, g| {
                        (g.busy, g.tensor_active, g.memory_active) = (Some(100.0), Some(0.2), Some(38.0));
                    },
                )
            },
        ),
        c(
            "gpu.thermal",
            "thermal at 88 °C",
            |s| s.gpu(20, 15, |_| 20.0, |_, g| slowed(g, true)),
            // The power limit is reached under any full load.
            |s| s.gpu(1, 15, |_| 20.0, |_, g| slowed(g, false)),
        ),
        c(
            "gpu.exporter-stale",
            "the same answer for",
            |s| {
                s.gpu(30, 10, |_| 20.0, |_, _| {});
                s.readings.iter_mut().for_each(|r| same_answer(r, 7));
            },
            |s| same_answer(s.readings.last_mut().unwrap(), 8),
        ),
        c(
            "memory.near-limit",
            "1.9 GiB of 2.0 GiB",
            |s| s.usage(20, 15, |_| 1940.0),
            |s| s.usage(1, 15, |_| 1500.0),
        ),
        c(
            "memory.leak",
            "MiB/h over",
            |s| s.usage(60, 30, |i| 600.0 + i as f64 * 15.0),
            // Collected every five minutes.
            |s| {
                s.readings.clear();
                s.usage(60, 30, |i| 600.0 + (i % 10) as f64 * 90.0);
            },
        ),
        c(
            "memory.leak",
            "no limit; +2400 MiB/h over",
            // 2 GiB and 20 MiB more every half minute, on a node that has 6 GiB left.
            |s| {
                s.spec().limits.memory = None;
                s.node.allocatable.memory = Some(16 << 30);
                s.measure("metrics.k8s.io", "", 1, 30, |_, at| {
                    let node = NodeUsage { node: "n1".into(), cpu: None, memory: Some(10 << 30), at };
                    Measured { nodes: vec![node], ..Measured::default() }
                });
                s.usage(60, 30, |i| 2048.0 + i as f64 * 20.0);
            },
            // Collected every five minutes.
            |s| {
                s.readings.truncate(1);
                s.usage(60, 30, |i| 2048.0 + (i % 10) as f64 * 90.0);
            },
        ),
        c(
            "proxy.too-many-rules",
            "52000 iptables rules",
            |s| s.rules("iptables", 52_000),
            // nftables looks a rule up in a map.
            |s| {
                s.readings.clear();
                s.rules("nftables", 52_000);
            },
        ),
        c(
            "latency.queue",
            "50 waiting, 40 running",
            |s| s.engine(|_, e| e.waiting = Some(50.0)),
            |s| s.engine(|_, e| e.waiting = Some(3.0)),
        ),
        c(
            "latency.kv-cache",
            "KV cache 99 %",
            |s| s.engine(|_, e| (e.waiting, e.kv_cache) = (Some(50.0), Some(0.99))),
            |s| {
                s.readings.clear();
                s.engine(|_, e| (e.waiting, e.kv_cache) = (Some(50.0), Some(0.6)));
            },
        ),
        c(
            "cpu.throttled",
            "app: throttled in 62 % of its periods over 5m; its limit is 500m",
            |s| throttled(s, 0.62),
            |s| {
                s.readings.clear();
                throttled(s, 0.2);
            },
        ),
        c(
            "cpu.saturated",
            "pod web-1-abc, app: tasks waited for CPU 44 % of the time over 5m",
            |s| {
                full_node(s, 7_900);
                pressed(s);
            },
            |s| {
                s.readings.clear();
                full_node(s, 6_000);
                pressed(s);
            },
        ),
        c(
            "latency.replicas",
            "no HorizontalPodAutoscaler scales it",
            |s| {
                s.engine(|_, e| e.waiting = Some(50.0));
                second_replica(s, true);
                let first = std::mem::replace(&mut s.pod.meta.name, "web-1-def".into());
                s.engine(|_, e| e.waiting = Some(60.0));
                s.pod.meta.name = first;
            },
            // The other replica has nothing to do: more of them would not help.
            |s| {
                let first = std::mem::replace(&mut s.pod.meta.name, "web-1-def".into());
                s.engine(|_, e| e.waiting = Some(0.0));
                s.pod.meta.name = first;
            },
        ),
        c(
            "latency.cold-start",
            "runs for 60s and is not ready yet",
            |s| {
                s.engine(|_, e| e.waiting = Some(50.0));
                second_replica(s, false);
            },
            |s| {
                let second = s.more.last_mut().unwrap();
                second.ready = true;
                second.containers[0].ready = true;
            },
        ),
        c(
            "gpu.fragmentation",
            "48.31 GiB is reserved by PyTorch but unallocated",
            |s| logged(s, &out_of_gpu_memory("28.14 GiB", "48.31 GiB")),
            // The GPU is full.
            |s| logged(s, &out_of_gpu_memory("76.10 GiB", "355.20 MiB")),
        ),
        c(
            "proxy.rules-stale",
            "last sync 5m ago, a change waits for 2m, 14 failed writes",
            |s| metrics_of_proxy(s, 300),
            |s| {
                s.readings.clear();
                metrics_of_proxy(s, 5);
            },
        ),
        c(
            "proxy.rules-missing",
            "0 NAT rules for 1 Service ports with ready endpoints",
            |s| {
                s.service.cluster_ip = "10.96.7.7".into();
                s.rules("iptables", 0);
            },
            |s| {
                s.readings.clear();
                s.rules("iptables", 30);
            },
        ),
        c(
            "proxy.sync-stuck",
            "unhealthy, last sync 5m",
            |s| s.proxy(6, false),
            // It wrote its rules meanwhile.
            |s| s.proxy(1, true),
        ),
        c(
            "dns.coredns",
            "crash.application",
            |s| {
                s.daemon("coredns", &[("k8s-app", "kube-dns")]);
                s.crashes(1, "Error");
                (s.slice.ready, s.slice.not_ready) = (1, 0);
            },
            |s| {
                let mut other = s.pod.clone();
                other.meta.name = "coredns-y".into();
                other.meta.uid = Uid::Uuid(101);
                other.ready = true;
                other.containers[0].ready = true;
                other.containers[0].restarts = 0;
                other.containers[0].state = ContainerState::Running { since: None };
                s.more.push(other);
            },
        ),
    ]
}

/// The container's limit of 500m stopped it in this share of the last five minutes' periods.
fn throttled(s: &mut Scene, share: f64) {
    s.spec().limits.cpu = Some(500);
    waits(s, WaitFor::CpuLimit, share);
}

fn waits(s: &mut Scene, of: WaitFor, share: f64) {
    let (namespace, pod) = (s.pod.meta.namespace.clone(), s.pod.meta.name.clone());
    s.measure("waits", "", 1, 60, |_, at| {
        let counted = Counted::Share { share, over: Duration::from_secs(300) };
        let (namespace, pod) = (namespace.clone(), pod.clone());
        let wait = Wait { namespace, pod, container: "app".into(), of, counted, at };
        Measured { waits: vec![wait], ..Measured::default() }
    });
}

fn pressed(s: &mut Scene) {
    waits(s, WaitFor::Cpu, 0.44);
}

/// The node of 8 CPUs has used so many millicores for ten minutes.
fn full_node(s: &mut Scene, used: u64) {
    s.node.allocatable.cpu = Some(8_000);
    s.measure("metrics.k8s.io", "", 20, 30, |_, at| {
        let node = NodeUsage { node: "n1".into(), cpu: Some(used), memory: None, at };
        Measured { nodes: vec![node], ..Measured::default() }
    });
}

/// Another pod of the same ReplicaSet, started a minute ago.
fn second_replica(s: &mut Scene, ready: bool) {
    let since = ago(s, 60);
    let mut other = s.pod.clone();
    other.meta.name = "web-1-def".into();
    other.meta.uid = Uid::Uuid(101);
    other.ready = ready;
    other.containers[0].ready = ready;
    other.containers[0].state = ContainerState::Running { since: Some(since) };
    s.more.push(other);
}

/// An allocation of 2 GiB fails, as PyTorch words it since 2.1.
fn out_of_gpu_memory(allocated: &str, unused: &str) -> String {
    format!(
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.10 GiB of \
         which 1.12 GiB is free. Of the allocated memory {allocated} is allocated by PyTorch, and {unused} is reserved by \
         PyTorch but unallocated."
    )
}

/// kube-proxy wrote its rules so long ago, and a change was queued two minutes ago.
fn metrics_of_proxy(s: &mut Scene, synced: u64) {
    let (last_sync, last_queued) = (Some(ago(s, synced)), Some(ago(s, 120)));
    s.measure("kube-proxy-metrics", "n1", 1, 30, |_, at| {
        let failures = Some(14);
        let proxy =
            Proxy { node: "n1".into(), last_sync, last_queued, failures, read_at: at, ..Proxy::default() };
        Measured { proxy: Some(proxy), ..Measured::default() }
    });
}

fn workloads() -> Vec<Case> {
    vec![
        c(
            "quota.exceeded",
            "exceeded quota",
            |s| {
                refused(
                    s,
                    "pods \"web-1-x\" is forbidden: exceeded quota: q, requested: requests.memory=1Gi, used: requests.memory=3Gi, limited: requests.memory=4Gi",
                );
            },
            created,
        ),
        c(
            "quota.must-specify",
            "must specify",
            |s| {
                refused(
                    s,
                    "pods \"web-1-x\" is forbidden: failed quota: q: must specify limits.memory for: app",
                );
            },
            created,
        ),
        c(
            "limitrange.violated",
            "maximum memory",
            |s| {
                refused(
                    s,
                    "pods \"web-1-x\" is forbidden: maximum memory usage per Container is 1Gi, but limit is 2Gi",
                );
            },
            created,
        ),
        c(
            "admission.denied",
            "no latest tags",
            |s| {
                refused(s, "admission webhook \"policy.example.com\" denied the request: no latest tags");
            },
            created,
        ),
        c(
            "rollout.stuck",
            "ProgressDeadlineExceeded",
            |s| {
                progress(s, "ProgressDeadlineExceeded", 60, Status::False);
            },
            |s| s.deployment.updated = 3,
        ),
        c(
            "rollout.paused",
            "paused",
            |s| {
                progress(s, "DeploymentPaused", 60, Status::Unknown);
                s.deployment.paused = true;
            },
            |s| s.deployment.updated = 3,
        ),
        c(
            "rollout.unavailable",
            "replicas 1, desired 3",
            |s| s.deployment.desired = 3,
            |s| s.deployment.current = 3,
        ),
        c(
            "job.backoff-limit",
            "BackoffLimitExceeded",
            |s| {
                let since = ago(s, 60);
                s.a_job().conditions = [condition(
                    "Failed",
                    Status::True,
                    "BackoffLimitExceeded",
                    "Job has reached the specified backoff limit",
                    since,
                )]
                .into();
            },
            |s| s.job.as_mut().unwrap().conditions[0].status = Status::False,
        ),
        c(
            "job.deadline",
            "DeadlineExceeded",
            |s| {
                let since = ago(s, 60);
                s.a_job().conditions = [condition(
                    "Failed",
                    Status::True,
                    "DeadlineExceeded",
                    "Job was active longer than specified deadline",
                    since,
                )]
                .into();
            },
            |s| s.job.as_mut().unwrap().conditions[0].reason = "BackoffLimitExceeded".into(),
        ),
        c(
            "cronjob.missed",
            "Missed scheduled time",
            |s| {
                let old = ago(s, 86_400);
                s.cron_job = Some(CronJob {
                    meta: meta("prod", "nightly", 800, old),
                    schedule: "0 1 * * *".into(),
                    last_schedule: Some(old),
                    ..CronJob::default()
                });
                s.event_on(
                    ObjectRef::new(Kind::CronJob, "prod", "nightly"),
                    Uid::Uuid(800),
                    "MissSchedule",
                    "Missed scheduled time to start a job",
                );
            },
            |s| s.cron_job.as_mut().unwrap().last_schedule = Some(s.now),
        ),
        c(
            "service.no-endpoints",
            "no pod matches app=wob",
            |s| {
                let selector = Selector([Requirement::In("app".into(), ["wob".into()].into())].into());
                s.service.selector = Some(selector);
                (s.slice.ready, s.slice.not_ready) = (0, 0);
            },
            |s| s.slice.ready = 1,
        ),
        c(
            "service.port",
            "targets grpc",
            |s| {
                s.service.ports[0].target = "grpc".into();
                s.slice.ports = [].into();
            },
            |s| s.slice.ports = [Port { name: "".into(), number: 9000, protocol: "TCP".into() }].into(),
        ),
        c(
            "namespace.quota-near",
            "used 95",
            |s| {
                s.quota = Some(Quota {
                    meta: meta("prod", "q", 850, s.now),
                    amounts: [QuotaAmount {
                        resource: "pods".into(),
                        used: "95".into(),
                        hard: "100".into(),
                        used_value: 95,
                        hard_value: 100,
                    }]
                    .into(),
                });
            },
            |s| s.quota.as_mut().unwrap().amounts[0].used_value = 90,
        ),
    ]
}

fn nodes() -> Vec<Case> {
    vec![
        c(
            "node.not-ready",
            "stopped posting",
            |s| {
                s.node_condition(
                    "Ready",
                    Status::Unknown,
                    "NodeStatusUnknown",
                    "Kubelet stopped posting node status.",
                );
            },
            |s| s.node_condition("Ready", Status::True, "KubeletReady", ""),
        ),
        c(
            "node.runtime-down",
            "container runtime is down",
            |s| {
                s.node_condition("Ready", Status::False, "KubeletNotReady", "container runtime is down");
            },
            |s| s.node_condition("Ready", Status::False, "KubeletNotReady", "node is shutting down"),
        ),
        c(
            "node.network",
            "cni plugin not initialized",
            |s| {
                s.node_condition(
                    "Ready",
                    Status::False,
                    "KubeletNotReady",
                    "container runtime network not ready: cni plugin not initialized",
                );
            },
            |s| s.node_condition("Ready", Status::False, "KubeletNotReady", "node is shutting down"),
        ),
        c(
            "node.pressure-memory",
            "KubeletHasInsufficientMemory",
            |s| {
                s.node_condition(
                    "MemoryPressure",
                    Status::True,
                    "KubeletHasInsufficientMemory",
                    "kubelet has insufficient memory available",
                );
            },
            |s| s.node_condition("MemoryPressure", Status::False, "KubeletHasSufficientMemory", ""),
        ),
        // The pod that grew runs on; its usage says so.
        c(
            "node.pressure-memory",
            "uses 700Mi of memory with a request of 128Mi",
            |s| {
                s.node_condition(
                    "MemoryPressure",
                    Status::True,
                    "KubeletHasInsufficientMemory",
                    "kubelet has insufficient memory available",
                );
                let spec = Arc::make_mut(&mut s.pod.containers[0].spec);
                (spec.requests.memory, spec.limits.memory) = (Some(128 << 20), None);
                s.usage(3, 15, |_| 700.0);
            },
            |s| s.node_condition("MemoryPressure", Status::False, "KubeletHasSufficientMemory", ""),
        ),
        c(
            "node.pressure-disk",
            "KubeletHasDiskPressure",
            |s| {
                s.node_condition(
                    "DiskPressure",
                    Status::True,
                    "KubeletHasDiskPressure",
                    "kubelet has disk pressure",
                );
            },
            |s| s.node_condition("DiskPressure", Status::Unknown, "NodeStatusUnknown", ""),
        ),
        c(
            "node.pressure-pid",
            "KubeletHasInsufficientPID",
            |s| {
                s.node_condition("PIDPressure", Status::True, "KubeletHasInsufficientPID", "");
            },
            |s| s.node_condition("PIDPressure", Status::False, "KubeletHasSufficientPID", ""),
        ),
        c(
            "node.problem",
            "task docker blocked",
            |s| {
                s.node_condition(
                    "KernelDeadlock",
                    Status::True,
                    "DockerHung",
                    "task docker blocked for more than 120 s",
                );
            },
            // A type nobody knows never alarms by itself.
            |s| s.node.conditions.last_mut().unwrap().kind = "VendorThing".into(),
        ),
        c(
            "node.problem",
            "task docker blocked",
            |s| {
                s.node_condition("ReadonlyFilesystem", Status::True, "x", "task docker blocked");
            },
            |s| s.node.conditions.last_mut().unwrap().status = Status::False,
        ),
        // The other polarity.
        c(
            "node.problem",
            "lockup",
            |s| s.node_condition("KernelReady", Status::False, "SoftLockup", "CPU 3 soft lockup"),
            |s| s.node.conditions.last_mut().unwrap().status = Status::True,
        ),
        c(
            "node.problem",
            "lockup",
            |s| s.node_condition("KernelReady", Status::False, "SoftLockup", "CPU 3 soft lockup"),
            |s| s.node.conditions.last_mut().unwrap().kind = "VendorReady".into(),
        ),
        // Its events explain; only its own do.
        c(
            "node.pressure-disk",
            "EXT4-fs error",
            |s| {
                s.node_condition("DiskPressure", Status::True, "KubeletHasDiskPressure", "");
                let node = ObjectRef::new(Kind::Node, "", "n1");
                s.event_on(node, Uid::Uuid(10), "Ext4Error", "EXT4-fs error (device sda1)").source =
                    "kernel-monitor".into();
            },
            |s| s.node.conditions.last_mut().unwrap().status = Status::False,
        ),
        c(
            "node.version-skew",
            "v1.31.4",
            |s| {
                let mut old = other_node(s, "n2");
                old.info.kubelet = "v1.31.4".into();
                s.nodes.push(old);
            },
            |s| s.nodes[0].info.kubelet = "v1.32.4".into(),
        ),
        c(
            "gpu.vanished",
            "allocatable GPUs 0",
            |s| {
                gpu_node(s, &[("nvidia.com/gpu.present", "true"), ("nvidia.com/gpu.count", "8")], None);
            },
            |s| s.node.allocatable.gpu = Some(8),
        ),
        c(
            "gpu.driver-drift",
            "driver 470.57.02",
            |s| {
                for (name, driver) in [("n2", "550.54.15"), ("n3", "550.54.15"), ("n4", "470.57.02")] {
                    let mut n = other_node(s, name);
                    n.meta.labels = labels(&[
                        ("nvidia.com/gpu.product", "H100"),
                        ("nvidia.com/cuda.driver-version.full", driver),
                    ]);
                    s.nodes.push(n);
                }
            },
            |s| {
                s.nodes[2].meta.labels = labels(&[
                    ("nvidia.com/gpu.product", "A100"),
                    ("nvidia.com/cuda.driver-version.full", "470.57.02"),
                ]);
            },
        ),
    ]
}
