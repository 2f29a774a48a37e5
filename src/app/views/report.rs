//! `:report`: the report of an incident as text, to read, copy or save.

use crate::app::core::content::Line;
use crate::app::core::model::Model;
use crate::app::core::notice::Tone;
use crate::app::core::stack;
use crate::app::views::cards::Entry;
use crate::app::views::incidents;
use crate::app::views::phases;
use crate::app::views::text::Reader;
use crate::detect::postmortem::{self, Report, Sources};
use crate::detect::timeline::Filter;
use crate::detect::{Incident, written};

/// The post-incident report of the incident under the cursor, else of the first there is, else of the last there was.
pub fn open(model: &mut Model) {
    show(model, "report", written::markdown);
}

/// The same incident as a change request.
pub fn change_request(model: &mut Model) {
    show(model, "change request", written::change_request);
}

fn show(model: &mut Model, what: &str, write: fn(&Report) -> String) {
    let Some(report) = made(model) else {
        model.say(Tone::Info, "No incident to report: there is none, and the timeline knows of none.");
        return;
    };
    let scope = |line: &str| match line.chars().next() {
        Some('#') => "title",
        Some('|' | '`') => "text.dim",
        _ => "text",
    };
    let text = write(&report);
    let lines = text.lines().map(|line| Line::of(line, scope(line))).collect();
    let title = format!("{what} {}: ctrl-s saves it", report.id);
    stack::push(model, Reader::new(Written, title, report.root, lines));
}

/// A report as text.
#[derive(Debug)]
struct Written;

fn made(model: &Model) -> Option<Report> {
    let all = Filter::default();
    let timeline: Vec<_> = model.data.timeline.entries(&all).cloned().collect();
    let done = postmortem::done_of_timeline(&timeline);
    let sources =
        Sources { cluster: &model.cluster.context, now: model.data.now, timeline: &timeline, done: &done };
    match chosen(model) {
        Some(incident) => Some(phases::report(model, incident)),
        None => {
            let ids = postmortem::remembered(&timeline);
            ids.iter().find_map(|id| postmortem::of_timeline(id, &sources))
        }
    }
}

/// The incident under the cursor, that of the object there, or the first of all.
fn chosen(model: &Model) -> Option<&Incident> {
    if let Some(Entry::Incident(incident)) = incidents::here(model) {
        return Some(incident);
    }
    let detector = &model.data.detector;
    let own = model.finding().and_then(|f| detector.incident_of(&f.key));
    own.or_else(|| detector.incidents().first())
}
