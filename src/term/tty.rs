//! The operator's terminal handed to somebody else for a while: raw, byte for byte, with its size.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;

use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Input from a terminal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Input {
    /// So many bytes; 0 where nobody is at the terminal any more.
    Typed(usize),
    /// Columns and rows.
    Resized(u16, u16),
}

/// The terminal in raw mode, as long as this lives.
pub struct Tty {
    keys: Receiver,
    resized: Signal,
}

impl Tty {
    /// # Errors
    /// There is no terminal, or it refused the mode.
    pub fn raw() -> io::Result<Tty> {
        // Opened anew: setting the shared standard input to non-blocking would change it for the shell, too.
        let nonblocking = rustix::fs::OFlags::NONBLOCK.bits();
        let flags = i32::try_from(nonblocking).map_err(io::Error::other)?;
        let device = OpenOptions::new().read(true).custom_flags(flags).open("/dev/tty")?;
        // A terminal is waited for as a pipe is. A read in a thread would outlive the session and take the next key.
        let keys = Receiver::from_file_unchecked(device)?;
        let resized = signal(SignalKind::window_change())?;
        crossterm::terminal::enable_raw_mode()?;
        Ok(Tty { keys, resized })
    }

    /// Columns and rows.
    pub fn size() -> (u16, u16) {
        crossterm::terminal::size().unwrap_or((80, 24))
    }

    /// The next input: typed bytes, into the buffer, or another size. Safe to drop before it is ready.
    ///
    /// # Errors
    /// The terminal is gone.
    pub async fn next(&mut self, into: &mut [u8]) -> io::Result<Input> {
        tokio::select! {
            n = self.keys.read(into) => n.map(Input::Typed),
            _ = self.resized.recv() => {
                let (width, height) = Tty::size();
                Ok(Input::Resized(width, height))
            }
        }
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut out = io::stdout();
        out.write_all(bytes)?;
        out.flush()
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        // A mode that cannot be restored here is restored when the cockpit takes the terminal again.
        let _ = crossterm::terminal::disable_raw_mode();
    }
}
