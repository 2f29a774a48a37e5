//! What is wrong with a playbook that loads: nodes nobody reaches, causes without a rule, actions khud does not have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::cases::{Cases, unreached};
use super::library::Library;
use super::problem::{Position, Problem};
use super::tree::{Cost, Decide, JUDGE, JUDGED, Leaf, Need, Node, Playbook};
use crate::judge;

/// Checks a playbook against its cases: a leaf that none reaches, an expression that fails on what was recorded.
pub fn lint_cases(book: &Arc<Playbook>, cases: &Cases, library: &Arc<Library>) -> Vec<Problem> {
    let walked = cases.walked(book, library);
    let leaf = |(id, at): (&str, Position)| Problem { at, message: format!("no case reaches verdict {id}") };
    let mut out: Vec<Problem> = unreached(book, &walked).into_iter().map(leaf).collect();
    out.extend(walked.into_iter().flat_map(|o| o.failures));
    out.sort();
    out.dedup();
    out
}

/// Checks a playbook against the causes contract, the actions there are (each with its options) and the playbooks it
/// may lead to.
pub fn lint(book: &Playbook, actions: &BTreeMap<&str, Vec<&str>>, library: &Library) -> Vec<Problem> {
    let mut out = Vec::new();
    let mut say = |at, message: String| out.push(Problem { at, message });
    let mut reached: BTreeSet<&str> = BTreeSet::new();
    let mut todo = vec![book.start.as_str()];
    while let Some(id) = todo.pop() {
        if reached.insert(id)
            && let Some(node) = book.nodes.get(id)
        {
            todo.extend(node.branches.values().map(String::as_str));
        }
    }
    for (id, node) in &book.nodes {
        if !reached.contains(id.as_str()) {
            say(node.at, format!("node {id} is never reached"));
        }
        if node.ask.is_empty() && !matches!(node.decide, Decide::Follow { .. }) {
            say(node.at, format!("node {id} asks nothing"));
        }
        if let Decide::Follow { playbook, .. } = &node.decide
            && library.get(playbook).is_none()
            && *playbook != book.id
        {
            say(node.at, format!("node {id} follows {playbook}, which is not there"));
        }
        let mut exprs: Vec<_> = node.show.iter().chain(node.needs.iter().filter_map(Need::target)).collect();
        match &node.decide {
            Decide::Test(e) | Decide::Case(e) | Decide::Follow { object: e, .. } => exprs.push(e),
            Decide::Operator(_) => {}
        }
        let all = variables_before(book, id);
        for e in exprs {
            for v in e.variables() {
                if !all.contains(v.as_str()) {
                    say(e.at, format!("{:?} reads {v}, which no node on the way to {id} needs", e.source));
                }
            }
        }
    }
    // A branch to the judge's verdict reaches every leaf of a cause that the judge names.
    let judged = reached.contains(JUDGED);
    for (id, leaf) in &book.verdicts {
        let by_cause = judged && judge::rule(&leaf.cause).is_some();
        if !reached.contains(id.as_str()) && !by_cause {
            say(leaf.at, format!("verdict {id} is never reached"));
        }
        if !judge::known(&leaf.cause) && leaf.cause != JUDGED {
            say(leaf.at, format!("verdict {id} names the cause {:?}, which is not one", leaf.cause));
        }
        if judge::known(&leaf.cause) && !provable(book, id, leaf) {
            let why = "no rule finds it, and no question on the way measures, probes or asks you";
            say(leaf.at, format!("verdict {id} names the cause {:?}: {why}", leaf.cause));
        }
        for cause in leaf.refines.iter().filter(|c| !judge::known(c)) {
            say(leaf.at, format!("verdict {id} refines {cause:?}, which is not a cause"));
        }
        let mut all = variables_before(book, id);
        if by_cause {
            // What the World answers is looked up for it.
            all.extend(Need::ALL.iter().flat_map(|(_, need)| need.variables().iter().copied()));
        }
        let holes =
            leaf.title.holes().chain(leaf.explain.holes()).chain(leaf.verify.iter().flat_map(|v| v.holes()));
        let holes = holes.chain(leaf.options.iter().flatten().flat_map(|t| t.holes()));
        let params = leaf.remedies.iter().flat_map(|r| r.params.values().flat_map(|t| t.holes()));
        let targets = leaf.remedies.iter().flat_map(|r| r.when.iter().chain([&r.target]));
        let pages = leaf.pages.iter().filter_map(|(_, when)| when.as_ref());
        for e in holes.chain(params).chain(targets).chain(pages) {
            for v in e.variables() {
                if !all.contains(v.as_str()) {
                    say(e.at, format!("{:?} reads {v}, which no node on the way to {id} needs", e.source));
                }
            }
        }
        for r in &leaf.remedies {
            match actions.get(r.action.as_str()) {
                None => say(r.at, format!("verdict {id} suggests {:?}, which khud cannot do", r.action)),
                Some(options) => {
                    for name in r.params.keys().filter(|name| !options.contains(&name.as_str())) {
                        say(r.at, format!("verdict {id}: {} has no option {name}", r.action));
                    }
                }
            }
        }
    }
    out.sort();
    out.dedup();
    out
}

/// Whether a cause can be told at all: by a rule of the judge, or by evidence that only a tree looks at.
fn provable(book: &Playbook, id: &str, leaf: &Leaf) -> bool {
    if judge::rule(&leaf.cause).is_some() || ["none", "unknown", JUDGED].contains(&leaf.cause.as_str()) {
        return true;
    }
    before(book, id).into_iter().filter_map(|id| book.nodes.get(id)).any(|node| {
        let beyond = |n: &Need| n.cost() == Cost::Intrusive || *n == Need::Usage;
        matches!(node.decide, Decide::Operator(_)) || node.needs.iter().any(beyond)
    })
}

/// The variables bound on some way from the start to a node or verdict, its own included.
fn variables_before<'a>(book: &'a Playbook, id: &str) -> BTreeSet<&'a str> {
    let nodes = before(book, id).into_iter().filter_map(|id| book.nodes.get(id));
    let bound = nodes.flat_map(|n| n.needs.iter().flat_map(|n| n.variables().iter().copied()));
    bound.chain([JUDGE]).collect()
}

/// The nodes on some way from the start to a node or verdict, itself included.
fn before<'a>(book: &'a Playbook, id: &str) -> BTreeSet<&'a str> {
    let ways = |to: &str| {
        let leads = |n: &(&String, &Node)| n.1.branches.values().any(|t| t == to);
        book.nodes.iter().filter(leads).map(|(k, _)| k.as_str()).collect::<Vec<_>>()
    };
    let own = book.nodes.get_key_value(id).map(|(k, _)| k.as_str());
    let (mut seen, mut todo) = (BTreeSet::from_iter(own), ways(id));
    while let Some(at) = todo.pop() {
        if seen.insert(at) {
            todo.extend(ways(at));
        }
    }
    seen
}
