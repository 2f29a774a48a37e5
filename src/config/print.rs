//! What `khud print` shows of the configuration, and the documentation made of the same tables.

use std::fmt::Write;

use super::colour::Palette;
use super::commands::{COMMANDS, Scope};
use super::findings::THRESHOLDS;
use super::key::Key;
use super::keymap::Keymap;
use super::scopes::{GLYPHS, SCOPES};
use super::settings::{Config, Notifications, SETTINGS, Settings, Times};
use super::sheet::{BUILT_IN, Sheet};
use super::theme::Glyphs;

/// A configuration file with every key, what it does and the value that holds. Lines whose `#` touches the text
/// are examples to uncomment.
pub fn config(config: &Config) -> String {
    let settings = config.top();
    let mut out = String::from(
        "# khud's configuration: $XDG_CONFIG_HOME/khud/config.toml, usually ~/.config/khud/config.toml.\n\
         # Every key is here with the value that holds. Changes are taken while khud runs; a file with a fault\n\
         # is refused with its line, and what held before still holds.\n",
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
        "\n# What differs in contexts whose names match: * and ? stand for anything. Later sections win.\n\
         #[contexts.\"prod-*\"]\n#read-only = true\n#namespaces = [\"production\", \"monitoring\"]\n\
         \n# Numbers the rules go by.\n[findings.thresholds]\n",
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
    out.push_str("\n# What is known and not to be told of. Give a rule (image.* for several), a namespace or a name.\n");
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
        "notifications" => word(match settings.notifications {
            Notifications::Off => "off",
            Notifications::Bell => "bell",
            Notifications::Osc9 => "osc9",
            Notifications::Osc777 => "osc777",
        }),
        "presentation" => settings.presentation.to_string(),
        "log-lines" => settings.log_lines.to_string(),
        "left-width" => settings.left_width.to_string(),
        "log-tail" => settings.log_tail.to_string(),
        _ => String::new(),
    }
}

/// A keymap file with every command and the keys bound to it.
pub fn keymap(keymap: &Keymap) -> String {
    let mut out = String::from(
        "# khud's keys: $XDG_CONFIG_HOME/khud/keymap.toml, usually ~/.config/khud/keymap.toml.\n\
         # Keep only the lines you change. A key is written ctrl-d, alt-1, T, space, f5; a sequence \"g g\"; several\n\
         # in a list; none as []. Conflicts are told with their line.\n",
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

/// docs/keys.md: every command with its default keys and palette words, by where it works.
pub fn keys_page() -> String {
    let mut out = String::from(
        "# Keys\n\nMade from the registry of commands; a test fails when this page differs from it.\n\n\
         Reading keys are those of k9s. `w` (why), `a` (actions) and `T` (timeline) are not, nor is anything that\n\
         changes the cluster: that is never one keystroke, and always shows its plan first. Every key can be bound\n\
         anew in `keymap.toml`; `khud print keys` writes one to start from. Names and words work after `:` too.\n",
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
        "# Configuration\n\nMade from the tables the program reads with; a test fails when this page differs from them.\n\n\
         | file | what |\n|---|---|\n\
         | `$XDG_CONFIG_HOME/khud/config.toml` | settings; `khud print config` writes one |\n\
         | `$XDG_CONFIG_HOME/khud/keymap.toml` | keys, see [keys.md](keys.md); `khud print keys` writes one |\n\
         | `$XDG_CONFIG_HOME/khud/themes/NAME.toml` | themes; `khud print theme NAME` writes one |\n\
         | `$XDG_CONFIG_HOME/khud/rules.yaml` | rules of your own, see [findings.md](findings.md) |\n\
         | `$XDG_STATE_HOME/khud/` | khud's own log and journal; in `clusters/` what is kept of each cluster: its timeline, what is acknowledged and muted, how the panes are arranged |\n\n\
         `KHUD_CONFIG_DIR` and `KHUD_STATE_DIR` name other directories. Files are read again when they change. One with\n\
         a fault is refused with its line, and what held before still holds; an unknown key is only warned of, with\n\
         the nearest one there is.\n\n## Settings\n\n| key | default | by context | what it does |\n|---|---|---|---|\n",
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
         How keys arrange the overview's panes (`alt` and the arrows, `alt-x`, `alt-m`) is kept for each context, in shares of\n\
         the screen, and comes before `panes` and `left-width`. Once one of these says something else than it did then, it\n\
         holds, and what was kept counts no more. `alt-a` goes back to what is configured and forgets the rest.\n\n\
         ## Findings\n\n`[findings.thresholds]`:\n\n| key | default | what it is |\n|---|---|---|\n",
    );
    for threshold in THRESHOLDS {
        let _ = writeln!(out, "| `{}` | {} | {} |", threshold.name, threshold.default, threshold.about);
    }
    out.push_str(
        "\n`[findings.severity]` gives a rule another severity: `\"image.not-found\" = \"warning\"`. A mute says what is\n\
         known: rule, namespace or name, a reason, and perhaps an end.\n\n\
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
         `default`, the terminal's own; modifiers are bold, dim, italic, underlined, reversed, crossed-out. What a scope\n\
         does not say it takes from the scope its name begins with, and then from `text`, but for the background.\n\n\
         With 256 or 16 colours the nearest readable ones are taken; with `NO_COLOR` every theme looks like `mono`.\n\n\
         ### Scopes\n\n| scope | what it colours |\n|---|---|\n",
    );
    for scope in SCOPES {
        let _ = writeln!(out, "| `{}` | {} |", scope.name, scope.about);
    }
    out.push_str(
        "\n### Glyphs\n\nWhat colour says, a sign says too.\n\n| name | sign | ASCII |\n|---|---|---|\n",
    );
    for glyph in GLYPHS {
        let _ = writeln!(out, "| {} | {} | {} |", glyph.name, cell(glyph.unicode), cell(glyph.ascii));
    }
    out
}

/// Signs that Markdown would take for its own.
fn cell(sign: &str) -> String {
    match sign {
        "|" => "\\|".to_owned(),
        "`" => "`` ` ``".to_owned(),
        _ => format!("`{sign}`"),
    }
}
