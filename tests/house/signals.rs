//! `docs/signals.md` maps every item of the checklist to a rule that fires or stands on the roadmap, or says why there
//! is none.

use std::collections::BTreeSet;

use khud::judge::rule;

#[test]
fn no_item_of_the_checklist_is_left_out() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/signals.md");
    let text = std::fs::read_to_string(path).unwrap();
    let roadmap = std::fs::read_to_string(path.replace("signals.md", "roadmap.md")).unwrap();
    let planned = |id: &str| roadmap.contains(&format!("| `{id}` |"));
    let mut seen = BTreeSet::new();
    for line in text.lines().filter(|l| l.starts_with("| 0")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [item, what, answer] = cells[..] else { panic!("three cells: {line}") };
        assert!(seen.insert(item.to_owned()), "{item} twice");
        assert!(!what.is_empty(), "{item}");
        match answer.strip_prefix("none: ") {
            Some(why) => assert!(why.len() > 10, "{item} does not say why"),
            None => {
                for id in answer.split(", ") {
                    let id = id.strip_prefix('`').and_then(|s| s.strip_suffix('`'));
                    let id = id.unwrap_or_else(|| panic!("{item}: {answer:?} names no rule"));
                    assert!(rule(id).is_some() || planned(id), "{item}: there is no rule {id}");
                }
            }
        }
    }
    // The checklist: five documents with so many items each.
    for (document, items) in [("000", 49), ("001", 43), ("002", 33), ("003", 59), ("004", 24)] {
        for n in 1..=items {
            let item = format!("{document}-{n:02}");
            assert!(seen.remove(&item), "{item} is missing");
        }
    }
    assert!(seen.is_empty(), "not of the checklist: {seen:?}");
}

#[test]
fn every_rule_that_can_fire_opens_a_tree_that_is_there() {
    let library = khud::playbook::library::Library::embedded().unwrap();
    let missing: Vec<_> = khud::judge::rules()
        .filter(|r| library.get(r.playbook).is_none())
        .map(|r| (r.id, r.playbook))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
