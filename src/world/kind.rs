//! The kinds khud follows, and references to objects.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Text;
use super::served::Resource;

macro_rules! kinds {
    ($($name:ident $plural:literal $group:literal $version:literal $scope:ident $($short:literal)*;)*) => {
        /// A kind of object: one that khud knows by name, one that the server serves (`Served`), or a kind of
        /// which only the name is known (`Other`).
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
        pub enum Kind {
            $(#[doc = concat!("`", stringify!($name), "`, a kind that khud knows by name.")] $name,)*
            /// A kind that the server serves and khud has no records for.
            Served(Arc<Resource>),
            /// A kind of which only the name is known, such as that of an unknown owner.
            Other(Text),
        }

        impl Kind {
            /// Every kind that khud knows by name.
            pub const ALL: &'static [Kind] = &[$(Kind::$name),*];

            /// The API's name (`Pod`).
            pub fn name(&self) -> &str {
                match self { $(Kind::$name => stringify!($name),)* Kind::Served(r) => &r.kind, Kind::Other(n) => n }
            }
            /// The plural in URLs (`pods`); empty for `Other`.
            pub fn plural(&self) -> &str {
                match self { $(Kind::$name => $plural,)* Kind::Served(r) => &r.plural, Kind::Other(_) => "" }
            }
            /// The API group; empty for core.
            pub fn group(&self) -> &str {
                match self { $(Kind::$name => $group,)* Kind::Served(r) => &r.group, Kind::Other(_) => "" }
            }
            /// The API version (`v1`); empty for `Other`.
            pub fn version(&self) -> &str {
                match self { $(Kind::$name => $version,)* Kind::Served(r) => &r.version, Kind::Other(_) => "" }
            }
            /// Whether objects of the kind live in a namespace.
            pub fn namespaced(&self) -> bool {
                match self {
                    $(Kind::$name => kinds!(@scope $scope),)*
                    Kind::Served(r) => r.namespaced,
                    Kind::Other(_) => true,
                }
            }
            /// kubectl's short names (`po`). Those of a `Served` kind are in its [`Offer`](super::Offer).
            pub fn short(&self) -> &'static [&'static str] {
                match self { $(Kind::$name => &[$($short),*],)* Kind::Served(_) | Kind::Other(_) => &[] }
            }
            /// Parses the name a user types: kind, plural, singular or kubectl's short name, in any case.
            pub fn parse(word: &str) -> Option<Kind> {
                let w = word.to_ascii_lowercase();
                $(if w == $plural || w == stringify!($name).to_ascii_lowercase() $(|| w == $short)* {
                    return Some(Kind::$name);
                })*
                None
            }
        }
    };
    (@scope ns) => { true };
    (@scope cluster) => { false };
}

kinds! {
    Pod "pods" "" "v1" ns "po";
    Node "nodes" "" "v1" cluster "no";
    Event "events" "events.k8s.io" "v1" ns "ev";
    Namespace "namespaces" "" "v1" cluster "ns";
    Deployment "deployments" "apps" "v1" ns "deploy" "dp";
    ReplicaSet "replicasets" "apps" "v1" ns "rs";
    StatefulSet "statefulsets" "apps" "v1" ns "sts";
    DaemonSet "daemonsets" "apps" "v1" ns "ds";
    Job "jobs" "batch" "v1" ns;
    CronJob "cronjobs" "batch" "v1" ns "cj";
    Service "services" "" "v1" ns "svc";
    EndpointSlice "endpointslices" "discovery.k8s.io" "v1" ns;
    PersistentVolumeClaim "persistentvolumeclaims" "" "v1" ns "pvc";
    PersistentVolume "persistentvolumes" "" "v1" cluster "pv";
    StorageClass "storageclasses" "storage.k8s.io" "v1" cluster "sc";
    ResourceQuota "resourcequotas" "" "v1" ns "quota";
    PodDisruptionBudget "poddisruptionbudgets" "policy" "v1" ns "pdb";
    HorizontalPodAutoscaler "horizontalpodautoscalers" "autoscaling" "v2" ns "hpa";
    ConfigMap "configmaps" "" "v1" ns "cm";
    Secret "secrets" "" "v1" ns;
    ResourceSlice "resourceslices" "resource.k8s.io" "v1" cluster;
    Ingress "ingresses" "networking.k8s.io" "v1" ns "ing";
    IngressClass "ingressclasses" "networking.k8s.io" "v1" cluster;
    NetworkPolicy "networkpolicies" "networking.k8s.io" "v1" ns "netpol";
    APIService "apiservices" "apiregistration.k8s.io" "v1" cluster;
    CustomResourceDefinition "customresourcedefinitions" "apiextensions.k8s.io" "v1" cluster "crd" "crds";
    ValidatingWebhookConfiguration "validatingwebhookconfigurations" "admissionregistration.k8s.io" "v1" cluster;
    MutatingWebhookConfiguration "mutatingwebhookconfigurations" "admissionregistration.k8s.io" "v1" cluster;
}

impl Kind {
    /// The kinds watched by default. Secrets are watched only if the user enables them.
    pub const WATCHED: &'static [Kind] = &[
        Kind::Pod,
        Kind::Node,
        Kind::Event,
        Kind::Namespace,
        Kind::Deployment,
        Kind::ReplicaSet,
        Kind::StatefulSet,
        Kind::DaemonSet,
        Kind::Job,
        Kind::CronJob,
        Kind::Service,
        Kind::EndpointSlice,
        Kind::PersistentVolumeClaim,
        Kind::ResourceQuota,
        Kind::PodDisruptionBudget,
        Kind::HorizontalPodAutoscaler,
        Kind::ConfigMap,
    ];

    /// The other kinds the judge reads. khud stores a few fields of each; views show them as the server's
    /// tables.
    pub const JUDGED: &'static [Kind] = &[
        Kind::PersistentVolume,
        Kind::StorageClass,
        Kind::ResourceSlice,
        Kind::Ingress,
        Kind::IngressClass,
        Kind::NetworkPolicy,
        Kind::APIService,
        Kind::CustomResourceDefinition,
        Kind::ValidatingWebhookConfiguration,
        Kind::MutatingWebhookConfiguration,
    ];

    /// Every kind that is watched from the start.
    pub fn followed() -> Vec<Kind> {
        [Kind::WATCHED, Kind::JUDGED].concat()
    }

    /// The kind in an API object's `kind` field.
    pub fn of(name: &str) -> Kind {
        Kind::ALL.iter().find(|k| k.name() == name).cloned().unwrap_or_else(|| Kind::Other(name.into()))
    }

    /// The kind with this group and plural: the named kind if khud has its own table for it, else `Served`. A
    /// judged kind has records and a server's table, so `Served` keeps the two apart.
    pub fn served(resource: Resource) -> Kind {
        let known = Kind::ALL
            .iter()
            .filter(|k| !Kind::JUDGED.contains(k))
            .find(|k| k.group() == &*resource.group && k.plural() == &*resource.plural);
        known.cloned().unwrap_or_else(|| Kind::Served(Arc::new(resource)))
    }

    /// Whether the kind is Deployment, ReplicaSet, StatefulSet or DaemonSet.
    pub fn workload(&self) -> bool {
        matches!(self, Kind::Deployment | Kind::ReplicaSet | Kind::StatefulSet | Kind::DaemonSet)
    }

    /// Whether khud watches the kind from the start into its own records. Other kinds are watched as the
    /// server's tables, while a view shows them.
    pub fn watched(&self) -> bool {
        Kind::WATCHED.contains(self)
    }

    /// Whether khud keeps records of the kind from the start: those of [`Kind::WATCHED`] and [`Kind::JUDGED`].
    pub fn recorded(&self) -> bool {
        self.watched() || Kind::JUDGED.contains(self)
    }

    /// The kind as the server's table of it: a judged kind's records and table are two streams and need two names.
    pub fn table(&self) -> Kind {
        if !Kind::JUDGED.contains(self) {
            return self.clone();
        }
        Kind::Served(Arc::new(Resource {
            group: self.group().into(),
            version: self.version().into(),
            plural: self.plural().into(),
            kind: self.name().into(),
            namespaced: self.namespaced(),
        }))
    }

    /// The path of the group and version: `/api/v1` or `/apis/GROUP/VERSION`.
    pub fn root(&self) -> String {
        if self.group().is_empty() {
            format!("/api/{}", self.version())
        } else {
            format!("/apis/{}/{}", self.group(), self.version())
        }
    }

    /// The URL path of the collection, such as `/api/v1/namespaces/prod/pods`. An empty `namespace` stands
    /// for all.
    pub fn collection_path(&self, namespace: &str) -> String {
        if namespace.is_empty() || !self.namespaced() {
            format!("{}/{}", self.root(), self.plural())
        } else {
            format!("{}/namespaces/{namespace}/{}", self.root(), self.plural())
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A reference to one object. The namespace is empty for cluster-scoped objects.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectRef {
    /// The kind.
    pub kind: Kind,
    /// The namespace; empty for cluster-scoped objects.
    pub namespace: Text,
    /// The name.
    pub name: Text,
}

impl ObjectRef {
    /// A reference from its parts.
    pub fn new(kind: Kind, namespace: impl Into<Text>, name: impl Into<Text>) -> ObjectRef {
        ObjectRef { kind, namespace: namespace.into(), name: name.into() }
    }

    /// The reference as other objects write it, with only the name of the kind.
    pub fn by_word(&self) -> ObjectRef {
        let kind = match &self.kind {
            Kind::Served(r)
                if Kind::JUDGED.iter().any(|k| k.group() == &*r.group && k.plural() == &*r.plural) =>
            {
                Kind::of(&r.kind)
            }
            Kind::Served(r) => Kind::Other(r.kind.clone()),
            known => known.clone(),
        };
        ObjectRef { kind, namespace: self.namespace.clone(), name: self.name.clone() }
    }

    /// The object under the kind by which the judge knows it: a row of the server's table of Ingresses is an Ingress.
    pub fn judged(self) -> ObjectRef {
        let known = self.by_word();
        if known.kind.recorded() { known } else { self }
    }

    /// The URL path of the object, such as `/apis/apps/v1/namespaces/prod/deployments/api-server`.
    pub fn path(&self) -> String {
        format!("{}/{}", self.kind.collection_path(&self.namespace), self.name)
    }
}

/// Shown as `deployment prod/api-server` or `node gpu-worker-042`.
impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind.name().to_ascii_lowercase();
        if self.namespace.is_empty() {
            write!(f, "{kind} {}", self.name)
        } else {
            write!(f, "{kind} {}/{}", self.namespace, self.name)
        }
    }
}

impl fmt::Debug for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_operators_type_name_kinds() {
        for word in ["po", "pod", "pods", "Pod", "PODS"] {
            assert_eq!(Kind::parse(word), Some(Kind::Pod), "{word}");
        }
        assert_eq!(Kind::parse("deploy"), Some(Kind::Deployment));
        assert_eq!(Kind::parse("llama"), None);
        let api = ObjectRef::new(Kind::Deployment, "prod", "api-server");
        assert_eq!(api.path(), "/apis/apps/v1/namespaces/prod/deployments/api-server");
        assert_eq!(ObjectRef::new(Kind::Node, "", "n1").path(), "/api/v1/nodes/n1");
    }
}
