//! Runs an exec request: a command, or an interactive shell.
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::api::machines::{ExecIo, ExecRequest, ExecResult};
use crate::cluster::engine::Engine;
use crate::cluster::kubelet::{crash, run as sync};

use super::parse::{self, Command, Part, Step, When};
use super::{Session, Sink, Stop, tools};

/// The runtime's message for a program that is not in the image (captures/exec/command-not-found).
fn not_in_image(program: &str) -> ExecResult {
    let why = if program.contains('/') {
        format!("stat {program}: no such file or directory")
    } else {
        "executable file not found in $PATH".to_owned()
    };
    let id = super::super::chance::digest(program);
    ExecResult::Failed(format!(
        "error executing command in container: failed to exec in container: failed to start exec {id:?}: OCI runtime exec failed: exec failed: unable to start container process: exec: {program:?}: {why}"
    ))
}

/// Runs a command to its end.
pub async fn run(mut session: Session, exec: ExecRequest, mut io: ExecIo) -> ExecResult {
    if exec.command.is_empty() {
        return attach(session, exec, io).await;
    }
    let words: Vec<&str> = exec.command.iter().map(String::as_str).collect();
    let behaviour = session.behaviour();
    let told = session.told(&words);
    if told.as_ref().is_some_and(|t| t.missing) || told.is_none() && behaviour.shell == Some(false) {
        return not_in_image(words[0]);
    }
    let shell = matches!(words[0], "sh" | "/bin/sh" | "bash" | "/bin/bash" | "ash");
    let result = if told.is_none() && shell && words.get(1) != Some(&"-c") {
        interactive(&mut session, &mut io, exec.tty).await
    } else {
        let steps = match (told.is_none() && shell, words.get(2)) {
            (true, Some(script)) => parse::parse(script),
            _ => {
                if told.is_none() && !tools::known(words[0]) {
                    return not_in_image(words[0]);
                }
                let words = exec.command.iter().map(|w| vec![Part::Text(w.clone())]).collect();
                Ok(vec![Step {
                    when: When::Always,
                    pipeline: vec![Command::Simple { words, redirects: Vec::new() }],
                }])
            }
        };
        match steps {
            Ok(steps) => {
                if exec.stdin && tools::reads_input(&words) {
                    session.take_input(&mut io).await;
                }
                let mut sink = Sink::Client { out: &io.stdout, err: &io.stderr };
                session.steps(&steps, &mut sink).await
            }
            Err(why) => {
                // A client that is gone does not read the message.
                let _ = io.stderr.send(Bytes::from(format!("{why}\n"))).await;
                Err(Stop::Exit(2))
            }
        }
    };
    let result = match result {
        Err(Stop::Shell) => interactive(&mut session, &mut io, exec.tty).await,
        other => other,
    };
    match result {
        Ok(()) => ExecResult::Exited(session.last),
        Err(Stop::Exit(code)) => ExecResult::Exited(code),
        Err(Stop::Killed) => ExecResult::Exited(137),
        // A shell that starts a shell in its place is the same one here.
        Err(Stop::Gone | Stop::Shell) => ExecResult::Exited(0),
    }
}

/// `kubectl attach`. A main process that reads its input (a debug container's shell) is run for the client and ends
/// the container with it; of any other the log is streamed until the client or the container ends.
async fn attach(session: Session, exec: ExecRequest, io: ExecIo) -> ExecResult {
    if let Some(command) = session.reads_input() {
        let (cluster, uid, container) = (session.cluster.clone(), session.uid.clone(), session.container);
        let result = Box::pin(run(session, ExecRequest { command, ..exec }, io)).await;
        let code = match &result {
            ExecResult::Exited(code) => *code,
            ExecResult::Failed(_) => 128,
        };
        main_process_ended(&mut cluster.lock(), &uid, container, code);
        // Attach itself has no exit status (captures/exec).
        return ExecResult::Exited(0);
    }
    let clock = session.cluster.store.clock().clone();
    while session.alive() {
        let until = clock.now().checked_add(Duration::from_secs(1)).unwrap_or_else(|_| clock.now());
        tokio::select! {
            () = clock.sleep_until(until) => {}
            () = io.stdout.closed() => return ExecResult::Exited(0),
        }
    }
    ExecResult::Exited(0)
}

fn main_process_ended(engine: &mut Engine, uid: &Arc<str>, container: usize, code: i32) {
    let reason = if code == 0 { "Completed" } else { "Error" };
    crash::end_container(engine, uid, container, code, reason, String::new());
    sync::sync_pod(engine, uid);
}

/// An interactive shell: reads lines and runs them.
async fn interactive(session: &mut Session, io: &mut ExecIo, tty: bool) -> Result<(), Stop> {
    let mut pending: VecDeque<u8> = VecDeque::new();
    let prompt = |s: &Session| if tty { format!("{} # ", s.cwd) } else { String::new() };
    let mut line = Vec::new();
    io.stdout.send(Bytes::from(prompt(session))).await.map_err(|_| Stop::Gone)?;
    loop {
        let Some(byte) = pending.pop_front() else {
            match io.stdin.recv().await {
                Some(data) => pending.extend(data.iter().copied()),
                None => return Ok(()),
            }
            continue;
        };
        match byte {
            b'\r' | b'\n' => {
                if tty {
                    io.stdout.send(Bytes::from_static(b"\r\n")).await.map_err(|_| Stop::Gone)?;
                }
                let text = String::from_utf8_lossy(&std::mem::take(&mut line)).into_owned();
                match parse::parse(&text) {
                    Ok(steps) => {
                        let mut all = Vec::new();
                        session.steps(&steps, &mut Sink::Buffer(&mut all)).await?;
                        if tty {
                            all = all
                                .iter()
                                .flat_map(|b| if *b == b'\n' { vec![b'\r', b'\n'] } else { vec![*b] })
                                .collect();
                        }
                        io.stdout.send(Bytes::from(all)).await.map_err(|_| Stop::Gone)?;
                    }
                    Err(why) => {
                        io.stdout.send(Bytes::from(format!("{why}\r\n"))).await.map_err(|_| Stop::Gone)?
                    }
                }
                io.stdout.send(Bytes::from(prompt(session))).await.map_err(|_| Stop::Gone)?;
            }
            4 if line.is_empty() => return Ok(()),
            3 => line.clear(),
            127 | 8 => {
                if line.pop().is_some() && tty {
                    io.stdout.send(Bytes::from_static(b"\x08 \x08")).await.map_err(|_| Stop::Gone)?;
                }
            }
            byte => {
                line.push(byte);
                if tty {
                    io.stdout.send(Bytes::copy_from_slice(&[byte])).await.map_err(|_| Stop::Gone)?;
                }
            }
        }
    }
}
