//! Themes: TOML files of scopes and a palette, resolved once to the styles the terminal can show.

use std::collections::{BTreeMap, HashMap};

use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::border;
use toml::de::DeTable;

use super::colour::{Palette, Rgb, background, foreground};
use super::document::{Document, Node, Problem, hint, quote, refused};
use super::scopes::{GLYPHS, SCOPES, SPARK, SPARK_ASCII};

/// The themes khud carries, by name, the default first.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("dark", include_str!("../../themes/dark.toml")),
    ("light", include_str!("../../themes/light.toml")),
    ("high-contrast", include_str!("../../themes/high-contrast.toml")),
    ("colour-blind", include_str!("../../themes/colour-blind.toml")),
    ("mono", include_str!("../../themes/mono.toml")),
    ("nord", include_str!("../../themes/nord.toml")),
    ("gruvbox", include_str!("../../themes/gruvbox.toml")),
    ("catppuccin", include_str!("../../themes/catppuccin.toml")),
    ("solarized", include_str!("../../themes/solarized.toml")),
];

/// A colour in a theme file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ink {
    /// The terminal's own.
    Default,
    Rgb(Rgb),
}

/// What a theme says of one scope; what it does not say comes from the scope's parents.
#[derive(Debug, Clone, Default)]
struct Spec {
    foreground: Option<String>,
    background: Option<String>,
    modifiers: Option<Modifier>,
}

/// A theme file, read and checked, not yet fitted to a terminal.
#[derive(Debug, Clone)]
pub struct Sheet {
    pub name: String,
    /// One line for the theme picker.
    pub about: String,
    palette: BTreeMap<String, Ink>,
    specs: BTreeMap<String, Spec>,
}

/// Which signs the terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Glyphs {
    Unicode,
    Ascii,
}

impl Glyphs {
    /// What the environment says: Unicode where the locale is UTF-8 and the terminal is no bare console.
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

/// Styles and signs, ready to draw with.
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

impl Default for Sheet {
    fn default() -> Sheet {
        Sheet::built_in(BUILT_IN[0].0).unwrap_or_else(|| Sheet::empty("dark"))
    }
}

const MODIFIERS: &[(&str, Modifier)] = &[
    ("bold", Modifier::BOLD),
    ("dim", Modifier::DIM),
    ("italic", Modifier::ITALIC),
    ("underlined", Modifier::UNDERLINED),
    ("reversed", Modifier::REVERSED),
    ("crossed-out", Modifier::CROSSED_OUT),
];

const FIELDS: [&str; 3] = ["fg", "bg", "modifiers"];

/// Scopes that only their background tells from others.
const STAND_OUT: [&str; 2] = ["row.selected", "dialog.selected"];

/// Deeper inheritance is taken for a circle.
const DEEPEST: usize = 8;

impl Sheet {
    fn empty(name: &str) -> Sheet {
        Sheet {
            name: name.to_owned(),
            about: String::new(),
            palette: BTreeMap::new(),
            specs: BTreeMap::new(),
        }
    }

    /// One of the themes khud carries.
    pub fn built_in(name: &str) -> Option<Sheet> {
        let (name, text) = BUILT_IN.iter().find(|(n, _)| *n == name)?;
        // A test reads every one of them.
        Sheet::from_toml(name, &format!("{name}.toml"), text, &|_| None).ok().map(|(sheet, _)| sheet)
    }

    /// Reads a theme. `inherits` names a theme khud carries or one that `find` gives the text of.
    ///
    /// # Errors
    /// Everything wrong, warnings included, when one problem refuses the file.
    pub fn from_toml(
        name: &str,
        file: &str,
        text: &str,
        find: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(Sheet, Vec<Problem>), Vec<Problem>> {
        Sheet::read(name, file, text, find, 0)
    }

    fn read(
        name: &str,
        file: &str,
        text: &str,
        find: &dyn Fn(&str) -> Option<String>,
        depth: usize,
    ) -> Result<(Sheet, Vec<Problem>), Vec<Problem>> {
        let mut document = Document::new(file, text);
        let mut sheet = Sheet::empty(name);
        let Some(table) = document.parse() else { return Err(document.problems) };
        if let Some(node) = table.get("inherits")
            && let Some(parent) = document.string("inherits", node)
        {
            match Sheet::parent(parent, find, depth) {
                Ok(found) => (sheet.palette, sheet.specs) = (found.palette, found.specs),
                Err(reason) => document.error(&node.span(), reason),
            }
        }
        for (key, node) in table.iter() {
            match key.get_ref().as_ref() {
                "inherits" => {}
                "about" => {
                    if let Some(about) = document.string("about", node) {
                        sheet.about = about.chars().filter(|c| !c.is_control()).collect();
                    }
                }
                "palette" => sheet.read_palette(&mut document, node),
                "styles" => {
                    if let Some(styles) = document.table("styles", node) {
                        sheet.read_styles(&mut document, "", styles);
                    }
                }
                _ => document.unknown(key, "key", ["inherits", "about", "palette", "styles"]),
            }
        }
        sheet.check_colours(&mut document, &table);
        document.problems.sort_by_key(|p| p.line);
        if refused(&document.problems) { Err(document.problems) } else { Ok((sheet, document.problems)) }
    }

    fn parent(name: &str, find: &dyn Fn(&str) -> Option<String>, depth: usize) -> Result<Sheet, String> {
        if depth >= DEEPEST {
            return Err(format!("themes inherit from each other in a circle, or more than {DEEPEST} deep"));
        }
        let carried = BUILT_IN.iter().find(|(n, _)| *n == name).map(|(_, text)| (*text).to_owned());
        let Some(text) = find(name).or(carried) else {
            let hint = hint(name, BUILT_IN.iter().map(|(n, _)| *n));
            return Err(format!("there is no theme {}{hint}", quote(name)));
        };
        Sheet::read(name, &format!("{name}.toml"), &text, find, depth + 1)
            .map(|(sheet, _)| sheet)
            .map_err(|problems| problems.first().map(Problem::to_string).unwrap_or_default())
    }

    fn read_palette<'t>(&mut self, document: &mut Document<'t>, node: &Node<'t>) {
        let Some(table) = document.table("palette", node) else { return };
        for (name, node) in table.iter() {
            let Some(text) = document.string(name.get_ref(), node) else { continue };
            match ink(text) {
                Some(ink) => {
                    self.palette.insert(name.get_ref().to_string(), ink);
                }
                None => document.error(&node.span(), not_a_colour(text)),
            }
        }
    }

    /// `"finding.critical" = "red"`, or `{ fg, bg, modifiers }`; bare dots make nested tables and mean the same.
    fn read_styles<'t>(&mut self, document: &mut Document<'t>, prefix: &str, table: &DeTable<'t>) {
        for (name, node) in table.iter() {
            let own = name.get_ref().as_ref();
            if !prefix.is_empty() && FIELDS.contains(&own) {
                continue;
            }
            let full = if prefix.is_empty() { own.to_owned() } else { format!("{prefix}.{own}") };
            let known = SCOPES.iter().any(|s| s.name == full || s.name.starts_with(&format!("{full}.")));
            if !known {
                let hint = hint(&full, SCOPES.iter().map(|s| s.name));
                document.warn(&name.span(), format!("unknown scope {}{hint}", quote(&full)));
                continue;
            }
            if let Some(inner) = node.get_ref().as_table() {
                let spec = read_spec(document, inner);
                self.specs.insert(full.clone(), spec);
                self.read_styles(document, &full, inner);
            } else if let Some(colour) = document.string(&full, node) {
                let spec = Spec { foreground: Some(colour.to_owned()), ..Spec::default() };
                self.specs.insert(full, spec);
            }
        }
    }

    /// Every colour a style names must be in the palette: looked at when the whole file, parents too, is read.
    fn check_colours<'t>(&self, document: &mut Document<'t>, table: &DeTable<'t>) {
        fn visit<'t>(sheet: &Sheet, document: &mut Document<'t>, table: &DeTable<'t>) {
            for (name, node) in table.iter() {
                if let Some(inner) = node.get_ref().as_table() {
                    visit(sheet, document, inner);
                } else if let Some(word) = node.get_ref().as_str()
                    && name.get_ref() != "modifiers"
                    && sheet.ink(word).is_none()
                {
                    let hint = hint(word, sheet.palette.keys().map(String::as_str));
                    document.error(&node.span(), format!("{}{hint}", not_a_colour(word)));
                }
            }
        }
        if let Some(styles) = table.get("styles").and_then(|node| node.get_ref().as_table()) {
            visit(self, document, styles);
        }
    }

    fn ink(&self, word: &str) -> Option<Ink> {
        self.palette.get(word).copied().or_else(|| ink(word))
    }

    /// The scope's own word, or its parents', the nearest first.
    fn inherited<T>(&self, scope: &str, take: impl Fn(&Spec) -> Option<T>, with_text: bool) -> Option<T> {
        let parents = std::iter::successors(Some(scope), |s| Some(s.rsplit_once('.')?.0));
        let root = (with_text && !scope.starts_with("text")).then_some("text");
        parents.chain(root).find_map(|s| self.specs.get(s).and_then(&take))
    }

    fn colours(&self, scope: &str) -> (Option<Ink>, Option<Ink>) {
        let ink = |word: String| self.ink(&word);
        (
            self.inherited(scope, |s| s.foreground.clone(), true).and_then(ink),
            self.inherited(scope, |s| s.background.clone(), false).and_then(ink),
        )
    }

    /// A scope's text colour and the background it stands on, where both are the theme's own.
    pub fn pair(&self, scope: &str) -> (Option<Rgb>, Option<Rgb>) {
        let rgb = |ink: Option<Ink>| match ink {
            Some(Ink::Rgb(rgb)) => Some(rgb),
            _ => None,
        };
        let (foreground, background) = self.colours(scope);
        (rgb(foreground), rgb(background.or(self.colours("text").1)))
    }

    /// True when the scope has a background other than the ground's.
    pub fn has_background(&self, scope: &str) -> bool {
        scope != "text" && self.colours(scope).1.is_some()
    }
}

/// `default`, or a colour in hex.
fn ink(word: &str) -> Option<Ink> {
    if word == "default" { Some(Ink::Default) } else { Rgb::parse(word).map(Ink::Rgb) }
}

fn not_a_colour(word: &str) -> String {
    format!("{} is neither #rrggbb, nor \"default\", nor a name in [palette]", quote(word))
}

fn read_spec<'t>(document: &mut Document<'t>, table: &DeTable<'t>) -> Spec {
    let mut spec = Spec::default();
    for (name, node) in table.iter() {
        match name.get_ref().as_ref() {
            "fg" => spec.foreground = document.string("fg", node).map(str::to_owned),
            "bg" => spec.background = document.string("bg", node).map(str::to_owned),
            "modifiers" => {
                let mut all = Modifier::empty();
                for (at, word) in document.strings("modifiers", node).unwrap_or_default() {
                    match MODIFIERS.iter().find(|(n, _)| *n == word) {
                        Some((_, modifier)) => all |= *modifier,
                        None => {
                            let names: Vec<&str> = MODIFIERS.iter().map(|(n, _)| *n).collect();
                            let hint = hint(word, names.iter().copied());
                            let text = format!("{} is none of {}{hint}", quote(word), names.join(", "));
                            document.error(&at, text);
                        }
                    }
                }
                spec.modifiers = Some(all);
            }
            // Scopes below this one; read by the caller.
            _ => {}
        }
    }
    spec
}

impl Theme {
    /// Fits a sheet to what the terminal shows. Without colours every theme looks like `mono`.
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

    /// Leaves the ground to the terminal: its own background, and text only where a theme colours it.
    pub fn on_own_ground(mut self) -> Theme {
        if self.palette != Palette::None
            && let Some(text) = self.styles.get_mut("text")
        {
            text.bg = Some(Color::Reset);
        }
        self
    }

    /// The style of a scope, or of its nearest known parent. The background is set only where the scope has one
    /// of its own, so that text keeps the row or dialog it is drawn on; `text` has the ground's.
    pub fn style(&self, scope: &str) -> Style {
        std::iter::successors(Some(scope), |s| Some(s.rsplit_once('.')?.0))
            .find_map(|s| self.styles.get(s).copied())
            .unwrap_or_default()
    }

    /// A sign by its name in [`GLYPHS`], one cell wide; `?` for a name there is none of.
    pub fn glyph(&self, name: &str) -> &'static str {
        self.signs.get(name).copied().unwrap_or("?")
    }

    /// Line drawing for frames.
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
            // On the terminal's own ground nothing is known of the contrast: take black for it.
            let on = ground.unwrap_or(Rgb(0, 0, 0));
            let shown_on = background(on, palette).map_or(on, |(_, shown)| shown);
            style.fg = foreground(colour, on, shown_on, palette);
        }
        Some(Ink::Default) if palette != Palette::None => style.fg = Some(Color::Reset),
        _ => {}
    }
    let mut modifiers = sheet.inherited(scope, |s| s.modifiers, true).unwrap_or_default();
    // With few colours a background may come out as the ground's own; the cursor must not vanish with it.
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
    use crate::config::document::Level;
    use crate::config::scopes::Use;

    fn shown(style: Style, ground: Style) -> Option<(Rgb, Rgb)> {
        let rgb = |colour: Option<Color>| match colour {
            Some(Color::Rgb(r, g, b)) => Some(Rgb(r, g, b)),
            _ => None,
        };
        Some((rgb(style.fg)?, rgb(style.bg.or(ground.bg))?))
    }

    #[test]
    fn every_shipped_theme_loads_without_a_warning_and_is_complete() {
        for (name, text) in BUILT_IN {
            let (sheet, warnings) = Sheet::from_toml(name, name, text, &|_| None).unwrap();
            assert_eq!(warnings, [], "{name}");
            assert!(!sheet.about.is_empty(), "{name}");
            // A scope nobody styles would look like plain text: fine in mono, a hole in a theme of colours.
            for scope in SCOPES.iter().filter(|_| *name != "mono") {
                assert!(sheet.specs.contains_key(scope.name), "{name}: {}", scope.name);
            }
        }
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
                    // Only plain text takes its own ground; on rows and in dialogs it is drawn without.
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
        // `finding` twice is not TOML, so nest it.
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
    fn what_is_wrong_in_a_theme_is_told_with_its_line() {
        let text = "inherits = 'drak'\n[palette]\nrde = 'reddish'\n[styles]\n\"finding.critcal\" = '#f00'\n\
                    error = { fg = 'rad', modifiers = ['blod'] }\n";
        let problems = Sheet::from_toml("mine", "mine.toml", text, &|_| None).unwrap_err();
        let said: Vec<(usize, Level, &str)> =
            problems.iter().map(|p| (p.line, p.level, p.text.as_str())).collect();
        assert_eq!(said[0], (1, Level::Error, "there is no theme \"drak\"; did you mean \"dark\"?"));
        assert_eq!(said[1].0, 3);
        assert_eq!(
            said[2],
            (5, Level::Warning, "unknown scope \"finding.critcal\"; did you mean \"finding.critical\"?")
        );
        assert!(said[3..].iter().all(|(line, level, _)| (*line, *level) == (6, Level::Error)), "{said:?}");
        assert!(said[3..].iter().any(|(_, _, text)| text.contains("did you mean \"bold\"?")), "{said:?}");
        assert_eq!(said.len(), 5);
    }

    #[test]
    fn inheritance_in_a_circle_ends() {
        let find = |name: &str| Some(format!("inherits = '{}'", if name == "a" { "b" } else { "a" }));
        let problems = Sheet::from_toml("a", "a.toml", "inherits = 'b'", &find).unwrap_err();
        assert!(problems[0].text.contains("in a circle"), "{}", problems[0]);
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
