//! Draws the running program as an SVG: `cargo run --release --example picture -- OUT.svg 'TEXT TO WAIT FOR' [KEYS…]`.
//!
//! It starts `khud demo` in a terminal of 120×40, waits until the text is on screen, presses each of the keys
//! (waiting for the screen to settle after each), and writes what a terminal would show.
#![allow(clippy::expect_used)]

#[path = "../tests/support/pty.rs"]
mod pty;

use std::fmt::Write;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use vt100::{Cell, Color, Screen};

const ROWS: u16 = 40;
const COLS: u16 = 120;
/// Pixels.
const WIDTH: f64 = 8.4;
const HEIGHT: f64 = 18.0;
const BACKGROUND: (u8, u8, u8) = (0x10, 0x13, 0x1a);
const FOREGROUND: (u8, u8, u8) = (0xd8, 0xde, 0xe9);

fn main() {
    let mut args = std::env::args().skip(1);
    let (Some(out), Some(text)) = (args.next(), args.next()) else {
        eprintln!("picture OUT.svg 'TEXT TO WAIT FOR' [KEYS…]");
        std::process::exit(2);
    };
    let me = std::env::current_exe().expect("this program has a path");
    // target/PROFILE/examples/picture lies beside target/PROFILE/khud.
    let khud: PathBuf = me.parent().and_then(|p| p.parent()).expect("a target directory").join("khud");
    let home = tempfile::tempdir().expect("a scratch directory");
    let mut terminal = pty::cockpit(khud, home.path(), "", &["demo"], COLS, ROWS);
    if terminal.wait(Duration::from_secs(120), |s| s.contains(&text)).is_none() {
        eprintln!("{text:?} did not appear; the screen was:\n{}", terminal.text());
        std::process::exit(1);
    }
    for keys in args {
        terminal.answer(&keys);
        sleep(Duration::from_millis(1500));
    }
    sleep(Duration::from_millis(500));
    std::fs::write(&out, terminal.screen(svg)).expect("the picture is written");
}

fn svg(screen: &Screen) -> String {
    let (w, h) = (f64::from(COLS) * WIDTH + 20.0, f64::from(ROWS) * HEIGHT + 20.0);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w:.0}\" height=\"{h:.0}\" font-family=\"ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace\" font-size=\"14\">\n<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{}\"/>\n",
        hex(BACKGROUND)
    );
    for row in 0..ROWS {
        let mut col = 0;
        while col < COLS {
            let Some(first) = screen.cell(row, col) else { break };
            let look = Look::of(first);
            let (start, mut run) = (col, String::new());
            while let Some(cell) = screen.cell(row, col).filter(|c| col < COLS && Look::of(c) == look) {
                if !cell.is_wide_continuation() {
                    run.push_str(if cell.has_contents() { cell.contents() } else { " " });
                }
                col += 1;
            }
            let (x, y) = (10.0 + f64::from(start) * WIDTH, 10.0 + f64::from(row) * HEIGHT);
            let width = f64::from(col - start) * WIDTH;
            if look.back != BACKGROUND {
                let _ = writeln!(
                    out,
                    "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{HEIGHT}\" fill=\"{}\"/>",
                    hex(look.back)
                );
            }
            if !run.trim().is_empty() {
                let _ = writeln!(
                    out,
                    "<text x=\"{x:.1}\" y=\"{:.1}\" fill=\"{}\" textLength=\"{width:.1}\" xml:space=\"preserve\"{}>{}</text>",
                    y + 13.5,
                    hex(look.fore),
                    if look.bold { " font-weight=\"bold\"" } else { "" },
                    escape(&run)
                );
            }
        }
    }
    out.push_str("</svg>\n");
    out
}

#[derive(PartialEq)]
struct Look {
    fore: (u8, u8, u8),
    back: (u8, u8, u8),
    bold: bool,
}

impl Look {
    fn of(cell: &Cell) -> Look {
        let (mut fore, mut back) = (rgb(cell.fgcolor(), FOREGROUND), rgb(cell.bgcolor(), BACKGROUND));
        if cell.inverse() {
            std::mem::swap(&mut fore, &mut back);
        }
        Look { fore, back, bold: cell.bold() }
    }
}

/// The usual palette: sixteen named colours, a 6×6×6 cube, and greys.
fn rgb(color: Color, default: (u8, u8, u8)) -> (u8, u8, u8) {
    const NAMED: [(u8, u8, u8); 16] = [
        (0, 0, 0),
        (205, 49, 49),
        (13, 188, 121),
        (229, 229, 16),
        (36, 114, 200),
        (188, 63, 188),
        (17, 168, 205),
        (229, 229, 229),
        (102, 102, 102),
        (241, 76, 76),
        (35, 209, 139),
        (245, 245, 67),
        (59, 142, 234),
        (214, 112, 214),
        (41, 184, 219),
        (255, 255, 255),
    ];
    match color {
        Color::Default => default,
        Color::Rgb(r, g, b) => (r, g, b),
        Color::Idx(i @ 0..=15) => NAMED[usize::from(i)],
        Color::Idx(i @ 16..=231) => {
            let level = |n: u8| if n == 0 { 0 } else { 55 + 40 * n };
            let i = i - 16;
            (level(i / 36), level(i / 6 % 6), level(i % 6))
        }
        Color::Idx(i) => {
            let grey = 8 + 10 * (i - 232);
            (grey, grey, grey)
        }
    }
}

fn hex((r, g, b): (u8, u8, u8)) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
