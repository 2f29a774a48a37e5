//! Whether a command can do anything where the operator is, and why not: for the foot, `?`, the palette and the key.

use crate::app::core::model::{Model, View};
use crate::app::core::preferences;
use crate::app::table::usage;
use crate::app::views::document;
use crate::app::views::list::What;
use crate::app::views::logs;
use crate::app::views::text::Of;
use crate::config::commands::Id;
use crate::detect::Finding;
use crate::world::ObjectRef;

/// Where the operator is, looked at once for any number of commands.
pub struct Here<'m> {
    model: &'m Model,
    object: Option<ObjectRef>,
    finding: Option<&'m Finding>,
}

impl<'m> Here<'m> {
    pub fn of(model: &'m Model) -> Here<'m> {
        Here { model, object: model.selected(), finding: model.finding().map(|f| &**f) }
    }

    /// Why the command can do nothing here and now, as a sentence; `None` where it can.
    pub fn refusal(&self, id: Id) -> Option<String> {
        let model = self.model;
        let unless = |can: bool, why: &str| (!can).then(|| why.to_owned());
        match id {
            // These take what is marked, though nothing may be left under the cursor.
            Id::Act | Id::CopyName | Id::CopyNamespace
                if model.table().is_some_and(|t| !t.marks.is_empty()) =>
            {
                None
            }
            Id::Why | Id::Act | Id::Describe | Id::Yaml | Id::CopyName | Id::Mark | Id::MarkRange => {
                unless(self.object.is_some(), "There is no object under the cursor.")
            }
            Id::CopyNamespace | Id::Warp => {
                let namespaced = self.object.as_ref().is_some_and(|o| !o.namespace.is_empty());
                unless(namespaced, "What is under the cursor is in no namespace.")
            }
            Id::Logs | Id::LogsPrevious => self.of_object(|o| {
                let why = || format!("There are no logs of {o}: it has no pods.");
                (!logs::any(&model.data.world, o)).then(why)
            }),
            Id::Owner => self.of_object(|o| {
                let owned = model.data.world.meta(o).is_some_and(|m| m.owner.is_some());
                (!owned).then(|| format!("Nothing owns {o}."))
            }),
            Id::UsedBy => self.of_object(|o| {
                let why = || format!("Who uses is told of {}.", usage::USED.join(", "));
                (!usage::told_of(&o.kind)).then(why)
            }),
            Id::ShowNode => self.of_object(|o| {
                let pod = model.data.world.pods.find(&o.namespace, &o.name);
                let placed = pod.is_some_and(|p| !p.node.is_empty());
                (!placed).then(|| format!("No node runs {o} yet."))
            }),
            Id::Evidence => {
                unless(self.finding.is_some(), "Nothing is found wrong with what is under the cursor.")
            }
            Id::Acknowledge | Id::Mute => {
                unless(self.finding.is_some(), "There is no finding under the cursor.")
            }
            Id::Sick
            | Id::SortName
            | Id::SortAge
            | Id::SortStatus
            | Id::SortNamespace
            | Id::SortLeft
            | Id::SortRight
            | Id::SortColumn
            | Id::Wide => self.of_table(id),
            Id::MarkClear => unless(model.table().is_some_and(|t| !t.marks.is_empty()), "Nothing is marked."),
            Id::HistoryBack => unless(!model.views.is_empty(), "There is no view before this one."),
            Id::HistoryForward => unless(!model.forward.is_empty(), "There is no view after this one."),
            Id::HistoryLast => {
                unless(!(model.views.is_empty() && model.forward.is_empty()), "There is no other view yet.")
            }
            Id::FocusNext | Id::FocusPrevious | Id::Zoom => {
                unless(model.views.is_empty(), "That is for the overview's panes; esc leads back there.")
            }
            Id::Reveal => unless(!document::masked(model).is_empty(), "Nothing here is masked."),
            Id::ManagedFields => {
                let yaml = matches!(model.view(), View::Text(t) if t.of == Of::Yaml);
                unless(yaml, "That is for an object's YAML.")
            }
            Id::TextRefresh => {
                let fetched = matches!(model.view(), View::Text(t) if t.source.is_some());
                unless(fetched, "This text is not an object of the server.")
            }
            Id::ReadOnly => preferences::kept_read_only(model),
            _ => {
                let number = preferences::favourite_number(id)?;
                let named = preferences::favourites(model).count() > number;
                let why = || {
                    format!(
                        "There is no favourite {}: `namespaces` in config.toml names them, and those chosen follow.",
                        number + 1
                    )
                };
                (!named).then(why)
            }
        }
    }

    fn of_object(&self, refusal: impl FnOnce(&ObjectRef) -> Option<String>) -> Option<String> {
        match &self.object {
            Some(object) => refusal(object),
            None => Some("There is no object under the cursor.".into()),
        }
    }

    fn of_table(&self, id: Id) -> Option<String> {
        let Some(table) = self.model.table() else {
            let where_ = match self.model.list().map(|l| &l.what) {
                Some(What::Findings) => "Findings stand worst first.",
                _ => "This is not a table.",
            };
            return Some(where_.into());
        };
        let column = match id {
            Id::SortName => "NAME",
            Id::SortAge => "AGE",
            Id::SortStatus => "STATUS",
            Id::SortNamespace => "NAMESPACE",
            Id::SortColumn if table.sorted_by().is_none() => {
                return Some("No column is chosen; choose one with the keys beside this one.".into());
            }
            _ => return None,
        };
        let has = table.columns().iter().any(|c| c.is(column));
        (!has).then(|| format!("This table has no column {column}."))
    }
}
