//! Changes that zones are judged by: policies and pods that come, change and go, and namespaces that change their labels.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use k8s_openapi::api::{
    core::v1::{Namespace, Pod},
    networking::v1::NetworkPolicy,
};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use pcizone::api::names;
use serde_json::{Value, json};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use crate::bench::objects::OUTSIDE;

/// Begins the name of whatever comes and goes.
pub(super) const PREFIX: &str = "storm-";
/// Label of namespaces, by which one of the zones takes its own.
pub(super) const LABEL: &str = "bench.pcizone.dev/storm";
/// As long as a name may be: the status is to be as large as it gets.
const LONG: usize = 253;

/// A namespace of a zone in which one client makes one change after the other.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    pub(super) number: usize,
    pub(super) zone: &'static str,
    pub(super) namespace: String,
}

/// What a client does in turn; in the end everything is as it was.
#[derive(Clone, Copy, Debug)]
enum Step {
    CreatePolicy,
    CreatePod,
    Unlabel,
    PatchPolicy,
    PatchPod,
    Label,
    DeletePolicy,
    DeletePod,
}

const TURN: [Step; 8] = [
    Step::CreatePolicy,
    Step::CreatePod,
    Step::Unlabel,
    Step::PatchPolicy,
    Step::PatchPod,
    Step::Label,
    Step::DeletePolicy,
    Step::DeletePod,
];

/// How many changes were made, in which time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Done {
    pub(super) changes: usize,
    pub(super) seconds: f64,
}

impl Done {
    #[expect(clippy::cast_precision_loss, reason = "some ten thousand")]
    pub(super) fn rate(self) -> f64 {
        self.changes as f64 / self.seconds
    }
}

/// Makes so many changes per second for a while, in all lanes together, or as many as the API server takes.
pub(super) async fn storm(client: &Client, lanes: &[Lane], rate: u32, during: Duration) -> Result<Done> {
    let started = Instant::now();
    let pace = Duration::from_secs(1) * u32::try_from(lanes.len())? / rate.max(1);
    let mut under_way = JoinSet::new();
    for lane in lanes.iter().cloned() {
        let client = client.clone();
        under_way.spawn(async move {
            let mut ticks = interval(pace);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            let mut changes = 0;
            while started.elapsed() < during {
                for step in TURN {
                    ticks.tick().await;
                    let made = lane.make(&client, step).await;
                    made.with_context(|| format!("{step:?} in {} was refused", lane.namespace))?;
                    changes += 1;
                }
            }
            anyhow::Ok(changes)
        });
    }
    let mut changes = 0;
    while let Some(made) = under_way.join_next().await {
        changes += made.context("a client broke off")??;
    }
    Ok(Done { changes, seconds: started.elapsed().as_secs_f64() })
}

impl Lane {
    async fn make(&self, client: &Client, step: Step) -> kube::Result<()> {
        let name = format!("{PREFIX}{:0>1$}", self.number, LONG - PREFIX.len());
        let policies: Api<NetworkPolicy> = Api::namespaced(client.clone(), &self.namespace);
        let pods: Api<Pod> = Api::namespaced(client.clone(), &self.namespace);
        let now = DeleteParams::default().grace_period(0);
        let params = PatchParams::default();
        match step {
            Step::CreatePolicy => {
                let policy = object(policy(&name, &self.namespace, 8443))?;
                policies.create(&PostParams::default(), &policy).await.map(drop)
            }
            Step::PatchPolicy => {
                let wider = json!({ "spec": { "ingress": [ingress(9443)] } });
                policies.patch(&name, &params, &Patch::Merge(&wider)).await.map(drop)
            }
            Step::DeletePolicy => policies.delete(&name, &now).await.map(drop),
            Step::CreatePod => {
                let pod = object(pod(&name, &self.namespace))?;
                pods.create(&PostParams::default(), &pod).await.map(drop)
            }
            Step::PatchPod => {
                let labels = json!({ "metadata": { "labels": { "app": "changed" } } });
                pods.patch(&name, &params, &Patch::Merge(&labels)).await.map(drop)
            }
            Step::DeletePod => pods.delete(&name, &now).await.map(drop),
            Step::Unlabel => self.label(client, Value::Null).await,
            Step::Label => self.label(client, json!(self.zone)).await,
        }
    }

    async fn label(&self, client: &Client, value: Value) -> kube::Result<()> {
        let patch = json!({ "metadata": { "labels": { LABEL: value } } });
        let namespaces: Api<Namespace> = Api::all(client.clone());
        namespaces.patch(&self.namespace, &PatchParams::default(), &Patch::Merge(&patch)).await.map(drop)
    }
}

/// Lets pods of a namespace that has no zone in. No flow declares that.
pub(super) fn policy(name: &str, namespace: &str, port: u16) -> Value {
    json!({
        "metadata": { "name": name, "namespace": namespace },
        "spec": { "podSelector": {}, "policyTypes": ["Ingress"], "ingress": [ingress(port)] },
    })
}

fn ingress(port: u16) -> Value {
    let outside = json!({ "namespaceSelector": { "matchLabels": { names::NAMESPACE_NAME: OUTSIDE } } });
    json!({ "from": [outside], "ports": [{ "port": port }] })
}

/// A pod that may do what no pod of a zone should.
fn pod(name: &str, namespace: &str) -> Value {
    json!({
        "metadata": { "name": name, "namespace": namespace, "labels": { "app": "storm" } },
        "spec": { "containers": [{
            "name": "main", "image": "registry.example.com/shop/storm:v1.2.3",
            "securityContext": { "capabilities": { "add": ["SYS_ADMIN"] } },
        }] },
    })
}

fn object<T: serde::de::DeserializeOwned>(value: Value) -> kube::Result<T> {
    serde_json::from_value(value).map_err(kube::Error::SerdeError)
}
