//! Paints cards: a head with sign, age, object and reach, and the lines below it.

use ratatui::layout::Rect;

use super::lines::pieces;
use super::paint::Painter;
use super::sheet::Memory;
use crate::app::core::content::{Card, Cards, INSET};
use crate::app::table::cell::Value;
use crate::term::clean::{clean, width};
use crate::world::Time;

pub fn draw(p: &mut Painter<'_>, memory: &mut Memory, now: Time, content: &Cards, area: Rect, focus: bool) {
    let mut y = area.y;
    for (n, card) in content.cards.iter().enumerate() {
        let room = area.bottom().saturating_sub(y);
        let place = Rect { y, height: room.min(card.height() as u16), ..area };
        one(p, memory, now, card, place);
        if content.selected == Some(n) {
            for line in place.top()..place.bottom() {
                p.put(area.x, line, 1, p.glyph("selected"), if focus { "row.selected" } else { "frame" });
            }
            if focus {
                p.tint(Rect { height: 1, ..place }, "row.selected");
            }
        }
        y = place.bottom();
    }
    if content.below > 0 && y <= area.bottom() {
        let more = format!(" {} more {} ", content.below, p.glyph("down"));
        let columns = (width(&more) as u16).min(area.width);
        p.put(area.right() - columns, area.bottom() - 1, columns, &more, "title");
    }
}

fn one(p: &mut Painter<'_>, memory: &mut Memory, now: Time, card: &Card, area: Rect) {
    let since = Value::Age(card.since);
    memory.age(&since, now);
    for at in &card.ages {
        memory.age(&Value::Age(*at), now);
    }
    let inset = INSET as u16;
    let room = area.width.saturating_sub(inset);
    p.put(area.x + 1, area.y, 1, p.theme.glyph(card.sign), card.scope);
    p.put_right(area.x + 3, area.y, 5, &since.show(now), "text.dim");
    let used = p.put_middle(area.x + inset, area.y, room, &card.title, card.scope);
    let aside = width(&clean(&card.aside)) as u16;
    if aside > 0 && used + aside + 2 <= room {
        p.put(area.right() - aside - 1, area.y, aside, &card.aside, "text.dim");
    }
    for (line, y) in card.body.iter().zip(area.y + 1..area.bottom()) {
        pieces(p, Rect { x: area.x + inset, y, width: area.width.saturating_sub(inset), height: 1 }, &line.0);
    }
}
