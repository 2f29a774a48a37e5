//! Writes frames to the terminal from a separate thread, so that a terminal that stops reading cannot block
//! khud.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;

use tokio::sync::Notify;

/// Takes one frame at a time. While the terminal is busy, no frame is drawn; the next one shows the current
/// state.
#[derive(Debug)]
pub struct Writer {
    frames: Option<mpsc::SyncSender<Vec<u8>>>,
    busy: Arc<AtomicBool>,
    free: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread. It ends with the writer, or when the terminal is gone.
    pub fn start(mut out: impl Write + Send + 'static) -> Writer {
        let (frames, queue) = mpsc::sync_channel::<Vec<u8>>(1);
        let (busy, free) = (Arc::new(AtomicBool::new(false)), Arc::new(Notify::new()));
        let (b, f) = (busy.clone(), free.clone());
        let thread = std::thread::spawn(move || {
            for frame in queue {
                let sent = out.write_all(&frame).and_then(|()| out.flush());
                b.store(false, Ordering::Release);
                f.notify_one();
                if sent.is_err() {
                    break;
                }
            }
        });
        Writer { frames: Some(frames), busy, free, thread: Some(thread) }
    }

    /// Whether a frame may be drawn now.
    pub fn ready(&self) -> bool {
        !self.busy.load(Ordering::Acquire)
    }

    /// Resolves when a frame has been written.
    pub async fn written(&self) {
        self.free.notified().await;
    }

    /// Queues a frame. Call it only if `ready`.
    pub fn send(&self, frame: Vec<u8>) {
        self.busy.store(true, Ordering::Release);
        if self.frames.as_ref().is_none_or(|f| f.try_send(frame).is_err()) {
            // The terminal is gone. The input side notices it too and ends the program.
            self.busy.store(false, Ordering::Release);
        }
    }

    /// Waits for the last frame, but not for a terminal that does not read.
    pub fn finish(&mut self) {
        self.frames = None;
        let Some(thread) = self.thread.take() else { return };
        for _ in 0..50 {
            if thread.is_finished() {
                let _ = thread.join();
                return;
            }
            std::thread::park_timeout(std::time::Duration::from_millis(10));
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.finish();
    }
}
