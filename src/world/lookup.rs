//! Finds records by kind: the only place that maps kinds to tables.

use super::delta::Delta;
use super::record::{Meta, Object, Uid};
use super::state::World;
use super::table::Slot;
use super::{Kind, ObjectRef};

/// Evaluates `$with` for the table of a kind, or `$none` for a kind without a table.
macro_rules! of_kind {
    ($world:expr, $kind:expr, |$table:ident| $with:expr, $none:expr) => {
        of_kind!(@match $world, $kind, $table, $with, $none;
            Pod pods; Node nodes; Event events; Deployment deployments; ReplicaSet replica_sets;
            StatefulSet stateful_sets; DaemonSet daemon_sets; Job jobs; CronJob cron_jobs; Service services;
            EndpointSlice endpoint_slices; PersistentVolumeClaim claims; ResourceQuota quotas;
            PodDisruptionBudget budgets; HorizontalPodAutoscaler autoscalers; Namespace namespaces;
            ConfigMap config_maps; PersistentVolume volumes; StorageClass storage_classes; Ingress ingresses;
            ResourceSlice resource_slices;             IngressClass ingress_classes; NetworkPolicy network_policies; APIService api_services;
            CustomResourceDefinition custom_resources; ValidatingWebhookConfiguration validating_webhooks;
            MutatingWebhookConfiguration mutating_webhooks;)
    };
    (@match $world:expr, $kind:expr, $table:ident, $with:expr, $none:expr; $($name:ident $field:ident;)*) => {
        match $kind {
            $(Kind::$name => { let $table = &$world.$field; $with })*
            // Secrets have records if the user enabled them, else the server's table.
            Kind::Secret if !$world.served.contains_key(&Kind::Secret) => { let $table = &$world.secrets; $with }
            kind => match $world.served.get(kind) {
                Some(served) => { let $table = &served.rows; $with }
                None => $none,
            },
        }
    };
}

impl World {
    /// The metadata of an object; `None` if the World does not hold it.
    pub fn meta(&self, object: &ObjectRef) -> Option<&Meta> {
        let (ns, name) = (&*object.namespace, &*object.name);
        of_kind!(self, &object.kind, |table| table.find(ns, name).map(|r| &r.meta), None)
    }

    /// The metadata of the record in a slot.
    pub fn meta_at(&self, kind: &Kind, slot: Slot) -> Option<&Meta> {
        of_kind!(self, kind, |table| table.get(slot).map(|r| &r.meta), None)
    }

    /// The slot of an object.
    pub fn slot(&self, object: &ObjectRef) -> Option<Slot> {
        let (ns, name) = (&*object.namespace, &*object.name);
        of_kind!(self, &object.kind, |table| table.slot(ns, name), None)
    }

    /// The slots of all records of a kind, in slot order.
    pub fn slots(&self, kind: &Kind) -> Vec<Slot> {
        of_kind!(self, kind, |table| table.iter().map(|(slot, _)| slot).collect(), Vec::new())
    }

    /// The metadata of all records of a kind.
    pub fn metas(&self, kind: &Kind) -> Box<dyn Iterator<Item = &Meta> + '_> {
        of_kind!(self, kind, |table| Box::new(table.values().map(Object::meta)), Box::new(std::iter::empty()))
    }

    pub(super) fn unseen(&self, kind: &Kind, pass: u32, namespace: &str) -> Vec<Slot> {
        of_kind!(self, kind, |table| table.unseen(pass, namespace), Vec::new())
    }

    pub(super) fn locate(&self, object: &ObjectRef) -> Option<(Slot, Uid)> {
        let slot = self.slot(object)?;
        Some((slot, self.meta_at(&object.kind, slot)?.uid.clone()))
    }

    /// The records that a delta will remove: the object of a delete, or all that a list did not name.
    pub fn leaving(&self, delta: &Delta) -> Vec<Slot> {
        match delta {
            Delta::Delete { object, uid } => self
                .locate(object)
                .filter(|(_, have)| have == uid || *uid == Uid::default())
                .map(|(slot, _)| slot)
                .into_iter()
                .collect(),
            Delta::ListEnd { kind, namespace } => match self.passes.get(&(kind.clone(), namespace.clone())) {
                Some(pass) => self.unseen(kind, *pass, namespace),
                None => Vec::new(),
            },
            _ => Vec::new(),
        }
    }
}
