//! `khud sim` in a process of its own, the cockpit on it in a terminal, and figures.
#![allow(clippy::expect_used, dead_code, reason = "each bench uses its part")]

#[path = "../../tests/support/pty.rs"]
pub mod pty;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pty::{Cost, Session};

/// The binary to measure: the one just built, or another one (`KHUD=/usr/bin/khud`).
pub fn khud(built: &str) -> PathBuf {
    std::env::var_os("KHUD").map_or_else(|| PathBuf::from(built), PathBuf::from)
}

pub struct Server {
    child: Child,
    address: String,
    token: String,
    /// With the kubeconfig, and what the cockpit writes.
    dir: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// With generated load; `churn` changes a second.
    pub fn start(khud: &Path, nodes: u32, pods: u32, churn: u32) -> Server {
        let [nodes, pods, churn] = [nodes, pods, churn].map(|n| n.to_string());
        Server::serve(khud, &["--nodes", &nodes, "--pods", &pods, "--churn", &churn])
    }

    /// With these arguments.
    pub fn serve(khud: &Path, args: &[&str]) -> Server {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let kubeconfig = dir.path().join("kubeconfig");
        let child = Command::new(khud)
            .arg("sim")
            .args(args)
            .arg("--kubeconfig")
            .arg(&kubeconfig)
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("khud sim starts");
        let mut server = Server { child, address: String::new(), token: String::new(), dir };
        let deadline = Instant::now() + Duration::from_secs(60);
        while !kubeconfig.exists() {
            assert!(Instant::now() < deadline, "khud sim wrote no kubeconfig within 60 s");
            std::thread::sleep(Duration::from_millis(5));
        }
        let text = std::fs::read_to_string(&kubeconfig).expect("the kubeconfig");
        let field = |key: &str| -> String {
            let from = text.find(key).map_or(text.len(), |i| i + key.len());
            let rest = text[from..].trim_start_matches([' ', ':', '"']);
            rest.split(['"', '\n', ',', ' ', '}']).next().unwrap_or_default().to_owned()
        };
        server.address = field("server").trim_start_matches("http://").to_owned();
        server.token = field("token");
        server
    }

    /// One request on a connection of its own. Returns the bytes of the answer.
    pub fn ask(&self, method: &str, path: &str, content: &str, body: &str) -> Vec<u8> {
        let mut tcp = TcpStream::connect(&self.address).expect("khud sim listens");
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nAccept: application/json\r\n\
             Content-Type: {content}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            self.token,
            body.len()
        );
        tcp.write_all(request.as_bytes()).expect("khud sim reads");
        let mut answer = Vec::new();
        tcp.read_to_end(&mut answer).expect("khud sim answers");
        answer
    }

    pub fn cordon(&self, node: &str, on: bool) {
        self.patch(&format!("/api/v1/nodes/{node}"), &format!("{{\"spec\":{{\"unschedulable\":{on}}}}}"));
    }

    /// A merge patch that the server takes.
    pub fn patch(&self, path: &str, body: &str) {
        let answer = self.ask("PATCH", path, "application/merge-patch+json", body);
        assert!(
            answer.starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&answer[..200.min(answer.len())])
        );
    }

    pub fn first_node(&self) -> String {
        let answer = self.ask("GET", "/api/v1/nodes?limit=1", "application/json", "");
        let text = String::from_utf8_lossy(&answer);
        let from = text.find("\"name\":\"").map_or(0, |i| i + 8);
        text[from..].split('"').next().unwrap_or_default().to_owned()
    }

    pub fn cost(&self) -> Cost {
        Cost::of(self.child.id())
    }

    pub fn cockpit(&self, khud: &Path, args: &[&str]) -> Session {
        pty::cockpit(khud, self.dir.path(), "", args, 180, 50)
    }
}

/// The number in the header after `pods `.
pub fn pods_shown(screen: &str) -> u32 {
    let after = screen.split("pods ").nth(1).unwrap_or_default();
    after.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0)
}

pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

pub fn ms(d: Duration) -> f64 {
    d.as_secs_f64() * 1000.0
}

/// The value below which 99 of 100 lie.
pub fn p99(mut all: Vec<Duration>) -> f64 {
    all.sort();
    let at = (all.len() * 99).div_ceil(100).saturating_sub(1);
    all.get(at).map_or(f64::NAN, |d| ms(*d))
}
