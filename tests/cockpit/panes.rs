//! The overview's panes arranged by keys: sizes on any screen, hidden and moved, kept for each context and forgotten.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::support::lab::Lab;
use crate::support::pty::{Session, cockpit};
use crate::support::stage::{Stage, captured};
use crossterm::event::KeyCode;
use khud::app::core::model::Pane;
use khud::app::core::panes as arrangement;
use khud::app::update::layout;
use khud::app::{Effect, Msg, next_timer, update};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const KHUD: &str = env!("CARGO_BIN_EXE_khud");

/// The panes on the screen: column and row of its title, and how many rows it has.
fn panes(s: &mut Stage) -> Vec<(Pane, (u16, u16, u16))> {
    let mut panes = layout::layout(&s.model).panes;
    panes.sort_by_key(|(pane, _)| *pane);
    let screen = s.screen();
    for (pane, _) in &panes {
        assert!(screen.contains(&format!("─ {} ", pane.title())), "{pane:?}:\n{screen}");
    }
    panes.into_iter().map(|(pane, at)| (pane, (at.x, at.y, at.height))).collect()
}

fn at(s: &mut Stage, pane: Pane) -> (u16, u16, u16) {
    panes(s).into_iter().find(|(p, _)| *p == pane).unwrap_or_else(|| panic!("{pane:?} is not in sight")).1
}

#[test]
fn panes_are_resized_hidden_and_put_in_another_order_and_as_configured_again() {
    let mut s = captured(120, 40);
    let configured = panes(&mut s);
    let (pods, events) = (at(&mut s, Pane::Pods), at(&mut s, Pane::Events));
    s.alt(KeyCode::Right);
    s.alt(KeyCode::Right);
    assert!(at(&mut s, Pane::Pods).0 > pods.0 + 4, "the left side is wider");
    s.alt(KeyCode::Down);
    assert_eq!(at(&mut s, Pane::Events).1, events.1 + 2, "findings are higher");
    // However often it is pressed, the pane below keeps some rows; and one key back is seen at once.
    (0..60).for_each(|_| drop(s.alt(KeyCode::Down)));
    assert_eq!(at(&mut s, Pane::Events).2, 3, "{}", s.screen());
    s.alt(KeyCode::Up);
    assert_eq!(at(&mut s, Pane::Events).2, 5, "{}", s.screen());
    // The lowest pane grows upwards.
    s.alt(KeyCode::Char('6'));
    let proxies = at(&mut s, Pane::KubeProxy);
    s.alt(KeyCode::Down);
    let grown = at(&mut s, Pane::KubeProxy);
    assert_eq!((grown.1, grown.2), (proxies.1 - 2, proxies.2 + 2));
    s.alt(KeyCode::Char('3'));
    s.alt(KeyCode::Char('x'));
    assert!(panes(&mut s).iter().all(|(p, _)| *p != Pane::Nodes), "{}", s.screen());
    s.line("NODES is hidden in this context; alt-a brings all panes back.");
    s.press(":panes\r");
    assert_eq!(panes(&mut s), configured);
    // Findings change places with pods: for alt-1, and with events on the screen.
    s.alt(KeyCode::Char('1'));
    s.alt(KeyCode::Char('m'));
    s.alt(KeyCode::Char('1'));
    assert_eq!(s.model.overview.focus, Pane::Pods);
    // Alone, a pane has no seam to move, and that is said.
    s.press("z");
    s.alt(KeyCode::Down);
    s.line("One pane alone has all the rows.");
}

#[test]
fn panes_keep_their_shares_on_another_screen_and_come_back_as_they_were() {
    let mut s = captured(120, 42);
    // 40 rows for panes. 23 incidents have all but 6 of them, the pods all but 11; then 37 and 21.
    assert_eq!((at(&mut s, Pane::Findings).2, at(&mut s, Pane::Pods).2), (34, 29));
    (0..3).for_each(|_| drop(s.alt(KeyCode::Down)));
    s.alt(KeyCode::Char('2'));
    (0..4).for_each(|_| drop(s.alt(KeyCode::Up)));
    let arranged = panes(&mut s);
    assert_eq!((at(&mut s, Pane::Findings).2, at(&mut s, Pane::Pods).2), (37, 21));
    // 80 rows, 22 rows: the same shares, and every pane has a row to show.
    update(&mut s.model, Msg::Resize(200, 82));
    assert_eq!((at(&mut s, Pane::Findings).2, at(&mut s, Pane::Pods).2), (74, 42));
    update(&mut s.model, Msg::Resize(100, 24));
    assert_eq!((at(&mut s, Pane::Findings).2, at(&mut s, Pane::Pods).2), (19, 12));
    assert!(panes(&mut s).iter().all(|(_, (_, _, rows))| *rows >= 3), "{}", s.screen());
    // One at a time, and all of them again.
    update(&mut s.model, Msg::Resize(80, 24));
    assert_eq!(panes(&mut s).len(), 1);
    update(&mut s.model, Msg::Resize(120, 42));
    assert_eq!(panes(&mut s), arranged);
    // What is hidden leaves its rows to those of its side, as they were shared among them.
    s.alt(KeyCode::Char('x'));
    let heights: Vec<u16> = [Pane::Nodes, Pane::Gpus, Pane::KubeProxy].map(|p| at(&mut s, p).2).into();
    assert_eq!(heights.iter().sum::<u16>(), 40);
    assert!(heights[0].abs_diff(heights[1]) <= 1 && heights[1] > heights[2], "{heights:?}");
}

#[test]
fn an_arrangement_is_kept_once_it_settles_and_counts_as_long_as_the_same_is_configured() {
    let mut s = captured(120, 40);
    let mut asked = s.alt(KeyCode::Right);
    for _ in 0..5 {
        s.at(s.model.data.now.plus(Duration::from_millis(200)));
        asked.extend(s.alt(KeyCode::Right));
    }
    assert_eq!(asked, [], "no write a key");
    let due = next_timer(&s.model).unwrap();
    assert!(s.model.data.now.age(due) < Duration::from_secs(1) && due > s.model.data.now);
    s.at(due);
    let kept = match &update(&mut s.model, Msg::Tick)[..] {
        [Effect::SavePanes(Some(kept))] => kept.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(update(&mut s.model, Msg::Tick), [], "once");
    let arranged = panes(&mut s);

    // There again; but not where something else is configured by then, or while it runs.
    let mut again = captured(120, 40);
    let configured = panes(&mut again);
    arrangement::restore(&mut again.model, Ok(Some(kept.clone())));
    assert_eq!(panes(&mut again), arranged);
    again.configure("left-width = 50\n");
    let fifty = panes(&mut again);
    assert!(fifty != arranged && fifty != configured);
    let mut other = captured(120, 40);
    other.configure("left-width = 50\n");
    arrangement::restore(&mut other.model, Ok(Some(kept.clone())));
    assert_eq!(panes(&mut other), fifty);
    // What has nothing to do with panes changes nothing.
    let mut same = captured(120, 40);
    arrangement::restore(&mut same.model, Ok(Some(kept)));
    same.configure("times = 'local'\n");
    assert_eq!(panes(&mut same), arranged);
    // As configured there is nothing to keep.
    same.alt(KeyCode::Char('a'));
    assert_eq!(arrangement::leave(&mut same.model), Some(Effect::SavePanes(None)));
    assert_eq!(panes(&mut same), configured);
}

/// The cockpit in a terminal with room for all panes, on one of two contexts whose servers nobody listens at.
fn open(dir: &Path, config: &str, args: &[&str]) -> Session {
    let context = |name: &str| format!("{{name: {name}, context: {{cluster: c, user: u}}}}");
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: one\nusers: [{{name: u, user: {{}}}}]\n\
         clusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:1'}}}}]\ncontexts: [{}, {}]\n",
        context("one"),
        context("../two"),
    );
    std::fs::write(dir.join("kubeconfig"), text).unwrap();
    let session = cockpit(KHUD, dir, config, args, 120, 40);
    session.until_text("PODS");
    session
}

fn shows(session: &Session, pane: &str, shown: bool) {
    session
        .until(&format!("{pane} to be {shown}"), |s| s.contents().contains(&format!("─ {pane} ")) == shown);
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < deadline, "waited for {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// The files that arrangements are kept in.
fn kept(dir: &Path) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(dir.join("state/clusters")).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = folders
        .flat_map(|folder| std::fs::read_dir(folder.path()).unwrap().flatten())
        .map(|f| f.path())
        .collect();
    files.retain(|file| file.file_name().unwrap().to_string_lossy().starts_with("panes"));
    files.sort();
    files
}

#[test]
fn each_context_opens_as_it_was_left_until_alt_a() {
    let dir = tempfile::tempdir().unwrap();
    let mut k = open(dir.path(), "", &[]);
    // Left at once: nothing waits for a timer then.
    k.send("\u{1b}3\u{1b}x\u{3}");
    assert_eq!(k.ends(), 0);
    let [file] = &kept(dir.path())[..] else { panic!("{:?}", kept(dir.path())) };
    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);

    let mut k = open(dir.path(), "", &[]);
    shows(&k, "NODES", false);
    // Another context is as configured, and has its own.
    k.send(":ctx ../two\r");
    shows(&k, "NODES", true);
    k.send("\u{1b}5\u{1b}x");
    shows(&k, "EVENTS", false);
    k.send(":ctx one\r");
    shows(&k, "NODES", false);
    shows(&k, "EVENTS", true);
    assert_eq!(kept(dir.path()).len(), 2);
    // Killed once the hands were off the keys for a moment.
    k.send("\u{1b}1\u{1b}m");
    let was = std::fs::read_to_string(file).unwrap();
    until("the file", || std::fs::read_to_string(file).unwrap() != was);
    kill(Pid::from_raw(k.pid()), Signal::SIGKILL).unwrap();
    k.ends();
    // The pods come first now, so alt-1 is theirs to hide; then all is forgotten.
    let mut k = open(dir.path(), "", &[]);
    shows(&k, "NODES", false);
    k.send("\u{1b}1\u{1b}x");
    shows(&k, "PODS", false);
    k.send("\u{1b}a");
    shows(&k, "PODS", true);
    until("nothing kept", || !file.exists());
    drop(k);
    shows(&open(dir.path(), "", &[]), "NODES", true);
    shows(&open(dir.path(), "", &["--context", "../two"]), "EVENTS", false);
}

#[test]
fn what_cannot_be_read_is_said_and_not_lost_and_config_toml_has_the_last_word() {
    let lab = Lab::start("small", 1.0);
    let open = |config: &str| {
        let session = cockpit(KHUD, lab.dir.path(), config, &[], 120, 40);
        session.until_text("PODS");
        session
    };
    let hide = |pane: u8| {
        let mut k = open("");
        k.send(&format!("\u{1b}{pane}\u{1b}x\u{3}"));
        assert_eq!(k.ends(), 0);
    };
    hide(3);
    let [file] = &kept(lab.dir.path())[..] else { panic!("{:?}", kept(lab.dir.path())) };
    let sound = std::fs::read_to_string(file).unwrap();
    // Other panes are configured by now: these show. Taken back, what was kept counts again.
    let k = open("panes = ['pods', 'nodes']\n");
    shows(&k, "NODES", true);
    drop(k);
    shows(&open(""), "NODES", false);

    for (text, why) in [
        ("{\"format\":".to_owned(), "not read: EOF while parsing"),
        (sound.replace("\"format\": 1", "\"format\": 2"), "not read: it is of format 2, this khud reads 1"),
        (sound.replace("\"kube-proxy\"", "\"pods\""), "not read: it has no pane, or one twice"),
    ] {
        std::fs::write(file, &text).unwrap();
        let k = open("");
        k.until_text(why);
        shows(&k, "NODES", true);
        drop(k);
        assert_eq!(std::fs::read_to_string(file).unwrap(), text, "left as it is");
        hide(5);
        let [new, old] = &kept(lab.dir.path())[..] else { panic!("{:?}", kept(lab.dir.path())) };
        assert_eq!(std::fs::read_to_string(old).unwrap(), text, "set aside");
        assert!(std::fs::read_to_string(new).unwrap().contains("\"gpu\""));
        std::fs::remove_file(old).unwrap();
    }
}
