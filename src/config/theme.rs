//! A theme ready for drawing: the scopes of a sheet resolved to styles and signs that the terminal can show.

use std::collections::HashMap;

use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::border;

use super::colour::{Palette, Rgb, background, foreground};
use super::scopes::{GLYPHS, SCOPES, SPARK, SPARK_ASCII};
use super::sheet::Ink;
pub use super::sheet::{BUILT_IN, Sheet};

/// The signs that the terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Glyphs {
    Unicode,
    Ascii,
}

impl Glyphs {
    /// Detects the signs from the environment: Unicode if the locale is UTF-8 and the terminal is not a Linux
    /// console.
    pub fn detect(env: impl Fn(&str) -> Option<String>) -> Glyphs {
        let locale =
            ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| env(name).filter(|v| !v.is_empty()));
        let locale = locale.unwrap_or_default().to_ascii_lowercase();
        let term = env("TERM").unwrap_or_default();
        if (locale.contains("utf-8") || locale.contains("utf8"))
            && !matches!(term.as_str(), "dumb" | "linux" | "")
        {
            Glyphs::Unicode
        } else {
            Glyphs::Ascii
        }
    }
}

/// Styles and signs, ready for drawing.
#[derive(Debug, Clone)]
pub struct Theme {
    pub name: String,
    pub palette: Palette,
    pub glyphs: Glyphs,
    styles: HashMap<&'static str, Style>,
    signs: HashMap<&'static str, &'static str>,
}

impl Default for Theme {
    /// The dark theme in all colours.
    fn default() -> Theme {
        Theme::new(&Sheet::default(), Palette::Rgb, Glyphs::Unicode)
    }
}

/// Scopes that are distinguished only by their background.
const STAND_OUT: [&str; 2] = ["row.selected", "dialog.selected"];

impl Theme {
    /// Adapts a sheet to the terminal. Without colours every theme looks like `mono`.
    pub fn new(sheet: &Sheet, palette: Palette, glyphs: Glyphs) -> Theme {
        let mono = (palette == Palette::None).then(|| Sheet::built_in("mono")).flatten();
        let source = mono.as_ref().unwrap_or(sheet);
        Theme {
            name: sheet.name.clone(),
            palette,
            glyphs,
            styles: SCOPES.iter().map(|s| (s.name, resolve(source, s.name, palette))).collect(),
            signs: GLYPHS
                .iter()
                .map(|g| (g.name, if glyphs == Glyphs::Unicode { g.unicode } else { g.ascii }))
                .collect(),
        }
    }

    /// Keeps the terminal's own background, and sets text colours only where the theme does.
    pub fn on_own_ground(mut self) -> Theme {
        if self.palette != Palette::None
            && let Some(text) = self.styles.get_mut("text")
        {
            text.bg = Some(Color::Reset);
        }
        self
    }

    /// Draws frames in the colour of a production context, or of read-only mode.
    pub fn framed(mut self, production: bool, read_only: bool) -> Theme {
        let scope = match (production, read_only) {
            (true, _) => "frame.production",
            (false, true) => "frame.read-only",
            (false, false) => return self,
        };
        let style = self.style(scope);
        self.styles.insert("frame", style.remove_modifier(Modifier::BOLD));
        self.styles.insert("frame.focus", style.add_modifier(Modifier::BOLD));
        self
    }

    /// The style of a scope, or of its nearest known parent. It has a background only if the scope sets one,
    /// so that text keeps the background of its row or dialog; `text` has the screen's.
    pub fn style(&self, scope: &str) -> Style {
        std::iter::successors(Some(scope), |s| Some(s.rsplit_once('.')?.0))
            .find_map(|s| self.styles.get(s).copied())
            .unwrap_or_default()
    }

    /// A sign by its name in [`GLYPHS`], one cell wide; `?` for an unknown name.
    pub fn glyph(&self, name: &str) -> &'static str {
        self.signs.get(name).copied().unwrap_or("?")
    }

    /// Line drawing characters for frames.
    pub fn borders(&self) -> border::Set<'static> {
        match self.glyphs {
            Glyphs::Unicode => border::PLAIN,
            Glyphs::Ascii => border::Set {
                top_left: "+",
                top_right: "+",
                bottom_left: "+",
                bottom_right: "+",
                vertical_left: "|",
                vertical_right: "|",
                horizontal_top: "-",
                horizontal_bottom: "-",
            },
        }
    }

    /// Sparkline steps, from empty to full.
    pub fn spark(&self) -> [&'static str; 9] {
        if self.glyphs == Glyphs::Unicode { SPARK } else { SPARK_ASCII }
    }
}

fn resolve(sheet: &Sheet, scope: &str, palette: Palette) -> Style {
    let mut style = Style::default();
    let (fg, bg) = sheet.colours(scope);
    let (_, ground) = sheet.pair(scope);
    match bg {
        Some(Ink::Rgb(colour)) => style.bg = background(colour, palette).map(|(c, _)| c),
        Some(Ink::Default) if palette != Palette::None => style.bg = Some(Color::Reset),
        _ => {}
    }
    match fg {
        Some(Ink::Rgb(colour)) => {
            // The terminal's own background is unknown; assume black.
            let on = ground.unwrap_or(Rgb(0, 0, 0));
            let shown_on = background(on, palette).map_or(on, |(_, shown)| shown);
            style.fg = foreground(colour, on, shown_on, palette);
        }
        Some(Ink::Default) if palette != Palette::None => style.fg = Some(Color::Reset),
        _ => {}
    }
    let mut modifiers = sheet.inherited(scope, |s| s.modifiers, true).unwrap_or_default();
    // With few colours, a background may become equal to the screen's. The cursor must stay visible.
    let shown_ground = sheet.pair("text").1.and_then(|ground| background(ground, palette)).map(|(c, _)| c);
    if STAND_OUT.contains(&scope) && style.bg.is_some() && style.bg == shown_ground {
        modifiers |= Modifier::REVERSED;
    }
    style.add_modifier(modifiers)
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr;

    use super::*;
    use crate::config::colour::{contrast, indexed};
    use crate::config::scopes::Use;

    fn shown(style: Style, ground: Style) -> Option<(Rgb, Rgb)> {
        let rgb = |colour: Option<Color>| match colour {
            Some(Color::Rgb(r, g, b)) => Some(Rgb(r, g, b)),
            _ => None,
        };
        Some((rgb(style.fg)?, rgb(style.bg.or(ground.bg))?))
    }

    #[test]
    fn every_text_scope_can_be_read_on_every_ground_it_is_drawn_on() {
        let mut dull = Vec::new();
        for (name, _) in BUILT_IN.iter().filter(|(n, _)| *n != "mono") {
            let theme = Theme::new(&Sheet::built_in(name).unwrap(), Palette::Rgb, Glyphs::Unicode);
            let wanted = if *name == "high-contrast" { 7.0 } else { 4.5 };
            for scope in SCOPES.iter().filter(|s| s.usage != Use::Line) {
                let grounds: &[&str] = match scope.usage {
                    Use::Row => &["text", "dialog", "row.selected", "row.marked", "dialog.selected"],
                    _ => &["text", "dialog"],
                };
                for ground in grounds {
                    // Only plain text sets its own background; in rows and dialogs it is drawn without.
                    let mut style = theme.style(scope.name);
                    if scope.name == "text" {
                        style.bg = None;
                    }
                    let (fg, bg) = shown(style, theme.style(ground)).unwrap();
                    let ratio = contrast(fg, bg);
                    if ratio < wanted {
                        dull.push(format!("{name}: {} on {ground}: {ratio:.2}", scope.name));
                    }
                }
            }
            for line in ["frame.focus", "frame.production", "frame.read-only", "dialog.frame"] {
                let (fg, bg) = shown(theme.style(line), theme.style("text")).unwrap();
                if contrast(fg, bg) < 3.0 {
                    dull.push(format!("{name}: {line}: below 3"));
                }
            }
        }
        assert!(dull.is_empty(), "too little contrast:\n{}", dull.join("\n"));
    }

    #[test]
    fn production_and_read_only_change_the_frame() {
        let dark = Theme::default();
        let production = dark.clone().framed(true, true);
        assert_eq!(production.style("frame").fg, dark.style("frame.production").fg);
        assert_eq!(production.style("frame.focus").fg, dark.style("frame.production").fg);
        assert_eq!(dark.clone().framed(false, true).style("frame").fg, dark.style("frame.read-only").fg);
        assert_eq!(dark.clone().framed(false, false).style("frame"), dark.style("frame"));
    }

    #[test]
    fn two_hundred_and_fifty_six_colours_are_still_readable() {
        let rgb = |colour: Option<Color>| match colour {
            Some(Color::Indexed(index)) => Some(indexed(index)),
            _ => None,
        };
        let mut dull = Vec::new();
        for (name, _) in BUILT_IN.iter().filter(|(n, _)| *n != "mono") {
            let theme = Theme::new(&Sheet::built_in(name).unwrap(), Palette::Indexed256, Glyphs::Unicode);
            for scope in SCOPES.iter().filter(|s| s.usage != Use::Line) {
                let style = theme.style(scope.name);
                let ground = style.bg.or(theme.style("text").bg);
                let ratio = contrast(rgb(style.fg).unwrap(), rgb(ground).unwrap());
                if ratio < 4.5 {
                    dull.push(format!("{name}: {}: {ratio:.2}", scope.name));
                }
            }
            let selected = theme.style("row.selected");
            assert!(
                selected.bg != theme.style("text").bg || selected.add_modifier.contains(Modifier::REVERSED),
                "{name}: the cursor vanishes"
            );
        }
        assert!(dull.is_empty(), "too little contrast:\n{}", dull.join("\n"));
    }

    #[test]
    fn fewer_colours_stay_readable_and_no_colours_are_none() {
        for (name, _) in BUILT_IN {
            let sheet = Sheet::built_in(name).unwrap();
            for scope in SCOPES {
                let style = Theme::new(&sheet, Palette::None, Glyphs::Ascii).style(scope.name);
                assert_eq!((style.fg, style.bg), (None, None), "{name}: {}", scope.name);
            }
            for palette in [Palette::Indexed256, Palette::Ansi16] {
                let theme = Theme::new(&sheet, palette, Glyphs::Unicode);
                for scope in SCOPES {
                    let style = theme.style(scope.name);
                    for colour in [style.fg, style.bg].into_iter().flatten() {
                        assert!(!matches!(colour, Color::Rgb(..)), "{name}: {}", scope.name);
                    }
                    if let (Some(fg), Some(bg)) = (style.fg, style.bg) {
                        assert!(fg != bg || fg == Color::Reset, "{name}: {} vanishes", scope.name);
                    }
                }
            }
        }
        let mono = Theme::new(&Sheet::default(), Palette::None, Glyphs::Ascii);
        assert!(mono.style("row.selected").add_modifier.contains(Modifier::REVERSED));
    }

    #[test]
    fn a_scope_takes_what_it_lacks_from_its_parents_but_never_their_ground() {
        let text = "[palette]\nred = '#f00'\n[styles]\ntext = { fg = '#ddd', bg = '#000' }\n\
                    finding = { fg = 'red', modifiers = ['bold'] }\nfinding.warning.fg = '#ff0'\n\
                    dialog = { bg = '#222' }\n";
        // TOML allows `finding` only once, so nest it.
        let text = text.replace("finding.warning.fg = '#ff0'\n", "\"finding.warning\" = '#ff0'\n");
        let (sheet, _) = Sheet::from_toml("t", "t.toml", &text, &|_| None).unwrap();
        let theme = Theme::new(&sheet, Palette::Rgb, Glyphs::Unicode);
        let critical = theme.style("finding.critical");
        assert_eq!((critical.fg, critical.bg), (Some(Color::Rgb(255, 0, 0)), None));
        assert!(critical.add_modifier.contains(Modifier::BOLD));
        let warning = theme.style("finding.warning");
        assert_eq!(warning.fg, Some(Color::Rgb(255, 255, 0)));
        assert!(warning.add_modifier.contains(Modifier::BOLD));
        assert_eq!(theme.style("dialog.title").bg, Some(Color::Rgb(0x22, 0x22, 0x22)));
        assert_eq!(theme.style("finding.critical.unheard-of"), critical);
    }

    #[test]
    fn glyphs_are_one_cell_wide_and_the_fallback_is_ascii() {
        for glyph in GLYPHS {
            assert_eq!(glyph.unicode.width(), 1, "{}", glyph.name);
            assert!(glyph.ascii.len() == 1 && glyph.ascii.is_ascii(), "{}", glyph.name);
        }
        assert!(SPARK.iter().chain(&SPARK_ASCII).all(|s| s.width() == 1));
        let env = |vars: &'static [(&str, &str)]| {
            move |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
        };
        assert_eq!(Glyphs::detect(env(&[("LANG", "en_GB.UTF-8"), ("TERM", "xterm")])), Glyphs::Unicode);
        assert_eq!(Glyphs::detect(env(&[("LANG", "C.utf8"), ("TERM", "linux")])), Glyphs::Ascii);
        assert_eq!(
            Glyphs::detect(env(&[("LANG", "C.utf8"), ("LC_ALL", "C"), ("TERM", "xterm")])),
            Glyphs::Ascii
        );
    }
}
