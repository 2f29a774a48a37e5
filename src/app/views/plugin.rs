//! A plugin of config.toml: its command with the fields of the row under the cursor, started without a shell, and the view
//! of its output.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::app::core::content::Line;
use crate::app::core::model::{Model, of_type};
use crate::app::core::msg::{Effect, Program};
use crate::app::core::notice::{Dirty, Tone};
use crate::app::core::stack;
use crate::app::core::typed::{Prompt, PromptKind};
use crate::app::views::text::Reader;
use crate::config::own::{Output, Plugin};

/// Lines of output that are kept.
const KEPT: usize = 20_000;
/// Longest line shown, in bytes: a program that prints no line's end must not fill the memory.
const LONGEST: usize = 64 << 10;

/// The output of a program.
#[derive(Debug)]
struct Printed {
    token: u64,
    /// Bytes of a line that has not ended yet.
    rest: Vec<u8>,
}

type PrintedView = Reader<Printed>;

/// Starts a plugin on what is under the cursor, or asks first where it says so.
pub fn begin(model: &mut Model, plugin: Plugin) -> Vec<Effect> {
    if model.cluster.read_only && !plugin.reads_only {
        let text = "khud runs read-only, and this plugin may change things; `reads-only = true` says that it does not.";
        model.say(Tone::Bad, format!("{}: {text}", plugin.name));
        return Vec::new();
    }
    let program = match fill(&plugin, &fields(model)) {
        Ok(program) => program,
        Err(why) => {
            model.say(Tone::Bad, format!("Plugin {} was not started: {why}", plugin.name));
            return Vec::new();
        }
    };
    if !plugin.confirm {
        return start(model, &plugin, program);
    }
    let what = format!("run {}? (y) ", program.shown());
    model.prompt = Some(Prompt {
        kind: PromptKind::Plugin,
        what,
        program: Some((Box::new(plugin), program)),
        ..Prompt::default()
    });
    model.dirty = Dirty::Input;
    Vec::new()
}

/// The operator answered whether to start it.
pub fn confirmed(model: &mut Model, waiting: Option<(Box<Plugin>, Program)>, answer: &str) -> Vec<Effect> {
    let Some((plugin, program)) = waiting else { return Vec::new() };
    if !matches!(answer.trim(), "y" | "yes") {
        model.say(Tone::Info, format!("Plugin {} was not started.", plugin.name));
        return Vec::new();
    }
    start(model, &plugin, program)
}

fn start(model: &mut Model, plugin: &Plugin, program: Program) -> Vec<Effect> {
    if plugin.output == Output::Terminal {
        return vec![Effect::AtTerminal(program)];
    }
    let token = model.token();
    let lines = vec![Line::of(format!("$ {}", program.shown()), "text.dim")];
    let object = model.selected();
    let of = Printed { token, rest: Vec::new() };
    stack::push(model, Reader::new(of, plugin.name.as_str(), object, lines));
    vec![Effect::Start { token, program }]
}

/// Output came. Where its view is gone, the program is ended.
pub fn printed(model: &mut Model, token: u64, bytes: &[u8]) -> Vec<Effect> {
    let found = of_type::<PrintedView>(&mut model.views).find(|v| v.of.token == token);
    let Some(view) = found else { return vec![Effect::End(token)] };
    let mut rest = std::mem::take(&mut view.of.rest);
    rest.extend_from_slice(bytes);
    while let Some(at) = rest.iter().position(|b| *b == b'\n').or((rest.len() > LONGEST).then_some(LONGEST)) {
        let line: Vec<u8> = rest.drain(..=at).collect();
        let text = String::from_utf8_lossy(&line);
        view.text.lines.push(Line::plain(text.trim_end_matches(['\n', '\r'])));
    }
    view.of.rest = rest;
    let over = view.text.lines.len().saturating_sub(KEPT);
    view.text.lines.drain(..over);
    model.dirty = model.dirty.max(Dirty::Data);
    Vec::new()
}

/// The program ended, or could not be started.
pub fn ended(model: &mut Model, token: u64, result: &Result<i32, String>) {
    let Some(view) = of_type::<PrintedView>(&mut model.views).find(|v| v.of.token == token) else { return };
    let rest = std::mem::take(&mut view.of.rest);
    if !rest.is_empty() {
        view.text.lines.push(Line::plain(String::from_utf8_lossy(&rest)));
    }
    view.text.lines.push(match result {
        Ok(0) => Line::of("It ended: exit code 0.", "text.dim"),
        Ok(code) => Line::of(format!("It ended: exit code {code}."), "error"),
        Err(why) => Line::of(why, "error"),
    });
    view.text.stay_inside();
    model.dirty = Dirty::Input;
}

/// The fields of the row under the cursor, by the names that k9s gives them.
fn fields(model: &Model) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let mut put = |name: &str, value: &str| drop(out.insert(name.to_owned(), value.to_owned()));
    let cluster = &model.cluster;
    put("CONTEXT", &cluster.context);
    put("CLUSTER", &cluster.server);
    put("USER", &cluster.user);
    put("FILTER", model.front().filter());
    if let Some(at) = cluster.kubectl.iter().position(|flag| flag == "--kubeconfig")
        && let Some(path) = cluster.kubectl.get(at + 1)
    {
        put("KUBECONFIG", path);
    }
    if let Some(object) = model.selected() {
        put("NAME", &object.name);
        put("NAMESPACE", &object.namespace);
        put("RESOURCE_NAME", object.kind.plural());
        put("RESOURCE_GROUP", object.kind.group());
        put("RESOURCE_VERSION", object.kind.version());
        if object.kind == crate::world::Kind::Pod {
            put("POD", &object.name);
        }
    }
    if let Some(container) = model.front().container(model) {
        put("CONTAINER", &container);
    }
    let cx = model.data.cx();
    if let Some((table, slot)) = model.table().and_then(|t| Some((t, t.cursor_slot()?))) {
        for column in table.columns() {
            put(&format!("COL-{}", column.shape.name), &column.cell(&cx, slot).value.show(cx.now));
        }
    }
    out
}

/// The program of a plugin with the fields in its arguments.
///
/// # Errors
/// A sentence: a field that the row has not, or one that a shell would read.
fn fill(plugin: &Plugin, fields: &BTreeMap<String, String>) -> Result<Program, String> {
    let mut argv = vec![plugin.command.clone()];
    for arg in &plugin.args {
        let script = script(&argv);
        argv.push(substitute(arg, fields, script)?);
    }
    Ok(Program { argv })
}

/// Whether the argument after these is read by a shell: after `sh -c`, wherever that stands.
fn script(before: &[String]) -> bool {
    const SHELLS: [&str; 7] = ["sh", "bash", "dash", "zsh", "ksh", "ash", "fish"];
    let Some((last, rest)) = before.split_last() else { return false };
    let name = |word: &String| word.rsplit('/').next().map(str::to_owned).unwrap_or_default();
    let shell = rest.iter().any(|word| SHELLS.contains(&name(word).as_str()));
    shell && last.starts_with('-') && !last.starts_with("--") && last.ends_with('c')
}

/// Puts the fields in. Nothing of the cluster reaches a shell that could mean something there.
fn substitute(arg: &str, fields: &BTreeMap<String, String>, script: bool) -> Result<String, String> {
    // A column's title may have a percent sign; a field ends where its name does.
    static FIELD: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"\$(?:\{([A-Z][A-Z0-9_%-]*)\}|(COL-[A-Z0-9%-]+|[A-Z][A-Z0-9_]*))").ok());
    let Some(field) = &*FIELD else { return Ok(arg.to_owned()) };
    let mut fault = None;
    let filled = field.replace_all(arg, |found: &Captures<'_>| {
        let name = found.get(1).or_else(|| found.get(2)).map_or("", |m| m.as_str());
        match fields.get(name) {
            Some(value) if script && !harmless(value) => {
                fault = Some(format!(
                    "{name} is {value:?}, which a shell would read; give it as an argument of its own"
                ));
                String::new()
            }
            Some(value) => value.clone(),
            // A script has variables of its own.
            None if script => found[0].to_owned(),
            None => {
                fault = Some(format!("this row has no {name}"));
                String::new()
            }
        }
    });
    let filled = filled.into_owned();
    fault.map_or(Ok(filled), Err)
}

/// Letters that mean nothing to a shell.
fn harmless(value: &str) -> bool {
    value.chars().all(|c| c.is_ascii_alphanumeric() || "._:/@=,+-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> BTreeMap<String, String> {
        let all = [
            ("NAME", "api-0"),
            ("NAMESPACE", "prod"),
            ("COL-CAUSE", "$(reboot) `id`; rm -rf /"),
            ("COL-MEM LIM%", "7"),
        ];
        all.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    }

    fn filled(command: &str, args: &[&str]) -> Result<Vec<String>, String> {
        let plugin = Plugin {
            name: "x".into(),
            key: "f5".parse().unwrap(),
            scopes: vec!["all".into()],
            command: command.into(),
            args: args.iter().map(|s| (*s).to_owned()).collect(),
            about: String::new(),
            output: Output::View,
            confirm: false,
            reads_only: true,
        };
        fill(&plugin, &fields()).map(|p| p.argv)
    }

    #[test]
    fn fields_are_arguments_and_stay_one_each() {
        let argv = filled("stern", &["$NAME", "-n${NAMESPACE}", "say: $COL-CAUSE"]).unwrap();
        assert_eq!(argv, ["stern", "api-0", "-nprod", "say: $(reboot) `id`; rm -rf /"]);
    }

    #[test]
    fn nothing_of_the_cluster_is_read_by_a_shell() {
        let argv = filled("bash", &["-c", "kubectl get pod $NAME; echo $HOME"]).unwrap();
        assert_eq!(argv[2], "kubectl get pod api-0; echo $HOME");
        for (command, args) in [
            ("sh", &["-c", "echo $COL-CAUSE"][..]),
            ("/bin/bash", &["-lc", "echo '$COL-CAUSE'"]),
            ("kubectl", &["exec", "$NAME", "--", "sh", "-c", "echo $COL-CAUSE"]),
        ] {
            let why = filled(command, args).unwrap_err();
            assert!(why.contains("a shell would read"), "{why}");
        }
    }

    #[test]
    fn a_field_that_the_row_has_not_starts_nothing() {
        let why = filled("kubectl", &["delete", "pod", "$CONTAINER"]).unwrap_err();
        assert_eq!(why, "this row has no CONTAINER");
    }
}
