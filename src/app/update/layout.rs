//! Where things lie on the screen, and what the model must know of that before a frame is drawn. Small terminals get one
//! pane of the overview at a time, larger ones all.

use ratatui::layout::{Position, Rect};

use crate::app::core::dialog::{Choice, Dialog, START_OVER, text_width};
use crate::app::core::model::Model;
use crate::app::core::pane::Pane;
use crate::app::core::view::Room;
use crate::app::dialogs::leave;
use crate::app::views::arrange::{self, Row};
use crate::term::SMALLEST;
use crate::term::clean::wrap;

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
    if quiet && model.full && model.front().reads() {
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
    if !model.views.is_empty() {
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
    let view = pane.map_or(model.front(), |pane| model.overview.pane(pane));
    let first = area.y + view.head();
    let height = if view.head() > 1 { row_height(model) } else { 1 };
    Some((pane, y.checked_sub(first).map(|lines| usize::from(lines / height))))
}

/// Lines a row takes: for strangers at the back of the room every other one stays empty.
fn row_height(model: &Model) -> u16 {
    if model.prefs.presentation { 2 } else { 1 }
}

/// Whether the dialog's question, field and buttons, or at least one of its choices, can be seen in this body.
fn dialog_fits(model: &Model, body: Rect) -> bool {
    let columns = text_width(body.width);
    let rows = |question: &str, wanted: bool| wrap(question, columns).len() as u16 + 2 + u16::from(wanted);
    // The frame, and a line of what is asked about.
    let needed = 3 + match &model.dialog {
        None => return true,
        Some(Dialog::Menu(_)) => 3,
        Some(Dialog::OtherCluster(_)) => rows(START_OVER, false),
        Some(Dialog::Leave(_)) => leave::lines(model).len() as u16 + Choice::ALL.len() as u16 + 2,
        Some(Dialog::Plan(id)) => match model.runs.iter().find(|r| r.id == *id) {
            Some(active) => active.question.as_ref().map_or(3, |(_, q)| rows(&q.question, q.typed.is_some())),
            None => 0,
        },
        Some(Dialog::Batch(id)) => match model.batches.iter().find(|b| b.id == *id) {
            Some(batch) => batch.question().map_or(3, |q| rows(&q, batch.wanted().is_some())),
            None => 0,
        },
    };
    body.height >= needed && body.width >= SMALLEST.0
}

/// Tells each view that is in sight what room it has, so that cursors stay in view, and the model whether its dialog can
/// be seen.
pub fn fit(model: &mut Model) {
    let layout = layout(model);
    model.dialog_shown = dialog_fits(model, layout.body);
    model.overview.rows = (layout.panes.len() > 1).then_some(layout.body.height);
    let row_height = row_height(model);
    let room = |area: Rect, pane| Room { width: area.width, height: area.height, row_height, pane };
    let pane = layout.panes.len() > 1;
    for (name, area) in &layout.panes {
        model.with_pane(*name, |view, model| view.fit(model, room(*area, pane)));
    }
    if !model.views.is_empty() {
        model.with_front(|view, model| view.fit(model, room(layout.body, false)));
    }
}
