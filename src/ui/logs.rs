//! Draws logs: only the lines in the window, each cleaned, JSON folded to level and message.

use ratatui::layout::Rect;

use super::paint::Painter;
use super::panes::{notice, title_line};
use crate::app::log::{Level, Line, fold};
use crate::app::logs::LogView;
use crate::config::settings::Times;
use crate::term::clean::wrap;

pub fn draw(p: &mut Painter<'_>, view: &LogView, area: Rect) {
    let mut right = Vec::new();
    if !view.filter.is_empty() {
        right.push(format!("/{}", view.filter));
    }
    if view.buffer.skipped() > 0 {
        right.push(format!("skipped {}", view.buffer.skipped()));
    }
    let open = view.targets.iter().filter(|t| t.open).count();
    right.push(format!("{open}/{} open", view.targets.len()));
    right.push(format!("{} lines", view.buffer.len()));
    right.push(if view.follow { "following".into() } else { "standing still".into() });
    title_line(p, area, &view.title(), &right.join("  "), true);
    let inner = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    if view.buffer.is_empty() {
        let notes: Vec<&str> = view.targets.iter().filter_map(|t| t.note.as_deref()).collect();
        let text = match (notes.is_empty(), view.filter.is_empty()) {
            (false, _) => notes.join("\n"),
            (true, false) => "No line matches.".into(),
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

/// Long lines over several rows. While following, the newest stand at the foot.
fn wrapped(p: &mut Painter<'_>, view: &LogView, inner: Rect) {
    let width = usize::from(inner.width.saturating_sub(2));
    let rows = usize::from(inner.height);
    let mut out: Vec<(String, &'static str)> = Vec::new();
    let take = |line: &Line| {
        let all: String = pieces(p.times, view, line, 0).into_iter().map(|(t, _)| t).collect();
        wrap(&all, width).into_iter().map(|t| (t, scope(line))).collect::<Vec<_>>()
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

fn pieces(times: Times, view: &LogView, line: &Line, left: usize) -> Vec<(String, &'static str)> {
    let mut out = Vec::new();
    let folded = fold(&line.text);
    if view.times {
        let time = line.time.map_or(folded.time.clone(), |t| times.clock(t));
        out.push((format!("{time} "), "log.time"));
    }
    if view.targets.len() > 1
        && let Some(t) = view.targets.iter().find(|t| t.id == line.source)
    {
        let pod = t.pod.rsplit('-').next().unwrap_or(&t.pod);
        out.push((format!("{pod}/{} ", t.container), "log.source"));
    }
    let json = line.text.trim_start().starts_with('{') && !folded.fields.is_empty();
    let scope = level_scope(folded.level);
    if json && let Some(level) = folded.level {
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
    } else if json && left == 0 {
        out.push((format!("  +{}", folded.fields.len()), "text.dim"));
    }
    out
}
