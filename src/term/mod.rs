//! The terminal: entering, leaving, suspending and panics; frames and their bytes; text made safe for cells.

pub mod clean;
pub mod frame;
pub mod screen;
pub mod tty;
pub mod writer;

use std::io::{self, IsTerminal, Write};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ThreadId};

use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{cursor, execute};

pub use clean::{clean, clean_lines};
pub use frame::Frames;
pub use screen::Screen;
pub use writer::Writer;

/// The smallest terminal the cockpit draws in: columns and rows.
pub const SMALLEST: (u16, u16) = (40, 10);

static ENTERED: AtomicBool = AtomicBool::new(false);

/// Why the cockpit cannot use this terminal, as a sentence; `None` if it can.
pub fn unusable() -> Option<String> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Some(
            "The cockpit needs a terminal, and this is not one (input or output is a pipe or a file). \
             For scripts use `khud scan`, `khud diagnose` or `khud do`; over ssh add `-t`."
                .into(),
        );
    }
    if std::env::var("TERM").is_ok_and(|t| t == "dumb") {
        return Some(
            "This terminal says it can only print lines (TERM=dumb), so the cockpit cannot draw in it. \
             Use `khud scan`, or set TERM to what your terminal is, for example TERM=xterm-256color."
                .into(),
        );
    }
    None
}

/// The terminal in the cockpit's mode while this value lives: raw, alternate screen, bracketed paste.
#[derive(Debug)]
pub struct Entered(());

impl Entered {
    /// # Errors
    /// The terminal refused a mode.
    pub fn enter() -> io::Result<Entered> {
        hook(thread::current().id());
        enter()?;
        Ok(Entered(()))
    }

    /// Gives the terminal back for a time (ctrl-z, an editor).
    pub fn suspend(&self) {
        leave();
    }

    /// # Errors
    /// The terminal refused a mode.
    pub fn resume(&self) -> io::Result<()> {
        enter()
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        leave();
    }
}

fn enter() -> io::Result<()> {
    enable_raw_mode()?;
    ENTERED.store(true, Ordering::SeqCst);
    execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste, cursor::Hide)
}

/// The bytes that switch mouse reporting on or off. `leave` always switches it off.
pub fn mouse(on: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to a Vec cannot fail.
    let _ = if on { execute!(bytes, EnableMouseCapture) } else { execute!(bytes, DisableMouseCapture) };
    bytes
}

/// Restores the terminal. Calling it again has no effect.
pub fn leave() {
    if !ENTERED.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = io::stdout();
    // Each step runs even if another one fails.
    let _ = out.write_all(b"\x1b[?2026l\x1b[0m");
    let _ = execute!(out, DisableMouseCapture);
    let _ = execute!(out, DisableBracketedPaste);
    let _ = execute!(out, cursor::Show);
    let _ = execute!(out, LeaveAlternateScreen);
    let _ = disable_raw_mode();
}

/// Restores the terminal before the panic message if the drawing thread panics. After a panic in a background
/// task the cockpit continues and shows a message.
fn hook(ui: ThreadId) {
    static SET: AtomicBool = AtomicBool::new(false);
    if SET.swap(true, Ordering::SeqCst) {
        return;
    }
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if thread::current().id() == ui {
            leave();
            before(info);
        } else if ENTERED.load(Ordering::SeqCst) {
            tracing::error!("a background task failed: {info}");
        } else {
            before(info);
        }
    }));
}

/// The bytes that copy text to the clipboard through the terminal (OSC 52), wrapped for tmux if `tmux`.
pub fn clipboard(text: &str, tmux: bool) -> Vec<u8> {
    use base64::Engine;
    let data = base64::engine::general_purpose::STANDARD.encode(text);
    if tmux {
        format!("\x1bPtmux;\x1b\x1b]52;c;{data}\x07\x1b\\").into_bytes()
    } else {
        format!("\x1b]52;c;{data}\x07").into_bytes()
    }
}
