//! What objects of a zone name and the input does not show: what would be found there is not found.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    resolve::{Claim, Resolution},
    snapshot::Snapshot,
};

/// Roles that bindings around the zones name, and Services that routes into them do: each with who names it.
pub fn named(snapshot: &Snapshot, resolution: &Resolution) -> BTreeMap<String, BTreeSet<String>> {
    let is_member = |namespace: &str| resolution.namespace(namespace).is_some_and(Claim::is_member);
    let roles: BTreeSet<&str> = snapshot.roles.iter().map(|role| &*role.key).collect();
    let bindings = snapshot.bindings.iter().filter(|binding| binding.namespace().is_none_or(is_member));
    let bindings = bindings.filter(|binding| !roles.contains(&*binding.role));
    let services: BTreeSet<&str> = snapshot.services.iter().map(|service| &*service.key).collect();
    let leads = snapshot.routes.iter().filter(|route| route.attached).flat_map(|route| {
        let services = route.backends.iter().map(|backend| &*backend.service);
        services.map(move |service| (service, route))
    });
    let leads = leads.filter(|(service, _)| !services.contains(service));
    let leads = leads.filter(|(service, _)| service.split_once('/').is_some_and(|(namespace, _)| is_member(namespace)));
    let leads = leads.map(|(service, route)| (format!("Service/{service}"), route.subject()));
    let mut named: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (what, who) in bindings.map(|binding| (binding.role_words(), binding.subject())).chain(leads) {
        named.entry(what).or_default().insert(who);
    }
    named
}
