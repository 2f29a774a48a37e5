//! The overview as it looks: in a dark and a light theme, without colours, and in ASCII.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fmt::Write;

use khud::app::model::{Cluster, Model};
use khud::app::preferences::{self, Preferences, Terminal};
use khud::app::{Msg, update};
use khud::cluster::slim::Decoder;
use khud::config::colour::Palette;
use khud::config::files::Loaded;
use khud::config::sheet::Sheet;
use khud::config::theme::Glyphs;
use khud::config::{Config, Keymap, Theme};
use khud::ui::{self, Memory, layout};
use khud::world::{Clock, Delta, Kind};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};

/// The captured cluster in the cockpit, at the moment it was captured.
fn overview(theme: &str, palette: Palette, glyphs: Glyphs, config: &str) -> (Model, Buffer) {
    let mut model = Model::new(Clock::manual(support::now()), Keymap::default(), Theme::default());
    model.cluster = Cluster { context: "lab".to_owned(), ..Cluster::default() };
    let loaded = Loaded { config: Some(Config::from_toml("c", config).unwrap()), ..Loaded::default() };
    let chosen = Sheet::built_in(theme);
    preferences::install(
        &mut model,
        Preferences::new(&loaded, Terminal { palette, glyphs }, chosen),
        &loaded,
    );
    update(&mut model, Msg::Resize(120, 34));
    for (file, kind) in [
        ("pods", Kind::Pod),
        ("nodes", Kind::Node),
        ("events", Kind::Event),
        ("deployments", Kind::Deployment),
        ("replicasets", Kind::ReplicaSet),
        ("daemonsets", Kind::DaemonSet),
    ] {
        let list = support::capture(&format!("list/{file}.json"));
        let items = list["response"]["json"]["items"].as_array().unwrap();
        let deltas = items
            .iter()
            .map(|item| {
                let item = Decoder::new(kind.clone()).object(&serde_json::to_vec(item).unwrap()).unwrap();
                Delta::Apply(item.record)
            })
            .collect();
        update(&mut model, Msg::Deltas(deltas));
    }
    layout::fit(&mut model);
    let mut buffer = Buffer::empty(Rect::new(0, 0, 120, 34));
    ui::draw(&model, &mut Memory::default(), &mut buffer);
    (model, buffer)
}

fn colour(colour: Color) -> String {
    match colour {
        Color::Rgb(r, g, b) => format!("#{r:02x}{g:02x}{b:02x}"),
        other => other.to_string(),
    }
}

/// The text, and below it each line's runs of one style, by a letter; the letters are explained at the end.
fn looks(buffer: &Buffer) -> String {
    let mut styles: Vec<String> = Vec::new();
    let mut runs = String::new();
    for y in 0..buffer.area.height {
        let mut line: Vec<(char, u16)> = Vec::new();
        for x in 0..buffer.area.width {
            let cell = buffer.cell((x, y)).unwrap();
            let style = format!("{} on {} {:?}", colour(cell.fg), colour(cell.bg), cell.modifier);
            let index = styles.iter().position(|s| *s == style).unwrap_or_else(|| {
                styles.push(style);
                styles.len() - 1
            });
            let letter = char::from_u32('A' as u32 + index as u32).unwrap();
            match line.last_mut() {
                Some((last, count)) if *last == letter => *count += 1,
                _ => line.push((letter, 1)),
            }
        }
        let line: Vec<String> = line.iter().map(|(letter, count)| format!("{letter}{count}")).collect();
        let _ = writeln!(runs, "{}", line.join(" "));
    }
    let mut out = format!("{}\n{runs}\n", ui::to_text(buffer));
    for (i, style) in styles.iter().enumerate() {
        let _ = writeln!(out, "{} {}", char::from_u32('A' as u32 + i as u32).unwrap(), style.trim());
    }
    out
}

#[test]
fn in_the_dark_theme() {
    let (_, buffer) = overview("dark", Palette::Rgb, Glyphs::Unicode, "");
    insta::assert_snapshot!(looks(&buffer));
}

#[test]
fn in_the_light_theme_in_production() {
    let (model, buffer) = overview("light", Palette::Rgb, Glyphs::Unicode, "production = true\n");
    // The frame says it: every title line is drawn in the production colour.
    let production = Theme::new(&Sheet::built_in("light").unwrap(), Palette::Rgb, Glyphs::Unicode);
    assert_eq!(model.theme.style("frame").fg, production.style("frame.production").fg);
    insta::assert_snapshot!(looks(&buffer));
}

#[test]
fn without_colours() {
    let (_, buffer) = overview("dark", Palette::None, Glyphs::Unicode, "");
    assert!(buffer.content().iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    assert!(
        buffer.content().iter().any(|cell| cell.modifier.contains(Modifier::REVERSED)),
        "the cursor shows"
    );
    insta::assert_snapshot!(looks(&buffer));
}

#[test]
fn in_ascii() {
    let (_, buffer) = overview("mono", Palette::Ansi16, Glyphs::Ascii, "");
    let text = ui::to_text(&buffer);
    assert!(text.is_ascii(), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn while_presenting_rows_stand_apart_and_secrets_are_masked() {
    let (mut model, buffer) =
        overview("dark", Palette::Rgb, Glyphs::Unicode, "presentation = true\npanes = ['pods']\n");
    let text = ui::to_text(&buffer);
    let first = text.lines().position(|line| line.contains('▌')).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(!lines[first].trim().is_empty() && lines[first + 1].replace('█', "").trim().is_empty(), "{text}");
    assert!(text.contains("Secret [redac"), "names of Secrets on rows: {text}");
    model.say(khud::app::model::Tone::Bad, "401 for Bearer abcdef123456; secret \"db-login\" not found");
    let mut buffer = Buffer::empty(Rect::new(0, 0, 120, 34));
    ui::draw(&model, &mut Memory::default(), &mut buffer);
    let text = ui::to_text(&buffer);
    assert!(text.contains("401 for Bearer [redacted]"), "{text}");
    assert!(!text.contains("db-login") && !text.contains("abcdef123456"), "{text}");
}
