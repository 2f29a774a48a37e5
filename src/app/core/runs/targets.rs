//! What an action is to be done to: one object, or all that is marked.

use std::fmt;

use crate::app::table::cx::Cx;
use crate::app::table::{self, Table};
use crate::world::ObjectRef;

/// Marked objects an action takes at once. More is work for a script that somebody has read.
const MOST: usize = 200;

/// What an action is to be done to.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    pub objects: Vec<ObjectRef>,
    /// What was marked and is there no more, and what became of it.
    pub gone: Vec<(ObjectRef, &'static str)>,
}

impl From<ObjectRef> for Targets {
    fn from(object: ObjectRef) -> Targets {
        Targets { objects: vec![object], gone: Vec::new() }
    }
}

impl fmt::Display for Targets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.objects.as_slice() {
            [one] => one.fmt(f),
            many => counted(many).fmt(f),
        }
    }
}

impl Targets {
    /// What is marked in the table that keys act on, with words for how much that is; `None` without marks.
    ///
    /// # Errors
    /// Why nothing can be done to it.
    pub fn marked(table: Option<&Table>, cx: &Cx<'_>) -> Option<Result<(String, Targets), String>> {
        let table = table.filter(|t| !t.marks.is_empty())?;
        let mut targets = Targets { objects: table.marks.keys().cloned().collect(), gone: Vec::new() };
        let marked = counted(&targets.objects);
        if targets.objects.len() > MOST {
            return Some(Err(format!("{marked} are marked; an action takes {MOST} at once. Mark fewer.")));
        }
        targets.part(Some(table), cx);
        if targets.objects.is_empty() {
            return Some(Err(format!("{marked} marked, and none of it is there any more.")));
        }
        let mut of = match targets.alone() {
            Some(object) => format!("{object}, marked"),
            None => format!("{marked} marked"),
        };
        let (hidden, gone) = table.unseen_marks(cx);
        for (n, what) in [(hidden, "hidden"), (gone, "gone")] {
            if n > 0 {
                of.push_str(&format!(", {n} {what}"));
            }
        }
        Some(Ok((of, targets)))
    }

    /// Sets apart what vanished since it was marked, though another object may have its name.
    pub fn part(&mut self, table: Option<&Table>, cx: &Cx<'_>) {
        let Some(table) = table else { return };
        let is_gone = |o: &ObjectRef| table.marks.get(o).is_some_and(|uid| table::vanished(cx, o, uid));
        for object in self.objects.extract_if(.., |o| is_gone(o)) {
            let why = match cx.world.meta(&object) {
                Some(_) => "gone: another has its name by now",
                None => "gone since it was marked",
            };
            self.gone.push((object, why));
        }
    }

    /// The object, where there is one and nothing to say of others.
    pub fn alone(&self) -> Option<&ObjectRef> {
        match self.objects.as_slice() {
            [one] if self.gone.is_empty() => Some(one),
            _ => None,
        }
    }
}

/// So many of these, in words: `7 pods`.
pub(super) fn counted(of: &[ObjectRef]) -> String {
    let Some(first) = of.first().map(|o| &o.kind) else { return "nothing".to_owned() };
    let noun = match first.plural() {
        _ if of.len() == 1 => first.name().to_ascii_lowercase(),
        plural if !plural.is_empty() && of.iter().all(|o| o.kind == *first) => plural.to_owned(),
        _ if of.iter().all(|o| o.kind.workload()) => "workloads".to_owned(),
        _ => "objects".to_owned(),
    };
    format!("{} {noun}", of.len())
}
