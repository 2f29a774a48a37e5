//! Every reader against broken text, and the schedule against a fleet.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::{amd, dcgm, engines, intel, kube_proxy, nvidia_smi, usage};
use crate::world::gpu::Gpu;
use crate::world::{Text, Time};

const TEXTS: [&str; 6] = [
    include_str!("../../tests/exporters/vgpu.prom"),
    include_str!("../../tests/exporters/mig.prom"),
    include_str!("../../tests/exporters/gb10.prom"),
    include_str!("../../tests/exporters/amd.prom"),
    include_str!("../../tests/captures/metrics/kube-proxy-iptables.prom"),
    include_str!("../../tests/captures/metrics/kube-proxy-healthz.json"),
];

/// Reads a text with every reader; what they say of GPUs.
fn read_all(text: &str) -> Vec<Gpu> {
    let (node, at): (Text, Time) = ("n".into(), Time(5));
    let mut gpus = dcgm::read(text, &node, at);
    gpus.extend(amd::read(text, &node, at));
    gpus.extend(intel::read(text, &node, at));
    gpus.extend(nvidia_smi::csv(text, &node, at).unwrap_or_default());
    gpus.extend(nvidia_smi::xml(text, &node, at).unwrap_or_default());
    let engine = engines::read(text, at);
    assert!(engine.and_then(|e| e.kv_cache).is_none_or(|k| (0.0..=1.0).contains(&k)));
    kube_proxy::metrics(text, &node, at);
    kube_proxy::healthz(text, true, &node, at);
    let _ = (usage::pods(text), usage::nodes(text), usage::summary(text, at));
    gpus
}

/// No reading may be a number that no device can have: a screen and a rule would believe it.
fn sane(gpus: &[Gpu]) -> bool {
    gpus.iter().all(|g| {
        g.busy.is_none_or(|v| (0.0..=100.0).contains(&v))
            && g.temperature.is_none_or(|v| (-60.0..=250.0).contains(&v))
            && g.power.is_none_or(|v| (0.0..=100_000.0).contains(&v))
            && g.fullness().is_none_or(|v| (0.0..=1.0).contains(&v) || g.memory.total.is_some())
            && g.memory.used.is_none_or(|v| v < 1 << 62)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn flipped_bytes_and_cut_texts_never_panic(
        which in 0..TEXTS.len(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = TEXTS[which].as_bytes().to_vec();
        for (place, byte) in flips {
            let i = place.index(bytes.len());
            bytes[i] = byte;
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        let gpus = read_all(&String::from_utf8_lossy(&bytes));
        prop_assert!(sane(&gpus), "{gpus:?}");
    }

    #[test]
    fn any_value_is_a_measurement_or_none(
        metric in prop::sample::select(vec![
            "DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_FB_FREE", "DCGM_FI_DEV_FB_TOTAL", "DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_DEV_GPU_TEMP",
            "DCGM_FI_DEV_POWER_USAGE", "DCGM_FI_DEV_XID_ERRORS", "DCGM_FI_PROF_GR_ENGINE_ACTIVE", "gpu_used_vram", "gpu_total_vram",
            "xpum_memory_used_bytes", "xpum_memory_ratio", "hw_gpu_utilization_ratio", "hw_memory_size_bytes",
        ]),
        value in prop_oneof![any::<f64>().prop_map(|v| v.to_string()), any::<i64>().prop_map(|v| v.to_string()), ".{0,20}"],
    ) {
        let text = format!("{metric}{{gpu=\"0\",gpu_id=\"0\",pci_bdf=\"0\"}} {value}\n");
        let gpus = read_all(&text);
        prop_assert!(sane(&gpus), "{text} {gpus:?}");
    }
}

mod schedule {
    use crate::telemetry::{Loopback, Schedule};
    use crate::world::readings::{Outcome, Place, Reading, Target};
    use crate::world::{
        Container, ContainerSpec, ContainerState, Delta, Kind, Meta, ObjectRef, Phase, Pod, Port, Record,
        Resources, Role, Text, Time, World,
    };

    fn at(seconds: i64) -> Time {
        Time(1_700_000_000_000 + seconds * 1000)
    }

    fn pod(name: &str, node: &str, image: &str, port: u16, ready: bool) -> Delta {
        let spec = ContainerSpec {
            name: "c".into(),
            image: image.into(),
            role: Role::App,
            requests: Resources::default(),
            limits: Resources::default(),
            ports: Box::new([Port { name: "http".into(), number: port, protocol: "TCP".into() }]),
            liveness: None,
            readiness: None,
            startup: None,
            ..ContainerSpec::default()
        };
        Delta::Apply(Record::Pod(Box::new(Pod {
            meta: Meta { namespace: "gpu".into(), name: name.into(), uid: name.into(), ..Meta::default() },
            node: node.into(),
            phase: Phase::Running,
            ready,
            containers: Box::new([Container {
                spec: spec.into(),
                ready,
                started: None,
                restarts: 0,
                state: ContainerState::None,
                last: None,
            }]),
            ..Pod::default()
        })))
    }

    fn world(pods: impl IntoIterator<Item = Delta>) -> World {
        let (mut world, mut changes) = (World::new(), Vec::new());
        pods.into_iter().for_each(|d| world.apply(d, &mut changes));
        world
    }

    fn failed(target: &Target, seconds: i64) -> Reading {
        Reading { target: target.clone(), at: at(seconds), outcome: Outcome::Failed("refused".into()) }
    }

    #[test]
    fn a_node_has_one_exporter_and_each_server_is_read() {
        let image = "nvcr.io/nvidia/k8s/dcgm-exporter:4.8.2";
        let w = world([
            pod("old", "n1", image, 9400, false),
            pod("new", "n1", image, 9400, true),
            pod("web", "n2", "nginx", 80, true),
            pod("llm-0", "n2", "vllm/vllm-openai:v0.11", 8000, true),
            pod("llm-1", "n2", "vllm/vllm-openai:v0.11", 8000, true),
        ]);
        let s = Schedule::default();
        let targets = s.targets(&w, w.pods.values());
        let named: Vec<(&str, String)> = targets
            .iter()
            .map(|t| {
                let place = match &t.place {
                    Place::Pod { name, port, .. } => format!("{name}:{port}"),
                    Place::Node { name, .. } | Place::Service { name, .. } | Place::Forward { name, .. } => {
                        name.to_string()
                    }
                    Place::Server | Place::Url(_) => t.path.to_string(),
                };
                (&*t.source, place)
            })
            .collect();
        let want = [
            ("dcgm", "new:9400"),
            ("engines", "llm-0:8000"),
            ("engines", "llm-1:8000"),
            ("metrics.k8s.io", "apis/metrics.k8s.io/v1beta1/nodes"),
            ("metrics.k8s.io", "apis/metrics.k8s.io/v1beta1/pods"),
        ];
        assert_eq!(named, want.map(|(s, p)| (s, p.to_owned())));
    }

    #[test]
    fn a_loopback_port_is_read_only_while_somebody_looks_and_may() {
        let mut proxy = pod("kube-proxy-1", "n1", "registry.k8s.io/kube-proxy:v1.36.0", 10_249, true);
        if let Delta::Apply(Record::Pod(proxy)) = &mut proxy {
            proxy.meta.namespace = "kube-system".into();
        }
        let w = world([proxy]);
        let mut s = Schedule::default();
        let forwards = |s: &Schedule| {
            let all = s.targets(&w, w.pods.values());
            all.iter().filter(|t| matches!(t.place, Place::Forward { port: 10_249, .. })).count()
        };
        let said = |s: &Schedule| {
            s.unread(&s.targets(&w, w.pods.values())).any(|(name, _)| &*name == "kube-proxy-metrics")
        };
        assert_eq!((forwards(&s), said(&s)), (0, false));
        s.watch_loopback(Loopback::Read);
        assert_eq!((forwards(&s), said(&s)), (2, false), "its metrics and its mode");
        s.watch_loopback(Loopback::ReadOnly);
        assert_eq!((forwards(&s), said(&s)), (0, true));
    }

    #[test]
    fn a_sick_exporter_is_asked_less_and_delays_no_other() {
        let image = "nvcr.io/nvidia/k8s/dcgm-exporter:4.8.2";
        let w = world((0..3).map(|i| pod(&format!("d{i}"), &format!("n{i}"), image, 9400, true)));
        let mut s = Schedule::default();
        let targets: Vec<Target> =
            s.targets(&w, w.pods.values()).into_iter().filter(|t| &*t.source == "dcgm").collect();
        s.follow(&targets, at(0));
        assert_eq!(s.due(at(0)), targets);
        assert_eq!(s.due(at(100)), [], "each is under way");
        let ok = |t: &Target, seconds| Reading {
            target: t.clone(),
            at: at(seconds),
            outcome: Outcome::Measured { measured: Box::default(), print: 1, bytes: 100 },
        };
        s.done(&ok(&targets[0], 1));
        let mut tried = Vec::new();
        s.done(&failed(&targets[1], 1));
        for second in 2..400 {
            for t in s.due(at(second)) {
                if t == targets[0] {
                    s.done(&ok(&t, second));
                } else {
                    tried.push(second);
                    s.done(&failed(&t, second));
                }
            }
        }
        let gaps: Vec<i64> = tried.windows(2).map(|w| w[1] - w[0]).collect();
        assert!(gaps.windows(2).all(|w| w[0] <= w[1]) && *gaps.last().unwrap() <= 66, "{gaps:?}");
        assert!(gaps[0] >= 20, "doubled from 10 s: {gaps:?}");
    }

    #[test]
    fn a_thousand_exporters_are_read_every_fifteen_seconds_and_four_thousand_every_minute() {
        let image = "nvcr.io/nvidia/k8s/dcgm-exporter:4.8.2";
        for (count, low, high) in [(1000, 14, 17), (4000, 57, 64)] {
            let w = world((0..count).map(|i| pod(&format!("d{i}"), &format!("n{i}"), image, 9400, true)));
            let mut s = Schedule::default();
            let targets = s.targets(&w, w.pods.values());
            s.follow(&targets, at(0));
            s.due(at(0));
            for t in &targets {
                let outcome = Outcome::Measured { measured: Box::default(), print: 1, bytes: 100 };
                s.done(&Reading { target: t.clone(), at: at(0), outcome });
            }
            let soon = s.due(at(low));
            assert!(soon.len() < count / 10, "{} of {count} are due after {low} s", soon.len());
            assert_eq!(soon.len() + s.due(at(high)).len(), targets.len(), "after {high} s");
        }
    }

    #[test]
    fn without_a_metrics_server_the_kubelets_are_asked() {
        let node = Record::Node(Box::new(crate::world::Node {
            meta: Meta { name: "n1".into(), uid: "n1".into(), ..Meta::default() },
            ..crate::world::Node::default()
        }));
        let w = world([Delta::Apply(node)]);
        let mut s = Schedule::default();
        let targets = s.targets(&w, w.pods.values());
        let others: Vec<_> = targets.iter().filter(|t| t.place != Place::Server).collect();
        // No pod of kube-proxy: the node may run it as a service.
        assert!(matches!(others[..], [t] if &*t.path == "healthz" && !t.sure), "{others:?}");
        s.follow(&targets, at(0));
        s.due(at(0));
        for t in &targets {
            let outcome = Outcome::Absent("the server could not find the requested resource".into());
            s.done(&Reading { target: t.clone(), at: at(0), outcome });
        }
        let targets = s.targets(&w, w.pods.values());
        let kubelets: Vec<_> = targets.iter().filter(|t| &*t.source == "kubelet").collect();
        assert_eq!(kubelets.len(), 1);
        assert_eq!((&*kubelets[0].path, &*kubelets[0].node), ("stats/summary", "n1"));
        s.follow(&targets, at(1));
        let soon = s.due(at(60));
        assert!(
            soon.iter().all(|t| &*t.source == "kubelet"),
            "the metrics API is left alone for a while: {soon:?}"
        );
        let later = s.due(at(400));
        let asked = later.iter().filter(|t| t.place == Place::Server).count();
        assert_eq!(asked, 2, "and asked again later: {later:?}");
    }

    #[test]
    fn the_large_answer_of_a_kubelet_is_read_of_busy_nodes_and_of_the_one_looked_at() {
        let nodes = (0..30).map(|i| {
            let name = format!("n{i:02}");
            Delta::Apply(Record::Node(Box::new(crate::world::Node {
                meta: Meta { name: name.as_str().into(), uid: name.as_str().into(), ..Meta::default() },
                ..crate::world::Node::default()
            })))
        });
        let mut w = world(nodes);
        let mut s = Schedule::default();
        let read = |s: &Schedule, w: &World| -> Vec<Text> {
            let all = s.targets(w, w.pods.values());
            all.into_iter().filter(|t| &*t.source == "cadvisor").map(|t| t.node).collect()
        };
        assert!(read(&s, &w).is_empty());
        s.look_at(Some("n29".into()));
        assert_eq!(read(&s, &w), [Text::from("n29")]);
        for i in 0..25 {
            let pod = ObjectRef::new(Kind::Pod, "shop", format!("api-{i}"));
            w.readings.note_busy(&pod, Some(&format!("n{i:02}").into()));
        }
        let nodes = read(&s, &w);
        assert_eq!((nodes.len(), &*nodes[0]), (20, "n29"), "a question goes first");
        w.readings.note_busy(&ObjectRef::new(Kind::Pod, "shop", "api-0"), None);
        assert!(!read(&s, &w).contains(&"n00".into()), "it is calm again");
    }
}
