//! A cluster of a given size with CRD, rights and namespaces, and a bare client that works on it.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use kube::{Api, Client};
use testbed::{Binary, ControlPlane, Durability, Options};

use super::{
    bare::{self, Bare},
    log::Log,
    objects,
    progress::Progress,
};

/// How many objects are made at a time while a cluster is prepared.
const PREPARE: usize = 64;

/// A prepared cluster.
pub(super) struct Bed {
    pub(super) cluster: ControlPlane,
    pub(super) admin: Client,
    pub(super) bare: Bare,
    pub(super) log: Log,
    pub(super) namespaces: Vec<String>,
    admin_kubeconfig: PathBuf,
}

impl Bed {
    /// Starts a cluster with namespaces and nothing else.
    pub(super) async fn start(namespaces: usize) -> Result<Self> {
        let options = Options {
            audit: true,
            durability: Durability::OnDisk,
            // Nothing makes service accounts here, and pods without one are refused.
            apiserver_args: vec!["--disable-admission-plugins=ServiceAccount".to_string()],
            ..Options::default()
        };
        let cluster = ControlPlane::start(options).await?;
        let kubectl = cluster.kubectl();
        let base = crate::root().join("deploy/kustomize/base").display().to_string();
        kubectl.run(&["apply", "--kustomize", &base]).await?;
        kubectl.run(&["wait", "--for=condition=Established", "crd/pcizones.pcizone.dev", "--timeout=30s"]).await?;
        kubectl.run_stdin(&["apply", "--filename", "-"], bare::MANIFEST).await?;
        let kubeconfig = cluster.service_account_kubeconfig(bare::NAMESPACE, bare::ACCOUNT).await?;
        let bare = Bare::new(&kubeconfig, 1).await?;
        let bed = Bed {
            admin: cluster.admin_client().await?,
            admin_kubeconfig: cluster.admin_kubeconfig().to_owned(),
            log: Log::new(cluster.audit_reader()?),
            namespaces: (0..namespaces).map(objects::namespace_name).collect(),
            cluster,
            bare,
        };
        let all: Vec<String> = bed.namespaces.iter().cloned().chain([objects::OUTSIDE.to_string()]).collect();
        let all = all.iter().map(|name| objects::namespace(name)).collect::<Result<Vec<_>>>()?;
        let api: Api<Namespace> = Api::all(bed.admin.clone());
        bed.make("namespaces", all, move |namespace| {
            let api = api.clone();
            async move { bare::create(&api, &namespace).await }
        })
        .await?;
        Ok(bed)
    }

    pub(super) async fn add_nodes(&self, nodes: usize) -> Result<()> {
        let api: Api<Node> = Api::all(self.admin.clone());
        let all = (0..nodes).map(objects::node).collect::<Result<Vec<_>>>()?;
        self.make("nodes", all, move |node| {
            let api = api.clone();
            async move { bare::create(&api, &node).await }
        })
        .await
    }

    pub(super) async fn add_pods(&self, pods: usize, nodes: usize) -> Result<()> {
        let mut all = Vec::with_capacity(pods);
        for (number, namespace) in self.namespaces.iter().cycle().take(pods).enumerate() {
            all.push(objects::pod(number, namespace, &objects::node_name(number % nodes.max(1)))?);
        }
        let client = self.admin.clone();
        self.make("pods", all, move |pod| {
            let api: Api<Pod> = Api::namespaced(client.clone(), pod.metadata.namespace.as_deref().unwrap_or_default());
            async move { bare::create(&api, &pod).await }
        })
        .await
    }

    /// The process id of one of the cluster's programs.
    pub(super) fn pid(&self, program: Binary) -> Result<u32> {
        let found = self.cluster.pids().into_iter().find(|(binary, _)| *binary == program);
        Ok(found.with_context(|| format!("{program} does not run"))?.1)
    }

    /// As the administrator, who is served first.
    async fn make<T, F, Fut>(&self, what: &'static str, objects: Vec<T>, create: F) -> Result<()>
    where
        T: Send + 'static,
        F: Fn(T) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Result<()>> + Send,
    {
        let progress = std::sync::Arc::new(Progress::start(what, objects.len()));
        let maker = Bare::new(&self.admin_kubeconfig, PREPARE).await?;
        let shown = std::sync::Arc::clone(&progress);
        let made = maker.all(objects, move |_, object| {
            let (create, shown) = (create.clone(), std::sync::Arc::clone(&shown));
            async move {
                create(object).await?;
                shown.one();
                Ok(())
            }
        });
        made.await.with_context(|| format!("cannot make the {what} of the prepared cluster"))?;
        if let Some(progress) = std::sync::Arc::into_inner(progress) {
            progress.finish();
        }
        Ok(())
    }
}

/// Fails when something takes longer than it may.
pub(super) async fn within<T>(limit: Duration, what: &str, act: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(limit, act).await {
        Ok(done) => done.with_context(|| format!("cannot measure: {what}")),
        Err(_) => anyhow::bail!("{what} was not over within {} s", limit.as_secs()),
    }
}
