//! A cluster whose zone has every guard, and clients that create pods in it.
//!
//! It keeps no audit log: writing that costs the API server time of its own, which would make any other look smaller.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use kube::{Api, Client, api::PostParams};
use pcizone::api::PciZone;
use testbed::{ControlPlane, Durability, Options, Version};
use tokio::time::{Instant, sleep};

use super::Size;
use crate::bench::{bare::Bare, fill::Filler, objects, progress, subject::Subject, zone};

/// Namespace and name of the service account that creates pods. It holds none of the verbs by which one passes a guard.
const NAMESPACE: &str = "bench";
const ACCOUNT: &str = "pod-maker";
const MANIFEST: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: bench}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: pod-maker, namespace: bench}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: pod-maker}
rules:
- {apiGroups: [''], resources: [pods], verbs: [create]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: pod-maker}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: pod-maker}
subjects: [{kind: ServiceAccount, name: pod-maker, namespace: bench}]
";
/// Nothing makes service accounts here, and pods without one are refused. The other two ask the API server itself for the
/// limits of each namespace in which no pod was made for half a minute, at most fifty times a second: with many namespaces
/// a creation would take a tenth of a second, and whatever guards add would be lost in that.
const DISABLED: [&str; 3] = ["ServiceAccount", "LimitRanger", "ResourceQuota"];
/// One of so many nodes is the zone's.
const SHARE: usize = 10;
const PAUSE: Duration = Duration::from_millis(500);

/// How pods are placed, which depends on the version of the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// By mutating policies.
    Policies,
    /// By the operator's webhook.
    Webhook,
}

impl Way {
    pub(super) fn version(self) -> Version {
        match self {
            Way::Policies => Version::Current,
            Way::Webhook => Version::V135,
        }
    }
}

/// A prepared cluster.
pub(super) struct Bed {
    pub(super) cluster: ControlPlane,
    pub(super) way: Way,
    pub(super) namespaces: Vec<String>,
    /// Creates the pods that are counted.
    pub(super) maker: Bare,
    /// Deletes them.
    pub(super) sweeper: Bare,
    admin: Client,
}

impl Bed {
    pub(super) async fn start(way: Way, size: &Size) -> Result<Self> {
        let options = Options {
            version: way.version(),
            durability: Durability::OnDisk,
            apiserver_args: vec![format!("--disable-admission-plugins={}", DISABLED.join(","))],
            ..Options::default()
        };
        let cluster = ControlPlane::start(options).await?;
        let filler = Filler::new(&cluster).await?;
        filler.rights(&cluster, MANIFEST).await?;
        let namespaces: Vec<String> = (0..size.namespaces).map(objects::namespace_name).collect();
        filler.namespaces(&namespaces).await?;
        filler.nodes(size.nodes).await?;
        let maker = Bare::new(&cluster.service_account_kubeconfig(NAMESPACE, ACCOUNT).await?, 1).await?;
        Ok(Bed { maker, sweeper: filler.many().await?, admin: cluster.admin_client().await?, cluster, way, namespaces })
    }

    /// Has the operator protect the zone, and ends it when everything was seen in force.
    pub(super) async fn protect(&self, size: &Size) -> Result<()> {
        progress::step("Protect the zone with every guard");
        let (subject, _) = Subject::start(&self.cluster).await?;
        let zones: Api<PciZone> = Api::all(self.admin.clone());
        let zone = objects::guarded_zone(size.nodes.div_ceil(SHARE))?;
        zones.create(&PostParams::default(), &zone).await.context("cannot create the zone")?;
        let limit = zone::patience(self.namespaces.len());
        let end = Instant::now() + limit;
        while Instant::now() < end {
            let zone = zones.get(objects::ZONE).await.context("cannot read the zone")?;
            if is_ready(&zone) {
                return subject.stop().await.map(drop);
            }
            sleep(PAUSE).await;
        }
        bail!("the zone was not Ready {} s after its creation\n{}", limit.as_secs(), subject.log_tail())
    }
}

fn is_ready(zone: &PciZone) -> bool {
    let conditions = zone.status.iter().flat_map(|status| &status.conditions);
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
