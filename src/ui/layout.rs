//! Where the overview's panes lie. Small terminals get one at a time, larger ones all.

use ratatui::layout::{Position, Rect};

use crate::app::arrange;
use crate::app::model::{Model, Pane, View};
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
    let left = left_width(model, body.width);
    out.panes = grid(body, &model.panes(), left);
    for (pane, by) in &model.overview.arrangement.taller {
        stretch(&mut out.panes, body, *pane, *by);
    }
    out
}

/// How wide the left side is: as configured and moved since, but neither side is squeezed away.
fn left_width(model: &Model, width: u16) -> u16 {
    let percent = model.prefs.settings.left_width as i32 + i32::from(model.overview.arrangement.wider);
    let wanted = i32::from(width) * percent.clamp(10, 90) / 100;
    (wanted as u16).clamp(30, width - 30)
}

/// Moves the seam below a pane by so many rows; above it, where nothing is below. Panes beside it go along.
fn stretch(panes: &mut [(Pane, Rect)], body: Rect, pane: Pane, by: i16) {
    const LEAST: i16 = 4;
    let Some((_, own)) = panes.iter().find(|(p, _)| *p == pane).copied() else { return };
    let lowest = own.bottom() >= body.bottom();
    let (seam, by) = if lowest { (own.y, -by) } else { (own.bottom(), by) };
    // One column of panes: those that share the seam on this side of the screen.
    let first = panes.iter().map(|(_, a)| a.x).filter(|x| *x > body.x).min().unwrap_or(u16::MAX);
    let here = |a: &Rect| (a.x >= first) == (own.x >= first);
    let above = panes.iter().filter(|(_, a)| here(a) && a.bottom() == seam).map(|(_, a)| a.height).min();
    let below = panes.iter().filter(|(_, a)| here(a) && a.y == seam).map(|(_, a)| a.height).min();
    let (Some(above), Some(below)) = (above, below) else { return };
    let (most, least) = (below as i16 - LEAST, LEAST - above as i16);
    if least > most {
        return;
    }
    let by = by.clamp(least.min(0), most.max(0));
    for (_, a) in panes.iter_mut().filter(|(_, a)| here(a)) {
        if a.bottom() == seam {
            a.height = a.height.saturating_add_signed(by);
        } else if a.y == seam {
            a.y = a.y.saturating_add_signed(by);
            a.height = a.height.saturating_add_signed(-by);
        }
    }
}

/// Findings and events on the left; pods, nodes, GPUs and kube-proxy on the right. One column between the sides.
fn grid(body: Rect, wanted: &[Pane], left: u16) -> Vec<(Pane, Rect)> {
    if !arrange::usual(wanted) {
        return some(body, wanted, left);
    }
    let (lw, rx) = (left - 1, body.x + left);
    let rw = body.right() - rx;
    let findings = (body.height * 9 / 20).max(8);
    let proxy = (body.height / 7).clamp(3, 9);
    let middle = (body.height / 4).clamp(5, 16);
    let pods = body.height - proxy - middle;
    let nodes = rw * 11 / 20;
    let (my, py) = (body.y + pods, body.y + pods + middle);
    vec![
        (Pane::Findings, Rect::new(body.x, body.y, lw, findings)),
        (Pane::Events, Rect::new(body.x, body.y + findings, lw, body.height - findings)),
        (Pane::Pods, Rect::new(rx, body.y, rw, pods)),
        (Pane::Nodes, Rect::new(rx, my, nodes - 1, middle)),
        (Pane::Gpus, Rect::new(rx + nodes, my, rw - nodes, middle)),
        (Pane::KubeProxy, Rect::new(rx, py, rw, proxy)),
    ]
}

/// Some of the panes: those wanted, findings and events on the left where anything is on the right, each side shared
/// evenly among its panes.
fn some(body: Rect, wanted: &[Pane], width: u16) -> Vec<(Pane, Rect)> {
    let (left, right): (Vec<Pane>, Vec<Pane>) =
        wanted.iter().partition(|p| matches!(p, Pane::Findings | Pane::Events));
    if left.is_empty() || right.is_empty() {
        return stack(body, wanted);
    }
    let mut out = stack(Rect { width: width - 1, ..body }, &left);
    out.extend(stack(Rect { x: body.x + width, width: body.width - width, ..body }, &right));
    out
}

/// Panes one above the other; what does not divide evenly goes to the first.
fn stack(area: Rect, panes: &[Pane]) -> Vec<(Pane, Rect)> {
    let each = area.height / (panes.len().max(1) as u16);
    let mut y = area.y;
    let mut out = Vec::new();
    for (i, pane) in panes.iter().enumerate() {
        let extra = if i == 0 { area.height - each * panes.len() as u16 } else { 0 };
        out.push((*pane, Rect { y, height: each + extra, ..area }));
        y += each + extra;
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
    // Below the title; tables have column titles too, findings take two lines each.
    let (first, height) = match pane {
        Some(Pane::Findings) => (area.y + 1, 2),
        _ => (area.y + 2, super::sheet::row_height(model.prefs.presentation)),
    };
    Some((pane, y.checked_sub(first).map(|lines| usize::from(lines / height))))
}

/// Rows that fit below a table's title and column titles.
fn table_rows(area: Rect, presenting: bool) -> usize {
    let height = super::sheet::row_height(presenting);
    usize::from(area.height.saturating_sub(2).div_ceil(height))
}

/// Tells the model how many rows each of its tables and lists shows, so that cursors stay in view.
pub fn fit(model: &mut Model) {
    let layout = layout(model);
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
            Pane::Findings => set(&mut o.findings.height, usize::from(area.height.saturating_sub(1)) / 2),
        }
    }
    let rows = table_rows(layout.body, presenting);
    match model.views.last_mut() {
        Some(View::Table(t)) => set(&mut t.height, rows),
        Some(View::List(l)) => set(&mut l.height, rows),
        Some(View::Text(t)) => set(&mut t.height, usize::from(layout.body.height.saturating_sub(1))),
        Some(View::Logs(l)) => set(&mut l.height, usize::from(layout.body.height.saturating_sub(1))),
        Some(View::Why(_) | View::Overview) | None => {}
    }
    model.settle();
}

fn set(height: &mut usize, rows: usize) {
    *height = rows.max(1);
}
