//! The decision tree: each question with its answer and the quotes it rests on, down to the verdict and what to do.

use ratatui::layout::Rect;

use super::paint::Painter;
use super::panes::title_line;
use crate::app::core::model::Model;
use crate::app::views::why::{Item, WhyView};
use crate::playbook::walk::{By, State};
use crate::remedy;
use crate::term::clean::wrap;

/// Lines of a quote shown unless the cursor is on its question.
const QUOTE: usize = 2;
/// Columns in which a quote can still be read.
const READABLE: usize = 50;

/// One drawn line: pieces with their styles, and the item it belongs to.
struct Drawn {
    item: Option<Item>,
    indent: u16,
    pieces: Vec<(String, &'static str)>,
    /// Shown at the right edge.
    right: String,
}

pub fn draw(p: &mut Painter<'_>, model: &Model, why: &WhyView, area: Rect) {
    let right = format!("playbook {}", why.walk.playbook);
    let about = if why.asked == why.walk.object {
        format!("WHY {}", why.asked)
    } else {
        format!("WHY {}: {}", why.asked, why.walk.object)
    };
    title_line(p, area, &about, &right, true);
    let inner = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let lines = lines(p, model, why, usize::from(inner.width));
    let item = why.item();
    // The window follows the item under the cursor; its first and last lines stay visible.
    let first = lines.iter().position(|l| l.item == item).unwrap_or(0);
    // What to do belongs to the verdict: both are wanted on the screen.
    let last = match item {
        Some(Item::Verdict) => lines.len().saturating_sub(1),
        _ => lines.iter().rposition(|l| l.item == item).unwrap_or(0),
    };
    let rows = usize::from(inner.height);
    let offset = if last >= rows { (last + 1 - rows).min(first) } else { 0 };
    for (n, line) in lines.iter().skip(offset).take(rows).enumerate() {
        let y = inner.y + n as u16;
        let mut x = inner.x + 1 + line.indent;
        for (text, scope) in &line.pieces {
            if x < inner.right() {
                x += p.put(x, y, inner.right() - x, text, scope);
            }
        }
        if !line.right.is_empty() {
            let w = crate::term::clean::width(&line.right) as u16;
            if x + w + 2 < inner.right() {
                p.put(inner.right() - w - 1, y, w, &line.right, "text.dim");
            }
        }
        if line.item.is_some() && line.item == item {
            let row = Rect::new(inner.x, y, inner.width, 1);
            if lines.iter().position(|l| l.item == item) == Some(n + offset) {
                p.tint(row, "row.selected");
            }
            p.put(inner.x, y, 1, p.glyph("selected"), "frame.focus");
        }
    }
}

fn lines(p: &Painter<'_>, model: &Model, why: &WhyView, width: usize) -> Vec<Drawn> {
    let mut out = Vec::new();
    let steps = why.walk.steps();
    for (i, step) in steps.iter().enumerate() {
        let (sign, scope) = match step.answer.as_str() {
            "yes" => (p.glyph("yes"), "tree.yes"),
            "no" => (p.glyph("no"), "tree.no"),
            "unknown" => (p.glyph("unknown"), "tree.unknown"),
            _ => (p.glyph("arrow"), "tree.yes"),
        };
        let indent = (i as u16).min(12) * 2;
        let mut pieces = Vec::new();
        if i > 0 {
            pieces.push((format!("{}{} ", p.glyph("branch.last"), p.glyph("branch.arm")), "tree.line"));
        }
        pieces.push((format!("{sign} "), scope));
        pieces.push((step.question.clone(), "text"));
        pieces.push((format!("  {}", step.answer), scope));
        if step.by == By::Operator {
            pieces.push((" (you)".into(), "tree.current"));
        }
        if let Some(was) = &step.overruled {
            pieces.push((format!(" instead of {was}"), "text.dim"));
        }
        let right = if step.took_ms > 0 { format!("{} ms", step.took_ms) } else { String::new() };
        out.push(Drawn { item: Some(Item::Step(i)), indent, pieces, right });
        if !why.evidence && why.item() != Some(Item::Step(i)) {
            continue;
        }
        let inset = indent + if i > 0 { 5 } else { 2 };
        for e in &step.evidence {
            let at = e.at.map_or(String::new(), |t| format!("  {}", p.times.clock(t)));
            let head = format!("{}: ", e.source);
            let aside = usize::from(inset) + crate::term::clean::width(&head);
            // Where little would be left beside its source a quote stands below it.
            let below = width.saturating_sub(aside) < READABLE;
            let lead = if below { 2 } else { crate::term::clean::width(&head) };
            let room = width.saturating_sub(usize::from(inset) + lead + at.len() + 3);
            if below {
                out.push(Drawn {
                    item: Some(Item::Step(i)),
                    indent: inset,
                    pieces: vec![(head.clone(), "text.dim")],
                    right: String::new(),
                });
            }
            let mut quoted = wrap(&format!("“{}”{at}", e.quote), room.max(20));
            // All of a long quote is shown where the cursor is.
            let most = if below { QUOTE * 2 } else { QUOTE };
            if quoted.len() > most && why.item() != Some(Item::Step(i)) {
                quoted.truncate(most);
                if let Some(last) = quoted.last_mut() {
                    last.push('…');
                }
            }
            for (n, line) in quoted.into_iter().enumerate() {
                let lead = if n == 0 && !below { head.clone() } else { " ".repeat(lead) };
                out.push(Drawn {
                    item: Some(Item::Step(i)),
                    indent: inset,
                    pieces: vec![(lead, "text.dim"), (line, "tree.evidence")],
                    right: String::new(),
                });
            }
        }
    }
    match why.walk.state() {
        State::Reading => {
            let what = if why.walk.wants().is_empty() { "…" } else { "looking…" };
            out.push(plain(None, 2, &format!("{} {what}", p.glyph("current")), "tree.current"));
        }
        State::Asking { question, why: reason, choices, .. } => {
            out.push(plain(
                Some(Item::Question),
                0,
                &format!("{} {question}", p.glyph("current")),
                "tree.current",
            ));
            out.push(plain(Some(Item::Question), 2, reason, "text.dim"));
            let numbered: Vec<String> =
                choices.iter().enumerate().map(|(n, c)| format!("{} {c}", n + 1)).collect();
            out.push(plain(Some(Item::Question), 2, &format!("You tell: {}", numbered.join("   ")), "key"));
        }
        State::Done => verdict(p, model, why, width, &mut out),
    }
    out
}

fn plain(item: Option<Item>, indent: u16, text: &str, scope: &'static str) -> Drawn {
    Drawn { item, indent, pieces: vec![(text.to_owned(), scope)], right: String::new() }
}

fn verdict(p: &Painter<'_>, model: &Model, why: &WhyView, width: usize, out: &mut Vec<Drawn>) {
    out.push(plain(None, 0, "", "text"));
    let item = Some(Item::Verdict);
    match why.walk.verdict() {
        Some(v) => {
            out.push(Drawn {
                item,
                indent: 0,
                pieces: vec![
                    (format!("{} {}  ", p.glyph("verdict"), v.cause), "tree.verdict"),
                    (v.title.clone(), "text.strong"),
                ],
                right: String::new(),
            });
            for line in wrap(&v.explanation, width.saturating_sub(4).min(110)) {
                out.push(plain(item, 2, &line, "text"));
            }
            if !v.verify.is_empty() {
                for line in wrap(&format!("Over when: {}", v.verify), width.saturating_sub(4).min(110)) {
                    out.push(plain(item, 2, &line, "text.dim"));
                }
            }
        }
        None => out.push(plain(item, 0, "Nothing proved. What was looked at stands above.", "tree.unknown")),
    }
    for u in why.walk.unknown() {
        out.push(plain(None, 2, &format!("not found out: {}: {}", u.what, u.why), "text.dim"));
    }
    if why.walk.proposals().is_empty() {
        return;
    }
    out.push(plain(None, 0, "", "text"));
    out.push(plain(None, 0, "What to do (enter plans it; nothing is changed before you say so)", "title"));
    for (i, proposal) in why.walk.proposals().iter().enumerate() {
        let title = remedy::action(&proposal.action).map_or(proposal.action.as_str(), |a| a.title);
        let params: Vec<String> = proposal.params.iter().map(|(k, v)| format!("{k} {v}")).collect();
        let scope = if model.cluster.read_only { "key.disabled" } else { "text" };
        out.push(Drawn {
            item: Some(Item::Proposal(i)),
            indent: 2,
            pieces: vec![
                (
                    format!("{} {title} ", p.glyph("arrow")),
                    if model.cluster.read_only { scope } else { "key" },
                ),
                (format!("{} {}", proposal.target, params.join(" ")), scope),
            ],
            right: if model.cluster.read_only { "read-only".into() } else { String::new() },
        });
    }
}
