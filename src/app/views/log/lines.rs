//! The lines of a log that show: each folded to level and message, or wrapped.

use super::{Level, Line, fold};
use crate::app::core::content::TextLine;
use crate::app::views::logs::LogView;
use crate::config::settings::Times;
use crate::term::clean::wrap;
use crate::world::Time;

/// How many lines the screen has room for; where long ones are wrapped that depends on which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// From the first one shown on.
    pub shown: usize,
    /// Up to the one before it: a page back.
    pub before: usize,
    /// Up to the last.
    pub end: usize,
}

/// The lines in so many columns and rows.
pub fn lines(times: Times, view: &LogView, (columns, rows): (usize, usize)) -> Vec<TextLine> {
    if view.wrap {
        return wrapped(times, view, columns, rows);
    }
    let indices = (view.first()..view.buffer.len()).take(rows);
    let lines = indices.filter_map(|i| view.buffer.get(i));
    lines.map(|(_, line)| TextLine::of(pieces(times, view, line, view.left))).collect()
}

/// How many lines the area has room for.
pub fn window(times: Times, view: &LogView, (columns, rows): (usize, usize)) -> Window {
    if !view.wrap {
        return Window { shown: rows, before: rows, end: rows };
    }
    let width = wrapped_width(columns);
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
fn wrapped_width(columns: usize) -> usize {
    columns.saturating_sub(2)
}

/// A line as it is wrapped.
fn rows_of(times: Times, view: &LogView, line: &Line, width: usize) -> Vec<String> {
    let all: String = pieces(times, view, line, 0).into_iter().map(|(t, _)| t).collect();
    wrap(&all, width)
}

/// Long lines over several rows. While following, the newest stand at the foot.
fn wrapped(times: Times, view: &LogView, columns: usize, rows: usize) -> Vec<TextLine> {
    let width = wrapped_width(columns);
    let mut out: Vec<(String, &'static str)> = Vec::new();
    let take = |line: &Line| {
        let rows = rows_of(times, view, line, width);
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
    out.truncate(rows);
    out.into_iter().map(|piece| TextLine::of(vec![piece])).collect()
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
