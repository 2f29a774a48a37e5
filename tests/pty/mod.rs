//! A program in a terminal of its own: what it writes is drawn by an emulator, and tests wait for what they see.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(dead_code, reason = "each test binary uses its part")]

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// How long anything may take on a slow machine before the test fails with the screen it saw.
const PATIENCE: Duration = Duration::from_secs(60);

/// What came out of the terminal so far.
struct Seen {
    parser: vt100::Parser,
    raw: Vec<u8>,
    ended: bool,
}

/// A running program and its terminal.
pub struct Session {
    master: Box<dyn MasterPty + Send>,
    input: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    seen: Arc<(Mutex<Seen>, Condvar)>,
}

/// Sizes in tests are never zero.
fn whole(n: u16) -> NonZeroU16 {
    NonZeroU16::new(n).unwrap()
}

/// A command with nothing of this environment but the path and what is given.
pub fn command(program: impl AsRef<std::ffi::OsStr>, args: &[&str], env: &[(&str, &str)]) -> CommandBuilder {
    let mut command = CommandBuilder::new(program);
    command.args(args);
    command.env_clear();
    for (name, value) in [("PATH", &*std::env::var("PATH").unwrap_or_default()), ("LANG", "C.UTF-8")] {
        command.env(name, value);
    }
    command.env("TERM", "xterm-256color");
    for (name, value) in env {
        command.env(name, value);
    }
    command
}

/// A configuration for a server that nobody listens at: the cockpit draws, and says that it cannot connect.
pub fn unreachable_kubeconfig(dir: &Path, context: &str) -> String {
    let file = dir.join("kubeconfig");
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: {context}\n\
         clusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:1'}}}}]\n\
         users: [{{name: u, user: {{}}}}]\n\
         contexts: [{{name: {context}, context: {{cluster: c, user: u}}}}]\n"
    );
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

/// The cockpit on the cluster of `DIR/kubeconfig`, with configuration, state and work directories of its own below it.
pub fn cockpit(khud: &str, dir: &Path, config: &str, args: &[&str], columns: u16, rows: u16) -> Session {
    std::fs::create_dir_all(dir.join("config")).unwrap();
    std::fs::write(dir.join("config/config.toml"), config).unwrap();
    let path = |name: &str| dir.join(name).to_string_lossy().into_owned();
    let (kubeconfig, settings, state, home) = (path("kubeconfig"), path("config"), path("state"), path(""));
    let env = [
        ("KUBECONFIG", kubeconfig.as_str()),
        ("KHUD_CONFIG_DIR", &settings),
        ("KHUD_STATE_DIR", &state),
        ("HOME", &home),
    ];
    let mut command = command(khud, args, &env);
    command.cwd(dir);
    Session::start(command, columns, rows)
}

impl Session {
    pub fn start(command: CommandBuilder, columns: u16, rows: u16) -> Session {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut output = pair.master.try_clone_reader().unwrap();
        let input = pair.master.take_writer().unwrap();
        let parser = vt100::Parser::new(whole(rows), whole(columns), 0);
        let seen = Arc::new((Mutex::new(Seen { parser, raw: Vec::new(), ended: false }), Condvar::new()));
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            loop {
                // A terminal whose program is gone reads as an error.
                let n = output.read(&mut buffer).unwrap_or(0);
                let mut seen = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
                seen.parser.process(&buffer[..n]);
                seen.raw.extend_from_slice(&buffer[..n]);
                seen.ended = n == 0;
                shared.1.notify_all();
                if n == 0 {
                    return;
                }
            }
        });
        Session { master: pair.master, input, child, seen }
    }

    /// Types.
    pub fn send(&mut self, keys: &str) {
        self.input.write_all(keys.as_bytes()).unwrap();
        self.input.flush().unwrap();
    }

    /// Types, and waits until the screen says so.
    pub fn then(&mut self, keys: &str, seen: &str) {
        self.send(keys);
        self.until_text(seen);
    }

    pub fn resize(&self, columns: u16, rows: u16) {
        self.seen.0.lock().unwrap().parser.screen_mut().set_size(whole(rows), whole(columns));
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        self.master.resize(size).unwrap();
    }

    /// Waits until the screen is as wanted.
    pub fn until(&self, what: &str, wanted: impl Fn(&vt100::Screen) -> bool) {
        let (lock, news) = &*self.seen;
        let deadline = Instant::now() + PATIENCE;
        let mut seen = lock.lock().unwrap();
        while !wanted(seen.parser.screen()) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero() && !seen.ended,
                "{} {what}; the screen was:\n{}",
                if seen.ended { "the program ended before" } else { "timed out waiting for" },
                seen.parser.screen().contents()
            );
            seen = news.wait_timeout(seen, left).unwrap().0;
        }
    }

    /// Waits until the text stands somewhere on the screen.
    pub fn until_text(&self, text: &str) {
        self.until(text, |screen| screen.contents().contains(text));
    }

    /// Waits for the end of the program and of its output, and returns its exit code.
    pub fn ends(&mut self) -> u32 {
        let (lock, news) = &*self.seen;
        let deadline = Instant::now() + PATIENCE;
        let mut seen = lock.lock().unwrap();
        while !seen.ended {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "it does not end; the screen is:\n{}", seen.parser.screen().contents());
            seen = news.wait_timeout(seen, left).unwrap().0;
        }
        drop(seen);
        self.child.wait().unwrap().exit_code()
    }

    pub fn screen<T>(&self, look: impl FnOnce(&vt100::Screen) -> T) -> T {
        look(self.seen.0.lock().unwrap().parser.screen())
    }

    pub fn text(&self) -> String {
        self.screen(|screen| screen.contents())
    }

    /// Every byte the program wrote.
    pub fn raw(&self) -> Vec<u8> {
        self.seen.0.lock().unwrap().raw.clone()
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.process_id().unwrap()).unwrap()
    }

    /// Lines are edited and echoed by the terminal, as a shell wants it.
    pub fn is_cooked(&self) -> bool {
        let modes = self.master.get_termios().unwrap();
        let modes = format!("{:?}", modes.local_flags);
        modes.contains("ICANON") && modes.contains("ECHO") && modes.contains("ISIG")
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
    }
}
