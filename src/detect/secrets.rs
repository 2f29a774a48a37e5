//! The Secrets with certificates that the judge wants read: each once at a time, each answered with `on_secret`.

use std::collections::BTreeSet;

use super::detector::Detector;
use super::finding::FindingChange;
use crate::judge::certificate::secrets_of;
use crate::world::{Kind, Object, ObjectRef, Time, TlsSecret, World};

/// Secrets that are to be read and those that are being read.
#[derive(Debug, Default)]
pub struct SecretBook {
    wanted: BTreeSet<ObjectRef>,
    reading: BTreeSet<ObjectRef>,
}

impl SecretBook {
    pub fn want(&mut self, secret: ObjectRef) {
        if !self.reading.contains(&secret) {
            self.wanted.insert(secret);
        }
    }

    /// Whether the Secret is still to come.
    pub fn waits_for(&self, secret: &ObjectRef) -> bool {
        self.wanted.contains(secret) || self.reading.contains(secret)
    }
}

impl Detector {
    /// Secrets whose certificate is to be read now. Each must be answered with `on_secret`.
    pub fn wanted_secrets(&mut self) -> Vec<ObjectRef> {
        let wanted: Vec<ObjectRef> = std::mem::take(&mut self.secrets.wanted).into_iter().collect();
        self.secrets.reading.extend(wanted.iter().cloned());
        wanted
    }

    /// Takes in what the certificate of a wanted Secret says, or why it could not be read.
    pub fn on_secret(
        &mut self,
        world: &World,
        secret: &ObjectRef,
        answer: Result<TlsSecret, String>,
        now: Time,
    ) -> Vec<FindingChange> {
        self.secrets.reading.remove(secret);
        self.certificates.put(secret.clone(), answer, now);
        let named = world.ingresses.values().flat_map(secrets_of).collect();
        self.certificates.retain(&named);
        let of = world.ingresses.values().filter(|i| secrets_of(i).any(|s| s == *secret));
        let ingresses: Vec<ObjectRef> = of.map(Object::reference).collect();
        ingresses.into_iter().for_each(|i| self.queue(i));
        self.settle(world, now)
    }

    /// Whether a certificate that belongs to an answer about the object is still to come.
    pub(super) fn waits_for_secrets(&self, world: &World, object: &ObjectRef) -> bool {
        ingress(world, object).any(|s| self.secrets.waits_for(&s))
    }

    /// The Secrets of an Ingress that could not be read, each with why.
    pub(super) fn unread_secrets(&self, world: &World, object: &ObjectRef) -> Vec<(String, String)> {
        ingress(world, object)
            .filter_map(|s| match self.certificates.get(&s) {
                Some(Err(why)) => Some((format!("Secret {}", s.name), why.clone())),
                _ => None,
            })
            .collect()
    }
}

/// The Secrets that the object names, where it is an Ingress.
fn ingress(world: &World, object: &ObjectRef) -> impl Iterator<Item = ObjectRef> {
    let found =
        world.ingresses.find(&object.namespace, &object.name).filter(|_| object.kind == Kind::Ingress);
    found.into_iter().flat_map(|i| secrets_of(i).collect::<Vec<_>>())
}
