//! The whole state of the cockpit, as plain data. Only `update` changes it, and only the main task calls that.

use std::any::Any;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use crate::app::core::catalogue::Catalogue;
pub use crate::app::core::cluster::Cluster;
pub use crate::app::core::data::Data;
pub use crate::app::core::dialog::Dialog;
pub use crate::app::core::notice::{Dirty, Message, Tone};
use crate::app::core::overview::Overview;
pub use crate::app::core::pane::Pane;
use crate::app::core::preferences::Preferences;
use crate::app::core::runs::active::ActiveRun;
use crate::app::core::runs::batch::Batch;
use crate::app::core::runs::forwards::Forwarded;
use crate::app::core::typed::Prompt;
use crate::app::core::view::View;
use crate::app::table::Table;
use crate::app::table::cx::Cx;
use crate::config::{Keymap, Scope, Theme};
use crate::detect::Finding;
use crate::detect::timeline::Entry;
use crate::playbook::library::{Library, Shelf};
use crate::world::{Clock, ObjectRef, Text, Time};

#[derive(Debug)]
pub struct Model {
    pub clock: Clock,
    pub data: Data,
    pub cluster: Cluster,
    /// The kubeconfig's contexts, for `:ctx`: name and server.
    pub contexts: Vec<(String, String)>,
    pub size: (u16, u16),
    pub overview: Overview,
    /// The views over the overview; `esc` goes back to the one below.
    pub views: Vec<Box<dyn View>>,
    /// Views `[` went back from, for `]`.
    pub forward: Vec<Box<dyn View>>,
    pub prompt: Option<Prompt>,
    pub dialog: Option<Dialog>,
    pub runs: Vec<ActiveRun>,
    /// Actions on many objects, each with its own runs.
    pub batches: Vec<Batch>,
    /// Local ports that are open, oldest first.
    pub forwards: Vec<Forwarded>,
    pub next_id: u64,
    /// Entries of the timeline not yet handed to its file.
    pub unsaved: Vec<Entry>,
    /// Findings that were still true when an earlier session ended: object and family.
    pub open: HashSet<(Option<ObjectRef>, String)>,
    /// The decision trees.
    pub library: Arc<Shelf>,
    pub message: Option<Message>,
    /// When a key was last pressed.
    pub last_key: Option<Time>,
    pub namespaces: BTreeSet<Text>,
    /// An object asked for before its kind was listed.
    pub sought: Option<ObjectRef>,
    /// Namespaces that were chosen alone, in the order of the first time.
    pub chosen: Vec<Text>,
    /// The namespaces that the watches were last told of.
    pub wanted: BTreeSet<Text>,
    /// Which kinds the server serves.
    pub served: Catalogue,
    pub keymap: Keymap,
    pub theme: Theme,
    pub prefs: Preferences,
    pub header: bool,
    /// Text and logs have the whole screen.
    pub full: bool,
    pub dirty: Dirty,
    pub quitting: bool,
    /// The dialog is on the screen with its question and buttons, as of the last frame. Only then it takes keys.
    pub dialog_shown: bool,
    /// The cockpit ends as soon as no action is under way any more.
    pub leaving: bool,
}

impl Model {
    /// A model that knows nothing of the cluster yet. The overview brings its panes.
    pub(in crate::app) fn with_overview(
        clock: Clock,
        keymap: Keymap,
        theme: Theme,
        overview: Overview,
    ) -> Model {
        let data = Data { now: clock.now(), ..Data::default() };
        Model {
            clock,
            data,
            cluster: Cluster::default(),
            contexts: Vec::new(),
            size: (0, 0),
            overview,
            views: Vec::new(),
            forward: Vec::new(),
            prompt: None,
            dialog: None,
            runs: Vec::new(),
            batches: Vec::new(),
            forwards: Vec::new(),
            next_id: 0,
            unsaved: Vec::new(),
            open: HashSet::new(),
            library: Library::shelf(),
            message: None,
            last_key: None,
            namespaces: BTreeSet::new(),
            sought: None,
            chosen: Vec::new(),
            wanted: BTreeSet::new(),
            served: Catalogue::default(),
            keymap,
            theme,
            prefs: Preferences::default(),
            header: true,
            full: false,
            dirty: Dirty::Input,
            quitting: false,
            dialog_shown: false,
            leaving: false,
        }
    }

    /// A number that tells a call, a view or a run from all others.
    pub(in crate::app) fn token(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// The view that keys act on: the one on top, else the overview's pane that has the focus.
    pub fn front(&self) -> &dyn View {
        match self.views.last() {
            Some(view) => &**view,
            None => self.overview.focused(),
        }
    }

    pub fn front_mut(&mut self) -> &mut dyn View {
        match self.views.last_mut() {
            Some(view) => &mut **view,
            None => self.overview.focused_mut(),
        }
    }

    /// The view on top, where it is of this type.
    pub fn top<V: View>(&self) -> Option<&V> {
        (&**self.views.last()? as &dyn Any).downcast_ref()
    }

    pub fn top_mut<V: View>(&mut self) -> Option<&mut V> {
        (&mut **self.views.last_mut()? as &mut dyn Any).downcast_mut()
    }

    /// Every view of this type, also those below the one on top.
    pub fn all_mut<V: View>(&mut self) -> impl Iterator<Item = &mut V> {
        of_type(&mut self.views)
    }

    /// Changes the view that keys act on, which may read the rest of the model meanwhile.
    pub fn with_front<T>(&mut self, change: impl FnOnce(&mut dyn View, &Model) -> T) -> T {
        match self.views.pop() {
            Some(mut view) => {
                let out = change(&mut *view, self);
                self.views.push(view);
                out
            }
            None => self.with_pane(self.overview.focus, change),
        }
    }

    /// The same with a pane of the overview.
    pub fn with_pane<T>(&mut self, pane: Pane, change: impl FnOnce(&mut dyn View, &Model) -> T) -> T {
        let mut panes = std::mem::take(&mut self.overview.panes);
        let out = change(&mut *panes[pane as usize], self);
        self.overview.panes = panes;
        out
    }

    /// The table keys act on, where the view or focused pane is one.
    pub fn table(&self) -> Option<&Table> {
        self.front().table()
    }

    /// The table in front, with the data that its rows are made from.
    pub fn table_mut(&mut self) -> Option<(&mut Table, Cx<'_>)> {
        let Model { views, overview, data, .. } = self;
        let front = match views.last_mut() {
            Some(view) => &mut **view,
            None => overview.focused_mut(),
        };
        Some((front.table_mut()?, data.cx()))
    }

    /// The finding under the cursor: a card's own, that of a proof, else that of the row's object.
    pub fn finding(&self) -> Option<&Arc<Finding>> {
        self.front().finding(self)
    }

    /// The object under the cursor.
    pub fn selected(&self) -> Option<ObjectRef> {
        self.front().object(self)
    }

    /// The marked objects; without any, the one under the cursor.
    pub fn marked(&self) -> Vec<ObjectRef> {
        match self.table() {
            Some(table) if !table.marks.is_empty() => table.marks.keys().cloned().collect(),
            _ => self.selected().into_iter().collect(),
        }
    }

    /// Where keys are looked up now.
    pub fn scope(&self) -> Scope {
        if self.prompt.is_some() {
            return Scope::Prompt;
        }
        match &self.dialog {
            Some(Dialog::Menu(_) | Dialog::Leave(_)) => Scope::Actions,
            Some(Dialog::Plan(_) | Dialog::Batch(_) | Dialog::OtherCluster(_)) => Scope::Dialog,
            None => self.front().scope(),
        }
    }

    /// The views that are in sight: the one on top, else all panes of the overview.
    pub fn in_sight(&self) -> impl Iterator<Item = &dyn View> {
        let panes = self.views.is_empty().then(|| self.overview.views());
        self.views.last().map(|v| &**v).into_iter().chain(panes.into_iter().flatten())
    }

    pub fn in_sight_mut(&mut self) -> (Vec<&mut dyn View>, Cx<'_>) {
        let Model { views, overview, data, .. } = self;
        let views = match views.last_mut() {
            Some(view) => vec![&mut **view],
            None => overview.views_mut().collect(),
        };
        (views, data.cx())
    }

    /// Whether a table in sight is still being made: the main task gives it a portion between keys and frames.
    pub fn at_work(&self) -> bool {
        self.in_sight().filter_map(View::table).any(Table::at_work)
    }

    pub fn say(&mut self, tone: Tone, text: impl Into<String>) {
        self.message = Some(Message { text: text.into(), tone, at: self.data.now });
        self.dirty = Dirty::Input;
    }
}

/// The views of this type among some.
pub(in crate::app) fn of_type<V: View>(views: &mut [Box<dyn View>]) -> impl Iterator<Item = &mut V> {
    views.iter_mut().filter_map(|v| (&mut **v as &mut dyn Any).downcast_mut())
}
