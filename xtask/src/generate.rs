//! Generated files: written by `generate`, compared by the tests.

use std::fs;

use anyhow::Context;

pub(crate) fn run() -> anyhow::Result<()> {
    let path = crate::root().join("crds/pcizones.yaml");
    let text = serde_saphyr::to_string(&pcizone::api::crd()).context("cannot write the CRD as YAML")?;
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    println!("wrote {}", path.display());
    Ok(())
}
