//! The pages that are made from the code are those of the repository.

use std::{fs, path::Path};

use pcizone::{
    api::{FindingId, requirements},
    reference,
};

#[test]
fn the_committed_page_is_the_generated_one() -> std::io::Result<()> {
    let committed = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pci-dss.md"))?;
    assert!(committed == reference::pci_dss(), "docs/pci-dss.md is stale; run: cargo xtask generate");
    Ok(())
}

#[test]
fn the_page_names_every_finding_both_ways_and_every_requirement() {
    let page = reference::pci_dss();
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with('|')).collect();
    for id in FindingId::ALL {
        let name = format!("`{}`", id.as_str());
        let own = rows.iter().filter(|row| row.starts_with(&format!("| {name} |"))).count();
        assert_eq!(own, 1, "{name}");
        let by_requirement = rows.iter().filter(|row| !row.starts_with("| `") && row.contains(&name)).count();
        let wanted = if name.contains("Attestation") { 0 } else { id.requirements().len() };
        assert_eq!(by_requirement, wanted, "{name}");
    }
    for requirement in requirements::ALL {
        assert!(
            rows.iter().any(|row| row.starts_with(&format!("| {} |", requirement.number))),
            "{}",
            requirement.number
        );
    }
    let cells = |row: &str| row.replace("\\|", "").matches('|').count();
    for table in page.split("\n\n").filter(|part| part.starts_with('|')) {
        assert!(table.lines().all(|row| cells(row) == cells(table.lines().next().unwrap_or_default())), "{table}");
    }
}
