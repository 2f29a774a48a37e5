//! Discovers the resources a server has: aggregated discovery, or group by group on older servers.

use http::{Request, header};
use serde_json::Value;

use super::ask::LIMIT;
use super::connect::Connection;
use super::error::Failure;
use crate::world::{Kind, Offer};

/// One resource or subresource that the server serves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resource {
    pub group: String,
    pub version: String,
    pub name: String,
    pub kind: String,
    pub namespaced: bool,
    pub verbs: Vec<String>,
    pub short_names: Vec<String>,
}

impl Connection {
    /// All resources of the server, from aggregated discovery or, on older servers, group by group.
    ///
    /// # Errors
    /// No answer came, or discovery was refused.
    pub async fn discover(&self) -> Result<Vec<Resource>, Failure> {
        let mut out = Vec::new();
        for root in ["/api", "/apis"] {
            let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                          application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
            let request = self.request(Request::get(root).header(header::ACCEPT, accept), Vec::new())?;
            let response = self.send(request, self.request_timeout()).await?;
            let status = response.status().as_u16();
            let body = self.collect(response, LIMIT).await?;
            let Ok(value) = serde_json::from_slice::<Value>(&body) else {
                return Err(self.not_kubernetes(status, &body));
            };
            if value["kind"] == "APIGroupDiscoveryList" {
                aggregated(&value, &mut out);
            } else if status == 200 {
                self.discover_plainly(root, &value, &mut out).await?;
            } else {
                return Err(self.refused(status, &body));
            }
        }
        Ok(out)
    }

    /// Every kind that can be listed and watched, in the version the server prefers.
    ///
    /// # Errors
    /// As `discover`.
    pub async fn offers(&self) -> Result<Vec<Offer>, Failure> {
        Ok(offered(self.discover().await?))
    }

    async fn discover_plainly(
        &self,
        root: &str,
        index: &Value,
        out: &mut Vec<Resource>,
    ) -> Result<(), Failure> {
        let versions: Vec<(String, String)> = if root == "/api" {
            texts(&index["versions"]).into_iter().map(|v| (String::new(), v)).collect()
        } else {
            let groups = index["groups"].as_array().into_iter().flatten();
            groups
                .filter_map(|g| Some((g["name"].as_str()?, g["preferredVersion"]["version"].as_str()?)))
                .map(|(g, v)| (g.to_owned(), v.to_owned()))
                .collect()
        };
        for (group, version) in versions {
            let path =
                if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
            let (_, body) = self.get(&path, LIMIT).await?;
            // An aggregated API whose server is down must not hide the others.
            let Ok(list) = serde_json::from_slice::<Value>(&body) else { continue };
            for r in list["resources"].as_array().into_iter().flatten() {
                let text = |key: &str| r[key].as_str().unwrap_or_default().to_owned();
                out.push(Resource {
                    group: group.clone(),
                    version: version.clone(),
                    name: text("name"),
                    kind: text("kind"),
                    namespaced: r["namespaced"].as_bool().unwrap_or(false),
                    verbs: texts(&r["verbs"]),
                    short_names: texts(&r["shortNames"]),
                });
            }
        }
        Ok(())
    }
}

fn aggregated(list: &Value, out: &mut Vec<Resource>) {
    for group in list["items"].as_array().into_iter().flatten() {
        let name = group["metadata"]["name"].as_str().unwrap_or_default();
        // The server sorts the versions by preference.
        let Some(version) = group["versions"].as_array().and_then(|v| v.first()) else { continue };
        for r in version["resources"].as_array().into_iter().flatten() {
            let resource = r["resource"].as_str().unwrap_or_default().to_owned();
            for sub in r["subresources"].as_array().into_iter().flatten() {
                let sub_name = sub["subresource"].as_str().unwrap_or_default();
                out.push(Resource {
                    name: format!("{resource}/{sub_name}"),
                    verbs: texts(&sub["verbs"]),
                    short_names: Vec::new(),
                    ..described(name, version, r, sub)
                });
            }
            out.push(Resource { name: resource, ..described(name, version, r, r) });
        }
    }
}

fn described(group: &str, version: &Value, resource: &Value, of: &Value) -> Resource {
    Resource {
        group: group.to_owned(),
        version: version["version"].as_str().unwrap_or_default().to_owned(),
        name: String::new(),
        kind: of["responseKind"]["kind"].as_str().unwrap_or_default().to_owned(),
        namespaced: resource["scope"] == "Namespaced",
        verbs: texts(&of["verbs"]),
        short_names: texts(&of["shortNames"]),
    }
}

/// The resources that can be shown as rows. The core group's events are left out: events.k8s.io has the same
/// ones.
fn offered(all: Vec<Resource>) -> Vec<Offer> {
    let can = |r: &Resource, verb: &str| r.verbs.iter().any(|v| v == verb);
    all.into_iter()
        .filter(|r| can(r, "list") && can(r, "watch") && !r.name.contains('/'))
        .filter(|r| !(r.group.is_empty() && r.name == "events"))
        .map(|r| Offer {
            kind: Kind::served(crate::world::Resource {
                group: r.group.into(),
                version: r.version.into(),
                plural: r.name.into(),
                kind: r.kind.into(),
                namespaced: r.namespaced,
            }),
            short: r.short_names.into_iter().map(Into::into).collect(),
        })
        .collect()
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aggregated_discovery_reads_the_captures() {
        let mut out = Vec::new();
        for file in ["api-aggregated", "apis-aggregated"] {
            let path = format!("{}/tests/captures/discovery/{file}.json", env!("CARGO_MANIFEST_DIR"));
            let capture: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
            aggregated(&capture["response"]["json"], &mut out);
        }
        for kind in Kind::ALL {
            let r = out
                .iter()
                .find(|r| r.name == kind.plural() && r.group == kind.group())
                .unwrap_or_else(|| panic!("{kind}"));
            assert_eq!((r.version.as_str(), r.kind.as_str()), (kind.version(), kind.name()));
            assert_eq!(r.namespaced, kind.namespaced(), "{kind}");
        }
        assert!(out.iter().any(|r| r.name == "pods/eviction" && r.verbs == ["create"]));
        let offers = offered(out);
        for kind in Kind::ALL {
            let same = |o: &&Offer| (o.kind.group(), o.kind.plural()) == (kind.group(), kind.plural());
            assert_eq!(offers.iter().filter(same).count(), 1, "{kind}");
        }
        let lease = offers.iter().find(|o| o.answers_to("leases")).unwrap();
        assert_eq!(
            lease.kind.collection_path("kube-node-lease"),
            "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        );
        assert!(lease.answers_to("Lease") && lease.answers_to("leases.coordination.k8s.io"));
        let class = offers.iter().find(|o| o.answers_to("pc")).unwrap();
        assert_eq!(
            class.kind.collection_path("prod"),
            "/apis/scheduling.k8s.io/v1/priorityclasses",
            "of no namespace"
        );
        assert!(!offers.iter().any(|o| o.kind.name() == "SelfSubjectAccessReview"), "cannot be listed");
    }
}
