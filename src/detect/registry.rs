//! Every rule by name: its cause, severity, what it needs, why it is worth waking someone, and where that comes from.

use super::finding::Severity::{self, Critical, Info, Warning};
use super::reasons;

/// What a rule reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Needs {
    /// Watched objects and their events: proved here.
    Watch(&'static str),
    /// The same, and one log tail refines it: proved here.
    Log(&'static str),
    /// Something khud does not read for findings yet; the rule never fires.
    NotYet(&'static str),
}

#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Rule id. Equal to the cause id except for rules that carry another object's cause (`rollout.stuck`).
    pub id: &'static str,
    pub severity: Severity,
    /// When it is true, in one sentence.
    pub finds: &'static str,
    pub needs: Needs,
    /// Where the pattern or number comes from.
    pub source: &'static str,
    /// The decision tree to open.
    pub playbook: &'static str,
}

/// The rule with that id.
pub fn rule(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|r| r.id == id)
}

const PULL: &str = "waiting.message of the container; kubelet and containerd wording";
const SCHED: &str = "condition PodScheduled; scheduler wording of 1.2x to 1.36";
const EXIT: &str = "container state and last termination; kubelet";
const LOGLINE: &str =
    "last lines of the log; the runtimes' own wordings, captures/logs and the source documents";

macro_rules! rules {
    ($($id:literal $severity:ident $needs:ident($what:expr) $playbook:literal $finds:literal [$source:expr];)*) => {
        /// All rules, in the order in which `khud print rules` lists them.
        pub const RULES: &[Rule] = &[$(Rule {
            id: $id, severity: $severity, finds: $finds, needs: Needs::$needs($what), source: $source,
            playbook: $playbook,
        }),*];
    };
}

rules! {
    "image.not-found" Critical Watch("pods") "pod" "the tag or the repository does not exist in the registry" [PULL];
    "image.auth" Critical Watch("pods") "pod" "the registry refused the credentials, or none were sent" [PULL];
    "image.rate-limit" Critical Watch("pods") "pod" "the registry throttles pulls; judged before auth and not-found" [PULL];
    "image.network" Critical Watch("pods") "pod" "the registry cannot be reached: DNS, refused, timeout or TLS" [PULL];
    "image.invalid-name" Critical Watch("pods") "pod" "the image reference cannot be parsed" ["waiting.reason InvalidImageName"];
    "image.never-pull" Critical Watch("pods") "pod" "pull policy Never and the image is not on the node" ["waiting.reason ErrImageNeverPull"];
    "image.platform" Critical Log("pods, events, previous log") "pod" "the image is for another architecture, or its entry point is no executable" ["`exec format error`, `no match for platform`"];
    "image.unknown" Critical Watch("pods") "pod" "the pull fails for a reason none of the others explains; the message is quoted" [PULL];

    "schedule.insufficient" Critical Watch("pods, nodes") "pod" "no node has enough of a resource left; names it, with need and most free" [SCHED];
    "schedule.selector" Critical Watch("pods, nodes") "pod" "nodeSelector or node affinity matches no node" [SCHED];
    "schedule.taint" Critical Watch("pods, nodes") "pod" "only nodes with taints that the pod does not tolerate are left" [SCHED];
    "schedule.cordoned" Critical Watch("pods, nodes") "pod" "the nodes that would fit are cordoned" [SCHED];
    "schedule.pod-affinity" Critical Watch("pods") "pod" "pod affinity or anti-affinity cannot be satisfied" [SCHED];
    "schedule.spread" Critical Watch("pods") "pod" "topology spread constraints cannot be satisfied" [SCHED];
    "schedule.host-port" Critical Watch("pods") "pod" "the host port is taken on every node that fits" [SCHED];
    "schedule.too-many-pods" Critical Watch("pods, nodes") "pod" "the nodes that fit run as many pods as they may" [SCHED];
    "schedule.gated" Info Watch("pods") "pod" "scheduling gates hold the pod back, as somebody asked" [SCHED];
    "schedule.unknown" Critical Watch("pods") "pod" "the scheduler gives a reason khud does not know; it is quoted" [SCHED];

    "volume.claim-unbound" Critical Watch("pods, claims, events") "volume" "the claim is not bound to a volume" [SCHED];
    "volume.claim-missing" Critical Watch("pods, claims") "pod" "the claim that the pod names does not exist" [SCHED];
    "volume.class-missing" Critical Watch("pods, claims, events") "volume" "the claim's storage class does not exist" ["event ProvisioningFailed"];
    "volume.zone" Critical Watch("pods") "pod" "the volume lives where no fitting node is" [SCHED];
    "volume.capacity" Critical Watch("pods, claims, events") "pod" "no storage with enough free space" [SCHED];
    "volume.provisioner" Critical Watch("claims, events") "volume" "the provisioner fails; its words are quoted" ["event ProvisioningFailed"];
    "volume.mount" Critical Watch("pods, events") "pod" "the kubelet cannot mount a volume" ["event FailedMount"];
    "volume.attach" Critical Watch("pods, events") "pod" "the volume cannot be attached to the node" ["event FailedAttachVolume"];
    "volume.multi-attach" Critical Watch("pods, events") "pod" "the volume is attached to another node" ["event FailedAttachVolume, `Multi-Attach error`"];
    "volume.permission" Critical Watch("pods, events") "pod" "mounting is refused for lack of permission" ["event FailedMount"];

    "config.configmap-missing" Critical Watch("pods, events") "pod" "a ConfigMap that the pod needs does not exist; names it" ["waiting.message, event FailedMount"];
    "config.secret-missing" Critical Watch("pods, events") "pod" "a Secret that the pod needs does not exist; names it" ["waiting.message, event FailedMount"];
    "config.key-missing" Critical Watch("pods, events") "pod" "the ConfigMap or Secret lacks the key" ["waiting.message, event FailedMount"];
    "config.run-as-root" Critical Watch("pods") "pod" "the image would run as root and the pod forbids it" ["waiting.message"];

    "container.command" Critical Watch("pods") "pod" "the command is not in the image or not executable" ["RunContainerError, StartError; runc's words"];
    "container.hook" Critical Watch("pods, events") "pod" "a postStart or preStop hook fails" ["events FailedPostStartHook, FailedPreStopHook"];
    "container.create" Critical Watch("pods") "pod" "the runtime cannot create the container; its words are quoted" ["CreateContainerError"];
    "sandbox.network" Critical Watch("pods, events") "pod" "the network plugin cannot set up the pod's sandbox" ["event FailedCreatePodSandBox, NetworkNotReady"];
    "sandbox.runtime" Critical Watch("pods, events") "pod" "the container runtime cannot make the pod's sandbox" ["event FailedCreatePodSandBox"];

    "crash.oom-limit" Critical Watch("pods") "pod" "the kernel kills the container at its own memory limit" [EXIT];
    "crash.oom-node" Critical Watch("pods, events") "pod" "the kernel kills the container because the node runs out of memory" ["OOMKilled without or under a limit, event SystemOOM"];
    "crash.oom-heap" Critical Log("pods, previous log") "pod" "the runtime inside runs out of heap: JVM, Node, Go, CUDA" [LOGLINE];
    "crash.liveness" Critical Watch("pods, events") "pod" "the kubelet kills it because its liveness probe fails" ["events Killing and Unhealthy"];
    "crash.startup-probe" Critical Watch("pods, events") "pod" "the kubelet kills it because its startup probe never succeeds" ["events Killing and Unhealthy"];
    "crash.dependency" Critical Log("pods, previous log") "pod" "a module or library is missing from the image" [LOGLINE];
    "crash.unreachable" Critical Log("pods, services, previous log") "pod" "a host it needs does not resolve or answer; says whether that Service exists" [LOGLINE];
    "crash.config" Critical Log("pods, previous log") "pod" "it reports bad or missing configuration" [LOGLINE];
    "crash.incompatible" Critical Log("pods, previous log") "pod" "versions do not fit" [LOGLINE];
    "crash.application" Critical Log("pods, previous log") "pod" "it exits by itself and nothing else explains it; exit code and last lines are quoted" [EXIT];
    "crash.init" Critical Log("pods, previous log") "pod" "an init container fails, with its own cause" [EXIT];
    "rbac.forbidden" Critical Log("pods, previous log") "pod" "the API server refuses what the workload asks for" [LOGLINE];
    "model.path" Critical Log("pods, previous log") "pod" "the model's files are not where the server looks for them" [LOGLINE];
    "model.corrupt" Critical Log("pods, previous log") "pod" "the model's files do not read as they should" [LOGLINE];
    "model.oom-loading" Critical Log("pods, previous log") "pod" "the model does not fit into memory while loading" [LOGLINE];

    "ready.probe" Critical Watch("pods, events") "pod" "it runs and its readiness probe fails: port, status or timeout" ["event Unhealthy and the probe's spec"];
    "ready.starting" Info Watch("pods") "pod" "within its start-up time and not ready yet" ["startedAt and the probe's delays"];
    "ready.gate" Warning Watch("pods") "pod" "its containers are ready and a readiness gate is not true" ["conditions"];
    "ready.unknown" Warning Watch("pods") "pod" "it runs, is not ready for two minutes, and nothing says why" ["condition Ready"];

    "quota.exceeded" Critical Watch("workloads, events") "rollout" "pods are refused: a quota would be exceeded; there is no pod to look at" ["condition ReplicaFailure, event FailedCreate"];
    "quota.must-specify" Critical Watch("workloads, events") "rollout" "pods are refused: a quota asks for requests or limits" ["condition ReplicaFailure, event FailedCreate"];
    "limitrange.violated" Critical Watch("workloads, events") "rollout" "pods are refused by a LimitRange" ["condition ReplicaFailure, event FailedCreate"];
    "admission.denied" Critical Watch("workloads, events") "rollout" "pods are refused by admission: a webhook or Pod Security" ["condition ReplicaFailure, event FailedCreate"];

    "evicted.memory" Warning Watch("pods") "node" "evicted because its node ran low on memory; names the grower" ["status.reason Evicted"];
    "evicted.disk" Warning Watch("pods") "node" "evicted because its node ran low on disk" ["status.reason Evicted"];
    "evicted.pid" Warning Watch("pods") "node" "evicted because its node ran low on process ids" ["status.reason Evicted"];
    "evicted.ephemeral-limit" Warning Watch("pods") "pod" "evicted for going over its own storage limit" ["status.message"];
    "evicted.taint" Warning Watch("pods") "node" "evicted by a NoExecute taint" ["condition DisruptionTarget"];
    "preempted" Warning Watch("pods") "pod" "removed to make room for a pod of higher priority" ["condition DisruptionTarget"];
    "pod.rejected" Warning Watch("pods") "pod" "the kubelet refused the pod at its door (resources, affinity, devices)" ["status.reason of a failed pod"];
    "delete.stuck" Warning Watch("pods") "pod" "deleted, its containers have ended or its grace is long over, and the object is still there" ["deletionTimestamp against the grace period"];

    "rollout.stuck" Critical Watch("workloads, pods") "rollout" "a rollout makes no progress; carries the cause of its pods" ["condition Progressing; a warning at half the deadline (facts 4.4)"];
    "rollout.paused" Info Watch("workloads") "rollout" "paused with a rollout unfinished" ["spec.paused"];
    "rollout.unavailable" Warning Watch("workloads, pods") "rollout" "fewer pods available than asked for, for a minute, and no pod says why" ["status and condition Available"];
    "job.backoff-limit" Warning Watch("jobs, pods") "pod" "the Job used up its retries" ["condition Failed"];
    "job.deadline" Warning Watch("jobs, pods") "pod" "the Job ran longer than it may" ["condition Failed"];
    "cronjob.missed" Warning Watch("cronjobs, events") "pod" "a scheduled run was missed" ["events MissSchedule, FailedNeedsStart, TooManyMissedTimes"];

    "service.no-endpoints" Warning Watch("services, endpointslices, pods") "service" "nothing ready stands behind the Service: no pod matches, or none is ready" ["EndpointSlices"];
    "service.port" Critical Watch("services, endpointslices, pods") "service" "the Service's named target port is not served by its pods" ["Service and containers"];

    "node.not-ready" Critical Watch("nodes, pods") "node" "the kubelet stopped reporting, or reports not ready" ["condition Ready"];
    "node.runtime-down" Critical Watch("nodes, pods") "node" "the container runtime fails while old pods run" ["message of condition Ready"];
    "node.network" Critical Watch("nodes") "node" "the node's network is not set up" ["conditions NetworkUnavailable and Ready"];
    "node.pressure-memory" Critical Watch("nodes, pods") "node" "the node runs low on memory" ["condition MemoryPressure"];
    "node.pressure-disk" Critical Watch("nodes") "node" "the node runs low on disk" ["condition DiskPressure"];
    "node.pressure-pid" Critical Watch("nodes") "node" "the node runs low on process ids" ["condition PIDPressure"];
    "node.problem" Warning Watch("nodes") "node" "Node Problem Detector reports a permanent problem; judged by the condition's polarity" ["node-problem-detector's own rules"];
    "node.version-skew" Info Watch("nodes") "node" "kubelets differ by more than one minor version" ["nodeInfo"];
    "gpu.vanished" Critical Watch("nodes") "gpu" "a GPU node offers no GPUs, or fewer than it has or had" ["labels, allocatable and what it offered before; incident 000-01"];
    "gpu.driver-drift" Info Watch("nodes") "gpu" "GPU nodes of one product run different drivers" ["label nvidia.com/cuda.driver-version.full"];
    "gpu.plugin" Critical Log("pods, log") "gpu" "the device plugin is not running, or cannot load NVML" ["DaemonSet and its log; incident 000-04, 000-05"];
    "gpu.driver-mismatch" Critical Log("pods, events, log") "gpu" "the loaded kernel module differs from the user-space library" ["`driver/library version mismatch`"];
    "gpu.exporter-down" Warning Watch("pods") "gpu" "the DCGM exporter does not run; that says nothing of the GPUs" ["pods of the exporter; incident 000-08"];

    "proxy.restarting" Warning Log("pods") "pod" "kube-proxy restarts while all looks healthy; critical from 3 nodes or 8 restarts" ["incident 003-16"];
    "proxy.oom" Critical Log("pods") "pod" "kube-proxy is killed at its memory limit" ["incident 003-17"];
    "proxy.iptables-lock" Critical Log("pods, previous log") "pod" "kube-proxy cannot take the iptables lock" ["incident 003-18"];
    "proxy.too-many-rules" Critical Log("pods, previous log") "pod" "more iptables rules than can be programmed" ["incident 003-18"];
    "proxy.conntrack-full" Critical Log("pods, previous log") "pod" "the connection tracking table is full" ["incident 003-18"];
    "dns.coredns" Critical Watch("pods, workloads") "pod" "no CoreDNS pod is ready" ["pods labelled k8s-app=kube-dns"];
    "runtime.disk-full" Critical Watch("pods") "node" "the node has no space left for images or containers" ["waiting.message and StartError; the node's own log says more"];
    "runtime.nvidia" Critical Watch("pods") "node" "the NVIDIA container runtime fails" ["StartError: `nvidia-container-cli`; the node's own log says more"];
    "volume.full" Critical Log("pods, previous log") "pod" "no space is left where the program writes" [LOGLINE];
    "namespace.quota-near" Warning Watch("quotas") "rollout" "a namespace uses more than 90 % of a quota" ["numbers of the field"];

    "proxy.sync-stuck" Critical NotYet("kube-proxy metrics") "kube-proxy" "rules are queued and not written" ["sync_proxy_rules_last_queued against last_timestamp"];
    "proxy.rules-missing" Critical NotYet("kube-proxy metrics, probes") "kube-proxy" "kube-proxy has not programmed a Service" ["rule counts"];
    "proxy.rules-stale" Critical NotYet("kube-proxy metrics, probes") "kube-proxy" "kube-proxy serves old endpoints" ["sync age"];
    "gpu.xid" Critical NotYet("DCGM series") "gpu" "the driver reports an XID that calls for a reset or a replacement" ["DCGM_FI_DEV_XID_ERRORS"];
    "gpu.ecc" Critical NotYet("DCGM series") "gpu" "uncorrectable memory errors" ["DCGM ECC and row remapping fields"];
    "gpu.thermal" Warning NotYet("DCGM series") "gpu" "the GPU slows down for heat" ["DCGM temperatures and violations"];
    "gpu.memory-leak" Warning NotYet("DCGM series") "gpu" "used memory grows without bound" ["slope over six samples; incident 000-15"];
    "gpu.memory-full" Warning NotYet("DCGM series") "gpu" "no GPU memory is left" ["DCGM_FI_DEV_FB_FREE"];
    "gpu.idle-reserved" Info NotYet("DCGM series") "gpu" "reserved and idle" ["utilisation and memory"];
    "gpu.fragmentation" Info NotYet("engine metrics") "gpu" "reserved far above allocated" ["incident 000-20"];
    "gpu.saturated" Warning NotYet("DCGM and queue series") "gpu" "fully used with a queue waiting" ["utilisation with queue"];
    "memory.leak" Warning NotYet("usage series") "pod" "the working set grows steadily towards the limit" ["slope of usage"];
    "memory.near-limit" Warning NotYet("usage series") "pod" "the working set is close to the limit" ["usage against limit"];
    "cpu.throttled" Warning NotYet("usage series") "pod" "throttled at its CPU limit" ["cAdvisor"];
    "cpu.saturated" Warning NotYet("usage series") "node" "the node's CPUs are busy" ["usage"];
    "namespace.unbounded" Warning NotYet("usage series") "quota" "pods without limits crowd a shared node" ["specs and node usage; incident 001-04"];
    "dns.node-path" Critical NotYet("probes per node") "dns" "nodes cannot reach CoreDNS" ["probe per node"];
    "dns.resolv-conf" Critical NotYet("exec") "dns" "pods have a wrong resolv.conf" ["exec"];
    "dns.policy" Warning NotYet("exec") "dns" "the pod's DNS policy keeps it from the cluster's names" ["spec and exec"];
    "dns.proxy-rules" Critical NotYet("probes per node") "dns" "kube-proxy's rules for DNS are missing on a node" ["probes"];
    "dns.cni" Critical NotYet("probes per node") "dns" "the network plugin does not carry DNS" ["probes"];
    "dns.firewall" Critical NotYet("probes per node") "dns" "a firewall drops DNS" ["probes over UDP and TCP"];
    "dns.overloaded" Warning NotYet("CoreDNS metrics") "dns" "CoreDNS is slower than it should be" ["CoreDNS metrics"];
    "api.deprecated" Info NotYet("API server metrics") "upgrade" "clients use APIs that the next version drops" ["apiserver_requested_deprecated_apis"];
    "crd.stored-version" Warning NotYet("CustomResourceDefinitions") "upgrade" "objects are stored in a version that is no longer served" ["status.storedVersions"];
    "crd.not-served" Critical NotYet("discovery") "upgrade" "an operator's kind is not served" ["discovery, operator log"];
    "operator.down" Critical NotYet("discovery, logs") "upgrade" "an operator does not run" ["operator log"];
    "addon.outdated" Info NotYet("a version table") "upgrade" "an add-on is too old for the cluster" ["images"];
    "controlplane.unhealthy" Critical NotYet("/readyz") "control-plane" "the API server says that a part of it is not ready" ["/readyz?verbose"];
    "cert.expiring" Warning NotYet("certificates") "certificate" "a certificate ends within 14 days" ["certificate fields"];
    "cert.expired" Critical NotYet("certificates") "certificate" "a certificate has ended" ["certificate fields"];
    "cert.hostname" Critical NotYet("certificates") "certificate" "a certificate is for other names" ["certificate fields"];
    "cert.untrusted" Critical NotYet("certificates") "certificate" "a certificate's issuer is not trusted" ["certificate fields"];
    "cert.chain" Critical NotYet("certificates") "certificate" "a certificate's chain is incomplete" ["certificate fields"];
    "cert.format" Critical NotYet("certificates") "certificate" "a certificate cannot be read" ["certificate fields"];
    "ingress.route" Warning NotYet("ingresses") "service" "a host or path matches nothing" ["Ingress"];
    "ingress.backend" Warning NotYet("ingresses") "service" "a route's backend has no endpoints" ["Ingress"];
    "ingress.controller" Critical NotYet("ingresses, controller log") "service" "the ingress controller is down" ["pods and log"];
    "ingress.rewrite" Warning NotYet("ingresses, controller log") "service" "a rewrite drops the path" ["Ingress"];
    "service.network-policy" Warning NotYet("network policies, probes") "service" "a policy blocks what is needed" ["policies and a probe"];
    "runtime.db-corrupt" Critical NotYet("node log query") "runtime" "containerd's database is corrupt" ["node log"];
    "runtime.socket" Critical NotYet("node log query") "runtime" "a stale socket keeps the runtime from starting" ["node log"];
    "runtime.cni" Critical NotYet("node log query") "runtime" "the runtime finds no network plugin" ["node log"];
    "model.incompatible" Critical NotYet("files by exec") "pod" "the model does not fit the server's version" ["log and files"];
    "model.transfer-incomplete" Critical NotYet("files by exec") "pod" "the model's files are not all there" ["files and checksums"];
    "volume.shared-writers" Warning NotYet("volumes and their writers") "volume" "several writers on one volume" ["PV and pods"];
    "storage.ephemeral" Warning NotYet("kubelet volume stats") "volume" "data that should last is on ephemeral storage" ["specs"];
    "storage.reclaim-delete" Info NotYet("persistent volumes") "volume" "deleting the claim deletes the data" ["PV"];
    "jvm.unbounded-cache" Warning NotYet("class histogram") "jvm" "a cache grows without bound" ["class histogram"];
    "jvm.lock-contention" Warning NotYet("thread dump") "jvm" "threads wait for one lock" ["thread dump"];
    "jvm.heap-over-limit" Warning NotYet("exec") "jvm" "the heap may grow beyond the container's limit" ["-Xmx against the limit"];
    "pool.exhausted" Warning NotYet("thread dump") "jvm" "a connection pool is exhausted" ["thread dump"];
    "ready.dependency" Warning NotYet("probe output, log") "pod" "not ready because something it needs is not" ["probe output, log"];
    "latency.network" Warning NotYet("latency series") "latency" "the network is slow" ["latency"];
    "latency.backend" Warning NotYet("latency series") "latency" "a backend is slow" ["latency"];
    "latency.replicas" Warning NotYet("latency and queue series") "latency" "too few replicas" ["queue"];
    "latency.cold-start" Info NotYet("latency series") "latency" "slow because it just started" ["latency"];
    "monitoring.target-down" Warning NotYet("monitoring objects") "monitoring" "a scrape target does not answer" ["ServiceMonitor, endpoints"];
    "monitoring.no-metrics" Warning NotYet("monitoring objects") "monitoring" "no metrics arrive" ["ServiceMonitor, endpoints"];
    "logs.missing" Warning NotYet("agent pods and logs") "monitoring" "logs do not arrive" ["agent pods"];
    "region.down" Critical NotYet("probes per context") "region" "a whole context does not answer" ["probes"];
    "region.latency" Warning NotYet("probes per context") "region" "a whole context answers slowly" ["probes"];
    "node.image-drift" Info NotYet("machine images of node groups") "node" "nodes of a group differ in their OS image" ["nodeInfo"];
}

/// The documentation of every rule, as `khud print rules` prints it (Markdown): rules of a family stand together, under
/// the reason they share.
pub fn document() -> String {
    use std::fmt::Write;
    let mut families: Vec<&str> = RULES.iter().map(|r| reasons::family(r.id)).collect();
    families.sort_unstable();
    families.dedup();
    let mut out = String::from(
        "# Rules\n\nEach says when it is true, what it is proved by, and where its pattern or number comes from. Those that are\n\
         \"not yet\" name what khud would have to read for them; they never fire.\n",
    );
    for family in families {
        let _ = write!(out, "\n## {family}\n{}.\n", capital(reasons::of(family)));
        for r in RULES.iter().filter(|r| reasons::family(r.id) == family) {
            let needs = match r.needs {
                Needs::Watch(n) => format!("Proved from {n}."),
                Needs::Log(n) => format!("Proved from {n}; one tail of the log refines it."),
                Needs::NotYet(n) => format!("Not yet: needs {n}."),
            };
            let tree = match r.needs {
                Needs::NotYet(_) => String::new(),
                _ => format!(" Decision tree: {}.", r.playbook),
            };
            let _ = write!(
                out,
                "\n### {}\n{}: {}. {needs} Source: {}.{tree}\n",
                r.id, r.severity, r.finds, r.source
            );
        }
    }
    out
}

fn capital(sentence: &str) -> String {
    let mut chars = sentence.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_named_once_and_documented() {
        let mut ids: Vec<_> = RULES.iter().map(|r| r.id).collect();
        ids.sort_unstable();
        assert!(ids.windows(2).all(|w| w[0] != w[1]), "an id twice");
        let doc = document();
        for r in RULES {
            let known = r.id.ends_with(".unknown") || crate::world::causes::known(r.id);
            assert!(known, "{} is no cause of the contract", r.id);
            let part = doc.split(&format!("### {}\n", r.id)).nth(1).unwrap_or_default();
            let part = part.split("\n#").next().unwrap_or_default();
            for said in [r.finds, r.source] {
                assert!(!said.is_empty() && part.contains(said), "{} is not documented: {part}", r.id);
            }
            if let Needs::NotYet(needs) = r.needs {
                assert!(part.contains(&format!("Not yet: needs {needs}")), "{}: {part}", r.id);
            }
        }
    }
}
