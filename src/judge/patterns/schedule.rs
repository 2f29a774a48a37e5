//! The scheduler's sentence, taken apart: how many nodes said no, and why.

use super::{Match, group, re};
use crate::judge::{Cause, claim, schedule, volume};

/// Why some nodes were refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rejection {
    /// Nodes that gave this reason.
    pub nodes: u32,
    /// The scheduler's words, without the count.
    pub why: String,
    pub cause: Cause,
    /// The resource of an `Insufficient …`, the claim of a volume reason; else empty.
    pub subject: String,
}

/// A FailedScheduling message or the PodScheduled condition's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scheduling {
    /// Nodes the scheduler looked at.
    pub nodes: u32,
    /// In the order of the message. A prefilter's refusal (claims) counts for all nodes.
    pub rejections: Vec<Rejection>,
}

re!(SENTENCE, r"(?s)^(?:\S+ )?0/(?P<n>\d+) nodes are available: (?P<rest>.*)$");
re!(
    ITEM,
    r"(?P<count>\d+) (?P<why>Insufficient [^,.\s]+(?:[./][^,.\s]+)*|Too many pods|node\(s\) .+?|[a-z][^,]+?)(?:, |\. |\.$|$)"
);
re!(
    CLAIM,
    r#"persistentvolumeclaim "(?P<claim>[^"]+)" (?P<what>not found|is being deleted|bound to non-existent)"#
);

/// Takes the scheduler's sentence apart; `None` where the text is not one.
pub fn scheduler(message: &str) -> Option<Scheduling> {
    let c = SENTENCE.captures(message.trim())?;
    let nodes: u32 = group(&c, &["n"])?.parse().ok()?;
    let rest = group(&c, &["rest"])?;
    // What preemption could do repeats the counts for another question.
    let rest = rest.split(" preemption:").next().unwrap_or(rest);
    let rest = rest.split(" no new claims to deallocate").next().unwrap_or(rest);
    let rest = rest.split(" still not schedulable").next().unwrap_or(rest).trim_end_matches([',', ' ']);
    if let Some(c) = CLAIM.captures(rest) {
        let claim = group(&c, &["claim"]).unwrap_or("");
        let why = format!("persistentvolumeclaim {claim} {}", group(&c, &["what"]).unwrap_or(""));
        let rejection = Rejection { nodes, why, cause: claim::CLAIM_MISSING, subject: claim.to_owned() };
        return Some(Scheduling { nodes, rejections: vec![rejection] });
    }
    if rest.starts_with("pod has unbound immediate PersistentVolumeClaims") {
        let why = "pod has unbound immediate PersistentVolumeClaims".to_owned();
        let rejection = Rejection { nodes, why, cause: claim::CLAIM_UNBOUND, subject: String::new() };
        return Some(Scheduling { nodes, rejections: vec![rejection] });
    }
    let rejections = items(rest)
        .into_iter()
        .map(|(nodes, why)| {
            let (cause, subject) = cause(&why);
            Rejection { nodes, cause, subject, why }
        })
        .collect();
    Some(Scheduling { nodes, rejections })
}

/// `(count, words)` pairs. Taints carry braces with commas in older wordings, so braces are skipped over.
fn items(rest: &str) -> Vec<(u32, String)> {
    let mut out = Vec::new();
    for part in split(rest) {
        if let Some(c) = ITEM.captures(&format!("{part}, ")) {
            let count = group(&c, &["count"]).and_then(|n| n.parse().ok()).unwrap_or(0);
            out.push((count, part.split_once(' ').map_or(part, |(_, w)| w).trim_end_matches('.').to_owned()));
        }
    }
    out
}

/// Splits at `, ` followed by a digit, outside braces.
fn split(text: &str) -> Vec<&str> {
    let bytes = text.as_bytes();
    let (mut depth, mut from, mut out) = (0i32, 0, Vec::new());
    for i in 0..bytes.len() {
        match bytes[i] {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth <= 0
                && bytes.get(i + 1) == Some(&b' ')
                && bytes.get(i + 2).is_some_and(u8::is_ascii_digit) =>
            {
                out.push(text[from..i].trim());
                from = i + 2;
            }
            _ => {}
        }
    }
    out.push(text[from..].trim().trim_end_matches('.'));
    out
}

re!(
    RESOURCE_CLAIM,
    r#"(?i)(?P<kind>resourceclaimtemplate|resourceclaim)s?(?:\.resource\.k8s\.io)? "(?P<name>[^"]+)" not found"#
);
re!(DEVICE_CLASS, r"device class (?P<name>\S+) does not exist");

/// A ResourceClaim, ResourceClaimTemplate or DeviceClass that does not exist: its name is the subject, where the text
/// has it.
pub fn resource_claim(message: &str) -> Option<Match> {
    if let Some(c) = DEVICE_CLASS.captures(message) {
        let name = group(&c, &["name"]).unwrap_or("");
        let words = format!("DeviceClass {name} does not exist");
        return Some(Match::new(schedule::DEVICE_CLASS_MISSING, words, name));
    }
    if let Some(c) = RESOURCE_CLAIM.captures(message) {
        let template = group(&c, &["kind"]).is_some_and(|k| k.to_ascii_lowercase().ends_with("template"));
        let kind = if template { "ResourceClaimTemplate" } else { "ResourceClaim" };
        let name = group(&c, &["name"]).unwrap_or("");
        let words = format!("{kind} {name} does not exist");
        return Some(Match::new(schedule::RESOURCE_CLAIM_MISSING, words, name));
    }
    message.contains("ResourceClaim not created yet").then(|| {
        Match::new(schedule::RESOURCE_CLAIM_MISSING, "no ResourceClaim was made from its template", "")
    })
}

/// The subject of `cannot allocate all claims`, which names neither a claim nor a device.
pub const DEVICES: &str = "devices of its resource claims";

fn cause(why: &str) -> (Cause, String) {
    if let Some(resource) = why.strip_prefix("Insufficient ") {
        return (schedule::INSUFFICIENT, resource.trim_end_matches('.').to_owned());
    }
    if why.contains("cannot allocate all claims") {
        return (schedule::INSUFFICIENT, DEVICES.to_owned());
    }
    let cause = if why.contains("Too many pods") {
        schedule::TOO_MANY_PODS
    } else if why.contains("were unschedulable") {
        schedule::CORDONED
    } else if why.contains("taint") {
        schedule::TAINT
    } else if why.contains("free ports") {
        schedule::HOST_PORT
    } else if why.contains("topology spread") {
        schedule::SPREAD
    } else if why.contains("pod affinity rules") || why.contains("anti-affinity") {
        schedule::POD_AFFINITY
    } else if why.contains("PersistentVolume's node affinity")
        || why.contains("volume node affinity conflict")
        || why.contains("no available volume zone")
    {
        volume::ZONE
    } else if why.contains("persistent volumes to bind") || why.contains("free storage") {
        claim::CLAIM_UNBOUND
    } else if why.contains("max volume count") {
        volume::ATTACH
    } else if why.contains("node affinity") || why.contains("selector") || why.contains("requested node name")
    {
        schedule::SELECTOR
    } else {
        schedule::UNKNOWN
    };
    (cause, String::new())
}

impl Scheduling {
    /// The reason to show when only the sentence is known: a claim first, then what stopped the nodes that were otherwise
    /// fit. The scheduler reports cordon, taint and affinity before resources, so an `Insufficient` node had passed those.
    pub fn first(&self) -> Option<&Rejection> {
        let rank = |r: &Rejection| match r.cause {
            c if c.starts_with("volume.") => 0,
            schedule::INSUFFICIENT => 1,
            schedule::TOO_MANY_PODS | schedule::HOST_PORT | schedule::SPREAD | schedule::POD_AFFINITY => 2,
            schedule::TAINT | schedule::CORDONED | schedule::SELECTOR => 3,
            _ => 4,
        };
        self.rejections.iter().min_by_key(|r| (rank(r), std::cmp::Reverse(r.nodes)))
    }
}

impl Rejection {
    /// A few words for a row, e.g. `needs nvidia.com/gpu, none free on 3 nodes`.
    pub fn words(&self) -> String {
        let nodes = if self.nodes == 1 { "1 node".to_owned() } else { format!("{} nodes", self.nodes) };
        match self.cause {
            schedule::INSUFFICIENT if self.subject == DEVICES => {
                format!("{nodes} cannot allocate its resource claims")
            }
            schedule::INSUFFICIENT => format!("not enough {} on {nodes}", self.subject),
            schedule::TAINT => format!("{nodes} tainted"),
            schedule::CORDONED => format!("{nodes} cordoned"),
            schedule::SELECTOR => format!("{nodes} do not match its node selector or affinity"),
            schedule::POD_AFFINITY => format!("pod (anti-)affinity rules out {nodes}"),
            schedule::SPREAD => format!("topology spread rules out {nodes}"),
            schedule::HOST_PORT => format!("host port taken on {nodes}"),
            schedule::TOO_MANY_PODS => format!("{nodes} at their pod limit"),
            claim::CLAIM_MISSING => format!("claim {} missing", self.subject),
            claim::CLAIM_UNBOUND => "its volume claim is not bound".to_owned(),
            volume::ZONE => format!("its volume is not reachable from {nodes}"),
            _ => self.why.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `captures/list/events.json`, and older wordings (Kubernetes 1.19–1.35).
    #[test]
    fn the_schedulers_sentence() {
        let tail = ". no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.";
        for (item, cause, subject) in [
            ("1 Insufficient nvidia.com/gpu", "schedule.insufficient", "nvidia.com/gpu"),
            ("1 Insufficient nvidia.com/mig-3g.40gb", "schedule.insufficient", "nvidia.com/mig-3g.40gb"),
            ("1 Insufficient cpu", "schedule.insufficient", "cpu"),
            ("1 node(s) didn't match Pod's node affinity/selector", "schedule.selector", ""),
            ("1 node(s) were unschedulable", "schedule.cordoned", ""),
            ("1 node(s) didn't have free ports for the requested pod ports", "schedule.host-port", ""),
            ("1 node(s) didn't match pod affinity rules", "schedule.pod-affinity", ""),
            (
                "1 node(s) didn't match pod topology spread constraints (missing required label)",
                "schedule.spread",
                "",
            ),
            ("1 node(s) had untolerated taint(s)", "schedule.taint", ""),
            ("1 node(s) had untolerated taint {a: b}", "schedule.taint", ""),
            ("1 node(s) had taint {a: b}, that the pod didn't tolerate", "schedule.taint", ""),
            ("1 node(s) had taints that the pod didn't tolerate", "schedule.taint", ""),
            ("1 node(s) didn't match PersistentVolume's node affinity", "volume.zone", ""),
            ("1 node(s) had volume node affinity conflict", "volume.zone", ""),
            ("1 Too many pods", "schedule.too-many-pods", ""),
            ("1 cannot allocate all claims", "schedule.insufficient", DEVICES),
            ("persistentvolumeclaim \"models-v2\" not found", "volume.claim-missing", "models-v2"),
            ("pod has unbound immediate PersistentVolumeClaims", "volume.claim-unbound", ""),
        ] {
            let s = scheduler(&format!("0/1 nodes are available: {item}{tail}")).unwrap();
            assert_eq!(s.rejections.len(), 1, "{item}: {s:?}");
            assert_eq!((s.nodes, s.rejections[0].nodes), (1, 1), "{item}");
            assert_eq!((s.rejections[0].cause.id(), &*s.rejections[0].subject), (cause, subject), "{item}");
        }
    }

    #[test]
    fn many_reasons_are_told_apart() {
        let s = scheduler("0/40 nodes are available: 12 node(s) had taint {nvidia.com/gpu: present, x}, that the pod didn't tolerate, 3 node(s) were unschedulable, 25 Insufficient memory. preemption: 0/40 nodes are available: 40 Preemption is not helpful for scheduling.").unwrap();
        let counts: Vec<(u32, &str)> = s.rejections.iter().map(|r| (r.nodes, r.cause.id())).collect();
        assert_eq!(counts, [(12, "schedule.taint"), (3, "schedule.cordoned"), (25, "schedule.insufficient")]);
        assert_eq!(s.first().unwrap().words(), "not enough memory on 25 nodes");
        assert_eq!(scheduler("Successfully assigned a/b to c"), None);
    }
}
