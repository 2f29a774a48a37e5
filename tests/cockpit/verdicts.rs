//! Scenarios end at their verdict on the screen without an answer from the operator. The trees are opened early and
//! stay open: what the cluster shows later has to come by itself.

use crate::support::lab::Lab;
use crate::support::pty::cockpit;

const KHUD: &str = env!("CARGO_BIN_EXE_khud");

struct Story {
    scenario: &'static str,
    object: &'static str,
    namespace: &'static str,
    /// Questions with their answers, in order.
    path: &'static [&'static str],
    cause: &'static str,
    /// Words that a tired person needs to go on.
    says: &'static [&'static str],
}

const STORIES: &[Story] = &[
    Story {
        scenario: "job-trouble",
        object: "job/import",
        namespace: "ml-training",
        path: &[
            "Does anything speak against it or its runs? yes",
            "Did it fail by what its pods do? yes",
            "Does the log of its last failed pod say why? yes",
        ],
        cause: "job.backoff-limit",
        says: &["/data/events-2025-10.parquet: file does not exist", "Retry job ml-training/import"],
    },
    Story {
        scenario: "job-trouble",
        object: "cronjob/report",
        namespace: "ml-training",
        path: &["Does anything speak against it or its runs? yes", "Did it fail by what its pods do? no"],
        cause: "cronjob.blocked",
        says: &["Forbid leaves out each run", "Delete job ml-training/report-"],
    },
    Story {
        scenario: "cert-expired",
        object: "ingress/shop",
        namespace: "production",
        path: &[
            "Does a controller take it up? yes",
            "Has each Service a ready endpoint? yes",
            "Does anything else speak against it? yes",
        ],
        cause: "cert.expired",
        says: &["2025-10-30", "shop-tls"],
    },
    Story {
        scenario: "network-policy",
        object: "service/billing",
        namespace: "production",
        path: &[
            "Does it select pods? yes",
            "Has it ready endpoints? yes",
            "Does anything speak against it? yes",
        ],
        cause: "service.network-policy",
        says: &["likely: NetworkPolicy deny-all"],
    },
    Story {
        scenario: "hung-collective",
        object: "statefulset/llm-pretrain",
        namespace: "ml-training",
        path: &[
            "Does it start and end again (CrashLoopBackOff)? yes",
            "What does its log say of its end? gpu.hung-collective",
            "Did one rank stay up while the others ended? yes",
        ],
        cause: "gpu.hung-collective",
        says: &[
            "llm-pretrain-2 on node",
            "most likely stands still",
            "Delete pod ml-training/llm-pretrain-2",
        ],
    },
    Story {
        scenario: "dead-provisioner",
        object: "statefulset/vectors",
        namespace: "production",
        path: &[
            "Has the pod that all wait for its volumes? no",
            "Is it for a provisioner to make the volume? yes",
            "Do the pods of the provisioner's controller run? no",
            "Is there a controller at all? yes",
        ],
        cause: "volume.provisioner",
        says: &[
            "0 of 1 pods of its controller stay up",
            "Roll back deployment kube-system/csi-fast-controller",
        ],
    },
    Story {
        scenario: "rbac-running",
        object: "deploy/model-controller",
        namespace: "inference",
        path: &["Is it ready? yes", "What is it? rbac.forbidden", "Does the API server refuse it still? yes"],
        cause: "rbac.forbidden",
        says: &["kubectl create role"],
    },
    Story {
        scenario: "crd-migration",
        object: "crd/backups.data.acme.io",
        namespace: "production",
        path: &["Does anything khud knows speak against it? yes"],
        cause: "crd.stored-version",
        says: &["stored as v1beta1, which is not served", "Serve the version again"],
    },
    Story {
        scenario: "webhook-dead",
        object: "deploy/cart",
        namespace: "production",
        path: &["Do the pods behind its Service run? no", "Has the Service any pods? yes"],
        cause: "webhook.unavailable",
        says: &["webhook image-policy.acme.io does not answer", "Roll back deployment security/image-policy"],
    },
];

/// The screen's words in one line, without the sign of the selected lines.
fn plain(text: &str) -> String {
    text.replace('▌', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn eight_scenarios_end_at_their_verdict_without_an_answer_from_the_operator() {
    for story in STORIES {
        let lab = Lab::start(story.scenario, 12.0);
        let mut k = cockpit(KHUD, lab.dir.path(), "", &[story.object, "-n", story.namespace], 130, 50);
        let (_, name) = story.object.split_once('/').unwrap();
        k.until_text(&format!("▌{name}"));
        k.send("w");
        let wanted = [story.path, story.says, &[story.cause]].concat();
        let all = |text: &str| wanted.iter().all(|w| plain(text).contains(w));
        let what = format!("{}: {}: {wanted:?}", story.scenario, story.object);
        let screen = plain(&k.until(&what, |s| all(&s.contents())));
        let at: Vec<usize> = story.path.iter().map(|step| screen.find(step).unwrap()).collect();
        assert!(at.is_sorted(), "{what} in this order: {screen}");
        assert!(!screen.contains("You tell:"), "{what}: it asks the operator: {screen}");
    }
}

#[test]
fn a_page_for_people_holds_the_nodes_name_and_is_read_from_the_tree() {
    let lab = Lab::start("runtime-crashloop", 8.0);
    let found = lab.finding("node.runtime-down");
    let node = found["object"]["name"].as_str().unwrap();
    let mut k = cockpit(KHUD, lab.dir.path(), "", &[&format!("node/{node}")], 120, 40);
    k.until_text(&format!("▌{node}"));
    k.then("w", "Lines for people: Rebuild the container runtime's database");
    // Below the verdict stand the remedy and the page.
    k.send("jj\r");
    k.until_text("page runtime-db");
    k.until_text("Two people. Types: ____________.");
    k.send("/cordon\r");
    k.until("kubectl aimed at this cluster", |s| s.contents().contains(&format!("cordon {node}")));
    assert!(k.text().contains("kubectl --context "), "{}", k.text());
}
