//! Traffic between regions: the weights of a VirtualService or HTTPRoute, read and changed.

use serde_json::{Value, json};

use super::asked::{Divider, Heir};

/// A route with other weights.
#[derive(PartialEq, Debug)]
pub(super) struct Divided {
    /// The merge patch of its spec.
    pub patch: Value,
    /// The hosts of the rules that change, with their weights before and after.
    pub hosts: Vec<(String, u64, u64)>,
}

/// Gives each region its share in every rule that has one of them; the other destinations of such a rule get nothing.
///
/// # Errors
/// A sentence: no rule has the regions, or some of them only.
pub(super) fn divide(divider: Divider, route: &Value, to: &[Heir]) -> Result<Divided, String> {
    let (rules_at, list_at) = match divider {
        Divider::VirtualService => ("http", "route"),
        Divider::HttpRoute => ("rules", "backendRefs"),
    };
    let mut rules = route["spec"][rules_at].as_array().cloned().unwrap_or_default();
    let mut hosts: Vec<(String, u64, u64)> = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    for rule in &mut rules {
        let Some(list) = rule[list_at].as_array_mut().filter(|l| !l.is_empty()) else { continue };
        seen.extend(list.iter().map(|d| host(divider, d).to_owned()));
        let found = to.iter().filter(|heir| list.iter().any(|d| is(heir, host(divider, d)))).count();
        if found == 0 && to.iter().any(|heir| heir.host.is_none()) {
            continue;
        }
        // Without a weight a lone destination has all of the traffic.
        let alone = list.len() == 1;
        for heir in to {
            if !list.iter().any(|d| is(heir, host(divider, d))) {
                let Some(name) = &heir.host else {
                    return Err(format!(
                        "a rule of it has no destination for {}: it has {}. Name the host: --to {}=WEIGHT@HOST",
                        heir.context,
                        list.iter().map(|d| host(divider, d)).collect::<Vec<_>>().join(", "),
                        heir.context
                    ));
                };
                // As another destination of the rule: the same port.
                let mut new = list[0].clone();
                match divider {
                    Divider::VirtualService => new["destination"]["host"] = name.as_str().into(),
                    Divider::HttpRoute => new["name"] = name.as_str().into(),
                }
                new["weight"] = json!(0);
                list.push(new);
            }
        }
        for destination in list.iter_mut() {
            let name = host(divider, destination).to_owned();
            let before = destination["weight"].as_u64().unwrap_or(match divider {
                Divider::VirtualService if alone => 100,
                Divider::VirtualService => 0,
                Divider::HttpRoute => 1,
            });
            let heir = to.iter().find(|heir| is(heir, &name));
            let after = u64::from(heir.and_then(|heir| heir.weight).unwrap_or(0));
            destination["weight"] = json!(after);
            if !hosts.contains(&(name.clone(), before, after)) {
                hosts.push((name, before, after));
            }
        }
    }
    if hosts.is_empty() {
        seen.dedup();
        let has = if seen.is_empty() { "no destinations".to_owned() } else { seen.join(", ") };
        let names: Vec<&str> = to.iter().map(|heir| heir.context.as_str()).collect();
        return Err(format!(
            "no destination of it is named after {}: it has {has}. Name the hosts: --to CONTEXT=WEIGHT@HOST",
            names.join(" or ")
        ));
    }
    Ok(Divided { patch: json!({"spec": {rules_at: rules}}), hosts })
}

fn host(divider: Divider, destination: &Value) -> &str {
    let name = match divider {
        Divider::VirtualService => &destination["destination"]["host"],
        Divider::HttpRoute => &destination["name"],
    };
    name.as_str().unwrap_or("")
}

/// Whether a host is the region's: the one that was named, or one whose name holds the context's as a word.
pub(super) fn is(heir: &Heir, host: &str) -> bool {
    if let Some(named) = &heir.host {
        return named == host;
    }
    let inside = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    host.match_indices(heir.context.as_str()).any(|(at, found)| {
        !inside(host[..at].chars().next_back()) && !inside(host[at + found.len()..].chars().next())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heir(context: &str, weight: u32, host: Option<&str>) -> Heir {
        Heir { context: context.to_owned(), weight: Some(weight), host: host.map(str::to_owned) }
    }

    fn service(hosts: &[(&str, Option<u64>)]) -> Value {
        let route = hosts.iter().map(|(host, weight)| {
            let mut out = json!({"destination": {"host": host, "port": {"number": 443}}});
            if let Some(weight) = weight {
                out["weight"] = json!(weight);
            }
            out
        });
        json!({"spec": {"hosts": ["api.globalai.com"], "http": [
            {"match": [{"uri": {"prefix": "/static"}}], "route": [{"destination": {"host": "cdn"}}]},
            {"route": route.collect::<Vec<_>>()}]}})
    }

    #[test]
    fn a_virtual_services_traffic_leaves_the_region_that_is_down() {
        let eu = "api-eu-west-1.globalai.com";
        let (us, ap) = ("api-us-east-1.globalai.com", "api-ap-southeast-1.globalai.com");
        let route = service(&[(eu, Some(60)), (us, Some(30)), (ap, Some(10))]);
        let to = [heir("us-east-1", 70, None), heir("ap-southeast-1", 30, None)];
        let divided = divide(Divider::VirtualService, &route, &to).unwrap();
        let expected = [(eu, 60, 0), (us, 30, 70), (ap, 10, 30)];
        assert_eq!(divided.hosts, expected.map(|(host, a, b)| (host.to_owned(), a, b)));
        assert_eq!(divided.patch["spec"]["http"][0], route["spec"]["http"][0], "a rule of its own stays");
        let rule = &divided.patch["spec"]["http"][1]["route"];
        assert_eq!(rule[1], json!({"destination": {"host": us, "port": {"number": 443}}, "weight": 70}));
    }

    #[test]
    fn a_region_that_the_route_does_not_know_needs_its_host() {
        let route = service(&[("api-eu-west-1.globalai.com", None)]);
        let why = divide(Divider::VirtualService, &route, &[heir("us-east-1", 100, None)]).unwrap_err();
        assert!(why.contains("cdn, api-eu-west-1.globalai.com") && why.contains("@HOST"), "{why}");
        let why =
            divide(Divider::VirtualService, &route, &[heir("eu-west-1", 50, None), heir("us", 50, None)])
                .unwrap_err();
        assert!(why.contains("no destination for us"), "{why}");
        // `us` is no part of the word `us-west`'s neighbour `bus`.
        assert!(
            !is(&heir("us", 1, None), "bus.example.com") && is(&heir("us", 1, None), "api-us.example.com")
        );
        let mut one = service(&[("only", None)]);
        one["spec"]["http"].as_array_mut().unwrap().remove(0);
        let named = [heir("eu", 0, Some("only")), heir("us", 100, Some("other"))];
        let divided = divide(Divider::VirtualService, &one, &named).unwrap();
        assert_eq!(divided.hosts, [("only".to_owned(), 100, 0), ("other".to_owned(), 0, 100)]);
    }

    #[test]
    fn an_http_routes_backends_are_weighed_the_same() {
        let route = json!({"spec": {"rules": [{"backendRefs": [{"name": "llm-eu", "port": 80}, {"name": "llm-us", "port": 80}]}]}});
        let divided = divide(Divider::HttpRoute, &route, &[heir("us", 100, None)]).unwrap();
        assert_eq!(divided.hosts, [("llm-eu".to_owned(), 1, 0), ("llm-us".to_owned(), 1, 100)]);
    }
}
