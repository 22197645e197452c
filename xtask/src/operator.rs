//! The operator as a process of its own, under its ServiceAccount: never with more rights than `deploy/` gives.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, anyhow, bail};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, runtime::wait::await_condition};
use pcizone::api::names;
use testbed::{ControlPlane, FaultProxy, Process};
use tokio::time::timeout;

/// How long the operator may take to end.
const END: Duration = Duration::from_secs(20);

/// A running operator. It ends with this program, however that ends.
pub(crate) struct Operator {
    pub(crate) process: Process,
}

/// Builds the operator in the profile of this program.
pub(crate) fn build() -> anyhow::Result<()> {
    let mut build = crate::cargo();
    build.args(["build", "--package", "pcizone", "--bin", "pcizone"]);
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    // Its words go where errors go: the output may be read by a program.
    build.stdout(std::io::stderr());
    if !build.status().context("cannot run cargo")?.success() {
        bail!("the operator does not build");
    }
    Ok(())
}

/// Where the build lies.
pub(crate) fn program() -> anyhow::Result<PathBuf> {
    // This program lies in the same folder: target/debug or wherever CARGO_TARGET_DIR points.
    let own = std::env::current_exe().context("cannot find this program's own path")?;
    let folder = own.parent().context("this program lies in no folder")?;
    Ok(folder.join("pcizone"))
}

impl Operator {
    /// Starts it against a cluster. It does not lead yet.
    pub(crate) async fn start(cluster: &ControlPlane, identity: &str, listen: SocketAddr) -> anyhow::Result<Self> {
        let kubeconfig = cluster.service_account_kubeconfig(names::OPERATOR_NAMESPACE, names::OPERATOR).await?;
        Self::start_with(cluster, &kubeconfig, identity, listen)
    }

    /// The same through a proxy.
    pub(crate) async fn start_behind(
        cluster: &ControlPlane,
        proxy: &FaultProxy,
        identity: &str,
        listen: SocketAddr,
    ) -> anyhow::Result<Self> {
        let token = cluster.service_account_token(names::OPERATOR_NAMESPACE, names::OPERATOR).await?;
        let kubeconfig = proxy.kubeconfig_for_token("operator", &token)?;
        Self::start_with(cluster, &kubeconfig, identity, listen)
    }

    fn start_with(
        cluster: &ControlPlane,
        kubeconfig: &Path,
        identity: &str,
        listen: SocketAddr,
    ) -> anyhow::Result<Self> {
        let (listen, webhook) = (listen.to_string(), free_address()?.to_string());
        // Below 1.37 the API server asks the operator of pods. It runs beside it here and knows no Services.
        let url = format!("https://{webhook}");
        let arguments = [
            "operator",
            "--namespace",
            names::OPERATOR_NAMESPACE,
            "--identity",
            identity,
            "--listen",
            &listen,
            "--webhook-listen",
            &webhook,
            "--webhook-url",
            &url,
        ];
        let mut environment = vec![("KUBECONFIG".to_string(), kubeconfig.display().to_string())];
        environment.extend(std::env::var("RUST_LOG").ok().map(|filter| ("RUST_LOG".to_string(), filter)));
        Ok(Operator { process: cluster.start_program("pcizone", &program()?, &arguments, environment)? })
    }

    /// Waits until it ends by itself, which it should not.
    pub(crate) async fn ended(&mut self) -> anyhow::Error {
        match self.process.ended().await {
            Ok(status) => anyhow!("the operator ended by itself ({status})"),
            Err(error) => error.context("cannot watch the operator's process"),
        }
    }

    /// What went wrong, and the end of the operator's log, which may say why.
    pub(crate) fn explain(&self, error: &anyhow::Error) -> anyhow::Error {
        anyhow!("{error:#}\n{}", self.process.log_tail())
    }

    /// Ends it in an orderly way.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        let status = self.process.stop(END).await?;
        if !status.success() {
            bail!("the operator did not end in an orderly way within {} s ({status})", END.as_secs());
        }
        Ok(())
    }
}

/// An address that is free now. Should another program take it first, the operator ends and says so.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot find a free port")?;
    listener.local_addr().context("cannot find a free port")
}

/// Waits until a replica of this name has the Lease.
pub(crate) async fn wait_for_lead(cluster: &ControlPlane, identity: &str, limit: Duration) -> anyhow::Result<()> {
    let leases: Api<Lease> = Api::namespaced(cluster.admin_client().await?, names::OPERATOR_NAMESPACE);
    let leads = |lease: Option<&Lease>| {
        lease.and_then(|lease| lease.spec.as_ref()?.holder_identity.as_deref()).is_some_and(|holder| holder == identity)
    };
    match timeout(limit, await_condition(leases, names::OPERATOR, leads)).await {
        Ok(result) => result.map(drop).context("cannot watch the operator's Lease"),
        Err(_) => bail!("the operator did not take its Lease within {} s", limit.as_secs()),
    }
}
