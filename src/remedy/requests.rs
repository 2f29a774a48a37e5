//! The requests of a run: reads, dry runs and writes, in its own cluster and others, each write noted in the report.

use super::cx::Cx;
use super::plan::{RequestLine, Stage};
use super::run::{Away, Elsewhere, Halt, Need, Progress, Reply, Stop, wrong};
use super::stale::Planned;
use crate::world::ask::{Answer, Call, Exec, ExecOutput};
use crate::world::{ObjectRef, Uid};

impl Cx {
    /// Sends a read and gives back what came, whatever its status.
    pub async fn call(&self, call: Call) -> Result<Answer, Stop> {
        let what = format!("{} {}", call.verb.as_str(), call.path);
        match self.need(Need::Call(call)).await? {
            Reply::Call(Ok(answer)) => Ok(answer),
            Reply::Call(Err(why)) => Err(Stop::Failed(format!("{what} got no answer: {why}"))),
            other => Err(wrong(&what, &other)),
        }
    }

    /// Reads the object that the action is about and pins the plan to it.
    ///
    /// # Errors
    /// It is not there, cannot be read, or is not the one that the operator chose but a newer one of the same name.
    pub async fn target(&self, target: &ObjectRef) -> Result<serde_json::Value, Stop> {
        let answer = self.call(Call::get(target.path())).await?;
        if answer.status == 404 {
            return Err(Stop::Refused(format!("there is no {target} (any more); nothing was changed")));
        }
        if !answer.ok() {
            return Err(Stop::Failed(format!(
                "GET {} was answered {}: {}",
                target.path(),
                answer.status,
                answer.message()
            )));
        }
        let object = answer.body;
        let uid = object["metadata"]["uid"].as_str().unwrap_or("").to_owned();
        let mut s = self.s();
        if let Some(chosen) = &s.options.uid
            && !uid.is_empty()
            && *chosen != Uid::from(uid.as_str())
        {
            return Err(Stop::Refused(format!("{}; nothing was changed", another(target))));
        }
        s.planned = Some(Planned::new(&object));
        s.report.uid = uid;
        Ok(object)
    }

    /// The uid of the object that the plan is about; empty before it was read.
    pub fn uid(&self) -> String {
        self.s().report.uid.clone()
    }

    /// A strategic merge patch or merge patch that the server refuses where the object is not the one planned for.
    pub fn pinned(&self, mut body: serde_json::Value) -> serde_json::Value {
        let uid = self.uid();
        if !uid.is_empty() {
            body["metadata"]["uid"] = uid.into();
        }
        body
    }

    /// Why a write to the target was refused, where the reason is that the object is not the one planned for.
    pub async fn replaced(&self, target: &ObjectRef) -> Result<Option<String>, Stop> {
        let uid = self.uid();
        let now = self.stubborn().call(Call::get(target.path())).await?;
        let found = now.body["metadata"]["uid"].as_str().unwrap_or("");
        Ok(match now.status {
            404 => Some(format!("{target} was deleted since the plan was made")),
            200 if !uid.is_empty() && found != uid => Some(another(target)),
            _ => None,
        })
    }

    /// GET that must succeed.
    pub async fn get(&self, path: String) -> Result<serde_json::Value, Stop> {
        let answer = self.call(Call::get(path.clone())).await?;
        if answer.ok() {
            return Ok(answer.body);
        }
        Err(Stop::Failed(format!("GET {path} was answered {}: {}", answer.status, answer.message())))
    }

    /// Every item of a list, page by page. `query` is part of each request; it may be empty.
    pub async fn list(&self, path: &str, query: &str) -> Result<Vec<serde_json::Value>, Stop> {
        let (mut out, mut next) = (Vec::new(), Some(String::new()));
        while let Some(after) = next {
            let page = self.get(format!("{path}?limit={PAGE}{query}{after}")).await?;
            next = following(&page);
            out.extend(items(page));
            self.progress(Progress { line: format!("{} objects read", out.len()), ..Progress::default() });
        }
        Ok(out)
    }

    /// Sends a write, notes it among the requests and gives back what came, whatever its status.
    pub async fn send(&self, call: Call, dry_run: bool) -> Result<Answer, Stop> {
        let line = line("", &call, dry_run);
        let unsent = self.halted(&self.s(), Halt::AfterStep);
        let result = self.call(call).await;
        self.noted(line, unsent, result.as_ref());
        result
    }

    /// Notes a write and how it was answered.
    pub fn noted(&self, line: RequestLine, unsent: bool, result: Result<&Answer, &Stop>) {
        let status = result.map_or(0, |a| a.status);
        let line = RequestLine { status, ..line };
        let mut s = self.s();
        s.applied |= !line.dry_run
            && match result {
                Ok(answer) => answer.ok(),
                // Stopped before the answer came: the server may well have done it.
                Err(Stop::Cancelled) => !unsent,
                Err(_) => false,
            };
        let same = |r: &&mut RequestLine| RequestLine { times: 1, ..(**r).clone() } == line;
        // An eviction that a budget holds up is tried every few seconds: one line says all of it.
        match s.report.requests.iter_mut().find(same) {
            Some(before) => before.times += 1,
            None => s.report.requests.push(line),
        }
    }

    /// Whether the operator stops the run after the step under way.
    pub fn stopping(&self) -> bool {
        self.halted(&self.s(), Halt::AfterStep)
    }

    /// Sends a request to the cluster of another context. `Err` where there is no connection to it or no answer.
    pub async fn elsewhere(&self, context: &str, call: Call) -> Result<Result<Elsewhere, Away>, Stop> {
        match self.need(Need::Elsewhere(context.into(), call)).await? {
            Reply::Elsewhere(result) => Ok(result),
            other => Err(wrong("another cluster", &other)),
        }
    }

    /// The server's dry run of a write. A refusal there ends the run: nothing was changed.
    pub async fn dry_run(&self, call: &Call) -> Result<serde_json::Value, Stop> {
        self.stage(Stage::DryRun);
        let mut dry = call.clone();
        dry.path.push(if dry.path.contains('?') { '&' } else { '?' });
        dry.path.push_str("dryRun=All");
        let answer = self.send(dry, true).await?;
        if answer.ok() {
            return Ok(answer.body);
        }
        Err(Stop::Refused(format!(
            "the dry run was answered {}: {}; nothing was changed",
            answer.status,
            answer.message()
        )))
    }

    /// Sends a write for real. Anything but success ends the run.
    pub async fn apply(&self, call: Call) -> Result<serde_json::Value, Stop> {
        self.stage(Stage::Applying);
        let what = format!("{} {}", call.verb.as_str(), call.path);
        let answer = self.send(call, false).await?;
        if answer.ok() {
            return Ok(answer.body);
        }
        let target = self.s().report.target.clone();
        if matches!(answer.status, 404 | 409 | 422)
            && let Some(why) = self.replaced(&target).await?
        {
            return Err(Stop::Refused(format!("{why}; nothing was changed")));
        }
        let hint = match answer.status {
            409 => "; it changed in the meantime, plan again",
            403 => "; you are not allowed to",
            _ => "",
        };
        Err(Stop::Failed(format!("{what} was answered {}: {}{hint}", answer.status, answer.message())))
    }

    /// Runs a command in a container. `Err` where it could not be run at all.
    pub async fn exec(&self, exec: Exec) -> Result<Result<ExecOutput, String>, Stop> {
        match self.need(Need::Exec(exec)).await? {
            Reply::Exec(result) => Ok(result),
            other => Err(wrong("the command", &other)),
        }
    }

    /// Notes a command among the requests: exec is a connection that is upgraded.
    pub fn note_exec(&self, exec: &Exec, status: u16) {
        let path = format!(
            "/api/v1/namespaces/{}/pods/{}/exec?container={}&command={}",
            exec.namespace,
            exec.pod,
            exec.container,
            exec.command.join("&command=")
        );
        let mut s = self.s();
        s.report.requests.push(RequestLine {
            context: String::new(),
            verb: "GET".into(),
            path,
            dry_run: false,
            status,
            times: 1,
        });
        if status == 101 {
            s.applied = true;
        }
    }
}

/// Objects asked for at once.
pub(super) const PAGE: usize = 500;

/// The items of a page. They leave out what the list says for all of them.
pub(super) fn items(mut page: serde_json::Value) -> Vec<serde_json::Value> {
    match page["items"].take() {
        serde_json::Value::Array(items) => items,
        _ => Vec::new(),
    }
}

/// What the request for the page behind this one adds; `None` where this is the last.
pub(super) fn following(page: &serde_json::Value) -> Option<String> {
    let token = page["metadata"]["continue"].as_str().filter(|token| !token.is_empty())?;
    Some(format!("&continue={token}"))
}

/// A write before its answer.
pub(super) fn line(context: &str, call: &Call, dry_run: bool) -> RequestLine {
    RequestLine {
        context: context.to_owned(),
        verb: call.verb.as_str().to_owned(),
        path: call.path.clone(),
        dry_run,
        status: 0,
        times: 1,
    }
}

/// The sentence about an object that has the target's name and is not the target.
fn another(target: &ObjectRef) -> String {
    format!("{target} was deleted and made anew: what has the name now is another object, look at it first")
}
