//! The upgrade log of a run: its timeline, each node with its durations, what was found afterwards. Markdown.

use std::fmt::Write;
use std::time::Duration;

use crate::remedy::waves::report::{cell, summary};
use crate::remedy::waves::state::{NodeState, Phase, State, Upgraded};
use crate::world::Time;
use crate::world::time::human;

fn clock(at: Time) -> String {
    at.to_jiff().strftime("%H:%M:%S").to_string()
}

/// When the node entered a phase, the last time that it did.
fn entered(node: &NodeState, phase: Phase) -> Option<Time> {
    node.marks.iter().rev().find(|(p, _)| *p == phase).map(|(_, at)| *at)
}

/// From one phase to another; `None` where the node did not go through both.
fn between(node: &NodeState, from: Phase, to: Phase) -> Option<Duration> {
    Some(entered(node, from)?.age(entered(node, to)?))
}

fn took(span: Option<Duration>) -> String {
    span.map_or_else(|| "–".to_owned(), human)
}

pub(in crate::remedy::waves) fn markdown(state: &State, upgraded: &Upgraded, now: Time) -> String {
    let mut out = String::new();
    let end = state.ended.unwrap_or(now);
    let _ = writeln!(
        out,
        "# Upgrade log: {} → {}\n\n- **Date**: {}\n- **Duration**: {}{}\n- **Downtime**: {}\n- **Result**: {}\n- run: `{}`\n- context: {}\n- cluster: {}\n",
        cell(&upgraded.from),
        cell(&upgraded.to),
        state.begun.to_jiff().strftime("%Y-%m-%d"),
        human(state.begun.age(end)),
        if state.ended.is_none() { ", not ended" } else { "" },
        downtime(upgraded),
        summary(state),
        state.run,
        cell(&state.context),
        cell(&state.cluster),
    );
    timeline(&mut out, state);
    nodes(&mut out, state);
    let _ = writeln!(out, "\n## Before\n");
    let _ = writeln!(
        out,
        "- etcd: {}",
        cell(upgraded.etcd.as_deref().unwrap_or("no snapshot was made by this run"))
    );
    let _ = writeln!(
        out,
        "- objects: {}",
        cell(upgraded.snapshot.as_deref().unwrap_or("no snapshot was made by this run"))
    );
    let _ = writeln!(out, "\n## Check after the last node\n");
    if upgraded.checked.is_empty() {
        out.push_str("Not done yet.\n");
    }
    for (text, ok) in &upgraded.checked {
        let _ = writeln!(out, "- [{}] {}", if *ok { "x" } else { " " }, cell(text));
    }
    let _ = writeln!(out, "\n## Difference of the objects\n");
    match (&upgraded.snapshot, upgraded.checked.is_empty(), upgraded.difference.is_empty()) {
        (None, ..) | (_, true, _) => out.push_str("Not compared.\n"),
        (_, _, true) => out.push_str("None beside what an upgrade brings.\n"),
        _ => {
            for line in &upgraded.difference {
                let _ = writeln!(out, "- {}", cell(line));
            }
        }
    }
    let left = state.left_cordoned();
    if !left.is_empty() {
        let _ = writeln!(out, "\n## Left cordoned\n");
    }
    for name in left {
        let why = state.nodes.get(name).map_or("", |n| n.why.as_str());
        let why = if why.is_empty() { "its wave is not done" } else { why };
        let _ = writeln!(out, "- {}: {}", cell(name), cell(why));
    }
    let _ = writeln!(out, "\n## What happened\n");
    for line in &state.lines {
        let wave = if line.wave == 0 { String::new() } else { format!("wave {}: ", line.wave) };
        let _ = writeln!(out, "- {} – {wave}{}", line.at, cell(&line.what));
    }
    out
}

fn downtime(upgraded: &Upgraded) -> String {
    if upgraded.services.is_empty() {
        return "not known: no Service had two ready endpoints at the start".to_owned();
    }
    match upgraded.outages.len() {
        0 => format!(
            "none seen: each of {} Services with two ready endpoints kept one",
            upgraded.services.len()
        ),
        n => format!("{n} of {} Services were without a ready endpoint", upgraded.services.len()),
    }
}

/// The document's list: when each node began and how long it took.
fn timeline(out: &mut String, state: &State) {
    let _ = writeln!(out, "## Timeline (UTC)\n");
    let mut lines: Vec<(Time, String)> = vec![(state.begun, "begun".to_owned())];
    for line in state.lines.iter().filter(|l| l.wave == 0 && !l.what.starts_with("check ")) {
        lines.push((line.at, cell(&line.what)));
    }
    for (name, node) in state.nodes.iter().filter(|(_, n)| n.wave > 0) {
        let Some(begun) = node.begun else { continue };
        let span = node.ended.map_or("not ended".to_owned(), |end| human(begun.age(end)));
        let (what, pods) = (node.phase.as_str(), node.evicted);
        lines.push((begun, format!("{} ({span}; {what}, {pods} pods evicted)", cell(name))));
    }
    if let Some(end) = state.ended {
        lines.push((end, "ended".to_owned()));
    }
    lines.sort();
    for (at, what) in lines {
        let _ = writeln!(out, "- {} – {what}", clock(at));
    }
}

fn nodes(out: &mut String, state: &State) {
    let _ = writeln!(
        out,
        "\n## Nodes\n\n| wave | node | part | outcome | pods evicted | drain | command | gates | whole | |\n|---|---|---|---|---|---|---|---|---|---|"
    );
    let mut all: Vec<(&String, &NodeState)> = state.nodes.iter().collect();
    all.sort_by_key(|(name, n)| (n.wave == 0, n.wave, (*name).clone()));
    for (name, n) in all {
        let wave = if n.wave == 0 { "–".to_owned() } else { n.wave.to_string() };
        let part = if n.control_plane { "control plane" } else { "worker" };
        let name = match n.successor.is_empty() {
            true => cell(name),
            false => format!("{} → {}", cell(name), cell(&n.successor)),
        };
        let whole = n.begun.zip(n.ended).map(|(a, b)| a.age(b));
        let _ = writeln!(
            out,
            "| {wave} | {name} | {part} | {} | {} | {} | {} | {} | {} | {} |",
            n.phase.as_str(),
            n.evicted,
            took(between(n, Phase::Draining, Phase::Drained)),
            took(between(n, Phase::Replacing, Phase::Replaced)),
            took(between(n, Phase::Replaced, Phase::Gated)),
            took(whole),
            cell(&n.why)
        );
    }
}
