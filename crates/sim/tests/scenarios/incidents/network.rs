//! Names, proxies and the way to a Service.

use serde_json::{Value, json};

use super::all_ready;
use crate::support::drill::*;

/// Crisis management 2: 12, 15 and 8 restarts while all is green; lock, OOM at 128Mi, conntrack 65234 of 65536.
pub fn kube_proxy_cycling(drill: &mut Drill) {
    let counts = |drill: &Drill| {
        let mut counts: Vec<i64> =
            drill.pods("kube-system", "kube-proxy").iter().map(restarts).filter(|r| *r > 0).collect();
        counts.sort_unstable();
        counts
    };
    assert_eq!(counts(drill), [8, 12, 15]);
    // The clock stands at the end of a history of 24 hours.
    let now: jiff::Timestamp = "2026-11-22T01:00:00Z".parse().unwrap();
    for pod in drill.pods("kube-system", "kube-proxy").iter().filter(|p| restarts(p) > 0) {
        let ended = text(pod, "/status/containerStatuses/0/lastState/terminated/finishedAt");
        let minutes = now.duration_since(ended.parse().unwrap()).as_secs_f64() / 60.0;
        let said = match restarts(pod) {
            12 => 2.0,
            15 => 5.0,
            _ => 1.0,
        };
        assert!((minutes - said).abs() < 0.7, "{} restarts, last {minutes} min ago", restarts(pod));
    }
    assert!(drill.list("pods", "").iter().all(ready) && drill.list("nodes", "").iter().all(ready));
    let busiest = drill.pods("kube-system", "kube-proxy").into_iter().max_by_key(restarts).unwrap();
    assert_eq!(last_reason(&busiest), "OOMKilled");
    assert_eq!(text(&busiest, "/spec/containers/0/resources/limits/memory"), "128Mi");
    let log = drill.log("kube-system", name(&busiest), true);
    assert!(log.contains("Failed to execute iptables-restore") && log.contains("exit status 4"), "{log}");
    let exporter = |metric| drill.metric("monitoring", "node-exporter", 9100, metric);
    assert_eq!(exporter("node_nf_conntrack_entries"), 65234.0);
    let kernel = drill.request("GET", "/api/v1/nodes/worker-1/proxy/logs/?query=kernel", None).unwrap();
    assert!(kernel.contains("nf_conntrack: table full, dropping packet"), "{kernel}");
    let more = json!({"resources": {"requests": {"memory": "256Mi", "cpu": "100m"}, "limits": {"memory": "512Mi", "cpu": "200m"}}});
    drill.set_container("daemonsets", "kube-system", "kube-proxy", more);
    drill.pass(6 * 3600);
    assert_eq!(counts(drill), Vec::<i64>::new());
}

/// Crisis management 4: names fail on two nodes of one zone while CoreDNS is well; DNS allowed again on each node.
pub fn dns_partial(drill: &mut Drill) {
    drill.pass(90);
    let resolves = |pod: &Value| {
        drill.exec("production", name(pod), &["nslookup", "api-backend.production.svc.cluster.local"])
    };
    let hit = ["worker-002", "worker-005"];
    for node in hit {
        let labels = drill.get("nodes", "", node)["metadata"]["labels"].clone();
        assert_eq!(labels["topology.kubernetes.io/zone"], "us-west-2b");
    }
    for pod in drill.pods("production", "api-backend") {
        let here = hit.contains(&text(&pod, "/spec/nodeName"));
        assert_eq!(restarts(&pod) > 0, here, "{}", text(&pod, "/spec/nodeName"));
        if here {
            let log = drill.log("production", name(&pod), true);
            assert!(log.contains("getaddrinfo EAI_AGAIN database.production.svc.cluster.local"), "{log}");
        } else {
            assert!(resolves(&pod).out.contains("Address: 10.96.100.50"));
        }
    }
    assert!(all_ready(drill, "kube-system", "coredns"));
    let log = drill.request("GET", "/api/v1/nodes/worker-005/proxy/logs/?query=kernel", None).unwrap();
    assert!(log.contains("DPT=53"), "{log}");

    // Until the rule is gone the pods run elsewhere.
    hit.iter().for_each(|node| drill.cordon(node, true));
    drill.restart("deployments", "production", "api-backend");
    drill.pass(60);
    assert!(all_ready(drill, "production", "api-backend"));
    for node in hit {
        let debugger = drill.debug_node(node);
        drill.pass(5);
        let rules =
            drill.exec("default", &debugger, &["chroot", "/host", "iptables", "-L", "FORWARD", "-v", "-n"]);
        assert!(rules.out.contains("DROP") && rules.out.contains("udp dpt:53"), "{rules:?}");
        let allow =
            ["chroot", "/host", "iptables", "-I", "FORWARD", "-p", "udp", "--dport", "53", "-j", "ACCEPT"];
        assert_eq!(drill.exec("default", &debugger, &allow).code, 0);
        drill.cordon(node, false);
    }
    drill.restart("deployments", "production", "api-backend");
    drill.pass(120);
    let pods = drill.pods("production", "api-backend");
    let places: Vec<&str> = pods.iter().map(|p| text(p, "/spec/nodeName")).collect();
    assert!(hit.iter().all(|node| places.contains(node)), "{places:?}");
    for pod in &pods {
        assert!(ready(pod) && restarts(pod) == 0 && resolves(pod).code == 0, "{}", name(pod));
    }
}

/// The guide on connectivity: selector, port, readiness, policy, ingress, an expired certificate.
pub fn connectivity(drill: &mut Drill) {
    drill.pass(10);
    let caller = drill.pod("production", "search");
    let get = |service: &str| {
        let url = format!("http://{service}/");
        drill.exec("production", name(&caller), &["curl", "-s", &url])
    };
    let endpoints = |service: &str| -> Vec<bool> {
        let slices = drill.list("endpointslices", "production");
        let of = |s: &&Value| s["metadata"]["labels"]["kubernetes.io/service-name"] == service;
        let slice = slices.iter().find(of).unwrap();
        slice["endpoints"].as_array().unwrap().iter().map(|e| e["conditions"]["ready"] == true).collect()
    };
    assert_eq!(
        (endpoints("cart"), endpoints("search"), endpoints("profile")),
        (vec![], vec![true, true], vec![false, false])
    );
    assert!(get("cart").err.contains("refused") && get("search").err.contains("refused"));
    assert!(get("profile").err.contains("refused"));
    let billing = get("billing");
    assert!(billing.code == 28 && billing.err.contains("timed out"), "{billing:?}");
    let ingress = drill.get("ingresses", "production", "shop");
    let backend = text(&ingress, "/spec/rules/0/http/paths/0/backend/service/name").to_owned();
    assert!(
        drill.request("GET", &format!("/api/v1/namespaces/production/services/{backend}"), None).is_err()
    );
    assert_eq!(ended(drill), "2025-10-30");

    drill.patch("services", "production", "cart", json!({"spec": {"selector": {"app": "cart"}}}));
    drill.patch(
        "services",
        "production",
        "search",
        json!({"spec": {"ports": [{"port": 80, "targetPort": 9200}]}}),
    );
    drill.set_container(
        "deployments",
        "production",
        "profile",
        json!({"env": [{"name": "DATABASE_HOST", "value": "postgres.production"}]}),
    );
    let from_search = json!([{"from": [{"podSelector": {"matchLabels": {"app": "search"}}}]}]);
    drill.patch(
        "networkpolicies",
        "production",
        "billing-isolated",
        json!({"spec": {"ingress": from_search}}),
    );
    let mut rules = ingress["spec"]["rules"].clone();
    rules[0]["http"]["paths"][0]["backend"]["service"]["name"] = "cart".into();
    drill.patch("ingresses", "production", "shop", json!({"spec": {"rules": rules}}));
    drill.patch(
        "secrets",
        "production",
        "shop-tls",
        json!({"data": {"tls.crt": include_str!("../../fixtures/shop.crt.b64").trim()}}),
    );
    drill.pass(60);
    for service in ["cart", "search", "profile", "billing"] {
        assert_eq!((get(service).out.as_str(), get(service).code), ("ok\n", 0), "{service}");
    }
    assert!(ended(drill).as_str() > "2060");
}

/// The day the ingress's certificate ends, read from its DER: the second UTCTime or GeneralizedTime in it.
fn ended(drill: &Drill) -> String {
    use base64::Engine as _;
    let decode = |text: &str| base64::engine::general_purpose::STANDARD.decode(text).unwrap();
    let secret = drill.get("secrets", "production", "shop-tls");
    let pem = String::from_utf8(decode(text(&secret, "/data/tls.crt"))).unwrap();
    let der = decode(&pem.lines().filter(|l| !l.starts_with("-----")).collect::<String>());
    let time = |tag: [u8; 2]| der.windows(2).rposition(|w| w == tag);
    let (at, digits) = match (time([0x17, 13]), time([0x18, 15])) {
        (_, Some(at)) => (at + 2, 8),
        (Some(at), _) => (at + 2, 6),
        _ => panic!("a certificate without times"),
    };
    let day = String::from_utf8(der[at..at + digits].to_vec()).unwrap();
    let day = if digits == 6 { format!("20{day}") } else { day };
    format!("{}-{}-{}", &day[..4], &day[4..6], &day[6..8])
}

/// A certificate that ended: it is what the Secret holds, and who calls the host crashes.
pub fn cert_expired(drill: &mut Drill) {
    drill.pass(60);
    let secret = drill.get("secrets", "production", "shop-tls");
    assert_eq!(text(&secret, "/type"), "kubernetes.io/tls");
    let checkout = drill.pod("production", "checkout");
    assert!(restarts(&checkout) > 0);
    assert!(drill.log("production", name(&checkout), true).contains("x509: certificate has expired"));
    assert!(all_ready(drill, "production", "shop"), "the pods behind it are well");
}

/// A policy that lets nobody in: endpoints are ready, and calls from other pods time out until it is deleted.
pub fn network_policy(drill: &mut Drill) {
    drill.pass(60);
    assert!(all_ready(drill, "production", "billing"));
    let caller = drill.pod("production", "invoices");
    let call = || {
        drill.exec("production", name(&caller), &["wget", "-T", "5", "-O", "/dev/null", "http://billing/"])
    };
    assert_ne!(call().code, 0);
    let path = "/apis/networking.k8s.io/v1/namespaces/production/networkpolicies/deny-all";
    drill.request("DELETE", path, None).unwrap();
    drill.pass(0);
    assert_eq!(call().code, 0);
}
