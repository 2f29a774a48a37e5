//! Decodes the protobuf bodies of kubectl's typed clients into JSON trees, by the schema.
use crate::api::meta::status::Status;
use crate::api::schema::{self, Field, Kind, Message, Shape};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use serde_json::{Map, Value, json};

/// The prefix of every Kubernetes protobuf body.
const MAGIC: &[u8] = b"k8s\0";
/// The deepest nesting of messages. A cron job's pod's volume's claim's selector has depth nine.
const DEPTH: u32 = 16;

fn broken(why: impl std::fmt::Display) -> Status {
    Status::bad_request(format!("couldn't get version/kind; the protobuf body cannot be read: {why}"))
}

/// Decodes `runtime.Unknown` and the message in it.
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
    // Some clients send options without a kind.
    let name = if kind.is_empty() { "DeleteOptions" } else { kind.as_str() };
    let Some(fields) = schema::of_kind(&version, name) else {
        return Err(unreadable(&format!("{kind} in version {version:?}")));
    };
    let mut map = read(fields, raw, DEPTH)?;
    map.insert("apiVersion".into(), version.into());
    map.insert("kind".into(), kind.into());
    Ok(map.into())
}

fn unreadable(what: &str) -> Status {
    let text = format!("{what} cannot be read from protobuf by this server; send it as JSON");
    Status::failure(415, "UnsupportedMediaType", text).with_details(Default::default())
}

fn utf8(bytes: &[u8]) -> Result<String, Status> {
    String::from_utf8(bytes.to_vec()).map_err(broken)
}

/// The next field: its number, and its bytes if it has any. Numbers are skipped.
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

fn read(message: &Message, mut rest: &[u8], depth: u32) -> Result<Map<String, Value>, Status> {
    let mut map = Map::new();
    if depth == 0 {
        return Err(broken("too deep"));
    }
    while !rest.is_empty() {
        let (tag, wire) = decode_key(&mut rest).map_err(broken)?;
        let known = message.on_the_wire().iter().find(|field| field.number == Some(tag));
        match (known, wire) {
            (Some(Field { of_server: true, .. }), wire) => {
                skip_field(wire, tag, &mut rest, DecodeContext::default()).map_err(broken)?;
            }
            (Some(field), WireType::LengthDelimited) => {
                let bytes = take(&mut rest)?;
                put(&mut map, field, bytes, depth)?;
            }
            (Some(field), WireType::Varint) => {
                let n = decode_varint(&mut rest).map_err(broken)?;
                put_number(&mut map, field, n)?;
            }
            (_, wire) => {
                // Go also writes empty values. Any other unknown field would be lost silently.
                if !skip_empty(wire, tag, &mut rest, depth)? {
                    return Err(unreadable(&format!("field {tag} of a message")));
                }
            }
        }
    }
    Ok(map)
}

/// Skips a field; true if it held only zeros and empty messages.
fn skip_empty(wire: WireType, tag: u32, rest: &mut &[u8], depth: u32) -> Result<bool, Status> {
    match wire {
        WireType::Varint => Ok(decode_varint(rest).map_err(broken)? == 0),
        WireType::LengthDelimited => {
            let mut inner = take(rest)?;
            let mut empty = depth > 0;
            while empty && !inner.is_empty() {
                // A field that is not a message is text, and text is not empty.
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

fn put_number(map: &mut Map<String, Value>, field: &Field, n: u64) -> Result<(), Status> {
    let value = match field.kind {
        // Negative numbers are two's complement in protobuf.
        Kind::Int32 | Kind::Int64 => json!(n as i64),
        Kind::Bool => json!(n != 0),
        _ => return Err(broken(format!("{} is no number", field.name))),
    };
    match field.shape {
        Shape::Plain if n == 0 => {}
        Shape::List => push(map, field.name, value),
        _ => drop(map.insert(field.name.into(), value)),
    }
    Ok(())
}

fn push(map: &mut Map<String, Value>, name: &str, value: Value) {
    if let Value::Array(list) = map.entry(name).or_insert_with(|| json!([])) {
        list.push(value);
    }
}

fn put(map: &mut Map<String, Value>, field: &Field, bytes: &[u8], depth: u32) -> Result<(), Status> {
    match field.shape {
        Shape::Plain if bytes.is_empty() && field.kind == Kind::Text => {}
        Shape::List => push(map, field.name, value(field, bytes, depth)?),
        Shape::Map => {
            let mut entry = bytes;
            let (mut key, mut data) = (String::new(), &b""[..]);
            while !entry.is_empty() {
                match self::field(&mut entry)? {
                    (1, Some(text)) => key = utf8(text)?,
                    (2, Some(bytes)) => data = bytes,
                    _ => {}
                }
            }
            let all = map.entry(field.name).or_insert_with(|| json!({}));
            crate::api::meta::object(all).insert(key, value(field, data, depth)?);
        }
        Shape::Inline => {
            if let Value::Object(fields) = value(field, bytes, depth)? {
                map.extend(fields);
            }
        }
        Shape::Plain | Shape::Pointer => {
            map.insert(field.name.into(), value(field, bytes, depth)?);
        }
    }
    Ok(())
}

/// The value of a field's bytes.
fn value(field: &Field, bytes: &[u8], depth: u32) -> Result<Value, Status> {
    Ok(match field.kind {
        Kind::Text => utf8(bytes)?.into(),
        Kind::Bytes => BASE64_STANDARD.encode(bytes).into(),
        Kind::Message(id) => match schema::named(id) {
            Some(message) => read(message, bytes, depth - 1)?.into(),
            None => Value::Null,
        },
        Kind::Quantity => scalars(bytes)?.0,
        Kind::Time => {
            let seconds = scalars(bytes)?.1.first().copied().unwrap_or(0);
            let at = jiff::Timestamp::from_second(seconds).map_err(broken)?;
            crate::clock::rfc3339(at).into()
        }
        // Type, number and text; only type 1 is text.
        Kind::Either => match scalars(bytes)? {
            (text, numbers) if numbers.first() == Some(&1) => text,
            (_, numbers) => json!(numbers.get(1).copied().unwrap_or(0)),
        },
        Kind::Int32 | Kind::Int64 | Kind::Bool => {
            return Err(broken(format!("{} is a number", field.name)));
        }
        Kind::Double | Kind::Any => return Err(unreadable(field.name)),
    })
}

/// The text and the numbers of a small message, in Go's order.
fn scalars(mut rest: &[u8]) -> Result<(Value, Vec<i64>), Status> {
    let (mut text, mut numbers) = (String::new(), Vec::new());
    while !rest.is_empty() {
        match decode_key(&mut rest).map_err(broken)? {
            (_, WireType::LengthDelimited) => text = utf8(take(&mut rest)?)?,
            (_, WireType::Varint) => numbers.push(decode_varint(&mut rest).map_err(broken)? as i64),
            (tag, wire) => skip_field(wire, tag, &mut rest, DecodeContext::default()).map_err(broken)?,
        }
    }
    Ok((text.into(), numbers))
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
        // Unknown fields must not be lost silently; here a field that does not exist yet.
        let container = [bytes(1, b"c"), bytes(1000, b"new")].concat();
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
        assert_eq!(decode(&unknown("v1", "Gizmo", b"")).unwrap_err().code, 415);
        assert_eq!(decode(&[MAGIC, &[0xff; 20]].concat()).unwrap_err().code, 400);
    }
}
