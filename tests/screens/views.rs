//! Views driven by keys, on the captured cluster: any kind, what vanishes, marks, saving, jumping, filters, history.

use crate::support::stage::{Stage, captured};
use khud::app::table::cell::Cell;
use khud::app::{Effect, Msg, update};
use khud::world::served::{Column, Datum, Row};
use khud::world::{Delta, Kind, Meta, ObjectRef, Offer, Record, Resource, StreamId, StreamState, Time};

fn widget() -> Kind {
    Kind::served(Resource {
        group: "acme.io".into(),
        version: "v1".into(),
        plural: "widgets".into(),
        kind: "Widget".into(),
        namespaced: true,
    })
}

/// A row as the server's table has it: replicas, size, phase.
fn row(name: &str, replicas: &str, size: &str, phase: &str) -> Delta {
    let text = |t: &str| Datum::Text(t.into());
    Delta::Apply(Record::Served(Box::new(Row {
        kind: widget(),
        meta: Meta {
            namespace: "prod".into(),
            name: name.into(),
            uid: name.into(),
            created: Time::parse("2026-11-21T02:30:00Z"),
            ..Meta::default()
        },
        cells: Box::from([text(name), text(replicas), text(size), text(phase), text("10m")]),
    })))
}

fn columns() -> Delta {
    let column = |name: &str, wide| Column { name: name.into(), of: "string".into(), wide };
    let all = [("Name", false), ("Replicas", false), ("Size", true), ("Phase", false), ("Age", false)];
    Delta::Columns { kind: widget(), columns: all.map(|(n, w)| column(n, w)).into() }
}

/// The view of widgets, opened by its short name before the server had said that there are any.
fn widgets() -> Stage {
    let mut s = captured(100, 20);
    let asked = s.press(":");
    assert!(asked.contains(&Effect::Discover), "a prompt asks what is served: {asked:?}");
    s.press("wd\r");
    assert!(s.screen().contains("Asking the server"), "{}", s.screen());
    let offer = Offer { kind: widget(), short: Box::from(["wd".into()]) };
    let followed = update(&mut s.model, Msg::Discovered(Ok(vec![offer])));
    assert!(followed.contains(&Effect::Watch(widget())), "{followed:?}");
    let (kind, namespace) = (widget(), "".into());
    let id = StreamId::Watch { kind: kind.clone(), namespace: "".into() };
    s.tell(vec![
        Delta::ListStart { kind: kind.clone(), namespace },
        columns(),
        row("big", "3/3", "10Gi", "Ready"),
        row("small", "1/3", "512Mi", "Failed"),
        row("medium", "2/2", "2Gi", "Ready"),
        Delta::ListEnd { kind, namespace: "".into() },
        Delta::Stream { id, state: StreamState::Live, at: s.model.data.now },
    ]);
    s
}

#[test]
fn a_kind_nobody_knew_is_listed_sorted_filtered_and_described() {
    let mut s = widgets();
    let screen = s.screen();
    assert!(
        screen.contains("widgets") && screen.contains("REPLICAS") && screen.contains("PHASE"),
        "{screen}"
    );
    assert!(!screen.contains("SIZE"), "a wide column");
    assert_eq!(s.names(), ["big", "medium", "small"]);
    // Its columns are typed: by size, not by text; and they are there once they are wanted.
    s.ctrl('w');
    s.press("/size>600Mi\r");
    assert_eq!(s.names(), ["big", "medium"]);
    s.press("\x1b");
    s.press("/replicas=1\r");
    assert_eq!(s.names(), ["small"]);
    s.press("\x1b");
    s.sort("SIZE");
    assert_eq!(s.names(), ["small", "medium", "big"]);
    // What is plainly broken shows with ctrl-z.
    s.ctrl('z');
    assert_eq!(s.names(), ["small"]);
    s.ctrl('z');
    // A change moves the row, the cursor stays on its object.
    s.press("j");
    assert_eq!(s.selected(), "medium");
    s.tell(vec![row("medium", "2/2", "1Mi", "Ready")]);
    assert_eq!(
        (s.names(), s.selected()),
        (vec!["medium".into(), "small".into(), "big".into()], "medium".into())
    );
    let fetched = s.press("y");
    assert!(
        matches!(&fetched[..], [Effect::Call { call, .. }] if call.path == "/apis/acme.io/v1/namespaces/prod/widgets/medium"),
        "{fetched:?}"
    );
    s.press("\x1b");
    s.press("d");
    assert!(s.screen().contains("describe widget prod/medium"), "{}", s.screen());
    // Left, it is watched no more and what was held of it is gone.
    let left = [s.press("\x1b"), s.press("\x1b")].concat();
    assert_eq!(left, [Effect::Unwatch(widget())]);
    assert!(s.model.data.world.served.is_empty());
    // Deltas that were under way do no harm, and coming back watches again.
    s.tell(vec![row("late", "1/1", "1Gi", "Ready")]);
    assert_eq!(s.press("]"), [Effect::Watch(widget())]);
    assert_eq!(s.names(), [] as [&str; 0]);
}

#[test]
fn what_vanishes_stays_a_while_greyed_and_never_under_the_cursor() {
    let mut s = widgets();
    s.press("j");
    assert_eq!(s.selected(), "medium");
    let gone =
        |name: &str| Delta::Delete { object: ObjectRef::new(widget(), "prod", name), uid: name.into() };
    s.tell(vec![gone("medium")]);
    assert_eq!((s.names(), s.selected()), (vec!["big".into(), "small".into()], "small".into()));
    let line = s.line("medium");
    assert!(line.starts_with('†'), "{line}");
    // Swept by a list that no longer names it: the same.
    let (kind, namespace) = (widget(), "".into());
    s.tell(vec![
        Delta::ListStart { kind: kind.clone(), namespace },
        row("small", "1/3", "512Mi", "Failed"),
        Delta::ListEnd { kind, namespace: "".into() },
    ]);
    assert!(s.line("big").starts_with('†'), "{}", s.screen());
    // Recreated under its name it is no ghost any more.
    s.tell(vec![row("big", "0/3", "10Gi", "Pending")]);
    assert!(!s.line("big").starts_with('†'), "{}", s.screen());
    // Time alone lets it go: there is a timer for it, and after that none.
    let due = khud::app::next_timer(&s.model).unwrap();
    s.at(due);
    update(&mut s.model, Msg::Tick);
    assert!(!s.screen().contains("medium"), "{}", s.screen());
    assert_eq!(s.model.in_sight().filter_map(|view| view.next_timer(&s.model.data)).count(), 0);
}

#[test]
fn all_workloads_stand_in_one_table_with_their_counts() {
    let mut s = captured(160, 30);
    let deployment = s.model.data.world.deployments.values().next().unwrap().clone();
    let other = |kind: Kind, name: &str| {
        let meta = Meta { namespace: "dev".into(), name: name.into(), uid: name.into(), ..Meta::default() };
        Delta::Apply(Record::Workload(Box::new(khud::world::Workload { kind, meta, ..deployment.clone() })))
    };
    s.tell(vec![other(Kind::DaemonSet, "agent"), other(Kind::StatefulSet, "db")]);
    s.press(":wk\r");
    // One that comes while the view is open joins it.
    s.tell(vec![other(Kind::ReplicaSet, "lone")]);
    let screen = s.screen();
    for word in ["KIND", "DESIRED", "UPDATED", "READY", "AVAILABLE", "agent", "DaemonSet", "StatefulSet"] {
        assert!(screen.contains(word), "{word}:\n{screen}");
    }
    let owned = s.model.data.world.replica_sets.values().filter(|r| r.meta.owner.is_some()).count();
    assert!(owned > 0, "there are some of Deployments");
    assert_eq!(screen.matches("ReplicaSet").count(), 1, "a Deployment's are its own affair:\n{screen}");
    s.press("/kind=daemonset\r");
    assert_eq!(s.selected(), "agent");
    s.press("\r");
    assert!(s.screen().contains("rollout of daemonset dev/agent"), "{}", s.screen());
}

#[test]
fn marks_take_a_range_and_what_copies_takes_them_all() {
    let mut s = captured(120, 40);
    s.press(":po\rN");
    let names = s.names();
    s.press(" jj");
    s.ctrl(' ');
    assert!(s.screen().contains("4 marked"), "{}", s.screen());
    assert_eq!(s.press("c"), [Effect::Copy(names[..4].join("\n"))]);
    s.ctrl('\\');
    assert_eq!(s.press("c"), [Effect::Copy(names[3].clone())]);
}

#[test]
fn a_table_a_text_and_the_screen_are_saved_with_clean_names() {
    let mut s = captured(120, 40);
    s.model.cluster.context = "../prod".into();
    s.press(":pods\r/restarts>0\r");
    let rows = s.names().len();
    let saved = s.ctrl('s');
    let [Effect::Save { name, text, what }] = &saved[..] else { panic!("{saved:?}") };
    assert_eq!(what, &format!("{rows} lines"));
    assert!(name.starts_with("../prod-pods-2026-11-21T0240"), "cleaned where it is written: {name}");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), rows + 1);
    assert!(
        lines[0].starts_with("NAMESPACE,NAME,READY,STATUS,") && lines[0].contains("LABELS"),
        "{}",
        lines[0]
    );
    assert!(lines[1..].iter().all(|l| l.contains("2026-11-")), "times are written whole:\n{text}");
    s.press("?");
    assert!(matches!(&s.ctrl('s')[..], [Effect::Save { text, .. }] if text.contains("Symbols")));
    s.press("\x1bw");
    assert!(matches!(&s.ctrl('s')[..], [Effect::SaveScreen(name)] if name.ends_with(".txt")));
}

#[test]
fn a_part_of_a_name_leads_to_any_object() {
    let mut s = captured(120, 40);
    s.ctrl('p');
    s.press("worker-042");
    assert!(s.screen().contains("Node"), "{}", s.screen());
    s.press("\r");
    assert!(s.screen().contains(" nodes "), "{}", s.screen());
    assert_eq!(s.selected(), "gpu-worker-042");
    // A word may name the kind; letters may be apart.
    s.ctrl('p');
    s.press("dep apserv\r");
    assert_eq!(s.selected(), "api-server", "{}", s.screen());
    assert!(s.screen().contains(" deployments"), "{}", s.screen());
    s.ctrl('p');
    s.press("no such thing\r");
    assert!(s.screen().contains("No object of that name"), "{}", s.screen());
}

#[test]
fn an_object_named_before_its_list_came_is_found_when_it_comes() {
    let mut s = Stage::empty(120, 40);
    s.press(":pod/late prod\r");
    assert!(!s.screen().contains("There is no"), "nobody can know yet:\n{}", s.screen());
    let pod = |name: &str| {
        let meta = Meta { namespace: "prod".into(), name: name.into(), uid: name.into(), ..Meta::default() };
        Delta::Apply(Record::Pod(Box::new(khud::world::Pod { meta, ..khud::world::Pod::default() })))
    };
    s.tell(vec![pod("early"), pod("late"), pod("zebra")]);
    assert_eq!(s.selected(), "late");
    s.press("k");
    assert_eq!(s.selected(), "early", "and from there on the cursor is the operator's");
}

#[test]
fn who_uses_a_config_map_and_where_one_came_from() {
    let mut s = captured(120, 40);
    let user = s
        .model
        .data
        .world
        .pods
        .values()
        .find(|p| p.spec.config_maps.iter().any(|c| &**c != "kube-root-ca.crt"))
        .expect("a captured pod that uses a ConfigMap of its own");
    let (ns, pod) = (user.meta.namespace.to_string(), user.meta.name.to_string());
    let name = user.spec.config_maps.iter().find(|c| &***c != "kube-root-ca.crt").unwrap().to_string();
    let meta = Meta { namespace: ns.as_str().into(), name: name.as_str().into(), ..Meta::default() };
    let record = khud::world::Configuration { kind: Kind::ConfigMap, meta };
    s.tell(vec![Delta::Apply(Record::Configuration(Box::new(record)))]);
    s.press(&format!(":cm/{name} {ns}\ru"));
    assert!(s.screen().contains(&format!("that use configmap {ns}/{name}")), "{}", s.screen());
    assert!(s.names().contains(&pod), "{:?}", s.names());
    // Back, forward, and back and forth.
    let here = s.screen();
    s.press("[");
    assert!(s.screen().contains("configmaps"), "{}", s.screen());
    s.press("]");
    assert_eq!(s.screen(), here);
    s.press("--");
    assert_eq!(s.screen(), here);
}

#[test]
fn filters_test_what_values_mean() {
    let mut s = captured(160, 60);
    s.press(":pods\r");
    let all = s.names().len();
    let world = &s.model.data.world;
    let crashing = world.pods.values().filter(|p| &*p.status().status == "CrashLoopBackOff").count();
    let restarted = world.pods.values().filter(|p| p.status().restarts > 5).count();
    let now = s.model.data.now;
    let young = |p: &khud::world::Pod| p.meta.created.is_some_and(|t| t.age(now).as_secs() < 3600);
    let fresh = world.pods.values().filter(|p| young(p)).count();
    let labelled = world.pods.values().filter(|p| p.meta.labels.get("app").is_some()).count();
    assert!(crashing > 0 && restarted > 0 && fresh > 0 && fresh < all && labelled > 0 && labelled < all);
    for (filter, left) in [
        ("status=CrashLoopBackOff", crashing),
        ("!status=CrashLoopBackOff", all - crashing),
        ("status!=CrashLoopBackOff", all - crashing),
        ("restarts>5", restarted),
        ("restarts<=5", all - restarted),
        ("age<1h", fresh),
        ("age>=1h", all - fresh),
        ("-l app", labelled),
        ("-l !app", all - labelled),
        ("PROD shell", 1),
        ("^prod +sh.l+ ", 1),
        ("-f prdshllrnn", 1),
        ("(", 0),
    ] {
        s.press(&format!("/{filter}\r"));
        assert_eq!(s.names().len(), left, "{filter}\n{}", s.screen());
        s.press("\x1b");
    }
}

#[test]
fn secrets_and_volumes_come_as_the_servers_tables() {
    let mut s = captured(120, 40);
    let watched = s.press(":secrets\r");
    assert_eq!(watched, [Effect::Discover, Effect::Watch(Kind::Secret)]);
    s.press(":");
    update(&mut s.model, Msg::Discovered(Err("connection refused".into())));
    s.press("gizmos\r");
    assert!(s.screen().contains("did not say what it serves: connection refused"), "{}", s.screen());
}

#[test]
fn columns_scroll_and_the_name_stays() {
    let mut s = captured(80, 24);
    s.press(":pods\r");
    s.right();
    s.right();
    s.right();
    let header = s.line("NAME");
    assert!(header.trim_start().starts_with("NAME") && !header.contains("READY"), "{header}");
    assert!(s.screen().contains("3 columns"), "{}", s.screen());
}

fn many(count: u32) -> Vec<Delta> {
    let pod = |i: u32| khud::world::Pod {
        meta: Meta {
            // Not in the order of their names.
            namespace: format!("team-{}", i % 7).into(),
            name: format!("pod-{}", i.wrapping_mul(2_654_435_761) % 1_000_003).into(),
            uid: khud::world::Uid::Uuid(u128::from(i) + 1),
            ..Meta::default()
        },
        node: format!("node-{}", i % 13).into(),
        ..khud::world::Pod::default()
    };
    (0..count).map(|i| Delta::Apply(Record::Pod(Box::new(pod(i))))).collect()
}

#[test]
fn a_large_table_is_made_in_portions_and_misses_no_change() {
    let mut s = Stage::empty(120, 30);
    s.tell(many(20_000));
    s.press(":pods\r");
    assert!(s.model.at_work(), "no key waits for twenty thousand rows");
    let settle = |s: &mut Stage| {
        let mut portions = 0;
        while s.model.at_work() {
            update(&mut s.model, Msg::Work);
            portions += 1;
        }
        portions
    };
    assert!(settle(&mut s) > 5);
    s.sort("NODE");
    settle(&mut s);
    // Halfway to another order one pod goes, one comes and one moves; keys still work on the order before.
    s.sort("NAME");
    update(&mut s.model, Msg::Work);
    let listed = s.names();
    s.press("jj");
    assert_eq!(s.selected(), listed[2]);
    let (gone, moved) = {
        let mut pods = s.model.data.world.pods.values();
        (pods.next().unwrap().clone(), pods.next().unwrap().clone())
    };
    let named = |name: &str, of: &khud::world::Pod| {
        let meta = Meta { name: name.into(), uid: name.into(), ..of.meta.clone() };
        Delta::Apply(Record::Pod(Box::new(khud::world::Pod { meta, ..of.clone() })))
    };
    let object = ObjectRef::new(Kind::Pod, gone.meta.namespace.clone(), gone.meta.name.clone());
    s.tell(vec![
        Delta::Delete { object, uid: gone.meta.uid.clone() },
        named("aaa-first", &moved),
        Delta::Apply(Record::Pod(Box::new(khud::world::Pod { node: "other".into(), ..moved.clone() }))),
    ]);
    settle(&mut s);
    let names = s.names();
    assert_eq!((names.len(), names[0].as_str()), (20_000, "aaa-first"));
    assert!(!names.contains(&gone.meta.name.to_string()));
    // Numbers in names count as numbers: the order is the one a plain sort of all names gives.
    let number = |n: &str| n.strip_prefix("pod-").map_or(0, |n| n.parse::<u64>().unwrap());
    assert!(names.windows(2).all(|w| number(&w[0]) <= number(&w[1])));
    assert_eq!(s.selected(), listed[2], "the cursor stayed on its object");
    // Rows of one node stand by namespace and name, also now that they are not compared by their texts.
    let by_node = |s: &mut Stage| {
        s.sort("NODE");
        settle(s);
        let (columns, rows) = s.model.table().unwrap().written(&s.model.data.cx());
        let at = |name: &str| columns.iter().position(|c| c == name).unwrap();
        let text = |r: &[Cell], name: &str| r[at(name)].value.show(Time(0)).into_owned();
        let of_node = rows.iter().filter(|r| text(r, "NODE") == "node-5");
        let keys: Vec<_> =
            of_node.map(|r| (text(r, "NAMESPACE"), number(&text(r, "NAME")), text(r, "NAME"))).collect();
        assert!(keys.len() > 1000 && keys.is_sorted());
        keys.len()
    };
    by_node(&mut s);
    // A third of the pods is replaced, as over a day: their places are learned anew, and all still stand in order.
    let old: Vec<_> = s.model.data.world.pods.values().take(7_000).cloned().collect();
    for pod in old {
        let object = ObjectRef::new(Kind::Pod, pod.meta.namespace.clone(), pod.meta.name.clone());
        let number = pod.meta.name.strip_prefix("pod-").unwrap_or("0");
        let born = named(&format!("pod-{number}1"), &pod);
        s.tell(vec![Delta::Delete { object, uid: pod.meta.uid.clone() }, born]);
    }
    s.sort("STATUS");
    // While they are learned, pods go on being replaced in their slots.
    let mut more: Vec<_> = s.model.data.world.pods.values().skip(9_000).take(200).cloned().collect();
    while s.model.at_work() {
        update(&mut s.model, Msg::Work);
        if let Some(pod) = more.pop() {
            let object = ObjectRef::new(Kind::Pod, pod.meta.namespace.clone(), pod.meta.name.clone());
            let born = named(&format!("pod-9{}", pod.meta.name.len() * 1_000_000 + more.len()), &pod);
            s.tell(vec![Delta::Delete { object, uid: pod.meta.uid.clone() }, born]);
        }
    }
    assert!(more.len() < 180, "many were replaced meanwhile");
    s.sort("NAME");
    settle(&mut s);
    let names = s.names();
    assert!(names.len() == 20_000 && names.windows(2).all(|w| number(&w[0]) <= number(&w[1])));
    let of_node = by_node(&mut s);
    // A filter typed letter by letter ends where it would have at once.
    s.press("/node=node-5");
    settle(&mut s);
    assert_eq!(s.names().len(), of_node);
}
