//! Programs that need the operator's terminal: an editor on a file, a session in a container. The screen is given back before.

use std::io::Write;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use crate::cluster::{Connection, Running};
use crate::config::files::Places;
use crate::remedy::files::{FileOp, safe_name};
use crate::remedy::run::{Ended, Terminal};
use crate::term::tty::{Input, Tty};
use crate::world::ask::Interactive;

use super::needs::blocking;

/// How much is read at once.
const CHUNK: usize = 32 << 10;

/// After the output ended, how long the command's status may take.
const STATUS: Duration = Duration::from_secs(5);

/// Carries it out. Dropping the future hangs up; an editor is ended.
///
/// # Errors
/// A sentence: no editor, no session, the connection broke.
pub async fn carry_out(connection: &Connection, work: Terminal) -> Result<Ended, String> {
    match work {
        Terminal::Edit { name, text } => edit(&name, text).await,
        Terminal::Session(ask) => session(connection, &ask).await.map(Ended::Exit),
    }
}

/// The operator's editor, as kubectl chooses it, with its options.
fn editor() -> Result<Vec<String>, String> {
    let named = ["KUBE_EDITOR", "VISUAL", "EDITOR"].into_iter().find_map(|name| {
        let text = std::env::var(name).ok().filter(|t| !t.trim().is_empty())?;
        Some((name, text))
    });
    let Some((name, text)) = named else { return Ok(vec!["vi".to_owned()]) };
    let words = shlex::split(&text).filter(|words| !words.is_empty());
    words.ok_or_else(|| format!("${name} is {text:?}, which names no program"))
}

async fn edit(name: &str, text: String) -> Result<Ended, String> {
    let places = Places::find().ok_or("there is no home directory to keep the edited file in")?;
    let path = places.state.join("edits").join(safe_name(name));
    let file = FileOp::Save { path: path.clone(), bytes: text.into_bytes() };
    blocking("writing the file to edit", move || file.perform()).await?;
    let words = editor()?;
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).arg(&path).kill_on_drop(true);
    let shown = words.join(" ");
    let status = command.status().await.map_err(|e| format!("the editor {shown:?} did not start: {e}"))?;
    if !status.success() {
        return Err(format!(
            "the editor {shown:?} ended with {status}; what was typed is in {}",
            path.display()
        ));
    }
    let read = path.clone();
    let text = blocking("reading the edited file", move || {
        std::fs::read_to_string(&read).map_err(|e| format!("cannot read {}: {e}", read.display()))
    });
    Ok(Ended::Text { text: text.await?, path })
}

async fn session(connection: &Connection, ask: &Interactive) -> Result<i32, String> {
    let mut running = connection.interactive(ask).await.map_err(|e| e.to_string())?;
    if ask.terminal {
        at_a_terminal(&mut running).await?
    } else {
        plainly(&mut running).await?
    }
    match tokio::time::timeout(STATUS, running.exit()).await {
        Ok(status) => status.map_err(|e| e.to_string()),
        Err(_) => Err("the session ended, and the server did not say how the command ended".to_owned()),
    }
}

/// Keys to the command and its output to the terminal, until the command ends.
async fn at_a_terminal(running: &mut Running) -> Result<(), String> {
    let gone = |e: std::io::Error| format!("the terminal: {e}");
    let mut tty = Tty::raw().map_err(gone)?;
    let (Some(mut stdin), Some(mut stdout)) = (running.stdin(), running.stdout()) else {
        return Err("the session has no terminal".to_owned());
    };
    let (width, height) = Tty::size();
    running.resize(width, height).await;
    let (mut typed, mut printed) = (vec![0; CHUNK], vec![0; CHUNK]);
    let mut keys = true;
    loop {
        tokio::select! {
            n = stdout.read(&mut printed) => match n {
                Ok(n) if n > 0 => tty.write(&printed[..n]).map_err(gone)?,
                // The command ended, or the connection did: its status says which.
                _ => return Ok(()),
            },
            input = tty.next(&mut typed), if keys => match input {
                Ok(Input::Typed(n)) if n > 0 => {
                    keys = stdin.write_all(&typed[..n]).await.is_ok() && stdin.flush().await.is_ok();
                }
                Ok(Input::Resized(width, height)) => running.resize(width, height).await,
                Ok(Input::Typed(_)) | Err(_) => keys = false,
            },
        }
    }
}

/// Without a terminal: both outputs as they come, no input.
async fn plainly(running: &mut Running) -> Result<(), String> {
    let (stdout, stderr) = (running.stdout(), running.stderr());
    let out = pass_on(stdout, std::io::stdout());
    let err = pass_on(stderr, std::io::stderr());
    tokio::try_join!(out, err).map(|_| ()).map_err(|e| format!("the command's output: {e}"))
}

async fn pass_on(from: Option<impl AsyncRead + Unpin>, mut to: impl Write) -> std::io::Result<()> {
    let Some(mut from) = from else { return Ok(()) };
    let mut bytes = vec![0; CHUNK];
    loop {
        match from.read(&mut bytes).await? {
            0 => return to.flush(),
            n => to.write_all(&bytes[..n])?,
        }
    }
}
