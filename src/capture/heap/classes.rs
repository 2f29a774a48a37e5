//! Classes: names, field layout, and instance sizes as the JVM lays them out.
//!
//! The dump has no sizes on the heap. They follow Eclipse MAT's rules, so that the numbers can be compared.

use std::collections::HashMap;

use super::hprof::{ClassDump, Type};
use crate::capture::histogram::java_name;

/// The memory layout of the JVM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The size of an id in the file, in bytes: the JVM's word size.
    pub id_size: u32,
    /// The size of a reference on the heap, in bytes: 4 with compressed references.
    pub reference: u32,
}

/// The alignment of objects, in bytes.
const ALIGN: u64 = 8;
/// The most superclasses of a class. Real classes have a few dozen; the limit ends a cycle in a crafted file.
const DEPTH: usize = 200;
/// The most reference fields of all classes, with inherited ones counted for each class: 64 MiB.
const REFERENCES: usize = 1 << 22;

impl Layout {
    fn header(self) -> u64 {
        u64::from(self.id_size + self.reference)
    }

    /// Shallow bytes of an array of references.
    pub fn array(self, length: u32) -> u64 {
        (self.header() + 4 + u64::from(length) * u64::from(self.reference)).next_multiple_of(ALIGN)
    }

    /// Shallow bytes of an array of primitives.
    pub fn primitive_array(self, length: u32, element: u32) -> u64 {
        let head = (self.header() + 4).next_multiple_of(u64::from(self.reference));
        (head + u64::from(length) * u64::from(element)).next_multiple_of(ALIGN)
    }
}

/// A reference field in the bytes of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    pub offset: u32,
    pub name: u64,
    /// The declaring class, as an index into the class table.
    pub class: u32,
}

#[derive(Debug, Default)]
pub struct Class {
    pub dump: ClassDump,
    /// The name as Java writes it: `java.lang.Object[]`.
    pub name: String,
    /// Shallow bytes of an instance.
    pub instance: u64,
    /// Bytes of an instance in the file.
    pub in_file: u32,
    /// The reference fields of an instance, inherited ones included.
    pub references: Vec<Reference>,
    /// Whether the dump contains the class; only the class of a primitive array can be missing.
    pub dumped: bool,
}

impl Class {
    /// Shallow bytes of the class object.
    pub fn own_size(&self, layout: Layout) -> u64 {
        let dump = &self.dump;
        let bytes =
            u64::from(dump.static_references) * u64::from(layout.reference) + u64::from(dump.static_bytes);
        bytes.next_multiple_of(ALIGN)
    }
}

/// All classes, and the fields of some classes that khud reads.
pub struct Classes {
    pub all: Vec<Class>,
    by_id: HashMap<u64, u32>,
    pub layout: Layout,
    /// The names of fields, by name id.
    pub names: HashMap<u64, String>,
    primitive: [u32; 12],
    pub class_class: Option<u32>,
}

impl Classes {
    /// `names` are the texts of the ids in `dumps` and `loaded`.
    ///
    /// # Errors
    /// A sentence if the classes declare more fields than any JVM's.
    pub fn new(
        dumps: Vec<ClassDump>,
        loaded: &HashMap<u64, u64>,
        names: HashMap<u64, String>,
        layout: Layout,
    ) -> Result<Classes, String> {
        let unnamed = |id: u64| format!("class {id:#x}");
        let mut all: Vec<Class> = dumps
            .into_iter()
            .map(|dump| Class {
                name: loaded
                    .get(&dump.id)
                    .and_then(|n| names.get(n))
                    .map_or_else(|| unnamed(dump.id), |n| java_name(n)),
                dump,
                dumped: true,
                ..Class::default()
            })
            .collect();
        let by_id: HashMap<u64, u32> = all.iter().enumerate().map(|(i, c)| (c.dump.id, i as u32)).collect();
        let by_name = |all: &[Class], name: &str| all.iter().position(|c| c.name == name).map(|i| i as u32);
        let mut primitive = [u32::MAX; 12];
        for code in 4..=11 {
            let name = java_name(Type { code, bytes: 0 }.array_class());
            primitive[usize::from(code)] = by_name(&all, &name).unwrap_or_else(|| {
                all.push(Class { name, ..Class::default() });
                all.len() as u32 - 1
            });
        }
        let class_class = by_name(&all, "java.lang.Class");
        let mut classes = Classes { all, by_id, layout, names, primitive, class_class };
        classes.lay_out()?;
        Ok(classes)
    }

    fn lay_out(&mut self) -> Result<(), String> {
        let mut all = 0;
        for i in 0..self.all.len() {
            let chain = self.ancestry(i as u32);
            let (mut offset, mut references) = (0, Vec::new());
            for class in &chain {
                for (name, of) in &self.all[*class as usize].dump.fields {
                    if of.is_reference() {
                        references.push(Reference { offset, name: *name, class: *class });
                    }
                    offset += of.bytes;
                }
            }
            // Like the JVM, start at java.lang.Object: a class's fields begin where its superclass's end,
            // aligned to a reference.
            let layout = self.layout;
            let mut size = layout.header();
            for class in chain.iter().rev().skip(1) {
                let width =
                    |of: &Type| u64::from(if of.is_reference() { layout.reference } else { of.bytes });
                let own: u64 = self.all[*class as usize].dump.fields.iter().map(|(_, of)| width(of)).sum();
                size = (size + own).next_multiple_of(u64::from(layout.reference));
            }
            all += references.len();
            if all > REFERENCES {
                return Err(format!(
                    "the classes have more than {REFERENCES} reference fields, which no JVM has"
                ));
            }
            let class = &mut self.all[i];
            class.instance = size.next_multiple_of(ALIGN);
            class.in_file = offset;
            class.references = references;
        }
        Ok(())
    }

    /// The class and its superclasses, the class first.
    pub fn ancestry(&self, class: u32) -> Vec<u32> {
        let mut chain = vec![class];
        let mut at = class;
        while let Some(next) = self.find(self.all[at as usize].dump.super_id) {
            if chain.len() == DEPTH {
                break;
            }
            chain.push(next);
            at = next;
        }
        chain
    }

    pub fn find(&self, id: u64) -> Option<u32> {
        self.by_id.get(&id).copied()
    }

    pub fn by_name(&self, name: &str) -> Option<u32> {
        self.all.iter().position(|c| c.name == name).map(|i| i as u32)
    }

    pub fn array_of(&self, of: Type) -> u32 {
        self.primitive[usize::from(of.code)]
    }

    pub fn name(&self, class: u32) -> &str {
        self.all.get(class as usize).map_or("?", |c| c.name.as_str())
    }

    /// Offset and type of a field in the bytes of an instance. The declaration of the nearest class counts.
    pub fn field(&self, class: u32, name: &str) -> Option<(u32, Type)> {
        let mut offset = 0;
        for class in self.ancestry(class) {
            for (id, of) in &self.all[class as usize].dump.fields {
                if self.names.get(id).is_some_and(|n| n == name) {
                    return Some((offset, *of));
                }
                offset += of.bytes;
            }
        }
        None
    }
}
