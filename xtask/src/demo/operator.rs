//! The operator as a process of its own, under its ServiceAccount: never with more rights than `deploy/` gives.

use std::{path::PathBuf, process::Command, time::Duration};

use anyhow::{Context, anyhow, bail};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, runtime::wait::await_condition};
use pcizone::api::names;
use testbed::{ControlPlane, Process};
use tokio::time::timeout;

use super::{PATIENCE, show};

/// Name of the only replica.
const IDENTITY: &str = "demo";
/// How long the operator may take to end.
const END: Duration = Duration::from_secs(20);

/// A running operator. It ends with this program, however that ends.
pub(super) struct Operator {
    process: Process,
}

/// Builds the operator.
pub(super) fn build() -> anyhow::Result<()> {
    show::step("Build the operator");
    let build = ["build", "--package", "pcizone", "--bin", "pcizone"];
    let status = Command::new("cargo").args(build).current_dir(crate::root()).status().context("cannot run cargo")?;
    if !status.success() {
        bail!("the operator does not build");
    }
    show::done("built");
    Ok(())
}

fn program() -> anyhow::Result<PathBuf> {
    // This program lies in the same folder: target/debug or wherever CARGO_TARGET_DIR points.
    let own = std::env::current_exe().context("cannot find this program's own path")?;
    let folder = own.parent().context("this program lies in no folder")?;
    Ok(folder.join("pcizone"))
}

impl Operator {
    /// Starts it against a cluster.
    pub(super) async fn start(cluster: &ControlPlane) -> anyhow::Result<Self> {
        let account = names::OPERATOR;
        show::step(&format!("Start the operator as ServiceAccount {}/{account}", names::OPERATOR_NAMESPACE));
        let kubeconfig = cluster.service_account_kubeconfig(names::OPERATOR_NAMESPACE, account).await?;
        let arguments =
            ["operator", "--namespace", names::OPERATOR_NAMESPACE, "--identity", IDENTITY, "--listen", "127.0.0.1:0"];
        let mut environment = vec![("KUBECONFIG".to_string(), kubeconfig.display().to_string())];
        environment.extend(std::env::var("RUST_LOG").ok().map(|filter| ("RUST_LOG".to_string(), filter)));
        let process = cluster.start_program("pcizone", &program()?, &arguments, environment)?;
        let mut operator = Operator { process };
        let leads = tokio::select! {
            leads = wait_for_lead(cluster) => leads,
            ended = operator.ended() => Err(ended),
        };
        leads.map_err(|error| operator.explain(&error))?;
        show::done(&format!("it leads; its log: {}", operator.process.log().display()));
        Ok(operator)
    }

    /// Waits until it ends by itself, which it should not.
    pub(super) async fn ended(&mut self) -> anyhow::Error {
        match self.process.ended().await {
            Ok(status) => anyhow!("the operator ended by itself ({status})"),
            Err(error) => error.context("cannot watch the operator's process"),
        }
    }

    /// What went wrong, and the end of the operator's log, which may say why.
    pub(super) fn explain(&self, error: &anyhow::Error) -> anyhow::Error {
        anyhow!("{error:#}\n{}", self.process.log_tail())
    }

    /// Ends it in an orderly way.
    pub(super) async fn stop(&mut self) -> anyhow::Result<()> {
        let status = self.process.stop(END).await?;
        if !status.success() {
            bail!("the operator did not end in an orderly way within {} s ({status})", END.as_secs());
        }
        Ok(())
    }
}

async fn wait_for_lead(cluster: &ControlPlane) -> anyhow::Result<()> {
    let leases: Api<Lease> = Api::namespaced(cluster.admin_client().await?, names::OPERATOR_NAMESPACE);
    let leads = |lease: Option<&Lease>| {
        lease.and_then(|lease| lease.spec.as_ref()?.holder_identity.as_deref()).is_some_and(|holder| holder == IDENTITY)
    };
    match timeout(PATIENCE, await_condition(leases, names::OPERATOR, leads)).await {
        Ok(result) => result.map(drop).context("cannot watch the operator's Lease"),
        Err(_) => bail!("the operator did not take its Lease within {} s", PATIENCE.as_secs()),
    }
}
