//! One supervised watch: it lists, follows, recovers from every failure and reports how fresh its data is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Request, header};
use tokio::sync::watch as signal;

use super::ask::{METADATA_LIST, is_html};
use super::backoff::Backoff;
use super::connect::Connection;
use super::end::{End, refused, retry_after};
use super::error::{Failure, tidy};
use super::feed::Shared;
use super::lines::Lines;
use super::slim::{DecodeError, Decoder, Line};
use crate::world::{Delta, Kind, StreamId, StreamState, Text};

/// The progress of a list in pages.
#[derive(Debug, Default)]
struct Paging {
    /// The server's `continue` token; empty before the first page.
    next: String,
    version: String,
    objects: u64,
}

/// The user may list the kind, but not watch it.
#[derive(Debug)]
struct Polling {
    why: Text,
    /// When the watch is tried again.
    until: Instant,
}

pub(super) struct Watch {
    conn: Connection,
    kind: Kind,
    namespace: Text,
    id: StreamId,
    shared: Arc<Shared>,
    nudge: signal::Receiver<u64>,
    decoder: Decoder,
    /// The resourceVersion to watch from; `None` until a list is complete.
    version: Option<String>,
    backoff: Backoff,
    /// Reads core/v1 events, because the server does not serve events.k8s.io.
    core_events: bool,
    /// Watches the server's tables instead of the objects.
    tabular: bool,
    /// A streaming list broke off. It cannot be continued, so the next list is read in pages.
    paged: bool,
    /// The list that broke off between two pages.
    paging: Option<Paging>,
    polling: Option<Polling>,
    /// Whether the last request was a watch.
    watching: bool,
}

impl Watch {
    pub fn new(conn: &Connection, shared: &Arc<Shared>, kind: Kind, namespace: Text) -> Watch {
        Watch {
            conn: conn.clone(),
            id: StreamId::Watch { kind: kind.clone(), namespace: namespace.clone() },
            nudge: shared.nudge.subscribe(),
            decoder: Decoder::new(kind.clone()),
            backoff: Backoff::new(shared.tuning.backoff, shared.tuning.backoff_limit),
            shared: shared.clone(),
            kind,
            namespace,
            version: None,
            core_events: false,
            tabular: false,
            paged: false,
            paging: None,
            polling: None,
            watching: false,
        }
    }

    /// Watches the server's own tables of a kind.
    pub fn of_tables(conn: &Connection, shared: &Arc<Shared>, kind: Kind, namespace: Text) -> Watch {
        let decoder = Decoder::of_tables(kind.clone());
        Watch { tabular: true, decoder, ..Watch::new(conn, shared, kind, namespace) }
    }

    fn report(&self, state: StreamState) {
        self.shared.outbox.set_state(&self.id, state, self.conn.clock().now());
    }

    async fn push(&self, deltas: Vec<Delta>) {
        self.shared.outbox.push(&self.kind, &self.namespace, deltas).await;
    }

    /// Reports that the user may not list the kind in this namespace.
    pub fn forbidden(&self, why: &Text) {
        self.report(StreamState::Forbidden { why: why.clone() });
    }

    /// Runs until the list is forbidden, and returns the reason. It recovers from every other failure.
    pub async fn run(&mut self) -> Text {
        self.report(StreamState::Connecting);
        // A second 410 right after a relist would loop, so it waits.
        let mut last_gone: Option<Instant> = None;
        loop {
            let began = Instant::now();
            let end = match self.session().await {
                Ok(end) | Err(end) => end,
            };
            // After any other end a different server may answer at the address. A server that answers 429 or
            // 5xx is still the same one.
            let spare = |f: &Failure| matches!(f, Failure::Refused(r) if r.code == 429 || r.code >= 500);
            match &end {
                End::Closed | End::Nudged => self.conn.identity_guard().doubt(),
                End::Failed(failure, _) if !spare(failure) => self.conn.identity_guard().doubt(),
                _ => {}
            }
            let tuning = &self.shared.tuning;
            let (failure, after) = match end {
                End::Nudged | End::NoStreaming => continue,
                End::Closed if began.elapsed() >= tuning.short => {
                    self.backoff.reset();
                    continue;
                }
                End::Closed => (self.broken("it closes every watch at once"), None),
                End::Gone => {
                    self.version = None;
                    let looping = last_gone.is_some_and(|at| at.elapsed() < tuning.short * 2);
                    last_gone = Some(Instant::now());
                    if !looping {
                        continue;
                    }
                    (self.broken("its resourceVersions expire faster than khud can list"), None)
                }
                End::Forbidden(why) if self.watching => {
                    let until = Instant::now() + tuning.forbidden_again;
                    self.polling = Some(Polling { why: why.into(), until });
                    continue;
                }
                End::Forbidden(why) => {
                    (self.version, self.polling) = (None, None);
                    return why.into();
                }
                End::Unsupported(_) if self.kind == Kind::Event && !self.core_events => {
                    self.core_events = true;
                    continue;
                }
                End::Unsupported(why) => {
                    self.report(StreamState::Unsupported { why: why.into() });
                    self.version = None;
                    self.core_events = false;
                    let _ = tokio::time::timeout(tuning.unsupported_again, self.nudge.changed()).await;
                    continue;
                }
                End::Failed(failure, after) => {
                    if began.elapsed() >= tuning.short * 4 {
                        self.backoff.reset();
                    }
                    (failure, after)
                }
            };
            self.wait(&failure, after).await;
        }
    }

    fn broken(&self, why: &str) -> Failure {
        Failure::Broken { server: self.conn.server().to_owned(), why: why.to_owned() }
    }

    async fn wait(&mut self, failure: &Failure, after: Option<Duration>) {
        self.shared.outbox.count(|c| c.reconnects += 1);
        let pause = self.backoff.next().max(after.unwrap_or_default());
        let at = self.conn.clock().now().plus(pause);
        self.report(StreamState::Reconnecting { at, why: failure.to_string().into() });
        // Repeated refusals of the same request: the version may be invalid.
        if self.backoff.failures() >= 5
            && matches!(failure, Failure::Refused(r) if r.code < 500 && r.code != 401 && r.code != 429)
        {
            self.version = None;
        }
        let _ = tokio::time::timeout(pause, self.nudge.changed()).await;
    }

    /// Uses one connection: lists if no version is known, then watches.
    async fn session(&mut self) -> Result<End, End> {
        self.nudge.mark_unchanged();
        self.conn.ensure_same_cluster().await?;
        if self.polling.is_some() {
            return self.poll().await;
        }
        if self.version.is_none() {
            self.shared.outbox.count(|c| c.lists += 1);
            // A table has no object to carry the annotation that marks the end of a streaming list.
            if self.shared.streaming() && !self.tabular && !self.paged {
                let end = self.stream_list().await;
                let broke = matches!(&end, Err(End::Failed(f, _)) if !matches!(f, Failure::Refused(_)));
                self.paged |= broke && self.version.is_none();
                return end;
            }
            self.list_pages().await?;
        }
        self.follow().await
    }

    /// Lists repeatedly until the watch is tried again.
    async fn poll(&mut self) -> Result<End, End> {
        loop {
            let began = Instant::now();
            self.list_pages().await?;
            // A list does not start from a version.
            self.version = None;
            let Some(Polling { why, until }) = &self.polling else { return Ok(End::Nudged) };
            self.report(StreamState::Polled { why: why.clone() });
            if Instant::now() >= *until {
                self.polling = None;
                return Ok(End::Nudged);
            }
            // A slow list must not keep the server busy all the time.
            let pause = self.shared.tuning.poll.max(began.elapsed() * 10);
            let _ = tokio::time::timeout(pause, self.nudge.changed()).await;
        }
    }

    fn path(&self, query: &str) -> String {
        let path = match self.kind {
            Kind::Event if self.core_events && self.namespace.is_empty() => "/api/v1/events".to_owned(),
            Kind::Event if self.core_events => format!("/api/v1/namespaces/{}/events", self.namespace),
            _ => self.kind.collection_path(&self.namespace),
        };
        format!("{path}?{query}")
    }

    /// ConfigMaps and Secrets are requested as metadata only, so their data never leaves the server.
    fn accept(&self, watch: bool) -> &'static str {
        if self.tabular {
            // A server without a table for the kind sends its objects.
            return "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
        }
        match (&self.kind, watch) {
            (Kind::ConfigMap | Kind::Secret, true) => {
                "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
            }
            (Kind::ConfigMap | Kind::Secret, false) => METADATA_LIST,
            _ => "application/json",
        }
    }

    /// Sends a watch request and checks that the watch began.
    async fn open(&mut self, query: &str) -> Result<Lines, End> {
        self.watching = true;
        let request = Request::get(self.path(query))
            .header(header::ACCEPT, self.accept(true))
            // Newer servers compress each event on its own, which the decoder does not read.
            .header(header::ACCEPT_ENCODING, "identity");
        let request = self.conn.request(request, Vec::new())?;
        let response = self.conn.send(request, self.shared.tuning.headers).await?;
        let status = response.status().as_u16();
        if status != 200 || is_html(&response) {
            let retry = retry_after(&response);
            let body = self.conn.collect(response, 1 << 20).await?;
            return Err(self.not_a_watch(status, &body, retry));
        }
        Ok(Lines::new(response.into_body(), self.conn.server()))
    }

    fn not_a_watch(&self, status: u16, body: &[u8], retry: Option<u32>) -> End {
        if status == 200 {
            return End::Failed(self.conn.not_kubernetes(status, body), None);
        }
        match self.conn.refused(status, body) {
            Failure::Refused(mut r) => {
                r.retry_after = r.retry_after.or(retry);
                refused(r)
            }
            other => End::Failed(other, retry.map(|s| Duration::from_secs(u64::from(s.min(60))))),
        }
    }

    fn list_delta(&self, start: bool) -> Delta {
        let (kind, namespace) = (self.kind.clone(), self.namespace.clone());
        if start { Delta::ListStart { kind, namespace } } else { Delta::ListEnd { kind, namespace } }
    }

    /// The table's columns, if they changed.
    fn columns(&mut self) -> Option<Delta> {
        let columns = self.decoder.new_columns()?;
        Some(Delta::Columns { kind: self.kind.clone(), columns })
    }

    /// Lists with a watch that sends the initial objects first.
    async fn stream_list(&mut self) -> Result<End, End> {
        let query = format!(
            "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds={}",
            self.shared.tuning.timeout_seconds()
        );
        let mut lines = match self.open(&query).await {
            Ok(lines) => lines,
            // 422 or 400: the feature is off.
            Err(End::Failed(Failure::Refused(r), _)) if matches!(r.code, 400 | 422) => {
                self.shared.no_streaming();
                return Err(End::NoStreaming);
            }
            Err(end) => return Err(end),
        };
        self.push(vec![self.list_delta(true)]).await;
        let mut objects = 0u64;
        self.report(StreamState::Listing { objects });
        loop {
            let more = tokio::select! {
                more = lines.fill(self.shared.tuning.initial_silence) => more,
                _ = self.nudge.changed() => return Ok(End::Nudged),
            };
            match more {
                Err(silent @ Failure::TimedOut { .. }) => {
                    let within = self.shared.tuning.probe_within;
                    let lives = tokio::time::timeout(within, self.conn.get("/version", 1 << 20)).await;
                    if !matches!(lives, Ok(Ok(_))) {
                        return Err(silent.into());
                    }
                    // The server answers, but never sends the bookmark that ends the list: it is too old.
                    self.shared.no_streaming();
                    return Err(End::NoStreaming);
                }
                other => {
                    if !other? {
                        return Err(End::Failed(self.broken("it closed the list before its end"), None));
                    }
                }
            }
            self.conn.pulse().beat();
            let (mut deltas, mut end) = (Vec::new(), None);
            while let Some(line) = lines.next(|l| self.decoder.line(l)) {
                match self.classify(line)? {
                    Some(Line::Bookmark { resource_version, initial_end: true }) => {
                        end = Some(resource_version);
                        break;
                    }
                    Some(Line::Apply(item)) => {
                        objects += 1;
                        deltas.push(Delta::Apply(item.record));
                    }
                    Some(Line::Delete(item)) => deltas.push(deletion(&item)),
                    _ => {}
                }
            }
            if end.is_some() {
                deltas.push(self.list_delta(false));
            }
            self.push(deltas).await;
            if let Some(version) = end {
                self.version = Some(version).filter(|v| !v.is_empty());
                self.report(StreamState::Live);
                return self.read_events(lines).await;
            }
            self.report(StreamState::Listing { objects: objects / 500 * 500 });
            let tuning = &self.shared.tuning;
            if let Some(rate) = lines.rate(tuning.slow_after).filter(|rate| *rate < tuning.slow) {
                tracing::info!(kind = %self.kind, rate, objects, "a slow link: lists are read in compressed pages");
                self.shared.no_streaming();
                return Err(End::NoStreaming);
            }
        }
    }

    /// Lists in pages. A list that broke off continues at its last page.
    async fn list_pages(&mut self) -> Result<(), End> {
        self.watching = false;
        let mut paging = match self.paging.take() {
            Some(paging) => paging,
            None => {
                self.push(vec![self.list_delta(true)]).await;
                Paging::default()
            }
        };
        let end = self.read_pages(&mut paging).await;
        let goes_on = match &end {
            Err(End::Nudged) => true,
            Err(End::Failed(Failure::Refused(r), _)) => r.code == 429 || r.code >= 500,
            Err(End::Failed(..)) => true,
            _ => false,
        };
        if goes_on && !paging.next.is_empty() {
            self.paging = Some(paging);
        }
        end
    }

    /// Reads the remaining pages.
    async fn read_pages(&mut self, paging: &mut Paging) -> Result<(), End> {
        let report = |watch: &Watch, objects: u64| {
            // A polled list has been shown before.
            if watch.polling.is_none() {
                watch.report(StreamState::Listing { objects });
            }
        };
        report(self, paging.objects);
        loop {
            let mut query = format!("limit={}", self.shared.tuning.page);
            if !paging.next.is_empty() {
                query.push_str("&continue=");
                query.push_str(&super::ask::segment(&paging.next));
            }
            let request = Request::get(self.path(&query)).header(header::ACCEPT, self.accept(false));
            let request = self.conn.request(request, Vec::new())?;
            let response = tokio::select! {
                response = self.conn.send(request, self.conn.request_timeout()) => response?,
                _ = self.nudge.changed() => return Err(End::Nudged),
            };
            let (status, html, retry) =
                (response.status().as_u16(), is_html(&response), retry_after(&response));
            let body = self.conn.collect(response, 1 << 30).await?;
            if status != 200 || html {
                return Err(self.not_a_watch(status, &body, retry));
            }
            let page = self.decoder.page(&body).map_err(|e| self.unreadable(&e))?;
            drop(body);
            if page.unreadable > 0 {
                self.shared.outbox.count(|c| c.unreadable += page.unreadable);
                tracing::warn!(kind = %self.kind, count = page.unreadable, why = ?page.why, "objects passed over");
            }
            if paging.version.is_empty() {
                paging.version = page.resource_version;
            }
            paging.objects += page.items.len() as u64;
            let mut deltas: Vec<Delta> = self.columns().into_iter().collect();
            deltas.extend(page.items.into_iter().map(Delta::Apply));
            self.push(deltas).await;
            paging.next = page.next;
            if paging.next.is_empty() {
                break;
            }
            report(self, paging.objects);
        }
        self.push(vec![self.list_delta(false)]).await;
        self.version = Some(std::mem::take(&mut paging.version)).filter(|v| !v.is_empty());
        if self.version.is_none() {
            return Err(End::Failed(self.broken("its list has no resourceVersion"), None));
        }
        Ok(())
    }

    /// Watches from the known version.
    async fn follow(&mut self) -> Result<End, End> {
        let query = format!(
            "watch=true&allowWatchBookmarks=true&timeoutSeconds={}&resourceVersion={}",
            self.shared.tuning.timeout_seconds(),
            super::ask::segment(self.version.as_deref().unwrap_or_default())
        );
        let lines = self.open(&query).await?;
        self.report(StreamState::Live);
        self.read_events(lines).await
    }

    async fn read_events(&mut self, mut lines: Lines) -> Result<End, End> {
        loop {
            let mut deltas = Vec::new();
            let mut end = None;
            while let Some(line) = lines.next(|l| self.decoder.line(l)) {
                let line = match self.classify(line) {
                    Ok(line) => line,
                    // The events before the error are valid.
                    Err(e) => {
                        end = Some(e);
                        break;
                    }
                };
                deltas.extend(self.columns());
                let version = match line {
                    Some(Line::Apply(item)) => {
                        deltas.push(Delta::Apply(item.record));
                        item.resource_version
                    }
                    Some(Line::Delete(item)) => {
                        deltas.push(deletion(&item));
                        item.resource_version
                    }
                    Some(Line::Bookmark { resource_version, .. }) => resource_version,
                    _ => continue,
                };
                if !version.is_empty() {
                    self.version = Some(version);
                }
            }
            self.push(deltas).await;
            if let Some(end) = end {
                return Err(end);
            }
            let listed = self.tabular.then(|| self.path("limit=500"));
            let (conn, every) = (self.conn.clone(), self.shared.tuning.list_check);
            let more = tokio::select! {
                more = lines.fill(self.shared.tuning.silence) => more,
                _ = self.nudge.changed() => return Ok(End::Nudged),
                why = list_fails(&conn, listed, every) => {
                    // Only a list shows that it can be listed again.
                    self.version = None;
                    return Err(why);
                }
            };
            match more {
                Ok(true) => self.conn.pulse().beat(),
                Ok(false) => return Ok(End::Closed),
                // Neither an event nor a bookmark came: the connection may be dead, and a new one is cheap.
                Err(Failure::TimedOut { .. }) => return Ok(End::Nudged),
                Err(failure) => return Err(failure.into()),
            }
        }
    }

    /// Converts a refusal into the end of the session, and skips single objects that cannot be decoded.
    fn classify(&self, line: Result<Line, DecodeError>) -> Result<Option<Line>, End> {
        match line {
            Ok(Line::Error(r)) => Err(refused(r)),
            Ok(Line::Unknown(kind)) => {
                self.shared.outbox.count(|c| c.unreadable += 1);
                tracing::warn!(kind = %self.kind, event = kind, "an event of unknown type");
                Ok(None)
            }
            Ok(line) => Ok(Some(line)),
            Err(e @ DecodeError::Shape(_)) => {
                self.shared.outbox.count(|c| c.unreadable += 1);
                tracing::warn!(kind = %self.kind, why = %e, "an object passed over");
                Ok(None)
            }
            Err(e) => Err(self.unreadable(&e)),
        }
    }

    fn unreadable(&self, e: &DecodeError) -> End {
        End::Failed(self.broken(&tidy(&e.to_string(), 200)), None)
    }
}

/// Waits until the server cannot list the kind at `path` any more; for ever without a path. Where a conversion webhook is
/// gone, lists fail while an open watch is silent.
async fn list_fails(conn: &Connection, path: Option<String>, every: Duration) -> End {
    let Some(path) = path else { return std::future::pending().await };
    loop {
        tokio::time::sleep(every).await;
        // Metadata is converted like the whole object, and is small. A list that does not arrive is the probe's concern.
        if let Ok((status @ 500.., body)) = conn.list_metadata(&path).await {
            return conn.refused(status, &body).into();
        }
    }
}

fn deletion(item: &super::slim::Item) -> Delta {
    Delta::Delete { object: item.reference(), uid: item.uid() }
}
