//! The cockpit as a stranger meets it: the tour played by keys in a real terminal, and what else only shows there.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::pty::{self, Session, command};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sha2::{Digest, Sha256};

const KHUD: &str = env!("CARGO_BIN_EXE_khud");

struct Cockpit {
    terminal: Session,
    home: tempfile::TempDir,
}

impl Cockpit {
    fn start(args: &[&str], columns: u16, rows: u16) -> Cockpit {
        let home = tempfile::tempdir().unwrap();
        let terminal = pty::cockpit(KHUD, home.path(), "", args, columns, rows);
        Cockpit { terminal, home }
    }

    /// Waits until the screen says it all; the screen is in the message where it never does.
    #[track_caller]
    fn see(&mut self, words: &[&str]) -> String {
        self.until(&format!("{words:?}"), |s| words.iter().all(|w| s.contains(w)))
    }

    #[track_caller]
    fn gone(&mut self, word: &str) -> String {
        self.until(&format!("{word:?} to go"), |s| !s.contains(word))
    }

    #[track_caller]
    fn until(&mut self, what: &str, seen: impl Fn(&str) -> bool) -> String {
        self.terminal.until(what, |screen| seen(&screen.contents()))
    }

    fn press(&mut self, keys: &str) {
        self.terminal.send(keys);
    }

    /// Closes the dialog of a remedy. Only then comes the next key: esc and a letter at once are alt and the letter.
    #[track_caller]
    fn close(&mut self) {
        self.press("\x1b");
        self.gone("Done and verified.");
    }

    /// Plans the action behind a key of the menu and goes ahead, typing the name where it is asked for.
    #[track_caller]
    fn act(&mut self, key: &str, plan: &[&str]) {
        self.press("a");
        self.see(&["Actions on"]);
        self.press(key);
        let screen = self.until("the question", |s| s.contains("[ Cancel ]"));
        for word in plan {
            assert!(screen.contains(word), "the plan says {word:?}:\n{screen}");
        }
        match screen.split_once("Type ").and_then(|(_, rest)| rest.split_once(" to go ahead")) {
            Some((name, _)) => self.press(name),
            None => self.press("\t"),
        }
        self.press("\r");
    }
}

/// The rows of the incidents' pane, on the left above the events.
fn findings(screen: &str) -> Vec<String> {
    let lines = screen.lines().skip_while(|l| !l.contains("INCIDENTS")).take_while(|l| !l.contains("EVENTS"));
    lines.map(|l| l.split('│').next().unwrap_or(l).to_owned()).collect()
}

#[test]
fn the_tour_is_played_by_keys_from_start_to_quit() {
    let mut c = Cockpit::start(&["demo", "--speed", "3"], 140, 40);

    // 1. A bad rollout comes by itself: causes on the rows, one incident, the header turned.
    c.see(&["live", "nodes 40/40", "INCIDENTS", "KUBE-PROXY", "GPU MEMORY"]);
    let screen = c.see(&["tag v2.0.1 not found", "does not exist"]);
    assert_eq!(
        findings(&screen).iter().filter(|l| l.contains("rollout production/api-server")).count(),
        1,
        "{screen}"
    );
    assert!(screen.contains("sick") && screen.contains("Failed"), "{screen}");

    // 2. Why.
    c.press("\x1b1/api-server\r");
    c.see(&["/api-server"]);
    c.press("w");
    let screen = c.see(&["image.not-found", "What to do", "Roll back"]);
    for question in ["Is the pod running?", "Is the image the problem?", "does not exist"] {
        assert!(screen.contains(question), "{question}:\n{screen}");
    }

    // 3. The plan, with Cancel as the default, then for real.
    c.press("ab");
    let plan = c.see(&["[ Cancel ]", "v2.0.0", "kubectl --context", "deployment/api-server"]);
    assert!(plan.contains("stay") || plan.contains("replaced"), "how many pods go, come and stay: {plan}");
    c.press("\r");
    c.see(&["not done"]);
    c.act("b", &["revision"]);
    c.see(&["Done and verified."]);
    c.close();
    c.press(":overview\r");
    c.see(&["INCIDENTS"]);
    c.gone("tag v2.0.1 not found");

    // 4. A node in trouble is cordoned, and uncordoned.
    c.press(":nodes\r");
    c.see(&["VERSION"]);
    c.press("/gpu-worker-007\r");
    c.see(&["gpu-worker-007", "1/40"]);
    c.act("c", &["kubectl --context"]);
    c.see(&["Done and verified."]);
    c.close();
    c.see(&["Cordoned"]);
    c.act("u", &["uncordon gpu-worker-007"]);
    c.see(&["Done and verified."]);
    c.close();
    c.gone("Cordoned");

    // 5. The replica that still lives is dumped before it dies too.
    c.press(":pods\r/payment-service.*running\r");
    c.see(&["payment-service", "Running"]);
    c.act("h", &["payment-service"]);
    let done = c.see(&["Done and verified.", "sha256"]);
    let hash: String = {
        let (_, rest) = done.split_once("sha256").unwrap();
        rest.chars().filter(char::is_ascii_hexdigit).take(64).collect()
    };
    let dumps: Vec<_> = walk(c.home.path()).into_iter().filter(|p| p.ends_with(".hprof")).collect();
    assert_eq!(dumps.len(), 1, "{dumps:?}");
    let ours = hex(&Sha256::digest(std::fs::read(&dumps[0]).unwrap()));
    assert!(ours.starts_with(&hash[..40]), "{ours} is what was verified: {hash}");
    c.close();

    // 6. GPU memory and kube-proxy.
    c.press(":gpu\r");
    c.see(&["gpu-worker-001/0", "/80G"]);
    c.press(":kube-proxy\r");
    c.see(&["KUBE-PROXY", "OOMKilled"]);

    // What was done stands on the timeline and in the journal; the terminal is given back.
    c.press("T");
    c.see(&["Roll back", "Cordon", "done and verified"]);
    c.press("\x03");
    assert_eq!(c.terminal.ends(), 0);
    assert!(!c.terminal.screen(vt100::Screen::alternate_screen), "the terminal is as it was");
    let journal = Command::new(KHUD)
        .arg("journal")
        .env("KHUD_STATE_DIR", c.home.path().join("state"))
        .output()
        .unwrap();
    let journal = String::from_utf8(journal.stdout).unwrap();
    // The next demo is another cluster: nothing of this one is kept.
    let clusters = c.home.path().join("state/clusters");
    assert!(clusters.exists() && walk(&clusters).is_empty(), "{:?}", walk(&clusters));
    for action in ["rollback", "cordon", "uncordon", "heap-dump"] {
        assert!(journal.contains(action), "{action}:\n{journal}");
    }
}

fn walk(dir: &Path) -> Vec<String> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            out.extend(walk(&path));
        } else {
            out.push(path.to_string_lossy().into_owned());
        }
    }
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn any_size_is_survived_and_too_small_a_terminal_is_told() {
    let mut c = Cockpit::start(&["demo", "healthy"], 80, 24);
    c.see(&["live", "1 INCIDENTS", "No incident."]);
    c.terminal.resize(30, 5);
    c.see(&["khud needs 40×10"]);
    c.terminal.resize(200, 60);
    c.see(&["INCIDENTS", "KUBE-PROXY", "GPU MEMORY", "nodes 40/40"]);
    c.press("\x1b2z");
    c.gone("KUBE-PROXY ─");
    c.press(":frobnicate\r");
    c.see(&["is no command and no kind"]);
    c.press("\x03");
    assert_eq!(c.terminal.ends(), 0);
}

/// `khud sim` in a process of its own, for it to be stopped, killed and started again.
struct Served(Child);

impl Served {
    fn start(listen: &str, kubeconfig: &Path) -> Served {
        let mut command = Command::new(KHUD);
        command.args(["sim", "healthy", "--listen", listen, "--kubeconfig"]).arg(kubeconfig);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        // The kubeconfig is written by the time it prints its first line.
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "khud sim serves");
        Served(child)
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.0.id()).unwrap()), signal).unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_cluster_goes_away_and_comes_back_and_khud_says_so_and_stays() {
    let dir = tempfile::tempdir().unwrap();
    let kubeconfig = dir.path().join("kubeconfig");
    let server = Served::start("127.0.0.1:0", &kubeconfig);
    let text = std::fs::read_to_string(&kubeconfig).unwrap();
    let address = text.split("127.0.0.1:").nth(1).unwrap();
    let port: String = address.chars().take_while(char::is_ascii_digit).collect();

    let mut c = Cockpit::start(&["--kubeconfig", kubeconfig.to_str().unwrap()], 140, 40);
    c.see(&["● live", "nodes 40/40", "No incident."]);
    c.press("\x1b2/checkout\r");
    let rows = |s: &str| s.lines().filter(|l| l.contains("checkout-") && l.contains("Running")).count();
    // The pane's title has the filter once the line it was typed in is gone.
    let filtered = c.until("the filtered pods", |s| {
        s.contains("/checkout") && !s.lines().any(|l| l.starts_with("/checkout")) && rows(s) >= 3
    });
    let before = rows(&filtered);
    c.terminal.resize(80, 24);
    c.until("a screen of 80 columns", |s| {
        s.contains("/checkout") && s.lines().all(|l| l.chars().count() <= 80)
    });
    c.terminal.resize(140, 40);
    c.see(&["INCIDENTS", "/checkout"]);

    // Frozen: connections stay open and nothing comes. The rows stay; that they are old is said.
    server.signal(Signal::SIGSTOP);
    let screen = c.until("stale", |s| s.contains("stale ") && !s.contains("● live"));
    assert_eq!(rows(&screen), before, "{screen}");
    server.signal(Signal::SIGCONT);
    c.see(&["● live"]);

    // Gone: nobody listens any more.
    drop(server);
    let screen = c.until("lost", |s| s.contains("lost ") && s.contains("again in"));
    assert_eq!(rows(&screen), before, "{screen}");

    // Back, as another cluster under the same address, with credentials of its own.
    let _again = Served::start(&format!("127.0.0.1:{port}"), &kubeconfig);
    let screen = c.see(&["● live", "/checkout"]);
    assert_eq!(rows(&screen), before, "{screen}");
    c.press("\x03");
    assert_eq!(c.terminal.ends(), 0);
}

#[test]
fn a_terminal_that_stops_reading_costs_nothing_and_sees_the_present_when_it_reads_again() {
    let dir = tempfile::tempdir().unwrap();
    let kubeconfig = dir.path().join("kubeconfig");
    let _server = Served::start("127.0.0.1:0", &kubeconfig);
    let kubeconfig = kubeconfig.to_str().unwrap();
    let mut c = Cockpit::start(&["--kubeconfig", kubeconfig], 200, 60);
    c.see(&["● live", "nodes 40/40"]);
    let (bytes, began) = (c.terminal.written(), c.terminal.cost());

    // From here on nothing is read, while keys redraw the whole screen and the cluster changes. The report's file
    // tells that the keys before it were heard.
    let home = c.home.path().to_path_buf();
    let report = |home: &Path| walk(home).into_iter().find(|f| f.contains("khud-bug"));
    c.terminal.hold(true);
    for _ in 0..4 {
        c.press(&":pods\r:nodes\r".repeat(10));
        c.press(":bug\r");
        let deadline = Instant::now() + Duration::from_secs(60);
        while report(&home).is_none() {
            assert!(Instant::now() < deadline, "the keys were not heard");
            std::thread::park_timeout(Duration::from_millis(10));
        }
        std::fs::remove_file(report(&home).unwrap()).unwrap();
    }
    let cordon = ["do", "cordon", "node/worker-003", "--yes", "--kubeconfig", kubeconfig];
    let done = Command::new(KHUD).args(cordon).env("XDG_STATE_HOME", dir.path()).output().unwrap();
    assert!(done.status.success(), "{done:?}");

    c.terminal.hold(false);
    let screen = c.see(&["Cordoned"]);
    assert!(screen.lines().any(|l| l.contains("worker-003") && l.contains("Cordoned")), "{screen}");
    let (written, after) = (c.terminal.written() - bytes, c.terminal.cost());
    assert!(written > 8_000, "{written} bytes: the terminal's buffers were never full");
    assert!(after.resident < began.resident + (16 << 20), "{began:?} {after:?}");
}

#[test]
fn without_a_cluster_or_a_terminal_there_is_a_sentence() {
    let home = tempfile::tempdir().unwrap();
    let run = |args: &[&str], term: &str| {
        let mut command = Command::new(KHUD);
        command.args(args).env("HOME", home.path()).env("TERM", term).env_remove("KUBECONFIG");
        let out = command.output().unwrap();
        (out.status.code(), String::from_utf8(out.stderr).unwrap())
    };
    let (code, said) = run(&[], "xterm");
    assert_eq!(code, Some(1));
    assert!(said.contains("needs a terminal") && said.contains("khud scan"), "{said}");

    let env = [("HOME", home.path().to_str().unwrap()), ("KUBECONFIG", "/nonexistent/config")];
    let mut t = Session::start(command(KHUD, &[], &env), 80, 24);
    assert_eq!(t.ends(), 1);
    assert!(t.text().contains("khud demo"), "{}", t.text());
    let mut t = Session::start(command(KHUD, &["demo"], &[("TERM", "dumb")]), 80, 24);
    assert_eq!(t.ends(), 1);
    assert!(t.text().contains("TERM=dumb"), "{}", t.text());
}
