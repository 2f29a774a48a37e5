//! Texts of admission and of disruption budgets: quotas, LimitRanges, webhooks, refused evictions.

use super::{Match, group, re, short};
use crate::judge::{extension, workload};

re!(
    QUOTA,
    r"exceeded quota: (?P<quota>[^,]+), requested: (?P<requested>.+?), used: (?P<used>.+?), limited: (?P<limited>.+)$"
);
re!(MUST, r"failed quota: (?P<quota>[^:]+): must specify (?P<what>.+)$");
re!(
    RANGE,
    r"(?P<which>maximum|minimum) (?P<what>\S+) usage per (?P<per>\S+) is (?P<limit>[^,]+), but (?P<is>.+?)\.?$|(?P<ratio>\S+) max limit to request ratio per \S+ is"
);
re!(WEBHOOK, r#"admission webhook "(?P<name>[^"]+)" denied the request(?:: (?P<why>.*))?"#);
re!(POLICY, r"ValidatingAdmissionPolicy '(?P<name>[^']+)' with binding '[^']+' denied request: (?P<why>.*)");
re!(SERVICE_ACCOUNT, r#"serviceaccount "(?P<name>[^"]+)" not found"#);
re!(PRIORITY_CLASS, r"no PriorityClass with name (?P<name>\S+) was found");
re!(RUNTIME_CLASS, r#"RuntimeClass "(?P<name>[^"]+)" not found"#);
re!(
    BUDGET,
    r"The disruption budget (?P<name>\S+) needs (?P<need>\d+) healthy pods and has (?P<has>\d+) currently"
);

/// Why a controller cannot create pods: a `FailedCreate` event's text or the ReplicaFailure condition's message.
pub fn created(message: &str) -> Option<Match> {
    let message = message.trim_end();
    if let Some(c) = QUOTA.captures(message) {
        let quota = group(&c, &["quota"]).unwrap_or("");
        let words = format!(
            "quota {quota}: wants {}, {} used of {}",
            short(group(&c, &["requested"]).unwrap_or(""), 40),
            amount(group(&c, &["used"]).unwrap_or("")),
            amount(group(&c, &["limited"]).unwrap_or("")),
        );
        return Some(Match::new(workload::QUOTA_EXCEEDED, words, quota));
    }
    if let Some(c) = MUST.captures(message) {
        let quota = group(&c, &["quota"]).unwrap_or("");
        let what = short(group(&c, &["what"]).unwrap_or(""), 60);
        return Some(Match::new(
            workload::QUOTA_MUST_SPECIFY,
            format!("quota {quota} wants {what} set"),
            quota,
        ));
    }
    if let Some(c) = RANGE.captures(message) {
        let words = match group(&c, &["which"]) {
            Some(which) => format!(
                "LimitRange: {which} {} per {} is {}",
                group(&c, &["what"]).unwrap_or(""),
                group(&c, &["per"]).unwrap_or(""),
                group(&c, &["limit"]).unwrap_or("")
            ),
            None => format!("LimitRange: {} limit to request ratio", group(&c, &["ratio"]).unwrap_or("")),
        };
        return Some(Match::new(
            workload::LIMITRANGE_VIOLATED,
            words,
            group(&c, &["what", "ratio"]).unwrap_or(""),
        ));
    }
    if let Some(c) = WEBHOOK.captures(message) {
        let name = group(&c, &["name"]).unwrap_or("");
        let why = group(&c, &["why"]).map_or_else(String::new, |w| format!(": {}", short(w, 60)));
        return Some(Match::new(workload::ADMISSION_DENIED, format!("webhook {name} denied it{why}"), name));
    }
    if let Some(at) = message.find("violates PodSecurity") {
        return Some(Match::new(workload::ADMISSION_DENIED, short(&message[at..], 80), "PodSecurity"));
    }
    if message.contains("failed calling webhook") {
        let name = message.split("webhook \"").nth(1).and_then(|s| s.split('"').next()).unwrap_or("");
        let words = format!("webhook {name} does not answer");
        return Some(Match::new(extension::WEBHOOK_UNAVAILABLE, words, name));
    }
    if let Some(c) = POLICY.captures(message) {
        let name = group(&c, &["name"]).unwrap_or("");
        let why = short(group(&c, &["why"]).unwrap_or(""), 60);
        return Some(Match::new(workload::ADMISSION_DENIED, format!("policy {name} denied it: {why}"), name));
    }
    for (pattern, cause, kind) in [
        (&SERVICE_ACCOUNT, workload::SERVICE_ACCOUNT_MISSING, "ServiceAccount"),
        (&PRIORITY_CLASS, workload::PRIORITY_CLASS_MISSING, "PriorityClass"),
        (&RUNTIME_CLASS, workload::RUNTIME_CLASS_MISSING, "RuntimeClass"),
    ] {
        if let Some(c) = pattern.captures(message) {
            let name = group(&c, &["name"]).unwrap_or("");
            return Some(Match::new(cause, format!("{kind} {name} does not exist"), name));
        }
    }
    None
}

/// `200Mi` of `requests.memory=200Mi`; lists stay as they are.
fn amount(text: &str) -> &str {
    match text.split_once('=') {
        Some((_, value)) if !value.contains('=') => value,
        _ => text,
    }
}

/// What a 429 to an eviction says: which budget, how many healthy pods it needs and has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BudgetRefusal {
    pub budget: String,
    pub needs: u32,
    pub has: u32,
}

/// Reads the cause message of a refused eviction (`details.causes[].message`).
pub fn budget_refusal(message: &str) -> Option<BudgetRefusal> {
    let c = BUDGET.captures(message)?;
    Some(BudgetRefusal {
        budget: group(&c, &["name"])?.to_owned(),
        needs: group(&c, &["need"])?.parse().ok()?,
        has: group(&c, &["has"])?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_to_create_pods() {
        // captures/list/events.json
        let text = "Error creating: pods \"payment-service-5bbcbcd94f-nrjvv\" is forbidden: exceeded quota: dev-quota, requested: requests.memory=100Mi, used: requests.memory=200Mi, limited: requests.memory=256Mi";
        let c = created(text).unwrap();
        assert_eq!(c.cause.id(), "quota.exceeded");
        assert_eq!(c.words, "quota dev-quota: wants requests.memory=100Mi, 200Mi used of 256Mi");
        let c = created("pods \"x\" is forbidden: failed quota: q: must specify limits.cpu for: c").unwrap();
        assert_eq!((c.cause.id(), &*c.subject), ("quota.must-specify", "q"));
        let text = "pods \"x\" is forbidden: maximum memory usage per Container is 1Gi, but limit is 2Gi";
        assert_eq!(created(text).unwrap().words, "LimitRange: maximum memory per Container is 1Gi");
        let c =
            created("admission webhook \"policy.example.com\" denied the request: no latest tag").unwrap();
        assert_eq!(
            (c.cause.id(), &*c.words),
            ("admission.denied", "webhook policy.example.com denied it: no latest tag")
        );
        assert_eq!(created("Internal error occurred"), None);
    }

    #[test]
    fn a_refused_eviction_names_its_budget() {
        // captures/evict/429-pdb.json
        let r = budget_refusal("The disruption budget api-server needs 3 healthy pods and has 3 currently");
        assert_eq!(r, Some(BudgetRefusal { budget: "api-server".into(), needs: 3, has: 3 }));
    }
}
