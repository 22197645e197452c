//! The mutating policies and the pure functions that the webhook answers with give the same pod, for pods of many shapes.

use json_patch::Patch;
use pcizone::{
    api::PciZone,
    engine::{
        declaration::Declaration,
        desired::admission::{placement, strangers},
    },
};
use serde_json::{Value, json};
use testbed::Version;

use super::{
    asking::{Answer, Row, ask},
    bed::guarded,
    people::{People, Who},
    table::pod,
};

const NODE_KEY: &str = "node-restriction.kubernetes.io/pcizone";
const TAINT: &str = "pcizone.dev/zone";

/// Node selectors that a template may bring along.
fn selectors() -> Vec<Value> {
    vec![
        Value::Null,
        json!({}),
        json!({ "kubernetes.io/os": "linux" }),
        json!({ NODE_KEY: "cde" }),
        json!({ NODE_KEY: "cde", "disk": "fast" }),
    ]
}

/// Tolerations, with those of the zone's taint in all spellings.
fn tolerations() -> Vec<Value> {
    let ours = |more: Value| {
        let mut toleration = json!({ "key": TAINT });
        for (key, value) in more.as_object().into_iter().flatten() {
            toleration[key] = value.clone();
        }
        toleration
    };
    vec![
        Value::Null,
        json!([]),
        json!([{ "key": "gpu", "operator": "Exists" }]),
        json!([ours(json!({ "operator": "Equal", "value": "cde" }))]),
        json!([ours(json!({ "value": "cde", "effect": "NoSchedule" }))]),
        json!([ours(json!({ "value": "cde", "effect": "NoExecute" }))]),
        json!([ours(json!({ "operator": "Exists" }))]),
        json!([ours(json!({ "value": "other" }))]),
        json!([{ "operator": "Exists" }]),
        json!([{ "operator": "Exists", "effect": "NoSchedule" }]),
    ]
}

/// Affinities, as people and as `DaemonSets` write them.
fn affinities() -> Vec<Value> {
    let required = |terms: Value| json!({ "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": terms } } });
    let linux = json!({ "key": "kubernetes.io/os", "operator": "In", "values": ["linux"] });
    let this = json!({ "key": "metadata.name", "operator": "In", "values": ["node-1"] });
    let away = json!({ "key": NODE_KEY, "operator": "DoesNotExist" });
    vec![
        Value::Null,
        json!({}),
        json!({ "nodeAffinity": {} }),
        json!({ "podAntiAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": [
            { "weight": 1, "podAffinityTerm": { "topologyKey": "zone", "labelSelector": {} } },
        ]}}),
        json!({ "nodeAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": [
            { "weight": 1, "preference": { "matchExpressions": [linux] } },
        ]}}),
        required(json!([{ "matchExpressions": [linux] }])),
        required(
            json!([{ "matchExpressions": [linux] }, { "matchExpressions": [{ "key": "gpu", "operator": "Exists" }] }]),
        ),
        required(json!([{ "matchFields": [this] }])),
        required(json!([{ "matchFields": [this], "matchExpressions": [linux] }])),
        required(json!([{ "matchExpressions": [away] }])),
        required(
            json!([{ "matchExpressions": [{ "key": NODE_KEY, "operator": "NotIn", "values": ["other", "cde"] }] }]),
        ),
        required(json!([{ "matchExpressions": [{ "key": NODE_KEY, "operator": "NotIn", "values": ["other"] }] }])),
        required(json!([{ "matchExpressions": [away] }, { "matchExpressions": [linux] }])),
    ]
}

/// The rest of a pod, which is to stay as it is.
fn rests() -> Vec<Value> {
    vec![
        json!({}),
        json!({ "restartPolicy": "Never", "activeDeadlineSeconds": 60 }),
        json!({ "initContainers": [{ "name": "sidecar", "image": "a", "restartPolicy": "Always" }], "volumes": [{ "name": "v", "emptyDir": {} }] }),
        json!({ "schedulingGates": [{ "name": "example.com/wait" }] }),
        json!({ "schedulerName": "another", "topologySpreadConstraints": [
            { "maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {} },
        ]}),
    ]
}

fn shape(parts: &[(&str, &Value)]) -> Value {
    let mut spec = json!({});
    for (key, value) in parts {
        match key {
            _ if value.is_null() => {}
            &"" => {
                for (key, value) in value.as_object().into_iter().flatten() {
                    spec[key] = value.clone();
                }
            }
            key => spec[*key] = (*value).clone(),
        }
    }
    pod(spec)
}

/// Pods of the zone.
fn members() -> Vec<Value> {
    let rests = rests();
    let (selectors, tolerations) = (selectors(), tolerations());
    let pairs =
        selectors.iter().flat_map(|selector| tolerations.iter().map(move |tolerations| (selector, tolerations)));
    let with = |(index, (selector, tolerations)): (usize, (&Value, &Value))| {
        let rest = &rests[index % rests.len()];
        shape(&[("nodeSelector", selector), ("tolerations", tolerations), ("", rest)])
    };
    pairs.enumerate().map(with).collect()
}

/// Pods of others.
fn others() -> Vec<Value> {
    let rests = rests();
    let (affinities, tolerations) = (affinities(), tolerations());
    let pairs =
        affinities.iter().flat_map(|affinity| tolerations.iter().map(move |tolerations| (affinity, tolerations)));
    let with = |(index, (affinity, tolerations)): (usize, (&Value, &Value))| {
        let rest = &rests[index % rests.len()];
        shape(&[("affinity", affinity), ("tolerations", tolerations), ("", rest)])
    };
    pairs.enumerate().map(with).collect()
}

fn post(namespace: &str, body: Value) -> Row {
    let path = format!("/api/v1/namespaces/{namespace}/pods");
    Row { who: Who::Master, what: String::new(), verb: "POST", path, body, stopped_by: None }
}

pub fn patched(pod: &Value, operations: &[Value]) -> Value {
    let mut pod = pod.clone();
    let patch: Patch = serde_json::from_value(operations.into()).unwrap();
    json_patch::patch(&mut pod, &patch).unwrap();
    pod
}

type Function = fn(&Declaration, &Value) -> Vec<Value>;

#[tokio::test(flavor = "multi_thread")]
async fn policies_and_functions_give_the_same_pod() {
    Box::pin(give_the_same_pod(Version::Current)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_webhook_and_functions_give_the_same_pod() {
    Box::pin(give_the_same_pod(Version::V135)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds one more API server"]
async fn an_api_server_between_gives_the_same_pod() {
    Box::pin(give_the_same_pod(Version::V136)).await;
}

async fn give_the_same_pod(version: Version) {
    let bed = guarded("Warn", version).await;
    let people = People::of(&bed).await;
    let zone: PciZone = bed.zone("cde").await;
    let zone = Declaration::new(&zone);
    let groups: [(&str, Vec<Value>, Function); 2] =
        [("vault", members(), placement::patch), ("storefront", others(), strangers::patch)];
    let (mut wrong, mut changed, mut all) = (Vec::new(), 0, 0);
    for (namespace, shapes, function) in groups {
        for shape in shapes {
            all += 1;
            let spec = async |namespace: &str, body: Value| match ask(
                people.client(Who::Master),
                &post(namespace, body),
            )
            .await
            {
                Answer::Allowed { object, .. } => Ok(object["spec"].clone()),
                Answer::Refused(text) => Err(text),
            };
            // No policy looks at kube-system: this is what everything else in the API server makes of the pod.
            let plain = match spec("kube-system", shape.clone()).await {
                Ok(spec) => json!({ "spec": spec }),
                Err(text) => panic!("{text}: {shape:#}"),
            };
            let operations = function(&zone, &plain);
            changed += usize::from(!operations.is_empty());
            let expected = patched(&plain, &operations);
            let seen = spec(namespace, shape.clone()).await;
            let again = function(&zone, &expected);
            let mut readmitted = pod(expected["spec"].clone());
            readmitted["spec"]["containers"] = shape["spec"]["containers"].clone();
            let twice = spec(namespace, readmitted).await;
            if seen.as_ref() != Ok(&expected["spec"]) || !again.is_empty() || twice != seen {
                wrong.push(format!(
                    "{namespace}: {shape}\n expected {}\n seen {seen:?}\n twice {twice:?}",
                    expected["spec"]
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {all}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(all >= 60 && changed >= 60, "{changed} of {all} shapes are changed");
}
