//! The overview's panes and the full views of one table or list: title, rows, and what an empty one has to say.

use ratatui::layout::Rect;
use ratatui::symbols::line;

use super::cards;
use super::layout::Layout;
use super::paint::Painter;
use super::sheet::{self, Mark, Memory, Sheet, SheetRow};
use crate::app::core::model::{Model, Pane};
use crate::app::table::columns::Column;
use crate::app::table::shape::Shape;
use crate::app::table::{Fence, Shown, Table};
use crate::app::views::list::{self, List, Row};
use crate::app::views::rows;
use crate::app::views::{arrange, fold};
use crate::config::theme::Glyphs;
use crate::config::{Id, Scope};
use crate::term::clean::{clean, fit, width, wrap};
use crate::world::served::MOST_ROWS;
use crate::world::time::human;
use crate::world::{Kind, StreamId, StreamState};

/// The names of the panes, where only one is shown at a time.
pub fn tabs(p: &mut Painter<'_>, model: &Model, area: Rect) {
    let mut x = area.x + 1;
    for (i, pane) in arrange::panes(model).into_iter().enumerate() {
        let scope = if pane == model.overview.focus { "title.focus" } else { "text.dim" };
        let text = format!("{} {}", i + 1, pane.title());
        if x < area.right() {
            x += p.put(x, area.y, area.right() - x, &text, scope) + 2;
        }
    }
}

pub fn draw(p: &mut Painter<'_>, memory: &mut Memory, model: &Model, layout: &Layout) {
    seams(p, layout);
    for (pane, area) in &layout.panes {
        let focus = *pane == model.overview.focus;
        let o = &model.overview;
        if area.height == 1 {
            let words = fold::summary(model, *pane).map_or(String::new(), |s| s.text);
            title_line(p, *area, pane.title(), &words, focus);
            continue;
        }
        match pane {
            Pane::Pods => table(p, memory, model, &o.pods, *area, pane.title(), focus),
            Pane::Nodes => table(p, memory, model, &o.nodes, *area, pane.title(), focus),
            Pane::Events => table(p, memory, model, &o.events, *area, pane.title(), focus),
            Pane::KubeProxy => table(p, memory, model, &o.proxies, *area, pane.title(), focus),
            Pane::Gpus => short(p, memory, model, &o.gpus, *area, pane.title(), focus),
            Pane::Findings => cards::draw(p, memory, model, &o.findings, *area, pane.title(), focus),
        }
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
pub fn title_line(p: &mut Painter<'_>, area: Rect, title: &str, right: &str, focus: bool) {
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
pub fn pattern(filter: &str, area: Rect) -> String {
    format!("/{}", fit(&clean(filter), usize::from(area.width / 3)))
}

/// How fresh a kind's rows are, where they are not live.
pub fn freshness(model: &Model, kind: &Kind) -> Option<String> {
    let now = model.data.now;
    let states = model.data.world.streams.iter().filter(|(id, _)| match id {
        StreamId::Watch { kind: k, .. } => k == kind,
        StreamId::Telemetry(_) => false,
    });
    // Where the whole cluster is forbidden some of its namespaces may not be.
    let live = model.data.world.streams.iter().filter_map(|(id, s)| match id {
        StreamId::Watch { kind: k, namespace } if k == kind && s.state.is_live() => Some(&**namespace),
        _ => None,
    });
    let live: Vec<&str> = live.filter(|ns| !ns.is_empty()).collect();
    for (_, s) in states {
        let words = match &s.state {
            StreamState::Live => continue,
            StreamState::Polled { .. } => "polled, watch not allowed".to_owned(),
            StreamState::Connecting => "connecting".to_owned(),
            StreamState::Listing { objects } => format!("listing {objects}"),
            StreamState::Stale { since } => format!("stale {}", human(since.age(now))),
            StreamState::Reconnecting { why, .. } => format!("{} old: {why}", human(s.since.age(now))),
            StreamState::Forbidden { .. } if !live.is_empty() => format!("only {}", live.join(", ")),
            StreamState::Forbidden { .. } => "forbidden".to_owned(),
            StreamState::Unsupported { .. } => "not served".to_owned(),
        };
        return Some(words);
    }
    None
}

/// What an empty table says instead of nothing.
fn emptiness(model: &Model, table: &Table) -> String {
    let kind = &table.source.kind;
    let plural = kind.plural();
    if table.total > 0 {
        let valueless = || {
            let name = table.without_values(&model.data.cx())?;
            Some(format!("{} has no value in any row", name.to_uppercase()))
        };
        let note = table.filter.note.clone().or_else(valueless);
        if table.faults && table.filter.is_empty() {
            let key = match table.source.kind {
                Kind::Event => model.keymap.shown(Scope::Global, Id::Warnings),
                _ => model.keymap.shown(Scope::Rows, Id::Sick),
            };
            let what = if table.source.kind == Kind::Event { "warning" } else { "fault" };
            let all = key.map_or(String::new(), |key| format!(" {key} shows all."));
            return format!("No {what} among {} {plural}.{all}", table.total);
        }
        let note = note.map_or(String::new(), |note| format!(" ({note})"));
        return format!("None of {} {plural} matches{note}. esc clears the filter.", table.total);
    }
    let state = model.data.world.streams.iter().find(|(id, _)| match id {
        StreamId::Watch { kind: k, .. } => k == kind,
        StreamId::Telemetry(_) => false,
    });
    match state.map(|(_, s)| &s.state) {
        Some(
            StreamState::Forbidden { why }
            | StreamState::Unsupported { why }
            | StreamState::Reconnecting { why, .. },
        ) => why.to_string(),
        Some(state) if state.is_live() && table.source.fence == Fence::KubeProxy => {
            "No kube-proxy pods: something else routes Services here.".into()
        }
        Some(state) if state.is_live() && table.namespaces.is_empty() => format!("No {plural}."),
        Some(state) if state.is_live() => {
            let names: Vec<&str> = table.namespaces.iter().map(|n| &**n).collect();
            let all = model.keymap.shown(Scope::Rows, Id::NamespaceAll);
            let all = all.map_or(String::new(), |key| format!(" {key} shows all namespaces."));
            format!("No {plural} in {}.{all}", names.join(", "))
        }
        _ => "Waiting for the cluster…".into(),
    }
}

fn table(
    p: &mut Painter<'_>,
    memory: &mut Memory,
    model: &Model,
    table: &Table,
    area: Rect,
    title: &str,
    focus: bool,
) {
    let cx = model.data.cx();
    let mut right = Vec::new();
    if !table.filter.text.is_empty() {
        right.push(pattern(&table.filter.text, area));
    }
    if table.faults {
        let what = if table.source.kind == Kind::Event { "warnings only" } else { "sick only" };
        right.push(what.into());
    }
    if !table.marks.is_empty() {
        right.push(marked(model, table));
    }
    if table.left > 0 {
        right.push(format!("{} {} columns", p.glyph("left"), table.left));
    }
    if model.data.world.served.get(&table.source.kind).is_some_and(|s| s.full) {
        right.push(format!("only the first {MOST_ROWS}"));
    }
    if let Some(words) = freshness(model, &table.source.kind) {
        right.push(words);
    }
    right.push(if table.len() == table.total {
        table.total.to_string()
    } else {
        format!("{}/{}", table.len(), table.total)
    });
    title_line(p, area, title, &right.join("  "), focus);
    let inner = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    if table.is_empty() {
        notice(p, inner, &emptiness(model, table));
        return;
    }
    let columns = picked(table);
    let mut lines = table.lines();
    // Beside an incident the healthy rows of a pane that nobody works in are one line.
    let sick = table.leading_faults(&cx, table.height);
    let fold = !focus && sick > 0 && sick < table.len() && sick < lines.len();
    if fold {
        lines.truncate(sick);
    }
    let rows = lines
        .iter()
        .map(|line| match line {
            Shown::Row(slot) => SheetRow {
                cells: columns.iter().map(|(_, c)| c.cell(&cx, *slot)).collect(),
                mark: (!table.marks.is_empty()
                    && table.object(&cx, *slot).is_some_and(|o| table.marks.contains_key(&o)))
                .then_some(Mark::Marked),
                indent: 0,
            },
            Shown::Gone(ghost) => SheetRow {
                cells: columns.iter().filter_map(|(i, _)| ghost.cells.get(*i).cloned()).collect(),
                mark: Some(Mark::Gone),
                indent: 0,
            },
        })
        .collect();
    let cursor = table.cursor_slot();
    let sheet = Sheet {
        id: title,
        shapes: columns.iter().map(|(i, c)| asked_for(table, *i, c)).collect(),
        rows,
        selected: lines.iter().position(|l| matches!(l, Shown::Row(s) if Some(*s) == cursor)),
        sorted: table
            .sorted_by()
            .and_then(|(c, down)| Some((columns.iter().position(|(i, _)| *i == c)?, down))),
        focus,
        total: if fold { sick } else { table.len() },
        offset: table.offset,
    };
    sheet::draw(p, memory, inner, &sheet, model.data.now);
    if fold {
        let y = inner.y + 1 + sick as u16 * sheet::row_height(p.presenting);
        let text = format!("··· {} more without a fault", table.len() - sick);
        p.put(inner.x + 1, y, inner.width.saturating_sub(1), &text, "text.dim");
    }
}

/// How much is marked, and how much of that is not among the rows: it counts all the same.
fn marked(model: &Model, table: &Table) -> String {
    /// Where more are marked, looking for each would take longer than a frame may.
    const LOOKED_FOR: usize = 2000;
    let mut text = format!("{} marked", table.marks.len());
    if table.marks.len() <= LOOKED_FOR {
        let (hidden, gone) = table.unseen_marks(&model.data.cx());
        for (n, what) in [(hidden, "hidden"), (gone, "gone")] {
            if n > 0 {
                text.push_str(&format!(", {n} {what}"));
            }
        }
    }
    text
}

/// A column's shape; one that is sorted by or compared is seen, however little it is worth else.
fn asked_for(table: &Table, index: usize, column: &Column) -> Shape {
    const SEEN: u8 = 94;
    let sorted = table.sorted_by().is_some_and(|(i, _)| i == index);
    let compared = table.filter.column().is_some_and(|name| column.is(name));
    let shape = column.shape.clone();
    if sorted || compared { Shape { keep: shape.keep.max(SEEN), ..shape } } else { shape }
}

/// The columns that are not scrolled out: the name stays, whatever the rest does. Where all rows are of one namespace
/// the title says it, and no column needs to.
fn picked(table: &Table) -> Vec<(usize, &Column)> {
    let columns = table.columns();
    let left = unscrolled(columns.iter().map(|c| &c.shape), table.left);
    let one = table.namespaces.len() == 1;
    let told = |i: usize| one && columns[i].is("NAMESPACE") && table.sorted_by().is_none_or(|(c, _)| c != i);
    left.into_iter().filter(|i| !told(*i)).map(|i| (i, &columns[i])).collect()
}

/// The columns that are left where so many are scrolled out: the one that matters most stays.
fn unscrolled<'s>(shapes: impl Iterator<Item = &'s Shape> + Clone, mut skip: usize) -> Vec<usize> {
    let most = shapes.clone().map(|s| s.keep).max();
    let seen = shapes.enumerate().filter(|(_, s)| {
        let scrolled = skip > 0 && Some(s.keep) != most;
        skip -= usize::from(scrolled);
        !scrolled
    });
    seen.map(|(i, _)| i).collect()
}

/// A sentence where rows would be.
pub fn notice(p: &mut Painter<'_>, area: Rect, text: &str) {
    let columns = usize::from(area.width.saturating_sub(2));
    for (i, line) in wrap(text, columns).iter().take(area.height.into()).enumerate() {
        p.put(area.x + 1, area.y + i as u16, area.width.saturating_sub(2), line, "text.dim");
    }
}

pub fn full_table(p: &mut Painter<'_>, memory: &mut Memory, model: &Model, t: &Table, area: Rect) {
    table(p, memory, model, t, area, &t.title(), true);
}

pub fn full_list(p: &mut Painter<'_>, memory: &mut Memory, model: &Model, l: &List, area: Rect) {
    let title = list::title(&l.what);
    match l.what.cards() {
        true => cards::draw(p, memory, model, l, area, &title, true),
        false => short(p, memory, model, l, area, &title, true),
    }
}

fn short(
    p: &mut Painter<'_>,
    memory: &mut Memory,
    model: &Model,
    list: &List,
    area: Rect,
    title: &str,
    focus: bool,
) {
    let (rows, total) = model.rows_in_sight(list);
    let mut right = total.to_string();
    if let Some(words) = list.what.follows().and_then(|kind| freshness(model, &kind)) {
        right = format!("{words}  {right}");
    }
    if list.left > 0 {
        right = format!("{} {} columns  {right}", p.glyph("left"), list.left);
    }
    if !list.filter.is_empty() {
        right = format!("{}  {right}", pattern(&list.filter, area));
    }
    title_line(p, area, title, &right, focus);
    let inner = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    if rows.is_empty() {
        notice(p, inner, &model.empty_list(list));
        return;
    }
    let selected = list.index(&rows).checked_sub(list.offset);
    let window: Vec<&Row> = rows.iter().skip(list.offset).take(list.height).collect();
    // What vanished stands where it stood, as far as nothing else has to go for it.
    let room = list.height.saturating_sub(window.len());
    let mut lines: Vec<(Option<usize>, &Row)> =
        window.iter().enumerate().map(|(i, r)| (Some(i), *r)).collect();
    for ghost in list.ghosts.iter().take(room) {
        lines.insert(ghost.index.saturating_sub(list.offset).min(lines.len()), (None, &ghost.row));
    }
    let shapes = rows::shapes(&list.what);
    let columns = unscrolled(shapes.iter(), list.left);
    let row = |(live, r): &(Option<usize>, &Row)| SheetRow {
        cells: columns.iter().filter_map(|i| r.cells.get(*i).cloned()).collect(),
        mark: live.is_none().then_some(Mark::Gone),
        indent: r.indent,
    };
    let sheet = Sheet {
        id: title,
        shapes: columns.iter().map(|i| shapes[*i].clone()).collect(),
        rows: lines.iter().map(row).collect(),
        selected: lines.iter().position(|(live, _)| live.is_some() && *live == selected),
        sorted: None,
        focus,
        total,
        offset: list.offset,
    };
    sheet::draw(p, memory, inner, &sheet, model.data.now);
}
