//! Whatever bytes a cluster puts into its strings, none reaches the terminal as a command and no column moves.

use crate::support::stage::Stage;
use khud::app::Effect;
use khud::app::update::layout;
use khud::app::views::log::SourceId;
use khud::app::views::logs;
use khud::term::Screen;
use khud::ui::{self, Memory};
use khud::world::{Delta, Event, Kind, Meta, ObjectRef, Pod, Record, Uid};
use proptest::prelude::*;

/// A cluster in which every string is this one.
fn told(s: &mut Stage, text: &str) {
    let now = s.model.data.now;
    let meta = |uid: u128| Meta {
        namespace: text.into(),
        name: format!("{text}{uid}").into(),
        uid: Uid::Uuid(uid),
        created: Some(now),
        ..Meta::default()
    };
    let pod = Pod {
        meta: meta(1),
        node: text.into(),
        reason: text.into(),
        message: text.into(),
        ip: text.into(),
        ..Pod::default()
    };
    let event = Event {
        meta: meta(2),
        regarding: ObjectRef::new(Kind::Pod, text, format!("{text}1")),
        regarding_uid: Uid::Uuid(1),
        field_path: text.into(),
        warning: true,
        reason: text.into(),
        note: text.into(),
        count: 3,
        first: now,
        last: now,
        source: text.into(),
        host: text.into(),
    };
    s.tell(vec![Delta::Apply(Record::Pod(Box::new(pod))), Delta::Apply(Record::Event(Box::new(event)))]);
}

/// The bytes of a frame without the sequences khud itself writes: `ESC [ … letter`.
fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8(bytes.to_vec()).expect("frames are UTF-8");
    let mut out = String::new();
    for (i, part) in text.split("\u{1b}[").enumerate() {
        let end = part.find(|c: char| c.is_ascii_alphabetic()).map_or(part.len(), |e| e + 1);
        out.push_str(if i == 0 { part } else { &part[end..] });
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_bytes_in_any_string_are_drawn_as_text(bytes in prop::collection::vec(any::<u8>(), 0..60), extra in ".{0,20}") {
        let lossy = String::from_utf8_lossy(&bytes).into_owned();
        let text = format!("{lossy}{extra}\u{1b}]0;x\u{7}\u{9b}2J\u{202e}\r\n");
        for keys in ["", ":pods\r", ":events\r", ":pods\rd", ":pods\rl"] {
            let mut s = Stage::empty(90, 26);
            told(&mut s, &text);
            for effect in s.press(keys) {
                if let Effect::Follow { view, source, .. } = effect {
                    logs::chunk(&mut s.model, view, source, &bytes);
                }
            }
            logs::chunk(&mut s.model, 1, SourceId(0), &bytes);
            layout::fit(&mut s.model);
            let mut screen = Screen::new(90, 26);
            let frame = screen.draw(|b| ui::draw(&s.model, &mut Memory::default(), b)).unwrap();
            let drawn = plain(&frame);
            let bad = drawn.chars().find(|c| c.is_control() || ('\u{202a}'..='\u{202e}').contains(c));
            prop_assert_eq!(bad, None, "{:?} in {:?}", keys, drawn);
            // Each row is as wide as the terminal, whatever stands in it.
            for line in s.screen().lines() {
                prop_assert!(khud::term::clean::width(line) <= 90, "{:?}", line);
            }
            // Nor does it reach a file.
            for effect in s.ctrl('s') {
                if let Effect::Save { text, .. } = effect {
                    let bad = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\r'));
                    prop_assert_eq!(bad, None);
                }
            }
        }
    }
}
