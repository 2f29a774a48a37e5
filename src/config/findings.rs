//! `[findings]`: checks thresholds, severities and mutes for the `detect` room.

use std::ops::RangeInclusive;

use toml::de::DeTable;
use toml::{Table, Value};

use super::document::{Document, Node, quote};
use crate::world::Time;

/// A number that the rules use.
#[derive(Debug)]
pub struct Threshold {
    pub name: &'static str,
    pub default: i64,
    pub range: RangeInclusive<i64>,
    pub about: &'static str,
}

const fn seconds(name: &'static str, default: i64, about: &'static str) -> Threshold {
    Threshold { name, default, range: 0..=604_800, about }
}

/// Every threshold with `detect`'s default; a test keeps the two equal.
pub const THRESHOLDS: &[Threshold] = &[
    seconds("unschedulable", 30, "seconds a pod may be unschedulable while the cluster scales up"),
    seconds("starting_volume", 30, "seconds that volumes and pod sandboxes may take"),
    seconds("unavailable", 60, "seconds a workload may lack pods without a known cause"),
    Threshold {
        name: "restarts",
        default: 3,
        range: 1..=1000,
        about: "restarts within restart_window that count as a crash loop",
    },
    seconds("restart_window", 600, "seconds"),
    seconds("stable", 600, "seconds a container must run after a crash to count as healthy"),
    seconds("resolving", 30, "seconds a finding stays after it is no longer true"),
    seconds("proxy_window", 900, "seconds in which restarts of kube-proxy are reported"),
    Threshold { name: "quota", default: 90, range: 1..=100, about: "percent of a quota in use" },
    seconds("young_node", 300, "seconds a new node may be not ready or without GPUs"),
    seconds("serviced_node", 1800, "seconds a cordoned node may be not ready"),
    seconds("deleting", 60, "seconds a deleted object may exist after its grace period"),
    seconds("evicted", 1800, "seconds an evicted pod is reported after it was replaced"),
    seconds("changes", 7200, "seconds before a finding in which khud looks for changes"),
];

const SEVERITIES: [(&str, &str); 3] = [("critical", "critical"), ("warning", "warning"), ("info", "info")];

/// Checks the section and returns it as plain TOML. Invalid entries are recorded and left out.
pub(crate) fn read<'t>(document: &mut Document<'t>, table: &DeTable<'t>) -> Table {
    let mut out = Table::new();
    for (name, node) in table.iter() {
        match name.get_ref().as_ref() {
            "thresholds" => {
                out.insert("thresholds".to_owned(), Value::Table(thresholds(document, node)));
            }
            "severity" => {
                let mut severities = Table::new();
                for (rule, node) in document.table("severity", node).into_iter().flat_map(|t| t.iter()) {
                    for (rule, node) in leaves(rule.get_ref(), node) {
                        if let Some(word) = document.choice(&rule, node, &SEVERITIES) {
                            severities.insert(rule, Value::String(word.to_owned()));
                        }
                    }
                }
                out.insert("severity".to_owned(), Value::Table(severities));
            }
            "mute" => {
                out.insert("mute".to_owned(), Value::Array(mutes(document, node)));
            }
            _ => document.unknown(name, "key", ["thresholds", "severity", "mute"]),
        }
    }
    out
}

/// Rule ids contain dots. TOML reads unquoted ones as nested tables.
fn leaves<'n, 't>(name: &str, node: &'n Node<'t>) -> Vec<(String, &'n Node<'t>)> {
    match node.get_ref().as_table() {
        Some(inner) => {
            inner.iter().flat_map(|(key, node)| leaves(&format!("{name}.{}", key.get_ref()), node)).collect()
        }
        None => vec![(name.to_owned(), node)],
    }
}

fn thresholds<'t>(document: &mut Document<'t>, node: &Node<'t>) -> Table {
    let mut out = Table::new();
    for (name, node) in document.table("thresholds", node).into_iter().flat_map(|t| t.iter()) {
        match THRESHOLDS.iter().find(|t| t.name == name.get_ref()) {
            Some(threshold) => {
                if let Some(value) = document.integer(threshold.name, node, threshold.range.clone()) {
                    out.insert(threshold.name.to_owned(), Value::Integer(value));
                }
            }
            None => document.unknown(name, "threshold", THRESHOLDS.iter().map(|t| t.name)),
        }
    }
    out
}

fn mutes<'t>(document: &mut Document<'t>, node: &Node<'t>) -> Vec<Value> {
    let Some(list) = node.get_ref().as_array() else {
        document.error(&node.span(), "write mutes as [[findings.mute]] sections");
        return Vec::new();
    };
    let mut out = Vec::new();
    for item in list.iter() {
        let Some(table) = document.table("mute", item) else { continue };
        let mut mute = Table::new();
        for (name, node) in table.iter() {
            let key = name.get_ref().as_ref();
            match key {
                "rule" | "namespace" | "name" | "reason" => {
                    if let Some(text) = document.string(key, node) {
                        mute.insert(key.to_owned(), Value::String(text.to_owned()));
                    }
                }
                "until" => match moment(node) {
                    Some(text) => {
                        mute.insert(key.to_owned(), Value::String(text));
                    }
                    None => document.error(
                        &node.span(),
                        "\"until\" must be a time with a zone, such as 2030-01-31T18:00:00Z",
                    ),
                },
                _ => document.unknown(name, "key", ["rule", "namespace", "name", "reason", "until"]),
            }
        }
        if !["rule", "namespace", "name"].iter().any(|key| mute.contains_key(*key)) {
            document.error(
                &item.span(),
                "a mute needs a rule, a namespace or a name; without one it would mute every finding",
            );
        }
        if !mute.contains_key("reason") {
            document.error(&item.span(), format!("a mute needs a {} for the next reader", quote("reason")));
        }
        out.push(Value::Table(mute));
    }
    out
}

/// A time as RFC 3339, from a string or a TOML time.
fn moment(node: &Node<'_>) -> Option<String> {
    let text = match node.get_ref().as_datetime() {
        Some(time) => time.to_string(),
        None => node.get_ref().as_str()?.to_owned(),
    };
    Time::parse(&text).map(|_| text)
}

#[cfg(test)]
mod tests {
    use super::super::settings::Config;

    #[test]
    fn findings_are_read_and_faults_told_with_their_line() {
        let text = "[findings.thresholds]\nrestarts = 5\n[findings.severity]\nimage.not-found = 'warning'\n\
                    \"node.lost\" = 'info'\n[[findings.mute]]\nrule = 'image.*'\nnamespace = 'dev'\n\
                    reason = 'being moved'\nuntil = 2030-01-31T18:00:00Z\n";
        let config = Config::from_toml("c", text).unwrap();
        assert_eq!(config.warnings, []);
        let findings = &config.findings;
        assert_eq!(findings["thresholds"]["restarts"].as_integer(), Some(5));
        assert_eq!(findings["severity"]["image.not-found"].as_str(), Some("warning"));
        assert_eq!(findings["severity"]["node.lost"].as_str(), Some("info"));
        assert_eq!(findings["mute"][0]["until"].as_str(), Some("2030-01-31T18:00:00Z"));

        let text = "[findings.thresholds]\nrestart = 5\nquota = 900\n[findings.severity]\nx = 'loud'\n\
                    [[findings.mute]]\nreason = 'x'\n[[findings.mute]]\nrule = 'a'\nuntil = 'tomorrow'\n";
        let said: Vec<(usize, String)> =
            Config::from_toml("c", text).unwrap_err().into_iter().map(|p| (p.line, p.text)).collect();
        let lines: Vec<usize> = said.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [2, 3, 5, 6, 8, 10], "{said:?}");
        assert!(said[0].1.contains("did you mean \"restarts\"?"), "{}", said[0].1);
    }
}
