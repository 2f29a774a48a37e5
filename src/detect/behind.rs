//! What stands behind a finding: another finding, an object that has none, or nothing.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::ask::pods_of;
use super::complaint;
use super::finding::Finding;
use super::preemption::Preemptions;
use crate::judge::roles;
use crate::world::{Kind, Node, Object, ObjectRef, Pod, Text, Time, World};

/// A quota that is nearly used up explains nothing that it does not refuse.
const QUOTA_NEAR: &str = "namespace.quota-near";

/// How long before trouble began a configuration was written that may have brought it.
const WRITTEN_BEFORE: Duration = Duration::from_secs(3600);
/// Fewer workloads than this may fail together by chance.
const FEW: usize = 3;
/// Network plugins by the names of their DaemonSets: a plugin that chains others names only one of them.
const NETWORK_PLUGINS: &[&str] = &[
    "calico",
    "canal",
    "cilium",
    "flannel",
    "kindnet",
    "weave",
    "aws-node",
    "antrea",
    "kube-router",
    "ovn",
    "multus",
];

/// What stands behind a finding.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Link {
    /// Itself: its root object.
    Own,
    /// Another finding explains it.
    Finding(usize),
    /// An object that has no finding of its own.
    Object(ObjectRef),
}

/// The findings of a moment, with the objects that have a share in each.
pub(super) struct Behind<'a> {
    world: &'a World,
    findings: &'a [Arc<Finding>],
    objects: &'a [BTreeSet<ObjectRef>],
    /// Nodes that are shut by their own trouble: looked for once, when the first finding asks.
    shut: OnceCell<Vec<&'a Node>>,
}

impl<'a> Behind<'a> {
    pub fn new(world: &'a World, findings: &'a [Arc<Finding>], objects: &'a [BTreeSet<ObjectRef>]) -> Self {
        Behind { world, findings, objects, shut: OnceCell::new() }
    }

    /// For each finding, what explains it.
    pub fn links(&self) -> Vec<Link> {
        let mut read = self.written_before();
        for (object, all) in
            complaint::of_one_configuration(self.world, self.findings, |i| self.pods(i).next())
        {
            read.entry(object).or_default().extend(all);
        }
        let preemptions = Preemptions::new(self.world, self.findings, self.objects);
        let of = |i: usize| match self.link(i, &preemptions) {
            Link::Own => read
                .iter()
                .find(|(_, all)| all.contains(&i))
                .map_or(Link::Own, |(o, _)| Link::Object(o.clone())),
            link => link,
        };
        let mut links: Vec<Link> = (0..self.findings.len()).map(of).collect();
        self.join_servers(&mut links);
        links
    }

    /// Claims on one file server that does not answer: the server they share stands behind them, not each claim.
    fn join_servers(&self, links: &mut [Link]) {
        let mut claims: BTreeMap<&Text, BTreeSet<ObjectRef>> = BTreeMap::new();
        let served = |i: usize| {
            let f = &self.findings[i];
            f.fold.as_ref().filter(|_| f.cause.starts_with("volume."))
        };
        for (i, link) in links.iter().enumerate() {
            if let (Some(server), Link::Object(claim)) = (served(i), link) {
                claims.entry(server).or_default().insert(claim.clone());
            }
        }
        for (i, link) in links.iter_mut().enumerate() {
            let several = served(i).and_then(|s| claims.get(s)).is_some_and(|all| all.len() > 1);
            if several && matches!(link, Link::Object(_)) {
                *link = Link::Own;
            }
        }
    }

    fn link(&self, i: usize, preemptions: &Preemptions) -> Link {
        let f = &self.findings[i];
        if &*f.cause == QUOTA_NEAR && self.findings.iter().any(|g| g.waits_for.as_ref() == Some(f.fix())) {
            // It refuses already: what it refuses is the trouble, the quota is its root.
            return Link::Object(f.fix().clone());
        }
        if let Some(dns) = self.by_dns(i) {
            return Link::Finding(dns);
        }
        if let Some(by) = self.by_storage_driver(i) {
            return Link::Finding(by);
        }
        if let Some(target) = &f.waits_for {
            let by = self.provider(i, target).or_else(|| self.by_proxy(i));
            return by.map_or_else(|| Link::Object(target.clone()), Link::Finding);
        }
        if let Some(urgent) = preemptions.behind(f, &self.pods(i).collect::<Vec<_>>()) {
            return self.provider(i, &urgent).map_or(Link::Object(urgent), Link::Finding);
        }
        let by = self.by_node(i).or_else(|| self.by_gpu(i)).or_else(|| self.by_provisioner(i));
        let by = by.or_else(|| self.by_network_plugin(i)).or_else(|| self.by_own_log(i));
        let by = by.or_else(|| self.by_proxy(i)).or_else(|| self.by_metrics_api(i));
        match by {
            Some(j) => Link::Finding(j),
            None => self.shared_node(i).map_or(Link::Own, Link::Object),
        }
    }

    /// A claim's provisioner that is itself in trouble.
    fn by_provisioner(&self, i: usize) -> Option<usize> {
        let f = &self.findings[i];
        if &*f.cause != "volume.provisioner" {
            return None;
        }
        let claim = self.world.claims.find(&f.fix().namespace, &f.fix().name)?;
        let mut classes = self.world.storage_classes.values();
        let class = match &claim.class {
            Some(name) => self.world.storage_classes.find("", name),
            None => classes.find(|c| c.default),
        }?;
        let provisions = |p: &Pod| {
            let sidecar = p.containers.iter().any(|c| c.spec.name.contains("provisioner"));
            (sidecar || p.meta.name.contains("provisioner")) && speaks_of(&class.provisioner, &p.meta.name)
        };
        self.others(i).find(|j| self.pods(*j).any(provisions))
    }

    /// The storage driver that a volume waits for, where its pods on the same node, or its controller, are in trouble.
    fn by_storage_driver(&self, i: usize) -> Option<usize> {
        let f = &self.findings[i];
        if !matches!(&*f.cause, "volume.mount" | "volume.attach") {
            return None;
        }
        let driver_in = |quote: &str| {
            let words = quote.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-')));
            let mut dotted = words.filter(|w| w.contains("csi") && w.contains('.'));
            dotted.next().map(str::to_owned)
        };
        let driver = f.evidence.iter().find_map(|e| driver_in(&e.quote))?;
        let nodes: BTreeSet<&Text> = self.pods(i).map(|p| &p.node).collect();
        self.others(i).find(|j| {
            let of_driver = |p: &&Pod| speaks_of(&driver, &p.meta.name);
            let everywhere = self.findings[*j].fix().kind != Kind::DaemonSet;
            self.pods(*j).filter(of_driver).any(|p| everywhere || nodes.contains(&p.node))
        })
    }

    /// The API that an autoscaler takes its metrics from.
    fn by_metrics_api(&self, i: usize) -> Option<usize> {
        let f = &self.findings[i];
        if &*f.cause != "hpa.no-metrics" {
            return None;
        }
        // `unable to fetch metrics from resource metrics API: … (get pods.metrics.k8s.io)`
        let group = |quote: &str| {
            let of = |words: &[&str], group: &'static str| {
                words.iter().any(|w| quote.contains(w)).then_some(group)
            };
            of(&["external metrics API", "external.metrics.k8s.io"], "external.metrics.k8s.io")
                .or_else(|| of(&["custom metrics API", "custom.metrics.k8s.io"], "custom.metrics.k8s.io"))
                .or_else(|| of(&["resource metrics API", ".metrics.k8s.io"], "metrics.k8s.io"))
        };
        let group = f.evidence.iter().find_map(|e| group(&e.quote))?;
        self.others(i).find(|j| {
            let api = self.findings[*j].fix();
            let of_group = || api.name.split_once('.').is_some_and(|(_, rest)| rest == group);
            api.kind == Kind::APIService && of_group()
        })
    }

    /// kube-proxy in trouble on every node where pods miss a Service or its name.
    fn by_proxy(&self, i: usize) -> Option<usize> {
        let f = &self.findings[i];
        let names = &*f.cause == "log.dns" || f.title.contains("resolve");
        let misses =
            matches!(&*f.cause, "log.refused" | "log.dns" | "crash.unreachable" | "ready.dependency");
        if !misses || !(names || f.waits_for.is_some()) {
            return None;
        }
        let nodes: BTreeSet<&Text> = self.pods(i).map(|p| &p.node).collect();
        let served = |j: usize| self.pods(j).filter(|p| roles::of(p) == roles::Role::Proxy).map(|p| &p.node);
        self.others(i).find(|j| {
            let without: BTreeSet<&Text> = served(*j).collect();
            !nodes.is_empty() && nodes.is_subset(&without)
        })
    }

    /// The DaemonSet of the network plugin that fails, where its pod on the same node is in trouble.
    fn by_network_plugin(&self, i: usize) -> Option<usize> {
        let f = &self.findings[i];
        if &*f.cause != "sandbox.network" {
            return None;
        }
        let nodes: BTreeSet<&Text> = self.pods(i).map(|p| &p.node).filter(|n| !n.is_empty()).collect();
        let plugin =
            f.evidence.iter().find_map(|e| e.quote.split("plugin type=\"").nth(1)?.split('"').next());
        let names = |name: &str| {
            plugin.is_some_and(|p| speaks_of(p, name))
                || NETWORK_PLUGINS.iter().any(|known| name.contains(known))
        };
        self.others(i).find(|j| {
            let root = self.findings[*j].fix();
            let here = || self.pods(*j).any(|p| nodes.contains(&p.node));
            root.kind == Kind::DaemonSet && names(&root.name) && here()
        })
    }

    /// A readiness probe that fails while the log of the same workload names what it waits for.
    fn by_own_log(&self, i: usize) -> Option<usize> {
        let f = &self.findings[i];
        if !matches!(&*f.cause, "ready.probe" | "ready.unknown") {
            return None;
        }
        self.others(i).find(|j| {
            let g = &self.findings[*j];
            let waits = g.waits_for.is_some() || self.by_dns(*j).is_some();
            g.fix() == f.fix() && g.cause.starts_with("log.") && waits
        })
    }

    /// The node on which several workloads meet the same failure of its runtime or network, and which says nothing itself.
    fn shared_node(&self, i: usize) -> Option<ObjectRef> {
        let family = |f: &Finding| f.cause.split_once('.').map(|(family, _)| family.to_owned());
        let of_node = family(&self.findings[i]).filter(|f| matches!(&**f, "runtime" | "sandbox"))?;
        let node = self.only_node(i)?;
        let same = |j: &usize| {
            family(&self.findings[*j]).as_deref() == Some(&*of_node)
                && self.only_node(*j).as_ref() == Some(&node)
        };
        let more =
            self.others(i).filter(|j| self.findings[*j].fix() != self.findings[i].fix()).any(|j| same(&j));
        more.then(|| Self::node(&node))
    }

    /// The node of all pods of a finding, where it is one.
    fn only_node(&self, i: usize) -> Option<Text> {
        let nodes: BTreeSet<&Text> = self.pods(i).map(|p| &p.node).collect();
        let node = nodes.first().filter(|n| nodes.len() == 1 && !n.is_empty())?;
        Some((*node).clone())
    }

    /// ConfigMaps and Secrets that were written shortly before three workloads or more that read them began to fail by
    /// themselves, with these findings.
    fn written_before(&self) -> BTreeMap<ObjectRef, BTreeSet<usize>> {
        let mut out: BTreeMap<ObjectRef, BTreeSet<usize>> = BTreeMap::new();
        for (i, f) in self.findings.iter().enumerate() {
            let fails = f.cause.starts_with("crash.")
                || f.cause.starts_with("log.")
                || f.cause.starts_with("config.");
            if !fails || f.waits_for.is_some() {
                continue;
            }
            let Some(pod) = self.pods(i).next() else { continue };
            let read =
                [(&self.world.config_maps, &pod.spec.config_maps), (&self.world.secrets, &pod.spec.secrets)];
            for (table, names) in read {
                let found = names.iter().filter_map(|n| table.find(&pod.meta.namespace, n));
                let before = |at: Time| at <= f.since && at.age(f.since) < WRITTEN_BEFORE;
                let lately = found.filter(|c| c.meta.writer.as_ref().is_some_and(|w| before(w.at)));
                for c in lately {
                    out.entry(c.reference()).or_default().insert(i);
                }
            }
        }
        out.retain(|_, all| {
            all.iter().map(|i| self.findings[*i].fix()).collect::<BTreeSet<_>>().len() >= FEW
        });
        out
    }

    fn others(&self, i: usize) -> impl Iterator<Item = usize> {
        (0..self.findings.len()).filter(move |j| *j != i)
    }

    /// The finding about the object that another one waits for: of the Service, or of what runs behind it.
    fn provider(&self, i: usize, target: &ObjectRef) -> Option<usize> {
        let direct = |j: usize| self.findings[j].fix() == target || self.findings[j].object == *target;
        let has = |j: usize| self.objects[j].contains(target);
        let others =
            || (0..self.findings.len()).filter(|j| *j != i && &*self.findings[*j].cause != QUOTA_NEAR);
        if let Some(j) = others().find(|j| direct(*j)).or_else(|| others().find(|j| has(*j))) {
            return Some(j);
        }
        let backing = self.behind(target);
        others()
            .find(|j| backing.iter().any(|w| self.findings[*j].fix() == w || self.objects[*j].contains(w)))
    }

    /// The pods behind a Service and the workloads that own them.
    fn behind(&self, service: &ObjectRef) -> BTreeSet<ObjectRef> {
        let found = self.world.services.find(&service.namespace, &service.name);
        let Some(selector) = found.and_then(|s| s.selector.as_ref()).filter(|s| !s.is_empty()) else {
            return BTreeSet::new();
        };
        let pods = self.world.pods.values().filter(|p| p.meta.namespace == service.namespace);
        let pods = pods.filter(|p| selector.matches(&p.meta.labels)).map(crate::judge::pod::reference);
        pods.flat_map(|p| [self.world.root(&p), p]).collect()
    }

    /// A name that does not resolve while no CoreDNS pod is ready. A server that says that there is no such name was
    /// reached.
    fn by_dns(&self, i: usize) -> Option<usize> {
        let f = &self.findings[i];
        let answered =
            |quote: &str| ["NXDOMAIN", "no such host", "ENOTFOUND"].iter().any(|w| quote.contains(w));
        if f.evidence.iter().any(|e| answered(&e.quote)) {
            return None;
        }
        let unresolved = || f.title.contains("resolve") || f.title.contains("name server");
        let names = &*f.cause == "log.dns"
            || matches!(&*f.cause, "crash.unreachable" | "ready.dependency") && unresolved();
        let dns = || self.findings.iter().position(|g| &*g.cause == "dns.coredns");
        dns().filter(|j| names && *j != i)
    }

    /// Trouble that all its pods have because of their node.
    fn by_node(&self, i: usize) -> Option<usize> {
        let f = &self.findings[i];
        let follows = f.cause.starts_with("sandbox.")
            || f.cause.starts_with("evicted.")
            || matches!(
                &*f.cause,
                "ready.unknown"
                    | "ready.probe"
                    | "delete.stuck"
                    | "container.create"
                    | "crash.oom-node"
                    | "unknown"
            );
        let waits = matches!(&*f.cause, "schedule.taint" | "schedule.insufficient" | "schedule.cordoned");
        if f.fix().kind == Kind::Node || !(follows || waits) {
            return None;
        }
        let nodes: BTreeSet<Text> = if follows {
            let on = self.pods(i).map(|p| p.node.clone()).collect::<BTreeSet<_>>();
            if on.iter().any(|n| n.is_empty()) { BTreeSet::new() } else { on }
        } else {
            self.nodes_shut_for(i)
        };
        if nodes.is_empty() {
            return None;
        }
        // A node's own state explains its pods; what pods did to the node is the node's finding already.
        let of_node = |j: &usize| {
            let g = &self.findings[*j];
            g.cause.starts_with("node.")
                && g.cause != "node.version-skew".into()
                && g.fix().kind == Kind::Node
        };
        let covers = |j: &usize| nodes.iter().any(|n| self.objects[*j].contains(&Self::node(n)));
        let found = (0..self.findings.len()).filter(|j| *j != i && of_node(j)).find(covers);
        found.filter(|j| waits || nodes.iter().all(|n| self.objects[*j].contains(&Self::node(n))))
    }

    /// Nodes that would take the pods of a finding and are shut by their own trouble, or from which the pods that these
    /// replace were evicted.
    fn nodes_shut_for(&self, i: usize) -> BTreeSet<Text> {
        let shut = self.shut.get_or_init(|| {
            let trouble =
                |t: &str| t.strip_prefix("node.kubernetes.io/").is_some_and(|k| k != "unschedulable");
            let troubled = |n: &&Node| n.taints.iter().any(|t| trouble(&t.key));
            self.world.nodes.values().filter(troubled).collect()
        });
        let mut out = BTreeSet::new();
        let (mut roots, mut owners) = (BTreeSet::new(), HashSet::new());
        for pod in self.pods(i) {
            let fits =
                |n: &&&Node| pod.spec.node_selector.iter().all(|(k, v)| n.meta.labels.get(k) == Some(&**v));
            out.extend(shut.iter().filter(fits).map(|n| n.meta.name.clone()));
            roots.insert(self.world.root(&crate::judge::pod::reference(pod)));
            owners.extend(pod.meta.owner.as_ref().map(|o| &o.uid));
        }
        let siblings = owners.into_iter().flat_map(|uid| self.world.pods_of(uid)).map(|(_, p)| p);
        let of_roots = roots.iter().flat_map(|root| pods_of(self.world, root));
        let evicted = siblings.chain(of_roots).filter(|p| &*p.reason == "Evicted" && !p.node.is_empty());
        out.extend(evicted.map(|p| p.node.clone()));
        out
    }

    /// GPUs that went: what runs the driver on these nodes explains the nodes, and the nodes explain who waits for GPUs.
    fn by_gpu(&self, i: usize) -> Option<usize> {
        let f = &self.findings[i];
        let vanished = self.findings.iter().position(|g| &*g.cause == "gpu.vanished")?;
        // A plugin that fails for a reason of its own takes the GPUs of the nodes it does not run on.
        let own = |j: usize| self.findings[j].evidence.iter().any(|e| &*e.source == "cause");
        let plugin = |j: &usize| &*self.findings[*j].cause == "gpu.plugin" && own(*j);
        if plugin(&i) {
            return None;
        }
        if vanished == i {
            let lost: BTreeSet<&Text> =
                self.objects[i].iter().filter(|o| o.kind == Kind::Node).map(|o| &o.name).collect();
            let without = |j: &usize| {
                let nodes: BTreeSet<&Text> = self.pods(*j).map(|p| &p.node).collect();
                lost.is_subset(&nodes)
            };
            return self.others(i).filter(plugin).find(without);
        }
        let starts_with_gpu = matches!(&*f.cause, "gpu.plugin" | "gpu.exporter-down" | "gpu.driver-mismatch");
        let short = &*f.cause == "schedule.insufficient" && f.title.contains("gpu")
            || &*f.cause == "pod.rejected" && f.evidence.iter().any(|e| e.quote.contains("gpu"));
        let drift = &*f.cause == "gpu.driver-drift" || &*f.cause == "gpu.vanished";
        (vanished != i && (starts_with_gpu || short || drift)).then_some(vanished)
    }

    fn pods(&self, i: usize) -> impl Iterator<Item = &Pod> {
        let pods = self.objects[i].iter().filter(|o| o.kind == Kind::Pod);
        pods.filter_map(|o| self.world.pods.find(&o.namespace, &o.name))
    }

    fn node(name: &Text) -> ObjectRef {
        ObjectRef::new(Kind::Node, "", name.clone())
    }
}

/// Whether a workload's name holds a telling word of a driver's or plugin's: `ebs.csi.aws.com` and `ebs-csi-controller`.
fn speaks_of(driver: &str, workload: &str) -> bool {
    const COMMON: &[&str] = &[
        "csi",
        "cni",
        "com",
        "io",
        "org",
        "net",
        "k8s",
        "kubernetes",
        "storage",
        "cluster",
        "external",
        "provisioner",
    ];
    let words = driver.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter(|w| w.len() > 1 && !COMMON.contains(w)).any(|w| workload.contains(w))
}
