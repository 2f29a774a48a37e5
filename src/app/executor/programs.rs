//! Programs of the user's own: started with their arguments and no shell; what they print comes back as messages.

use std::process::Stdio;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::sync::mpsc;

use crate::app::core::msg::{Msg, Program};

/// How much is read at once.
const CHUNK: usize = 16 << 10;

fn command(program: &Program) -> Result<Command, String> {
    let [name, args @ ..] = program.argv.as_slice() else {
        return Err("there is no program to start".to_owned());
    };
    let mut command = Command::new(name);
    command.args(args).kill_on_drop(true);
    Ok(command)
}

/// Runs a program for a view. Dropping the future ends it.
pub async fn run(token: u64, program: Program, inbox: mpsc::Sender<Msg>) {
    let result = printing(token, &program, &inbox).await;
    // The cockpit is gone when nobody receives any more.
    let _ = inbox.send(Msg::Ended { token, result }).await;
}

async fn printing(token: u64, program: &Program, inbox: &mpsc::Sender<Msg>) -> Result<i32, String> {
    let mut command = command(program)?;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| not_started(program, &e))?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    tokio::join!(pass_on(token, out, inbox), pass_on(token, err, inbox));
    let status = child.wait().await.map_err(|e| format!("{} was lost: {e}", program.argv[0]))?;
    status.code().ok_or_else(|| format!("{} ended by a signal: {status}", program.argv[0]))
}

async fn pass_on(token: u64, from: Option<impl AsyncRead + Unpin>, inbox: &mpsc::Sender<Msg>) {
    let Some(mut from) = from else { return };
    let mut buffer = vec![0; CHUNK];
    while let Ok(n @ 1..) = from.read(&mut buffer).await {
        let bytes = Bytes::copy_from_slice(&buffer[..n]);
        if inbox.send(Msg::Printed { token, bytes }).await.is_err() {
            return;
        }
    }
}

/// Runs a program that has the terminal, until it ends.
pub async fn at_terminal(program: &Program) -> Msg {
    let status = match command(program) {
        Ok(mut command) => command.status().await.map_err(|e| not_started(program, &e)),
        Err(why) => Err(why),
    };
    match status {
        Ok(status) if status.success() => Msg::Notice(format!("{} ended.", program.argv[0])),
        Ok(status) => Msg::Failed(format!("{} ended with {status}.", program.argv[0])),
        Err(why) => Msg::Failed(why),
    }
}

fn not_started(program: &Program, why: &std::io::Error) -> String {
    format!("{:?} did not start: {why}", program.argv[0])
}
