//! The options of a failover: regions with their share, workloads, the route and the manifest.

use crate::remedy::action::Spec;
use crate::remedy::run::Params;
use crate::world::{Kind, ObjectRef};

pub(in crate::remedy) const SPECS: &[Spec] = &[
    Spec::value("from", "CONTEXT", "the context whose traffic goes"),
    Spec::value(
        "to",
        "CONTEXT[=WEIGHT[@HOST]],…",
        "the contexts that take over, each with its share in percent and, where its name is not part of it, its host in \
         the route",
    )
    .required(),
    Spec::value("workload", "NAMESPACE/KIND/NAME", "a Deployment or StatefulSet to scale there; may be repeated").many(),
    Spec::value("replicas", "N", "how many pods each of them is to have in each region"),
    Spec::value("max-replicas", "N", "the highest number that its autoscaler may go to"),
    Spec::value(
        "route",
        "NAMESPACE/KIND/NAME",
        "the VirtualService or HTTPRoute of this context that divides the traffic",
    ),
    Spec::flag("route-first", "move the traffic before the new pods are ready"),
    Spec::value("apply", "FILE", "a manifest that each of the regions gets"),
    Spec::value("priority", "CLASS", "the priority class of what the manifest runs"),
];

/// A region that takes over.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Heir {
    pub context: String,
    /// Percent of the traffic.
    pub weight: Option<u32>,
    /// Its host in the route, where it was given.
    pub host: Option<String>,
}

/// The object that divides the traffic.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Divider {
    VirtualService,
    HttpRoute,
}

impl Divider {
    pub fn group(self) -> &'static str {
        match self {
            Divider::VirtualService => "networking.istio.io",
            Divider::HttpRoute => "gateway.networking.k8s.io",
        }
    }

    pub fn plural(self) -> &'static str {
        match self {
            Divider::VirtualService => "virtualservices",
            Divider::HttpRoute => "httproutes",
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Divider::VirtualService => "virtualservice",
            Divider::HttpRoute => "httproute",
        }
    }
}

#[derive(Clone, PartialEq, Debug)]
pub(super) struct Route {
    pub divider: Divider,
    pub namespace: String,
    pub name: String,
}

/// What was asked for, checked.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::remedy) struct Asked {
    pub(super) from: Option<String>,
    pub(super) to: Vec<Heir>,
    pub(super) workloads: Vec<ObjectRef>,
    pub(super) replicas: Option<u32>,
    pub(super) max: Option<u32>,
    pub(super) route: Option<Route>,
    pub(super) route_first: bool,
    pub(super) apply: Option<String>,
    pub(super) priority: Option<String>,
}

impl Asked {
    /// # Errors
    /// A sentence about what does not fit together.
    pub fn parse(params: &Params) -> Result<Asked, String> {
        let number = |name: &str| match params.get(name).map(|t| (t, t.parse::<u32>())) {
            None => Ok(None),
            Some((_, Ok(n))) if n > 0 => Ok(Some(n)),
            Some((text, _)) => Err(format!("--{name} {text:?} is not a number of pods")),
        };
        let lines = |name: &str| {
            params.get(name).map_or("", String::as_str).lines().map(str::to_owned).collect::<Vec<_>>()
        };
        let asked = Asked {
            from: params.get("from").cloned(),
            to: heirs(params.get("to").map_or("", String::as_str))?,
            workloads: lines("workload").iter().map(|text| workload(text)).collect::<Result<_, _>>()?,
            replicas: number("replicas")?,
            max: number("max-replicas")?,
            route: params.get("route").map(|text| route(text)).transpose()?,
            route_first: params.contains_key("route-first"),
            apply: params.get("apply").cloned(),
            priority: params.get("priority").cloned(),
        };
        asked.fits()?;
        Ok(asked)
    }

    /// The contexts that are changed with their namespaces; an empty context is that of the run.
    pub fn places(&self) -> Vec<(String, String)> {
        let of = |heir: &Heir| {
            let spaces = self.workloads.iter().map(|w| w.namespace.to_string()).chain([String::new()]);
            spaces.map(|space| (heir.context.clone(), space)).collect::<Vec<_>>()
        };
        let mut all: Vec<_> = self.to.iter().flat_map(of).collect();
        all.extend(self.route.iter().map(|route| (String::new(), route.namespace.clone())));
        all
    }

    fn fits(&self) -> Result<(), String> {
        let names = || self.to.iter().map(|heir| &heir.context);
        let twice = names().enumerate().find(|(i, name)| names().skip(i + 1).any(|other| other == *name));
        let sum: u32 = self.to.iter().filter_map(|heir| heir.weight).sum();
        let weighed = self.to.iter().all(|heir| heir.weight.is_some());
        let why = match () {
            () if twice.is_some() => format!("--to names {} twice", twice.map_or("", |(_, name)| name)),
            () if names().any(|name| self.from.as_ref() == Some(name)) => {
                "--from names a context that --to names, too".to_owned()
            }
            () if !self.workloads.is_empty() && self.replicas.is_none() => {
                "--workload needs --replicas N: how many pods it is to have in each region".to_owned()
            }
            () if self.replicas.is_some() && self.workloads.is_empty() && self.apply.is_none() => {
                "--replicas needs --workload NAMESPACE/KIND/NAME or --apply FILE: what is to have them"
                    .to_owned()
            }
            () if self.max.is_some() && self.workloads.is_empty() => {
                "--max-replicas needs --workload: whose autoscaler it is for".to_owned()
            }
            () if self.max < self.replicas && self.max.is_some() => {
                "--max-replicas is less than --replicas".to_owned()
            }
            () if self.priority.is_some() && self.apply.is_none() => {
                "--priority needs --apply FILE".to_owned()
            }
            () if self.route.is_some() && !weighed => {
                "--route needs a weight for each context: --to us=70,ap=30".to_owned()
            }
            () if self.route.is_some() && sum != 100 => {
                format!("the weights of --to are {sum} together, not 100")
            }
            () if self.route.is_none() && self.to.iter().any(|heir| heir.weight.is_some()) => {
                "weights need --route NAMESPACE/KIND/NAME: what divides the traffic".to_owned()
            }
            () if self.workloads.is_empty() && self.route.is_none() && self.apply.is_none() => {
                "failover needs something to do: --workload with --replicas, --apply or --route".to_owned()
            }
            () => return Ok(()),
        };
        Err(why)
    }
}

fn heirs(text: &str) -> Result<Vec<Heir>, String> {
    let mut out = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (context, share) = match part.rsplit_once('=') {
            None => (part, None),
            Some((context, share)) => (context, Some(share)),
        };
        let (weight, host) = match share.map(|s| s.split_once('@').map_or((s, None), |(w, h)| (w, Some(h)))) {
            None => (None, None),
            Some((weight, host)) => {
                let number = weight.parse::<u32>().ok().filter(|n| *n <= 100);
                let number =
                    number.ok_or_else(|| format!("--to {part:?}: {weight:?} is not a percentage"))?;
                (Some(number), host.filter(|h| !h.is_empty()).map(str::to_owned))
            }
        };
        if context.is_empty() {
            return Err(format!("--to {part:?} names no context"));
        }
        out.push(Heir { context: context.to_owned(), weight, host });
    }
    if out.is_empty() { Err("--to names no context".to_owned()) } else { Ok(out) }
}

fn three<'t>(option: &str, text: &'t str) -> Result<(&'t str, &'t str, &'t str), String> {
    let mut parts = text.split('/');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(a), Some(b), Some(c), None) if !a.is_empty() && !b.is_empty() && !c.is_empty() => Ok((a, b, c)),
        _ => Err(format!("--{option} {text:?} is not NAMESPACE/KIND/NAME")),
    }
}

fn workload(text: &str) -> Result<ObjectRef, String> {
    let (namespace, kind, name) = three("workload", text)?;
    match Kind::parse(kind) {
        Some(kind @ (Kind::Deployment | Kind::StatefulSet)) => Ok(ObjectRef::new(kind, namespace, name)),
        _ => Err(format!("--workload {text:?}: a Deployment or StatefulSet can be scaled there, no {kind}")),
    }
}

fn route(text: &str) -> Result<Route, String> {
    let (namespace, kind, name) = three("route", text)?;
    let divider = match kind.to_ascii_lowercase().split('.').next().unwrap_or("") {
        "virtualservice" | "virtualservices" | "vs" => Divider::VirtualService,
        "httproute" | "httproutes" => Divider::HttpRoute,
        _ => {
            return Err(format!(
                "--route {text:?}: traffic is divided by a VirtualService or HTTPRoute, no {kind}"
            ));
        }
    };
    Ok(Route { divider, namespace: namespace.to_owned(), name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(options: &[(&str, &str)]) -> Result<Asked, String> {
        Asked::parse(&options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn regions_have_shares_and_what_does_not_fit_together_is_told() {
        let asked = parse(&[
            ("to", "us-east-1=70, arn:aws:eks:ap-1:1:cluster/x=30@api-ap.example.com"),
            ("route", "edge/virtualservice/api"),
        ]);
        let to = asked.unwrap().to;
        assert_eq!((&*to[0].context, to[0].weight, &to[0].host), ("us-east-1", Some(70), &None));
        assert_eq!(
            (&*to[1].context, to[1].host.as_deref()),
            ("arn:aws:eks:ap-1:1:cluster/x", Some("api-ap.example.com"))
        );
        let workload = ("workload", "prod/deploy/llm");
        for (options, told) in [
            (&[("to", "us")][..], "something to do"),
            (&[("to", "us=70,ap=40"), ("route", "e/vs/a")], "110 together, not 100"),
            (&[("to", "us,ap"), ("route", "e/vs/a")], "a weight for each"),
            (&[("to", "us=70"), workload, ("replicas", "3")], "weights need --route"),
            (&[("to", "us,us"), workload, ("replicas", "3")], "us twice"),
            (&[("to", "us"), ("from", "us"), workload, ("replicas", "3")], "that --to names"),
            (&[("to", "us"), workload], "needs --replicas"),
            (&[("to", "us"), workload, ("replicas", "0")], "not a number of pods"),
            (&[("to", "us"), workload, ("replicas", "9"), ("max-replicas", "3")], "less than --replicas"),
            (&[("to", "us"), ("workload", "prod/job/x"), ("replicas", "1")], "no job"),
            (&[("to", "us"), ("workload", "llm"), ("replicas", "1")], "is not NAMESPACE/KIND/NAME"),
            (&[("to", "us=x"), ("route", "e/vs/a")], "is not a percentage"),
            (&[("to", ""), ("apply", "f")], "names no context"),
        ] {
            let why = parse(options).unwrap_err();
            assert!(why.contains(told), "{options:?}: {why}");
        }
    }
}
