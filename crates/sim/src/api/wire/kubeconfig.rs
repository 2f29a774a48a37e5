//! The kubeconfig of embedded API servers.
use std::fmt::Write as _;

use serde_json::Value;

/// How a user reaches one API server.
#[derive(Clone, Debug)]
pub struct Access {
    /// The name of the context and its cluster.
    pub context: String,
    pub url: String,
    /// The CA's certificate in base64, with HTTPS.
    pub ca: Option<String>,
    pub user: String,
    pub token: String,
}

/// A kubeconfig with one context for each access; the first is the current one.
pub fn kubeconfig(all: &[Access]) -> String {
    let [mut clusters, mut users, mut contexts] = [const { String::new() }; 3];
    for a in all {
        let name = Value::from(a.context.as_str());
        let user = Value::from(format!("{}@{}", a.user, a.context));
        let ca =
            a.ca.as_ref().map_or_else(String::new, |ca| format!("\n    certificate-authority-data: {ca}"));
        let _ = write!(clusters, "- name: {name}\n  cluster:\n    server: {}{ca}\n", a.url);
        let _ = write!(users, "- name: {user}\n  user:\n    token: {}\n", a.token);
        let _ = write!(contexts, "- name: {name}\n  context:\n    cluster: {name}\n    user: {user}\n");
    }
    let current = Value::from(all.first().map_or("", |a| a.context.as_str()));
    format!(
        "apiVersion: v1\nkind: Config\nclusters:\n{clusters}users:\n{users}contexts:\n{contexts}current-context: {current}\n"
    )
}
