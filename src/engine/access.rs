//! Who may change what is sealed, and whether somebody did.
//!
//! The right is the RBAC verb `break-glass` on PciZones. Roles that grant every verb hold it without naming it. Only
//! ClusterRoleBindings count, since PciZones have no namespace.

use std::sync::Arc;

use k8s_openapi::{
    api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Subject},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
    jiff::Timestamp,
};

use super::{declaration::Declaration, snapshot::Incident};
use crate::api::{BreakGlassUse, names};

/// The group that no RBAC limits, and none can take anything from.
const MASTERS: &str = "system:masters";

/// A ClusterRole, as far as it grants every verb on PciZones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// On which PciZones it grants every verb; `None` where it grants none.
    pub everything_on: Option<Zones>,
    /// When it was changed last.
    pub changed: Timestamp,
}

/// Some PciZones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Zones {
    /// All of them.
    All,
    /// Those of these names.
    Named(Vec<String>),
}

/// A ClusterRoleBinding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Binding {
    /// Its name.
    pub name: String,
    /// Name of the ClusterRole.
    pub role: String,
    /// Who gets it, as `Kind/name` or `Kind/namespace/name`.
    pub subjects: Vec<String>,
    /// When it was changed last.
    pub changed: Timestamp,
}

/// Somebody who holds break-glass on a zone by a role that grants every verb.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Name of the ClusterRoleBinding.
    pub binding: String,
    /// Name of the ClusterRole.
    pub role: String,
    /// Who.
    pub subjects: Vec<String>,
    /// Since when, at the latest.
    pub since: Timestamp,
}

impl From<ClusterRole> for Role {
    fn from(role: ClusterRole) -> Self {
        let mut everything_on: Option<Zones> = None;
        for rule in role.rules.iter().flatten().filter(|rule| grants_everything(rule)) {
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
        Role { name: role.metadata.name.clone().unwrap_or_default(), everything_on, changed: changed(&role.metadata) }
    }
}

fn grants_everything(rule: &PolicyRule) -> bool {
    let has = |list: &Option<Vec<String>>, name: &str| list.iter().flatten().any(|entry| entry == name || entry == "*");
    let wildcard = rule.verbs.iter().any(|verb| verb == "*");
    wildcard && has(&rule.api_groups, names::GROUP) && has(&rule.resources, "pcizones")
}

impl From<ClusterRoleBinding> for Binding {
    fn from(binding: ClusterRoleBinding) -> Self {
        let changed = changed(&binding.metadata);
        let subjects = binding.subjects.iter().flatten().filter(|subject| subject.name != MASTERS).map(words);
        Binding {
            name: binding.metadata.name.unwrap_or_default(),
            role: binding.role_ref.name,
            subjects: subjects.collect(),
            changed,
        }
    }
}

fn words(subject: &Subject) -> String {
    match &subject.namespace {
        Some(namespace) => format!("{}/{namespace}/{}", subject.kind, subject.name),
        None => format!("{}/{}", subject.kind, subject.name),
    }
}

/// The managers tell of changes; that it was made nobody can forge.
fn changed(metadata: &ObjectMeta) -> Timestamp {
    let managers = metadata.managed_fields.iter().flatten().filter_map(|entry| entry.time.as_ref());
    let times = managers.chain(&metadata.creation_timestamp).map(|time| time.0);
    times.max().unwrap_or_default()
}

/// Who holds break-glass on a zone without a role that names it.
pub fn holders(roles: &[Arc<Role>], bindings: &[Arc<Binding>], zone: &str) -> Vec<Holder> {
    let holder = |binding: &Arc<Binding>| {
        let role = roles.iter().find(|role| role.name == binding.role)?;
        let holds = match role.everything_on.as_ref()? {
            Zones::All => true,
            Zones::Named(names) => names.iter().any(|name| name == zone),
        };
        (holds && !binding.subjects.is_empty()).then(|| Holder {
            binding: binding.name.clone(),
            role: role.name.clone(),
            subjects: binding.subjects.clone(),
            since: role.changed.max(binding.changed),
        })
    };
    bindings.iter().filter_map(holder).collect()
}

/// What happened until when is acknowledged. An instant that is still to come acknowledges nothing: who writes it cannot know.
pub fn acknowledged(zone: &Declaration, now: Timestamp) -> Option<Timestamp> {
    zone.acknowledged.filter(|until| *until <= now)
}

/// The use of break-glass that nobody acknowledged yet: what was known before, and what was seen since.
pub fn unacknowledged(
    zone: &Declaration,
    before: Option<&BreakGlassUse>,
    incidents: &[Incident],
    now: Timestamp,
) -> Option<BreakGlassUse> {
    let is_open = |at: Timestamp| acknowledged(zone, now).is_none_or(|until| at > until);
    let known = before.filter(|known| is_open(known.last_used.0)).cloned();
    let mut seen: Vec<&Incident> = incidents.iter().filter(|one| one.zone == zone.name && one.sealed).collect();
    seen.sort_by_key(|one| one.at);
    let first = seen.iter().map(|one| one.at).find(|at| is_open(*at));
    let last = seen.last().filter(|one| is_open(one.at));
    let Some((first, last)) = first.zip(last) else { return known };
    let first = known.as_ref().map_or(first, |known| known.first_used.0.min(first));
    // Times are kept in whole seconds; what is the same then is no news.
    if known.as_ref().is_some_and(|known| known.last_used.0.as_second() >= last.at.as_second()) {
        return known;
    }
    let manager =
        last.manager.as_deref().map_or("no field manager is left".to_string(), |m| format!("field manager {m}"));
    Some(BreakGlassUse {
        first_used: Time(whole(first)),
        last_used: Time(whole(last.at)),
        subject: last.subject.clone(),
        evidence: manager,
    })
}

fn whole(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

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

    fn binding(role: &str, subjects: &Value, changed: &str) -> Arc<Binding> {
        let binding = json!({
            "metadata": { "name": "b", "creationTimestamp": "2026-01-01T00:00:00Z",
                          "managedFields": [{ "manager": "kubectl", "time": changed }] },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
            "subjects": subjects,
        });
        Arc::new(serde_json::from_value::<ClusterRoleBinding>(binding).unwrap().into())
    }

    #[test]
    fn who_holds_it_is_told_but_for_the_group_that_holds_everything() {
        let role = |name: &str, everything_on| {
            Arc::new(Role { name: name.to_string(), everything_on, changed: Timestamp::UNIX_EPOCH })
        };
        let roles =
            [role("all", Some(Zones::All)), role("one", Some(Zones::Named(vec!["cde".to_string()]))), role("no", None)];
        let masters = json!({ "kind": "Group", "name": MASTERS });
        let argo = json!({ "kind": "ServiceAccount", "namespace": "argocd", "name": "argo" });
        let changed = "2026-11-01T00:00:00Z";
        let holders = |role: &str, subjects: Value, zone| holders(&roles, &[binding(role, &subjects, changed)], zone);
        assert_eq!(
            holders("all", json!([masters, argo]), "cde"),
            [Holder {
                binding: "b".to_string(),
                role: "all".to_string(),
                subjects: vec!["ServiceAccount/argocd/argo".to_string()],
                since: changed.parse().unwrap(),
            }]
        );
        assert!(holders("all", json!([masters]), "cde").is_empty());
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
    }
}
