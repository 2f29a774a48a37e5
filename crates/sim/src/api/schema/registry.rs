//! The resources that the server serves: the built-in ones, as a real server's discovery lists them, and
//! CRDs.
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

/// The aggregated discovery of a real 1.36 API server, one resource per line.
const BUILT_IN: &str = include_str!("discovery.json");

/// One resource of one group and version.
#[derive(Clone, Debug)]
pub struct Resource {
    pub group: String,
    pub version: String,
    pub plural: String,
    pub singular: String,
    pub kind: String,
    pub namespaced: bool,
    pub verbs: Vec<String>,
    pub short_names: Vec<String>,
    pub categories: Vec<String>,
    pub subresources: Vec<Subresource>,
    /// `pods` or `deployments.apps`: the store's key for the objects of the resource.
    pub key: Arc<str>,
    /// `v1` or `apps/v1`.
    pub api_version: Arc<str>,
    /// Served from a CustomResourceDefinition.
    pub custom: bool,
}

#[derive(Clone, Debug)]
pub struct Subresource {
    pub name: String,
    pub kind: String,
    pub group: String,
    pub version: String,
    pub verbs: Vec<String>,
}

impl Resource {
    /// Builds a resource and the names derived from it.
    pub fn new(group: &str, version: &str, plural: &str, kind: &str, namespaced: bool) -> Self {
        let key = match (group, plural) {
            ("" | "events.k8s.io", "events") => "events".into(),
            ("", _) => plural.into(),
            _ => format!("{plural}.{group}").into(),
        };
        Resource {
            group: group.into(),
            version: version.into(),
            plural: plural.into(),
            singular: kind.to_lowercase(),
            kind: kind.into(),
            namespaced,
            verbs: ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
                .map(String::from)
                .to_vec(),
            short_names: Vec::new(),
            categories: Vec::new(),
            subresources: Vec::new(),
            key,
            api_version: group_version(group, version).into(),
            custom: false,
        }
    }

    pub fn has_verb(&self, verb: &str) -> bool {
        self.verbs.iter().any(|v| v == verb)
    }

    pub fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|s| s.name == name)
    }

    /// Whether the kind has a `status` that only its subresource changes.
    pub fn has_status(&self) -> bool {
        self.subresource("status").is_some()
    }

    /// Whether objects are stored. Reviews and bindings are not.
    pub fn stored(&self) -> bool {
        self.has_verb("list") && self.plural != "componentstatuses"
    }

    /// `deployments.apps`, `pods`: the resource as errors name it.
    pub fn qualified(&self) -> String {
        qualified(&self.plural, &self.group)
    }
}

/// `v1`, `apps/v1`.
pub fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.into() } else { format!("{group}/{version}") }
}

fn qualified(plural: &str, group: &str) -> String {
    if group.is_empty() { plural.into() } else { format!("{plural}.{group}") }
}

/// All served resources, in discovery order.
#[derive(Clone, Debug)]
pub struct Registry {
    resources: Vec<Arc<Resource>>,
}

impl Registry {
    /// The resources of every cluster.
    pub fn built_in() -> Self {
        // The text is compiled in, and a test parses it.
        let groups: Vec<Group> = serde_json::from_str(BUILT_IN).unwrap_or_default();
        let resources = groups.iter().flat_map(Group::resources).map(Arc::new).collect();
        Registry { resources }
    }

    pub fn all(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources.iter()
    }

    pub fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Resource>> {
        self.resources.iter().find(|r| r.plural == plural && r.group == group && r.version == version)
    }

    /// The resource with this key, in the preferred (first listed) version.
    pub fn by_key(&self, key: &str) -> Option<&Arc<Resource>> {
        self.resources.iter().find(|r| &*r.key == key)
    }

    /// Adds a resource, or replaces the one of the same group, version and plural.
    pub fn put(&mut self, resource: Resource) {
        self.remove(|r| {
            r.group == resource.group && r.version == resource.version && r.plural == resource.plural
        });
        self.resources.push(Arc::new(resource));
    }

    pub fn remove(&mut self, which: impl Fn(&Resource) -> bool) {
        self.resources.retain(|r| !which(r));
    }
}

/// The resources that a CustomResourceDefinition defines, one per served version, storage version first.
/// Empty if the definition is not usable.
pub fn from_crd(crd: &Value) -> Vec<Resource> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_string();
    let strings = |v: &Value| v.as_array().into_iter().flatten().map(text).collect::<Vec<_>>();
    let spec = &crd["spec"];
    let names = &spec["names"];
    let (group, plural, kind) = (text(&spec["group"]), text(&names["plural"]), text(&names["kind"]));
    if group.is_empty() || plural.is_empty() || kind.is_empty() {
        return Vec::new();
    }
    let mut versions: Vec<&Value> =
        spec["versions"].as_array().into_iter().flatten().filter(|v| v["served"] == true).collect();
    versions.sort_by_key(|v| v["storage"] != true);
    let build = |version: &Value| {
        let name = text(&version["name"]);
        let mut r = Resource::new(&group, &name, &plural, &kind, spec["scope"] == "Namespaced");
        r.custom = true;
        r.short_names = strings(&names["shortNames"]);
        r.categories = strings(&names["categories"]);
        if let Some(singular) = names["singular"].as_str().filter(|s| !s.is_empty()) {
            r.singular = singular.into();
        }
        for sub in ["status", "scale"] {
            if version["subresources"].get(sub).is_some() {
                let (kind, group, version) =
                    if sub == "scale" { ("Scale", "autoscaling", "v1") } else { (&*kind, "", "") };
                r.subresources.push(Subresource {
                    name: sub.into(),
                    kind: kind.into(),
                    group: group.into(),
                    version: version.into(),
                    verbs: ["get", "patch", "update"].map(String::from).to_vec(),
                });
            }
        }
        r
    };
    versions.into_iter().filter(|v| v["name"].is_string()).map(build).collect()
}

#[derive(Deserialize)]
struct Group {
    metadata: GroupMeta,
    versions: Vec<Version>,
}

#[derive(Deserialize)]
struct GroupMeta {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Version {
    version: String,
    resources: Vec<Listed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    resource: String,
    response_kind: Gvk,
    scope: String,
    singular_resource: String,
    verbs: Vec<String>,
    #[serde(default)]
    short_names: Vec<String>,
    #[serde(default)]
    categories: Vec<String>,
    #[serde(default)]
    subresources: Vec<ListedSub>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedSub {
    subresource: String,
    response_kind: Gvk,
    verbs: Vec<String>,
}

#[derive(Deserialize)]
struct Gvk {
    group: String,
    version: String,
    kind: String,
}

impl Group {
    fn resources(&self) -> impl Iterator<Item = Resource> + '_ {
        self.versions.iter().flat_map(|v| v.resources.iter().map(move |r| (v, r))).map(|(v, r)| Resource {
            singular: r.singular_resource.clone(),
            verbs: r.verbs.clone(),
            short_names: r.short_names.clone(),
            categories: r.categories.clone(),
            subresources: r.subresources.iter().map(ListedSub::build).collect(),
            ..Resource::new(
                &self.metadata.name,
                &v.version,
                &r.resource,
                &r.response_kind.kind,
                r.scope == "Namespaced",
            )
        })
    }
}

impl ListedSub {
    fn build(&self) -> Subresource {
        Subresource {
            name: self.subresource.clone(),
            kind: self.response_kind.kind.clone(),
            group: self.response_kind.group.clone(),
            version: self.response_kind.version.clone(),
            verbs: self.verbs.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn built_in_resources_are_those_of_a_real_server() {
        let registry = Registry::built_in();
        let pods = registry.find("", "v1", "pods").unwrap();
        assert_eq!((pods.kind.as_str(), pods.namespaced, &*pods.key), ("Pod", true, "pods"));
        let eviction = pods.subresource("eviction").unwrap();
        assert_eq!((eviction.group.as_str(), eviction.version.as_str()), ("policy", "v1"));
        let deployments = registry.by_key("deployments.apps").unwrap();
        assert_eq!(&*deployments.api_version, "apps/v1");
        assert!(deployments.has_status() && deployments.stored());
        // Both event APIs are views of one stored object.
        assert_eq!(
            registry.find("events.k8s.io", "v1", "events").unwrap().key,
            registry.by_key("events").unwrap().key
        );
        assert!(!registry.find("authorization.k8s.io", "v1", "selfsubjectaccessreviews").unwrap().stored());
    }

    #[test]
    fn a_crd_defines_a_resource_per_served_version() {
        let crd = json!({"spec": {"group": "example.com", "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wd"]},
            "versions": [{"name": "v1alpha1", "served": true, "storage": false},
                         {"name": "v1", "served": true, "storage": true, "subresources": {"status": {}}},
                         {"name": "v0", "served": false, "storage": false}]}});
        let got = from_crd(&crd);
        let versions: Vec<&str> = got.iter().map(|r| r.version.as_str()).collect();
        assert_eq!(versions, ["v1", "v1alpha1"]);
        assert!(got[0].has_status() && !got[1].has_status());
        assert_eq!(&*got[0].key, "widgets.example.com");
        assert!(from_crd(&json!({"spec": "nonsense"})).is_empty());
    }
}
