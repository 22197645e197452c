//! The bare client: the same writes as the operator's, with nothing to think about. What it takes is the floor.
//!
//! It acts as a service account, as the operator does: administrators are exempt from the API server's priority and
//! fairness, and would be served by other rules.

use std::{
    fmt::Debug,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use k8s_openapi::api::{
    core::v1::{ConfigMap, Namespace, Node, Pod},
    networking::v1::NetworkPolicy,
};
use kube::{
    Api, Client, Resource,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use pcizone::api::names;
use serde::{Serialize, de::DeserializeOwned};
use testbed::config_from;
use tokio::{task::JoinSet, time::timeout};

use super::objects;

/// Namespace and name of its service account.
pub(super) const NAMESPACE: &str = "bench";
pub(super) const ACCOUNT: &str = "bare-client";
/// It, as the audit log names it.
pub(super) const USER: &str = "system:serviceaccount:bench:bare-client";
/// Its account and rights.
pub(super) const MANIFEST: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: bench}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: bare-client, namespace: bench}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: bare-client}
rules:
- {apiGroups: [networking.k8s.io], resources: [networkpolicies], verbs: [create, delete]}
- {apiGroups: [''], resources: [configmaps], verbs: [create, delete]}
- {apiGroups: [''], resources: [namespaces], verbs: [patch]}
- {apiGroups: ['', networking.k8s.io], resources: [namespaces, nodes, networkpolicies], verbs: [list]}
# It takes away what is sealed.
- {apiGroups: [pcizone.dev], resources: [pcizones], verbs: [break-glass]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: bare-client}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: bare-client}
subjects: [{kind: ServiceAccount, name: bare-client, namespace: bench}]
";
/// Objects of one page, as watches ask for them.
const PAGE: u32 = 500;
/// How long one request may take.
const CALL: Duration = Duration::from_secs(30);

/// A client that does one thing after the other, many at a time.
#[derive(Clone)]
pub(super) struct Bare {
    client: Client,
    pub(super) concurrency: usize,
}

impl Bare {
    pub(super) async fn new(kubeconfig: &Path, concurrency: usize) -> Result<Self> {
        let mut config = config_from(kubeconfig).await?;
        // Whatever fails is to be seen, not hidden in a longer time.
        config.default_retry = false;
        let client = Client::try_from(config).context("cannot make a client for the cluster")?;
        Ok(Bare { client, concurrency })
    }

    /// The same with so many requests in flight.
    pub(super) fn at(&self, concurrency: usize) -> Self {
        Bare { client: self.client.clone(), concurrency }
    }

    pub(super) fn policies(&self, namespace: &str) -> Api<NetworkPolicy> {
        Api::namespaced(self.client.clone(), namespace)
    }

    pub(super) fn pods(&self, namespace: &str) -> Api<Pod> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// What the operator has to read before it knows anything: the kinds of which there are many, page by page and all at
    /// once. Seconds.
    pub(super) async fn read_all(&self) -> Result<f64> {
        let started = Instant::now();
        let client = || self.client.clone();
        let (namespaces, nodes) = (list::<Namespace>(Api::all(client())), list::<Node>(Api::all(client())));
        let policies = list::<NetworkPolicy>(Api::all(client()));
        tokio::try_join!(namespaces, nodes, policies)?;
        Ok(started.elapsed().as_secs_f64())
    }

    /// What the operator does to protect namespaces: a policy and then a label for each. Seconds.
    pub(super) async fn protect(&self, namespaces: &[String]) -> Result<f64> {
        let policies = namespaces.iter().map(|name| objects::baseline(name)).collect::<Result<Vec<_>>>()?;
        let work = namespaces.iter().cloned().zip(policies).collect();
        self.all(work, |this, (namespace, policy)| async move {
            create(&this.policies(&namespace), &policy).await?;
            this.label(&namespace, Some(objects::ZONE)).await
        })
        .await
    }

    /// Takes back what [`Self::protect`] did.
    pub(super) async fn unprotect(&self, namespaces: &[String]) -> Result<f64> {
        self.all(namespaces.to_vec(), |this, namespace| async move {
            delete(&this.policies(&namespace), names::BASELINE).await?;
            this.label(&namespace, None).await
        })
        .await
    }

    /// A policy like the operator's in each namespace, under another name. Seconds.
    pub(super) async fn create_stand_ins(&self, namespaces: &[String]) -> Result<f64> {
        let stand_in = |name: &String| objects::stand_in(name, objects::STAND_IN);
        let policies = namespaces.iter().map(stand_in).collect::<Result<Vec<_>>>()?;
        let work = namespaces.iter().cloned().zip(policies).collect();
        self.all(work, |this, (namespace, policy)| async move { create(&this.policies(&namespace), &policy).await })
            .await
    }

    /// Deletes a policy of this name in each namespace. Seconds.
    pub(super) async fn delete_policies(&self, namespaces: &[String], name: &'static str) -> Result<f64> {
        self.all(
            namespaces.to_vec(),
            move |this, namespace| async move { delete(&this.policies(&namespace), name).await },
        )
        .await
    }

    /// A `ConfigMap` in each namespace. Seconds.
    pub(super) async fn create_config_maps(&self, namespaces: &[String], name: &str, certificate: &str) -> Result<f64> {
        let map = |namespace: &String| objects::config_map(namespace, name, certificate);
        let maps = namespaces.iter().map(map).collect::<Result<Vec<_>>>()?;
        let work = namespaces.iter().cloned().zip(maps).collect();
        self.all(work, |this, (namespace, map)| async move {
            create(&Api::<ConfigMap>::namespaced(this.client, &namespace), &map).await
        })
        .await
    }

    pub(super) async fn delete_config_maps(&self, namespaces: &[String], name: &'static str) -> Result<f64> {
        self.all(namespaces.to_vec(), move |this, namespace| async move {
            delete(&Api::<ConfigMap>::namespaced(this.client, &namespace), name).await
        })
        .await
    }

    async fn label(&self, namespace: &str, zone: Option<&str>) -> Result<()> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let params = PatchParams { field_manager: Some("bench/bare-client".to_string()), ..PatchParams::default() };
        let patch = objects::label_patch(zone);
        let patched = timeout(CALL, api.patch(namespace, &params, &Patch::Merge(&patch))).await;
        patched
            .context("no answer in time")
            .and_then(|patched| Ok(patched?))
            .with_context(|| format!("cannot label Namespace/{namespace}"))?;
        Ok(())
    }

    /// Does something with each item, as many at a time as it may, on all threads. Seconds until all is answered.
    pub(super) async fn all<T, F, Fut>(&self, items: Vec<T>, act: F) -> Result<f64>
    where
        T: Send + 'static,
        F: Fn(Self, T) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Result<()>> + Send,
    {
        let items = Arc::new(Mutex::new(items.into_iter()));
        let started = Instant::now();
        let mut workers = JoinSet::new();
        for _ in 0..self.concurrency {
            let (this, items, act) = (self.clone(), Arc::clone(&items), act.clone());
            workers.spawn(async move {
                loop {
                    let next = items.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some(item) = next else { return anyhow::Ok(()) };
                    act(this.clone(), item).await?;
                }
            });
        }
        while let Some(ended) = workers.join_next().await {
            ended.context("the bare client broke off")??;
        }
        Ok(started.elapsed().as_secs_f64())
    }
}

async fn list<K>(api: Api<K>) -> Result<()>
where
    K: Clone + Debug + DeserializeOwned,
{
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let objects = timeout(CALL, api.list(&page)).await.context("a list was not answered in time")??;
        page.continue_token = objects.metadata.continue_.filter(|token| !token.is_empty());
        if page.continue_token.is_none() {
            return Ok(());
        }
    }
}

/// Creates an object.
pub(super) async fn create<K>(api: &Api<K>, object: &K) -> Result<()>
where
    K: Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned,
{
    let params = PostParams { field_manager: Some("bench/bare-client".to_string()), ..PostParams::default() };
    let created = timeout(CALL, api.create(&params, object)).await;
    created.context("no answer in time").and_then(|created| Ok(created?)).with_context(|| {
        let (namespace, name) = (object.meta().namespace.as_deref(), object.meta().name.as_deref());
        format!("cannot create {}/{}/{}", K::kind(&()), namespace.unwrap_or_default(), name.unwrap_or_default())
    })?;
    Ok(())
}

/// Deletes an object.
pub(super) async fn delete<K>(api: &Api<K>, name: &str) -> Result<()>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let deleted = timeout(CALL, api.delete(name, &DeleteParams::default())).await;
    deleted
        .context("no answer in time")
        .and_then(|deleted| Ok(deleted?))
        .with_context(|| format!("cannot delete {} {name}", K::kind(&())))?;
    Ok(())
}
