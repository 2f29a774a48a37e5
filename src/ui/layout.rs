//! Where the overview's panes lie. Small terminals get one at a time, larger ones all.

use ratatui::layout::{Position, Rect};

use crate::app::core::model::{Model, Pane, View};
use crate::app::views::arrange::{self, Row};
use crate::term::SMALLEST;

/// From this size on all panes are shown together.
const ALL_PANES: (u16, u16) = (100, 24);

/// Where things lie on the screen.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Layout {
    pub header: Option<Rect>,
    /// Names of the panes, where only one is shown.
    pub tabs: Option<Rect>,
    pub body: Rect,
    pub foot: Rect,
    /// Each pane with its title line.
    pub panes: Vec<(Pane, Rect)>,
}

pub fn layout(model: &Model) -> Layout {
    let (width, height) = model.size;
    let mut body = Rect::new(0, 0, width, height);
    let mut out = Layout::default();
    if width < SMALLEST.0 || height < SMALLEST.1 {
        return out;
    }
    // The foot comes back for what is typed into it and for what is said there.
    let quiet = model.prompt.is_none() && model.message.is_none();
    if quiet && model.full && matches!(model.view(), View::Text(_) | View::Logs(_)) {
        out.body = body;
        return out;
    }
    if model.header {
        out.header = Some(Rect { height: 1, ..body });
        body.y += 1;
        body.height -= 1;
    }
    out.foot = Rect { y: body.bottom().saturating_sub(1), height: 1, ..body };
    body.height -= 1;
    out.body = body;
    if !matches!(model.view(), View::Overview) {
        return out;
    }
    let small = width < ALL_PANES.0 || height < ALL_PANES.1;
    if small && !model.overview.zoom {
        out.tabs = Some(Rect { height: 1, ..body });
        body.y += 1;
        body.height -= 1;
    }
    if small || model.overview.zoom {
        out.panes = vec![(model.overview.focus, body)];
        return out;
    }
    out.panes = grid(model, body);
    out
}

/// Both sides with one column between them, or the one that there is.
fn grid(model: &Model, body: Rect) -> Vec<(Pane, Rect)> {
    let [left, right] = arrange::sides(model, body.height);
    if right.is_empty() {
        return stack(body, &left);
    }
    let width = arrange::left(model, body.width);
    let mut out = stack(Rect { width: width - 1, ..body }, &left);
    out.extend(stack(Rect { x: body.x + width, width: body.width - width, ..body }, &right));
    out
}

/// Rows one above the other. Where several panes share one, the first is a little wider.
fn stack(area: Rect, rows: &[Row]) -> Vec<(Pane, Rect)> {
    let mut y = area.y;
    let mut out = Vec::new();
    for row in rows {
        let place = Rect { y, height: row.height, ..area };
        match row.panes[..] {
            [one, other] => {
                let width = area.width * 11 / 20;
                out.push((one, Rect { width: width - 1, ..place }));
                out.push((other, Rect { x: area.x + width, width: area.width - width, ..place }));
            }
            [one, two, three] => {
                let width = area.width / 3;
                out.push((one, Rect { width: width - 1, ..place }));
                out.push((two, Rect { x: area.x + width, width: width - 1, ..place }));
                out.push((three, Rect { x: area.x + width * 2, width: area.width - width * 2, ..place }));
            }
            _ => out.extend(row.panes.iter().map(|pane| (*pane, place))),
        }
        y += row.height;
    }
    out
}

/// What stands at a place on the screen: a pane of the overview, and the row of its window.
pub fn at(model: &Model, x: u16, y: u16) -> Option<(Option<Pane>, Option<usize>)> {
    let layout = layout(model);
    let place = Position::new(x, y);
    let pane = layout.panes.iter().find(|(_, area)| area.contains(place));
    let (pane, area) = match pane {
        Some((pane, area)) => (Some(*pane), *area),
        None if layout.panes.is_empty() && layout.body.contains(place) => (None, layout.body),
        None => return None,
    };
    // Below the title; tables have column titles too. Cards are told by their lines.
    let cards = match pane {
        Some(pane) => pane == Pane::Findings,
        None => matches!(model.view(), View::List(l) if l.what.cards()),
    };
    let (first, height) = match cards {
        true => (area.y + 1, 1),
        false => (area.y + 2, super::sheet::row_height(model.prefs.presentation)),
    };
    Some((pane, y.checked_sub(first).map(|lines| usize::from(lines / height))))
}

/// Rows that fit below a table's title and column titles.
fn table_rows(area: Rect, presenting: bool) -> usize {
    let height = super::sheet::row_height(presenting);
    usize::from(area.height.saturating_sub(2).div_ceil(height))
}

/// Tells the model how many rows each of its tables and lists shows, so that cursors stay in view, and whether its dialog
/// can be seen.
pub fn fit(model: &mut Model) {
    let layout = layout(model);
    model.dialog_shown = super::dialog::shown(model, layout.body);
    model.overview.rows = (layout.panes.len() > 1).then_some(layout.body.height);
    let presenting = model.prefs.presentation;
    for (pane, area) in &layout.panes {
        let o = &mut model.overview;
        let rows = table_rows(*area, presenting);
        match pane {
            Pane::Pods => set(&mut o.pods.height, rows),
            Pane::Nodes => set(&mut o.nodes.height, rows),
            Pane::Events => set(&mut o.events.height, rows),
            Pane::KubeProxy => set(&mut o.proxies.height, rows),
            Pane::Gpus => set(&mut o.gpus.height, rows),
            Pane::Findings => {
                set(&mut o.findings.height, usize::from(area.height.saturating_sub(1)));
                o.findings.width = area.width.into();
            }
        }
    }
    let rows = table_rows(layout.body, presenting);
    match model.views.last_mut() {
        Some(View::Table(t)) => set(&mut t.height, rows),
        Some(View::List(l)) => {
            let lines = usize::from(layout.body.height.saturating_sub(1));
            set(&mut l.height, if l.what.cards() { lines } else { rows });
            l.width = layout.body.width.into();
        }
        Some(View::Text(t)) => set(&mut t.height, usize::from(layout.body.height.saturating_sub(1))),
        Some(View::Logs(l)) => l.window = super::logs::window(model.prefs.times(), l, layout.body),
        Some(View::Why(_) | View::Overview) | None => {}
    }
    model.settle();
}

fn set(height: &mut usize, rows: usize) {
    *height = rows.max(1);
}
