//! What an action declares of itself, and the actions by name, object and cause.

use super::actions;
use super::cx::Cx;
use super::plan::Impact;
use super::run::{Job, Params};
use super::words;
use crate::world::{Kind, ObjectRef, World};

/// One option of an action. Menus, `do --list`, clap and the completions read it.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// As typed after `--`; words have no name on the command line (`khud do set-image TARGET C=IMAGE`).
    pub name: &'static str,
    /// The letter of its short form.
    pub short: Option<char>,
    /// What the value is called in help; empty for a flag.
    pub value: &'static str,
    pub about: &'static str,
    pub required: bool,
    /// May be given several times; the values are lines.
    pub many: bool,
    /// Takes the words after the target; an action has at most one such option.
    pub words: bool,
    /// The cockpit asks for it, together with the others that are so, on one line.
    pub asked: bool,
    /// A `NAME=VALUE` of it may hold a secret: where the name says so, the value is never shown or written down.
    pub secret: bool,
    /// The value that the cockpit proposes for an object where it asks.
    pub suggest: Option<Suggest>,
}

/// Proposes the value of an option for an object.
pub type Suggest = fn(&World, &ObjectRef) -> Option<String>;

impl Spec {
    /// A flag.
    pub const fn flag(name: &'static str, about: &'static str) -> Spec {
        Spec::value(name, "", about)
    }

    /// An option with a value.
    pub const fn value(name: &'static str, value: &'static str, about: &'static str) -> Spec {
        Spec {
            name,
            short: None,
            value,
            about,
            required: false,
            many: false,
            words: false,
            asked: false,
            secret: false,
            suggest: None,
        }
    }

    /// The words behind the target.
    pub const fn words(name: &'static str, value: &'static str, about: &'static str) -> Spec {
        Spec { words: true, ..Spec::value(name, value, about) }
    }

    pub const fn required(self) -> Spec {
        Spec { required: true, ..self }
    }

    pub const fn many(self) -> Spec {
        Spec { many: true, ..self }
    }

    pub const fn short(self, short: char) -> Spec {
        Spec { short: Some(short), ..self }
    }

    pub const fn asked(self) -> Spec {
        Spec { asked: true, ..self }
    }

    pub const fn suggested(self, suggest: Suggest) -> Spec {
        Spec { suggest: Some(suggest), ..self }
    }

    pub const fn secret(self) -> Spec {
        Spec { secret: true, ..self }
    }

    /// As it is typed: `--replicas N`, `C=IMAGE`.
    pub fn usage(&self) -> String {
        match (self.words, self.value) {
            (true, value) => value.to_owned(),
            (false, "") => format!("--{}", self.name),
            (false, value) => format!("--{} {value}", self.name),
        }
    }
}

/// Something the operator has to be allowed, as a SelfSubjectAccessReview asks it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Right {
    pub verb: &'static str,
    /// `None`: the target itself. A kind: objects of it in the target's namespace, in all where it has none.
    pub kind: Option<&'static Kind>,
    /// Empty for the object itself.
    pub subresource: &'static str,
}

impl Right {
    /// A verb on the target.
    pub const fn on_target(verb: &'static str) -> Right {
        Right { verb, kind: None, subresource: "" }
    }

    pub const fn sub(self, subresource: &'static str) -> Right {
        Right { subresource, ..self }
    }

    /// The namespace and the name that it is asked for; empty: all.
    pub fn place<'t>(&self, target: &'t ObjectRef) -> (&'t str, &'t str) {
        (&target.namespace, if self.kind.is_none() { &target.name } else { "" })
    }

    /// In words, on objects of that kind: `create pods/eviction`.
    pub fn of(&self, kind: &Kind) -> String {
        match self.subresource {
            "" => format!("{} {}", self.verb, kind.plural()),
            sub => format!("{} {}/{sub}", self.verb, kind.plural()),
        }
    }
}

/// One action: all that is particular to it. Each is a file in `actions/`.
pub struct Action {
    /// The name in `khud do NAME`.
    pub name: &'static str,
    /// As in a menu: `Roll back`.
    pub title: &'static str,
    pub about: &'static str,
    /// Empty: every kind that the server serves.
    pub kinds: &'static [Kind],
    pub options: &'static [Spec],
    /// What the operator has to be allowed. The menu greys the action by them, and every plan asks for each.
    pub rights: &'static [Right],
    /// The causes it fits: a cause or the beginning of one, with its place among the actions that fit (1 is first).
    pub causes: &'static [(&'static str, u8)],
    /// Takes something away that does not come back by itself; such plans are red.
    pub dangerous: bool,
    /// Runs on one object at a time, because each run removes capacity or stops a process.
    pub sequential: bool,
    /// The kinds on which it is proposed for a cause; empty: every kind it works on. The menu offers it on all of them.
    pub remedy_for: &'static [Kind],
    /// No menu offers it: what it works on is gone, as a rule, and cannot be selected.
    pub typed_only: bool,
    /// The kubectl command that does the same; empty where kubectl has none.
    pub kubectl: fn(&ObjectRef, &Params) -> String,
    /// What it does to several objects that no plan for one of them can tell.
    pub combined: fn(&World, &[ObjectRef]) -> Vec<Impact>,
    pub(super) start: fn(Cx, ObjectRef, Params) -> Result<Job, String>,
}

impl Action {
    /// An action on every kind, of which nothing particular is known: a declaration names what differs.
    pub(super) const fn new(
        name: &'static str,
        start: fn(Cx, ObjectRef, Params) -> Result<Job, String>,
    ) -> Action {
        Action {
            name,
            title: "",
            about: "",
            kinds: &[],
            options: &[],
            rights: &[],
            causes: &[],
            dangerous: false,
            sequential: false,
            remedy_for: &[],
            typed_only: false,
            kubectl: |_, _| String::new(),
            combined: |_, _| Vec::new(),
            start,
        }
    }
}

impl PartialEq for Action {
    /// Names are unique.
    fn eq(&self, other: &Action) -> bool {
        self.name == other.name
    }
}

impl std::fmt::Debug for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Action({})", self.name)
    }
}

/// Every action khud has.
pub fn catalogue() -> &'static [&'static Action] {
    actions::ALL
}

/// Actions on the cluster as a whole: they take no target, and no menu of an object has them.
pub fn cluster_wide() -> &'static [&'static Action] {
    actions::CLUSTER_WIDE
}

pub fn action(name: &str) -> Option<&'static Action> {
    actions::ALL.iter().chain(actions::CLUSTER_WIDE).copied().find(|a| a.name == name)
}

/// The object that stands for the cluster where an action takes no target: the namespace whose UID is the cluster's.
pub fn the_cluster() -> ObjectRef {
    ObjectRef::new(Kind::Namespace, "", "kube-system")
}

impl Action {
    /// Whether it works on the cluster as a whole and takes no target.
    pub fn is_cluster_wide(&self) -> bool {
        actions::CLUSTER_WIDE.contains(&self)
    }

    /// Whether it needs no cluster at all.
    pub fn is_offline(&self) -> bool {
        actions::OFFLINE.contains(&self)
    }

    /// Whether it writes a state file, from which a stopped run goes on.
    pub fn is_resumable(&self) -> bool {
        self.options.iter().any(|o| o.name == "state")
    }

    /// Whether it works on objects of that kind.
    pub fn works_on(&self, kind: &Kind) -> bool {
        match self.kinds {
            [] => !kind.plural().is_empty() && *kind != Kind::Event,
            kinds => kinds.contains(kind),
        }
    }

    /// Its kinds in words: `deployment, statefulset`, or `any kind`.
    pub fn kinds_in_words(&self) -> String {
        match self.kinds {
            _ if self.is_cluster_wide() => "no target".to_owned(),
            [] => "any kind".to_owned(),
            kinds => kinds.iter().map(|k| k.name().to_ascii_lowercase()).collect::<Vec<_>>().join(", "),
        }
    }

    /// The options as they may be shown and written down: without values that a name calls secret.
    pub fn shown(&self, params: &Params) -> Params {
        let secret = |name: &str| self.options.iter().any(|o| o.name == name && o.secret);
        let shown = params.iter().map(|(name, value)| match secret(name) {
            true => (name.clone(), words::shown(value)),
            false => (name.clone(), value.clone()),
        });
        shown.collect()
    }

    /// Whether target and options fit.
    ///
    /// # Errors
    /// A sentence about what does not.
    pub fn check(&self, target: &ObjectRef, params: &Params) -> Result<(), String> {
        if !self.works_on(&target.kind) {
            return Err(format!("{} works on {}, not on {target}", self.name, self.kinds_in_words()));
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
                return Err(format!("{} needs {}: {}", self.name, o.usage(), o.about));
            }
        }
        Ok(())
    }

    /// How well it fits a cause: how much of the cause it names, and its place. `None` where it does not fit.
    fn fit(&self, cause: &str) -> Option<(usize, u8)> {
        let named = self.causes.iter().filter(|(named, _)| fits(named, cause));
        named.map(|(named, place)| (named.len(), *place)).max_by_key(|(length, _)| *length)
    }
}

/// `crash.` fits every cause of that family, `crash.oom` those that begin with it.
fn fits(named: &str, cause: &str) -> bool {
    cause.starts_with(named)
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
    // An action for every kind is offered on the object alone; otherwise a pod's menu would hold it three times. So is
    // one that cures nothing and works on the object.
    let fits = |t: &ObjectRef| {
        let (t, own, kind) = (t.clone(), t == object, &object.kind);
        let again = move |a: &Action| !a.kinds.is_empty() && (!a.causes.is_empty() || !a.works_on(kind));
        let offered = actions::ALL.iter().copied().filter(|a| !a.typed_only);
        offered.filter(move |a| a.works_on(&t.kind) && (own || again(a)))
    };
    targets.iter().flat_map(|t| fits(t).map(|a| (a, t.clone()))).collect()
}

/// The actions that fit a cause best, first the one to try first. Findings and verdicts without remedies of their own
/// use it; what the object does not support is left out.
pub fn for_cause(world: &World, cause: &str, object: &ObjectRef) -> Vec<(&'static Action, ObjectRef)> {
    // Those that name most of the cause know it; those that name only its family do not add to them.
    let closest = actions::ALL.iter().filter_map(|a| a.fit(cause)).map(|(length, _)| length).max();
    let mut fitting: Vec<(u8, &'static Action, ObjectRef)> = Vec::new();
    for (action, target) in for_object(world, object) {
        let proposed = action.remedy_for.is_empty() || action.remedy_for.contains(&target.kind);
        if let Some((length, place)) = action.fit(cause)
            && Some(length) == closest
            && proposed
            && !fitting.iter().any(|(_, a, _)| a.name == action.name)
        {
            fitting.push((place, action, target));
        }
    }
    fitting.sort_by_key(|(place, ..)| *place);
    fitting.into_iter().map(|(_, action, target)| (action, target)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_is_never_proposed_for_deletion() {
        let world = World::new();
        let remedies = |kind, cause| {
            let object = ObjectRef::new(kind, "kube-system", "kube-proxy");
            for_cause(&world, cause, &object).into_iter().map(|(a, _)| a.name).collect::<Vec<_>>()
        };
        assert!(remedies(Kind::Pod, "proxy.restarting").contains(&"delete"));
        for cause in ["proxy.restarting", "ready.probe"] {
            for kind in [Kind::DaemonSet, Kind::Deployment, Kind::Node, Kind::Service] {
                assert!(!remedies(kind.clone(), cause).contains(&"delete"), "{kind} {cause}");
            }
        }
    }

    #[test]
    fn a_remedy_fits_its_cause_and_does_no_harm() {
        let world = World::new();
        let node = ObjectRef::new(Kind::Node, "", "n1");
        let remedies = |object: &ObjectRef, cause| {
            for_cause(&world, cause, object).into_iter().map(|(a, _)| a.name).collect::<Vec<_>>()
        };
        // Pods that cannot be stopped do not leave, and nothing is wrong with the machine of a silent exporter.
        for cause in [
            "node.not-ready",
            "node.runtime-down",
            "sandbox.runtime",
            "node.held",
            "node.deleting",
            "node.version-skew",
            "gpu.driver-drift",
            "gpu.exporter-down",
            "gpu.exporter-stale",
            "gpu.idle-reserved",
        ] {
            assert!(!remedies(&node, cause).contains(&"drain"), "{cause}");
        }
        assert_eq!(remedies(&node, "node.cordoned"), ["uncordon"]);
        assert!(remedies(&node, "gpu.ecc").contains(&"drain"));
        // A new start brings neither the missing object nor the Service that is waited for.
        let deployment = ObjectRef::new(Kind::Deployment, "prod", "api");
        for cause in ["config.secret-missing", "ready.dependency", "ready.starting", "container.command"] {
            assert!(!remedies(&deployment, cause).contains(&"restart"), "{cause}");
        }
    }

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

    #[test]
    fn names_are_unique_and_no_two_actions_want_the_same_place_for_a_cause() {
        let all = catalogue();
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a.name != b.name), "{} is there twice", a.name);
            assert!(!a.rights.is_empty(), "{}", a.name);
            assert!(a.options.iter().filter(|o| o.words).count() <= 1, "{}", a.name);
            for (cause, place) in a.causes {
                let same = |b: &&&Action| b.name != a.name && b.causes.contains(&(*cause, *place));
                let other = all.iter().find(same).map(|b| b.name);
                assert_eq!(other, None, "{} and {other:?} for {cause}", a.name);
            }
        }
    }

    /// The command line knows an option once, whichever actions take it. Words behind a target have no name there.
    #[test]
    fn an_option_of_several_actions_is_written_the_same() {
        let options =
            || catalogue().iter().chain(cluster_wide()).flat_map(|a| a.options).filter(|o| !o.words);
        for a in options() {
            for b in options().filter(|b| b.name == a.name) {
                assert_eq!(
                    (a.value.is_empty(), a.short, a.many),
                    (b.value.is_empty(), b.short, b.many),
                    "--{}",
                    a.name
                );
            }
        }
    }

    #[test]
    fn the_action_that_knows_the_cause_comes_before_those_that_know_its_family() {
        let object = ObjectRef::new(Kind::Deployment, "prod", "api");
        let names = |cause: &str| -> Vec<&str> {
            for_cause(&World::new(), cause, &object).into_iter().map(|(a, _)| a.name).collect()
        };
        assert_eq!(names("image.not-found"), ["rollback", "set-image", "pause"]);
        assert_eq!(names("crash.application"), ["rollback", "restart", "pause"]);
        // Captures are a pod's.
        assert_eq!(names("crash.oom-limit"), ["set-resources", "restart", "rollback"]);
        assert_eq!(names("rollout.paused"), ["resume", "rollback"]);
        assert!(names("none").is_empty());
    }
}
