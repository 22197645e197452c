//! Who answers for a way that no policy governs: the flows and exceptions of a zone that speak of it.

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::LabelSelector, jiff::Timestamp};
use kube::core::{Selector as LabelMatcher, SelectorExt};
use serde::Serialize;

use super::{
    declaration::{Declaration, flow_ports},
    exceptions::{is_about, is_live},
    pod::Pod,
    reach::doors::{Door, Kind},
};
use crate::api::{FindingId, Flow};

/// Who answers for a way, and what is there instead of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// Who answers for it; `None` where nobody is named.
    pub owner: Option<String>,
    /// Who approved it.
    pub approved_by: Option<String>,
    /// What is there instead of a policy, or why it has to be borne.
    pub control: String,
    /// Where that is declared.
    pub declared_in: String,
    /// Until when it holds; `None` where it has no end.
    pub until: Option<Timestamp>,
}

/// Open flows that lead from where the door does to all of some pods behind it, on some of its ports. A gateway may be anywhere
/// outside, or in the zone itself; what is open outside the cluster is reached from there.
pub fn declaring(declaration: &Declaration, door: &Door, pods: &[&Pod], now: Timestamp) -> Vec<Answer> {
    let Some(namespace) = door.to.first().map(|pod| pod.namespace()) else { return Vec::new() };
    let is_public = |flow: &Flow| flow.from.internet == Some(true) || !flow.from.cidrs.is_empty();
    let comes = |flow: &Flow| matches!(door.kind, Kind::Route { .. }) || is_public(flow);
    let means = |selector: &LabelSelector| match &door.kind {
        Kind::Service { service, .. } | Kind::Route { service, .. } => service.narrows(selector),
        _ => pods.iter().all(|pod| selects(selector, pod)),
    };
    let leads = |flow: &Flow| {
        let selector = flow.to.pod_selector.as_ref().map(LabelSelector::from).unwrap_or_default();
        let there =
            flow.to.namespace.as_deref() == Some(namespace) || flow.to.zone.as_deref() == Some(&*declaration.name);
        there && means(&selector) && !flow_ports(flow).and(&door.ports).is_empty()
    };
    let answer = |flow: &Flow| Answer {
        owner: Some(flow.owner.clone()),
        approved_by: Some(flow.approved_by.clone()),
        control: flow.need.clone(),
        declared_in: format!("flow {}", flow.name),
        until: Some(flow.expires_at.0),
    };
    declaration.open_flows(now).filter(|flow| comes(flow) && leads(flow)).map(answer).collect()
}

fn selects(selector: &LabelSelector, pod: &Pod) -> bool {
    LabelMatcher::try_from(selector.clone()).is_ok_and(|selector| selector.matches(&*pod.labels))
}

/// Exceptions that hold now and are about one of these findings.
pub fn excepted(declaration: &Declaration, ids: &[FindingId], subject: &str, now: Timestamp) -> Vec<Answer> {
    let live = declaration.exceptions.iter().filter(|one| is_live(one, now));
    let meant = live.filter(|one| ids.iter().any(|id| is_about(one, *id, subject)));
    meant
        .map(|one| Answer {
            owner: one.owner.clone(),
            approved_by: Some(one.approved_by.clone()),
            control: one.need.clone(),
            declared_in: format!("exception {} ({})", one.finding.as_str(), one.risk_analysis),
            until: Some(one.expires_at.0),
        })
        .collect()
}
