//! The right that the API server refused to a workload: read from the refusal, and asked again as that user.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

use super::expr::Bindings;
use super::path::{Read, Reading};
use super::tree::JUDGE;
use crate::world::ask::{Call, Verb};

/// The API server's refusal, as programs log it: with quotes escaped or not.
#[allow(clippy::expect_used, reason = "a constant pattern; its tests run it")]
static REFUSED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"User \\*"(?P<user>[^"\\]+)\\*" cannot (?P<verb>\w+) resource \\*"(?P<resource>[^"\\]+)\\*" in API group \\*"(?P<group>[^"\\]*)\\*"(?: in the namespace \\*"(?P<namespace>[^"\\]+))?"#,
    )
    .expect("compiles")
});

/// A refused request and its account.
struct Refused {
    user: String,
    verb: String,
    resource: String,
    subresource: String,
    group: String,
    /// Empty: in the whole cluster.
    namespace: String,
    quote: String,
}

fn refused(bindings: &Bindings) -> Option<Refused> {
    let evidence = bindings.get(JUDGE)?["evidence"].as_array()?;
    evidence.iter().filter_map(|e| e["quote"].as_str()).find_map(|quote| {
        let found = REFUSED.captures(quote)?;
        let part = |name: &str| found.name(name).map_or("", |m| m.as_str()).to_owned();
        let resource = part("resource");
        let (resource, subresource) = resource
            .split_once('/')
            .map_or((resource.clone(), String::new()), |(r, s)| (r.to_owned(), s.to_owned()));
        Some(Refused {
            user: part("user"),
            verb: part("verb"),
            resource,
            subresource,
            group: part("group"),
            namespace: part("namespace"),
            quote: quote.to_owned(),
        })
    })
}

/// The review that asks whether the user has the right by now.
///
/// # Errors
/// A sentence: no evidence names a right.
pub(super) fn review(bindings: &Bindings) -> Result<Call, String> {
    let r = refused(bindings).ok_or("no line names the right that is missing")?;
    let account = r.user.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
    // The API server adds these groups itself where the user logs in; a review has to name them.
    let groups = account.map_or_else(
        || vec!["system:authenticated".to_owned()],
        |(namespace, _)| {
            vec![
                "system:serviceaccounts".to_owned(),
                format!("system:serviceaccounts:{namespace}"),
                "system:authenticated".to_owned(),
            ]
        },
    );
    let attributes = json!({
        "verb": r.verb, "group": r.group, "resource": r.resource, "subresource": r.subresource, "namespace": r.namespace,
    });
    Ok(Call {
        verb: Verb::Post,
        path: "/apis/authorization.k8s.io/v1/subjectaccessreviews".to_owned(),
        content_type: "application/json".into(),
        body: Some(json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
            "spec": {"user": r.user, "groups": groups, "resourceAttributes": attributes},
        })),
    })
}

/// The answer of the review, with the lines that would give the right.
///
/// # Errors
/// A sentence: the review was refused, or khud runs read-only.
pub(super) fn right(
    readings: &[(Read, Result<Reading, String>)],
    bindings: &Bindings,
) -> Result<Value, String> {
    let r = refused(bindings).ok_or("no line names the right that is missing")?;
    let answer = readings.iter().find_map(|(_, result)| match result {
        Ok(Reading::Answer(a)) => Some(Ok(a)),
        Err(why) => Some(Err(why.clone())),
        Ok(_) => None,
    });
    let answer = answer.ok_or("the review was not sent")??;
    let allowed = answer.body["status"]["allowed"].as_bool();
    let Some(allowed) = allowed.filter(|_| answer.ok()) else {
        return Err(format!("the access review was answered {}: {}", answer.status, answer.message()));
    };
    let what = if r.subresource.is_empty() {
        r.resource.clone()
    } else {
        format!("{}/{}", r.resource, r.subresource)
    };
    let scope = if r.namespace.is_empty() {
        "in the whole cluster".to_owned()
    } else {
        format!("in namespace {}", r.namespace)
    };
    let word = if allowed { "may" } else { "may not" };
    Ok(json!({
        "user": r.user, "verb": r.verb, "resource": what, "group": r.group, "namespace": r.namespace, "scope": scope,
        "allowed": allowed, "lines": lines(&r, &what), "refusal": r.quote,
        "quote": format!("{} {word} {} {what} {scope}", r.user, r.verb), "source": "access review", "at": "",
    }))
}

/// The kubectl lines that create the Role and its binding. Empty where a name could be more than a word to a shell.
fn lines(r: &Refused, what: &str) -> String {
    let plain = |s: &str| s.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':' | '/'));
    let account = r.user.strip_prefix("system:serviceaccount:");
    let (Some(account), true) =
        (account, [&*r.user, &*r.verb, what, &*r.group, &*r.namespace].into_iter().all(plain))
    else {
        return String::new();
    };
    let resource = if r.group.is_empty() { what.to_owned() } else { format!("{}.{}", what, r.group) };
    let name = format!("{}-{}", r.verb, r.resource);
    if r.namespace.is_empty() {
        return format!(
            "kubectl create clusterrole {name} --verb={} --resource={resource}\nkubectl create clusterrolebinding {name} --clusterrole={name} --serviceaccount={account}",
            r.verb
        );
    }
    let ns = &r.namespace;
    format!(
        "kubectl create role {name} -n {ns} --verb={} --resource={resource}\nkubectl create rolebinding {name} -n {ns} --role={name} --serviceaccount={account}",
        r.verb
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(quote: &str) -> Bindings {
        Bindings::from([(JUDGE.to_owned(), json!({"evidence": [{"quote": quote}]}))])
    }

    /// The wording is the API server's: captures/errors/403-list-pods.
    #[test]
    fn a_refusal_becomes_a_review_as_that_user() {
        let quote = r#"E1128 pods is forbidden: User \"system:serviceaccount:shop:web\" cannot list resource \"pods/log\" in API group \"\" in the namespace \"shop\""#;
        let call = review(&judged(quote)).unwrap();
        let spec = &call.body.unwrap()["spec"];
        assert_eq!(spec["user"], "system:serviceaccount:shop:web");
        assert_eq!(spec["groups"][1], "system:serviceaccounts:shop");
        assert_eq!(
            spec["resourceAttributes"],
            json!({"verb": "list", "group": "", "resource": "pods", "subresource": "log", "namespace": "shop"})
        );
        let lines = lines(&refused(&judged(quote)).unwrap(), "pods/log");
        assert!(
            lines.contains("kubectl create role list-pods -n shop --verb=list --resource=pods/log"),
            "{lines}"
        );
        assert!(lines.ends_with("--serviceaccount=shop:web"), "{lines}");
    }

    #[test]
    fn a_name_that_is_more_than_a_word_to_a_shell_gives_no_line_to_copy() {
        let quote =
            r#"User "system:serviceaccount:shop:web;reboot" cannot list resource "pods" in API group """#;
        let r = refused(&judged(quote)).unwrap();
        assert_eq!((lines(&r, "pods"), r.namespace.as_str()), (String::new(), ""));
        assert!(review(&judged("connection refused")).is_err());
    }
}
