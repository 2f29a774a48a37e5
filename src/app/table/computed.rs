//! Columns of the user's own: a CEL expression over the object's fields, evaluated where a cell is shown, sorted or
//! filtered by.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use cel::{Context, Program};

use crate::app::table::cell::{Cell, Value};
use crate::app::table::shape::{Cut, Shape};
use crate::config::own::OwnColumn;
use crate::detect::user;
use crate::judge::fields;
use crate::world::cel::as_cel;
use crate::world::{Kind, ObjectRef, Slot, Time, World};

/// The worth of such a column: its user asked for it.
const WORTH: u8 = 81;

/// A column with its expression, ready to be evaluated on objects of its kind.
#[derive(Clone)]
pub struct Computed {
    pub shape: Shape,
    kind: Kind,
    /// The object's name in the expression.
    name: &'static str,
    program: Arc<Program>,
}

impl fmt::Debug for Computed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Computed({} of {})", self.shape.name, self.kind)
    }
}

/// The columns by kind, and a sentence for each that cannot be used.
pub fn compile(columns: &[(String, Vec<OwnColumn>)]) -> (HashMap<Kind, Vec<Computed>>, Vec<String>) {
    let (mut out, mut faults): (HashMap<Kind, Vec<Computed>>, Vec<String>) = Default::default();
    for (word, columns) in columns {
        for column in columns {
            let shape = Shape {
                name: Cow::Owned(column.title.clone()),
                min: 4,
                max: 40,
                right: false,
                keep: WORTH,
                cut: Cut::End,
            };
            match user::expression(word, &column.expression) {
                Ok((kind, name, program)) => {
                    let of = Computed { shape, kind: kind.clone(), name, program: Arc::new(program) };
                    out.entry(kind).or_default().push(of);
                }
                Err(why) => faults.push(format!("[columns.{word}] {}: {why}", column.title)),
            }
        }
    }
    (out, faults)
}

impl Computed {
    /// The cell of a row. What cannot be evaluated, because a field is not there, is empty.
    pub fn cell(&self, world: &World, now: Time, slot: Slot) -> Cell {
        let value = || {
            let meta = world.meta_at(&self.kind, slot)?;
            let object = ObjectRef::new(self.kind.clone(), meta.namespace.clone(), meta.name.clone());
            let fields = as_cel(&fields::of(world, &object, now)?);
            let mut context = Context::default();
            context.add_variable_from_value("object", fields.clone());
            context.add_variable_from_value(self.name, fields);
            self.program.execute(&context).ok().map(|value| shown(&value))
        };
        Cell::plain(value().unwrap_or(Value::None))
    }
}

fn shown(value: &cel::Value) -> Value {
    match value {
        cel::Value::Bool(true) => Value::Word("true"),
        cel::Value::Bool(false) => Value::Word("false"),
        cel::Value::Int(n) => Value::Num(*n),
        cel::Value::UInt(n) => Value::Num(i64::try_from(*n).unwrap_or(i64::MAX)),
        cel::Value::Float(n) => Value::Ranked(*n as i64, format!("{n:.2}").into()),
        cel::Value::String(text) => Value::text(&text.as_str().into()),
        cel::Value::List(items) => {
            let words = items.iter().map(shown).map(|v| v.show(Time(0)).into_owned()).collect::<Vec<_>>();
            Value::text(&words.join(",").as_str().into())
        }
        // A map has no order to read it in.
        _ => Value::None,
    }
}
