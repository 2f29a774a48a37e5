//! Deprecated APIs that clients still request, and which clients write with them.
//!
//! Source: the API server's gauge `apiserver_requested_deprecated_apis`, which stays set until that server restarts, and
//! `metadata.managedFields`, which names the manager and the version it wrote with.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::before::{Check, PAGE, Verdict, text};
use super::version;
use crate::remedy::cx::Cx;
use crate::remedy::run::Stop;
use crate::world::ask::Call;

const NAME: &str = "deprecated-apis";
/// Clients named for one API.
const NAMED: usize = 5;

/// One sample of the gauge.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
struct Requested {
    group: String,
    version: String,
    resource: String,
    /// `1.29`; empty where no release without it is set.
    removed: String,
}

impl Requested {
    fn api(&self) -> String {
        match self.group.as_str() {
            "" => self.version.clone(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// Whether the version `to` no longer serves it.
    fn gone_in(&self, to: &str) -> bool {
        let removed = version::read(&format!("{}.0", self.removed));
        removed.zip(version::read(to)).is_some_and(|(r, t)| (t.major, t.minor) >= (r.major, r.minor))
    }
}

fn parse(metrics: &str) -> BTreeSet<Requested> {
    static SAMPLE: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?m)^apiserver_requested_deprecated_apis\{([^}]*)\} ([0-9.e+]+)").ok());
    static LABEL: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"(\w+)="([^"]*)""#).ok());
    let (Some(sample), Some(label)) = (&*SAMPLE, &*LABEL) else { return BTreeSet::new() };
    let mut out = BTreeSet::new();
    for found in sample.captures_iter(metrics).filter(|c| c[2].parse::<f64>().is_ok_and(|v| v > 0.0)) {
        let mut r = Requested::default();
        for pair in label.captures_iter(&found[1]) {
            let value = pair[2].to_owned();
            match &pair[1] {
                "group" => r.group = value,
                "version" => r.version = value,
                "resource" => r.resource = value,
                "removed_release" => r.removed = value,
                _ => {}
            }
        }
        out.insert(r);
    }
    out
}

pub(super) async fn check(cx: &Cx, to: &str) -> Result<Check, Stop> {
    let answer = match cx.call(Call::get("/metrics".to_owned())).await {
        Err(Stop::Failed(why)) => return Ok(Check::new(NAME, Verdict::Unknown, why)),
        answer => answer?,
    };
    let metrics = match answer.body.as_str().filter(|_| answer.ok()) {
        Some(metrics) => metrics.to_owned(),
        None => {
            let why = format!("GET /metrics was answered {}: {}", answer.status, answer.message());
            return Ok(Check::new(
                NAME,
                Verdict::Unknown,
                format!("{why}; look for apiserver_requested_deprecated_apis in your monitoring"),
            ));
        }
    };
    let (mut gone, mut later) = (Vec::new(), Vec::new());
    for r in parse(&metrics) {
        let who = writers(cx, &r).await?;
        let until = if r.removed.is_empty() {
            "deprecated".to_owned()
        } else {
            format!("not served from {}", r.removed)
        };
        let line = format!("{} {} ({until}): {who}", r.api(), r.resource);
        if r.gone_in(to) { gone.push(line) } else { later.push(line) }
    }
    let ok =
        "the API server that answered has seen no request for a deprecated API since it started".to_owned();
    let no = format!("clients request APIs that {to} does not serve");
    Ok(Check::of(
        NAME,
        (gone, no.as_str()),
        (later, "clients request deprecated APIs that this version still serves"),
        ok,
    ))
}

/// The managers that wrote objects with that version, as sentences for the evidence.
async fn writers(cx: &Cx, r: &Requested) -> Result<String, Stop> {
    let served = match r.group.as_str() {
        "" => "/api/v1".to_owned(),
        group => {
            let answer = cx.call(Call::get(format!("/apis/{group}"))).await?;
            match text(&answer.body, "/preferredVersion/groupVersion") {
                "" => return Ok("clients unknown: the group is not served".to_owned()),
                version => format!("/apis/{version}"),
            }
        }
    };
    let answer = cx.call(Call::get(format!("{served}/{}?limit={PAGE}", r.resource))).await?;
    let Some(items) = answer.body["items"].as_array().filter(|_| answer.ok()) else {
        return Ok(format!("clients unknown: {}", answer.message()));
    };
    let api = r.api();
    let mut found: Vec<String> = items.iter().flat_map(|o| managers(o, &api)).collect();
    found.sort();
    found.dedup();
    let part = match text(&answer.body, "/metadata/continue") {
        "" => String::new(),
        _ => format!(", among the first {PAGE} objects"),
    };
    Ok(match found.len() {
        0 => format!("no object names a client that wrote with it{part}; readers leave no trace there"),
        n if n > NAMED => format!("{} and {} more{part}", found[..NAMED].join(", "), n - NAMED),
        _ => format!("{}{part}", found.join(", ")),
    })
}

/// `MANAGER wrote NAME at TIME`, for each that used the version.
fn managers(object: &Value, api: &str) -> Vec<String> {
    let name = match text(object, "/metadata/namespace") {
        "" => text(object, "/metadata/name").to_owned(),
        ns => format!("{ns}/{}", text(object, "/metadata/name")),
    };
    let fields = object["metadata"]["managedFields"].as_array();
    let used = fields.into_iter().flatten().filter(|f| f["apiVersion"] == api);
    used.map(|f| format!("{} wrote {name} at {}", text(f, "/manager"), text(f, "/time"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gauge_reads_as_the_server_prints_it() {
        // The first sample as captured of a 1.36 server; the others in its form.
        let metrics = "# TYPE apiserver_requested_deprecated_apis gauge\n\
            apiserver_requested_deprecated_apis{group=\"\",removed_release=\"\",resource=\"endpoints\",subresource=\"\",version=\"v1\"} 1\n\
            apiserver_requested_deprecated_apis{group=\"flowcontrol.apiserver.k8s.io\",removed_release=\"1.29\",resource=\"flowschemas\",subresource=\"\",version=\"v1beta2\"} 1\n\
            apiserver_requested_deprecated_apis{group=\"batch\",removed_release=\"1.25\",resource=\"cronjobs\",subresource=\"\",version=\"v1beta1\"} 0\n";
        let found: Vec<Requested> = parse(metrics).into_iter().collect();
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!((found[0].api().as_str(), found[0].resource.as_str()), ("v1", "endpoints"));
        assert!(!found[0].gone_in("v1.40.0"), "no release is set");
        assert_eq!(found[1].api(), "flowcontrol.apiserver.k8s.io/v1beta2");
        assert!(!found[1].gone_in("v1.28.5") && found[1].gone_in("v1.29.0") && found[1].gone_in("v1.30.1"));
    }
}
