//! Who may change what is sealed, and whether somebody did.
//!
//! The right is the RBAC verb `break-glass` on PciZones. Roles that grant every verb hold it without naming it. Only
//! ClusterRoleBindings count, since PciZones have no namespace.

use std::{collections::BTreeSet, sync::Arc};

use k8s_openapi::{api::rbac::v1::PolicyRule, apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};

use serde_json::json;

use super::{Binding, Role};
use crate::{
    api::{BreakGlassUse, names},
    engine::{change, declaration::Declaration, snapshot::Incident},
};

/// Somebody who holds break-glass on a zone by a role that grants every verb.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder {
    /// Name of the ClusterRoleBinding.
    pub binding: String,
    /// Name of the ClusterRole.
    pub role: String,
    /// Who.
    pub subjects: Vec<String>,
}

/// Some PciZones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Zones {
    /// All of them.
    All,
    /// Those of these names.
    Named(Vec<String>),
}

/// On which PciZones the rules of a ClusterRole grant every verb; `None` where they grant none.
pub(super) fn everything_on(rules: &[PolicyRule]) -> Option<Zones> {
    let mut everything_on: Option<Zones> = None;
    for rule in rules.iter().filter(|rule| grants_everything(rule)) {
        let names = rule.resource_names.clone().unwrap_or_default();
        everything_on = Some(match everything_on {
            _ if names.is_empty() => Zones::All,
            Some(Zones::All) => Zones::All,
            Some(Zones::Named(mut all)) => {
                all.extend(names);
                Zones::Named(all)
            }
            None => Zones::Named(names),
        });
    }
    everything_on
}

fn grants_everything(rule: &PolicyRule) -> bool {
    let has = |list: &Option<Vec<String>>, name: &str| list.iter().flatten().any(|entry| entry == name || entry == "*");
    let wildcard = rule.verbs.iter().any(|verb| verb == "*");
    wildcard && has(&rule.api_groups, names::GROUP) && has(&rule.resources, "pcizones")
}

/// Who holds break-glass on a zone without a role that names it, sorted.
pub fn holders(roles: &[Arc<Role>], bindings: &[Arc<Binding>], zone: &str) -> Vec<Holder> {
    let holds = |role: &&Arc<Role>| match &role.everything_on {
        Some(Zones::All) => true,
        Some(Zones::Named(names)) => names.iter().any(|name| name == zone),
        None => false,
    };
    let roles: BTreeSet<&str> = roles.iter().filter(holds).map(|role| &*role.key).collect();
    let bindings = bindings.iter().filter(|one| one.namespace().is_none() && roles.contains(&*one.role));
    let bindings = bindings.filter(|one| !one.subjects.is_empty());
    let holder = |binding: &Arc<Binding>| Holder {
        binding: binding.key.to_string(),
        role: binding.role.to_string(),
        subjects: binding.subjects.iter().map(ToString::to_string).collect(),
    };
    let mut holders: Vec<Holder> = bindings.map(holder).collect();
    holders.sort();
    holders
}

/// What the annotation must say that takes note of just these holders.
pub fn digest(holders: &[Holder]) -> String {
    let all: Vec<_> = holders.iter().map(|Holder { binding, role, subjects }| (binding, role, subjects)).collect();
    change::short_digest(&json!(all).to_string())
}

/// The use of break-glass that nobody acknowledged yet: what was known before, and what was seen since. Times are whole seconds, as
/// the status keeps them. An acknowledgement of what is still to come counts for nothing: who writes it cannot know.
pub fn unacknowledged(
    zone: &Declaration,
    before: Option<&BreakGlassUse>,
    incidents: &[Incident],
    now: Timestamp,
) -> Option<BreakGlassUse> {
    let acknowledged = zone.acknowledged.filter(|until| *until <= now);
    let is_open = |at: Timestamp| acknowledged.is_none_or(|until| at > until);
    // A date in the future is not ours, and could never be acknowledged.
    let known =
        before.map(|known| BreakGlassUse { last_used: Time(whole(known.last_used.0.min(now))), ..known.clone() });
    let known = known.filter(|known| is_open(known.last_used.0));
    let seen = incidents.iter().filter(|one| one.zone == zone.name && one.sealed);
    let mut seen: Vec<_> = seen.map(|one| (whole(one.at), one)).filter(|(at, _)| is_open(*at)).collect();
    seen.sort_by_key(|(at, one)| (*at, &one.subject));
    let (Some((first, _)), Some((last, one))) = (seen.first(), seen.last()) else { return known };
    // What was seen before is no news.
    if known.as_ref().is_some_and(|known| known.last_used.0 >= *last) {
        return known;
    }
    let first = known.map_or(*first, |known| known.first_used.0.min(*first));
    let manager =
        one.manager.as_deref().map_or("no field manager is left".to_string(), |m| format!("field manager {m}"));
    let (first_used, last_used) = (Time(first), Time(*last));
    Some(BreakGlassUse { first_used, last_used, subject: one.subject.clone(), evidence: manager })
}

fn whole(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
    use serde_json::{Value, json};

    use super::*;
    use crate::engine::access::MASTERS;

    fn role(rules: &Value) -> Option<Zones> {
        let role = json!({ "metadata": { "name": "admin" }, "rules": rules });
        Role::from(serde_json::from_value::<ClusterRole>(role).unwrap()).everything_on
    }

    fn rule(groups: &[&str], resources: &[&str], verbs: &[&str], names: &[&str]) -> Value {
        json!({ "apiGroups": groups, "resources": resources, "verbs": verbs, "resourceNames": names })
    }

    #[test]
    fn a_role_holds_it_by_a_wildcard_only() {
        let named = |names: &[&str]| Some(Zones::Named(names.iter().map(ToString::to_string).collect()));
        for (rules, wanted) in [
            (json!([rule(&["*"], &["*"], &["*"], &[])]), Some(Zones::All)),
            (json!([rule(&["pcizone.dev"], &["pcizones"], &["*"], &[])]), Some(Zones::All)),
            (json!([rule(&["pcizone.dev"], &["pcizones"], &["*"], &["cde"])]), named(&["cde"])),
            (json!([rule(&["*"], &["*"], &["*"], &["a"]), rule(&["*"], &["*"], &["*"], &["b"])]), named(&["a", "b"])),
            (json!([rule(&["*"], &["*"], &["*"], &["a"]), rule(&["*"], &["*"], &["*"], &[])]), Some(Zones::All)),
            (json!([rule(&["pcizone.dev"], &["pcizones"], &["break-glass"], &[])]), None),
            (json!([rule(&["apps"], &["*"], &["*"], &[])]), None),
            (json!([rule(&["*"], &["pcizones/status"], &["*"], &[])]), None),
            (json!([rule(&["*"], &["*"], &["get", "patch", "delete"], &[])]), None),
            (json!([{ "nonResourceURLs": ["*"], "verbs": ["*"] }]), None),
            (Value::Null, None),
        ] {
            assert_eq!(role(&rules), wanted, "{rules}");
        }
    }

    fn binding(role: &str, subjects: &Value) -> Arc<Binding> {
        let binding = json!({
            "metadata": { "name": "b" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
            "subjects": subjects,
        });
        Arc::new(serde_json::from_value::<ClusterRoleBinding>(binding).unwrap().into())
    }

    #[test]
    fn who_holds_it_is_told_but_for_the_group_that_holds_everything() {
        let role = |name: &str, everything_on| Arc::new(Role { key: name.into(), everything_on, ..Role::default() });
        let roles =
            [role("all", Some(Zones::All)), role("one", Some(Zones::Named(vec!["cde".to_string()]))), role("no", None)];
        let masters = json!({ "kind": "Group", "name": MASTERS });
        let argo = json!({ "kind": "ServiceAccount", "namespace": "argocd", "name": "argo" });
        let holders = |role: &str, subjects: Value, zone| holders(&roles, &[binding(role, &subjects)], zone);
        assert_eq!(
            holders("all", json!([masters, argo]), "cde"),
            [Holder {
                binding: "b".to_string(),
                role: "all".to_string(),
                subjects: vec!["ServiceAccount/argocd/argo".to_string()],
            }]
        );
        assert!(holders("all", json!([masters]), "cde").is_empty());
        let named_alike = json!([{ "kind": "User", "name": MASTERS }]);
        assert_eq!(holders("all", named_alike, "cde").len(), 1, "a user of that name is no group");
        let digests = [json!([argo]), json!([argo, { "kind": "User", "name": "eve" }])];
        let [one, two] = digests.map(|subjects| digest(&holders("all", subjects, "cde")));
        assert_ne!(one, two);
        assert_eq!(holders("one", json!([argo]), "cde").len(), 1);
        assert!(holders("one", json!([argo]), "other").is_empty());
        assert!(holders("no", json!([argo]), "cde").is_empty());
        assert!(holders("gone", json!([argo]), "cde").is_empty());
        assert!(holders("all", Value::Null, "cde").is_empty());
    }

    #[test]
    fn what_was_used_stays_until_it_is_acknowledged_and_not_a_moment_before() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let zone = |acknowledged: Option<i64>| {
            let zone =
                json!({ "metadata": { "name": "cde" }, "spec": { "scope": { "namespaces": { "names": ["vault"] } } } });
            let mut zone = Declaration::new(&serde_json::from_value(zone).unwrap());
            zone.acknowledged = acknowledged.map(at);
            zone
        };
        let incident = |zone: &str, second: i64, sealed: bool| Incident {
            zone: zone.to_string(),
            subject: format!("Namespace/{second}"),
            tampering: crate::engine::snapshot::Tampering::Changed,
            sealed,
            manager: None,
            at: at(second),
        };
        let used = |zone: &Declaration, before: Option<&BreakGlassUse>, incidents: &[Incident]| {
            unacknowledged(zone, before, incidents, at(100))
        };
        let times = |used: &Option<BreakGlassUse>| {
            used.as_ref().map(|u| (u.first_used.0.as_second(), u.last_used.0.as_second()))
        };

        let two =
            [incident("cde", 20, true), incident("cde", 10, true), incident("cde", 30, false), incident("b", 40, true)];
        let seen = used(&zone(None), None, &two);
        assert_eq!(times(&seen), Some((10, 20)));
        assert_eq!(seen.as_ref().map(|used| used.subject.as_str()), Some("Namespace/20"));
        assert_eq!(used(&zone(None), seen.as_ref(), &[]), seen, "the incidents are forgotten after an hour");
        assert_eq!(used(&zone(None), seen.as_ref(), &two), seen, "the same is no news");
        assert_eq!(times(&used(&zone(None), seen.as_ref(), &[incident("cde", 50, true)])), Some((10, 50)));

        assert_eq!(used(&zone(Some(20)), seen.as_ref(), &two), None);
        assert_eq!(times(&used(&zone(Some(19)), seen.as_ref(), &two)), Some((10, 20)), "not all of it");
        assert_eq!(times(&used(&zone(Some(19)), None, &two)), Some((20, 20)));
        assert_eq!(times(&used(&zone(Some(101)), seen.as_ref(), &two)), Some((10, 20)), "in the future");
        assert_eq!(times(&used(&zone(Some(20)), seen.as_ref(), &[incident("cde", 21, true)])), Some((21, 21)));

        let mut fraction = incident("cde", 20, true);
        fraction.at = Timestamp::from_millisecond(20_700).unwrap();
        let told = used(&zone(None), None, std::slice::from_ref(&fraction));
        assert_eq!(times(&told), Some((20, 20)));
        assert_eq!(used(&zone(Some(20)), told.as_ref(), &[fraction]), None, "as the message says");
        let forged = BreakGlassUse { last_used: Time(at(1000)), ..told.clone().unwrap() };
        assert_eq!(times(&used(&zone(None), Some(&forged), &[])), Some((20, 100)), "it can be acknowledged");
    }
}
