//! Workloads stand for the pods that they would make.

use crate::support::{check, zone};

const SPEC: &str = "{hostNetwork: true, containers: [{name: a, image: a, ports: [{containerPort: 80}]}]}";

/// An object in vault, with the workload that controls it.
fn object(api_version: &str, kind: &str, name: &str, owner: &str, spec: &str) -> String {
    let owners = owner.split_once('/').map(|(kind, name)| {
        format!("\n  ownerReferences: [{{apiVersion: apps/v1, kind: {kind}, name: {name}, uid: u, controller: true}}]")
    });
    let owners = owners.unwrap_or_default();
    format!(
        "---\napiVersion: {api_version}\nkind: {kind}\nmetadata:\n  name: {name}\n  namespace: vault{owners}\nspec: {spec}\n"
    )
}

fn workload(api_version: &str, kind: &str, name: &str, owner: &str) -> String {
    let template = format!("{{metadata: {{labels: {{app: a}}}}, spec: {SPEC}}}");
    let spec = match kind {
        "CronJob" => format!("{{schedule: \"* * * * *\", jobTemplate: {{spec: {{template: {template}}}}}}}"),
        "ReplicationController" => format!("{{selector: {{app: a}}, template: {template}}}"),
        _ => format!("{{selector: {{matchLabels: {{app: a}}}}, template: {template}}}"),
    };
    object(api_version, kind, name, owner, &spec)
}

fn pod(name: &str, owner: &str) -> String {
    object("v1", "Pod", name, owner, SPEC)
}

/// Who is found on the host network, and how many pods of it.
fn found(objects: &str) -> Vec<String> {
    let namespace = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: vault}\n";
    let run = check(&[("zone.yaml", zone()), ("a.yaml", format!("{namespace}{objects}"))], &["-o", "json"]);
    let report = run.json();
    let findings = report["zones"][0]["findings"].as_array().expect("findings").clone();
    let found = findings.iter().filter(|finding| finding["id"] == "HostNetworkPod");
    let words = |value: &serde_json::Value| value.as_str().expect("text").to_string();
    found
        .map(|finding| {
            let message = words(&finding["message"]);
            format!("{} {}", words(&finding["subject"]), message.split(' ').next().expect("a word"))
        })
        .collect()
}

#[test]
fn each_workload_makes_one_pod() {
    for (api_version, kind) in [
        ("apps/v1", "Deployment"),
        ("apps/v1", "StatefulSet"),
        ("apps/v1", "DaemonSet"),
        ("apps/v1", "ReplicaSet"),
        ("v1", "ReplicationController"),
        ("batch/v1", "Job"),
        ("batch/v1", "CronJob"),
    ] {
        assert_eq!(found(&workload(api_version, kind, "web", "")), [format!("{kind}/vault/web One")]);
    }
}

#[test]
fn a_workload_whose_pods_are_there_makes_none() {
    let deployment = workload("apps/v1", "Deployment", "web", "");
    let replica_set = workload("apps/v1", "ReplicaSet", "web-5d", "Deployment/web");
    let cron_job = workload("batch/v1", "CronJob", "nightly", "");
    let job = workload("batch/v1", "Job", "nightly-29", "CronJob/nightly");
    let hashed = pod("web-5d-x", "ReplicaSet/web-5d")
        .replace("  namespace: vault", "  namespace: vault\n  labels: {pod-template-hash: 5d}");
    for (name, objects, wanted) in [
        (
            "a pod of its own",
            [
                workload("apps/v1", "StatefulSet", "db", ""),
                pod("db-0", "StatefulSet/db"),
                pod("db-1", "StatefulSet/db"),
            ]
            .concat(),
            vec!["StatefulSet/vault/db 2"],
        ),
        (
            "a pod of its ReplicaSet",
            [deployment.clone(), replica_set.clone(), pod("web-5d-x", "ReplicaSet/web-5d")].concat(),
            vec!["ReplicaSet/vault/web-5d One"],
        ),
        (
            "a pod of a ReplicaSet that is not there",
            [deployment.clone(), hashed].concat(),
            vec!["ReplicaSet/vault/web-5d One"],
        ),
        (
            "a pod of its Job",
            [cron_job.clone(), job.clone(), pod("nightly-29-x", "Job/nightly-29")].concat(),
            vec!["Job/vault/nightly-29 One"],
        ),
        (
            "a pod of a Job that is not there",
            [cron_job.clone(), pod("nightly-29-x", "Job/nightly-29")].concat(),
            vec!["Job/vault/nightly-29 One"],
        ),
        (
            "none, and controlled by another",
            [deployment.clone(), replica_set].concat(),
            vec!["Deployment/vault/web One"],
        ),
        (
            "none, and controlled by another that comes later",
            [job, cron_job].concat(),
            vec!["CronJob/vault/nightly One"],
        ),
        (
            "controlled by something that is not there",
            workload("batch/v1", "Job", "a", "Workflow/b"),
            vec!["Job/vault/a One"],
        ),
        (
            "a pod of somebody else",
            [deployment, pod("web", "")].concat(),
            vec!["Deployment/vault/web One", "Pod/vault/web One"],
        ),
        (
            "a ReplicaSet of no pods",
            workload("apps/v1", "ReplicaSet", "old", "Deployment/gone").replace("spec: {", "spec: {replicas: 0, "),
            vec![],
        ),
    ] {
        assert_eq!(found(&objects), wanted, "{name}: {objects}");
    }
}

#[test]
fn a_workload_whose_pods_have_ended_makes_one_more() {
    let deployment = workload("apps/v1", "Deployment", "web", "");
    let replica_set = workload("apps/v1", "ReplicaSet", "web-5d", "Deployment/web");
    let cron_job = workload("batch/v1", "CronJob", "nightly", "");
    for phase in ["Succeeded", "Failed"] {
        let ended = |name: &str, owner: &str| format!("{}status: {{phase: {phase}}}\n", pod(name, owner));
        for (objects, wanted) in [
            ([deployment.clone(), replica_set.clone(), ended("web-5d-x", "ReplicaSet/web-5d")].concat(), "Deployment"),
            ([cron_job.clone(), ended("nightly-29-x", "Job/nightly-29")].concat(), "CronJob"),
            ([workload("apps/v1", "StatefulSet", "db", ""), ended("db-0", "StatefulSet/db")].concat(), "StatefulSet"),
        ] {
            let found = found(&objects);
            assert!(found.len() == 1 && found[0].starts_with(wanted), "{objects}: {found:?}");
        }
        let [gone, there] = [ended("db-0", "StatefulSet/db"), pod("db-1", "StatefulSet/db")];
        let objects = [workload("apps/v1", "StatefulSet", "db", ""), gone, there].concat();
        assert_eq!(found(&objects), ["StatefulSet/vault/db One"]);
    }
}

#[test]
fn workloads_of_one_name_make_different_pods() {
    let objects = [
        workload("apps/v1", "Deployment", "a", ""),
        workload("apps/v1", "StatefulSet", "a", ""),
        workload("batch/v1", "CronJob", "a", ""),
        pod("a", ""),
    ]
    .concat();
    assert_eq!(
        found(&objects),
        ["CronJob/vault/a One", "Deployment/vault/a One", "Pod/vault/a One", "StatefulSet/vault/a One"]
    );
}

#[test]
fn a_namespace_that_nobody_wrote_down_has_the_label_of_its_name() {
    let by_label = crate::support::confirmed(
        "mode: Enforce\n  scope:\n    namespaces:\n      selector:\n        matchLabels:\n          kubernetes.io/metadata.name: vault\n",
    );
    for namespace in ["", "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: vault}\n"] {
        let objects = format!("{namespace}{}", workload("apps/v1", "Deployment", "web", ""));
        let run = check(&[("zone.yaml", by_label.clone()), ("a.yaml", objects)], &["-o", "json"]);
        assert!(run.stdout.contains("Deployment/vault/web"), "{run:?}");
    }
}

#[test]
fn a_name_that_an_api_server_would_make_is_made() {
    let job = workload("batch/v1", "Job", "x", "").replace("name: x\n", "generateName: nightly-\n");
    assert_eq!(found(&[job.clone(), job].concat()), ["Job/vault/nightly-1 One", "Job/vault/nightly-2 One"]);
}
