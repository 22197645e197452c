//! The list: requirement by requirement, what is looked at and what is not.

use super::{Basis, Coverage, Grade, Need};
use crate::api::FindingId;

/// What is open is what policies say only where the network plug-in enforces them.
const ENFORCEMENT: &[FindingId] = &[
    FindingId::CniNoEnforcement,
    FindingId::CniEnforcementUnproven,
    FindingId::SegmentationProbeFailed,
    FindingId::SegmentationProbeStale,
];

const fn part(
    number: &'static str,
    needs: &'static [Need],
    basis: &'static [Basis],
    looks_at: &'static str,
    leaves: &'static str,
) -> Coverage {
    Coverage { number, grade: Grade::Part, rests_on: &[], needs, needs_for_whole: &[], looks_at, leaves, basis }
}

const fn attested(number: &'static str, looks_at: &'static str) -> Coverage {
    let leaves = "Whether what was attested is true, and whether it was enough.";
    let basis = &[Basis::Zone];
    Coverage {
        number,
        grade: Grade::Attested,
        rests_on: &[],
        needs: &[],
        needs_for_whole: &[],
        looks_at,
        leaves,
        basis,
    }
}

const DATES: &str = "The dates of attestations in the zone.";

/// In the order of the standard.
pub(super) const ALL: &[Coverage] = &[
    part(
        "1.2.1",
        &[Need::AdminPolicies],
        &[Basis::Policies],
        "Whether cluster-wide policies of one priority contradict each other about the zone.",
        "The written rules themselves, and whether they are kept up to date.",
    ),
    part(
        "1.2.2",
        &[Need::Bindings],
        &[Basis::Zone, Basis::Policies, Basis::Access],
        "Policies that open what no flow declares; who may write policies, zones and their scope, by RBAC. Each flow names a ticket and an approver who is not its owner.",
        "Whether the ticket exists and the approval was given; changes of controls outside the cluster.",
    ),
    Coverage {
        number: "1.2.5",
        grade: Grade::Whole,
        rests_on: ENFORCEMENT,
        needs: &[],
        needs_for_whole: &[Need::Services],
        looks_at: "Everything that NetworkPolicies, ClusterNetworkPolicies and the policies of Cilium and Calico let through for pods of the zone, minus what its flows declare; each flow has a need, an owner, an approver and an end.",
        leaves: "Whether a need is a good one; controls outside the cluster; policies of other network plug-ins; protocols besides TCP, UDP and SCTP.",
        basis: &[Basis::Zone, Basis::Namespaces, Basis::Policies],
    },
    part(
        "1.2.6",
        &[Need::Flows],
        &[Basis::Zone],
        "Whether a flow opens a port that plain-text services are known by, without saying what protects it.",
        "What is really spoken on a port; whether the mitigation is in place.",
    ),
    Coverage {
        number: "1.2.7",
        grade: Grade::Part,
        rests_on: &[],
        needs: &[Need::Flows],
        needs_for_whole: &[],
        looks_at: "The dates of the last review and of the end of every flow, and flows that another one makes needless.",
        leaves: "Whether the review took place and was thorough; policies that no flow declares, which have no date; controls outside the cluster.",
        basis: &[Basis::Zone],
    },
    part(
        "1.2.8",
        &[Need::Bindings],
        &[Basis::Policies, Basis::Namespaces, Basis::Access, Basis::Guards],
        "Whether the policies in force are those declared; who may change policies, endpoints and labels, by RBAC; endpoints and labels that others wrote.",
        "Whoever is let in by other authorizers than RBAC; who is in a group; controls outside the cluster.",
    ),
    Coverage {
        number: "1.3.1",
        grade: Grade::Whole,
        rests_on: ENFORCEMENT,
        needs: &[],
        needs_for_whole: &[Need::Bindings, Need::Services],
        looks_at: "Whether every pod of the zone is isolated for what it receives, and lets in only what flows declare; ways past policies: host networks, second interfaces, node ports, endpoints and grants of others, and the API server.",
        leaves: "What comes from a pod's own node, which no policy denies; ICMP; the network around the cluster.",
        basis: &[Basis::Namespaces, Basis::Policies, Basis::Pods, Basis::Services, Basis::Access],
    },
    Coverage {
        number: "1.3.2",
        grade: Grade::Whole,
        rests_on: ENFORCEMENT,
        needs: &[],
        needs_for_whole: &[Need::Services],
        looks_at: "Whether every pod of the zone is isolated for what it sends, and may send only what flows declare and DNS; metadata services; Services that take addresses which flows lead to.",
        leaves: "What leaves by DNS, which is open on purpose; ICMP; the network around the cluster.",
        basis: &[Basis::Namespaces, Basis::Policies, Basis::Pods, Basis::Services],
    },
    Coverage {
        rests_on: ENFORCEMENT,
        ..part(
            "1.4.1",
            &[],
            &[Basis::Policies, Basis::Nodes, Basis::Pods],
            "Whether policies stand around every pod of the zone, strangers are on its nodes, pods use the network of their node, and the network plug-in is one that is known to enforce nothing.",
            "Firewalls and networks around the cluster.",
        )
    },
    part(
        "1.4.2",
        &[Need::Services],
        &[Basis::Zone, Basis::Services, Basis::Routes, Basis::Pods],
        "Node ports, load balancers, external addresses, host ports, Ingresses and routes of the Gateway API that lead into the zone, and whether a flow declares each.",
        "What stands before a load balancer, settings in annotations of a cloud, routes of other kinds.",
    ),
    part(
        "1.4.3",
        &[Need::Pods],
        &[Basis::Pods, Basis::Services],
        "Pods of the zone that may write any packet (capabilities), and Services that take addresses of others for themselves.",
        "Whether the network drops forged addresses.",
    ),
    Coverage {
        rests_on: ENFORCEMENT,
        ..part(
            "1.4.4",
            &[Need::Stores],
            &[Basis::Pods, Basis::Policies, Basis::Services, Basis::Routes],
            "What from outside the zones reaches pods with the label pcizone.dev/role: chd-store.",
            "Stores that do not carry the label, and those outside the cluster.",
        )
    },
    part(
        "2.2.1",
        &[Need::PodSecurity],
        &[Basis::Namespaces, Basis::Nodes],
        "Whether the zone's namespaces are held to the declared Pod Security Standard, and static pods on its nodes.",
        "The hardening of nodes, images and everything else.",
    ),
    part(
        "2.2.3",
        &[Need::Nodes],
        &[Basis::Zone, Basis::Nodes, Basis::Pods, Basis::Access],
        "Whether the zone's pods, and only they and what is admitted, are on its nodes; what pods there share with the node; tokens elsewhere that can change the zone.",
        "What persistent volumes lead to; how well containers and virtual machines are kept apart.",
    ),
    part(
        "2.2.4",
        &[Need::Pods],
        &[Basis::Policies, Basis::Pods],
        "Rules without ports, and system pods on the zone's nodes that nobody gave a reason for.",
        "Services and functions inside of containers and nodes.",
    ),
    part(
        "2.2.5",
        &[Need::Flows],
        &[Basis::Zone],
        "Whether a flow opens a port that plain-text services are known by, without saying what protects it.",
        "What is really spoken on a port; whether the mitigation is in place.",
    ),
    part(
        "2.2.6",
        &[Need::Pods],
        &[Basis::Pods],
        "Privileged containers in the zone and on its nodes, and capabilities of the zone's containers.",
        "All other security settings.",
    ),
    part(
        "2.2.7",
        &[Need::Ingresses],
        &[Basis::Routes],
        "Whether declared Ingresses serve their hosts by TLS.",
        "Administration by any other way.",
    ),
    part(
        "4.2.1",
        &[Need::Ingresses],
        &[Basis::Routes],
        "Whether declared Ingresses serve their hosts by TLS.",
        "Versions, ciphers and certificates; routes of the Gateway API; what the zone sends out.",
    ),
    attested("6.2.2", DATES),
    attested("6.2.3", DATES),
    attested("6.2.4", DATES),
    part(
        "6.5.1",
        &[Need::Pods, Need::Bindings],
        &[Basis::Pods, Basis::Access],
        "Pods that got to a node past the scheduler or from a file, containers added to pods that run, and who may add them.",
        "The procedure by which changes are made.",
    ),
    part(
        "6.5.2",
        &[Need::Confirmation, Need::WholeScope],
        &[Basis::Zone],
        "Whether the scope is the one that was confirmed last.",
        "Whether all requirements were confirmed after a change.",
    ),
    part(
        "6.5.3",
        &[Need::Environment],
        &[Basis::Zone],
        "Flows between zones of different environments.",
        "Access of people; environments that are no zones.",
    ),
    part(
        "7.2.1",
        &[Need::Bindings],
        &[Basis::Access],
        "Who may do everything, and who may change what is sealed by a wildcard or did so.",
        "The model of access itself; access to anything but the API server.",
    ),
    part(
        "7.2.2",
        &[Need::Bindings],
        &[Basis::Access],
        "Who may run commands in pods of the zone, open connections into them, add containers, or read Secrets.",
        "Whether a role needs that; rights by other authorizers than RBAC.",
    ),
    part(
        "7.2.5",
        &[Need::Bindings],
        &[Basis::Access, Basis::Pods],
        "Rights to act as others, to reach kubelets, or to change the zone from a node outside it; the operator's own rights.",
        "Accounts outside the API server; whether an application needs what it has.",
    ),
    part(
        "8.2.2",
        &[Need::Bindings],
        &[Basis::Access],
        "Who may do everything in the cluster.",
        "Who shares an account.",
    ),
    part(
        "8.6.1",
        &[Need::Bindings, Need::Pods],
        &[Basis::Access, Basis::Pods],
        "Who may run commands in pods of the zone, and containers that were added to pods that run.",
        "Other use of system accounts by people.",
    ),
    part(
        "10.2.1.2",
        &[Need::Bindings],
        &[Basis::Access, Basis::Pods],
        "Ways of administration that the audit log of the API server does not show.",
        "Whether audit logs are on, and what they hold.",
    ),
    part(
        "10.3.2",
        &[Need::Pods],
        &[Basis::Pods],
        "Pods of the zone, or on its nodes, that mount files of the node, among which are logs.",
        "Where audit logs go and who can change them there.",
    ),
    part(
        "10.7.2",
        &[],
        &[Basis::Guards, Basis::Nodes],
        "Whether the network plug-in is known to enforce nothing, or was tested; failures of the operator and of its admission policies, where it told them.",
        "Failures of all other security controls.",
    ),
    part(
        "10.7.3",
        &[],
        &[Basis::Zone],
        "Whether failures of segmentation that the canary saw have ended, and whether somebody told why.",
        "Whether the cause is the true one, and what was done about it; failures of all other security controls.",
    ),
    attested("11.4.1", DATES),
    attested("11.4.2", DATES),
    attested("11.4.3", DATES),
    attested("11.4.4", DATES),
    attested(
        "11.4.5",
        "The dates of attestations in the zone, and whether the network plug-in was tested to enforce policies.",
    ),
    attested("11.4.6", DATES),
    part(
        "11.5.2",
        &[Need::AsIs],
        &[Basis::Policies, Basis::Nodes, Basis::Guards],
        "Changes of the operator's own objects by others, while it ran, and static pods: configuration, not files.",
        "Changes of files in containers and on nodes.",
    ),
    part(
        "12.3.2",
        &[Need::Exceptions],
        &[Basis::Zone],
        "The dates of exceptions, each of which names its risk analysis, and whether each still accepts something.",
        "The risk analyses themselves.",
    ),
    part(
        "12.5.1",
        &[],
        &[Basis::Zone, Basis::Namespaces, Basis::Nodes],
        "Namespaces and nodes that are declared and not there, there and not declared, or declared twice.",
        "Everything in scope that is no namespace or node.",
    ),
    Coverage {
        number: "12.5.2",
        grade: Grade::Whole,
        rests_on: &[],
        needs: &[],
        needs_for_whole: &[Need::WholeScope, Need::Nodes, Need::Bindings],
        looks_at: "Whether the scope was confirmed in time and is still the one that was confirmed; namespaces, pods and nodes that came into contact with it without being declared.",
        leaves: "Whether the confirmation was made with care; what is in scope outside the cluster.",
        basis: &[Basis::Zone, Basis::Namespaces, Basis::Nodes, Basis::Pods],
    },
    Coverage {
        number: "12.5.2.1",
        grade: Grade::Whole,
        rests_on: &[FindingId::ScopeChangedSinceConfirmation],
        needs: &[],
        needs_for_whole: &[Need::WholeScope],
        looks_at: "Whether the scope was confirmed in time and is still the one that was confirmed.",
        leaves: "Whether the confirmation was made with care; what is in scope outside the cluster.",
        basis: &[Basis::Zone],
    },
];
