//! What is wrong with an object, who is to blame, how sure that is, and what proves it. Knows only the World.
//!
//! One file a subject. A subject declares its causes, each with its rule, beside the code that finds it. [`judge`]
//! answers for one object with [`Diagnosis`]es; findings, row causes, verdicts and reports show these and nothing else.

mod alone;
pub mod answer;
mod autoscaler;
pub mod certificate;
mod claim;
mod concerned;
mod cpu;
mod crash;
pub mod create;
mod daemon_set;
mod dependency;
mod diagnosis;
mod ended;
pub mod evidence;
mod extension;
pub mod fields;
mod file_access;
pub mod fleet;
pub mod free_capacity;
mod gpu;
pub mod growth;
mod image;
mod ingress;
mod job;
mod latency;
pub mod limits;
pub mod log;
mod namespace;
mod network_policy;
pub mod node;
mod node_held;
pub mod patterns;
pub mod pod;
pub mod proxy;
mod quota;
pub mod reach;
mod ready;
pub mod region;
pub mod registry;
mod reserved;
mod revision;
pub mod roles;
mod running;
mod schedule;
mod service;
pub mod text;
mod usage;
mod volume;
pub mod workload;

pub use alone::alone;
pub use answer::{Answer, Found};
pub use concerned::concerned;
pub use diagnosis::{Ctx, Diagnosed, Diagnosis, Out, Part, Past};
pub use evidence::{Evidence, Key, Severity, Sure};
pub use limits::Thresholds;
pub use registry::{Cause, Needs, Rule, known, rule, rules};

use crate::world::{Kind, ObjectRef, Phase, Pod, World};

/// The subjects that declare causes, in the order in which rules are listed.
static SUBJECTS: &[&[Rule]] = &[
    image::RULES,
    schedule::RULES,
    volume::RULES,
    claim::RULES,
    create::RULES,
    crash::RULES,
    log::RULES,
    ready::RULES,
    workload::RULES,
    ended::RULES,
    job::RULES,
    autoscaler::RULES,
    service::RULES,
    network_policy::RULES,
    ingress::RULES,
    certificate::RULES,
    extension::RULES,
    namespace::RULES,
    quota::RULES,
    node::RULES,
    node_held::RULES,
    fleet::RULES,
    roles::RULES,
    proxy::RULES,
    gpu::RULES,
    usage::RULES,
    cpu::RULES,
    latency::RULES,
    region::RULES,
];

/// A pattern of this room's own: every one of them is compiled in a test.
#[allow(clippy::expect_used)]
fn pattern(text: &str) -> regex::Regex {
    // Invariant: the patterns are literals.
    regex::Regex::new(text).expect("a literal pattern compiles")
}

/// What is wrong with an object now; nothing where it is gone or well.
pub fn judge(ctx: &Ctx, object: &ObjectRef, out: &mut Out) {
    let (w, ns, name) = (ctx.world, &*object.namespace, &*object.name);
    macro_rules! found {
        ($table:ident, $judge:path) => {
            if let Some(record) = w.$table.find(ns, name) {
                $judge(ctx, record, object, out);
            }
        };
    }
    match &object.kind {
        Kind::Pod => {
            if let Some(p) = w.pods.find(ns, name) {
                pod::judge(ctx, p, out);
                measured(ctx, p, object, out);
            }
        }
        Kind::Node => {
            found!(nodes, node::judge);
            found!(nodes, gpu::of_node);
            found!(nodes, cpu::of_node);
            found!(nodes, proxy::judge);
        }
        Kind::PersistentVolumeClaim => found!(claims, claim::judge),
        Kind::ResourceQuota => found!(quotas, quota::judge),
        Kind::Job => found!(jobs, job::judge),
        Kind::CronJob => found!(cron_jobs, job::cron),
        Kind::Service => found!(services, service::judge),
        Kind::Deployment => found!(deployments, workload::judge),
        Kind::ReplicaSet => found!(replica_sets, workload::judge),
        Kind::StatefulSet => found!(stateful_sets, workload::judge),
        Kind::DaemonSet => found!(daemon_sets, workload::judge),
        Kind::HorizontalPodAutoscaler => found!(autoscalers, autoscaler::judge),
        Kind::Namespace => found!(namespaces, namespace::judge),
        Kind::Ingress => found!(ingresses, ingress::judge),
        Kind::APIService => found!(api_services, extension::api_service),
        Kind::CustomResourceDefinition => found!(custom_resources, extension::custom_resource),
        Kind::ValidatingWebhookConfiguration => found!(validating_webhooks, extension::webhooks),
        Kind::MutatingWebhookConfiguration => found!(mutating_webhooks, extension::webhooks),
        Kind::Other(kind) if &**kind == region::KIND => {
            if let Some(record) = w.regions.get(name) {
                region::judge(ctx, record, object, out);
            }
        }
        _ => {}
    }
}

/// The causes that measurements of a running pod prove.
fn measured(ctx: &Ctx, pod: &Pod, object: &ObjectRef, out: &mut Out) {
    if pod.phase != Phase::Running || pod.meta.deleting.is_some() {
        return;
    }
    gpu::of_pod(ctx, pod, object, out);
    usage::judge(ctx, pod, object, out);
    cpu::judge(ctx, pod, object, out);
    latency::judge(ctx, pod, object, out);
}

/// Whether new readings of an object are worth judging it again.
pub fn is_notable(world: &World, object: &ObjectRef) -> bool {
    if object.kind != Kind::Pod {
        return true;
    }
    let Some(pod) = world.pods.find(&object.namespace, &object.name) else { return false };
    let (namespace, name) = (&pod.meta.namespace, &pod.meta.name);
    let readings = &world.readings;
    readings.engine(namespace, name).is_some()
        || readings.waits.is_told(namespace, name)
        || readings.gpus_of(&pod.node, namespace, name).next().is_some()
        || readings
            .pod(namespace, name)
            .and_then(|h| h.usage.memory())
            .is_some_and(|used| usage::is_notable(pod, used))
}
