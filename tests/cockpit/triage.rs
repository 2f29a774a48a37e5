//! Findings worked from the keyboard in a real terminal: proved, acknowledged, muted, noted; a killed cockpit loses
//! none of it.

use crate::support::lab::Lab;
use crate::support::pty::{Session, cockpit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const KHUD: &str = env!("CARGO_BIN_EXE_khud");

fn open(lab: &Lab, config: &str) -> Session {
    cockpit(KHUD, lab.dir.path(), config, &[], 160, 40)
}

fn count(text: &str, what: &str) -> usize {
    text.matches(what).count()
}

/// Shows nothing but the finding of the bad rollout, with the cursor on it.
fn at_the_rollout(session: &mut Session) {
    session.until_text("tag v2.0.1 not found");
    session.then(":findings\r/api-server\r", "/api-server");
}

#[test]
fn a_finding_is_proved_acknowledged_muted_and_noted_and_a_killed_cockpit_loses_nothing() {
    let lab = Lab::start("tour", 4.0);
    let mut k = open(&lab, "");
    at_the_rollout(&mut k);

    // The proof, and from each piece to where it was read.
    k.then("v", "WHAT IT SAYS");
    for piece in ["pod status, container", "not found", "changed before", "v2.0.0 → v2.0.1"] {
        k.until_text(piece);
    }
    k.then("\r", "─ pods ─");
    k.until("the pod under the cursor", |s| s.contents().contains("api-server"));
    k.then("\x1b", "WHAT IT SAYS");
    k.then("\x1b", "─ findings ─");

    // Somebody has it. Without a reason nothing is done.
    k.then("!", "acknowledge image.not-found, why");
    k.then("\r", "it wants a reason");
    k.then("!rolling back\r", "Acknowledged until it ends or gets worse");
    k.until_text(": rolling back · ");
    // Muted it counts no more, and the pane says how many are.
    k.then("m2h the registry moves\r", "Muted for 120m");
    k.until_text("1 muted");
    k.then("m", "It is told of again");
    k.until("no mute", |s| !s.contents().contains("1 muted"));
    k.then(":ack ana rolls back\r", "Acknowledged");

    // Words of one's own: by command, and by key.
    k.then(":note paged at one\r", "Noted on the timeline");
    k.then("\x1bncustomers are told\r", "Noted on the timeline");
    k.then("T", "timeline");
    for entry in [
        "session",
        "image of",
        "does not exist",
        "acknowledged: rolling back",
        "muted for 120m: the registry moves",
        "no longer muted",
        "paged at one",
        "customers are told",
    ] {
        k.until_text(entry);
    }
    // By window and by object; what is shown goes into a report.
    k.then("4/paged\r", "15m.. paged");
    k.until("one entry", |s| count(&s.contents(), "customers are told") == 0);
    k.then("o", "deployment/production/api-server");
    k.then("\x13", "Saved the report to");
    let report = std::fs::read_dir(lab.dir.path().join("state/saved")).unwrap().flatten().map(|e| e.path());
    let report = report.filter(|p| p.extension().is_some_and(|e| e == "md")).collect::<Vec<_>>();
    let report = std::fs::read_to_string(&report[0]).unwrap();
    assert!(report.contains("| note | deployment production/api-server |"), "{report}");
    assert!(report.contains("paged at one") && !report.contains("customers are told"), "{report}");

    // The machine dies under it.
    kill(Pid::from_raw(k.pid()), Signal::SIGKILL).unwrap();
    k.ends();
    let mut k = open(&lab, "");
    at_the_rollout(&mut k);
    k.until_text(": ana rolls back · ");
    k.then("T/api-server\r", "paged at one");
    k.until_text("no longer muted");
    let text = k.text();
    let began = text.lines().filter(|l| l.contains("finding") && l.contains("image.not-found")).count();
    assert_eq!(began, 1, "what was open then did not begin again:\n{text}");
    k.then("\x15/khud 0\r", "session");
    k.until("both sessions", |s| count(&s.contents(), "session ") == 2);

    // A mute written into the file holds while khud runs, and its key says where it is.
    k.then(":findings\r/api-server\r", "/api-server");
    let mute = "[[findings.mute]]\nname = 'api-server'\nreason = 'from the file'\n";
    std::fs::write(lab.dir.path().join("config/config.toml"), mute).unwrap();
    k.until_text("1 muted");
    k.until_text("from the file · ");
    k.then("m", "config.toml mutes it");
}

#[test]
fn an_incident_is_reported_while_it_goes_on_and_after_it_is_over() {
    let lab = Lab::start("tour", 4.0);
    let mut k = open(&lab, "");
    at_the_rollout(&mut k);
    k.then("!ana rolls back\r", "Acknowledged until it ends or gets worse");
    let report = |args: &[&str]| {
        let mut command = lab.khud(&[&["report"], args].concat());
        let out = command.env("KHUD_STATE_DIR", lab.dir.path().join("state")).output().unwrap();
        (out.status.code().unwrap(), String::from_utf8(out.stdout).unwrap())
    };
    let json = |args: &[&str]| {
        let (code, text) = report(&[args, &["-o", "json"]].concat());
        assert_eq!(code, 0, "{text}");
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };

    // In the cockpit: of the incident under the cursor, and into a file.
    k.then(":report\r", "# Post-incident report: deployment production/api-server");
    k.then("/tag v2.0.1 does not exist\r", "does not exist");
    k.then("\x13", "Saved");
    k.then("qq", "─ findings ─");

    // Outside: the newest, with its proof, what changed before it, and what is still to be done.
    let open = json(&[]);
    assert_eq!((&open["state"], &open["root"]["name"]), (&"open".into(), &"api-server".into()), "{open:#}");
    assert_eq!(open["causes"][0]["cause"], "image.not-found");
    assert_eq!(open["causes"][0]["sure"], "proved");
    let quotes = open["causes"][0]["evidence"].to_string();
    assert!(quotes.contains("not found"), "{quotes}");
    assert!(open["changed"].to_string().contains("v2.0.0 → v2.0.1"), "{open:#}");
    assert!(open["phases"]["found"].is_string() && open["phases"]["acknowledged"].is_string(), "{open:#}");
    assert!(open["phases"]["resolved"].is_null() && !open["left"].as_array().unwrap().is_empty(), "{open:#}");

    let mut rollback = lab.khud(&["do", "rollback", "deploy/api-server", "-n", "production", "--yes"]);
    assert!(rollback.env("KHUD_STATE_DIR", lab.dir.path().join("state")).output().unwrap().status.success());
    k.then("T/api-server\r", "resolved");

    // Over, and known from the timeline and the journal, under the id that stands there.
    let kept = std::fs::read_dir(lab.dir.path().join("state/clusters")).unwrap().flatten();
    let kept: String =
        kept.filter_map(|d| std::fs::read_to_string(d.path().join("timeline.jsonl")).ok()).collect();
    let mut ended = kept.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap());
    let ended = ended.rfind(|e| e["what"] == "finding-ended" && e["object"]["name"] == "api-server");
    let ended = ended.expect("the end of the finding is kept");
    let id = ended["incident"].as_str().expect("with its incident");
    let over = json(&["--incident", id]);
    assert_eq!((&over["state"], &over["id"]), (&"resolved".into(), &id.into()), "{over:#}");
    assert_eq!(
        (&over["done"][0]["outcome"], over["done"].as_array().unwrap().len()),
        (&"verified".into(), 1)
    );
    assert!(over["done"][0]["kubectl"].as_str().unwrap().contains("rollout undo"), "{over:#}");
    assert!(over["durations_ms"]["to_resolved"].is_number() && over["left"].as_array().unwrap().is_empty());
    let (_, text) = report(&["--incident", id]);
    for part in [
        "| resolved |",
        "gantt",
        "## Root cause",
        "tag v2.0.1 does not exist",
        "- [x] Resolved",
        "Lessons learned",
    ] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    assert!(!text.contains("session"), "khud's own starts are not in it:\n{text}");
    let (_, text) = report(&["--incident", id, "--change-request"]);
    assert!(text.starts_with("CHANGE REQUEST: CR-") && text.contains("Rollback Plan:"), "{text}");
    let (code, text) = report(&["--incident", "00000000"]);
    assert_eq!((code, text.as_str()), (1, ""));
}

#[test]
fn a_new_critical_finding_rings_only_where_that_is_wanted() {
    let bells = |config: &str| {
        let lab = Lab::start("tour", 4.0);
        let session = open(&lab, config);
        session.until_text("does not exist");
        let raw = session.raw();
        let text = String::from_utf8_lossy(&raw).into_owned();
        (raw.contains(&7), text.contains("\x1b]9;khud: "), text.contains("\x1b]777;notify;khud;"))
    };
    assert_eq!(bells(""), (false, false, false), "off by default");
    assert_eq!(bells("notifications = 'bell'\n"), (true, false, false));
    assert_eq!(bells("notifications = 'osc9'\n"), (true, true, false));
    assert_eq!(bells("notifications = 'osc777'\n"), (true, false, true));
}
