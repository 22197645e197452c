//! Which images may run in the zone, how fresh their scans are, and by when what is known to be broken has to be mended.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Mode;

/// What may run in the zone (PCI DSS 6.3.1, 6.3.2, 6.3.3, 11.3.1). It holds for every container of the zone's pods: ordinary, init and
/// ephemeral ones.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.admission == 'References' || self.digests == 'Required'")
        .message("spec.scanning.admission: what a report says of an image holds for its digest, so anything but References needs digests: Required"),
)]
pub struct Scanning {
    /// Overrides `spec.mode` for this topic: `Observe`, `Warn` or `Enforce`. Without it `spec.mode` holds. It rests on the zone label of
    /// namespaces, so it needs a segmentation that is in force too.
    // The schema of an `Option` of an enum has the enum's doc and refuses null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Mode")]
    pub mode: Option<Mode>,

    /// Where images may come from, at most 64: a registry, or a registry and the start of a path in whole parts. `registry.example.com/pci` allows
    /// `registry.example.com/pci/app` and neither `registry.example.com/pci-test/app` nor `registry.example.com.evil.io/pci/app`. Images
    /// of the Docker Hub are below `docker.io`, those without an owner below `docker.io/library`. Without entries every registry is allowed,
    /// which is a finding.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 255), regex(pattern = REGISTRY)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub registries: Vec<String>,

    /// `Required` (the default): an image is named by its digest, since whoever may write to the registry decides what a tag means.
    #[serde(default)]
    pub digests: Digests,

    /// What is refused when a pod is made, beside what the first two say. `References` (the default): nothing. `Overdue`: images of which a
    /// report says that a fix is overdue. `Proven`: all images of which no report that is fresh enough says that none is; an image
    /// that nobody has scanned yet is refused too, and a scanner that stands still stops every new pod once its reports are too old.
    #[serde(default)]
    pub admission: ImageAdmission,

    /// What scanners report.
    #[serde(default)]
    pub reports: ImageReports,

    /// In how many days a fix has to be in place from the day on which it was known.
    #[serde(default)]
    pub fix_within_days: FixWithinDays,

    /// `Required` (the default): every image has a bill of materials (PCI DSS 6.3.2).
    #[serde(default)]
    pub sbom: Sbom,

    /// Who may have signed images, at most 32, as a report tells it in the property `signer` of a result that passes and names the image in
    /// `artifact.digest`. With entries, an image without such a result is a finding. Nothing here looks at signatures itself.
    /// Example: `https://gitlab.example.com/pci/app//.gitlab-ci.yml@refs/heads/main`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 512)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub signers: Vec<String>,

    /// Runtime classes by which the zone's pods may run, at most 16. With entries, pods of another class, or of none, are refused.
    /// Example: `gvisor`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        inner(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub runtime_classes: Vec<String>,
}

/// A registry is told from a path on the Docker Hub by a dot, a port, or the name `localhost`.
const REGISTRY: &str = r"^(localhost(:[0-9]{1,5})?|[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+(:[0-9]{1,5})?|[a-z0-9]([a-z0-9-]*[a-z0-9])?:[0-9]{1,5})(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$";

/// Whether images are named by digest.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Digests {
    /// They are.
    #[default]
    Required,
    /// A tag is enough.
    Optional,
}

/// What of reports is looked at when a pod is made; what refuses more is greater.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ImageAdmission {
    /// Nothing.
    #[default]
    References,
    /// Images with a fix that is overdue are refused.
    Overdue,
    /// Images that are not proven are refused.
    Proven,
}

/// Whether images need a bill of materials.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sbom {
    /// They do.
    #[default]
    Required,
    /// They do not.
    Optional,
}

/// What scanners report: `VulnerabilityReport` and `SbomReport` of the Trivy Operator, reports of `openreports.io` and `PolicyReport`s. They
/// are found by the kinds that are installed.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageReports {
    /// The ServiceAccounts that write reports, as `NAMESPACE/NAME`, at most 8. That others may write them is a finding: the zone rests on
    /// them. Example: `trivy-system/trivy-operator`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 8),
        inner(
            length(min = 3, max = 317),
            regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?/[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
        )
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub writers: Vec<String>,
    /// Days after which a scan says nothing any more: what became known since is not in it. Default: 7.
    #[serde(default = "default_age")]
    #[schemars(range(min = 1, max = 92))]
    pub max_age_days: i32,
}

impl Default for ImageReports {
    fn default() -> Self {
        ImageReports { writers: Vec::new(), max_age_days: default_age() }
    }
}

fn default_age() -> i32 {
    7
}

/// In how many days a fix has to be in place, by how bad what it mends is. The time begins when a report first names a fixed version. When
/// that was before reports were read here is not known: the day on which the vulnerability was published is the earliest it can have been.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FixWithinDays {
    /// Of critical ones. Default: 30, which is also the most (PCI DSS 6.3.3).
    #[serde(default = "default_critical")]
    #[schemars(range(min = 1, max = 30))]
    pub critical: i32,
    /// Of high ones. Default: 90.
    #[serde(default = "default_high")]
    #[schemars(range(min = 1, max = 366))]
    pub high: i32,
    /// Of medium ones. Without it they have no time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 366))]
    pub medium: Option<i32>,
    /// Of low ones. Without it they have no time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 366))]
    pub low: Option<i32>,
}

impl Default for FixWithinDays {
    fn default() -> Self {
        FixWithinDays { critical: default_critical(), high: default_high(), medium: None, low: None }
    }
}

fn default_critical() -> i32 {
    30
}

fn default_high() -> i32 {
    90
}
