//! Edit: any object in the operator's editor, as a plan with the server's diff.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::remedy::action::{Action, Right};
use crate::remedy::cx::Cx;
use crate::remedy::files::FileOp;
use crate::remedy::plan::Severity;
use crate::remedy::run::{Done, Ended, Job, MERGE, Params, Stop, Terminal, patch};
use crate::remedy::{diff, kubectl, merge, seen};
use crate::world::ObjectRef;
use crate::world::ask::{Answer, Call};

pub(super) static ACTION: Action = Action {
    title: "Edit",
    about: "change it in your editor; the server's diff comes before anything is sent",
    rights: &[Right::on_target("patch")],
    sequential: true,
    kubectl,
    ..Action::new("edit", start)
};

fn kubectl(target: &ObjectRef, _: &Params) -> String {
    format!("kubectl edit {}", kubectl::object(target))
}

/// Lines of this beginning are taken out of what was typed.
const MARK: &str = "# khud: ";

/// Changes of others that are taken over before the edit is given up.
const REBASES: usize = 3;

fn start(cx: Cx, target: ObjectRef, _: Params) -> Result<Job, String> {
    Ok(Box::pin(async move {
        let object = cx.target(&target).await?;
        // Read-only, or without the right: said before anything is typed.
        cx.warn_of_owner(&object);
        cx.guards().await?;
        cx.cleared()?;
        let base = diff::restorable(&object);
        let mut text = diff::yaml(&base);
        let mut note = String::new();
        let mut before: Option<PathBuf> = None;
        loop {
            let (typed, path) = edited(&cx, &target, &note, &text).await?;
            // The file of the try before holds nothing that this one does not.
            if let Some(old) = before.replace(path.clone()).filter(|old| *old != path) {
                remove(&cx, old).await;
            }
            if typed == text {
                if note.is_empty() {
                    remove(&cx, path).await;
                    return Ok(Done::Verified(format!("{target}: nothing was changed; nothing was sent")));
                }
                return Err(Stop::Refused(format!("{note}; what was typed is in {}", path.display())));
            }
            text = typed;
            match attempt(&cx, &target, &object, &base, &text).await? {
                Tried::Unread(why) => note = why,
                Tried::Same => {
                    remove(&cx, path).await;
                    return Ok(Done::Verified(format!("{target}: nothing was changed; nothing was sent")));
                }
                Tried::Planned(change) => {
                    let sent = send(&cx, &target, &base, change).await;
                    return match sent {
                        Ok(done) => {
                            remove(&cx, path).await;
                            Ok(done)
                        }
                        Err(Stop::Refused(why)) => Err(Stop::Refused(kept(&why, &path))),
                        Err(Stop::Failed(why)) => Err(Stop::Failed(kept(&why, &path))),
                        Err(stop) => Err(stop),
                    };
                }
            }
        }
    }))
}

fn kept(why: &str, path: &std::path::Path) -> String {
    format!("{why}; what was typed is in {}", path.display())
}

/// Opens the editor; what was typed, without khud's own comment, and the file it is in.
async fn edited(cx: &Cx, target: &ObjectRef, note: &str, text: &str) -> Result<(String, PathBuf), Stop> {
    let head: String = note.lines().map(|line| format!("{MARK}{line}\n")).collect();
    let space = if target.namespace.is_empty() { String::new() } else { format!("{}-", target.namespace) };
    let name = format!("{space}{}-{}-{}.yaml", target.kind.plural(), target.name, cx.now().0);
    match cx.terminal(Terminal::Edit { name, text: format!("{head}{text}") }).await? {
        Ended::Text { text, path } => {
            let lines = text.lines().filter(|line| !line.starts_with(MARK.trim_end()));
            Ok((lines.map(|line| format!("{line}\n")).collect(), path))
        }
        Ended::Exit(_) => Err(Stop::Failed("the editor was answered with an exit status".to_owned())),
    }
}

async fn remove(cx: &Cx, path: PathBuf) {
    // A file that stays behind is the operator's own, readable by nobody else.
    let _ = cx.local(FileOp::Remove { path }).await;
}

enum Tried {
    /// It cannot be sent as it stands; the reason goes into the editor.
    Unread(String),
    Same,
    Planned(Value),
}

/// Reads what was typed and has the server try it.
async fn attempt(
    cx: &Cx,
    target: &ObjectRef,
    object: &Value,
    base: &Value,
    text: &str,
) -> Result<Tried, Stop> {
    let after: Value = match serde_saphyr::from_str(text) {
        Ok(after) => after,
        Err(e) => return Ok(Tried::Unread(format!("this is not YAML: {e}"))),
    };
    let fixed = ["/apiVersion", "/kind", "/metadata/name", "/metadata/namespace"];
    if let Some(path) = fixed.iter().find(|p| base.pointer(p) != after.pointer(p)) {
        let field = path.trim_start_matches('/').replace('/', ".");
        return Ok(Tried::Unread(format!("{field} may not be changed: that would be another object")));
    }
    let change = merge::patch(base, &after);
    if change == json!({}) {
        return Ok(Tried::Same);
    }
    let mut call = patch(target, MERGE, cx.pinned(change.clone()));
    call.path.push_str("?dryRun=All&fieldValidation=Strict");
    let answer = cx.send(call, true).await?;
    if !answer.ok() {
        // The server's reason is worth another try in the editor; a right that is missing is not.
        return match answer.status {
            400 | 422 => Ok(Tried::Unread(answer.message())),
            status => Err(Stop::Refused(format!("the dry run was answered {status}: {}", answer.message()))),
        };
    }
    cx.change(target.clone(), diff::unified(&diff::essence(object), &diff::essence(&answer.body)));
    if target.kind.workload() && change["spec"]["template"].is_object() {
        cx.impact("its pods are replaced", Severity::Warning, "the template changes");
    }
    Ok(Tried::Planned(change))
}

/// Asks, then sends the change; what others changed meanwhile is kept where it is something else.
async fn send(cx: &Cx, target: &ObjectRef, base: &Value, change: Value) -> Result<Done, Stop> {
    // The plan is what was typed: it does not become another one when the object changes.
    cx.confirm_as_it_is(format!("Change {target} so?"), None).await?;
    for _ in 0..REBASES {
        let now = cx.call(Call::get(target.path())).await?;
        if !now.ok() {
            return Err(Stop::Refused(format!("{target} cannot be read any more: {}", now.message())));
        }
        let both = merge::conflicts(base, &now.body, &change);
        if !both.is_empty() {
            let theirs = diff::unified(&diff::essence(base), &diff::essence(&diff::restorable(&now.body)));
            cx.impact("somebody else changed the same", Severity::Critical, theirs);
            return Err(Stop::Refused(format!("{} changed meanwhile; nothing was sent", both.join(", "))));
        }
        let mut body = cx.pinned(change.clone());
        body["metadata"]["resourceVersion"] = now.body["metadata"]["resourceVersion"].clone();
        let answer: Answer = cx.send(patch(target, MERGE, body), false).await?;
        if answer.ok() {
            let done = format!("{target} is as it was edited");
            return seen::read_back(cx, target, done, move |o| merge::applied(o, &change) == *o).await;
        }
        if answer.status != 409 {
            return Err(Stop::Failed(format!(
                "the change was answered {}: {}",
                answer.status,
                answer.message()
            )));
        }
    }
    Err(Stop::Failed(format!("{target} changes all the time: {REBASES} tries met another version")))
}
