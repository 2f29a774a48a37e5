//! The top line: which cluster, how fresh, and the numbers one looks at first.

use ratatui::layout::Rect;

use super::paint::Painter;
use crate::app::core::model::Model;
use crate::app::core::runs::control;
use crate::app::views::{gpus, incidents};
use crate::term::clean::{clean, fit_end, width};
use crate::world::time::human;
use crate::world::{Kind, StreamState};

/// How long a list may be on its way while others are live before it counts as one that does not come.
const SLOW: std::time::Duration = std::time::Duration::from_secs(10);

/// How fresh the whole picture is, in a word: the worst state of any stream, but a few that break by themselves are
/// only counted. Their panes say what is wrong with them.
fn freshness(model: &Model) -> (&'static str, String, &'static str) {
    let now = model.data.now;
    if let Some(why) = model.cluster.astray() {
        return ("lost", why.to_owned(), "header.stale");
    }
    let streams = model.data.world.streams.values();
    let some_live = streams.clone().any(|s| s.state.is_live());
    let mut broken = 0;
    let mut word = ("live", "live".to_owned(), "header.ok");
    let mut worst = 0;
    let mut any = false;
    for s in streams {
        any = true;
        let alone = match &s.state {
            StreamState::Reconnecting { .. } => true,
            StreamState::Connecting | StreamState::Listing { .. } => s.since.age(now) >= SLOW,
            _ => false,
        };
        if some_live && alone {
            broken += 1;
            continue;
        }
        let (rank, what) = match &s.state {
            StreamState::Live | StreamState::Polled { .. } | StreamState::Unsupported { .. } => (0, None),
            StreamState::Forbidden { .. } => {
                (1, Some(("live", "live, partly forbidden".to_owned(), "header.warn")))
            }
            StreamState::Connecting => (2, Some(("pending", "connecting".to_owned(), "header.warn"))),
            StreamState::Listing { .. } => (3, Some(("pending", "listing".to_owned(), "header.warn"))),
            StreamState::Stale { since } => {
                (4, Some(("stale", format!("stale {}", human(since.age(now))), "header.stale")))
            }
            StreamState::Reconnecting { at, .. } => {
                let wait = human(now.age(*at));
                (
                    5,
                    Some((
                        "lost",
                        format!("lost {}, again in {wait}", human(s.since.age(now))),
                        "header.stale",
                    )),
                )
            }
        };
        if let Some(what) = what
            && rank > worst
        {
            (worst, word) = (rank, what);
        }
    }
    if broken > 0 && worst <= 1 {
        return (
            "live",
            format!("live, {broken} of {} lists broken", model.data.world.streams.len()),
            "header.warn",
        );
    }
    if any { word } else { ("pending", "connecting".into(), "header.warn") }
}

/// Columns of a context's name where there is little room.
const NAME: usize = 24;

/// One figure of the line: as long as there is room, or as short as it still says the same.
struct Part {
    /// Text with its style, in words.
    full: Vec<(String, &'static str)>,
    /// The same where there is little room.
    short: Vec<(String, &'static str)>,
    /// What is left out first where even that is too much: the least of them.
    worth: u8,
}

impl Part {
    fn new(worth: u8, full: Vec<(String, &'static str)>, short: Vec<(String, &'static str)>) -> Part {
        Part { full, short, worth }
    }

    fn same(worth: u8, text: Vec<(String, &'static str)>) -> Part {
        Part { short: text.clone(), full: text, worth }
    }
}

/// Columns that texts take with a bar of so many columns between them.
fn columns(parts: &[&[(String, &'static str)]], bar: usize) -> usize {
    let texts: usize = parts.iter().flat_map(|p| p.iter()).map(|(t, _)| width(&clean(t))).sum();
    texts + bar * parts.len().saturating_sub(1)
}

pub fn draw(p: &mut Painter<'_>, model: &Model, area: Rect) {
    p.tint(area, "header");
    let mut parts = parts(p, model);
    let room = usize::from(area.width.saturating_sub(1));
    let sign = p.glyph("separator");
    let wide = format!(" {sign} ");
    fn full(parts: &[Part]) -> Vec<&[(String, &'static str)]> {
        parts.iter().map(|p| p.full.as_slice()).collect()
    }
    fn short(parts: &[Part]) -> Vec<&[(String, &'static str)]> {
        parts.iter().map(|p| p.short.as_slice()).collect()
    }
    let all = columns(&full(&parts), wide.chars().count()) <= room;
    let spaced = all || columns(&short(&parts), wide.chars().count()) <= room;
    let bar = if spaced { wide.as_str() } else { sign };
    while !all && parts.len() > 1 && columns(&short(&parts), bar.chars().count()) > room {
        let least = parts.iter().enumerate().min_by_key(|(_, p)| p.worth).map_or(0, |(i, _)| i);
        parts.remove(least);
    }
    let mut x = area.x + 1;
    for (i, part) in (if all { full(&parts) } else { short(&parts) }).into_iter().enumerate() {
        if i > 0 && x < area.right() {
            x += p.put(x, area.y, area.right() - x, bar, "frame");
        }
        for (text, scope) in part {
            if x < area.right() {
                x += p.put(x, area.y, area.right() - x, text, scope);
            }
        }
    }
}

/// Which cluster and how fresh, then the figures, in the order they stand in.
fn parts(p: &Painter<'_>, model: &Model) -> Vec<Part> {
    let (v, now, world) = (&model.data.vitals, model.data.now, &model.data.world);
    let (sign, text, scope) = freshness(model);
    let word = text.split(',').next().unwrap_or_default().to_owned();
    let first = |name: &str, read_only: &str, text: &str| {
        let mut out = vec![match model.prefs.settings.production {
            true => (format!(" {} {name} ", p.glyph("production")), "header.production"),
            false => (name.to_owned(), "header"),
        }];
        if model.cluster.read_only {
            out.push((format!(" {} {read_only}", p.glyph("read-only")), "header.read-only"));
        }
        out.push((format!(" {} {text}", p.glyph(sign)), scope));
        out
    };
    let context = clean(&model.cluster.context);
    // Clouds put where a cluster is before its name.
    let name = fit_end(&context, NAME);
    let mut out = vec![Part::new(100, first(&context, "read-only", &text), first(&name, "ro", &word))];

    let running = control::running(model);
    if let Some((name, done, total)) = running.first() {
        let sign = p.glyph("restart");
        let far = if *total > 0 { format!(" {done}/{total}") } else { String::new() };
        let more = if running.len() > 1 { format!(" +{}", running.len() - 1) } else { String::new() };
        out.push(Part::same(98, vec![(format!("{sign} {name}{far}{more}"), "header.warn")]));
    }

    let troubled = model.forwards.iter().any(|f| f.state.trouble.is_some());
    if !model.forwards.is_empty() {
        let text = format!("pf {}", model.forwards.len());
        out.push(Part::same(70, vec![(text, if troubled { "header.warn" } else { "header" })]));
    }

    if !model.namespaces.is_empty() {
        let names: Vec<&str> = model.namespaces.iter().map(|n| &**n).collect();
        let few = match names.as_slice() {
            [one] => format!("ns {one}"),
            many => format!("{} ns", many.len()),
        };
        let all = (format!("ns {}", names.join(",")), "header.warn");
        out.push(Part::new(95, vec![all], vec![(few, "header.warn")]));
    }

    // What was never listed is unknown, not none.
    let pods = v.pods_all > 0 || world.synced(&Kind::Pod);
    let nodes = v.nodes_all > 0 || world.synced(&Kind::Node);
    let seen = pods || nodes;
    let (critical, warning) = incidents::counts(model);
    let count = |n: usize, bad: &'static str| match seen {
        true if n > 0 => (n.to_string(), bad),
        // None known of a cluster that does not answer is no good news.
        true => (n.to_string(), if scope == "header.stale" { scope } else { "header.ok" }),
        false => ("?".to_owned(), "header.warn"),
    };
    let (critical, warning) = (count(critical, "header.bad"), count(warning, "header.warn"));
    out.push(Part::same(
        99,
        vec![
            (format!("{}{}", p.glyph("critical"), critical.0), critical.1),
            (format!(" {}{}", p.glyph("warning"), warning.0), warning.1),
        ],
    ));

    let ready = match nodes {
        true if v.nodes_ready < v.nodes_all => (format!("{}/{}", v.nodes_ready, v.nodes_all), "header.bad"),
        true => (format!("{}/{}", v.nodes_ready, v.nodes_all), "header.ok"),
        false => ("?".into(), "header.warn"),
    };
    let named = |name: &str| vec![(format!("{name} "), "header"), ready.clone()];
    out.push(Part::new(80, named("nodes"), named("no")));

    let all = match pods {
        true => (v.pods_all.to_string(), "header"),
        false => ("?".into(), "header.warn"),
    };
    let named = |name: &str, unit: &str| {
        let mut text = vec![(format!("{name} "), "header"), all.clone()];
        if v.pods_sick > 0 {
            text.push((format!(" {}{}{unit}", p.glyph("up"), v.pods_sick), "header.bad"));
        }
        text
    };
    out.push(Part::new(90, named("pods", " sick"), named("po", "")));

    // GPUs that are lost must not take their figure with them.
    if v.gpus_meant > 0 {
        let lost = v.gpus_meant.saturating_sub(v.gpus_allocatable);
        let scope = if lost > 0 { "header.bad" } else { "header" };
        let mut text = vec![(format!("gpu {}/{}", v.gpus_requested, v.gpus_allocatable), scope)];
        if lost > 0 {
            text.push((format!(" {}{lost}", p.glyph("down")), scope));
        }
        let memory = |before: &str| {
            gpus::memory_percent(&model.data.world.readings)
                .map(|percent| (format!("{before}{percent}%"), "header"))
        };
        let with = |before: &str| text.iter().cloned().chain(memory(before)).collect();
        out.push(Part::new(if lost > 0 { 75 } else { 50 }, with(" mem "), with(" ")));
    }

    let restarts = v.proxy_restarts_15m(now);
    let scope = if restarts > 0 { "header.warn" } else { "header" };
    let named = |name: &str| vec![(format!("{name} {}{restarts}", p.glyph("restart")), scope)];
    out.push(Part::new(if restarts > 0 { 70 } else { 40 }, named("kube-proxy"), named("kp")));

    let warnings = v.warnings_a_minute(now);
    let named = |unit: &str| vec![(format!("warn {warnings}/{unit}"), "header")];
    out.push(Part::new(45, named("min"), named("m")));
    out
}
