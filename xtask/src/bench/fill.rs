//! Fills a cluster with what every measurement needs: CRD, rights, namespaces, nodes, pods. As the administrator, who is
//! served first.

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use kube::{Api, Client};
use testbed::ControlPlane;

use super::{
    bare::{self, Bare},
    objects,
    progress::Progress,
};

/// How many objects are made at a time.
const PREPARE: usize = 64;

/// Makes the objects of a cluster.
pub(super) struct Filler {
    client: Client,
    kubeconfig: PathBuf,
}

impl Filler {
    pub(super) async fn new(cluster: &ControlPlane) -> Result<Self> {
        Ok(Filler { client: cluster.admin_client().await?, kubeconfig: cluster.admin_kubeconfig().to_owned() })
    }

    /// A client of the administrator that does many things at a time.
    pub(super) async fn many(&self) -> Result<Bare> {
        Bare::new(&self.kubeconfig, PREPARE).await
    }

    /// What the operator and a client of the bench need.
    pub(super) async fn rights(&self, cluster: &ControlPlane, manifest: &str) -> Result<()> {
        let kubectl = cluster.kubectl();
        let base = crate::root().join("deploy/kustomize/base").display().to_string();
        kubectl.run(&["apply", "--kustomize", &base]).await?;
        kubectl.run(&["wait", "--for=condition=Established", "crd/pcizones.pcizone.dev", "--timeout=30s"]).await?;
        kubectl.run_stdin(&["apply", "--filename", "-"], manifest).await?;
        Ok(())
    }

    /// These, and one that no zone has.
    pub(super) async fn namespaces(&self, names: &[String]) -> Result<()> {
        let all = names.iter().map(String::as_str).chain([objects::OUTSIDE]);
        let all = all.map(objects::namespace).collect::<Result<Vec<_>>>()?;
        let api: Api<Namespace> = Api::all(self.client.clone());
        self.make("namespaces", all, move |namespace| {
            let api = api.clone();
            async move { bare::create(&api, &namespace).await }
        })
        .await
    }

    pub(super) async fn nodes(&self, nodes: usize) -> Result<()> {
        let api: Api<Node> = Api::all(self.client.clone());
        let all = (0..nodes).map(objects::node).collect::<Result<Vec<_>>>()?;
        self.make("nodes", all, move |node| {
            let api = api.clone();
            async move { bare::create(&api, &node).await }
        })
        .await
    }

    /// Pods that run, spread over namespaces and nodes.
    pub(super) async fn pods(&self, pods: usize, namespaces: &[String], nodes: usize) -> Result<()> {
        let mut all = Vec::with_capacity(pods);
        for (number, namespace) in namespaces.iter().cycle().take(pods).enumerate() {
            all.push(objects::pod(number, namespace, &objects::node_name(number % nodes.max(1)))?);
        }
        let client = self.client.clone();
        self.make("pods", all, move |pod| {
            let api: Api<Pod> = Api::namespaced(client.clone(), pod.metadata.namespace.as_deref().unwrap_or_default());
            async move { bare::create(&api, &pod).await }
        })
        .await
    }

    async fn make<T, F, Fut>(&self, what: &'static str, objects: Vec<T>, create: F) -> Result<()>
    where
        T: Send + 'static,
        F: Fn(T) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Result<()>> + Send,
    {
        let progress = Arc::new(Progress::start(what, objects.len()));
        let shown = Arc::clone(&progress);
        let many = self.many().await?;
        let made = many.all(objects, move |_, object| {
            let (create, shown) = (create.clone(), Arc::clone(&shown));
            async move {
                create(object).await?;
                shown.one();
                Ok(())
            }
        });
        made.await.with_context(|| format!("cannot make the {what} of the prepared cluster"))?;
        if let Some(progress) = Arc::into_inner(progress) {
            progress.finish();
        }
        Ok(())
    }
}
