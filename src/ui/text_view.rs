//! Scrolled text: help, describe, YAML. Only the lines in the window are drawn.

use ratatui::layout::Rect;

use super::paint::Painter;
use super::panes::title_line;
use crate::app::views::text::TextView;

pub fn draw(p: &mut Painter<'_>, view: &TextView, area: Rect) {
    let shown = area.height.saturating_sub(1);
    let last = (view.offset + usize::from(shown)).min(view.lines.len());
    let right = format!("{}-{last} of {}", (view.offset + 1).min(last), view.lines.len());
    title_line(p, area, &view.title, &right, true);
    for (n, line) in view.lines.iter().skip(view.offset).take(shown.into()).enumerate() {
        let y = area.y + 1 + n as u16;
        let mut x = area.x + 1;
        let mut skip = view.left;
        for (text, scope) in &line.0 {
            let count = text.chars().count();
            if skip >= count {
                skip -= count;
                continue;
            }
            let rest: String = text.chars().skip(skip).collect();
            skip = 0;
            if x < area.right() {
                x += p.put(x, y, area.right() - x, &rest, scope);
            }
        }
        if view.hit(line) {
            p.tint(Rect::new(area.x, y, area.width, 1), "row.match");
        }
    }
}
