//! get and list: one object or many, as JSON, as a Table or as metadata only.
use crate::api::meta::status::{Cause, ListMeta, Status};
use crate::api::schema::registry::Resource;
use crate::api::schema::versions;
use crate::api::store::Store;
use crate::api::store::item::{Item, bare_json, with_type};
use crate::api::store::pages::PageQuery;
use crate::api::store::selector::{FieldSelector, LabelSelector};
use crate::api::tables;
use crate::api::wire::body::{self, Answer};
use crate::api::wire::request::{Format, Query};
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// How the objects of a request are written.
#[derive(Clone)]
pub struct Writer {
    pub def: Arc<Resource>,
    pub format: Format,
    /// Tables carry the object's metadata, nothing, or the whole object (`includeObject`).
    include: Include,
    columns: Arc<tables::Columns>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Include {
    Metadata,
    Nothing,
    Object,
}

impl Writer {
    pub fn new(def: Arc<Resource>, format: Format, query: &Query, store: &Store) -> Writer {
        let include = match query.get("includeObject") {
            "None" => Include::Nothing,
            "Object" => Include::Object,
            _ => Include::Metadata,
        };
        let columns = match format {
            Format::Table => tables::Columns::of(&def, store),
            _ => tables::Columns::none(),
        };
        Writer { def, format, include, columns }
    }

    /// The text of one object without `apiVersion` and `kind`, in the requested version.
    fn bare(&self, item: &Item) -> Bytes {
        match versions::view(&self.def) {
            Some(view) => bare_json(&view(&item.value())),
            None => item.json(),
        }
    }

    fn partial(value: &Value) -> Value {
        json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": value["metadata"]})
    }

    fn row(&self, item: &Item, now: Timestamp) -> Value {
        let value = item.value();
        let object = match self.include {
            Include::Nothing => Value::Null,
            Include::Object => (*value).clone(),
            Include::Metadata => Self::partial(&value),
        };
        json!({"cells": self.columns.cells(&value, now), "object": object})
    }

    /// A whole object, for a get or a watch event. `head`: a Table includes its columns.
    pub fn object(&self, item: &Item, now: Timestamp, head: bool) -> Vec<u8> {
        match self.format {
            Format::Json => with_type(&self.def.kind, &self.def.api_version, &self.bare(item)),
            Format::Partial => Self::partial(&item.value()).to_string().into_bytes(),
            Format::Table => {
                let rv = item.value()["metadata"]["resourceVersion"].clone();
                let mut out = self.table_head(&json!({"resourceVersion": rv}), head);
                out.extend_from_slice(self.row(item, now).to_string().as_bytes());
                out.extend_from_slice(b"]}");
                out
            }
        }
    }

    /// One element of a list.
    pub fn element(&self, item: &Item, now: Timestamp) -> Bytes {
        match self.format {
            Format::Json => self.bare(item),
            Format::Partial => Self::partial(&item.value()).to_string().into(),
            Format::Table => self.row(item, now).to_string().into(),
        }
    }

    fn table_head(&self, metadata: &Value, columns: bool) -> Vec<u8> {
        let columns = if columns { self.columns.definitions() } else { "null".into() };
        format!(
            r#"{{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{metadata},"columnDefinitions":{columns},"rows":["#
        )
        .into_bytes()
    }

    /// A list up to its first element.
    pub fn list_head(&self, meta: &ListHead) -> Vec<u8> {
        let metadata = serde_json::to_value(meta).unwrap_or_default();
        let (kind, version) = match self.format {
            Format::Table => return self.table_head(&metadata, true),
            Format::Partial => ("PartialObjectMetadataList".to_string(), "meta.k8s.io/v1"),
            Format::Json => (format!("{}List", self.def.kind), &*self.def.api_version),
        };
        let metadata = serde_json::to_string(meta).unwrap_or_default();
        format!(r#"{{"kind":"{kind}","apiVersion":"{version}","metadata":{metadata},"items":["#).into_bytes()
    }
}

/// `metadata` of a list.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListHead {
    pub resource_version: String,
    #[serde(rename = "continue", skip_serializing_if = "String::is_empty")]
    pub next: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining_item_count: Option<usize>,
}

/// The content of a continue token. On the wire it is unpadded base64 of JSON, as on a real server.
#[derive(Debug, Deserialize, Serialize, PartialEq)]
struct Token {
    v: String,
    /// -1: the current version (the token of a 410 answer).
    rv: i64,
    start: String,
}

impl Token {
    fn new(rv: i64, last: &str) -> Token {
        Token { v: "meta.k8s.io/v1".into(), rv, start: format!("/{last}\0") }
    }

    fn encode(&self) -> String {
        BASE64_STANDARD_NO_PAD.encode(serde_json::to_string(self).unwrap_or_default())
    }

    fn decode(text: &str) -> Result<Token, Status> {
        let bytes = BASE64_STANDARD_NO_PAD
            .decode(text.trim_end_matches('=').replace('-', "+").replace('_', "/"))
            .map_err(|_| Status::bad_request("continue key is not valid: illegal base64 data"))?;
        let token: Token = serde_json::from_slice(&bytes)
            .map_err(|e| Status::bad_request(format!("continue key is not valid: {e}")))?;
        if token.v != "meta.k8s.io/v1" {
            let text = format!(
                "continue key is not valid: server does not recognize this encoded version \"{}\"",
                token.v
            );
            return Err(Status::bad_request(text));
        }
        Ok(token)
    }

    /// The key after which the list continues.
    fn after(&self) -> &str {
        self.start.trim_start_matches('/').trim_end_matches('\0')
    }
}

/// The label and field selectors of a request.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub labels: LabelSelector,
    pub fields: FieldSelector,
}

impl Filter {
    pub fn of(query: &Query, def: &Resource) -> Result<Filter, Status> {
        Ok(Filter {
            labels: LabelSelector::parse(query.get("labelSelector"))?,
            fields: FieldSelector::parse(query.get("fieldSelector"), def)?,
        })
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    pub fn matches(&self, item: &Item) -> bool {
        if self.is_empty() {
            return true;
        }
        let view = item.view();
        self.labels.matches(&view) && self.fields.matches(&view)
    }
}

/// Parses a resource version of a query; None if it is absent.
pub fn parse_version(text: &str) -> Result<Option<u64>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        let cause = Cause::invalid(
            "resourceVersion",
            &json!(text),
            &format!("strconv.ParseUint: parsing \"{text}\": invalid syntax"),
        );
        let message = format!("resourceVersion: {}", cause.message);
        Status::failure(400, "BadRequest", format!("Invalid value: {message}"))
    })
}

/// 504: the client has seen a newer version than this server.
pub fn too_large(wanted: u64, current: u64) -> Status {
    let message = format!("Too large resource version: {wanted}, current: {current}");
    Status::failure(504, "Timeout", format!("Timeout: {message}")).with_details(
        crate::api::meta::status::Details {
            causes: vec![Cause {
                reason: "ResourceVersionTooLarge".into(),
                message: "Too large resource version".into(),
                field: String::new(),
            }],
            retry_after_seconds: 1,
            ..Default::default()
        },
    )
}

/// One object.
pub fn get(store: &Store, writer: &Writer, ns: &str, name: &str) -> Result<Answer, Status> {
    let def = &writer.def;
    let item = store.item(&def.key, ns, name).ok_or_else(|| Status::not_found(&def.qualified(), name))?;
    Ok(body::json(200, writer.object(&item, store.clock().now(), true)))
}

/// A list, or the requested page of it.
pub fn list(store: &Store, writer: Writer, ns: Option<&str>, query: &Query) -> Result<Answer, Status> {
    let filter = Filter::of(query, &writer.def)?;
    let limit = query.number("limit")?.filter(|n| *n > 0).map_or(usize::MAX, |n| n as usize);
    let wanted = parse_version(query.get("resourceVersion"))?;
    let exact = query.get("resourceVersionMatch");
    if !matches!(exact, "" | "Exact" | "NotOlderThan") {
        let text = format!(
            "resourceVersionMatch: Unsupported value: \"{exact}\": supported values: \"Exact\", \"NotOlderThan\""
        );
        return Err(Status::failure(422, "Invalid", text));
    }
    if !exact.is_empty() && wanted.is_none() {
        return Err(Status::failure(
            422,
            "Invalid",
            "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
        ));
    }
    let token = match query.get("continue") {
        "" => None,
        text => Some(Token::decode(text)?),
    };
    let current = store.version();
    if let Some(wanted) = wanted.filter(|w| *w > current) {
        return Err(too_large(wanted, current));
    }
    let at = match &token {
        Some(token) => u64::try_from(token.rv).ok(),
        None if exact == "Exact" => wanted,
        None => None,
    };
    let page = store.page(
        &writer.def.key,
        &PageQuery {
            ns,
            after: token.as_ref().map(Token::after),
            at,
            limit,
            filter: &|item| filter.matches(item),
        },
    );
    let page = page.map_err(|gone| match &token {
        Some(token) => expired(token),
        None => Status::expired(format!(
            "The resourceVersion for the provided list is too old: {} ({})",
            wanted.unwrap_or(0),
            gone.0
        )),
    })?;
    let rv = i64::try_from(page.rv).unwrap_or(i64::MAX);
    let head = ListHead {
        resource_version: page.rv.to_string(),
        next: page.last.as_deref().map(|last| Token::new(rv, last).encode()).unwrap_or_default(),
        remaining_item_count: (page.last.is_some() && filter.is_empty()).then_some(page.remaining),
    };
    Ok(write_list(writer, &head, page.items, store.clock().now()))
}

/// The answer to an expired continue token. Its token gives the rest of the list, but at the current version.
fn expired(token: &Token) -> Status {
    let mut status = Status::expired(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list without \
         the continue parameter, or use the continue token in this response to retrieve the remainder of the results. \
         Continuing with the provided token results in an inconsistent list - objects that were created, modified, or \
         deleted between the time the first chunk was returned and now may show up in the list.",
    );
    let fresh = Token { v: token.v.clone(), rv: -1, start: token.start.clone() };
    status.metadata = ListMeta { continue_token: fresh.encode().into() };
    status
}

/// Smaller lists are sent at once, with their length; larger ones may be compressed. A real API server begins to compress
/// at the same size.
const WHOLE: usize = 128 << 10;

/// Writes a list in pieces, so that a large list need not be in memory.
pub fn write_list(writer: Writer, head: &ListHead, items: Vec<Item>, now: Timestamp) -> Answer {
    let mut out = writer.list_head(head);
    let mut rest = Rest { writer, items: items.into_iter(), now, first: true };
    if rest.fill(&mut out) {
        return body::json(200, out);
    }
    let tail = futures::stream::unfold(Some(rest), |rest| async move {
        let mut rest = rest?;
        let mut out = Vec::with_capacity(WHOLE + (16 << 10));
        let done = rest.fill(&mut out);
        // A large list takes long for a slow client: let other tasks run.
        tokio::task::yield_now().await;
        Some((Ok(Bytes::from(out)), (!done).then_some(rest)))
    });
    let head = futures::stream::iter([Ok(Bytes::from(out))]);
    let mut answer =
        body::answer(200, "application/json", body::stream(futures::StreamExt::chain(head, tail)));
    answer.extensions_mut().insert(body::Large);
    answer
}

/// A list that is being written.
struct Rest {
    writer: Writer,
    items: std::vec::IntoIter<Item>,
    now: Timestamp,
    first: bool,
}

impl Rest {
    /// Appends a piece of the list; true once the list is complete.
    fn fill(&mut self, out: &mut Vec<u8>) -> bool {
        while out.len() < WHOLE {
            let Some(item) = self.items.next() else {
                out.extend_from_slice(b"]}");
                return true;
            };
            if !std::mem::take(&mut self.first) {
                out.push(b',');
            }
            out.extend_from_slice(&self.writer.element(&item, self.now));
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn continue_tokens_are_those_of_a_real_server() {
        // From captures/list/pods-limit-2.json.
        let real = "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6NzU1Niwic3RhcnQiOiIvZGV2L3BheW1lbnQtc2VydmljZS01YmJjYmNkOTRmLXA1NHpmXHUwMDAwIn0";
        let token = Token::decode(real).unwrap();
        assert_eq!((token.rv, token.after()), (7556, "dev/payment-service-5bbcbcd94f-p54zf"));
        assert_eq!(Token::new(7556, "dev/payment-service-5bbcbcd94f-p54zf").encode(), real);
        for bad in ["%%%", "e30", "bm90IGpzb24"] {
            assert_eq!(Token::decode(bad).unwrap_err().code, 400, "{bad}");
        }
        // From captures/errors/410-continue.json.
        let sent =
            Token::decode("eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiJkZXYvcGF5bWVudCJ9").unwrap();
        let fresh = "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6LTEsInN0YXJ0IjoiZGV2L3BheW1lbnQifQ";
        assert_eq!(&*expired(&sent).metadata.continue_token, fresh);
    }
}
