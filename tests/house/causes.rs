//! `docs/causes.md`: each cause with the rule that finds it, the leaf that explains it and the actions that fit it.

use std::fmt::Write;

use khud::judge::{known, rules};
use khud::playbook::Library;
use khud::playbook::tree::Leaf;
use khud::remedy;

/// The leaf of a cause, with its tree: of the rule's own tree where it has one.
fn leaf<'l>(library: &'l Library, tree: &str, cause: &str) -> Option<(String, &'l Leaf)> {
    let own = library.books().filter(|b| b.id == tree);
    let all = own.chain(library.books());
    all.flat_map(|b| b.verdicts.iter().map(move |(id, leaf)| (format!("{}/{id}", b.id), leaf)))
        .find(|(_, leaf)| leaf.cause == cause)
}

/// The actions that a verdict with this cause may offer: the leaf's own, then those that name the cause.
fn actions(leaf: Option<&Leaf>, cause: &str) -> Vec<String> {
    let mut out: Vec<String> = leaf.iter().flat_map(|l| &l.remedies).map(|r| r.action.clone()).collect();
    let closest = |a: &remedy::Action| {
        a.causes.iter().filter(|(n, _)| cause.starts_with(n)).map(|(n, _)| n.len()).max()
    };
    let most = remedy::catalogue().iter().filter_map(|a| closest(a)).max();
    out.extend(
        remedy::catalogue()
            .iter()
            .filter(|a| most.is_some() && closest(a) == most)
            .map(|a| a.name.to_owned()),
    );
    let mut seen = Vec::new();
    out.retain(|a| {
        !seen.contains(a) && {
            seen.push(a.clone());
            true
        }
    });
    out
}

#[test]
fn the_table_of_causes_has_no_hole_and_is_what_the_rules_make() {
    let library = Library::embedded().unwrap();
    let mut out = String::from(
        "# Causes\n\nMade from the rules, the decision trees and the actions. A cause without an action is put right outside of khud; its\n\
         leaf says how.\n\n| cause | severity | true when | leaf | actions |\n|---|---|---|---|---|\n",
    );
    let mut holes = Vec::new();
    for rule in rules().filter(|r| !r.id.ends_with(".unknown")) {
        let found = leaf(&library, rule.playbook, rule.id);
        let actions = actions(found.as_ref().map(|(_, l)| *l), rule.id);
        for action in actions.iter().filter(|a| remedy::action(a).is_none()) {
            holes.push(format!("{}: there is no action {action}", rule.id));
        }
        let Some((id, leaf)) = found else {
            holes.push(format!("{}: no leaf explains it", rule.id));
            continue;
        };
        if leaf.explain.source.trim().is_empty() || actions.is_empty() && leaf.verify.is_none() {
            holes.push(format!("{}: leaf {id} says neither what to do nor when it is over", rule.id));
        }
        let actions: Vec<String> = actions.iter().map(|a| format!("`{a}`")).collect();
        let finds = rule.finds.replace('|', "\\|");
        writeln!(out, "| `{}` | {} | {finds} | `{id}` | {} |", rule.id, rule.severity, actions.join(", "))
            .unwrap();
    }
    for action in remedy::catalogue() {
        for (cause, _) in action.causes {
            let some = known(cause) || rules().any(|r| r.id.starts_with(cause));
            if !some {
                holes.push(format!("action {} fits {cause}, which no rule finds", action.name));
            }
        }
    }
    assert!(holes.is_empty(), "{}", holes.join("\n"));
    super::config::same("docs/causes.md", &out);
}
