//! The user's files, for every command: what they say of the cluster, of findings, and of the terminal.

use super::args::Common;
use super::{open, out};
use crate::app::preferences::{Preferences, Terminal};
use crate::cluster::{ConnectError, Connection};
use crate::config::colour::Palette;
use crate::config::files::{self, Loaded, Places};
use crate::config::log;
use crate::config::theme::Glyphs;
use crate::detect::DetectConfig;
use crate::world::Clock;

/// The configuration, with what is wrong in it told on stderr: for commands that have no message line.
pub fn told() -> Loaded {
    let loaded = loaded();
    for problem in &loaded.problems {
        out::complain(&problem.to_string());
    }
    loaded
}

pub fn loaded() -> Loaded {
    Places::find().map(|places| files::load(&places)).unwrap_or_default()
}

/// Connects as the flags say, and read-only where the configuration says so for that context.
///
/// # Errors
/// As [`Connection::open`].
pub async fn connect(
    common: &Common,
    interactive: bool,
    clock: Clock,
    loaded: &Loaded,
) -> Result<Connection, ConnectError> {
    let connection = Connection::open(open::options(common, interactive), clock).await?;
    let config = loaded.config.as_ref();
    if config.is_some_and(|c| c.for_context(connection.context()).read_only) {
        connection.set_read_only(true);
    }
    Ok(connection)
}

/// Thresholds, severities, mutes and the user's own rules; a complaint for each that is left out.
pub fn detect(loaded: &Loaded) -> DetectConfig {
    let (found, problems) = Preferences::new(loaded, Terminal::default(), None).detect();
    problems.iter().for_each(|problem| out::complain(problem));
    found
}

/// What the environment says of the terminal.
pub fn terminal() -> Terminal {
    let env = |name: &str| std::env::var(name).ok();
    let palette = Palette::detect(env);
    // The theme says what to do without colours; the terminal library's own way loses bold and reverse.
    crossterm::style::force_color_output(true);
    Terminal { palette, glyphs: Glyphs::detect(env) }
}

/// Starts khud's own log. Without one khud works all the same, so a failure is only told.
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
