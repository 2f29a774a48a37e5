//! A terminal with a stopwatch: runs a program in a PTY, keeps its screen, and reads its cost from /proc.
// Each program that includes this uses a part of it.
#![allow(clippy::expect_used, dead_code)]

pub mod server;

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

pub struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    screen: vt100::Parser,
    /// Kept open: the child's terminal goes away with it.
    master: Box<dyn MasterPty + Send>,
    started: Instant,
    /// Bytes the program has written to its terminal.
    pub bytes: u64,
}

impl Terminal {
    pub fn start(program: &Path, args: &[&str], rows: u16, cols: u16) -> Terminal {
        Terminal::start_in(program, args, rows, cols, None, &[])
    }

    /// `start` in a directory, with these variables set.
    pub fn start_in(
        program: &Path,
        args: &[&str],
        rows: u16,
        cols: u16,
        directory: Option<&Path>,
        env: &[(&str, &str)],
    ) -> Terminal {
        let size = PtySize { rows, cols, pixel_width: 0, pixel_height: 0 };
        let pty = native_pty_system().openpty(size).expect("a PTY");
        let mut command = CommandBuilder::new(program);
        command.args(args);
        command.env("TERM", "xterm-256color");
        command.env("COLORTERM", "truecolor");
        command.env("LANG", "C.UTF-8");
        if let Some(directory) = directory {
            command.cwd(directory);
        }
        for (name, value) in env {
            command.env(name, value);
        }
        let started = Instant::now();
        let child = pty.slave.spawn_command(command).expect("the program starts");
        drop(pty.slave);
        let mut reader = pty.master.try_clone_reader().expect("a reader");
        let keys = pty.master.take_writer().expect("a writer");
        // Between two waits the terminal reads nothing but what is under way: it stands still, as one at the end of a
        // stalled line does.
        let (send, output) = sync_channel(1);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 65536];
            while let Ok(n) = reader.read(&mut buffer) {
                if n == 0 || send.send(buffer[..n].to_vec()).is_err() {
                    break;
                }
            }
        });
        let side = |n| NonZeroU16::new(n).expect("a terminal has rows and columns");
        let screen = vt100::Parser::new(side(rows), side(cols), 0);
        Terminal { child, keys, output, screen, master: pty.master, started, bytes: 0 }
    }

    pub fn press(&mut self, keys: &str) {
        self.keys
            .write_all(keys.as_bytes())
            .and_then(|()| self.keys.flush())
            .expect("the program reads keys");
    }

    /// Time from a key to the first byte the program answers with; `None` after a second of silence.
    pub fn answer(&mut self, keys: &str) -> Option<Duration> {
        let pressed = Instant::now();
        self.press(keys);
        let bytes = self.output.recv_timeout(Duration::from_secs(1)).ok()?;
        self.take(&bytes);
        Some(pressed.elapsed())
    }

    pub fn screen(&self) -> &vt100::Screen {
        self.screen.screen()
    }

    pub fn text(&self) -> String {
        self.screen.screen().contents()
    }

    /// Reads output until `seen` says yes; the time since the program's start, or `None` at the deadline.
    pub fn wait(&mut self, limit: Duration, mut seen: impl FnMut(&str) -> bool) -> Option<Duration> {
        let deadline = Instant::now() + limit;
        loop {
            if seen(&self.text()) {
                return Some(self.started.elapsed());
            }
            match self.output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.take(&bytes),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    /// Lets the program run for that long, reading what it writes.
    pub fn run_for(&mut self, time: Duration) {
        self.wait(time, |_| false);
    }

    fn take(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.screen.process(bytes);
    }

    /// Changes the terminal's size under the program.
    pub fn resize(&mut self, rows: u16, cols: u16) {
        let size = PtySize { rows, cols, pixel_width: 0, pixel_height: 0 };
        self.master.resize(size).expect("a PTY can be resized");
        let side = |n| NonZeroU16::new(n).expect("a terminal has rows and columns");
        self.screen.screen_mut().set_size(side(rows), side(cols));
    }

    /// Reads until the program has ended and returns its exit code.
    pub fn end(&mut self, limit: Duration) -> Option<u32> {
        let deadline = Instant::now() + limit;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                while let Ok(bytes) = self.output.recv_timeout(Duration::from_millis(200)) {
                    self.take(&bytes);
                }
                return Some(status.exit_code());
            }
            match self.output.recv_timeout(Duration::from_millis(50)) {
                Ok(bytes) => self.take(&bytes),
                Err(_) if Instant::now() > deadline => return None,
                Err(_) => {}
            }
        }
    }

    pub fn cost(&self) -> Cost {
        Cost::of(self.child.process_id().expect("a running child"))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
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

pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
