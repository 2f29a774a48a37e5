//! Handles one request: authentication, authorization, routing.
use crate::api::access::auth::{self, User, Users};
use crate::api::access::rbac::{self, Asked};
use crate::api::access::reviews;
use crate::api::machines::Machines;
use crate::api::machines::exec;
use crate::api::machines::logs;
use crate::api::machines::metrics;
use crate::api::machines::portforward;
use crate::api::machines::proxy;
use crate::api::meta::status::Status;
use crate::api::schema::discovery;
use crate::api::schema::openapi;
use crate::api::schema::registry::Resource;
use crate::api::server_metrics;
use crate::api::store::{Object, Store};
use crate::api::verbs::read::{self, Writer};
use crate::api::verbs::subresources;
use crate::api::verbs::watch;
use crate::api::verbs::write;
use crate::api::wire::body::{self, Answer};
use crate::api::wire::decode;
use crate::api::wire::request::{Format, Query, RequestInfo};
use bytes::Bytes;
use http::{HeaderMap, Method, header};
use hyper::upgrade::OnUpgrade;
use std::sync::Arc;

/// A request with its body.
pub struct Call {
    pub method: Method,
    /// The raw path, with escapes.
    pub path: String,
    pub raw_query: String,
    pub query: Query,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The connection, if it can be upgraded.
    pub upgrade: Option<OnUpgrade>,
}

impl Call {
    pub fn new(method: Method, path: &str, query: Option<&str>, headers: HeaderMap, body: Bytes) -> Call {
        Call {
            method,
            path: path.into(),
            raw_query: query.unwrap_or_default().into(),
            query: Query::parse(query),
            headers,
            body,
            upgrade: None,
        }
    }

    pub fn content_type(&self) -> &str {
        self.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }
}

/// The API server without its socket.
pub struct Api {
    pub store: Arc<Store>,
    pub users: Users,
    pub machines: Arc<dyn Machines>,
    /// `host:port`, for discovery.
    pub address: String,
}

impl Api {
    /// Answers any request; it never panics.
    pub async fn answer(self: &Arc<Self>, mut call: Call) -> Answer {
        match self.try_answer(&mut call).await {
            Ok(answer) => answer,
            Err(status) => status.into(),
        }
    }

    async fn try_answer(self: &Arc<Self>, call: &mut Call) -> Result<Answer, Status> {
        let info = RequestInfo::parse(&call.method, &call.path, &call.query);
        if matches!(info.path.as_str(), "/healthz" | "/livez" | "/readyz" | "/version" | "/version/") {
            return Ok(public(&info.path, &call.query, self.machines.server_version().as_deref()));
        }
        let user = self.user(call)?;
        rbac::authorize(&self.store, &user, &Asked::of(&info))?;
        if !info.about_resource() {
            return Ok(self.about_server(call, &info));
        }
        if info.group == metrics::GROUP {
            return metrics::answer(self, call, &info);
        }
        let Some(def) = self.store.served(&info.group, &info.version, &info.resource) else {
            let known =
                self.store.resources().iter().any(|r| r.group == info.group && r.version == info.version);
            return if known { Err(Status::no_such_resource()) } else { Ok(body::no_page()) };
        };
        if !info.subresource.is_empty() {
            return self.subresource(call, &info, def, &user).await;
        }
        if !def.stored() {
            return self.review(call, &info, &def, &user);
        }
        self.resource(call, &info, def)
    }

    /// The user of a request, or the impersonated user if allowed.
    pub fn user(&self, call: &Call) -> Result<User, Status> {
        let user = self.users.authenticate(&call.headers)?;
        let Some(other) = auth::impersonated(&call.headers)? else { return Ok(user) };
        let mut wanted = vec![("users", other.name.as_str())];
        wanted.extend(
            other.groups.iter().filter(|g| *g != "system:authenticated").map(|g| ("groups", g.as_str())),
        );
        for (resource, name) in wanted {
            let asked = Asked { verb: "impersonate", resource, name, ..Asked::default() };
            rbac::authorize(&self.store, &user, &asked)?;
        }
        Ok(other)
    }

    /// Paths without a resource.
    fn about_server(&self, call: &Call, info: &RequestInfo) -> Answer {
        if call.method != Method::GET && call.method != Method::HEAD {
            return body::no_page();
        }
        let mut resources = self.store.resources();
        if self.machines.usage().is_some() {
            resources.extend(metrics::resources());
        }
        let path = info.path.as_str();
        discovery::answer(path, &call.headers, &resources, &self.address)
            .or_else(|| openapi::answer(path, &resources, |def| self.store.definition(def)))
            .or_else(|| {
                (path == "/metrics").then(|| server_metrics::answer(&self.machines.deprecated_requests()))
            })
            .or_else(|| path.starts_with("/readyz/").then(|| body::text(200, "ok")))
            .or_else(|| path.starts_with("/livez/").then(|| body::text(200, "ok")))
            .unwrap_or_else(body::no_page)
    }

    /// Requests for stored kinds.
    fn resource(&self, call: &Call, info: &RequestInfo, def: Arc<Resource>) -> Result<Answer, Status> {
        if def.namespaced
            && info.namespace.is_empty()
            && !matches!(info.verb, "list" | "watch" | "deletecollection")
        {
            return Err(if info.verb == "get" {
                Status::no_such_resource()
            } else {
                Status::method_not_allowed()
            });
        }
        if !def.namespaced && !info.namespace.is_empty() {
            return Err(Status::no_such_resource());
        }
        if !def.has_verb(info.verb) {
            return Err(Status::method_not_allowed());
        }
        let format = Format::of(&call.headers)?;
        let writer = Writer::new(def.clone(), format, &call.query, &self.store);
        let ns = Some(info.namespace.as_str()).filter(|_| def.namespaced && !info.namespace.is_empty());
        match info.verb {
            "get" if call.query.flag("watch") => watch::watch(&self.store, writer, ns, &call.query),
            "get" => read::get(&self.store, &writer, &info.namespace, &info.name),
            "list" => read::list(&self.store, writer, ns, &call.query),
            "watch" => watch::watch(&self.store, writer, ns, &call.query),
            "create" => write::create(self, call, info, &writer),
            "update" => write::update(self, call, info, &writer),
            "patch" => write::patch(self, call, info, &writer),
            "delete" => write::delete(self, call, info, &writer),
            _ => write::delete_collection(self, call, info, writer),
        }
    }

    /// Kinds that are answered and not stored.
    fn review(&self, call: &Call, info: &RequestInfo, def: &Resource, user: &User) -> Result<Answer, Status> {
        match (info.verb, def.kind.as_str()) {
            ("create", "Binding") => {
                let binding = decode::object(call, def)?;
                subresources::bind(self, call, &info.namespace, crate::api::meta::name(&binding), &binding)
            }
            ("create", kind) => {
                let review = decode::object(call, def)?;
                let answer = reviews::answer(kind, review, &info.namespace, user, &self.store, &self.users);
                let answer = answer.ok_or_else(Status::method_not_allowed)??;
                let bare = crate::api::store::item::bare_json(&answer);
                Ok(body::json(201, crate::api::store::item::with_type(&def.kind, &def.api_version, &bare)))
            }
            ("list", "ComponentStatus") => Ok(body::json(
                200,
                r#"{"kind":"ComponentStatusList","apiVersion":"v1","metadata":{},"items":[]}"#,
            )),
            _ => Err(Status::method_not_allowed()),
        }
    }

    async fn subresource(
        self: &Arc<Self>,
        call: &mut Call,
        info: &RequestInfo,
        def: Arc<Resource>,
        user: &User,
    ) -> Result<Answer, Status> {
        if def.namespaced && info.namespace.is_empty() {
            return Err(Status::no_such_resource());
        }
        let Some(sub) = def.subresource(&info.subresource) else { return Err(Status::no_such_resource()) };
        if !sub.verbs.iter().any(|v| v == info.verb) {
            return Err(Status::method_not_allowed());
        }
        if let Some(answer) = subresources::answer(self, call, info, &def, user) {
            return answer;
        }
        match (&*def.key, info.subresource.as_str()) {
            ("pods", "log") => logs::answer(self, call, info),
            ("pods", "exec") => exec::answer(self, call, info, true),
            ("pods", "attach") => exec::answer(self, call, info, false),
            ("pods", "portforward") => portforward::answer(self, call, info),
            (_, "proxy") => proxy::answer(self, call, info).await,
            _ => {
                let format = Format::of(&call.headers)?;
                let writer = Writer::new(def.clone(), format, &call.query, &self.store);
                match info.verb {
                    "get" => read::get(&self.store, &writer, &info.namespace, &info.name),
                    "update" => write::update(self, call, info, &writer),
                    "patch" => write::patch(self, call, info, &writer),
                    _ => Err(Status::method_not_allowed()),
                }
            }
        }
    }

    /// The pod of a request, or 404.
    pub fn pod(&self, info: &RequestInfo) -> Result<Object, Status> {
        let pod = self.store.get("pods", &info.namespace, &info.name);
        pod.ok_or_else(|| Status::not_found("pods", &info.name))
    }
}

fn public(path: &str, query: &Query, version: Option<&str>) -> Answer {
    match path {
        "/version" | "/version/" => body::json(200, format!("{:#}", discovery::version(version))),
        _ if query.has("verbose") => {
            let name = path.trim_start_matches('/');
            body::text(200, format!("[+]ping ok\n[+]log ok\n[+]etcd ok\n{name} check passed\n"))
        }
        _ => body::text(200, "ok"),
    }
}
