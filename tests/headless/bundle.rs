//! `khud do bundle` and `khud FILE`: evidence in one file, without secrets.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::support::lab::Lab;
use khud_sim::api::store::Part;
use serde_json::{Value, json};

/// Prints the index, or a text of the bundle.
fn opened(lab: &Lab, file: &str, show: Option<&str>) -> String {
    let args: Vec<&str> = std::iter::once(file).chain(show.into_iter().flat_map(|s| ["--show", s])).collect();
    let output = lab.run(&args);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_evidence_of_a_crashing_workload_is_one_file_without_secrets() {
    let lab = Lab::start("crashloop-oom", 20.0);
    let finding = lab.finding("crash.oom-limit");
    let object = finding["root"]["name"].as_str().unwrap();
    let store = lab.sim.store();
    // The pods stay as they are: nothing rolls out.
    let with_secret = |o: &mut Value| {
        o["spec"]["paused"] = json!(true);
        o["spec"]["template"]["spec"]["containers"][0]["env"] =
            json!([{"name": "DB_PASSWORD", "value": "correct-horse"}, {"name": "MODE", "value": "fast"}]);
    };
    store.modify("deployments.apps", "production", object, Part::Main, with_secret).unwrap();

    let out = lab.dir.path().join("evidence");
    let target = format!("deploy/{object}");
    let args = ["do", "bundle", &target, "-n", "production", "--out", out.to_str().unwrap(), "-o", "json"];
    let (code, report) = lab.json(&args);
    assert_eq!((code, &report["outcome"]), (0, &json!("verified")), "{report}");
    let file = PathBuf::from(report["files"][0]["path"].as_str().unwrap());
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let writes = report["requests"].as_array().unwrap().iter().filter(|r| r["verb"] != "GET").count();
    assert_eq!(writes, 0, "{report}");

    let file = file.to_str().unwrap();
    let index = opened(&lab, file, None);
    for word in [
        &format!("# Evidence of deployment production/{object}"),
        "killed at its memory limit",
        "events.txt",
        "findings.md",
        "incident.md",
        "walk.txt",
        "objects/replicaset/production/",
        "objects/node/",
        ".previous.log",
        "env DB_PASSWORD",
    ] {
        assert!(index.contains(word), "{word} is not in the index:\n{index}");
    }
    let deployment = opened(&lab, file, Some(&format!("objects/deployment/production/{object}.yaml")));
    assert!(
        deployment.contains("value: fast") && deployment.contains("[redacted] (13 characters)"),
        "{deployment}"
    );
    assert!(opened(&lab, file, Some("events.txt")).contains("Normal Started pod production/"));
    // khud's own texts: the finding with its proof, the incident's report, the tree's way to the cause.
    let own = |name: &str| opened(&lab, file, Some(name));
    let cause = finding["cause"].as_str().unwrap();
    assert!(own("findings.md").contains(&format!("`{cause}`")), "{}", own("findings.md"));
    assert!(own("incident.md").starts_with("# Post-incident report: "), "{}", own("incident.md"));
    let walk = own("walk.txt");
    assert!(walk.contains(" → ") && walk.lines().any(|l| l.starts_with(cause)), "{walk}");
    // None of its texts holds what is secret.
    let names = index.lines().filter_map(|l| l.strip_prefix("- ")?.split_once(": ")).map(|(name, _)| name);
    let texts = names.filter(|n| n.contains('.') && !n.contains(' ')).collect::<Vec<_>>();
    assert!(texts.len() > 10, "{texts:?}");
    for name in texts {
        let text = opened(&lab, file, Some(name));
        assert!(!text.contains("correct-horse"), "{name}: {text}");
    }

    // Of a Secret the keys are evidence, and what they hold is not.
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login", "namespace": "production"},
        "data": {"password": "aHVudGVyMg=="}});
    store.create("secrets", "production", secret).unwrap();
    let named = lab.dir.path().join("secret.tar.zst");
    let named = named.to_str().unwrap();
    let (code, report) =
        lab.json(&["do", "bundle", "secret/login", "-n", "production", "--out", named, "-o", "json"]);
    assert_eq!((code, &report["files"][0]["path"]), (0, &json!(named)), "{report}");
    let secret = opened(&lab, named, Some("secret/production/login.yaml"));
    assert!(secret.contains("password: [redacted]") && !secret.contains("aHVudGVyMg"), "{secret}");

    // A file that was cut off in the mail gives what is whole of it.
    let whole = std::fs::read(file).unwrap();
    let cut = lab.dir.path().join("cut.tar.zst");
    std::fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    let output = lab.run(&[cut.to_str().unwrap()]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("damaged"), "{output:?}");
    let missing = lab.run(&[file, "--show", "nothing.txt"]);
    assert_eq!(missing.status.code(), Some(2));
}

/// The root of an incident takes its victims along, and a victim the root.
#[test]
fn an_incident_is_one_file_whoever_of_it_is_asked_for() {
    let lab = Lab::start("gpu-vanished", 20.0);
    lab.finding("gpu.vanished");
    let bundle = |target: &[&str], name: &str| {
        let out = lab.dir.path().join(name);
        let out = out.to_str().unwrap();
        let args = [&["do", "bundle"], target, &["--out", out, "-o", "json"]].concat();
        let (code, report) = lab.json(&args);
        assert_eq!((code, &report["outcome"]), (0, &json!("verified")), "{report}");
        let impacts = report["plan"]["impact"].to_string();
        assert!(impacts.contains("its incident has "), "{impacts}");
        (opened(&lab, out, None), opened(&lab, out, Some("incident.md")))
    };
    let (index, incident) = bundle(&["ds/nvidia-driver-daemonset", "-n", "gpu-operator"], "root.tar.zst");
    assert!(index.contains("objects/node/gpu-node-"), "{index}");
    assert!(incident.contains("nodes lost GPUs"), "{incident}");
    let (_, of_victim) = bundle(&["node/gpu-node-07"], "victim.tar.zst");
    assert_eq!(incident.lines().next(), of_victim.lines().next());
}
