//! Finds definitions of kinds that other software brings, in Go modules that are pinned here. It copies nothing.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Module {
    dir: PathBuf,
}

/// The folder with the definitions of the kinds `reports.openreports.io` and `clusterreports.openreports.io`. The first time
/// it is downloaded from the module proxy; `go.sum` says what it must be.
pub fn open_reports() -> Result<PathBuf> {
    Ok(module("open-reports", "github.com/openreports/reports-api")?.join("config/crd"))
}

/// The same of the kinds of `aquasecurity.github.io`.
pub fn trivy_operator() -> Result<PathBuf> {
    Ok(module("trivy-operator", "github.com/aquasecurity/trivy-operator")?.join("deploy/helm/crds"))
}

/// The same of the kinds `policyreports.wgpolicyk8s.io` and `clusterpolicyreports.wgpolicyk8s.io`, as Kyverno brings them.
pub fn policy_reports() -> Result<PathBuf> {
    Ok(module("policy-reports", "github.com/kyverno/kyverno")?.join("config/crds/policyreport"))
}

/// The folder of a module that the `go.mod` in a folder here pins.
fn module(folder: &str, module: &str) -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut command = Command::new("go");
    command.args(["mod", "download", "-json", module]).current_dir(&folder).env("GOWORK", "off").env("GOFLAGS", "");
    let output = command.output().context("cannot run go: install Go 1.26 or later (https://go.dev/doc/install)")?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        bail!("go cannot download {module}: {}", String::from_utf8_lossy(&said).trim_end());
    }
    let Module { dir } = serde_json::from_slice(&output.stdout).context("go said something else than JSON")?;
    Ok(dir)
}
