//! The nodes that are asked for, what runs on each, and why some are left out.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::gates::INSTANCE_TYPE;
use super::hold::LABEL;
use super::options::Asked;
use super::upgrade;
use crate::remedy::forecast::{Allowed, evictions};
use crate::world::scheduling::requests;
use crate::world::time::human;
use crate::world::{
    Budget, Kind, Labels, Node, Phase, Pod, Selector, Status, Text, Time, World, selector::Requirement,
};

/// Labels by which training operators name the gang that a pod belongs to.
const GANGS: &[&str] = &[
    "scheduling.x-k8s.io/pod-group",
    "pod-group.scheduling.sigs.k8s.io/name",
    "volcano.sh/job-name",
    "jobset.sigs.k8s.io/jobset-name",
    "training.kubeflow.org/job-name",
    "leaderworkerset.sigs.k8s.io/name",
    "ray.io/cluster",
];
const ZONE: &str = "topology.kubernetes.io/zone";

/// Work that is lost with its node.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct JobOn {
    /// `namespace/name` of the Job, or of the pod that no Job owns.
    pub name: String,
    pub age: Duration,
    pub gpus: u64,
}

/// A node that may be changed.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Candidate {
    pub name: Text,
    pub uid: String,
    pub zone: Text,
    pub instance_type: Text,
    pub gpus: u64,
    /// Somebody cordoned it before khud did.
    pub cordoned: bool,
    pub jobs: Vec<JobOn>,
    /// The age of the oldest job.
    pub oldest: Duration,
    pub gpu_hours: f64,
    /// Pods that are evicted.
    pub pods: usize,
    /// The longest grace period of them, seconds.
    pub grace: u32,
    /// Gangs and quorums with a member here.
    pub groups: Vec<String>,
    /// Pods whose budget lets none go now.
    pub held: Vec<String>,
    pub control_plane: bool,
}

impl Candidate {
    /// The keys that order nodes: the age of the oldest job, the work in GPU minutes, the number of pods.
    pub fn rank(&self) -> (u64, u64, usize) {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "minutes of work, for order only"
        )]
        let minutes = (self.gpu_hours * 60.0) as u64;
        (self.oldest.as_secs() / 60, minutes, self.pods)
    }

    /// Why it stands where it does in the order.
    pub fn reason(&self) -> String {
        let work = match (self.jobs.iter().max_by_key(|j| j.age), self.jobs.len()) {
            (None, _) if self.pods == 0 => "no pod is evicted here".to_owned(),
            (None, _) => format!("no jobs, {} pods", self.pods),
            (Some(j), 1) => format!("job {} runs for {}", j.name, human(j.age)),
            (Some(j), n) => format!("{n} jobs, the oldest, {}, runs for {}", j.name, human(j.age)),
        };
        let hours =
            if self.gpu_hours >= 0.05 { format!(", {:.1} GPU hours", self.gpu_hours) } else { String::new() };
        let role = if self.control_plane { "control plane; " } else { "" };
        let zone = if self.zone.is_empty() { String::new() } else { format!("; zone {}", self.zone) };
        format!("{role}{work}{hours}{zone}")
    }
}

/// The result of the selection.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Found {
    pub nodes: Vec<Candidate>,
    /// Name and why.
    pub skipped: Vec<(String, String)>,
    /// Nodes that run the wanted version already.
    pub already: Vec<String>,
}

/// How an operator names nodes.
enum Wanted {
    Names(Vec<String>),
    Matching(Selector),
}

impl Wanted {
    fn parse(world: &World, text: &str) -> Result<Wanted, String> {
        let selector = Selector::parse(text)?;
        // `a,b` reads as two labels that must exist; where all are nodes, nodes are meant.
        let names: Option<Vec<String>> = selector
            .0
            .iter()
            .map(|r| match r {
                Requirement::Exists(k) if world.nodes.find("", k).is_some() => Some(k.to_string()),
                _ => None,
            })
            .collect();
        Ok(match names {
            Some(names) if !names.is_empty() => Wanted::Names(names),
            _ => Wanted::Matching(selector),
        })
    }

    fn is(&self, node: &Node) -> bool {
        match self {
            Wanted::Names(names) => names.iter().any(|n| **n == *node.meta.name),
            Wanted::Matching(selector) => selector.matches(&with_fields(node)),
        }
    }
}

/// The labels of a node, with its fields and conditions as if they were labels.
fn with_fields(node: &Node) -> Labels {
    let info = &node.info;
    let mut all: Vec<(Text, Text)> = node.meta.labels.0.to_vec();
    for (key, value) in [
        ("metadata.name", &node.meta.name),
        ("kubeletVersion", &info.kubelet),
        ("osImage", &info.os_image),
        ("kernelVersion", &info.kernel),
        ("containerRuntimeVersion", &info.runtime),
    ] {
        all.push((key.into(), value.clone()));
    }
    all.push(("unschedulable".into(), node.unschedulable.to_string().as_str().into()));
    for c in &node.conditions {
        let value = match c.status {
            Status::True => "True",
            Status::False => "False",
            Status::Unknown => "Unknown",
        };
        all.push((format!("condition.{}", c.kind).as_str().into(), value.into()));
    }
    for t in &node.taints {
        all.push((format!("taint.{}", t.key).as_str().into(), t.effect.clone()));
    }
    all.sort();
    Labels(all.into())
}

/// The budgets of each namespace, so that a pod is compared with those alone that may be its own.
pub(super) fn budgets(world: &World) -> HashMap<&str, Vec<&Budget>> {
    let mut out: HashMap<&str, Vec<&Budget>> = HashMap::new();
    for b in world.budgets.values() {
        out.entry(&*b.meta.namespace).or_default().push(b);
    }
    out
}

/// Nodes for a run. `named` are the nodes that a Terraform plan replaces; they and `--nodes` must both hold.
///
/// # Errors
/// A sentence: the nodes cannot be seen, or none is selected.
pub(super) fn select(
    world: &World,
    now: Time,
    asked: &Asked,
    named: Option<&BTreeMap<String, String>>,
) -> Result<Found, String> {
    if !world.synced(&Kind::Node) || !world.synced(&Kind::Pod) {
        return Err(
            "the nodes and their pods could not be listed: without both nobody knows what a wave would cost"
                .to_owned(),
        );
    }
    let wanted = asked.nodes.as_deref().map(|t| Wanted::parse(world, t)).transpose()?;
    let chosen = |n: &Node| {
        wanted.as_ref().is_none_or(|w| w.is(n)) && named.is_none_or(|names| names.contains_key(&*n.meta.name))
    };
    let mut nodes: Vec<&Node> = world.nodes.values().filter(|n| chosen(n)).collect();
    if nodes.is_empty() {
        let of = world.nodes.len();
        return Err(format!(
            "no node of {of} is selected; look at the labels with kubectl get nodes --show-labels"
        ));
    }
    nodes.sort_by(|a, b| a.meta.name.cmp(&b.meta.name));
    let budgets = budgets(world);
    let mut found = Found::default();
    for node in nodes {
        if let Some(run) = node.meta.labels.get(LABEL) {
            let why = format!("run {run} has cordoned it: resume that run, or give it up with --abort");
            found.skipped.push((node.meta.name.to_string(), why));
            continue;
        }
        if asked.upgrade.as_ref().is_some_and(|u| upgrade::same(&node.info.kubelet, &u.to)) {
            found.already.push(node.meta.name.to_string());
            continue;
        }
        let candidate = survey(world, now, node, asked.allowed, &budgets);
        match refusal(world, asked, &candidate) {
            None => found.nodes.push(candidate),
            Some(why) => found.skipped.push((candidate.name.to_string(), why)),
        }
    }
    Ok(found)
}

/// Why a node is left out; `None` where nothing speaks against it.
pub(super) fn refusal(world: &World, asked: &Asked, c: &Candidate) -> Option<String> {
    if let Some(limit) = asked.max_job_age
        && let Some(job) = c.jobs.iter().filter(|j| j.age > limit).max_by_key(|j| j.age)
    {
        return Some(format!("job {} runs for {}, the limit is {}", job.name, human(job.age), human(limit)));
    }
    let refusals = evictions(world, &c.name, asked.allowed).refusals;
    (!refusals.is_empty()).then(|| refusals.join("; "))
}

/// The pods and jobs of a node.
pub(super) fn survey(
    world: &World,
    now: Time,
    node: &Node,
    allowed: Allowed,
    budgets: &HashMap<&str, Vec<&Budget>>,
) -> Candidate {
    let mut out = Candidate {
        name: node.meta.name.clone(),
        uid: node.meta.uid.to_string(),
        zone: node.meta.labels.get(ZONE).unwrap_or("").into(),
        instance_type: node.meta.labels.get(INSTANCE_TYPE).unwrap_or("").into(),
        gpus: node.allocatable.gpu.unwrap_or(0).max(node.labelled_gpus()),
        cordoned: node.unschedulable,
        control_plane: upgrade::control_plane(node),
        pods: evictions(world, &node.meta.name, allowed).victims.len(),
        ..Candidate::default()
    };
    let mut jobs: BTreeMap<String, JobOn> = BTreeMap::new();
    for (_, pod) in world.pods_on(&node.meta.name) {
        let daemon = pod.meta.owner.as_ref().is_some_and(|o| o.kind == Kind::DaemonSet);
        if daemon || matches!(pod.phase, Phase::Succeeded | Phase::Failed) {
            continue;
        }
        out.groups.extend(group(pod));
        if pod.mirror {
            continue;
        }
        out.grace = out.grace.max(pod.spec.grace);
        let own = budgets.get(&*pod.meta.namespace).into_iter().flatten();
        for b in own.filter(|b| b.selector.matches(&pod.meta.labels)) {
            if b.disruptions_allowed == 0 && pod.ready {
                out.held.push(format!("{}/{} by {}", pod.meta.namespace, pod.meta.name, b.meta.name));
            }
        }
        if let Some(age) = work(world, now, pod) {
            let owner = pod.meta.owner.as_ref().map_or(&pod.meta.name, |o| &o.name);
            let name = format!("{}/{owner}", pod.meta.namespace);
            let gpus = gpus(pod);
            #[allow(clippy::cast_precision_loss, reason = "a handful of GPUs")]
            let hours = gpus as f64 * age.as_secs_f64() / 3600.0;
            out.gpu_hours += hours;
            let job = jobs.entry(name.clone()).or_insert(JobOn { name, age, gpus: 0 });
            job.age = job.age.max(age);
            job.gpus += gpus;
        }
    }
    out.groups.sort();
    out.groups.dedup();
    out.jobs = jobs.into_values().collect();
    out.oldest = out.jobs.iter().map(|j| j.age).max().unwrap_or_default();
    out
}

fn gpus(pod: &Pod) -> u64 {
    // One name stands for all of them: the World counts GPUs of any vendor together.
    requests(pod, "nvidia.com/gpu")
}

/// How long the pod's work has gone on, where that work does not survive the pod: it is a Job's, or runs to its end, or
/// holds GPUs for something that is no ordinary workload. A Job's age counts from the Job: a pod that was restarted an
/// hour ago may hold weeks.
fn work(world: &World, now: Time, pod: &Pod) -> Option<Duration> {
    let owner = pod.meta.owner.as_ref();
    let ordinary = owner.is_some_and(|o| o.kind.workload());
    let batch = !pod.spec.restart_always || owner.is_some_and(|o| o.kind == Kind::Job) || owner.is_none();
    if !(batch || !ordinary && gpus(pod) > 0) {
        return None;
    }
    let job =
        owner.filter(|o| o.kind == Kind::Job).and_then(|o| world.jobs.find(&pod.meta.namespace, &o.name));
    let times = [pod.started.or(pod.meta.created), job.and_then(|j| j.started)];
    Some(times.into_iter().flatten().min().map_or(Duration::ZERO, |t| t.age(now)))
}

/// The gang or quorum that a pod is a member of: losing two of it at once loses more than two pods.
fn group(pod: &Pod) -> Option<String> {
    let namespace = &pod.meta.namespace;
    let labels = &pod.meta.labels;
    if let Some((key, name)) = GANGS.iter().find_map(|k| Some((k, labels.get(k)?))) {
        return Some(format!("{key} {namespace}/{name}"));
    }
    if pod.mirror {
        // Members of etcd and the other static pods of the control plane.
        return labels.get("component").map(|c| format!("static {namespace}/{c}"));
    }
    let owner = pod.meta.owner.as_ref()?;
    matches!(owner.kind, Kind::Job | Kind::StatefulSet)
        .then(|| format!("{} {namespace}/{}", owner.kind.name(), owner.name))
}
