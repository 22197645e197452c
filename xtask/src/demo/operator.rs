//! The operator as a process of its own, under its ServiceAccount: never with more rights than `deploy/` gives.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, runtime::wait::await_condition};
use pcizone::api::names;
use testbed::ControlPlane;
use tokio::{process::Child, time::timeout};

use super::{PATIENCE, show};

/// Name of the only replica.
const IDENTITY: &str = "demo";
/// How long the operator may take to end.
const END: Duration = Duration::from_secs(20);
/// Lines of the log that are shown when something goes wrong.
const LAST_LINES: usize = 20;

/// A running operator.
pub(super) struct Operator {
    process: Child,
    log: PathBuf,
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
        let log = cluster.logs().join("pcizone.log");
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = tokio::process::Command::new(program()?);
        command
            .args([
                "operator",
                "--namespace",
                names::OPERATOR_NAMESPACE,
                "--identity",
                IDENTITY,
                "--listen",
                "127.0.0.1:0",
            ])
            .env("KUBECONFIG", kubeconfig)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .process_group(0)
            .kill_on_drop(true);
        let process = command.spawn().context("cannot start the operator")?;
        let operator = Operator { process, log };
        operator.wait_for_lead(cluster).await.with_context(|| operator.last_lines())?;
        show::done(&format!("it leads; its log: {}", operator.log.display()));
        Ok(operator)
    }

    async fn wait_for_lead(&self, cluster: &ControlPlane) -> anyhow::Result<()> {
        let leases: Api<Lease> = Api::namespaced(cluster.admin_client().await?, names::OPERATOR_NAMESPACE);
        let leads = |lease: Option<&Lease>| {
            lease
                .and_then(|lease| lease.spec.as_ref()?.holder_identity.as_deref())
                .is_some_and(|holder| holder == IDENTITY)
        };
        match timeout(PATIENCE, await_condition(leases, names::OPERATOR, leads)).await {
            Ok(result) => result.map(drop).context("cannot watch the operator's Lease"),
            Err(_) => bail!("the operator did not take its Lease within {} s", PATIENCE.as_secs()),
        }
    }

    /// The end of its log.
    pub(super) fn last_lines(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines.iter().rev().take(LAST_LINES).rev().copied().collect::<Vec<_>>().join("\n")
    }

    /// Ends it and waits.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(id) = self.process.id() {
            let id = id.to_string();
            Command::new("kill").args(["-TERM", &id]).status().context("cannot run kill")?;
        }
        match timeout(END, self.process.wait()).await {
            Ok(status) if status.as_ref().is_ok_and(std::process::ExitStatus::success) => Ok(()),
            Ok(status) => bail!("the operator ended badly: {status:?}\n{}", self.last_lines()),
            Err(_) => bail!("the operator did not end within {} s", END.as_secs()),
        }
    }
}
