//! Paints lists of cards: a head with sign, age, object and reach, and the lines below it.

use ratatui::layout::Rect;

use super::paint::Painter;
use super::panes::{freshness, pattern, title_line};
use super::sheet::Memory;
use crate::app::core::model::Model;
use crate::app::table::cell::Value;
use crate::app::views::cards::{Card, INSET};
use crate::app::views::incidents;
use crate::app::views::list::{List, What};
use crate::term::clean::{clean, width, wrap};
use crate::world::{Kind, Time};

pub fn draw(
    p: &mut Painter<'_>,
    memory: &mut Memory,
    model: &Model,
    list: &List,
    area: Rect,
    title: &str,
    focus: bool,
) {
    let entries = incidents::entries(model, &list.what, &list.filter);
    let mut right: Vec<String> = Vec::new();
    if !list.filter.is_empty() {
        right.push(pattern(&list.filter, area));
    }
    right.extend(freshness(model, &Kind::Pod));
    if !matches!(list.what, What::Incident(_)) {
        right.push(entries.len().to_string());
    }
    if model.muted() > 0 {
        right.push(format!("{} muted", model.muted()));
    }
    title_line(p, area, title, &right.join("  "), focus);
    let inner = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    if entries.is_empty() {
        empty(p, model, list, inner);
        return;
    }
    let at = incidents::index(model, list, &entries);
    let mut y = inner.y;
    for (n, card) in incidents::in_sight(model, list, &entries, usize::from(inner.height)).iter().enumerate()
    {
        let room = inner.bottom().saturating_sub(y);
        let place = Rect { y, height: room.min(card.height() as u16), ..inner };
        one(p, memory, model.data.now, card, place);
        if list.offset + n == at {
            for line in place.top()..place.bottom() {
                p.put(inner.x, line, 1, p.glyph("selected"), if focus { "row.selected" } else { "frame" });
            }
            if focus {
                p.tint(Rect { height: 1, ..place }, "row.selected");
            }
        }
        y = place.bottom();
    }
    let last = list.offset + incidents::in_sight(model, list, &entries, usize::from(inner.height)).len();
    if last < entries.len() && y <= inner.bottom() {
        let more = format!(" {} more {} ", entries.len() - last, p.glyph("down"));
        let columns = (width(&more) as u16).min(inner.width);
        p.put(inner.right() - columns, inner.bottom() - 1, columns, &more, "title");
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
        let mut x = area.x + inset;
        for (text, scope) in &line.0 {
            if x < area.right() {
                x += p.put(x, y, area.right() - x, text, scope);
            }
        }
    }
}

/// A list without cards: what was looked at, where nothing hides what is wrong.
fn empty(p: &mut Painter<'_>, model: &Model, list: &List, area: Rect) {
    let text = model.empty_list(list);
    let says = match text.as_str() {
        "No incident." if list.filter.is_empty() => incidents::clean_state(model),
        _ => vec![(text, "text.dim")],
    };
    let columns = usize::from(area.width.saturating_sub(2));
    let lines =
        says.iter().flat_map(|(text, scope)| wrap(text, columns).into_iter().map(move |l| (l, *scope)));
    for ((line, scope), y) in lines.zip(area.top()..area.bottom()) {
        p.put(area.x + 1, y, area.width.saturating_sub(2), &line, scope);
    }
}
