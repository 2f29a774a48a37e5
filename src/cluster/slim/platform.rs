//! Decodes volumes, storage classes, ingresses, network policies and API extensions.

use super::wire::{self, u16_of, u32_of};
use super::{Decoder, own};
use crate::world::quantity;
use crate::world::{
    ApiService, CustomResource, Ingress, IngressBackend, IngressClass, IngressTls, Meta, NetworkPolicy, Peer,
    PolicyPort, PolicyRule, ResourceSlice, ServiceRef, StorageClass, Text, Volume, Webhook,
    WebhookConfiguration,
};

impl Decoder {
    /// Metadata with the annotations that the judge reads.
    pub(super) fn annotated<'a>(&mut self, m: Option<wire::Annotated<'a>>) -> (Meta, wire::Deciding<'a>) {
        let m = m.unwrap_or_default();
        let managed = wire::Managed {
            name: m.name,
            namespace: m.namespace,
            uid: m.uid,
            resource_version: m.resource_version,
            generation: m.generation,
            creation_timestamp: m.creation_timestamp,
            deletion_timestamp: m.deletion_timestamp,
            labels: m.labels,
            owner_references: m.owner_references,
            managed_fields: m.managed_fields,
        };
        (self.managed(Some(managed)), m.annotations.unwrap_or_default())
    }

    pub(super) fn volume(&mut self, w: wire::PersistentVolume<'_>) -> Volume {
        let (spec, status) = (w.spec.unwrap_or_default(), w.status.unwrap_or_default());
        let claim = spec.claim_ref.unwrap_or_default();
        let capacity = spec.capacity.unwrap_or_default().0;
        Volume {
            meta: self.managed(w.metadata),
            phase: self.t(status.phase),
            message: own(status.message),
            class: self.t(spec.storage_class_name),
            capacity: capacity
                .iter()
                .find(|(k, _)| &**k == "storage")
                .and_then(|(_, v)| quantity::value(v))
                .unwrap_or(0),
            access_modes: self.texts(spec.access_modes),
            claim: (self.t(claim.namespace), own(claim.name)),
        }
    }

    pub(super) fn storage_class(&mut self, w: wire::StorageClass<'_>) -> StorageClass {
        let (meta, annotations) = self.annotated(w.metadata);
        StorageClass {
            meta,
            provisioner: self.t(w.provisioner),
            waits_for_consumer: w.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer"),
            default: annotations.storage.as_deref() == Some("true"),
            expandable: w.allow_volume_expansion == Some(true),
        }
    }

    pub(super) fn resource_slice(&mut self, w: wire::ResourceSlice<'_>) -> ResourceSlice {
        let spec = w.spec.unwrap_or_default();
        ResourceSlice {
            meta: self.managed(w.metadata),
            node: self.t(spec.node_name),
            driver: self.t(spec.driver),
            devices: u32::try_from(spec.devices.map_or(0, |d| d.len())).unwrap_or(u32::MAX),
        }
    }

    pub(super) fn ingress(&mut self, w: wire::Ingress<'_>) -> Ingress {
        let (meta, annotations) = self.annotated(w.metadata);
        let spec = w.spec.unwrap_or_default();
        let mut backends = Vec::new();
        if let Some(backend) = spec.default_backend {
            backends.push(self.backend(&Text::default(), None, Some(backend)));
        }
        for rule in spec.rules.unwrap_or_default() {
            let host = self.t(rule.host);
            for path in rule.http.and_then(|h| h.paths).unwrap_or_default() {
                backends.push(self.backend(&host, path.path, path.backend));
            }
        }
        let named = spec.ingress_class_name.filter(|c| !c.is_empty());
        let class_annotated = named.is_none() && annotations.ingress_class.is_some();
        Ingress {
            meta,
            class: named.or(annotations.ingress_class).map(|c| self.text.get(&*c)),
            class_annotated,
            backends: backends.into(),
            tls: spec
                .tls
                .unwrap_or_default()
                .into_iter()
                .filter(|t| t.secret_name.as_ref().is_some_and(|n| !n.is_empty()))
                .map(|t| IngressTls {
                    secret: self.t(t.secret_name),
                    hosts: t.hosts.unwrap_or_default().into_iter().map(|h| self.t(Some(h))).collect(),
                })
                .collect(),
            addresses: w
                .status
                .and_then(|s| s.load_balancer)
                .and_then(|l| l.ingress)
                .map_or(0, |i| u32::try_from(i.len()).unwrap_or(u32::MAX)),
        }
    }

    fn backend(
        &mut self,
        host: &Text,
        path: Option<wire::S<'_>>,
        backend: Option<wire::Backend<'_>>,
    ) -> IngressBackend {
        let service = backend.and_then(|b| b.service).unwrap_or_default();
        let port = service.port.unwrap_or_default();
        IngressBackend {
            host: host.clone(),
            path: self.t(path),
            service: self.t(service.name),
            port: match port.name.filter(|n| !n.is_empty()) {
                Some(name) => self.text.get(&*name),
                None if port.number.is_some() => self.text.get(&*u32_of(port.number).to_string()),
                None => Text::default(),
            },
        }
    }

    pub(super) fn ingress_class(&mut self, w: wire::IngressClass<'_>) -> IngressClass {
        let (meta, annotations) = self.annotated(w.metadata);
        IngressClass {
            meta,
            controller: self.t(w.spec.and_then(|s| s.controller)),
            default: annotations.ingress.as_deref() == Some("true"),
        }
    }

    pub(super) fn network_policy(&mut self, w: wire::NetworkPolicy<'_>) -> NetworkPolicy {
        let spec = w.spec.unwrap_or_default();
        let types: Vec<String> =
            spec.policy_types.unwrap_or_default().iter().map(|t| t.to_string()).collect();
        let has = |name: &str| types.iter().any(|t| t == name);
        // networking/v1: without policyTypes the policy is Ingress, and also Egress if it has egress rules.
        let egress = has("Egress") || (types.is_empty() && spec.egress.is_some());
        let ingress = has("Ingress") || types.is_empty();
        NetworkPolicy {
            meta: self.managed(w.metadata),
            selector: self.selector(spec.pod_selector),
            ingress: ingress.then(|| self.policy_rules(spec.ingress)),
            egress: egress.then(|| self.policy_rules(spec.egress)),
        }
    }

    fn policy_rules(&mut self, rules: Option<Vec<wire::PolicyRule<'_>>>) -> Box<[PolicyRule]> {
        let rules = rules.unwrap_or_default();
        rules
            .into_iter()
            .map(|r| PolicyRule {
                peers: r.from.or(r.to).unwrap_or_default().into_iter().map(|p| self.peer(p)).collect(),
                ports: r
                    .ports
                    .unwrap_or_default()
                    .into_iter()
                    .map(|p| PolicyPort {
                        protocol: self.text.get(p.protocol.as_deref().unwrap_or("TCP")),
                        port: self.t(p.port),
                        end: p.end_port.map(|n| u16_of(Some(n))),
                    })
                    .collect(),
            })
            .collect()
    }

    fn peer(&mut self, p: wire::Peer<'_>) -> Peer {
        if let Some(block) = p.ip_block {
            let except = block.except.unwrap_or_default().into_iter().map(|r| self.text.get(&*r)).collect();
            return Peer::Addresses { range: self.t(block.cidr), except };
        }
        match p.namespace_selector {
            Some(namespaces) => {
                Peer::Namespaces(self.selector(Some(namespaces)), self.selector(p.pod_selector))
            }
            None => Peer::Pods(self.selector(p.pod_selector)),
        }
    }

    pub(super) fn api_service(&mut self, w: wire::ApiService<'_>) -> ApiService {
        let spec = w.spec.unwrap_or_default();
        ApiService {
            meta: self.managed(w.metadata),
            group: self.t(spec.group),
            version: self.t(spec.version),
            service: self.service_ref(spec.service),
            conditions: self.conditions(w.status.and_then(|s| s.conditions)),
        }
    }

    fn service_ref(&mut self, r: Option<wire::Reference<'_>>) -> Option<ServiceRef> {
        let r = r?;
        Some(ServiceRef { namespace: self.t(r.namespace), name: self.t(r.name) })
    }

    pub(super) fn custom_resource(&mut self, w: wire::Crd<'_>) -> CustomResource {
        let (spec, status) = (w.spec.unwrap_or_default(), w.status.unwrap_or_default());
        let (mut served, mut versions) = (Vec::new(), Vec::new());
        for v in spec.versions.unwrap_or_default() {
            let name = self.t(v.name);
            if v.served == Some(true) {
                served.push(name.clone());
            }
            versions.push(name);
        }
        let service = spec.conversion.and_then(|c| c.webhook).and_then(|w| w.client_config);
        CustomResource {
            meta: self.managed(w.metadata),
            group: self.t(spec.group),
            kind: self.t(spec.names.and_then(|n| n.kind)),
            served: served.into(),
            versions: versions.into(),
            stored: self.texts(status.stored_versions),
            converter: self.service_ref(service.and_then(|c| c.service)),
            conditions: self.conditions(status.conditions),
        }
    }

    pub(super) fn webhooks(&mut self, w: wire::WebhookConfiguration<'_>) -> WebhookConfiguration {
        let webhooks = w.webhooks.unwrap_or_default();
        WebhookConfiguration {
            kind: self.kind.clone(),
            meta: self.managed(w.metadata),
            webhooks: webhooks
                .into_iter()
                .map(|h| {
                    let namespaces = h.namespace_selector.unwrap_or_default();
                    Webhook {
                        name: self.t(h.name),
                        service: self.service_ref(h.client_config.and_then(|c| c.service)),
                        fails_closed: h.failure_policy.as_deref() != Some("Ignore"),
                        resources: resources(&h.rules.unwrap_or_default()).into(),
                        some_namespaces: namespaces.match_labels.is_some_and(|l| !l.0.is_empty())
                            || namespaces.match_expressions.is_some_and(|e| !e.is_empty()),
                    }
                })
                .collect(),
        }
    }
}

/// Formats each resource with its group: `pods, deployments.apps`.
fn resources(rules: &[wire::WebhookRule<'_>]) -> String {
    let mut out: Vec<String> = Vec::new();
    for rule in rules {
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                let name = if group.is_empty() {
                    resource.to_string()
                } else {
                    format!("{}.{}", &**resource, &**group)
                };
                if !out.contains(&name) {
                    out.push(name);
                }
            }
        }
    }
    out.join(", ")
}
