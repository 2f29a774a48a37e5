//! Records of what workloads stand on: volumes and their classes, ingresses, network policies, extensions of the API.

use serde::{Deserialize, Serialize};

use super::record::{Condition, Meta, Object};
use super::{Kind, Selector, Text, Time};

/// PersistentVolumeClaim.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Claim {
    pub meta: Meta,
    /// Pending, Bound, Lost.
    pub phase: Text,
    /// `None`: not named, the default class is used. Empty: no class asked for.
    pub class: Option<Text>,
    pub volume: Text,
    /// Bytes.
    pub requested: u64,
    /// Bytes.
    pub capacity: u64,
    pub access_modes: Box<[Text]>,
    pub conditions: Box<[Condition]>,
}

/// PersistentVolume.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Volume {
    pub meta: Meta,
    /// Available, Bound, Released, Failed, Pending.
    pub phase: Text,
    /// `status.message`: why it is Failed.
    pub message: Text,
    /// Empty: no class.
    pub class: Text,
    /// Bytes.
    pub capacity: u64,
    pub access_modes: Box<[Text]>,
    /// Namespace and name of the claim it is reserved for; empty where it is free.
    pub claim: (Text, Text),
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct StorageClass {
    pub meta: Meta,
    pub provisioner: Text,
    /// `volumeBindingMode: WaitForFirstConsumer`.
    pub waits_for_consumer: bool,
    /// Annotation `storageclass.kubernetes.io/is-default-class`.
    pub default: bool,
    pub expandable: bool,
}

/// Devices that a dynamic resource allocation driver offers.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ResourceSlice {
    pub meta: Meta,
    /// Empty where the devices belong to no single node.
    pub node: Text,
    /// e.g. `gpu.nvidia.com`.
    pub driver: Text,
    pub devices: u32,
}

/// One backend of an Ingress.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct IngressBackend {
    /// Empty: any host.
    pub host: Text,
    /// Empty: the default backend.
    pub path: Text,
    /// Empty where the backend is another resource than a Service.
    pub service: Text,
    /// A number or a Service port's name.
    pub port: Text,
}

/// A certificate that an Ingress wants, by the Secret that holds it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct IngressTls {
    pub secret: Text,
    /// The hosts it is for; empty: those of the rules.
    pub hosts: Box<[Text]>,
}

/// What is known of the certificate in a Secret. Its key is never read, and of the certificate only this is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TlsSecret {
    /// There is no such Secret.
    Missing,
    /// The Secret has no `tls.crt`, or one that is no certificate: which.
    Unusable(String),
    Certificate {
        from: Time,
        until: Time,
        /// The DNS names it is for, `*.example.com` included.
        names: Vec<String>,
    },
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Ingress {
    pub meta: Meta,
    /// `spec.ingressClassName`, else the annotation `kubernetes.io/ingress.class`; `None`: the default class is used.
    pub class: Option<Text>,
    /// The class comes from the annotation, which needs no IngressClass object.
    pub class_annotated: bool,
    pub backends: Box<[IngressBackend]>,
    pub tls: Box<[IngressTls]>,
    /// Addresses in `status.loadBalancer`.
    pub addresses: u32,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct IngressClass {
    pub meta: Meta,
    pub controller: Text,
    /// Annotation `ingressclass.kubernetes.io/is-default-class`.
    pub default: bool,
}

/// Whom a NetworkPolicy rule lets through.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Peer {
    /// Pods of the policy's own namespace.
    Pods(Selector),
    /// Pods of the namespaces with these labels.
    Namespaces(Selector, Selector),
    /// An address range (CIDR).
    Addresses(Text),
}

/// A port, or a range of ports, that a NetworkPolicy rule is about.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct PolicyPort {
    pub protocol: Text,
    /// A number or a container port's name; empty: every port of the protocol.
    pub port: Text,
    /// The last number of a range.
    pub end: Option<u16>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct PolicyRule {
    /// Empty: everybody.
    pub peers: Box<[Peer]>,
    /// Empty: every port.
    pub ports: Box<[PolicyPort]>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct NetworkPolicy {
    pub meta: Meta,
    /// The pods it is about; empty: all of its namespace.
    pub selector: Selector,
    /// `None`: it says nothing of incoming traffic. No rule: nothing comes in.
    pub ingress: Option<Box<[PolicyRule]>>,
    /// The same of outgoing traffic.
    pub egress: Option<Box<[PolicyRule]>>,
}

/// The Service behind an extension of the API server.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct ServiceRef {
    pub namespace: Text,
    pub name: Text,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ApiService {
    pub meta: Meta,
    pub group: Text,
    pub version: Text,
    /// `None`: the API server itself serves it.
    pub service: Option<ServiceRef>,
    pub conditions: Box<[Condition]>,
}

/// CustomResourceDefinition.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct CustomResource {
    pub meta: Meta,
    pub group: Text,
    pub kind: Text,
    /// The versions the server serves.
    pub served: Box<[Text]>,
    /// Every version of the spec.
    pub versions: Box<[Text]>,
    /// `status.storedVersions`: objects may be stored in each of them.
    pub stored: Box<[Text]>,
    /// The Service of a conversion webhook.
    pub converter: Option<ServiceRef>,
    pub conditions: Box<[Condition]>,
}

/// One webhook of a configuration.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Webhook {
    pub name: Text,
    /// `None`: it is called by URL.
    pub service: Option<ServiceRef>,
    /// `failurePolicy: Fail`, the default: what it cannot judge is refused.
    pub fails_closed: bool,
    /// The resources it is called for, e.g. `pods, deployments.apps`.
    pub resources: Text,
    /// It is called for some namespaces only.
    pub some_namespaces: bool,
}

/// ValidatingWebhookConfiguration or MutatingWebhookConfiguration.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WebhookConfiguration {
    pub kind: Kind,
    pub meta: Meta,
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
