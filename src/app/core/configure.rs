//! Puts the configuration in force, at the start and when its files change, and switches what keys may switch.

use crate::app::core::causes;
use crate::app::core::model::Model;
use crate::app::core::msg::Effect;
use crate::app::core::namespaces;
use crate::app::core::notice::{Dirty, Tone};
use crate::app::core::panes;
use crate::app::core::preferences::Preferences;
use crate::app::core::regions;
use crate::app::table::computed;
use crate::config::document::{Level, Problem};
use crate::config::files::Loaded;
use crate::config::settings::Times;
use crate::world::redact;

/// Puts the preferences in force, at the start, when the context is known.
pub fn install(model: &mut Model, preferences: Preferences, loaded: &Loaded) {
    model.prefs = preferences;
    model.keymap = loaded.keymap.clone().unwrap_or_default();
    apply_settings(model);
    model.prefs.locked = model.cluster.read_only || model.prefs.settings.read_only;
    model.cluster.read_only = model.prefs.locked;
    model.prefs.presentation = model.prefs.settings.presentation;
    model.header = model.prefs.settings.header;
    configure_detector(model);
    configure_columns(model);
    if model.namespaces.is_empty() && !model.prefs.settings.namespace.is_empty() {
        model.namespaces.insert(model.prefs.settings.namespace.as_str().into());
    }
    namespaces::confine(model);
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
    let (mut findings, mut columns) = (rules.is_some(), false);
    if let Some(text) = rules {
        model.prefs.rules = text;
    }
    if let Some(config) = loaded.config {
        findings |= config.findings != model.prefs.config.findings;
        let before = std::mem::replace(&mut model.prefs.config, config);
        let old = before.for_context(&model.cluster.context);
        apply_settings(model);
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
        if new.regions != old.regions {
            let regions = new.regions.clone();
            effects.push(regions::watch(model, regions));
        }
        if rearranged {
            panes::reconfigured(model);
        }
        columns = model.prefs.config.own.columns != before.own.columns;
        model.say(Tone::Good, "Configuration read again.");
    }
    if findings {
        configure_detector(model);
    }
    if columns {
        configure_columns(model);
    }
    dress(model);
    complain(model, &loaded.problems);
    model.dirty = Dirty::Input;
    effects
}

/// Has the findings room go by what the files say now.
fn configure_detector(model: &mut Model) {
    let (config, problems) = model.prefs.detect();
    let data = &mut model.data;
    let found = data.detector.configure(config, &data.world, data.now);
    causes::follow(model, found);
    if let Some(first) = problems.first() {
        problems.iter().for_each(|p| tracing::warn!("{p}"));
        model.say(Tone::Bad, first.clone());
    }
}

/// Gives tables the columns that the file has now.
fn configure_columns(model: &mut Model) {
    let (columns, problems) = computed::compile(&model.prefs.config.own.columns);
    model.data.own_columns = columns;
    let Model { data, overview, views, forward, .. } = model;
    let cx = data.cx();
    let views = overview.views_mut().chain(views.iter_mut().chain(forward).map(|v| &mut **v));
    for table in views.filter_map(|v| v.table_mut()) {
        table.relearn(&cx);
    }
    if let Some(first) = problems.first() {
        problems.iter().for_each(|p| tracing::warn!("{p}"));
        model.say(Tone::Bad, format!("config.toml: {first}"));
    }
}

fn apply_settings(model: &mut Model) {
    model.prefs.settings = model.prefs.config.for_context(&model.cluster.context);
    model.prefs.masks = redact::names(&model.prefs.settings.masks);
    let settings = &model.prefs.settings;
    model.data.telemetry.configure(settings.telemetry.clone(), settings.prometheus.clone());
    panes::keep_focus(model);
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
pub fn locked_read_only(model: &Model) -> Option<String> {
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

/// For shared screens, and back. A slip before an audience changes nothing: read-only comes on with it, and goes with it
/// where it came so.
pub fn toggle_presentation(model: &mut Model) -> Vec<Effect> {
    let on = !model.prefs.presentation;
    model.prefs.presentation = on;
    model.prefs.keys.clear();
    let turns = if on { !model.cluster.read_only } else { model.prefs.guarded && model.cluster.read_only };
    model.prefs.guarded = on && turns;
    let effects = if turns { toggle_read_only(model) } else { Vec::new() };
    let text = match (on, model.cluster.read_only) {
        (true, _) => {
            "Presenting: read-only, secrets and masked names hidden, keys shown. `:read-only` allows changes."
        }
        (false, true) => "Presenting no more; read-only stays.",
        (false, false) => "Presenting no more; changes are possible again.",
    };
    model.say(Tone::Info, text);
    effects
}

/// Facts about the cluster for a bug report, without names from it.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::core::pane::Pane;
    use crate::app::core::preferences::Terminal;
    use crate::app::update::{command, line};
    use crate::config::{Config, Id, Keymap, Theme};
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
            m.message.as_ref().unwrap().text.starts_with("rules.yaml: line 2, rule \"team.x\""),
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
