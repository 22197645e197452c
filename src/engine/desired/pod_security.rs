//! The Pod Security Standard of the zone's namespaces (PCI DSS 2.2.1): raised, never lowered, and put back at the end.
//!
//! Releasing the label alone would leave the namespace with none at all, so what was there before is kept in an
//! annotation, beside what we set: where somebody set another value since, that one stays.

use k8s_openapi::api::core::v1::Namespace;

use crate::{
    api::{PodSecurity, names},
    engine::{declaration::Declaration, ownership, plan::Write},
};

/// The write that raises the namespace to what the zone declares, if it is below.
pub fn raise(zone: &Declaration, namespace: &Namespace) -> Option<Write> {
    let wanted = zone.raised_to()?;
    let live = ownership::label(&namespace.metadata, names::POD_SECURITY);
    if live.and_then(level) >= Some(wanted) {
        return None;
    }
    // What was there before our first write counts, and not what somebody made of it since.
    let before = record(namespace).map_or(live.unwrap_or_default(), |(_, before)| before);
    Some(set(namespace, Some(wanted.as_str()), Some(format!("{}/{before}", wanted.as_str()))))
}

/// The write that puts back what was there before the zone came, if we changed it.
pub fn put_back(namespace: &Namespace) -> Option<Write> {
    let (ours, before) = record(namespace)?;
    let live = ownership::label(&namespace.metadata, names::POD_SECURITY);
    let level = if live == Some(ours) { Some(before).filter(|before| !before.is_empty()) } else { live };
    Some(set(namespace, level, None))
}

/// We raised the namespace before.
pub fn was_raised(namespace: &Namespace) -> bool {
    record(namespace).is_some()
}

fn record(namespace: &Namespace) -> Option<(&str, &str)> {
    namespace.metadata.annotations.as_ref()?.get(names::POD_SECURITY_BEFORE)?.split_once('/')
}

fn level(label: &str) -> Option<PodSecurity> {
    [PodSecurity::Baseline, PodSecurity::Restricted].into_iter().find(|level| level.as_str() == label)
}

fn set(namespace: &Namespace, level: Option<&str>, record: Option<String>) -> Write {
    let metadata = &namespace.metadata;
    Write::SetPodSecurity {
        namespace: metadata.name.clone().unwrap_or_default(),
        resource_version: metadata.resource_version.clone().unwrap_or_default(),
        level: level.map(str::to_string),
        record,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::PciZone;

    fn zone(wanted: &str) -> Declaration {
        let zone: PciZone = serde_json::from_value(json!({
            "apiVersion": "pcizone.dev/v1alpha1", "kind": "PciZone", "metadata": { "name": "cde" },
            "spec": { "mode": "Enforce", "scope": { "namespaces": { "names": ["vault"] } },
                      "hosting": { "nodes": { "names": ["pci-1"] }, "podSecurity": wanted } },
        }))
        .unwrap();
        Declaration::new(&zone)
    }

    fn namespace(label: Option<&str>, record: Option<&str>) -> Namespace {
        let metadata = json!({
            "name": "vault", "resourceVersion": "7",
            "labels": { names::POD_SECURITY: label }, "annotations": { names::POD_SECURITY_BEFORE: record },
        });
        let without_null =
            |value: &Value| value.as_object().is_some_and(|map| map.values().all(|value| !value.is_null()));
        let mut object = json!({ "metadata": metadata });
        for part in ["labels", "annotations"] {
            if !without_null(&object["metadata"][part]) {
                object["metadata"][part] = json!({});
            }
        }
        serde_json::from_value(object).unwrap()
    }

    fn written(write: Option<Write>) -> Option<(Option<String>, Option<String>)> {
        write.map(|write| match write {
            Write::SetPodSecurity { level, record, .. } => (level, record),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn it_is_raised_and_never_lowered() {
        let raised = |label, record, wanted| written(raise(&zone(wanted), &namespace(label, record)));
        let to = |level: &str, record: &str| Some((Some(level.to_string()), Some(record.to_string())));
        assert_eq!(raised(None, None, "Baseline"), to("baseline", "baseline/"));
        assert_eq!(raised(Some("privileged"), None, "Restricted"), to("restricted", "restricted/privileged"));
        assert_eq!(raised(Some("baseline"), None, "Restricted"), to("restricted", "restricted/baseline"));
        assert_eq!(raised(Some("restricted"), None, "Baseline"), None);
        assert_eq!(raised(Some("baseline"), None, "Baseline"), None);
        // Lowered by somebody meanwhile: what was there before the zone is not forgotten.
        assert_eq!(
            raised(Some("privileged"), Some("restricted/baseline"), "Restricted"),
            to("restricted", "restricted/baseline")
        );
        assert_eq!(raised(Some("nonsense"), None, "Baseline"), to("baseline", "baseline/nonsense"));
    }

    #[test]
    fn what_was_there_before_comes_back() {
        let back = |label, record| written(put_back(&namespace(label, record)));
        assert_eq!(back(Some("restricted"), Some("restricted/baseline")), Some((Some("baseline".to_string()), None)));
        assert_eq!(back(Some("baseline"), Some("baseline/")), Some((None, None)));
        assert_eq!(
            back(Some("restricted"), Some("baseline/")),
            Some((Some("restricted".to_string()), None)),
            "somebody raised it"
        );
        assert_eq!(back(Some("restricted"), None), None);
    }
}
