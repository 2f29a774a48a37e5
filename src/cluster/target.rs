//! The cluster and user a connection was opened for, compared with the kubeconfig at each renewal.

use std::collections::BTreeSet;

use kube::config::Config;

/// The server, certificate authority and user of a context.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Target {
    server: String,
    /// The name the server's certificate must carry, if it differs from the address.
    server_name: Option<String>,
    /// The certificate authorities (DER); empty if the system's are trusted.
    authority: BTreeSet<Vec<u8>>,
    /// False under `insecure-skip-tls-verify`.
    verified: bool,
    user: String,
    /// The impersonated user of the kubeconfig or of `--as`.
    acts_as: Option<String>,
}

impl Target {
    /// The target of `config`, whose context names `user`.
    pub fn of(config: &Config, user: &str) -> Target {
        Target {
            server: server(config),
            server_name: config.tls_server_name.clone(),
            authority: config.root_cert.iter().flatten().cloned().collect(),
            verified: !config.accept_invalid_certs,
            user: user.to_owned(),
            acts_as: config.auth_info.impersonate.clone(),
        }
    }

    /// The end of the sentence "the context … now", or `None` if both lead to the same cluster as the same
    /// user. While an authority is rotated, one certificate stays in common.
    pub fn difference(&self, now: &Target) -> Option<String> {
        let rotated = !self.authority.is_disjoint(&now.authority);
        if now.server != self.server {
            Some(format!("names the server {}", now.server))
        } else if now.server_name != self.server_name {
            Some(format!("has another tls-server-name ({})", now.server_name.as_deref().unwrap_or("none")))
        } else if now.authority != self.authority && !rotated {
            Some("names another certificate authority".to_owned())
        } else if !now.verified && self.verified {
            Some("no longer verifies the server's certificate".to_owned())
        } else if now.user != self.user {
            Some(format!("names the user {:?}", now.user))
        } else if now.acts_as != self.acts_as {
            Some(format!("acts as {}", now.acts_as.as_deref().unwrap_or("nobody else")))
        } else {
            None
        }
    }
}

/// The server's URL without a trailing slash.
pub(super) fn server(config: &Config) -> String {
    config.cluster_url.to_string().trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(server: &str, authority: &[u8], user: &str) -> Target {
        let mut config = Config::new(server.parse().unwrap());
        config.root_cert = Some(authority.iter().map(|c| vec![*c]).collect());
        Target::of(&config, user)
    }

    #[test]
    fn another_server_authority_or_user_is_another_target() {
        let fixed = target("https://a:6443", &[1], "u");
        assert_eq!(fixed.difference(&target("https://a:6443/", &[1], "u")), None);
        assert_eq!(fixed.difference(&target("https://a:6443", &[1, 2], "u")), None, "a rotation under way");
        let says = |now: &Target| fixed.difference(now).unwrap();
        assert_eq!(says(&target("https://b:6443", &[1], "u")), "names the server https://b:6443");
        assert_eq!(says(&target("https://a:6443", &[2], "u")), "names another certificate authority");
        assert_eq!(says(&target("https://a:6443", &[], "u")), "names another certificate authority");
        assert_eq!(says(&target("https://a:6443", &[1], "v")), "names the user \"v\"");
    }
}
