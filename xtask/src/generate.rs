//! Generated files: written by `generate`, compared by the tests.

use std::fs;

use anyhow::Context;

pub(crate) fn run() -> anyhow::Result<()> {
    let definition = serde_saphyr::to_string(&pcizone::api::crd()).context("cannot write the CRD as YAML")?;
    for (path, text) in [("crds/pcizones.yaml", definition), ("docs/pci-dss.md", pcizone::reference::pci_dss())] {
        let path = crate::root().join(path);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        println!("wrote {}", path.display());
    }
    Ok(())
}
