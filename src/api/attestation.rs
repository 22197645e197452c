//! Attestations: what no API shows and somebody says.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EntityType, segmentation::date_time};

/// Somebody says that a control outside the cluster was carried out. The operator looks only at the dates.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.validUntil > self.at")
        .message("attestations: validUntil must be later than at"),
    validation = Rule::new("!has(self.link) || isURL(self.link) && url(self.link).getScheme() == 'https' && url(self.link).getHost() != ''")
        .message("attestations: link is an address such as https://wiki.example.com/pci/training"),
)]
pub struct Attestation {
    /// What was carried out: `SecureCodingTraining` (PCI DSS 6.2.2), `CodeReview` (6.2.3), `StaticAnalysis` (6.2.3, 6.2.4),
    /// `ApiServerAudit` (10.2.1, 10.2.1.2), `PenetrationTest` (11.4.1 to 11.4.4) or `SegmentationTest` (11.4.5, service providers
    /// 11.4.6).
    pub control: Control,
    /// What was done and what came of it; at least a sentence of 20 characters.
    #[schemars(length(min = 20, max = 1024))]
    pub statement: String,
    /// Who says so: a person or a firm. Example: `qa-lead@example.com`.
    #[schemars(length(min = 1, max = 253))]
    pub by: String,
    /// When it was carried out, RFC 3339 with time zone. Example: `2026-10-01T00:00:00Z`.
    #[schemars(schema_with = "date_time")]
    pub at: Time,
    /// Until when it holds, RFC 3339 with time zone. From this instant on it is a finding, 30 days before it is told. Training and tests
    /// hold no longer than the standard says: twelve months, tests of the segmentation six for service providers. What is said of the
    /// API server's audit log holds twelve months too. Example:
    /// `2027-10-01T00:00:00Z`.
    #[schemars(schema_with = "date_time")]
    pub valid_until: Time,
    /// Where the evidence lies. Example: `https://wiki.example.com/pci/training`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub link: Option<String>,
}

/// Controls that people carry out.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Control {
    /// Who writes code was trained in writing it securely.
    SecureCodingTraining,
    /// Code was reviewed before its release.
    CodeReview,
    /// Code was looked at by a program that knows common faults.
    StaticAnalysis,
    /// The API server of the cluster records what users do, as who runs it shows.
    ApiServerAudit,
    /// Somebody tried to get in, from outside and from inside.
    PenetrationTest,
    /// Somebody tried to get across the segmentation.
    SegmentationTest,
}

impl Control {
    /// Every control.
    pub const ALL: [Control; 6] = [
        Control::SecureCodingTraining,
        Control::CodeReview,
        Control::StaticAnalysis,
        Control::ApiServerAudit,
        Control::PenetrationTest,
        Control::SegmentationTest,
    ];

    /// The spelling in the spec.
    pub fn as_str(self) -> &'static str {
        match self {
            Control::SecureCodingTraining => "SecureCodingTraining",
            Control::CodeReview => "CodeReview",
            Control::StaticAnalysis => "StaticAnalysis",
            Control::ApiServerAudit => "ApiServerAudit",
            Control::PenetrationTest => "PenetrationTest",
            Control::SegmentationTest => "SegmentationTest",
        }
    }

    /// After how many months it has to be attested again: those of the standard, and for the audit log a year, after which nobody
    /// remembers what a provider showed. `None` where nothing says that.
    pub fn months(self, entity: EntityType) -> Option<i32> {
        match (self, entity) {
            (Control::SegmentationTest, EntityType::ServiceProvider) => Some(6),
            (
                Control::SecureCodingTraining
                | Control::ApiServerAudit
                | Control::PenetrationTest
                | Control::SegmentationTest,
                _,
            ) => Some(12),
            (Control::CodeReview | Control::StaticAnalysis, _) => None,
        }
    }

    /// Requirements of PCI DSS v4.0.1 that it speaks to.
    pub fn requirements(self, entity: EntityType) -> &'static [&'static str] {
        match (self, entity) {
            (Control::SecureCodingTraining, _) => &["6.2.2"],
            (Control::CodeReview, _) => &["6.2.3"],
            (Control::StaticAnalysis, _) => &["6.2.3", "6.2.4"],
            (Control::ApiServerAudit, _) => &["10.2.1", "10.2.1.2"],
            (Control::PenetrationTest, _) => &["11.4.1", "11.4.2", "11.4.3", "11.4.4"],
            (Control::SegmentationTest, EntityType::Merchant) => &["11.4.5"],
            (Control::SegmentationTest, EntityType::ServiceProvider) => &["11.4.5", "11.4.6"],
        }
    }
}
