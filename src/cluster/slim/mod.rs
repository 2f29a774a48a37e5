//! Decodes the API's JSON straight into compact records; fields that khud does not use are never built.

mod cluster_wide;
mod meta;
mod platform;
mod pod;
mod tabular;
pub mod wire;
mod workload;

use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::value::RawValue;

use crate::world::served::Column;
use crate::world::{ContainerSpec, Interner, Kind, ObjectRef, PodSpec, Record, Template, Text, Uid};

/// A decoded object and its resourceVersion.
#[derive(Debug)]
pub struct Item {
    pub record: Record,
    pub resource_version: String,
}

impl Item {
    pub fn reference(&self) -> ObjectRef {
        self.record.object().reference()
    }

    pub fn uid(&self) -> Uid {
        self.record.object().meta().uid.clone()
    }
}

/// One line of a watch.
#[derive(Debug)]
pub enum Line {
    Apply(Item),
    Delete(Item),
    Bookmark {
        resource_version: String,
        initial_end: bool,
    },
    Error(Refusal),
    /// An event type khud does not know; the watch skips it.
    Unknown(String),
}

/// The content of a `metav1.Status`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusal {
    pub code: u16,
    pub reason: String,
    pub message: String,
    /// Seconds.
    pub retry_after: Option<u32>,
    /// The `continue` token that a 410 of a paginated list offers.
    pub next: Option<String>,
}

impl Refusal {
    /// Parses a `Status` body; `None` if the bytes are something else.
    pub fn parse(body: &[u8]) -> Option<Refusal> {
        #[derive(Deserialize)]
        struct Kinded<'a> {
            #[serde(borrow)]
            kind: std::borrow::Cow<'a, str>,
        }
        let kind = serde_json::from_slice::<Kinded>(body).ok()?.kind;
        (kind == "Status").then(|| serde_json::from_slice::<wire::Status>(body).ok().map(Refusal::from))?
    }
}

impl From<wire::Status<'_>> for Refusal {
    fn from(s: wire::Status<'_>) -> Refusal {
        Refusal {
            code: wire::u16_of(s.code),
            reason: s.reason.map(|t| t.to_string()).unwrap_or_default(),
            message: s.message.map(|t| t.to_string()).unwrap_or_default(),
            retry_after: s.details.and_then(|d| d.retry_after_seconds).map(|n| wire::u32_of(Some(n))),
            next: s.metadata.and_then(|m| m.next).map(|t| t.to_string()).filter(|t| !t.is_empty()),
        }
    }
}

/// One page of a list.
#[derive(Debug, Default)]
pub struct Page {
    pub items: Vec<Record>,
    pub resource_version: String,
    /// The `continue` token of the next page; empty on the last page.
    pub next: String,
    /// The number of objects that could not be decoded.
    pub unreadable: u64,
    /// The reason for the first one.
    pub why: Option<String>,
}

/// Why bytes could not be decoded.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end early or are not JSON. The transport broke, so their resourceVersion cannot be trusted.
    #[error("the answer is cut short or is not JSON ({0})")]
    Broken(String),
    /// Valid JSON, but not the shape of the kind. The object is skipped and the stream continues.
    #[error("an object does not look as its kind should ({0})")]
    Shape(String),
}

impl From<serde_json::Error> for DecodeError {
    fn from(e: serde_json::Error) -> DecodeError {
        match e.classify() {
            serde_json::error::Category::Data => DecodeError::Shape(e.to_string()),
            _ => DecodeError::Broken(e.to_string()),
        }
    }
}

/// Decodes objects of one kind. It owns the interners of that stream.
#[derive(Debug)]
pub struct Decoder {
    kind: Kind,
    text: Interner,
    pairs: Interner<[(Text, Text)]>,
    containers: Interner<ContainerSpec>,
    pods: Interner<PodSpec>,
    templates: Interner<Template>,
    /// Decodes the server's tables instead of objects.
    tabular: bool,
    /// The columns of the last table.
    columns: Option<Arc<[Column]>>,
    /// Whether the columns changed since `new_columns` was called.
    columns_changed: bool,
}

impl Decoder {
    pub fn new(kind: Kind) -> Decoder {
        Decoder {
            kind,
            text: Interner::default(),
            pairs: Interner::default(),
            containers: Interner::default(),
            pods: Interner::default(),
            templates: Interner::default(),
            tabular: false,
            columns: None,
            columns_changed: false,
        }
    }

    /// Decodes the server's own tables, of any kind.
    pub fn of_tables(kind: Kind) -> Decoder {
        Decoder { tabular: true, ..Decoder::new(kind) }
    }

    /// Decodes one object.
    ///
    /// # Errors
    /// The bytes are not JSON, or not an object of the kind.
    pub fn object(&mut self, bytes: &[u8]) -> Result<Item, DecodeError> {
        let mut d = serde_json::Deserializer::from_slice(bytes);
        let item = ObjectSeed(self).deserialize(&mut d)?;
        d.end()?;
        Ok(item)
    }

    /// Decodes one line of a watch, without its newline.
    ///
    /// # Errors
    /// As `object`.
    pub fn line(&mut self, bytes: &[u8]) -> Result<Line, DecodeError> {
        if self.tabular {
            return self.table_line(bytes);
        }
        let mut d = serde_json::Deserializer::from_slice(bytes);
        match LineSeed(self).deserialize(&mut d) {
            Ok(Some(line)) => {
                d.end()?;
                Ok(line)
            }
            Ok(None) => self.line_in_any_order(bytes),
            Err(e) => Err(e.into()),
        }
    }

    /// Decodes a line in which `object` precedes `type`. The API writes `type` first.
    fn line_in_any_order(&mut self, bytes: &[u8]) -> Result<Line, DecodeError> {
        #[derive(Deserialize)]
        struct Raw<'a> {
            r#type: String,
            #[serde(borrow)]
            object: &'a RawValue,
        }
        let raw: Raw = serde_json::from_slice(bytes)?;
        let mut d = serde_json::Deserializer::from_str(raw.object.get());
        Ok(self.typed(&raw.r#type, &mut d)?)
    }

    fn typed<'de, D: Deserializer<'de>>(&mut self, kind: &str, d: D) -> Result<Line, D::Error> {
        match kind {
            "ADDED" | "MODIFIED" => ObjectSeed(self).deserialize(d).map(Line::Apply),
            "DELETED" => ObjectSeed(self).deserialize(d).map(Line::Delete),
            "BOOKMARK" => {
                #[derive(Deserialize, Default)]
                #[serde(bound(deserialize = "'de: 'a"), default)]
                struct Marked<'a> {
                    metadata: wire::Meta<'a>,
                }
                let m = Marked::deserialize(d)?.metadata;
                Ok(Line::Bookmark {
                    resource_version: m.resource_version.map(|s| s.to_string()).unwrap_or_default(),
                    initial_end: m
                        .annotations
                        .and_then(|a| a.initial_events_end)
                        .is_some_and(|v| &*v == "true"),
                })
            }
            "ERROR" => wire::Status::deserialize(d).map(|s| Line::Error(s.into())),
            other => {
                IgnoredAny::deserialize(d)?;
                Ok(Line::Unknown(other.chars().take(40).collect()))
            }
        }
    }

    /// Decodes one page of a list. Single objects that cannot be decoded are counted and skipped.
    ///
    /// # Errors
    /// The bytes are not the JSON of a list.
    pub fn page(&mut self, bytes: &[u8]) -> Result<Page, DecodeError> {
        if self.tabular {
            return self.table_page(bytes);
        }
        let mut d = serde_json::Deserializer::from_slice(bytes);
        match PageSeed(self).deserialize(&mut d) {
            Ok(page) => {
                d.end()?;
                Ok(page)
            }
            Err(e) if e.is_data() => self.page_object_by_object(bytes),
            Err(e) => Err(e.into()),
        }
    }

    /// Decodes a page in which one object has an unexpected shape. It is slower than decoding the page at
    /// once.
    fn page_object_by_object(&mut self, bytes: &[u8]) -> Result<Page, DecodeError> {
        #[derive(Deserialize)]
        #[serde(bound(deserialize = "'de: 'a"))]
        struct Raw<'a> {
            metadata: Option<wire::ListMeta<'a>>,
            items: Option<Vec<&'a RawValue>>,
        }
        let raw: Raw = serde_json::from_slice(bytes)?;
        let mut page = Page::default();
        page.read(raw.metadata);
        for item in raw.items.unwrap_or_default() {
            match self.object(item.get().as_bytes()) {
                Ok(item) => page.items.push(item.record),
                Err(e) => {
                    page.unreadable += 1;
                    page.why.get_or_insert_with(|| e.to_string());
                }
            }
        }
        Ok(page)
    }

    fn t(&mut self, s: Option<wire::S<'_>>) -> Text {
        match s {
            Some(s) if !s.is_empty() => self.text.get(&*s),
            _ => Text::default(),
        }
    }

    fn texts(&mut self, list: Option<Vec<wire::S<'_>>>) -> Box<[Text]> {
        list.unwrap_or_default().iter().map(|s| self.text.get(&**s)).collect()
    }

    fn sorted(&mut self, pairs: Option<wire::Pairs<'_>>) -> Vec<(Text, Text)> {
        let mut pairs = pairs.unwrap_or_default().0;
        // Go sorts map keys; other writers may not.
        if !pairs.is_sorted_by(|a, b| a.0 < b.0) {
            pairs.sort();
            pairs.dedup_by(|a, b| a.0 == b.0);
        }
        pairs.iter().map(|(k, v)| (self.text.get(&**k), self.text.get(&**v))).collect()
    }
}

/// A string that is not interned: names, addresses and messages are rarely shared.
fn own(s: Option<wire::S<'_>>) -> Text {
    match s {
        Some(s) if !s.is_empty() => Text::from(&*s),
        _ => Text::default(),
    }
}

impl Page {
    fn read(&mut self, meta: Option<wire::ListMeta<'_>>) {
        let Some(meta) = meta else { return };
        self.resource_version = meta.resource_version.map(|s| s.to_string()).unwrap_or_default();
        self.next = meta.next.map(|s| s.to_string()).unwrap_or_default();
    }
}

struct ObjectSeed<'d>(&'d mut Decoder);

impl<'de> DeserializeSeed<'de> for ObjectSeed<'_> {
    type Value = Item;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Item, D::Error> {
        let decoder = self.0;
        macro_rules! read {
            ($($kind:pat => $wire:ident $with:ident $variant:ident;)*) => {
                match decoder.kind.clone() {
                    $($kind => {
                        let mut wire = wire::$wire::deserialize(d)?;
                        let version = wire.metadata.as_mut().and_then(|m| m.resource_version.take());
                        let record = decoder.$with(wire);
                        (Record::$variant(Box::new(record)), version)
                    })*
                    Kind::Served(_) | Kind::Other(_) => {
                        return Err(D::Error::custom(format!("khud keeps no {}", decoder.kind)));
                    }
                }
            };
        }
        let (record, version) = read! {
            Kind::Pod => Pod pod Pod;
            Kind::Node => Node node Node;
            Kind::Event => Event event Event;
            Kind::Deployment | Kind::ReplicaSet | Kind::StatefulSet | Kind::DaemonSet => Workload workload Workload;
            Kind::Job => Job job Job;
            Kind::CronJob => CronJob cron_job CronJob;
            Kind::Service => Service service Service;
            Kind::EndpointSlice => EndpointSlice endpoint_slice EndpointSlice;
            Kind::PersistentVolumeClaim => Claim claim Claim;
            Kind::ResourceQuota => Quota quota Quota;
            Kind::PodDisruptionBudget => Budget budget Budget;
            Kind::HorizontalPodAutoscaler => Autoscaler autoscaler Autoscaler;
            Kind::Namespace => Namespace namespace Namespace;
            Kind::ConfigMap | Kind::Secret => Configuration configuration Configuration;
            Kind::PersistentVolume => PersistentVolume volume Volume;
            Kind::StorageClass => StorageClass storage_class StorageClass;
            Kind::ResourceSlice => ResourceSlice resource_slice ResourceSlice;
            Kind::Ingress => Ingress ingress Ingress;
            Kind::IngressClass => IngressClass ingress_class IngressClass;
            Kind::NetworkPolicy => NetworkPolicy network_policy NetworkPolicy;
            Kind::APIService => ApiService api_service ApiService;
            Kind::CustomResourceDefinition => Crd custom_resource CustomResource;
            Kind::ValidatingWebhookConfiguration | Kind::MutatingWebhookConfiguration =>
                WebhookConfiguration webhooks WebhookConfiguration;
        };
        if record.object().meta().name.is_empty() {
            return Err(D::Error::custom("metadata.name is missing"));
        }
        Ok(Item { record, resource_version: version.map(|v| v.0.into_owned()).unwrap_or_default() })
    }
}

struct LineSeed<'d>(&'d mut Decoder);

impl<'de> DeserializeSeed<'de> for LineSeed<'_> {
    /// `None` if `object` came before `type`.
    type Value = Option<Line>;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        d.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for LineSeed<'_> {
    type Value = Option<Line>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a watch event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        struct Typed<'d>(&'d mut Decoder, String);
        impl<'de> DeserializeSeed<'de> for Typed<'_> {
            type Value = Line;
            fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Line, D::Error> {
                self.0.typed(&self.1, d)
            }
        }
        let (mut kind, mut line, mut early) = (None, None, false);
        while let Some(key) = map.next_key::<wire::S<'de>>()? {
            match &*key {
                "type" => kind = Some(map.next_value::<String>()?),
                "object" => match kind.take() {
                    Some(kind) => line = Some(map.next_value_seed(Typed(self.0, kind))?),
                    None => {
                        early = true;
                        map.next_value::<IgnoredAny>()?;
                    }
                },
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        match line {
            None if !early => Err(A::Error::custom("neither type nor object")),
            line => Ok(line),
        }
    }
}

struct PageSeed<'d>(&'d mut Decoder);

impl<'de> DeserializeSeed<'de> for PageSeed<'_> {
    type Value = Page;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Page, D::Error> {
        d.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for PageSeed<'_> {
    type Value = Page;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Page, A::Error> {
        let mut page = Page::default();
        while let Some(key) = map.next_key::<wire::S<'de>>()? {
            match &*key {
                "metadata" => page.read(map.next_value()?),
                "items" => map.next_value_seed(Items(self.0, &mut page.items))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(page)
    }
}

struct Items<'d>(&'d mut Decoder, &'d mut Vec<Record>);

impl<'de> DeserializeSeed<'de> for Items<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        // `null` stands for an empty list.
        d.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_none<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(item) = seq.next_element_seed(ObjectSeed(self.0))? {
            self.1.push(item.record);
        }
        Ok(())
    }
}

/// The shared `Arc` of an equal value.
fn shared<T: Eq + std::hash::Hash>(interner: &mut Interner<T>, value: T) -> Arc<T> {
    interner.get(value)
}

#[cfg(test)]
mod tests;
