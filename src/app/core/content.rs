//! The content of a view as plain data. `ui` has one painter for each kind of content and knows no view.

use crate::app::table::cell::Cell;
use crate::app::table::shape::Shape;
use crate::world::{Text, Time};

/// A piece of text with the scope of its style.
pub type Piece = (String, &'static str);

/// One line in pieces.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Line(pub Vec<Piece>);

impl Line {
    pub fn plain(text: impl Into<String>) -> Line {
        Line(vec![(text.into(), "text")])
    }

    pub fn of(text: impl Into<String>, scope: &'static str) -> Line {
        Line(vec![(text.into(), scope)])
    }

    pub fn text(&self) -> String {
        self.0.iter().map(|(t, _)| t.as_str()).collect()
    }
}

/// A view's title line and what stands below it.
#[derive(Debug)]
pub struct Content {
    pub title: Title,
    pub body: Body,
    /// Moments whose age the texts show; the frame is due again when one of them reads differently.
    pub ages: Vec<Time>,
}

/// The name on the left; the filter, then the notes on the right.
#[derive(Debug, Default)]
pub struct Title {
    pub name: String,
    pub filter: String,
    pub notes: Vec<String>,
}

#[derive(Debug)]
pub enum Body {
    /// Sentences where rows would be.
    Sentences(Vec<Piece>),
    Sheet(Sheet),
    Cards(Cards),
    Lines(Vec<TextLine>),
}

impl Body {
    /// One sentence where rows would be.
    pub fn sentence(text: impl Into<String>) -> Body {
        Body::Sentences(vec![(text.into(), "text.dim")])
    }
}

/// The window of a table: columns, and the rows that show.
#[derive(Debug)]
pub struct Sheet {
    pub shapes: Vec<Shape>,
    pub rows: Vec<SheetRow>,
    /// The row under the cursor, counted in the window.
    pub selected: Option<usize>,
    /// The column sorted by and whether it descends.
    pub sorted: Option<(usize, bool)>,
    /// Rows of the whole table, and the first in the window.
    pub total: usize,
    pub offset: usize,
    /// A line below the last row, for rows that are left out.
    pub more: Option<String>,
    /// Lines above the titles of the columns.
    pub above: Vec<Line>,
}

/// One row of a sheet.
#[derive(Debug)]
pub struct SheetRow {
    pub cells: Vec<Cell>,
    pub mark: Option<Mark>,
    /// Columns the first cell is set in, for trees.
    pub indent: u16,
}

/// The properties of a row besides its cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Marked,
    /// The row's object is deleted.
    Tombstone,
}

/// Columns that the lines below a card's head are set in: the sign and the age stand before them.
pub const INSET: usize = 9;

/// The cards in the window.
#[derive(Debug)]
pub struct Cards {
    pub cards: Vec<Card>,
    /// The card under the cursor, counted in the window.
    pub selected: Option<usize>,
    /// Cards below the window.
    pub below: usize,
}

/// A row of several lines under one head, for lists whose rows are read rather than compared.
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
    /// Moments whose age the body shows.
    pub ages: Vec<Time>,
}

impl Card {
    /// Lines it takes.
    pub fn height(&self) -> usize {
        1 + self.body.len()
    }
}

/// One line of text, of a log or of a tree.
#[derive(Debug, Default)]
pub struct TextLine {
    /// Columns it is set in.
    pub indent: u16,
    pub pieces: Vec<Piece>,
    /// Stands at the right edge, where there is room.
    pub right: String,
    pub highlight: Highlight,
}

impl TextLine {
    pub fn of(pieces: Vec<Piece>) -> TextLine {
        TextLine { pieces, ..TextLine::default() }
    }
}

/// Why a line of text stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Highlight {
    #[default]
    None,
    /// The search matches it.
    Match,
    /// It belongs to what the cursor is on; the first line of that is tinted.
    Selected { first: bool },
}
