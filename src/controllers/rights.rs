//! The rights that the operator needs, and whether it has them. The RBAC objects in `deploy/` grant exactly these.

use std::time::Duration;

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::{Api, Client, api::PostParams};

use super::{error::Error, hub::Optional, webhook};
use crate::{api::names, engine::desired::admission::Kind};

const CALL: Duration = Duration::from_secs(10);

/// Where a right is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the whole cluster.
    Cluster,
    /// In the namespace `default`, where the `kubernetes` Service and events about cluster-scoped objects are.
    Default,
    /// In the operator's own namespace.
    Own,
}

/// Rights on one kind.
#[derive(Clone, Copy, Debug)]
pub struct Right {
    /// API group.
    pub group: &'static str,
    /// Plural, with the subresource behind a slash.
    pub resource: &'static str,
    /// Verbs.
    pub verbs: &'static [&'static str],
    /// Where.
    pub place: Place,
    /// Only on the object of this name. A creation cannot be granted so narrowly.
    pub name: Option<&'static str>,
}

const fn right(group: &'static str, resource: &'static str, verbs: &'static [&'static str], place: Place) -> Right {
    Right { group, resource, verbs, place, name: None }
}

impl Right {
    const fn on(self, name: &'static str) -> Self {
        Right { name: Some(name), ..self }
    }
}

/// For objects that are wholly ours.
const KEEP: &[&str] = &["get", "list", "watch", "create", "update", "delete"];

/// Every right that the operator needs.
pub const NEEDED: &[Right] = &[
    right(names::GROUP, "pcizones", &["get", "list", "watch", "patch"], Place::Cluster),
    right(names::GROUP, "pcizones/status", &["patch"], Place::Cluster),
    right("", "namespaces", &["get", "list", "watch", "patch"], Place::Cluster),
    right("", "nodes", &["get", "list", "watch", "patch"], Place::Cluster),
    right("networking.k8s.io", "networkpolicies", KEEP, Place::Cluster),
    right(Kind::GROUP, "validatingadmissionpolicies", KEEP, Place::Cluster),
    right(Kind::GROUP, "validatingadmissionpolicybindings", KEEP, Place::Cluster),
    right(Kind::GROUP, "mutatingadmissionpolicies", KEEP, Place::Cluster),
    right(Kind::GROUP, "mutatingadmissionpolicybindings", KEEP, Place::Cluster),
    right("rbac.authorization.k8s.io", "clusterroles", &["list", "watch"], Place::Cluster),
    right("rbac.authorization.k8s.io", "clusterrolebindings", &["list", "watch"], Place::Cluster),
    right("", "pods", &["list", "watch"], Place::Cluster),
    right("networking.k8s.io", "servicecidrs", &["list", "watch"], Place::Cluster),
    right("", "services", &["list", "watch"], Place::Cluster),
    right("discovery.k8s.io", "endpointslices", &["list", "watch"], Place::Cluster),
    right("events.k8s.io", "events", &["create", "patch"], Place::Default),
    right("coordination.k8s.io", "leases", &["get", "create", "patch"], Place::Own).on(names::OPERATOR),
    right("", "secrets", &["get", "list", "watch", "create", "update"], Place::Own).on(webhook::NAME),
    right(Kind::GROUP, "mutatingwebhookconfigurations", KEEP, Place::Cluster).on(webhook::NAME),
];

/// What it needs of kinds that other software brings, where they are there.
pub fn optional() -> impl Iterator<Item = Right> {
    Optional::all().flat_map(of_optional)
}

const LOOK: &[&str] = &["list", "watch"];

fn of_optional(kind: &Optional) -> impl Iterator<Item = Right> + use<> {
    // Calico's API server asks for more before it shows a policy.
    let more: &[Right] = match kind.resource {
        "networkpolicies.projectcalico.org" => {
            const { &[right("projectcalico.org", "tier.networkpolicies", LOOK, Place::Cluster)] }
        }
        "globalnetworkpolicies.projectcalico.org" => {
            const { &[right("projectcalico.org", "tier.globalnetworkpolicies", LOOK, Place::Cluster)] }
        }
        "tiers.projectcalico.org" => const { &[right("projectcalico.org", "tiers", &["get"], Place::Cluster)] },
        _ => &[],
    };
    std::iter::once(right(kind.group(), kind.plural(), LOOK, Place::Cluster)).chain(more.iter().copied())
}

/// The rights that are missing, in words such as `patch nodes`; of kinds that other software brings for those that it brought.
pub async fn missing(client: &Client, own_namespace: &str, brought: &[&Optional]) -> Result<Vec<String>, Error> {
    let api: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let mut missing = Vec::new();
    for right in NEEDED.iter().copied().chain(brought.iter().flat_map(|kind| of_optional(kind))) {
        for verb in right.verbs {
            let review = review(&right, verb, own_namespace);
            let params = PostParams::default();
            let object = format!("the right to {verb} {}", right.resource);
            let answer = match tokio::time::timeout(CALL, api.create(&params, &review)).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(source)) => {
                    return Err(Error::Api { act: "check", object, wait: None, source: Box::new(source) });
                }
                Err(_) => return Err(Error::Timeout { act: "check", object, limit: CALL }),
            };
            if !answer.status.is_some_and(|status| status.allowed) {
                missing.push(words(&right, verb, own_namespace));
            }
        }
    }
    Ok(missing)
}

fn namespace(right: &Right, own: &str) -> Option<String> {
    match right.place {
        Place::Cluster => None,
        Place::Default => Some("default".to_string()),
        Place::Own => Some(own.to_string()),
    }
}

fn words(right: &Right, verb: &str, own: &str) -> String {
    let group = if right.group.is_empty() { String::new() } else { format!(".{}", right.group) };
    let place = namespace(right, own).map(|namespace| format!(" in namespace {namespace}")).unwrap_or_default();
    format!("{verb} {}{group}{place}", right.resource)
}

fn review(right: &Right, verb: &str, own: &str) -> SelfSubjectAccessReview {
    let (resource, subresource) = match right.resource.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource.to_string())),
        None => (right.resource, None),
    };
    let name = right.name.filter(|_| verb != "create").map(str::to_string);
    SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                group: Some(right.group.to_string()),
                resource: Some(resource.to_string()),
                subresource,
                verb: Some(verb.to_string()),
                namespace: namespace(right, own),
                name,
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    }
}
