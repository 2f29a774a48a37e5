//! How one attempt to list and watch ended, by what the server answered.

use std::time::Duration;

use http::header;

use super::error::{Failure, tidy};
use super::slim::Refusal;

/// How one attempt to list and watch ended.
#[derive(Debug)]
pub(super) enum End {
    /// The server closed the watch normally, as it does every few minutes.
    Closed,
    /// The resourceVersion expired (410): list again.
    Gone,
    /// The user asked to reconnect, the machine slept or the connection fell silent: reconnect at once.
    Nudged,
    /// The server does not support streaming lists, or the link is too slow for them: list in pages.
    NoStreaming,
    Forbidden(String),
    Unsupported(String),
    Failed(Failure, Option<Duration>),
}

impl From<Failure> for End {
    fn from(f: Failure) -> End {
        match f {
            Failure::Refused(r) => refused(r),
            other => End::Failed(other, None),
        }
    }
}

pub(super) fn refused(r: Refusal) -> End {
    let after = r.retry_after.map(|s| Duration::from_secs(u64::from(s.min(60))));
    match r.code {
        403 => End::Forbidden(tidy(&r.message, 300)),
        404 => End::Unsupported(tidy(&r.message, 300)),
        410 => End::Gone,
        // The server's etcd was restored from a backup: the version lies in its future.
        _ if r.message.contains("Too large resource version") => End::Gone,
        // "resourceVersion: Invalid value": the version of another server.
        400 if r.message.contains("resource version") || r.message.contains("resourceVersion") => End::Gone,
        _ => End::Failed(Failure::Refused(r), after),
    }
}

/// `Retry-After` in seconds.
pub(super) fn retry_after<B>(response: &http::Response<B>) -> Option<u32> {
    response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
}
