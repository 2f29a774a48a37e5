//! Paints the overview's panes and the view in front: the title line, and below it one painter for each kind of content.

use ratatui::layout::Rect;
use ratatui::symbols::line;

use super::paint::Painter;
use super::sheet::Memory;
use super::{cards, lines, sheet};
use crate::app::core::content::{Body, Content};
use crate::app::core::model::Model;
use crate::app::core::panes;
use crate::app::table::cell::Value;
use crate::app::update::layout::Layout;
use crate::app::views::fold;
use crate::config::theme::Glyphs;
use crate::term::clean::{clean, fit, width};

/// The names of the panes, where only one is shown at a time.
pub fn tabs(p: &mut Painter<'_>, model: &Model, area: Rect) {
    let mut x = area.x + 1;
    for (i, pane) in panes::shown(model).into_iter().enumerate() {
        let scope = if pane == model.overview.focus { "title.focus" } else { "text.dim" };
        let text = format!("{} {}", i + 1, pane.title());
        if x < area.right() {
            x += p.put(x, area.y, area.right() - x, &text, scope) + 2;
        }
    }
}

/// The panes of the overview.
pub fn draw(p: &mut Painter<'_>, memory: &mut Memory, model: &Model, layout: &Layout) {
    seams(p, layout);
    for (pane, area) in &layout.panes {
        let focus = *pane == model.overview.focus;
        if area.height == 1 {
            let words = fold::summary(model, *pane).map_or(String::new(), |s| s.text);
            title_line(p, *area, pane.title(), &words, focus);
            continue;
        }
        let mut content = model.overview.pane(*pane).content(model, focus);
        content.title.name = pane.title().to_owned();
        view(p, memory, model, &content, *area, focus);
    }
}

/// A view's title line and its content.
pub fn view(
    p: &mut Painter<'_>,
    memory: &mut Memory,
    model: &Model,
    content: &Content,
    area: Rect,
    focus: bool,
) {
    let (now, title) = (model.data.now, &content.title);
    let filter = (!title.filter.is_empty()).then(|| pattern(&title.filter, area));
    let right: Vec<String> = filter.into_iter().chain(title.notes.iter().cloned()).collect();
    title_line(p, area, &title.name, &right.join("  "), focus);
    for at in &content.ages {
        memory.age(&Value::Age(*at), now);
    }
    let inner = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    match &content.body {
        Body::Sentences(sentences) => lines::sentences(p, sentences, inner),
        Body::Sheet(sheet) => sheet::draw(p, memory, inner, (&title.name, sheet), now, focus),
        Body::Cards(cards) => cards::draw(p, memory, now, cards, inner, focus),
        Body::Lines(lines) => lines::draw(p, lines, inner),
    }
}

/// Lines between panes that stand side by side, joined to the title lines they meet.
fn seams(p: &mut Painter<'_>, layout: &Layout) {
    let starts = |x: u16, y: u16| layout.panes.iter().any(|(_, a)| a.x == x && a.y == y);
    let ends = |x: u16, y: u16| layout.panes.iter().any(|(_, a)| a.right() == x && a.y == y);
    let ascii = p.theme.glyphs == Glyphs::Ascii;
    for (_, area) in layout.panes.iter().filter(|(_, a)| a.x > layout.body.x) {
        let x = area.x - 1;
        for y in area.top()..area.bottom() {
            let sign = match (ends(x, y), starts(area.x, y)) {
                (false, false) => p.glyph("separator"),
                _ if ascii => "+",
                (true, true) if y == layout.body.y => line::HORIZONTAL_DOWN,
                (true, true) => line::CROSS,
                (true, false) => line::VERTICAL_LEFT,
                (false, true) => line::VERTICAL_RIGHT,
            };
            p.line(x, y, 1, sign, "frame");
        }
    }
}

/// The pane's title in its top line: name on the left, what narrows it, counts and freshness on the right. Where both
/// do not fit, the name makes room first: what a filter hides must not be forgotten.
fn title_line(p: &mut Painter<'_>, area: Rect, title: &str, right: &str, focus: bool) {
    /// Columns of the name that always stay.
    const LEAST: u16 = 12;
    let frame = if focus { "frame.focus" } else { "frame" };
    p.line(area.x, area.y, area.width, p.glyph("branch.arm"), frame);
    let scope = if focus { "title.focus" } else { "title" };
    let room = area.width.saturating_sub(2);
    let name = (width(&clean(title)) as u16).saturating_add(2);
    let right = format!(" {} ", right.trim());
    let words = if right.trim().is_empty() { 0 } else { width(&clean(&right)) as u16 };
    let words = words.min(room.saturating_sub(name.min(LEAST) + 1));
    let left = room.saturating_sub(words + u16::from(words > 0));
    p.put(area.x + 1, area.y, 1, " ", scope);
    let used = p.put_middle(area.x + 2, area.y, left.saturating_sub(2), title, scope);
    p.put(area.x + 2 + used, area.y, 1, " ", scope);
    if words > 2 {
        p.put(area.right() - words - 1, area.y, words, &right, "text.dim");
    }
}

/// A filter as a title has it: a long one leaves room for what it counts.
fn pattern(filter: &str, area: Rect) -> String {
    format!("/{}", fit(&clean(filter), usize::from(area.width / 3)))
}
