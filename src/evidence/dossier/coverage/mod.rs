//! What is looked at for each requirement, and what of it nobody here can see. The words are part of the evidence: who reads
//! that nothing was found has to know where nothing was looked for.

mod table;

use crate::api::FindingId;

use table::ALL;

/// How much of a requirement is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grade {
    /// All that a cluster can show of it: where nothing is found, that is proven.
    Whole,
    /// Some of it: where nothing is found, nothing is proven.
    Part,
    /// People say it, and only the dates are looked at.
    Attested,
}

/// What must be there, or there is nothing to judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// A pod of the zone.
    Pods,
    /// Nodes that the zone declares.
    Nodes,
    /// A binding of RBAC in what was judged.
    Bindings,
    /// A Service in what was judged.
    Services,
    /// An Ingress that leads into the zone.
    Ingresses,
    /// A pod that is labelled as a store of account data.
    Stores,
    /// A flow.
    Flows,
    /// The environment that the zone belongs to.
    Environment,
    /// The Pod Security Standard of the zone.
    PodSecurity,
    /// What may run in the zone.
    Scanning,
    /// Where the zone's logs go.
    Logging,
    /// An exception.
    Exceptions,
    /// A policy that comes before NetworkPolicies.
    AdminPolicies,
    /// Nodes in what was judged, where the zone declares some: else today's scope is not known.
    WholeScope,
    /// A confirmation of the scope.
    Confirmation,
    /// A cluster as it is, and not as the operator will make it.
    AsIs,
}

/// What a judgement rests on, and so what to look at to repeat it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Basis {
    /// The PciZone.
    Zone,
    /// The zone's namespaces.
    Namespaces,
    /// The policies in them.
    Policies,
    /// The zone's nodes.
    Nodes,
    /// Pods.
    Pods,
    /// Services and endpoints.
    Services,
    /// Routes.
    Routes,
    /// Roles and bindings.
    Access,
    /// What scanners report.
    Reports,
    /// Admission policies.
    Guards,
}

/// What is looked at for a requirement.
#[derive(Debug)]
pub(super) struct Coverage {
    /// Its number.
    pub(super) number: &'static str,
    /// How much of it.
    pub(super) grade: Grade,
    /// Findings that name other requirements, and without whose absence this one is not met either.
    pub(super) rests_on: &'static [FindingId],
    /// Without these nothing was judged.
    pub(super) needs: &'static [Need],
    /// Without these not all was judged.
    pub(super) needs_for_whole: &'static [Need],
    /// What is looked at.
    pub(super) looks_at: &'static str,
    /// What the requirement asks for besides, and is not looked at.
    pub(super) leaves: &'static str,
    /// What it rests on.
    pub(super) basis: &'static [Basis],
}

/// What is looked at for a requirement; `None` where nothing is.
pub(super) fn of(number: &str) -> Option<&'static Coverage> {
    ALL.iter().find(|coverage| coverage.number == number)
}

impl Need {
    /// What is to be said where it is not there.
    pub(super) fn missing(self) -> &'static str {
        match self {
            Need::Pods => "no pod of the zone was in what was judged",
            Need::Nodes => "the zone declares no nodes",
            Need::Bindings => "no role binding was in what was judged",
            Need::Services => "no Service was in what was judged",
            Need::Ingresses => "no Ingress that was judged leads into the zone",
            Need::Stores => "no pod of the zone is labelled pcizone.dev/role: chd-store",
            Need::Flows => "the zone declares no flow",
            Need::Environment => "the zone does not say which environment it belongs to",
            Need::PodSecurity => "the zone declares no Pod Security Standard",
            Need::Scanning => "the zone declares no scanning",
            Need::Logging => "the zone declares no logging",
            Need::Exceptions => "the zone has no exception",
            Need::AdminPolicies => "no policy that comes before NetworkPolicies was in what was judged",
            Need::Confirmation => "the scope was never confirmed, so there is nothing to compare with",
            Need::AsIs => "manifests were judged, which show no change by others",
            Need::WholeScope => "no node was in what was judged, so today's scope cannot be compared",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Control, EntityType, requirements};

    #[test]
    fn every_requirement_that_something_speaks_to_is_described_and_no_other() {
        let attested = Control::ALL.into_iter().flat_map(|control| control.requirements(EntityType::ServiceProvider));
        let spoken: Vec<&str> =
            FindingId::ALL.iter().flat_map(|id| id.requirements()).chain(attested).copied().collect();
        for requirement in requirements::ALL {
            let number = requirement.number;
            assert_eq!(of(number).is_some(), spoken.contains(&number), "{number}");
        }
        let known: Vec<&str> = requirements::ALL.iter().map(|one| one.number).collect();
        let place = |coverage: &Coverage| known.iter().position(|number| *number == coverage.number);
        assert!(ALL.windows(2).all(|pair| place(&pair[0]).is_some() && place(&pair[0]) < place(&pair[1])));
    }
}
