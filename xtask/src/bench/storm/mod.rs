//! How often and how large the statuses of zones are written while very much changes, and whether one is written while
//! nothing does.
//!
//! ```text
//!  64 clients ── 1,000 changes a second ──▶ API server ◀── operator ── statuses ──▶ counted from the audit log
//!                                               └── a watch of all zones ─────────▶ size, and when each is right
//! ```

mod changes;
mod figures;
mod seen;
mod writes;

use std::time::Duration;

use anyhow::{Context as _, Result};
use k8s_openapi::{
    api::{
        coordination::v1::Lease,
        core::v1::{Namespace, Node, Pod},
        networking::v1::NetworkPolicy,
    },
    jiff::Timestamp,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use pcizone::api::{FindingCounts, PciZone, PciZoneStatus};
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{
    bed::{Bed, within},
    group::Group,
    meter::Cpu,
    objects, proc, progress,
    subject::Subject,
};
use changes::{LABEL, Lane, PREFIX};
use seen::Statuses;
use writes::Writes;

/// How long and how often.
pub(super) struct Size {
    pub(super) rounds: usize,
    /// How long much changes.
    pub(super) storm: Duration,
    /// How long nothing does.
    pub(super) rest: Duration,
}

/// Changes per second, in both zones together.
const RATE: u32 = 1000;
/// Clients, and namespaces of both zones together.
const LANES: usize = 64;
/// Of these, those of the zone that observes. Each is a finding, and with more the status had no room for another.
const OBSERVED: usize = 16;
/// A zone that enforces, of namespaces by name; and one that observes, of namespaces by label.
const ZONES: [&str; 2] = ["enforced", "observed"];
/// How long a status may take to be right.
const PATIENCE: Duration = Duration::from_secs(60);
/// A policy that is changed last.
const LAST: &str = "last";
/// Time between two changes that mean nothing.
const PAUSE: Duration = Duration::from_millis(100);
/// Who makes the changes. It holds none of the verbs by which one passes a guard.
const MANIFEST: &str = "
apiVersion: v1
kind: ServiceAccount
metadata: {name: changer, namespace: bench}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: changer}
rules:
- {apiGroups: [networking.k8s.io], resources: [networkpolicies], verbs: [create, patch, delete]}
- {apiGroups: [''], resources: [pods], verbs: [create, patch, delete]}
- {apiGroups: [''], resources: [namespaces], verbs: [patch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: changer}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: changer}
subjects: [{kind: ServiceAccount, name: changer, namespace: bench}]
";

/// One of the zones.
struct Zone {
    name: &'static str,
    namespaces: Vec<String>,
    /// Before anything was changed.
    findings: Option<FindingCounts>,
}

/// What came of one round.
struct Round {
    rate: f64,
    /// From the beginning of the storm until both statuses are right again.
    writes: Writes,
    seconds: f64,
    /// Seconds from the acknowledgement of a last change to the status that says so.
    settled: Vec<f64>,
    at_rest: Writes,
    /// Changes that mean nothing, meanwhile.
    meaningless: usize,
    cpu: Cpu,
}

/// `servers` and `others` are the cores of the API server with its etcd, and of everything else.
pub(super) async fn measure(size: &Size, servers: &[usize], others: &[usize]) -> Result<Vec<Group>> {
    progress::step("Start and fill a cluster of two zones");
    proc::pin_self(servers)?;
    let mut bed = within(super::PHASE, "preparing the cluster for the storm", Bed::start(LANES)).await?;
    proc::pin_self(others)?;
    Ok(vec![Box::pin(within(super::PHASE, "statuses in a storm", rounds(&mut bed, size))).await?])
}

async fn rounds(bed: &mut Bed, size: &Size) -> Result<Group> {
    bed.add_nodes(1).await?;
    bed.add_pod_outside().await?;
    let changer = bed.client_of(MANIFEST, "changer").await?;
    let statuses = Statuses::watch(&bed.admin);
    let (subject, _) = Subject::start(&bed.cluster).await?;
    let zones = make_zones(bed, &statuses).await?;
    let lanes = zones.iter().flat_map(|zone| zone.namespaces.iter().map(|namespace| (zone.name, namespace.clone())));
    let lanes = lanes.enumerate().map(|(number, (zone, namespace))| Lane { number, zone, namespace });
    let lanes: Vec<Lane> = lanes.collect();
    let mut rounds = Vec::new();
    for _ in 0..size.rounds {
        progress::step(&format!("{RATE} changes a second for {} s, and rest", size.storm.as_secs()));
        let round = round(bed, size, &subject, (&changer, &lanes), &statuses, &zones).await?;
        progress::note(&figures::line(&round));
        rounds.push(round);
    }
    let peak = subject.stop().await?.peak;
    Ok(figures::group(&rounds, statuses.largest(), peak))
}

async fn round(
    bed: &mut Bed,
    size: &Size,
    subject: &Subject,
    (changer, lanes): (&Client, &[Lane]),
    statuses: &Statuses,
    zones: &[Zone],
) -> Result<Round> {
    bed.log.begin(&bed.admin).await?;
    let before = Cpu::now(&bed.cluster, Some(subject.id()))?;
    let started = Instant::now();
    let done = changes::storm(changer, lanes, RATE, size.storm).await?;
    let cpu = Cpu::now(&bed.cluster, Some(subject.id()))?.since(before);
    let mut settled = Vec::new();
    // The first is the last change of the storm; the other one comes when all is calm.
    for there in [true, false] {
        let mut changed = Vec::new();
        for zone in zones {
            change_last(&bed.admin, zone.first()?, there).await?;
            changed.push((zone, Instant::now()));
        }
        for (zone, at) in changed {
            let is_right = |status: &PciZoneStatus| zone.is_calm(status, there);
            let seen = statuses.until(zone.name, "the status is right after a storm", PATIENCE, is_right).await?;
            settled.push(seen.saturating_duration_since(at).as_secs_f64());
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    let writes = Writes::of(&bed.log.end(&bed.admin).await?);
    bed.log.begin(&bed.admin).await?;
    let meaningless = rest(&bed.admin, size.rest).await?;
    let at_rest = Writes::of(&bed.log.end(&bed.admin).await?);
    Ok(Round { rate: done.rate(), writes, seconds, settled, at_rest, meaningless, cpu })
}

impl Zone {
    fn first(&self) -> Result<&str> {
        self.namespaces.first().map(String::as_str).context("a zone without namespaces")
    }

    /// Nothing of the storm is in the status any more, all namespaces are members, and the last policy alone is told where it
    /// is there. That tells of each kind that was changed.
    fn is_calm(&self, status: &PciZoneStatus, last: bool) -> bool {
        let about = |text: &str| status.top_findings.iter().any(|finding| finding.subject.contains(text));
        let is_whole = counted(status) == Some(self.namespaces.len());
        is_whole && !about(PREFIX) && about(&format!("/{LAST}")) == last && (last || status.findings == self.findings)
    }
}

fn counted(status: &PciZoneStatus) -> Option<usize> {
    status.scope.as_ref().and_then(|scope| usize::try_from(scope.namespace_count).ok())
}

/// Makes the zones, and waits until they are in place.
async fn make_zones(bed: &Bed, statuses: &Statuses) -> Result<Vec<Zone>> {
    let api: Api<PciZone> = Api::all(bed.admin.clone());
    let namespaces: Api<Namespace> = Api::all(bed.admin.clone());
    let (enforced, observed) = bed.namespaces.split_at(LANES - OBSERVED);
    let label = json!({ "metadata": { "labels": { LABEL: ZONES[1] } } });
    for namespace in observed {
        namespaces.patch(namespace, &PatchParams::default(), &Patch::Merge(&label)).await?;
    }
    let scopes = [json!({ "names": enforced }), json!({ "selector": { "matchLabels": { LABEL: ZONES[1] } } })];
    for ((name, mode), scope) in ZONES.into_iter().zip(["Enforce", "Observe"]).zip(scopes) {
        let zone = json!({
            "apiVersion": "pcizone.dev/v1alpha1", "kind": "PciZone", "metadata": { "name": name },
            "spec": { "mode": mode, "scope": { "namespaces": scope } },
        });
        let zone: PciZone = serde_json::from_value(zone).context("cannot describe a zone")?;
        api.create(&PostParams::default(), &zone).await.with_context(|| format!("cannot create the zone {name}"))?;
    }
    let mut zones = Vec::new();
    for (name, namespaces) in ZONES.into_iter().zip([enforced, observed]) {
        // Before that the guards let no pod in.
        let is_ready = |status: &PciZoneStatus| {
            let mut conditions = status.conditions.iter();
            let is_ready = conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True");
            is_ready && counted(status) == Some(namespaces.len())
        };
        statuses.until(name, "the zone is in place", PATIENCE, is_ready).await?;
        let findings = api.get_status(name).await?.status.and_then(|status| status.findings);
        zones.push(Zone { name, namespaces: namespaces.to_vec(), findings });
    }
    Ok(zones)
}

async fn change_last(client: &Client, namespace: &str, there: bool) -> Result<()> {
    let policies: Api<NetworkPolicy> = Api::namespaced(client.clone(), namespace);
    let changed = if there {
        let policy: NetworkPolicy = serde_json::from_value(changes::policy(LAST, namespace, 8443))?;
        policies.create(&PostParams::default(), &policy).await.map(drop)
    } else {
        policies.delete(LAST, &DeleteParams::default()).await.map(drop)
    };
    changed.with_context(|| format!("cannot make the last change in {namespace}"))
}

/// Changes for a while what means nothing for any zone. Gives how often.
async fn rest(client: &Client, during: Duration) -> Result<usize> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), objects::OUTSIDE);
    let nodes: Api<Node> = Api::all(client.clone());
    let leases: Api<Lease> = Api::namespaced(client.clone(), "kube-node-lease");
    let (node, params) = (objects::node_name(0), PatchParams::apply("kubelet").force());
    let merge = PatchParams::default();
    let pod = pods.list(&ListParams::default()).await?.items.first().map(ResourceExt::name_any);
    let pod = pod.context("there is no pod outside")?;
    let started = Instant::now();
    let mut ticks = interval(PAUSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut changes = 0;
    while started.elapsed() < during {
        ticks.tick().await;
        // As precise as the API server reads it.
        let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
        match changes % 3 {
            0 => {
                let note = json!({ "metadata": { "annotations": { "bench.pcizone.dev/now": now } } });
                pods.patch(&pod, &merge, &Patch::Merge(&note)).await.map(drop)
            }
            1 => nodes.patch_status(&node, &merge, &Patch::Strategic(&heartbeat(&now))).await.map(drop),
            _ => {
                let lease = json!({
                    "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": { "name": node },
                    "spec": { "holderIdentity": node, "renewTime": now },
                });
                leases.patch(&node, &params, &Patch::Apply(&lease)).await.map(drop)
            }
        }
        .context("cannot change what means nothing")?;
        changes += 1;
    }
    Ok(changes)
}

fn heartbeat(now: &str) -> Value {
    json!({ "status": { "conditions": [{ "type": "Ready", "status": "True", "lastHeartbeatTime": now }] } })
}
