//! Incidents: findings with one root cause, with the object behind them, how far it reaches and what changed before it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::behind::{Behind, Link};
use super::common_factors::{Factor, of_nodes, of_pods};
use super::finding::{Finding, State, WhatChanged};
use super::recurrence::Recurrence;
use crate::judge::evidence::object_json;
use crate::judge::{Key, Severity};
use crate::world::scheduling::requests;
use crate::world::{Kind, Node, ObjectRef, Pod, Status, Text, Time, Workload, World, condition};

/// Common factors named on an incident.
const COMMON: usize = 5;
/// Changes named on an incident.
const CHANGES: usize = 8;
/// How long before an incident a rollout of a DaemonSet counts as what changed.
const ROLLOUT: i64 = 7_200_000;

/// How much an incident touches.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Radius {
    pub pods: usize,
    pub workloads: usize,
    pub nodes: usize,
    pub gpus: u64,
    pub namespaces: usize,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Incident {
    /// 8 hex digits of cluster, root, cause and begin: the same incident has the same id in every run.
    pub id: String,
    /// The object to put right first.
    pub root: ObjectRef,
    pub cause: Text,
    pub severity: Severity,
    pub since: Time,
    pub state: State,
    /// One sentence: the root finding's.
    pub title: String,
    /// Indexes into the findings it was made from, the root's first.
    pub findings: Vec<usize>,
    pub radius: Radius,
    /// Nearest before `since` first.
    pub changed: Vec<WhatChanged>,
    /// What its sick nodes, else the sick pods of several workloads, have in common and the healthy have not.
    pub common: Vec<Factor>,
    /// Its earlier times, where a timeline that tells of them was read (`report::Scan::recall`).
    pub recurrence: Option<Recurrence>,
}

impl Serialize for Incident {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Out<'a> {
            id: &'a str,
            #[serde(serialize_with = "object_json")]
            root: &'a ObjectRef,
            cause: &'a str,
            severity: Severity,
            since: Time,
            state: State,
            title: &'a str,
            findings: &'a [usize],
            radius: Radius,
            changed: &'a [WhatChanged],
            common: &'a [Factor],
            #[serde(skip_serializing_if = "Option::is_none")]
            recurrence: Option<&'a Recurrence>,
        }
        Out {
            id: &self.id,
            root: &self.root,
            cause: &self.cause,
            severity: self.severity,
            since: self.since,
            state: self.state,
            title: &self.title,
            findings: &self.findings,
            radius: self.radius,
            changed: &self.changed,
            common: &self.common,
            recurrence: self.recurrence.as_ref(),
        }
        .serialize(s)
    }
}

/// Groups findings into incidents, worst first. `members` gives the objects that have a share in a finding.
pub fn group(
    world: &World,
    findings: &[Arc<Finding>],
    members: impl Fn(&Key) -> Vec<ObjectRef>,
) -> Vec<Incident> {
    let objects: Vec<BTreeSet<ObjectRef>> = findings
        .iter()
        .map(|f| {
            let keys = std::iter::once(&f.key).chain(&f.with);
            let all = keys.flat_map(|k| members(k).into_iter().chain([k.root.clone()]));
            all.chain([f.object.clone()]).collect()
        })
        .collect();
    let cx = Cx { world, findings, objects: &objects };
    let mut links: Vec<Link> = Behind::new(world, findings, &objects).links();
    cx.break_circles(&mut links);
    let mut sets: BTreeMap<Root, Vec<usize>> = BTreeMap::new();
    for i in 0..findings.len() {
        sets.entry(cx.root_of(i, &links)).or_default().push(i);
    }
    let mut out: Vec<Incident> =
        sets.into_iter().map(|(root, set)| cx.incident(&root, set, &links)).collect();
    out.sort_by(|a, b| {
        let rank = |i: &Incident| (std::cmp::Reverse(i.severity), i.since);
        rank(a).cmp(&rank(b)).then_with(|| a.id.cmp(&b.id))
    });
    out
}

/// Where the links of a finding end. Findings that end at the same place are one incident.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Root {
    Object(ObjectRef),
    /// A trouble that findings share and that is no object: a registry, nodes that went together.
    Trouble(Text),
}

struct Cx<'a> {
    world: &'a World,
    findings: &'a [Arc<Finding>],
    objects: &'a [BTreeSet<ObjectRef>],
}

impl Cx<'_> {
    /// Findings that explain each other in a circle: the oldest of them stands for itself.
    fn break_circles(&self, links: &mut [Link]) {
        for i in 0..links.len() {
            let (mut at, mut path) = (i, vec![i]);
            while let Link::Finding(next) = links[at] {
                if let Some(start) = path.iter().position(|p| *p == next) {
                    let oldest = path[start..].iter().min_by_key(|p| (self.findings[**p].since, **p));
                    if let Some(oldest) = oldest {
                        links[*oldest] = Link::Own;
                    }
                    break;
                }
                path.push(next);
                at = next;
            }
        }
    }

    /// The finding that explains this one in the end.
    fn end(&self, i: usize, links: &[Link]) -> usize {
        let mut at = i;
        while let Link::Finding(next) = links[at] {
            at = next;
        }
        at
    }

    fn root_of(&self, i: usize, links: &[Link]) -> Root {
        let end = self.end(i, links);
        match (&links[end], &self.findings[end].fold) {
            (Link::Object(o), _) => Root::Object(o.clone()),
            (_, Some(trouble)) => Root::Trouble(trouble.clone()),
            _ => Root::Object(self.findings[end].fix().clone()),
        }
    }

    fn incident(&self, root: &Root, mut set: Vec<usize>, links: &[Link]) -> Incident {
        let ends: BTreeSet<usize> = set.iter().map(|i| self.end(*i, links)).collect();
        let oldest = |i: &usize| {
            let f = &self.findings[*i];
            (std::cmp::Reverse(f.severity), f.since, f.key.clone())
        };
        let first = ends.iter().copied().min_by_key(oldest).unwrap_or(set[0]);
        set.sort_by_key(|i| (*i != first, !ends.contains(i), oldest(i)));
        let lead = &self.findings[first];
        let radius = self.radius(&set);
        let driver = self.driver_rollout(lead, &set);
        let object = match (root, &driver) {
            (_, Some((driver, _))) => driver.clone(),
            // One finding alone is about its own root: what it waits for may be a typing error of its own.
            (Root::Object(_), _)
                if ends.len() == 1 && lead.with.is_empty() && matches!(links[first], Link::Object(_)) =>
            {
                lead.fix().clone()
            }
            (Root::Object(o), _) => o.clone(),
            (Root::Trouble(_), _) => lead.fix().clone(),
        };
        let since = set.iter().map(|i| self.findings[*i].since).min().unwrap_or(lead.since);
        let mut changed: Vec<WhatChanged> = driver.into_iter().map(|(_, change)| change).collect();
        changed.extend(self.written(&object));
        changed.extend(set.iter().flat_map(|i| self.findings[*i].changed.iter().cloned()));
        changed.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| a.object.cmp(&b.object)));
        changed.dedup();
        changed.truncate(CHANGES);
        let common = self.common(&set);
        let more = set.len() - 1;
        let title = match more {
            0 => lead.title.clone(),
            1 => format!("{}; 1 finding follows from it", lead.title),
            n => format!("{}; {n} findings follow from it", lead.title),
        };
        Incident {
            id: self.id(&object, &lead.cause, since),
            root: object,
            cause: lead.cause.clone(),
            severity: set.iter().map(|i| self.findings[*i].severity).max().unwrap_or(lead.severity),
            since,
            state: if set.iter().any(|i| self.findings[*i].state == State::Firing) {
                State::Firing
            } else {
                lead.state
            },
            title,
            findings: set,
            radius,
            changed,
            common,
            recurrence: None,
        }
    }

    /// What the sick nodes have in common, else the sick pods; a finding about one workload names its own.
    fn common(&self, set: &[usize]) -> Vec<Factor> {
        let nodes = set.iter().map(|i| self.findings[*i].fix()).filter(|o| o.kind == Kind::Node);
        let folded = set.iter().flat_map(|i| self.findings[*i].with.iter().map(|k| &k.root));
        let nodes: BTreeSet<&Text> =
            nodes.chain(folded.filter(|o| o.kind == Kind::Node)).map(|o| &o.name).collect();
        let mut found = if nodes.is_empty() {
            let fixes: BTreeSet<&ObjectRef> = set.iter().map(|i| self.findings[*i].fix()).collect();
            if fixes.len() < 2 {
                return Vec::new();
            }
            let pods: BTreeSet<&ObjectRef> =
                set.iter().flat_map(|i| &self.objects[*i]).filter(|o| o.kind == Kind::Pod).collect();
            let sick = pods.into_iter().filter_map(|o| self.world.pods.find(&o.namespace, &o.name));
            let sick: Vec<&Pod> = sick.filter(|p| !p.ready).collect();
            let healthy: Vec<&Pod> = self.world.pods.values().filter(|p| p.ready).collect();
            of_pods(self.world, &sick, &healthy)
        } else {
            let (sick, healthy): (Vec<&Node>, Vec<&Node>) =
                self.world.nodes.values().partition(|n| nodes.contains(&n.meta.name));
            of_nodes(&sick, &healthy)
        };
        found.truncate(COMMON);
        found
    }

    /// The DaemonSet that runs the GPU driver, where its pods on the nodes that lost GPUs were made anew shortly before.
    fn driver_rollout(&self, lead: &Finding, set: &[usize]) -> Option<(ObjectRef, WhatChanged)> {
        if &*lead.cause != "gpu.vanished" {
            return None;
        }
        let nodes: BTreeSet<&Text> = set
            .iter()
            .flat_map(|i| &self.objects[*i])
            .filter(|o| o.kind == Kind::Node)
            .map(|o| &o.name)
            .collect();
        let is_driver = |w: &&Workload| {
            let l = &w.meta.labels;
            let named = ["app", "app.kubernetes.io/component", "app.kubernetes.io/name"];
            let says = named.iter().any(|k| l.get(k).is_some_and(|v| v.contains("driver")));
            (says || w.meta.name.contains("driver")) && !w.meta.name.contains("plugin")
        };
        self.world.daemon_sets.values().filter(is_driver).find_map(|w| {
            let made = self.world.pods_of(&w.meta.uid).filter(|(_, p)| nodes.contains(&p.node));
            let made: Vec<Time> = made.filter_map(|(_, p)| p.meta.created).collect();
            let at = made.iter().copied().min()?;
            let recent = at.0 >= lead.since.0 - ROLLOUT && w.meta.created.is_none_or(|c| c < at);
            let object = ObjectRef::new(Kind::DaemonSet, w.meta.namespace.clone(), w.meta.name.clone());
            let images: Vec<&str> = w.template.containers.iter().map(|c| &*c.image).collect();
            let what = format!("rollout on {} nodes, now {}", made.len(), images.join(", "));
            let by = w.meta.writer.as_ref().map_or_else(|| "".into(), |w| w.manager.clone());
            recent.then(|| (object.clone(), WhatChanged { what, object, at, by }))
        })
    }

    /// The write of a ConfigMap or Secret that stands as the root.
    fn written(&self, object: &ObjectRef) -> Option<WhatChanged> {
        if !matches!(object.kind, Kind::ConfigMap | Kind::Secret) {
            return None;
        }
        let writer = self.world.meta(object)?.writer.as_ref()?;
        let what = format!("{} changed", object.kind);
        Some(WhatChanged { what, object: object.clone(), at: writer.at, by: writer.manager.clone() })
    }

    fn radius(&self, set: &[usize]) -> Radius {
        let objects: BTreeSet<&ObjectRef> = set.iter().flat_map(|i| &self.objects[*i]).collect();
        let (mut pods, mut nodes) = (BTreeSet::new(), BTreeSet::new());
        let mut lost = 0;
        for o in &objects {
            match o.kind {
                Kind::Pod => drop(pods.insert((*o).clone())),
                Kind::Node => {
                    nodes.insert(o.name.clone());
                    if let Some(n) = self.world.nodes.find("", &o.name) {
                        let has = n.labelled_gpus().max(n.capacity.gpu.unwrap_or(0));
                        lost += has.saturating_sub(n.allocatable.gpu.unwrap_or(0));
                        let down =
                            condition(&n.conditions, "Ready").is_some_and(|c| c.status != Status::True);
                        if down {
                            pods.extend(
                                self.world.pods_on(&o.name).map(|(_, p)| crate::judge::pod::reference(p)),
                            );
                        }
                    }
                }
                _ => {}
            }
        }
        let mut workloads: BTreeSet<ObjectRef> = pods.iter().map(|p| self.world.root(p)).collect();
        workloads.retain(|w| w.kind != Kind::Pod);
        let owners =
            objects.iter().filter(|o| o.kind.workload() || matches!(o.kind, Kind::Job | Kind::CronJob));
        workloads.extend(owners.map(|o| self.world.root(o)));
        let found = pods.iter().filter_map(|o| self.world.pods.find(&o.namespace, &o.name));
        let mut held = 0;
        for p in found {
            held += requests(p, "nvidia.com/gpu");
            if !p.node.is_empty() {
                nodes.insert(p.node.clone());
            }
        }
        let spaces = pods.iter().chain(&workloads).chain(objects.iter().copied());
        let namespaces: BTreeSet<&Text> = spaces.map(|o| &o.namespace).filter(|n| !n.is_empty()).collect();
        Radius {
            pods: pods.len(),
            workloads: workloads.len(),
            nodes: nodes.len(),
            gpus: held.max(lost),
            namespaces: namespaces.len(),
        }
    }

    fn id(&self, root: &ObjectRef, cause: &str, since: Time) -> String {
        let uid = |o: &ObjectRef| self.world.meta(o).map_or_else(|| o.to_string(), |m| m.uid.to_string());
        let cluster = uid(&ObjectRef::new(Kind::Namespace, "", "kube-system"));
        let text = format!("{cluster}|{}|{cause}|{since}", uid(root));
        let digest = Sha256::digest(text.as_bytes());
        digest.iter().take(4).map(|b| format!("{b:02x}")).collect()
    }
}
