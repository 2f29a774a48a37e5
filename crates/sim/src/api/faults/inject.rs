//! Applies faults to connections, to requests and to response bodies.
use super::{Fault, Faults, State};
use crate::api::access::rbac::{self, Asked};
use crate::api::handler::Call;
use crate::api::meta;
use crate::api::meta::status::Status;
use crate::api::wire::body::{self, Answer, Body};
use crate::api::wire::decode;
use crate::api::wire::request::RequestInfo;
use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use http_body_util::BodyStream;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;

/// A connection that faults can reset or silence.
pub struct FaultyStream {
    socket: TcpStream,
    faults: watch::Receiver<State>,
    /// The number of restarts when the connection was opened.
    restarts: u64,
    changed: BoxFuture<'static, ()>,
}

impl FaultyStream {
    pub fn new(socket: TcpStream, faults: &Faults) -> Self {
        let faults = faults.subscribe();
        let restarts = faults.borrow().restarts;
        let changed = next_change(faults.clone());
        FaultyStream { socket, faults, restarts, changed }
    }

    /// Ready with an error once the connection is reset, pending while it hangs, None without a fault.
    fn check(&mut self, cx: &mut Context) -> Option<Poll<io::Error>> {
        // Polled for its waker: a switch must reach a connection that waits for its peer.
        while self.changed.as_mut().poll(cx).is_ready() {
            self.changed = next_change(self.faults.clone());
        }
        let state = self.faults.borrow();
        if state.has(&Fault::Reset) || state.restarts != self.restarts {
            // Without linger time, the close is a TCP reset.
            let _ = self.socket.set_zero_linger();
            return Some(Poll::Ready(io::ErrorKind::ConnectionReset.into()));
        }
        state.has(&Fault::Hang).then_some(Poll::Pending)
    }
}

fn next_change(mut faults: watch::Receiver<State>) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        faults.mark_unchanged();
        // The switchboard is gone, so no fault changes any more.
        if faults.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

impl AsyncRead for FaultyStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context, buf: &mut ReadBuf) -> Poll<io::Result<()>> {
        match self.check(cx) {
            Some(wrong) => wrong.map(Err),
            None => Pin::new(&mut self.socket).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for FaultyStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.check(cx) {
            Some(wrong) => wrong.map(Err),
            None => Pin::new(&mut self.socket).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context) -> Poll<io::Result<()>> {
        match self.check(cx) {
            Some(wrong) => wrong.map(Err),
            None => Pin::new(&mut self.socket).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context) -> Poll<io::Result<()>> {
        match self.check(cx) {
            Some(wrong) => wrong.map(Err),
            None => Pin::new(&mut self.socket).poll_shutdown(cx),
        }
    }
}

/// Whether a request is a watch.
pub fn is_watch(call: &Call, info: &RequestInfo) -> bool {
    info.about_resource() && call.method == http::Method::GET && call.query.flag("watch")
}

/// The answer that replaces the real one, after the fault's delay. `who` is called only if the answer names
/// the user.
pub async fn intercept(
    faults: &Faults,
    call: &Call,
    info: &RequestInfo,
    who: impl Future<Output = Option<String>>,
) -> Option<Answer> {
    let state = faults.now();
    if !state.delay().is_zero() {
        tokio::time::sleep(state.delay()).await;
    }
    if let Some(answer) = state.active.iter().find_map(|fault| answer(fault, call, info)) {
        return Some(answer);
    }
    if state.forbids(&info.resource, &info.group) {
        // The server itself answers 401 to an unknown user.
        return Some(rbac::denied(&who.await?, &Asked::of(info)).into());
    }
    denied_review(&state, call, info)
}

fn answer(fault: &Fault, call: &Call, info: &RequestInfo) -> Option<Answer> {
    match fault {
        Fault::TooManyRequests => {
            let mut busy = body::text(429, "Too many requests, please try again later.\n");
            busy.headers_mut().insert(http::header::RETRY_AFTER, 1.into());
            Some(busy)
        }
        Fault::InternalError => Some(Status::internal("etcdserver: request timed out").into()),
        Fault::Unavailable => {
            Some(Status::unavailable("the server is currently unable to handle the request").into())
        }
        Fault::Html(status) => Some(page(*status)),
        Fault::ExpireToken => Some(Status::unauthorized().into()),
        Fault::Gone if is_watch(call, info) => Some(gone_watch()),
        Fault::Gone if info.verb == "list" && !matches!(call.query.get("continue"), "") => Some(
            Status::expired(
                "The provided continue parameter is too old to display a consistent list result.",
            )
            .into(),
        ),
        _ => None,
    }
}

/// The error page of a load balancer without a healthy backend.
fn page(status: u16) -> Answer {
    let code = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::BAD_GATEWAY);
    let title = format!("{status} {}", code.canonical_reason().unwrap_or_default());
    let page = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
         <hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    );
    body::answer(status, "text/html", body::full(page))
}

/// A watch that ends at once: the history that it needs is gone.
pub fn gone_watch() -> Answer {
    body::answer(200, "application/json", body::full(gone_event()))
}

fn gone_event() -> Vec<u8> {
    let status = Status::expired("too old resource version: 1 (2)").to_json();
    [&b"{\"type\":\"ERROR\",\"object\":"[..], &status, b"}\n"].concat()
}

/// Answers "not allowed" to an access review of a forbidden resource.
fn denied_review(state: &State, call: &Call, info: &RequestInfo) -> Option<Answer> {
    let kind = match info.resource.as_str() {
        "selfsubjectaccessreviews" => "SelfSubjectAccessReview",
        "subjectaccessreviews" => "SubjectAccessReview",
        "localsubjectaccessreviews" => "LocalSubjectAccessReview",
        _ => return None,
    };
    if info.verb != "create" {
        return None;
    }
    let mut review = decode::any(call, kind).ok()?;
    let asked = |key: &str| meta::text(&review, &["spec", "resourceAttributes", key]);
    if !state.forbids(asked("resource"), asked("group")) {
        return None;
    }
    meta::object(&mut review).insert("status".into(), serde_json::json!({"allowed": false}));
    Some(body::json(201, review.to_string()))
}

/// Applies the faults that affect bodies.
pub fn wrap(faults: &Faults, answer: Answer, watch: bool) -> Answer {
    let state = faults.subscribe();
    let at_start = state.borrow().clone();
    if !watch && !at_start.has(&Fault::Truncate) {
        return answer;
    }
    let (parts, body) = answer.into_parts();
    let stream = FaultyBody {
        inner: Some(BodyStream::new(body)),
        state,
        watch,
        drops: at_start.drops,
        held: Vec::new(),
        ready: VecDeque::new(),
        last: None,
    };
    let chunks = futures::stream::unfold(stream, |mut stream| async move {
        let next = stream.next().await?;
        Some((next, stream))
    });
    Answer::from_parts(parts, body::stream(chunks))
}

struct FaultyBody {
    inner: Option<BodyStream<Body>>,
    state: watch::Receiver<State>,
    watch: bool,
    drops: u64,
    /// The incomplete last line.
    held: Vec<u8>,
    ready: VecDeque<Bytes>,
    /// The error that ends the body after `ready` was sent.
    last: Option<io::Error>,
}

fn broken() -> io::Error {
    io::ErrorKind::ConnectionAborted.into()
}

impl FaultyBody {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            if let Some(chunk) = self.ready.pop_front() {
                return Some(Ok(chunk));
            }
            if let Some(error) = self.last.take() {
                self.inner = None;
                // Yielding here lets hyper flush what was sent before the break.
                tokio::task::yield_now().await;
                return Some(Err(error));
            }
            let inner = self.inner.as_mut()?;
            let state = self.state.borrow_and_update().clone();
            if self.watch && state.drops != self.drops {
                self.last = Some(broken());
                continue;
            }
            if self.watch && state.has(&Fault::Gone) {
                self.ready.push_back(gone_event().into());
                self.inner = None;
                continue;
            }
            let frame = tokio::select! {
                frame = inner.next() => frame,
                changed = self.state.changed() => {
                    // The switchboard is gone, so no fault changes any more.
                    if changed.is_err() { inner.next().await } else { continue }
                }
            };
            let data = match frame {
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
                Some(Err(error)) => return Some(Err(error)),
                None => {
                    self.inner = None;
                    return (!self.held.is_empty()).then(|| Ok(std::mem::take(&mut self.held).into()));
                }
            };
            // Read again: the switch may have come while this waited for data.
            let state = self.state.borrow().clone();
            if self.watch && !state.delay().is_zero() {
                tokio::time::sleep(state.delay()).await;
            }
            self.take(data, &state);
        }
    }

    fn take(&mut self, data: Bytes, state: &State) {
        if state.has(&Fault::Truncate) && !data.is_empty() {
            self.held.extend_from_slice(&data);
            let whole = std::mem::take(&mut self.held);
            // Cuts inside an object. A cut at the end of a line would look like a complete stream.
            let cut = (whole.len() / 2).max(1);
            let cut = if whole[cut - 1] == b'\n' { cut - 1 } else { cut };
            self.ready.push_back(Bytes::copy_from_slice(&whole[..cut]));
            self.last = Some(broken());
        } else if self.watch && state.has(&Fault::NoBookmarks) {
            self.held.extend_from_slice(&data);
            while let Some(end) = self.held.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.held.drain(..=end).collect();
                let periodic = line.starts_with(b"{\"type\":\"BOOKMARK\"")
                    && !line.windows(20).any(|w| w == b"k8s.io/initial-event");
                if !periodic {
                    self.ready.push_back(line.into());
                }
            }
        } else if self.held.is_empty() {
            self.ready.push_back(data);
        } else {
            self.held.extend_from_slice(&data);
            self.ready.push_back(std::mem::take(&mut self.held).into());
        }
    }
}
