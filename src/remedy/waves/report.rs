//! The report of a run, as a sentence and as Markdown.

use std::fmt::Write;

use super::state::{NodeState, Phase, State};
use crate::world::Time;
use crate::world::time::human;

/// `98 of 103 nodes done in 21 waves, 5 skipped`.
pub(super) fn summary(state: &State) -> String {
    let skipped = match state.count(Phase::Skipped) {
        0 => String::new(),
        n => format!(", {n} skipped"),
    };
    let failed = match state.count(Phase::Failed) {
        0 => String::new(),
        n => format!(", {n} left cordoned"),
    };
    let waves = if state.waves == 1 { "1 wave".to_owned() } else { format!("{} waves", state.waves) };
    format!("{} of {} nodes done in {waves}{skipped}{failed}", state.count(Phase::Done), state.nodes.len())
}

/// A name or sentence inside Markdown: nothing in it starts a cell, a link or a tag.
pub(super) fn cell(text: &str) -> String {
    let plain = crate::remedy::render::plain(text, false);
    plain.chars().fold(String::new(), |mut out, c| {
        if "|`[]<>*_\\".contains(c) {
            out.push('\\');
        }
        out.push(c);
        out
    })
}

/// The report after a run, and of a run that was stopped.
pub(super) fn markdown(state: &State, now: Time) -> String {
    let mut out = String::new();
    let end = state.ended.map_or("not ended".to_owned(), |t| t.to_string());
    let _ = writeln!(
        out,
        "# Waves: {}\n\n- run: `{}`\n- context: {}\n- cluster: {}\n- begun: {}\n- ended: {end}\n- duration: {}\n",
        summary(state),
        state.run,
        cell(&state.context),
        cell(&state.cluster),
        state.begun,
        human(state.begun.age(state.ended.unwrap_or(now))),
    );
    let _ = writeln!(
        out,
        "## Nodes\n\n| wave | node | outcome | pods evicted | took | |\n|---|---|---|---|---|---|"
    );
    let mut nodes: Vec<(&String, &NodeState)> = state.nodes.iter().collect();
    nodes.sort_by_key(|(name, n)| (n.wave == 0, n.wave, (*name).clone()));
    for (name, n) in nodes {
        let wave = if n.wave == 0 { "–".to_owned() } else { n.wave.to_string() };
        let took = match (n.begun, n.ended) {
            (Some(a), Some(b)) => human(a.age(b)),
            _ => String::new(),
        };
        let _ = writeln!(
            out,
            "| {wave} | {} | {} | {} | {took} | {} |",
            if n.successor.is_empty() {
                cell(name)
            } else {
                format!("{} → {}", cell(name), cell(&n.successor))
            },
            n.phase.as_str(),
            n.evicted,
            cell(&n.why)
        );
    }
    let left = state.left_cordoned();
    out.push_str("\n## Left cordoned\n\n");
    if left.is_empty() {
        out.push_str("No node is left cordoned by this run.\n");
    }
    for name in left {
        let why = state.nodes.get(name).map_or("", |n| n.why.as_str());
        let _ =
            writeln!(out, "- {}: {}", cell(name), if why.is_empty() { "its wave is not done" } else { why });
    }
    out.push_str("\n## What happened\n\n");
    for line in &state.lines {
        let wave = if line.wave == 0 { String::new() } else { format!("wave {}: ", line.wave) };
        let _ = writeln!(out, "- {} – {wave}{}", line.at, cell(&line.what));
    }
    out
}
