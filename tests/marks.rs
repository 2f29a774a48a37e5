//! Actions on marked rows, from the keyboard in a real terminal on the embedded cluster: one plan, one yes, one end.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod lab;
mod pty;

use lab::Lab;
use pty::{Session, cockpit};
use serde_json::{Value, json};

const KHUD: &str = env!("CARGO_BIN_EXE_khud");
const ENTER_ON_GO: &str = "\t\r";

/// The cockpit on the pods of one Deployment, all in the table.
fn pods_of(lab: &Lab, app: &str) -> Session {
    let mut k = cockpit(KHUD, lab.dir.path(), "", &[], 140, 50);
    k.until_text("live");
    k.then(":pods production\r", "pods in production");
    k.then(&format!("/^production {app}-\r"), &format!("/^production {app}-"));
    k.until_text(&format!("{app}-"));
    k
}

/// Closes the box that says so. Only then comes the next key: esc and a letter at once are alt and the letter.
fn close(k: &mut Session, what: &str) {
    k.send("\x1b");
    k.until("the box to close", |s| !s.contents().contains(what));
}

/// The Deployment's pods that are there and not on their way out.
fn alive(lab: &Lab, app: &str) -> Vec<String> {
    let its = |p: &Value| {
        p["metadata"]["labels"]["app"] == *app && p["metadata"].get("deletionTimestamp").is_none()
    };
    let mut names = lab.pods("production", its);
    names.sort();
    names
}

#[test]
fn three_marked_pods_are_deleted_by_one_yes_and_the_deployment_makes_three_new_ones() {
    let lab = Lab::start("healthy", 10.0);
    let before = alive(&lab, "checkout");
    assert_eq!(before.len(), 6);
    let mut k = pods_of(&lab, "checkout");
    k.then("   ", "3 marked");

    // A mark counts though a filter hides its row, and the title says so.
    k.then("/\x15cart-\r", "3 marked, 3 hidden");
    k.then("a", "Actions on 3 pods marked, 3 hidden");
    close(&mut k, "Actions on");
    k.then("/\x15checkout-\r", "/checkout-  3 marked");

    // Cancel is the default and leaves everything as it was, the marks too.
    k.then("ax", "Type delete 3 to go ahead");
    k.then("delete 2\r", "3 marked");
    k.until("the dialog to close", |s| !s.contents().contains("[ Cancel ]"));
    assert_eq!(alive(&lab, "checkout"), before);

    k.then("ax", "Type delete 3 to go ahead");
    for pod in &before[..3] {
        k.until_text(&format!("$ kubectl delete pod {pod} -n production"));
    }
    k.then("delete 3\r", "Over. 3 done and verified.");
    k.until("new pods and no marks", |s| {
        !s.contents().contains("marked") && alive(&lab, "checkout").len() == 6
    });
    let after = alive(&lab, "checkout");
    assert_eq!(
        before.iter().filter(|p| after.contains(p)).collect::<Vec<_>>(),
        before[3..].iter().collect::<Vec<_>>()
    );

    // Each is accounted for, and so is the whole.
    close(&mut k, "Over.");
    k.then("T", "Delete 3 pods: begun with 3");
    k.until_text("Delete 3 pods: 3 done and verified.");
    for pod in &before[..3] {
        k.until_text(&format!("Delete pod production/{pod}: done and verified."));
    }
    k.then(":journal\r", "3 done and verified");
    k.then("\r", "Over. 3 done and verified.");
}

#[test]
fn two_marked_nodes_are_cordoned_one_after_the_other() {
    let lab = Lab::start("healthy", 10.0);
    let mut k = cockpit(KHUD, lab.dir.path(), "", &[], 140, 50);
    k.until_text("live");
    k.then(":nodes\r", "VERSION");
    k.then("/gpu-worker-00\r", "/gpu-worker-00");
    k.then("  ", "2 marked");
    k.then("ac", "Cordon 2 nodes, one after the other?");
    k.until_text("2 of 40 nodes that take pods leave the scheduler: 38 go on taking pods");
    k.then(ENTER_ON_GO, "Over. 2 done and verified.");
    let nodes = lab.sim.store().list("nodes", None);
    let cordoned = nodes.iter().filter(|n| n["spec"]["unschedulable"] == true);
    let names: Vec<&str> = cordoned.filter_map(|n| n["metadata"]["name"].as_str()).collect();
    assert_eq!(names, ["gpu-worker-001", "gpu-worker-002"]);
}

#[test]
fn what_is_refused_or_gone_is_said_and_the_others_are_done() {
    let lab = Lab::start("healthy", 10.0);
    let annotations = json!({"kubernetes.io/config.mirror": "5f2c"});
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "cart-static", "namespace": "production", "annotations": annotations},
        "spec": {"nodeName": "worker-001", "containers": [{"name": "c", "image": "registry.local/cart:v1"}]},
    });
    lab.sim.store().create("pods", "production", pod).unwrap();
    let mut k = pods_of(&lab, "cart");
    k.until_text("cart-static");
    let before = alive(&lab, "cart");
    k.then("NG ", "1 marked");
    k.then("g  ", "3 marked");
    lab.sim.store().remove("pods", "production", &before[0]);
    k.until_text("3 marked, 1 gone");

    k.then("ax", "Type delete 1 to go ahead");
    k.until_text("gone since it was marked");
    k.until_text("refused: its node's kubelet runs it from a file");
    k.until_text("Delete 1 pod? 1 cannot be done. 1 gone.");
    k.then("delete 1\r", "Over. 1 done and verified, 1 cannot be done, 1 gone.");
    let left = alive(&lab, "cart");
    assert!(!left.contains(&before[1]) && left.contains(&before[2]), "{before:?} {left:?}");
    assert!(!lab.pods("production", |p| p["metadata"]["name"] == "cart-static").is_empty());
}

#[test]
fn the_first_that_fails_stops_the_rest_until_the_operator_says_otherwise() {
    let lab = Lab::start("healthy", 10.0);
    let before = alive(&lab, "checkout");
    let mut k = pods_of(&lab, "checkout");
    k.then("      ", "6 marked");
    k.then("ae", "Evict 6 pods, 4 at a time? The first that fails stops the rest.");
    // The budget wants three of them: each alone may go, not all.
    k.until_text("checkout lets 3 go now, 6 are its");
    k.then(ENTER_ON_GO, "answered 429: budget checkout needs 3");
    k.until_text("Go on with the other 2?");
    // Enter is on the button that does nothing more.
    k.then("\r", "Over. 3 done and verified, 1 failed, 2 not begun.");
    let after = alive(&lab, "checkout");
    assert_eq!(before.iter().filter(|p| after.contains(p)).count(), 3, "{before:?} {after:?}");
}
