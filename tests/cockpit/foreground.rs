//! The screen given to a shell or an editor, and taken back as it was.

use crate::support::http;
use crate::support::lab::Lab;
use crate::support::pty::cockpit;
use serde_json::json;

const KHUD: &str = env!("CARGO_BIN_EXE_khud");

#[test]
fn a_shell_and_an_editor_have_the_terminal_and_the_cockpit_comes_back_as_it_was() {
    let lab = Lab::start("healthy", 1.0);
    let mut k = cockpit(KHUD, lab.dir.path(), "", &["--command", ":pods", "-n", "production"], 160, 40);
    k.until_text("cart-");
    k.then("/cart-\r", "/cart-");
    k.then("s", "/ #");
    k.then("echo said and heard\r", "said and heard");
    k.send("exit\r");
    k.until("the pods again, filtered", |s| s.contents().contains("/cart-") && s.alternate_screen());
    k.until_text("the session ended with exit status 0");

    // ctrl-d plans and never deletes at once; esc leaves it.
    let pods = || lab.pods("production", |p| p["metadata"]["labels"]["app"] == "cart").len();
    let before = pods();
    k.then("\x04", "Delete pod production/cart-");
    k.until_text("pod is replaced");
    k.send("\x1b");
    k.until("no plan", |s| !s.contents().contains("pod is replaced"));
    assert_eq!(pods(), before);
    k.send("\x03");
    assert_eq!(k.ends(), 0);
}

#[test]
fn what_is_edited_comes_back_as_a_plan() {
    let lab = Lab::start("healthy", 1.0);
    let config = "";
    std::fs::write(
        lab.dir.path().join("vi"),
        "#!/bin/sh\nsed -i 's/^  replicas: .*/  replicas: 7/' \"$1\"\n",
    )
    .unwrap();
    let editor = lab.dir.path().join("vi");
    std::fs::set_permissions(&editor, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    // The editor is found by its name, as vi is where none is set.
    let path = format!("{}:{}", lab.dir.path().display(), std::env::var("PATH").unwrap());
    let khud = format!("PATH={path} exec {KHUD} --command ':deploy production'");
    let mut k = cockpit("sh", lab.dir.path(), config, &["-c", &khud], 160, 40);
    k.until_text("cart");
    k.then("/cart\r", "1/");
    k.send("e");
    k.until_text("replicas: 7");
    k.until_text("Change deployment production/cart so?");
    k.send("\t\r");
    k.until_text("is as it was edited");
    assert_eq!(
        lab.sim.store().get("deployments.apps", "production", "cart").unwrap()["spec"]["replicas"],
        json!(7)
    );
}

#[test]
fn a_port_is_forwarded_in_the_background_listed_and_closed() {
    let lab = Lab::start("connectivity", 10.0);
    let args = &["--command", ":deploy production"];
    let mut k = cockpit(KHUD, lab.dir.path(), "", args, 160, 40);
    k.until_text("billing");
    k.then("/billing\r", "2/2");
    // The port is proposed; any free one on this machine leads to it.
    k.then("F", "[LOCAL:]PORT (enter: 8080)");
    k.send(":8080\r");
    k.until_text("leads to port 8080 of pod billing-");
    k.until_text("pf 1");
    k.then(":pf\r", "RECEIVED");
    let address = http::address(&k.text()).unwrap();
    assert!(http::get(&address, "/").unwrap().starts_with("HTTP/1.1 200"));
    k.send("\x04");
    k.until_text("is closed.");
    k.until_text("No local port is open");
    assert!(http::get(&address, "/").is_err(), "the port is closed");
    k.send("\x03");
    assert_eq!(k.ends(), 0);
}

/// A program gets the row as arguments, prints into a view, and has the terminal where it asks for that.
#[test]
fn programs_of_ones_own_run_on_the_row_under_the_cursor() {
    let lab = Lab::start("healthy", 1.0);
    let config = r#"
        [plugins.say]
        key = "f6"
        scopes = ["pods"]
        command = "printf"
        args = ["%s of %s\\n", "$NAME", "$NAMESPACE"]
        reads-only = true

        [plugins.ask]
        key = "f7"
        command = "sh"
        args = ["-c", "printf 'asked about $NAME: '; read answer; echo heard $answer"]
        output = "terminal"
        reads-only = true

        [plugins.absent]
        key = "f8"
        command = "no-such-program"
        reads-only = true
    "#;
    let mut k = cockpit(
        KHUD,
        lab.dir.path(),
        config,
        &["--command", ":pods", "-n", "production", "--read-only"],
        160,
        40,
    );
    k.until_text("cart-");
    k.then("/cart-\r", "/cart-");
    k.send("\x1b[17~");
    k.until("its output", |s| {
        s.contents().contains(" of production") && s.contents().contains("exit code 0")
    });
    k.then("\x1b", "/cart-");
    k.then("\x1b[18~", "asked about cart-");
    k.send("well\r");
    k.until("the pods again", |s| s.contents().contains("/cart-") && s.alternate_screen());
    k.until_text("sh ended.");
    k.then("\x1b[19~", "did not start");
    k.send("\x03");
    assert_eq!(k.ends(), 0);
}

/// A container with tools beside one, and a shell on a node: each a plan first, then the terminal, then the cockpit.
#[test]
fn tools_beside_a_container_and_on_a_node_are_a_key_away() {
    let lab = Lab::start("healthy", 4.0);
    let mut k = cockpit(KHUD, lab.dir.path(), "", &["--command", ":pods", "-n", "production"], 160, 50);
    k.until_text("cart-");
    k.then("/^production cart-\r", "6/98");
    k.then("x", "Start a debug container in pod production/cart-");
    k.until_text("it joins the process namespace of container cart");
    k.then("\t\r", "/ #");
    k.then("echo said and heard\r", "said and heard");
    k.send("exit\r");
    k.until("the pods again", |s| s.contents().contains("pods in production") && s.alternate_screen());
    k.until_text("the session ended with exit status 0");

    k.then(":nodes\r", "─ nodes");
    k.until_text("gpu-worker-001");
    k.then("s", "Open a shell on node ");
    k.send("\t\r");
    // The terminal still shows the two prompts of the session before.
    k.until("a prompt of its own", |s| s.contents().matches("/ #").count() == 3);
    k.send("exit\r");
    k.until_text("the session ended with exit status 0");
    let left = || lab.pods("default", |p| p["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "khud");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !left().is_empty() {
        assert!(std::time::Instant::now() < deadline, "{:?} stays", left());
        std::thread::yield_now();
    }
}

/// `:do` takes what `khud do` takes: on a named object, on the selected one, and on the cluster as a whole.
#[test]
fn an_action_is_typed_with_its_options() {
    let lab = Lab::start("healthy", 4.0);
    let mut k = cockpit(KHUD, lab.dir.path(), "", &["--command", ":deploy production"], 160, 40);
    k.until_text("cart");
    k.then(":do scale deploy/cart --replicas 7\r", "6 → 7 pods");
    k.until_text("Scale deployment production/cart from 6 to 7?");
    k.send("\t\r");
    k.until_text("verified");
    k.send("\x1b");
    k.until("no plan", |s| !s.contents().contains("6 → 7 pods"));
    let cart = || lab.sim.store().get("deployments.apps", "production", "cart").unwrap();
    assert_eq!(cart()["spec"]["replicas"], json!(7));
    k.then("/cart\r", "1/");
    k.then(":do scale --replicas 6\r", "7 → 6 pods");
    k.send("\x1b");
    k.until("no plan", |s| !s.contents().contains("7 → 6 pods"));
    k.then(":do scale --replica 6\r", "scale has no --replica");
    k.then(":do cordon\r", "cordon works on node");
    k.then(":do\r", "waves");
    // The nodes of the cluster in waves: the plan in its own form, then the run.
    let node = || lab.sim.store().get("nodes", "", "gpu-worker-007").unwrap();
    k.then(
        ":do waves --nodes kubernetes.io/hostname=gpu-worker-007 --size 1 --no-replace --gate ready=60s\r",
        "Change 1 nodes in 1 waves?",
    );
    k.until_text("gpu-worker-007");
    k.until_text("Type khud to go ahead");
    k.send("khud\r");
    k.until_text("verified");
    assert!(node()["spec"]["unschedulable"].is_null(), "{}", node()["spec"]);
    let all = std::fs::read_dir(lab.dir.path().join("state/runs")).unwrap();
    let states = all.filter(|e| e.as_ref().unwrap().path().extension().is_some_and(|e| e == "json")).count();
    assert_eq!(states, 1, "the run can be resumed from what was written down");
}
