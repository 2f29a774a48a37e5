//! Authentication: bearer tokens and impersonation.
use crate::api::meta::status::Status;
use http::{HeaderMap, header};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// The group with all rights.
pub const MASTERS: &str = "system:masters";

#[derive(Clone, Debug, Default, PartialEq)]
pub struct User {
    pub name: String,
    pub groups: Vec<String>,
}

impl User {
    pub fn new(name: &str, groups: &[&str]) -> User {
        let mut groups: Vec<String> = groups.iter().map(|g| g.to_string()).collect();
        groups.push("system:authenticated".into());
        User { name: name.into(), groups }
    }

    pub fn service_account(ns: &str, name: &str) -> User {
        let groups = ["system:serviceaccounts".to_string(), format!("system:serviceaccounts:{ns}")];
        let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
        User::new(&format!("system:serviceaccount:{ns}:{name}"), &groups)
    }

    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|g| g == group)
    }
}

/// Tokens and their users. A token is shown only to the client that requested it.
pub struct Users {
    tokens: Mutex<HashMap<String, User>>,
    /// The user of a request without credentials; None refuses such requests.
    anonymous: Option<User>,
}

impl Users {
    /// `anonymous` is the user of a request without credentials; None refuses such requests.
    pub fn new(anonymous: Option<User>) -> Users {
        Users { tokens: Mutex::default(), anonymous }
    }

    pub fn add(&self, token: &str, user: User) {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).insert(token.into(), user);
    }

    pub fn of_token(&self, token: &str) -> Option<User> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }

    /// The user of a request, or 401.
    pub fn authenticate(&self, headers: &HeaderMap) -> Result<User, Status> {
        let Some(sent) = headers.get(header::AUTHORIZATION) else {
            return self.anonymous.clone().ok_or_else(Status::unauthorized);
        };
        let token = sent
            .to_str()
            .ok()
            .and_then(|b| b.split_once(' '))
            .filter(|(kind, _)| kind.eq_ignore_ascii_case("bearer"));
        token.and_then(|(_, token)| self.of_token(token.trim())).ok_or_else(Status::unauthorized)
    }
}

/// The impersonated user of a request (`kubectl --as`), if any.
pub fn impersonated(headers: &HeaderMap) -> Result<Option<User>, Status> {
    let text = |v: &http::HeaderValue| v.to_str().unwrap_or_default().to_string();
    let groups: Vec<String> = headers.get_all("impersonate-group").iter().map(text).collect();
    let Some(name) = headers.get("impersonate-user").map(text).filter(|n| !n.is_empty()) else {
        return match groups.is_empty() {
            true => Ok(None),
            false => Err(Status::bad_request("requested [{Group  }] without impersonating a user")),
        };
    };
    if let Some((ns, account)) = name.strip_prefix("system:serviceaccount:").and_then(|n| n.split_once(':')) {
        return Ok(Some(User::service_account(ns, account)));
    }
    let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
    Ok(Some(User::new(&name, &groups)))
}
