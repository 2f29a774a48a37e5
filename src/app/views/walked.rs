//! A walked decision tree in lines: the verdict and what to do about it, then how khud knows: each question with its
//! answer and quotes.

use std::collections::HashSet;

use crate::app::core::content::{Highlight, TextLine};
use crate::app::core::model::Model;
use crate::app::views::why::{Item, Quotes, WhyView};
use crate::playbook::pages::Page;
use crate::playbook::verify::{Standing, Verification};
use crate::playbook::{By, Evidence, State};
use crate::remedy;
use crate::term::clean::{width, wrap};

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

/// The lines that show. They follow the item under the cursor, whose first and last lines stay in sight.
pub fn lines(model: &Model, why: &WhyView) -> Vec<TextLine> {
    let (columns, rows) = why.room;
    let mut lines = drawn(model, why, columns, why.quotes != Quotes::None);
    if why.quotes == Quotes::Fitting && lines.len() > rows {
        lines = drawn(model, why, columns, false);
    }
    let item = why.item();
    let first = lines.iter().position(|l| l.item == item).unwrap_or(0);
    let last = lines.iter().rposition(|l| l.item == item).unwrap_or(0);
    let offset = if last >= rows { (last + 1 - rows).min(first) } else { 0 };
    let line = |(n, line): (usize, Drawn)| TextLine {
        indent: line.indent,
        pieces: line.pieces,
        right: line.right,
        highlight: match line.item.is_some() && line.item == item {
            true => Highlight::Selected { first: n == first },
            false => Highlight::None,
        },
    };
    lines.into_iter().enumerate().skip(offset).take(rows).map(line).collect()
}

fn drawn(model: &Model, why: &WhyView, columns: usize, quotes: bool) -> Vec<Drawn> {
    let mut out = Vec::new();
    // A quote is read once, wherever it was found.
    let mut quoted = HashSet::new();
    match why.walk.state() {
        State::Reading => {
            let what = if why.walk.wants().is_empty() { "…" } else { "looking…" };
            out.push(plain(None, 0, &format!("{} {what}", model.theme.glyph("current")), "tree.current"));
        }
        State::Asking { question, why: reason, choices, .. } => {
            let item = Some(Item::Question);
            out.push(plain(item, 0, &format!("{} {question}", model.theme.glyph("current")), "tree.current"));
            out.push(plain(item, 2, reason, "text.dim"));
            let numbered: Vec<String> =
                choices.iter().enumerate().map(|(n, c)| format!("{} {c}", n + 1)).collect();
            out.push(plain(item, 2, &format!("You tell: {}", numbered.join("   ")), "key"));
        }
        State::Done => verdict(model, why, columns, &mut out, &mut quoted),
    }
    let steps = why.walk.steps();
    if steps.is_empty() {
        return out;
    }
    out.push(plain(None, 0, "", "text"));
    let questions = if steps.len() == 1 { "question" } else { "questions" };
    out.push(plain(None, 0, &format!("How I know: {} {questions}", steps.len()), "title"));
    for (i, step) in steps.iter().enumerate() {
        // No colour: an answer is neither good nor bad.
        let (sign, scope) = match step.answer.as_str() {
            "unknown" => (model.theme.glyph("unknown"), "tree.unknown"),
            _ if i + 1 == steps.len() => (model.theme.glyph("arrow"), "text.strong"),
            _ => (model.theme.glyph("skipped"), "text.strong"),
        };
        let mut pieces = vec![
            (format!("{sign} "), "tree.line"),
            (step.question.clone(), "text"),
            (format!("  {}", step.answer), scope),
        ];
        if step.by == By::Operator {
            pieces.push((" (you)".into(), "tree.current"));
        }
        if let Some(was) = &step.overruled {
            pieces.push((format!(" instead of {was}"), "text.dim"));
        }
        let right = if step.took_ms > 0 { format!("{} ms", step.took_ms) } else { String::new() };
        let item = Some(Item::Step(i));
        out.push(Drawn { item, indent: 0, pieces, right });
        if let Some(what) = &step.consent {
            let text = format!("needs your yes: {what} (y runs it)");
            for line in wrap(&text, columns.saturating_sub(6)) {
                out.push(plain(item, 4, &line, "key"));
            }
        }
        let here = why.item() == item;
        if !quotes && !here {
            continue;
        }
        for e in &step.evidence {
            if !quoted.insert(e.quote.clone()) && !here {
                continue;
            }
            quote(model, item, e, columns, here, &mut out);
        }
    }
    out
}

/// A quote under its question: where it was read, what it says, when.
fn quote(model: &Model, item: Option<Item>, e: &Evidence, columns: usize, whole: bool, out: &mut Vec<Drawn>) {
    const INSET: u16 = 4;
    let at = e.at.map_or(String::new(), |t| format!("  {}", model.prefs.times().clock(t)));
    let head = format!("{}: ", e.source);
    let aside = usize::from(INSET) + width(&head);
    // Where little would be left beside its source a quote stands below it.
    let below = columns.saturating_sub(aside) < READABLE;
    let lead = if below { 2 } else { width(&head) };
    let room = columns.saturating_sub(usize::from(INSET) + lead + at.len() + 3);
    if below {
        let pieces = vec![(head.clone(), "text.dim")];
        out.push(Drawn { item, indent: INSET, pieces, right: String::new() });
    }
    let mut lines = wrap(&format!("“{}”{at}", e.quote), room.max(20));
    // All of a long quote is shown where the cursor is.
    let most = if below { QUOTE * 2 } else { QUOTE };
    if lines.len() > most && !whole {
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            last.push('…');
        }
    }
    for (n, line) in lines.into_iter().enumerate() {
        let lead = if n == 0 && !below { head.clone() } else { " ".repeat(lead) };
        out.push(Drawn {
            item,
            indent: INSET,
            pieces: vec![(lead, "text.dim"), (line, "tree.evidence")],
            right: String::new(),
        });
    }
}

fn plain(item: Option<Item>, indent: u16, text: &str, scope: &'static str) -> Drawn {
    Drawn { item, indent, pieces: vec![(text.to_owned(), scope)], right: String::new() }
}

/// Whether the trouble is over: nothing to say while it lasts and nobody acted.
fn standing(model: &Model, v: &Verification, room: usize, out: &mut Vec<Drawn>) {
    let now = model.data.now;
    let (sign, scope) = match &v.standing {
        Standing::Over(_) => ("ok", "success"),
        Standing::Lasts(_) if v.failed(now) => ("verdict", "tree.verdict"),
        Standing::Lasts(_) if v.acted.is_none() => return,
        Standing::Lasts(_) | Standing::Settling { .. } => ("current", "tree.current"),
        Standing::Gone | Standing::Unknown(_) => ("unknown", "tree.unknown"),
    };
    let item = Some(Item::Verdict);
    for (n, line) in wrap(&v.sentence(now), room).into_iter().enumerate() {
        let lead = if n == 0 { model.theme.glyph(sign).to_string() } else { " ".to_owned() };
        out.push(Drawn {
            item,
            indent: 0,
            pieces: vec![(format!("{lead} "), scope), (line, scope)],
            right: String::new(),
        });
    }
}

fn verdict(model: &Model, why: &WhyView, columns: usize, out: &mut Vec<Drawn>, quoted: &mut HashSet<String>) {
    let item = Some(Item::Verdict);
    let room = columns.saturating_sub(4).min(110);
    let over = why.over();
    if let Some(v) = &why.verification {
        standing(model, v, room, out);
    }
    match why.walk.verdict() {
        Some(v) => {
            let healthy = v.cause == "none";
            let (sign, scope) = if healthy {
                (model.theme.glyph("ok"), "success")
            } else if over {
                (model.theme.glyph("skipped"), "text.dim")
            } else {
                (model.theme.glyph("verdict"), "tree.verdict")
            };
            let likely = if v.sure == crate::judge::Sure::Likely { "likely: " } else { "" };
            let head = format!("{likely}{}", v.title);
            let mut title = wrap(&head, room).into_iter();
            let first = title.next().unwrap_or_default();
            out.push(Drawn {
                item,
                indent: 0,
                pieces: vec![
                    (format!("{sign} "), scope),
                    (
                        first,
                        match (healthy, over) {
                            (true, _) => "success",
                            (false, true) => "text.dim",
                            (false, false) => "text.strong",
                        },
                    ),
                ],
                right: v.cause.clone(),
            });
            out.extend(title.map(|line| plain(item, 2, &line, "text.strong")));
            // A quote in the explanation is not shown twice.
            quoted.extend(v.explanation.lines().map(str::to_owned));
            for line in wrap(&v.explanation, room) {
                out.push(plain(item, 2, &line, "text"));
            }
            if !v.verify.is_empty() {
                for line in wrap(&format!("Over when: {}", v.verify), room) {
                    out.push(plain(item, 2, &line, "text.dim"));
                }
            }
        }
        None => out.push(plain(item, 0, "Nothing proved. What was looked at stands below.", "tree.unknown")),
    }
    if let Some(before) = &why.before {
        for line in wrap(&format!("Before: {before}"), room) {
            out.push(plain(item, 2, &line, "text.dim"));
        }
    }
    // The question that needs a yes says so itself, because the key acts there.
    let asks = |text: &str| text.starts_with("needs your yes: ");
    for u in why.walk.unknown().iter().filter(|u| !asks(&u.why)) {
        for line in wrap(&format!("not found out: {}: {}", u.what, u.why), room) {
            out.push(plain(None, 2, &line, "text.dim"));
        }
    }
    to_do(model, why, out);
    let choices = why.walk.verdict().filter(|_| !why.over()).map_or(&[][..], |v| &v.options);
    if !choices.is_empty() {
        out.push(plain(None, 0, "", "text"));
        out.push(plain(None, 0, "Ways to go on", "title"));
    }
    for (n, choice) in choices.iter().enumerate() {
        out.push(plain(None, 2, &format!("{}. {}", n + 1, choice.name), "text.strong"));
        for (word, text) in choice.parts() {
            for line in wrap(&format!("{word}: {text}"), room.saturating_sub(3)) {
                out.push(plain(None, 5, &line, "text"));
            }
        }
    }
}

/// The actions and pages that the verdict proposes.
fn to_do(model: &Model, why: &WhyView, out: &mut Vec<Drawn>) {
    if why.proposals().is_empty() && why.pages().is_empty() {
        return;
    }
    out.push(plain(None, 0, "", "text"));
    out.push(plain(None, 0, "What to do (enter plans it; nothing is changed before you say so)", "title"));
    for (i, proposal) in why.proposals().iter().enumerate() {
        let title = remedy::action(&proposal.action).map_or(proposal.action.as_str(), |a| a.title);
        let params: Vec<String> = proposal.params.iter().map(|(k, v)| format!("{k} {v}")).collect();
        let scope = if model.cluster.read_only { "key.disabled" } else { "text" };
        let strong = if model.cluster.read_only { scope } else { "key" };
        out.push(Drawn {
            item: Some(Item::Proposal(i)),
            indent: 2,
            pieces: vec![
                (format!("{} {title} ", model.theme.glyph("arrow")), strong),
                (format!("{} {}", proposal.target, params.join(" ")), scope),
            ],
            right: if model.cluster.read_only { "read-only".into() } else { String::new() },
        });
    }
    for (i, id) in why.pages().iter().enumerate() {
        let title = Page::find(id).map_or_else(String::new, |p| p.title);
        out.push(Drawn {
            item: Some(Item::Page(i)),
            indent: 2,
            pieces: vec![
                (format!("{} Lines for people: ", model.theme.glyph("arrow")), "key"),
                (format!("{title} (page {id})"), "text"),
            ],
            right: String::new(),
        });
    }
}
