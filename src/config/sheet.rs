//! Theme files: a palette and a style for each scope, parsed, checked and printed.

use std::collections::BTreeMap;
use std::fmt::Write;

use ratatui::style::Modifier;
use toml::de::DeTable;

use super::colour::Rgb;
use super::document::{Document, Node, Problem, hint, quote, refused};
use super::scopes::SCOPES;

/// The built-in themes by name, the default first.
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
pub(crate) enum Ink {
    /// The terminal's own colour.
    Default,
    Rgb(Rgb),
}

/// The style of one scope. Missing parts come from the parent scopes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spec {
    foreground: Option<String>,
    background: Option<String>,
    pub modifiers: Option<Modifier>,
}

/// A parsed and checked theme file, not yet adapted to a terminal.
#[derive(Debug, Clone)]
pub struct Sheet {
    pub name: String,
    /// One line for the theme picker.
    pub about: String,
    palette: BTreeMap<String, Ink>,
    specs: BTreeMap<String, Spec>,
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

/// The deepest inheritance; deeper means a cycle.
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

    /// One of the built-in themes.
    pub fn built_in(name: &str) -> Option<Sheet> {
        let (name, text) = BUILT_IN.iter().find(|(n, _)| *n == name)?;
        // A test parses every built-in theme.
        Sheet::from_toml(name, &format!("{name}.toml"), text, &|_| None).ok().map(|(sheet, _)| sheet)
    }

    /// Parses a theme. `inherits` names a built-in theme, or one whose text `find` returns.
    ///
    /// # Errors
    /// All problems and warnings, if a problem rejects the file.
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
            return Err(format!(
                "themes inherit from each other in a cycle, or more than {DEEPEST} levels deep"
            ));
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

    /// Reads `"finding.critical" = "red"`, or `{ fg, bg, modifiers }`. Bare dots make nested tables, which
    /// mean the same.
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

    /// Checks that the palette defines every colour of a style. It runs after the whole file and its parents
    /// are read.
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

    /// The value of the scope, else of the nearest parent that has one.
    pub(crate) fn inherited<T>(
        &self,
        scope: &str,
        take: impl Fn(&Spec) -> Option<T>,
        with_text: bool,
    ) -> Option<T> {
        let parents = std::iter::successors(Some(scope), |s| Some(s.rsplit_once('.')?.0));
        let root = (with_text && !scope.starts_with("text")).then_some("text");
        parents.chain(root).find_map(|s| self.specs.get(s).and_then(&take))
    }

    pub(crate) fn colours(&self, scope: &str) -> (Option<Ink>, Option<Ink>) {
        let ink = |word: String| self.ink(&word);
        (
            self.inherited(scope, |s| s.foreground.clone(), true).and_then(ink),
            self.inherited(scope, |s| s.background.clone(), false).and_then(ink),
        )
    }

    /// A scope's text colour and background, if the theme sets both.
    pub fn pair(&self, scope: &str) -> (Option<Rgb>, Option<Rgb>) {
        let rgb = |ink: Option<Ink>| match ink {
            Some(Ink::Rgb(rgb)) => Some(rgb),
            _ => None,
        };
        let (foreground, background) = self.colours(scope);
        (rgb(foreground), rgb(background.or(self.colours("text").1)))
    }

    /// The complete theme as a file, with parents merged in and the purpose of each scope.
    pub fn to_toml(&self) -> String {
        let mut out = format!("# The complete theme {}.\nabout = {}\n", self.name, toml_string(&self.about));
        if !self.palette.is_empty() {
            out.push_str("\n[palette]\n");
        }
        for (name, ink) in &self.palette {
            let colour = match ink {
                Ink::Default => "default".to_owned(),
                Ink::Rgb(Rgb(r, g, b)) => format!("#{r:02x}{g:02x}{b:02x}"),
            };
            // Writing to a String cannot fail.
            let _ = writeln!(out, "{} = \"{colour}\"", toml_string(name));
        }
        out.push_str("\n[styles]\n");
        for scope in SCOPES {
            let spec = self.specs.get(scope.name).cloned().unwrap_or_default();
            let mut fields = Vec::new();
            fields.extend(spec.foreground.map(|c| format!("fg = {}", toml_string(&c))));
            fields.extend(spec.background.map(|c| format!("bg = {}", toml_string(&c))));
            fields.extend(spec.modifiers.map(|m| format!("modifiers = {}", modifiers_toml(m))));
            let _ = writeln!(out, "# {}\n\"{}\" = {{ {} }}", scope.about, scope.name, fields.join(", "));
        }
        out
    }
}

/// A string as TOML.
fn toml_string(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A list of modifiers as TOML.
fn modifiers_toml(modifiers: Modifier) -> String {
    let names: Vec<String> =
        MODIFIERS.iter().filter(|(_, m)| modifiers.contains(*m)).map(|(n, _)| format!("\"{n}\"")).collect();
    format!("[{}]", names.join(", "))
}

/// `default` or a hex colour.
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
                            let text = format!("{} is not one of {}{hint}", quote(word), names.join(", "));
                            document.error(&at, text);
                        }
                    }
                }
                spec.modifiers = Some(all);
            }
            // Scopes below this one; the caller reads them.
            _ => {}
        }
    }
    spec
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document::Level;

    #[test]
    fn every_shipped_theme_loads_without_a_warning_and_is_complete() {
        for (name, text) in BUILT_IN {
            let (sheet, warnings) = Sheet::from_toml(name, name, text, &|_| None).unwrap();
            assert_eq!(warnings, [], "{name}");
            assert!(!sheet.about.is_empty(), "{name}");
            // An unstyled scope would look like plain text. Only `mono` may do that.
            for scope in SCOPES.iter().filter(|_| *name != "mono") {
                assert!(sheet.specs.contains_key(scope.name), "{name}: {}", scope.name);
            }
        }
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
    fn a_sheet_written_and_read_again_is_the_same() {
        for (name, _) in BUILT_IN {
            let sheet = Sheet::built_in(name).unwrap();
            let (again, warnings) = Sheet::from_toml(name, name, &sheet.to_toml(), &|_| None).unwrap();
            assert_eq!(warnings, [], "{name}");
            for scope in SCOPES {
                assert_eq!(again.colours(scope.name), sheet.colours(scope.name), "{name}: {}", scope.name);
            }
        }
    }

    #[test]
    fn inheritance_in_a_circle_ends() {
        let find = |name: &str| Some(format!("inherits = '{}'", if name == "a" { "b" } else { "a" }));
        let problems = Sheet::from_toml("a", "a.toml", "inherits = 'b'", &find).unwrap_err();
        assert!(problems[0].text.contains("in a cycle"), "{}", problems[0]);
    }
}
