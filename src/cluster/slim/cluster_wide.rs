//! Decodes nodes, events, namespaces, services, claims and quotas.

use super::meta::uid;
use super::wire::{self, time, u16_of, u32_of};
use super::{Decoder, own};
use crate::world::quantity;
use crate::world::{
    Claim, Configuration, EndpointSlice, Event, Namespace, Node, NodeInfo, ObjectRef, Quota, QuotaAmount,
    Selector, Service, ServicePort, Taint, Text, Time,
};

impl Decoder {
    pub(super) fn node(&mut self, w: wire::Node<'_>) -> Node {
        let (spec, status) = (w.spec.unwrap_or_default(), w.status.unwrap_or_default());
        let info = status.node_info.unwrap_or_default();
        let (meta, said) = self.annotated(w.metadata);
        let holds = [
            ("weave.works/kured-reboot-in-progress", said.kured),
            ("quarantineHealthEvent", said.health_event),
            ("machineconfiguration.openshift.io/state", said.machine_config),
            ("cluster.x-k8s.io/machine", said.cluster_api),
        ];
        let internal = status
            .addresses
            .unwrap_or_default()
            .into_iter()
            .find(|a| a.kind.as_deref() == Some("InternalIP"))
            .and_then(|a| a.address);
        Node {
            meta,
            holds: holds
                .into_iter()
                .filter_map(|(key, value)| Some((self.text.get(key), own(Some(value?)))))
                .collect(),
            conditions: self.conditions(status.conditions),
            unschedulable: spec.unschedulable == Some(true),
            taints: spec
                .taints
                .unwrap_or_default()
                .into_iter()
                .map(|t| Taint {
                    key: self.t(t.key),
                    value: self.t(t.value),
                    effect: self.t(t.effect),
                    added: time(t.time_added),
                })
                .collect(),
            capacity: self.resources(status.capacity),
            allocatable: self.resources(status.allocatable),
            info: NodeInfo {
                kubelet: self.t(info.kubelet_version),
                runtime: self.t(info.container_runtime_version),
                kernel: self.t(info.kernel_version),
                os_image: self.t(info.os_image),
                architecture: self.t(info.architecture),
            },
            internal_ip: own(internal),
        }
    }

    pub(super) fn event(&mut self, w: wire::Event<'_>) -> Event {
        let meta = self.meta(w.metadata);
        let about = w.regarding.or(w.involved_object).unwrap_or_default();
        let source = w.deprecated_source.or(w.source).unwrap_or_default();
        let at = time(w.event_time).or(meta.created).unwrap_or_default();
        let first = time(w.deprecated_first_timestamp).or(time(w.first_timestamp)).unwrap_or(at);
        let series = w.series.unwrap_or_default();
        let last = time(series.last_observed_time)
            .or(time(w.deprecated_last_timestamp))
            .or(time(w.last_timestamp))
            .unwrap_or(first.max(at));
        let count = series.count.or(w.deprecated_count).or(w.count);
        let nonempty = |s: Option<wire::S<'_>>| s.filter(|s| !s.is_empty()).map(|s| s.to_string());
        let reporter = nonempty(source.component)
            .or_else(|| nonempty(w.reporting_controller))
            .or_else(|| nonempty(w.reporting_component));
        let host = nonempty(source.host).or_else(|| nonempty(w.reporting_instance));
        Event {
            regarding: ObjectRef {
                kind: self.kind_of(about.kind),
                namespace: self.t(about.namespace),
                name: self.t(about.name),
            },
            regarding_uid: uid(about.uid),
            field_path: self.t(about.field_path),
            warning: w.kind.as_deref() == Some("Warning"),
            reason: self.t(w.reason),
            note: own(w.note.or(w.message)),
            count: u32_of(count).max(1),
            first,
            last: last.max(Time::default()),
            source: reporter.map_or_else(Text::default, |s| self.text.get(s)),
            host: host.map_or_else(Text::default, |s| self.text.get(s)),
            meta,
        }
    }

    pub(super) fn service(&mut self, w: wire::Service<'_>) -> Service {
        let spec = w.spec.unwrap_or_default();
        Service {
            meta: self.managed(w.metadata),
            service_type: self.t(spec.kind),
            cluster_ip: own(spec.cluster_ip),
            // The API defines that an empty selector selects nothing.
            selector: spec
                .selector
                .filter(|s| !s.0.is_empty())
                .map(|s| Selector(self.equals(Some(s)).into())),
            ports: spec
                .ports
                .unwrap_or_default()
                .into_iter()
                .map(|p| ServicePort {
                    name: self.t(p.name),
                    port: u16_of(p.port),
                    target: self.t(p.target_port),
                    protocol: self.t(p.protocol),
                    node_port: p.node_port.map(|n| u16_of(Some(n))).filter(|n| *n > 0),
                })
                .collect(),
            publish_not_ready: spec.publish_not_ready_addresses == Some(true),
            external_name: own(spec.external_name),
        }
    }

    pub(super) fn endpoint_slice(&mut self, w: wire::EndpointSlice<'_>) -> EndpointSlice {
        let (mut ready, mut not_ready) = (0, 0);
        let meta = self.meta(w.metadata);
        let managed = meta.labels.get("endpointslice.kubernetes.io/managed-by");
        let own_controller = managed == Some("endpointslice-controller.k8s.io");
        let mut by_hand = Vec::new();
        for e in w.endpoints.unwrap_or_default() {
            if !own_controller {
                by_hand.extend(e.addresses.unwrap_or_default().into_iter().map(|a| own(Some(a))));
            }
            // "A nil value should be interpreted as true" (discovery/v1 EndpointConditions.ready).
            match e.conditions.and_then(|c| c.ready) {
                Some(false) => not_ready += 1,
                _ => ready += 1,
            }
        }
        let service = meta.labels.get("kubernetes.io/service-name").map(Text::from).unwrap_or_default();
        EndpointSlice {
            service: self.text.get(&*service),
            ready,
            not_ready,
            ports: self.ports(w.ports),
            by_hand: by_hand.into(),
            meta,
        }
    }

    pub(super) fn claim(&mut self, w: wire::Claim<'_>) -> Claim {
        let (spec, status) = (w.spec.unwrap_or_default(), w.status.unwrap_or_default());
        let storage = |pairs: Option<wire::Pairs<'_>>| {
            let pairs = pairs.unwrap_or_default().0;
            pairs.iter().find(|(k, _)| &**k == "storage").and_then(|(_, v)| quantity::value(v)).unwrap_or(0)
        };
        Claim {
            meta: self.managed(w.metadata),
            phase: self.t(status.phase),
            class: spec.storage_class_name.map(|s| self.text.get(&*s)),
            volume: own(spec.volume_name),
            requested: storage(spec.resources.and_then(|r| r.requests)),
            capacity: storage(status.capacity),
            access_modes: self.texts(spec.access_modes),
            conditions: self.conditions(status.conditions),
        }
    }

    pub(super) fn quota(&mut self, w: wire::Quota<'_>) -> Quota {
        let status = w.status.unwrap_or_default();
        let used = status.used.unwrap_or_default().0;
        let amounts = status
            .hard
            .unwrap_or_default()
            .0
            .into_iter()
            .map(|(name, hard)| {
                let used = used.iter().find(|(k, _)| *k == name).map_or("0", |(_, v)| &**v);
                let number = |text: &str| {
                    let cpu = &*name == "cpu" || name.ends_with(".cpu");
                    if cpu { quantity::milli(text) } else { quantity::value(text) }.unwrap_or(0)
                };
                QuotaAmount {
                    used_value: number(used),
                    hard_value: number(&hard),
                    resource: self.text.get(&*name),
                    used: self.text.get(used),
                    hard: self.text.get(&*hard),
                }
            })
            .collect();
        Quota { meta: self.managed(w.metadata), amounts }
    }

    pub(super) fn namespace(&mut self, w: wire::Namespace<'_>) -> Namespace {
        let status = w.status.unwrap_or_default();
        Namespace {
            meta: self.managed(w.metadata),
            phase: self.t(status.phase),
            conditions: self.conditions(status.conditions),
        }
    }

    pub(super) fn configuration(&mut self, w: wire::Configuration<'_>) -> Configuration {
        Configuration { kind: self.kind.clone(), meta: self.managed(w.metadata) }
    }
}
