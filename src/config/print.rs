//! Prints the configuration for `khud print`, and generates documentation from the same tables.

use std::fmt::Write;
use std::time::Duration;

use super::colour::Palette;
use super::commands::{COMMANDS, Scope};
use super::findings::THRESHOLDS;
use super::key::Key;
use super::keymap::Keymap;
use super::own::to_toml;
use super::regions::Region;
use super::scopes::{GLYPHS, SCOPES};
use super::settings::{Config, Notifications, SETTINGS, Settings, Times};
use super::sheet::{BUILT_IN, Sheet};
use super::telemetry;
use super::theme::Glyphs;

/// What a user may add, as examples in comments.
const OWN: &str = r#"
# Words of your own after `:`, and the lines they stand for.
#[aliases]
#sick = "pods /Error"

# Keys that run a line, as if typed after `:`.
#[hotkeys]
#"f5" = "pulses"

# Programs that a key starts with fields of the row under the cursor, without a shell: $NAME $NAMESPACE $CONTAINER $POD
# $CONTEXT $CLUSTER $USER $KUBECONFIG $FILTER $RESOURCE_NAME $RESOURCE_GROUP $RESOURCE_VERSION, and $COL-TITLE of a
# column. scopes: kinds, or "all". output: "view", or "terminal" until the program ends. confirm: show the command and
# ask. reads-only: it changes nothing, so that read-only does not refuse it.
#[plugins.logs]
#key = "ctrl-l"
#scopes = ["pods"]
#command = "stern"
#args = ["$NAME", "-n", "$NAMESPACE", "--context", "$CONTEXT"]
#about = "logs of all containers"
#output = "view"
#confirm = false
#reads-only = true

# Columns of your own: CEL over the fields that rules.yaml has.
#[columns.pods]
#TEAM = "pod.labels.team"
"#;

/// A configuration file with every key, its purpose and its current value. Lines with `#` directly before the
/// text are examples.
pub fn config(config: &Config) -> String {
    let settings = config.top();
    let mut out = String::from(
        "# khud's configuration: $XDG_CONFIG_HOME/khud/config.toml, usually ~/.config/khud/config.toml.\n\
         # Every key with its current value. khud reloads the file when it changes. A file with an error is rejected\n\
         # with the line of the error, and the previous values stay.\n",
    );
    for setting in SETTINGS {
        let value = match setting.name {
            "production-contexts" => strings(config.production_patterns()),
            name => value(settings, name),
        };
        // Writing to a String cannot fail.
        let _ = write!(out, "\n# {}\n", setting.about);
        if setting.by_context {
            out.push_str("# May differ by context, below.\n");
        }
        let _ = writeln!(out, "{} = {value}", setting.name);
    }
    out.push_str(
        "\n# Other values for contexts whose names match; * and ? are wildcards. Later sections win.\n\
         #[contexts.\"prod-*\"]\n#read-only = true\n#namespaces = [\"production\", \"monitoring\"]\n\
         \n# Thresholds of the rules.\n[findings.thresholds]\n",
    );
    for threshold in THRESHOLDS {
        let set = config.findings.get("thresholds").and_then(|t| t.get(threshold.name));
        let value = set.and_then(toml::Value::as_integer).unwrap_or(threshold.default);
        let _ = writeln!(out, "# {}\n{} = {value}", threshold.about, threshold.name);
    }
    out.push_str(
        "\n# Another severity for a rule (see `khud print rules`): critical, warning or info.\n[findings.severity]\n",
    );
    match config.findings.get("severity").and_then(toml::Value::as_table).filter(|set| !set.is_empty()) {
        Some(set) => set.iter().for_each(|(rule, word)| {
            let _ = writeln!(out, "{} = {word}", toml::Value::String(rule.clone()));
        }),
        None => out.push_str("#\"image.not-found\" = \"warning\"\n"),
    }
    out.push_str("\n# Mutes: findings that are not reported. Give a rule (image.* for several), a namespace or a name.\n");
    match config.findings.get("mute").and_then(toml::Value::as_array).filter(|all| !all.is_empty()) {
        Some(mutes) => {
            for mute in mutes.iter().filter_map(toml::Value::as_table) {
                out.push_str("[[findings.mute]]\n");
                for (key, value) in mute {
                    let _ = writeln!(out, "{key} = {value}");
                }
            }
        }
        None => out.push_str(
            "#[[findings.mute]]\n#rule = \"image.*\"\n#namespace = \"dev\"\n#reason = \"the registry is moving\"\n\
             #until = 2030-01-31T18:00:00Z\n",
        ),
    }
    out.push_str(OWN);
    let own = to_toml(&config.own);
    if !own.is_empty() {
        out.push('\n');
        out.push_str(&own);
    }
    out
}

fn strings<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<String> =
        words.into_iter().map(|w| toml::Value::String(w.to_owned()).to_string()).collect();
    format!("[{}]", words.join(", "))
}

/// A setting's value as TOML.
fn value(settings: &Settings, name: &str) -> String {
    let word = |word: &str| toml::Value::String(word.to_owned()).to_string();
    match name {
        "theme" => word(&settings.theme),
        "colours" => word(match settings.colours {
            None => "auto",
            Some(Palette::Rgb) => "24bit",
            Some(Palette::Indexed256) => "256",
            Some(Palette::Ansi16) => "16",
            Some(Palette::None) => "none",
        }),
        "glyphs" => word(match settings.glyphs {
            None => "auto",
            Some(Glyphs::Unicode) => "unicode",
            Some(Glyphs::Ascii) => "ascii",
        }),
        "background" => settings.background.to_string(),
        "mouse" => settings.mouse.to_string(),
        "times" => word(if settings.times == Times::Utc { "utc" } else { "local" }),
        "header" => settings.header.to_string(),
        "panes" => strings(settings.panes.iter().copied()),
        "namespace" => word(&settings.namespace),
        "namespaces" => strings(settings.namespaces.iter().map(String::as_str)),
        "read-only" => settings.read_only.to_string(),
        "unlock" => settings.unlock.to_string(),
        "production" => settings.production.to_string(),
        "protected" => settings.protected.to_string(),
        "protected-namespaces" => strings(settings.protected_namespaces.iter().map(String::as_str)),
        "notifications" => word(match settings.notifications {
            Notifications::Off => "off",
            Notifications::Bell => "bell",
            Notifications::Osc9 => "osc9",
            Notifications::Osc777 => "osc777",
        }),
        "presentation" => settings.presentation.to_string(),
        "masks" => strings(settings.masks.iter().map(String::as_str)),
        "log-lines" => settings.log_lines.to_string(),
        "left-width" => settings.left_width.to_string(),
        "log-tail" => settings.log_tail.to_string(),
        "telemetry" => {
            let entry = |(name, every): (&&str, &Option<Duration>)| match every {
                None => format!("{name} off"),
                Some(every) => format!("{name} {}s", every.as_secs()),
            };
            let entries: Vec<String> = settings.telemetry.iter().map(entry).collect();
            strings(entries.iter().map(String::as_str))
        }
        "prometheus" => word(&settings.prometheus.as_ref().map_or(String::new(), telemetry::written)),
        "regions" => {
            let entry = |r: &Region| match &r.health {
                None => r.context.clone(),
                Some(url) => format!("{} {url}", r.context),
            };
            let entries: Vec<String> = settings.regions.iter().map(entry).collect();
            strings(entries.iter().map(String::as_str))
        }
        _ => String::new(),
    }
}

/// A keymap file with every command and its keys.
pub fn keymap(keymap: &Keymap) -> String {
    let mut out = String::from(
        "# khud's keys: $XDG_CONFIG_HOME/khud/keymap.toml, usually ~/.config/khud/keymap.toml.\n\
         # Keep only the lines you change. A key is written ctrl-d, alt-1, T, space, f5; a sequence \"g g\"; several\n\
         # in a list; none as []. Conflicts are reported with their line.\n",
    );
    for scope in Scope::ALL {
        let commands: Vec<_> = COMMANDS.iter().filter(|c| c.scopes.first() == Some(&scope)).collect();
        if commands.is_empty() {
            continue;
        }
        let _ = writeln!(out, "\n# {}", scope.title());
        for command in commands {
            let keys: Vec<String> =
                keymap.keys_of(command.id).iter().map(|k| Key::print_sequence(k)).collect();
            let keys = strings(keys.iter().map(String::as_str));
            let _ = writeln!(
                out,
                "{:<28} = {keys:<24} # {}",
                format!("\"{}\"", command.name),
                command.description
            );
        }
    }
    out
}

/// docs/keys.md: every command with its default keys and palette words, by scope.
pub fn keys_page() -> String {
    let mut out = String::from(
        "# Keys\n\nGenerated from the registry of commands; a test fails if this page differs from it.\n\n\
         Keys that read are those of k9s. `w` (why), `a` (actions) and `T` (timeline) differ. No single key changes the\n\
         cluster: every change shows its plan first. You can bind every key in `keymap.toml`; `khud print keys` writes\n\
         one to start from. Names and words also work after `:`.\n",
    );
    for scope in Scope::ALL {
        let commands: Vec<_> = COMMANDS.iter().filter(|c| c.scopes.contains(&scope)).collect();
        if commands.is_empty() {
            continue;
        }
        let _ = write!(
            out,
            "\n## {}\n\n{}\n\n| keys | command | what it does | words |\n|---|---|---|---|\n",
            scope.title(),
            scope.about()
        );
        for command in commands {
            let _ = writeln!(
                out,
                "| {} | `{}` | {} | {} |",
                code(command.keys),
                command.name,
                command.description,
                code(command.words)
            );
        }
    }
    out
}

fn code(words: &[&str]) -> String {
    words.iter().map(|w| format!("`{}`", w.replace('|', "\\|"))).collect::<Vec<_>>().join(" ")
}

/// docs/config.md: every setting, threshold, theme, style scope and glyph.
pub fn config_page() -> String {
    let mut out = String::from(
        "# Configuration\n\nGenerated from khud's own tables; a test fails if this page differs from them.\n\n\
         | file | what |\n|---|---|\n\
         | `$XDG_CONFIG_HOME/khud/config.toml` | settings; `khud print config` writes one |\n\
         | `$XDG_CONFIG_HOME/khud/keymap.toml` | keys, see [keys.md](keys.md); `khud print keys` writes one |\n\
         | `$XDG_CONFIG_HOME/khud/themes/NAME.toml` | themes; `khud print theme NAME` writes one |\n\
         | `$XDG_CONFIG_HOME/khud/rules.yaml` | rules of your own, see [findings.md](findings.md) |\n\
         | `$XDG_STATE_HOME/khud/` | khud's log and journal; `clusters/` has for each cluster the timeline, the silences and the arrangement of the panes |\n\n\
         `KHUD_CONFIG_DIR` and `KHUD_STATE_DIR` name other directories. khud reloads files when they change. It rejects a\n\
         file with an error, names the line and keeps the previous values. An unknown key is a warning with the nearest\n\
         valid key.\n\n## Settings\n\n| key | default | by context | what it does |\n|---|---|---|---|\n",
    );
    for setting in SETTINGS {
        let by_context = if setting.by_context { "yes" } else { "" };
        let _ = writeln!(
            out,
            "| `{}` | `{}` | {by_context} | {} |",
            setting.name, setting.default, setting.about
        );
    }
    out.push_str(
        "\nA section `[contexts.\"prod-*\"]` holds in the contexts whose names match; later sections win.\n\n\
         ```toml\n[contexts.\"prod-*\"]\nread-only = true\n```\n\n\
         Keys arrange the overview's panes (`alt` and the arrows, `alt-x`, `alt-m`). khud saves the arrangement for each\n\
         context, in shares of the screen. It overrides `panes` and `left-width` until one of them changes. `alt-a` resets it\n\
         to the configured one.\n\n\
         ## Your own words, keys, programs and columns\n\n```toml",
    );
    // A `#` that touches the text marks an example; the others begin comments.
    let shown =
        |line: &str| line.strip_prefix('#').filter(|l| !l.starts_with(' ')).unwrap_or(line).to_owned();
    out.push_str(&OWN.lines().map(shown).collect::<Vec<_>>().join("\n"));
    out.push_str(
        "\n```\n\n\
         khud looks at these before its own keys. A value of the cluster is one argument of a program; in a script after\n\
         `sh -c` it must be plain letters, digits and signs that no shell reads, else nothing is started. A column is\n\
         empty where its expression names what the object has not.\n\n\
         `khud import k9s DIR` prints what aliases, hotkeys, plugins, columns of views and skins of k9s come to here, and\n\
         lists what it cannot take; `--write` adds it to these files.\n\n\
         ## Findings\n\n`[findings.thresholds]`:\n\n| key | default | what it is |\n|---|---|---|\n",
    );
    for threshold in THRESHOLDS {
        let _ = writeln!(out, "| `{}` | {} | {} |", threshold.name, threshold.default, threshold.about);
    }
    out.push_str(
        "\n`[findings.severity]` gives a rule another severity: `\"image.not-found\" = \"warning\"`. A mute names\n\
         a rule, a namespace or a name, a reason, and optionally an end.\n\n\
         ```toml\n[[findings.mute]]\nrule = \"image.*\"\nnamespace = \"dev\"\nreason = \"the registry is moving\"\n\
         until = 2030-01-31T18:00:00Z\n```\n\n## Themes\n\n| name | |\n|---|---|\n",
    );
    for (name, _) in BUILT_IN {
        let about = Sheet::built_in(name).map(|sheet| sheet.about).unwrap_or_default();
        let _ = writeln!(out, "| `{name}` | {about} |");
    }
    out.push_str(
        "\nA theme has a `[palette]` of names and `[styles]` of scopes. It may say `inherits = \"dark\"` and change only\n\
         the palette. A scope's style is a colour, or `{ fg, bg, modifiers }`; colours are palette names, `#rrggbb` or\n\
         `default`, the terminal's own; modifiers are bold, dim, italic, underlined, reversed, crossed-out. A scope\n\
         inherits from the scope its name begins with, and then from `text`, except for the background.\n\n\
         With 256 or 16 colours khud uses the nearest readable ones. With `NO_COLOR` every theme looks like `mono`.\n\n\
         ### Scopes\n\n| scope | what it colours |\n|---|---|\n",
    );
    for scope in SCOPES {
        let _ = writeln!(out, "| `{}` | {} |", scope.name, scope.about);
    }
    out.push_str(
        "\n### Glyphs\n\nEach sign repeats the meaning of a colour.\n\n| name | sign | ASCII |\n|---|---|---|\n",
    );
    for glyph in GLYPHS {
        let _ = writeln!(out, "| {} | {} | {} |", glyph.name, cell(glyph.unicode), cell(glyph.ascii));
    }
    out
}

/// Escapes characters that Markdown would interpret.
fn cell(sign: &str) -> String {
    match sign {
        "|" => "\\|".to_owned(),
        "`" => "`` ` ``".to_owned(),
        _ => format!("`{sign}`"),
    }
}
