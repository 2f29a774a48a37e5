//! `metav1.Status`: errors, and successes without an object.
use serde::Serialize;

/// An API error, or a success without a result, in kube-apiserver's words.
#[derive(Clone, Debug, PartialEq, Serialize, thiserror::Error)]
#[error("{message} ({reason}, {code})")]
pub struct Status {
    kind: &'static str,
    #[serde(rename = "apiVersion")]
    api_version: &'static str,
    pub metadata: ListMeta,
    pub status: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Box<Details>>,
    #[serde(skip_serializing_if = "no_code")]
    pub code: u16,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ListMeta {
    #[serde(rename = "continue", skip_serializing_if = "str::is_empty")]
    pub continue_token: Box<str>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Details {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    #[serde(rename = "retryAfterSeconds", skip_serializing_if = "is_zero")]
    pub retry_after_seconds: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Cause {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    pub message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
}

fn no_code(code: &u16) -> bool {
    *code == 0
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// `pods` or `deployments.apps` as the details of an error.
fn named(resource: &str, name: &str) -> Box<Details> {
    let (plural, group) = resource.split_once('.').unwrap_or((resource, ""));
    Box::new(Details { name: name.into(), group: group.into(), kind: plural.into(), ..Details::default() })
}

impl Status {
    pub fn failure(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Status {
            kind: "Status",
            api_version: "v1",
            metadata: ListMeta::default(),
            status: "Failure",
            message: message.into(),
            reason,
            details: None,
            code,
        }
    }

    pub fn success(code: u16) -> Self {
        Status { status: "Success", ..Self::failure(code, "", "") }
    }

    pub fn with_details(mut self, details: Details) -> Self {
        self.details = Some(Box::new(details));
        self
    }

    /// The answer to a delete has no code.
    pub fn without_code(mut self) -> Self {
        self.code = 0;
        self
    }

    /// 400: the request is malformed.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::failure(400, "BadRequest", message)
    }

    pub fn unauthorized() -> Self {
        Self::failure(401, "Unauthorized", "Unauthorized")
    }

    /// 403 on one object (`name` not empty) or on a collection.
    pub fn forbidden(resource: &str, name: &str, why: impl AsRef<str>) -> Self {
        let what = if name.is_empty() { resource.to_string() } else { format!("{resource} \"{name}\"") };
        let mut status = Self::failure(403, "Forbidden", format!("{what} is forbidden: {}", why.as_ref()));
        status.details = Some(named(resource, name));
        status
    }

    /// 404: no such object.
    pub fn not_found(resource: &str, name: &str) -> Self {
        let mut status = Self::failure(404, "NotFound", format!("{resource} \"{name}\" not found"));
        status.details = Some(named(resource, name));
        status
    }

    /// 404: no such path, verb or resource.
    pub fn no_such_resource() -> Self {
        Self::failure(404, "NotFound", "the server could not find the requested resource")
            .with_details(Details::default())
    }

    pub fn method_not_allowed() -> Self {
        let text = "the server does not allow this method on the requested resource";
        Self::failure(405, "MethodNotAllowed", text).with_details(Details::default())
    }

    pub fn already_exists(resource: &str, name: &str) -> Self {
        let mut status = Self::failure(409, "AlreadyExists", format!("{resource} \"{name}\" already exists"));
        status.details = Some(named(resource, name));
        status
    }

    /// 409 with the reason `why`.
    pub fn conflict_because(resource: &str, name: &str, why: &str) -> Self {
        let text = format!("Operation cannot be fulfilled on {resource} \"{name}\": {why}");
        let mut status = Self::failure(409, "Conflict", text);
        status.details = Some(named(resource, name));
        status
    }

    /// 409: the object changed since the client read it.
    pub fn conflict(resource: &str, name: &str) -> Self {
        Self::conflict_because(
            resource,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    /// 410: the history that the request needs has been compacted.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::failure(410, "Expired", message)
    }

    /// 422 with one cause per field; `kind` is the object's kind and `resource` gives the group.
    pub fn invalid(kind: &str, resource: &str, name: &str, causes: Vec<Cause>) -> Self {
        let group = resource.split_once('.').map_or("", |(_, g)| g);
        let qualified = if group.is_empty() { kind.to_string() } else { format!("{kind}.{group}") };
        let lines: Vec<String> = causes.iter().map(|c| format!("{}: {}", c.field, c.message)).collect();
        let list = match lines.as_slice() {
            [one] => one.clone(),
            _ => format!("[{}]", lines.join(", ")),
        };
        let text = format!("{qualified} \"{name}\" is invalid: {list}");
        Self::failure(422, "Invalid", text).with_details(Details {
            name: name.into(),
            group: group.into(),
            kind: kind.into(),
            causes,
            ..Details::default()
        })
    }

    pub fn internal(message: impl AsRef<str>) -> Self {
        let text = format!("Internal error occurred: {}", message.as_ref());
        let cause = Cause { message: message.as_ref().into(), ..Cause::default() };
        Self::failure(500, "InternalError", text)
            .with_details(Details { causes: vec![cause], ..Details::default() })
    }

    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::failure(503, "ServiceUnavailable", message)
    }

    pub fn to_json(&self) -> Vec<u8> {
        // A struct of strings and numbers always serialises.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

impl Cause {
    pub fn invalid(field: &str, value: &serde_json::Value, why: &str) -> Self {
        Cause {
            reason: "FieldValueInvalid".into(),
            message: format!("Invalid value: {value}: {why}"),
            field: field.into(),
        }
    }

    pub fn required(field: &str, why: &str) -> Self {
        let message = if why.is_empty() { "Required value".into() } else { format!("Required value: {why}") };
        Cause { reason: "FieldValueRequired".into(), message, field: field.into() }
    }

    pub fn not_supported(field: &str, value: &serde_json::Value, allowed: &[&str]) -> Self {
        let list: Vec<String> = allowed.iter().map(|a| format!("\"{a}\"")).collect();
        Cause {
            reason: "FieldValueNotSupported".into(),
            message: format!("Unsupported value: {value}: supported values: {}", list.join(", ")),
            field: field.into(),
        }
    }

    pub fn forbidden(field: &str, why: &str) -> Self {
        let message = format!("Forbidden: {why}");
        Cause { reason: "FieldValueForbidden".into(), message, field: field.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    // Bodies from captures/errors.
    #[test]
    fn bodies_are_those_of_a_real_api_server() {
        let cases = [
            (
                Status::not_found("pods", "absent"),
                r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"pods \"absent\" not found","reason":"NotFound","details":{"name":"absent","kind":"pods"},"code":404}"#,
            ),
            (
                Status::unauthorized(),
                r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#,
            ),
            (
                Status::conflict("deployments.apps", "api-server"),
                r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Operation cannot be fulfilled on deployments.apps \"api-server\": the object has been modified; please apply your changes to the latest version and try again","reason":"Conflict","details":{"name":"api-server","group":"apps","kind":"deployments"},"code":409}"#,
            ),
            (
                Status::invalid(
                    "Deployment",
                    "deployments.apps",
                    "api-server",
                    vec![Cause::invalid("spec.replicas", &json!(-1), "must be greater than or equal to 0")],
                ),
                r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Deployment.apps \"api-server\" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0","reason":"Invalid","details":{"name":"api-server","group":"apps","kind":"Deployment","causes":[{"reason":"FieldValueInvalid","message":"Invalid value: -1: must be greater than or equal to 0","field":"spec.replicas"}]},"code":422}"#,
            ),
        ];
        for (status, body) in cases {
            assert_eq!(String::from_utf8(status.to_json()).unwrap(), body);
        }
    }
}
