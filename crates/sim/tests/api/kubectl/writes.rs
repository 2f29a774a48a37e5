//! What kubectl creates, applies, changes and deletes.

use super::{Kubectl, local};
use khud_sim::Sim;
use serde_json::{Value, json};

/// The first value at a path of a stored object.
fn stored(sim: &Sim, key: &str, ns: &str, name: &str, path: &str) -> Value {
    let object = sim.store().get(key, ns, name).unwrap_or_else(|| panic!("{key} {name}"));
    object.pointer(path).cloned().unwrap_or_default()
}

fn web(image: &str) -> Value {
    let labels = json!({"app": "web"});
    let template =
        json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": image}]}});
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "prod"},
        "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}})
}

fn config(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm", "namespace": "prod"}, "data": data})
}

/// kubectl sends all of these as protobuf.
#[tokio::test]
async fn create_makes_each_kind_that_it_has_a_command_for() {
    let root = tempfile::tempdir().unwrap();
    let sim = local(root.path()).await;
    let Some(k) = Kubectl::new(&sim).await else { return };
    std::fs::write(k.home.path().join("bytes"), b"\xff\x00").unwrap();
    let rbac = |kind: &str| format!("{kind}.rbac.authorization.k8s.io");
    let table = [
        ("namespace n", "namespaces".into(), "/status/phase", json!("Active")),
        (
            "deployment x --image=i:1 --replicas=2 --port=80",
            "deployments.apps".into(),
            "/spec/template/spec/containers/0/ports/0/containerPort",
            json!(80),
        ),
        (
            "job x --image=i:1 -- echo hi",
            "jobs.batch".into(),
            "/spec/template/spec/containers/0/command",
            json!(["echo", "hi"]),
        ),
        (
            "cronjob x --image=i:1 --schedule=*/5~*~*~*~*",
            "cronjobs.batch".into(),
            "/spec/schedule",
            json!("*/5 * * * *"),
        ),
        ("service clusterip x --tcp=80:8080", "services".into(), "/spec/ports/0/targetPort", json!(8080)),
        (
            "service nodeport np --tcp=80 --node-port=30080",
            "services".into(),
            "/spec/ports/0/nodePort",
            json!(30080),
        ),
        ("service loadbalancer lb --tcp=80", "services".into(), "/spec/type", json!("LoadBalancer")),
        (
            "service externalname en --external-name=a.b",
            "services".into(),
            "/spec/externalName",
            json!("a.b"),
        ),
        (
            "ingress x --rule=a.example.com/b=web:http,tls=cert --class=nginx --default-backend=web:80",
            "ingresses.networking.k8s.io".into(),
            "/spec",
            json!({"ingressClassName": "nginx", "defaultBackend": {"service": {"name": "web", "port": {"number": 80}}},
                "tls": [{"hosts": ["a.example.com"], "secretName": "cert"}],
                "rules": [{"host": "a.example.com", "http": {"paths": [{"path": "/b", "pathType": "Exact",
                    "backend": {"service": {"name": "web", "port": {"name": "http"}}}}]}}]}),
        ),
        (
            "quota x --hard=pods=20,requests.cpu=100 --scopes=NotTerminating",
            "resourcequotas".into(),
            "/spec",
            json!({"hard": {"pods": "20", "requests.cpu": "100"}, "scopes": ["NotTerminating"]}),
        ),
        (
            "role x --verb=get,list --resource=pods --resource-name=a",
            rbac("roles"),
            "/rules/0",
            json!({"apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"], "verbs": ["get", "list"]}),
        ),
        (
            "clusterrole x --verb=get --non-resource-url=/metrics",
            rbac("clusterroles"),
            "/rules/0/nonResourceURLs",
            json!(["/metrics"]),
        ),
        (
            "clusterrole agg --aggregation-rule=a=b",
            rbac("clusterroles"),
            "/aggregationRule/clusterRoleSelectors/0/matchLabels",
            json!({"a": "b"}),
        ),
        (
            "rolebinding x --role=x --user=u --serviceaccount=prod:s",
            rbac("rolebindings"),
            "/subjects/1",
            json!({"kind": "ServiceAccount", "name": "s", "namespace": "prod"}),
        ),
        (
            "clusterrolebinding x --clusterrole=x --group=g",
            rbac("clusterrolebindings"),
            "/roleRef/name",
            json!("x"),
        ),
        (
            "secret generic x --from-literal=a=b --from-file=bytes",
            "secrets".into(),
            "/data",
            json!({"a": "Yg==", "bytes": "/wA="}),
        ),
        (
            "secret docker-registry pull --docker-username=u --docker-password=p --docker-server=s",
            "secrets".into(),
            "/type",
            json!("kubernetes.io/dockerconfigjson"),
        ),
        (
            "configmap x --from-literal=a=b --from-file=bytes",
            "configmaps".into(),
            "/binaryData",
            json!({"bytes": "/wA="}),
        ),
        ("serviceaccount x", "serviceaccounts".into(), "/metadata/name", json!("x")),
        (
            "pdb x --selector=app=web --max-unavailable=50%",
            "poddisruptionbudgets.policy".into(),
            "/spec",
            json!({"maxUnavailable": "50%", "selector": {"matchLabels": {"app": "web"}}}),
        ),
        (
            "priorityclass x --value=0 --description=least --preemption-policy=Never",
            "priorityclasses.scheduling.k8s.io".into(),
            "/value",
            json!(0),
        ),
    ];
    for (line, key, path, want) in table {
        k.ok(&format!("create {line} -n prod").replace(" -- echo hi -n prod", " -n prod -- echo hi")).await;
        let words: Vec<&str> = line.split(' ').collect();
        let name = words
            .iter()
            .skip(1)
            .find(|w| {
                !["generic", "docker-registry", "clusterip", "nodeport", "loadbalancer", "externalname"]
                    .contains(w)
            })
            .unwrap();
        let cluster_wide =
            line.starts_with("cluster") || line.starts_with("priority") || line.starts_with("namespace");
        let ns = if cluster_wide { "" } else { "prod" };
        assert_eq!(stored(&sim, &key, ns, name, path), want, "{line}");
    }
    assert_eq!(
        k.ok("create namespace dry --dry-run=server").await,
        "namespace/dry created (server dry run)\n"
    );
    assert!(sim.store().get("namespaces", "", "dry").is_none());
    let again = k.fails("create serviceaccount x -n prod").await;
    assert!(again.ends_with("serviceaccounts \"x\" already exists\n"), "{again}");
}

#[tokio::test]
async fn apply_patch_and_replace() {
    let root = tempfile::tempdir().unwrap();
    let sim = local(root.path()).await;
    let Some(k) = Kubectl::new(&sim).await else { return };
    let image = || stored(&sim, "deployments.apps", "prod", "web", "/spec/template/spec/containers/0/image");
    k.write("web.json", &web("i:1"));
    assert_eq!(k.ok("apply -f web.json").await, "deployment.apps/web created\n");
    assert_eq!(k.ok("apply -f web.json").await, "deployment.apps/web unchanged\n");
    k.write("web.json", &web("i:2"));
    let dry = k.ok("apply -f web.json --dry-run=server").await;
    assert_eq!(dry, "deployment.apps/web configured (server dry run)\n");
    let diff = k.output("diff -f web.json").await;
    let text = String::from_utf8(diff.stdout).unwrap();
    assert!(
        diff.status.code() == Some(1)
            && text.contains("-      - image: i:1")
            && text.contains("+      - image: i:2"),
        "{text}"
    );
    assert_eq!(image(), "i:1");
    assert_eq!(k.ok("apply -f web.json").await, "deployment.apps/web configured\n");
    assert_eq!(
        (image(), stored(&sim, "deployments.apps", "prod", "web", "/metadata/generation")),
        (json!("i:2"), json!(2))
    );
    assert!(k.ok("apply view-last-applied deploy/web -n prod").await.contains("image: i:2"));
    k.write("web.json", &web("i:3"));
    assert_eq!(k.ok("replace -f web.json").await, "deployment.apps/web replaced\n");
    assert_eq!(image(), "i:3");
    k.ok("patch deploy/web -n prod --type=json -p [{\"op\":\"replace\",\"path\":\"/spec/replicas\",\"value\":4}]").await;
    k.ok("patch deploy/web -n prod --type=merge -p {\"spec\":{\"paused\":true}}").await;
    k.ok("patch deploy/web -n prod -p {\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i:4\"}]}}}}").await;
    let spec = stored(&sim, "deployments.apps", "prod", "web", "/spec");
    assert_eq!((&spec["replicas"], &spec["paused"], image()), (&json!(4), &json!(true), json!("i:4")));
    assert_eq!(
        k.ok("scale deploy/web -n prod --replicas=5 --current-replicas=4").await,
        "deployment.apps/web scaled\n"
    );
    k.ok("patch deploy/web -n prod --subresource=scale --type=merge -p {\"spec\":{\"replicas\":6}}").await;
    assert_eq!(stored(&sim, "deployments.apps", "prod", "web", "/spec/replicas"), 6);

    k.write("cm.json", &config(json!({"a": "1"})));
    assert_eq!(k.ok("apply --server-side -f cm.json").await, "configmap/cm serverside-applied\n");
    k.write("cm.json", &config(json!({"a": "2"})));
    let other = "apply --server-side --field-manager=other -f cm.json";
    let refused = k.fails(other).await;
    assert!(refused.contains("Apply failed with 1 conflict: conflict with \"kubectl\""), "{refused}");
    k.ok(&format!("{other} --force-conflicts")).await;
    assert_eq!(stored(&sim, "configmaps", "prod", "cm", "/data/a"), "2");

    let gone = k.ok("delete deploy/web -n prod").await;
    // Newer ones name the namespace.
    assert!(gone.starts_with("deployment.apps \"web\" deleted"), "{gone}");
    assert!(k.fails("get deploy/web -n prod").await.contains("deployments.apps \"web\" not found"));
}

/// kubectl asks for strict validation where it is not told otherwise.
#[tokio::test]
async fn fields_that_a_kind_does_not_have_are_refused_or_warned_of() {
    let root = tempfile::tempdir().unwrap();
    let sim = local(root.path()).await;
    let Some(k) = Kubectl::new(&sim).await else { return };
    let mut object = config(json!({"a": "1"}));
    object["dataa"] = json!({"x": "y"});
    object["metadata"]["lables"] = json!({});
    k.write("cm.json", &object);
    let refused = k.fails("create -f cm.json").await;
    assert_eq!(
        refused,
        "Error from server (BadRequest): error when creating \"cm.json\": ConfigMap in version \"v1\" cannot be handled as a ConfigMap: \
         strict decoding error: unknown field \"dataa\", unknown field \"metadata.lables\"\n"
    );
    let refused = k.fails("apply -f cm.json").await;
    assert!(refused.contains("strict decoding error: unknown field \"dataa\""), "{refused}");
    let warned = k.output("create -f cm.json --validate=warn").await;
    let said = String::from_utf8(warned.stderr).unwrap();
    assert_eq!(said, "Warning: unknown field \"dataa\"\nWarning: unknown field \"metadata.lables\"\n");
    assert_eq!(stored(&sim, "configmaps", "prod", "cm", "/dataa"), Value::Null);
    object["data"]["a"] = json!("2");
    k.write("cm.json", &object);
    let ignored = k.output("replace -f cm.json --validate=false").await;
    assert!(ignored.status.success() && ignored.stderr.is_empty());
    assert_eq!(stored(&sim, "configmaps", "prod", "cm", "/data/a"), "2");

    k.write("web.json", &web("i:1"));
    k.ok("apply -f web.json").await;
    let mut wrong = web("i:1");
    wrong["spec"]["volumes"] = json!([]);
    k.write("web.json", &wrong);
    let refused = k.fails("apply -f web.json").await;
    assert!(refused.contains("patch: Invalid value: \"map[metadata:map[annotations:map["), "{refused}");
    assert!(
        refused.trim_end().ends_with("strict decoding error: unknown field \"spec.volumes\""),
        "{refused}"
    );
    let refused = k.fails("apply --server-side --force-conflicts -f web.json").await;
    let text = "failed to create typed patch object (prod/web; apps/v1, Kind=Deployment): .spec.volumes: field not declared in schema";
    assert!(refused.contains(text), "{refused}");
    let warned = k.output("patch deploy/web -n prod --type=merge -p {\"spec\":{\"nope\":1}}").await;
    assert_eq!(String::from_utf8(warned.stderr).unwrap(), "Warning: unknown field \"spec.nope\"\n");
    wrong = web("i:1");
    wrong["spec"]["replicas"] = json!("3");
    wrong["metadata"]["name"] = json!("other");
    k.write("web.json", &wrong);
    let refused = k.fails("create -f web.json").await;
    let text =
        "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32";
    assert!(refused.contains(text), "{refused}");
}

#[tokio::test]
async fn commands_change_one_thing_each() {
    let root = tempfile::tempdir().unwrap();
    let sim = local(root.path()).await;
    let Some(k) = Kubectl::new(&sim).await else { return };
    k.write("web.json", &web("i:1"));
    k.ok("create -f web.json").await;
    k.ok("create configmap env -n prod --from-literal=a=b").await;
    k.ok("create rolebinding rb -n prod --clusterrole=view --user=u").await;
    let pod = "/spec/template/spec";
    let container = "/spec/template/spec/containers/0";
    let table = [
        ("set image deploy/web c=i:2", format!("{container}/image"), json!("i:2")),
        ("set env deploy/web A=b", format!("{container}/env"), json!([{"name": "A", "value": "b"}])),
        (
            "set env deploy/web --from=configmap/env --keys=a --prefix=P_",
            format!("{container}/env/1"),
            json!({"name": "P_A", "valueFrom": {"configMapKeyRef": {"name": "env", "key": "a"}}}),
        ),
        ("set env deploy/web A-", format!("{container}/env/0/name"), json!("P_A")),
        (
            "set resources deploy/web --limits=cpu=200m,memory=512Mi --requests=cpu=100m",
            format!("{container}/resources"),
            json!({"limits": {"cpu": "200m", "memory": "512Mi"}, "requests": {"cpu": "100m", "memory": "512Mi"}}),
        ),
        ("set serviceaccount deploy/web robot", format!("{pod}/serviceAccountName"), json!("robot")),
        ("rollout pause deploy/web", "/spec/paused".into(), json!(true)),
        ("rollout resume deploy/web", "/spec/paused".into(), Value::Null),
        ("label deploy/web a=b", "/metadata/labels".into(), json!({"a": "b"})),
        ("label deploy/web a=c --overwrite", "/metadata/labels/a".into(), json!("c")),
        ("label deploy/web a-", "/metadata/labels/a".into(), Value::Null),
        (
            "annotate deploy/web kubernetes.io/change-cause=because",
            "/metadata/annotations/kubernetes.io~1change-cause".into(),
            json!("because"),
        ),
    ];
    for (line, path, want) in table {
        k.ok(&format!("{line} -n prod")).await;
        assert_eq!(stored(&sim, "deployments.apps", "prod", "web", &path), want, "{line}");
    }
    k.ok("expose deploy/web -n prod --port=80 --target-port=http --name=front").await;
    assert_eq!(stored(&sim, "services", "prod", "front", "/spec/ports/0/targetPort"), "http");
    k.ok("set selector service/front -n prod app=other").await;
    assert_eq!(stored(&sim, "services", "prod", "front", "/spec/selector"), json!({"app": "other"}));
    k.ok("set subject rolebinding/rb -n prod --group=g").await;
    assert_eq!(stored(&sim, "rolebindings.rbac.authorization.k8s.io", "prod", "rb", "/subjects/1/name"), "g");
    // To autoscaling/v1, with newer ones to v2.
    k.ok("autoscale deploy/web -n prod --min=2 --max=5 --cpu-percent=80").await;
    let metric = json!([{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}]);
    assert_eq!(stored(&sim, "horizontalpodautoscalers.autoscaling", "prod", "web", "/spec/metrics"), metric);
    let old = k.ok("get --raw /apis/autoscaling/v1/namespaces/prod/horizontalpodautoscalers/web").await;
    let old: Value = serde_json::from_str(&old).unwrap();
    assert_eq!(
        (&old["apiVersion"], &old["spec"]["targetCPUUtilizationPercentage"]),
        (&json!("autoscaling/v1"), &json!(80))
    );

    assert_eq!(k.ok("cordon node-1").await, "node/node-1 cordoned\n");
    assert!(k.ok("get node node-1").await.contains("SchedulingDisabled"));
    assert_eq!(k.ok("uncordon node-1").await, "node/node-1 uncordoned\n");
    assert_eq!(k.ok("taint node node-1 dedicated=gpu:NoSchedule").await, "node/node-1 tainted\n");
    let taint = json!([{"key": "dedicated", "value": "gpu", "effect": "NoSchedule"}]);
    assert_eq!(stored(&sim, "nodes", "", "node-1", "/spec/taints"), taint);
    assert_eq!(k.ok("taint node node-1 dedicated-").await, "node/node-1 untainted\n");

    let mut edit = k.command(&["edit", "deploy/web", "-n", "prod"]);
    let edited =
        edit.env("EDITOR", "sed -i s/progressDeadlineSeconds:.600/progressDeadlineSeconds:\\ 60/").output();
    let edited = edited.await.unwrap();
    assert_eq!(String::from_utf8_lossy(&edited.stdout), "deployment.apps/web edited\n");
    assert_eq!(stored(&sim, "deployments.apps", "prod", "web", "/spec/progressDeadlineSeconds"), 60);
}

#[tokio::test]
async fn delete_takes_what_is_named_and_what_matches() {
    let root = tempfile::tempdir().unwrap();
    let sim = local(root.path()).await;
    let Some(k) = Kubectl::new(&sim).await else { return };
    for (name, app) in [("a", "x"), ("b", "x"), ("c", "y")] {
        k.ok(&format!("create configmap {name} -n prod")).await;
        k.ok(&format!("label configmap {name} -n prod app={app}")).await;
    }
    k.ok("delete configmap -n prod -l app=x").await;
    let left = || sim.store().list("configmaps", Some("prod")).len();
    assert_eq!(left(), 1);
    let gone = k.fails("delete configmap nope -n prod").await;
    assert_eq!(gone, "Error from server (NotFound): configmaps \"nope\" not found\n");
    k.ok("delete configmap nope -n prod --ignore-not-found").await;
    k.ok("delete configmap c -n prod --dry-run=server").await;
    assert_eq!(left(), 1);
    k.ok("delete configmap --all -n prod").await;
    assert_eq!(left(), 0);
    // The pod has a kubelet to wait for; by force it has not.
    k.ok("delete pod shell -n prod --wait=false").await;
    assert_eq!(stored(&sim, "pods", "prod", "shell", "/metadata/deletionGracePeriodSeconds"), 30);
    k.ok("delete pod shell -n prod --grace-period=0 --force").await;
    assert!(sim.store().get("pods", "prod", "shell").is_none());
    assert_eq!(k.ok("wait pod/shell -n prod --for=delete --timeout=60s").await, "");
}
