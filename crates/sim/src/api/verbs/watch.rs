//! watch: initial events, changes, bookmarks, and 410 if the history is gone.
use super::read::{Filter, Writer, parse_version, too_large};
use crate::api::meta::status::{Cause, Status};
use crate::api::store::Store;
use crate::api::store::history::{ChangeKind, Logged};
use crate::api::store::item::Item;
use crate::api::store::pages::{Compacted, PageQuery};
use crate::api::wire::body::{self, Answer};
use crate::api::wire::request::{Format, Query};
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Wall time between bookmarks, as on a real server.
pub const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// The default wall time of a watch.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(45 * 60);
/// The most bytes of events in one piece.
const PIECE: usize = 64 << 10;

/// Starts a watch. Errors that a real server sends inside the stream are sent inside the stream.
pub fn watch(store: &Arc<Store>, writer: Writer, ns: Option<&str>, query: &Query) -> Result<Answer, Status> {
    let filter = Filter::of(query, &writer.def)?;
    let wanted = parse_version(query.get("resourceVersion"))?;
    let initial = query.flag("sendInitialEvents");
    check_options(query, initial)?;
    let current = store.version();
    if let Some(wanted) = wanted.filter(|w| *w > current) {
        return Err(too_large(wanted, current));
    }
    let timeout = query.number("timeoutSeconds")?.filter(|s| *s > 0).map(Duration::from_secs);
    let news = store.follow(&writer.def);
    let mut watch = Watch {
        store: store.clone(),
        news,
        filter,
        ns: ns.map(String::from),
        bookmarks: query.flag("allowWatchBookmarks"),
        cursor: 0,
        first: VecDeque::new(),
        end_of_first: initial,
        columns_sent: false,
        ended: false,
        until: Instant::now() + timeout.unwrap_or(DEFAULT_TIMEOUT).min(DEFAULT_TIMEOUT),
        next_bookmark: Instant::now() + BOOKMARK_EVERY,
        writer,
    };
    match wanted {
        Some(rv) if rv > 0 && !initial => watch.cursor = rv,
        _ => watch.start_with_all()?,
    }
    let stream = futures::stream::unfold(watch, |mut watch| async move {
        let piece = watch.piece().await?;
        Some((Ok(Bytes::from(piece)), watch))
    });
    Ok(body::answer(200, "application/json", body::stream(stream)))
}

/// The rules of `sendInitialEvents` and `resourceVersionMatch` for watches.
fn check_options(query: &Query, initial: bool) -> Result<(), Status> {
    let refuse = |field: &str, why: &str| {
        let message = format!("{field}: Forbidden: {why}");
        let status =
            Status::failure(422, "Invalid", format!("ListOptions.meta.k8s.io \"\" is invalid: {message}"));
        Err(status.with_details(crate::api::meta::status::Details {
            group: "meta.k8s.io".into(),
            kind: "ListOptions".into(),
            causes: vec![Cause::forbidden(field, why)],
            ..Default::default()
        }))
    };
    let rule = query.get("resourceVersionMatch");
    if query.has("sendInitialEvents") && rule.is_empty() {
        return refuse(
            "resourceVersionMatch",
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        );
    }
    if !rule.is_empty() && !query.has("sendInitialEvents") {
        return refuse(
            "resourceVersionMatch",
            "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        );
    }
    if initial && rule != "NotOlderThan" {
        return refuse(
            "resourceVersionMatch",
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        );
    }
    if initial && !query.flag("allowWatchBookmarks") {
        return refuse(
            "allowWatchBookmarks",
            "sendInitialEvents requires setting allowWatchBookmarks to true",
        );
    }
    Ok(())
}

/// An open watch.
struct Watch {
    store: Arc<Store>,
    writer: Writer,
    news: watch::Receiver<u64>,
    filter: Filter,
    ns: Option<String>,
    bookmarks: bool,
    /// The last version that was sent.
    cursor: u64,
    /// Objects still to be sent as they were when the watch started.
    first: VecDeque<Item>,
    /// A bookmark follows `first`.
    end_of_first: bool,
    /// A watch of Tables sends its columns once.
    columns_sent: bool,
    ended: bool,
    until: Instant,
    next_bookmark: Instant,
}

impl Watch {
    fn start_with_all(&mut self) -> Result<(), Status> {
        let page = self.store.page(
            &self.writer.def.key,
            &PageQuery {
                ns: self.ns.as_deref(),
                after: None,
                at: None,
                limit: usize::MAX,
                filter: &|item| self.filter.matches(item),
            },
        );
        // Without `at` no history is needed.
        let page = page.map_err(|Compacted(rv)| Status::expired(format!("compacted up to {rv}")))?;
        self.cursor = page.rv;
        self.first = page.items.into();
        Ok(())
    }

    /// The next events to send; None at the end.
    async fn piece(&mut self) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        if !self.first.is_empty() || self.end_of_first {
            while out.len() < PIECE
                && let Some(item) = self.first.pop_front()
            {
                self.event(&mut out, "ADDED", &item);
            }
            if self.first.is_empty() && std::mem::take(&mut self.end_of_first) {
                self.bookmark(&mut out, true);
            }
            return Some(out);
        }
        loop {
            if self.ended {
                return None;
            }
            self.news.borrow_and_update();
            match self.store.since(&self.writer.def.key, self.cursor) {
                Err(Compacted(oldest)) => {
                    self.ended = true;
                    let status =
                        Status::expired(format!("too old resource version: {} ({oldest})", self.cursor));
                    frame(&mut out, "ERROR", &status.to_json());
                    return Some(out);
                }
                Ok((changes, rv)) => {
                    for change in &changes {
                        self.change(&mut out, change);
                        self.cursor = change.rv;
                        if out.len() >= PIECE {
                            return Some(out);
                        }
                    }
                    self.cursor = rv;
                    if !out.is_empty() {
                        return Some(out);
                    }
                    if !changes.is_empty() {
                        // None of the changes matched this watch; there may be more.
                        tokio::task::yield_now().await;
                        continue;
                    }
                }
            }
            let next = if self.bookmarks { self.next_bookmark.min(self.until) } else { self.until };
            tokio::select! {
                // `self` owns the store and with it the sender.
                _ = self.news.changed() => {}
                () = tokio::time::sleep_until(next) => {
                    self.ended = Instant::now() >= self.until;
                    if !self.bookmarks {
                        return None;
                    }
                    self.next_bookmark = Instant::now() + BOOKMARK_EVERY;
                    self.bookmark(&mut out, false);
                    return Some(out);
                }
            }
        }
    }

    /// A change as this watch sees it: an object that starts or stops to match is added or deleted.
    fn change(&mut self, out: &mut Vec<u8>, change: &Logged) {
        if let Some(ns) = &self.ns
            && !change.item.key().strip_prefix(ns.as_str()).is_some_and(|rest| rest.starts_with('/'))
        {
            return;
        }
        let was = change.old.as_ref().is_some_and(|old| self.filter.matches(old));
        let is = change.kind != ChangeKind::Deleted && self.filter.matches(&change.item);
        let event = match (was, is) {
            (false, true) => "ADDED",
            (true, true) => "MODIFIED",
            (true, false) => "DELETED",
            (false, false) => return,
        };
        self.event(out, event, &change.item);
    }

    fn event(&mut self, out: &mut Vec<u8>, event: &str, item: &Item) {
        let head = !std::mem::replace(&mut self.columns_sent, true);
        let object = self.writer.object(item, self.store.clock().now(), head);
        frame(out, event, &object);
    }

    fn bookmark(&mut self, out: &mut Vec<u8>, initial_end: bool) {
        let mut metadata = json!({"resourceVersion": self.cursor.to_string()});
        if initial_end {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let object = match self.writer.format {
            Format::Table => {
                json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": self.cursor.to_string()},
                "columnDefinitions": null,
                "rows": [{"cells": [], "object": {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}}]})
            }
            Format::Partial => {
                json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata})
            }
            Format::Json => {
                let def = &self.writer.def;
                let mut object = empty(&def.kind);
                object["kind"] = def.kind.as_str().into();
                object["apiVersion"] = (&*def.api_version).into();
                object["metadata"] = metadata;
                object
            }
        };
        frame(out, "BOOKMARK", object.to_string().as_bytes());
    }
}

/// The fields that Go writes for an empty object of a kind, as seen in the bookmarks of `captures/watch`.
fn empty(kind: &str) -> Value {
    match kind {
        "Pod" => json!({"spec": {"containers": null}, "status": {}}),
        "Node" => {
            json!({"spec": {}, "status": {"daemonEndpoints": {"kubeletEndpoint": {"Port": 0}}, "nodeInfo": {
            "machineID": "", "systemUUID": "", "bootID": "", "kernelVersion": "", "osImage": "", "containerRuntimeVersion": "",
            "kubeletVersion": "", "kubeProxyVersion": "", "operatingSystem": "", "architecture": ""}}})
        }
        "Deployment" => {
            json!({"spec": {"replicas": 0, "selector": null, "template": {"metadata": {}, "spec": {"containers": null}},
            "strategy": {}}, "status": {}})
        }
        "ReplicaSet" => {
            json!({"spec": {"replicas": 0, "selector": null, "template": {"metadata": {}, "spec": {"containers": null}}},
            "status": {"replicas": 0}})
        }
        "EndpointSlice" => json!({"addressType": "", "endpoints": null, "ports": null}),
        "Event" => {
            json!({"involvedObject": {}, "source": {}, "firstTimestamp": null, "lastTimestamp": null, "eventTime": null,
            "reportingComponent": "", "reportingInstance": ""})
        }
        _ => json!({}),
    }
}

/// One line of a watch. The type precedes the object, because clients decode while they read.
fn frame(out: &mut Vec<u8>, event: &str, object: &[u8]) {
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(event.as_bytes());
    out.extend_from_slice(b"\",\"object\":");
    out.extend_from_slice(object);
    out.extend_from_slice(b"}\n");
}
