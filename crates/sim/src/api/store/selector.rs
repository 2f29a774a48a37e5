//! Label and field selectors.
use super::item::View;
use crate::api::meta::status::Status;
use crate::api::schema::registry::Resource;
use serde_json::Value;

/// A parsed label selector: all requirements must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabelSelector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
    Greater(String, i64),
    Less(String, i64),
}

impl Requirement {
    fn holds(&self, label: impl Fn(&str) -> Option<String>) -> bool {
        let number = |key: &str| label(key).and_then(|v| v.parse::<i64>().ok());
        match self {
            Requirement::In(key, values) => label(key).is_some_and(|v| values.contains(&v)),
            Requirement::NotIn(key, values) => label(key).is_none_or(|v| !values.contains(&v)),
            Requirement::Exists(key) => label(key).is_some(),
            Requirement::Absent(key) => label(key).is_none(),
            Requirement::Greater(key, than) => number(key).is_some_and(|v| v > *than),
            Requirement::Less(key, than) => number(key).is_some_and(|v| v < *than),
        }
    }
}

impl LabelSelector {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn matches(&self, view: &View) -> bool {
        self.0.iter().all(|r| r.holds(|key| view.label(key).map(String::from)))
    }

    /// Whether the labels match.
    pub fn matches_labels(&self, labels: &Value) -> bool {
        self.0.iter().all(|r| r.holds(|key| labels[key].as_str().map(String::from)))
    }

    /// Parses `a=b,c!=d,e in (x,y),f notin (z),g,!h,i>1`.
    pub fn parse(text: &str) -> Result<Self, Status> {
        let mut requirements = Vec::new();
        for part in split_outside_parentheses(text) {
            let part = part.trim();
            if !part.is_empty() {
                requirements.push(
                    requirement(part)
                        .map_err(|why| Status::bad_request(format!("unable to parse requirement: {why}")))?,
                );
            } else if !text.trim().is_empty() {
                return Err(Status::bad_request(
                    "unable to parse requirement: found ',', expected: identifier",
                ));
            }
        }
        Ok(LabelSelector(requirements))
    }

    /// The `metav1.LabelSelector` of a stored object. An unknown operator matches nothing.
    pub fn from_object(selector: &Value) -> Self {
        let pairs = selector["matchLabels"].as_object().into_iter().flatten();
        let mut requirements: Vec<Requirement> = pairs
            .map(|(k, v)| Requirement::In(k.clone(), vec![v.as_str().unwrap_or_default().into()]))
            .collect();
        for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
            let key = expression["key"].as_str().unwrap_or_default().to_string();
            let values = expression["values"].as_array().into_iter().flatten();
            let values: Vec<String> = values.filter_map(|v| v.as_str().map(String::from)).collect();
            requirements.push(match expression["operator"].as_str().unwrap_or_default() {
                "In" => Requirement::In(key, values),
                "NotIn" => Requirement::NotIn(key, values),
                "Exists" => Requirement::Exists(key),
                "DoesNotExist" => Requirement::Absent(key),
                _ => Requirement::In(key, Vec::new()),
            });
        }
        LabelSelector(requirements)
    }
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    text.split(|c| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        c == ',' && depth <= 0
    })
    .collect()
}

fn requirement(part: &str) -> Result<Requirement, String> {
    if let Some(key) = part.strip_prefix('!') {
        return Ok(Requirement::Absent(label_key(key)?));
    }
    if let Some((key, list)) = part.split_once('(') {
        let list = list.trim_end().strip_suffix(')').ok_or("found '', expected: ',', or ')'")?;
        let values = list.split(',').map(label_value).collect::<Result<Vec<_>, _>>()?;
        let mut words = key.split_whitespace();
        let (key, operator) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        return match (operator, words.next()) {
            ("in", None) => Ok(Requirement::In(label_key(key)?, values)),
            ("notin", None) => Ok(Requirement::NotIn(label_key(key)?, values)),
            _ => Err(format!("found '{operator}', expected: in, notin, =, ==, !=, gt, lt")),
        };
    }
    for operator in ["!=", "==", "=", ">", "<"] {
        let Some((key, value)) = part.split_once(operator) else { continue };
        let key = label_key(key)?;
        let number = || {
            let why = "for 'Gt', 'Lt' operators, the value must be an integer";
            value.trim().parse::<i64>().map_err(|_| why.to_string())
        };
        return Ok(match operator {
            "!=" => Requirement::NotIn(key, vec![label_value(value)?]),
            ">" => Requirement::Greater(key, number()?),
            "<" => Requirement::Less(key, number()?),
            _ => Requirement::In(key, vec![label_value(value)?]),
        });
    }
    Ok(Requirement::Exists(label_key(part)?))
}

fn is_name(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= 63 && text.chars().all(inner) && edge(text.chars().next()) && edge(text.chars().last())
}

fn label_key(text: &str) -> Result<String, String> {
    let text = text.trim();
    let name = text.rsplit_once('/').map_or(text, |(prefix, name)| if prefix.is_empty() { "" } else { name });
    if is_name(name) && text.len() <= 63 + 254 {
        return Ok(text.into());
    }
    Err(format!(
        "key: Invalid value: {text:?}: name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
    ))
}

fn label_value(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || is_name(text) {
        return Ok(text.into());
    }
    Err(format!(
        "values[0]: Invalid value: {text:?}: a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
    ))
}

/// A parsed field selector: path, value, and whether it must be equal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FieldSelector(Vec<(String, String, bool)>);

impl FieldSelector {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Parses `spec.nodeName=n1,status.phase!=Running`; refuses fields that the resource does not index.
    pub fn parse(text: &str, resource: &Resource) -> Result<Self, Status> {
        let mut terms = Vec::new();
        for part in text.split(',').filter(|p| !p.trim().is_empty()) {
            let (path, value, equal) = if let Some((path, value)) = part.split_once("!=") {
                (path, value, false)
            } else if let Some((path, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
                (path, value, true)
            } else {
                let text = format!("invalid selector: '{text}'; can't understand '{part}'");
                return Err(Status::bad_request(text));
            };
            let path = path.trim();
            if !supported(resource, path) {
                let text = if resource.custom {
                    format!("field label not supported: {path}")
                } else {
                    format!(
                        "\"{path}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
                    )
                };
                let text = match fields(&resource.key) {
                    [] => text,
                    _ => format!("field label not supported: {path}"),
                };
                return Err(Status::bad_request(text));
            }
            terms.push((stored_path(resource, path), value.trim().to_string(), equal));
        }
        Ok(FieldSelector(terms))
    }

    pub fn matches(&self, view: &View) -> bool {
        self.0.iter().all(|(path, wanted, equal)| {
            let found = view.field(path);
            let found = match (&*found, path.as_str()) {
                ("", "spec.unschedulable" | "spec.hostNetwork") => "false",
                ("", "status.succeeded" | "status.replicas") => "0",
                (text, _) => text,
            };
            (found == wanted) == *equal
        })
    }
}

/// The fields a resource can be selected by, besides name and namespace.
fn fields(key: &str) -> &'static [&'static str] {
    match key {
        "pods" => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        "nodes" => &["spec.unschedulable"],
        "namespaces" => &["status.phase"],
        "secrets" => &["type"],
        "services" => &["spec.clusterIP", "spec.type"],
        "jobs.batch" => &["status.successful"],
        "replicasets.apps" | "replicationcontrollers" => &["status.replicas"],
        "events" => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "regarding.kind",
            "regarding.namespace",
            "regarding.name",
            "regarding.uid",
            "regarding.apiVersion",
            "regarding.resourceVersion",
            "regarding.fieldPath",
            "reason",
            "reportingComponent",
            "reportingController",
            "source",
            "type",
        ],
        _ => &[],
    }
}

fn supported(resource: &Resource, path: &str) -> bool {
    matches!(path, "metadata.name" | "metadata.namespace") || fields(&resource.key).contains(&path)
}

/// The path in the stored object for the API's `path`.
fn stored_path(resource: &Resource, path: &str) -> String {
    match (&*resource.key, path) {
        ("jobs.batch", "status.successful") => "status.succeeded".into(),
        ("events", "source") => "source.component".into(),
        ("events", "reportingController") => "reportingComponent".into(),
        ("events", path) => path.replace("regarding.", "involvedObject."),
        (_, path) => path.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::schema::registry::Registry;
    use serde_json::json;
    use std::sync::Arc;

    #[test]
    fn label_selectors_mean_what_kubernetes_says() {
        let view =
            View::Tree(Arc::new(json!({"metadata": {"labels": {"app": "web", "tier": "1", "empty": ""}}})));
        for yes in [
            "",
            "app=web",
            "app==web",
            "app!=db",
            "x!=y",
            "app in (db, web)",
            "app notin (db)",
            "app",
            "!x",
            "tier>0",
            "tier<2",
            "empty=",
            "app=web,tier=1",
        ] {
            assert!(LabelSelector::parse(yes).unwrap().matches(&view), "{yes}");
        }
        for no in [
            "app=db",
            "app!=web",
            "app in (db)",
            "app notin (web)",
            "x",
            "!app",
            "tier>1",
            "app>0",
            "app=web,x=y",
        ] {
            assert!(!LabelSelector::parse(no).unwrap().matches(&view), "{no}");
        }
        for bad in ["=x", "a in", "a in (b", "a of (b)", "a=b c", "tier>x", ",", "a=(b)", "-a", "/a"] {
            assert_eq!(LabelSelector::parse(bad).unwrap_err().code, 400, "{bad}");
        }
        let selector = json!({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "x", "operator": "DoesNotExist"}]});
        assert!(LabelSelector::from_object(&selector).matches(&view));
    }

    #[test]
    fn field_selectors_read_what_is_indexed_and_refuse_the_rest() {
        let registry = Registry::built_in();
        let pods = registry.by_key("pods").unwrap();
        let view = View::Tree(Arc::new(json!({"metadata": {"name": "a"}, "spec": {"nodeName": "n1"}})));
        let parse = |text| FieldSelector::parse(text, pods);
        assert!(parse("spec.nodeName=n1,metadata.name!=b").unwrap().matches(&view));
        assert!(parse("status.phase=").unwrap().matches(&view));
        assert!(!parse("spec.nodeName=").unwrap().matches(&view));
        assert_eq!(parse("spec.foo=1").unwrap_err().message, "field label not supported: spec.foo");
        assert_eq!(parse("nonsense").unwrap_err().code, 400);
        let nodes = registry.by_key("nodes").unwrap();
        assert!(FieldSelector::parse("spec.unschedulable=false", nodes).unwrap().matches(&view));
    }
}
