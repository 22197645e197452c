//! Workloads of which no pod runs: each stands for one pod as it would make it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use k8s_openapi::{
    api::{
        apps::v1::{DaemonSetSpec, DeploymentSpec, ReplicaSetSpec, StatefulSetSpec},
        batch::v1::{CronJobSpec, JobSpec},
        core::v1::{self, PodTemplateSpec, ReplicationControllerSpec},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
    jiff::Timestamp,
};

use super::{
    intake::Kind,
    pod::{self, Pod},
};

/// Label by which a Deployment tells the pods of one template from others: what it adds to the names of its `ReplicaSet`s.
const TEMPLATE_HASH: &str = "pod-template-hash";

/// What a workload makes pods from.
pub trait Template {
    /// Its template, and how many pods it is to have where it says that.
    fn template(self) -> (Option<PodTemplateSpec>, Option<i32>);
}

macro_rules! templates {
    ($($spec:ty: $read:expr;)+) => {
        $(impl Template for $spec {
            fn template(self) -> (Option<PodTemplateSpec>, Option<i32>) {
                let read: fn($spec) -> (Option<PodTemplateSpec>, Option<i32>) = $read;
                read(self)
            }
        })+
    };
}

templates! {
    DeploymentSpec: |spec| (Some(spec.template), spec.replicas);
    StatefulSetSpec: |spec| (Some(spec.template), spec.replicas);
    DaemonSetSpec: |spec| (Some(spec.template), None);
    ReplicaSetSpec: |spec| (spec.template, spec.replicas);
    ReplicationControllerSpec: |spec| (spec.template, spec.replicas);
    JobSpec: |spec| (Some(spec.template), None);
    CronJobSpec: |spec| (spec.job_template.spec.map(|job| job.template), None);
}

/// A workload: its namespace, and `Kind/name`.
type Key = (Box<str>, Box<str>);

/// Workloads, and those of which pods were seen.
#[derive(Default)]
pub(super) struct Workloads {
    known: BTreeMap<Key, Workload>,
    /// Owners of pods that run.
    seen: BTreeSet<Key>,
}

struct Workload {
    kind: Kind,
    /// The workload that controls it.
    owner: Option<Box<str>>,
    /// The pod that it would make.
    pod: Option<Pod>,
}

impl Workloads {
    /// Takes a workload in.
    pub(super) fn add(&mut self, kind: Kind, metadata: &ObjectMeta, spec: Option<impl Template>) {
        let (template, replicas) = spec.map(Template::template).unwrap_or_default();
        // What a Deployment rolled away from stays as a ReplicaSet of none.
        let is_past = replicas == Some(0) && matches!(kind, Kind::ReplicaSet | Kind::ReplicationController);
        let name = metadata.name.clone().unwrap_or_default();
        let namespace = metadata.namespace.clone().unwrap_or_default();
        let key = (namespace.as_str().into(), key(kind, &name));
        let pod = template.filter(|_| !is_past).map(|template| {
            let made = template.metadata.unwrap_or_default();
            let metadata = ObjectMeta {
                name: Some(name),
                namespace: Some(namespace),
                labels: made.labels,
                ..ObjectMeta::default()
            };
            let pod = v1::Pod { metadata, spec: template.spec, status: None };
            Pod { owner: Some(Arc::from(&*key.1)), ..pod.into() }
        });
        let owner = pod::controller(metadata).map(|owner| Box::from(&*owner));
        self.known.insert(key, Workload { kind, owner, pod });
    }

    /// Notes whose a pod is that is there. One that has ended stands for nobody: the next one may come any time.
    pub(super) fn see(&mut self, pod: &Pod) {
        let Some(owner) = pod.owner.as_deref().filter(|_| !pod.ended) else { return };
        let mut note = |owner: &str| self.seen.insert((pod.namespace().into(), owner.into()));
        note(owner);
        // The ReplicaSet between may be missing, and so may the Job.
        let hash = pod.labels.get(TEMPLATE_HASH).map(|hash| format!("-{hash}"));
        if let Some(name) =
            owner.strip_prefix("ReplicaSet/").zip(hash).and_then(|(name, hash)| name.strip_suffix(&hash))
        {
            note(&key(Kind::Deployment, name));
        }
        let scheduled = owner.strip_prefix("Job/").and_then(|name| name.rsplit_once('-'));
        if let Some((name, _)) = scheduled.filter(|(_, time)| time.bytes().all(|byte| byte.is_ascii_digit())) {
            note(&key(Kind::CronJob, name));
        }
    }

    /// The pods of workloads that have none, made at `now`. No two pods have one name.
    pub(super) fn pods(&mut self, live: &[Arc<Pod>], now: Timestamp) -> Vec<Pod> {
        self.see_owners();
        let mut taken: BTreeSet<Box<str>> = live.iter().map(|pod| pod.key.clone()).collect();
        let mut pods = Vec::new();
        let mut known = std::mem::take(&mut self.known);
        let controlled: BTreeSet<Key> = known
            .iter()
            .filter(|((namespace, _), workload)| {
                workload.owner.as_ref().is_some_and(|owner| known.contains_key(&(namespace.clone(), owner.clone())))
            })
            .map(|(key, _)| key.clone())
            .collect();
        for (key, workload) in &mut known {
            if self.seen.contains(key) || controlled.contains(key) {
                continue;
            }
            let Some(mut pod) = workload.pod.take() else { continue };
            while taken.contains(&pod.key) {
                pod.key = format!("{}.{}", pod.key, workload.kind.as_str().to_lowercase()).into_boxed_str();
            }
            taken.insert(pod.key.clone());
            pod.created = now;
            pods.push(pod);
        }
        pods
    }

    /// Whoever controls what has pods has them too.
    fn see_owners(&mut self) {
        let mut more: Vec<Key> = self.seen.iter().cloned().collect();
        while let Some((namespace, workload)) = more.pop() {
            let owner = self.known.get(&(namespace.clone(), workload)).and_then(|workload| workload.owner.clone());
            let Some(owner) = owner.map(|owner| (namespace, owner)) else { continue };
            if self.seen.insert(owner.clone()) {
                more.push(owner);
            }
        }
    }
}

fn key(kind: Kind, name: &str) -> Box<str> {
    format!("{}/{name}", kind.as_str()).into_boxed_str()
}
