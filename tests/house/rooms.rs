//! The rooms' dependencies point one way, and only `cluster` names the kube crates.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use regex::Regex;

/// Which rooms each room may name. A room may always name itself.
fn allowed() -> BTreeMap<&'static str, &'static [&'static str]> {
    let everything: &[&str] = &[
        "world",
        "capture",
        "judge",
        "detect",
        "playbook",
        "remedy",
        "telemetry",
        "config",
        "cluster",
        "app",
        "ui",
        "term",
        "cockpit",
    ];
    BTreeMap::from([
        ("world", &[] as &[&str]),
        ("capture", &["world"]),
        ("judge", &["world"]),
        ("detect", &["world", "judge"]),
        ("playbook", &["world", "judge"]),
        ("remedy", &["world", "judge"]),
        ("telemetry", &["world"]),
        ("config", &["world"]),
        ("cluster", &["world"]),
        ("term", &[]),
        (
            "app",
            &["world", "judge", "detect", "playbook", "remedy", "telemetry", "config", "cluster", "term"],
        ),
        ("ui", &["world", "judge", "detect", "playbook", "remedy", "telemetry", "config", "app", "term"]),
        ("cockpit", &["world", "config", "remedy", "app", "ui", "term"]),
        ("cli", everything),
    ])
}

fn sources(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

fn all_sources() -> (PathBuf, Vec<PathBuf>) {
    sources_under("src")
}

fn sources_under(dir: &str) -> (PathBuf, Vec<PathBuf>) {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join(dir);
    let mut files = Vec::new();
    sources(&src, &mut files);
    (src, files)
}

/// The file's lines that are not comments.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Every room named through `crate::`, also inside braces (`use crate::{world, detect}`).
fn rooms_named(code: &str) -> Vec<String> {
    let direct = Regex::new(r"\bcrate::([a-z_]+)").unwrap();
    let braces = Regex::new(r"\bcrate::\{([^;]*)\};").unwrap();
    let head = Regex::new(r"(?:^|,)\s*([a-z_]+)").unwrap();
    let mut out: Vec<String> = direct.captures_iter(code).map(|c| c[1].to_owned()).collect();
    for c in braces.captures_iter(code) {
        // Names nested in inner braces are not rooms; cut them out.
        let mut depth = 0;
        let flat: String = c[1]
            .chars()
            .filter(|ch| {
                match ch {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    _ => return depth == 0,
                }
                false
            })
            .collect();
        out.extend(head.captures_iter(&flat).map(|h| h[1].to_owned()));
    }
    out
}

/// The rooms of the embedded cluster: the API server knows nothing of what runs behind it, and scenarios are data.
fn allowed_in_the_embedded_cluster() -> BTreeMap<&'static str, &'static [&'static str]> {
    let everything: &[&str] = &["clock", "api", "scenario", "cluster", "check", "fleet"];
    BTreeMap::from([
        ("clock", &[] as &[&str]),
        ("api", &["clock"]),
        ("scenario", &["api"]),
        ("cluster", &["clock", "api", "scenario"]),
        ("check", everything),
        ("fleet", everything),
    ])
}

/// Every name of a room in a file of another that may not name it.
fn wrong_arrows(dir: &str, allowed: &BTreeMap<&str, &[&str]>) -> Vec<String> {
    let (src, files) = sources_under(dir);
    let mut wrong = Vec::new();
    let mut arrows = 0;
    for file in &files {
        let relative = file.strip_prefix(&src).unwrap();
        let first = relative.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
        let room = first.trim_end_matches(".rs").to_owned();
        let Some(may) = allowed.get(room.as_str()) else {
            assert!(room == "main" || room == "lib", "{room} is a room nobody has described");
            continue;
        };
        for named in rooms_named(&code(file)) {
            if named == room || !allowed.contains_key(named.as_str()) {
                continue;
            }
            arrows += 1;
            if !may.contains(&named.as_str()) {
                wrong.push(format!("{dir}/{}: {room} names {named}", relative.display()));
            }
        }
    }
    assert!(arrows > 10, "the check reads the sources it should");
    wrong
}

/// Two jobs are two files.
#[test]
fn no_file_is_longer_than_600_lines() {
    const MOST: usize = 600;
    let mut files = Vec::new();
    for dir in ["src", "crates/sim/src"] {
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(dir), &mut files);
    }
    assert!(files.len() > 100, "the sources are found");
    let lines = |file: &PathBuf| std::fs::read_to_string(file).unwrap().lines().count();
    let long: Vec<_> = files.iter().map(|f| (lines(f), f)).filter(|(n, _)| *n > MOST).collect();
    assert!(long.is_empty(), "longer than {MOST} lines: {long:?}");
}

#[test]
fn dependencies_point_one_way() {
    let mut wrong = wrong_arrows("src", &allowed());
    wrong.extend(wrong_arrows("crates/sim/src", &allowed_in_the_embedded_cluster()));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Files of `app` that may import one another in a circle.
const LARGEST_CIRCLE: usize = 3;

/// Which rooms of `app` each may name beside itself.
fn allowed_in_app() -> BTreeMap<&'static str, &'static [&'static str]> {
    BTreeMap::from([
        ("table", &[] as &[&str]),
        ("core", &["table"]),
        ("views", &["table", "core"]),
        ("dialogs", &["table", "core", "views"]),
        ("update", &["table", "core", "views", "dialogs"]),
        ("executor", &["table", "core", "views"]),
    ])
}

/// Each file of `app` with the files of `app` that it imports. Its rooms' `mod.rs` only list what is in them.
fn imports_in_app() -> BTreeMap<String, Vec<String>> {
    let (src, files) = all_sources();
    let module = |path: &Path| {
        let name = path.strip_prefix(&src).unwrap().with_extension("");
        let parts: Vec<_> = name.iter().map(|p| p.to_str().unwrap()).collect();
        parts.join("::").trim_end_matches("::mod").to_owned()
    };
    let files: Vec<_> = files.into_iter().filter(|f| f.starts_with(src.join("app"))).collect();
    let modules: Vec<String> = files.iter().map(|f| module(f)).collect();
    let rooms: Vec<String> = allowed_in_app().keys().map(|room| format!("app::{room}")).collect();
    let names = |path: String| {
        let mut path = path.as_str();
        while !modules.iter().any(|m| m == path) {
            path = path.rsplit_once("::")?.0;
        }
        Some(path.to_owned())
    };
    let listing = |m: &String| *m == "app" || rooms.contains(m) && *m != "app::table";
    let direct = Regex::new(r"\bcrate::(app(?:::[a-z_]+)+)").unwrap();
    let above = Regex::new(r"\b((?:super::)+)([a-z_]+(?:::[a-z_]+)*)").unwrap();
    let braces = Regex::new(r"\bcrate::(app::(?:[a-z_]+::)*)\{([^}]*)\}").unwrap();
    let mut out = BTreeMap::new();
    for file in &files {
        let text = code(file);
        // What a file's own tests use is no part of the house.
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        let own = module(file);
        let mut named: Vec<String> = direct.captures_iter(text).map(|c| c[1].to_owned()).collect();
        for c in above.captures_iter(text) {
            let mut base = own.as_str();
            for _ in 0..c[1].matches("super").count() {
                base = base.rsplit_once("::").map_or("", |(base, _)| base);
            }
            named.push(format!("{base}::{}", &c[2]));
        }
        for c in braces.captures_iter(text) {
            named.extend(c[2].split(',').map(|name| format!("{}{}", &c[1], name.trim())));
        }
        let mut targets: Vec<String> = named.into_iter().filter_map(names).collect();
        targets.retain(|t| *t != own && !listing(t));
        targets.sort();
        targets.dedup();
        out.insert(own, targets);
    }
    out
}

#[test]
fn dependencies_in_app_point_one_way() {
    let room = |module: &str| module.split("::").nth(1).map(str::to_owned);
    let allowed = allowed_in_app();
    let mut wrong = Vec::new();
    for (from, targets) in imports_in_app() {
        let Some(own) = room(&from) else { continue };
        let may = allowed.get(own.as_str()).unwrap_or_else(|| panic!("{own} is a room nobody has described"));
        for to in targets {
            let named = room(&to).unwrap();
            if named != own && !may.contains(&named.as_str()) {
                wrong.push(format!("{from} names {to}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_circle_of_imports_in_app_is_large() {
    let imports = imports_in_app();
    let reached = |from: &str| {
        let mut seen: Vec<&str> = Vec::new();
        let mut next = vec![from];
        while let Some(module) = next.pop() {
            for target in imports.get(module).into_iter().flatten() {
                if !seen.contains(&target.as_str()) {
                    seen.push(target);
                    next.push(target);
                }
            }
        }
        seen
    };
    let reach: BTreeMap<&str, Vec<&str>> = imports.keys().map(|m| (m.as_str(), reached(m))).collect();
    assert!(reach.values().any(|seen| seen.len() > 10), "the check reads the imports");
    for (module, seen) in &reach {
        let circle: Vec<_> = seen.iter().filter(|other| reach[**other].contains(module)).collect();
        assert!(circle.len() <= LARGEST_CIRCLE, "{} files in one circle: {circle:?}", circle.len());
    }
}

#[test]
fn only_the_cluster_room_names_the_kube_crates() {
    let (src, files) = all_sources();
    let kube = Regex::new(r"\b(kube|kube_client|kube_core|k8s_openapi)::").unwrap();
    let (inside, outside): (Vec<_>, Vec<_>) =
        files.iter().filter(|f| kube.is_match(&code(f))).partition(|f| f.starts_with(src.join("cluster")));
    assert!(!inside.is_empty(), "the check sees the room that does");
    assert!(outside.is_empty(), "{outside:?}");
}

#[test]
fn the_cockpit_names_the_embedded_cluster_only_to_start_it() {
    let (src, files) = all_sources();
    let sim = Regex::new(r"\bkhud_sim\b").unwrap();
    let named: Vec<_> = files.iter().filter(|f| sim.is_match(&code(f))).collect();
    assert_eq!(named, [&src.join("cli/sim.rs")]);
}

#[test]
fn the_embedded_cluster_knows_neither_khud_nor_a_client() {
    let (_, files) = sources_under("crates/sim/src");
    let foreign = Regex::new(r"\b(khud|kube|kube_client|kube_core|k8s_openapi)::").unwrap();
    assert!(files.len() > 50, "the check sees the sources it should");
    let named: Vec<_> = files.iter().filter(|f| foreign.is_match(&code(f))).collect();
    assert!(named.is_empty(), "{named:?}");
}

#[test]
fn every_module_says_what_it_is_for() {
    let (_, mut files) = all_sources();
    files.extend(sources_under("crates/sim/src").1);
    let silent: Vec<_> =
        files.iter().filter(|f| !std::fs::read_to_string(f).unwrap().starts_with("//! ")).collect();
    assert!(silent.is_empty(), "{silent:?}");
}

#[test]
fn the_check_sees_grouped_imports() {
    let found =
        rooms_named("use crate::{detect::{Finding, Rule}, world::World};\nlet x = crate::ui::draw();");
    assert_eq!(found, ["ui", "detect", "world"]);
}
