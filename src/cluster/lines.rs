//! Splits a response body into lines, with limits on silence and on the length of a line.

use std::io::BufRead as _;
use std::time::{Duration, Instant};

use bytes::{Buf as _, BytesMut};
use http_body_util::BodyExt as _;
use kube::client::Body;

use super::error::Failure;

/// The longest line, in bytes. etcd stores no object above 1.5 MiB by default.
const LONGEST: usize = 64 << 20;

/// Bytes from which on a rate says something of the link: a server that sends little may only have little to send.
const ENOUGH: u64 = 256 << 10;

pub(super) struct Lines {
    body: Body,
    server: String,
    buffer: BytesMut,
    /// The number of leading bytes that hold no newline.
    searched: usize,
    /// When the first bytes came.
    began: Option<Instant>,
    /// Bytes since then.
    received: u64,
}

impl Lines {
    pub fn new(body: Body, server: &str) -> Lines {
        Lines {
            body,
            server: server.to_owned(),
            buffer: BytesMut::new(),
            searched: 0,
            began: None,
            received: 0,
        }
    }

    /// Waits for more bytes. False at the end.
    ///
    /// # Errors
    /// Nothing came within `silence`, the connection broke, or the body ended inside a line.
    pub async fn fill(&mut self, silence: Duration) -> Result<bool, Failure> {
        loop {
            let frame = tokio::time::timeout(silence, self.body.frame())
                .await
                .map_err(|_| Failure::TimedOut { server: self.server.clone(), after: silence })?;
            match frame {
                None if self.buffer.is_empty() => return Ok(false),
                None => return Err(self.broken("its answer was cut short")),
                Some(Err(e)) => return Err(Failure::from_response(e, &self.server)),
                Some(Ok(frame)) => {
                    let Some(data) = frame.data_ref().filter(|d| !d.is_empty()) else { continue };
                    if self.buffer.len() + data.len() > LONGEST {
                        return Err(self.broken("it sent a line without end"));
                    }
                    self.buffer.extend_from_slice(data);
                    self.began.get_or_insert_with(Instant::now);
                    self.received += data.len() as u64;
                    return Ok(true);
                }
            }
        }
    }

    /// Bytes a second so far; `None` until the body has run for `time` and has brought enough to judge the link by.
    pub fn rate(&self, time: Duration) -> Option<u64> {
        let ran = self.began?.elapsed();
        (ran >= time && self.received >= ENOUGH).then(|| (self.received as f64 / ran.as_secs_f64()) as u64)
    }

    /// Passes the next complete line to `read`; `None` if the buffer holds none. Empty lines are skipped.
    pub fn next<T>(&mut self, read: impl FnOnce(&[u8]) -> T) -> Option<T> {
        loop {
            let mut rest = &self.buffer[self.searched..];
            // Reading from memory never fails.
            let searched = rest.skip_until(b'\n').unwrap_or(0);
            let end = self.searched + searched;
            if searched == 0 || self.buffer[end - 1] != b'\n' {
                self.searched = end;
                return None;
            }
            self.searched = 0;
            let line = self.buffer[..end].trim_ascii();
            if line.is_empty() {
                self.buffer.advance(end);
                continue;
            }
            let out = read(line);
            self.buffer.advance(end);
            return Some(out);
        }
    }

    fn broken(&self, why: &str) -> Failure {
        Failure::Broken { server: self.server.clone(), why: why.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_come_whole_whatever_the_frames() {
        let text = "{\"a\":1}\n\n{\"b\":\"é\"}\n{\"c\"";
        let mut lines = Lines::new(Body::from(text.as_bytes().to_vec()), "s");
        let silence = Duration::from_secs(5);
        assert!(lines.fill(silence).await.unwrap());
        let next = |lines: &mut Lines| lines.next(|l| String::from_utf8_lossy(l).into_owned());
        assert_eq!(next(&mut lines).as_deref(), Some("{\"a\":1}"));
        assert_eq!(next(&mut lines).as_deref(), Some("{\"b\":\"é\"}"));
        assert_eq!(next(&mut lines), None);
        let cut = lines.fill(silence).await.unwrap_err();
        assert!(cut.to_string().contains("cut short"), "{cut}");
    }
}
