//! Other clusters as a plan meets them: who they are, what is there, and what they would refuse.

use serde_json::Value;

use crate::remedy::cx::Cx;
use crate::remedy::plan::Severity;
use crate::remedy::requests;
use crate::remedy::run::Stop;
use crate::world::ask::{Answer, Call};
use crate::world::quantity::{is_gpu, milli, value};

/// One request that a plan sends to a region.
#[derive(Clone, Debug)]
pub(super) struct Write {
    pub context: String,
    pub call: Call,
    /// In words: `prod/llm has 12 pods`.
    pub what: String,
}

/// A region's answer.
///
/// # Errors
/// It gave none.
pub(super) async fn ask(cx: &Cx, context: &str, path: impl Into<String>) -> Result<Answer, Stop> {
    let path = path.into();
    match cx.elsewhere(context, Call::get(path.as_str())).await? {
        Ok(there) => Ok(there.answer),
        Err(away) => Err(Stop::Failed(format!("{context}: GET {path} got no answer: {}", away.why))),
    }
}

/// A region's answer, which has to be a good one.
pub(super) async fn get(cx: &Cx, context: &str, path: impl Into<String>) -> Result<Value, Stop> {
    let path = path.into();
    let answer = ask(cx, context, path.as_str()).await?;
    if answer.ok() {
        return Ok(answer.body);
    }
    Err(Stop::Failed(format!("{context}: GET {path} was answered {}: {}", answer.status, answer.message())))
}

/// The server's dry run of a write. A refusal there ends the run: nothing was changed.
pub(super) async fn dry_run(cx: &Cx, write: &Write) -> Result<Value, Stop> {
    let mut dry = write.call.clone();
    dry.path.push(if dry.path.contains('?') { '&' } else { '?' });
    dry.path.push_str("dryRun=All");
    let answer = send(cx, &write.context, dry, true).await?;
    if answer.ok() {
        return Ok(answer.body);
    }
    Err(Stop::Refused(format!(
        "{}: the dry run for {} was answered {}: {}; nothing was changed",
        write.context,
        write.what,
        answer.status,
        answer.message()
    )))
}

/// Sends a write for real. Anything but success ends the run.
pub(super) async fn apply(cx: &Cx, write: &Write) -> Result<Value, Stop> {
    let what = format!("{}: {} {}", write.context, write.call.verb.as_str(), write.call.path);
    let answer = send(cx, &write.context, write.call.clone(), false).await?;
    if answer.ok() {
        cx.step(format!("{}: {}", write.context, write.what)).await;
        return Ok(answer.body);
    }
    Err(Stop::Failed(format!("{what} was answered {}: {}", answer.status, answer.message())))
}

async fn send(cx: &Cx, context: &str, call: Call, dry_run: bool) -> Result<Answer, Stop> {
    let line = requests::line(context, &call, dry_run);
    let what = format!("{context}: {} {}", call.verb.as_str(), call.path);
    let unsent = cx.stopping();
    let result = match cx.elsewhere(context, call).await {
        Ok(Ok(there)) => Ok(there.answer),
        Ok(Err(away)) => Err(Stop::Failed(format!("{what} got no answer: {}", away.why))),
        Err(stop) => Err(stop),
    };
    cx.noted(line, unsent, result.as_ref());
    result
}

/// Names each cluster in the plan; refuses where one of the heirs does not answer, or two contexts are one cluster.
pub(super) async fn meet(cx: &Cx, from: Option<&str>, to: &[&str]) -> Result<(), Stop> {
    let mut met: Vec<(String, String)> = Vec::new();
    for (context, heir) in from.map(|c| (c, false)).into_iter().chain(to.iter().map(|c| (*c, true))) {
        let there = cx.elsewhere(context, Call::get("/api/v1/namespaces/kube-system")).await?;
        let uid = match there {
            Err(away) if heir || away.unknown => {
                let why = away.why;
                cx.guard(&format!("{context} answers"), false, format!("{context} does not answer: {why}"));
                continue;
            }
            Err(away) => {
                cx.impact(format!("{context} does not answer"), Severity::Info, away.why);
                continue;
            }
            Ok(there) => {
                let uid = there.answer.body["metadata"]["uid"].as_str().filter(|_| there.answer.ok());
                let who = match uid {
                    Some(uid) => format!("cluster {uid}"),
                    None => format!("cluster identity not verified: {}", there.answer.message()),
                };
                let severity = match (heir, uid) {
                    (true, Some(_)) => Severity::Info,
                    _ => Severity::Warning,
                };
                let what = if heir { format!("{context} takes over") } else { format!("{context} answers") };
                cx.impact(what, severity, format!("{}, {who}", there.server));
                uid.map(str::to_owned)
            }
        };
        let Some(uid) = uid else { continue };
        if let Some((other, _)) = met.iter().find(|(_, known)| *known == uid) {
            let why = format!("{context} and {other} are one cluster");
            cx.guard("the contexts are different clusters", false, why);
        }
        met.push((context.to_owned(), uid));
    }
    Ok(())
}

async fn list(cx: &Cx, context: &str, path: &str) -> Result<Vec<Value>, Stop> {
    let (mut out, mut next) = (Vec::new(), Some(String::new()));
    while let Some(after) = next {
        let page = get(cx, context, format!("{path}?limit={}{after}", requests::PAGE)).await?;
        next = requests::following(&page);
        out.extend(requests::items(page));
    }
    Ok(out)
}

/// What the containers of a pod ask for: a request, else the limit.
fn asked(spec: &Value, name: &str) -> u64 {
    let of = |c: &Value| {
        let amount = [&c["resources"]["requests"][name], &c["resources"]["limits"][name]];
        let text = amount
            .iter()
            .find(|v| !v.is_null())
            .map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
        text.and_then(|t| if name == "cpu" { milli(&t) } else { value(&t) }).unwrap_or(0)
    };
    spec["containers"].as_array().into_iter().flatten().map(of).sum()
}

/// The GPU resource that a pod asks for, and how many.
pub(super) fn gpus(spec: &Value) -> Option<(String, u64)> {
    let containers = spec["containers"].as_array().into_iter().flatten();
    let mut names = containers.flat_map(|c| c["resources"]["limits"].as_object().into_iter().flatten());
    let name = names.find(|(name, _)| is_gpu(name)).map(|(name, _)| name.clone())?;
    let n = asked(spec, &name);
    Some((name, n))
}

/// Notes whether `more` pods of a template find free GPUs in a region and room in the namespace's quotas.
pub(super) async fn room(
    cx: &Cx,
    context: &str,
    namespace: &str,
    template: &Value,
    more: u64,
) -> Result<(), Stop> {
    let spec = &template["spec"];
    if let Some((name, each)) = gpus(spec) {
        let nodes = list(cx, context, "/api/v1/nodes").await?;
        let pods = list(cx, context, "/api/v1/pods").await?;
        let open = nodes.iter().filter(|n| n["spec"]["unschedulable"] != true && ready(n));
        let free: u64 = open
            .map(|n| {
                let has = n["status"]["allocatable"][&name].as_str().and_then(value).unwrap_or(0);
                let on = pods.iter().filter(|p| p["spec"]["nodeName"] == n["metadata"]["name"] && live(p));
                // Room for whole pods: what is left on a node for less than one is no room.
                let left = has.saturating_sub(on.map(|p| asked(&p["spec"], &name)).sum());
                left.checked_div(each).unwrap_or(0)
            })
            .sum();
        let why = format!("{context}: {more} more pods with {each} {name} each; there is room for {free}");
        cx.guard(&format!("{context} has GPUs for it"), free >= more, why);
    }
    if more > 0 {
        let detail = "the scheduler of the region decides; what has no room stays Pending";
        cx.impact(format!("{context}: room for CPU and memory: not evaluated"), Severity::Info, detail);
    }
    for quota in list(cx, context, &format!("/api/v1/namespaces/{namespace}/resourcequotas")).await? {
        for (key, hard) in quota["status"]["hard"].as_object().into_iter().flatten() {
            let name = key.strip_prefix("requests.").or_else(|| key.strip_prefix("limits.")).unwrap_or(key);
            let each = if name == "pods" { 1 } else { asked(spec, name) };
            let read = |v: &Value| v.as_str().and_then(|t| if name == "cpu" { milli(t) } else { value(t) });
            let (Some(hard), Some(used)) = (read(hard), read(&quota["status"]["used"][key])) else {
                continue;
            };
            if each > 0 && used + each * more > hard {
                let why = format!(
                    "{context}: quota {namespace}/{}: {more} more pods pass {key}={}, {} used",
                    quota["metadata"]["name"].as_str().unwrap_or("?"),
                    quota["status"]["hard"][key].as_str().unwrap_or("?"),
                    quota["status"]["used"][key].as_str().unwrap_or("?")
                );
                cx.guard(&format!("{context} has quota for it"), false, why);
            }
        }
    }
    Ok(())
}

fn ready(node: &Value) -> bool {
    let conditions = node["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().any(|c| c["type"] == "Ready" && c["status"] == "True")
}

fn live(pod: &Value) -> bool {
    !matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
}
