//! Accepted risks: findings that somebody decided to bear until a date.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{FindingId, segmentation::date_time};

/// Accepts what is violated, for a reason and until a date. Such findings stay in the list and are counted apart.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.owner) || self.owner != self.approvedBy")
        .message("exceptions: approvedBy must differ from owner; nobody accepts their own risk"),
)]
pub struct Exception {
    /// The id of the finding, as in `status.topFindings`. Example: `PodPlacementNotEnforced`. Only what is violated can be accepted:
    /// what is unproven stays unproven.
    #[schemars(schema_with = "acceptable")]
    pub finding: FindingId,
    /// The subject of the finding, as in `status.topFindings`; `*` stands for any characters but a slash. Examples:
    /// `Deployment/vault/vault`, `Pod/vault/*`.
    #[schemars(length(min = 1, max = 331), regex(pattern = r"^[A-Z][A-Za-z]*/.+$"))]
    pub subject: String,
    /// Why it has to be borne for now, and what limits the risk; at least a sentence of 20 characters.
    #[schemars(length(min = 20, max = 1024))]
    pub need: String,
    /// The targeted risk analysis that it rests on (PCI DSS 12.3.2): a number or a link. Example: `RA-17`.
    #[schemars(length(min = 1, max = 253))]
    pub risk_analysis: String,
    /// Who answers for getting rid of it: a team or a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub owner: Option<String>,
    /// Who accepted the risk; not the owner.
    #[schemars(length(min = 1, max = 253))]
    pub approved_by: String,
    /// When it ends, RFC 3339 with time zone. At this instant the finding is violated again. Example: `2027-04-01T00:00:00Z`.
    #[schemars(schema_with = "date_time")]
    pub expires_at: Time,
}

/// The ids of findings, and a rule that names those which nobody can accept.
fn acceptable(_: &mut SchemaGenerator) -> Schema {
    let ids: Vec<&str> = FindingId::ALL.iter().map(|id| id.as_str()).collect();
    let never = FindingId::ALL.iter().filter(|id| !id.is_acceptable());
    let never: Vec<&str> = never.map(|id| id.as_str()).collect();
    json_schema!({
        "type": "string",
        "enum": ids,
        "x-kubernetes-validations": [{
            "rule": format!("!(self in ['{}'])", never.join("', '")),
            "message": format!("exceptions: {} can never be accepted", never.join(", ")),
        }]
    })
}
