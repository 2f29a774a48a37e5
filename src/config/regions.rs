//! The setting `regions`: the contexts that are watched side by side, each with a health URL where it has one.

use super::document::{Document, Node, quote};

/// The most regions that are watched.
const MOST: usize = 16;

/// One region.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Region {
    /// The kubeconfig's context.
    pub context: String,
    /// Answers below 400 where the region serves its users.
    pub health: Option<String>,
}

/// Reads entries such as `eu-west-1` and `eu-west-1 https://api-eu.example.com/health`.
pub(super) fn read<'t>(document: &mut Document<'t>, key: &str, node: &Node<'t>) -> Option<Vec<Region>> {
    let mut out: Vec<Region> = Vec::new();
    for (at, entry) in document.strings(key, node)? {
        let (context, url) = entry.trim().split_once(char::is_whitespace).unwrap_or((entry.trim(), ""));
        let url = url.trim();
        let sound = url.is_empty() || url.starts_with("https://") || url.starts_with("http://");
        let wrong = match () {
            () if context.is_empty() => Some(format!("{} names no context", quote(entry))),
            () if !sound || url.contains(char::is_whitespace) => Some(format!(
                "{} must be a context, or a context and its health URL, such as {:?}",
                quote(entry),
                format!("{context} https://api.example.com/health")
            )),
            () if out.iter().any(|r| r.context == context) => {
                Some(format!("{} names the context {} twice", quote(key), quote(context)))
            }
            () if out.len() == MOST => Some(format!("{} names more than {MOST} contexts", quote(key))),
            () => None,
        };
        if let Some(text) = wrong {
            document.error(&at, text);
            return None;
        }
        out.push(Region { context: context.to_owned(), health: (!url.is_empty()).then(|| url.to_owned()) });
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn regions_are_contexts_with_or_without_a_health_url() {
        let config =
            Config::from_toml("c", "regions = ['us', 'eu  https://eu.example.com/health']\n").unwrap();
        let regions = config.for_context("x").regions;
        assert_eq!((&*regions[0].context, &regions[0].health), ("us", &None));
        assert_eq!(regions[1].health.as_deref(), Some("https://eu.example.com/health"));
        for (text, told) in [
            ("'us eu'", "a context and its health URL"),
            ("'us', 'us'", "twice"),
            ("''", "names no context"),
            ("'us ftp://x'", "a context and its health URL"),
        ] {
            let problems = Config::from_toml("c", &format!("regions = [{text}]\n")).unwrap_err();
            assert!(problems[0].to_string().contains(told), "{text}: {}", problems[0]);
        }
    }
}
