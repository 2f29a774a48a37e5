//! Which container a process is in, from its cgroup, and which pod that is, from the kubelet's log directory.

use std::collections::HashMap;
use std::path::Path;

use crate::world::Text;
use crate::world::gpu::Holder;

/// A container as its cgroup names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The pod's uid.
    pub uid: String,
    /// The runtime's id of the container, 64 hexadecimal digits.
    pub container: String,
}

/// Reads `/proc/PID/cgroup`, of cgroup v1 and v2, of the systemd and the cgroupfs driver, of containerd, CRI-O and Docker.
/// `None` for a process that is in no pod.
pub fn place(text: &str) -> Option<Place> {
    text.lines().find_map(|line| {
        // `hierarchy:controllers:path`; the path has colons with some runtimes.
        let path = line.splitn(3, ':').nth(2)?;
        // runc's systemd driver may name slice and container in one part: `SLICE:cri-containerd:ID`.
        let mut parts = path.split(['/', ':']).filter(|p| !p.is_empty());
        let uid = parts.by_ref().find_map(pod_uid)?;
        let container = parts.find_map(container_id)?;
        Some(Place { uid, container })
    })
}

/// `pod12ab…`, `kubepods-burstable-pod12ab_….slice`: the uid with its dashes.
fn pod_uid(part: &str) -> Option<String> {
    let part = part.strip_suffix(".slice").unwrap_or(part);
    let uid = part.rsplit_once("pod").map(|(_, uid)| uid).filter(|uid| !uid.is_empty())?;
    let uid = uid.replace('_', "-");
    let hex = uid.bytes().filter(u8::is_ascii_hexdigit).count();
    // A static pod's uid is a hash without dashes.
    (hex == 32 && uid.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')).then_some(uid)
}

/// `cri-containerd-ID.scope`, `crio-ID.scope`, `docker-ID.scope`, `ID`.
fn container_id(part: &str) -> Option<String> {
    let part = part.strip_suffix(".scope").unwrap_or(part);
    let id = part.rsplit('-').next().unwrap_or(part);
    (id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit())).then(|| id.to_owned())
}

/// The pods of this machine, by what the kubelet calls their logs.
#[derive(Debug, Default)]
pub struct Pods {
    /// By the container's id: namespace, pod, container.
    containers: HashMap<String, [Text; 3]>,
    /// By the pod's uid: namespace, pod.
    pods: HashMap<String, [Text; 2]>,
}

impl Pods {
    /// Reads the names below a directory such as `/var/log`: `containers/POD_NAMESPACE_CONTAINER-ID.log` and
    /// `pods/NAMESPACE_POD_UID`. What cannot be read is not known.
    pub fn read(logs: &Path) -> Pods {
        let names = |folder: &str| {
            let entries = std::fs::read_dir(logs.join(folder)).into_iter().flatten().flatten();
            entries.filter_map(|e| e.file_name().into_string().ok()).collect::<Vec<_>>()
        };
        let mut out = Pods::default();
        for name in names("containers") {
            let Some((who, id)) = name.strip_suffix(".log").and_then(|n| n.rsplit_once('-')) else {
                continue;
            };
            let parts: Vec<&str> = who.split('_').collect();
            if let [pod, namespace, container] = parts[..] {
                out.containers.insert(id.to_owned(), [namespace.into(), pod.into(), container.into()]);
            }
        }
        for name in names("pods") {
            let parts: Vec<&str> = name.split('_').collect();
            if let [namespace, pod, uid] = parts[..] {
                out.pods.insert(uid.to_owned(), [namespace.into(), pod.into()]);
            }
        }
        out
    }

    /// The pod of a cgroup. A pod of unknown name goes by its uid.
    pub fn holder(&self, place: &Place) -> Holder {
        let mut holder = Holder { uid: place.uid.as_str().into(), ..Holder::default() };
        if let Some([namespace, pod, container]) = self.containers.get(&place.container) {
            (holder.namespace, holder.pod, holder.container) =
                (namespace.clone(), pod.clone(), container.clone());
        } else if let Some([namespace, pod]) = self.pods.get(&place.uid) {
            (holder.namespace, holder.pod) = (namespace.clone(), pod.clone());
        } else {
            holder.pod = place.uid.as_str().into();
        }
        holder
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "c94f26a9-8468-45ff-9c3f-e4f4688e94ff";

    #[test]
    fn every_runtime_and_driver_names_its_containers() {
        let id = "0123456789abcdef".repeat(4);
        let slice = UID.replace('-', "_");
        for text in [
            format!(
                "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{slice}.slice/cri-containerd-{id}.scope\n"
            ),
            format!("0::/kubepods.slice/kubepods-pod{slice}.slice/crio-{id}.scope\n"),
            format!(
                "12:memory:/kubepods/besteffort/pod{UID}/{id}\n1:name=systemd:/kubepods/besteffort/pod{UID}/{id}\n"
            ),
            format!("11:devices:/kubepods.slice/kubepods-pod{slice}.slice/docker-{id}.scope\n"),
            format!(
                "0::/system.slice/containerd.service/kubepods-burstable-pod{slice}.slice:cri-containerd:{id}\n"
            ),
            format!("0::/../kubepods-pod{slice}.slice/cri-containerd-{id}.scope/nested\n"),
        ] {
            let want = Place { uid: UID.to_owned(), container: id.clone() };
            assert_eq!(place(&text), Some(want), "{text}");
        }
        for text in
            ["0::/\n", "0::/user.slice/user-1000.slice/session-2.scope\n", "", "0::/kubepods/podshort/x\n"]
        {
            assert_eq!(place(text), None, "{text}");
        }
    }

    #[test]
    fn the_kubelets_logs_tell_the_names() {
        let logs = tempfile::tempdir().unwrap();
        let id = "0123456789abcdef".repeat(4);
        for folder in ["containers", &format!("pods/ml_llm-0_{UID}")] {
            std::fs::create_dir_all(logs.path().join(folder)).unwrap();
        }
        std::fs::write(logs.path().join(format!("containers/llm-0_ml_my-server-{id}.log")), "").unwrap();
        let pods = Pods::read(logs.path());
        let at = |container: &str, uid: &str| {
            let h = pods.holder(&Place { uid: uid.to_owned(), container: container.to_owned() });
            format!("{}/{}/{}", h.namespace, h.pod, h.container)
        };
        assert_eq!(at(&id, UID), "ml/llm-0/my-server");
        assert_eq!(at("ff", UID), "ml/llm-0/");
        assert_eq!(at("ff", "unknown"), "/unknown/");
    }
}
