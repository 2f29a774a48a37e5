//! The evidence that a node can ask for: its name, the variables it binds, and what fetching it costs.

use super::expr::Expr;

/// The effect of fetching evidence on the cluster.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Cost {
    /// khud watches it already.
    Free,
    /// GET requests and access reviews; a walk sends them by itself.
    Read,
    /// A command in a container; a walk runs it only when it is allowed.
    Intrusive,
}

impl Cost {
    /// The word in documentation.
    pub fn as_str(self) -> &'static str {
        match self {
            Cost::Free => "free",
            Cost::Read => "read",
            Cost::Intrusive => "intrusive",
        }
    }
}

/// Evidence a node needs. Most are a variable of the same name; see [`Need::variables`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Need {
    Pod,
    Events,
    Owner,
    Node,
    Services,
    Claims,
    Logs,
    Rollout,
    Classes,
    /// Any object of a kind that rules may be about, under the names such rules use.
    Object,
    /// A cordoned node that a pod without a node could go to.
    Cordoned,
    /// A Service asked about.
    Service,
    /// A PersistentVolumeClaim asked about.
    Claim,
    /// The GPU device plugin on a node, with its log.
    Plugin,
    /// The usage of a pod against its limits and its node.
    Usage,
    /// The cluster's DNS: its Service and its pods.
    Dns,
    /// kube-proxy on the pod's node, as its own pages and its pod describe it.
    Proxy,
    /// The logs of the kubelet and the container runtime, by the kubelet's log query.
    NodeLog,
    /// The pods of a StatefulSet by ordinal and revision.
    Replicas,
    /// The nodes that a DaemonSet reaches, and those it does not.
    Reach,
    /// An Ingress with its class, paths and certificates.
    Ingress,
    /// The quotas of a namespace.
    Quotas,
    /// The pods that make volumes for a claim's class.
    Provisioner,
    /// The right that the API server refused in the judge's evidence, asked again as that user.
    Right,
    /// The Service and pods behind an extension of the API server.
    Backend,
    /// The pods that work together with a pod, by how often they ended.
    Peers,
    /// The stake of a node: its pods, the work they would lose, and the room of other nodes.
    Stake,
    /// A command in the blamed container.
    Exec(Vec<String>),
    /// A name looked up in the blamed container.
    Lookup(Expr),
    /// A name looked up in one pod on each of several nodes.
    Lookups(Expr),
    /// A connection from the blamed container to `host:port`.
    Connect(Expr),
}

impl Need {
    /// The needs that a file may name in `needs`.
    pub const ALL: &'static [(&'static str, Need)] = &[
        ("pod", Need::Pod),
        ("events", Need::Events),
        ("owner", Need::Owner),
        ("node", Need::Node),
        ("services", Need::Services),
        ("claims", Need::Claims),
        ("logs", Need::Logs),
        ("rollout", Need::Rollout),
        ("classes", Need::Classes),
        ("object", Need::Object),
        ("cordoned", Need::Cordoned),
        ("service", Need::Service),
        ("claim", Need::Claim),
        ("plugin", Need::Plugin),
        ("usage", Need::Usage),
        ("dns", Need::Dns),
        ("proxy", Need::Proxy),
        ("node_log", Need::NodeLog),
        ("right", Need::Right),
        ("replicas", Need::Replicas),
        ("reach", Need::Reach),
        ("ingress", Need::Ingress),
        ("quotas", Need::Quotas),
        ("provisioner", Need::Provisioner),
        ("backend", Need::Backend),
        ("peers", Need::Peers),
        ("stake", Need::Stake),
    ];

    /// The need that binds a variable; `None` for one that only a command can bind.
    pub fn of_variable(name: &str) -> Option<&'static Need> {
        Need::ALL.iter().map(|(_, need)| need).find(|need| need.variables().contains(&name))
    }

    /// The variables it binds.
    pub fn variables(&self) -> &'static [&'static str] {
        match self {
            Need::Pod => &["pod", "container"],
            Need::Events => &["events", "probe"],
            Need::Owner => &["owner"],
            Need::Node => &["node"],
            Need::Services => &["services"],
            Need::Claims => &["claims"],
            Need::Logs => &["log"],
            Need::Rollout => &["rollout"],
            Need::Classes => &["classes"],
            Need::Object => &["object"],
            Need::Cordoned => &["cordoned"],
            Need::Service => &["service"],
            Need::Claim => &["claim"],
            Need::Plugin => &["plugin"],
            Need::Usage => &["usage"],
            Need::Dns => &["dns"],
            Need::Proxy => &["proxy"],
            Need::NodeLog => &["node_log"],
            Need::Right => &["right"],
            Need::Replicas => &["replicas"],
            Need::Reach => &["reach"],
            Need::Ingress => &["ingress"],
            Need::Quotas => &["quotas"],
            Need::Provisioner => &["provisioner"],
            Need::Backend => &["backend"],
            Need::Peers => &["peers"],
            Need::Stake => &["stake"],
            Need::Exec(_) => &["output"],
            Need::Lookup(_) => &["lookup"],
            Need::Lookups(_) => &["lookups"],
            Need::Connect(_) => &["connection"],
        }
    }

    /// Its name in a recording: unlike any other need's of the same tree.
    pub fn key(&self) -> String {
        match self {
            Need::Exec(words) => format!("exec {}", words.join(" ")),
            Need::Lookup(e) => format!("lookup {}", e.source),
            Need::Lookups(e) => format!("lookups {}", e.source),
            Need::Connect(e) => format!("connect {}", e.source),
            plain => Need::ALL.iter().find(|(_, n)| n == plain).map_or("", |(name, _)| name).to_owned(),
        }
    }

    /// The cost of fetching it.
    pub fn cost(&self) -> Cost {
        match self {
            Need::Logs | Need::Plugin | Need::Classes | Need::NodeLog | Need::Right => Cost::Read,
            Need::Exec(_) | Need::Lookup(_) | Need::Lookups(_) | Need::Connect(_) => Cost::Intrusive,
            _ => Cost::Free,
        }
    }

    /// The expression that says what a probe is aimed at.
    pub fn target(&self) -> Option<&Expr> {
        match self {
            Need::Lookup(e) | Need::Lookups(e) | Need::Connect(e) => Some(e),
            _ => None,
        }
    }
}
