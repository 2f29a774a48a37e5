//! Kubernetes versions and the skew that the project supports between its components.
//!
//! Source: kubernetes.io/releases/version-skew-policy.

use semver::{BuildMetadata, Prerelease, Version};

/// Reads `v1.28.5`, `1.28.5`, `v1.28.5-eks-5e0fdde`, `v1.28.5+k3s1`.
pub(in crate::remedy::waves) fn read(text: &str) -> Option<Version> {
    Version::parse(text.trim().trim_start_matches('v')).ok()
}

/// Whether a component that reports `found` runs the version `asked`. A distribution's suffix (`-eks-5e0fdde`, `+k3s1`)
/// matters only where it was asked for.
pub(in crate::remedy::waves) fn same(found: &str, asked: &str) -> bool {
    let plain = |v: &Version| (v.major, v.minor, v.patch);
    match (read(found), read(asked)) {
        (Some(found), Some(asked)) if asked.pre.is_empty() && asked.build.is_empty() => {
            plain(&found) == plain(&asked)
        }
        (Some(found), Some(asked)) => found == asked,
        _ => found == asked,
    }
}

/// A version without its distribution's suffix.
fn plain(version: &Version) -> Version {
    Version { pre: Prerelease::EMPTY, build: BuildMetadata::EMPTY, ..version.clone() }
}

/// Why an API server of one version must not go to another; `None` where it may.
pub(in crate::remedy::waves) fn server(from: &str, to: &str) -> Option<String> {
    let (Some(old), Some(new)) = (read(from), read(to)) else {
        return Some(format!("{from} and {to} cannot be compared: write the version as v1.28.5"));
    };
    let (old, new) = (plain(&old), plain(&new));
    if new < old {
        return Some(format!(
            "{to} is older than {from}, which the API server runs: khud does not downgrade"
        ));
    }
    if new.major != old.major || new.minor > old.minor + 1 {
        let next = format!("{}.{}", old.major, old.minor + 1);
        return Some(format!(
            "the API server runs {from}; a control plane goes one minor version at a time: upgrade to {next} first"
        ));
    }
    None
}

/// Why a kubelet must not run under an API server; `None` where it may.
pub(in crate::remedy::waves) fn kubelet(kubelet: &str, server: &str) -> Option<String> {
    let (Some(k), Some(s)) = (read(kubelet), read(server)) else {
        return Some(format!("kubelet {kubelet} and API server {server} cannot be compared"));
    };
    if (k.major, k.minor) > (s.major, s.minor) {
        return Some(format!("kubelet {kubelet} is newer than API server {server}"));
    }
    // Three minor versions since 1.25, two before.
    let most = if k.minor >= 25 { 3 } else { 2 };
    let behind = s.minor - k.minor;
    (k.major != s.major || behind > most).then(|| {
        format!("kubelet {kubelet} is {behind} minor versions older than API server {server}; {most} are supported")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suffix_matters_only_where_it_was_asked_for() {
        assert!(same("v1.28.5", "1.28.5") && same("v1.28.5-eks-5e0fdde", "v1.28.5"));
        assert!(same("v1.28.5+k3s1", "v1.28.5+k3s1") && !same("v1.28.5+k3s2", "v1.28.5+k3s1"));
        assert!(!same("v1.28.4", "v1.28.5") && !same("", "v1.28.5"));
    }

    #[test]
    fn a_control_plane_goes_one_minor_version_at_a_time_and_never_back() {
        assert_eq!(server("v1.27.3", "v1.28.5"), None);
        assert_eq!(server("v1.28.4", "v1.28.5"), None);
        assert_eq!(server("v1.28.5-gke.100", "v1.28.5"), None);
        assert!(server("v1.27.3", "v1.29.0").unwrap().contains("upgrade to 1.28 first"));
        assert!(server("v1.28.5", "v1.28.4").unwrap().contains("does not downgrade"));
        assert!(server("v1.28.5", "latest").unwrap().contains("cannot be compared"));
    }

    #[test]
    fn kubelets_may_be_three_minor_versions_behind_and_never_ahead() {
        assert_eq!(kubelet("v1.25.0", "v1.28.5"), None);
        assert!(kubelet("v1.24.9", "v1.28.5").unwrap().contains("4 minor versions older"));
        // The policy allowed two before 1.25.
        assert!(kubelet("v1.24.9", "v1.27.0").unwrap().contains("2 are supported"));
        assert!(kubelet("v1.29.0", "v1.28.5").unwrap().contains("is newer than"));
    }
}
