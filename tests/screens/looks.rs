//! The overview as it looks: in a dark and a light theme, without colours, and in ASCII.

use crate::support::stage::{Stage, captured, styles};
use khud::app::core::configure;
use khud::app::core::preferences::{Preferences, Terminal};
use khud::config::colour::Palette;
use khud::config::files::Loaded;
use khud::config::sheet::Sheet;
use khud::config::theme::Glyphs;
use khud::config::{Config, Theme};
use khud::ui;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};

/// The captured cluster in the cockpit of a terminal that shows so much.
fn overview(theme: &str, palette: Palette, glyphs: Glyphs, config: &str) -> (Stage, Buffer) {
    let mut stage = captured(120, 34);
    let loaded = Loaded { config: Some(Config::from_toml("c", config).unwrap()), ..Loaded::default() };
    let preferences = Preferences::new(&loaded, Terminal { palette, glyphs }, Sheet::built_in(theme));
    configure::install(&mut stage.model, preferences, &loaded);
    let buffer = stage.draw();
    (stage, buffer)
}

/// The text, and below it its styles.
fn looks(buffer: &Buffer) -> String {
    format!("{}\n{}", ui::to_text(buffer), styles(buffer))
}

#[test]
fn in_the_dark_theme() {
    let (_, buffer) = overview("dark", Palette::Rgb, Glyphs::Unicode, "");
    insta::assert_snapshot!(looks(&buffer));
}

#[test]
fn in_the_light_theme_in_production() {
    let (stage, buffer) = overview("light", Palette::Rgb, Glyphs::Unicode, "production = true\n");
    // The frame says it: every title line is drawn in the production colour.
    let production = Theme::new(&Sheet::built_in("light").unwrap(), Palette::Rgb, Glyphs::Unicode);
    assert_eq!(stage.model.theme.style("frame").fg, production.style("frame.production").fg);
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
    let (mut stage, buffer) =
        overview("dark", Palette::Rgb, Glyphs::Unicode, "presentation = true\npanes = ['pods']\n");
    let text = ui::to_text(&buffer);
    let first = text.lines().position(|line| line.contains('▌')).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(!lines[first].trim().is_empty() && lines[first + 1].replace('█', "").trim().is_empty(), "{text}");
    assert!(text.contains("Secret [redac"), "names of Secrets on rows: {text}");
    stage
        .model
        .say(khud::app::core::model::Tone::Bad, "401 for Bearer abcdef123456; secret \"db-login\" not found");
    let text = stage.screen();
    assert!(text.contains("401 for Bearer [redacted]"), "{text}");
    assert!(!text.contains("db-login") && !text.contains("abcdef123456"), "{text}");
}
