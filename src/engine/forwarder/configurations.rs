//! Where which configuration of a forwarder has to be: one immutable `ConfigMap` in each namespace of its zone, named after its content.
//!
//! ```text
//!  new one ─▶ written into every namespace ─▶ the policy names it ─▶ new pods have it ─▶ the old one goes with its last pod
//! ```

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::ObjectMeta};

use super::Rendered;
use crate::{
    api::names,
    engine::{change, ownership},
};

/// One that is there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Live {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: Option<String>,
    /// The zone of its label.
    pub zone: Option<String>,
    /// It is immutable, holds what its name says, and its labels are as we write them.
    pub is_sound: bool,
}

impl Live {
    /// Reads one as the API server sends it.
    pub fn read(map: &ConfigMap) -> Self {
        let metadata = &map.metadata;
        let name = metadata.name.clone().unwrap_or_default();
        let files = map.data.clone().unwrap_or_default();
        let is_whole = map.immutable == Some(true) && map.binary_data.is_none() && self::name(&files) == name;
        let owned = metadata.owner_references.as_ref().is_some_and(|owners| !owners.is_empty());
        Live {
            namespace: metadata.namespace.clone().unwrap_or_default(),
            uid: metadata.uid.clone(),
            zone: ownership::label(metadata, names::ZONE_LABEL).map(str::to_string),
            is_sound: is_whole && !owned && ownership::is_managed(metadata) && metadata.deletion_timestamp.is_none(),
            name,
        }
    }
}

/// Name of the `ConfigMap` with these files.
pub fn name(files: &BTreeMap<String, String>) -> String {
    // Each with its length, so that no two sets of files read the same.
    let parts = files.iter().map(|(name, text)| format!("{}:{name}{}:{text}", name.len(), text.len()));
    format!("{}{}", names::CONFIGURATION_PREFIX, change::short_digest(&parts.collect::<String>()))
}

/// The `ConfigMap` of a zone in one of its namespaces.
pub fn object(zone: &str, namespace: &str, rendered: &Rendered) -> ConfigMap {
    let labels = [(names::MANAGED_BY, names::MANAGED_BY_VALUE), (names::ZONE_LABEL, zone)];
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name(&rendered.files)),
            namespace: Some(namespace.to_string()),
            labels: Some(labels.map(|(key, value)| (key.to_string(), value.to_string())).into()),
            ..ObjectMeta::default()
        },
        immutable: Some(true),
        data: Some(rendered.files.clone()),
        binary_data: None,
    }
}

/// What a zone's forwarders are to have, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Name of the zone.
    pub zone: String,
    /// Name of the `ConfigMap`.
    pub name: String,
    /// Namespaces that are there and not being deleted.
    pub namespaces: BTreeSet<String>,
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Namespaces in which one is to be made, with its zone.
    pub create: Vec<(String, String)>,
    /// Those that are to go: what they should hold they do not, or nothing needs them any more.
    pub delete: Vec<Live>,
    /// Zones whose every namespace has the one that is wanted.
    pub configured: BTreeSet<String>,
}

/// What is to be done about all zones. `is_used` says whether something names a configuration of a namespace still: a pod, or a policy by
/// which pods get it. One that is used stays, and so does the one before as long as the new one is not everywhere.
pub fn plan(wanted: &[Wanted], live: &BTreeSet<Live>, is_used: impl Fn(&str, &str) -> bool) -> Plan {
    let mut plan = Plan::default();
    let sound: BTreeSet<(&str, &str)> =
        live.iter().filter(|one| one.is_sound).map(|one| (one.namespace.as_str(), one.name.as_str())).collect();
    let there: BTreeSet<(&str, &str)> = live.iter().map(|one| (one.namespace.as_str(), one.name.as_str())).collect();
    let mut needed: BTreeMap<&str, &Wanted> = BTreeMap::new();
    for zone in wanted {
        let has = |namespace: &&String| sound.contains(&(namespace.as_str(), zone.name.as_str()));
        if zone.namespaces.iter().all(|namespace| has(&namespace)) {
            plan.configured.insert(zone.zone.clone());
        }
        for namespace in &zone.namespaces {
            needed.insert(namespace, zone);
            if !there.contains(&(namespace.as_str(), zone.name.as_str())) {
                plan.create.push((zone.zone.clone(), namespace.clone()));
            }
        }
    }
    for one in live {
        let zone = needed.get(one.namespace.as_str());
        let is_wanted = zone.is_some_and(|zone| zone.name == one.name);
        let is_awaited = zone.is_some_and(|zone| !plan.configured.contains(&zone.zone));
        let is_superfluous = !is_wanted && !is_awaited && !is_used(&one.namespace, &one.name);
        if is_wanted && !one.is_sound || is_superfluous {
            plan.delete.push(one.clone());
        }
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(namespace: &str, name: &str, is_sound: bool) -> Live {
        Live { namespace: namespace.into(), name: name.into(), uid: None, zone: Some("cde".into()), is_sound }
    }

    fn wanted(name: &str, namespaces: &[&str]) -> Wanted {
        let namespaces = namespaces.iter().map(ToString::to_string).collect();
        Wanted { zone: "cde".into(), name: name.into(), namespaces }
    }

    #[test]
    fn a_new_one_is_everywhere_before_the_old_one_goes() {
        // What is there; what pods use; what is made, what goes, and whether the zone may name it.
        type Row<'r> = (
            &'r str,
            &'r [(&'r str, &'r str, bool)],
            &'r [(&'r str, &'r str)],
            &'r [&'r str],
            &'r [(&'r str, &'r str)],
            bool,
        );
        let rows: [Row; 7] = [
            ("nothing yet", &[], &[], &["a", "b"], &[], false),
            ("one of two", &[("a", "new", true)], &[], &["b"], &[], false),
            ("both", &[("a", "new", true), ("b", "new", true)], &[], &[], &[], true),
            (
                "the old one stays meanwhile",
                &[("a", "old", true), ("b", "old", true), ("a", "new", true)],
                &[],
                &["b"],
                &[],
                false,
            ),
            (
                "the old one goes, but where a pod has it",
                &[("a", "new", true), ("a", "old", true), ("b", "new", true), ("b", "old", true)],
                &[("b", "old")],
                &[],
                &[("a", "old")],
                true,
            ),
            (
                "one that says something else is made anew",
                &[("a", "new", false), ("b", "new", true)],
                &[],
                &[],
                &[("a", "new")],
                false,
            ),
            (
                "a namespace that left",
                &[("a", "new", true), ("b", "new", true), ("c", "new", true)],
                &[],
                &[],
                &[("c", "new")],
                true,
            ),
        ];
        for (what, there, used, create, delete, configured) in rows {
            let there = there.iter().map(|(namespace, name, sound)| live(namespace, name, *sound)).collect();
            let plan = plan(&[wanted("new", &["a", "b"])], &there, |namespace, name| used.contains(&(namespace, name)));
            let made: Vec<&str> = plan.create.iter().map(|(_, namespace)| namespace.as_str()).collect();
            let gone: Vec<(&str, &str)> =
                plan.delete.iter().map(|one| (one.namespace.as_str(), one.name.as_str())).collect();
            assert_eq!(
                (made, gone, plan.configured.contains("cde")),
                (create.to_vec(), delete.to_vec(), configured),
                "{what}"
            );
        }
    }

    #[test]
    fn without_a_zone_they_go_with_their_last_pod() {
        let there = [live("a", "one", true), live("b", "one", true)].into();
        let plan = plan(&[], &there, |namespace, _| namespace == "a");
        assert_eq!(plan.delete, [live("b", "one", true)]);
    }

    type Change = fn(&mut ConfigMap);

    #[test]
    fn whatever_differs_from_what_we_wrote_is_not_sound() {
        let files: BTreeMap<String, String> = [("a.yaml".to_string(), "x".to_string())].into();
        let rendered =
            Rendered { files, args: Vec::new(), secrets: Vec::new(), authorities: Vec::new(), linger: Vec::new() };
        let good = object("cde", "vault", &rendered);
        assert!(Live::read(&good).is_sound);
        let changes: [Change; 5] = [
            |map| map.immutable = None,
            |map| map.data = Some([("a.yaml".to_string(), "y".to_string())].into()),
            |map| map.data = Some([("b.yaml".to_string(), "x".to_string())].into()),
            |map| map.metadata.labels = None,
            |map| map.metadata.name = Some("pcizone-logs-other".to_string()),
        ];
        for change in changes {
            let mut map = good.clone();
            change(&mut map);
            assert!(!Live::read(&map).is_sound, "{map:?}");
        }
    }
}
