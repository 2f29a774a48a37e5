//! The phases of an incident as bars over time: since when it was there, found, acknowledged, acted on, mitigated.

use crate::app::core::content::Line;
use crate::app::core::model::Model;
use crate::app::table::picture;
use crate::detect::Incident;
use crate::detect::postmortem::{self, Phases, Report, Sources};
use crate::detect::timeline::Filter;
use crate::world::Time;
use crate::world::time::human;

/// Columns of a phase's name, and of its bar.
const NAME: usize = 13;
const BAR: usize = 24;

/// The report of an incident that is there, made from the timeline of this model.
pub fn report(model: &Model, incident: &Incident) -> Report {
    let all = Filter::default();
    let timeline: Vec<_> = model.data.timeline.entries(&all).cloned().collect();
    let done = postmortem::done_of_timeline(&timeline);
    let sources =
        Sources { cluster: &model.cluster.context, now: model.data.now, timeline: &timeline, done: &done };
    let detector = &model.data.detector;
    let objects = postmortem::objects(detector, incident);
    postmortem::of_incident(incident, detector.findings(), &objects, &sources)
}

/// A line for each phase that was reached.
pub fn lines(model: &Model, phases: &Phases) -> Vec<Line> {
    let end = phases.resolved.unwrap_or(model.data.now);
    let reached = [
        ("found", phases.found),
        ("acknowledged", phases.acknowledged),
        ("acted on", phases.acted),
        ("mitigated", phases.mitigated),
        ("resolved", phases.resolved),
    ];
    let lasted = human(phases.began.age(end));
    let mut out = vec![line(model, phases, "there", phases.began, end, &format!("for {lasted}"))];
    for (name, at) in reached.into_iter().filter_map(|(name, at)| Some((name, at?))) {
        out.push(line(model, phases, name, at, end, &format!("after {}", human(phases.began.age(at)))));
    }
    let missing: Vec<&str> =
        [("acknowledged", phases.acknowledged), ("acted on", phases.acted), ("mitigated", phases.mitigated)]
            .into_iter()
            .filter_map(|(name, at)| at.is_none().then_some(name))
            .collect();
    if phases.resolved.is_none() && !missing.is_empty() {
        out.push(Line::of(format!("{:NAME$}{}", "not yet", missing.join(", ")), "text.dim"));
    }
    out
}

/// A phase as a bar from its beginning to the end of all.
fn line(model: &Model, phases: &Phases, name: &str, from: Time, end: Time, says: &str) -> Line {
    let all = (end.0 - phases.began.0).max(1);
    let before = (from.0 - phases.began.0).clamp(0, all);
    let empty = usize::try_from(before * BAR as i64 / all).unwrap_or(0).min(BAR - 1);
    let theme = &model.theme;
    let bar = format!(
        "{}{}",
        theme.glyph("bar.empty").repeat(empty),
        picture::bar(theme.spark(), theme.glyph("bar.empty"), 1000, BAR - empty)
    );
    Line(vec![(format!("{name:NAME$}"), "text.dim"), (bar, "timeline.change"), (format!("  {says}"), "text")])
}
