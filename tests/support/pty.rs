//! A program in a terminal of its own: an emulator draws what it writes, tests wait for what they see, and benches read
//! a stopwatch and what the process costs.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(dead_code, reason = "each test, bench and example uses its part")]

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// How long anything may take on a slow machine before the test fails with the screen it saw. Never waited out where
/// it comes.
const PATIENCE: Duration = Duration::from_secs(90);

/// What came out of the terminal so far.
struct Seen {
    parser: vt100::Parser,
    raw: Vec<u8>,
    /// How much of it is drawn.
    drawn: usize,
    ended: bool,
    /// Nobody reads: the terminal takes no more than its buffers hold.
    held: bool,
    /// When something first came after the last key whose answer is timed.
    answered: Option<Instant>,
}

impl Seen {
    /// Draws what came, but no half of a frame: terminals that know synchronised output show none either.
    fn draw(&mut self) {
        const BEGIN: &[u8] = b"\x1b[?2026h";
        const END: &[u8] = b"\x1b[?2026l";
        let Seen { parser, raw, drawn, ended, .. } = self;
        let new = &raw[*drawn..];
        let last = |sign: &[u8]| new.windows(sign.len()).rposition(|w| w == sign);
        let whole = match (last(BEGIN), last(END)) {
            _ if *ended => new.len(),
            (Some(begin), None) => begin,
            (Some(begin), Some(end)) if end < begin => begin,
            // The end may be the beginning of a sign.
            _ => (1..BEGIN.len()).find(|n| new.ends_with(&BEGIN[..*n])).map_or(new.len(), |n| new.len() - n),
        };
        parser.process(&new[..whole]);
        *drawn += whole;
    }
}

/// A running program and its terminal.
pub struct Session {
    master: Box<dyn MasterPty + Send>,
    input: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    started: Instant,
    seen: Arc<(Mutex<Seen>, Condvar)>,
}

/// Sizes in tests are never zero.
fn whole(n: u16) -> NonZeroU16 {
    NonZeroU16::new(n).unwrap()
}

/// A command with nothing of this environment but the path and what is given.
pub fn command(program: impl AsRef<OsStr>, args: &[&str], env: &[(&str, &str)]) -> CommandBuilder {
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
pub fn cockpit(
    khud: impl AsRef<OsStr>,
    dir: &Path,
    config: &str,
    args: &[&str],
    columns: u16,
    rows: u16,
) -> Session {
    std::fs::create_dir_all(dir.join("config")).unwrap();
    std::fs::write(dir.join("config/config.toml"), config).unwrap();
    let path = |name: &str| dir.join(name).to_string_lossy().into_owned();
    let (kubeconfig, settings, state, home) = (path("kubeconfig"), path("config"), path("state"), path(""));
    let env = [
        ("KUBECONFIG", kubeconfig.as_str()),
        ("KHUD_CONFIG_DIR", &settings),
        ("KHUD_STATE_DIR", &state),
        ("HOME", &home),
        ("COLORTERM", "truecolor"),
    ];
    let mut command = command(khud, args, &env);
    command.cwd(dir);
    Session::start(command, columns, rows)
}

impl Session {
    pub fn start(command: CommandBuilder, columns: u16, rows: u16) -> Session {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let started = Instant::now();
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut output = pair.master.try_clone_reader().unwrap();
        let input = pair.master.take_writer().unwrap();
        let parser = vt100::Parser::new(whole(rows), whole(columns), 0);
        let seen = Seen { parser, raw: Vec::new(), drawn: 0, ended: false, held: false, answered: None };
        let seen = Arc::new((Mutex::new(seen), Condvar::new()));
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut buffer = [0; 65536];
            loop {
                // A terminal whose program is gone reads as an error.
                let n = output.read(&mut buffer).unwrap_or(0);
                let at = Instant::now();
                let seen = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
                let mut seen = shared.1.wait_while(seen, |s| s.held).unwrap_or_else(PoisonError::into_inner);
                seen.raw.extend_from_slice(&buffer[..n]);
                seen.answered.get_or_insert(at);
                seen.ended = n == 0;
                seen.draw();
                shared.1.notify_all();
                if n == 0 {
                    return;
                }
            }
        });
        Session { master: pair.master, input, child, started, seen }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at what came, after each piece of it, until something is found in it, the time is over or the program is.
    fn look<T>(&self, limit: Duration, mut find: impl FnMut(&Seen) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + limit;
        let mut seen = self.seen();
        loop {
            if let Some(found) = find(&seen) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || seen.ended {
                return None;
            }
            seen = self.seen.1.wait_timeout(seen, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Types.
    pub fn send(&mut self, keys: &str) {
        self.input.write_all(keys.as_bytes()).unwrap();
        self.input.flush().unwrap();
    }

    /// Types, and waits until the screen says so.
    #[track_caller]
    pub fn then(&mut self, keys: &str, seen: &str) {
        self.send(keys);
        self.until_text(seen);
    }

    /// Time from a key to the first byte the program answers with; `None` after a second of silence.
    pub fn answer(&mut self, keys: &str) -> Option<Duration> {
        self.seen().answered = None;
        let pressed = Instant::now();
        self.send(keys);
        let answered = self.look(Duration::from_secs(1), |seen| seen.answered)?;
        Some(answered.saturating_duration_since(pressed))
    }

    pub fn resize(&self, columns: u16, rows: u16) {
        self.seen().parser.screen_mut().set_size(whole(rows), whole(columns));
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        self.master.resize(size).unwrap();
    }

    /// Stops reading, as a terminal at the end of a stalled line does, or goes on.
    pub fn hold(&self, held: bool) {
        self.seen().held = held;
        self.seen.1.notify_all();
    }

    /// Waits until the screen is as wanted; its text then.
    #[track_caller]
    pub fn until(&self, what: &str, wanted: impl Fn(&vt100::Screen) -> bool) -> String {
        let text = |seen: &Seen| {
            let screen = seen.parser.screen();
            wanted(screen).then(|| screen.contents())
        };
        self.look(PATIENCE, text).unwrap_or_else(|| {
            let why = if self.seen().ended { "the program ended before" } else { "timed out waiting for" };
            panic!("{why} {what}; the screen was:\n{}", self.text());
        })
    }

    /// Waits until the text stands somewhere on the screen.
    #[track_caller]
    pub fn until_text(&self, text: &str) {
        self.until(text, |screen| screen.contents().contains(text));
    }

    /// Waits until the screen's text is as wanted; the time since the program's start, or `None` at the limit.
    pub fn wait(&self, limit: Duration, mut wanted: impl FnMut(&str) -> bool) -> Option<Duration> {
        let started = self.started;
        self.look(limit, |seen| wanted(&seen.parser.screen().contents()).then(|| started.elapsed()))
    }

    /// Waits for the end of the program and of its output, and returns its exit code.
    #[track_caller]
    pub fn ends(&mut self) -> u32 {
        let ended = self.look(PATIENCE, |seen| seen.ended.then_some(()));
        assert!(ended.is_some(), "it does not end; the screen is:\n{}", self.text());
        self.child.wait().unwrap().exit_code()
    }

    pub fn screen<T>(&self, look: impl FnOnce(&vt100::Screen) -> T) -> T {
        look(self.seen().parser.screen())
    }

    pub fn text(&self) -> String {
        self.screen(|screen| screen.contents())
    }

    /// Every byte the program wrote.
    pub fn raw(&self) -> Vec<u8> {
        self.seen().raw.clone()
    }

    /// How many bytes the program wrote.
    pub fn written(&self) -> usize {
        self.seen().raw.len()
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.process_id().unwrap()).unwrap()
    }

    pub fn cost(&self) -> Cost {
        Cost::of(self.child.process_id().unwrap())
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
        // What it still has to say is read, or it could not end by itself.
        self.hold(false);
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// User and system time.
    pub cpu: Duration,
    /// Bytes resident now, and at the most.
    pub resident: u64,
    pub peak: u64,
}

impl Cost {
    pub fn of(pid: u32) -> Cost {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // Fields after the command's closing bracket; utime and stime are the 14th and 15th of all.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
        let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let kib = |key: &str| {
            let line = status.lines().find(|l| l.starts_with(key));
            line.and_then(|l| l.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0) * 1024
        };
        // The kernel reports CPU in hundredths of a second on every Linux that khud runs on.
        let cpu = Duration::from_millis((ticks(11) + ticks(12)) * 10);
        Cost { cpu, resident: kib("VmRSS:"), peak: kib("VmHWM:") }
    }
}
