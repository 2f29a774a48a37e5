//! Waves as an operator runs them: the plan for 103 nodes, and a run that is killed in the middle and resumed.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::lab::Lab;
use khud_sim::api::store::DeleteOptions;

/// Waits for something that other processes bring about.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_plan_for_103_nodes_has_21_waves_and_names_the_nodes_of_old_jobs() {
    let lab = Lab::start("node-drift", 1.0);
    let plan = |more: &[&str]| {
        let base =
            ["do", "waves", "--nodes", "acme.io/machine-image", "--size", "5", "--dry-run", "-o", "json"];
        let (code, plan) = lab.json(&[&base[..], more].concat());
        assert_eq!(code, 0);
        plan
    };
    let all = plan(&[]);
    assert_eq!((all["nodes"].as_u64(), all["gpus"].as_u64()), (Some(103), Some(824)));
    let waves = all["waves"].as_array().unwrap();
    assert_eq!(waves.len(), 21);
    assert!(all["skipped"].as_array().unwrap().is_empty());
    // The pods of each job, from the cluster: no wave has two nodes of one.
    for job in ["llm-train-week3", "vision-model", "eval-nightly"] {
        let on: BTreeSet<String> = lab
            .sim
            .store()
            .list("pods", Some("ml-training"))
            .iter()
            .filter(|p| {
                p["metadata"]["name"].as_str().unwrap().starts_with(job) && p["status"]["phase"] == "Running"
            })
            .map(|p| p["spec"]["nodeName"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(on.len(), 4, "{job}");
        for wave in waves {
            let here =
                wave["nodes"].as_array().unwrap().iter().filter(|n| on.contains(n["name"].as_str().unwrap()));
            assert!(here.count() <= 1, "{job}: {wave}");
        }
    }
    let last = &waves[20]["nodes"][4]["reason"];
    assert!(
        last.as_str().unwrap().contains("job ml-training/llm-train-week3 runs for 2"),
        "the oldest goes last: {last}"
    );

    let limited = plan(&["--max-job-age", "24h"]);
    let skipped = limited["skipped"].as_array().unwrap();
    assert_eq!(skipped.len(), 8);
    assert!(skipped.iter().all(|s| {
        let why = s["why"].as_str().unwrap();
        (why.contains("llm-train-week3") || why.contains("vision-model")) && why.contains("the limit is 24h")
    }));
    assert_eq!(limited["nodes"], 95);
    assert_eq!(limited["stake"]["jobs"], 1);

    for (args, says) in [
        (&["do", "waves"][..], "waves needs --nodes SELECTOR"),
        (&["do", "waves", "node/x", "--nodes", "a"], "takes no target"),
        (&["do", "--resume", "none-such"], "has no run \"none-such\""),
    ] {
        let out = lab.run(args);
        let told = String::from_utf8(out.stderr).unwrap();
        assert_eq!(out.status.code(), Some(2), "{args:?}: {told}");
        assert!(told.contains(says), "{args:?}: {told}");
    }
}

/// A hook that says that it runs, and ends once its node is gone.
fn hook(dir: &Path) -> String {
    let path = dir.join("hook");
    let text = format!(
        "#!/bin/sh\necho \"$KHUD_ATTEMPT $1\" >> {0}/$KHUD_NODE.begun\nwhile [ ! -e {0}/$KHUD_NODE.gone ]; do sleep 0.1; done\n",
        dir.display()
    );
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("{} {{node}}", path.display())
}

#[test]
fn a_run_killed_while_machines_are_replaced_goes_on_where_it_was() {
    let lab = Lab::start("node-drift", 20.0);
    let dir = lab.dir.path().join("hooks");
    std::fs::create_dir(&dir).unwrap();
    let (hook, state) = (hook(&dir), lab.dir.path().join("run.json"));
    let nodes =
        "metadata.name in (gpu-worker-001,gpu-worker-041,gpu-worker-042,gpu-worker-043,gpu-worker-044)";
    let args = [
        "do",
        "waves",
        "--nodes",
        nodes,
        "--size",
        "2",
        "--max-job-age",
        "24h",
        "--gate",
        "ready=2h",
        "--gate",
        "gpus=2h",
        "--gate",
        "smoke=2h",
        "--replace-cmd",
        &hook,
        "--state",
        state.to_str().unwrap(),
        "--yes",
    ];
    let mut khud = lab
        .khud(&args)
        .stderr(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let begun = || -> BTreeSet<String> {
        let files = std::fs::read_dir(&dir).unwrap().flatten();
        files.filter_map(|f| f.file_name().to_str()?.strip_suffix(".begun").map(str::to_owned)).collect()
    };
    let first = until("the first wave's hooks", || Some(begun()).filter(|b| b.len() == 2));
    khud.kill().unwrap();
    khud.wait().unwrap();
    let gone = |node: &str| {
        lab.sim.store().delete("nodes", "", node, DeleteOptions::default()).unwrap();
        std::fs::write(dir.join(format!("{node}.gone")), "").unwrap();
    };
    first.iter().for_each(|n| gone(n));

    let saved: serde_json::Value = serde_json::from_slice(&std::fs::read(&state).unwrap()).unwrap();
    let run = saved["state"]["run"].as_str().unwrap().to_owned();
    let mut khud =
        lab.khud(&["do", "--resume", &run, "--yes"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let second = until("the second wave's hooks", || Some(begun()).filter(|b| b.len() == 4));
    second.difference(&first).for_each(|n| gone(n));
    let code = khud.wait().unwrap().code();
    let report = std::fs::read_to_string(state.with_extension("md")).unwrap();
    assert_eq!(code, Some(3), "done, and one node is skipped:\n{report}");
    assert!(report.contains("# Waves: 4 of 5 nodes done in 2 waves, 1 skipped"), "{report}");
    let node = second.iter().next().unwrap();
    assert!(report.contains(&format!("{node}: nvidia-smi sees its GPU")), "{report}");
    assert!(lab.sim.store().list("pods", Some("default")).is_empty(), "the smoke pods are gone");
    for node in &second {
        let attempts = std::fs::read_to_string(dir.join(format!("{node}.begun"))).unwrap();
        assert_eq!(attempts, format!("1 {node}\n"), "the hook ran once");
        let there = lab.sim.store().list("nodes", None);
        let there = there.iter().find(|n| n["metadata"]["name"] == node.as_str()).unwrap();
        assert_eq!(there["metadata"]["labels"]["acme.io/machine-image"], "ami-0new5678", "{node}");
        assert!(there["spec"]["unschedulable"].is_null(), "{node} is schedulable");
    }
    let again = lab.run(&["do", "--resume", &run, "--yes"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stdout).contains("nothing is left to do"));
}
