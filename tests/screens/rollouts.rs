//! The view of a rollout: a DaemonSet whose update fails on its node, as a real cluster has it.

use khud::app::{Effect, Msg, update};
use khud::cluster::slim::Decoder;
use khud::world::ask::Answer;
use khud::world::{Delta, Kind, StreamId, StreamState, Time};

use crate::support::captures;
use crate::support::stage::Stage;

fn list(name: &str) -> serde_json::Value {
    captures::capture(&format!("list/{name}.json"))["response"]["json"].clone()
}

/// The cluster with the failing DaemonSet, a minute after its update.
fn failing(width: u16, height: u16) -> Stage {
    let mut s = Stage::empty(width, height);
    s.at(Time::parse("2026-11-28T20:32:33Z").unwrap());
    for (name, kind) in
        [("daemonset-failing-update", Kind::DaemonSet), ("daemonset-failing-update-pods", Kind::Pod)]
    {
        let page = Decoder::new(kind.clone()).page(list(name).to_string().as_bytes()).unwrap();
        let mut deltas = vec![Delta::ListStart { kind: kind.clone(), namespace: "".into() }];
        deltas.extend(page.items.into_iter().map(Delta::Apply));
        deltas.push(Delta::ListEnd { kind: kind.clone(), namespace: "".into() });
        let id = StreamId::Watch { kind, namespace: "".into() };
        deltas.push(Delta::Stream { id, state: StreamState::Live, at: s.model.data.now });
        s.tell(deltas);
    }
    s
}

/// Opens the rollout from the pod's row, and answers what it asks for.
fn opened(width: u16, height: u16) -> Stage {
    let mut s = failing(width, height);
    let asked = s.press(":pods\rR");
    let Some(Effect::Call { token, call }) = asked.last() else { panic!("{asked:?}") };
    assert_eq!(call.path, "/apis/apps/v1/namespaces/data/controllerrevisions");
    let body = list("daemonset-failing-update-controllerrevisions");
    update(&mut s.model, Msg::Called { token: *token, result: Ok(Answer { status: 200, body }) });
    s
}

#[test]
fn a_failing_update_shows_its_revisions_its_node_and_its_cause() {
    for (width, height) in [(80, 24), (120, 40), (200, 60)] {
        let screen = opened(width, height).screen();
        insta::assert_snapshot!(format!("failing-daemonset-{width}x{height}"), screen);
    }
    let mut s = opened(120, 40);
    assert!(s.line("newest").contains("0 of 1 ready"), "{}", s.screen());
    assert!(s.line("why").contains("never pulled"), "{}", s.screen());
    assert!(s.line("undo").contains("revision 1"), "{}", s.screen());
    assert!(s.line("pod agent-qv5fv").contains("gpu-worker-042"), "per node: {}", s.screen());
}

#[test]
fn a_revision_under_the_cursor_is_the_one_to_go_back_to() {
    let mut s = opened(120, 40);
    s.press("Gb");
    let run = s.model.runs.last().expect("a rollback is planned");
    assert_eq!((run.run.action().name, &*run.run.report().target.name), ("rollback", "agent"));
    assert_eq!(run.run.params().get("to-revision").map(String::as_str), Some("1"));
    // The newest is no way back: the plan looks for the one that is known to run.
    let mut s = opened(120, 40);
    s.press("jb");
    let run = s.model.runs.last().expect("a rollback is planned");
    assert_eq!(run.run.params().get("to-revision"), None);
}

#[test]
fn what_nothing_rolls_out_and_revisions_that_may_not_be_read_are_said() {
    let mut s = failing(120, 40);
    s.press(":nodes\r:rollout\r");
    assert!(s.screen().contains("There is no object under the cursor."), "{}", s.screen());
    let asked = s.press("\x1b:ds\rR");
    let Some(Effect::Call { token, .. }) = asked.last() else { panic!("{asked:?}") };
    let why = "controllerrevisions.apps is forbidden".to_owned();
    update(&mut s.model, Msg::Called { token: *token, result: Err(why) });
    assert!(s.line("not known").contains("controllerrevisions.apps is forbidden"), "{}", s.screen());
}
