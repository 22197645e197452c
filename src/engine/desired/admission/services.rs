//! Ways around a NetworkPolicy that lie in Services: doors on the nodes, aliases, and addresses written by hand
//! (PCI DSS 1.4.1, 1.4.2).

use std::collections::BTreeSet;

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement},
    jiff::Timestamp,
};

use super::{
    Surroundings, cel,
    draft::{Draft, Refusal},
};
use crate::{
    api::{FindingId, Flow},
    engine::declaration::Declaration,
};

/// The accounts of the controllers that write endpoints from what runs.
const WRITERS: [&str; 5] = [
    "system:apiserver",
    "system:kube-controller-manager",
    "system:serviceaccount:kube-system:endpoint-controller",
    "system:serviceaccount:kube-system:endpointslice-controller",
    "system:serviceaccount:kube-system:endpointslicemirroring-controller",
];

const SELECTOR: &str = "object.spec.?selector.orValue({})";

/// The pods of such a Service are all among those of the flow: its selector equals the flow's or narrows it.
fn narrows(selector: &LabelSelector) -> String {
    // Read as labels, a Service's selector says what all its pods have. What it does not name, they may have or not.
    let sure = |requirement: &LabelSelectorRequirement| match requirement.operator.as_str() {
        "NotIn" => {
            let key = cel::text(&requirement.key);
            let values = requirement.values.iter().flatten().map(String::as_str);
            format!("({key} in {SELECTOR} && !({SELECTOR}[{key}] in {}))", cel::list(values))
        }
        "DoesNotExist" => "false".to_string(),
        _ => {
            let one = LabelSelector { match_labels: None, match_expressions: Some(vec![requirement.clone()]) };
            cel::matches(SELECTOR, &one)
        }
    };
    let labels = LabelSelector { match_labels: selector.match_labels.clone(), match_expressions: None };
    let further = selector.match_expressions.iter().flatten().map(sure);
    let all: Vec<String> = [cel::matches(SELECTOR, &labels)].into_iter().chain(further).collect();
    format!("({})", all.join(" && "))
}

/// The Service is the door of a flow from the internet.
fn is_declared(flow: &Flow) -> Option<String> {
    let namespace =
        flow.to.namespace.as_ref().filter(|_| flow.from.internet == Some(true) || !flow.from.cidrs.is_empty())?;
    let pods =
        flow.to.pod_selector.as_ref().map_or_else(|| "true".to_string(), |pods| narrows(&LabelSelector::from(pods)));
    Some(format!("(request.namespace == {} && {SELECTOR}.size() > 0 && {pods})", cel::text(namespace)))
}

/// The namespace may talk to names outside.
fn leads_out(flow: &Flow) -> Option<String> {
    let namespace =
        flow.from.namespace.as_ref().filter(|_| flow.to.internet == Some(true) || !flow.to.cidrs.is_empty())?;
    Some(format!("request.namespace == {}", cel::text(namespace)))
}

pub(super) fn services(zone: &Declaration, around: &Surroundings, now: Timestamp) -> Draft {
    let public: Vec<String> = zone.open_flows(now).filter_map(is_declared).collect();
    let out: Vec<String> = zone.open_flows(now).filter_map(leads_out).collect();
    let kind = "object.spec.?type.orValue(\"ClusterIP\")";
    let addresses = "object.spec.?externalIPs.orValue([])";
    let same = |field: &str| format!("object.spec.?{field} == oldObject.spec.?{field}");
    let same: Vec<String> = ["type", "selector", "externalIPs", "externalName", "ports"].map(same).into();
    let door = "Declare a flow from the internet or a network to the pods of this Service, or use a ClusterIP";
    Draft::new(zone, "services")
        .on("", "v1", &["services"], &["CREATE", "UPDATE"])
        .inside()
        .when(format!("{kind} in [\"NodePort\", \"LoadBalancer\", \"ExternalName\"] || {addresses}.size() > 0"))
        .when(format!("request.operation == \"CREATE\" || !({})", same.join(" && ")))
        .by_others(around)
        .any("declared", &public)
        .any("leadsOut", &out)
        .must(
            format!("{kind} != \"NodePort\" || variables.declared"),
            &Refusal {
                id: FindingId::NodePortExposed,
                what: "the Service opens a port of every node and no flow declares that",
                instead: door,
            },
        )
        .must(
            format!("{kind} != \"LoadBalancer\" || variables.declared"),
            &Refusal {
                id: FindingId::LoadBalancerExposed,
                what: "the Service gets an address outside and no flow declares that",
                instead: door,
            },
        )
        .must(
            format!("{addresses}.size() == 0 || variables.declared"),
            &Refusal {
                id: FindingId::ExternalIpsUsed,
                what: "the Service takes addresses outside for itself and no flow declares that",
                instead: door,
            },
        )
        .must(
            format!("{kind} != \"ExternalName\" || variables.leadsOut"),
            &Refusal {
                id: FindingId::ExternalNameFromZone,
                what: "the Service is an alias of a name elsewhere and no flow leads out of this namespace",
                instead: "Declare a flow from this namespace to the network behind the name, or remove the alias",
            },
        )
        .breakable()
}

/// A Service elsewhere that is an alias of one of the zone. Only namespaces that the zone names are known to the policy;
/// those that it has by label are looked at afterwards.
pub(super) fn aliases(zone: &Declaration, around: &Surroundings) -> Option<Draft> {
    let names: BTreeSet<&str> = zone.namespaces.names.iter().map(String::as_str).collect();
    let same = ["type", "externalName"].map(|field| format!("object.spec.?{field} == oldObject.spec.?{field}"));
    let draft = Draft::new(zone, "aliases")
        .on("", "v1", &["services"], &["CREATE", "UPDATE"])
        .outside()
        .when("object.spec.?type.orValue(\"ClusterIP\") == \"ExternalName\"")
        .when(format!("request.operation == \"CREATE\" || !({})", same.join(" && ")))
        .by_others(around)
        .lists("names", &names);
    let lists = draft.variables.len();
    // What stands before `svc` or `pod` in a name of the cluster is the namespace.
    let before = |kind: &str| format!("(object.spec.?externalName.orValue(\"\") + \".\").split(\".{kind}.\")");
    let draft = draft.variable("parts", format!("({} + {})", before("svc"), before("pod")));
    let into = cel::is_in("p.split(\".\")[p.split(\".\").size() - 1]", "names", lists);
    let refusal = Refusal {
        id: FindingId::ExternalNameIntoZone,
        what: "the Service is an alias of a Service of the zone",
        instead: "Declare the flow and use the Service by its own name",
    };
    let points = format!("variables.parts.exists(p, {into})");
    (!names.is_empty()).then(|| draft.must(format!("!({points})"), &refusal).breakable())
}

/// Whatever sends traffic to the addresses of such endpoints, an ingress for instance, is used to get around the
/// policies. Nothing while the zone has no ranges.
pub(super) fn endpoints(zone: &Declaration, around: &Surroundings) -> Option<Draft> {
    let ranges: Vec<String> = around.ranges.iter().map(ToString::to_string).collect();
    let lists = cel::lists(ranges.iter().map(String::as_str));
    let inside = |index: usize| format!("variables.ranges{index}.exists(r, cidr(r).containsIP(ip(a)))");
    let inside: Vec<String> = (0..lists.len()).map(inside).collect();
    // What cannot be read as an address could be one to somebody else.
    let inside = format!("a, !isIP(a) || {}", inside.join(" || "));
    // A client may send null for an empty list.
    let list = |of: &str, name: &str| format!("(has({of}.{name}) && {of}.{name} != null ? {of}.{name} : [])");
    let of = |name: &str| format!("{}.exists(x, [x.ip].exists({inside}))", list("s", name));
    let slices = format!(
        "object.addressType != \"FQDN\" && {}.exists(s, {}.exists({inside}))",
        list("object", "endpoints"),
        list("s", "addresses")
    );
    let subsets =
        format!("{}.exists(s, {} || {})", list("object", "subsets"), of("addresses"), of("notReadyAddresses"));
    let same = |field: &str| format!("object.?{field} == oldObject.?{field}");
    let same: Vec<String> = ["endpoints", "subsets", "addressType"].map(same).into();
    let draft = Draft::new(zone, "endpoints")
        .on("", "v1", &["endpoints"], &["CREATE", "UPDATE"])
        .on("discovery.k8s.io", "v1", &["endpointslices"], &["CREATE", "UPDATE"])
        .outside()
        .when(format!("request.operation == \"CREATE\" || !({})", same.join(" && ")))
        .when(format!("!(request.userInfo.username in {})", cel::list(WRITERS)))
        .by_others(around);
    let draft = lists
        .into_iter()
        .enumerate()
        .fold(draft, |draft, (index, list)| draft.variable(format!("ranges{index}"), list));
    let refusal = Refusal {
        id: FindingId::EndpointsPointIntoZone,
        what: "the endpoints are written by hand and point to pods or nodes of the zone",
        instead: "Use a Service with a selector in the namespace of these pods, and declare the flow",
    };
    let points = format!("request.resource.resource == \"endpoints\" ? {subsets} : {slices}");
    (!ranges.is_empty()).then(|| draft.must(format!("!({points})"), &refusal).breakable())
}
