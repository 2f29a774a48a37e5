//! `ctrl-p`: to any object of any watched kind by a part of its name.

use crate::app::core::model::Model;
use crate::app::core::typed::Suggestion;
use crate::world::{Kind, Meta, ObjectRef};

/// Objects offered at a time.
const SHOWN: usize = 16;

/// The objects that fit best, best first, with how they are shown.
pub fn find(model: &Model, text: &str) -> Vec<(ObjectRef, Suggestion)> {
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    // One letter is in nearly every name.
    if words.iter().map(String::len).sum::<usize>() < 2 {
        return Vec::new();
    }
    let world = &model.data.world;
    let served = world.served.keys();
    let kinds = Kind::WATCHED.iter().chain(served).filter(|k| **k != Kind::Event);
    let mut best: Vec<(u32, usize, &Meta, &Kind)> = Vec::new();
    for kind in kinds {
        let word = kind.name().to_ascii_lowercase();
        for meta in world.metas(kind) {
            let Some(distance) = distance(&word, meta, &words) else { continue };
            let place = (distance, meta.name.len());
            let worst = best.last().map(|w| (w.0, w.1));
            if best.len() == SHOWN && worst.is_some_and(|w| w <= place) {
                continue;
            }
            let at = best.partition_point(|b| (b.0, b.1, &b.2.name) <= (place.0, place.1, &meta.name));
            best.insert(at, (place.0, place.1, meta, kind));
            best.truncate(SHOWN);
        }
    }
    best.into_iter()
        .map(|(_, _, meta, kind)| {
            let object = ObjectRef::new(kind.clone(), meta.namespace.clone(), meta.name.clone());
            let description = match &*meta.namespace {
                "" => kind.name().to_owned(),
                ns => format!("{} in {ns}", kind.name()),
            };
            (object, Suggestion { word: meta.name.to_string(), description, ..Suggestion::default() })
        })
        .collect()
}

/// How far the words are from the object; `None` where one of them is not in it at all. A word may name the kind.
fn distance(kind: &str, meta: &Meta, words: &[String]) -> Option<u32> {
    let mut sum = 0;
    for word in words {
        sum += match meta.name.find(word.as_str()) {
            Some(0) if meta.name.len() == word.len() => 0,
            Some(0) => 1,
            Some(_) => 2,
            None if words.len() > 1 && kind.starts_with(word.as_str()) => 0,
            None if placed(meta, word) => 3,
            None if scattered(&meta.name, word) => 4,
            None => return None,
        };
    }
    Some(sum)
}

/// `NAMESPACE/PART`, or a part of the namespace.
fn placed(meta: &Meta, word: &str) -> bool {
    match word.split_once('/') {
        Some((ns, name)) => meta.namespace.starts_with(ns) && meta.name.contains(name),
        None => meta.namespace.contains(word),
    }
}

/// Its letters in this order, with others in between.
fn scattered(name: &str, word: &str) -> bool {
    let mut letters = name.bytes();
    word.bytes().all(|w| letters.any(|l| l.eq_ignore_ascii_case(&w)))
}
