//! When commands can do anything where the operator is, and why not. The registry's rows name these checks.

use crate::app::core::configure;
use crate::app::core::model::Model;
use crate::app::core::namespaces;
use crate::app::table::usage;
use crate::config::Scope;
use crate::detect::Finding;
use crate::world::ObjectRef;

/// Where the operator is, looked at once for any number of commands.
pub struct Here<'m> {
    pub(in crate::app) model: &'m Model,
    object: Option<ObjectRef>,
    finding: Option<&'m Finding>,
}

impl<'m> Here<'m> {
    pub fn of(model: &'m Model) -> Here<'m> {
        Here { model, object: model.selected(), finding: model.finding().map(|f| &**f) }
    }

    pub(in crate::app) fn object(&self) -> Option<String> {
        unless(self.object.is_some(), "There is no object under the cursor.")
    }

    /// What is marked, though nothing may be left under the cursor; else the object there.
    pub(in crate::app) fn targets(&self) -> Option<String> {
        if self.any_marked() { None } else { self.object() }
    }

    pub(in crate::app) fn namespaced_targets(&self) -> Option<String> {
        if self.any_marked() { None } else { self.namespaced() }
    }

    pub(in crate::app) fn namespaced(&self) -> Option<String> {
        let namespaced = self.object.as_ref().is_some_and(|o| !o.namespace.is_empty());
        unless(namespaced, "What is under the cursor is in no namespace.")
    }

    pub(in crate::app) fn owned(&self) -> Option<String> {
        self.of_object(|o| {
            let owned = self.model.data.world.meta(o).is_some_and(|m| m.owner.is_some());
            (!owned).then(|| format!("Nothing owns {o}."))
        })
    }

    pub(in crate::app) fn usable(&self) -> Option<String> {
        self.of_object(|o| {
            let why = || format!("'Used by' works on {}.", usage::USED.join(", "));
            (!usage::told_of(&o.kind)).then(why)
        })
    }

    pub(in crate::app) fn rolled(&self) -> Option<String> {
        self.of_object(|o| {
            let rolled = self.model.data.world.rolled_by(o).is_some();
            (!rolled).then(|| format!("No Deployment, StatefulSet or DaemonSet rolls {o} out."))
        })
    }

    pub(in crate::app) fn placed(&self) -> Option<String> {
        self.of_object(|o| {
            let pod = self.model.data.world.pods.find(&o.namespace, &o.name);
            let placed = pod.is_some_and(|p| !p.node.is_empty());
            (!placed).then(|| format!("No node runs {o} yet."))
        })
    }

    pub(in crate::app) fn proof(&self) -> Option<String> {
        unless(self.finding.is_some(), "Nothing is found wrong with what is under the cursor.")
    }

    pub(in crate::app) fn finding(&self) -> Option<String> {
        unless(self.finding.is_some(), "There is no finding under the cursor.")
    }

    pub(in crate::app) fn marks(&self) -> Option<String> {
        unless(self.any_marked(), "Nothing is marked.")
    }

    fn any_marked(&self) -> bool {
        self.model.table().is_some_and(|t| !t.marks.is_empty())
    }

    pub(in crate::app) fn earlier_view(&self) -> Option<String> {
        unless(!self.model.views.is_empty(), "There is no view before this one.")
    }

    pub(in crate::app) fn later_view(&self) -> Option<String> {
        unless(!self.model.forward.is_empty(), "There is no view after this one.")
    }

    pub(in crate::app) fn other_view(&self) -> Option<String> {
        let none = self.model.views.is_empty() && self.model.forward.is_empty();
        unless(!none, "There is no other view yet.")
    }

    pub(in crate::app) fn panes(&self) -> Option<String> {
        unless(self.model.views.is_empty(), "That is for the overview's panes; esc leads back there.")
    }

    pub(in crate::app) fn arrangement(&self) -> Option<String> {
        unless(self.model.views.is_empty(), "Panes are arranged in the overview.")
    }

    pub(in crate::app) fn unlocked(&self) -> Option<String> {
        configure::locked_read_only(self.model)
    }

    /// A favourite of this number, from 0. In a decision tree the number is an answer.
    pub(in crate::app) fn favourite(&self, number: usize) -> Option<String> {
        let answers = self.model.front().scope() == Scope::Tree;
        let named = answers || namespaces::favourites(self.model).count() > number;
        let why = || {
            format!(
                "There is no favourite {}: `namespaces` in config.toml names them, and those chosen follow.",
                number + 1
            )
        };
        (!named).then(why)
    }

    pub(in crate::app) fn table(&self) -> Option<String> {
        if self.model.table().is_some() {
            return None;
        }
        Some(self.model.front().unsorted().to_owned())
    }

    /// A table with a column of this name.
    pub(in crate::app) fn column(&self, name: &str) -> Option<String> {
        let Some(table) = self.model.table() else { return self.table() };
        let has = table.columns().iter().any(|c| c.is(name));
        (!has).then(|| format!("This table has no column {name}."))
    }

    /// A table that is sorted by a column the operator chose.
    pub(in crate::app) fn chosen_column(&self) -> Option<String> {
        let Some(table) = self.model.table() else { return self.table() };
        unless(table.sorted_by().is_some(), "No column is chosen; choose one with the keys beside this one.")
    }

    pub(in crate::app) fn of_object(
        &self,
        refusal: impl FnOnce(&ObjectRef) -> Option<String>,
    ) -> Option<String> {
        match &self.object {
            Some(object) => refusal(object),
            None => Some("There is no object under the cursor.".into()),
        }
    }
}

pub(in crate::app) fn unless(can: bool, why: &str) -> Option<String> {
    (!can).then(|| why.to_owned())
}
