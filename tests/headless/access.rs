//! What needs the operator's terminal: an editor on an object, a session in a container.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::lab::Lab;
use crate::support::pty;
use serde_json::{Value, json};

const EDIT: &[&str] = &["do", "edit", "deploy/cart", "-n", "production", "--yes", "-o", "json"];

fn edit(lab: &Lab, editor: &str) -> (i32, Value) {
    let output = lab
        .khud(EDIT)
        .env("KUBE_EDITOR", editor)
        .env("PATH", std::env::var("PATH").unwrap())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let report = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    (output.status.code().unwrap(), report)
}

/// A script that stands for the editor; the file is its last argument.
fn script(lab: &Lab, name: &str, text: &str) -> PathBuf {
    let path = lab.dir.path().join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn edits(lab: &Lab) -> Vec<PathBuf> {
    let dir = lab.dir.path().join("state/khud/edits");
    std::fs::read_dir(dir).map(|all| all.map(|e| e.unwrap().path()).collect()).unwrap_or_default()
}

fn cart(lab: &Lab) -> Value {
    (*lab.sim.store().get("deployments.apps", "production", "cart").unwrap()).clone()
}

#[test]
fn an_edit_is_a_plan_with_a_diff_and_nothing_typed_is_lost() {
    let lab = Lab::start("healthy", 1.0);
    let replicas = cart(&lab)["spec"]["replicas"].as_i64().unwrap();
    let to = |n: i64| format!("sed -i 's/^  replicas: {replicas}$/  replicas: {n}/'");
    let (code, report) = edit(&lab, "true");
    assert_eq!((code, report["requests"].as_array().unwrap().len()), (0, 0), "{}", report["reason"]);
    assert!(report["reason"].as_str().unwrap().contains("nothing was changed"));

    // The server refuses it; the editor is opened again with the reason, and is left as it is.
    let (code, report) = edit(&lab, &to(-1));
    let reason = report["reason"].as_str().unwrap();
    assert_eq!((code, &report["outcome"]), (1, &json!("refused")), "{reason}");
    assert!(
        reason.contains("must be greater than or equal to 0") && reason.contains("what was typed is in"),
        "{reason}"
    );
    let kept = edits(&lab);
    let text = std::fs::read_to_string(&kept[0]).unwrap();
    assert!(text.starts_with("# khud: ") && text.contains("replicas: -1"), "{text}");
    assert_eq!(std::fs::metadata(&kept[0]).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(cart(&lab)["spec"]["replicas"], replicas);
    for file in kept {
        std::fs::remove_file(file).unwrap();
    }

    let (code, report) = edit(&lab, &to(replicas + 1));
    assert_eq!((code, &report["outcome"]), (0, &json!("verified")), "{}", report["reason"]);
    let diff = report["plan"]["changes"][0]["diff"].as_str().unwrap();
    assert!(diff.contains(&format!("+  replicas: {}", replicas + 1)), "{diff}");
    assert!(!diff.contains("managedFields") && !diff.contains("resourceVersion"), "{diff}");
    assert_eq!(cart(&lab)["spec"]["replicas"], replicas + 1);
    assert!(edits(&lab).is_empty(), "the file goes once its change was made");

    let (code, report) = edit(&lab, "sed -i 's/name: cart$/name: other/'");
    assert_eq!(code, 1);
    assert!(
        report["reason"].as_str().unwrap().contains("that would be another object"),
        "{}",
        report["reason"]
    );
    let (code, report) = edit(&lab, "/no/such/editor");
    assert_eq!(code, 1);
    assert!(report["reason"].as_str().unwrap().contains("did not start"), "{}", report["reason"]);
}

/// Two people at one object: what the other changed is kept where it is something else, and shown where it is the same.
#[test]
fn an_edit_keeps_what_somebody_else_changed_meanwhile() {
    let lab = Lab::start("healthy", 1.0);
    let dir = lab.dir.path().to_owned();
    let (open, go) = (dir.join("open"), dir.join("go"));
    let wait = format!("touch {}; while [ ! -e {} ]; do :; done", open.display(), go.display());
    let meanwhile = |editor: &PathBuf, change: &dyn Fn(&mut Value)| -> Value {
        for flag in [&open, &go] {
            let _ = std::fs::remove_file(flag);
        }
        let mut command = lab.khud(EDIT);
        command.env("KUBE_EDITOR", editor).env("PATH", std::env::var("PATH").unwrap()).stdout(Stdio::piped());
        let child = command.spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while !open.exists() {
            assert!(Instant::now() < deadline, "the editor was not opened");
            std::thread::yield_now();
        }
        lab.sim
            .store()
            .modify("deployments.apps", "production", "cart", khud_sim::api::store::Part::Main, change)
            .unwrap();
        std::fs::write(&go, "").unwrap();
        let output = child.wait_with_output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let editor = script(&lab, "editor", &format!("{wait}; sed -i 's/^  replicas: .*/  replicas: 7/' \"$1\""));
    let report = meanwhile(&editor, &|o| o["spec"]["minReadySeconds"] = json!(3));
    assert_eq!(report["outcome"], "verified", "{}", report["reason"]);
    assert_eq!(
        (&cart(&lab)["spec"]["replicas"], &cart(&lab)["spec"]["minReadySeconds"]),
        (&json!(7), &json!(3))
    );

    let editor = script(&lab, "editor", &format!("{wait}; sed -i 's/^  replicas: .*/  replicas: 4/' \"$1\""));
    let report = meanwhile(&editor, &|o| o["spec"]["replicas"] = json!(9));
    let reason = report["reason"].as_str().unwrap();
    assert_eq!(report["outcome"], "refused", "{reason}");
    assert!(
        reason.starts_with("spec.replicas changed meanwhile; nothing was sent; what was typed is in"),
        "{reason}"
    );
    assert_eq!(cart(&lab)["spec"]["replicas"], 9);
    assert_eq!(edits(&lab).len(), 1);
}

fn pod(lab: &Lab) -> String {
    let ready = |p: &Value| {
        p["metadata"]["labels"]["app"] == "cart" && p["status"]["containerStatuses"][0]["ready"] == true
    };
    format!("pod/{}", lab.pods("production", ready).first().expect("a pod of cart"))
}

#[test]
fn a_command_in_a_container_prints_and_ends_as_it_would_there() {
    let lab = Lab::start("healthy", 1.0);
    let pod = pod(&lab);
    let output = lab.run(&["do", "shell", &pod, "-n", "production", "--", "echo", "two  words"]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "two  words\n");
    assert_eq!(output.status.code(), Some(0));
    let output = lab.run(&["do", "shell", &pod, "-n", "production", "--", "sh", "-c", "exit 4"]);
    assert_eq!((output.status.code(), output.stdout), (Some(4), Vec::new()));
    let output = lab.run(&["do", "shell", &pod, "-n", "production", "-c", "nobody", "--", "ls"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("has no container nobody; it has cart"));
    let output = lab.run(&["do", "shell", &pod, "-n", "production", "--read-only", "--", "ls"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("read-only"));
    let output = lab.run(&["do", "shell", &pod, "-n", "production", "--", "/no/such/program"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("no such file or directory"),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

/// A person at a prompt, through a real terminal: keys, the far terminal's output, the exit status, and cooked again.
#[test]
fn a_shell_is_a_terminal_until_it_is_left() {
    let lab = Lab::start("healthy", 1.0);
    let pod = pod(&lab);
    let kubeconfig = lab.kubeconfig();
    let home = lab.dir.path().to_str().unwrap().to_owned();
    let env = [("KUBECONFIG", kubeconfig.to_str().unwrap()), ("HOME", home.as_str())];
    let args = ["do", "shell", &pod, "-n", "production"];
    let mut session = pty::Session::start(pty::command(env!("CARGO_BIN_EXE_khud"), &args, &env), 100, 30);
    session.until_text("/ #");
    session.then("echo said and heard\r", "said and heard");
    session.send("exit 3\r");
    assert_eq!(session.ends(), 3);
}

#[test]
fn a_file_is_copied_out_of_a_container_and_checked() {
    let lab = Lab::start("healthy", 1.0);
    let pod = pod(&lab);
    let written = lab.run(&[
        "do",
        "shell",
        &pod,
        "-n",
        "production",
        "--",
        "sh",
        "-c",
        "echo evidence > /tmp/state.txt",
    ]);
    assert_eq!(written.status.code(), Some(0), "{}", String::from_utf8_lossy(&written.stderr));
    let out = lab.dir.path().join("copied");
    let copy = |path: &str| {
        let args = [
            "do",
            "copy",
            &pod,
            path,
            "-n",
            "production",
            "--out",
            out.to_str().unwrap(),
            "--yes",
            "-o",
            "json",
        ];
        lab.json(&args)
    };
    let (code, report) = copy("/tmp/state.txt");
    assert_eq!((code, &report["outcome"]), (0, &json!("verified")), "{report}");
    let file = PathBuf::from(report["files"][0]["path"].as_str().unwrap());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "evidence\n");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    // `printf 'evidence\n' | sha256sum`
    assert_eq!(
        report["files"][0]["sha256"],
        "bdcf4c994585af6dd6cb1cfbff78bcc73ab27dc30a299db5bb83766ca05b5de4"
    );
    // A file that is here is never written over, and one that is not there is told before anything is asked.
    let (code, report) = copy("/tmp/state.txt");
    assert_eq!(code, 1);
    assert!(report["reason"].as_str().unwrap().contains("is there already"), "{report}");
    let (code, report) = copy("/tmp/none.txt");
    assert_eq!(code, 1);
    assert!(report["reason"].as_str().unwrap().contains("No such file"), "{report}");
    let usage = lab.run(&["do", "copy", &pod, "relative/path", "-n", "production"]);
    assert_eq!(usage.status.code(), Some(2), "{}", String::from_utf8_lossy(&usage.stderr));
}
