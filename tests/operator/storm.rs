//! Very much changes: how often and how large statuses are written meanwhile, that they are right in the end, and that
//! none is written while nothing changes for a zone.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use futures::StreamExt;
use k8s_openapi::api::{
    coordination::v1::Lease,
    core::v1::{Namespace, Node, Pod},
    networking::v1::NetworkPolicy,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
    runtime::{WatchStreamExt, watcher},
};
use pcizone::api::{PciZone, PciZoneStatus};
use serde_json::{Value, from_value, json};
use testbed::{AuditEvent, Options, create_node};
use tokio::task::{JoinHandle, JoinSet};

use crate::support::{Bed, ask, bare_zone};

/// Clients that change something, each in a namespace of its own.
const LANES: usize = 32;
/// Statuses that are to be seen of each zone while they do.
const STATUSES: usize = 5;
/// Changes that are made at least.
const CHANGES: usize = 4000;
/// What is promised.
const BOUND: usize = 32 * 1024;
const ZONES: [&str; 2] = ["enforced", "observed"];
const LABEL: &str = "example.com/storm";
/// Names are as long as they may be.
const STORM: &str = "storm-";
const OUTSIDE: &str = "storefront";

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_changes_is_told_at_most_once_a_second_and_rest_not_at_all() {
    let (bed, members) = bed().await;
    let seen = Seen::follow(&bed.client);
    storm(&bed.client, &members, &seen).await;

    // One of each kind that is watched by itself: when all are told, all before them are.
    for namespace in members.values().map(|members| &members[0]) {
        create_policy(&bed.client, namespace, "last").await.unwrap();
        create_pod(&bed.client, namespace, "last").await.unwrap();
    }
    for (zone, members) in &members {
        let namespace = &members[0];
        let last = [format!("NetworkPolicy/{namespace}/last"), format!("Pod/{namespace}/last")];
        bed.until_zone(zone, "the status is right after the storm", |zone| {
            let status = zone.status.as_ref();
            status.is_some_and(|status| members_of(status) == members.len() && told(status) == last.iter().collect())
        })
        .await;
    }
    for zone in ZONES {
        let writes = bed.status_writes(zone).await;
        assert!(writes.len() >= STATUSES, "nothing is shown by {} writes of {zone}", writes.len());
        assert_paced(&writes);
    }
    let largest = seen.largest();
    assert!((BOUND / 4..=BOUND).contains(&largest), "the largest status has {largest} bytes");

    let before = [bed.status_writes(ZONES[0]).await.len(), bed.status_writes(ZONES[1]).await.len()];
    change_what_means_nothing(&bed, &members).await;
    let namespace = &members[ZONES[0]][1];
    create_policy(&bed.client, namespace, "after").await.unwrap();
    let after = format!("NetworkPolicy/{namespace}/after");
    let is_told = |zone: &PciZone| zone.status.as_ref().is_some_and(|status| told(status).contains(&after));
    bed.until_zone(ZONES[0], "what does mean something is told", is_told).await;
    let after = [bed.status_writes(ZONES[0]).await.len(), bed.status_writes(ZONES[1]).await.len()];
    assert_eq!(after, [before[0] + 1, before[1]], "only what means something is written");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_writes_into_a_status_does_not_have_it_written_more_often() {
    let bed = Bed::start().await;
    bed.shop().await;
    bed.apply(&bare_zone("cde", "Observe", "{names: [checkout, vault]}")).await;
    let is_judged = |zone: &PciZone| zone.status.as_ref().is_some_and(|status| status.findings.is_some());
    let right = bed.until_zone("cde", "it was judged", is_judged).await.status;
    for number in 0..3 {
        // An apply takes back what is ours, and leaves alone what never was.
        let mut forged = json!({ "status": right });
        let mut finding = forged["status"]["topFindings"][0].clone();
        finding["subject"] = json!(format!("Pod/vault/forged-{number}"));
        forged["status"]["topFindings"].as_array_mut().unwrap().push(finding);
        forged["status"]["scope"]["namespaceCount"] = json!(number + 7);
        let params = PatchParams::default();
        let sent = bed.zones().patch_status("cde", &params, &Patch::Merge(&forged)).await.unwrap();
        assert_ne!(sent.status, right);
        bed.until_zone("cde", "the status is as it was", |zone| zone.status == right).await;
    }
    let writes = bed.status_writes("cde").await;
    assert!(writes.len() > 3, "nothing is shown by {} writes", writes.len());
    assert_paced(&writes);
}

/// Two zones, each of half of the namespaces: one that enforces, of namespaces by name, and one that observes, by label.
async fn bed() -> (Bed, BTreeMap<&'static str, Vec<String>>) {
    // Nothing makes service accounts here, and pods without one are refused.
    let apiserver_args = vec!["--disable-admission-plugins=ServiceAccount".to_string()];
    let mut bed = Bed::with(Options { audit: true, apiserver_args, ..Options::default() }).await;
    let names: Vec<String> = (0..LANES).map(|number| format!("team-{number:02}")).collect();
    let (enforced, observed) = names.split_at(LANES / 2);
    for name in names.iter().map(String::as_str).chain([OUTSIDE]) {
        let labels = if observed.iter().any(|member| member == name) { json!({ LABEL: ZONES[1] }) } else { json!({}) };
        let namespace = from_value(json!({ "metadata": { "name": name, "labels": labels } })).unwrap();
        bed.namespaces().create(&PostParams::default(), &namespace).await.unwrap();
    }
    create_node(&bed.client, "node-1", &[]).await.unwrap();
    create_pod(&bed.client, OUTSIDE, "outside").await.unwrap();
    bed.start_operator().await;
    bed.apply(&bare_zone(ZONES[0], "Enforce", &format!("{{names: {enforced:?}}}"))).await;
    bed.apply(&bare_zone(ZONES[1], "Observe", &format!("{{selector: {{matchLabels: {{{LABEL}: observed}}}}}}"))).await;
    bed.until_ready(ZONES[0]).await;
    bed.until_ready(ZONES[1]).await;
    (bed, ZONES.into_iter().zip([enforced.to_vec(), observed.to_vec()]).collect())
}

/// Changes as much as the API server takes, in each namespace by itself, until enough was told of it. Nothing is left of it.
async fn storm(client: &Client, members: &BTreeMap<&'static str, Vec<String>>, seen: &Seen) {
    let (changes, is_over) = (Arc::new(AtomicUsize::default()), Arc::new(AtomicBool::default()));
    let mut lanes = JoinSet::new();
    let all = members.iter().flat_map(|(zone, members)| members.iter().map(|member| (*zone, member.clone())));
    for (zone, namespace) in all {
        let (client, changes, is_over) = (client.clone(), Arc::clone(&changes), Arc::clone(&is_over));
        lanes.spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                changes.fetch_add(come_and_go(&client, zone, &namespace).await.unwrap(), Ordering::Relaxed);
            }
        });
    }
    ask("each zone tells of the storm", async || {
        let (changes, statuses) = (changes.load(Ordering::Relaxed), ZONES.map(|zone| seen.statuses(zone)));
        let is_enough = changes >= CHANGES && statuses.iter().all(|statuses| *statuses > STATUSES);
        if is_enough { Ok(()) } else { Err(format!("{changes} changes, statuses: {statuses:?}")) }
    })
    .await;
    is_over.store(true, Ordering::Relaxed);
    while let Some(lane) = lanes.join_next().await {
        lane.unwrap();
    }
}

/// A policy, a pod and a label come, change and go. Gives how many changes that is.
async fn come_and_go(client: &Client, zone: &str, namespace: &str) -> kube::Result<usize> {
    let (policies, pods) = (policies(client, namespace), pods(client, namespace));
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let (params, now) = (PatchParams::default(), DeleteParams::default().grace_period(0));
    let name = format!("{STORM}{:0>1$}", "", 253 - STORM.len());
    let label = |value: Value| Patch::Merge(json!({ "metadata": { "labels": { LABEL: value } } }));
    create_policy(client, namespace, &name).await?;
    create_pod(client, namespace, &name).await?;
    namespaces.patch(namespace, &params, &label(Value::Null)).await?;
    policies.patch(&name, &params, &Patch::Merge(json!({ "spec": { "ingress": [ingress(9443)] } }))).await?;
    pods.patch(&name, &params, &label(json!("changed"))).await?;
    namespaces.patch(namespace, &params, &label(json!(zone))).await?;
    policies.delete(&name, &now).await?;
    pods.delete(&name, &now).await?;
    Ok(8)
}

/// What nobody has to tell of: annotations, a heartbeat, and a Role that opens nothing. Returns when that was judged.
async fn change_what_means_nothing(bed: &Bed, members: &BTreeMap<&'static str, Vec<String>>) {
    let (params, member) = (PatchParams::default(), &members[ZONES[0]][0]);
    let note = Patch::Merge(json!({ "metadata": { "annotations": { "example.com/note": "nothing" } } }));
    pods(&bed.client, OUTSIDE).patch("outside", &params, &note).await.unwrap();
    pods(&bed.client, member).patch("last", &params, &note).await.unwrap();
    bed.policies(member).patch("last", &params, &note).await.unwrap();
    bed.namespaces().patch(member, &params, &note).await.unwrap();
    let beat = json!({ "type": "Ready", "status": "True", "lastHeartbeatTime": "2026-10-01T00:00:00Z" });
    let beat = Patch::Strategic(json!({ "status": { "conditions": [beat] } }));
    Api::<Node>::all(bed.client.clone()).patch_status("node-1", &params, &beat).await.unwrap();
    let lease = json!({ "metadata": { "name": "node-1" }, "spec": { "holderIdentity": "node-1" } });
    let leases: Api<Lease> = Api::namespaced(bed.client.clone(), "kube-node-lease");
    leases.create(&PostParams::default(), &from_value(lease).unwrap()).await.unwrap();
    let role = ["create", "role", "reader", "--namespace", OUTSIDE, "--verb=get", "--resource=configmaps"];
    bed.operator().looks_after("pcizone_judgement_seconds_count", bed.kubectl(&role)).await;
}

fn policies(client: &Client, namespace: &str) -> Api<NetworkPolicy> {
    Api::namespaced(client.clone(), namespace)
}

fn pods(client: &Client, namespace: &str) -> Api<Pod> {
    Api::namespaced(client.clone(), namespace)
}

/// Lets in what no flow declares.
async fn create_policy(client: &Client, namespace: &str, name: &str) -> kube::Result<()> {
    let spec = json!({ "podSelector": {}, "policyTypes": ["Ingress"], "ingress": [ingress(8443)] });
    let policy = from_value(json!({ "metadata": { "name": name }, "spec": spec })).unwrap();
    policies(client, namespace).create(&PostParams::default(), &policy).await.map(drop)
}

fn ingress(port: u16) -> Value {
    let outside = json!({ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": OUTSIDE } } });
    json!({ "from": [outside], "ports": [{ "port": port }] })
}

/// It may do what no pod of a zone should.
async fn create_pod(client: &Client, namespace: &str, name: &str) -> kube::Result<()> {
    let context = json!({ "capabilities": { "add": ["SYS_ADMIN"] } });
    let container = json!({ "name": "main", "image": "registry.example.com/main", "securityContext": context });
    let pod = from_value(json!({ "metadata": { "name": name }, "spec": { "containers": [container] } })).unwrap();
    pods(client, namespace).create(&PostParams::default(), &pod).await.map(drop)
}

/// The pods and policies that a status tells of.
fn told(status: &PciZoneStatus) -> BTreeSet<&String> {
    let subjects = status.top_findings.iter().map(|finding| &finding.subject);
    subjects.filter(|subject| subject.starts_with("Pod/") || subject.starts_with("NetworkPolicy/")).collect()
}

fn members_of(status: &PciZoneStatus) -> usize {
    status.scope.as_ref().map_or(0, |scope| usize::try_from(scope.namespace_count).unwrap())
}

/// In any time there are no more writes than seconds, and one. Arrivals at the API server: whatever holds the operator or the
/// API server up makes the time between two of them longer and not shorter.
fn assert_paced(writes: &[AuditEvent]) {
    for pair in writes.windows(2) {
        let apart = pair[1].received.0.duration_since(pair[0].received.0);
        let (verb, uri) = (&pair[1].verb, &pair[1].request_uri);
        assert!(apart.as_secs_f64() >= 1.0, "only {apart:?} between two writes; the second is {verb} {uri}");
    }
}

/// The statuses that a watch showed.
struct Seen {
    statuses: Arc<Mutex<BTreeMap<String, Vec<Value>>>>,
    task: JoinHandle<()>,
}

impl Seen {
    fn follow(client: &Client) -> Self {
        let statuses: Arc<Mutex<BTreeMap<String, Vec<Value>>>> = Arc::default();
        let (seen, zones) = (Arc::clone(&statuses), Api::<PciZone>::all(client.clone()));
        let task = tokio::spawn(async move {
            let mut zones = watcher(zones, watcher::Config::default()).default_backoff().applied_objects().boxed();
            while let Some(zone) = zones.next().await {
                let Ok(zone) = zone else { continue };
                let mut seen = seen.lock().unwrap();
                let (of_zone, status) = (seen.entry(zone.name_any()).or_default(), json!(zone.status));
                // The zone itself may have changed, and not its status.
                if of_zone.last() != Some(&status) {
                    of_zone.push(status);
                }
            }
        });
        Seen { statuses, task }
    }

    fn statuses(&self, zone: &str) -> usize {
        self.statuses.lock().unwrap().get(zone).map_or(0, Vec::len)
    }

    fn largest(&self) -> usize {
        let statuses = self.statuses.lock().unwrap();
        statuses.values().flatten().map(|status| status.to_string().len()).max().unwrap_or_default()
    }
}

impl Drop for Seen {
    fn drop(&mut self) {
        self.task.abort();
    }
}
