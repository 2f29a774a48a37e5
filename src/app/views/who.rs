//! `:who VERB KIND`: which subjects may do it, from the cluster's RBAC objects.

use serde_json::Value as Json;

use crate::app::core::content::Line;
use crate::app::core::model::{Model, of_type};
use crate::app::core::msg::Effect;
use crate::app::core::notice::{Dirty, Tone};
use crate::app::core::served;
use crate::app::core::stack;
use crate::app::table::cell::{Cell, Value};
use crate::app::table::shape::{Shape, shape};
use crate::app::views::list::{ListView, Row, Rows};
use crate::world::Text;
use crate::world::ask::{Answer, Call};

static SHAPES: &[Shape] = &[
    shape("SUBJECT", 12, 70, 100),
    shape("KIND", 5, 16, 95),
    shape("WHERE", 8, 40, 90),
    shape("BY", 16, 100, 85),
    shape("ONLY", 6, 60, 80),
];

/// The RBAC lists, in the order of [`Who::lists`].
const LISTS: [&str; 4] = ["clusterroles", "clusterrolebindings", "roles", "rolebindings"];
const CLUSTER_ROLES: usize = 0;
const CLUSTER_BINDINGS: usize = 1;
const ROLES: usize = 2;
const BINDINGS: usize = 3;

/// The question, and the lists that answer it.
#[derive(Debug)]
struct Who {
    words: String,
    verb: String,
    group: String,
    /// With its subresource (`pods/exec`).
    resource: String,
    /// Empty: objects of a kind without namespaces, or in all namespaces.
    namespace: Text,
    tokens: Vec<(u64, usize)>,
    lists: [Option<Result<Json, String>>; 4],
}

/// One subject with the binding that gives it the right.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Holder {
    subject: String,
    kind: String,
    /// The namespace in which the right holds; empty for the whole cluster.
    place: String,
    by: String,
    /// The names of objects that the right is limited to.
    only: String,
}

/// Asks: a verb, a kind with or without a subresource, and `-n NAMESPACE` or `-A`.
pub fn ask(model: &mut Model, words: &str) -> Vec<Effect> {
    let mut namespace: Text = model.namespaces.first().cloned().unwrap_or_default();
    let mut plain: Vec<&str> = Vec::new();
    let mut rest = words.split_whitespace();
    while let Some(word) = rest.next() {
        match word {
            "-n" | "--namespace" => namespace = rest.next().unwrap_or_default().into(),
            "-A" | "--all-namespaces" => namespace = "".into(),
            "can" => {}
            word => plain.push(word),
        }
    }
    let [verb, what] = plain[..] else {
        usage(model);
        return Vec::new();
    };
    let (kind, part) = what.split_once('/').unwrap_or((what, ""));
    let Some(kind) = served::kind(model, kind) else {
        model.say(Tone::Bad, format!("`{kind}` is no kind that the server is known to serve."));
        return Vec::new();
    };
    if !kind.namespaced() {
        namespace = "".into();
    }
    let resource =
        if part.is_empty() { kind.plural().to_owned() } else { format!("{}/{part}", kind.plural()) };
    // A Role gives nothing for objects without a namespace.
    let asked = if kind.namespaced() { LISTS.len() } else { ROLES };
    let within = if namespace.is_empty() { String::new() } else { format!("/namespaces/{namespace}") };
    let (mut tokens, mut effects) = (Vec::new(), Vec::new());
    for (i, list) in LISTS.iter().enumerate().take(asked) {
        let token = model.token();
        let within = if i >= ROLES { &*within } else { "" };
        let call = Call::get(format!("/apis/rbac.authorization.k8s.io/v1{within}/{list}"));
        tokens.push((token, i));
        effects.push(Effect::Call { token, call });
    }
    let who = Who {
        words: format!("{verb} {what}"),
        verb: verb.to_owned(),
        group: kind.group().to_owned(),
        resource,
        namespace,
        tokens,
        lists: [None, None, None, None],
    };
    stack::push(model, ListView::new(who));
    effects
}

/// Says how to ask.
pub fn usage(model: &mut Model) {
    model.say(
        Tone::Info,
        "Say who may do what: `:who delete pods`, `:who get secrets -n prod`, `:who create pods/exec`.",
    );
}

/// A list came, or why there is none.
pub fn called(model: &mut Model, token: u64, result: &Result<Answer, String>) {
    let views = of_type::<ListView<Who>>(&mut model.views);
    for view in views {
        let who = view.of_mut();
        let Some((_, i)) = who.tokens.iter().find(|(t, _)| *t == token).copied() else { continue };
        who.lists[i] = Some(match result {
            Ok(a) if a.ok() => Ok(a.body["items"].clone()),
            Ok(a) => Err(a.message()),
            Err(why) => Err(why.clone()),
        });
        model.dirty = Dirty::Input;
        return;
    }
}

fn has(list: &Json, wanted: &[&str]) -> bool {
    list.as_array().into_iter().flatten().filter_map(Json::as_str).any(|w| w == "*" || wanted.contains(&w))
}

impl Who {
    fn items(&self, list: usize) -> impl Iterator<Item = &Json> {
        self.lists[list].iter().flatten().filter_map(Json::as_array).flatten()
    }

    /// The names of objects that a role's rules limit the right to (empty: all); `None` where no rule gives it.
    fn gives(&self, role: &Json) -> Option<String> {
        let part = self.resource.split_once('/').map(|(_, part)| format!("*/{part}"));
        let resources: Vec<&str> = [Some(&*self.resource), part.as_deref()].into_iter().flatten().collect();
        let fits = |rule: &&Json| {
            has(&rule["apiGroups"], &[&self.group])
                && has(&rule["resources"], &resources)
                && has(&rule["verbs"], &[&self.verb])
        };
        let names = |rule: &Json| {
            let names = rule["resourceNames"].as_array().into_iter().flatten().filter_map(Json::as_str);
            names.collect::<Vec<_>>().join(",")
        };
        // A rule without names gives all, whatever another one is limited to.
        role["rules"].as_array()?.iter().filter(fits).map(names).min_by_key(|n| !n.is_empty())
    }

    fn holders(&self) -> Vec<Holder> {
        let mut out = Vec::new();
        for list in [CLUSTER_BINDINGS, BINDINGS] {
            for binding in self.items(list) {
                let meta = &binding["metadata"];
                let place = meta["namespace"].as_str().unwrap_or("");
                let (kind, name) = (&binding["roleRef"]["kind"], &binding["roleRef"]["name"]);
                let roles = if kind == "Role" { ROLES } else { CLUSTER_ROLES };
                let named = |r: &&Json| {
                    r["metadata"]["name"] == *name
                        && (roles == CLUSTER_ROLES || r["metadata"]["namespace"] == *place)
                };
                let Some(only) = self.items(roles).find(named).and_then(|r| self.gives(r)) else { continue };
                for subject in binding["subjects"].as_array().into_iter().flatten() {
                    let word = |key: &str| subject[key].as_str().unwrap_or("").to_owned();
                    let of = word("namespace");
                    out.push(Holder {
                        subject: if of.is_empty() { word("name") } else { format!("{of}/{}", word("name")) },
                        kind: word("kind"),
                        place: if place.is_empty() { "whole cluster".to_owned() } else { place.to_owned() },
                        by: format!(
                            "{} → {} {}",
                            meta["name"].as_str().unwrap_or(""),
                            kind.as_str().unwrap_or(""),
                            name.as_str().unwrap_or("")
                        ),
                        only: only.clone(),
                    });
                }
            }
        }
        out.sort();
        out.dedup();
        out
    }

    fn missing(&self) -> Vec<String> {
        let failed = |(i, list): (usize, &Option<Result<Json, String>>)| {
            let why = list.as_ref()?.as_ref().err()?;
            Some(format!("Not looked at: {}: {why}", LISTS[i]))
        };
        self.lists.iter().enumerate().filter_map(failed).collect()
    }

    fn complete(&self) -> bool {
        self.tokens.iter().all(|(_, i)| self.lists[*i].is_some())
    }
}

impl Rows for Who {
    fn title(&self) -> String {
        let place = if self.namespace.is_empty() { "the cluster" } else { &self.namespace };
        format!("who may {} in {place}", self.words)
    }

    fn shapes(&self) -> &'static [Shape] {
        SHAPES
    }

    fn above(&self, _: &Model, _: usize) -> Vec<Line> {
        let note =
            "RBAC only: the group system:masters may do everything, and other authorisers are not listed.";
        vec![Line::of(note, "text.dim")]
    }

    fn rows(&self, _: &Model) -> Vec<Row> {
        if !self.complete() {
            return Vec::new();
        }
        let text = |t: &str| Value::text(&t.into());
        let row = |h: Holder| Row {
            id: format!("{} {} {} {}", h.kind, h.subject, h.place, h.by).into(),
            object: None,
            cells: vec![
                Cell::plain(text(&h.subject)),
                Cell::dim(text(&h.kind)),
                Cell::plain(text(&h.place)),
                Cell::plain(text(&h.by)),
                Cell::dim(text(&h.only)),
            ],
            indent: 0,
        };
        // A list that could not be read may hold more subjects, so it stands among them.
        let gap = |why: String| Row {
            id: why.as_str().into(),
            object: None,
            cells: vec![
                Cell::new(Value::Word("not known"), "status.pending"),
                Cell::plain(text("")),
                Cell::plain(text("")),
                Cell::plain(text(&why)),
                Cell::plain(text("")),
            ],
            indent: 0,
        };
        self.holders().into_iter().map(row).chain(self.missing().into_iter().map(gap)).collect()
    }

    fn noun(&self) -> &'static str {
        "subjects"
    }

    fn empty(&self, _: &Model) -> &'static str {
        match self.complete() {
            false => "Asking the server…",
            true => {
                "No binding gives it to anybody. The group system:masters may do everything all the same."
            }
        }
    }
}
