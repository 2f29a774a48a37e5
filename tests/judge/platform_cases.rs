//! The near misses of the rules about what workloads stand on: one of each rule.

use khud::world::*;

use crate::support::scene::*;
// The scene's, not the world's of that name.
use crate::support::scene::condition;

fn c(rule: &'static str, quotes: &'static str, sick: fn(&mut Scene), near: fn(&mut Scene)) -> Case {
    Case { rule, quotes, sick, near }
}

fn hpa(s: &mut Scene, condition_of: (&str, Status, &str, &str)) {
    let (old, since) = (ago(s, 86_400), ago(s, 900));
    let (kind, status, reason, message) = condition_of;
    s.standing.push(Record::Autoscaler(Box::new(Autoscaler {
        meta: meta("prod", "web", 810, old),
        target_kind: "Deployment".into(),
        target_name: "web".into(),
        min: 1,
        max: 4,
        current: 4,
        desired: 4,
        conditions: [condition(kind, status, reason, message, since)].into(),
    })));
}

/// The last object of the scene that has no field, to change.
fn hpa_mut(s: &mut Scene) -> &mut Autoscaler {
    match s.standing.last_mut() {
        Some(Record::Autoscaler(h)) => h,
        other => panic!("{other:?}"),
    }
}

fn ingress(s: &mut Scene, class: &str, service: &str, port: &str) {
    let old = ago(s, 86_400);
    s.standing.push(Record::IngressClass(Box::new(IngressClass {
        meta: meta("", "nginx", 820, old),
        controller: "k8s.io/ingress-nginx".into(),
        default: false,
    })));
    s.standing.push(Record::Ingress(Box::new(Ingress {
        meta: meta("prod", "shop", 821, old),
        class: Some(class.into()),
        backends: [IngressBackend {
            host: "shop.example.com".into(),
            path: "/".into(),
            service: service.into(),
            port: port.into(),
        }]
        .into(),
        ..Ingress::default()
    })));
}

/// An Ingress that wants a certificate for its host, and what is found in the Secret.
fn tls(s: &mut Scene, found: TlsSecret) {
    ingress(s, "nginx", "web", "80");
    ingress_mut(s).tls = [IngressTls { secret: "shop-tls".into(), hosts: [].into() }].into();
    s.certificate = found;
}

/// A certificate for the host that is valid for so many seconds more.
fn certificate(s: &Scene, left: u64) -> TlsSecret {
    TlsSecret::Certificate {
        from: ago(s, 86_400),
        until: s.now.plus(std::time::Duration::from_secs(left)),
        names: vec!["shop.example.com".into()],
    }
}

fn ingress_mut(s: &mut Scene) -> &mut Ingress {
    match s.standing.last_mut() {
        Some(Record::Ingress(i)) => i,
        other => panic!("{other:?}"),
    }
}

fn policy(s: &mut Scene) {
    let old = ago(s, 86_400);
    s.standing.push(Record::NetworkPolicy(Box::new(NetworkPolicy {
        meta: meta("prod", "deny-all", 830, old),
        selector: Selector::default(),
        ingress: Some([].into()),
        egress: None,
    })));
}

/// A rule that opens the port the pod serves.
fn opened(s: &mut Scene) {
    let old = ago(s, 86_400);
    let port = PolicyPort { protocol: "TCP".into(), port: "8080".into(), end: None };
    s.standing.push(Record::NetworkPolicy(Box::new(NetworkPolicy {
        meta: meta("prod", "allow-http", 831, old),
        selector: Selector::default(),
        ingress: Some([PolicyRule { peers: [].into(), ports: [port].into() }].into()),
        egress: None,
    })));
}

fn webhook(s: &mut Scene, service: &str) {
    let old = ago(s, 86_400);
    s.standing.push(Record::WebhookConfiguration(Box::new(WebhookConfiguration {
        kind: Kind::ValidatingWebhookConfiguration,
        meta: meta("", "policy.example.com", 840, old),
        webhooks: [Webhook {
            name: "validate.policy.example.com".into(),
            service: Some(ServiceRef { namespace: "prod".into(), name: service.into() }),
            fails_closed: true,
            resources: "pods".into(),
            some_namespaces: false,
        }]
        .into(),
    })));
}

fn crd(s: &mut Scene) {
    let old = ago(s, 86_400);
    s.standing.push(Record::CustomResource(Box::new(CustomResource {
        meta: meta("", "backups.example.com", 850, old),
        group: "example.com".into(),
        kind: "Backup".into(),
        served: ["v1".into()].into(),
        versions: ["v1".into()].into(),
        stored: ["v1".into()].into(),
        converter: None,
        conditions: [condition("Established", Status::True, "InitialNamesAccepted", "", old)].into(),
    })));
}

fn crd_mut(s: &mut Scene) -> &mut CustomResource {
    match s.standing.last_mut() {
        Some(Record::CustomResource(c)) => c,
        other => panic!("{other:?}"),
    }
}

fn api(s: &mut Scene, status: Status) {
    let (old, since) = (ago(s, 86_400), ago(s, 600));
    s.standing.push(Record::ApiService(Box::new(ApiService {
        meta: meta("", "v1.gone.example.com", 860, old),
        group: "gone.example.com".into(),
        version: "v1".into(),
        service: Some(ServiceRef { namespace: "guarded".into(), name: "no-such-service".into() }),
        conditions: [condition(
            "Available",
            status,
            "ServiceNotFound",
            "service/no-such-service in \"guarded\" is not present",
            since,
        )]
        .into(),
    })));
}

fn terminating(s: &mut Scene, seconds: u64) {
    let (old, since) = (ago(s, 86_400), ago(s, seconds));
    let mut meta = meta("", "old-team", 870, old);
    meta.deleting = Some(since);
    s.standing.push(Record::Namespace(Box::new(Namespace {
        meta,
        phase: "Terminating".into(),
        conditions: [condition(
            "NamespaceFinalizersRemaining",
            Status::True,
            "SomeFinalizersRemain",
            "Some content in the namespace has finalizers remaining: example.com/cleanup in 1 resource instances",
            since,
        )]
        .into(),
    })));
}

fn waiting_claim(s: &mut Scene, capacity: u64) {
    let old = ago(s, 3600);
    s.claim = Some(Claim {
        meta: meta("prod", "models", 600, old),
        phase: "Pending".into(),
        class: Some("manual".into()),
        requested: 10 << 30,
        access_modes: ["ReadWriteOnce".into()].into(),
        ..Claim::default()
    });
    s.standing.push(Record::Volume(Box::new(Volume {
        meta: meta("", "pv-1", 880, old),
        phase: "Available".into(),
        class: "manual".into(),
        capacity,
        access_modes: ["ReadWriteOnce".into()].into(),
        ..Volume::default()
    })));
    let object = ObjectRef::new(Kind::PersistentVolumeClaim, "prod", "models");
    let note = "storageclass.storage.k8s.io \"manual\" not found";
    s.event_on(object, Uid::Uuid(600), "ProvisioningFailed", note);
}

fn refused(s: &mut Scene, message: &str) {
    let since = ago(s, 600);
    (s.deployment.desired, s.deployment.available, s.deployment.current) = (3, 1, 1);
    s.deployment.conditions =
        [condition("ReplicaFailure", Status::True, "FailedCreate", message, since)].into();
}

fn created(s: &mut Scene) {
    s.deployment.desired = 1;
}

fn job_failed(s: &mut Scene, reason: &str, message: &str) {
    let since = ago(s, 600);
    s.a_job().conditions = [condition("Failed", Status::True, reason, message, since)].into();
    s.pod.phase = Phase::Succeeded;
}

fn cron(s: &mut Scene, schedule: &str) {
    let (old, last) = (ago(s, 86_400), ago(s, 2000));
    s.cron_job = Some(CronJob {
        meta: meta("prod", "report", 710, old),
        schedule: schedule.into(),
        active: 1,
        last_schedule: Some(last),
        ..CronJob::default()
    });
}

fn node_taken(s: &mut Scene, key: &str, value: &str) {
    s.node.unschedulable = true;
    s.node.holds = [(key.into(), value.into())].into();
}

fn cordon(added: Option<Time>) -> Taint {
    Taint {
        key: "node.kubernetes.io/unschedulable".into(),
        effect: "NoSchedule".into(),
        added,
        ..Taint::default()
    }
}

pub fn cases() -> Vec<Case> {
    vec![
        c(
            "hpa.no-metrics",
            "FailedGetResourceMetric",
            |s| hpa(s, ("ScalingActive", Status::False, "FailedGetResourceMetric", "unable to get metrics")),
            |s| hpa_mut(s).conditions[0].reason = "ScalingDisabled".into(),
        ),
        c(
            "hpa.target-missing",
            "not found",
            |s| {
                hpa(s, ("AbleToScale", Status::False, "FailedGetScale", "deployments.apps \"web\" not found"))
            },
            |s| hpa_mut(s).conditions[0].status = Status::True,
        ),
        c(
            "hpa.at-max",
            "TooManyReplicas",
            |s| hpa(s, ("ScalingLimited", Status::True, "TooManyReplicas", "more than the maximum")),
            |s| hpa_mut(s).conditions[0].reason = "TooFewReplicas".into(),
        ),
        c(
            "ingress.class",
            "ingress classes: nginx",
            |s| ingress(s, "traefik", "web", "80"),
            |s| ingress_mut(s).class = Some("nginx".into()),
        ),
        c(
            "ingress.tls-missing",
            "tls.secretName: shop-tls",
            |s| tls(s, TlsSecret::Missing),
            |s| s.certificate = certificate(s, 86_400 * 60),
        ),
        c(
            "cert.expiring",
            "for shop.example.com",
            |s| {
                let soon = certificate(s, 86_400 * 5);
                tls(s, soon);
            },
            |s| s.certificate = certificate(s, 86_400 * 60),
        ),
        c(
            "ingress.backend",
            "leads to Service web, port 9999",
            |s| ingress(s, "nginx", "web", "9999"),
            |s| ingress_mut(s).backends[0].port = "80".into(),
        ),
        c("service.network-policy", "nothing comes in", policy, opened),
        c(
            "service.external",
            "externalName: db.nowhere.svc.cluster.local",
            |s| {
                s.service.service_type = "ExternalName".into();
                s.service.selector = None;
                s.service.external_name = "db.nowhere.svc.cluster.local".into();
            },
            |s| s.service.external_name = "db.example.com".into(),
        ),
        c(
            "service.endpoint-dead",
            "addresses 10.244.0.99",
            |s| {
                s.service.selector = None;
                s.pod.ip = "10.244.0.7".into();
                s.slice.by_hand = ["10.244.0.99".into()].into();
            },
            |s| s.slice.by_hand = ["10.244.0.7".into()].into(),
        ),
        c(
            "webhook.unavailable",
            "failurePolicy Fail",
            |s| webhook(s, "no-such-service"),
            |s| {
                s.standing.clear();
                webhook(s, "web");
            },
        ),
        c(
            "crd.conversion",
            "conversion webhook: service prod/gone",
            |s| {
                crd(s);
                crd_mut(s).converter = Some(ServiceRef { namespace: "prod".into(), name: "gone".into() });
            },
            |s| crd_mut(s).converter = Some(ServiceRef { namespace: "prod".into(), name: "web".into() }),
        ),
        c(
            "crd.not-served",
            "NotAccepted",
            |s| {
                crd(s);
                let since = ago(s, 600);
                let names = condition("NamesAccepted", Status::False, "NotAccepted", "in conflict", since);
                crd_mut(s).conditions = [names].into();
            },
            |s| crd_mut(s).conditions[0].status = Status::True,
        ),
        c(
            "crd.stored-version",
            "storedVersions: v1beta1, v1",
            |s| {
                crd(s);
                crd_mut(s).stored = ["v1beta1".into(), "v1".into()].into();
            },
            |s| crd_mut(s).served = ["v1beta1".into(), "v1".into()].into(),
        ),
        c(
            "apiservice.unavailable",
            "ServiceNotFound",
            |s| api(s, Status::False),
            |s| {
                s.standing.clear();
                api(s, Status::True);
            },
        ),
        c(
            "namespace.terminating",
            "example.com/cleanup",
            |s| terminating(s, 900),
            |s| {
                s.standing.clear();
                terminating(s, 60);
            },
        ),
        c(
            "volume.no-match",
            "wants 10Gi",
            |s| waiting_claim(s, 5 << 30),
            |s| {
                s.standing.clear();
                s.events.clear();
                waiting_claim(s, 20 << 30);
            },
        ),
        c(
            "config.service-account-missing",
            "serviceaccount",
            |s| {
                refused(
                    s,
                    "pods \"web-1-\" is forbidden: error looking up service account prod/robot: serviceaccount \"robot\" not found",
                );
            },
            created,
        ),
        c(
            "config.priority-class-missing",
            "PriorityClass",
            |s| refused(s, "pods \"web-1-\" is forbidden: no PriorityClass with name gold was found"),
            created,
        ),
        c(
            "config.runtime-class-missing",
            "RuntimeClass",
            |s| refused(s, "pods \"web-1-\" is forbidden: pod rejected: RuntimeClass \"gvisor\" not found"),
            created,
        ),
        c(
            "job.failure-policy",
            "matching FailJob rule at index 0",
            |s| {
                job_failed(
                    s,
                    "PodFailurePolicy",
                    "Container train for pod prod/x failed with exit code 42 matching FailJob rule at index 0",
                );
            },
            |s| job_failed(s, "BackoffLimitExceeded", "Job has reached the specified backoff limit"),
        ),
        c(
            "job.indexes",
            "failed indexes",
            |s| job_failed(s, "FailedIndexes", "Job has failed indexes"),
            |s| {
                job_failed(s, "DeadlineExceeded", "Job was active longer than specified deadline");
            },
        ),
        c("cronjob.schedule", "0 0 30 2 *", |s| cron(s, "0 0 30 2 *"), |s| cron(s, "0 0 29 2 *")),
        c(
            "cronjob.blocked",
            "concurrency policy is Forbid",
            |s| {
                cron(s, "* * * * *");
                let object = ObjectRef::new(Kind::CronJob, "prod", "report");
                let note =
                    "Not starting job because prior execution is running and concurrency policy is Forbid";
                s.event_on(object, Uid::Uuid(710), "JobAlreadyActive", note).warning = false;
            },
            // A run left out once is what Forbid is for.
            |s| s.events[0].count = 1,
        ),
        c(
            "node.held",
            "weave.works/kured-reboot-in-progress: 2026-11-20T02:00:00Z",
            |s| node_taken(s, "weave.works/kured-reboot-in-progress", "2026-11-20T02:00:00Z"),
            |s| s.node.holds = [].into(),
        ),
        c(
            "node.cordoned",
            "unschedulable: true",
            |s| {
                let added = Some(ago(s, 4000));
                s.node.unschedulable = true;
                s.node.taints = [cordon(added)].into();
            },
            |s| {
                s.node.unschedulable = false;
                s.node.taints = [].into();
            },
        ),
        c(
            "node.deleting",
            "deletionTimestamp",
            |s| {
                let since = ago(s, 4000);
                s.node.meta.deleting = Some(since);
            },
            |s| s.node.meta.deleting = Some(s.now),
        ),
        c(
            "node.host-event",
            "Preempt Scheduled",
            |s| {
                s.node_condition(
                    "VMEventScheduled",
                    Status::True,
                    "VMEventScheduled",
                    "Preempt Scheduled: Sat, 28 Nov 2026 21:05:45 GMT",
                );
            },
            |s| s.node_condition("VMEventScheduled", Status::False, "NoVMEventScheduled", ""),
        ),
    ]
}
