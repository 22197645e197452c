//! What belongs to a zone, and what people say about that.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Selector, segmentation::date_time};

/// What belongs to the zone.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scope {
    /// The namespaces of the zone: those named, and those the selector matches.
    pub namespaces: NamespaceScope,

    /// How the zone is in scope of PCI DSS. A `ConnectedTo` zone holds no account data: its flows cannot say `accountData: true`.
    #[serde(default)]
    pub category: Category,

    /// To which environment the zone belongs: `Production`, `Staging`, `Test` or `Development`. A flow between zones of different
    /// environments is a finding (PCI DSS 6.5.3); without it flows are not compared.
    // The schema of an `Option` of an enum has the enum's doc and refuses null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Environment")]
    pub environment: Option<Environment>,

    /// What the assessed entity is. Service providers confirm the scope and have the segmentation tested every 6 months, merchants
    /// every 12 (PCI DSS 11.4.6, 12.5.2.1).
    #[serde(default)]
    pub entity_type: EntityType,

    /// The last confirmation of the scope (PCI DSS 12.5.2). None, an old one, and one of another scope than today's are findings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<Confirmation>,
}

/// The terms of PCI scoping.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Category {
    /// It stores, processes or transmits account data.
    #[default]
    CardholderData,
    /// It holds no account data, and may talk to what does.
    ConnectedTo,
    /// It holds no account data, and what it does decides about the security of what does.
    SecurityImpacting,
}

/// Where in its life the software of a zone is.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Environment {
    /// It serves customers.
    Production,
    /// It is as production will be.
    Staging,
    /// It is tested.
    Test,
    /// It is written.
    Development,
}

impl Environment {
    /// The spelling in the spec.
    pub fn as_str(self) -> &'static str {
        match self {
            Environment::Production => "Production",
            Environment::Staging => "Staging",
            Environment::Test => "Test",
            Environment::Development => "Development",
        }
    }
}

/// Kinds of entities that PCI DSS tells apart.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntityType {
    /// It takes cards as payment.
    #[default]
    Merchant,
    /// It stores, processes or transmits account data for others, or could affect its security.
    ServiceProvider,
}

/// Somebody looked at the scope and found it right.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Confirmation {
    /// When it was confirmed, RFC 3339 with time zone. Older than 12 months (`ServiceProvider`: 6) is a finding. Example:
    /// `2026-10-01T00:00:00Z`.
    #[schemars(schema_with = "date_time")]
    pub confirmed_at: Time,
    /// Who confirmed it: a person or a role. Example: `scope-owner@example.com`.
    #[schemars(length(min = 1, max = 253))]
    pub confirmed_by: String,
    /// What was confirmed: `status.scope.digest` as it was then. Another one today is a finding.
    #[schemars(length(min = 71, max = 71), regex(pattern = r"^sha256:[0-9a-f]{64}$"))]
    pub digest: String,
}

/// Namespaces by name, by label, or both (union).
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.names) && size(self.names) > 0 || has(self.selector)")
        .message("spec.scope.namespaces: declare at least one namespace, by names or by selector")
        .reason(Reason::FieldValueRequired),
    validation = Rule::new("!has(self.names) || self.names.all(n, !(n in ['kube-system', 'kube-public', 'kube-node-lease', 'pcizone-system']))")
        .message("spec.scope.namespaces.names: kube-system, kube-public, kube-node-lease and pcizone-system are never members of a zone")
        .reason(Reason::FieldValueForbidden),
    validation = Rule::new("!has(self.selector) || (has(self.selector.matchLabels) && size(self.selector.matchLabels) > 0) || (has(self.selector.matchExpressions) && size(self.selector.matchExpressions) > 0)")
        .message("spec.scope.namespaces.selector: an empty selector would take in every namespace of the cluster; name a label")
        .reason(Reason::FieldValueInvalid),
)]
pub struct NamespaceScope {
    /// Names of namespaces, at most 5,000. A namespace that does not exist yet is protected when it appears.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 5000),
        inner(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub names: Vec<String>,

    /// Labels of namespaces. Example: `matchLabels: {team: payments}`. A namespace that stops to match keeps
    /// its protection until the change is confirmed. Whoever may label namespaces decides who is in scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<Selector>,
}
