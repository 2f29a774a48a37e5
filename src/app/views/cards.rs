//! Cards: rows of several lines under one head, for lists whose rows are read rather than compared.

use crate::app::views::text::Line;
use crate::world::{Text, Time};

/// Columns that the lines below a card's head are set in: the sign and the age stand before them.
pub const INSET: usize = 9;

/// One row of a list of cards.
#[derive(Clone, Debug, PartialEq)]
pub struct Card {
    pub id: Text,
    /// Name of the glyph that says how bad it is.
    pub sign: &'static str,
    /// Scope of the sign and of the title.
    pub scope: &'static str,
    pub since: Time,
    pub title: String,
    /// Stands at the right edge of the head, where there is room.
    pub aside: String,
    pub body: Vec<Line>,
    /// Moments whose age the body tells; the frame is due again when one of them reads differently.
    pub ages: Vec<Time>,
}

impl Card {
    /// Lines it takes.
    pub fn height(&self) -> usize {
        1 + self.body.len()
    }
}
