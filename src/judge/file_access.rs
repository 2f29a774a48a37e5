//! Files that a program may not use: its user against the owner of a volume or of the image's own files.

use crate::world::{Container, Mount, Pod};

use super::registry::Cause;
use super::{log, volume};

/// The reason why a permission is denied.
#[derive(Debug)]
pub struct Refused {
    pub cause: Cause,
    pub title: String,
    pub row: String,
    /// The user, the group and the mount, as the pod's spec says them.
    pub quote: String,
}

/// Takes a path apart that the program may not use: a volume belongs to whoever made it, all else to the image.
pub fn refused(pod: &Pod, c: &Container, path: &str) -> Refused {
    let user = c.spec.user.map_or("the image's user".to_owned(), |u| format!("user {u}"));
    let spec = c.spec.user.map_or("runAsUser not set".to_owned(), |u| format!("runAsUser {u}"));
    match mount(c, path) {
        Some(m) => {
            let group = pod.spec.fs_group.map_or("no fsGroup".to_owned(), |g| format!("fsGroup {g}"));
            let read_only = if m.read_only { ", mounted read-only" } else { "" };
            Refused {
                cause: volume::PERMISSION,
                title: format!("{user} may not use {path} on volume {}", m.volume),
                row: format!("no permission on volume {}", m.volume),
                quote: format!("{spec}, {group}; volume {} is mounted at {}{read_only}", m.volume, m.path),
            }
        }
        None => Refused {
            cause: log::USER,
            title: format!("{user} may not use {path}, which belongs to the image"),
            row: format!("{user} may not use {path}"),
            quote: format!("{spec}; no volume is mounted at {path}"),
        },
    }
}

/// The innermost volume that a path lies on.
fn mount<'c>(c: &'c Container, path: &str) -> Option<&'c Mount> {
    let on = |m: &&Mount| {
        let at = m.path.trim_end_matches('/');
        path.strip_prefix(at).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    c.spec.mounts.iter().filter(on).max_by_key(|m| m.path.len())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::world::{ContainerSpec, ContainerState};

    #[test]
    fn a_volume_is_told_from_the_images_own_files() {
        let mount =
            |path: &str, volume: &str| Mount { path: path.into(), volume: volume.into(), read_only: false };
        let spec = ContainerSpec {
            user: Some(1000),
            mounts: [mount("/data", "store"), mount("/data/cache", "cache"), mount("/etc/app/", "config")]
                .into(),
            ..ContainerSpec::default()
        };
        let c = Container {
            spec: Arc::new(spec),
            ready: false,
            started: None,
            restarts: 0,
            state: ContainerState::None,
            last: None,
        };
        for (path, want) in [
            ("/data/db", Some("store")),
            ("/data/cache/x", Some("cache")),
            ("/data", Some("store")),
            ("/database", None),
            ("/etc/app/x.yaml", Some("config")),
            ("/var/cache/nginx", None),
        ] {
            let said = refused(&Pod::default(), &c, path);
            let cause = if want.is_some() { "volume.permission" } else { "config.user" };
            assert_eq!(said.cause, *cause, "{path}");
            assert!(said.title.contains("user 1000"), "{}", said.title);
            if let Some(volume) = want {
                assert!(said.title.ends_with(&format!("volume {volume}")), "{}", said.title);
            }
        }
    }
}
