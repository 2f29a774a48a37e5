//! Removes secrets from text: tokens, passwords, keys.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// The replacement for a secret.
pub const MASK: &str = "[redacted]";

/// Patterns of secrets. Group 1 is the text before the secret, group 2 the text after it.
const SECRETS: &[&str] = &[
    r"(?s)()-----BEGIN [A-Z0-9 ]+-----.*?(?:-----END [A-Z0-9 ]+-----|$)",
    r"(?i)(\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{6,}",
    // A JSON web token, as service accounts and OpenID Connect use.
    r"()\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?",
    // name=value and "name": "value", where the name denotes a secret.
    r#"(?i)(\b[a-z0-9_.-]*(?:token|passw(?:or)?d|passphrase|secret|api[-_]?key|private[-_]?key|access[-_]?key|key-data|certificate-data|authorization|cookie)["']?\s*[:=]\s*)(?:"[^"]*"?|'[^']*'?|[^\s,;}"']+)"#,
    // user:password@ in URLs.
    r"(://)[^\s/@]+(@)",
    r"()\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    r"()\b(?:ghp|gho|ghs|glpat|xox[abp])[-_][A-Za-z0-9_-]{12,}",
    // A run of this length without a space is not prose, but a key, a certificate or encoded data.
    r"()[A-Za-z0-9+/_=-]{100,}",
];

static PATTERNS: LazyLock<Vec<Regex>> =
    LazyLock::new(|| SECRETS.iter().filter_map(|pattern| Regex::new(pattern).ok()).collect());

/// Replaces every recognisable secret by [`MASK`].
pub fn redact(text: &str) -> Cow<'_, str> {
    let mut out = Cow::Borrowed(text);
    for pattern in PATTERNS.iter() {
        if pattern.is_match(&out) {
            let kept = |found: &Captures<'_>, group| found.get(group).map_or("", |m| m.as_str()).to_owned();
            let masked = |found: &Captures<'_>| format!("{}{MASK}{}", kept(found, 1), kept(found, 2));
            out = Cow::Owned(pattern.replace_all(&out, masked).into_owned());
        }
    }
    out
}

/// A pattern of names that a shared screen does not show; `None` where there are none.
pub fn names(masks: &[String]) -> Option<Regex> {
    let words = masks.iter().map(|m| m.trim()).filter(|m| !m.is_empty() && *m != "*");
    let words: Vec<String> = words.map(|m| regex::escape(m).replace(r"\*", "[A-Za-z0-9._-]*")).collect();
    // Escaped words are a pattern; one of a megabyte is none.
    if words.is_empty() { None } else { Regex::new(&format!("(?i){}", words.join("|"))).ok() }
}

/// Masks text for shared screens: secrets, and the names of Secrets.
pub fn present(text: &str) -> Cow<'_, str> {
    static QUOTED: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r#"(?i)(\bsecrets?\s*[/"'“:]\s*["'“]?)([a-z0-9][a-z0-9./-]*)"#).ok());
    // As khud writes it: kind, space, name.
    static PLAIN: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(\bSecrets? )([a-z0-9][a-z0-9.-]*)").ok());
    const WORDS: [&str; 10] = ["is", "not", "was", "has", "of", "in", "for", "and", "are", "named"];
    let mut out = redact(text);
    for pattern in [&*QUOTED, &*PLAIN].into_iter().flatten() {
        if pattern.is_match(&out) {
            let masked = |found: &Captures<'_>| match &found[2] {
                word if WORDS.contains(&word) => found[0].to_owned(),
                _ => format!("{}{MASK}", &found[1]),
            };
            out = Cow::Owned(pattern.replace_all(&out, masked).into_owned());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles() {
        assert_eq!(PATTERNS.len(), SECRETS.len());
    }

    #[test]
    fn strangers_see_no_names_of_secrets() {
        for (text, shown) in [
            ("secret/regcred", "secret/[redacted]"),
            (r#"secret "db-login" not found"#, r#"secret "[redacted]" not found"#),
            ("Secret db-credentials absent", "Secret [redacted] absent"),
            ("the Secret is not there", "the Secret is not there"),
            ("pod production/api", "pod production/api"),
            ("no secrets are shown", "no secrets are shown"),
        ] {
            assert_eq!(present(text), shown);
        }
    }

    #[test]
    fn names_of_ones_choice_go_wherever_they_stand() {
        let names = names(&["acme".to_owned(), "customer-*".to_owned()]).unwrap();
        for (text, shown) in [
            ("registry.ACME.io/shop:1", "registry.[redacted].io/shop:1"),
            ("pod prod/customer-7-api is sick", "pod prod/[redacted] is sick"),
            ("pod prod/api", "pod prod/api"),
        ] {
            assert_eq!(names.replace_all(text, MASK), shown);
        }
        assert!(super::names(&["*".to_owned(), " ".to_owned()]).is_none());
    }

    #[test]
    fn secrets_go_and_the_rest_stays() {
        for (text, clean) in [
            ("Authorization: Bearer abcdef.123-x", "Authorization: [redacted] [redacted]"),
            ("sent bearer abcdef123456 to it", "sent bearer [redacted] to it"),
            ("got eyJhbGciOiJSUzI1NiIs.eyJzdWIiOiJ4In0.c2lnbmF0dXJl back", "got [redacted] back"),
            (r#"{"password":"hunter2","user":"a"}"#, r#"{"password":[redacted],"user":"a"}"#),
            ("DB_PASSWORD=hunter2 next", "DB_PASSWORD=[redacted] next"),
            ("client-key-data: LS0tLS1CRUdJTg==", "client-key-data: [redacted]"),
            ("pull https://user:pass@registry/x", "pull https://[redacted]@registry/x"),
            ("key AKIAABCDEFGHIJKLMNOP.", "key [redacted]."),
            ("-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----!", "[redacted]!"),
        ] {
            assert_eq!(redact(text), clean, "{text}");
        }
        for text in [
            "pod prod/api-server-7c9d8f6b5c-x2x7z is in CrashLoopBackOff, restarted 12 times",
            "GET https://10.0.0.1:6443/api/v1/pods?limit=500 took 12 ms",
            "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        ] {
            assert_eq!(redact(text), text);
        }
    }
}
