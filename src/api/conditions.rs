//! Condition types and reasons of a PciZone: the words that dashboards and GitOps tools read.
//!
//! `Ready` says only that this generation is in place. Drift and findings go to `Compliant` and to the
//! topics, so that a finding never blocks a GitOps sync.

/// A condition of a PciZone. The order is the order in the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConditionType {
    /// This generation is in place. `False` or `Unknown` while it is not.
    Ready,
    /// `True`: all that is judged is proven, but for what was accepted. `False`: something is violated. `Unknown`: something is unproven.
    Compliant,
    /// The declared namespaces and nodes were found, and nobody else claims them.
    ScopeResolved,
    /// The declared policies are in place in every member namespace, and no other policy there allows anything.
    NetworkSegmented,
    /// Every node of the zone carries its label and taint, and no other node does.
    NodesDedicated,
    /// The canary's pods got through exactly where policies allow it, lately and since the last change.
    SegmentationProven,
    /// Every image of the zone's pods comes from where it may, has a fresh scan, and no fix of it is overdue.
    ImagesScanned,
    /// What the zone's pods write reaches stores that keep it long enough, and what watches at run time is there.
    LogsCollected,
    /// Present only while writes are under way (kstatus).
    Reconciling,
    /// Present only while the zone cannot go on by itself (kstatus).
    Stalled,
}

impl ConditionType {
    /// Every type.
    pub const ALL: [ConditionType; 10] = [
        ConditionType::Ready,
        ConditionType::Compliant,
        ConditionType::ScopeResolved,
        ConditionType::NetworkSegmented,
        ConditionType::NodesDedicated,
        ConditionType::SegmentationProven,
        ConditionType::ImagesScanned,
        ConditionType::LogsCollected,
        ConditionType::Reconciling,
        ConditionType::Stalled,
    ];

    /// True for the conditions that the operator writes; others may add their own.
    pub fn is_ours(kind: &str) -> bool {
        ConditionType::ALL.iter().any(|ours| ours.as_str() == kind)
    }

    /// The spelling in the status.
    pub fn as_str(self) -> &'static str {
        match self {
            ConditionType::Ready => "Ready",
            ConditionType::Compliant => "Compliant",
            ConditionType::ScopeResolved => "ScopeResolved",
            ConditionType::NetworkSegmented => "NetworkSegmented",
            ConditionType::NodesDedicated => "NodesDedicated",
            ConditionType::SegmentationProven => "SegmentationProven",
            ConditionType::ImagesScanned => "ImagesScanned",
            ConditionType::LogsCollected => "LogsCollected",
            ConditionType::Reconciling => "Reconciling",
            ConditionType::Stalled => "Stalled",
        }
    }
}

/// Why a condition has its status. One word, stable API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Everything that was declared is in place.
    InPlace,
    /// The mode is Observe: nothing is written.
    Observing,
    /// Writes are under way.
    Applying,
    /// The API server does not take a write; the message says which and why. It is tried again.
    WriteRefused,
    /// A change that opens something waits for the annotation `pcizone.dev/confirm-change`.
    ChangeNotConfirmed,
    /// Another zone holds a namespace or a node that this zone declares.
    ClaimedTwice,
    /// The operator lacks a right; the message names it.
    MissingRights,
    /// The object does not parse; the message says where.
    SpecInvalid,
    /// The deletion was confirmed and the protection is being removed.
    Releasing,
    /// Declared namespaces and nodes are all there.
    Resolved,
    /// The declaration matches nothing.
    MatchesNothing,
    /// Something that was declared does not exist yet.
    Missing,
    /// Reserved namespaces were matched and left out.
    LeftOut,
    /// The topic is not declared in the spec.
    NotDeclared,
    /// Somebody changed what is sealed, and nobody has acknowledged it.
    BreakGlassUsed,
    /// Something is violated; the findings say what.
    Violated,
    /// Nothing is violated, but something could not be proven.
    Unproven,
    /// What is violated is accepted by exceptions of the zone, and everything else is proven or in place.
    Accepted,
    /// Everything judged is proven.
    Proven,
    /// Nothing was tried on real nodes.
    NotTested,
    /// What was tried is too old, or something changed since.
    Stale,
}

impl Reason {
    /// The spelling in the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::InPlace => "InPlace",
            Reason::Observing => "Observing",
            Reason::Applying => "Applying",
            Reason::WriteRefused => "WriteRefused",
            Reason::ChangeNotConfirmed => "ChangeNotConfirmed",
            Reason::ClaimedTwice => "ClaimedTwice",
            Reason::MissingRights => "MissingRights",
            Reason::SpecInvalid => "SpecInvalid",
            Reason::Releasing => "Releasing",
            Reason::Resolved => "Resolved",
            Reason::MatchesNothing => "MatchesNothing",
            Reason::Missing => "Missing",
            Reason::LeftOut => "LeftOut",
            Reason::NotDeclared => "NotDeclared",
            Reason::BreakGlassUsed => "BreakGlassUsed",
            Reason::Violated => "Violated",
            Reason::Unproven => "Unproven",
            Reason::Accepted => "Accepted",
            Reason::Proven => "Proven",
            Reason::NotTested => "NotTested",
            Reason::Stale => "Stale",
        }
    }
}
