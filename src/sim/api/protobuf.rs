//! The protobuf bodies of kubectl's typed clients, read by tables of fields into the trees of their JSON form.
use super::status::Status;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use serde_json::{Map, Value, json};

/// What a field holds.
enum Kind {
    Text,
    Number,
    Flag,
    One(&'static Message),
    Texts,
    Many(&'static Message),
    /// `map<string, string>`
    Labels,
    /// `map<string, bytes>`
    Secrets,
    /// `metav1.Time`
    Time,
    /// `intstr.IntOrString`
    Either,
    /// What the server writes itself.
    Ignored,
}

/// A message: field number, JSON name, kind.
struct Message(&'static [(u32, &'static str, Kind)]);

use Kind::{Either, Flag, Ignored, Labels, Many, Number, One, Secrets, Text, Texts, Time};

static META: Message = Message(&[
    (1, "name", Text),
    (2, "generateName", Text),
    (3, "namespace", Text),
    (5, "uid", Text),
    (6, "resourceVersion", Text),
    (11, "labels", Labels),
    (12, "annotations", Labels),
    (7, "generation", Ignored),
    (8, "creationTimestamp", Ignored),
    (13, "ownerReferences", Many(&OWNER)),
    (17, "managedFields", Ignored),
]);
static OWNER: Message = Message(&[
    (1, "kind", Text),
    (3, "name", Text),
    (4, "uid", Text),
    (5, "apiVersion", Text),
    (6, "controller", Flag),
    (7, "blockOwnerDeletion", Flag),
]);
static PRECONDITIONS: Message = Message(&[(1, "uid", Text), (2, "resourceVersion", Text)]);
static DELETE: Message = Message(&[
    (1, "gracePeriodSeconds", Number),
    (2, "preconditions", One(&PRECONDITIONS)),
    (3, "orphanDependents", Flag),
    (4, "propagationPolicy", Text),
    (5, "dryRun", Texts),
]);
static EVICTION: Message = Message(&[(1, "metadata", One(&META)), (2, "deleteOptions", One(&DELETE))]);
static RESOURCE: Message = Message(&[
    (1, "namespace", Text),
    (2, "verb", Text),
    (3, "group", Text),
    (4, "version", Text),
    (5, "resource", Text),
    (6, "subresource", Text),
    (7, "name", Text),
]);
static NON_RESOURCE: Message = Message(&[(1, "path", Text), (2, "verb", Text)]);
static SSAR_SPEC: Message =
    Message(&[(1, "resourceAttributes", One(&RESOURCE)), (2, "nonResourceAttributes", One(&NON_RESOURCE))]);
static SSAR: Message =
    Message(&[(1, "metadata", One(&META)), (2, "spec", One(&SSAR_SPEC)), (3, "status", Ignored)]);
static SAR_SPEC: Message = Message(&[
    (1, "resourceAttributes", One(&RESOURCE)),
    (2, "nonResourceAttributes", One(&NON_RESOURCE)),
    (3, "user", Text),
    (4, "groups", Texts),
]);
static SAR: Message =
    Message(&[(1, "metadata", One(&META)), (2, "spec", One(&SAR_SPEC)), (3, "status", Ignored)]);
static SSRR_SPEC: Message = Message(&[(1, "namespace", Text)]);
static SSRR: Message =
    Message(&[(1, "metadata", One(&META)), (2, "spec", One(&SSRR_SPEC)), (3, "status", Ignored)]);
static SELF: Message = Message(&[(1, "metadata", One(&META)), (2, "status", Ignored)]);
static TOKEN_SPEC: Message = Message(&[(1, "audiences", Texts), (4, "expirationSeconds", Number)]);
static TOKEN: Message =
    Message(&[(1, "metadata", One(&META)), (2, "spec", One(&TOKEN_SPEC)), (3, "status", Ignored)]);
static TOKEN_REVIEW_SPEC: Message = Message(&[(1, "token", Text), (2, "audiences", Texts)]);
static TOKEN_REVIEW: Message =
    Message(&[(1, "metadata", One(&META)), (2, "spec", One(&TOKEN_REVIEW_SPEC)), (3, "status", Ignored)]);
static SCALE_SPEC: Message = Message(&[(1, "replicas", Number)]);
static SCALE: Message =
    Message(&[(1, "metadata", One(&META)), (2, "spec", One(&SCALE_SPEC)), (3, "status", Ignored)]);
static NAMESPACE_SPEC: Message = Message(&[(1, "finalizers", Texts)]);
static NAMESPACE: Message =
    Message(&[(1, "metadata", One(&META)), (2, "spec", One(&NAMESPACE_SPEC)), (3, "status", Ignored)]);
static REFERENCE: Message = Message(&[
    (1, "kind", Text),
    (2, "namespace", Text),
    (3, "name", Text),
    (4, "uid", Text),
    (5, "apiVersion", Text),
    (6, "resourceVersion", Text),
    (7, "fieldPath", Text),
]);
static BINDING: Message = Message(&[(1, "metadata", One(&META)), (2, "target", One(&REFERENCE))]);
static SOURCE: Message = Message(&[(1, "component", Text), (2, "host", Text)]);
static EVENT: Message = Message(&[
    (1, "metadata", One(&META)),
    (2, "involvedObject", One(&REFERENCE)),
    (3, "reason", Text),
    (4, "message", Text),
    (5, "source", One(&SOURCE)),
    (6, "firstTimestamp", Time),
    (7, "lastTimestamp", Time),
    (8, "count", Number),
    (9, "type", Text),
    (12, "action", Text),
    (14, "reportingComponent", Text),
    (15, "reportingInstance", Text),
]);
static SERVICE_ACCOUNT: Message =
    Message(&[(1, "metadata", One(&META)), (4, "automountServiceAccountToken", Flag)]);
static CONFIG_MAP: Message =
    Message(&[(1, "metadata", One(&META)), (2, "data", Labels), (4, "immutable", Flag)]);

static SECRET: Message = Message(&[
    (1, "metadata", One(&META)),
    (2, "data", Secrets),
    (3, "type", Text),
    (4, "stringData", Labels),
    (5, "immutable", Flag),
]);
static RULE: Message = Message(&[
    (1, "verbs", Texts),
    (2, "apiGroups", Texts),
    (3, "resources", Texts),
    (4, "resourceNames", Texts),
    (5, "nonResourceURLs", Texts),
]);
static ROLE: Message = Message(&[(1, "metadata", One(&META)), (2, "rules", Many(&RULE))]);
static SUBJECT: Message =
    Message(&[(1, "kind", Text), (2, "apiGroup", Text), (3, "name", Text), (4, "namespace", Text)]);
static ROLE_REF: Message = Message(&[(1, "apiGroup", Text), (2, "kind", Text), (3, "name", Text)]);
static ROLE_BINDING: Message =
    Message(&[(1, "metadata", One(&META)), (2, "subjects", Many(&SUBJECT)), (3, "roleRef", One(&ROLE_REF))]);
static SERVICE_PORT: Message = Message(&[
    (1, "name", Text),
    (2, "protocol", Text),
    (3, "port", Number),
    (4, "targetPort", Either),
    (5, "nodePort", Number),
]);
static SERVICE_SPEC: Message = Message(&[
    (1, "ports", Many(&SERVICE_PORT)),
    (2, "selector", Labels),
    (3, "clusterIP", Text),
    (4, "type", Text),
    (5, "externalIPs", Texts),
    (7, "sessionAffinity", Text),
    (10, "externalName", Text),
]);
static SERVICE: Message =
    Message(&[(1, "metadata", One(&META)), (2, "spec", One(&SERVICE_SPEC)), (3, "status", Ignored)]);
static CONTAINER_PORT: Message = Message(&[
    (1, "name", Text),
    (2, "hostPort", Number),
    (3, "containerPort", Number),
    (4, "protocol", Text),
]);
static CONTAINER: Message = Message(&[
    (1, "name", Text),
    (2, "image", Text),
    (3, "command", Texts),
    (4, "args", Texts),
    (5, "workingDir", Text),
    (6, "ports", Many(&CONTAINER_PORT)),
    (13, "terminationMessagePath", Text),
    (14, "imagePullPolicy", Text),
    (20, "terminationMessagePolicy", Text),
]);
static POD_SPEC: Message = Message(&[
    (2, "containers", Many(&CONTAINER)),
    (3, "restartPolicy", Text),
    (4, "terminationGracePeriodSeconds", Number),
    (6, "dnsPolicy", Text),
    (7, "nodeSelector", Labels),
    (8, "serviceAccountName", Text),
]);
static POD_TEMPLATE: Message = Message(&[(1, "metadata", One(&META)), (2, "spec", One(&POD_SPEC))]);
static SELECTOR: Message = Message(&[(1, "matchLabels", Labels)]);
static DEPLOYMENT_SPEC: Message = Message(&[
    (1, "replicas", Number),
    (2, "selector", One(&SELECTOR)),
    (3, "template", One(&POD_TEMPLATE)),
    (5, "minReadySeconds", Number),
]);
static DEPLOYMENT: Message =
    Message(&[(1, "metadata", One(&META)), (2, "spec", One(&DEPLOYMENT_SPEC)), (3, "status", Ignored)]);
static JOB_SPEC: Message = Message(&[
    (1, "parallelism", Number),
    (2, "completions", Number),
    (6, "template", One(&POD_TEMPLATE)),
    (7, "backoffLimit", Number),
]);
static JOB: Message =
    Message(&[(1, "metadata", One(&META)), (2, "spec", One(&JOB_SPEC)), (3, "status", Ignored)]);
static JOB_TEMPLATE: Message = Message(&[(1, "metadata", One(&META)), (2, "spec", One(&JOB_SPEC))]);
static CRON_SPEC: Message = Message(&[
    (1, "schedule", Text),
    (3, "concurrencyPolicy", Text),
    (4, "suspend", Flag),
    (5, "jobTemplate", One(&JOB_TEMPLATE)),
]);
static CRON_JOB: Message =
    Message(&[(1, "metadata", One(&META)), (2, "spec", One(&CRON_SPEC)), (3, "status", Ignored)]);
static PDB_SPEC: Message =
    Message(&[(1, "minAvailable", Either), (2, "selector", One(&SELECTOR)), (3, "maxUnavailable", Either)]);
static PDB: Message =
    Message(&[(1, "metadata", One(&META)), (2, "spec", One(&PDB_SPEC)), (3, "status", Ignored)]);

fn message(kind: &str) -> Option<&'static Message> {
    Some(match kind {
        "DeleteOptions" => &DELETE,
        "Eviction" => &EVICTION,
        "SelfSubjectAccessReview" => &SSAR,
        "SubjectAccessReview" | "LocalSubjectAccessReview" => &SAR,
        "SelfSubjectRulesReview" => &SSRR,
        "SelfSubjectReview" => &SELF,
        "TokenRequest" => &TOKEN,
        "TokenReview" => &TOKEN_REVIEW,
        "Scale" => &SCALE,
        "Namespace" => &NAMESPACE,
        "Binding" => &BINDING,
        "Event" => &EVENT,
        "ServiceAccount" => &SERVICE_ACCOUNT,
        "ConfigMap" => &CONFIG_MAP,
        "Secret" => &SECRET,
        "Role" | "ClusterRole" => &ROLE,
        "RoleBinding" | "ClusterRoleBinding" => &ROLE_BINDING,
        "Service" => &SERVICE,
        "Deployment" => &DEPLOYMENT,
        "Job" => &JOB,
        "CronJob" => &CRON_JOB,
        "PodDisruptionBudget" => &PDB,
        _ => return None,
    })
}

/// The prefix of every Kubernetes protobuf body.
const MAGIC: &[u8] = b"k8s\0";
/// Messages in messages at most; the deepest known one has five.
const DEPTH: u32 = 16;

fn broken(why: impl std::fmt::Display) -> Status {
    Status::bad_request(format!("couldn't get version/kind; the protobuf body cannot be read: {why}"))
}

/// Reads `runtime.Unknown` and the message in it.
pub fn decode(body: &[u8]) -> Result<Value, Status> {
    let mut rest = body.strip_prefix(MAGIC).ok_or_else(|| {
        broken("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    })?;
    let (mut version, mut kind, mut raw) = (String::new(), String::new(), &b""[..]);
    while !rest.is_empty() {
        match field(&mut rest)? {
            (1, Some(mut type_meta)) => {
                while !type_meta.is_empty() {
                    match field(&mut type_meta)? {
                        (1, Some(text)) => version = utf8(text)?,
                        (2, Some(text)) => kind = utf8(text)?,
                        _ => {}
                    }
                }
            }
            (2, Some(bytes)) => raw = bytes,
            _ => {}
        }
    }
    // Options are sent bare of a kind by some clients.
    let name = if kind.is_empty() { "DeleteOptions" } else { kind.as_str() };
    let Some(fields) = message(name) else {
        let text = format!(
            "{kind} in version {version:?} cannot be read from protobuf by this server; send it as JSON"
        );
        return Err(Status::failure(415, "UnsupportedMediaType", text).with_details(Default::default()));
    };
    let mut object = read(fields, raw, DEPTH)?;
    let map = super::meta::object(&mut object);
    map.insert("apiVersion".into(), version.into());
    map.insert("kind".into(), kind.into());
    Ok(object)
}

fn utf8(bytes: &[u8]) -> Result<String, Status> {
    String::from_utf8(bytes.to_vec()).map_err(broken)
}

/// The next field: its number, and its bytes if it has any (numbers are skipped).
fn field<'a>(rest: &mut &'a [u8]) -> Result<(u32, Option<&'a [u8]>), Status> {
    let (tag, wire) = decode_key(rest).map_err(broken)?;
    if wire == WireType::LengthDelimited {
        return Ok((tag, Some(take(rest)?)));
    }
    skip_field(wire, tag, rest, DecodeContext::default()).map_err(broken)?;
    Ok((tag, None))
}

fn take<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Status> {
    let len = usize::try_from(decode_varint(rest).map_err(broken)?).map_err(broken)?;
    let (head, tail) = rest.split_at_checked(len).ok_or_else(|| broken("unexpected EOF"))?;
    *rest = tail;
    Ok(head)
}

fn read(message: &Message, mut rest: &[u8], depth: u32) -> Result<Value, Status> {
    let mut map = Map::new();
    if depth == 0 {
        return Err(broken("too deep"));
    }
    while !rest.is_empty() {
        let (tag, wire) = decode_key(&mut rest).map_err(broken)?;
        let known = message.0.iter().find(|(number, ..)| *number == tag);
        match (known, wire) {
            (Some((_, name, kind)), WireType::LengthDelimited) => {
                let bytes = take(&mut rest)?;
                put(&mut map, name, kind, bytes, depth)?;
            }
            (Some((_, name, Number)), WireType::Varint) => {
                let n = decode_varint(&mut rest).map_err(broken)?;
                // Two's complement, as protobuf has negative numbers.
                map.insert((*name).into(), json!(n as i64));
            }
            (Some((_, name, Flag)), WireType::Varint) => {
                let n = decode_varint(&mut rest).map_err(broken)?;
                map.insert((*name).into(), json!(n != 0));
            }
            (Some((_, _, Ignored)), wire) => {
                skip_field(wire, tag, &mut rest, DecodeContext::default()).map_err(broken)?;
            }
            (_, wire) => {
                // Go writes empty values too. Anything else would be lost without a word.
                if !skip_empty(wire, tag, &mut rest, depth)? {
                    let text = format!(
                        "field {tag} of this protobuf message cannot be read by this server; send it as JSON"
                    );
                    return Err(
                        Status::failure(415, "UnsupportedMediaType", text).with_details(Default::default())
                    );
                }
            }
        }
    }
    Ok(Value::Object(map))
}

/// Skips a field; whether it held nothing but zeros and empty messages.
fn skip_empty(wire: WireType, tag: u32, rest: &mut &[u8], depth: u32) -> Result<bool, Status> {
    match wire {
        WireType::Varint => Ok(decode_varint(rest).map_err(broken)? == 0),
        WireType::LengthDelimited => {
            let mut inner = take(rest)?;
            let mut empty = depth > 0;
            while empty && !inner.is_empty() {
                // What is no message is text, and text is not empty.
                let Ok((tag, wire)) = decode_key(&mut inner) else { return Ok(false) };
                empty = skip_empty(wire, tag, &mut inner, depth - 1).unwrap_or(false);
            }
            Ok(empty)
        }
        _ => {
            skip_field(wire, tag, rest, DecodeContext::default()).map_err(broken)?;
            Ok(false)
        }
    }
}

fn put(
    map: &mut Map<String, Value>,
    name: &str,
    kind: &Kind,
    bytes: &[u8],
    depth: u32,
) -> Result<(), Status> {
    match kind {
        // Empty strings are written although they mean absence.
        Text if bytes.is_empty() => {}
        Text => {
            map.insert(name.into(), utf8(bytes)?.into());
        }
        Texts => {
            let list = map.entry(name).or_insert_with(|| json!([]));
            if let Value::Array(list) = list {
                list.push(utf8(bytes)?.into());
            }
        }
        One(message) => {
            map.insert(name.into(), read(message, bytes, depth - 1)?);
        }
        Many(message) => {
            let element = read(message, bytes, depth - 1)?;
            let list = map.entry(name).or_insert_with(|| json!([]));
            if let Value::Array(list) = list {
                list.push(element);
            }
        }
        Either => {
            static EITHER: Message =
                Message(&[(1, "type", Number), (2, "number", Number), (3, "text", Text)]);
            let either = read(&EITHER, bytes, depth - 1)?;
            let value = if either["type"] == 1 { &either["text"] } else { &either["number"] };
            map.insert(name.into(), value.clone());
        }
        Ignored => {}
        Labels | Secrets => {
            let mut entry = bytes;
            let (mut key, mut value) = (String::new(), String::new());
            while !entry.is_empty() {
                match field(&mut entry)? {
                    (1, Some(text)) => key = utf8(text)?,
                    (2, Some(data)) if matches!(kind, Secrets) => value = BASE64_STANDARD.encode(data),
                    (2, Some(text)) => value = utf8(text)?,
                    _ => {}
                }
            }
            let labels = map.entry(name).or_insert_with(|| json!({}));
            super::meta::object(labels).insert(key, value.into());
        }
        Time => {
            static TIME: Message = Message(&[(1, "seconds", Number)]);
            let seconds = read(&TIME, bytes, depth - 1)?["seconds"].as_i64();
            if let Some(at) = seconds.and_then(|s| jiff::Timestamp::from_second(s).ok()) {
                map.insert(name.into(), crate::sim::clock::rfc3339(at).into());
            }
        }
        Number | Flag => return Err(broken(format!("{name} is a number"))),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::encoding::{encode_key, encode_varint};

    fn bytes(tag: u32, data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        encode_key(tag, WireType::LengthDelimited, &mut out);
        encode_varint(data.len() as u64, &mut out);
        out.extend_from_slice(data);
        out
    }

    fn unknown(version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
        let type_meta = [bytes(1, version.as_bytes()), bytes(2, kind.as_bytes())].concat();
        [MAGIC.to_vec(), bytes(1, &type_meta), bytes(2, raw)].concat()
    }

    #[test]
    fn typed_bodies_become_their_json() {
        let attributes = [bytes(1, b"prod"), bytes(2, b"patch"), bytes(5, b"nodes"), bytes(3, b"")].concat();
        let raw = bytes(2, &bytes(1, &attributes));
        let got = decode(&unknown("authorization.k8s.io/v1", "SelfSubjectAccessReview", &raw)).unwrap();
        assert_eq!(
            got,
            json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {"namespace": "prod", "verb": "patch", "resource": "nodes"}}})
        );
        let options = [vec![8, 5], bytes(5, b"All")].concat();
        let got = decode(&unknown("v1", "DeleteOptions", &options)).unwrap();
        let secret = bytes(2, &[bytes(1, b"a"), bytes(2, b"\xff")].concat());
        assert_eq!(decode(&unknown("v1", "Secret", &secret)).unwrap()["data"], json!({"a": "/w=="}));
        // What this server does not know must not be lost silently: here a container's env.
        let container = [bytes(1, b"c"), bytes(7, &bytes(1, b"NAME"))].concat();
        let deployment = bytes(2, &bytes(3, &bytes(2, &bytes(2, &container))));
        assert_eq!(decode(&unknown("apps/v1", "Deployment", &deployment)).unwrap_err().code, 415);
        let port = [vec![24, 80], bytes(4, &[8, 1, 16, 0, 26, 1, b'h'])].concat();
        let service = decode(&unknown("v1", "Service", &bytes(2, &bytes(1, &port)))).unwrap();
        assert_eq!(service["spec"]["ports"], json!([{"port": 80, "targetPort": "h"}]));
        assert_eq!((&got["gracePeriodSeconds"], &got["dryRun"]), (&json!(5), &json!(["All"])));
    }

    #[test]
    fn broken_bodies_are_refused() {
        let whole = unknown("v1", "DeleteOptions", &bytes(5, b"All"));
        for cut in 0..whole.len() {
            let _ = decode(&whole[..cut]);
        }
        assert_eq!(decode(b"{}").unwrap_err().code, 400);
        assert_eq!(decode(&unknown("v1", "Pod", b"")).unwrap_err().code, 415);
        assert_eq!(decode(&[MAGIC, &[0xff; 20]].concat()).unwrap_err().code, 400);
    }
}
