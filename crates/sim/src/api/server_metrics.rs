//! The API server's own `/metrics`, as far as clients act on them: the deprecated APIs that were requested.
use std::fmt::Write as _;

use super::machines::Deprecated;
use super::wire::body::{self, Answer, full};

const TYPE: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

/// `apiserver_requested_deprecated_apis` as captured (captures/metrics/kube-apiserver): a gauge that stays until the
/// server restarts, and no sample where nothing deprecated was requested.
pub fn answer(requested: &[Deprecated]) -> Answer {
    let mut out = String::from(
        "# HELP apiserver_requested_deprecated_apis [STABLE] Gauge of deprecated APIs that have been requested, broken out by API group, version, resource, subresource, and removed_release.\n# TYPE apiserver_requested_deprecated_apis gauge\n",
    );
    for d in requested {
        let _ = writeln!(
            out,
            "apiserver_requested_deprecated_apis{{group=\"{}\",removed_release=\"{}\",resource=\"{}\",subresource=\"\",version=\"{}\"}} 1",
            d.group, d.removed_release, d.resource, d.version
        );
    }
    body::answer(200, TYPE, full(out))
}
