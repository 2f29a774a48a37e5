//! The actions khud has, by name: what they do, to what, with which options. Menus, the palette and `do --list` read it.

use super::cx::Cx;
use super::run::{Job, Params};
use super::{cordon, drain, heap_dump, jvm, pods, rollback, workload};
use crate::world::{Kind, ObjectRef, World};

/// One option of an action.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spec {
    /// As typed after `--`; `image` is positional in `khud do set-image TARGET C=IMAGE`.
    pub name: &'static str,
    /// What the value is called in help; empty for a flag.
    pub value: &'static str,
    pub about: &'static str,
    pub required: bool,
}

/// One action.
pub struct Action {
    /// The name in `khud do NAME`.
    pub name: &'static str,
    /// As in a menu: `Roll back`.
    pub title: &'static str,
    pub about: &'static str,
    pub kinds: &'static [Kind],
    pub options: &'static [Spec],
    /// Takes something away that does not come back by itself; such plans are red.
    pub dangerous: bool,
    /// Of several objects one has its turn after the other: it takes capacity away or stands still meanwhile.
    pub in_turn: bool,
    pub(super) start: fn(Cx, ObjectRef, Params) -> Result<Job, String>,
}

impl std::fmt::Debug for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Action({})", self.name)
    }
}

const CONTAINER: Spec =
    Spec { name: "container", value: "NAME", about: "the container the JVM runs in", required: false };
const OUT: Spec =
    Spec { name: "out", value: "DIR", about: "where the file goes (default: here)", required: false };
const PID: Spec =
    Spec { name: "pid", value: "PID", about: "which JVM, where there are several", required: false };

static ACTIONS: &[Action] = &[
    Action {
        name: "rollback",
        title: "Roll back",
        about: "put the pod template of an earlier revision back",
        kinds: &[Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet],
        options: &[Spec {
            name: "to-revision",
            value: "N",
            about: "the revision to go back to (default: the one before)",
            required: false,
        }],
        dangerous: false,
        in_turn: false,
        start: rollback::start,
    },
    Action {
        name: "restart",
        title: "Restart",
        about: "replace all pods under the workload's own update strategy",
        kinds: &[Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet],
        options: &[],
        dangerous: false,
        in_turn: false,
        start: workload::restart,
    },
    Action {
        name: "pause",
        title: "Pause rollout",
        about: "hold a rollout where it stands",
        kinds: &[Kind::Deployment],
        options: &[],
        dangerous: false,
        in_turn: false,
        start: workload::pause,
    },
    Action {
        name: "resume",
        title: "Resume rollout",
        about: "let a paused rollout go on",
        kinds: &[Kind::Deployment],
        options: &[],
        dangerous: false,
        in_turn: false,
        start: workload::resume,
    },
    Action {
        name: "scale",
        title: "Scale",
        about: "change the number of pods",
        kinds: &[Kind::Deployment, Kind::StatefulSet, Kind::ReplicaSet],
        options: &[Spec { name: "replicas", value: "N", about: "how many pods", required: true }],
        dangerous: false,
        in_turn: false,
        start: workload::scale,
    },
    Action {
        name: "set-image",
        title: "Set image",
        about: "run another image",
        kinds: &[Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet],
        options: &[Spec { name: "image", value: "C=IMAGE", about: "container and image", required: true }],
        dangerous: false,
        in_turn: false,
        start: workload::set_image,
    },
    Action {
        name: "cordon",
        title: "Cordon",
        about: "keep new pods off a node",
        kinds: &[Kind::Node],
        options: &[],
        dangerous: false,
        in_turn: true,
        start: cordon::cordon,
    },
    Action {
        name: "uncordon",
        title: "Uncordon",
        about: "let a node take pods again",
        kinds: &[Kind::Node],
        options: &[],
        dangerous: false,
        in_turn: true,
        start: cordon::uncordon,
    },
    Action {
        name: "drain",
        title: "Drain",
        about: "cordon a node and evict its pods, within their disruption budgets",
        kinds: &[Kind::Node],
        options: &[
            Spec {
                name: "delete-emptydir-data",
                value: "",
                about: "also evict pods whose emptyDir is lost with them",
                required: false,
            },
            Spec {
                name: "force",
                value: "",
                about: "also evict pods no controller replaces",
                required: false,
            },
            Spec {
                name: "grace-period",
                value: "SECONDS",
                about: "how long each pod may take to end (default: its own)",
                required: false,
            },
        ],
        dangerous: true,
        in_turn: true,
        start: drain::start,
    },
    Action {
        name: "evict",
        title: "Evict",
        about: "ask the pod to go, within its disruption budget",
        kinds: &[Kind::Pod],
        options: &[],
        dangerous: false,
        in_turn: false,
        start: pods::evict,
    },
    Action {
        name: "delete",
        title: "Delete",
        about: "delete the pod, whatever its disruption budget says",
        kinds: &[Kind::Pod],
        options: &[],
        dangerous: true,
        in_turn: false,
        start: pods::delete,
    },
    Action {
        name: "heap-dump",
        title: "Heap dump",
        about: "dump a JVM's heap and bring the file here",
        kinds: &[Kind::Pod],
        options: &[
            CONTAINER,
            OUT,
            PID,
            Spec {
                name: "container-dir",
                value: "DIR",
                about: "where in the container it is written (default: /tmp)",
                required: false,
            },
            Spec {
                name: "leftover",
                value: "fetch|remove",
                about: "a dump an earlier run left in the container: bring it here, or remove it",
                required: false,
            },
            Spec {
                name: "all",
                value: "",
                about: "unreachable objects too, without a full GC first",
                required: false,
            },
            Spec {
                name: "force",
                value: "",
                about: "go on though disk or liveness probe speak against it",
                required: false,
            },
        ],
        dangerous: false,
        in_turn: true,
        start: heap_dump::start,
    },
    Action {
        name: "thread-dump",
        title: "Thread dump",
        about: "what a JVM's threads are doing, as a file",
        kinds: &[Kind::Pod],
        options: &[CONTAINER, OUT, PID],
        dangerous: false,
        in_turn: false,
        start: jvm::thread_dump,
    },
    Action {
        name: "class-histogram",
        title: "Class histogram",
        about: "what fills a JVM's heap, by class, as a file",
        kinds: &[Kind::Pod],
        options: &[
            CONTAINER,
            OUT,
            PID,
            Spec {
                name: "all",
                value: "",
                about: "unreachable objects too, without a full GC first",
                required: false,
            },
        ],
        dangerous: false,
        in_turn: true,
        start: jvm::class_histogram,
    },
];

/// Every action khud has.
pub fn catalogue() -> &'static [Action] {
    ACTIONS
}

pub fn action(name: &str) -> Option<&'static Action> {
    ACTIONS.iter().find(|a| a.name == name)
}

impl Action {
    /// Whether target and options fit.
    ///
    /// # Errors
    /// A sentence about what does not.
    pub fn check(&self, target: &ObjectRef, params: &Params) -> Result<(), String> {
        if !self.kinds.contains(&target.kind) {
            let kinds: Vec<String> = self.kinds.iter().map(|k| k.name().to_ascii_lowercase()).collect();
            return Err(format!("{} works on {}, not on {target}", self.name, kinds.join(", ")));
        }
        // They become part of a URL path.
        let fine = |t: &str| {
            !t.is_empty()
                && t.chars().all(|c| c.is_ascii_alphanumeric() || "-._:".contains(c))
                && t != "."
                && t != ".."
        };
        if !fine(&target.name) {
            return Err(format!("{:?} is not a name Kubernetes knows", &*target.name));
        }
        if target.kind.namespaced() && !fine(&target.namespace) {
            return Err(format!("{target} needs a namespace; add -n NAMESPACE"));
        }
        for name in params.keys() {
            if !self.options.iter().any(|o| o.name == name) {
                return Err(format!("{} has no option --{name}", self.name));
            }
        }
        for o in self.options.iter().filter(|o| o.required) {
            if !params.contains_key(o.name) {
                return Err(format!("{} needs --{} {}: {}", self.name, o.name, o.value, o.about));
            }
        }
        Ok(())
    }
}

/// The kubectl command that does the same; empty where kubectl has none.
pub fn kubectl(action: &str, target: &ObjectRef, params: &Params) -> String {
    let kind = target.kind.name().to_ascii_lowercase();
    let (name, namespace) = (&target.name, &target.namespace);
    let option = |o: &str| params.get(o).map_or("", String::as_str);
    let exec = |command: &str| {
        let container = params.get("container").map_or_else(String::new, |c| format!(" -c {c}"));
        format!("kubectl exec -n {namespace} {name}{container} -- {command}")
    };
    match action {
        "rollback" => {
            let to = params.get("to-revision").map_or_else(String::new, |n| format!(" --to-revision={n}"));
            format!("kubectl rollout undo {kind}/{name} -n {namespace}{to}")
        }
        "restart" | "pause" | "resume" => format!("kubectl rollout {action} {kind}/{name} -n {namespace}"),
        "scale" => format!("kubectl scale {kind}/{name} -n {namespace} --replicas={}", option("replicas")),
        "set-image" => format!("kubectl set image {kind}/{name} -n {namespace} {}", option("image")),
        "cordon" | "uncordon" => format!("kubectl {action} {name}"),
        "drain" => {
            let flag = |o: &str| {
                if params.get(o).is_some_and(|v| v != "false") { format!(" --{o}") } else { String::new() }
            };
            let grace =
                params.get("grace-period").map_or_else(String::new, |s| format!(" --grace-period={s}"));
            format!(
                "kubectl drain {name} --ignore-daemonsets{}{}{grace}",
                flag("delete-emptydir-data"),
                flag("force")
            )
        }
        "evict" => format!(
            "kubectl create --raw {}/eviction -f - <<<'{{\"apiVersion\":\"policy/v1\",\"kind\":\"Eviction\",\"metadata\":{{\"name\":\"{name}\"}}}}'",
            target.path()
        ),
        "delete" => format!("kubectl delete pod {name} -n {namespace}"),
        "heap-dump" => exec("jcmd 1 GC.heap_dump /tmp/heap.hprof"),
        "thread-dump" => exec("jcmd 1 Thread.print"),
        "class-histogram" => exec("jcmd 1 GC.class_histogram"),
        _ => String::new(),
    }
}

/// The actions for an object, with the object each would work on: its own, and those of the workload and node behind a
/// pod.
pub fn for_object(world: &World, object: &ObjectRef) -> Vec<(&'static Action, ObjectRef)> {
    let mut targets = vec![object.clone()];
    let root = world.root(object);
    if root != *object {
        targets.push(root);
    }
    if let Some(pod) = world.pods.find(&object.namespace, &object.name)
        && object.kind == Kind::Pod
        && !pod.node.is_empty()
    {
        targets.push(ObjectRef::new(Kind::Node, "", pod.node.clone()));
    }
    let fits = |t: &ObjectRef| {
        let t = t.clone();
        ACTIONS.iter().filter(move |a| a.kinds.contains(&t.kind))
    };
    targets.iter().flat_map(|t| fits(t).map(|a| (a, t.clone()))).collect()
}

/// The actions that fit a cause best, first the one to try first. Findings and verdicts without remedies of their own
/// use it; what the object does not support is left out.
pub fn for_cause(world: &World, cause: &str, object: &ObjectRef) -> Vec<(&'static Action, ObjectRef)> {
    let names: &[&str] = match cause {
        c if c.starts_with("image.") => &["rollback", "set-image", "pause"],
        "crash.oom-limit"
        | "crash.oom-heap"
        | "memory.leak"
        | "memory.near-limit"
        | "jvm.unbounded-cache" => &["class-histogram", "heap-dump", "thread-dump", "restart", "rollback"],
        "jvm.lock-contention" | "pool.exhausted" => &["thread-dump", "restart"],
        c if c.starts_with("crash.") || c.starts_with("container.") => &["rollback", "restart", "pause"],
        c if c.starts_with("config.") => &["rollback", "restart"],
        c if c.starts_with("ready.") => &["rollback", "thread-dump", "restart", "delete"],
        "schedule.cordoned" => &["uncordon"],
        c if c.starts_with("schedule.") || c.starts_with("quota.") => &["scale", "rollback"],
        c if c.starts_with("rollout.paused") => &["resume", "rollback"],
        c if c.starts_with("rollout.") => &["rollback", "pause", "set-image"],
        c if c.starts_with("gpu.") && !c.contains("memory") => &["cordon", "drain"],
        c if c.starts_with("gpu.") => &["restart", "evict"],
        c if c.starts_with("node.") || c.starts_with("runtime.") || c.starts_with("sandbox.") => {
            &["cordon", "drain"]
        }
        c if c.starts_with("proxy.") => &["delete", "cordon"],
        _ => &[],
    };
    let all = for_object(world, object);
    names
        .iter()
        .filter_map(|n| all.iter().find(|(a, _)| a.name == *n).map(|(a, t)| (*a, t.clone())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_checked_before_anything_is_asked() {
        let node = ObjectRef::new(Kind::Node, "", "n1");
        let deployment = ObjectRef::new(Kind::Deployment, "prod", "api");
        let rollback = action("rollback").unwrap();
        assert!(rollback.check(&deployment, &Params::new()).is_ok());
        assert_eq!(
            rollback.check(&node, &Params::new()).unwrap_err(),
            "rollback works on deployment, statefulset, daemonset, not on node n1"
        );
        let odd = Params::from([("bogus".to_owned(), String::new())]);
        assert_eq!(rollback.check(&deployment, &odd).unwrap_err(), "rollback has no option --bogus");
        let evil = ObjectRef::new(Kind::Deployment, "prod", "../../nodes/n1?x=");
        assert!(rollback.check(&evil, &Params::new()).is_err());
        assert!(
            action("scale").unwrap().check(&deployment, &Params::new()).unwrap_err().contains("--replicas N")
        );
    }
}
