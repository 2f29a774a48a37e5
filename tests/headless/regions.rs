//! `khud regions`: clusters side by side.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use crate::support::lab::{self, Lab};
use serde_json::{Value, json};

/// A health check at `/health` that answers with this status for as long as the test runs.
fn health(status: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut request = [0; 4096];
            let read = stream.read(&mut request).unwrap_or(0);
            let status = if request[..read].starts_with(b"GET /health ") { status } else { "404 Not Found" };
            let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    format!("http://{address}/health")
}

#[test]
fn regions_are_looked_at_side_by_side_and_a_silent_one_is_no_empty_one() {
    let (here, there) = (Lab::start("gpu-memory-leak", 4.0), Lab::start("connectivity", 4.0));
    here.contexts(&[("us", &here.server()), ("eu", &there.server()), ("ap", &lab::nobody())]);
    let config = here.dir.path().join("config");
    std::fs::create_dir_all(&config).unwrap();
    let (good, bad) = (health("200 OK"), health("503 Service Unavailable"));
    std::fs::write(config.join("config.toml"), format!("regions = ['us {good}', 'eu {bad}', 'ap']\n"))
        .unwrap();
    let khud = |args: &[&str]| {
        let mut command = here.khud(args);
        command.env("KHUD_CONFIG_DIR", &config);
        command.output().unwrap()
    };
    let output = khud(&["regions", "-o", "json"]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    let of = |name: &str| {
        seen["regions"].as_array().unwrap().iter().find(|r| r["context"] == name).unwrap().clone()
    };
    let (us, eu, ap) = (of("us"), of("eu"), of("ap"));
    // The GPUs of the embedded cluster's nodes, by its own store.
    let nodes = here.sim.store().list("nodes", None);
    let gpus =
        |n: &Value| n["status"]["allocatable"]["nvidia.com/gpu"].as_str().map_or(0, |g| g.parse().unwrap());
    let all: u64 = nodes.iter().map(|n| gpus(n)).sum();
    assert!(us["api"]["ms"].is_u64() && us["health"]["ms"].is_u64(), "{us}");
    assert_eq!((&us["holds"]["nodes"][1], &us["holds"]["gpus"][1]), (&json!(nodes.len()), &json!(all)));
    let models = us["holds"]["models"].as_object().unwrap();
    assert!(!models.is_empty() && models.values().all(|m| m[0].is_u64() && m[1].is_u64()), "{us}");
    assert!(eu["api"]["ms"].is_u64() && eu["health"]["why"] == "HTTP 503", "{eu}");
    assert_eq!((&ap["api"]["ms"], &ap["holds"]), (&Value::Null, &Value::Null), "unknown is not zero");
    assert!(ap["api"]["why"].as_str().unwrap().contains("refused"), "{ap}");

    let output = khud(&["regions", "us"]);
    let table = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{table}");
    assert!(
        table.starts_with("REGION") && !table.contains("eu ") && table.contains("ready replicas"),
        "{table}"
    );
    let output = khud(&["regions", "mars"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no context \"mars\""));
}
