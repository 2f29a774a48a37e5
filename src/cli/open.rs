//! Opens the cockpit: connects, watches, enters the terminal.

use std::sync::{Arc, LazyLock};

use tokio::sync::mpsc;

use super::args::{Cli, Common};
use super::{crash, exit, out, settings};
use crate::app::core::model::{Cluster, Model, Tone};
use crate::app::core::preferences::Preferences;
use crate::app::core::{configure, panes, regions, served};
use crate::app::executor::jobs::{INBOX, Jobs};
use crate::app::update::line;
use crate::app::views::timeline;
use crate::app::{Effect, Msg};
use crate::cluster::{Options, Scope};
use crate::cockpit::{self, End};
use crate::config::files::{self, Places, Watch};
use crate::config::theme::Sheet;
use crate::config::{Keymap, Theme};
use crate::playbook::library::Shelf;
use crate::remedy::Journal;
use crate::term;
use crate::world::Clock;

/// The connection options of the common flags.
pub fn options(common: &Common, interactive: bool) -> Options {
    Options {
        kubeconfig: common.kubeconfig.clone(),
        context: common.context.clone(),
        namespace: common.namespace.first().cloned(),
        impersonate: common.as_user.clone(),
        impersonate_groups: common.as_group.clone(),
        read_only: common.read_only,
        request_timeout: common.request_timeout,
        interactive,
    }
}

/// The tokio runtime. The main task stays on this thread, which alone draws.
///
/// # Errors
/// A sentence if the system gives no threads.
pub fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| format!("the system gives khud no threads: {e}"))
}

/// Runs the cockpit on the cluster of the command line.
pub fn run(cli: &Cli) -> u8 {
    if let Some(why) = term::unusable() {
        out::complain(&why);
        return exit::FAILED;
    }
    let result = runtime().and_then(|rt| {
        let result = rt.block_on(open(cli, &cli.common));
        // Tasks that wait for a dead server must not delay the exit.
        rt.shutdown_timeout(std::time::Duration::from_millis(200));
        result
    });
    match result {
        Ok(code) => code,
        Err(why) => {
            out::complain(&why);
            exit::FAILED
        }
    }
}

/// Runs the cockpit on one context after another.
///
/// # Errors
/// A sentence: no configuration, or no terminal.
pub async fn open(cli: &Cli, common: &Common) -> Result<u8, String> {
    let (mut common, mut before, mut notice) = (common.clone(), None, None);
    let mut first = true;
    loop {
        let visited = visit(cli, &common, notice.take(), first).await;
        first = false;
        let end = match visited {
            Ok(end) => end,
            // The previous context is known to work.
            Err(why) if before.is_some() => {
                common.context = before.take();
                notice = Some(why);
                continue;
            }
            Err(why) => return Err(why),
        };
        match end {
            End::Quit => return Ok(exit::DONE),
            End::Switch { from, to } => {
                (before, common.context) = (Some(from), Some(to));
                if before != common.context {
                    // Namespaces of one cluster have no meaning in another.
                    common.namespace.clear();
                }
            }
            End::Signal(name) => {
                out::complain(&format!("ended by {name}"));
                return Ok(exit::FAILED);
            }
            // The cockpit handles a login and a foreground program itself.
            End::TerminalGone | End::Login | End::Foreground => return Ok(exit::FAILED),
        }
    }
}

/// Runs one context, from the connection to the end. `notice` is shown first; `first` runs the command line's
/// object and command.
async fn visit(cli: &Cli, common: &Common, notice: Option<String>, first: bool) -> Result<End, String> {
    let clock = Clock::wall();
    let places = Places::find();
    // Before the files are read, so that what changes meanwhile counts as a change.
    let files = places.clone().map(Watch::new);
    let loaded = settings::loaded();
    let chosen = cli.theme.as_deref().map(|name| theme(places.as_ref(), name)).transpose()?;
    let connection =
        settings::connect(common, true, clock.clone(), &loaded).await.map_err(|e| e.to_string())?;
    let mut model = Model::new(clock, Keymap::default(), Theme::default());
    model.cluster = Cluster {
        context: connection.context().to_owned(),
        server: connection.server().to_owned(),
        read_only: connection.read_only(),
        kubectl: connection.kubectl().to_vec(),
        runs: Journal::default_path().ok().map(|path| Journal::at(path).state_dir()),
        // Until the cluster has reported the user name.
        user: std::env::var("USER").unwrap_or_default(),
        ..Cluster::default()
    };
    let (listed, shadowed) = crate::cluster::contexts(&options(common, false)).unwrap_or_default();
    // The cockpit logs them; `khud contexts` prints them.
    shadowed.iter().for_each(|notice| tracing::warn!("{notice}"));
    model.contexts = listed.into_iter().map(|c| (c.name, c.server)).collect();
    model.namespaces = common.namespace.iter().map(|n| n.as_str().into()).collect();
    configure::install(&mut model, Preferences::new(&loaded, settings::terminal(), chosen), &loaded);
    let (inbox, messages) = mpsc::channel(INBOX);
    model.library = trees(inbox.clone());
    let mut jobs = Jobs::new(connection, inbox);
    panes::restore(&mut model, jobs.arranged());
    jobs.guard();
    jobs.hello();
    jobs.whoami();
    jobs.look_back();
    timeline::opened(&mut model);
    let mut effects: Vec<Effect> = served::ask(&mut model).into_iter().collect();
    jobs.watch(&Scope::Cluster);
    let beside = model.prefs.settings.regions.clone();
    if !beside.is_empty() {
        effects.push(regions::watch(&mut model, beside));
    }
    if let Some(files) = files {
        jobs.watch_files(files);
    }
    if let Some(why) = notice {
        model.say(Tone::Bad, why);
    }
    if let Some(object) = cli.object.as_ref().filter(|_| first) {
        let namespace = common.namespace.first().map_or("", String::as_str);
        effects.extend(line::line(&mut model, &format!("{object} {namespace}")));
    }
    if let Some(line) = cli.command.as_ref().filter(|_| first) {
        effects.extend(line::line(&mut model, line));
    }
    for effect in effects {
        jobs.carry_out(effect);
    }
    cockpit::run(model, jobs, messages).await.map_err(|e| {
        crash::unexpected("the terminal failed under the cockpit", e);
        "the cockpit ended, because the terminal failed".to_owned()
    })
}

/// The decision trees, read in a thread of their own; problems with the operator's files arrive as messages.
fn trees(inbox: mpsc::Sender<Msg>) -> Arc<Shelf> {
    let shelf = Arc::new(Shelf::new(Box::new(move || {
        let (library, problems) = super::playbook::library();
        for problem in problems {
            // The main task may be the one that waits for the trees, so this must not wait for room in its inbox.
            if inbox.try_send(Msg::Failed(problem.clone())).is_err() {
                tracing::warn!("{problem}");
            }
        }
        Arc::new(library)
    })));
    let reader = shelf.clone();
    tokio::task::spawn_blocking(move || drop(LazyLock::force(&reader).clone()));
    shelf
}

/// The theme of `--theme`: a name or a file.
fn theme(places: Option<&Places>, name: &str) -> Result<Sheet, String> {
    files::theme(places, name)
        .map(|(sheet, _)| sheet)
        .map_err(|problems| problems.iter().map(|p| p.to_string()).collect::<Vec<_>>().join("\nkhud: "))
}
