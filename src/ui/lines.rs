//! Paints lines of text: documents, logs, trees.

use ratatui::layout::Rect;

use super::paint::Painter;
use crate::app::core::content::{Highlight, Piece, TextLine};
use crate::term::clean::{width, wrap};

pub fn draw(p: &mut Painter<'_>, lines: &[TextLine], area: Rect) {
    for (line, y) in lines.iter().zip(area.top()..area.bottom()) {
        let row = Rect { y, height: 1, ..area };
        let inset = 1 + line.indent;
        let x = pieces(
            p,
            Rect { x: area.x + inset, width: area.width.saturating_sub(inset), ..row },
            &line.pieces,
        );
        let right = width(&line.right) as u16;
        if right > 0 && x + right + 2 < area.right() {
            p.put(area.right() - right - 1, y, right, &line.right, "text.dim");
        }
        match line.highlight {
            Highlight::None => {}
            Highlight::Match => p.tint(row, "row.match"),
            Highlight::Selected { first } => {
                if first {
                    p.tint(row, "row.selected");
                }
                p.put(area.x, y, 1, p.glyph("selected"), "frame.focus");
            }
        }
    }
}

/// Pieces of text one after the other; returns where they end.
pub fn pieces(p: &mut Painter<'_>, area: Rect, pieces: &[Piece]) -> u16 {
    let mut x = area.x;
    for (text, scope) in pieces {
        if x < area.right() {
            x += p.put(x, area.y, area.right() - x, text, scope);
        }
    }
    x
}

/// Sentences where rows would be.
pub fn sentences(p: &mut Painter<'_>, sentences: &[Piece], area: Rect) {
    let columns = area.width.saturating_sub(2);
    let lines = sentences
        .iter()
        .flat_map(|(text, scope)| wrap(text, columns.into()).into_iter().map(move |line| (line, *scope)));
    for ((line, scope), y) in lines.zip(area.top()..area.bottom()) {
        p.put(area.x + 1, y, columns, &line, scope);
    }
}
