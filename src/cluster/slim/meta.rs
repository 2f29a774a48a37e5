//! Decodes what all kinds share: metadata, conditions, resource amounts and selectors.

use super::wire::{self, Pairs, S, time, u16_of};
use super::{Decoder, own};
use crate::world::quantity;
use crate::world::selector::Requirement;
use crate::world::{
    Condition, Kind, Labels, Meta, Owner, Port, Resources, Selector, Status, Text, Uid, Writer,
};

impl Decoder {
    pub(super) fn meta(&mut self, m: Option<wire::Meta<'_>>) -> Meta {
        let m = m.unwrap_or_default();
        Meta {
            namespace: self.t(m.namespace),
            name: own(m.name),
            uid: uid(m.uid),
            generation: m.generation.map_or(0, |n| n.0),
            created: time(m.creation_timestamp),
            deleting: time(m.deletion_timestamp),
            finalizers: match m.deletion_timestamp {
                Some(_) => m.finalizers.unwrap_or_default().iter().map(|f| self.text.get(&**f)).collect(),
                None => Box::default(),
            },
            owner: self.owner(m.owner_references),
            labels: self.labels(m.labels),
            writer: None,
        }
    }

    pub(super) fn managed(&mut self, m: Option<wire::Managed<'_>>) -> Meta {
        let m = m.unwrap_or_default();
        Meta {
            namespace: self.t(m.namespace),
            name: own(m.name),
            uid: uid(m.uid),
            generation: m.generation.map_or(0, |n| n.0),
            created: time(m.creation_timestamp),
            deleting: time(m.deletion_timestamp),
            finalizers: Box::default(),
            owner: self.owner(m.owner_references),
            labels: self.labels(m.labels),
            writer: self.writer(m.managed_fields),
        }
    }

    pub(super) fn managed_annotated<'a>(
        &mut self,
        m: Option<wire::ManagedAnnotated<'a>>,
    ) -> (Meta, wire::Annotations<'a>) {
        let m = m.unwrap_or_default();
        let meta = Meta {
            namespace: self.t(m.namespace),
            name: own(m.name),
            uid: uid(m.uid),
            generation: m.generation.map_or(0, |n| n.0),
            created: time(m.creation_timestamp),
            deleting: time(m.deletion_timestamp),
            finalizers: Box::default(),
            owner: self.owner(m.owner_references),
            labels: self.labels(m.labels),
            writer: self.writer(m.managed_fields),
        };
        (meta, m.annotations.unwrap_or_default())
    }

    /// The newest write outside the status. Status writes are controllers' reports, not changes by a person
    /// or pipeline.
    fn writer(&mut self, fields: Option<Vec<wire::ManagedFields<'_>>>) -> Option<Box<Writer>> {
        let newest = fields?
            .into_iter()
            .filter(|f| f.subresource.as_ref().is_none_or(|s| s.is_empty() || &**s == "scale"))
            .filter_map(|f| Some((time(f.time)?, f.manager)))
            .max_by_key(|(at, _)| *at)?;
        Some(Box::new(Writer { manager: self.t(newest.1), at: newest.0 }))
    }

    fn owner(&mut self, owners: Option<Vec<wire::OwnerReference<'_>>>) -> Option<Owner> {
        let owner = owners?.into_iter().find(|o| o.controller == Some(true))?;
        Some(Owner { kind: self.kind_of(owner.kind), name: self.t(owner.name), uid: uid(owner.uid) })
    }

    pub(super) fn kind_of(&mut self, name: Option<S<'_>>) -> Kind {
        match Kind::of(name.as_deref().unwrap_or_default()) {
            Kind::Other(other) => Kind::Other(self.text.get(&*other)),
            known => known,
        }
    }

    pub(super) fn labels(&mut self, labels: Option<Pairs<'_>>) -> Labels {
        let pairs = self.sorted(labels);
        if pairs.is_empty() { Labels::default() } else { Labels(self.pairs.get(pairs)) }
    }

    pub(super) fn condition(&mut self, c: wire::Condition<'_>) -> Condition {
        Condition {
            kind: self.t(c.kind),
            status: match c.status.as_deref() {
                Some("True") => Status::True,
                Some("False") => Status::False,
                _ => Status::Unknown,
            },
            reason: self.t(c.reason),
            message: self.t(c.message),
            since: time(c.last_transition_time),
            updated: time(c.last_update_time).or(time(c.last_heartbeat_time)),
        }
    }

    pub(super) fn conditions(&mut self, list: Option<Vec<wire::Condition<'_>>>) -> Box<[Condition]> {
        list.unwrap_or_default().into_iter().map(|c| self.condition(c)).collect()
    }

    pub(super) fn resources(&mut self, pairs: Option<Pairs<'_>>) -> Resources {
        let (mut r, mut other) = (Resources::default(), Vec::new());
        for (name, value) in pairs.unwrap_or_default().0 {
            match &*name {
                "cpu" => r.cpu = quantity::milli(&value),
                "memory" => r.memory = quantity::value(&value),
                "ephemeral-storage" => r.ephemeral_storage = quantity::value(&value),
                "pods" => r.pods = quantity::value(&value),
                gpu if quantity::is_gpu(gpu) => {
                    if let Some(n) = quantity::value(&value) {
                        r.gpu = Some(r.gpu.unwrap_or(0).saturating_add(n));
                    }
                }
                _ => {
                    if let Some(n) = quantity::value(&value) {
                        other.push((self.text.get(&*name), n));
                    }
                }
            }
        }
        r.other = other.into();
        r
    }

    pub(super) fn ports(&mut self, list: Option<Vec<wire::Port<'_>>>) -> Box<[Port]> {
        let list = list.unwrap_or_default();
        list.into_iter()
            .map(|p| Port {
                name: self.t(p.name),
                number: u16_of(p.container_port.or(p.port)),
                protocol: match p.protocol {
                    Some(p) => self.text.get(&*p),
                    None => self.text.get("TCP"),
                },
            })
            .collect()
    }

    /// A `metav1.LabelSelector`. An unknown operator becomes a requirement that no object meets.
    pub(super) fn selector(&mut self, s: Option<wire::LabelSelector<'_>>) -> Selector {
        let s = s.unwrap_or_default();
        let mut out = self.equals(s.match_labels);
        for e in s.match_expressions.unwrap_or_default() {
            let key = self.t(e.key);
            let values = self.texts(e.values);
            out.push(match e.operator.as_deref() {
                Some("In") => Requirement::In(key, values),
                Some("NotIn") => Requirement::NotIn(key, values),
                Some("Exists") => Requirement::Exists(key),
                Some("DoesNotExist") => Requirement::DoesNotExist(key),
                _ => Requirement::In(key, Box::default()),
            });
        }
        Selector(out.into())
    }

    pub(super) fn equals(&mut self, pairs: Option<Pairs<'_>>) -> Vec<Requirement> {
        self.sorted(pairs).into_iter().map(|(k, v)| Requirement::In(k, Box::new([v]))).collect()
    }
}

pub(super) fn uid(s: Option<S<'_>>) -> Uid {
    s.map(|s| Uid::from(&*s)).unwrap_or_default()
}

/// Sorts names and removes duplicates.
pub(super) fn set(mut names: Vec<Text>) -> Box<[Text]> {
    names.sort();
    names.dedup();
    names.into()
}
