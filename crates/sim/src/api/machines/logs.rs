//! GET pods/NAME/log: selects container and lines; the machines send the bytes.
use super::LogOptions;
use crate::api::handler::{Api, Call};
use crate::api::meta::status::{Cause, Status};
use crate::api::meta::{self, items, text};
use crate::api::wire::body::{self, Answer};
use crate::api::wire::request::RequestInfo;
use futures::stream::unfold;
use serde_json::{Value, json};

/// The container of a request: the named, the default or the only one.
pub fn container(pod: &Value, wanted: &str) -> Result<String, Status> {
    let names = |list: &str| items(&pod["spec"], list).map(|c| text(c, &["name"])).collect::<Vec<_>>();
    let (main, init, debug) = (names("containers"), names("initContainers"), names("ephemeralContainers"));
    let name = meta::name(pod);
    if !wanted.is_empty() {
        return match [&main, &init, &debug].iter().any(|list| list.contains(&wanted)) {
            true => Ok(wanted.into()),
            false => Err(Status::bad_request(format!("container {wanted} is not valid for pod {name}"))),
        };
    }
    let default = pod["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"].as_str();
    if let Some(default) = default.filter(|d| main.contains(d)) {
        return Ok(default.into());
    }
    match main.as_slice() {
        [one] => Ok((*one).into()),
        all => {
            let inits = match init.as_slice() {
                [] => String::new(),
                init => format!(" or one of the init containers: [{}]", init.join(" ")),
            };
            let list = all.join(" ");
            Err(Status::bad_request(format!(
                "a container name must be specified for pod {name}, choose one of: [{list}]{inits}"
            )))
        }
    }
}

pub fn answer(api: &Api, call: &Call, info: &RequestInfo) -> Result<Answer, Status> {
    let pod = api.pod(info)?;
    let query = &call.query;
    let invalid = |field: &str, value: &str, why: &str| {
        Status::invalid(
            "PodLogOptions",
            "podlogoptions",
            &info.name,
            vec![Cause::invalid(field, &json!(value), why)],
        )
    };
    let number = |key: &str, least: u64| match query.number(key) {
        Ok(Some(n)) if n < least => {
            Err(invalid(key, query.get(key), &format!("must be greater than or equal to {least}")))
        }
        Err(_) if query.get(key).starts_with('-') => {
            Err(invalid(key, query.get(key), "must be greater than or equal to 0"))
        }
        other => other,
    };
    let since_time = match query.get("sinceTime") {
        "" => None,
        time => Some(
            time.parse().map_err(|_| Status::bad_request(format!("parsing time {time:?}: not RFC 3339")))?,
        ),
    };
    let options = LogOptions {
        container: container(&pod, query.get("container"))?,
        follow: query.flag("follow"),
        previous: query.flag("previous"),
        tail_lines: number("tailLines", 0)?,
        since_seconds: number("sinceSeconds", 1)?,
        since_time,
        timestamps: query.flag("timestamps"),
        limit_bytes: number("limitBytes", 1)?,
    };
    if options.since_seconds.is_some() && options.since_time.is_some() {
        let cause =
            Cause::forbidden("sinceSeconds", "at most one of `sinceTime` or `sinceSeconds` may be specified");
        return Err(Status::invalid("PodLogOptions", "podlogoptions", &info.name, vec![cause]));
    }
    // A pod without a node has no kubelet.
    if text(&pod, &["spec", "nodeName"]).is_empty() {
        return Ok(body::answer(200, "text/plain", body::full("")));
    }
    let lines = api.machines.log(&info.namespace, &info.name, &options)?;
    let chunks = unfold(lines, |mut lines| async move { lines.recv().await.map(|chunk| (Ok(chunk), lines)) });
    Ok(body::answer(200, "text/plain", body::stream(chunks)))
}
