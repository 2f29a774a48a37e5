//! The cases of the shipped trees, `assets/playbooks/*.cases.yaml`: every leaf has one, and its evidence is what the
//! captures, the scenarios of the embedded cluster and the scenes of `cases.rs` bring.
//!
//! `KHUD_WRITE=1 cargo test --test judge recorded` records them all anew; read the difference before you commit it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::sites::{self, QUIET, Site};
use crate::support::drill::Drill;
use crate::support::scene::Scene;
use khud::playbook::cases::{Case, Cases};
use khud::playbook::{Intrusive, Library, Playbook, Walk, library, lint, lint_cases};
use khud::remedy;
use khud::world::{Kind, ObjectRef};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/playbooks").join(name)
}

/// What an operator answers about a pod that is up and ready.
const TOLD: &[&[(&str, &str)]] = &[
    &[("working", "yes"), ("performance", "yes"), ("sporadic", "yes")],
    &[("working", "yes"), ("performance", "yes"), ("sporadic", "no")],
    &[("working", "yes"), ("performance", "no"), ("bottleneck", "cpu")],
    &[("working", "yes"), ("performance", "no"), ("bottleneck", "memory")],
    &[("working", "yes"), ("performance", "no"), ("bottleneck", "network")],
    &[("working", "yes"), ("performance", "no"), ("bottleneck", "unknown")],
    &[("working", "no"), ("connectivity", "yes")],
    &[("working", "no"), ("connectivity", "no")],
];

/// The walks over a site that show something new of a tree: a leaf that no case had, or a branch.
struct Recorder {
    library: Arc<Library>,
    seen: BTreeSet<(String, String)>,
    cases: BTreeMap<String, Vec<Case>>,
}

impl Recorder {
    fn new() -> Recorder {
        let library = Arc::new(Library::embedded().unwrap());
        Recorder { library, seen: BTreeSet::new(), cases: BTreeMap::new() }
    }

    fn take(&mut self, walk: &Walk, from: &str) {
        if walk.unknown().iter().any(|u| u.why.contains("not captured")) {
            return;
        }
        // A tree asked about an object of another kind shows only its leaf: that of the judge's cause.
        let astray = walk.steps().first().is_some_and(|s| s.answer == "unknown");
        let mut case = Case::of(walk, "", from);
        let own = |id: &&String| !id.contains('/');
        let mut shows: Vec<String> = case.path.iter().filter(|id| !astray && own(id)).cloned().collect();
        if !case.leaf.is_empty() && !case.leaf.contains('/') {
            shows.push(format!("leaf {}", case.leaf));
        }
        let book = walk.playbook.to_string();
        let mut new = false;
        for what in shows {
            // What a `case` of CEL gives may be any cause: its leaf tells it apart.
            let by_cause = what.contains('=') && what.rsplit('=').next().is_some_and(|a| a.contains('.'));
            new |= !by_cause && self.seen.insert((book.clone(), what));
        }
        if new {
            let title = walk.verdict().map_or("nothing is proved", |v| v.title.as_str());
            case.name = format!("{}: {title}", walk.object);
            self.cases.entry(book).or_default().push(case);
        }
    }

    fn site(&mut self, site: &Site<'_>, all: bool) {
        for (book, object) in site.objects(&self.library, all) {
            let walk = site.walk(&self.library, &book, object.clone(), &[], Intrusive::NotAllowed);
            self.take(&walk, &site.from);
        }
    }

    /// A healthy pod about which somebody complains.
    fn told(&mut self, site: &Site<'_>, namespace: &str, pod: &str) {
        let book = self.library.get("pod").unwrap().clone();
        for answers in TOLD {
            let object = ObjectRef::new(Kind::Pod, namespace, pod);
            let walk = site.walk(&self.library, &book, object, answers, Intrusive::NotAllowed);
            self.take(&walk, &site.from);
        }
    }

    fn without_machines(&mut self) {
        for site in &sites::capture_sites() {
            self.site(site, true);
        }
        let gpu = self.library.get("gpu").unwrap().clone();
        let captured = &sites::capture_sites()[0];
        let node = ObjectRef::new(Kind::Node, "", "gpu-worker-042");
        let walk = captured.walk(&self.library, &gpu, node, &[], Intrusive::NotAllowed);
        self.take(&walk, &captured.from);
    }

    fn scenes(&mut self) {
        for site in &sites::scene_sites() {
            self.site(site, true);
        }
        for (name, edit) in QUIET {
            let mut scene = Scene::new();
            edit(&mut scene);
            let site = sites::scene_site(format!("scene: {name}"), scene);
            self.site(&site, true);
            self.told(&site, "prod", "web-1-abc");
            let object = self.library.get("object").unwrap().clone();
            let widget = ObjectRef::new(Kind::Other("Widget".into()), "prod", "w");
            let walk = site.walk(&self.library, &object, widget, &[], Intrusive::NotAllowed);
            self.take(&walk, &site.from);
        }
    }

    fn variants(&mut self) {
        let dir = tempfile::tempdir().unwrap();
        for (title, more) in DNS {
            let file = dir.path().join("dns.yaml");
            std::fs::write(&file, dns_scenario(title, more)).unwrap();
            self.scenario(file.to_str().unwrap(), title, &[240]);
        }
        for (text, moments) in VARIANTS {
            let file = dir.path().join("variant.yaml");
            std::fs::write(&file, text).unwrap();
            let title = text.split('"').nth(1).unwrap();
            self.scenario(file.to_str().unwrap(), title, moments);
        }
    }

    fn scenario(&mut self, file: &str, name: &str, moments: &[u64]) {
        let drill = Drill::start(file);
        let mut passed = 0;
        for seconds in moments {
            drill.pass(seconds - passed);
            passed = *seconds;
            let site = sites::scenario_site(&drill, name, *seconds);
            self.site(&site, false);
            // Commands run as well, where they say more than the judge.
            for (book, object) in site.objects(&self.library, false) {
                let probed = ["pod", "dns"].contains(&book.id.as_str());
                if probed && site.detector.of(&object).is_some() {
                    let walk = site.walk(&self.library, &book, object.clone(), &[], Intrusive::Allowed);
                    self.take(&walk, &site.from);
                    let dns = self.library.get("dns").unwrap().clone();
                    let walk = site.walk(&self.library, &dns, object, &[], Intrusive::Allowed);
                    self.take(&walk, &site.from);
                }
            }
        }
    }
}

/// Variants of `dns-partial` in which every node has a pod with tools, for the faults of the DNS tree.
const DNS: &[(&str, &str)] = &[
    ("a firewall drops DNS on two nodes, every node has tools", ""),
    (
        "UDP to DNS is dropped without a trace",
        "steps: [{at: 20s, note: the log is cut, node: [{match: worker-002, log: \"\"}, {match: worker-005, log: \"\"}]}]\n",
    ),
    (
        "UDP to DNS is dropped, and a policy lets nobody ask it over TCP",
        "  - {apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: dns, namespace: kube-system}, spec: {podSelector: {matchLabels: {app: coredns}}, ingress: [{ports: [{port: 53, protocol: UDP}]}]}}\nsteps: [{at: 20s, note: the log is cut, node: [{match: worker-002, log: \"\"}, {match: worker-005, log: \"\"}]}]\n",
    ),
    (
        "kube-proxy of the nodes that find no DNS crashes",
        "containers:\n  - {match: {pod: \"kube-proxy-*\", node: worker-002}, exit: {after: 5s, code: 1}}\n  - {match: {pod: \"kube-proxy-*\", node: worker-005}, exit: {after: 5s, code: 1}}\n",
    ),
    (
        "CoreDNS is overloaded and answers nobody",
        "containers:\n  - {match: {pod: \"coredns-*\"}, exit: {after: 100s, code: 137}}\nsteps: [{at: 20s, note: nobody gets an answer, node: [{match: \"*\", dns: false}]}]\n",
    ),
];

fn dns_scenario(title: &str, more: &str) -> String {
    format!(
        r#"title: "{title}"
extends: dns-partial
objects:
  - apiVersion: apps/v1
    kind: DaemonSet
    metadata: {{name: tools, namespace: production}}
    spec:
      selector: {{matchLabels: {{app: tools}}}}
      template:
        metadata: {{labels: {{app: tools}}}}
        spec: {{containers: [{{name: tools, image: "registry.acme.io/ops/tools:1"}}]}}
{more}"#
    )
}

/// What no built-in scenario shows, each with its moments.
const VARIANTS: &[(&str, &[u64])] = &[(RIGHT_GIVEN, &[214, 225]), (BAD_REVISION, &[100]), (AGENTS, &[120])];

/// A StatefulSet's bad image is taken back, and the broken pod stays; another one is held by its partition.
const BAD_REVISION: &str = r#"title: "A StatefulSet waits for a pod of a revision that was taken back"
extends: small
images:
  - {match: "registry.acme.io/shop/db:*", tags: [v1]}
objects:
  - apiVersion: apps/v1
    kind: StatefulSet
    metadata: {name: db, namespace: production}
    spec:
      serviceName: db
      replicas: 3
      selector: {matchLabels: {app: db}}
      template:
        metadata: {labels: {app: db}}
        spec: {containers: [{name: db, image: "registry.acme.io/shop/db:v1"}]}
  - apiVersion: apps/v1
    kind: StatefulSet
    metadata: {name: kv, namespace: production}
    spec:
      serviceName: kv
      replicas: 3
      updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: 2}}
      selector: {matchLabels: {app: kv}}
      template:
        metadata: {labels: {app: kv}}
        spec: {containers: [{name: kv, image: "registry.acme.io/shop/kv:v1"}]}
steps:
  - at: 5s
    note: db v2 was never pushed; kv v2 goes to the last ordinal only
    setImage: {object: statefulset/production/db, container: db, image: "registry.acme.io/shop/db:v2"}
  - at: 6s
    note: kv v2
    setImage: {object: statefulset/production/kv, container: kv, image: "registry.acme.io/shop/kv:v2"}
  - at: 40s
    note: the template of db is put back
    setImage: {object: statefulset/production/db, container: db, image: "registry.acme.io/shop/db:v1"}
"#;

/// DaemonSets that a taint or their own selector keep from nodes.
const AGENTS: &str = r#"title: "DaemonSets that do not reach every node"
extends: small
objects:
  - apiVersion: apps/v1
    kind: DaemonSet
    metadata: {name: log-agent, namespace: production}
    spec:
      selector: {matchLabels: {app: log-agent}}
      template:
        metadata: {labels: {app: log-agent}}
        spec: {containers: [{name: agent, image: "registry.acme.io/ops/log-agent:1"}]}
  - apiVersion: apps/v1
    kind: DaemonSet
    metadata: {name: west, namespace: production}
    spec:
      selector: {matchLabels: {app: west}}
      template:
        metadata: {labels: {app: west}}
        spec:
          nodeSelector: {topology.kubernetes.io/zone: us-west-2a}
          tolerations: [{operator: Exists}]
          containers: [{name: agent, image: "registry.acme.io/ops/west:1"}]
"#;

/// The right that a workload was refused is given to it while it runs.
const RIGHT_GIVEN: &str = r#"title: "A right is given to a workload that was refused it"
extends: rbac-restricted
steps:
  - at: 215s
    note: its service account may list secrets
    apply:
      - {apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: reporter, namespace: production}, rules: [{apiGroups: [""], resources: [secrets], verbs: [list]}]}
      - {apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: reporter, namespace: production}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reporter}, subjects: [{kind: ServiceAccount, name: reporter, namespace: production}]}
"#;

/// Scenarios and the moments at which each shows its fault.
const PLAYED: &[(&str, &[u64])] = &[
    ("dns-partial", &[240]),
    ("connectivity", &[240]),
    ("failed-deployment", &[240]),
    ("crashloop-oom", &[240]),
    ("kube-proxy-cycling", &[240]),
    ("gpu-vanished", &[240]),
    ("runtime-crashloop", &[240]),
    ("model-loading", &[240]),
    ("namespace-bleed", &[240]),
    ("quota-exhausted", &[240]),
    ("pending-everything", &[240]),
    ("storage", &[240]),
    ("dead-provisioner", &[240]),
    ("upgrade", &[240]),
    ("webhook-dead", &[240]),
    ("hung-collective", &[240]),
    ("job-trouble", &[240]),
];

fn recorded(book: &Playbook) -> Cases {
    Cases::of(&file(&book.file)).unwrap()
}

fn shipped() -> (Arc<Library>, Vec<Arc<Playbook>>) {
    let library = Arc::new(Library::embedded().unwrap());
    let books = library::EMBEDDED.iter().map(|(file, text)| Arc::new(Playbook::parse(text, file).unwrap()));
    (library.clone(), books.collect())
}

#[test]
fn every_case_of_every_shipped_tree_ends_as_written() {
    if std::env::var_os("KHUD_WRITE").is_some() {
        record();
    }
    let (library, books) = shipped();
    let actions: BTreeMap<&str, Vec<&str>> =
        remedy::catalogue().iter().map(|a| (a.name, a.options.iter().map(|o| o.name).collect())).collect();
    let mut wrong = Vec::new();
    for book in &books {
        let cases = recorded(book);
        let say = |p: khud::playbook::Problem| format!("{}: {p}", book.file);
        wrong.extend(cases.test(book, &library).into_iter().map(say));
        wrong.extend(lint(book, &actions, &library).into_iter().map(say));
        wrong.extend(lint_cases(book, &cases, &library).into_iter().map(say));
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn record() {
    let mut recorder = Recorder::new();
    recorder.without_machines();
    for (name, moments) in PLAYED {
        recorder.scenario(name, name, moments);
    }
    recorder.variants();
    recorder.scenes();
    for (name, _) in library::EMBEDDED {
        let id = name.trim_end_matches(".yaml");
        let cases = recorder.cases.remove(id).unwrap_or_default();
        let head = format!(
            "# Cases of {name}: recorded evidence, and the way and the verdict that the tree comes to with it.\n# `KHUD_WRITE=1 cargo test --test judge recorded` records them anew.\n"
        );
        let text = cases.iter().fold(head, |text, case| text + &case.yaml());
        std::fs::write(file(name).with_extension("cases.yaml"), text).unwrap();
    }
}

/// Evidence from the captures and the scenes is read again: a case holds what khud would say today.
#[test]
fn recorded_evidence_is_what_khud_reads_today() {
    let mut recorder = Recorder::new();
    recorder.without_machines();
    recorder.scenes();
    let mut stale = Vec::new();
    let (_, books) = shipped();
    for book in &books {
        let now = recorder.cases.remove(&book.id).unwrap_or_default();
        for (_, case) in recorded(book).cases {
            if case.from.starts_with("scenario") {
                continue;
            }
            let same =
                |c: &&Case| c.from == case.from && c.object == case.object && c.answers == case.answers;
            match now.iter().find(same) {
                Some(today) if *today == case => {}
                _ => stale.push(format!("{}: {} ({})", book.id, case.name, case.from)),
            }
        }
    }
    assert!(stale.is_empty(), "record again with KHUD_WRITE=1: {stale:#?}");
}
