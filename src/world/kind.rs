//! The kinds khud watches, and a reference to one object.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Text;
use super::served::Resource;

macro_rules! kinds {
    ($($name:ident $plural:literal $group:literal $version:literal $scope:ident $($short:literal)*;)*) => {
        /// A kind khud knows by name; one that the server says it serves; or `Other`, a kind of which only the API's
        /// word is known.
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
        pub enum Kind { $($name,)* Served(Arc<Resource>), Other(Text) }

        impl Kind {
            /// Every kind known by name.
            pub const ALL: &'static [Kind] = &[$(Kind::$name),*];

            /// The API's word (`Pod`).
            pub fn name(&self) -> &str {
                match self { $(Kind::$name => stringify!($name),)* Kind::Served(r) => &r.kind, Kind::Other(n) => n }
            }
            /// The word in URLs (`pods`); empty for kinds khud does not know.
            pub fn plural(&self) -> &str {
                match self { $(Kind::$name => $plural,)* Kind::Served(r) => &r.plural, Kind::Other(_) => "" }
            }
            /// The API group, empty for core.
            pub fn group(&self) -> &str {
                match self { $(Kind::$name => $group,)* Kind::Served(r) => &r.group, Kind::Other(_) => "" }
            }
            pub fn version(&self) -> &str {
                match self { $(Kind::$name => $version,)* Kind::Served(r) => &r.version, Kind::Other(_) => "" }
            }
            pub fn namespaced(&self) -> bool {
                match self {
                    $(Kind::$name => kinds!(@scope $scope),)*
                    Kind::Served(r) => r.namespaced,
                    Kind::Other(_) => true,
                }
            }
            /// kubectl's short names (`po`); those of a kind the server serves are in its [`Offer`](super::Offer).
            pub fn short(&self) -> &'static [&'static str] {
                match self { $(Kind::$name => &[$($short),*],)* Kind::Served(_) | Kind::Other(_) => &[] }
            }
            /// The kind an operator's word names: kind, plural, singular or kubectl's short name, in any case.
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
    /// What khud watches unless told otherwise. Secrets only where they are switched on.
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

    /// What the judge reads besides: khud keeps a few fields of each, and shows them as the server's tables.
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

    /// Every kind that is followed from the start.
    pub fn followed() -> Vec<Kind> {
        [Kind::WATCHED, Kind::JUDGED].concat()
    }

    /// The kind an API object's `kind` field names.
    pub fn of(name: &str) -> Kind {
        Kind::ALL.iter().find(|k| k.name() == name).cloned().unwrap_or_else(|| Kind::Other(name.into()))
    }

    /// The kind of this group and plural: by name where a table is made from khud's own records, else as it is served.
    /// A judged kind has both, records and a table of the server's, so each is a kind of its own.
    pub fn served(resource: Resource) -> Kind {
        let known = Kind::ALL
            .iter()
            .filter(|k| !Kind::JUDGED.contains(k))
            .find(|k| k.group() == &*resource.group && k.plural() == &*resource.plural);
        known.cloned().unwrap_or_else(|| Kind::Served(Arc::new(resource)))
    }

    /// Deployment, ReplicaSet, StatefulSet or DaemonSet.
    pub fn workload(&self) -> bool {
        matches!(self, Kind::Deployment | Kind::ReplicaSet | Kind::StatefulSet | Kind::DaemonSet)
    }

    /// Whether khud watches it from the start and keeps records of its own; all others are watched as the server's
    /// tables while a view shows them.
    pub fn watched(&self) -> bool {
        Kind::WATCHED.contains(self)
    }

    /// `/api/v1` or `/apis/GROUP/VERSION`.
    pub fn root(&self) -> String {
        if self.group().is_empty() {
            format!("/api/{}", self.version())
        } else {
            format!("/apis/{}/{}", self.group(), self.version())
        }
    }

    /// The URL path of the collection (`namespace` empty: all of them), e.g. `/api/v1/namespaces/prod/pods`.
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

/// One object by kind, namespace (empty for cluster-scoped ones) and name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectRef {
    pub kind: Kind,
    pub namespace: Text,
    pub name: Text,
}

impl ObjectRef {
    pub fn new(kind: Kind, namespace: impl Into<Text>, name: impl Into<Text>) -> ObjectRef {
        ObjectRef { kind, namespace: namespace.into(), name: name.into() }
    }

    /// As other objects refer to it: by the API's word for its kind alone.
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

    /// The URL path of the object, e.g. `/apis/apps/v1/namespaces/prod/deployments/api-server`.
    pub fn path(&self) -> String {
        format!("{}/{}", self.kind.collection_path(&self.namespace), self.name)
    }
}

/// `deployment prod/api-server`, `node gpu-worker-042`.
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
