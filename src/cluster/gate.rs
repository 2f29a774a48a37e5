//! The layer around every request: it enforces `--read-only` and measures the server's clock and last sign of
//! life.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use http::{Method, Request, Response, header};
use kube::client::Body;
use tower::{BoxError, Layer, Service};

use super::error::Failure;
use crate::world::{Clock, Time};

/// When the server last answered, and the offset of its clock.
#[derive(Debug)]
pub struct Pulse {
    start: Instant,
    /// Milliseconds between `start` and the last answer.
    heard: AtomicU64,
    clock: Clock,
    skew: Mutex<Skew>,
}

impl Pulse {
    pub fn new(clock: Clock) -> Pulse {
        Pulse { start: Instant::now(), heard: AtomicU64::new(0), clock, skew: Mutex::new(Skew::default()) }
    }

    /// Records that bytes arrived from the server.
    pub fn beat(&self) {
        let ms = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.heard.fetch_max(ms, Ordering::Relaxed);
    }

    /// The time since the server last sent anything.
    pub fn silence(&self) -> std::time::Duration {
        let heard = std::time::Duration::from_millis(self.heard.load(Ordering::Relaxed));
        self.start.elapsed().saturating_sub(heard)
    }

    fn dated(&self, date: &str, sent: Time, received: Time) {
        let Ok(date) = jiff::fmt::rfc2822::parse(date) else { return };
        let date = Time(date.timestamp().as_millisecond());
        let mut skew = self.skew.lock().unwrap_or_else(PoisonError::into_inner);
        self.clock.set_offset_ms(skew.learn(date, sent, received));
    }

    fn machine_now(&self) -> Time {
        Time(self.clock.now().0 - self.clock.offset_ms())
    }
}

/// The known bounds of `server clock − this machine's clock`, in milliseconds: `low..=high`.
#[derive(Debug, Default)]
struct Skew(Option<(i64, i64)>);

impl Skew {
    /// Narrows the bounds with a `Date` header. It is cut to whole seconds and was written between `sent` and
    /// `received`. Returns the offset to use, which is 0 while the clocks may agree.
    fn learn(&mut self, date: Time, sent: Time, received: Time) -> i64 {
        let (low, high) = (date.0 - received.0, date.0 + 1000 - sent.0);
        let (low, high) = match self.0 {
            // Bounds that do not overlap mean that a clock was set: only the newest answer counts.
            Some((l, h)) if l.max(low) <= h.min(high) => (l.max(low), h.min(high)),
            _ => (low, high),
        };
        self.0 = Some((low, high));
        if low <= 0 && high >= 0 { 0 } else { low + (high - low) / 2 }
    }
}

/// The tower layer that wraps kube's stack.
#[derive(Clone)]
pub struct Gate {
    pub pulse: Arc<Pulse>,
    /// Read for every request, because the user can switch it while connected.
    pub read_only: Arc<AtomicBool>,
}

impl<S> Layer<S> for Gate {
    type Service = Gated<S>;
    fn layer(&self, inner: S) -> Gated<S> {
        Gated { inner, gate: self.clone() }
    }
}

#[derive(Clone)]
pub struct Gated<S> {
    inner: S,
    gate: Gate,
}

impl<S, B> Service<Request<Body>> for Gated<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError>,
    S::Future: Send + 'static,
    B: 'static,
{
    type Response = Response<B>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<B>, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if self.gate.read_only.load(Ordering::SeqCst)
            && let Err(failure) = only_reads(&request)
        {
            return Box::pin(async move { Err(failure.into()) });
        }
        let pulse = self.gate.pulse.clone();
        let sent = pulse.machine_now();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let response = answer.await?;
            pulse.beat();
            if let Some(date) = response.headers().get(header::DATE).and_then(|d| d.to_str().ok()) {
                pulse.dated(date, sent, pulse.machine_now());
            }
            Ok(response)
        })
    }
}

/// POSTs that only read the user's own rights.
const REVIEWS: [&str; 3] = [
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
    "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
    "/apis/authentication.k8s.io/v1/selfsubjectreviews",
];

/// Allows GET and HEAD without an upgrade, and self-subject reviews. Everything else is refused.
pub(super) fn only_reads<B>(request: &Request<B>) -> Result<(), Failure> {
    let (method, path) = (request.method(), request.uri().path());
    let upgrade = request.headers().contains_key(header::UPGRADE);
    let reads = matches!(*method, Method::GET | Method::HEAD) && !upgrade;
    let review = *method == Method::POST && REVIEWS.contains(&path);
    if reads || review {
        return Ok(());
    }
    let what = if upgrade { "a session inside a pod" } else { "a change" };
    Err(Failure::ReadOnly(format!("{method} {path} is {what}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_only_lets_reads_and_reviews_through() {
        let ask = |method: &str, path: &str, upgrade: bool| {
            let mut r = Request::builder().method(method).uri(path);
            if upgrade {
                r = r.header("Upgrade", "websocket");
            }
            only_reads(&r.body(()).unwrap())
        };
        let pods = "/api/v1/namespaces/p/pods";
        assert!(ask("GET", pods, false).is_ok());
        assert!(ask("HEAD", pods, false).is_ok());
        for path in REVIEWS {
            assert!(ask("POST", path, false).is_ok(), "{path}");
            assert!(ask("PUT", path, false).is_err(), "{path}");
        }
        assert!(ask("GET", "/api/v1/namespaces/p/pods/x/exec?command=sh", true).is_err());
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT"] {
            assert!(ask(method, "/api/v1/namespaces/p/pods/x?dryRun=All", false).is_err(), "{method}");
        }
        let text = ask("PATCH", "/api/v1/nodes/n", false).unwrap_err().to_string();
        assert!(text.starts_with("refused by --read-only: PATCH /api/v1/nodes/n is a change"), "{text}");
    }

    #[test]
    fn the_servers_clock_is_learnt_within_its_second() {
        let mut skew = Skew::default();
        let at = |ms: i64| Time(1_000_000_000_000 + ms);
        // The clocks agree: any Date of the same second says so.
        assert_eq!(skew.learn(at(0), at(900), at(950)), 0);
        // This machine is 90.4 s behind. Answers at different parts of the second narrow the bounds.
        let mut skew = Skew::default();
        let mut offset = 0;
        for ms in [100, 350, 500, 650, 900] {
            let server = (ms + 90_400) / 1000 * 1000;
            offset = skew.learn(at(server), at(ms - 5), at(ms + 5));
        }
        assert!((90_300..=90_500).contains(&offset), "{offset}");
        // The laptop's clock was set right: the old bounds no longer hold.
        assert_eq!(skew.learn(at(120_000), at(120_200), at(120_210)), 0);
    }
}
