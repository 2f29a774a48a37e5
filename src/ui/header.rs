//! The top line: which cluster, how fresh, and the numbers one looks at first.

use ratatui::layout::Rect;

use super::paint::Painter;
use crate::app::model::Model;
use crate::world::StreamState;
use crate::world::time::human;

/// How fresh the whole picture is: the worst state of any stream, in a word.
fn freshness(model: &Model) -> (&'static str, String, &'static str) {
    let now = model.data.now;
    let streams = model.data.world.streams.values();
    let mut word = ("live", "live".to_owned(), "header.ok");
    let mut worst = 0;
    let mut any = false;
    for s in streams {
        any = true;
        let (rank, what) = match &s.state {
            StreamState::Live | StreamState::Unsupported { .. } => (0, None),
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
    if any { word } else { ("pending", "connecting".into(), "header.warn") }
}

pub fn draw(p: &mut Painter<'_>, model: &Model, area: Rect) {
    p.tint(area, "header");
    let (v, now) = (&model.data.vitals, model.data.now);
    let mut x = area.x + 1;
    let end = area.right();
    let mut put = |p: &mut Painter<'_>, text: &str, scope: &str| {
        if x < end {
            x += p.put(x, area.y, end - x, text, scope);
        }
    };
    let bar = format!(" {} ", p.glyph("separator"));
    if model.prefs.settings.production {
        put(p, &format!(" {} {} ", p.glyph("production"), model.cluster.context), "header.production");
    } else {
        put(p, &model.cluster.context, "header");
    }
    if model.cluster.read_only {
        put(p, &format!(" {} read-only", p.glyph("read-only")), "header.read-only");
    }
    let (sign, text, scope) = freshness(model);
    put(p, &format!(" {} {text}", p.glyph(sign)), scope);

    let (critical, warning) = model.finding_counts();
    put(p, &bar, "frame");
    let scope = if critical > 0 { "header.bad" } else { "header.ok" };
    put(p, &format!("{}{critical}", p.glyph("critical")), scope);
    let scope = if warning > 0 { "header.warn" } else { "header.ok" };
    put(p, &format!(" {}{warning}", p.glyph("warning")), scope);

    put(p, &bar, "frame");
    put(p, "nodes ", "header");
    let scope = if v.nodes_ready < v.nodes_all { "header.bad" } else { "header.ok" };
    put(p, &format!("{}/{}", v.nodes_ready, v.nodes_all), scope);

    put(p, &bar, "frame");
    put(p, &format!("pods {}", v.pods_all), "header");
    if v.pods_sick > 0 {
        put(p, &format!(" {}{} sick", p.glyph("up"), v.pods_sick), "header.bad");
    }

    if v.gpus_capacity > 0 {
        put(p, &bar, "frame");
        let scope = if v.gpus_allocatable < v.gpus_capacity { "header.bad" } else { "header" };
        put(p, &format!("gpu {}/{}", v.gpus_requested, v.gpus_allocatable), scope);
        if let Some(percent) = model.gpu_memory_percent() {
            put(p, &format!(" mem {percent}%"), "header");
        }
    }

    put(p, &bar, "frame");
    let restarts = v.proxy_restarts_15m(now);
    let scope = if restarts > 0 { "header.warn" } else { "header" };
    put(p, &format!("kube-proxy {}{restarts}", p.glyph("restart")), scope);

    put(p, &bar, "frame");
    put(p, &format!("warn {}/min", v.warnings_a_minute(now)), "header");

    if !model.namespaces.is_empty() {
        put(p, &bar, "frame");
        let names: Vec<&str> = model.namespaces.iter().map(|n| &**n).collect();
        put(p, &format!("ns {}", names.join(",")), "header.warn");
    }
}
