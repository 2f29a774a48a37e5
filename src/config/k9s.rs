//! Reads a k9s configuration: aliases, hotkeys, plugins, views and skins, as far as khud has the same; and says what it has
//! not. Formats: k9s `internal/config/json/schemas`.

use std::fmt::Write;

use serde_json::Value;

use super::key::Key;
use super::own::{Hotkey, Output, Own, OwnColumn, Plugin};
use crate::world::Kind;

/// A file of the configuration: its path below k9s's directory, and its text.
pub type Source = (String, String);

/// What was taken over.
#[derive(Debug, Default)]
pub struct Imported {
    pub own: Own,
    /// Themes by name, as TOML.
    pub themes: Vec<(String, String)>,
    /// A sentence for each thing that was not taken over.
    pub left_out: Vec<String>,
}

/// Takes over what the files say.
pub fn import(files: &[Source]) -> Imported {
    let mut out = Imported::default();
    for (path, text) in files {
        let value: Value = match serde_saphyr::from_str(text) {
            Ok(value) => value,
            Err(why) => {
                out.left_out.push(format!("{path}: not valid YAML: {why}"));
                continue;
            }
        };
        let name = path.rsplit('/').next().unwrap_or(path);
        match name {
            _ if path.starts_with("skins/") => out.skin(path, &value),
            "aliases.yaml" | "aliases.yml" | "alias.yaml" | "alias.yml" => out.aliases(path, &value),
            "hotkeys.yaml" | "hotkeys.yml" | "hotkey.yaml" => out.hotkeys(path, &value),
            "views.yaml" | "views.yml" => out.views(path, &value),
            "plugins.yaml" | "plugins.yml" | "plugin.yaml" => out.plugins(path, &value),
            _ if path.starts_with("plugins/") => out.plugins(path, &value),
            _ => {}
        }
    }
    out
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(k, v)| (k.as_str(), v))
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_default()
}

/// The texts of a list. A number or a truth value in it is the word that was written.
fn texts(value: &Value, field: &str) -> Vec<String> {
    let word = |v: &Value| match v {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(v.to_string()),
        _ => None,
    };
    value[field].as_array().into_iter().flatten().filter_map(word).collect()
}

impl Imported {
    fn leave(&mut self, path: &str, what: &str, why: impl std::fmt::Display) {
        self.left_out.push(format!("{path}: {what}: {why}"));
    }

    fn aliases(&mut self, path: &str, value: &Value) {
        let all = if value["aliases"].is_object() { &value["aliases"] } else { &value["alias"] };
        for (word, line) in entries(all) {
            match line.as_str() {
                Some(line) => drop(self.own.aliases.insert(word.to_owned(), resource(line))),
                None => self.leave(path, word, "it is no text"),
            }
        }
    }

    fn hotkeys(&mut self, path: &str, value: &Value) {
        for (name, hotkey) in entries(&value["hotKeys"]) {
            match key(text(hotkey, "shortCut")) {
                Ok(key) => self.own.hotkeys.push(Hotkey { key, line: resource(text(hotkey, "command")) }),
                Err(why) => self.leave(path, name, why),
            }
        }
    }

    fn plugins(&mut self, path: &str, value: &Value) {
        // A file in plugins/ may be one plugin, or several without the heading.
        let all = if value["plugins"].is_object() { value["plugins"].clone() } else { value.clone() };
        let all = match all["command"].is_string() {
            true => {
                let name = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".yaml");
                serde_json::json!({ name: all })
            }
            false => all,
        };
        for (name, plugin) in entries(&all) {
            match self::plugin(name, plugin) {
                Ok(plugin) => {
                    if !texts(plugin_json(&all, name), "pipes").is_empty() {
                        self.leave(path, name, "its pipes need a shell; khud starts the command without one");
                    }
                    self.own.plugins.push(plugin);
                }
                Err(why) => self.leave(path, name, why),
            }
        }
    }

    fn views(&mut self, path: &str, value: &Value) {
        let all = if value["views"].is_object() { &value["views"] } else { &value["k9s"]["views"] };
        for (view, settings) in entries(all) {
            let word = resource(view.split('@').next().unwrap_or(view));
            let mut columns = Vec::new();
            for column in texts(settings, "columns") {
                // NAME, NAME|ATTRIBUTES or NAME:PATH|ATTRIBUTES.
                let column = column.split('|').next().unwrap_or(&column);
                let Some((title, path_of)) = column.split_once(':') else { continue };
                match expression(&word, path_of.trim()) {
                    Some(expression) => {
                        columns.push(OwnColumn { title: title.trim().to_uppercase(), expression })
                    }
                    None => {
                        self.leave(path, view, format!("column {title}: khud holds nothing at {path_of}"))
                    }
                }
            }
            if !text(settings, "sortColumn").is_empty() {
                self.leave(path, view, "khud keeps its own order: what is sick comes first");
            }
            if !columns.is_empty() {
                self.own.columns.push((word, columns));
            }
        }
    }

    fn skin(&mut self, path: &str, value: &Value) {
        let skin = &value["k9s"];
        let at = |path: &str| path.split('.').fold(skin, |v, part| &v[part]).as_str().map(str::to_owned);
        let mut palette = String::new();
        for (name, from) in PALETTE {
            let Some(colour) = from.iter().find_map(|path| at(path)) else { continue };
            match hex(&colour) {
                Some(hex) => drop(writeln!(palette, "{name} = \"{hex}\"")),
                None if colour == "default" => {}
                None => self.leave(path, name, format!("khud does not know the colour {colour}")),
            }
        }
        let name = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".yaml").trim_end_matches(".yml");
        if palette.is_empty() {
            self.leave(path, name, "it has no colours that khud can take");
            return;
        }
        let light = at("body.bgColor").and_then(|c| hex(&c)).is_some_and(|c| bright(&c));
        let base = if light { "light" } else { "dark" };
        let toml = format!("about = \"the k9s skin {name}\"\ninherits = \"{base}\"\n\n[palette]\n{palette}");
        self.themes.push((name.to_owned(), toml));
    }
}

fn plugin_json<'v>(all: &'v Value, name: &str) -> &'v Value {
    &all[name]
}

fn plugin(name: &str, value: &Value) -> Result<Plugin, String> {
    if value["inputs"].as_array().is_some_and(|inputs| !inputs.is_empty()) {
        return Err("it asks for inputs, which khud's plugins do not".to_owned());
    }
    let command = text(value, "command");
    if command.is_empty() {
        return Err("it has no command".to_owned());
    }
    let args = texts(value, "args");
    if let Some(arg) = args.iter().find(|a| a.contains("$!")) {
        return Err(format!("khud has no negated field, as in {arg}"));
    }
    let scopes = texts(value, "scopes").into_iter().map(|s| resource(&s));
    let background = value["background"].as_bool() == Some(true);
    Ok(Plugin {
        name: name.to_owned(),
        key: key(text(value, "shortCut"))?,
        scopes: scopes.collect(),
        command: command.to_owned(),
        args,
        about: text(value, "description").to_owned(),
        output: if background { Output::View } else { Output::Terminal },
        confirm: value["confirm"].as_bool() == Some(true) || value["dangerous"].as_bool() == Some(true),
        reads_only: false,
    })
}

/// A key as k9s writes it. With shift, its digits are the signs above them on a US keyboard, as in k9s.
fn key(shortcut: &str) -> Result<Key, String> {
    const SHIFTED: [&str; 10] = [")", "!", "@", "#", "$", "%", "^", "&", "*", "("];
    let lower = shortcut.to_lowercase();
    let written = match lower.strip_prefix("shift-") {
        Some(digit) if digit.parse::<usize>().is_ok_and(|d| d < 10) => {
            SHIFTED[digit.parse::<usize>().unwrap_or_default()].to_owned()
        }
        Some(letter) if letter.chars().count() == 1 => letter.to_uppercase(),
        _ if shortcut.chars().count() == 1 => shortcut.to_owned(),
        _ => lower,
    };
    written.parse().map_err(|_| format!("khud has no key {shortcut:?}"))
}

/// What k9s names as GROUP/VERSION/RESOURCE, as khud's word; a whole line stays as it is.
fn resource(line: &str) -> String {
    let (first, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
    let parts: Vec<&str> = first.split('/').collect();
    let word = match parts[..] {
        [version, resource] if version.starts_with('v') => resource.to_owned(),
        [group, _, resource] => {
            Kind::parse(resource).map_or(format!("{resource}.{group}"), |k| k.plural().into())
        }
        _ => Kind::parse(first).map_or_else(|| first.to_owned(), |k| k.plural().to_owned()),
    };
    format!("{word} {rest}").trim().to_owned()
}

/// A path of k9s as an expression over the fields that khud holds of the kind; `None` where it holds none there.
fn expression(kind: &str, path: &str) -> Option<String> {
    let path = path.trim_start_matches("{").trim_end_matches("}").trim_start_matches('.');
    if let Some(label) = path.strip_prefix("metadata.labels") {
        let label = label.trim_start_matches(['.', '[']).trim_end_matches(']').trim_matches(['"', '\'']);
        let label = label.replace("\\.", ".");
        return Some(format!("object.labels[{}]", Value::String(label)));
    }
    const FIELDS: [(&str, &str, &str); 14] = [
        ("", "metadata.name", "name"),
        ("", "metadata.namespace", "namespace"),
        ("pods", "spec.nodeName", "node"),
        ("pods", "status.phase", "phase"),
        ("pods", "status.reason", "reason"),
        ("pods", "spec.serviceAccountName", "service_account"),
        ("pods", "spec.priority", "priority"),
        ("nodes", "status.nodeInfo.kubeletVersion", "kubelet"),
        ("nodes", "status.nodeInfo.kernelVersion", "kernel"),
        ("nodes", "status.nodeInfo.osImage", "os_image"),
        ("deployments", "spec.replicas", "desired"),
        ("deployments", "status.readyReplicas", "ready"),
        ("statefulsets", "spec.replicas", "desired"),
        ("services", "spec.type", "type"),
    ];
    let field = FIELDS.iter().find(|(of, at, _)| (of.is_empty() || *of == kind) && *at == path)?;
    Some(format!("object.{}", field.2))
}

/// The colours of khud's palette, and where k9s's skins have them.
const PALETTE: [(&str, &[&str]); 12] = [
    ("ground", &["body.bgColor"]),
    ("ink", &["body.fgColor"]),
    ("dim", &["frame.status.completedColor", "info.fgColor"]),
    ("line", &["frame.border.fgColor"]),
    ("selected", &["views.table.cursorBgColor", "frame.menu.numKeyColor"]),
    ("red", &["frame.status.errorColor"]),
    ("yellow", &["frame.status.highlightColor", "frame.status.modifyColor"]),
    ("green", &["frame.status.addColor"]),
    ("blue", &["frame.status.newColor", "frame.border.focusColor"]),
    ("cyan", &["frame.title.highlightColor"]),
    ("magenta", &["frame.title.counterColor"]),
    ("strong", &["frame.title.fgColor"]),
];

/// Names of colours in k9s's own skins, as the Web has them.
const NAMES: [(&str, &str); 26] = [
    ("aqua", "#00ffff"),
    ("black", "#000000"),
    ("blue", "#0000ff"),
    ("cadetblue", "#5f9ea0"),
    ("darkorange", "#ff8c00"),
    ("dodgerblue", "#1e90ff"),
    ("fuchsia", "#ff00ff"),
    ("gray", "#808080"),
    ("green", "#008000"),
    ("greenyellow", "#adff2f"),
    ("lightskyblue", "#87cefa"),
    ("lightslategray", "#778899"),
    ("lime", "#00ff00"),
    ("mediumpurple", "#9370db"),
    ("mediumspringgreen", "#00fa9a"),
    ("navajowhite", "#ffdead"),
    ("orange", "#ffa500"),
    ("orangered", "#ff4500"),
    ("papayawhip", "#ffefd5"),
    ("purple", "#800080"),
    ("red", "#ff0000"),
    ("seagreen", "#2e8b57"),
    ("steelblue", "#4682b4"),
    ("teal", "#008080"),
    ("white", "#ffffff"),
    ("yellow", "#ffff00"),
];

fn hex(colour: &str) -> Option<String> {
    let colour = colour.trim().to_lowercase();
    let digits =
        colour.strip_prefix('#').filter(|d| d.len() == 6 && d.chars().all(|c| c.is_ascii_hexdigit()));
    if digits.is_some() {
        return Some(colour);
    }
    NAMES.iter().find(|(name, _)| *name == colour).map(|(_, hex)| (*hex).to_owned())
}

/// Whether dark text is read on it.
fn bright(hex: &str) -> bool {
    let part = |at: usize| hex.get(at..at + 2).and_then(|d| u32::from_str_radix(d, 16).ok()).unwrap_or(0);
    // Rec. 601 luma.
    299 * part(1) + 587 * part(3) + 114 * part(5) > 128_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::config::own::to_toml;

    fn imported(files: &[(&str, &str)]) -> Imported {
        let files: Vec<Source> = files.iter().map(|(p, t)| ((*p).to_owned(), (*t).to_owned())).collect();
        import(&files)
    }

    #[test]
    fn what_k9s_users_wrote_holds_in_khud() {
        // As k9s's README writes them.
        let out = imported(&[
            (
                "aliases.yaml",
                "aliases:\n  pp: v1/pods\n  crb: rbac.authorization.k8s.io/v1/clusterrolebindings\n  fred: pod fred app=blee\n",
            ),
            (
                "hotkeys.yaml",
                "hotKeys:\n  shift-0:\n    shortCut: Shift-0\n    description: Viewing pods\n    command: pods\n  f1:\n    shortCut: F1\n    command: dp\n",
            ),
            (
                "plugins.yaml",
                "plugins:\n  fred:\n    shortCut: Ctrl-L\n    override: false\n    description: Pod logs\n    scopes:\n    - po\n    command: kubectl\n    background: false\n    args:\n    - logs\n    - --tail\n    - 50\n    - -f\n    - $NAME\n    - -n\n    - $NAMESPACE\n    - --context\n    - $CONTEXT\n",
            ),
            (
                "views.yaml",
                "views:\n  v1/pods:\n    columns:\n      - AGE\n      - NAMESPACE|WR\n      - TEAM:.metadata.labels.acme\\.io/team|W\n",
            ),
        ]);
        assert_eq!(out.left_out, Vec::<String>::new());
        assert_eq!(out.own.aliases["pp"], "pods");
        assert_eq!(out.own.aliases["crb"], "clusterrolebindings.rbac.authorization.k8s.io");
        assert_eq!(out.own.aliases["fred"], "pods fred app=blee");
        assert_eq!(out.own.hotkey(")".parse().unwrap()).map(|h| &*h.line), Some("pods"));
        let plugin = out.own.plugin("ctrl-l".parse().unwrap(), Some("pods")).unwrap();
        assert_eq!(
            (&*plugin.command, plugin.output, plugin.reads_only),
            ("kubectl", Output::Terminal, false)
        );
        assert_eq!(plugin.args[..4], ["logs", "--tail", "50", "-f"], "a number is an argument, too");
        assert_eq!(out.own.columns[0].1[0].expression, "object.labels[\"acme.io/team\"]");
        // It is a configuration that khud takes.
        assert_eq!(Config::from_toml("config.toml", &to_toml(&out.own)).unwrap().own, out.own);
    }

    #[test]
    fn what_khud_has_not_is_listed_with_its_reason() {
        let out = imported(&[
            (
                "plugins/ask.yaml",
                "plugins:\n  ask:\n    shortCut: a\n    command: x\n    inputs:\n    - {name: n}\n",
            ),
            (
                "plugins/pipe.yaml",
                "shortCut: Ctrl-J\ncommand: kubectl\nscopes: [all]\nargs: [get, pods]\npipes: ['jq .']\n",
            ),
            (
                "views.yaml",
                "views:\n  v1/pods:\n    sortColumn: AGE:asc\n    columns: ['X:.status.hostIP']\n",
            ),
            ("hotkeys.yaml", "hotKeys:\n  odd:\n    shortCut: Hyper-X\n    command: pods\n"),
            ("aliases.yaml", "a: [\n"),
        ]);
        let all = out.left_out.join("\n");
        for part in [
            "inputs",
            "pipes need a shell",
            "its own order",
            "nothing at .status.hostIP",
            "Hyper-X",
            "not valid YAML",
        ] {
            assert!(all.contains(part), "{part}: {all}");
        }
    }

    #[test]
    fn a_skin_becomes_a_theme() {
        let skin = "k9s:\n  body:\n    fgColor: '#f8f8f2'\n    bgColor: '#282a36'\n  frame:\n    border:\n      fgColor: dodgerblue\n    status:\n      errorColor: nosuchcolour\n";
        let out = imported(&[("skins/dracula.yaml", skin)]);
        let (name, toml) = &out.themes[0];
        assert_eq!(name, "dracula");
        assert!(toml.contains("inherits = \"dark\"") && toml.contains("line = \"#1e90ff\""), "{toml}");
        assert!(out.left_out[0].contains("nosuchcolour"), "{:?}", out.left_out);
        let sheet = crate::config::sheet::Sheet::from_toml(name, "dracula.toml", toml, &|_| None);
        assert!(sheet.is_ok(), "{sheet:?}");
    }
}
