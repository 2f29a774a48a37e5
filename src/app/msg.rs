//! What can happen to the model, and what it asks of the outside.

use crossterm::event::KeyEvent;

use crate::world::Delta;

/// Everything that can happen.
#[derive(Debug)]
pub enum Msg {
    Key(KeyEvent),
    Paste(String),
    Resize(u16, u16),
    Deltas(Vec<Delta>),
    /// Nothing but time passed.
    Tick,
    /// A task ended that should not have: what it was doing and why it stopped.
    Failed(String),
}

/// What the outside must do; the answer comes back as a `Msg`.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    Quit,
    /// Give the terminal back until `fg`.
    Suspend,
    /// Draw everything again.
    Redraw,
    /// Put the text on the clipboard, through the terminal.
    Copy(String),
}
