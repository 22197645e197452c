//! A cluster of a given size with CRD, rights and namespaces, and a bare client that works on it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use kube::Client;
use testbed::{ControlPlane, Durability, Options, config_from};

use super::{
    bare::{self, Bare},
    fill::Filler,
    log::Log,
    objects,
};

/// A prepared cluster.
pub(super) struct Bed {
    pub(super) cluster: ControlPlane,
    pub(super) admin: Client,
    pub(super) bare: Bare,
    pub(super) log: Log,
    pub(super) namespaces: Vec<String>,
    filler: Filler,
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
        let filler = Filler::new(&cluster).await?;
        filler.rights(&cluster, bare::MANIFEST).await?;
        let kubeconfig = cluster.service_account_kubeconfig(bare::NAMESPACE, bare::ACCOUNT).await?;
        let bare = Bare::new(&kubeconfig, 1).await?;
        let namespaces: Vec<String> = (0..namespaces).map(objects::namespace_name).collect();
        filler.namespaces(&namespaces).await?;
        Ok(Bed {
            admin: cluster.admin_client().await?,
            log: Log::new(cluster.audit_reader()?),
            namespaces,
            filler,
            cluster,
            bare,
        })
    }

    pub(super) async fn add_nodes(&self, nodes: usize) -> Result<()> {
        self.filler.nodes(nodes).await
    }

    pub(super) async fn add_pods(&self, pods: usize, nodes: usize) -> Result<()> {
        self.filler.pods(pods, &self.namespaces, nodes).await
    }

    /// One pod that no zone has anything to do with.
    pub(super) async fn add_pod_outside(&self) -> Result<()> {
        self.filler.pods(1, &[objects::OUTSIDE.to_string()], 1).await
    }

    /// A client of a service account beside that of the bare client, which `manifest` describes.
    pub(super) async fn client_of(&self, manifest: &str, account: &str) -> Result<Client> {
        self.cluster.kubectl().run_stdin(&["apply", "--filename", "-"], manifest).await?;
        let kubeconfig = self.cluster.service_account_kubeconfig(bare::NAMESPACE, account).await?;
        let mut config = config_from(&kubeconfig).await?;
        // Whatever fails is to be seen.
        config.default_retry = false;
        Client::try_from(config).context("cannot make a client for the cluster")
    }
}

/// Fails when something takes longer than it may.
pub(super) async fn within<T>(limit: Duration, what: &str, act: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(limit, act).await {
        Ok(done) => done.with_context(|| format!("cannot measure: {what}")),
        Err(_) => anyhow::bail!("{what} was not over within {} s", limit.as_secs()),
    }
}
