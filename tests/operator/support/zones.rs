//! Zones of the sample shop as manifests, and what their status says.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use pcizone::api::{PciZone, PciZoneStatus};

/// The two ends of the flow in [`zone`].
pub const FLOW_INGRESS: &str = "pcizone-flow-checkout-to-vault-ingress";
pub const FLOW_EGRESS: &str = "pcizone-flow-checkout-to-vault-egress";
/// When a flow in a manifest ends.
const FAR: &str = "2099-04-01T00:00:00Z";

/// A zone of the sample shop: one flow, and the node pci-1. `names` is a YAML list.
pub fn zone(name: &str, mode: &str, names: &str) -> String {
    zone_of(name, mode, &format!("{{names: {names}}}"))
}

/// The same with another scope; `namespaces` is a YAML map.
pub fn zone_of(name: &str, mode: &str, namespaces: &str) -> String {
    let flow = flow("checkout-to-vault", 8443);
    let start = bare_zone(name, mode, namespaces);
    format!(
        "{start}  segmentation:
    flows:
{flow}  hosting:
    nodes: {{selector: {{matchLabels: {{node-restriction.kubernetes.io/pool: pci}}}}}}
"
    )
}

/// A zone without flows and nodes.
pub fn bare_zone(name: &str, mode: &str, namespaces: &str) -> String {
    format!(
        "apiVersion: pcizone.dev/v1alpha1
kind: PciZone
metadata: {{name: {name}}}
spec:
  mode: {mode}
  scope: {{namespaces: {namespaces}}}
"
    )
}

/// A flow from checkout to vault.
pub fn flow(name: &str, port: u16) -> String {
    format!(
        "    - name: {name}
      need: Checkout stores card numbers as tokens in the vault.
      owner: payments-team
      approvedBy: security@example.com
      ticket: PAY-1423
      reviewedAt: 2026-10-01T00:00:00Z
      expiresAt: {FAR}
      from: {{namespace: checkout, podSelector: {{matchLabels: {{app: checkout}}}}}}
      to: {{namespace: vault, podSelector: {{matchLabels: {{app: vault}}}}}}
      ports: [{{port: {port}}}]
"
    )
}

/// The status speaks of the present generation.
pub fn is_current(zone: &PciZone) -> bool {
    zone.status.as_ref().and_then(|status| status.observed_generation) == zone.metadata.generation
}

/// A condition has this status or this reason.
pub fn is(zone: &PciZone, kind: &str, word: &str) -> bool {
    zone.status.as_ref().is_some_and(|status| says(status, kind, word))
}

/// The same of a status alone.
pub fn says(status: &PciZoneStatus, kind: &str, word: &str) -> bool {
    condition(status, kind).is_some_and(|condition| condition.status == word || condition.reason == word)
}

/// A condition, if it is there.
pub fn condition<'a>(status: &'a PciZoneStatus, kind: &str) -> Option<&'a Condition> {
    status.conditions.iter().find(|condition| condition.type_ == kind)
}

/// The message of a condition; empty if there is none.
pub fn message<'a>(zone: &'a PciZone, kind: &str) -> &'a str {
    zone.status.as_ref().and_then(|status| condition(status, kind)).map_or("", |condition| &condition.message)
}

/// A change that opens something waits for its confirmation.
pub fn waits(zone: &PciZone) -> bool {
    is_current(zone) && is(zone, "Stalled", "ChangeNotConfirmed")
}

/// The evidence of a finding, if it is there.
pub fn evidence<'a>(zone: &'a PciZone, id: &str, subject: &str) -> Option<&'a str> {
    let mut findings = zone.status.iter().flat_map(|status| &status.top_findings);
    findings.find(|finding| finding.id == id && finding.subject == subject).map(|finding| finding.evidence.as_str())
}
