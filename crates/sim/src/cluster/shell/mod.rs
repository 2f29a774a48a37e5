//! The shell of the containers: commands, their output and their files.
mod disk;
mod entry;
mod jvm;
mod parse;
mod stream;
mod system;
mod tar;
mod tools;

use crate::cluster::kubelet::node;
use crate::cluster::kubelet::start;
use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::sync::mpsc;

use crate::api::machines::ExecIo;
use crate::scenario::format::{Behaviour, ExecAnswer, NodeChange};

use super::Cluster;
use super::engine::Engine;
use super::kubelet::{Container, PodRun, spec_of};
use super::object;
use parse::{Command, Part, Redirect, Step, When, Word};

pub use entry::run;

/// Environment variables.
pub type Env = BTreeMap<String, String>;

/// The context of a command: container run, directory and variables.
pub struct Session {
    cluster: Cluster,
    uid: Arc<str>,
    container: usize,
    attempt: u32,
    cwd: String,
    /// The root after chroot; empty without one.
    root: String,
    env: Env,
    last: i32,
    /// The client's input.
    input: Bytes,
}

/// A piece of a command's output: bytes or a pause.
pub enum Piece {
    Data(Bytes),
    Wait(Duration),
}

pub type Source = Box<dyn Iterator<Item = Piece> + Send>;

/// A command's output, produced while it is read.
pub struct Output {
    pub out: Source,
    pub err: String,
    pub code: i32,
}

impl Output {
    pub fn text(out: impl Into<String>) -> Self {
        Self::bytes(Bytes::from(out.into()))
    }

    pub fn bytes(out: Bytes) -> Self {
        Self { out: Box::new(std::iter::once(Piece::Data(out))), err: String::new(), code: 0 }
    }

    pub fn nothing() -> Self {
        Self { out: Box::new(std::iter::empty()), err: String::new(), code: 0 }
    }

    pub fn fail(code: i32, err: impl Into<String>) -> Self {
        Self { code, err: err.into(), ..Self::nothing() }
    }
}

/// All bytes of a source.
pub fn drain(source: Source) -> Bytes {
    let mut all = Vec::new();
    for piece in source {
        if let Piece::Data(data) = piece {
            all.extend_from_slice(&data);
        }
    }
    Bytes::from(all)
}

/// Why a command stops early.
enum Stop {
    /// The client disconnected.
    Gone,
    /// The container ended.
    Killed,
    Exit(i32),
    /// A shell has taken the place of the script.
    Shell,
}

/// The destination of output.
enum Sink<'a> {
    Client { out: &'a mpsc::Sender<Bytes>, err: &'a mpsc::Sender<Bytes> },
    Buffer(&'a mut Vec<u8>),
}

/// The most loop iterations of a command, which ends an endless script.
const MOST_ROUNDS: usize = 10_000;

impl Session {
    pub fn new(cluster: Cluster, uid: Arc<str>, container: usize, attempt: u32) -> Self {
        let mut env = {
            let engine = cluster.lock();
            start::environment(&engine, &uid, container).unwrap_or_default()
        };
        env.entry("PATH".into())
            .or_insert_with(|| "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into());
        env.entry("HOME".into()).or_insert_with(|| "/root".into());
        Self {
            cluster,
            uid,
            container,
            attempt,
            cwd: "/".into(),
            root: String::new(),
            env,
            last: 0,
            input: Bytes::new(),
        }
    }

    /// Reads all input before the command starts.
    async fn take_input(&mut self, io: &mut ExecIo) {
        let mut all = Vec::new();
        while let Some(data) = io.stdin.recv().await {
            all.extend_from_slice(&data);
        }
        self.input = Bytes::from(all);
    }

    fn lock(&self) -> MutexGuard<'_, Engine> {
        self.cluster.lock()
    }

    /// Runs `f` on the pod and container, if this run still exists.
    fn look<T>(&self, f: impl FnOnce(&Engine, &PodRun, &Container) -> T) -> Option<T> {
        let engine = self.lock();
        let run = engine.runs.get(&self.uid)?;
        let container = run.containers.get(self.container)?;
        (container.attempt == self.attempt && container.running()).then(|| f(&engine, run, container))
    }

    fn alive(&self) -> bool {
        self.look(|_, _, _| ()).is_some()
    }

    /// The main process, where it reads what a client sends: its words, or a shell.
    fn reads_input(&self) -> Option<Vec<String>> {
        let words = self.look(|_, run, container| {
            let spec = spec_of(run, container).filter(|s| s["stdin"] == true)?;
            let words = ["/command", "/args"].into_iter().flat_map(|list| object::list(spec, list));
            Some(words.filter_map(|w| w.as_str().map(str::to_owned)).collect::<Vec<_>>())
        })??;
        Some(if words.is_empty() { vec!["sh".to_owned()] } else { words })
    }

    fn behaviour(&self) -> Arc<Behaviour> {
        self.look(|_, _, c| c.run.as_ref().map(|r| r.behaviour.clone())).flatten().unwrap_or_default()
    }

    /// The scenario's answer to a command.
    fn told(&self, words: &[&str]) -> Option<ExecAnswer> {
        self.behaviour().answers(words, |path| self.file(path).is_some() || self.is_dir(path)).cloned()
    }

    /// Applies what the user changed on the machine.
    fn work_on_node(&self, change: &NodeChange) {
        let mut engine = self.lock();
        if let Some(node) = engine.runs.get(&self.uid).map(|r| r.node.clone()) {
            node::change_node(&mut engine, &node, change);
        }
    }

    /// The time since the container's behaviour started.
    fn elapsed(&self) -> Duration {
        self.look(|e, _, c| c.run.as_ref().map(|r| r.elapsed(e.now()))).flatten().unwrap_or_default()
    }

    fn expand(&mut self, word: &Word) -> Result<String, Stop> {
        let mut out = String::new();
        for part in word {
            match part {
                Part::Text(t) => out.push_str(t),
                Part::Variable(name) if name == "?" => out.push_str(&self.last.to_string()),
                Part::Variable(name) if name == "$" => out.push_str("31"),
                Part::Variable(name) => {
                    let (name, other) = name.split_once(":-").unwrap_or((name, ""));
                    out.push_str(self.env.get(name).map_or(other, String::as_str));
                }
                Part::Output(script) => {
                    let steps = match parse::parse(script) {
                        Ok(steps) => steps,
                        Err(_) => return Err(Stop::Exit(2)),
                    };
                    let text = self.quiet(&steps)?;
                    out.push_str(text.trim_end_matches('\n'));
                }
            }
        }
        Ok(out)
    }

    /// Runs steps for their output and skips pauses.
    fn quiet(&mut self, steps: &[Step]) -> Result<String, Stop> {
        let mut all = Vec::new();
        for step in steps {
            if step.when == When::Success && self.last != 0 || step.when == When::Failure && self.last == 0 {
                continue;
            }
            if let Some(out) = self.pipeline(&step.pipeline, &mut Vec::new())? {
                all.extend_from_slice(&drain(out));
            }
        }
        Ok(String::from_utf8_lossy(&all).into_owned())
    }

    /// Starts the commands of a pipeline and returns the output of the last. Compound commands cannot be in a
    /// pipeline.
    fn pipeline(&mut self, commands: &[Command], errors: &mut Vec<u8>) -> Result<Option<Source>, Stop> {
        let mut flow: Source = Box::new(std::iter::once(Piece::Data(self.input.clone())));
        for command in commands {
            let Command::Simple { words, redirects } = command else { continue };
            let mut argv = Vec::new();
            for word in words {
                argv.push(self.expand(word)?);
            }
            let mut input = flow;
            for redirect in redirects {
                if let Redirect::In(path) = redirect {
                    let path = self.expand(path)?;
                    input = match self.read(&path) {
                        Ok(source) => source,
                        Err(why) => {
                            errors
                                .extend_from_slice(format!("sh: 1: cannot open {path}: {why}\n").as_bytes());
                            self.last = 2;
                            return Ok(None);
                        }
                    };
                }
            }
            while argv.first().is_some_and(|w| {
                w.split_once('=').is_some_and(|(n, _)| {
                    !n.is_empty() && n.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
                })
            }) {
                let assignment = argv.remove(0);
                if let Some((name, value)) = assignment.split_once('=') {
                    self.env.insert(name.to_owned(), value.to_owned());
                }
            }
            let mut output = if argv.is_empty() { Output::nothing() } else { self.program(&argv, input)? };
            self.last = output.code;
            for redirect in redirects {
                match redirect {
                    Redirect::ErrToOut => {
                        let err = Piece::Data(Bytes::from(std::mem::take(&mut output.err)));
                        output.out = Box::new(output.out.chain(std::iter::once(err)));
                    }
                    Redirect::OutToErr => {
                        let text = drain(output.out);
                        output.err.push_str(&String::from_utf8_lossy(&text));
                        output.out = Box::new(std::iter::empty());
                    }
                    Redirect::Err(path) => {
                        let path = self.expand(path)?;
                        self.write(&path, Bytes::from(std::mem::take(&mut output.err)), false);
                    }
                    Redirect::Out(path, append) => {
                        let path = self.expand(path)?;
                        let all = drain(output.out);
                        if let Err(why) = self.write(&path, all, *append).map_or(Ok(()), Err) {
                            output.err.push_str(&format!("sh: 1: cannot create {path}: {why}\n"));
                            self.last = 2;
                        }
                        output.out = Box::new(std::iter::empty());
                    }
                    Redirect::In(_) => {}
                }
            }
            errors.extend_from_slice(output.err.as_bytes());
            flow = output.out;
        }
        Ok(Some(flow))
    }

    /// Runs one program.
    fn program(&mut self, argv: &[String], input: Source) -> Result<Output, Stop> {
        let words: Vec<&str> = argv.iter().map(String::as_str).collect();
        if let Some(told) = self.told(&words) {
            if told.missing {
                return Ok(Output::fail(127, format!("sh: 1: {}: not found\n", words[0])));
            }
            if let Some(change) = &told.node {
                self.work_on_node(change);
            }
            return Ok(Output { err: told.stderr, code: told.code, ..Output::text(told.stdout) });
        }
        if words[0] == "exit" {
            return Err(Stop::Exit(words.get(1).and_then(|c| c.parse().ok()).unwrap_or(self.last)));
        }
        if words[0] == "exec" && words.len() > 1 {
            if matches!(words[1], "sh" | "/bin/sh" | "ash") && words.len() == 2 {
                return Err(Stop::Shell);
            }
            let output = self.program(&argv[1..], input)?;
            return Err(Stop::Exit(output.code));
        }
        if matches!(words[0], "sh" | "/bin/sh" | "bash" | "/bin/bash") && words.get(1) == Some(&"-c") {
            let script = words.get(2).copied().unwrap_or_default();
            return Ok(match parse::parse(script) {
                Ok(steps) => Output::text(self.quiet(&steps)?),
                Err(why) => Output::fail(2, format!("{why}\n")),
            });
        }
        if let ("chroot", Some(root), true) = (words[0], words.get(1), words.len() > 2) {
            let inside = self.path(root);
            if let ["sh" | "/bin/sh"] = words[2..] {
                self.root = inside;
                return Err(Stop::Shell);
            }
            let outside = std::mem::replace(&mut self.root, inside);
            let output = self.program(&argv[2..], input);
            self.root = outside;
            return output;
        }
        let found = tools::run(self, &words, input);
        Ok(found.unwrap_or_else(|| Output::fail(127, format!("sh: 1: {}: not found\n", words[0]))))
    }

    /// Runs steps and sends their output as it is produced.
    fn steps<'a>(&'a mut self, steps: &'a [Step], sink: &'a mut Sink<'_>) -> BoxFuture<'a, Result<(), Stop>> {
        Box::pin(async move {
            for step in steps {
                if step.when == When::Success && self.last != 0
                    || step.when == When::Failure && self.last == 0
                {
                    continue;
                }
                match step.pipeline.as_slice() {
                    [Command::If { test, then, other }] => {
                        self.steps(test, sink).await?;
                        let branch = if self.last == 0 { then } else { other };
                        self.last = 0;
                        self.steps(branch, sink).await?;
                    }
                    [Command::For { name, words, body }] => {
                        let mut values = Vec::new();
                        for word in words {
                            let value = self.expand(word)?;
                            values.extend(self.glob(&value));
                        }
                        for value in values.into_iter().take(MOST_ROUNDS) {
                            self.env.insert(name.clone(), value);
                            self.steps(body, sink).await?;
                        }
                    }
                    pipeline => {
                        let mut errors = Vec::new();
                        let flow = self.pipeline(pipeline, &mut errors);
                        let code = self.last;
                        if let Ok(Some(source)) = flow {
                            self.send(source, sink).await?;
                        } else {
                            flow?;
                        }
                        if !errors.is_empty()
                            && let Sink::Client { err, .. } = sink
                        {
                            err.send(Bytes::from(errors)).await.map_err(|_| Stop::Gone)?;
                        }
                        self.last = code;
                    }
                }
            }
            Ok(())
        })
    }

    async fn send(&self, source: Source, sink: &mut Sink<'_>) -> Result<(), Stop> {
        let clock = self.cluster.store.clock().clone();
        for piece in source {
            if !self.alive() {
                return Err(Stop::Killed);
            }
            match (piece, &mut *sink) {
                (Piece::Data(data), _) if data.is_empty() => {}
                (Piece::Data(data), Sink::Client { out, .. }) => {
                    out.send(data).await.map_err(|_| Stop::Gone)?
                }
                (Piece::Data(data), Sink::Buffer(all)) => all.extend_from_slice(&data),
                (Piece::Wait(wait), Sink::Client { out, .. }) => {
                    let until = clock.now().checked_add(wait).unwrap_or_else(|_| clock.now());
                    tokio::select! {
                        () = clock.sleep_until(until) => {}
                        () = out.closed() => return Err(Stop::Gone),
                    }
                    if !self.alive() {
                        return Err(Stop::Killed);
                    }
                }
                (Piece::Wait(_), Sink::Buffer(_)) => {}
            }
        }
        Ok(())
    }
}
