//! Draws a table: the rows of the window only, in columns whose widths come from what was seen and stay.

use std::borrow::Cow;
use std::collections::HashMap;

use ratatui::layout::Rect;

use super::paint::Painter;
use crate::app::core::content::{Line, Mark, Sheet};
use crate::app::table::cell::{Cell, Value};
use crate::app::table::picture;
use crate::app::table::shape::{Cut, Shape};
use crate::term::clean::{clean, width};
use crate::world::Time;

/// What drawing remembers from frame to frame: nothing the model would miss.
#[derive(Debug, Default)]
pub struct Memory {
    /// The widest text seen in each column of each table.
    widths: HashMap<String, HashMap<Cow<'static, str>, u16>>,
    /// When the first age on the screen will read differently.
    pub next_age: Option<Time>,
}

impl Memory {
    pub fn age(&mut self, value: &Value, now: Time) {
        if let Some(t) = value.changes_after(now) {
            self.next_age = Some(self.next_age.map_or(t, |n| n.min(t)));
        }
    }
}

/// Lines a row takes: for strangers at the back of the room every other one stays empty.
fn row_height(presenting: bool) -> u16 {
    if presenting { 2 } else { 1 }
}

/// Draws column titles and rows into `area`.
///
/// The name tells the table from others in the memory of widths.
pub fn draw(
    p: &mut Painter<'_>,
    memory: &mut Memory,
    area: Rect,
    (name, sheet): (&str, &Sheet),
    now: Time,
    focus: bool,
) {
    if area.width < 4 || area.height == 0 {
        return;
    }
    let area = above(p, area, &sheet.above);
    let texts: Vec<Vec<String>> =
        sheet.rows.iter().map(|r| r.cells.iter().map(|c| text_of(p, c, now)).collect()).collect();
    let widths = learn(memory, name, sheet, &texts);
    // The scroll bar stands in the border beside the pane; at the screen's edge it has a column of its own.
    let bar = u16::from(scrolls(p, area, sheet) && area.right() >= p.buffer.area.right());
    // The title says by which column the rows are sorted, and has room to.
    let mut shapes = sheet.shapes.clone();
    if let Some((shape, descending)) = sheet.sorted.and_then(|(c, down)| Some((shapes.get_mut(c)?, down))) {
        shape.name.to_mut().push_str(p.glyph(if descending { "sort.down" } else { "sort.up" }));
    }
    let columns = divide(&shapes, &widths, area.width - 1 - bar);

    for (i, x, w) in &columns {
        let shape = &shapes[*i];
        let title = &shape.name;
        if shape.right {
            p.put_right(area.x + 1 + x, area.y, *w, title, "row.header");
        } else {
            p.put(area.x + 1 + x, area.y, *w, title, "row.header");
        }
    }
    for (n, (row, texts)) in sheet.rows.iter().zip(&texts).enumerate() {
        let y = area.y + 1 + n as u16 * row_height(p.presenting);
        if y >= area.bottom() {
            break;
        }
        for (i, x, w) in &columns {
            let (Some(cell), Some(text)) = (row.cells.get(*i), texts.get(*i)) else { continue };
            memory.age(&cell.value, now);
            let indent = if *i == 0 { row.indent.min(*w) } else { 0 };
            let (x, w) = (area.x + 1 + x + indent, w - indent);
            let shape = &sheet.shapes[*i];
            if shape.right {
                p.put_right(x, y, w, text, cell.scope);
            } else {
                match shape.cut {
                    Cut::End => p.put(x, y, w, text, cell.scope),
                    Cut::Middle => p.put_middle(x, y, w, text, cell.scope),
                    Cut::Start => p.put_end(x, y, w, text, cell.scope),
                };
            }
        }
        let line = Rect::new(area.x, y, area.width, 1);
        match row.mark {
            Some(Mark::Marked) => {
                p.put(area.x, y, 1, p.glyph("marked"), "row.marked");
                p.tint(line, "row.marked");
            }
            Some(Mark::Tombstone) => {
                p.put(area.x, y, 1, p.glyph("tombstone"), "row.tombstone");
                p.tint(line, "row.tombstone");
            }
            None => {}
        }
        if sheet.selected == Some(n) {
            if focus {
                p.tint(line, "row.selected");
            }
            p.put(area.x, y, 1, p.glyph("selected"), if focus { "row.selected" } else { "frame" });
        }
    }
    scrollbar(p, area, sheet);
    if let Some(more) = &sheet.more {
        let y = area.y + 1 + sheet.rows.len() as u16 * row_height(p.presenting);
        p.put(area.x + 1, y, area.width.saturating_sub(1), more, "text.dim");
    }
}

/// Lines that stand above the titles of the columns; what is left of the area.
fn above(p: &mut Painter<'_>, area: Rect, lines: &[Line]) -> Rect {
    for (line, y) in lines.iter().zip(area.top()..area.bottom()) {
        let row = Rect { x: area.x + 1, y, width: area.width.saturating_sub(1), height: 1 };
        super::lines::pieces(p, row, &line.0);
    }
    let used = (lines.len() as u16).min(area.height);
    Rect { y: area.y + used, height: area.height - used, ..area }
}

/// Columns a bar takes.
const BAR: usize = 8;

fn text_of(p: &Painter<'_>, cell: &Cell, now: Time) -> String {
    match &cell.value {
        Value::Sign(glyph, _) => p.glyph(glyph).to_owned(),
        Value::Clock(t) => p.times.clock(*t),
        Value::Bar(thousandths) => picture::bar(p.theme.spark(), p.glyph("bar.empty"), *thousandths, BAR),
        Value::Spark(cells) => picture::line(p.theme.spark(), cells),
        value => clean(&value.show(now)).into_owned(),
    }
}

fn scrolls(p: &Painter<'_>, area: Rect, sheet: &Sheet) -> bool {
    let rows = usize::from(area.height.saturating_sub(1) / row_height(p.presenting));
    sheet.total > rows && rows >= 3
}

/// A thumb on the right edge where there is more than fits.
fn scrollbar(p: &mut Painter<'_>, area: Rect, sheet: &Sheet) {
    let lines = usize::from(area.height.saturating_sub(1));
    let rows = lines / usize::from(row_height(p.presenting));
    if !scrolls(p, area, sheet) {
        return;
    }
    let size = (lines * rows / sheet.total).max(1);
    let at = sheet.offset * (lines - size) / (sheet.total - rows).max(1);
    let x = area.right().min(p.buffer.area.right() - 1);
    for i in 0..size {
        p.line(x, area.y + 1 + (at + i).min(lines - 1) as u16, 1, p.glyph("bar.full"), "scrollbar");
    }
}

/// The widest text of each column so far, this window's included. Columns are known by name: which of them are there
/// changes as they are scrolled.
fn learn(memory: &mut Memory, name: &str, sheet: &Sheet, texts: &[Vec<String>]) -> Vec<u16> {
    let mut widest = vec![0; sheet.shapes.len()];
    for (row, texts) in sheet.rows.iter().zip(texts) {
        for (i, text) in texts.iter().enumerate().take(widest.len()) {
            let indent = if i == 0 { usize::from(row.indent) } else { 0 };
            widest[i] = widest[i].max(u16::try_from(width(text) + indent).unwrap_or(u16::MAX));
        }
    }
    let seen = memory.widths.entry(name.to_owned()).or_default();
    for (shape, own) in sheet.shapes.iter().zip(&mut widest) {
        match seen.get_mut(&shape.name) {
            Some(before) => {
                *own = (*own).max(*before);
                *before = *own;
            }
            None => drop(seen.insert(shape.name.clone(), *own)),
        }
    }
    widest
}

/// Column index, start and width for those that fit. First each column that matters gets its least, then all get
/// what they wish in the order of their worth; what nobody filled comes last, what no longer fits goes.
fn divide(shapes: &[Shape], seen: &[u16], room: u16) -> Vec<(usize, u16, u16)> {
    const GAP: u16 = 1;
    /// From this worth on a column rather narrows than goes.
    const MATTERS: u8 = 80;
    /// A width most texts can be read in.
    const COMFORT: u16 = 22;
    /// The worth of the column that says why, and a width that most causes can be read in.
    const WHY: u8 = 95;
    const REASON: u16 = 28;
    let title = |i: usize| width(&shapes[i].name) as u16;
    let wish = |i: usize| seen[i].max(title(i)).min(shapes[i].max.max(title(i)));
    // What is only a few letters short of whole is whole, and so is a number: a part of one reads as another.
    let floor = |i: usize| {
        let least = shapes[i].min.max(title(i));
        if wish(i) <= least + 2 || shapes[i].right { wish(i) } else { least }
    };
    let mut by_worth: Vec<usize> = (0..shapes.len()).collect();
    // A cause is read before a name is: the end of a generated name tells little.
    by_worth.sort_by_key(|i| (seen[*i] == 0, shapes[*i].keep != WHY, std::cmp::Reverse(shapes[*i].keep)));
    let mut widths = vec![0u16; shapes.len()];
    let mut left = room + GAP;
    for i in by_worth.iter().copied().filter(|i| shapes[*i].keep >= MATTERS && seen[*i] > 0) {
        let w = floor(i);
        if w + GAP <= left {
            widths[i] = w;
            left -= w + GAP;
        } else if left > GAP && widths.iter().all(|w| *w == 0) {
            (widths[i], left) = (left - GAP, 0);
        }
    }
    // First what reads comfortably, then what is less worth, then the rest of the long ones, then what nobody filled.
    for (round, filled) in [(COMFORT, true), (u16::MAX, true), (u16::MAX, false)] {
        for i in by_worth.iter().copied().filter(|i| (seen[*i] > 0) == filled) {
            let round = if shapes[i].keep == WHY && round == COMFORT { REASON } else { round };
            let wish = wish(i).min(round);
            if widths[i] > 0 {
                let more = wish.saturating_sub(widths[i]).min(left);
                widths[i] += more;
                left -= more;
            } else if floor(i) + GAP <= left {
                widths[i] = wish.max(floor(i)).min(left - GAP);
                left -= widths[i] + GAP;
            }
        }
    }
    let mut x = 0;
    let mut columns = Vec::new();
    for (i, w) in widths.into_iter().enumerate().filter(|(_, w)| *w > 0) {
        columns.push((i, x, w));
        x += w + GAP;
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::table::shape::{number, shape};

    #[test]
    fn a_narrow_table_drops_what_matters_least_and_never_overflows() {
        let shapes = vec![shape("NAME", 10, 60, 100), shape("NODE", 8, 30, 30), number("AGE", 3, 7, 50)];
        for room in 4..100u16 {
            let columns = divide(&shapes, &[40, 20, 5], room);
            assert_eq!(columns[0].0, 0, "the name always stays");
            for (_, x, w) in &columns {
                assert!(x + w <= room, "{room}: {columns:?}");
            }
        }
        assert_eq!(divide(&shapes, &[40, 20, 5], 46), [(0, 0, 22), (1, 23, 17), (2, 41, 5)]);
        let wide = divide(&shapes, &[40, 20, 5], 90);
        assert_eq!(wide, [(0, 0, 40), (1, 41, 20), (2, 62, 5)]);
    }
}
