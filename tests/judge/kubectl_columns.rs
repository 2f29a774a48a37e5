//! READY, STATUS and RESTARTS of every captured pod are what the API server itself printed for it.

use std::collections::HashMap;

use crate::support::captures::{capture, text};
use khud::cluster::slim::Decoder;
use khud::world::{Kind, Record, Time, time::human};
use serde_json::Value;

#[test]
fn pods_read_as_the_servers_own_table() {
    let list = capture("list/pods.json");
    let table = capture("table/pods.json");
    let printed_at = table["response"]["headers"]["Date"].as_str().map(str::to_owned);
    let rows: HashMap<(String, String), &Value> = table["response"]["json"]["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| {
            let m = &r["object"]["metadata"];
            let text = |k: &str| m[k].as_str().unwrap().to_owned();
            ((text("uid"), text("resourceVersion")), &r["cells"])
        })
        .collect();
    assert!(rows.len() > 30);

    let mut decoder = Decoder::new(Kind::Pod);
    let (mut compared, mut apart) = (0, Vec::new());
    for item in list["response"]["json"]["items"].as_array().unwrap() {
        let text = |k: &str| item["metadata"][k].as_str().unwrap().to_owned();
        // The list and the table were asked for moments apart; only pods that did not change in between compare.
        let Some(cells) = rows.get(&(text("uid"), text("resourceVersion"))) else {
            apart.push(text("name"));
            continue;
        };
        let decoded = decoder.object(&serde_json::to_vec(item).unwrap()).unwrap();
        let Record::Pod(pod) = decoded.record else { panic!("a pod decodes to a pod") };
        let status = pod.status();
        assert_eq!(cells[1], format!("{}/{}", status.ready, status.total), "{}", text("name"));
        assert_eq!(cells[2], *status.status, "{}", text("name"));
        let restarts = cells[3].as_str().map_or_else(|| cells[3].to_string(), str::to_owned);
        let count = restarts.split(' ').next().unwrap();
        assert_eq!(count, status.restarts.to_string(), "{}", text("name"));
        assert_eq!(
            restarts.contains("ago"),
            status.restarts > 0 && status.last_restart.is_some(),
            "{restarts}"
        );
        compared += 1;
    }
    assert!(compared >= 25, "compared {compared}, changed in between: {apart:?}; printed at {printed_at:?}");
}

/// `kubectl get pods -A -o wide` of another moment: pods whose state was steady between the two print the same.
#[test]
fn steady_pods_read_as_kubectl_printed_them() {
    let steady = [
        "bad-image",
        "completed",
        "evicted-by-its-limit",
        "invalid-image-name",
        "llm-train-too-big",
        "migrate-db-jdrmh",
        "missing-config",
        "missing-secret-volume",
        "never-pull",
        "shell",
        "stuck-terminating",
        "unready",
        "with-sidecar",
        "wrong-selector",
    ];
    let printed = text("kubectl/get-pods-wide.txt");
    let mut decoder = Decoder::new(Kind::Pod);
    let list = capture("list/pods.json");
    for name in steady {
        let line = printed.lines().find(|l| l.split_whitespace().nth(1) == Some(name)).expect(name);
        let words: Vec<&str> = line.split_whitespace().collect();
        let items = list["response"]["json"]["items"].as_array().unwrap();
        let item = items.iter().find(|i| i["metadata"]["name"] == name).expect(name);
        let decoded = decoder.object(&serde_json::to_vec(item).unwrap()).unwrap();
        let Record::Pod(pod) = decoded.record else { panic!("a pod decodes to a pod") };
        let status = pod.status();
        assert_eq!(words[2], format!("{}/{}", status.ready, status.total), "{name}");
        assert_eq!(words[3], &*status.status, "{name}");
    }
}

#[test]
fn ages_print_as_kubectl_prints_them() {
    // From the same capture: created 01:05:53, printed 93 minutes later.
    let created = Time::parse("2026-11-21T01:05:53Z").unwrap();
    let now = Time::parse("2026-11-21T02:39:40Z").unwrap();
    assert_eq!(human(created.age(now)), "93m");
}
