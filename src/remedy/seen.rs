//! Reading the target back: how an action is verified whose result khud does not watch.

use std::time::Duration;

use serde_json::Value;

use super::cx::Cx;
use super::plan::Stage;
use super::run::{Done, Progress, Stop};
use crate::world::ObjectRef;
use crate::world::ask::Call;

/// Between two reads.
const EVERY: Duration = Duration::from_secs(2);

/// Reads the target until it holds, or for half a minute.
pub(super) async fn read_back<F>(cx: &Cx, target: &ObjectRef, done: String, holds: F) -> Result<Done, Stop>
where
    F: Fn(&Value) -> bool,
{
    cx.stage(Stage::Watching);
    let wait = cx.options().timeout.unwrap_or(Duration::from_secs(30));
    let until = cx.now().plus(wait);
    loop {
        let answer = cx.call(Call::get(target.path())).await?;
        if answer.ok() && holds(&answer.body) {
            return Ok(Done::Verified(done));
        }
        if cx.now() >= until {
            let seen = match answer.status {
                404 => format!("{target} is not there any more"),
                status if !answer.ok() => {
                    format!("reading it back was answered {status}: {}", answer.message())
                }
                _ => "reading it back does not show it: somebody may have changed it again".to_owned(),
            };
            return Ok(Done::Applied(format!("accepted, but {seen}")));
        }
        cx.sleep(EVERY).await?;
    }
}

/// Reads the target until the object of that uid is gone; says what holds it where it stays.
pub(super) async fn gone(cx: &Cx, target: &ObjectRef, uid: &str, wait: Duration) -> Result<Done, Stop> {
    cx.stage(Stage::Watching);
    let until = cx.now().plus(cx.options().timeout.unwrap_or(wait));
    loop {
        let answer = cx.call(Call::get(target.path())).await?;
        let other = answer.ok() && answer.body["metadata"]["uid"].as_str() != Some(uid);
        if answer.status == 404 || other {
            return Ok(Done::Verified(format!("{target} is gone")));
        }
        let held = holding(&answer.body);
        if cx.now() >= until {
            return Ok(Done::Applied(format!("{target} is marked as deleted and still there: {held}")));
        }
        cx.progress(Progress { line: held, ..Progress::default() });
        cx.sleep(EVERY).await?;
    }
}

/// The finalizers that keep an object that is being deleted.
fn holding(object: &Value) -> String {
    let finalizers: Vec<&str> =
        object["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    // A namespace says in its conditions what is left in it.
    let left = conditions
        .filter(|c| c["status"] == "True" && c["type"].as_str().is_some_and(|t| t.starts_with("Namespace")))
        .filter_map(|c| c["message"].as_str())
        .collect::<Vec<_>>();
    match (finalizers.as_slice(), left.as_slice()) {
        ([], []) => "waiting for the server".to_owned(),
        ([], left) => left.join("; "),
        (f, _) => format!("waiting for whoever takes the finalizers {} away", f.join(", ")),
    }
}
