//! The cockpit in a real terminal: it leaves it as it found it, however it ends, and shows what the terminal can.

use std::path::Path;

use crate::support::pty::{Session, command, unreachable_kubeconfig};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const KHUD: &str = env!("CARGO_BIN_EXE_khud");

/// The cockpit on a server nobody listens at, with directories of its own.
fn cockpit(dir: &Path, env: &[(&str, &str)], args: &[&str]) -> portable_pty::CommandBuilder {
    let kubeconfig = unreachable_kubeconfig(dir, "lab");
    let (config, state) = (dir.join("config"), dir.join("state"));
    let mut all = vec![
        ("KUBECONFIG", kubeconfig.as_str()),
        ("KHUD_CONFIG_DIR", config.to_str().unwrap()),
        ("KHUD_STATE_DIR", state.to_str().unwrap()),
        ("HOME", dir.to_str().unwrap()),
    ];
    all.extend_from_slice(env);
    command(KHUD, args, &all)
}

fn open(dir: &Path, env: &[(&str, &str)]) -> Session {
    let session = Session::start(cockpit(dir, env, &[]), 100, 30);
    session.until_text("PODS");
    session
}

/// What a program must have undone when it is gone.
fn restored(session: &Session) {
    session.screen(|screen| {
        assert!(!screen.alternate_screen(), "the alternate screen is left");
        assert!(!screen.hide_cursor(), "the cursor shows");
        assert!(!screen.bracketed_paste(), "pasting is as it was");
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
    });
    assert!(session.is_cooked(), "the terminal edits lines again");
}

#[test]
fn quitting_and_signals_leave_the_terminal_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let mut session = open(dir.path(), &[]);
    assert!(session.screen(vt100::Screen::alternate_screen) && !session.is_cooked());
    session.send("\u{3}");
    assert_eq!(session.ends(), 0);
    restored(&session);

    for (signal, name) in
        [(Signal::SIGTERM, "SIGTERM"), (Signal::SIGHUP, "SIGHUP"), (Signal::SIGINT, "SIGINT")]
    {
        let mut session = open(dir.path(), &[]);
        kill(Pid::from_raw(session.pid()), signal).unwrap();
        assert_eq!(session.ends(), 1, "{name}");
        restored(&session);
        assert!(session.text().contains(&format!("khud: ended by {name}")), "{}", session.text());
    }
}

/// The child of the next test: what the cockpit does on the thread that draws, and then a bug.
#[test]
#[ignore = "run by a_panic_is_reported_after_the_terminal_is_restored in a terminal of its own"]
fn child_that_panics() {
    khud::cli::crash::install("the cockpit");
    let _entered = khud::term::Entered::enter().unwrap();
    panic!("a bug in drawing");
}

#[test]
fn a_panic_is_reported_after_the_terminal_is_restored() {
    let this = std::env::current_exe().unwrap();
    let child = ["--ignored", "--exact", "terminal::child_that_panics", "--nocapture"];
    let state = tempfile::tempdir().unwrap();
    let env = [("KHUD_STATE_DIR", state.path().to_str().unwrap())];
    let mut session = Session::start(command(this, &child, &env), 100, 30);
    assert_ne!(session.ends(), 0);
    restored(&session);
    let raw = String::from_utf8(session.raw()).unwrap();
    let entered = raw.find("\u{1b}[?1049h").expect("the alternate screen was entered");
    let left = raw.find("\u{1b}[?1049l").expect("and left");
    let told = raw.find("a bug in drawing").expect("the panic is told");
    assert!(entered < left && left < told, "told on the alternate screen, where it is lost: {raw:?}");
    assert!(raw.contains("was asked for: the cockpit"), "the report says what was going on: {raw:?}");
    // The bug report takes it along.
    let at = "2030-01-02T03:04:05Z".to_owned();
    let facts = khud::config::bug::Facts::gather(Some(state.path()), at, |_| None);
    assert!(khud::config::bug::report(&facts).contains("a bug in drawing"));
}

#[test]
fn suspend_gives_the_shell_back_and_fg_returns() {
    let dir = tempfile::tempdir().unwrap();
    let kubeconfig = unreachable_kubeconfig(dir.path(), "lab");
    let home = dir.path().to_str().unwrap();
    let env = [("KUBECONFIG", kubeconfig.as_str()), ("HOME", home), ("PS1", "ready> ")];
    let mut shell = Session::start(command("sh", &["-i"], &env), 100, 30);
    shell.until_text("ready>");
    shell.send(&format!("{KHUD}\r"));
    shell.until_text("PODS");
    shell.send("\u{1b}z");
    shell.until("the shell", |screen| !screen.alternate_screen() && screen.contents().contains("topped"));
    shell.send("echo $((6*7))\r");
    shell.until_text("42");
    assert!(shell.screen(|screen| !screen.hide_cursor()));
    shell.send("fg\r");
    shell
        .until("the cockpit again", |screen| screen.alternate_screen() && screen.contents().contains("PODS"));
    // It still listens, and everything was drawn anew.
    shell.send("?");
    shell.until_text("to its owner");
    shell.send("\u{3}");
    // Until the prompt is there, what is typed may still be the cockpit's.
    shell.until("the shell again", |screen| {
        !screen.alternate_screen() && screen.contents().trim_end().ends_with("ready>")
    });
    shell.send("exit 7\r");
    assert_eq!(shell.ends(), 7);
}

#[test]
fn a_long_paste_arrives_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut session = open(dir.path(), &[]);
    session.send("\u{1b}2/");
    let text: String = (0..700).map(|i| format!("w{i:03} ")).collect();
    session.send(&format!("\u{1b}[200~{text}\u{1b}[201~"));
    // As much of it as a line takes.
    session.until_text("w079");
    session.send("\u{3}");
    assert_eq!(session.ends(), 0);
}

/// The parameters of every `ESC [ … m` written.
fn graphics(raw: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(raw);
    let mut parameters = Vec::new();
    for sequence in text.split("\u{1b}[").skip(1) {
        let end = sequence.find(|c: char| !c.is_ascii_digit() && c != ';').unwrap_or(sequence.len());
        if sequence[end..].starts_with('m') {
            parameters.extend(sequence[..end].split(';').map(|n| n.parse::<u16>().unwrap_or(0)));
        }
    }
    parameters
}

#[test]
fn as_many_colours_as_the_terminal_has_and_none_where_none_are_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let shown = |env: &[(&str, &str)]| {
        let mut session = open(dir.path(), env);
        // The picker has a chosen line, and showing `mono` must not bring colours back.
        session.send("\u{1b}t");
        session.until_text("catppuccin");
        // Escape and another key at once would be that key with alt.
        session.send("\u{1b}");
        session.until("the picker closed", |screen| !screen.contents().contains("catppuccin"));
        session.send("\u{3}");
        session.ends();
        graphics(&session.raw())
    };
    let full = shown(&[("COLORTERM", "truecolor")]);
    assert!(full.windows(2).any(|w| w == [38, 2]), "24-bit colours: {full:?}");
    let indexed = shown(&[]);
    assert!(indexed.windows(2).any(|w| w == [38, 5]) && !indexed.windows(2).any(|w| w == [38, 2]));
    let none = shown(&[("COLORTERM", "truecolor"), ("NO_COLOR", "1")]);
    // Weight, underlining, reverse, and the defaults; no colour.
    assert!(none.iter().all(|n| matches!(n, 0..=9 | 21..=29 | 39 | 49 | 59)), "{none:?}");
    assert!(none.contains(&1) && none.contains(&7), "bold and reverse stay: {none:?}");
}

#[test]
fn without_unicode_signs_and_lines_are_ascii() {
    let dir = tempfile::tempdir().unwrap();
    let session = open(dir.path(), &[("LANG", "C")]);
    let text = session.text();
    assert!(text.is_ascii(), "{text}");
}

#[test]
fn a_terminal_that_cannot_draw_is_told_in_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let mut session = Session::start(cockpit(dir.path(), &[("TERM", "dumb")], &[]), 100, 30);
    assert_eq!(session.ends(), 1);
    let said = String::from_utf8(session.raw()).unwrap();
    assert!(said.starts_with("khud: ") && said.contains("TERM=dumb"), "{said}");
    assert!(!said.contains('\u{1b}'), "{said:?}");
}

#[test]
fn any_size_is_survived() {
    let dir = tempfile::tempdir().unwrap();
    let mut session = open(dir.path(), &[]);
    session.resize(30, 8);
    session.until_text("khud needs 40×10");
    session.resize(2, 2);
    session.resize(120, 40);
    session.until_text("KUBE-PROXY");
    session.send("\u{3}");
    assert_eq!(session.ends(), 0);
}

#[test]
fn inside_tmux_it_draws_takes_keys_and_leaves() {
    if std::process::Command::new("tmux").arg("-V").output().is_err() {
        eprintln!("tmux is not installed here; the cockpit inside it was not tried");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let kubeconfig = unreachable_kubeconfig(dir.path(), "lab");
    let home = dir.path().to_str().unwrap();
    let socket = dir.path().join("tmux");
    let env = [("KUBECONFIG", kubeconfig.as_str()), ("HOME", home)];
    let script = format!("{KHUD}; printf 'left with %s\\n' $?; read line");
    let args = ["-S", socket.to_str().unwrap(), "-f", "/dev/null", "new-session", &script];
    let mut session = Session::start(command("tmux", &args, &env), 100, 30);
    session.until_text("PODS");
    session.send("?");
    session.until_text("to its owner");
    // What is copied is in tmux's buffer, whatever it lets through to the terminal.
    let buffer = || {
        let show = ["-S", socket.to_str().unwrap(), "show-buffer"];
        let output = std::process::Command::new("tmux").args(show).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    session.send("c");
    session.until("the text in tmux", |_| buffer().contains("to its owner"));
    session.send("\u{1b}");
    session.until("the overview again", |screen| screen.contents().contains("PODS"));
    session.send("\u{3}");
    session.until_text("left with 0");
    session.send("\r");
    session.ends();
}

#[test]
fn files_that_change_are_taken_while_it_runs_and_faults_are_told_with_their_line() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config");
    std::fs::create_dir_all(&config).unwrap();
    std::fs::write(config.join("config.toml"), "production-contexts = ['lab']\n").unwrap();
    let mut session = open(dir.path(), &[("COLORTERM", "truecolor")]);
    session.until_text("▲ lab");
    // Written whole and moved into place, as editors do.
    let put = |name: &str, text: &str| {
        let temporary = dir.path().join("new");
        std::fs::write(&temporary, text).unwrap();
        std::fs::rename(&temporary, config.join(name)).unwrap();
    };
    put("config.toml", "theme = 'light'\nread-only = true\n");
    session.until("a light ground", |screen| {
        screen.cell(20, 60).is_some_and(|cell| cell.bgcolor() == vt100::Color::Rgb(255, 255, 255))
    });
    session.until_text("read-only");
    session.send(":read-only\r");
    session.until_text("Read-only stays");
    put("config.toml", "\n\nmouse = 'on'\n");
    session.until_text("config.toml:3: error: \"mouse\" must be true or false");
    put("keymap.toml", "help = 'g h'\n\"move.top\" = 'g g'\n");
    put("config.toml", "theme = 'light'\n");
    session.until_text("Configuration read again.");
    session.send("g");
    session.until_text("every key that works here");
    session.send("h");
    session.until_text("to its owner");
}

#[test]
fn the_mouse_is_left_to_the_terminal_unless_it_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let mut session = open(dir.path(), &[]);
    assert_eq!(session.screen(vt100::Screen::mouse_protocol_mode), vt100::MouseProtocolMode::None);
    let config = dir.path().join("config");
    std::fs::create_dir_all(&config).unwrap();
    std::fs::write(config.join("config.toml"), "mouse = true\npanes = ['pods', 'nodes']\n").unwrap();
    session.until("the mouse", |screen| {
        screen.mouse_protocol_mode() != vt100::MouseProtocolMode::None
            && !screen.contents().contains("EVENTS")
    });
    // The focused pane's title is bold. A click on the other's line moves the focus there.
    let bold = |screen: &vt100::Screen, title: &str| {
        let (row, line) = screen.rows(0, 100).enumerate().find(|(_, l)| l.contains(title)).unwrap();
        let column = line.chars().take_while(|c| *c != title.chars().next().unwrap()).count();
        screen.cell(row as u16, column as u16).unwrap().bold()
    };
    assert!(session.screen(|screen| bold(screen, "PODS") && !bold(screen, "NODES")));
    let row = session.screen(|screen| screen.rows(0, 100).position(|l| l.contains("NODES")).unwrap()) + 3;
    session.send(&format!("\u{1b}[<0;30;{row}M\u{1b}[<0;30;{row}m"));
    session.until("the focus on nodes", |screen| bold(screen, "NODES") && !bold(screen, "PODS"));
    session.send("\u{3}");
    assert_eq!(session.ends(), 0);
    restored(&session);
}
