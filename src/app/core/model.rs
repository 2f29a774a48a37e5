//! The whole state of the cockpit, as plain data. Only `update` changes it, and only the main task calls that.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tui_input::Input;

use crate::app::core::preferences::Preferences;
use crate::app::core::served::Catalogue;
use crate::app::dialogs::batch::Batch;
use crate::app::dialogs::leave::Leave;
use crate::app::dialogs::menu::Menu;
use crate::app::dialogs::runs::{self, ActiveRun};
use crate::app::dialogs::targets::Targets;
use crate::app::table::cx::{Cause, Cx};
use crate::app::table::events::Aggregates;
use crate::app::table::vitals::Vitals;
use crate::app::table::{Fence, Source, Table};
use crate::app::views::arrange::{self, Arrangement};
use crate::app::views::gpus;
use crate::app::views::list::{self, List};
use crate::app::views::logs::{self, LogView};
use crate::app::views::text::TextView;
use crate::app::views::why::WhyView;
use crate::cluster::{Identity, Standing};
use crate::config::commands::Scope;
use crate::config::{Keymap, Theme};
use crate::detect::timeline::{Entry, Timeline};
use crate::detect::{Detector, Finding, Key};
use crate::playbook::library::{Library, Shelf};
use crate::remedy::Action;
use crate::remedy::run::Params;
use crate::telemetry::Telemetry;
use crate::world::{Clock, Kind, ObjectRef, Text, Time, World};

/// How long a message stays on the foot line.
const MESSAGE: Duration = Duration::from_secs(8);

/// What is known of the cluster and derived from it.
#[derive(Debug, Default)]
pub struct Data {
    pub world: World,
    pub detector: Detector,
    pub telemetry: Telemetry,
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

/// The overview's panes, in the order of `tab` and `alt-1…6`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&str")]
pub enum Pane {
    Findings,
    Pods,
    Nodes,
    Gpus,
    Events,
    KubeProxy,
}

impl Pane {
    pub const ALL: [Pane; 6] =
        [Pane::Findings, Pane::Pods, Pane::Nodes, Pane::Gpus, Pane::Events, Pane::KubeProxy];

    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Pane::Findings => "findings",
            Pane::Pods => "pods",
            Pane::Nodes => "nodes",
            Pane::Gpus => "gpu",
            Pane::Events => "events",
            Pane::KubeProxy => "kube-proxy",
        }
    }

    /// The pane of a name in the configuration.
    pub fn named(name: &str) -> Option<Pane> {
        Pane::ALL.into_iter().find(|pane| pane.name() == name)
    }

    pub fn title(self) -> &'static str {
        match self {
            Pane::Findings => "FINDINGS",
            Pane::Pods => "PODS",
            Pane::Nodes => "NODES",
            Pane::Gpus => "GPU MEMORY",
            Pane::Events => "EVENTS",
            Pane::KubeProxy => "KUBE-PROXY",
        }
    }
}

impl From<Pane> for &'static str {
    fn from(pane: Pane) -> &'static str {
        pane.name()
    }
}

impl TryFrom<String> for Pane {
    type Error = String;

    fn try_from(name: String) -> Result<Pane, String> {
        Pane::named(&name).ok_or_else(|| format!("there is no pane {name:?}"))
    }
}

#[derive(Debug)]
pub struct Overview {
    pub focus: Pane,
    pub zoom: bool,
    pub arrangement: Arrangement,
    /// When the arrangement last changed, until that is kept.
    pub rearranged: Option<Time>,
    /// Rows that the panes share on the screen; `None` where one is shown alone.
    pub rows: Option<u16>,
    pub findings: List,
    pub pods: Table,
    pub nodes: Table,
    pub gpus: List,
    pub events: Table,
    pub proxies: Table,
}

impl Default for Overview {
    fn default() -> Overview {
        Overview {
            focus: Pane::Findings,
            zoom: false,
            arrangement: Arrangement::default(),
            rearranged: None,
            rows: None,
            findings: List::new(list::What::Findings),
            pods: Table::new(Source::all(Kind::Pod)),
            nodes: Table::new(Source::all(Kind::Node)),
            gpus: List::new(list::What::Gpus),
            events: Table::new(Source::all(Kind::Event)),
            proxies: Table::new(Source { kind: Kind::Pod, fence: Fence::KubeProxy }),
        }
    }
}

impl Overview {
    fn all(&self) -> [&Table; 4] {
        [&self.pods, &self.nodes, &self.events, &self.proxies]
    }

    pub fn tables(&mut self) -> [&mut Table; 4] {
        [&mut self.pods, &mut self.nodes, &mut self.events, &mut self.proxies]
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

/// A line being typed.
#[derive(Clone, Debug, Default)]
pub struct Prompt {
    pub kind: PromptKind,
    /// What is typed, and where the cursor stands in it.
    pub input: Input,
    /// Where in the text, in bytes, a suggestion goes.
    pub from: usize,
    /// What could be meant, best first.
    pub suggestions: Vec<Suggestion>,
    pub chosen: Option<usize>,
    /// Why the line did not run.
    pub note: Option<String>,
    /// The filter to go back to when the prompt is left.
    pub before: String,
    /// The objects suggested, where objects are.
    pub objects: Vec<ObjectRef>,
    /// The option of an action it asks for.
    pub asks: Option<Asks>,
    /// What a line that answers a question is about.
    pub what: String,
    /// The findings that are acknowledged or muted by it.
    pub findings: Vec<Key>,
    /// The object that a note is about.
    pub object: Option<ObjectRef>,
}

impl Prompt {
    pub fn text(&self) -> &str {
        self.input.value()
    }

    /// The line with that suggestion in it.
    pub fn with(&self, suggestion: usize) -> Option<String> {
        Some(format!("{}{}", self.text().get(..self.from)?, self.suggestions.get(suggestion)?.word))
    }
}

/// An option an action needs before it can be planned.
#[derive(Clone, Debug)]
pub struct Asks {
    pub action: &'static Action,
    pub targets: Targets,
    pub params: Params,
    pub option: &'static str,
    /// The question.
    pub what: String,
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum PromptKind {
    #[default]
    Command,
    Filter,
    Option,
    Theme,
    /// An object by a part of its name.
    Jump,
    /// Which of a Secret's values to show.
    Reveal,
    /// Words for the timeline.
    Note,
    /// Why a finding is acknowledged.
    Acknowledge,
    /// For how long and why a finding is muted.
    Mute,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Suggestion {
    pub word: String,
    /// Other words for the same, found too.
    pub also: &'static [&'static str],
    pub description: String,
    /// Why it would do nothing now.
    pub refused: Option<String>,
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

/// Which cluster this is, as the header says it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cluster {
    pub context: String,
    pub server: String,
    pub version: String,
    pub user: String,
    pub read_only: bool,
    /// The flags that lead kubectl to the same cluster.
    pub kubectl: Vec<String>,
    pub standing: Standing,
}

impl Cluster {
    /// Why nobody can say which cluster this is, where that is so.
    pub fn unverified(&self) -> Option<&str> {
        match &self.standing.identity {
            Identity::Unverified(why) => Some(why),
            _ => None,
        }
    }

    /// The UIDs of the cluster khud knows and of the other one that answers in its place.
    pub fn other(&self) -> Option<(&str, &str)> {
        match &self.standing.identity {
            Identity::Other { known, found } => Some((known, found)),
            _ => None,
        }
    }

    /// In a few words, why the cluster cannot be relied on to be reached; `None` where all is as it was at the start.
    pub fn astray(&self) -> Option<&'static str> {
        match &self.standing {
            Standing { identity: Identity::Other { .. }, .. } => Some("another cluster answers"),
            Standing { moved: Some(_), .. } => Some("context changed, no changes sent"),
            Standing { plugin: Some(_), .. } => Some("login needed"),
            _ => None,
        }
    }
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
    /// When the GPU exporters were last asked.
    pub scraped: Option<Time>,
    pub next_id: u64,
    /// Entries of the timeline not yet handed to its file.
    pub keep: Vec<Entry>,
    /// Findings that were still true when an earlier session ended: object and family.
    pub open: HashSet<(Option<ObjectRef>, String)>,
    /// The decision trees.
    pub library: Arc<Shelf>,
    pub message: Option<Message>,
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
            scraped: None,
            next_id: 0,
            keep: Vec::new(),
            open: HashSet::new(),
            library: Library::shelf(),
            message: None,
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

    /// The finding under the cursor: the line's own in the findings and their proof, else that of the row's object.
    pub fn finding(&self) -> Option<&Arc<Finding>> {
        let detector = &self.data.detector;
        match self.list() {
            // Asked with every frame.
            Some(l) if l.what == list::What::Findings && l.filter.is_empty() => {
                let findings = detector.findings();
                let find =
                    |id: &Text| findings.iter().position(|f| crate::app::views::rows::finding_id(f) == *id);
                findings.get(l.index_among(findings.len(), find))
            }
            Some(l) if l.what == list::What::Findings => {
                let rows = self.rows(&l.what, &l.filter);
                let id = &rows.get(l.index(&rows))?.id;
                detector.findings().iter().find(|f| crate::app::views::rows::finding_id(f) == *id)
            }
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
            if l.what == list::What::Findings {
                return self.finding().map(|f| f.fix().clone());
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
                list::What::Findings | list::What::Evidence(_) => Scope::Findings,
                list::What::Timeline => Scope::Timeline,
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
        let message = self.message.as_ref().filter(|m| m.tone != Tone::Bad).map(|m| m.at.plus(MESSAGE));
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
            gpus::next_timer(self),
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
