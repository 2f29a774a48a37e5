//! Pods as kubectl makes and copies them: run, debug, attach, and whole templates through its typed client.

use super::{Kubectl, local};
use serde_json::{Value, json};

/// A pod that says something in every field that a template has.
fn full() -> Value {
    let term = json!({"labelSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["x"]}]},
        "namespaces": ["n"], "topologyKey": "zone", "namespaceSelector": {"matchLabels": {"team": "a"}},
        "matchLabelKeys": ["k"], "mismatchLabelKeys": ["m"]});
    let node_term = json!({"matchExpressions": [{"key": "gpu", "operator": "Exists"}],
        "matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]});
    let profile = json!({"type": "Localhost", "localhostProfile": "p.json"});
    let se_linux = json!({"user": "u", "role": "r", "type": "t", "level": "l"});
    let windows = json!({"gmsaCredentialSpecName": "g", "gmsaCredentialSpec": "s", "runAsUserName": "w", "hostProcess": false});
    let http = json!({"path": "/p", "port": "http", "host": "h", "scheme": "HTTPS", "httpHeaders": [{"name": "A", "value": "b"}]});
    let probe = |handler: Value| {
        let mut probe = json!({"initialDelaySeconds": 1, "timeoutSeconds": 2, "periodSeconds": 3, "successThreshold": 1,
            "failureThreshold": 5, "terminationGracePeriodSeconds": 6});
        probe.as_object_mut().unwrap().extend(handler.as_object().unwrap().clone());
        probe
    };
    let field = json!({"apiVersion": "v1", "fieldPath": "metadata.name"});
    let amount = json!({"containerName": "c", "resource": "limits.cpu", "divisor": "1m"});
    let container = json!({"name": "c", "image": "i:1", "command": ["a", ""], "args": ["b"], "workingDir": "/w",
        "ports": [{"name": "http", "hostPort": 80, "containerPort": 8080, "protocol": "UDP", "hostIP": "1.2.3.4"}],
        "envFrom": [{"prefix": "P", "configMapRef": {"name": "cm", "optional": false}}, {"secretRef": {"name": "s", "optional": true}}],
        "env": [{"name": "V", "value": "v"}, {"name": "F", "valueFrom": {"fieldRef": field}},
            {"name": "R", "valueFrom": {"resourceFieldRef": amount}},
            {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "k", "optional": true}}},
            {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
        "resources": {"limits": {"cpu": "2", "memory": "1Gi", "nvidia.com/gpu": "8"}, "requests": {"cpu": "500m", "memory": "1Gi", "nvidia.com/gpu": "8"},
            "claims": [{"name": "claim", "request": "r"}]},
        "volumeMounts": [{"name": "cm", "readOnly": true, "recursiveReadOnly": "IfPossible", "mountPath": "/m", "subPath": "s", "mountPropagation": "None"},
            {"name": "e", "mountPath": "/e", "subPathExpr": "$(V)"}],
        "volumeDevices": [{"name": "claim", "devicePath": "/dev/x"}],
        "livenessProbe": probe(json!({"httpGet": http})), "readinessProbe": probe(json!({"exec": {"command": ["x"]}})),
        "startupProbe": probe(json!({"grpc": {"port": 9, "service": ""}})),
        "lifecycle": {"postStart": {"tcpSocket": {"port": 1, "host": "h"}}, "preStop": {"sleep": {"seconds": 5}}},
        "terminationMessagePath": "/t", "terminationMessagePolicy": "FallbackToLogsOnError", "imagePullPolicy": "Never",
        "securityContext": {"capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]}, "privileged": false, "seLinuxOptions": se_linux,
            "windowsOptions": windows, "runAsUser": 0, "runAsGroup": 1, "runAsNonRoot": false, "readOnlyRootFilesystem": true,
            "allowPrivilegeEscalation": false, "procMount": "Default", "seccompProfile": profile, "appArmorProfile": profile},
        "resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"}], "stdin": true, "stdinOnce": true, "tty": true});
    let init = json!({"name": "init", "image": "i:1", "restartPolicy": "Always", "resources": {}, "imagePullPolicy": "Never",
        "terminationMessagePath": "/t", "terminationMessagePolicy": "File"});
    let items = json!([{"key": "k", "path": "p", "mode": 256}]);
    let claim = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "selector": {"matchLabels": {"a": "b"}},
        "storageClassName": "", "volumeMode": "Filesystem", "volumeName": "pv", "volumeAttributesClassName": "gold",
        "dataSource": {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "s"},
        "dataSourceRef": {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "s", "namespace": "o"}});
    let volumes = json!([{"name": "cm", "configMap": {"name": "cm", "items": items, "defaultMode": 420, "optional": true}},
        {"name": "s", "secret": {"secretName": "s", "items": items, "defaultMode": 420, "optional": false}},
        {"name": "e", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}}, {"name": "h", "hostPath": {"path": "/h", "type": ""}},
        {"name": "nfs", "nfs": {"server": "n", "path": "/n", "readOnly": true}},
        {"name": "claim", "persistentVolumeClaim": {"claimName": "c", "readOnly": true}},
        {"name": "down", "downwardAPI": {"items": [{"path": "p", "fieldRef": field, "mode": 256}, {"path": "q", "resourceFieldRef": amount}], "defaultMode": 420}},
        {"name": "all", "projected": {"defaultMode": 420, "sources": [{"secret": {"name": "s", "items": items, "optional": true}},
            {"configMap": {"name": "cm"}}, {"downwardAPI": {"items": [{"path": "p", "fieldRef": field}]}},
            {"serviceAccountToken": {"audience": "a", "expirationSeconds": 3607, "path": "t"}}]}},
        {"name": "csi", "csi": {"driver": "d", "readOnly": true, "fsType": "xfs", "volumeAttributes": {"a": "b"}, "nodePublishSecretRef": {"name": "s"}}},
        {"name": "fresh", "ephemeral": {"volumeClaimTemplate": {"metadata": {"labels": {"a": "b"}}, "spec": claim}}},
        {"name": "image", "image": {"reference": "i:1", "pullPolicy": "Always"}}]);
    json!({"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "activeDeadlineSeconds": 600, "dnsPolicy": "None",
        "nodeSelector": {"a": "b"}, "serviceAccountName": "sa", "serviceAccount": "sa", "automountServiceAccountToken": false,
        "nodeName": "node-1", "hostNetwork": true, "hostPID": true, "hostIPC": true, "shareProcessNamespace": false, "hostUsers": false,
        "securityContext": {"seLinuxOptions": se_linux, "windowsOptions": windows, "runAsUser": 0, "runAsGroup": 1, "runAsNonRoot": true,
            "supplementalGroups": [1, 2], "supplementalGroupsPolicy": "Merge", "fsGroup": 3, "fsGroupChangePolicy": "Always",
            "sysctls": [{"name": "s", "value": "v"}], "seccompProfile": profile, "appArmorProfile": profile},
        "imagePullSecrets": [{"name": "pull"}], "hostname": "h", "subdomain": "s", "schedulerName": "mine",
        "affinity": {
            "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [node_term]},
                "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": node_term}]},
            "podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]},
            "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 2, "podAffinityTerm": term}]}},
        "tolerations": [{"key": "k", "operator": "Equal", "value": "v", "effect": "NoExecute", "tolerationSeconds": 0}],
        "hostAliases": [{"ip": "1.2.3.4", "hostnames": ["a", "b"]}], "priorityClassName": "high", "priority": 5, "preemptionPolicy": "Never",
        "dnsConfig": {"nameservers": ["1.1.1.1"], "searches": ["a"], "options": [{"name": "ndots", "value": "2"}]},
        "readinessGates": [{"conditionType": "a/b"}], "runtimeClassName": "nvidia", "enableServiceLinks": false, "overhead": {"cpu": "10m"},
        "topologySpreadConstraints": [{"maxSkew": 1, "minDomains": 2, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": {"a": "b"}}, "nodeAffinityPolicy": "Ignore", "nodeTaintsPolicy": "Honor", "matchLabelKeys": ["k"]}],
        "setHostnameAsFQDN": true, "os": {"name": "linux"}, "schedulingGates": [{"name": "g"}],
        "resourceClaims": [{"name": "claim", "resourceClaimName": "rc"}, {"name": "t", "resourceClaimTemplateName": "rct"}],
        "initContainers": [init], "containers": [container], "volumes": volumes})
}

/// A cron job goes to kubectl as JSON, and the job that it makes of it comes back as protobuf: nothing may be lost.
#[tokio::test]
async fn every_field_of_a_pod_survives_kubectls_typed_client() {
    let root = tempfile::tempdir().unwrap();
    let sim = local(root.path()).await;
    let Some(k) = Kubectl::new(&sim).await else { return };
    let failure = json!({"rules": [{"action": "FailJob", "onExitCodes": {"containerName": "c", "operator": "In", "values": [1, 2]}},
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]});
    let job = json!({"parallelism": 2, "completions": 3, "activeDeadlineSeconds": 600, "backoffLimit": 0, "ttlSecondsAfterFinished": 0,
        "completionMode": "Indexed", "suspend": true, "podFailurePolicy": failure, "backoffLimitPerIndex": 1, "maxFailedIndexes": 1,
        "podReplacementPolicy": "Failed", "managedBy": "a.b/c", "successPolicy": {"rules": [{"succeededIndexes": "0-1", "succeededCount": 1}]},
        "manualSelector": true, "selector": {"matchLabels": {"app": "x"}},
        "template": {"metadata": {"labels": {"app": "x"}, "annotations": {"a": "b"}, "finalizers": ["a.b/c"]}, "spec": full()}});
    let cron = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "full", "namespace": "prod"},
        "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"metadata": {"labels": {"l": "m"}}, "spec": job}}});
    k.write("cron.json", &cron);
    // Strictly: the schema has each of these fields.
    k.ok("create -f cron.json").await;
    k.ok("create job once -n prod --from=cronjob/full").await;
    let mut want = sim.store().get("cronjobs.batch", "prod", "full").unwrap()["spec"]["jobTemplate"].clone();
    let got = sim.store().get("jobs.batch", "prod", "once").unwrap();
    // kubectl writes this into a template that has none.
    let mut spec = got["spec"].clone();
    for template in [&mut spec["template"], &mut want["spec"]["template"]] {
        template["metadata"].as_object_mut().unwrap().remove("creationTimestamp");
    }
    for (key, value) in want["spec"]["template"]["spec"].as_object().unwrap() {
        assert_eq!(&spec["template"]["spec"][key], value, "{key}");
    }
    assert_eq!(spec, want["spec"]);
    assert_eq!(
        (&got["metadata"]["labels"], &got["metadata"]["ownerReferences"][0]["name"]),
        (&json!({"l": "m"}), &json!("full"))
    );
}

#[tokio::test]
async fn pods_are_run_and_debugged() {
    let root = tempfile::tempdir().unwrap();
    let sim = local(root.path()).await;
    let Some(k) = Kubectl::new(&sim).await else { return };
    k.ok("run web -n prod --image=i:1 --env=A=b --port=80 --labels=app=web --restart=Never -- sleep 60")
        .await;
    let web = k.object("pod web -n prod").await;
    let container = &web["spec"]["containers"][0];
    assert_eq!((&container["args"], &container["env"][0]["value"]), (&json!(["sleep", "60"]), &json!("b")));
    let dry =
        k.ok("run dry -n prod --image=i:1 --dry-run=server -o jsonpath={.spec.serviceAccountName}").await;
    assert_eq!(dry, "default");
    assert!(sim.store().get("pods", "prod", "dry").is_none());

    k.ok("debug shell -n prod --image=busybox:1 --target=c -c probe --profile=general -q -- sleep 1").await;
    let shell = k.object("pod shell -n prod").await;
    let probe = &shell["spec"]["ephemeralContainers"][0];
    assert_eq!(
        (&probe["name"], &probe["targetContainerName"], &probe["command"]),
        (&json!("probe"), &json!("c"), &json!(["sleep", "1"]))
    );
    let again = k.fails("debug shell -n prod --image=busybox:1 -c probe --profile=general -q -- true").await;
    let why =
        r#"spec.ephemeralContainers: Forbidden: existing ephemeral containers "probe" may not be changed"#;
    assert!(again.contains(why), "{again}");
    let nobody = k.fails("debug shell -n prod --image=busybox:1 --target=x -c other -q -- true").await;
    assert!(
        nobody.contains(r#"spec.ephemeralContainers[1].targetContainerName: Not found: "x""#),
        "{nobody}"
    );
    k.ok("debug shell -n prod --copy-to=copy --set-image=c=busybox:2 --share-processes --profile=general -q")
        .await;
    let copy = k.object("pod copy -n prod").await;
    assert_eq!(
        (&copy["spec"]["containers"][0]["image"], &copy["spec"]["shareProcessNamespace"]),
        (&json!("busybox:2"), &json!(true))
    );
    assert_eq!(
        copy["spec"]["containers"][0]["terminationMessagePath"],
        shell["spec"]["containers"][0]["terminationMessagePath"]
    );
    k.ok("debug node/node-1 -n prod --image=busybox:1 --profile=sysadmin -q -- sleep 1").await;
    let pods = sim.store().list("pods", Some("prod"));
    let debugger = pods
        .iter()
        .find(|p| p["metadata"]["name"].as_str().unwrap().starts_with("node-debugger-node-1-"))
        .unwrap();
    let spec = &debugger["spec"];
    assert_eq!(
        (&spec["nodeName"], &spec["hostPID"], &spec["volumes"][0]["hostPath"]["path"]),
        (&json!("node-1"), &json!(true), &json!("/"))
    );
    assert_eq!(spec["containers"][0]["securityContext"]["privileged"], true);
}
