//! Draws the model: panes, overlays, widgets, theme. Reads `&Model`, changes nothing.

mod batch;
mod cards;
mod dialog;
mod foot;
mod header;
mod lines;
mod paint;
mod panes;
mod sheet;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

pub use sheet::Memory;

use crate::app::core::model::Model;
use crate::app::update::layout::layout;
use crate::term::SMALLEST;
use paint::Painter;

/// Draws a frame and returns where the terminal's cursor stands, if it shows.
pub fn draw(model: &Model, memory: &mut Memory, buffer: &mut Buffer) -> Option<Position> {
    memory.next_age = None;
    let area = buffer.area;
    let mut p = Painter {
        buffer,
        theme: &model.theme,
        times: model.prefs.times(),
        presenting: model.prefs.presentation,
        masks: model.prefs.masks.as_ref(),
    };
    p.clear(area, "text");
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        let text =
            format!("khud needs {}×{}, this is {}×{}", SMALLEST.0, SMALLEST.1, area.width, area.height);
        p.put(0, 0, area.width, &text, "error");
        return None;
    }
    let layout = layout(model);
    if let Some(area) = layout.header {
        header::draw(&mut p, model, area);
    }
    if let Some(area) = layout.tabs {
        panes::tabs(&mut p, model, area);
    }
    if model.views.is_empty() {
        panes::draw(&mut p, memory, model, &layout);
    } else {
        panes::view(&mut p, memory, model, &model.front().content(model, true), layout.body, true);
    }
    let cursor = dialog::draw(&mut p, model, layout.body);
    if layout.foot.is_empty() {
        return cursor;
    }
    foot::which_key(&mut p, model, layout.foot);
    foot::draw(&mut p, model, layout.foot).or(cursor)
}

/// The screen as text, one line a row: for snapshots and `:save`.
pub fn to_text(buffer: &Buffer) -> String {
    let Rect { width, height, .. } = buffer.area;
    let mut out = String::new();
    for y in 0..height {
        let mut line = String::new();
        let mut skip = 0;
        for x in 0..width {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            let symbol = buffer.cell((x, y)).map_or(" ", |c| c.symbol());
            line.push_str(symbol);
            skip = crate::term::clean::width(symbol).saturating_sub(1);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}
