//! What users add to khud in config.toml: aliases, hotkeys, plugins and columns.

use std::collections::BTreeMap;

use toml::de::DeTable;

use super::document::{Document, Name, Node, quote};
use super::key::Key;

/// The tables of the file that hold them.
pub const TABLES: [&str; 4] = ["aliases", "hotkeys", "plugins", "columns"];

/// A key that runs a line, as if typed after `:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hotkey {
    pub key: Key,
    pub line: String,
}

/// Where a plugin's output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Into a view of khud's.
    View,
    /// The program has the terminal until it ends.
    Terminal,
}

/// A program that a key runs with the fields of the row under the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugin {
    pub name: String,
    pub key: Key,
    /// Kinds' plural names on which it works; `all` is any row.
    pub scopes: Vec<String>,
    pub command: String,
    /// Arguments with `$FIELD` in them.
    pub args: Vec<String>,
    pub about: String,
    pub output: Output,
    /// The command is shown and confirmed first.
    pub confirm: bool,
    /// It changes nothing, so that read-only does not refuse it.
    pub reads_only: bool,
}

/// A column with what its cells are: a CEL expression over the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnColumn {
    pub title: String,
    pub expression: String,
}

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Own {
    /// A word after `:`, and the line it stands for.
    pub aliases: BTreeMap<String, String>,
    pub hotkeys: Vec<Hotkey>,
    pub plugins: Vec<Plugin>,
    /// By the kind's word, in the order of the file.
    pub columns: Vec<(String, Vec<OwnColumn>)>,
}

impl Own {
    /// The line with its first word expanded, where that is an alias. What an alias stands for is not expanded again.
    pub fn expand(&self, line: &str) -> Option<String> {
        let line = line.trim().trim_start_matches(':');
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let stands_for = self.aliases.get(word)?;
        Some(format!("{stands_for} {}", rest.trim()).trim().to_owned())
    }

    pub fn hotkey(&self, key: Key) -> Option<&Hotkey> {
        self.hotkeys.iter().find(|h| h.key == key)
    }

    /// The plugin of a key on rows of this kind; without a row only those for any.
    pub fn plugin(&self, key: Key, plural: Option<&str>) -> Option<&Plugin> {
        let fits = |p: &&Plugin| p.scopes.iter().any(|s| s == "all" || Some(s.as_str()) == plural);
        self.plugins.iter().filter(|p| p.key == key).find(fits)
    }

    /// Reads one of [`TABLES`]; entries that cannot be used are recorded and left out.
    pub(super) fn read<'t>(&mut self, document: &mut Document<'t>, table: &str, node: &Node<'t>) {
        let Some(entries) = document.table(table, node) else { return };
        for (name, node) in in_order(entries) {
            match table {
                "aliases" => {
                    if let Some(line) = line(document, name, node) {
                        self.aliases.insert(name.get_ref().to_string(), line);
                    }
                }
                "hotkeys" => {
                    if let (Some(key), Some(line)) =
                        (key(document, name, name.get_ref()), line(document, name, node))
                    {
                        self.hotkeys.push(Hotkey { key, line });
                    }
                }
                "plugins" => self.plugins.extend(plugin(document, name, node)),
                _ => {
                    let Some(columns) = document.table(name.get_ref(), node) else { continue };
                    let columns = in_order(columns).into_iter().filter_map(|(title, node)| {
                        let expression = document.string(title.get_ref(), node)?.to_owned();
                        Some(OwnColumn { title: title.get_ref().to_uppercase(), expression })
                    });
                    let columns = columns.collect();
                    self.columns.push((name.get_ref().to_string(), columns));
                }
            }
        }
    }
}

fn in_order<'n, 't>(table: &'n DeTable<'t>) -> Vec<(&'n Name<'t>, &'n Node<'t>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    entries
}

/// A line to run: one that says something and ends.
fn line<'t>(document: &mut Document<'t>, name: &Name<'t>, node: &Node<'t>) -> Option<String> {
    let text = document.string(name.get_ref(), node)?.trim().trim_start_matches(':').to_owned();
    if text.is_empty() || text.chars().any(char::is_control) {
        document.error(&node.span(), format!("{} needs a line as typed after `:`", quote(name.get_ref())));
        return None;
    }
    Some(text)
}

/// One key, which leaves the keys that khud cannot do without.
fn key<'t>(document: &mut Document<'t>, at: &Name<'t>, text: &str) -> Option<Key> {
    let key = match Key::sequence(text) {
        Ok(keys) if keys.len() == 1 => keys[0],
        Ok(_) => {
            document.error(&at.span(), format!("{} is several keys; a hotkey is one", quote(text)));
            return None;
        }
        Err(why) => {
            document.error(&at.span(), why);
            return None;
        }
    };
    const KEPT: [&str; 7] = ["ctrl-c", ":", "?", "esc", "enter", "up", "down"];
    if KEPT.contains(&key.to_string().as_str()) {
        document.error(&at.span(), format!("{key} is a key that khud needs itself; choose another"));
        return None;
    }
    Some(key)
}

fn plugin<'t>(document: &mut Document<'t>, name: &Name<'t>, node: &Node<'t>) -> Option<Plugin> {
    let table = document.table(name.get_ref(), node)?;
    let mut out = Plugin {
        name: name.get_ref().to_string(),
        key: "f12".parse().ok()?,
        scopes: Vec::new(),
        command: String::new(),
        args: Vec::new(),
        about: String::new(),
        output: Output::View,
        confirm: false,
        reads_only: false,
    };
    let mut own_key = None;
    for (field, node) in in_order(table) {
        let word: &str = field.get_ref();
        match word {
            "key" => {
                let text = document.string(word, node)?;
                own_key = Some(key(document, field, text)?);
            }
            "scopes" => {
                out.scopes =
                    document.strings(word, node)?.into_iter().map(|(_, s)| s.to_lowercase()).collect();
            }
            "command" => out.command = document.string(word, node)?.to_owned(),
            "args" => {
                out.args = document.strings(word, node)?.into_iter().map(|(_, s)| s.to_owned()).collect()
            }
            "about" => out.about = document.string(word, node)?.to_owned(),
            "output" => {
                out.output =
                    document.choice(word, node, &[("view", Output::View), ("terminal", Output::Terminal)])?;
            }
            "confirm" => out.confirm = document.bool(word, node)?,
            "reads-only" => out.reads_only = document.bool(word, node)?,
            _ => {
                let known = ["key", "scopes", "command", "args", "about", "output", "confirm", "reads-only"];
                document.unknown(field, "key", known);
            }
        }
    }
    let Some(key) = own_key else {
        document.error(&name.span(), format!("plugin {} needs a key", quote(&out.name)));
        return None;
    };
    if out.command.trim().is_empty() {
        document.error(
            &name.span(),
            format!("plugin {} needs a command: a program, without a shell", quote(&out.name)),
        );
        return None;
    }
    if out.scopes.is_empty() {
        out.scopes.push("all".to_owned());
    }
    Some(Plugin { key, ..out })
}

/// The tables as TOML, for a file that is written anew.
pub fn to_toml(own: &Own) -> String {
    use std::fmt::Write;
    let mut out = String::new();
    let text = |s: &str| toml::Value::String(s.to_owned()).to_string();
    let list = |all: &[String]| toml::Value::Array(all.iter().cloned().map(Into::into).collect()).to_string();
    let mut table = |name: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            let _ = writeln!(out, "[{name}]\n{}\n", lines.join("\n"));
        }
    };
    table(
        "aliases",
        own.aliases.iter().map(|(word, line)| format!("{} = {}", text(word), text(line))).collect(),
    );
    table(
        "hotkeys",
        own.hotkeys.iter().map(|h| format!("{} = {}", text(&h.key.to_string()), text(&h.line))).collect(),
    );
    for p in &own.plugins {
        let mut lines = vec![
            format!("key = {}", text(&p.key.to_string())),
            format!("scopes = {}", list(&p.scopes)),
            format!("command = {}", text(&p.command)),
            format!("args = {}", list(&p.args)),
            format!("about = {}", text(&p.about)),
        ];
        if p.output == Output::Terminal {
            lines.push("output = \"terminal\"".to_owned());
        }
        lines.extend(
            [(p.confirm, "confirm = true"), (p.reads_only, "reads-only = true")]
                .iter()
                .filter(|(on, _)| *on)
                .map(|(_, l)| (*l).to_owned()),
        );
        table(&format!("plugins.{}", text(&p.name)), lines);
    }
    for (kind, columns) in &own.columns {
        let lines = columns.iter().map(|c| format!("{} = {}", text(&c.title), text(&c.expression))).collect();
        table(&format!("columns.{}", text(kind)), lines);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const FILE: &str = r#"
[aliases]
sick = "pods /Error"

[hotkeys]
"f5" = "pulses"

[plugins.tail]
key = "ctrl-l"
scopes = ["pods"]
command = "stern"
args = ["$NAME", "-n", "$NAMESPACE"]
about = "all logs"
reads-only = true

[columns.pods]
TEAM = "pod.labels.team"
NODE2 = "pod.node"
"#;

    #[test]
    fn what_a_user_adds_is_read_and_written_the_same() {
        let own = Config::from_toml("c.toml", FILE).unwrap().own;
        assert_eq!(own.expand(":sick prod"), Some("pods /Error prod".to_owned()));
        assert_eq!(own.expand("pods"), None);
        let f5: Key = "f5".parse().unwrap();
        assert_eq!(own.hotkey(f5).map(|h| &*h.line), Some("pulses"));
        let key: Key = "ctrl-l".parse().unwrap();
        assert_eq!(own.plugin(key, Some("pods")).map(|p| &*p.command), Some("stern"));
        assert_eq!(own.plugin(key, Some("nodes")), None);
        let titles: Vec<&str> = own.columns[0].1.iter().map(|c| &*c.title).collect();
        assert_eq!(titles, ["TEAM", "NODE2"], "in the order of the file");
        assert_eq!(Config::from_toml("again.toml", &to_toml(&own)).unwrap().own, own);
    }

    #[test]
    fn a_key_that_khud_needs_and_a_plugin_without_a_program_are_refused_with_their_line() {
        for (text, line, says) in [
            ("[hotkeys]\n\"esc\" = \"pods\"\n", 2, "needs itself"),
            ("[hotkeys]\n\"g g\" = \"pods\"\n", 2, "several keys"),
            ("[hotkeys]\n\"f5\" = \" : \"\n", 2, "typed after"),
            ("\n[plugins.x]\nkey = \"f5\"\n", 2, "needs a command"),
            ("\n[plugins.x]\ncommand = \"ls\"\n", 2, "needs a key"),
        ] {
            let problems = Config::from_toml("c.toml", text).unwrap_err();
            let problem = &problems[0];
            assert!(problem.line == line && problem.text.contains(says), "{problem}");
        }
    }
}
