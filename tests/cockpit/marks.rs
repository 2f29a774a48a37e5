//! Actions on marked rows, from the keyboard in a real terminal on the embedded cluster: one plan, one yes, one end.

use crate::support::lab::Lab;
use crate::support::pty::{Session, cockpit};
use crate::support::stage::{Stage, captured};
use khud::app::core::runs::control::under_way;
use khud::app::{Effect, Msg, update};
use khud::cluster::slim::Decoder;
use khud::remedy::{Need, NeedId, Reply};
use khud::world::ask::{Answer, Call, Verb};
use khud::world::{Delta, Kind, ObjectRef};
use serde_json::{Value, json};

const KHUD: &str = env!("CARGO_BIN_EXE_khud");
const ENTER_ON_GO: &str = "\t\r";

/// The cockpit on the pods of one Deployment, all in the table.
fn pods_of(lab: &Lab, app: &str) -> Session {
    let mut k = cockpit(KHUD, lab.dir.path(), "", &[], 140, 50);
    k.until_text("live");
    k.then(":pods production\r", "pods in production");
    k.then(&format!("/^production {app}-\r"), &format!("/^production {app}-"));
    let (all, row) = (alive(lab, app).len(), format!("{app}-"));
    k.until("its pods", |screen| {
        let line = |l: &str| l.trim_start_matches(['▌', ' ']).starts_with(&row);
        screen.contents().lines().filter(|l| line(l)).count() >= all
    });
    k
}

/// Closes the box that says so. Only then comes the next key: esc and a letter at once are alt and the letter.
fn close(k: &mut Session, what: &str) {
    k.send("\x1b");
    k.until("the box to close", |s| !s.contents().contains(what));
}

/// The Deployment's pods that are there and not on their way out.
fn alive(lab: &Lab, app: &str) -> Vec<String> {
    let its = |p: &Value| {
        p["metadata"]["labels"]["app"] == *app && p["metadata"].get("deletionTimestamp").is_none()
    };
    let mut names = lab.pods("production", its);
    names.sort();
    names
}

#[test]
fn three_marked_pods_are_deleted_by_one_yes_and_the_deployment_makes_three_new_ones() {
    let lab = Lab::start("healthy", 10.0);
    let before = alive(&lab, "checkout");
    assert_eq!(before.len(), 6);
    let mut k = pods_of(&lab, "checkout");
    k.then("   ", "3 marked");

    // A mark counts though a filter hides its row, and the title says so.
    k.then("/\x15cart-\r", "3 marked, 3 hidden");
    k.then("a", "Actions on 3 pods marked, 3 hidden");
    close(&mut k, "Actions on");
    k.then("/\x15checkout-\r", "/checkout-  3 marked");

    // Cancel is the default and leaves everything as it was, the marks too.
    k.then("ax", "Type delete 3 to go ahead");
    k.then("delete 2\r", "3 marked");
    k.until("the dialog to close", |s| !s.contents().contains("[ Cancel ]"));
    assert_eq!(alive(&lab, "checkout"), before);

    k.then("ax", "Type delete 3 to go ahead");
    for pod in &before[..3] {
        k.until_text(&format!("$ kubectl --context khud delete pod/{pod} -n production"));
    }
    k.then("delete 3\r", "Over. 3 done and verified.");
    k.until("new pods and no marks", |s| {
        !s.contents().contains("marked") && alive(&lab, "checkout").len() == 6
    });
    let after = alive(&lab, "checkout");
    assert_eq!(
        before.iter().filter(|p| after.contains(p)).collect::<Vec<_>>(),
        before[3..].iter().collect::<Vec<_>>()
    );

    // Each is accounted for, and so is the whole.
    close(&mut k, "Over.");
    k.then("T", "Delete 3 pods: begun with 3");
    k.until_text("Delete 3 pods: 3 done and verified.");
    for pod in &before[..3] {
        k.until_text(&format!("Delete pod production/{pod}: done and verified."));
    }
    k.then(":journal\r", "3 done and verified");
    k.then("\r", "Over. 3 done and verified.");
}

#[test]
fn two_marked_nodes_are_cordoned_one_after_the_other() {
    let lab = Lab::start("healthy", 10.0);
    let mut k = cockpit(KHUD, lab.dir.path(), "", &[], 140, 50);
    k.until_text("live");
    k.then(":nodes\r", "VERSION");
    k.then("/gpu-worker-00\r", "/gpu-worker-00");
    k.then("  ", "2 marked");
    k.then("ac", "Cordon 2 nodes, one after the other?");
    k.until_text("2 of 40 nodes that take pods leave the scheduler: 38 go on taking pods");
    k.then(ENTER_ON_GO, "Over. 2 done and verified.");
    let nodes = lab.sim.store().list("nodes", None);
    let cordoned = nodes.iter().filter(|n| n["spec"]["unschedulable"] == true);
    let names: Vec<&str> = cordoned.filter_map(|n| n["metadata"]["name"].as_str()).collect();
    assert_eq!(names, ["gpu-worker-001", "gpu-worker-002"]);
}

#[test]
fn what_is_refused_or_gone_is_said_and_the_others_are_done() {
    let lab = Lab::start("healthy", 10.0);
    let annotations = json!({"kubernetes.io/config.mirror": "5f2c"});
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "cart-static", "namespace": "production", "annotations": annotations},
        "spec": {"nodeName": "worker-001", "containers": [{"name": "c", "image": "registry.local/cart:v1"}]},
    });
    lab.sim.store().create("pods", "production", pod).unwrap();
    let mut k = pods_of(&lab, "cart");
    k.until_text("cart-static");
    let before = alive(&lab, "cart");
    k.then("NG ", "1 marked");
    k.then("g  ", "3 marked");
    lab.sim.store().remove("pods", "production", &before[0]);
    k.until_text("3 marked, 1 gone");

    k.then("ax", "Type delete 1 to go ahead");
    k.until_text("gone since it was marked");
    k.until_text("refused: its node's kubelet runs it from a file");
    k.until_text("Delete 1 pod? 1 cannot be done. 1 gone.");
    k.then("delete 1\r", "Over. 1 done and verified, 1 cannot be done, 1 gone.");
    let left = alive(&lab, "cart");
    assert!(!left.contains(&before[1]) && left.contains(&before[2]), "{before:?} {left:?}");
    assert!(!lab.pods("production", |p| p["metadata"]["name"] == "cart-static").is_empty());
}

#[test]
fn a_budget_that_lets_each_go_but_not_all_is_told_before_and_cancel_leaves_all() {
    let lab = Lab::start("healthy", 10.0);
    let before = alive(&lab, "checkout");
    let mut k = pods_of(&lab, "checkout");
    k.then("      ", "6 marked");
    k.then("ae", "Evict 6 pods, 4 at a time? The first that fails stops the rest.");
    k.until_text("checkout lets 3 go now, 6 are its; it refuses the others until new ones are ready");
    k.then("\r", "Evict 6 pods: 6 not begun.");
    k.until_text("6 marked");
    assert_eq!(alive(&lab, "checkout"), before);
}

#[test]
fn an_option_is_asked_for_once() {
    let lab = Lab::start("healthy", 10.0);
    let mut k = cockpit(KHUD, lab.dir.path(), "", &[], 140, 50);
    k.until_text("live");
    k.then(":deploy production\r", "deployments in production");
    k.then("/cart|catalog\r", "2/");
    k.then("  ", "2 marked");
    k.then("as", "Scale 2 deployments: --replicas N (how many pods)");
    k.then("7\r", "Scale 2 deployments?");
    k.then(ENTER_ON_GO, "Over. 2 done and verified.");
    for app in ["cart", "catalog"] {
        assert_eq!(alive(&lab, app).len(), 7, "{app}");
    }
}

/// The captured cluster's cockpit, and a server that allows all; what would change something waits for the test.
struct Held {
    stage: Stage,
    writes: Vec<(u64, NeedId, Call)>,
}

impl Held {
    fn press(&mut self, keys: &str) {
        let effects = self.stage.press(keys);
        self.serve(effects);
    }

    fn serve(&mut self, mut effects: Vec<Effect>) {
        while let Some(effect) = effects.pop() {
            let Effect::Need { run, id, need } = effect else { continue };
            let reply = match *need {
                Need::Call(call) if call.verb == Verb::Delete && !call.path.contains("dryRun") => {
                    self.writes.push((run, id, call));
                    continue;
                }
                Need::Call(call) => {
                    let name = call.path.rsplit('/').next().unwrap_or("");
                    let pod = self.stage.model.data.world.pods.find("production", name);
                    let uid = pod.map(|p| p.meta.uid.to_string());
                    let body = json!({"metadata": {"uid": uid}, "status": {"allowed": true}});
                    Reply::Call(Ok(Answer { status: 200, body }))
                }
                Need::Journal(_) => Reply::Journal(Ok(())),
                need => panic!("nobody asked for {need:?}"),
            };
            effects.extend(update(&mut self.stage.model, Msg::Replied { run, id, reply }));
        }
    }

    /// Answers the oldest write that waits; the pod is gone where that is a yes.
    fn answer(&mut self, status: u16) {
        let (run, id, call) = self.writes.remove(0);
        let reply = Reply::Call(Ok(Answer { status, body: json!({"message": "etcdserver: no leader"}) }));
        let effects = update(&mut self.stage.model, Msg::Replied { run, id, reply });
        self.serve(effects);
        if status == 200 {
            self.lose(call.path.rsplit('/').next().unwrap());
        }
    }

    /// The cluster says that the pod is gone.
    fn lose(&mut self, pod: &str) {
        let object = ObjectRef::new(Kind::Pod, "production", pod);
        let uid = self.stage.model.data.world.meta(&object).unwrap().uid.clone();
        let effects = self.stage.tell(vec![Delta::Delete { object, uid }]);
        self.serve(effects);
    }

    #[track_caller]
    fn sees(&mut self, words: &str) {
        let screen = self.stage.screen();
        assert!(screen.contains(words), "{words:?} is not on\n{screen}");
    }
}

/// The captured cluster's pods by name, and their names.
fn pods() -> (Held, Vec<String>) {
    let mut held = Held { stage: captured(120, 40), writes: Vec::new() };
    held.press(":pods production\r/-\rN");
    let names = held.stage.names();
    (held, names)
}

#[test]
fn another_pod_of_the_same_name_is_not_the_one_that_was_marked() {
    let (mut held, names) = pods();
    held.press("  a");
    held.sees("Actions on 2 pods marked");
    // As a StatefulSet does it, while the menu is open.
    held.lose(&names[0]);
    let pod = json!({"metadata": {"name": names[0], "namespace": "production", "uid": "another"},
        "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let pod = Decoder::new(Kind::Pod).object(pod.to_string().as_bytes()).unwrap();
    let effects = held.stage.tell(vec![Delta::Apply(pod.record)]);
    held.serve(effects);
    held.press("x");
    held.sees("gone: another has its name by now");
    held.sees("Type delete 1 to go ahead");
    held.press("delete 1\r");
    assert!(held.writes.len() == 1 && held.writes[0].2.path.ends_with(&names[1]), "{:?}", held.writes);
}

/// Six of them, their deletion begun.
fn six_being_deleted() -> (Held, Vec<String>) {
    let (mut held, names) = pods();
    held.press("      a");
    held.sees("Actions on 6 pods marked");
    held.press("x");
    held.sees("Delete 6 pods, 4 at a time? The first that fails stops the rest.");
    held.press("delete 6\r");
    (held, names[..6].to_vec())
}

#[test]
fn four_go_at_a_time_and_after_a_failure_the_rest_only_at_the_operators_word() {
    let (mut held, pods) = six_being_deleted();
    assert_eq!(held.writes.len(), 4);
    held.answer(500);
    assert_eq!(held.writes.len(), 3, "nothing is begun after a failure");
    held.sees("failed: DELETE");
    held.sees("Go on with the other 2?");
    (0..3).for_each(|_| held.answer(200));
    assert!(held.writes.is_empty(), "the answer is still awaited");

    // Meanwhile one of the two goes by itself: it is said, and no failure.
    held.lose(&pods[4]);
    held.press("\t\r");
    assert_eq!(held.writes.len(), 1);
    held.sees("gone meanwhile; nothing was sent");
    held.answer(200);
    held.sees("Over. 4 done and verified, 1 failed, 1 gone.");
}

#[test]
fn what_was_left_goes_on_and_what_is_stopped_says_what_may_have_happened() {
    let (mut held, _) = six_being_deleted();
    held.press("\x1b:journal\r");
    held.sees("under way");
    held.answer(200);
    assert_eq!(held.writes.len(), 4, "one ended, so the next has begun");
    held.press("\r");
    held.sees("esc leaves it running");
    let effects = held.stage.ctrl('c');
    held.serve(effects);
    held.sees("1 done and verified, 4 under way, 1 not begun");
    assert_eq!(held.writes.len(), 4, "what was sent is waited for");
    (0..4).for_each(|_| held.answer(200));
    held.sees("Over. 1 done and verified, 4 applied, not verified, 1 not begun.");
    held.sees("applied, not verified: stopped; what was sent stands and");
}

/// A deletion that is planned, with the words typed that release it.
fn one_planned() -> (Held, String) {
    let (mut held, names) = pods();
    held.press("ax");
    held.sees(&format!("Type {} to go ahead", names[0]));
    held.press(&names[0]);
    (held, names[0].clone())
}

#[test]
fn what_cannot_be_seen_takes_no_keys() {
    let (mut held, _) = one_planned();
    // The terminal shrinks: nothing of the plan can be read, and nothing is pressed.
    update(&mut held.stage.model, Msg::Resize(30, 8));
    held.press("\t\r\r");
    assert!(held.writes.is_empty(), "{:?}", held.writes);
    // Between the change of size and the next frame nobody knows what is on the screen.
    update(&mut held.stage.model, Msg::Resize(120, 40));
    let enter = crossterm::event::KeyEvent::from(crossterm::event::KeyCode::Enter);
    assert!(update(&mut held.stage.model, Msg::Key(enter)).is_empty());
    assert!(held.writes.is_empty(), "{:?}", held.writes);
    // Seen again it is as it was left.
    held.sees("[ Cancel ]");
    held.press("\r");
    assert_eq!(held.writes.len(), 1);
}

#[test]
fn leaving_asks_what_becomes_of_what_is_under_way() {
    let (mut held, name) = one_planned();
    held.press("\r");
    assert_eq!(held.writes.len(), 1);
    held.press("\x1b");
    held.sees("delete");
    let quits = |effects: &[Effect]| effects.contains(&Effect::Quit);
    let effects = held.stage.ctrl('c');
    assert!(!quits(&effects));
    held.sees("Leave khud?");
    held.sees("delete is under way");
    // Staying is the default.
    let effects = held.stage.press("\r");
    assert!(!quits(&effects));
    assert!(held.stage.model.dialog.is_none());
    // Stopping waits for the step and leaves then.
    held.stage.ctrl('c');
    held.stage.down();
    let effects = held.stage.press("\r");
    assert!(!quits(&effects), "the request is not answered yet");
    let (run, id, _) = held.writes.remove(0);
    let reply = Reply::Call(Ok(Answer { status: 200, body: json!({}) }));
    let mut effects = update(&mut held.stage.model, Msg::Replied { run, id, reply });
    let journal = effects
        .iter()
        .position(|e| matches!(e, Effect::Need { need, .. } if matches!(**need, Need::Journal(_))));
    let Effect::Need { run, id, need } = effects.remove(journal.expect("the end goes into the journal"))
    else {
        panic!("a need")
    };
    let Need::Journal(entry) = *need else { panic!("an entry") };
    assert_eq!((entry.event.as_str(), entry.outcome.as_str()), ("ended", "applied"), "{name}");
    let effects = update(&mut held.stage.model, Msg::Replied { run, id, reply: Reply::Journal(Ok(())) });
    assert!(quits(&effects), "{effects:?}");
}

#[test]
fn what_is_let_go_on_ends_by_itself_and_nothing_more_is_begun() {
    let (mut held, _) = six_being_deleted();
    held.press("\x1b");
    held.stage.ctrl('c');
    held.sees("Leave khud?");
    held.stage.down();
    held.stage.down();
    let effects = held.stage.press("\r");
    assert!(effects.contains(&Effect::Quit), "the terminal is free at once: {effects:?}");
    held.serve(effects);
    assert!(under_way(&held.stage.model), "four requests are not answered yet");
    (0..4).for_each(|_| held.answer(200));
    assert!(held.writes.is_empty(), "the two that were not begun stay so: {:?}", held.writes);
    assert!(!under_way(&held.stage.model));
}

#[test]
fn a_plan_nobody_said_yes_to_does_not_hold_up_leaving() {
    let (mut held, _) = one_planned();
    held.press("\x1b");
    let effects = held.stage.ctrl('c');
    assert!(effects.contains(&Effect::Quit), "{effects:?}");
}
