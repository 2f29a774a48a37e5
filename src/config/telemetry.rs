//! The setting `telemetry`: which sources are not read, and which are read at another interval.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;

use super::document::{Document, Node, hint, quote};

/// The sources, by name.
pub const SOURCES: [&str; 7] = ["dcgm", "amd", "intel", "engines", "kube-proxy", "metrics.k8s.io", "kubelet"];

/// The longest interval: after it a reading is no news.
const LONGEST: Duration = Duration::from_secs(3600);

/// The interval of each source that the setting names; `None` where the source is not read.
pub type Sources = BTreeMap<&'static str, Option<Duration>>;

/// Reads entries such as `dcgm 30s` and `engines off`.
pub(super) fn read<'t>(document: &mut Document<'t>, key: &str, node: &Node<'t>) -> Option<Sources> {
    let mut out = Sources::new();
    for (at, entry) in document.strings(key, node)? {
        let (name, how) = entry.trim().split_once(' ').unwrap_or((entry.trim(), ""));
        let Some(source) = SOURCES.iter().find(|s| **s == name) else {
            let text = format!(
                "there is no telemetry source {}; the sources are {}{}",
                quote(name),
                SOURCES.join(", "),
                hint(name, SOURCES)
            );
            document.error(&at, text);
            return None;
        };
        let how = match how.trim() {
            "off" => None,
            every => {
                let parsed = every.parse::<SignedDuration>().ok().and_then(|d| Duration::try_from(d).ok());
                let sound = parsed.filter(|d| (Duration::from_secs(1)..=LONGEST).contains(d));
                let Some(every) = sound else {
                    let text = format!(
                        "{} must be NAME off, or NAME and an interval from 1s to 1h, such as {:?}",
                        quote(entry),
                        format!("{name} 30s")
                    );
                    document.error(&at, text);
                    return None;
                };
                Some(every)
            }
        };
        out.insert(source, how);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use std::time::Duration;

    #[test]
    fn sources_are_switched_off_and_slowed_down_and_mistakes_are_told() {
        let config = Config::from_toml("c", "telemetry = ['engines off', 'kubelet 2m']\n").unwrap();
        let sources = config.for_context("x").telemetry;
        assert_eq!(sources.get("engines"), Some(&None));
        assert_eq!(sources.get("kubelet"), Some(&Some(Duration::from_secs(120))));
        assert_eq!(sources.get("dcgm"), None);
        for (text, told) in [
            ("dcmg 30s", "did you mean"),
            ("dcgm", "\"dcgm 30s\""),
            ("dcgm soon", "from 1s to 1h"),
            ("dcgm 0s", "from 1s to 1h"),
            ("dcgm 2h", "from 1s to 1h"),
        ] {
            let problems = Config::from_toml("c", &format!("telemetry = ['{text}']\n")).unwrap_err();
            assert!(problems[0].to_string().contains(told), "{text}: {}", problems[0]);
        }
    }
}
