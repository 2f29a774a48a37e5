//! What can happen to the model, and what it asks of the outside.

use bytes::Bytes;
use crossterm::event::KeyEvent;

use crate::app::core::pane::Pane;
use crate::app::core::saved_panes::SavedPanes;
use crate::cluster::Standing;
use crate::config::files::Loaded;
use crate::config::regions::Region;
use crate::config::settings::Notifications;
use crate::detect::Quiet;
use crate::detect::timeline::Entry;
use crate::playbook::{Read, Reading};
use crate::remedy::Action;
use crate::remedy::run::{Need, NeedId, Reply};
use crate::world::ask::{Answer, Call, ForwardState, LogTail};
use crate::world::readings::{self, Target};
use crate::world::regions::Sight;
use crate::world::{Delta, Kind, ObjectRef, Offer, Text, TlsSecret};

/// The container that a log line came from; the view has the names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct SourceId(pub u32);

/// A program of the user's own with its arguments. No shell reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    pub argv: Vec<String>,
}

impl Program {
    /// The command as one would type it.
    pub fn shown(&self) -> String {
        let words = self.argv.iter().map(String::as_str);
        shlex::try_join(words).unwrap_or_else(|_| self.argv.join(" "))
    }
}

/// Everything that can happen.
#[derive(Debug)]
pub enum Msg {
    Key(KeyEvent),
    Paste(String),
    Resize(u16, u16),
    /// The mouse wheel, in rows.
    Scroll(isize),
    /// The mouse on a pane of the overview, or in the view; and on which row of its window.
    Click {
        pane: Option<Pane>,
        row: Option<usize>,
    },
    Deltas(Vec<Delta>),
    /// Nothing but time passed.
    Tick,
    /// There is time for a portion of work that was put off.
    Work,
    /// The server's version, once it said it.
    Version(String),
    /// Which kinds the server serves, or why it does not say.
    Discovered(Result<Vec<Offer>, String>),
    /// What a call brought, for the view that asked.
    Called {
        token: u64,
        result: Result<Answer, String>,
    },
    /// What a remedy needed.
    Replied {
        run: u64,
        id: NeedId,
        reply: Reply,
    },
    /// A forwarded port changed; the run that opened it names it.
    Forwarded {
        run: u64,
        state: ForwardState,
    },
    /// The answer to a read of a decision tree.
    EvidenceFetched {
        walk: u64,
        read: Box<Read>,
        result: Result<Reading, String>,
        took_ms: u64,
    },
    /// Part of a log a view follows.
    Chunk {
        view: u64,
        source: SourceId,
        bytes: Bytes,
    },
    /// The server answered that it sends a log.
    LogBegin {
        view: u64,
        source: SourceId,
    },
    /// A log a view follows ended, or could not be read.
    LogEnd {
        view: u64,
        source: SourceId,
        why: Option<String>,
    },
    /// A telemetry source was read.
    Measured(Vec<readings::Reading>),
    /// A log's tail, for the rule or tree that asked.
    Log {
        tail: LogTail,
        result: Result<String, String>,
    },
    /// The certificate in a Secret that an Ingress names was read.
    Certificate {
        secret: ObjectRef,
        result: Result<TlsSecret, String>,
    },
    /// A look at another cluster, or at this one from outside.
    Region(Box<Sight>),
    /// The configuration's files changed and were read again.
    Configured(Box<Loaded>),
    /// State that earlier sessions saved.
    StateLoaded {
        entries: Vec<Entry>,
        quiet: Vec<Quiet>,
    },
    /// Who the operator is, in the cluster's words.
    Whoami(String),
    /// Whether the connection still leads where it was opened to.
    Standing(Standing),
    /// A program of the user printed this, for the view that started it.
    Printed {
        token: u64,
        bytes: Bytes,
    },
    /// It ended with this exit code, or why it did not run.
    Ended {
        token: u64,
        result: Result<i32, String>,
    },
    /// A task did what it was asked to: what there is now, for the foot line.
    Notice(String),
    /// Which actions of a menu the operator may not do, and why.
    RightsAnswered {
        menu: u64,
        denied: Vec<(&'static str, ObjectRef, String)>,
    },
    /// A task ended that should not have: what it was doing and why it stopped.
    Failed(String),
}

/// What the outside must do; the answer comes back as a `Msg`.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    Quit,
    /// Leave this cluster for another context, or open the same one anew.
    Switch(String),
    /// From now on the cluster with the second kube-system UID is the right one at this address, not the first.
    AcceptCluster {
        known: String,
        found: String,
    },
    /// Watch these clusters side by side, and no others.
    Regions(Vec<Region>),
    /// Give the terminal back until `fg`.
    Suspend,
    /// Give the terminal to the credential plugin until it ends.
    Login,
    /// Give the terminal to a program of the user until it ends.
    AtTerminal(Program),
    /// Start a program of the user; what it prints carries the token.
    Start {
        token: u64,
        program: Program,
    },
    /// End that program.
    End(u64),
    /// Draw everything again.
    Redraw,
    /// Put the text on the clipboard, through the terminal.
    Copy(String),
    /// Ring, or send a notification, for a new critical finding.
    Announce(Notifications, String),
    /// Gather a bug report; these lines say what the cluster can do.
    Bug(Vec<String>),
    /// Refuse every change under every client, or allow them again.
    ReadOnly(bool),
    /// Write the text to a file of this name among the saved ones; `what` says how much it is.
    Save {
        name: String,
        text: String,
        what: String,
    },
    /// Write the screen as it is drawn to a file of this name.
    SaveScreen(String),
    /// Ask the server which kinds it serves.
    Discover,
    /// Watch the server's table of a kind, or no longer.
    Watch(Kind),
    Unwatch(Kind),
    /// Watch these namespaces, too, where the whole cluster may not be watched.
    SelectNamespaces(Vec<Text>),
    /// Try the cluster again now, without waiting out the backoff.
    Reconnect,
    /// One request for a view; the answer carries the token.
    Call {
        token: u64,
        call: Call,
    },
    Log(LogTail),
    /// Read the certificate in a Secret, and nothing else of it.
    Certificate(ObjectRef),
    /// Ask which of these actions the operator may do, for a menu.
    AskRights {
        menu: u64,
        actions: Vec<(&'static Action, ObjectRef)>,
    },
    /// Something a remedy needs.
    Need {
        run: u64,
        id: NeedId,
        need: Box<Need>,
    },
    /// Close the local port that this run opened.
    StopForward(u64),
    /// Something a decision tree wants to know.
    FetchEvidence {
        walk: u64,
        read: Box<Read>,
    },
    /// Write these to the timeline's file.
    AppendTimeline(Vec<Entry>),
    /// Save these as the findings that are acknowledged and muted.
    SaveSilences(Vec<Quiet>),
    /// Save how the panes are arranged; `None` deletes what was saved.
    SavePanes(Option<SavedPanes>),
    /// Follow a log for a view.
    Follow {
        view: u64,
        source: SourceId,
        tail: LogTail,
        /// Only lines of the last so many seconds.
        since: Option<u64>,
    },
    /// Follow no log for this view any more.
    StopLogs(u64),
    /// Read a telemetry source.
    Scrape(Target),
}
