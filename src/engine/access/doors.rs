//! The rights that lead into a zone past every policy, and those by which it can be opened.

use std::fmt::Write;

use k8s_openapi::api::rbac::v1::PolicyRule;

use crate::{
    api::{FindingId, names},
    engine::{resolve::Zone, rights},
};

/// What a right lets its holder do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Door {
    /// Everything.
    Everything,
    /// Run commands in pods.
    Exec,
    /// Open connections into pods.
    PortForward,
    /// Reach pods and Services through the API server.
    Proxy,
    /// Reach all that kubelets offer.
    Kubelets,
    /// Add containers to pods that run.
    Debug,
    /// Say where Services lead.
    Endpoints,
    /// Change policies, or zones.
    Policies,
    /// Change labels of namespaces, and of nodes.
    Labels,
    /// Read Secrets.
    Secrets,
    /// Write what scanners report.
    Reports,
    /// Be somebody else, or grant what one does not have.
    Identity,
    /// Write Secrets.
    SecretWrites,
    /// Make or change pods, or what makes them.
    PodWrites,
}

impl Door {
    /// What is found where somebody may; `None` for what is told only of tokens on nodes outside.
    pub fn finding(self) -> Option<FindingId> {
        Some(match self {
            Door::Everything => FindingId::BlanketAdminBinding,
            Door::Exec => FindingId::ExecGranted,
            Door::PortForward => FindingId::PortForwardGranted,
            Door::Proxy => FindingId::PodOrServiceProxyGranted,
            Door::Kubelets => FindingId::NodesProxyGranted,
            Door::Debug => FindingId::DebugGranted,
            Door::Endpoints => FindingId::EndpointsWriteGranted,
            Door::Policies => FindingId::PolicyWriteGranted,
            Door::Labels => FindingId::NamespaceLabelWriteGranted,
            Door::Secrets => FindingId::SecretReadGranted,
            Door::Reports => FindingId::ScanEvidenceWritable,
            Door::Identity => FindingId::ImpersonateOrEscalateGranted,
            Door::SecretWrites | Door::PodWrites => return None,
        })
    }

    /// What its holder may do, in words.
    pub fn does(self) -> &'static str {
        match self {
            Door::Everything => "do everything",
            Door::Exec => "run commands in pods",
            Door::PortForward => "open connections into pods",
            Door::Proxy => "reach pods or Services through the API server",
            Door::Kubelets => "run commands in pods by way of their kubelets",
            Door::Debug => "add containers to running pods",
            Door::Endpoints => "say where Services lead",
            Door::Policies => "change policies or zones",
            Door::Labels => "change labels of namespaces or nodes",
            Door::Secrets => "read Secrets",
            Door::Reports => "write what scanners report",
            Door::Identity => "act as somebody else or grant what they do not have",
            Door::SecretWrites => "write Secrets",
            Door::PodWrites => "make or change pods",
        }
    }

    /// Whoever holds it can change what is in the zone, or what keeps it closed.
    pub fn changes(self) -> bool {
        match self {
            Door::Everything
            | Door::Policies
            | Door::Labels
            | Door::Identity
            | Door::SecretWrites
            | Door::PodWrites => true,
            Door::Exec
            | Door::PortForward
            | Door::Proxy
            | Door::Kubelets
            | Door::Debug
            | Door::Endpoints
            | Door::Secrets
            | Door::Reports => false,
        }
    }
}

/// Where objects of a kind are, and so which of them a grant may be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Within {
    /// Anywhere.
    Everywhere,
    /// In a namespace.
    Namespace,
    /// They are the namespaces: a request for one is a request within it.
    Namespaces,
    /// They are the nodes.
    Nodes,
    /// They are the nodes, as far as pods run there.
    Kubelets,
    /// They are the PciZones.
    Zones,
    /// In no namespace.
    Cluster,
    /// They are the signers of certificates.
    Signers,
}

/// A kind and the verbs on it that open a door.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Target {
    door: Door,
    group: &'static str,
    /// Plural, with the subresource behind a slash.
    resource: &'static str,
    /// At most eight.
    verbs: &'static [&'static str],
    within: Within,
}

const fn target(
    door: Door,
    group: &'static str,
    resource: &'static str,
    verbs: &'static [&'static str],
    within: Within,
) -> Target {
    Target { door, group, resource, verbs, within }
}

/// A WebSocket begins with a GET, other clients POST.
const CONNECT: &[&str] = &["get", "create"];
const HTTP: &[&str] = &["get", "create", "update", "patch", "delete"];
const ANY: &[&str] = &["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];
const CHANGE: &[&str] = &["update", "patch"];
const WRITE: &[&str] = &["create", "update", "patch"];
const WRITE_OR_DELETE: &[&str] = &["create", "update", "patch", "delete", "deletecollection"];
const READ: &[&str] = &["get", "list", "watch"];

const ADMISSION: &str = "admissionregistration.k8s.io";
const ANTREA: &str = "crd.antrea.io";
const CALICO: &str = "projectcalico.org";
const CALICO_CRD: &str = "crd.projectcalico.org";
const CILIUM: &str = "cilium.io";
const OPEN_REPORTS: &str = "openreports.io";
const POLICY_REPORTS: &str = "wgpolicyk8s.io";
const RBAC: &str = "rbac.authorization.k8s.io";
const TRIVY: &str = "aquasecurity.github.io";
const UPSTREAM: &str = "policy.networking.k8s.io";

/// Each kind and each verb that opens a door.
static TARGETS: &[Target] = &[
    target(Door::Everything, "*", "*", &["*"], Within::Everywhere),
    target(Door::Exec, "", "pods/exec", CONNECT, Within::Namespace),
    target(Door::Exec, "", "pods/attach", CONNECT, Within::Namespace),
    target(Door::PortForward, "", "pods/portforward", CONNECT, Within::Namespace),
    target(Door::Proxy, "", "pods/proxy", HTTP, Within::Namespace),
    target(Door::Proxy, "", "services/proxy", HTTP, Within::Namespace),
    target(Door::Kubelets, "", "nodes/proxy", ANY, Within::Kubelets),
    target(Door::Debug, "", "pods/ephemeralcontainers", CHANGE, Within::Namespace),
    target(Door::Endpoints, "", "endpoints", WRITE, Within::Namespace),
    target(Door::Endpoints, "discovery.k8s.io", "endpointslices", WRITE, Within::Namespace),
    target(Door::Policies, "networking.k8s.io", "networkpolicies", WRITE_OR_DELETE, Within::Namespace),
    target(Door::Policies, names::GROUP, "pcizones", WRITE_OR_DELETE, Within::Zones),
    target(Door::Policies, ADMISSION, "validatingadmissionpolicies", WRITE_OR_DELETE, Within::Cluster),
    target(Door::Policies, ADMISSION, "validatingadmissionpolicybindings", WRITE_OR_DELETE, Within::Cluster),
    target(Door::Policies, ADMISSION, "mutatingadmissionpolicies", WRITE_OR_DELETE, Within::Cluster),
    target(Door::Policies, ADMISSION, "mutatingadmissionpolicybindings", WRITE_OR_DELETE, Within::Cluster),
    target(Door::Policies, UPSTREAM, "clusternetworkpolicies", WRITE_OR_DELETE, Within::Cluster),
    target(Door::Policies, UPSTREAM, "adminnetworkpolicies", WRITE_OR_DELETE, Within::Cluster),
    target(Door::Policies, UPSTREAM, "baselineadminnetworkpolicies", WRITE_OR_DELETE, Within::Cluster),
    target(Door::Policies, CILIUM, "ciliumnetworkpolicies", WRITE_OR_DELETE, Within::Namespace),
    target(Door::Policies, CILIUM, "ciliumclusterwidenetworkpolicies", WRITE_OR_DELETE, Within::Cluster),
    target(Door::Policies, CILIUM, "ciliumcidrgroups", WRITE_OR_DELETE, Within::Cluster),
    target(Door::Policies, CALICO, "networkpolicies", WRITE_OR_DELETE, Within::Namespace),
    target(Door::Policies, CALICO, "globalnetworkpolicies", WRITE_OR_DELETE, Within::Cluster),
    target(Door::Policies, CALICO, "globalnetworksets", WRITE_OR_DELETE, Within::Cluster),
    target(Door::Policies, CALICO, "tiers", WRITE_OR_DELETE, Within::Cluster),
    target(Door::Policies, CALICO_CRD, "networkpolicies", WRITE_OR_DELETE, Within::Namespace),
    target(Door::Policies, CALICO_CRD, "globalnetworkpolicies", WRITE_OR_DELETE, Within::Cluster),
    target(Door::Policies, CALICO_CRD, "globalnetworksets", WRITE_OR_DELETE, Within::Cluster),
    target(Door::Policies, CALICO_CRD, "tiers", WRITE_OR_DELETE, Within::Cluster),
    target(Door::Policies, ANTREA, "networkpolicies", WRITE_OR_DELETE, Within::Namespace),
    target(Door::Policies, ANTREA, "clusternetworkpolicies", WRITE_OR_DELETE, Within::Cluster),
    target(Door::Reports, TRIVY, "vulnerabilityreports", WRITE_OR_DELETE, Within::Namespace),
    target(Door::Reports, TRIVY, "sbomreports", WRITE_OR_DELETE, Within::Namespace),
    target(Door::Reports, TRIVY, "clustervulnerabilityreports", WRITE_OR_DELETE, Within::Cluster),
    target(Door::Reports, TRIVY, "clustersbomreports", WRITE_OR_DELETE, Within::Cluster),
    target(Door::Reports, OPEN_REPORTS, "reports", WRITE_OR_DELETE, Within::Namespace),
    target(Door::Reports, OPEN_REPORTS, "clusterreports", WRITE_OR_DELETE, Within::Cluster),
    target(Door::Reports, POLICY_REPORTS, "policyreports", WRITE_OR_DELETE, Within::Namespace),
    target(Door::Reports, POLICY_REPORTS, "clusterpolicyreports", WRITE_OR_DELETE, Within::Cluster),
    // Labels can be changed by way of the status, too.
    target(Door::Labels, "", "namespaces", CHANGE, Within::Namespaces),
    target(Door::Labels, "", "namespaces/status", CHANGE, Within::Namespaces),
    target(Door::Labels, "", "namespaces/finalize", CHANGE, Within::Namespaces),
    target(Door::Labels, "", "nodes", CHANGE, Within::Nodes),
    target(Door::Labels, "", "nodes/status", CHANGE, Within::Nodes),
    target(Door::Secrets, "", "secrets", READ, Within::Namespace),
    target(Door::Identity, "", "users", &["impersonate"], Within::Cluster),
    target(Door::Identity, "", "groups", &["impersonate"], Within::Cluster),
    target(Door::Identity, "", "serviceaccounts", &["impersonate"], Within::Namespace),
    target(Door::Identity, "", "serviceaccounts/token", &["create"], Within::Namespace),
    target(Door::Identity, RBAC, "roles", &["bind", "escalate"], Within::Namespace),
    target(Door::Identity, RBAC, "clusterroles", &["bind"], Within::Namespace),
    target(Door::Identity, RBAC, "clusterroles", &["escalate"], Within::Cluster),
    target(Door::Identity, "certificates.k8s.io", "signers", &["approve", "sign"], Within::Signers),
    target(Door::SecretWrites, "", "secrets", WRITE, Within::Namespace),
    target(Door::PodWrites, "", "pods", WRITE, Within::Namespace),
    target(Door::PodWrites, "", "replicationcontrollers", WRITE, Within::Namespace),
    target(Door::PodWrites, "apps", "daemonsets", WRITE, Within::Namespace),
    target(Door::PodWrites, "apps", "deployments", WRITE, Within::Namespace),
    target(Door::PodWrites, "apps", "replicasets", WRITE, Within::Namespace),
    target(Door::PodWrites, "apps", "statefulsets", WRITE, Within::Namespace),
    target(Door::PodWrites, "batch", "cronjobs", WRITE, Within::Namespace),
    target(Door::PodWrites, "batch", "jobs", WRITE, Within::Namespace),
];

/// Signers whose certificates the API server takes as proof of who somebody is.
const SIGNERS: [&str; 3] =
    ["kubernetes.io/*", "kubernetes.io/kube-apiserver-client", "kubernetes.io/kube-apiserver-client-kubelet"];

/// What a role grants that opens a door.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Grant {
    target: &'static Target,
    /// Which of the target's verbs, a bit for each.
    verbs: u8,
    /// Only on objects of these names; of any where there are none.
    names: Box<[Box<str>]>,
}

impl Grant {
    /// The door that it opens.
    pub fn door(&self) -> Door {
        self.target.door
    }

    /// It may be about something of the zone, granted in the whole cluster or in this namespace of it.
    pub fn reaches(&self, namespace: Option<&str>, name: &str, zone: &Zone) -> bool {
        let is_named = |name: &str| self.names.is_empty() || self.names.iter().any(|one| **one == *name);
        let nodes = || zone.nodes.declared.union(&zone.nodes.held);
        let namespaces = || zone.namespaces.declared.union(&zone.namespaces.held);
        match (self.target.within, namespace) {
            (Within::Everywhere | Within::Namespace, _) | (Within::Cluster | Within::Signers, None) => true,
            (Within::Namespaces, Some(namespace)) => is_named(namespace),
            (Within::Namespaces, None) => namespaces().any(|namespace| is_named(namespace)),
            (Within::Nodes, None) => nodes().any(|node| is_named(node)),
            // A zone without nodes of its own has its pods on any.
            (Within::Kubelets, None) => nodes().next().is_none() || nodes().any(|node| is_named(node)),
            (Within::Zones, None) => is_named(name),
            (Within::Nodes | Within::Kubelets | Within::Zones | Within::Cluster | Within::Signers, Some(_)) => false,
        }
    }

    /// It in words, such as `get,create pods/exec`.
    pub fn words(&self) -> String {
        let verbs: Vec<&str> = self.verbs().collect();
        let mut words = rights::words(self.target.group, self.target.resource, &verbs.join(","));
        if let Some((first, others)) = self.names.split_first() {
            let _ = write!(words, " named {first}");
            if !others.is_empty() {
                let _ = write!(words, " or {} more", others.len());
            }
        }
        words
    }

    fn verbs(&self) -> impl Iterator<Item = &'static str> {
        let granted = |bit: usize| self.verbs >> bit & 1 == 1;
        self.target.verbs.iter().enumerate().filter(move |(bit, _)| granted(*bit)).map(|(_, verb)| *verb)
    }
}

impl Target {
    /// As Kubernetes reads a rule. A name in it fits no request that names no object.
    fn granted(&'static self, rule: &PolicyRule) -> Option<Grant> {
        let has = |list: &[String], name: &str| list.iter().any(|entry| entry == name || entry == "*");
        let of_all = |entry: &String| {
            let subresource = self.resource.split_once('/').map(|(_, subresource)| subresource);
            subresource.is_some() && entry.strip_prefix("*/") == subresource
        };
        let resources = rule.resources.as_deref().unwrap_or_default();
        let is_meant = has(rule.api_groups.as_deref().unwrap_or_default(), self.group)
            && (has(resources, self.resource) || resources.iter().any(of_all));
        let names = rule.resource_names.as_deref().unwrap_or_default();
        let is_named = !names.is_empty();
        if !is_meant || is_named && self.within == Within::Everywhere {
            return None;
        }
        let names: Box<[Box<str>]> = match self.within {
            Within::Signers => {
                names.iter().filter(|name| SIGNERS.contains(&name.as_str())).map(|name| name.as_str().into()).collect()
            }
            _ => names.iter().map(|name| name.as_str().into()).collect(),
        };
        let nameless = is_named && !self.resource.contains('/');
        let fits = |verb: &str| has(&rule.verbs, verb) && !(nameless && ["create", "deletecollection"].contains(&verb));
        let verbs = self.verbs.iter().enumerate().filter(|(_, verb)| fits(verb));
        let verbs = verbs.fold(0, |verbs, (bit, _)| verbs | 1 << bit);
        (verbs != 0 && (!is_named || !names.is_empty())).then_some(Grant { target: self, verbs, names })
    }
}

/// What rules grant that opens a door.
pub(super) fn granted(rules: &[PolicyRule]) -> Vec<Grant> {
    let all = rules.iter().flat_map(|rule| TARGETS.iter().filter_map(|target| target.granted(rule)));
    brief(all.collect())
}

/// The same in few, sorted: each once, nothing besides everything, and no name where any will do.
pub(super) fn brief(mut all: Vec<Grant>) -> Vec<Grant> {
    for grant in &mut all {
        grant.names.sort();
    }
    all.sort_by(|a, b| (a.target, &a.names).cmp(&(b.target, &b.names)));
    if let Some(everything) = all.iter().find(|grant| grant.door() == Door::Everything) {
        return vec![everything.clone()];
    }
    let mut brief: Vec<Grant> = Vec::new();
    for mut grant in all {
        let unnamed = brief.iter().filter(|one| one.target == grant.target && one.names.is_empty());
        let known = unnamed.fold(0, |verbs, one| verbs | one.verbs);
        if !grant.names.is_empty() {
            grant.verbs &= !known;
        }
        match brief.last_mut() {
            _ if grant.verbs == 0 => {}
            Some(last) if last.target == grant.target && last.names == grant.names => last.verbs |= grant.verbs,
            _ => brief.push(grant),
        }
    }
    brief
}
