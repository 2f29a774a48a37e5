//! Logs, exec, attach, cp; over plain HTTP and over TLS.

use super::{Kubectl, PATIENCE, local};
use crate::support::wire;
use khud_sim::SimOptions;
use std::process::Stdio;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn logs_are_read_and_followed() {
    let root = tempfile::tempdir().unwrap();
    let sim = local(root.path()).await;
    let Some(k) = Kubectl::new(&sim).await else { return };
    assert_eq!(k.ok("logs shell -n prod --tail=2").await, "two\nthree\n");
    assert_eq!(k.ok("logs -l app=shell -n prod --prefix --tail=1").await, "[pod/shell/c] three\n");
    assert_eq!(k.ok("logs shell -n prod --all-containers").await, "one\ntwo\nthree\n");
    let previous = k.fails("logs shell -n prod --previous").await;
    assert!(previous.contains("previous terminated container \"c\" in pod \"shell\" not found"));
    assert_eq!(
        k.fails("logs shell -n prod -c nope").await,
        "error: container nope is not valid for pod shell\n"
    );
    let mut follow =
        k.command(&["logs", "-f", "shell", "-n", "prod"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut got = vec![0; "one\ntwo\nthree\nfollowed\n".len()];
    let read = follow.stdout.as_mut().unwrap().read_exact(&mut got);
    tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
    assert!(got.ends_with(b"followed\n"));
    follow.kill().await.unwrap();
}

#[tokio::test]
async fn commands_run_and_files_are_copied() {
    for tls in [false, true] {
        let root = tempfile::tempdir().unwrap();
        let options = SimOptions { tls, ..SimOptions::default() };
        let sim = wire::start(options, root.path().to_path_buf()).await;
        let Some(k) = Kubectl::new(&sim).await else { return };
        assert_eq!(k.ok("exec shell -n prod -- echo hello").await, "hello\n");
        let output = k.output("exec shell -n prod -- sh -c exit~3").await;
        assert_eq!(output.status.code(), Some(3));
        let missing = k.fails("exec shell -n prod -- /no/such/tool").await;
        assert!(missing.contains("Internal error occurred"), "{missing}");
        for line in ["exec -i shell -n prod -- cat", "attach -i shell -n prod"] {
            let args: Vec<&str> = line.split(' ').collect();
            let mut command = k.command(&args);
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            child.stdin.take().unwrap().write_all(b"said and heard\n").await.unwrap();
            let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect(line).unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout), "said and heard\n", "{line}");
        }
        let data: Vec<u8> = (0..2_000_000_u32).map(|i| (i * 7 % 251) as u8).collect();
        std::fs::write(k.home.path().join("local"), &data).unwrap();
        k.ok("cp local prod/shell:there").await;
        assert!(std::fs::read(root.path().join("there")).unwrap() == data);
        k.ok("cp prod/shell:there back").await;
        assert!(std::fs::read(k.home.path().join("back")).unwrap() == data);
    }
}

#[tokio::test]
async fn tls_is_trusted_and_a_token_needed() {
    let options = SimOptions { tls: true, ..SimOptions::default() };
    let sim = wire::start(options, std::env::temp_dir()).await;
    let Some(k) = Kubectl::new(&sim).await else { return };
    assert!(sim.url().starts_with("https://"));
    assert_eq!(k.ok("get pods -n prod -o name").await, "pod/shell\n");
    let mut watch =
        k.command(&["get", "pods", "-n", "prod", "-w", "-o", "name"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = [0; "pod/shell\n".len()];
    let read = watch.stdout.as_mut().unwrap().read_exact(&mut line);
    tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
    assert_eq!(&line, b"pod/shell\n");
    watch.kill().await.unwrap();
    // A service account's token is its own.
    k.ok("create serviceaccount robot -n prod").await;
    let token = k.ok("create token robot -n prod --duration=1h").await;
    let file = k.home.path().join("config");
    let admin = std::fs::read_to_string(&file).unwrap();
    let (before, after) = admin.split_once("token: ").unwrap();
    let rest = after.split_once('\n').unwrap().1;
    std::fs::write(&file, format!("{before}token: {}\n{rest}", token.trim())).unwrap();
    assert!(k.ok("auth whoami").await.contains("system:serviceaccount:prod:robot"));
    let refused = k.fails("get pods -n prod").await;
    assert!(
        refused.contains("User \"system:serviceaccount:prod:robot\" cannot list resource \"pods\""),
        "{refused}"
    );
    std::fs::write(&file, format!("{before}token: wrong\n{rest}")).unwrap();
    let refused = k.fails("get pods -n prod").await;
    assert!(refused.contains("You must be logged in to the server"), "{refused}");
    // Whoever does not know the authority is not let on to a server.
    let stranger: String = admin
        .lines()
        .filter(|l| !l.contains("certificate-authority-data"))
        .map(|l| format!("{l}\n"))
        .collect();
    std::fs::write(&file, stranger).unwrap();
    assert!(k.fails("get pods -n prod").await.contains("certificate signed by unknown authority"));
}

#[tokio::test]
async fn port_forward_says_why_it_cannot() {
    let root = tempfile::tempdir().unwrap();
    let sim = local(root.path()).await;
    let Some(k) = Kubectl::new(&sim).await else { return };
    let refused = k.fails("port-forward -n prod pod/shell :8080").await;
    assert!(refused.contains("over v4.channel.k8s.io here and not over SPDY"), "{refused}");
    assert!(refused.contains("/api/v1/namespaces/prod/pods/shell:PORT/proxy/"), "{refused}");
    let through = k.ok("get --raw /api/v1/namespaces/prod/pods/shell:8080/proxy/ready").await;
    assert!(through.starts_with("GET /ready Pod"), "{through}");
}
