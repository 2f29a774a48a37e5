//! What ships with khud and what users write: samples, documentation, themes and files of any content.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use khud::config::commands::{COMMANDS, Scope};
use khud::config::document::{Level, Problem};
use khud::config::keymap::KeymapResult;
use khud::config::scopes::SCOPES;
use khud::config::sheet::{BUILT_IN, Sheet};
use khud::config::theme::Glyphs;
use khud::config::{Config, Key, Keymap, Theme, colour, print};
use proptest::prelude::*;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The file must hold exactly this. `KHUD_WRITE=1` writes it instead, to be looked at and committed.
pub fn same(path: &str, made: &str) {
    let path = root().join(path);
    if std::env::var_os("KHUD_WRITE").is_some() {
        fs::write(&path, made).unwrap();
    }
    let held = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        held == made,
        "{} is not what the tables make; KHUD_WRITE=1 cargo test --test house config writes it",
        path.display()
    );
}

#[test]
fn samples_and_pages_are_what_the_tables_make() {
    same("assets/config.toml", &print::config(&Config::default()));
    same("assets/keymap.toml", &print::keymap(&Keymap::default()));
    same("docs/keys.md", &print::keys_page());
    same("docs/config.md", &print::config_page());
    same("docs/actions.md", &khud::remedy::page());
}

/// The manual lists the fields that rules of one's own may read.
#[test]
fn the_findings_page_lists_the_fields_of_each_kind() {
    use khud::judge::fields::{KINDS, names};
    let page = fs::read_to_string(root().join("docs/findings.md")).unwrap();
    let (head, rest) = page.split_once("writes them -->\n").unwrap();
    let (_, tail) = rest.split_once("<!-- /fields -->").unwrap();
    let row = |(kind, name): &(khud::world::Kind, &str)| {
        let all: Vec<String> = names(kind).iter().map(|n| format!("`{n}`")).collect();
        format!("| `{name}` | {} |\n", all.join(", "))
    };
    let table: String = KINDS.iter().map(row).collect();
    let made =
        format!("{head}writes them -->\n| object | fields |\n|---|---|\n{table}<!-- /fields -->{tail}");
    same("docs/findings.md", &made);
}

/// The configuration does not know the sources, and names them all.
#[test]
fn every_telemetry_source_can_be_configured() {
    let sources: Vec<&str> = khud::telemetry::SOURCES.iter().map(|s| s.name()).collect();
    assert_eq!(sources, khud::config::telemetry::SOURCES);
}

#[test]
fn the_sample_configuration_says_the_defaults_and_its_examples_are_sound() {
    let sample = fs::read_to_string(root().join("assets/config.toml")).unwrap();
    let config = Config::from_toml("config.toml", &sample).unwrap();
    assert_eq!(config.warnings, []);
    for context in ["staging", "prod-eu"] {
        assert_eq!(config.for_context(context), Config::default().for_context(context));
    }
    // A `#` that touches the text marks an example.
    let uncommented: String = sample
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(example) if !example.starts_with(' ') => format!("{example}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let config = Config::from_toml("config.toml", &uncommented).unwrap();
    assert_eq!(config.warnings, []);
    assert!(config.for_context("prod-eu").read_only);
    assert_eq!(config.findings["mute"][0]["namespace"].as_str(), Some("dev"));
    // What is printed of a changed configuration reads back as that configuration.
    let text = "times = 'local'\npanes = ['gpu']\n[findings.thresholds]\nrestarts = 9\n\
                [[findings.mute]]\nname = 'x'\nreason = 'a \"quoted\" word'\n";
    let changed = Config::from_toml("c", text).unwrap();
    let again = Config::from_toml("c", &print::config(&changed)).unwrap();
    assert_eq!(again.top(), changed.top());
    assert_eq!(again.findings["thresholds"]["restarts"].as_integer(), Some(9));
    assert_eq!(again.findings["mute"], changed.findings["mute"]);
}

#[test]
fn the_sample_keymap_is_the_default_one() {
    let sample = fs::read_to_string(root().join("assets/keymap.toml")).unwrap();
    let (keymap, warnings) = Keymap::from_toml("keymap.toml", &sample).unwrap();
    assert_eq!(warnings, []);
    for command in COMMANDS {
        assert_eq!(keymap.keys_of(command.id), Keymap::default().keys_of(command.id), "{}", command.name);
    }
}

#[test]
fn every_theme_file_ships_and_every_shipped_theme_has_its_file() {
    let mut files: Vec<String> = fs::read_dir(root().join("themes"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap().replace(".toml", ""))
        .collect();
    let mut shipped: Vec<String> = BUILT_IN.iter().map(|(n, _)| (*n).to_owned()).collect();
    files.sort();
    shipped.sort();
    assert_eq!(files, shipped);
    for wanted in [
        "dark",
        "light",
        "high-contrast",
        "colour-blind",
        "mono",
        "nord",
        "gruvbox",
        "catppuccin",
        "solarized",
    ] {
        assert!(shipped.iter().any(|name| name == wanted), "{wanted}");
    }
}

/// Every `style("…")` and `glyph("…")` in the sources names something that exists.
#[test]
fn the_sources_name_only_scopes_and_glyphs_that_exist() {
    fn visit(dir: &Path, found: &mut BTreeMap<(String, String), PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                for call in ["style", "glyph"] {
                    for rest in text.split(&format!(".{call}(\"")).skip(1) {
                        let name = rest.split('"').next().unwrap();
                        found.insert((call.to_owned(), name.to_owned()), path.clone());
                    }
                }
            }
        }
    }
    let mut found = BTreeMap::new();
    for room in ["app", "ui", "cli"] {
        visit(&root().join("src").join(room), &mut found);
    }
    let theme = Theme::default();
    for ((call, name), path) in found {
        let known = match call.as_str() {
            "style" => SCOPES.iter().any(|s| s.name == name),
            _ => theme.glyph(&name) != "?" || name == "unknown",
        };
        assert!(known, "{}: there is no {call} {name:?}", path.display());
    }
}

/// Nothing panics; what is refused says at least one error; every problem's line is in the file.
fn sound<T>(text: &str, outcome: Result<T, Vec<Problem>>, warnings: impl Fn(&T) -> Vec<Problem>) {
    let lines = text.lines().count().max(1) + 1;
    let problems = match &outcome {
        Ok(read) => {
            let warnings = warnings(read);
            assert!(
                warnings.iter().all(|p| p.level == Level::Warning),
                "an error that refuses nothing: {warnings:?}"
            );
            warnings
        }
        Err(problems) => {
            assert!(
                problems.iter().any(|p| p.level == Level::Error),
                "refused without an error: {problems:?}"
            );
            problems.clone()
        }
    };
    for problem in problems {
        assert!((1..=lines).contains(&problem.line), "line {} of {lines}: {problem}", problem.line);
        assert!(!problem.text.chars().any(char::is_control), "control characters in {:?}", problem.text);
    }
}

fn read_all(text: &str) {
    sound(text, Config::from_toml("c.toml", text), |c| c.warnings.clone());
    sound(text, Keymap::from_toml("k.toml", text), |(_, w)| w.clone());
    sound(text, Sheet::from_toml("t", "t.toml", text, &|_| None), |(_, w)| w.clone());
}

/// Text that is nearly a file: keys and values of all kinds, known and not, in any order.
fn nearly() -> impl Strategy<Value = String> {
    let mut keys: Vec<String> = khud::config::settings::SETTINGS.iter().map(|s| s.name.to_owned()).collect();
    keys.extend(COMMANDS.iter().map(|c| format!("\"{}\"", c.name)));
    keys.extend(COMMANDS.iter().map(|c| c.name.to_owned()));
    keys.extend(SCOPES.iter().map(|s| s.name.to_owned()));
    keys.extend(["fg", "bg", "modifiers", "inherits", "rule", "until", "reason"].map(str::to_owned));
    let headers = [
        "[palette]",
        "[styles]",
        "[contexts.\"prod-*\"]",
        "[findings]",
        "[findings.thresholds]",
        "[[findings.mute]]",
        "[findings.severity]",
    ];
    let values = [
        "true",
        "-1",
        "99999999999999999999",
        "0x7f",
        "1.5e300",
        "\"\"",
        "\"g g\"",
        "\"ctrl-x\"",
        "\"#ff0000\"",
        "\"dark\"",
        "[]",
        "['a', 'j']",
        "['bold', 'blod']",
        "{ fg = 'red' }",
        "{}",
        "1979-05-27",
        "[[1]]",
        "'\u{202e}'",
        "\"\\u0000\\u001b[2J\"",
        "{ a = { b = { c = 1 } } }",
    ];
    let line = prop_oneof![
        6 => (prop::sample::select(keys), prop::sample::select(values.to_vec()))
            .prop_map(|(key, value)| format!("{key} = {value}")),
        1 => prop::sample::select(headers.to_vec()).prop_map(str::to_owned),
        1 => "[a-z.\"]{1,8} ?= ?[^\r]{0,12}",
    ];
    prop::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_text_is_read_or_refused_with_its_line(text in "\\PC{0,200}") {
        read_all(&text);
    }

    #[test]
    fn nearly_right_files_are_read_or_refused_with_their_line(text in nearly()) {
        read_all(&text);
    }

    #[test]
    fn any_key_typed_anywhere_is_taken_calmly(
        keys in prop::collection::vec(prop::sample::select(vec!["g", "G", "esc", "w", "ctrl-c", "alt-1", "é", "tab"]), 1..20),
        scope in prop::sample::select(Scope::ALL.to_vec()),
    ) {
        let (mut keymap, _) = Keymap::from_toml("k", "'move.top' = 'g g w'").unwrap();
        for key in keys {
            let key: Key = key.parse().unwrap();
            if let KeymapResult::Pending(choices) = keymap.push(scope, key) {
                prop_assert!(!choices.is_empty());
            }
        }
    }

    #[test]
    fn a_key_printed_is_that_key_read(c in any::<char>(), ctrl in any::<bool>(), alt in any::<bool>()) {
        let text = format!("{}{}{c}", if ctrl { "ctrl-" } else { "" }, if alt { "alt-" } else { "" });
        if let Ok(key) = text.parse::<Key>() {
            prop_assert_eq!(key.to_string().parse::<Key>(), Ok(key));
        }
    }
}

proptest! {
    // Each case reads two themes and fits them four times.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_theme_that_is_read_resolves_in_every_palette(text in nearly()) {
        if let Ok((sheet, _)) = Sheet::from_toml("t", "t", &format!("inherits = 'dark'\n{text}"), &|_| None) {
            for palette in
                [colour::Palette::Rgb, colour::Palette::Indexed256, colour::Palette::Ansi16, colour::Palette::None]
            {
                let theme = Theme::new(&sheet, palette, Glyphs::Ascii);
                for scope in SCOPES {
                    let below = format!("{}.unheard-of", scope.name);
                    prop_assert_eq!(theme.style(scope.name), theme.style(&below));
                }
            }
        }
    }
}

/// The findings room takes what the configuration lets through, and both have the same thresholds and defaults.
#[test]
fn thresholds_are_those_the_rules_go_by() {
    use khud::app::core::preferences::{Preferences, Terminal};
    use khud::config::files::Loaded;
    use khud::config::findings::THRESHOLDS;
    use khud::detect::DetectConfig;

    let detect = |text: &str| {
        let config = Config::from_toml("c", text).unwrap();
        assert_eq!(config.warnings, []);
        let loaded = Loaded { config: Some(config), ..Loaded::default() };
        let (found, problems) = Preferences::new(&loaded, Terminal::default(), None).detect();
        assert!(problems.is_empty(), "{problems:?}");
        found
    };
    let defaults = format!("{:?}", DetectConfig::default().thresholds);
    let mut text = "[findings.thresholds]\n".to_owned();
    for threshold in THRESHOLDS {
        text += &format!("{} = {}\n", threshold.name, threshold.default);
        let other = if threshold.default > *threshold.range.start() { threshold.default - 1 } else { 7 };
        let changed = detect(&format!("[findings.thresholds]\n{} = {other}\n", threshold.name));
        let changed = format!("{:?}", changed.thresholds);
        assert_ne!(changed, defaults, "{} changes nothing", threshold.name);
        assert!(changed.contains(&format!("{}: {other}", threshold.name)), "{}: {changed}", threshold.name);
    }
    assert_eq!(format!("{:?}", detect(&text).thresholds), defaults);
    assert_eq!(defaults.matches(": ").count(), THRESHOLDS.len(), "a threshold without a key: {defaults}");

    let muted = detect(
        "[findings.severity]\n\"image.not-found\" = 'info'\n[[findings.mute]]\nrule = 'image.*'\n\
         reason = 'known'\nuntil = 2030-01-31T18:00:00Z\n",
    );
    assert_eq!(muted.mute.len(), 1);
    assert_eq!(muted.mute[0].until, khud::world::Time::parse("2030-01-31T18:00:00Z"));
    assert!(muted.severity.contains_key("image.not-found"));
}
