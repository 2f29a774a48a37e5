//! Loads the user's configuration for every command, and connects by it.

use std::path::PathBuf;
use std::time::Duration;

use super::args::Common;
use super::{open, out};
use crate::app::core::preferences::{Preferences, Terminal};
use crate::app::executor::{known, state_files};
use crate::cluster::{ConnectError, Connection, Identity};
use crate::config::colour::Palette;
use crate::config::files::{self, Loaded, Places};
use crate::config::log;
use crate::config::theme::Glyphs;
use crate::detect::DetectConfig;
use crate::term::clean;
use crate::world::Clock;

/// The longest silent wait for a connection.
const PATIENCE: Duration = Duration::from_secs(2);

/// The configuration. Its problems go to stderr, for commands without a message line.
pub fn loaded_with_complaints() -> Loaded {
    let loaded = loaded();
    for problem in &loaded.problems {
        out::complain(&problem.to_string());
    }
    loaded
}

pub fn loaded() -> Loaded {
    Places::find().map(|places| files::load(&places)).unwrap_or_default()
}

/// Connects by the flags. The connection is read-only if the configuration says so for that context.
///
/// # Errors
/// As [`Connection::open`].
pub async fn connect(
    common: &Common,
    interactive: bool,
    clock: Clock,
    loaded: &Loaded,
) -> Result<Connection, ConnectError> {
    let opening = Connection::open(open::options(common, interactive), clock);
    let mut opening = std::pin::pin!(opening);
    let connection = tokio::select! {
        opened = &mut opening => opened?,
        () = tokio::time::sleep(PATIENCE) => {
            out::complain("still waiting for the kubeconfig's credential plugin; ctrl-c cancels");
            tokio::select! {
                opened = opening => opened?,
                _ = tokio::signal::ctrl_c() => return Err(ConnectError::GivenUp),
            }
        }
    };
    let config = loaded.config.as_ref();
    if config.is_some_and(|c| c.for_context(connection.context()).guarded()) {
        connection.set_read_only(true);
    }
    Ok(connection)
}

/// Checks that the cluster is the one recorded for this address, or the one of `--accept-cluster`, and
/// records it if none is. `Some` says why the cluster's identity cannot be read.
///
/// # Errors
/// A sentence: no answer came, or another cluster answered.
pub async fn same_cluster(connection: &Connection, accept: Option<&str>) -> Result<Option<String>, String> {
    let folder = folder(connection)?;
    let known = known::load(&folder)?;
    // Accepting one cluster means refusing every other, including the recorded one.
    connection.expect(accept.map(str::to_owned).or_else(|| known.clone()));
    match (connection.identify().await.map_err(|e| e.to_string())?, known) {
        (Identity::Verified(found), Some(known)) if found != known => {
            known::replace(&folder, &known, &found).map(|()| None)
        }
        (Identity::Verified(found), _) => known::remember(&folder, &found).map(|()| None),
        (Identity::Other { found, .. }, _) if accept.is_some() => Err(format!(
            "--accept-cluster names another cluster: the kube-system of {} at {} has the UID {found}. Nothing was done",
            connection.context(),
            connection.server(),
        )),
        (Identity::Other { known, found }, _) => Err(format!(
            "another cluster answers for {} at {}: its kube-system has the UID {found}, khud recorded {known}. \
             Nothing was done. If the new cluster is right, add --accept-cluster {found}",
            connection.context(),
            connection.server(),
        )),
        (Identity::Unverified(why), _) if accept.is_some() => {
            Err(format!("--accept-cluster cannot be checked: {why}. Nothing was done"))
        }
        (Identity::Unverified(why), _) => Ok(Some(why)),
        (Identity::Unknown, _) => Ok(Some("the API server did not say which cluster this is".to_owned())),
    }
}

/// Warns on stderr if another cluster answers than the recorded one, for commands that only read.
pub async fn tell_of_another_cluster(connection: &Connection) {
    let Ok(Some(known)) = folder(connection).and_then(|folder| known::load(&folder)) else { return };
    if let Ok(Identity::Verified(found)) = connection.identify().await
        && found != known
    {
        out::complain(&clean(&format!(
            "another cluster answers for {} at {}: its kube-system has the UID {found}, khud recorded {known}. \
             The output is about the cluster that answers",
            connection.context(),
            connection.server(),
        )));
    }
}

/// The cluster's folder in the state directory.
fn folder(connection: &Connection) -> Result<PathBuf, String> {
    let places = Places::find().ok_or("there is no home directory to keep in which cluster this is")?;
    Ok(state_files::folder(&places.state, connection.context(), connection.server()))
}

/// Thresholds, severities, mutes and the user's own rules. Each part that is left out is reported.
pub fn detect(loaded: &Loaded) -> DetectConfig {
    let (found, problems) = Preferences::new(loaded, Terminal::default(), None).detect();
    problems.iter().for_each(|problem| out::complain(problem));
    found
}

/// The terminal's properties, from the environment.
pub fn terminal() -> Terminal {
    let env = |name: &str| std::env::var(name).ok();
    let palette = Palette::detect(env);
    // The theme handles terminals without colours; crossterm's own handling loses bold and reverse.
    crossterm::style::force_color_output(true);
    Terminal { palette, glyphs: Glyphs::detect(env) }
}

/// Starts khud's own log. khud works without one, so a failure is only reported.
pub fn log() -> Option<log::Log> {
    let state = Places::find()?.state;
    match log::start(&state, std::env::var("KHUD_LOG").ok().as_deref()) {
        Ok(log) => Some(log),
        Err(why) => {
            out::complain(&why);
            None
        }
    }
}
