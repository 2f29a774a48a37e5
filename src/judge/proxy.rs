//! kube-proxy's own health page: rules that it does not write.

use std::time::Duration;

use crate::world::measured::Proxy;
use crate::world::time::human;
use crate::world::{Node, ObjectRef};

use super::diagnosis::{Ctx, Diagnosis, Out};
use super::evidence::Severity;
use super::limits::seconds;
use super::registry::causes;
use super::roles;

causes! {
    SYNC_STUCK = "proxy.sync-stuck" Critical Watch("kube-proxy's health page") tree "node":
        "kube-proxy of a node reports that it does not write changed rules",
        why "new connections from the node go to endpoints that are gone, while old connections work and every pod is ready",
        source "`/healthz` on port 10256 says unhealthy for a minute; not while the node is removed";
}

/// Rules of iptables with which one write takes kube-proxy many seconds, so that it falls behind; the field saw it break
/// at 47,823.
const MANY: u64 = 40_000;

/// More rules than kube-proxy writes in time.
fn rules(ctx: &Ctx, node: &Node, proxy: &Proxy, object: &ObjectRef, out: &mut Out) {
    let rules = proxy.all_rules();
    if &*proxy.mode != "iptables" || rules < MANY {
        return;
    }
    let services = ctx.world.services.len();
    let quote =
        format!("{rules} iptables rules for {services} Services; nftables or Cilium needs no such list");
    out.push(
        Diagnosis::new(roles::PROXY_TOO_MANY_RULES, object.clone(), proxy.read_at)
            .severity(Severity::Warning)
            .title(format!("kube-proxy of node {} writes {rules} iptables rules", node.meta.name))
            .row(format!("{rules} iptables rules"))
            .evidence("kube-proxy /metrics", quote, object, Some(proxy.read_at)),
    );
}

/// kube-proxy calls itself unhealthy after twice its sync period (60 s by default); this excludes a single bad answer.
const LASTS: u64 = 60;
/// The page is read every 30 s: two answers in a row were missed.
const OLD: Duration = Duration::from_secs(90);
/// kube-proxy fails its health check on purpose on a node with this taint, so that load balancers leave the node.
const TO_BE_DELETED: &str = "ToBeDeletedByClusterAutoscaler";

pub fn judge(ctx: &Ctx, node: &Node, object: &ObjectRef, out: &mut Out) {
    let Some(proxy) = ctx.world.readings.proxy(&node.meta.name) else { return };
    let leaves = node.meta.deleting.is_some() || node.taints.iter().any(|t| &*t.key == TO_BE_DELETED);
    if leaves || proxy.read_at.age(ctx.now) > OLD {
        return;
    }
    out.again(proxy.read_at.plus(OLD + seconds(1)));
    rules(ctx, node, proxy, object, out);
    let Some(since) = proxy.unhealthy_since else { return };
    let fires = since.plus(seconds(LASTS));
    if ctx.now < fires {
        out.again(fires);
    }
    let age = proxy.last_sync.map(|at| human(at.age(ctx.now)));
    let written = age.map_or("its last sync is unknown".to_owned(), |age| format!("last sync {age} ago"));
    out.push(
        Diagnosis::new(SYNC_STUCK, object.clone(), since)
            .fires_at(fires)
            .title(format!("kube-proxy of node {} does not write its rules, {written}", node.meta.name))
            .row("kube-proxy stuck")
            .evidence("kube-proxy /healthz", format!("unhealthy, {written}"), object, Some(proxy.read_at)),
    );
}
