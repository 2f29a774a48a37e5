//! CONTRIBUTING.md tells the truth about where things are: every file that a recipe names exists, and the example of
//! each recipe is what it is said to be.

use std::collections::BTreeSet;
use std::path::Path;

use regex::Regex;

/// How many files a recipe may name, by its heading: the limits of "one thing, one place", with the file of a test.
const LIMITS: [(&str, usize); 8] = [
    ("A rule", 3),
    ("An action", 4),
    ("A command", 3),
    ("A view", 3),
    ("A kind", 6),
    ("A theme", 3),
    ("A setting", 3),
    ("A scenario", 3),
];

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The files and folders in backticks.
fn paths(text: &str) -> BTreeSet<String> {
    let quoted =
        Regex::new(r"`((?:src|tests|crates|assets|docs|themes|scripts|\.ci)/[A-Za-z0-9_./-]+)`").unwrap();
    quoted.captures_iter(text).map(|c| c[1].to_owned()).collect()
}

#[test]
fn every_file_that_the_guides_name_exists() {
    for guide in ["CONTRIBUTING.md", "ARCHITECTURE.md", "README.md"] {
        for path in paths(&read(guide)) {
            let there = Path::new(env!("CARGO_MANIFEST_DIR")).join(&path).exists();
            assert!(there, "{guide} names {path}, which does not exist");
        }
    }
}

#[test]
fn each_recipe_names_few_files() {
    let guide = read("CONTRIBUTING.md");
    for (heading, limit) in LIMITS {
        let recipe = guide.split("### ").find(|s| s.starts_with(heading));
        let recipe = recipe.unwrap_or_else(|| panic!("CONTRIBUTING.md has no recipe for: {heading}"));
        let recipe = recipe.split("\n## ").next().unwrap();
        // A folder or a generated page is not a file to touch.
        let files = paths(recipe).into_iter().filter(|p| Path::new(p).extension().is_some());
        let files: Vec<String> =
            files.filter(|p| !p.starts_with("docs/") && !p.ends_with("keymap.toml")).collect();
        assert!(
            (1..=limit).contains(&files.len()),
            "{heading}: at most {limit} files, but the recipe names {files:?}"
        );
    }
}

#[test]
fn the_examples_are_examples() {
    let guide = read("CONTRIBUTING.md");
    for (heading, example, holds) in [
        ("A rule", "src/judge/quota.rs", "causes! {"),
        ("A rule", "assets/playbooks/namespace.yaml", "namespace.quota-near"),
        ("A rule", "tests/judge/cases.rs", "namespace.quota-near"),
        ("An action", "src/remedy/actions/pause.rs", "static ACTION: Action"),
        ("A command", "src/config/registry.rs", "macro_rules! commands"),
        ("A theme", "src/config/sheet.rs", "themes/nord.toml"),
        ("A setting", "src/config/settings.rs", "settings! {"),
        ("A scenario", "crates/sim/src/scenario/load.rs", "assets/scenarios/storage.yaml"),
    ] {
        let recipe = guide.split("### ").find(|s| s.starts_with(heading)).unwrap();
        assert!(recipe.contains(example), "{heading} does not name {example}");
        assert!(read(example).contains(holds), "{example} does not hold {holds}");
    }
}
