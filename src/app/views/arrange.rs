//! How wide and high the overview's panes are, and the keys that change it.

use std::collections::BTreeMap;

use crate::app::core::model::Model;
use crate::app::core::notice::Tone;
use crate::app::core::pane::{Arrangement, Pane};
use crate::app::core::panes::{change, shown};
use crate::app::views::{fold, gpus, incidents};
use crate::config::{Id, Scope};

/// Percent of the screen's width, and rows, one key moves a seam by.
const PERCENT: u16 = 3;
const ROWS: i32 = 2;
/// No pane has fewer rows (its title, its columns' titles and one row) and no side fewer columns.
const LEAST_ROWS: u16 = 3;
const LEAST_COLUMNS: u16 = 30;
/// All panes as the configuration has them.
pub fn reset(model: &mut Model) {
    change(model, |own| *own = Arrangement::default());
    model.say(Tone::Info, "The panes are as configured.");
}

pub fn taller(model: &mut Model) {
    heighten(model, model.overview.focus, ROWS);
}

pub fn shorter(model: &mut Model) {
    heighten(model, model.overview.focus, -ROWS);
}

/// Moves the seam between the sides.
pub fn widen(model: &mut Model, wider: bool) {
    let width = model.size.0;
    let both = sides(model, 0).iter().all(|side| !side.is_empty());
    if model.overview.rows.is_none() || !both {
        model.say(Tone::Info, "Nothing stands beside these panes.");
        return;
    }
    let percent = |columns: u16| (u32::from(columns) * 100 / u32::from(width)) as u16;
    let (least, most) = (percent(LEAST_COLUMNS) + 1, percent(width - LEAST_COLUMNS));
    // From where the seam is seen, whatever a narrower screen left of what was wanted.
    let now = wanted_left(model).clamp(least, most);
    let next = if wider { now + PERCENT } else { now.saturating_sub(PERCENT) }.clamp(least, most);
    change(model, |own| own.left = Some(next));
}

/// Percent of the width the left side is to have.
fn wanted_left(model: &Model) -> u16 {
    // Configured it is from 20 to 80.
    model.overview.arrangement.left.unwrap_or(model.prefs.settings.left_width as u16)
}

/// The columns of the left side on a screen that wide; neither side is squeezed away.
pub fn left(model: &Model, width: u16) -> u16 {
    let columns = u32::from(width) * u32::from(wanted_left(model).min(100)) / 100;
    (columns as u16).clamp(LEAST_COLUMNS, width - LEAST_COLUMNS)
}

/// Moves the seam below a pane; above it, where nothing is below.
fn heighten(model: &mut Model, pane: Pane, by: i32) {
    let Some(height) = model.overview.rows else {
        model.say(Tone::Info, "One pane alone has all the rows.");
        return;
    };
    let [left, right] = sides(model, height);
    let below_events = left.get(2).and_then(|row| row.panes.first().copied());
    let mut side = if left.iter().any(|row| row.panes.contains(&pane)) { left } else { right };
    let at = side.iter().position(|row| row.panes.contains(&pane));
    let (Some(at), true) = (at, side.len() > 1) else {
        model.say(Tone::Info, "Nothing stands above or below this pane.");
        return;
    };
    let other = if at + 1 < side.len() { at + 1 } else { at - 1 };
    let spare = |row: &Row| i32::from(row.height.saturating_sub(LEAST_ROWS));
    let by = by.clamp(-spare(&side[at]), spare(&side[other]));
    side[at].height = side[at].height.saturating_add_signed(by as i16);
    side[other].height = side[other].height.saturating_add_signed(-by as i16);
    change(model, |own| {
        own.below_events = below_events;
        own.heights.extend(side.iter().flat_map(|row| row.panes.iter().map(|p| (*p, row.height))));
    });
}

/// Hides the pane that has the focus.
pub fn hide(model: &mut Model) {
    let pane = model.overview.focus;
    let mut panes = shown(model);
    let Some(at) = panes.iter().position(|p| *p == pane) else { return };
    if panes.len() == 1 {
        model.say(Tone::Info, "This is the only pane left.");
        return;
    }
    panes.remove(at);
    model.overview.focus = panes[at.min(panes.len() - 1)];
    change(model, |own| own.panes = Some(panes));
    let back = model.keymap.shown(Scope::Global, Id::PaneAll).unwrap_or_else(|| ":panes".to_owned());
    model.say(
        Tone::Info,
        format!("{} is hidden in this context; {back} brings all panes back.", pane.title()),
    );
}

/// The pane that has the focus changes places with the one after it, on the screen and for tab and alt-1…6.
pub fn later(model: &mut Model) {
    let pane = model.overview.focus;
    let mut panes = shown(model);
    let Some(at) = panes.iter().position(|p| *p == pane) else { return };
    let next = (at + 1) % panes.len();
    panes.swap(at, next);
    change(model, |own| own.panes = Some(panes));
}

/// Panes side by side, one of them in most rows.
#[derive(Clone, Debug)]
pub struct Row {
    pub panes: Vec<Pane>,
    pub height: u16,
}

/// The panes on the left and on the right of a screen with so many rows for panes, from the top: incidents and
/// events on the left, the others on the right. One side is empty where the other has all there is. A side whose seams
/// were moved keeps its shares; else incidents get the rows they need, and panes without news fold to one line.
pub fn sides(model: &Model, height: u16) -> [Vec<Row>; 2] {
    let wanted = shown(model);
    let heights = &model.overview.arrangement.heights;
    if wanted != Pane::ALL {
        let mut sides = shared_evenly(&wanted, height);
        for side in &mut sides {
            share(side, heights, height);
        }
        return sides;
    }
    let mut sides = as_they_come(height);
    let [left, right] = &mut sides;
    let folded = fold::folded(model, right.first().map_or(0, |row| row.height));
    // Seams that were moved stay where they were put, and so does the pane below the events.
    let below = match heights.is_empty() {
        true => below_events(model, &folded, height),
        false => model.overview.arrangement.below_events,
    };
    if let Some(pane) = below {
        right.iter_mut().for_each(|row| row.panes.retain(|p| *p != pane));
        right.retain(|row| !row.panes.is_empty());
        left.push(Row { panes: vec![pane], height: 0 });
    }
    if !share(left, heights, height) {
        left_as_needed(model, left, height);
    }
    if !share(right, heights, height) {
        let folded: Vec<Pane> = folded.into_iter().filter(|pane| below != Some(*pane)).collect();
        right_as_needed(model, right, height, &folded);
    }
    sides
}

/// In the order they come with, nodes and GPUs share a row.
fn as_they_come(height: u16) -> [Vec<Row>; 2] {
    let row = |panes: &[Pane], height| Row { panes: panes.to_vec(), height };
    let findings = (height * 9 / 20).max(8).min(height);
    let proxy = (height / 7).clamp(3, 9);
    let middle = (height / 4).clamp(5, 16);
    [
        vec![row(&[Pane::Findings], findings), row(&[Pane::Events], height - findings)],
        vec![
            row(&[Pane::Pods], height.saturating_sub(proxy + middle)),
            row(&[Pane::Nodes, Pane::Gpus], middle),
            row(&[Pane::KubeProxy], proxy),
        ],
    ]
}

/// Rows that the events keep: titles and four warnings.
const EVENTS: u16 = 6;
/// Rows that the events take before a pane below them has its share.
const MANY_EVENTS: u16 = 14;

/// Rows that the cards of all incidents take, with the title.
fn incident_rows(model: &Model, most: u16) -> u16 {
    let columns = usize::from(left(model, model.size.0)).saturating_sub(1);
    incidents::wanted(model, columns, usize::from(most)) as u16 + 1
}

/// Rows that the events fill, with their titles.
fn event_rows(model: &Model) -> u16 {
    let events = model.overview.pane(Pane::Events).table().map_or(0, |t| t.len());
    (events as u16).saturating_add(2).max(LEAST_ROWS)
}

/// The pane of the right side that stands below the events, where few incidents and events leave the left side empty: the
/// GPUs, which are wide, else the nodes.
fn below_events(model: &Model, folded: &[Pane], height: u16) -> Option<Pane> {
    /// Rows from which a pane is worth its place.
    const WORTH: u16 = 8;
    let used = incident_rows(model, height) + event_rows(model).min(MANY_EVENTS);
    if height.saturating_sub(used) < WORTH {
        return None;
    }
    let candidates = [Pane::Gpus, Pane::Nodes].into_iter().filter(|pane| !folded.contains(pane));
    candidates.into_iter().find(|pane| pane_rows(model, *pane) > 0)
}

/// Rows that the nodes or the GPUs have.
fn pane_rows(model: &Model, pane: Pane) -> usize {
    match pane {
        Pane::Gpus => gpus::rows(model, 1).1,
        _ => model.overview.pane(pane).table().map_or(0, |t| t.total),
    }
}

/// Incidents get the rows that their cards take; the events keep a few, a pane below them has the rest.
fn left_as_needed(model: &Model, side: &mut [Row], height: u16) {
    let kept = EVENTS + if side.len() > 2 { LEAST_ROWS } else { 0 };
    let [incidents, events, below @ ..] = side else { return };
    if height < kept + LEAST_ROWS {
        return;
    }
    let most = height - kept;
    incidents.height = incident_rows(model, most).clamp(LEAST_ROWS, most);
    let rest = height - incidents.height;
    match below {
        [below] => {
            events.height = event_rows(model).min(MANY_EVENTS).min(rest - LEAST_ROWS);
            below.height = rest - events.height;
        }
        _ => events.height = rest,
    }
}

/// Panes without news share the last line. The pods get what they had, as far as they are sick; nodes and GPUs the rest.
fn right_as_needed(model: &Model, side: &mut Vec<Row>, height: u16, folded: &[Pane]) {
    /// Rows around the sick ones of the pods' pane: titles, and the line that counts the others.
    const AROUND: u16 = 4;
    /// Columns from which three titles with their words stand beside each other.
    const WIDE: u16 = 90;
    if !folded.is_empty() {
        for row in side.iter_mut() {
            row.panes.retain(|pane| !folded.contains(pane));
        }
        side.retain(|row| !row.panes.is_empty());
        let columns = model.size.0.saturating_sub(left(model, model.size.0));
        let abreast = if columns < WIDE { 2 } else { 3 };
        side.extend(folded.chunks(abreast).map(|panes| Row { panes: panes.to_vec(), height: 1 }));
    }
    let below: u16 = side.iter().skip(1).map(|row| row.height).sum();
    let o = &model.overview;
    let table = |pane| o.pane(pane).table();
    let sick = table(Pane::Pods).map_or(0, |t| t.leading_faults(&model.data.cx(), height.into())) as u16;
    let mut pods = height.saturating_sub(below);
    let middle =
        |row: &&mut Row| row.height > 1 && row.panes.iter().any(|p| matches!(p, Pane::Nodes | Pane::Gpus));
    if let Some(middle) = side.iter_mut().find(middle)
        && sick > 0
        && o.focus != Pane::Pods
    {
        // Rows that the nodes and GPUs could fill.
        let rows = middle.panes.iter().map(|pane| pane_rows(model, *pane)).max().unwrap_or(0) as u16 + 2;
        let more = pods.saturating_sub(sick + AROUND).min(rows.saturating_sub(middle.height));
        middle.height += more;
        pods -= more;
    }
    if let Some(first) = side.first_mut() {
        first.height = pods;
    }
}

/// Each side shared evenly among its panes; what is left over goes to the first.
fn shared_evenly(wanted: &[Pane], height: u16) -> [Vec<Row>; 2] {
    let (left, right): (Vec<Pane>, Vec<Pane>) =
        wanted.iter().partition(|p| matches!(p, Pane::Findings | Pane::Events));
    let stack = |panes: Vec<Pane>| -> Vec<Row> {
        let count = panes.len().max(1) as u16;
        let first = height / count + height % count;
        let heights = std::iter::once(first).chain(std::iter::repeat(height / count));
        panes.into_iter().zip(heights).map(|(pane, height)| Row { panes: vec![pane], height }).collect()
    };
    match left.is_empty() || right.is_empty() {
        true => [stack(wanted.to_vec()), Vec::new()],
        false => [stack(left), stack(right)],
    }
}

/// Shares the height of a side whose seams were moved as it was shared then; whether they were.
fn share(side: &mut [Row], arranged: &BTreeMap<Pane, u16>, height: u16) -> bool {
    let Some(weights) =
        side.iter().map(|row| arranged.get(row.panes.first()?)).collect::<Option<Vec<&u16>>>()
    else {
        return false;
    };
    let total: u32 = weights.iter().map(|w| u32::from(**w)).sum();
    let rows = side.len() as u16;
    if total == 0 || height < rows * LEAST_ROWS {
        return false;
    }
    let (mut above, mut top) = (0, 0);
    for (i, (row, weight)) in side.iter_mut().zip(weights).enumerate() {
        above += u32::from(*weight);
        // Where the seam below falls, but for the rows that it and those below it must have.
        let seam = (above * u32::from(height) + total / 2) / total;
        let below = (rows - 1 - i as u16) * LEAST_ROWS;
        let seam = (seam as u16).clamp(top + LEAST_ROWS, height - below);
        (row.height, top) = (seam - top, seam);
    }
    true
}
