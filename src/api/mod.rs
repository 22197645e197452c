//! The PciZone object as users write and read it.
//!
//! Shapes, limits and rules only: nothing here decides, and nothing here talks to a cluster.
//! The field docs are user documentation: they become `kubectl explain pz`.

mod attestation;
mod conditions;
mod crd;
mod exception;
mod finding;
mod hosting;
mod logging;
pub mod names;
pub mod requirements;
mod scanning;
mod scope;
mod segmentation;
mod selector;
mod status;
mod zone;

pub use attestation::{Attestation, Control};
pub use conditions::{ConditionType, Reason};
pub use crd::crd;
pub use exception::Exception;
pub use finding::{Finding, FindingId, FindingState, Severity};
pub use hosting::{Admit, Hosting, Nodes, PodSecurity, TaintEffect};
pub use logging::{
    ApiAudit, Elastic, Falco, Forwarder, ForwarderKind, Linger, Logging, Loki, NodeAgent, Otlp, Retention,
    RuntimeSensor, Sink, SinkAuthentication, Source, Splunk, StandardOutput, Store, StoreKind, Stream, Trust,
};
pub use scanning::{Digests, FixWithinDays, ImageAdmission, ImageReports, Sbom, Scanning};
pub use scope::{Category, Confirmation, EntityType, Environment, NamespaceScope, Scope};
pub use segmentation::{Canary, CanaryState, Dns, Flow, Peer, Port, Protocol, Segmentation};
pub use selector::{Operator, Requirement, Selector};
pub use status::{
    BreakGlassUse, Change, ControlFailure, FindingCounts, ImagesStatus, LogsStatus, Obligation, PciZoneStatus, Plan,
    ScopeStatus, SegmentationTest, StoreStatus, TestFailure, TestResult, TestedPair,
};
pub use zone::{Mode, PciZone, PciZoneSpec};
