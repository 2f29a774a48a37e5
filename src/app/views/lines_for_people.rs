//! A page for what khud must not do itself, with the names of the tree's object filled in.

use crate::app::core::content::Line;
use crate::app::core::model::Model;
use crate::app::core::stack;
use crate::app::views::text::Reader;
use crate::app::views::why::WhyView;
use crate::playbook::pages::{Names, Page};
use crate::term::clean::wrap;
use crate::world::Kind;

/// How far lines to copy are indented.
const COPIED: &str = "       ";

/// The page that a reader shows.
#[derive(Debug)]
pub struct LinesForPeople;

/// Opens the page of this number of the tree in front.
pub fn open(model: &mut Model, number: usize) {
    let Some(why) = model.top::<WhyView>() else { return };
    let (Some(id), Some(verdict)) = (why.pages().get(number), why.walk.verdict()) else { return };
    let Some(page) = Page::find(id) else { return };
    let shown = &why.walk.object;
    let world = &model.data.world;
    let pod = world.pods.find(&shown.namespace, &shown.name).filter(|_| shown.kind == Kind::Pod);
    let node = match (&shown.kind, &verdict.object.kind, pod) {
        (Kind::Node, ..) => Some(shown.name.to_string()),
        (_, Kind::Node, _) => Some(verdict.object.name.to_string()),
        (_, _, Some(pod)) => Some(pod.node.to_string()),
        _ => None,
    };
    let names = Names {
        node: node.filter(|n| !n.is_empty()),
        namespace: Some(shown.namespace.to_string()).filter(|n| !n.is_empty()),
        pod: pod.map(|p| p.meta.name.to_string()),
        container: verdict.container.as_ref().map(ToString::to_string),
        kubectl: model.cluster.kubectl.clone(),
        by: Vec::new(),
    };
    let text = page.render(&names);
    let columns = why.room.0.max(40);
    let lines = text.lines().flat_map(|l| drawn(l, columns)).collect();
    let title = format!("page {}", page.id);
    let reader = Reader::new(LinesForPeople, title, Some(shown.clone()), lines);
    stack::push(model, reader);
}

/// Lines to copy stay whole, because half a line is another command; all else is wrapped.
fn drawn(line: &str, columns: usize) -> Vec<Line> {
    if line.starts_with(COPIED) {
        return vec![Line::of(line, "key")];
    }
    let indent = line.len() - line.trim_start().len();
    let wrapped = wrap(line.trim_start(), columns.saturating_sub(indent + 1));
    wrapped.into_iter().map(|l| Line::of(format!("{}{l}", " ".repeat(indent)), "text")).collect()
}
