//! Who uses an object: the pods whose spec names it.

use crate::world::{Kind, ObjectRef, Pod};

/// The kinds whose users can be told.
pub const USED: [&str; 4] = ["ConfigMap", "Secret", "PersistentVolumeClaim", "ServiceAccount"];

/// Whether the pod's spec names the object.
pub fn uses(pod: &Pod, object: &ObjectRef) -> bool {
    let names = match object.kind.name() {
        _ if pod.meta.namespace != object.namespace => return false,
        "ConfigMap" => &pod.spec.config_maps,
        "Secret" => &pod.spec.secrets,
        "PersistentVolumeClaim" => &pod.spec.claims,
        "ServiceAccount" => return pod.spec.service_account == object.name,
        _ => return false,
    };
    names.contains(&object.name)
}

/// Whether it can be told who uses objects of the kind.
pub fn told_of(kind: &Kind) -> bool {
    USED.contains(&kind.name())
}
