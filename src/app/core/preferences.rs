//! What the user configured and has switched since: the theme and its preview, keys, read-only, presentation.

use std::collections::{BTreeSet, VecDeque};

use serde::Deserialize;

use crate::app::core::causes;
use crate::app::core::model::{Dirty, Model, Pane, Suggestion, Tone};
use crate::app::core::msg::Effect;
use crate::app::views::arrange;
use crate::config::colour::Palette;
use crate::config::document::{Level, Problem};
use crate::config::files::Loaded;
use crate::config::keymap::Choice;
use crate::config::settings::{Notifications, Times};
use crate::config::sheet::{BUILT_IN, Sheet};
use crate::config::theme::Glyphs;
use crate::config::{Config, Key, Settings, Theme};
use crate::detect::{DetectConfig, user};

/// Keys shown while presenting.
const KEYS: usize = 8;

/// What the terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terminal {
    pub palette: Palette,
    pub glyphs: Glyphs,
}

impl Default for Terminal {
    fn default() -> Terminal {
        Terminal { palette: Palette::Rgb, glyphs: Glyphs::Unicode }
    }
}

#[derive(Debug, Default)]
pub struct Preferences {
    config: Config,
    themes: std::collections::BTreeMap<String, Sheet>,
    /// The text of the user's own rules.
    rules: String,
    terminal: Terminal,
    /// The theme of `--theme` or of the picker; comes before the file's.
    chosen: Option<Sheet>,
    /// The theme to go back to when the picker is left.
    before: Option<Theme>,
    /// What holds in this context.
    pub settings: Settings,
    /// Switched on by a flag or the file, not by a key.
    locked: bool,
    pub presentation: bool,
    pub times: Option<Times>,
    /// A finding to announce.
    news: Option<String>,
    /// What may follow the keys typed so far.
    pub choices: Vec<Choice>,
    /// The last keys, newest last; only while presenting.
    pub keys: VecDeque<String>,
}

impl Preferences {
    /// `chosen` is the theme of `--theme`, already read.
    pub fn new(loaded: &Loaded, terminal: Terminal, chosen: Option<Sheet>) -> Preferences {
        Preferences {
            config: loaded.config.clone().unwrap_or_default(),
            themes: loaded.themes.clone(),
            rules: loaded.rules.clone().unwrap_or_default(),
            terminal,
            chosen,
            ..Preferences::default()
        }
    }

    /// What the findings room goes by, and a sentence for each thing in it that was left out.
    pub fn detect(&self) -> (DetectConfig, Vec<String>) {
        let mut problems = Vec::new();
        let mut config = DetectConfig::deserialize(self.config.findings.clone()).unwrap_or_else(|e| {
            problems.push(format!("[findings]: {}", e.message()));
            DetectConfig::default()
        });
        config.rules = user::load(&self.rules).unwrap_or_else(|faults| {
            problems.extend(faults.into_iter().map(|fault| format!("rules.yaml: {fault}")));
            Vec::new()
        });
        let own = config.rules.iter().map(|r| &*r.id);
        let known: BTreeSet<&str> = crate::judge::rules().map(|r| r.id).chain(own).collect();
        for id in config.severity.keys().filter(|id| !known.contains(id.as_str())) {
            let near = crate::config::document::nearest(id, known.iter().copied());
            let near = near.map(|n| format!("; did you mean {n:?}?")).unwrap_or_default();
            problems.push(format!("[findings.severity]: there is no rule {id:?}{near}"));
        }
        (config, problems)
    }

    /// Times of day are shown in.
    pub fn times(&self) -> Times {
        self.times.unwrap_or(self.settings.times)
    }

    fn sheet(&self, name: &str) -> Option<Sheet> {
        let chosen = self.chosen.as_ref().filter(|sheet| sheet.name == name);
        chosen.or_else(|| self.themes.get(name)).cloned().or_else(|| Sheet::built_in(name))
    }

    /// A theme as this terminal and context show it.
    fn theme(&self, sheet: &Sheet, read_only: bool) -> Theme {
        let palette = match self.terminal.palette {
            // NO_COLOR, or a terminal without: nothing overrules that.
            Palette::None => Palette::None,
            detected => self.settings.colours.unwrap_or(detected),
        };
        let theme = Theme::new(sheet, palette, self.settings.glyphs.unwrap_or(self.terminal.glyphs));
        let theme = if self.settings.background { theme } else { theme.on_own_ground() };
        theme.framed(self.settings.production, read_only)
    }

    /// Every theme that can be chosen, the user's own first.
    pub fn themes(&self) -> Vec<Suggestion> {
        let chosen = self.chosen.iter().map(|sheet| (sheet.name.clone(), sheet.about.clone()));
        let own = self.themes.iter().map(|(name, sheet)| (name.clone(), sheet.about.clone()));
        let shipped =
            BUILT_IN.iter().filter_map(|(name, _)| Some(((*name).to_owned(), Sheet::built_in(name)?.about)));
        let mut seen = BTreeSet::new();
        chosen
            .chain(own)
            .chain(shipped)
            .filter(|(name, _)| seen.insert(name.clone()))
            .map(|(word, description)| Suggestion { word, description, ..Suggestion::default() })
            .collect()
    }
}

/// Puts the preferences in force, at the start, when the context is known.
pub fn install(model: &mut Model, preferences: Preferences, loaded: &Loaded) {
    model.prefs = preferences;
    model.keymap = loaded.keymap.clone().unwrap_or_default();
    settle(model);
    model.prefs.locked = model.cluster.read_only || model.prefs.settings.read_only;
    model.cluster.read_only = model.prefs.locked;
    model.prefs.presentation = model.prefs.settings.presentation;
    model.header = model.prefs.settings.header;
    go_by(model);
    if model.namespaces.is_empty() && !model.prefs.settings.namespace.is_empty() {
        model.namespaces.insert(model.prefs.settings.namespace.as_str().into());
    }
    crate::app::core::navigate::confine(model);
    dress(model);
    complain(model, &loaded.problems);
}

/// Takes in files that changed. One that is refused leaves what held before.
pub fn reload(model: &mut Model, loaded: Loaded) -> Vec<Effect> {
    if let Some(keymap) = loaded.keymap {
        model.keymap = keymap;
        model.prefs.choices.clear();
    }
    model.prefs.themes = loaded.themes;
    let mut effects = Vec::new();
    let rules = loaded.rules.filter(|text| *text != model.prefs.rules);
    let mut findings = rules.is_some();
    if let Some(text) = rules {
        model.prefs.rules = text;
    }
    if let Some(config) = loaded.config {
        findings |= config.findings != model.prefs.config.findings;
        let before = std::mem::replace(&mut model.prefs.config, config);
        let old = before.for_context(&model.cluster.context);
        settle(model);
        let new = &model.prefs.settings;
        let rearranged = (&new.panes, new.left_width) != (&old.panes, old.left_width);
        if new.header != old.header {
            model.header = new.header;
        }
        if new.presentation != old.presentation {
            model.prefs.presentation = new.presentation;
        }
        if new.read_only && !old.read_only {
            model.prefs.locked = true;
            model.cluster.read_only = true;
            effects.push(Effect::ReadOnly(true));
        }
        if rearranged {
            arrange::reconfigured(model);
        }
        model.say(Tone::Good, "Configuration read again.");
    }
    if findings {
        go_by(model);
    }
    dress(model);
    complain(model, &loaded.problems);
    model.dirty = Dirty::Input;
    effects
}

/// Has the findings room go by what the files say now.
fn go_by(model: &mut Model) {
    let (config, problems) = model.prefs.detect();
    let data = &mut model.data;
    let found = data.detector.configure(config, &data.world, data.now);
    causes::follow(model, found);
    if let Some(first) = problems.first() {
        problems.iter().for_each(|p| tracing::warn!("{p}"));
        model.say(Tone::Bad, first.clone());
    }
}

fn settle(model: &mut Model) {
    model.prefs.settings = model.prefs.config.for_context(&model.cluster.context);
    focus(model);
}

/// The focus stays where there is a pane.
pub fn focus(model: &mut Model) {
    let panes = arrange::panes(model);
    if !panes.contains(&model.overview.focus) {
        // Pods are what most come for.
        let first = panes.first().copied().unwrap_or(Pane::Pods);
        model.overview.focus = if panes.contains(&Pane::Pods) { Pane::Pods } else { first };
    }
}

/// The theme in force, as everything that bears on it now says.
fn dress(model: &mut Model) {
    let prefs = &model.prefs;
    let sheet = prefs.chosen.clone().or_else(|| prefs.sheet(&prefs.settings.theme)).unwrap_or_default();
    model.theme = prefs.theme(&sheet, model.cluster.read_only);
    model.dirty = Dirty::Input;
}

/// The first thing wrong, and how many more there are; all of them are in the log.
fn complain(model: &mut Model, problems: &[Problem]) {
    for problem in problems {
        tracing::warn!("{problem}");
    }
    let worst = problems.iter().find(|p| p.level == Level::Error).or_else(|| problems.first());
    let Some(problem) = worst else { return };
    let more = match problems.len() - 1 {
        0 => String::new(),
        n => format!(" (and {n} more; `khud print config` and `khud print keys` list them)"),
    };
    model.say(Tone::Bad, format!("{problem}{more}"));
}

/// Shows a theme without choosing it.
pub fn preview(model: &mut Model, name: &str) {
    let Some(sheet) = model.prefs.sheet(name) else { return };
    let theme = model.prefs.theme(&sheet, model.cluster.read_only);
    let before = std::mem::replace(&mut model.theme, theme);
    model.prefs.before.get_or_insert(before);
    model.dirty = Dirty::Input;
}

/// The theme before the preview is back.
pub fn leave_preview(model: &mut Model) {
    if let Some(theme) = model.prefs.before.take() {
        model.theme = theme;
        model.dirty = Dirty::Input;
    }
}

/// Chooses a theme until the end of this run.
pub fn choose_theme(model: &mut Model, name: &str) {
    model.prefs.before = None;
    match model.prefs.sheet(name) {
        Some(sheet) => {
            model.prefs.chosen = Some(sheet);
            dress(model);
            model.say(Tone::Good, format!("Theme {name}. `theme = \"{name}\"` in config.toml keeps it."));
        }
        None => {
            let themes = model.prefs.themes();
            let near = crate::config::document::nearest(name, themes.iter().map(|s| s.word.as_str()));
            let near = near.map(|n| format!(" Did you mean `{n}`?")).unwrap_or_default();
            dress(model);
            model.say(Tone::Bad, format!("There is no theme `{name}`.{near}"));
        }
    }
}

/// Why read-only cannot be switched off, where it cannot.
pub fn kept_read_only(model: &Model) -> Option<String> {
    let kept = model.cluster.read_only && model.prefs.locked && !model.prefs.settings.unlock;
    let why = "Read-only stays: the command line or config.toml asked for it. `unlock = true` there lets it be switched off.";
    kept.then(|| why.to_owned())
}

/// Refuses every change from here on; or allows them again, where that is allowed.
pub fn toggle_read_only(model: &mut Model) -> Vec<Effect> {
    let on = !model.cluster.read_only;
    model.cluster.read_only = on;
    dress(model);
    let text = if on { "Read-only: khud refuses every change." } else { "Changes are possible again." };
    model.say(Tone::Good, text);
    vec![Effect::ReadOnly(on)]
}

/// For shared screens, and back.
pub fn toggle_presentation(model: &mut Model) {
    let prefs = &mut model.prefs;
    prefs.presentation = !prefs.presentation;
    prefs.keys.clear();
    let on = prefs.presentation;
    model.say(
        Tone::Info,
        if on { "Presenting: secrets are masked, keys are shown." } else { "Presenting no more." },
    );
}

/// The namespaces of the keys 1 to 9: those configured, then those chosen since, each staying where it is.
pub fn favourites(model: &Model) -> impl Iterator<Item = &str> {
    let configured = &model.prefs.settings.namespaces;
    let chosen = model.chosen.iter().filter(|n| !configured.iter().any(|c| **c == ***n));
    configured.iter().map(String::as_str).chain(chosen.map(|n| &**n)).take(9)
}

/// Only the favourite namespace of this number, from 0.
pub fn favourite(model: &mut Model, number: usize) {
    let name = favourites(model).nth(number).map(Into::into);
    if let Some(name) = name {
        crate::app::core::navigate::namespaces(model, vec![name]);
    }
}

/// Announces a new critical finding, where that is wanted.
pub fn announce(model: &mut Model, title: &str) {
    if model.prefs.settings.notifications != Notifications::Off {
        model.prefs.news = Some(title.to_owned());
    }
}

/// What is to be announced now. Several at once are one: a storm must not ring for minutes.
pub fn announcement(model: &mut Model) -> Option<Effect> {
    let title = model.prefs.news.take()?;
    Some(Effect::Announce(model.prefs.settings.notifications, title))
}

/// What a bug report says of the cluster: no names from it.
pub fn capabilities(model: &Model) -> Vec<String> {
    let mut lines = vec![
        format!("server: {}", model.cluster.version),
        format!("read-only: {}", model.cluster.read_only),
        format!("theme: {}", model.theme.name),
    ];
    for (stream, state) in &model.data.world.streams {
        lines.push(format!("{stream:?}: {:?}", state.state));
    }
    lines
}

pub fn toggle_times(model: &mut Model) {
    let times = if model.prefs.times() == Times::Utc { Times::Local } else { Times::Utc };
    model.prefs.times = Some(times);
    model.say(Tone::Info, if times == Times::Utc { "Times are in UTC." } else { "Times are local." });
}

/// Remembers a key for the audience.
pub fn show_key(model: &mut Model, key: Key) {
    if model.prefs.presentation && model.prompt.is_none() {
        let keys = &mut model.prefs.keys;
        keys.push_back(key.to_string());
        if keys.len() > KEYS {
            keys.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::core::{command, line};
    use crate::config::{Id, Keymap};
    use crate::world::{Clock, Time};

    fn loaded(config: &str) -> Loaded {
        Loaded {
            config: Some(Config::from_toml("config.toml", config).unwrap()),
            keymap: Some(Keymap::default()),
            ..Loaded::default()
        }
    }

    fn model(config: &str) -> Model {
        let mut model = Model::new(Clock::manual(Time(0)), Keymap::default(), Theme::default());
        let loaded = loaded(config);
        install(&mut model, Preferences::new(&loaded, Terminal::default(), None), &loaded);
        model
    }

    #[test]
    fn read_only_goes_off_only_where_that_is_allowed() {
        // Switched on by a key, it may be switched off again.
        let mut free = model("");
        assert_eq!(command::run(&mut free, Id::ReadOnly), [Effect::ReadOnly(true)]);
        assert_eq!(command::run(&mut free, Id::ReadOnly), [Effect::ReadOnly(false)]);
        let mut locked = model("read-only = true\n");
        assert!(locked.cluster.read_only);
        assert_eq!(command::run(&mut locked, Id::ReadOnly), []);
        assert!(locked.cluster.read_only && locked.message.is_some());
        let mut unlocked = model("read-only = true\nunlock = true\n");
        assert_eq!(command::run(&mut unlocked, Id::ReadOnly), [Effect::ReadOnly(false)]);
    }

    #[test]
    fn a_reload_keeps_what_was_refused_and_never_loosens() {
        let mut m = model("times = 'local'\n");
        reload(&mut m, Loaded { keymap: Some(Keymap::default()), ..Loaded::default() });
        assert_eq!(m.prefs.times(), Times::Local, "a refused file leaves what held");
        assert_eq!(reload(&mut m, loaded("read-only = true\n")), [Effect::ReadOnly(true)]);
        assert!(m.cluster.read_only);
        // Taking the key out of the file is no key pressed: it stays on until it is switched off.
        assert_eq!(reload(&mut m, loaded("")), []);
        assert!(m.cluster.read_only);
    }

    #[test]
    fn what_the_files_say_of_findings_holds_at_once_and_faults_are_told() {
        let mut m = model("");
        let rules = |text: &str| Loaded { rules: Some(text.to_owned()), ..Loaded::default() };
        reload(&mut m, rules("rules:\n- {id: team.x, kind: pod, when: pod.ready && &&, title: x}\n"));
        assert!(
            m.message.as_ref().unwrap().text.starts_with("rules.yaml: rule \"team.x\""),
            "{:?}",
            m.message
        );
        reload(&mut m, rules(""));
        reload(&mut m, loaded("[findings.severity]\n'image.notfound' = 'info'\n"));
        let said = &m.message.as_ref().unwrap().text;
        assert!(said.contains("did you mean \"image.not-found\"?"), "{said}");
    }

    #[test]
    fn a_theme_is_shown_while_it_is_looked_at_and_kept_when_it_is_chosen() {
        let mut m = model("theme = 'nord'\n");
        let nord = m.theme.style("text");
        preview(&mut m, "light");
        preview(&mut m, "gruvbox");
        assert_ne!(m.theme.style("text"), nord);
        leave_preview(&mut m);
        assert_eq!(m.theme.style("text"), nord);
        line::line(&mut m, "theme light");
        assert_eq!(m.theme.name, "light");
        line::line(&mut m, "theme lihgt");
        assert!(m.message.as_ref().unwrap().text.contains("Did you mean `light`?"));
        assert_eq!(m.theme.name, "light");
    }

    #[test]
    fn favourites_and_panes_are_those_of_the_context() {
        let mut m = model("namespaces = ['prod']\npanes = ['events', 'gpu']\n");
        assert_eq!(m.overview.focus, Pane::Events);
        command::run(&mut m, Id::FocusNext);
        assert_eq!(m.overview.focus, Pane::Gpus);
        command::run(&mut m, Id::Namespace1);
        assert_eq!(m.namespaces.iter().map(|n| &**n).collect::<Vec<_>>(), ["prod"]);
        command::run(&mut m, Id::Namespace2);
        assert!(m.message.as_ref().unwrap().text.contains("no favourite 2"));
    }
}
