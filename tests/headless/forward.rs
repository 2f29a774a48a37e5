//! `khud do port-forward`: a local port that leads to a pod until ctrl-c.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use khud_sim::api::store::DeleteOptions;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::http;
use crate::support::lab::Lab;

/// A forward that is open: the process, its address and the pod behind it.
fn forward(lab: &Lab, target: &str, ports: &str) -> (Child, String, String) {
    let mut khud = lab.khud(&["do", "port-forward", target, ports, "-n", "production"]);
    let mut child = khud.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let opened = lines.find(|line| line.contains(" of pod "));
    let line = opened.unwrap_or_else(|| panic!("{target} is not forwarded: {:?}", child.wait()));
    let pod = line
        .split(" of pod ")
        .nth(1)
        .and_then(|rest| rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).next())
        .unwrap();
    (child, http::address(&line).unwrap(), pod.to_owned())
}

fn ready(lab: &Lab) -> Vec<String> {
    let ready = |p: &serde_json::Value| {
        p["metadata"]["labels"]["app"] == "billing"
            && p["metadata"]["deletionTimestamp"].is_null()
            && p["status"]["containerStatuses"][0]["ready"] == true
    };
    lab.pods("production", ready)
}

fn until_ready(lab: &Lab, pods: usize) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while ready(lab).len() < pods {
        assert!(Instant::now() < deadline, "only {:?} became ready", ready(lab));
        std::thread::yield_now();
    }
}

#[test]
fn a_service_is_reached_on_a_local_port_also_after_its_pod_was_replaced() {
    let lab = Lab::start("connectivity", 10.0);
    until_ready(&lab, 2);
    let (mut khud, address, pod) = forward(&lab, "svc/billing", ":80");
    assert!(ready(&lab).contains(&pod), "{pod}");
    assert!(http::get(&address, "/").unwrap().starts_with("HTTP/1.1 200"));

    lab.sim.store().delete("pods", "production", &pod, DeleteOptions::default()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    // As long as it is stopping it still answers.
    while !lab.pods("production", |p| p["metadata"]["name"] == pod.as_str()).is_empty() {
        assert!(Instant::now() < deadline, "{pod} does not go");
        std::thread::yield_now();
    }
    while !http::get(&address, "/").is_ok_and(|a| a.starts_with("HTTP/1.1 200")) {
        assert!(Instant::now() < deadline, "the next pod is not reached");
        std::thread::yield_now();
    }
    kill(Pid::from_raw(i32::try_from(khud.id()).unwrap()), Signal::SIGINT).unwrap();
    let mut said = String::new();
    khud.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("now to pod billing-"), "{said}");
    assert_eq!(khud.wait().unwrap().code(), Some(0));
    assert!(http::get(&address, "/").is_err(), "the port is closed");
}

#[test]
fn a_port_that_leads_nowhere_is_told_before_anything_is_opened() {
    let lab = Lab::start("connectivity", 10.0);
    until_ready(&lab, 2);
    let fails = |target: &str, ports: &str| {
        let (code, report) =
            lab.json(&["do", "port-forward", target, ports, "-n", "production", "-o", "json"]);
        assert_eq!(code, 1, "{report}");
        report["reason"].as_str().unwrap().to_owned()
    };
    let refused = fails("svc/search", ":80");
    assert!(refused.contains("nothing answers on port 9201 in pod search-"), "{refused}");
    assert!(refused.contains("connection refused"), "{refused}");
    let none = fails("svc/cart", ":80");
    assert!(none.contains("no pod with the labels app=shopping-cart is ready in production"), "{none}");
    let other = fails("svc/billing", ":8080");
    assert!(other.contains("has no port 8080; it has 80"), "{other}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let taken = fails("deploy/billing", &format!("{port}:8080"));
    assert!(taken.contains(&format!("cannot listen on 127.0.0.1:{port}")), "{taken}");
    assert!(taken.contains("another program has it: choose another port"), "{taken}");
    let readonly =
        lab.run(&["do", "port-forward", "deploy/billing", ":8080", "-n", "production", "--read-only"]);
    assert_eq!(readonly.status.code(), Some(1), "{}", String::from_utf8_lossy(&readonly.stdout));
}

/// kube-proxy's metrics listen on the node's loopback alone: a port-forward reads them, and read-only refuses it.
#[test]
fn a_port_on_loopback_is_read_through_a_port_forward() {
    let lab = Lab::start("small", 1.0);
    let proxy = lab.pods("kube-system", |p| p["metadata"]["labels"]["k8s-app"] == "kube-proxy").remove(0);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let get = |read_only: bool, port: u16| {
        let options = khud::cluster::Options {
            kubeconfig: Some(lab.kubeconfig()),
            read_only,
            ..khud::cluster::Options::default()
        };
        let proxy = proxy.clone();
        runtime.block_on(async move {
            let connection =
                khud::cluster::Connection::open(options, khud::world::Clock::wall()).await.unwrap();
            let within = Duration::from_secs(10);
            let answer = connection.forwarded_get("kube-system", &proxy, port, "metrics", within).await;
            answer.map(|a| (a.status, a.text())).map_err(|e| e.to_string())
        })
    };
    let (status, text) = get(false, 10_249).unwrap();
    assert_eq!(status, 200);
    assert!(text.contains("kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family"), "{text}");
    let refused = get(false, 4).unwrap_err();
    assert!(
        refused.contains("port 4 of pod kube-system/") && refused.contains("gave no answer"),
        "{refused}"
    );
    assert!(get(true, 10_249).unwrap_err().contains("read-only"), "nothing is upgraded under read-only");
}
