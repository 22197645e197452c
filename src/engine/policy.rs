//! A NetworkPolicy as the engine sees it: the same as in `k8s-openapi`, with a spec that many can share.
//!
//! Most policies of a cluster are copies: the default deny of a zone is the same in each of its namespaces. Held once,
//! they cost a third of the memory.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, Weak},
};

use k8s_openapi::{
    Resource as _,
    api::{
        core::v1::Namespace,
        networking::v1::{NetworkPolicy, NetworkPolicySpec},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::core::Resource;
use serde::{Serialize, Serializer, ser::SerializeStruct};

/// A NetworkPolicy of `networking.k8s.io/v1`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// What it allows; `None` where the API server sent nothing that could be read.
    pub spec: Option<Arc<NetworkPolicySpec>>,
}

impl Policy {
    /// It was made before the namespace: then it lay in an earlier one of the same name and is gone, and the watch of
    /// policies does not know yet. No other source of objects has that race, and there an age decides nothing.
    pub fn is_older_than(&self, namespace: &Namespace) -> bool {
        let made = |metadata: &ObjectMeta| metadata.creation_timestamp.as_ref().map(|time| time.0);
        made(&self.metadata).zip(made(&namespace.metadata)).is_some_and(|(policy, namespace)| policy < namespace)
    }
}

/// As in a manifest.
impl Serialize for Policy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Policy { metadata, spec } = self;
        let mut object = serializer.serialize_struct(NetworkPolicy::KIND, 3 + usize::from(spec.is_some()))?;
        object.serialize_field("apiVersion", NetworkPolicy::API_VERSION)?;
        object.serialize_field("kind", NetworkPolicy::KIND)?;
        object.serialize_field("metadata", metadata)?;
        if let Some(spec) = spec {
            object.serialize_field("spec", spec.as_ref())?;
        }
        object.end()
    }
}

impl From<NetworkPolicy> for Policy {
    fn from(NetworkPolicy { metadata, spec }: NetworkPolicy) -> Self {
        Policy { metadata, spec: spec.map(Arc::new) }
    }
}

impl From<Policy> for NetworkPolicy {
    fn from(Policy { metadata, spec }: Policy) -> Self {
        NetworkPolicy { metadata, spec: spec.map(Arc::unwrap_or_clone) }
    }
}

impl Resource for Policy {
    type DynamicType = ();
    type Scope = <NetworkPolicy as Resource>::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        NetworkPolicy::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        NetworkPolicy::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        NetworkPolicy::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        NetworkPolicy::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// Names from which on those whose policies are gone are swept out, at first.
const MANY: usize = 1024;

/// The specs that are held, one for each name of a policy: copies of one policy mostly have one name.
pub struct Specs {
    held: HashMap<String, Weak<NetworkPolicySpec>>,
    /// Names from which on it is swept next.
    many: usize,
}

impl Default for Specs {
    fn default() -> Self {
        Specs { held: HashMap::new(), many: MANY }
    }
}

impl Specs {
    /// The same policy, with the spec of an equal one of its name where there is one.
    pub fn share(&mut self, mut policy: Policy) -> Policy {
        let (Some(name), Some(spec)) = (policy.metadata.name.as_deref(), &mut policy.spec) else { return policy };
        match self.held.get(name).and_then(Weak::upgrade) {
            Some(held) if held == *spec => *spec = held,
            _ => {
                if self.held.len() >= self.many {
                    self.held.retain(|_, held| held.strong_count() > 0);
                    self.many = MANY.max(2 * self.held.len());
                }
                self.held.insert(name.to_string(), Arc::downgrade(spec));
            }
        }
        policy
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy(name: &str, port: u16) -> Policy {
        let rule = json!({ "ports": [{ "port": port }] });
        let policy = json!({ "metadata": { "name": name }, "spec": { "podSelector": {}, "ingress": [rule] } });
        serde_json::from_value::<NetworkPolicy>(policy).unwrap().into()
    }

    #[test]
    fn only_equal_specs_are_shared_and_none_is_changed() {
        let mut specs = Specs::default();
        let mut share = |name, port| {
            let shared = specs.share(policy(name, port));
            assert_eq!(shared, policy(name, port));
            assert_eq!(json!(shared), json!(NetworkPolicy::from(shared.clone())));
            shared.spec.unwrap()
        };
        let first = share("a", 1);
        assert!(Arc::ptr_eq(&first, &share("a", 1)));
        let other = share("a", 2);
        assert!(!Arc::ptr_eq(&first, &other));
        assert!(Arc::ptr_eq(&other, &share("a", 2)), "the latest of a name is the one that is shared");
        assert!(!Arc::ptr_eq(&share("b", 1), &first));
    }

    #[test]
    fn a_policy_that_was_there_before_its_namespace_lay_in_another() {
        let made = |time: Option<&str>| json!({ "metadata": { "creationTimestamp": time } });
        let (before, at, after) =
            (Some("2026-11-25T08:00:00Z"), Some("2026-11-25T08:00:01Z"), Some("2026-11-25T08:00:02Z"));
        for (policy, namespace, older) in
            [(before, at, true), (at, at, false), (after, at, false), (None, at, false), (before, None, false)]
        {
            let namespace: Namespace = serde_json::from_value(made(namespace)).unwrap();
            let policy: Policy = serde_json::from_value::<NetworkPolicy>(made(policy)).unwrap().into();
            assert_eq!(policy.is_older_than(&namespace), older, "{policy:?} {namespace:?}");
        }
    }
}
