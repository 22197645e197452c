//! Five things that go wrong in real clusters, and how each was repaired.

use std::time::Duration;

use anyhow::Context;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use pcizone::api::{Finding, PciZone};
use testbed::AuditEvent;

use super::{Stage, ZONE, show, whole_seconds};

/// How far ahead the last breakage lets a flow end.
const FLOW_ENDS_IN: SignedDuration = SignedDuration::from_secs(4);

/// Something that was broken and repaired.
pub(super) struct Repair {
    /// What was done.
    pub(super) broken: &'static str,
    /// What the operator did.
    pub(super) repaired: &'static str,
    /// From the answer to the one to the answer to the other.
    pub(super) took: Duration,
    /// Who did it, and how that is known.
    pub(super) author: String,
}

/// A request to the API server.
struct Request {
    verb: &'static str,
    resource: &'static str,
    namespace: &'static str,
    name: &'static str,
}

impl Request {
    fn is(&self, event: &AuditEvent) -> bool {
        let named = event.name.is_empty() || event.name == self.name;
        let object =
            event.resource == self.resource && event.namespace == self.namespace && event.subresource.is_empty();
        event.verb == self.verb && object && named && (200..300).contains(&event.code)
    }
}

struct Breakage {
    broken: &'static str,
    repaired: &'static str,
    command: &'static [&'static str],
    hostile: Request,
    repair: Request,
    /// The object in the zone's findings; `None` when only the audit log knows who did it.
    subject: Option<&'static str>,
}

const BREAKAGES: &[Breakage] = &[
    Breakage {
        broken: "deleted the policy that denies by default in vault",
        repaired: "created it again",
        command: &["delete", "networkpolicy", "--namespace", "vault", "pcizone-baseline"],
        hostile: Request { verb: "delete", resource: "networkpolicies", namespace: "vault", name: "pcizone-baseline" },
        repair: Request { verb: "create", resource: "networkpolicies", namespace: "vault", name: "pcizone-baseline" },
        subject: None,
    },
    Breakage {
        broken: "opened the flow into vault to everybody",
        repaired: "put the declared peers back",
        command: &[
            "patch",
            "networkpolicy",
            "--namespace=vault",
            "pcizone-flow-checkout-to-vault-ingress",
            "--type=json",
            r#"--patch=[{"op":"remove","path":"/spec/ingress/0/from"}]"#,
        ],
        hostile: Request {
            verb: "patch",
            resource: "networkpolicies",
            namespace: "vault",
            name: "pcizone-flow-checkout-to-vault-ingress",
        },
        repair: Request {
            verb: "update",
            resource: "networkpolicies",
            namespace: "vault",
            name: "pcizone-flow-checkout-to-vault-ingress",
        },
        subject: Some("NetworkPolicy/vault/pcizone-flow-checkout-to-vault-ingress"),
    },
    Breakage {
        broken: "removed the zone's taint from node pci-1",
        repaired: "tainted it again",
        command: &["taint", "node", "pci-1", "pcizone.dev/zone-"],
        hostile: Request { verb: "patch", resource: "nodes", namespace: "", name: "pci-1" },
        repair: Request { verb: "patch", resource: "nodes", namespace: "", name: "pci-1" },
        subject: Some("Node/pci-1"),
    },
    Breakage {
        broken: "rewrote the zone's label on node pci-2",
        repaired: "set the label again",
        command: &["label", "node", "pci-2", "node-restriction.kubernetes.io/pcizone=none", "--overwrite"],
        hostile: Request { verb: "patch", resource: "nodes", namespace: "", name: "pci-2" },
        repair: Request { verb: "patch", resource: "nodes", namespace: "", name: "pci-2" },
        subject: Some("Node/pci-2"),
    },
];

/// Breaks everything, one after the other.
pub(super) async fn all(stage: &Stage) -> anyhow::Result<Vec<Repair>> {
    let mut repairs = Vec::new();
    for breakage in BREAKAGES {
        show::text(&format!("  mallory {} …", breakage.broken));
        repairs.push(breakage.perform(stage).await.with_context(|| format!("when mallory {}", breakage.broken))?);
    }
    show::text("  and the flow to the acquirer reaches its end …");
    repairs.push(expiry(stage).await.context("when the flow to the acquirer ended")?);
    Ok(repairs)
}

fn is_operator(event: &AuditEvent) -> bool {
    event.user == "system:serviceaccount:pcizone-system:pcizone"
}

impl Breakage {
    async fn perform(&self, stage: &Stage) -> anyhow::Result<Repair> {
        let begin = Timestamp::now();
        stage.mallory.run(self.command).await?;
        let hostile =
            |event: &AuditEvent| event.user == "mallory" && event.received.0 >= begin && self.hostile.is(event);
        let broken = stage.wait_for_request(&format!("that mallory {}", self.broken), hostile).await?;
        let repair = |event: &AuditEvent| is_operator(event) && event.received.0 >= begin && self.repair.is(event);
        let repaired = stage.wait_for_request(&format!("that the operator {}", self.repaired), repair).await?;
        let author = match self.subject {
            None => None,
            Some(subject) => {
                let reported = |zone: &PciZone| tampering(zone, subject).is_some();
                stage.wait_for_zone("the zone reports it", reported).await?;
                let zone = stage.zone().await?;
                let evidence = tampering(&zone, subject).map(|finding| finding.evidence.clone()).unwrap_or_default();
                evidence.starts_with("field manager").then(|| format!("{evidence} (recorded on the object)"))
            }
        };
        let author = author.unwrap_or_else(|| format!("user {} (audit log; the object names nobody)", broken.user));
        Ok(Repair {
            broken: self.broken,
            repaired: self.repaired,
            took: between(broken.completed.0, repaired.completed.0),
            author,
        })
    }
}

/// The zone's finding about an object that was tampered with.
fn tampering<'a>(zone: &'a PciZone, subject: &str) -> Option<&'a Finding> {
    let findings = zone.status.iter().flat_map(|status| &status.top_findings);
    findings.into_iter().find(|finding| finding.id == "ManagedObjectTampered" && finding.subject == subject)
}

async fn expiry(stage: &Stage) -> anyhow::Result<Repair> {
    let begin = Timestamp::now();
    let ends = begin.checked_add(FLOW_ENDS_IN).context("the clock is at its end")?;
    let ends: Timestamp = whole_seconds(ends).parse().context("cannot read back a time")?;
    let zone = stage.zone().await?;
    let flows = &zone.spec.segmentation.flows;
    let index = flows.iter().position(|flow| flow.name == "acquirer").context("the example has no flow acquirer")?;
    let path = format!("/spec/segmentation/flows/{index}/expiresAt");
    let patch = serde_json::json!([{ "op": "replace", "path": path, "value": whole_seconds(ends) }]).to_string();
    stage.admin.run(&["patch", "pz", ZONE, "--type=json", "--patch", &patch]).await?;
    let closed = Request {
        verb: "delete",
        resource: "networkpolicies",
        namespace: "checkout",
        name: "pcizone-flow-acquirer-egress",
    };
    let is_closed = |event: &AuditEvent| is_operator(event) && event.received.0 >= begin && closed.is(event);
    let event = stage.wait_for_request("that the operator closed the flow to the acquirer", is_closed).await?;
    Ok(Repair {
        broken: "let the flow to the acquirer end",
        repaired: "closed it at that instant",
        took: between(ends, event.completed.0),
        author: format!("the flow's own date, {}", whole_seconds(ends)),
    })
}

fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or_default()
}
