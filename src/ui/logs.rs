//! Draws logs: only the lines in the window, each cleaned, JSON folded to level and message.

use ratatui::layout::Rect;

use super::paint::Painter;
use super::panes::{notice, pattern, title_line};
use crate::app::core::model::Model;
use crate::app::views::log::{Level, Line, fold};
use crate::app::views::logs::{LogView, Window};
use crate::config::settings::Times;
use crate::config::{Id, Scope};
use crate::term::clean::wrap;
use crate::world::Time;

pub fn draw(p: &mut Painter<'_>, model: &Model, view: &LogView, area: Rect) {
    let mut right = Vec::new();
    let (shown, all) = (view.buffer.len(), view.buffer.all());
    if !view.filter.is_empty() {
        right.push(pattern(&view.filter, area));
    }
    if view.buffer.skipped() > 0 {
        right.push(format!("skipped {}", view.buffer.skipped()));
    }
    let open = view.targets.iter().filter(|t| t.open).count();
    match view.more {
        0 => right.push(format!("{open}/{} open", view.targets.len())),
        more => right.push(format!("{open}/{} open, {more} more left out", view.targets.len())),
    }
    right.push(if shown == all { format!("{all} lines") } else { format!("{shown}/{all} lines") });
    right.push(view.standing().into());
    title_line(p, area, &view.title(), &right.join("  "), true);
    let inner = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    if view.buffer.is_empty() {
        let notes: Vec<&str> = view.targets.iter().filter_map(|t| t.note.as_deref()).collect();
        let text = match (notes.is_empty(), view.filter.is_empty() || all == 0) {
            (false, _) => notes.join("\n"),
            (true, false) => unmatched(model, all),
            (true, true) if view.targets.iter().any(|t| t.open && !t.answered) => {
                "The server has not answered yet.".into()
            }
            (true, true) if open > 0 => "Nothing logged yet.".into(),
            (true, true) => "No container here has a log yet.".into(),
        };
        notice(p, inner, &text);
        return;
    }
    if view.wrap {
        wrapped(p, view, inner);
        return;
    }
    for (n, i) in (view.first()..view.buffer.len()).take(inner.height.into()).enumerate() {
        let Some((_, line)) = view.buffer.get(i) else { continue };
        let y = inner.y + n as u16;
        let mut x = inner.x + 1;
        for (text, scope) in pieces(p.times, view, line, view.left) {
            if x < inner.right() {
                x += p.put(x, y, inner.right() - x, &text, scope);
            }
        }
    }
}

/// What a filter that finds nothing found nothing in: the log may be far longer than what was read of it.
fn unmatched(model: &Model, read: usize) -> String {
    let key = |id| model.keymap.shown(Scope::Logs, id);
    let mut text = format!("None of the {read} lines read so far matches.");
    for (id, what) in [(Id::Logs1h, "reads the last hour"), (Id::LogsHead, "reads from the beginning")] {
        text.extend(key(id).map(|key| format!(" {key} {what}.")));
    }
    text.extend(key(Id::Back).map(|key| format!(" {key} clears the filter.")));
    text
}

/// How many lines the area has room for.
pub fn window(times: Times, view: &LogView, area: Rect) -> Window {
    let rows = usize::from(area.height.saturating_sub(1)).max(1);
    if !view.wrap {
        return Window { shown: rows, before: rows, end: rows };
    }
    let width = columns(area);
    // At least one line, however long; one that fits in part counts at the end, where its end is shown.
    let fill = |lines: &mut dyn Iterator<Item = usize>, part: usize| {
        let mut used = 0;
        let count = lines
            .take_while(|i| {
                let before = used;
                used += view.buffer.get(*i).map_or(0, |(_, l)| rows_of(times, view, l, width).len());
                before < rows && used < rows + part
            })
            .count();
        count.max(1)
    };
    let len = view.buffer.len();
    let end = fill(&mut (0..len).rev(), usize::MAX / 2);
    let first = if view.follow { len.saturating_sub(end) } else { view.offset.min(len.saturating_sub(end)) };
    Window { shown: fill(&mut (first..len), 1), before: fill(&mut (0..first).rev(), 1), end }
}

/// Columns of a wrapped line.
fn columns(area: Rect) -> usize {
    usize::from(area.width.saturating_sub(2))
}

/// A line as it is wrapped.
fn rows_of(times: Times, view: &LogView, line: &Line, width: usize) -> Vec<String> {
    let all: String = pieces(times, view, line, 0).into_iter().map(|(t, _)| t).collect();
    wrap(&all, width)
}

/// Long lines over several rows. While following, the newest stand at the foot.
fn wrapped(p: &mut Painter<'_>, view: &LogView, inner: Rect) {
    let width = columns(inner);
    let rows = usize::from(inner.height);
    let mut out: Vec<(String, &'static str)> = Vec::new();
    let take = |line: &Line| {
        let rows = rows_of(p.times, view, line, width);
        rows.into_iter().map(|t| (t, scope(line))).collect::<Vec<_>>()
    };
    if view.follow {
        for i in (0..view.buffer.len()).rev() {
            let Some((_, line)) = view.buffer.get(i) else { continue };
            let mut lines = take(line);
            lines.append(&mut out);
            out = lines;
            if out.len() >= rows {
                out.drain(..out.len() - rows);
                break;
            }
        }
    } else {
        for i in view.first()..view.buffer.len() {
            let Some((_, line)) = view.buffer.get(i) else { continue };
            out.append(&mut take(line));
            if out.len() >= rows {
                break;
            }
        }
    }
    for (n, (text, scope)) in out.iter().take(rows).enumerate() {
        p.put(inner.x + 1, inner.y + n as u16, inner.width - 1, text, scope);
    }
}

fn scope(line: &Line) -> &'static str {
    level_scope(fold(&line.text).level)
}

fn level_scope(level: Option<Level>) -> &'static str {
    match level {
        Some(Level::Error) => "log.error",
        Some(Level::Warn) => "log.warn",
        Some(Level::Debug) => "log.debug",
        Some(Level::Info) | None => "log.info",
    }
}

/// The time a line says of itself: written out, or as seconds or milliseconds since 1970.
fn said(time: &str) -> Option<Time> {
    let since = |n: f64| match n {
        1e9..1e11 => Some(Time((n * 1000.0) as i64)),
        1e12..1e14 => Some(Time(n as i64)),
        _ => None,
    };
    Time::parse(time).or_else(|| since(time.parse().ok()?))
}

fn pieces(times: Times, view: &LogView, line: &Line, left: usize) -> Vec<(String, &'static str)> {
    let mut out = Vec::new();
    let folded = fold(&line.text);
    // Folding must not take away the time that a JSON line says of itself.
    let own = said(&folded.time).map_or(folded.time.clone(), |t| times.clock(t));
    let time = if view.times { line.time.map_or(own, |t| times.clock(t)) } else { own };
    if !time.is_empty() {
        out.push((format!("{time} "), "log.time"));
    }
    if view.targets.len() > 1
        && let Some(t) = view.targets.iter().find(|t| t.id == line.source)
    {
        let pod = t.pod.rsplit('-').next().unwrap_or(&t.pod);
        out.push((format!("{pod}/{} ", t.container), "log.source"));
    }
    let scope = level_scope(folded.level);
    if folded.json
        && let Some(level) = folded.level
    {
        let word = match level {
            Level::Error => "ERROR ",
            Level::Warn => "WARN  ",
            Level::Info => "INFO  ",
            Level::Debug => "DEBUG ",
        };
        out.push((word.to_owned(), scope));
    }
    out.push((folded.message.chars().skip(left).collect(), scope));
    if view.fields {
        for (name, value) in &folded.fields {
            out.push((format!("  {name}="), "log.field"));
            out.push((value.clone(), "text.dim"));
        }
    } else if !folded.fields.is_empty() && left == 0 {
        out.push((format!("  +{}", folded.fields.len()), "text.dim"));
    }
    out
}
