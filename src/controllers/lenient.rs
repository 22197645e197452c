//! Reads every object that the API server stores, which is more than our types can hold.
//!
//! A date behind the year 9999 in a field that clients may write (`managedFields`, conditions of a node) does not
//! fit our type of time. One such object would end its watch again and again, and a list for ever; so what
//! decides nothing is left out until the rest fits. An object of ours that still cannot be read looks different
//! from what must be there, and is written anew.

use std::borrow::Cow;

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::ObjectMeta, jiff::Timestamp};
use kube::Resource;
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned, de::Error as _};
use serde_json::{Map, Value};

/// What is kept of the metadata of an object that cannot be read otherwise.
const ESSENTIAL: [&str; 7] = ["name", "namespace", "uid", "resourceVersion", "generation", "labels", "finalizers"];

/// An object that can always be read.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Lenient<K>(pub K);

impl<K: Resource> Resource for Lenient<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::kind(dt)
    }

    fn group(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::group(dt)
    }

    fn version(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::version(dt)
    }

    fn plural(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::plural(dt)
    }

    fn meta(&self) -> &ObjectMeta {
        self.0.meta()
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.0.meta_mut()
    }
}

impl<'de, K: DeserializeOwned> Deserialize<'de> for Lenient<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut value = Value::deserialize(deserializer)?;
        let steps: [fn(&mut Map<String, Value>); 3] = [without_wrong_times, without_detail, without_content];
        for step in steps {
            if let Ok(object) = K::deserialize(&value) {
                return Ok(Lenient(object));
            }
            if let Some(object) = value.as_object_mut() {
                step(object);
            }
        }
        K::deserialize(&value).map(Lenient).map_err(D::Error::custom)
    }
}

fn without_wrong_times(object: &mut Map<String, Value>) {
    let entries = object.get_mut("metadata").and_then(|metadata| metadata.get_mut("managedFields"));
    for entry in entries.and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut) {
        if !entry.get("time").is_some_and(is_time) {
            entry.remove("time");
        }
    }
    let conditions = object.get_mut("status").and_then(|status| status.get_mut("conditions"));
    if let Some(conditions) = conditions.and_then(Value::as_array_mut) {
        let fits = |condition: &Value| {
            let mut times = condition.as_object().into_iter().flatten().filter(|(key, _)| key.ends_with("Time"));
            times.all(|(_, time)| time.is_null() || is_time(time))
        };
        conditions.retain(fits);
    }
}

fn is_time(value: &Value) -> bool {
    value.as_str().is_some_and(|time| time.parse::<Timestamp>().is_ok())
}

fn without_detail(object: &mut Map<String, Value>) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|key, _| ESSENTIAL.contains(&key.as_str()));
    }
    object.remove("status");
}

fn without_content(object: &mut Map<String, Value>) {
    object.remove("spec");
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::{core::v1::Node, networking::v1::NetworkPolicy};
    use serde_json::json;

    use super::*;

    const NEVER: &str = "9999-12-31T23:59:59Z";

    #[test]
    fn a_time_that_does_not_fit_is_left_out_and_the_rest_is_read() {
        let policy = json!({
            "metadata": {
                "name": "pcizone-baseline", "annotations": { "a": "b" },
                "managedFields": [
                    { "manager": "mallory", "operation": "Update", "time": NEVER },
                    { "manager": "pcizone/namespaces", "operation": "Update", "time": "2026-11-24T08:00:00Z" },
                ],
            },
            "spec": { "podSelector": {} },
        });
        let Lenient(policy) = serde_json::from_value::<Lenient<NetworkPolicy>>(policy).unwrap();
        let fields = policy.metadata.managed_fields.unwrap();
        assert!(fields[0].time.is_none() && fields[1].time.is_some());
        assert!(policy.metadata.annotations.is_some() && policy.spec.is_some());
    }

    #[test]
    fn a_condition_that_does_not_fit_hides_no_taint() {
        let node = json!({
            "metadata": { "name": "pci-1" },
            "spec": { "taints": [{ "key": "pcizone.dev/zone", "effect": "NoSchedule" }] },
            "status": { "conditions": [{ "type": "Ready", "status": "True", "lastHeartbeatTime": NEVER }],
                        "addresses": [{ "type": "InternalIP", "address": "10.0.0.1" }] },
        });
        let Lenient(node) = serde_json::from_value::<Lenient<Node>>(node).unwrap();
        assert_eq!(node.spec.unwrap().taints.unwrap().len(), 1);
        assert_eq!(node.status.unwrap().addresses.unwrap().len(), 1);
    }

    #[test]
    fn what_cannot_be_read_at_all_keeps_its_name() {
        let policy = json!({
            "metadata": { "name": "a", "namespace": "vault", "creationTimestamp": NEVER },
            "spec": { "podSelector": 3 },
        });
        let Lenient(policy) = serde_json::from_value::<Lenient<NetworkPolicy>>(policy).unwrap();
        assert_eq!(policy.metadata.name.as_deref(), Some("a"));
        assert!(policy.spec.is_none());
    }
}
