//! Checks the slim records against objects as the API server writes them.
use super::*;
use crate::world::{
    ContainerState, Labels, Owner, Phase, Pod, Record, Role, Selector, Status, Time, Workload,
};

fn capture(file: &str) -> serde_json::Value {
    let path = format!("{}/tests/captures/{file}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The page in a captured list.
fn page(kind: Kind, file: &str) -> Page {
    let body = serde_json::to_vec(&capture(file)["response"]["json"]).unwrap();
    Decoder::new(kind).page(&body).unwrap()
}

fn pods() -> Vec<Pod> {
    let page = page(Kind::Pod, "list/pods.json");
    page.items.into_iter().filter_map(|r| if let Record::Pod(p) = r { Some(*p) } else { None }).collect()
}

/// Every captured list decodes: one record for each item, with its name and version.
#[test]
fn every_captured_list_decodes_whole() {
    let lists = [
        (Kind::Pod, "pods"),
        (Kind::Node, "nodes"),
        (Kind::Event, "events"),
        (Kind::Event, "events-core"),
        (Kind::Namespace, "namespaces"),
        (Kind::Deployment, "deployments"),
        (Kind::ReplicaSet, "replicasets"),
        (Kind::DaemonSet, "daemonsets"),
        (Kind::Job, "jobs"),
        (Kind::Service, "services"),
        (Kind::EndpointSlice, "endpointslices"),
        (Kind::PersistentVolumeClaim, "pvcs"),
        (Kind::ResourceQuota, "resourcequotas"),
        (Kind::PodDisruptionBudget, "pdbs"),
    ];
    for (kind, name) in lists {
        let file = format!("list/{name}.json");
        let raw = capture(&file);
        let page = page(kind, &file);
        assert_eq!(page.unreadable, 0, "{name}: {:?}", page.why);
        let items = raw["response"]["json"]["items"].as_array().unwrap();
        assert_eq!(page.items.len(), items.len(), "{name}");
        assert_eq!(page.resource_version, raw["response"]["json"]["metadata"]["resourceVersion"], "{name}");
        for (record, item) in page.items.iter().zip(items) {
            let (meta, want) = (record.object().meta(), &item["metadata"]);
            assert_eq!(&*meta.name, want["name"], "{name}");
            assert_eq!(&*meta.namespace, want["namespace"].as_str().unwrap_or(""), "{name}");
            assert_eq!(meta.uid.to_string(), want["uid"].as_str().unwrap(), "{name}");
            assert_eq!(meta.created.unwrap().to_string(), want["creationTimestamp"].as_str().unwrap());
        }
    }
}

/// The expected values are read off `captures/cluster-under-capture.yaml` and the list.
#[test]
fn a_pod_keeps_what_is_judged() {
    let pods = pods();
    let oom = pods.iter().find(|p| &*p.meta.name == "payment-service-66ff9fc75c-xjg2x").unwrap();
    assert_eq!((&*oom.meta.namespace, oom.phase, oom.ready), ("prod", Phase::Running, false));
    assert_eq!(&*oom.node, "gpu-worker-042");
    let c = &oom.containers[0];
    assert_eq!((&*c.spec.name, c.restarts, c.spec.role), ("app", 3, Role::App));
    assert_eq!(c.spec.limits.memory, Some(180 << 20));
    let ContainerState::Terminated(t) = &c.state else { panic!("{:?}", c.state) };
    assert_eq!((&*t.reason, t.exit_code), ("OOMKilled", 137));
    assert!(c.last.is_some());

    let sidecar = pods.iter().find(|p| &*p.meta.name == "with-sidecar").unwrap();
    let roles: Vec<Role> = sidecar.containers.iter().map(|c| c.spec.role).collect();
    assert_eq!(roles, [Role::Sidecar, Role::App]);

    let missing = pods.iter().find(|p| &*p.meta.name == "missing-config").unwrap();
    assert_eq!(missing.spec.config_maps.iter().map(|t| &**t).collect::<Vec<_>>(), ["api-server-config"]);
    let ContainerState::Waiting { reason, message } = &missing.containers[0].state else { panic!() };
    assert_eq!(&**reason, "CreateContainerConfigError");
    assert_eq!(&**message, "configmap \"api-server-config\" not found");
}

#[test]
fn both_event_apis_give_the_same_events() {
    let (new, core) = (page(Kind::Event, "list/events.json"), page(Kind::Event, "list/events-core.json"));
    let mut by_name: std::collections::HashMap<_, _> =
        core.items.iter().map(|r| (r.object().meta().uid.clone(), r)).collect();
    let mut same = 0;
    for r in &new.items {
        let Some(c) = by_name.remove(&r.object().meta().uid) else { continue };
        assert_eq!(r, c);
        same += 1;
    }
    assert!(same > 400, "{same} events are in both lists");
}

#[test]
fn equal_containers_and_labels_are_kept_once() {
    let pods = pods();
    let api: Vec<&Pod> = pods.iter().filter(|p| p.meta.name.starts_with("api-server-")).collect();
    assert_eq!(api.len(), 3);
    assert!(Arc::ptr_eq(&api[0].containers[0].spec, &api[1].containers[0].spec));
    assert!(Arc::ptr_eq(&api[0].meta.labels.0, &api[2].meta.labels.0));
    assert!(Arc::ptr_eq(&api[0].spec, &api[2].spec));
}

#[test]
fn a_workload_keeps_its_revision_owner_template_and_writer() {
    let page = page(Kind::ReplicaSet, "list/replicasets.json");
    let sets: Vec<&Workload> = page
        .items
        .iter()
        .filter_map(|r| if let Record::Workload(w) = r { Some(&**w) } else { None })
        .collect();
    let raw = capture("list/replicasets.json");
    for (w, item) in sets.iter().zip(raw["response"]["json"]["items"].as_array().unwrap()) {
        let revision = item["metadata"]["annotations"]["deployment.kubernetes.io/revision"].as_str().unwrap();
        assert_eq!(w.revision, revision.parse().ok());
        assert_eq!(u64::from(w.desired), item["spec"]["replicas"].as_u64().unwrap());
        assert_eq!(
            w.meta.owner.as_ref().map(|o: &Owner| (o.kind.clone(), o.uid.to_string())),
            Some((
                Kind::Deployment,
                item["metadata"]["ownerReferences"][0]["uid"].as_str().unwrap().to_owned()
            ))
        );
        assert_eq!(
            &*w.template.containers[0].image,
            item["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap()
        );
        // The newest manager that did not write the status.
        let newest = item["metadata"]["managedFields"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|m| m["subresource"].is_null())
            .max_by_key(|m| m["time"].as_str().unwrap().to_owned())
            .unwrap();
        let writer = w.meta.writer.as_ref().unwrap();
        assert_eq!(writer.at, Time::parse(newest["time"].as_str().unwrap()).unwrap());
        assert!(!w.selector.is_empty() && w.selector != Selector::default());
    }
}

#[test]
fn nodes_count_gpus_and_keep_conditions() {
    let bytes = br#"{"metadata":{"name":"n1","uid":"u"},"spec":{"unschedulable":true,"taints":[{"key":"k","effect":"NoExecute"}]},
        "status":{"allocatable":{"cpu":"3900m","memory":"1Gi","nvidia.com/gpu":"4","nvidia.com/mig-1g.5gb":"3","rdma/ib":"2"},
        "conditions":[{"type":"Ready","status":"False","reason":"KubeletNotReady","message":"x","lastHeartbeatTime":null}]}}"#;
    let item = Decoder::new(Kind::Node).object(bytes).unwrap();
    let Record::Node(n) = item.record else { panic!() };
    assert!(n.unschedulable);
    assert_eq!(
        (n.allocatable.cpu, n.allocatable.memory, n.allocatable.gpu),
        (Some(3900), Some(1 << 30), Some(7))
    );
    assert_eq!(n.allocatable.other.len(), 1);
    assert_eq!(n.conditions[0].status, Status::False);
    assert_eq!(n.meta.labels, Labels::default());
}

#[test]
fn lines_of_a_watch() {
    let mut d = Decoder::new(Kind::Pod);
    let line = |d: &mut Decoder, text: &str| d.line(text.as_bytes());
    let pod = r#"{"metadata":{"name":"p","namespace":"n","uid":"u","resourceVersion":"7"}}"#;
    for order in
        [format!(r#"{{"type":"ADDED","object":{pod}}}"#), format!(r#"{{"object":{pod},"type":"ADDED"}}"#)]
    {
        let Line::Apply(item) = line(&mut d, &order).unwrap() else { panic!("{order}") };
        assert_eq!((item.resource_version.as_str(), &*item.reference().name), ("7", "p"));
    }
    let Line::Delete(_) = line(&mut d, &format!(r#"{{"type":"DELETED","object":{pod}}}"#)).unwrap() else {
        panic!()
    };
    let end = r#"{"type":"BOOKMARK","object":{"kind":"Pod","metadata":{"resourceVersion":"9","annotations":{"k8s.io/initial-events-end":"true"}}}}"#;
    let Line::Bookmark { resource_version, initial_end } = line(&mut d, end).unwrap() else { panic!() };
    assert_eq!((resource_version.as_str(), initial_end), ("9", true));

    let expired = serde_json::to_string(&capture("errors/410-watch.json")["response"]["json"]).unwrap();
    let Line::Error(refusal) = line(&mut d, &expired).unwrap() else { panic!() };
    assert_eq!((refusal.code, refusal.reason.as_str()), (410, "Expired"));

    assert!(matches!(
        line(&mut d, r#"{"type":"ADDED","object":{"metadata":{"na"#),
        Err(DecodeError::Broken(_))
    ));
    assert!(matches!(
        line(&mut d, r#"{"type":"ADDED","object":{"metadata":"?"}}"#),
        Err(DecodeError::Shape(_))
    ));
    assert!(matches!(line(&mut d, r#"{"type":"ADDED","object":{}}"#), Err(DecodeError::Shape(_))));
    assert!(matches!(line(&mut d, "<html>"), Err(DecodeError::Broken(_))));
    assert!(matches!(line(&mut d, r#"{"type":"NEW","object":{}}"#), Ok(Line::Unknown(_))));
}

#[test]
fn one_unreadable_object_does_not_cost_the_page() {
    let body = br#"{"kind":"PodList","metadata":{"resourceVersion":"5","continue":"t"},"items":[
        {"metadata":{"name":"a"}},{"metadata":"broken"},{"metadata":{"name":"b"},"status":{"containerStatuses":null}}]}"#;
    let page = Decoder::new(Kind::Pod).page(body).unwrap();
    let names: Vec<&str> = page.items.iter().map(|r| &*r.object().meta().name).collect();
    assert_eq!((names, page.unreadable, page.next.as_str()), (vec!["a", "b"], 1, "t"));
    let none = Decoder::new(Kind::Pod).page(br#"{"metadata":{"resourceVersion":"5"},"items":null}"#).unwrap();
    assert!(none.items.is_empty());
}

#[test]
fn data_of_configuration_is_never_kept() {
    let body = br#"{"metadata":{"name":"s","namespace":"n","uid":"u","annotations":{"a":"hunter2"},
        "managedFields":[{"manager":"kubectl-edit","operation":"Update","time":"2026-11-21T01:05:53Z","fieldsV1":{"f:data":{}}}]},
        "data":{"password":"aHVudGVyMg=="}}"#;
    let item = Decoder::new(Kind::Secret).object(body).unwrap();
    let text = serde_json::to_string(&item.record).unwrap();
    assert!(!text.contains("hunter2") && !text.contains("aHVudGVyMg"), "{text}");
    assert_eq!(&*item.record.object().meta().writer.as_ref().unwrap().manager, "kubectl-edit");
}

proptest::proptest! {
    /// A damaged line ends in a decoded line or an error, never in a panic.
    #[test]
    fn no_bytes_make_it_panic(at in 0usize..6000, len in 0usize..40, with in proptest::collection::vec(0u8.., 0..40)) {
        let path = format!("{}/tests/captures/watch/oom-crashloop.jsonl", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        let mut bytes = text.lines().next().unwrap().as_bytes().to_vec();
        let (from, to) = (at.min(bytes.len()), (at + len).min(bytes.len()));
        bytes.splice(from..to, with);
        let mut decoder = Decoder::new(Kind::Pod);
        if let Err(e) = decoder.line(&bytes) {
            proptest::prop_assert!(!e.to_string().is_empty());
        }
        let _ = decoder.page(&bytes);
    }
}

#[test]
fn the_servers_own_tables_are_read_as_rows_of_any_kind() {
    use crate::world::served::Datum;
    let capture = |name: &str| -> serde_json::Value {
        let path = format!("{}/tests/captures/table/{name}.json", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    };
    let lease = Kind::served(crate::world::Resource {
        group: "coordination.k8s.io".into(),
        version: "v1".into(),
        plural: "leases".into(),
        kind: "Lease".into(),
        namespaced: true,
    });
    let table = &capture("leases")["response"]["json"];
    let mut decoder = Decoder::of_tables(lease.clone());
    let page = decoder.page(table.to_string().as_bytes()).unwrap();
    assert_eq!((page.unreadable, page.items.len()), (0, table["rows"].as_array().unwrap().len()));
    assert_eq!(page.resource_version, table["metadata"]["resourceVersion"].as_str().unwrap());
    let names: Vec<String> = decoder.new_columns().unwrap().iter().map(|c| c.name.to_string()).collect();
    assert_eq!(names, ["Name", "Holder", "Age"]);
    assert!(decoder.new_columns().is_none(), "returned once");
    let Record::Served(row) = &page.items[0] else { panic!("a row") };
    let first = &table["rows"][0];
    assert_eq!(*row.meta.name, *first["object"]["metadata"]["name"].as_str().unwrap());
    assert_eq!(row.cells[1], Datum::Text(first["cells"][1].as_str().unwrap().into()));
    assert_eq!(page.items[0].object().reference().kind, lease);

    // A watch sends one row per event, the columns with the first event, and bookmarks as rows.
    let mut one = table.clone();
    one["rows"] = serde_json::json!([first]);
    one["columnDefinitions"] = serde_json::Value::Null;
    let mut line = |of: &str| {
        decoder.line(serde_json::json!({"type": of, "object": one}).to_string().as_bytes()).unwrap()
    };
    let version = first["object"]["metadata"]["resourceVersion"].as_str().unwrap();
    assert!(matches!(line("MODIFIED"), Line::Apply(i) if i.resource_version == version));
    assert!(matches!(line("DELETED"), Line::Delete(i) if *i.reference().name == *row.meta.name));
    assert!(
        matches!(line("BOOKMARK"), Line::Bookmark { resource_version, .. } if resource_version == version)
    );
    let gone =
        r#"{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}"#;
    assert!(matches!(decoder.line(gone.as_bytes()).unwrap(), Line::Error(r) if r.code == 410));

    // A server without a table for the kind sends its objects.
    let plain = r#"{"kind":"LeaseList","metadata":{"resourceVersion":"5"},"items":[{"metadata":{"name":"a","namespace":"n"}}]}"#;
    let page = decoder.page(plain.as_bytes()).unwrap();
    assert_eq!(page.items.len(), 1);
    assert_eq!(decoder.new_columns().unwrap()[0].name, "Name".into());
}
