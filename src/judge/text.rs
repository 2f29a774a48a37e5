//! Words: bounded quotes, sizes as Kubernetes writes them, image references taken apart.

use crate::world::Text;

/// Longest quote kept as evidence, in characters.
pub const QUOTE: usize = 480;
/// Longest title.
pub const TITLE: usize = 160;
/// Longest text for a row of another pane.
pub const ROW: usize = 48;

/// The text cut to `max` characters, with an ellipsis where something is missing.
pub fn bounded(text: &str, max: usize) -> String {
    let text = text.trim();
    match text.char_indices().nth(max) {
        None => text.to_owned(),
        Some(_) => text.chars().take(max.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// The text cut to `max` characters in its middle: errors begin with what was tried and end with the cause.
pub fn quoted(text: &str, max: usize) -> String {
    let text = text.trim();
    let all = text.chars().count();
    if all <= max {
        return text.to_owned();
    }
    let head = max / 3;
    let tail = max.saturating_sub(head + 1);
    text.chars().take(head).chain(['…']).chain(text.chars().skip(all - tail)).collect()
}

/// Bytes as a manifest says them: `180Mi`, `2Gi`, `1500k` never.
pub fn bytes(n: u64) -> String {
    for (unit, size) in [("Gi", 1u64 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)] {
        if n >= size {
            let whole = n / size;
            let tenth = (n % size) * 10 / size;
            return if tenth == 0 || whole >= 100 {
                format!("{whole}{unit}")
            } else {
                format!("{whole}.{tenth}{unit}")
            };
        }
    }
    format!("{n}")
}

/// Millicores as a manifest says them: `250m`, `2`.
pub fn millicores(n: u64) -> String {
    if n.is_multiple_of(1000) { format!("{}", n / 1000) } else { format!("{n}m") }
}

/// `1 pod`, `3 pods`.
pub fn plural(n: usize, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

/// A parsed image reference.
#[derive(Debug, PartialEq, Eq)]
pub struct Image<'a> {
    /// `docker.io` where none is named.
    pub registry: &'a str,
    /// Without the registry.
    pub repository: &'a str,
    /// `latest` where neither tag nor digest is named.
    pub tag: Option<&'a str>,
    pub digest: Option<&'a str>,
}

impl<'a> Image<'a> {
    /// By the rule of the reference grammar: the first part is a registry if it has a dot, a colon or is `localhost`.
    pub fn parse(text: &'a str) -> Image<'a> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        let (registry, path) = match rest.split_once('/') {
            Some((first, path)) if first.contains(['.', ':']) || first == "localhost" => (first, path),
            _ => ("docker.io", rest),
        };
        let (repository, tag) = match path.rsplit_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (path, if digest.is_none() { Some("latest") } else { None }),
        };
        Image { registry, repository, tag, digest }
    }
}

/// The name among `names` that looks most like `wanted`, where one does.
pub fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a Text>) -> Option<&'a Text> {
    names
        .map(|n| (strsim::sorensen_dice(wanted, n), n))
        .filter(|(ratio, n)| *ratio >= 0.6 && &***n != wanted)
        .max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)))
        .map(|(_, n)| n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_references_come_apart() {
        let cases = [
            ("nginx", "docker.io", "nginx", Some("latest")),
            ("library/nginx:1.27", "docker.io", "library/nginx", Some("1.27")),
            ("localhost:5000/api-server:v2.0.1", "localhost:5000", "api-server", Some("v2.0.1")),
            ("registry.prod.example.com/team/api", "registry.prod.example.com", "team/api", Some("latest")),
            ("ghcr.io/a/b@sha256:00ff", "ghcr.io", "a/b", None),
        ];
        for (text, registry, repository, tag) in cases {
            let image = Image::parse(text);
            assert_eq!((image.registry, image.repository, image.tag), (registry, repository, tag), "{text}");
        }
    }

    #[test]
    fn cuts_at_characters_and_sizes_read_like_manifests() {
        assert_eq!(bounded("日本語の説明", 4), "日本語…");
        assert_eq!(bounded("short", 5), "short");
        assert_eq!(quoted("tried this and that: refused", 12), "trie…refused");
        assert_eq!(bytes(188_743_680), "180Mi");
        assert_eq!(bytes(2 << 30), "2Gi");
        assert_eq!(bytes((3 << 30) / 2), "1.5Gi");
        assert_eq!(millicores(250), "250m");
        let names: Vec<Text> = vec!["database".into(), "cache".into()];
        assert_eq!(nearest("database-new", names.iter()).map(|n| &**n), Some("database"));
        assert_eq!(nearest("xyzzy", names.iter()), None);
    }
}
