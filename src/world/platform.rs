//! Records of the objects workloads depend on: volumes, storage classes, ingresses, network policies, API
//! extensions.

use serde::{Deserialize, Serialize};

use super::record::{Condition, Meta, Object};
use super::{Kind, Selector, Text, Time};

/// A PersistentVolumeClaim.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Claim {
    /// `metadata`.
    pub meta: Meta,
    /// Pending, Bound or Lost.
    pub phase: Text,
    /// `None`: the default class. Empty: no class.
    pub class: Option<Text>,
    /// `spec.volumeName`: the bound PersistentVolume; empty if unbound.
    pub volume: Text,
    /// `spec.resources.requests.storage`, in bytes.
    pub requested: u64,
    /// `status.capacity.storage`, in bytes.
    pub capacity: u64,
    /// `spec.accessModes`.
    pub access_modes: Box<[Text]>,
    /// `status.conditions`.
    pub conditions: Box<[Condition]>,
}

/// A PersistentVolume.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Volume {
    /// `metadata`.
    pub meta: Meta,
    /// Available, Bound, Released, Failed or Pending.
    pub phase: Text,
    /// `status.message`: the reason for Failed.
    pub message: Text,
    /// Empty: no class.
    pub class: Text,
    /// In bytes.
    pub capacity: u64,
    /// `spec.accessModes`.
    pub access_modes: Box<[Text]>,
    /// Namespace and name of the claim in `spec.claimRef`; both empty if unclaimed.
    pub claim: (Text, Text),
}

/// A StorageClass.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct StorageClass {
    /// `metadata`.
    pub meta: Meta,
    /// The name of the provisioner.
    pub provisioner: Text,
    /// `volumeBindingMode: WaitForFirstConsumer`.
    pub waits_for_consumer: bool,
    /// Annotation `storageclass.kubernetes.io/is-default-class`.
    pub default: bool,
    /// `allowVolumeExpansion`.
    pub expandable: bool,
}

/// A ResourceSlice: the devices that a dynamic resource allocation driver offers.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ResourceSlice {
    /// `metadata`.
    pub meta: Meta,
    /// Empty if the devices are not bound to one node.
    pub node: Text,
    /// Such as `gpu.nvidia.com`.
    pub driver: Text,
    /// The number of devices.
    pub devices: u32,
}

/// One backend of an Ingress.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct IngressBackend {
    /// Empty: any host.
    pub host: Text,
    /// Empty: the default backend.
    pub path: Text,
    /// Empty if the backend is not a Service.
    pub service: Text,
    /// A number or the name of a Service port.
    pub port: Text,
}

/// A certificate that an Ingress wants, by the Secret that holds it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct IngressTls {
    /// `secretName`, in the Ingress's namespace.
    pub secret: Text,
    /// The hosts it is for; empty: those of the rules.
    pub hosts: Box<[Text]>,
}

/// The certificate in a Secret. The key is never read, and only these fields of the certificate are kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TlsSecret {
    /// There is no such Secret.
    Missing,
    /// The Secret has no `tls.crt`, or one that is no certificate: which.
    Unusable(String),
    /// The leaf certificate of `tls.crt`.
    Certificate {
        /// Not valid before.
        from: Time,
        /// Not valid after.
        until: Time,
        /// The DNS names it is for, `*.example.com` included.
        names: Vec<String>,
    },
}

/// An Ingress.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Ingress {
    /// `metadata`.
    pub meta: Meta,
    /// `spec.ingressClassName`, else the annotation `kubernetes.io/ingress.class`; `None`: the default class.
    pub class: Option<Text>,
    /// The class comes from the annotation, which needs no IngressClass object.
    pub class_annotated: bool,
    /// The default backend and the backends of all rules.
    pub backends: Box<[IngressBackend]>,
    /// `spec.tls`: the certificates it wants.
    pub tls: Box<[IngressTls]>,
    /// The number of addresses in `status.loadBalancer`.
    pub addresses: u32,
}

/// An IngressClass.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct IngressClass {
    /// `metadata`.
    pub meta: Meta,
    /// `spec.controller`.
    pub controller: Text,
    /// Annotation `ingressclass.kubernetes.io/is-default-class`.
    pub default: bool,
}

/// A peer that a NetworkPolicy rule allows.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Peer {
    /// Pods in the policy's own namespace.
    Pods(Selector),
    /// Pods (second selector) in the namespaces with these labels (first selector).
    Namespaces(Selector, Selector),
    /// An address range (CIDR) without the ranges in it that are left out.
    Addresses {
        /// `ipBlock.cidr`.
        range: Text,
        /// `ipBlock.except`.
        except: Box<[Text]>,
    },
}

/// A port or port range of a NetworkPolicy rule.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct PolicyPort {
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: Text,
    /// A number or the name of a container port; empty: every port of the protocol.
    pub port: Text,
    /// The last port of a range.
    pub end: Option<u16>,
}

/// A rule of a NetworkPolicy: traffic from (or to) these peers on these ports is allowed.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct PolicyRule {
    /// Empty: every peer.
    pub peers: Box<[Peer]>,
    /// Empty: every port.
    pub ports: Box<[PolicyPort]>,
}

/// A NetworkPolicy.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct NetworkPolicy {
    /// `metadata`.
    pub meta: Meta,
    /// The pods it selects; empty: all pods of its namespace.
    pub selector: Selector,
    /// `None`: incoming traffic is not restricted. Empty: all incoming traffic is denied.
    pub ingress: Option<Box<[PolicyRule]>>,
    /// `None`: outgoing traffic is not restricted. Empty: all outgoing traffic is denied.
    pub egress: Option<Box<[PolicyRule]>>,
}

/// The Service behind an API extension.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct ServiceRef {
    /// The namespace of the Service.
    pub namespace: Text,
    /// The name of the Service.
    pub name: Text,
}

/// An APIService: one group and version of the API.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ApiService {
    /// `metadata`.
    pub meta: Meta,
    /// `spec.group`.
    pub group: Text,
    /// `spec.version`.
    pub version: Text,
    /// `None`: the API server serves the group itself.
    pub service: Option<ServiceRef>,
    /// `status.conditions`.
    pub conditions: Box<[Condition]>,
}

/// A CustomResourceDefinition.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct CustomResource {
    /// `metadata`.
    pub meta: Meta,
    /// `spec.group`.
    pub group: Text,
    /// `spec.names.kind`.
    pub kind: Text,
    /// The served versions.
    pub served: Box<[Text]>,
    /// All versions of the spec.
    pub versions: Box<[Text]>,
    /// `status.storedVersions`: the versions in which etcd may hold objects.
    pub stored: Box<[Text]>,
    /// The Service of the conversion webhook.
    pub converter: Option<ServiceRef>,
    /// `status.conditions`.
    pub conditions: Box<[Condition]>,
}

/// One webhook of a webhook configuration.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Webhook {
    /// The name of the webhook.
    pub name: Text,
    /// `None`: the webhook is called by URL.
    pub service: Option<ServiceRef>,
    /// `failurePolicy: Fail`, the default: requests are rejected while the webhook does not answer.
    pub fails_closed: bool,
    /// The resources it is called for, such as `pods, deployments.apps`.
    pub resources: Text,
    /// A namespace selector limits the webhook to some namespaces.
    pub some_namespaces: bool,
}

/// A ValidatingWebhookConfiguration or MutatingWebhookConfiguration.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WebhookConfiguration {
    /// Which of the two kinds it is.
    pub kind: Kind,
    /// `metadata`.
    pub meta: Meta,
    /// `webhooks`.
    pub webhooks: Box<[Webhook]>,
}

macro_rules! objects {
    ($($t:ident $kind:ident;)*) => { $(impl Object for $t {
        fn meta(&self) -> &Meta { &self.meta }
        fn kind(&self) -> Kind { Kind::$kind }
    })* };
}

objects! {
    Claim PersistentVolumeClaim; Volume PersistentVolume; StorageClass StorageClass; Ingress Ingress; IngressClass IngressClass;
    NetworkPolicy NetworkPolicy; ResourceSlice ResourceSlice; ApiService APIService; CustomResource CustomResourceDefinition;
}

impl Object for WebhookConfiguration {
    fn meta(&self) -> &Meta {
        &self.meta
    }
    fn kind(&self) -> Kind {
        self.kind.clone()
    }
}
