//! Log forwarders: the policy and the pure function that the webhook answers with give the same pod, for pods of many shapes; the
//! configuration is everywhere before a pod names it, and sealed.

use std::time::Instant;

use k8s_openapi::api::{admissionregistration::v1::ValidatingAdmissionPolicy, core::v1::ConfigMap};
use kube::{Api, ResourceExt};
use pcizone::{
    api::PciZone,
    engine::{
        declaration::Declaration,
        desired::admission::{placement, sidecars},
    },
};
use serde_json::{Value, json};
use testbed::{Options, Version};

use super::{
    asking::{Answer, Row, ask},
    people::{People, Who},
    placement::patched,
};
use crate::support::{Bed, Operator, free_address};

const COMPONENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/kustomize/components/logs/rbac.yaml");
/// One that nobody names stays for a minute.
const LONG: std::time::Duration = std::time::Duration::from_secs(150);
const SINK: &str = "https://logs.example.com:9200";
const FORWARDER: &str =
    "registry.example.com/fluent-bit@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A zone with two sources and a sink, whose configuration differs with its port.
fn zone(mode: &str, sink: &str) -> String {
    let linger = FORWARDER.replace("fluent-bit", "pcizone");
    format!(
        "apiVersion: pcizone.dev/v1alpha1
kind: PciZone
metadata: {{name: cde}}
spec:
  mode: {mode}
  scope: {{namespaces: {{names: [checkout, vault, later]}}}}
  segmentation:
    flows:
    - name: logs
      need: The audit trail goes to the store of the security team.
      owner: platform-team
      approvedBy: security@example.com
      ticket: PAY-7
      reviewedAt: 2026-10-01T00:00:00Z
      expiresAt: 2099-04-01T00:00:00Z
      from: {{zone: cde}}
      to: {{cidrs: [203.0.113.0/28]}}
      ports: [{{port: 9200}}]
  hosting: {{nodes: {{selector: {{matchLabels: {{node-restriction.kubernetes.io/pool: pci}}}}}}}}
  # Where pods have their images from, and not where the sidecars have theirs.
  scanning: {{registries: [registry.example.com/app, registry.example.com/other, docker.io/library], digests: Optional}}
  logging:
    sources: [{{path: /var/log/app}}, {{path: /srv/audit, sizeMebibytes: 64}}]
    forwarder: {{image: \"{FORWARDER}\"}}
    linger: {{image: \"{linger}\", waitSeconds: 20}}
    sinks:
    - name: siem
      elasticsearch: {{url: \"{sink}\", dataStream: pci-audit}}
      credentialsSecret: siem
      authentication: ApiKey
      trust: Secret
      flow: logs
"
    )
}

async fn bed(mode: &str, version: Version) -> Bed {
    let bed = bed_without_rights(mode, version).await;
    bed.kubectl(&["apply", "--filename", COMPONENT]).await;
    bed.until_ready("cde").await;
    bed
}

/// The operator has not got the component's rights.
async fn bed_without_rights(mode: &str, version: Version) -> Bed {
    let mut bed = bare(version).await;
    bed.start_operator().await;
    bed.apply(&zone(mode, SINK)).await;
    bed
}

/// No operator runs.
async fn bare(version: Version) -> Bed {
    let bed = Bed::with(Options {
        version,
        audit: true,
        apiserver_args: vec!["--disable-admission-plugins=ServiceAccount".to_string()],
        ..Options::default()
    })
    .await;
    bed.shop().await;
    bed
}

fn maps(bed: &Bed, namespace: &str) -> Api<ConfigMap> {
    Api::namespaced(bed.client.clone(), namespace)
}

/// Names of the configurations in a namespace.
async fn configurations(bed: &Bed, namespace: &str) -> Vec<String> {
    let all = maps(bed, namespace).list(&kube::api::ListParams::default()).await.unwrap();
    all.items.iter().map(ResourceExt::name_any).filter(|name| name.starts_with("pcizone-logs-")).collect()
}

fn post(who: Who, namespace: &str, spec: &Value) -> Row {
    let path = format!("/api/v1/namespaces/{namespace}/pods");
    let body = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "row", "labels": { "app": "row" } }, "spec": spec });
    Row { who, what: String::new(), verb: "POST", path, body, stopped_by: None }
}

fn shapes() -> Vec<Value> {
    let container =
        |mounts: Value| json!({ "name": "app", "image": "registry.example.com/app", "volumeMounts": mounts });
    let with = |name: &str, mut container: Value| {
        container["name"] = json!(name);
        container
    };
    let volume = |name: &str| json!({ "name": name, "emptyDir": {} });
    let at = |name: &str, path: &str| json!({ "name": name, "mountPath": path });
    let plain = json!({ "name": "app", "image": "registry.example.com/app" });
    vec![
        json!({ "containers": [plain] }),
        json!({ "containers": [plain, with("b", plain.clone()), with("c", container(json!([at("own", "/data")])))], "volumes": [volume("own")] }),
        json!({ "containers": [container(json!([at("own", "/var/log/app")]))], "volumes": [volume("own")] }),
        json!({ "containers": [plain, with("b", container(json!([at("own", "/var/log/app/")])))], "volumes": [volume("own")] }),
        json!({ "containers": [container(json!([at("own", "/var/log/app"), at("two", "/srv/audit")]))], "volumes": [volume("own"), volume("two")] }),
        json!({ "containers": [container(json!([{ "name": "own", "mountPath": "/var/log/app", "subPath": "part" }]))], "volumes": [volume("own")] }),
        json!({ "containers": [container(json!([at("own", "/var/log/app")]))], "volumes": [{ "name": "own", "configMap": { "name": "any" } }] }),
        json!({ "containers": [container(json!([at("own", "/var/log/app")])), with("b", container(json!([at("two", "/var/log/app")])))],
                "volumes": [{ "name": "own", "secret": { "secretName": "any" } }, volume("two")] }),
        json!({ "containers": [container(json!([at("own", "/var/log")])), with("b", container(json!([at("own", "/var/log/app/audit")]))), with("c", container(json!([at("own", "/var/log/application"), at("own", "/srv/")])))],
                "volumes": [volume("own")] }),
        json!({ "containers": [plain], "terminationGracePeriodSeconds": 0 }),
        json!({ "containers": [plain], "terminationGracePeriodSeconds": 600, "restartPolicy": "Never" }),
        json!({ "containers": [plain], "securityContext": { "runAsUser": 1000, "fsGroup": 2000 } }),
        json!({ "containers": [plain], "securityContext": { "runAsUser": 0 } }),
        json!({ "containers": [{ "name": "app", "image": "a", "securityContext": { "runAsUser": 4_000_000 } }, with("b", plain.clone())], "securityContext": { "runAsUser": 1000 } }),
        json!({ "containers": [plain], "initContainers": [with("prepare", plain.clone()), { "name": "mesh", "image": "m", "restartPolicy": "Always" }] }),
        json!({ "containers": [plain], "os": { "name": "windows" } }),
        json!({ "containers": [plain], "os": { "name": "linux" } }),
        json!({ "containers": [plain], "nodeSelector": { "disk": "fast" }, "tolerations": [{ "operator": "Exists" }] }),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_and_functions_give_the_same_pod() {
    Box::pin(give_the_same_pod(Version::Current)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_webhook_and_functions_give_the_same_pod() {
    Box::pin(give_the_same_pod(Version::V135)).await;
}

async fn give_the_same_pod(version: Version) {
    let bed = bed("Warn", version).await;
    let people = People::of(&bed).await;
    let read: PciZone = bed.zone("cde").await;
    let declared = Declaration::new(&read);
    let (mut wrong, mut changed) = (Vec::new(), 0);
    for shape in shapes() {
        let spec = async |namespace: &str| match ask(people.client(Who::Master), &post(Who::Master, namespace, &shape))
            .await
        {
            Answer::Allowed { object, .. } => object,
            Answer::Refused(text) => panic!("{text}: {shape:#}"),
        };
        let plain = spec("kube-system").await;
        // In either order: they touch different fields.
        let placed = patched(&plain, &placement::patch(&declared, &plain));
        let operations = sidecars::patch(&declared, &placed);
        changed += usize::from(!operations.is_empty());
        let expected = defaulted(patched(&placed, &operations));
        let seen = spec("vault").await;
        let again = sidecars::patch(&declared, &seen);
        if sorted(&seen["spec"]) != sorted(&expected["spec"]) || !again.is_empty() {
            let (seen, expected) = (sorted(&seen["spec"]), sorted(&expected["spec"]));
            let at = seen.bytes().zip(expected.bytes()).take_while(|(one, other)| one == other).count();
            let from = |text: &str| text.chars().skip(at.saturating_sub(80)).take(200).collect::<String>();
            wrong.push(format!(
                "{shape}\n expected …{}\n seen     …{}\n again {again:?}",
                from(&expected),
                from(&seen)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(changed, shapes().len() - 1, "all but the one for Windows");
}

/// What the API server sets in what was added, as it does in everything.
fn defaulted(mut pod: Value) -> Value {
    let set = |object: &mut Value, defaults: Value| {
        for (key, value) in defaults.as_object().unwrap() {
            if object.get(key).is_none() {
                object[key] = value.clone();
            }
        }
    };
    for container in pod.pointer_mut("/spec/initContainers").and_then(Value::as_array_mut).into_iter().flatten() {
        let pull = "Always";
        let pull = if container["image"].as_str().unwrap().contains('@') { "IfNotPresent" } else { pull };
        set(
            container,
            json!({ "imagePullPolicy": pull, "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File" }),
        );
        if let Some(probe) = container.get_mut("readinessProbe") {
            set(probe, json!({ "successThreshold": 1 }));
        }
        for variable in container.pointer_mut("/env").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(field) = variable.pointer_mut("/valueFrom/fieldRef") {
                set(field, json!({ "apiVersion": "v1" }));
            }
        }
        for mount in container.pointer_mut("/volumeMounts").and_then(Value::as_array_mut).into_iter().flatten() {
            if mount["readOnly"] == json!(false) {
                mount.as_object_mut().unwrap().remove("readOnly");
            }
        }
    }
    for volume in pod.pointer_mut("/spec/volumes").and_then(Value::as_array_mut).into_iter().flatten() {
        for kind in ["configMap", "secret"] {
            if let Some(source) = volume.get_mut(kind) {
                set(source, json!({ "defaultMode": 420 }));
            }
        }
    }
    pod
}

/// Objects of the API server have their fields in another order than ours.
fn sorted(value: &Value) -> String {
    fn sort(value: &Value) -> Value {
        match value {
            Value::Object(object) => {
                let all: std::collections::BTreeMap<_, _> =
                    object.iter().map(|(key, value)| (key.clone(), sort(value))).collect();
                json!(all)
            }
            Value::Array(all) => all.iter().map(sort).collect(),
            other => other.clone(),
        }
    }
    sort(value).to_string()
}

/// Pods that are all but as declared, each in one thing.
fn forgeries(whole: &Value) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    let mut forge = |what: &str, change: &dyn Fn(&mut Value)| {
        let mut forged = whole.clone();
        change(&mut forged);
        assert_ne!(forged, *whole, "{what}");
        all.push((what.to_string(), forged));
    };
    for (index, name) in ["forwarder", "linger"].into_iter().enumerate() {
        for (key, value) in [
            ("image", json!("registry.example.com/other")),
            ("args", json!(["other"])),
            ("command", json!(["sleep"])),
            ("restartPolicy", Value::Null),
            ("workingDir", json!("/tmp")),
            ("envFrom", json!([{ "configMapRef": { "name": "own" } }])),
            ("lifecycle", json!({ "postStart": { "exec": { "command": ["kill"] } } })),
            ("livenessProbe", json!({ "tcpSocket": { "port": 1 } })),
        ] {
            forge(&format!("{name} {key}"), &|pod| match &value {
                // An ordinary init container may have no such probe, as the API server itself says.
                Value::Null => {
                    pod["initContainers"][index]
                        .as_object_mut()
                        .unwrap()
                        .retain(|name, _| name != key && name != "readinessProbe");
                }
                value => pod["initContainers"][index][key] = value.clone(),
            });
        }
        forge(&format!("{name} has another variable"), &|pod| {
            pod["initContainers"][index]["env"].as_array_mut().unwrap().push(json!({ "name": "X", "value": "y" }));
        });
        forge(&format!("{name} is of another zone"), &|pod| {
            pod["initContainers"][index]["env"][0]["value"] = json!("other");
        });
        forge(&format!("{name} reads elsewhere"), &|pod| {
            pod["initContainers"][index]["volumeMounts"][0]["name"] = json!("pcizone-buffer");
        });
        forge(&format!("{name} mounts more"), &|pod| {
            let mount = json!({ "name": "pcizone-buffer", "mountPath": "/etc/pcizone/more" });
            pod["initContainers"][index]["volumeMounts"].as_array_mut().unwrap().push(mount);
        });
    }
    forge("the other way round", &|pod| pod["initContainers"].as_array_mut().unwrap().swap(0, 1));
    let volume = |pod: &Value, name: &str| {
        pod["volumes"].as_array().unwrap().iter().position(|one| one["name"] == *name).unwrap()
    };
    forge("another configuration", &|pod| {
        let at = volume(pod, "pcizone-configuration");
        pod["volumes"][at] = json!({ "name": "pcizone-configuration", "configMap": { "name": "own" } });
    });
    forge("another Secret for the authority", &|pod| {
        let at = volume(pod, "pcizone-authorities-0");
        pod["volumes"][at]["secret"]["secretName"] = json!("own");
    });
    forge("another Secret for the key", &|pod| {
        let env = pod["initContainers"][0]["env"].as_array_mut().unwrap();
        let secret = env.iter_mut().find(|one| one.pointer("/valueFrom/secretKeyRef").is_some()).unwrap();
        secret["valueFrom"]["secretKeyRef"]["name"] = json!("own");
    });
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_is_there_first_and_nobody_else_changes_it() {
    let bed = bed("Enforce", Version::Current).await;
    let people = People::of(&bed).await;
    let [first] = &configurations(&bed, "vault").await[..] else { panic!("ready says that it is there") };
    assert_eq!(&configurations(&bed, "checkout").await, std::slice::from_ref(first));
    assert!(configurations(&bed, "storefront").await.is_empty());
    let names = async |who: Who, spec: Value| match ask(people.client(who), &post(who, "vault", &spec)).await {
        Answer::Allowed { object, .. } => {
            let volumes = object["spec"]["volumes"].as_array().cloned().unwrap_or_default();
            Ok(volumes
                .iter()
                .find_map(|volume| volume["configMap"]["name"].as_str().map(String::from))
                .unwrap_or_default())
        }
        Answer::Refused(text) => Err(text),
    };
    let app = json!({ "name": "app", "image": "registry.example.com/app" });
    assert_eq!(names(Who::Editor, json!({ "containers": [app] })).await.as_ref(), Ok(first));
    // Who brings containers of these names along gets none; they are let in where they are just those that the zone declares.
    let whole =
        match ask(people.client(Who::Editor), &post(Who::Editor, "vault", &json!({ "containers": [app] }))).await {
            Answer::Allowed { object, .. } => object["spec"].clone(),
            Answer::Refused(text) => panic!("{text}"),
        };
    assert_eq!(names(Who::Editor, whole.clone()).await.as_ref(), Ok(first), "a copy of a pod that runs");
    for (what, forged) in forgeries(&whole) {
        let refused = names(Who::Editor, forged).await;
        assert!(refused.as_ref().is_err_and(|text| text.contains("(LogSidecarMissing)")), "{what}: {refused:?}");
    }
    // A pod that has the first one keeps it.
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "old", "namespace": "vault" }, "spec": { "containers": [app] } });
    bed.apply(&pod.to_string()).await;
    let path = format!("/api/v1/namespaces/vault/configmaps/{first}");
    for who in [Who::Editor, Who::NamespaceAdmin, Who::Platform] {
        let row =
            Row { who, what: String::new(), verb: "DELETE", path: path.clone(), body: Value::Null, stopped_by: None };
        let answer = ask(people.client(who), &row).await;
        assert!(
            matches!(&answer, Answer::Refused(text) if text.contains("ManagedObjectTampered")),
            "{who:?} {answer:?}"
        );
    }

    bed.apply(&zone("Enforce", "https://logs.example.com:9201")).await;
    let second = crate::support::ask("pods get the new configuration", async || {
        match names(Who::Editor, json!({ "containers": [app] })).await {
            Ok(name) if name != *first && !name.is_empty() => Ok(name),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let mut both = vec![first.clone(), second.clone()];
    both.sort();
    crate::support::ask_for(LONG, "the old one goes where no pod has it", async || {
        let (here, there) = (configurations(&bed, "vault").await, configurations(&bed, "checkout").await);
        if here == both && there == [second.clone()] { Ok(()) } else { Err(format!("{here:?} {there:?}")) }
    })
    .await;
    // With the last pod that has it.
    bed.kubectl(&["delete", "pod", "old", "--namespace=vault", "--now"]).await;
    crate::support::ask_for(LONG, "the old one goes with its pod", async || {
        let here = configurations(&bed, "vault").await;
        if here == [second.clone()] { Ok(()) } else { Err(format!("{here:?}")) }
    })
    .await;
    // Who breaks the glass is heard of by its absence: it comes back.
    bed.kubectl(&["delete", "configmap", &second, "--namespace=checkout"]).await;
    crate::support::ask("what was deleted comes back", async || {
        let here = configurations(&bed, "checkout").await;
        if here == [second.clone()] { Ok(()) } else { Err(format!("{here:?}")) }
    })
    .await;
    // A namespace that comes later has it too.
    bed.kubectl(&["create", "namespace", "later"]).await;
    crate::support::ask("a namespace that comes later has it", async || {
        let here = configurations(&bed, "later").await;
        if here == [second.clone()] { Ok(()) } else { Err(format!("{here:?}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_pod_is_refused_while_one_forwarder_takes_over_from_another() {
    Box::pin(take_over(bed("Enforce", Version::Current).await)).await;
}

/// The API server may ask a replica that does not lead.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_follows_adds_what_is_accepted() {
    let bed = bare(Version::V135).await;
    let (here, there) = (free_address(), free_address());
    let config = bed.operator_config().await;
    let leader = Operator::start_listening(config.clone(), "leader".to_string(), here, there);
    leader.until_leading().await;
    let _follower = Operator::start_listening(config, "follower".to_string(), there, there);
    bed.kubectl(&["apply", "--filename", COMPONENT]).await;
    bed.apply(&zone("Enforce", SINK)).await;
    bed.until_ready("cde").await;
    Box::pin(take_over(bed)).await;
}

/// Pods are made all the time while the zone declares another forwarder.
async fn take_over(bed: Bed) {
    let people = People::of(&bed).await;
    let pod =
        post(Who::Editor, "vault", &json!({ "containers": [{ "name": "app", "image": "registry.example.com/app" }] }));
    let image = async || match ask(people.client(Who::Editor), &pod).await {
        Answer::Allowed { object, .. } => Ok(object["spec"]["initContainers"][0]["image"].as_str().map(String::from)),
        Answer::Refused(text) => Err(text),
    };
    crate::support::ask("pods get the first one", async || match image().await {
        Ok(Some(image)) if image == FORWARDER => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    let other = FORWARDER.replace("0123", "4567");
    bed.apply(&zone("Enforce", SINK).replace(FORWARDER, &other)).await;
    let policies = Api::<ValidatingAdmissionPolicy>::all(bed.client.clone());
    let started = Instant::now();
    let (mut made, mut is_other) = (0, false);
    loop {
        let image = image().await.unwrap_or_else(|text| panic!("after {made} pods: {text}"));
        made += 1;
        assert!(!is_other || image.as_deref() == Some(&other), "back to {image:?} after {made}");
        is_other = image.as_deref() == Some(&other);
        if made % 50 == 0 && is_other {
            let policy = serde_json::to_string(&policies.get("pcizone-cde-logs").await.unwrap()).unwrap();
            if !policy.contains(FORWARDER) && policy.contains(&other) {
                break;
            }
        }
        assert!(started.elapsed() < LONG, "after {made} pods: is it the other one? {is_other}");
    }
    assert_eq!(image().await, Ok(Some(other)));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_configuration_can_be_no_pod_waits_for_one() {
    for version in [Version::Current, Version::V135] {
        let bed = bed_without_rights("Enforce", version).await;
        let what = "the zone says which right is missing";
        bed.until_zone("cde", what, |zone| {
            let conditions = zone.status.as_ref().map(|status| status.conditions.clone()).unwrap_or_default();
            conditions.iter().any(|one| one.type_ == "Ready" && one.message.contains("components/logs"))
        })
        .await;
        let people = People::of(&bed).await;
        let pod = json!({ "containers": [{ "name": "app", "image": "registry.example.com/app" }] });
        let placed = json!({ "nodeSelector": { "node-restriction.kubernetes.io/pcizone": "cde" },
                             "tolerations": [{ "key": "pcizone.dev/zone", "operator": "Equal", "value": "cde" }] });
        let mut pod = pod;
        for (key, value) in placed.as_object().unwrap() {
            pod[key] = value.clone();
        }
        match ask(people.client(Who::Editor), &post(Who::Editor, "vault", &pod)).await {
            Answer::Allowed { object, .. } => assert!(object["spec"]["initContainers"].is_null(), "{object}"),
            Answer::Refused(text) => panic!("{text}"),
        }
    }
}
