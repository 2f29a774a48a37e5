//! `:checklists`: what to go through before and after, with what the cluster answers.

use crate::app::core::content::Line;
use crate::app::core::model::Model;
use crate::app::core::stack;
use crate::app::views::text::Reader;
use crate::detect::Severity;
use crate::playbook::checklist::{Checklist, Facts};
use crate::world::Kind;

/// The checklists as text.
#[derive(Debug)]
struct Checklists;

/// Opens all checklists. Items about a workload are answered for the one under the cursor.
pub fn open(model: &mut Model) {
    let here = model.front().object(model);
    let workload = here.filter(|o| matches!(o.kind, Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet));
    let critical = model.data.detector.findings().iter().filter(|f| f.severity == Severity::Critical);
    let critical: Vec<String> = critical.map(|f| f.title.clone()).collect();
    let facts = Facts::of(&model.data.world, workload.as_ref(), &critical, model.data.now);
    let text = Checklist::all().map(|list| list.render(&facts)).collect::<Vec<_>>().join("\n");
    let lines = text.lines().map(|line| Line::of(line, scope(line))).collect();
    stack::push(model, Reader::new(Checklists, "checklists: ctrl-s saves them", workload, lines));
}

/// The style of a line: by its mark, or an answer's text.
fn scope(line: &str) -> &'static str {
    match line.get(..3) {
        Some("[x]") => "status.ok",
        Some("[!]") => "status.bad",
        Some("[?]") => "status.pending",
        Some("   ") => "text.dim",
        _ if line.starts_with('#') => "title",
        _ => "text",
    }
}
