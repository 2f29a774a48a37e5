//! What the user configured and has switched since: the theme and its preview, keys, read-only, presentation.

use std::collections::{BTreeSet, VecDeque};

use regex::Regex;
use serde::Deserialize;

use crate::app::core::msg::Effect;
use crate::app::core::typed::Suggestion;
use crate::config::colour::Palette;
use crate::config::files::Loaded;
use crate::config::keymap::Choice;
use crate::config::own::Own;
use crate::config::settings::{Notifications, Times};
use crate::config::sheet::{BUILT_IN, Sheet};
use crate::config::theme::Glyphs;
use crate::config::{Config, Settings, Theme};
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
    pub(super) config: Config,
    pub(super) themes: std::collections::BTreeMap<String, Sheet>,
    /// The text of the user's own rules.
    pub(super) rules: String,
    terminal: Terminal,
    /// The theme of `--theme` or of the picker; comes before the file's.
    pub(super) chosen: Option<Sheet>,
    /// The theme to go back to when the picker is left.
    pub(super) before: Option<Theme>,
    /// What holds in this context.
    pub settings: Settings,
    /// Switched on by a flag or the file, not by a key.
    pub(super) locked: bool,
    pub presentation: bool,
    /// Names that a shared screen does not show.
    pub masks: Option<Regex>,
    /// Read-only was switched on because the screen is shared.
    pub(super) guarded: bool,
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

    /// Aliases, hotkeys, plugins and columns that the user added.
    pub fn own(&self) -> &Own {
        &self.config.own
    }

    /// Times of day are shown in.
    pub fn times(&self) -> Times {
        self.times.unwrap_or(self.settings.times)
    }

    pub(super) fn sheet(&self, name: &str) -> Option<Sheet> {
        let chosen = self.chosen.as_ref().filter(|sheet| sheet.name == name);
        chosen.or_else(|| self.themes.get(name)).cloned().or_else(|| Sheet::built_in(name))
    }

    /// A theme as this terminal and context show it.
    pub(super) fn theme(&self, sheet: &Sheet, read_only: bool) -> Theme {
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

    /// Announces a new critical finding, where that is wanted.
    pub(super) fn announce(&mut self, title: &str) {
        if self.settings.notifications != Notifications::Off {
            self.news = Some(title.to_owned());
        }
    }

    /// The announcement due now. Several at once become one: a storm must not ring for minutes.
    pub(super) fn announcement(&mut self) -> Option<Effect> {
        let title = self.news.take()?;
        Some(Effect::Announce(self.settings.notifications, title))
    }

    /// Remembers a key for the audience.
    pub(in crate::app) fn show_key(&mut self, key: String) {
        if self.presentation {
            self.keys.push_back(key);
            if self.keys.len() > KEYS {
                self.keys.pop_front();
            }
        }
    }
}
