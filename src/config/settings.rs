//! The configuration file: every key in one table, read with line numbers, overridden by context.

use std::collections::HashMap;

use jiff::tz::TimeZone;
use toml::de::DeTable;

use super::colour::Palette;
use super::document::{Document, Node, Problem, quote, refused};
use super::findings;
use super::own::{self, Own};
use super::pattern::Pattern;
use super::regions::{self, Region};
use super::telemetry::{self, Sources};
use super::theme::Glyphs;
use super::values;
use crate::world::Time;
use crate::world::readings::Server;

/// A key of the file, for the documentation and the printed file.
#[derive(Debug)]
pub struct Setting {
    pub name: &'static str,
    /// The default, as TOML.
    pub default: &'static str,
    /// Another value, as TOML; a test reads it.
    pub example: &'static str,
    /// May also be set in `[contexts."…"]`.
    pub by_context: bool,
    pub about: &'static str,
}

macro_rules! settings {
    ($($name:literal $default:literal $example:literal $by_context:literal $about:literal)*) => {
        /// The keys at the top level of the file.
        pub const SETTINGS: &[Setting] = &[$(Setting {
            name: $name,
            default: $default,
            example: $example,
            by_context: $by_context,
            about: $about,
        }),*];
    };
}

settings! {
    "theme" "\"dark\"" "\"nord\"" true
    "A built-in theme, or NAME for themes/NAME.toml beside this file."
    "colours" "\"auto\"" "\"256\"" false
    "The number of colours: auto, 24bit, 256, 16 or none. NO_COLOR means none."
    "glyphs" "\"auto\"" "\"ascii\"" false
    "Which signs to draw: auto, unicode or ascii."
    "background" "true" "false" false
    "Paint the theme's background; false keeps the terminal's own."
    "mouse" "false" "true" false
    "The mouse selects rows and scrolls. The terminal's own selection then needs shift."
    "times" "\"utc\"" "\"local\"" false
    "Show times in utc or local. Files and JSON are always UTC."
    "header" "true" "false" false
    "Show the header."
    "panes" "[\"findings\", \"pods\", \"nodes\", \"gpu\", \"events\", \"kube-proxy\"]" "[\"findings\", \"pods\"]" true
    "The overview's panes, in the order of tab and alt-1 to alt-6."
    "left-width" "46" "50" true
    "Percent of the width that the overview's left side has, 20 to 80."
    "namespace" "\"\"" "\"prod\"" true
    "Start in this namespace; empty means all."
    "namespaces" "[]" "[\"prod\", \"staging\"]" true
    "Favourite namespaces for the keys 1 to 9. Recently chosen ones fill the rest."
    "read-only" "false" "true" true
    "Refuse every change, in the HTTP layer of every client."
    "unlock" "false" "true" true
    "Allow to switch off read-only while khud runs, if it was set here or by --read-only."
    "production" "false" "true" true
    "Draw a red frame: this is production. See also production-contexts."
    "production-contexts" "[\"*prod*\", \"!*non*prod*\", \"!*pre*prod*\"]" "[\"live-*\"]" false
    "Contexts that are production: * and ? match, a leading ! excludes."
    "protected" "false" "true" true
    "Before every change, ask for the context's name (khud do --yes needs --confirm NAME)."
    "protected-namespaces" "[]" "[\"kube-system\", \"prod-*\"]" true
    "Namespaces whose objects ask for the namespace's name before a change: * and ? match. Nodes are in none: see protected."
    "notifications" "\"off\"" "\"bell\"" true
    "Notify of a new critical finding: off, bell, osc9 or osc777."
    "presentation" "false" "true" true
    "For shared screens: read-only, larger spacing, secrets and their names masked, last keys shown."
    "masks" "[]" "[\"acme\", \"customer-*\"]" true
    "Names that a shared screen does not show, in any text; * matches the rest of a word."
    "log-lines" "10000" "50000" false
    "Lines in a log view, 100 to 1000000. Older lines are dropped and counted."
    "log-tail" "200" "500" false
    "Lines of a log to load first, 0 to 100000."
    "regions" "[]" "[\"us-east-1\", \"eu-west-1 https://eu.example.com/health\"]" false
    "Contexts to watch side by side (`:regions`), each with its health URL where it has one."
    "telemetry" "[]" "[\"engines off\", \"kubelet 1m\"]" true
    "Telemetry sources that are not read (NAME off) or read at another interval (NAME 30s)."
    "prometheus" "\"\"" "\"monitoring/prometheus-operated:9090\"" true
    "The server that answers Prometheus's API: a Service as namespace/service:port or namespace/service:port/path, or a URL (https://prometheus.example.com/path); empty: found by its pods' labels."
}

/// The panes of the overview.
pub const PANES: [&str; 6] = ["findings", "pods", "nodes", "gpu", "events", "kube-proxy"];

/// How times of day are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    Utc,
    Local,
}

impl Times {
    pub fn zone(self) -> TimeZone {
        match self {
            Times::Utc => TimeZone::UTC,
            Times::Local => TimeZone::system(),
        }
    }

    /// The time of day.
    pub fn clock(self, t: Time) -> String {
        t.to_jiff().to_zoned(self.zone()).strftime("%H:%M:%S").to_string()
    }
}

/// How a new critical finding is announced outside the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notifications {
    Off,
    Bell,
    /// iTerm2, kitty, Windows Terminal.
    Osc9,
    /// urxvt, foot, kitty.
    Osc777,
}

/// The settings of one context.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub theme: String,
    /// `None`: detected from the environment.
    pub colours: Option<Palette>,
    /// `None`: detected from the environment.
    pub glyphs: Option<Glyphs>,
    pub background: bool,
    pub mouse: bool,
    pub times: Times,
    pub header: bool,
    /// Names from [`PANES`], without duplicates.
    pub panes: Vec<&'static str>,
    /// Percent of the overview's width.
    pub left_width: usize,
    /// Empty: all namespaces.
    pub namespace: String,
    /// At most nine.
    pub namespaces: Vec<String>,
    pub read_only: bool,
    /// Whether read-only from the file or a flag can be switched off while khud runs.
    pub unlock: bool,
    pub production: bool,
    pub protected: bool,
    /// Patterns.
    pub protected_namespaces: Vec<String>,
    pub notifications: Notifications,
    pub presentation: bool,
    pub masks: Vec<String>,
    /// The most lines of a log view.
    pub log_lines: usize,
    /// The lines that a log view loads first.
    pub log_tail: usize,
    pub telemetry: Sources,
    /// `None`: the one that is found.
    pub prometheus: Option<Server>,
    pub regions: Vec<Region>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            theme: "dark".to_owned(),
            colours: None,
            glyphs: None,
            background: true,
            mouse: false,
            times: Times::Utc,
            header: true,
            panes: PANES.to_vec(),
            left_width: 46,
            namespace: String::new(),
            namespaces: Vec::new(),
            read_only: false,
            unlock: false,
            production: false,
            protected: false,
            protected_namespaces: Vec::new(),
            notifications: Notifications::Off,
            presentation: false,
            masks: Vec::new(),
            log_lines: 10_000,
            log_tail: 200,
            telemetry: Sources::new(),
            prometheus: None,
            regions: Vec::new(),
        }
    }
}

/// The new value of a key.
#[derive(Debug, Clone)]
enum Change {
    Theme(String),
    Colours(Option<Palette>),
    Glyphs(Option<Glyphs>),
    Background(bool),
    Mouse(bool),
    Times(Times),
    Header(bool),
    Panes(Vec<&'static str>),
    LeftWidth(usize),
    Namespace(String),
    Namespaces(Vec<String>),
    ReadOnly(bool),
    Unlock(bool),
    Production(bool),
    Protected(bool),
    ProtectedNamespaces(Vec<String>),
    Notifications(Notifications),
    Presentation(bool),
    Masks(Vec<String>),
    LogLines(usize),
    LogTail(usize),
    Telemetry(Sources),
    Prometheus(Option<Server>),
    Regions(Vec<Region>),
}

impl Settings {
    /// The names that have to be typed before a change there: the context's, the namespace's, or none.
    pub fn protected_names(&self, context: &str, namespace: &str) -> Vec<String> {
        let matches = |text: &String| Pattern::new(text).matches(namespace);
        let named = !namespace.is_empty() && self.protected_namespaces.iter().any(matches);
        let context = self.protected.then(|| context.to_owned());
        context.into_iter().chain(named.then(|| namespace.to_owned())).collect()
    }

    /// Whether khud starts read-only: asked for, or because a screen is shared.
    pub fn guarded(&self) -> bool {
        self.read_only || self.presentation
    }

    fn take(&mut self, change: Change) {
        match change {
            Change::Theme(v) => self.theme = v,
            Change::Colours(v) => self.colours = v,
            Change::Glyphs(v) => self.glyphs = v,
            Change::Background(v) => self.background = v,
            Change::Mouse(v) => self.mouse = v,
            Change::Times(v) => self.times = v,
            Change::Header(v) => self.header = v,
            Change::Panes(v) => self.panes = v,
            Change::LeftWidth(v) => self.left_width = v,
            Change::Namespace(v) => self.namespace = v,
            Change::Namespaces(v) => self.namespaces = v,
            Change::ReadOnly(v) => self.read_only = v,
            Change::Unlock(v) => self.unlock = v,
            Change::Production(v) => self.production = v,
            Change::Protected(v) => self.protected = v,
            Change::ProtectedNamespaces(v) => self.protected_namespaces = v,
            Change::Notifications(v) => self.notifications = v,
            Change::Presentation(v) => self.presentation = v,
            Change::Masks(v) => self.masks = v,
            Change::LogLines(v) => self.log_lines = v,
            Change::LogTail(v) => self.log_tail = v,
            Change::Telemetry(v) => self.telemetry = v,
            Change::Prometheus(v) => self.prometheus = v,
            Change::Regions(v) => self.regions = v,
        }
    }
}

/// The whole file.
#[derive(Debug, Clone)]
pub struct Config {
    base: Settings,
    production: Vec<Pattern>,
    /// In file order; later sections win.
    contexts: Vec<(Pattern, Vec<Change>)>,
    /// `[findings]`, checked: thresholds, severities and mutes for `detect`.
    pub findings: toml::Table,
    /// Aliases, hotkeys, plugins and columns of the user.
    pub own: Own,
    /// Problems that did not reject the file.
    pub warnings: Vec<Problem>,
    /// The line of each top-level key, for later problems.
    lines: HashMap<String, usize>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            base: Settings::default(),
            production: ["*prod*", "!*non*prod*", "!*pre*prod*"].map(Pattern::new).to_vec(),
            contexts: Vec::new(),
            findings: toml::Table::new(),
            own: Own::default(),
            warnings: Vec::new(),
            lines: HashMap::new(),
        }
    }
}

impl Config {
    /// Parses the file. Unknown keys are warnings. Any other problem rejects the file, so that a live reload
    /// keeps the last valid configuration.
    ///
    /// # Errors
    /// All problems and warnings, with file and line.
    pub fn from_toml(file: &str, text: &str) -> Result<Config, Vec<Problem>> {
        let mut document = Document::new(file, text);
        let mut config = Config::default();
        if let Some(table) = document.parse() {
            config.read(&mut document, &table);
        }
        document.problems.sort_by_key(|p| p.line);
        if refused(&document.problems) {
            return Err(document.problems);
        }
        config.warnings = document.problems;
        Ok(config)
    }

    fn read<'t>(&mut self, document: &mut Document<'t>, table: &DeTable<'t>) {
        for (name, node) in table.iter() {
            let key = name.get_ref().as_ref();
            self.lines.insert(key.to_owned(), document.line(&name.span()));
            match key {
                "production-contexts" => {
                    if let Some(patterns) = document.strings(key, node) {
                        self.production = patterns.iter().map(|(_, text)| Pattern::new(text)).collect();
                    }
                }
                "contexts" => self.read_contexts(document, node),
                table if own::TABLES.contains(&table) => self.own.read(document, table, node),
                "findings" => {
                    if let Some(table) = document.table(key, node) {
                        self.findings = findings::read(document, table);
                    }
                }
                _ if SETTINGS.iter().any(|s| s.name == key) => {
                    if let Some(change) = change(document, key, node) {
                        self.base.take(change);
                    }
                }
                _ => {
                    let known = SETTINGS.iter().map(|s| s.name).chain(["contexts", "findings"]);
                    let known = known.chain(own::TABLES);
                    document.unknown(name, "key", known);
                }
            }
        }
    }

    fn read_contexts<'t>(&mut self, document: &mut Document<'t>, node: &Node<'t>) {
        let Some(contexts) = document.table("contexts", node) else { return };
        let mut in_order: Vec<_> = contexts.iter().collect();
        in_order.sort_by_key(|(name, _)| name.span().start);
        for (pattern, node) in in_order {
            let Some(table) = document.table(pattern.get_ref(), node) else { continue };
            let mut changes = Vec::new();
            for (name, node) in table.iter() {
                let key = name.get_ref().as_ref();
                match SETTINGS.iter().find(|s| s.name == key) {
                    Some(setting) if setting.by_context => changes.extend(change(document, key, node)),
                    Some(_) => document.error(
                        &name.span(),
                        format!("{} cannot differ by context; write it at the top of the file", quote(key)),
                    ),
                    None => document.unknown(
                        name,
                        "key",
                        SETTINGS.iter().filter(|s| s.by_context).map(|s| s.name),
                    ),
                }
            }
            self.contexts.push((Pattern::new(pattern.get_ref()), changes));
        }
    }

    /// The settings of a context: the top of the file, then each section with a matching pattern, in order.
    pub fn for_context(&self, context: &str) -> Settings {
        let mut settings = self.base.clone();
        settings.production |= self.is_production(context);
        for (_, changes) in self.contexts.iter().filter(|(pattern, _)| pattern.matches(context)) {
            changes.iter().cloned().for_each(|change| settings.take(change));
        }
        settings
    }

    fn is_production(&self, context: &str) -> bool {
        let mut named = false;
        for pattern in &self.production {
            match pattern.text.strip_prefix('!') {
                Some(but) if Pattern::new(but).matches(context) => return false,
                Some(_) => {}
                None => named |= pattern.matches(context),
            }
        }
        named
    }

    /// The settings at the top of the file.
    pub fn top(&self) -> &Settings {
        &self.base
    }

    /// The patterns of production contexts, as written.
    pub fn production_patterns(&self) -> impl Iterator<Item = &str> {
        self.production.iter().map(|p| p.text.as_str())
    }

    /// The line of a top-level key, or 1.
    pub fn line_of(&self, key: &str) -> usize {
        self.lines.get(key).copied().unwrap_or(1)
    }
}

fn change<'t>(document: &mut Document<'t>, key: &str, node: &Node<'t>) -> Option<Change> {
    Some(match key {
        "theme" => Change::Theme(values::file_name(document, key, node)?),
        "colours" => Change::Colours(document.choice(
            key,
            node,
            &[
                ("auto", None),
                ("24bit", Some(Palette::Rgb)),
                ("256", Some(Palette::Indexed256)),
                ("16", Some(Palette::Ansi16)),
                ("none", Some(Palette::None)),
            ],
        )?),
        "glyphs" => Change::Glyphs(document.choice(
            key,
            node,
            &[("auto", None), ("unicode", Some(Glyphs::Unicode)), ("ascii", Some(Glyphs::Ascii))],
        )?),
        "background" => Change::Background(document.bool(key, node)?),
        "mouse" => Change::Mouse(document.bool(key, node)?),
        "times" => {
            Change::Times(document.choice(key, node, &[("utc", Times::Utc), ("local", Times::Local)])?)
        }
        "header" => Change::Header(document.bool(key, node)?),
        "panes" => Change::Panes(values::panes(document, key, node)?),
        "namespace" => match document.string(key, node)? {
            "" => Change::Namespace(String::new()),
            _ => Change::Namespace(values::namespaces(document, key, node)?.remove(0)),
        },
        "namespaces" => Change::Namespaces(values::namespaces(document, key, node)?),
        "read-only" => Change::ReadOnly(document.bool(key, node)?),
        "unlock" => Change::Unlock(document.bool(key, node)?),
        "production" => Change::Production(document.bool(key, node)?),
        "protected" => Change::Protected(document.bool(key, node)?),
        "protected-namespaces" => {
            let all = document.strings(key, node)?;
            Change::ProtectedNamespaces(all.into_iter().map(|(_, s)| s.to_owned()).collect())
        }
        "notifications" => Change::Notifications(document.choice(
            key,
            node,
            &[
                ("off", Notifications::Off),
                ("bell", Notifications::Bell),
                ("osc9", Notifications::Osc9),
                ("osc777", Notifications::Osc777),
            ],
        )?),
        "presentation" => Change::Presentation(document.bool(key, node)?),
        "masks" => {
            Change::Masks(document.strings(key, node)?.into_iter().map(|(_, s)| s.to_owned()).collect())
        }
        "left-width" => Change::LeftWidth(count(document.integer(key, node, 20..=80)?)),
        "log-lines" => Change::LogLines(count(document.integer(key, node, 100..=1_000_000)?)),
        "log-tail" => Change::LogTail(count(document.integer(key, node, 0..=100_000)?)),
        "telemetry" => Change::Telemetry(telemetry::read(document, key, node)?),
        "prometheus" => Change::Prometheus(telemetry::prometheus(document, key, node)?),
        "regions" => Change::Regions(regions::read(document, key, node)?),
        _ => return None,
    })
}

/// The range was checked before, so the value is not negative.
fn count(value: i64) -> usize {
    usize::try_from(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_reads_its_default_and_example_and_the_defaults_are_the_defaults() {
        for setting in SETTINGS {
            let line = |value| format!("{} = {value}\n", setting.name);
            let read = |value| Config::from_toml("c", &line(value)).unwrap();
            let default = read(setting.default);
            assert_eq!(default.warnings, [], "{}", setting.name);
            for context in ["x", "prod-eu"] {
                let plain = Config::default().for_context(context);
                assert_eq!(default.for_context(context), plain, "{}", setting.name);
            }
            let context = if setting.name == "production-contexts" { "live-1" } else { "x" };
            let changed = read(setting.example).for_context(context);
            assert_ne!(changed, Settings::default(), "{} changes nothing", setting.name);
            let section = format!("[contexts.x]\n{}", line(setting.example));
            match Config::from_toml("c", &section) {
                Ok(config) => {
                    assert!(setting.by_context, "{}", setting.name);
                    assert_eq!(config.for_context("x"), changed, "{}", setting.name);
                    assert_eq!(config.for_context("y"), Settings::default());
                }
                Err(problems) => {
                    assert!(!setting.by_context, "{}: {problems:?}", setting.name);
                    assert_eq!(problems[0].line, 2);
                }
            }
        }
    }

    #[test]
    fn production_is_told_by_the_contexts_name_and_overruled_by_its_section() {
        let config = Config::default();
        for (context, production) in [
            ("prod-us-west-2", true),
            ("eu-PRODUCTION", true),
            ("nonprod", false),
            ("non-prod-eu", false),
            ("preprod", false),
            ("staging", false),
        ] {
            assert_eq!(config.for_context(context).production, production, "{context}");
        }
        let text = "read-only = true\n[contexts.\"prod-*\"]\nunlock = true\n[contexts.prod-test]\n\
                    production = false\nread-only = false\n";
        let config = Config::from_toml("c", text).unwrap();
        let eu = config.for_context("prod-eu");
        assert!(eu.production && eu.read_only && eu.unlock);
        let test = config.for_context("prod-test");
        assert!(!test.production && !test.read_only && test.unlock);
    }

    #[test]
    fn what_is_wrong_is_told_with_line_and_nearest_name() {
        let text = "them = 'nord'\ntheme = '../../etc/passwd'\npanes = ['pods', 'gpus']\nlog-lines = 5\n\
                    [contexts.x]\nmouse = true\nread_only = true\n[contexts.y]\nnamespace = 'No'\n";
        let said: Vec<String> = Config::from_toml("config.toml", text)
            .unwrap_err()
            .iter()
            .map(|p| p.to_string().replace("config.toml:", ""))
            .collect();
        assert_eq!(
            said,
            [
                "1: warning: unknown key \"them\"; did you mean \"theme\"?",
                "2: error: \"theme\" must be a name of letters, digits, - and _, not \"../../etc/passwd\"",
                "3: error: there is no pane \"gpus\"; the panes are findings, pods, nodes, gpu, events, kube-proxy; \
                 did you mean \"gpu\"?",
                "4: error: \"log-lines\" must be from 100 to 1000000, not 5",
                "6: error: \"mouse\" cannot differ by context; write it at the top of the file",
                "7: warning: unknown key \"read_only\"; did you mean \"read-only\"?",
                "9: error: \"No\" is not a valid namespace name",
            ]
        );
    }
}
