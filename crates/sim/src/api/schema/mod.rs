//! The schemas of the built-in kinds: the fields of each message, their types and their protobuf numbers.

pub(in crate::api) mod discovery;
pub(in crate::api) mod openapi;
pub(in crate::api) mod registry;
pub(in crate::api) mod strict;
pub(in crate::api) mod versions;

use std::collections::HashMap;
use std::sync::LazyLock;

const TEXT: &str = include_str!("schema.txt");

static MESSAGES: LazyLock<HashMap<&str, Message>> = LazyLock::new(|| {
    let lines = TEXT.lines().filter_map(|line| line.split_once(" = "));
    lines.map(|(name, fields)| (name, Message::parse(name, fields))).collect()
});

/// A Go struct of the API.
#[derive(Debug)]
pub struct Message {
    /// The message's name, with its version in front if several messages share the name.
    id: &'static str,
    fields: Vec<Field>,
}

#[derive(Debug)]
pub struct Field {
    /// None if no known client sends the field as protobuf.
    pub number: Option<u32>,
    /// The server sets the field; a client's value is ignored.
    pub of_server: bool,
    pub name: &'static str,
    pub shape: Shape,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// Zero and empty mean absent.
    Plain,
    /// Zero and empty are values.
    Pointer,
    List,
    Map,
    /// The fields of the message are inlined into the outer message.
    Inline,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Text,
    Int32,
    Int64,
    Double,
    Bool,
    Bytes,
    /// `metav1.Time` and `metav1.MicroTime`
    Time,
    /// `intstr.IntOrString`
    Either,
    /// `resource.Quantity`
    Quantity,
    /// Any JSON value.
    Any,
    Message(&'static str),
}

/// The message of a built-in kind.
pub fn of_kind(api_version: &str, kind: &str) -> Option<&'static Message> {
    MESSAGES.get(format!("{api_version}/{kind}").as_str()).or_else(|| named(kind))
}

/// A message by the name that fields use.
pub fn named(id: &str) -> Option<&'static Message> {
    MESSAGES.get(id)
}

impl Message {
    fn parse(id: &'static str, fields: &'static str) -> Message {
        Message { id, fields: fields.split(", ").filter_map(Field::parse).collect() }
    }

    pub fn id(&self) -> &'static str {
        self.id
    }

    /// The Go name of the type.
    pub fn name(&self) -> &'static str {
        self.id.rsplit('/').next().unwrap_or(self.id)
    }

    /// The fields in protobuf.
    pub fn on_the_wire(&self) -> &[Field] {
        &self.fields
    }

    /// The fields in JSON.
    pub fn fields(&self) -> Vec<&Field> {
        let mut all = Vec::new();
        for field in &self.fields {
            match (field.shape, field.kind) {
                (Shape::Inline, Kind::Message(id)) => {
                    all.extend(named(id).map(Message::fields).unwrap_or_default())
                }
                _ => all.push(field),
            }
        }
        all
    }
}

impl Field {
    /// Parses `3 name []Kind`; None if the text is not a field.
    fn parse(text: &'static str) -> Option<Field> {
        let mut words = text.split_whitespace();
        let (number, name, kind) = (words.next()?, words.next()?, words.next()?);
        let shapes = [("[]", Shape::List), ("{}", Shape::Map), ("=", Shape::Inline)];
        let marked = shapes.iter().find_map(|(mark, shape)| Some((kind.strip_prefix(mark)?, *shape)));
        let (kind, shape) = marked
            .or_else(|| Some((kind.strip_suffix('?')?, Shape::Pointer)))
            .unwrap_or((kind, Shape::Plain));
        let kind = match kind {
            "text" => Kind::Text,
            "int32" => Kind::Int32,
            "int64" => Kind::Int64,
            "double" => Kind::Double,
            "bool" => Kind::Bool,
            "bytes" => Kind::Bytes,
            "time" => Kind::Time,
            "either" => Kind::Either,
            "quantity" => Kind::Quantity,
            "any" => Kind::Any,
            message => Kind::Message(message),
        };
        let of_server = number.ends_with('-');
        Some(Field { number: number.trim_end_matches('-').parse().ok(), of_server, name, shape, kind })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_line_is_read_and_every_name_is_there() {
        let lines: Vec<&str> = TEXT.lines().filter(|l| !l.is_empty() && !l.starts_with('#')).collect();
        assert_eq!(MESSAGES.len(), lines.len(), "two messages have one name");
        let read: usize = MESSAGES.values().map(|m| m.fields.len()).sum();
        assert_eq!(read, lines.iter().flat_map(|l| l.split(", ")).count(), "a field cannot be read");
        for message in MESSAGES.values() {
            let numbers: Vec<u32> = message.fields.iter().filter_map(|f| f.number).collect();
            assert!(numbers.is_sorted_by(|a, b| a < b), "{}", message.id);
            let names: HashSet<&str> = message.fields().iter().map(|f| f.name).collect();
            assert_eq!(names.len(), message.fields().len(), "{}", message.id);
            for field in &message.fields {
                if let Kind::Message(id) = field.kind {
                    assert!(named(id).is_some(), "{}.{}: {id}", message.id, field.name);
                }
            }
        }
        let event = |version| of_kind(version, "Event").unwrap().fields().iter().any(|f| f.name == "note");
        assert!(event("events.k8s.io/v1") && !event("v1"));
    }
}
