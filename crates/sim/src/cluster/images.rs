//! Image registries: existing tags, refused pulls, and the runtime's messages.
use std::time::Duration;

use crate::scenario::format::{ImageRule, PullError};
use crate::scenario::units::glob;

use super::chance;

/// The rules about images, in order of precedence.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    rules: Vec<ImageRule>,
}

/// The result of a pull.
#[derive(Clone, Debug, PartialEq)]
pub enum Pull {
    Done { took: Duration, bytes: u64 },
    Failed(String),
}

const PULL: Duration = Duration::from_millis(1400);

impl Registry {
    pub fn new(rules: Vec<ImageRule>) -> Self {
        Self { rules }
    }

    /// Adds rules before the existing ones.
    pub fn prepend(&mut self, rules: &[ImageRule]) {
        self.rules.splice(0..0, rules.iter().cloned());
    }

    pub fn pull(&self, image: &str) -> Pull {
        let rule = self.rules.iter().find(|r| glob(&r.matches, image));
        let tag = reference(image).map(|r| r.tag).unwrap_or_default();
        let error = rule.and_then(|r| {
            let absent = r.tags.as_ref().is_some_and(|tags| !tags.contains(&tag));
            r.error.clone().or(absent.then_some(PullError::NotFound))
        });
        match error {
            Some(error) => Pull::Failed(words(image, &error)),
            None => Pull::Done {
                took: rule.and_then(|r| r.pull).map_or(PULL, |p| p.duration()),
                bytes: rule.and_then(|r| r.size).map_or_else(
                    || 40_000_000 + chance::mix(chance::fnv(image.as_bytes())) % 160_000_000,
                    |s| s.0 as u64,
                ),
            },
        }
    }
}

/// The parts of an image reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    pub host: String,
    pub repository: String,
    pub tag: String,
}

/// Parses a reference. The error is containerd's for an invalid name.
pub fn reference(image: &str) -> Result<Reference, String> {
    let invalid = |why: &str| {
        format!(
            "Failed to apply default image tag {image:?}: couldn't parse image name {image:?}: invalid reference format{why}"
        )
    };
    let (name, tag) = match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (image, "latest"),
    };
    let (host, path) = match name.split_once('/') {
        Some((host, path))
            if host.contains(['.', ':']) || host == "localhost" || host.chars().any(char::is_uppercase) =>
        {
            (host, path.to_owned())
        }
        Some(_) => ("docker.io", name.to_owned()),
        None => ("docker.io", format!("library/{name}")),
    };
    let tag_ok =
        !tag.is_empty() && tag.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if path.is_empty() || !tag_ok {
        return Err(invalid(""));
    }
    if path.chars().any(|c| c.is_ascii_uppercase()) {
        let part = path.split('/').find(|p| p.chars().any(|c| c.is_ascii_uppercase())).unwrap_or(&path);
        return Err(invalid(&format!(
            ": repository name ({}) must be lowercase",
            part.trim_end_matches(':')
        )));
    }
    if path.contains(':') || path.contains("//") {
        return Err(invalid(""));
    }
    Ok(Reference { host: host.to_owned(), repository: path, tag: tag.to_owned() })
}

/// The error in the words of containerd 2 (captures/watch/image-pull-failures).
fn words(image: &str, error: &PullError) -> String {
    let Ok(Reference { host, repository, tag }) = reference(image) else {
        return format!("invalid reference {image:?}");
    };
    let full = if image.rsplit('/').next().is_some_and(|last| last.contains(':')) {
        image.to_owned()
    } else {
        format!("{image}:{tag}")
    };
    let full = if full.starts_with(&host) { full } else { format!("{host}/{repository}:{tag}") };
    let scheme = if host.starts_with("localhost") { "http" } else { "https" };
    let head = format!("failed to pull and unpack image {full:?}: failed to resolve image: ");
    let request =
        format!("failed to do request: Head \"{scheme}://{host}/v2/{repository}/manifests/{tag}\": ");
    let name = host.split(':').next().unwrap_or(&host);
    match error {
        PullError::NotFound => format!("rpc error: code = NotFound desc = {head}{full}: not found"),
        PullError::Denied => format!(
            "{head}pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials"
        ),
        PullError::RateLimited => format!(
            "{head}unexpected status from HEAD request to {scheme}://{host}/v2/{repository}/manifests/{tag}: 429 Too Many Requests"
        ),
        PullError::NoSuchHost => {
            format!("{head}{request}dial tcp: lookup {name} on 10.0.0.2:53: no such host")
        }
        PullError::Refused => {
            let (ip, port) = (
                if name == "localhost" { "127.0.0.1" } else { "203.0.113.17" },
                host.split(':').nth(1).unwrap_or("443"),
            );
            format!("{head}{request}dial tcp {ip}:{port}: connect: connection refused")
        }
        PullError::Timeout => format!("{head}{request}dial tcp 203.0.113.17:443: i/o timeout"),
        PullError::Certificate => {
            format!(
                "{head}{request}tls: failed to verify certificate: x509: certificate signed by unknown authority"
            )
        }
        PullError::Platform => format!(
            "rpc error: code = NotFound desc = failed to pull and unpack image {full:?}: no match for platform in manifest: not found"
        ),
        PullError::Says(text) => format!("{head}{text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(matches: &str, tags: Option<&[&str]>, error: Option<PullError>) -> ImageRule {
        ImageRule {
            matches: matches.into(),
            tags: tags.map(|t| t.iter().map(|t| (*t).to_owned()).collect()),
            error,
            pull: None,
            size: None,
        }
    }

    /// Every expected text is a `waiting.message` in captures/watch/image-pull-failures.jsonl or
    /// failed-rollout-and-undo.jsonl.
    #[test]
    fn pull_errors_are_worded_as_captured() {
        let registry = Registry::new(vec![
            rule("localhost:5000/*", Some(&["v2.0.0"]), None),
            rule("localhost:5001/*", None, Some(PullError::Denied)),
            rule("localhost:5002/*", None, Some(PullError::RateLimited)),
            rule("localhost:5999/*", None, Some(PullError::Refused)),
            rule("myregistry.io/*", None, Some(PullError::NoSuchHost)),
        ]);
        let text = std::fs::read_to_string("tests/fixtures/pull-messages.txt").unwrap();
        for want in text.lines() {
            let image = want.split('"').nth(1).unwrap();
            assert_eq!(registry.pull(image), Pull::Failed(want.to_owned()));
        }
        assert!(matches!(registry.pull("localhost:5000/api-server:v2.0.0"), Pull::Done { .. }));
    }

    #[test]
    fn a_name_that_cannot_be_parsed_is_refused_in_containerds_words() {
        let error = reference("MyRegistry/API:::v1").unwrap_err();
        assert_eq!(
            error,
            "Failed to apply default image tag \"MyRegistry/API:::v1\": couldn't parse image name \"MyRegistry/API:::v1\": invalid reference format: repository name (API) must be lowercase"
        );
        assert_eq!(reference("nginx").unwrap().repository, "library/nginx");
    }
}
