//! Parses a request: verb, resource and query.
use crate::api::meta::status::Status;
use http::{HeaderMap, Method, header};

/// `RequestInfo` of kube-apiserver: a request as authorization and routing see it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RequestInfo {
    pub verb: &'static str,
    pub group: String,
    pub version: String,
    /// The plural; empty for requests without a resource.
    pub resource: String,
    pub subresource: String,
    pub namespace: String,
    pub name: String,
    /// The path after `proxy`, with its leading slash; may be empty.
    pub rest: String,
    /// The decoded path.
    pub path: String,
}

/// The decoded query.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    pub fn parse(query: Option<&str>) -> Query {
        let pairs = query.unwrap_or_default().split('&').filter(|p| !p.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key, true), decode(value, true))
        });
        Query(pairs.collect())
    }

    /// The first value of a key; "" if it is missing.
    pub fn get(&self, key: &str) -> &str {
        self.all(key).next().unwrap_or_default()
    }

    pub fn all<'a, 'k>(&'a self, key: &'k str) -> impl Iterator<Item = &'a str> + use<'a, 'k> {
        self.0.iter().filter(move |(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    pub fn has(&self, key: &str) -> bool {
        self.all(key).next().is_some()
    }

    /// A boolean as the API parses it: absent, "0" and "false" are false, anything else is true.
    pub fn flag(&self, key: &str) -> bool {
        self.has(key) && !matches!(self.get(key), "0" | "false" | "False" | "FALSE" | "f" | "F")
    }

    /// A non-negative number; 400 for anything else.
    pub fn number(&self, key: &str) -> Result<Option<u64>, Status> {
        match self.get(key) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                Status::bad_request(format!("strconv.ParseInt: parsing \"{text}\": invalid syntax"))
            }),
        }
    }

    /// `dryRun=All`; any other value is refused.
    pub fn dry_run(&self) -> Result<bool, Status> {
        check_dry_run(self.all("dryRun"))
    }
}

/// Whether the values of `dryRun` request a dry run.
pub fn check_dry_run<'a>(values: impl Iterator<Item = &'a str>) -> Result<bool, Status> {
    let mut asked = false;
    for value in values.filter(|v| !v.is_empty()) {
        if value != "All" {
            let text = format!("Invalid value: \"{value}\": supported values: \"All\"");
            return Err(Status::failure(422, "Invalid", format!("dryRun: {text}")));
        }
        asked = true;
    }
    Ok(asked)
}

/// Decodes percent-encoding. An invalid escape stays as it is.
pub(crate) fn decode(text: &str, plus_is_space: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = |i: usize| bytes.get(i).and_then(|b| char::from(*b).to_digit(16));
        match (bytes[at], hex(at + 1), hex(at + 2)) {
            (b'%', Some(hi), Some(lo)) => {
                out.push((hi * 16 + lo) as u8);
                at += 3;
                continue;
            }
            (b'+', ..) if plus_is_space => out.push(b' '),
            (other, ..) => out.push(other),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

impl RequestInfo {
    /// Never fails: an unknown path has an empty `resource`.
    pub fn parse(method: &Method, path: &str, query: &Query) -> RequestInfo {
        let mut info = RequestInfo { path: decode(path, false), ..RequestInfo::default() };
        info.verb = match method.as_str() {
            "POST" => "create",
            "PUT" => "update",
            "PATCH" => "patch",
            "DELETE" => "delete",
            _ => "get",
        };
        let raw: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
        let parts: Vec<String> = raw.iter().map(|p| decode(p, false)).collect();
        let mut rest: &[String] = match parts.first().map(String::as_str) {
            Some("api") if parts.len() > 2 => {
                info.version = parts[1].clone();
                &parts[2..]
            }
            Some("apis") if parts.len() > 3 => {
                info.group = parts[1].clone();
                info.version = parts[2].clone();
                &parts[3..]
            }
            _ => return info,
        };
        if rest[0] == "namespaces" && rest.len() > 1 {
            info.namespace = rest[1].clone();
            if rest.len() > 2 && rest[2] != "finalize" && rest[2] != "status" {
                rest = &rest[2..];
            }
        }
        info.resource = rest[0].clone();
        info.name = rest.get(1).cloned().unwrap_or_default();
        info.subresource = rest.get(2).cloned().unwrap_or_default();
        if info.subresource == "proxy" {
            // The path after `proxy` keeps its escapes.
            let skip = parts.len() - rest.len() + 3;
            info.rest = raw[skip..].iter().map(|p| format!("/{p}")).collect();
            if path.ends_with('/') {
                info.rest.push('/');
            }
        } else if rest.len() > 3 {
            info.resource.clear();
        }
        if info.resource == "namespaces" && info.name == info.namespace && info.subresource.is_empty() {
            // `/api/v1/namespaces/x` is cluster-scoped, although its path looks namespaced.
            info.namespace.clear();
        }
        if info.name.is_empty() {
            info.verb = match info.verb {
                "get" if query.flag("watch") => "watch",
                "get" => "list",
                "delete" => "deletecollection",
                verb => verb,
            };
        }
        info
    }

    pub fn about_resource(&self) -> bool {
        !self.resource.is_empty()
    }
}

/// The format that the client accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Json,
    Table,
    /// `PartialObjectMetadata` and its list.
    Partial,
}

impl Format {
    /// The first format in `Accept` that this server supports.
    pub fn of(headers: &HeaderMap) -> Result<Format, Status> {
        let mut any = false;
        for value in headers.get_all(header::ACCEPT) {
            for range in value.to_str().unwrap_or_default().split(',').filter(|r| !r.trim().is_empty()) {
                any = true;
                let mut params = range.split(';').map(str::trim);
                let kind = params.next().unwrap_or_default();
                if !matches!(kind, "application/json" | "*/*" | "application/*") {
                    continue;
                }
                match params.find_map(|p| p.strip_prefix("as=")) {
                    None => return Ok(Format::Json),
                    Some("Table") => return Ok(Format::Table),
                    Some("PartialObjectMetadata" | "PartialObjectMetadataList") => {
                        return Ok(Format::Partial);
                    }
                    Some(_) => {}
                }
            }
        }
        if !any {
            return Ok(Format::Json);
        }
        let text = "only the following media types are accepted: application/json, \
                    application/json;as=Table;v=v1;g=meta.k8s.io, \
                    application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
        Err(Status::failure(406, "NotAcceptable", text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(method: Method, uri: &str) -> RequestInfo {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        RequestInfo::parse(&method, path, &Query::parse(Some(query)))
    }

    #[test]
    fn paths_are_read_as_the_api_server_reads_them() {
        let got = info(Method::GET, "/api/v1/namespaces/prod/pods/web%2D1/log?follow=1");
        assert_eq!(
            (got.verb, &*got.namespace, &*got.resource, &*got.name, &*got.subresource),
            ("get", "prod", "pods", "web-1", "log")
        );
        let got = info(Method::GET, "/apis/apps/v1/deployments?watch=true");
        assert_eq!(
            (got.verb, &*got.group, &*got.version, &*got.resource),
            ("watch", "apps", "v1", "deployments")
        );
        let got = info(Method::DELETE, "/api/v1/namespaces/prod/pods");
        assert_eq!(got.verb, "deletecollection");
        let got = info(Method::GET, "/api/v1/namespaces/prod");
        assert_eq!((&*got.resource, &*got.name, &*got.namespace), ("namespaces", "prod", ""));
        let got = info(Method::PUT, "/api/v1/namespaces/prod/finalize");
        assert_eq!((&*got.resource, &*got.name, &*got.subresource), ("namespaces", "prod", "finalize"));
        let got = info(Method::GET, "/api/v1/nodes/n1/proxy/stats/summary");
        assert_eq!((&*got.name, &*got.subresource, &*got.rest), ("n1", "proxy", "/stats/summary"));
        let got = info(Method::GET, "/api/v1/namespaces/a/services/https:web:80/proxy/x%20y/");
        assert_eq!((&*got.name, &*got.rest), ("https:web:80", "/x%20y/"));
        assert!(!info(Method::GET, "/healthz").about_resource());
        assert!(!info(Method::GET, "/api/v1/namespaces/a/pods/b/log/c/d").about_resource());
    }

    #[test]
    fn the_first_form_that_is_known_wins() {
        let of = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            Format::of(&headers)
        };
        assert_eq!(of("application/json;as=Table;v=v1;g=meta.k8s.io,application/json"), Ok(Format::Table));
        assert_eq!(of("application/vnd.kubernetes.protobuf,application/json"), Ok(Format::Json));
        assert_eq!(
            of("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"),
            Ok(Format::Partial)
        );
        assert_eq!(of("text/html").unwrap_err().code, 406);
        assert_eq!(Format::of(&HeaderMap::new()), Ok(Format::Json));
    }
}
