//! Commands that show again what a verdict rests on. Exact: they are copied and run.

use k8s_openapi::jiff::Timestamp;

use super::{coverage::Basis, objects::split};
use crate::api::names;

/// Judges the same again.
pub(super) fn check(arguments: &str, now: Timestamp) -> String {
    let space = if arguments.is_empty() { "" } else { " " };
    format!("pcizone check{space}{arguments} --now {now} --output json")
}

/// What of that speaks to a requirement in a zone.
pub(super) fn filter(zone: &str, requirement: &str) -> String {
    format!(
        "jq '.zones[] | select(.name == \"{zone}\") | .findings[] | select(.requirements | index(\"{requirement}\"))'"
    )
}

/// Shows what a verdict about a zone rests on.
pub(super) fn show(zone: &str, basis: Basis) -> String {
    let what = match basis {
        Basis::Zone => return get("pcizones.pcizone.dev", zone),
        Basis::Namespaces => format!("namespaces --selector {}={zone}", names::ZONE_LABEL),
        Basis::Policies => "networkpolicies --all-namespaces".to_string(),
        Basis::Nodes => format!("nodes --selector {}={zone}", names::NODE_LABEL),
        Basis::Pods => "pods --all-namespaces".to_string(),
        Basis::Services => "services,endpointslices --all-namespaces".to_string(),
        Basis::Routes => "ingresses --all-namespaces".to_string(),
        Basis::Reports => "vulnerabilityreports,sbomreports --all-namespaces".to_string(),
        Basis::Access => "clusterroles,clusterrolebindings,roles,rolebindings --all-namespaces".to_string(),
        Basis::Guards => "validatingadmissionpolicies,validatingadmissionpolicybindings".to_string(),
    };
    format!("kubectl get {what} --output yaml")
}

fn get(resource: &str, name: &str) -> String {
    format!("kubectl get {resource} {} --output yaml", quoted(name))
}

/// A word as a shell reads it: users may be named by anything.
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Shows one object; `None` for what is no object of a cluster, such as a user.
pub(super) fn object(subject: &str) -> Option<String> {
    let (kind, namespace, name) = split(subject)?;
    let resource = match kind {
        "PciZone" => "pcizones.pcizone.dev".to_string(),
        "Exception" | "Attestation" | "User" | "Group" | "Flow" | "Image" => return None,
        "CalicoNetworkPolicy" => "networkpolicies.projectcalico.org".to_string(),
        "CalicoGlobalNetworkPolicy" => "globalnetworkpolicies.projectcalico.org".to_string(),
        kind => kind.to_lowercase(),
    };
    Some(match namespace {
        Some(namespace) => get(&format!("--namespace {} {resource}", quoted(namespace)), name),
        None => get(&resource, name),
    })
}
