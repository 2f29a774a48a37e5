//! `khud do debug` and `khud do node-shell`: tools beside a pod's containers and on a node.

use crate::support::lab::Lab;
use crate::support::pty;
use serde_json::{Value, json};

const KHUD: &str = env!("CARGO_BIN_EXE_khud");

fn pod(lab: &Lab) -> String {
    let ready = |p: &Value| {
        p["metadata"]["labels"]["app"] == "cart" && p["status"]["containerStatuses"][0]["ready"] == true
    };
    lab.pods("production", ready).first().expect("a pod of cart").clone()
}

fn debuggers(lab: &Lab, pod: &str) -> Vec<Value> {
    let pod = lab.sim.store().get("pods", "production", pod).unwrap();
    pod["spec"]["ephemeralContainers"].as_array().cloned().unwrap_or_default()
}

fn node_pods(lab: &Lab) -> Vec<String> {
    lab.pods("default", |p| p["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "khud")
}

#[test]
fn a_command_is_run_beside_a_pods_containers() {
    let lab = Lab::start("healthy", 4.0);
    let pod = pod(&lab);
    let target = format!("pod/{pod}");
    let debug = |options: &[&str], command: &[&str]| {
        let words = ["do", "debug", &target, "-n", "production", "--yes"];
        lab.run(&[&words, options, &["--"], command].concat())
    };
    let output = debug(&[], &["echo", "two  words"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("two  words"), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0));
    // kubectl 1.36 sends this for `--profile=general --target=cart` (captures/kubectl/debug-ephemeral), and a terminal's
    // input, which ends with the session.
    let made = debuggers(&lab, &pod);
    let is = json!({"add": ["SYS_PTRACE"]});
    assert_eq!((&made[0]["name"], &made[0]["targetContainerName"]), (&json!("debugger-1"), &json!("cart")));
    assert_eq!((&made[0]["securityContext"]["capabilities"], &made[0]["stdinOnce"]), (&is, &json!(true)));

    let output = debug(&["--user", "1000", "--profile", "netadmin"], &["sh", "-c", "exit 4"]);
    assert_eq!(output.status.code(), Some(4), "{}", String::from_utf8_lossy(&output.stdout));
    let made = debuggers(&lab, &pod);
    let context = &made[1]["securityContext"];
    assert_eq!(
        (&made[1]["name"], &context["runAsUser"], &context["capabilities"]["add"]),
        (&json!("debugger-2"), &json!(1000), &json!(["NET_ADMIN", "NET_RAW"]))
    );
    // The pod itself is what it was: ready, and not restarted.
    let stored = lab.sim.store().get("pods", "production", &pod).unwrap();
    let status = &stored["status"]["containerStatuses"][0];
    assert_eq!((&status["ready"], &status["restartCount"]), (&json!(true), &json!(0)));
}

#[test]
fn what_cannot_be_debugged_is_refused_or_told_and_changes_nothing_else() {
    let lab = Lab::start("healthy", 10.0);
    let pod = pod(&lab);
    let target = format!("pod/{pod}");
    let debug = |rest: &[&str]| {
        let words = ["do", "debug", &target, "-n", "production", "--yes", "-o", "json"];
        lab.json(&[&words, rest].concat())
    };
    let (code, report) = debug(&["--image", "Not:A:Name", "--", "ls"]);
    let reason = report["reason"].as_str().unwrap();
    assert_eq!((code, &report["outcome"]), (1, &json!("failed")), "{reason}");
    assert!(reason.contains("debugger-1 does not start: InvalidImageName"), "{reason}");
    assert_eq!(debuggers(&lab, &pod).len(), 1);

    for (rest, why) in [
        (&["-c", "nobody", "--", "ls"][..], "has no container nobody; it has cart"),
        (&["--read-only", "--", "ls"], "read-only"),
        (&[], "a shell needs a terminal"),
    ] {
        let (code, report) = debug(rest);
        assert_eq!(code, 1, "{report}");
        let said = report.to_string();
        assert!(said.contains(why), "{said}");
    }
    let usage = lab.run(&["do", "debug", &target, "-n", "production", "--profile", "all", "--", "ls"]);
    assert!(
        String::from_utf8_lossy(&usage.stderr)
            .contains("there are general, netadmin, restricted and sysadmin")
    );
    assert_eq!(debuggers(&lab, &pod).len(), 1);
}

#[test]
fn a_shell_on_a_node_takes_its_pod_away_with_it() {
    let lab = Lab::start("healthy", 4.0);
    let words = ["do", "node-shell", "node/worker-001", "--yes"];
    let output = lab.run(&[&words[..], &["--", "sh", "-c", "exit 3"]].concat());
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stdout));
    let gone = |lab: &Lab| {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while !node_pods(lab).is_empty() {
            assert!(std::time::Instant::now() < deadline, "{:?} stays", node_pods(lab));
            std::thread::yield_now();
        }
    };
    gone(&lab);

    let (kubeconfig, home) = (lab.kubeconfig(), lab.dir.path().to_str().unwrap().to_owned());
    let env = [("KUBECONFIG", kubeconfig.to_str().unwrap()), ("HOME", home.as_str())];
    let args = [&words[..], &["--chroot", "--profile", "sysadmin"]].concat();
    let mut session = pty::Session::start(pty::command(KHUD, &args, &env), 100, 30);
    session.until_text("/ #");
    let pods = node_pods(&lab);
    let pod = lab.sim.store().get("pods", "default", &pods[0]).unwrap();
    let spec = &pod["spec"];
    assert_eq!(
        (&spec["nodeName"], &spec["hostPID"], &spec["containers"][0]["command"]),
        (&json!("worker-001"), &json!(true), &json!(["chroot", "/host", "sh"]))
    );
    assert_eq!(spec["containers"][0]["securityContext"]["privileged"], true);
    assert!(spec["activeDeadlineSeconds"].as_i64().is_some(), "{spec}");
    session.then("echo said and heard\r", "said and heard");
    session.send("exit 2\r");
    assert_eq!(session.ends(), 2);
    gone(&lab);
}
