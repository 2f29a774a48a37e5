//! What is wrong with a playbook that loads: nodes nobody reaches, causes nobody knows, actions khud does not have.

use std::collections::BTreeSet;

use super::library::Library;
use super::tree::{Decide, JUDGE, JUDGED, Need, Playbook};
use crate::judge;

/// One complaint, with its line.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Problem {
    pub line: u64,
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

/// Checks a playbook against the causes contract, the actions there are (by name) and the playbooks it may lead to.
pub fn lint(book: &Playbook, actions: &[&str], library: &Library) -> Vec<Problem> {
    let mut out = Vec::new();
    let mut say = |line, message: String| out.push(Problem { line, message });
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
            say(node.line, format!("node {id} is never reached"));
        }
        if node.ask.is_empty() && !matches!(node.decide, Decide::Follow { .. }) {
            say(node.line, format!("node {id} asks nothing"));
        }
        if let Decide::Follow { playbook, .. } = &node.decide
            && library.get(playbook).is_none()
            && *playbook != book.id
        {
            say(node.line, format!("node {id} follows {playbook}, which is not there"));
        }
        let mut exprs: Vec<_> = node.show.iter().chain(node.needs.iter().filter_map(Need::target)).collect();
        match &node.decide {
            Decide::Test(e) | Decide::Case(e) | Decide::Follow { object: e, .. } => exprs.push(e),
            Decide::Operator(_) => {}
        }
        let all: BTreeSet<&str> = variables_before(book, id);
        for e in exprs {
            for v in e.variables() {
                if !all.contains(v.as_str()) {
                    say(e.line, format!("{:?} reads {v}, which no node on the way to {id} needs", e.source));
                }
            }
        }
    }
    // A branch to the judge's verdict reaches every leaf of a cause that the judge names.
    let judged = reached.contains(JUDGED);
    for (id, leaf) in &book.verdicts {
        let by_cause = judged && judge::rule(&leaf.cause).is_some();
        if !reached.contains(id.as_str()) && !by_cause {
            say(leaf.line, format!("verdict {id} is never reached"));
        }
        if !judge::known(&leaf.cause) {
            say(leaf.line, format!("verdict {id} names the cause {:?}, which is not one", leaf.cause));
        }
        for cause in leaf.refines.iter().filter(|c| !judge::known(c)) {
            say(leaf.line, format!("verdict {id} refines {cause:?}, which is not a cause"));
        }
        let mut all = variables_before(book, id);
        if by_cause {
            // What the World answers is looked up for it.
            all.extend(Need::ALL.iter().flat_map(|(_, need)| need.variables().iter().copied()));
        }
        let holes =
            leaf.title.holes().chain(leaf.explain.holes()).chain(leaf.verify.iter().flat_map(|v| v.holes()));
        let params = leaf.remedies.iter().flat_map(|r| r.params.values().flat_map(|t| t.holes()));
        let targets = leaf.remedies.iter().flat_map(|r| r.when.iter().chain([&r.target]));
        for e in holes.chain(params).chain(targets) {
            for v in e.variables() {
                if !all.contains(v.as_str()) {
                    say(e.line, format!("{:?} reads {v}, which no node on the way to {id} needs", e.source));
                }
            }
        }
        for r in &leaf.remedies {
            if !actions.contains(&r.action.as_str()) {
                say(r.line, format!("verdict {id} suggests {:?}, which khud cannot do", r.action));
            }
        }
    }
    out.sort();
    out.dedup();
    out
}

/// The variables bound on some way from the start to a node or verdict, its own included.
fn variables_before<'a>(book: &'a Playbook, id: &'a str) -> BTreeSet<&'a str> {
    let (mut seen, mut todo, mut out) = (BTreeSet::new(), vec![id], BTreeSet::from([JUDGE]));
    while let Some(at) = todo.pop() {
        if !seen.insert(at) {
            continue;
        }
        if let Some(node) = book.nodes.get(at) {
            out.extend(node.needs.iter().flat_map(|n| n.variables().iter().copied()));
        }
        todo.extend(
            book.nodes.iter().filter(|(_, n)| n.branches.values().any(|t| t == at)).map(|(k, _)| k.as_str()),
        );
    }
    out
}
