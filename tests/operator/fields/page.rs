//! docs/tampering.md: the same table for people, and the proof that no field is left out.

use std::{collections::BTreeSet, env, fs};

use serde_json::Value;

use super::{
    guards, members, metadata, policies, schema, status,
    table::{Row, markdown},
};
use crate::support::{Bed, ask};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/tampering.md");

const INTRODUCTION: &str = "\
<!-- Written by `PCIZONE_BLESS=1 cargo test --test operator fields::page`; a test compares it. -->
# What comes of tampering

What happens when an administrator changes an object that is ours, or the part of it that is. Every row is tried out against a real
API server, by JSON patch, merge patch, replace and server-side apply with force; once while the operator runs, and once while it does
not: then it is put right when the operator starts. Every field that the API server knows is in a row, or a test fails. What is said of
`spec.ingress[].from` holds for `spec.egress[].to`.

*Reported* means a finding `ManagedObjectTampered` (Critical) on the zone, for an hour. It names the field manager where the object
tells it. What is only taken away leaves no name behind; the audit log has the user. What was changed while no operator ran is
reported where the object itself still shows it, as a changed spec of a policy does.
";

const STATUS: &str = "\
The status is put right within a second or two, down to the dates. The conditions of others stay. After a restart the operator has only
the status itself to go by: where somebody else is on record in it, the dates begin anew.
";

const LEASE: &str = "\
## Lease
Another holder stops the replica's writing until that lease expires; a deleted Lease is created again. It protects nothing by itself.
";

/// The table, object by object.
pub fn objects() -> Vec<(&'static str, Vec<Row>)> {
    vec![
        ("NetworkPolicy: spec", policies::rows()),
        ("NetworkPolicy: everything else", metadata::rows()),
        ("Namespace", members::namespaces()),
        ("Node", members::nodes()),
        ("PciZone: metadata", members::zones()),
        ("Admission policies: spec", guards::policies()),
        ("Bindings of admission policies: spec", guards::bindings()),
        ("Admission policies and bindings: metadata", guards::metadata()),
    ]
}

fn page() -> String {
    let sections = objects().into_iter().map(|(title, rows)| format!("\n## {title}\n{}", markdown(&rows)));
    let sections: String = sections.collect();
    let status = markdown(&status::rows());
    format!("{INTRODUCTION}{sections}\n## PciZone: status\n{STATUS}\n{status}\n{LEASE}")
}

#[test]
fn the_page_says_what_the_table_says() {
    if env::var_os("PCIZONE_BLESS").is_some() {
        fs::write(PAGE, page()).unwrap();
    }
    let there = fs::read_to_string(PAGE).unwrap_or_default();
    assert!(there == page(), "docs/tampering.md is stale; PCIZONE_BLESS=1 writes what the table says");
}

/// A field that a later version of Kubernetes or of the PciZone adds needs a row.
pub async fn covers_every_field(bed: &Bed) {
    let [policy, everything_else, _, node, ..]: [Vec<Row>; 8] =
        objects().into_iter().map(|(_, rows)| rows).collect::<Vec<_>>().try_into().unwrap();
    let document = bed.raw("/openapi/v3/apis/networking.k8s.io/v1").await;
    let rows = [policy, everything_else].concat();
    is_covered(&schema::fields(&document, "io.k8s.api.networking.v1.NetworkPolicy"), "", &rows);

    let document = bed.raw("/openapi/v3/api/v1").await;
    let start = format!("spec.taints[{}].", pcizone::api::names::NODE_TAINT);
    is_covered(&schema::fields(&document, "io.k8s.api.core.v1.Taint"), &start, &node);

    // The document of a new kind comes some time after the kind, and no event tells when.
    let document = ask("the API server describes the PciZone", async || {
        let request = http::Request::get("/openapi/v3/apis/pcizone.dev/v1alpha1").body(Vec::new()).unwrap();
        bed.client.request::<Value>(request).await.map_err(|error| error.to_string())
    })
    .await;
    let zone = schema::fields(&document, "dev.pcizone.v1alpha1.PciZone");
    is_covered(
        &zone.iter().filter_map(|field| field.strip_prefix("status.")).map(str::to_string).collect(),
        "status.",
        &status::rows(),
    );
}

/// The rows are about exactly these fields, as far as they begin so.
fn is_covered(fields: &BTreeSet<String>, start: &str, rows: &[Row]) {
    let covered = rows.iter().flat_map(|row| &row.fields).filter_map(|field| field.strip_prefix(start));
    let covered: BTreeSet<String> = covered.map(str::to_string).collect();
    let missing: Vec<_> = fields.difference(&covered).collect();
    let unknown: Vec<_> = covered.difference(fields).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "{start}: no row for {missing:?}; no such field: {unknown:?}");
    assert!(!fields.is_empty(), "{start}: nothing was looked at");
}

/// For `status`: the schema as the CRD has it.
pub fn status_schema() -> Value {
    let crd = serde_json::to_value(pcizone::api::crd()).unwrap();
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"].clone()
}
