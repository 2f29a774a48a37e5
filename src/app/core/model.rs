//! The whole state of the cockpit, as plain data. Only `update` changes it, and only the main task calls that.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

pub use crate::app::core::cluster::Cluster;
pub use crate::app::core::overview::{Overview, Pane};
use crate::app::core::preferences::Preferences;
use crate::app::core::served::Catalogue;
pub use crate::app::core::typed::{Asks, Prompt, PromptKind, Suggestion};
use crate::app::dialogs::batch::Batch;
use crate::app::dialogs::leave::Leave;
use crate::app::dialogs::menu::Menu;
use crate::app::dialogs::runs::{self, ActiveRun};
use crate::app::table::Table;
use crate::app::table::cx::{Cause, Cx};
use crate::app::table::events::Aggregates;
use crate::app::table::vitals::Vitals;
use crate::app::views::arrange;
use crate::app::views::incidents;
use crate::app::views::list::{self, List};
use crate::app::views::logs::{self, LogView};
use crate::app::views::text::TextView;
use crate::app::views::why::WhyView;
use crate::config::commands::Scope;
use crate::config::{Keymap, Theme};
use crate::detect::timeline::{Entry, Timeline};
use crate::detect::{Detector, Finding, Key};
use crate::playbook::library::{Library, Shelf};
use crate::telemetry::Schedule;
use crate::world::{Clock, Kind, ObjectRef, Text, Time, World};

/// How long a message stays on the foot line; an error stays twice as long.
const MESSAGE: Duration = Duration::from_secs(8);
/// How long after a key somebody is taken to look at the screen.
const PRESENT: Duration = Duration::from_secs(30);

/// What is known of the cluster and derived from it.
#[derive(Debug, Default)]
pub struct Data {
    pub world: World,
    pub detector: Detector,
    /// When each telemetry source is read.
    pub telemetry: Schedule,
    pub timeline: Timeline,
    /// The rows each finding put its cause on.
    pub carried: HashMap<Key, BTreeSet<ObjectRef>>,
    pub causes: HashMap<ObjectRef, Cause>,
    pub events: Aggregates,
    pub vitals: Vitals,
    /// All lists that explain one another have answered: what is found now holds.
    pub settled: bool,
    pub now: Time,
}

impl Data {
    pub fn cx(&self) -> Cx<'_> {
        Cx {
            world: &self.world,
            causes: &self.causes,
            events: &self.events,
            vitals: &self.vitals,
            now: self.now,
        }
    }
}

/// A screen. They stack: `esc` goes back to the one below.
#[derive(Debug)]
pub enum View {
    Overview,
    Table(Box<Table>),
    List(Box<List>),
    Text(Box<TextView>),
    Why(Box<WhyView>),
    Logs(Box<LogView>),
}

/// A box over the view that takes the keys.
#[derive(Clone, Debug)]
pub enum Dialog {
    Menu(Menu),
    /// The plan and progress of a run.
    Plan(u64),
    /// The same of one action on many objects.
    Batch(u64),
    /// Another cluster answers at this address: is that right?
    OtherCluster(runs::Form),
    /// What becomes of the actions under way when the cockpit is left.
    Leave(Leave),
}

impl PartialEq for Dialog {
    /// Two dialogs are the same where they show the same run, or the same many.
    fn eq(&self, other: &Dialog) -> bool {
        matches!(
            (self, other),
            (Dialog::Plan(a), Dialog::Plan(b)) | (Dialog::Batch(a), Dialog::Batch(b)) if a == b
        )
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Info,
    Good,
    Bad,
}

/// The line at the foot that says what just happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub text: String,
    pub tone: Tone,
    pub at: Time,
}

impl Message {
    /// Whether it was there long enough to be read.
    pub fn over(&self, now: Time) -> bool {
        self.at.plus(MESSAGE) <= now
    }

    /// When it goes by itself: an error only where somebody pressed a key shortly before it came or since, so that
    /// there is someone to read it.
    pub fn goes(&self, last_key: Option<Time>) -> Option<Time> {
        let seen = self.tone != Tone::Bad || last_key.is_some_and(|key| key.plus(PRESENT) >= self.at);
        let shown = if self.tone == Tone::Bad { MESSAGE * 2 } else { MESSAGE };
        seen.then(|| {
            last_key.filter(|_| self.tone == Tone::Bad).map_or(self.at, |key| key.max(self.at)).plus(shown)
        })
    }
}

/// Why a frame is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Dirty {
    #[default]
    No,
    /// Data on the screen changed.
    Data,
    /// The operator did something.
    Input,
}

#[derive(Debug)]
pub struct Model {
    pub clock: Clock,
    pub data: Data,
    pub cluster: Cluster,
    /// The kubeconfig's contexts, for `:ctx`: name and server.
    pub contexts: Vec<(String, String)>,
    pub size: (u16, u16),
    pub overview: Overview,
    pub views: Vec<View>,
    /// Views `[` went back from, for `]`.
    pub forward: Vec<View>,
    pub prompt: Option<Prompt>,
    pub dialog: Option<Dialog>,
    pub runs: Vec<ActiveRun>,
    /// Actions on many objects, each with its own runs.
    pub batches: Vec<Batch>,
    pub next_id: u64,
    /// Entries of the timeline not yet handed to its file.
    pub keep: Vec<Entry>,
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
    /// Those the watches were last told of.
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
    pub fn new(clock: Clock, keymap: Keymap, theme: Theme) -> Model {
        let data = Data { now: clock.now(), ..Data::default() };
        Model {
            clock,
            data,
            cluster: Cluster::default(),
            contexts: Vec::new(),
            size: (0, 0),
            overview: Overview::default(),
            views: Vec::new(),
            forward: Vec::new(),
            prompt: None,
            dialog: None,
            runs: Vec::new(),
            batches: Vec::new(),
            next_id: 0,
            keep: Vec::new(),
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

    pub fn view(&self) -> &View {
        self.views.last().unwrap_or(&View::Overview)
    }

    /// The table keys act on, where the view or focused pane is one.
    pub fn table(&self) -> Option<&Table> {
        match self.view() {
            View::Table(t) => Some(t),
            View::Overview => match self.overview.focus {
                Pane::Pods => Some(&self.overview.pods),
                Pane::Nodes => Some(&self.overview.nodes),
                Pane::Events => Some(&self.overview.events),
                Pane::KubeProxy => Some(&self.overview.proxies),
                Pane::Findings | Pane::Gpus => None,
            },
            View::List(_) | View::Text(_) | View::Why(_) | View::Logs(_) => None,
        }
    }

    /// That table with the data its rows are made from.
    pub fn table_mut(&mut self) -> Option<(&mut Table, Cx<'_>)> {
        let Model { views, overview, data, .. } = self;
        let table = match views.last_mut() {
            Some(View::Table(t)) => &mut **t,
            None | Some(View::Overview) => match overview.focus {
                Pane::Pods => &mut overview.pods,
                Pane::Nodes => &mut overview.nodes,
                Pane::Events => &mut overview.events,
                Pane::KubeProxy => &mut overview.proxies,
                Pane::Findings | Pane::Gpus => return None,
            },
            Some(View::List(_) | View::Text(_) | View::Why(_) | View::Logs(_)) => return None,
        };
        Some((table, data.cx()))
    }

    /// The list keys act on, where the view or focused pane is one.
    pub fn list(&self) -> Option<&List> {
        match self.view() {
            View::List(l) => Some(l),
            View::Overview => match self.overview.focus {
                Pane::Findings => Some(&self.overview.findings),
                Pane::Gpus => Some(&self.overview.gpus),
                _ => None,
            },
            View::Table(_) | View::Text(_) | View::Why(_) | View::Logs(_) => None,
        }
    }

    pub fn list_mut(&mut self) -> Option<&mut List> {
        match self.views.last_mut() {
            Some(View::List(l)) => Some(l),
            None | Some(View::Overview) => match self.overview.focus {
                Pane::Findings => Some(&mut self.overview.findings),
                Pane::Gpus => Some(&mut self.overview.gpus),
                _ => None,
            },
            Some(View::Table(_) | View::Text(_) | View::Why(_) | View::Logs(_)) => None,
        }
    }

    pub fn text_mut(&mut self) -> Option<&mut TextView> {
        match self.views.last_mut() {
            Some(View::Text(t)) => Some(t),
            _ => None,
        }
    }

    /// The finding under the cursor: a card's own, that of a proof, else that of the row's object.
    pub fn finding(&self) -> Option<&Arc<Finding>> {
        let detector = &self.data.detector;
        match self.list() {
            Some(l) if l.what.cards() => incidents::here(self)?.finding(self),
            Some(List { what: list::What::Evidence(key), .. }) => {
                detector.findings().iter().find(|f| f.key == **key).or_else(|| detector.finding(key))
            }
            _ => detector.of(&self.selected()?),
        }
    }

    /// The object under the cursor.
    pub fn selected(&self) -> Option<ObjectRef> {
        if let Some(t) = self.table() {
            return t.selected(&self.data.cx());
        }
        if let Some(l) = self.list() {
            if l.what.cards() {
                return incidents::object(self);
            }
            let rows = self.rows(&l.what, &l.filter);
            return rows.get(l.index(&rows)).and_then(|r| r.object.clone());
        }
        match self.view() {
            View::Text(t) => t.object.clone(),
            View::Why(w) => Some(w.walk.object.clone()),
            View::Logs(l) => Some(l.object.clone()),
            _ => None,
        }
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
            Some(Dialog::Menu(_) | Dialog::Leave(_)) => return Scope::Actions,
            Some(Dialog::Plan(_) | Dialog::Batch(_) | Dialog::OtherCluster(_)) => return Scope::Dialog,
            None => {}
        }
        let by_kind = |kind: &Kind| match kind {
            Kind::Pod => Scope::Pods,
            Kind::Node => Scope::Nodes,
            Kind::Event => Scope::Events,
            kind if kind.workload() => Scope::Workloads,
            _ => Scope::Rows,
        };
        if let Some(t) = self.table() {
            return by_kind(&t.source.kind);
        }
        if let Some(l) = self.list() {
            return match l.what {
                _ if l.what.cards() => Scope::Findings,
                list::What::Evidence(_) => Scope::Findings,
                list::What::Timeline => Scope::Timeline,
                list::What::Rollout(_) | list::What::Xray => Scope::Workloads,
                list::What::Containers(_) => Scope::Containers,
                _ => Scope::Rows,
            };
        }
        match self.view() {
            View::Why(_) => Scope::Tree,
            View::Logs(_) => Scope::Logs,
            _ => Scope::Text,
        }
    }

    /// When time alone will change something the model shows.
    pub fn next_timer(&self) -> Option<Time> {
        let message = self.message.as_ref().and_then(|m| m.goes(self.last_key));
        let listed = match self.view() {
            View::List(l) => l.ghosts.iter().map(|g| g.until).min(),
            _ => None,
        };
        let ghosts = self.tables_on_screen().filter_map(Table::next_burial).chain(listed).min();
        let timers = [
            message,
            ghosts,
            self.data.detector.next_timer(),
            arrange::next_timer(self),
            runs::next_timer(self),
            self.data.telemetry.next(),
            logs::next_timer(self),
        ];
        timers.into_iter().flatten().min()
    }

    /// The tables that are in sight.
    pub fn tables_on_screen(&self) -> impl Iterator<Item = &Table> {
        let (one, all) = match self.view() {
            View::Table(t) => (Some(&**t), None),
            View::Overview => (None, Some(self.overview.all())),
            View::List(_) | View::Text(_) | View::Why(_) | View::Logs(_) => (None, None),
        };
        one.into_iter().chain(all.into_iter().flatten())
    }

    pub fn tables_on_screen_mut(&mut self) -> (Vec<&mut Table>, Cx<'_>) {
        let Model { views, overview, data, .. } = self;
        let tables = match views.last_mut() {
            Some(View::Table(t)) => vec![&mut **t],
            None | Some(View::Overview) => overview.tables().into_iter().collect(),
            Some(View::List(_) | View::Text(_) | View::Why(_) | View::Logs(_)) => Vec::new(),
        };
        (tables, data.cx())
    }

    /// Whether a table in sight is still being made: the main task gives it a portion between keys and frames.
    pub fn at_work(&self) -> bool {
        self.tables_on_screen().any(Table::at_work)
    }

    pub fn say(&mut self, tone: Tone, text: impl Into<String>) {
        self.message = Some(Message { text: text.into(), tone, at: self.data.now });
        self.dirty = Dirty::Input;
    }
}
