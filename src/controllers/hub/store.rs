//! Objects of one kind by name, in order.
//!
//! Not kube's store: that one keeps every name, UID and version a second time beside its object, a relist holds
//! everything twice, and what is in one namespace is found only by going through all.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use kube::{Resource, ResourceExt, runtime::watcher::Event};
use tokio::sync::watch;

use crate::engine::{
    access::{Binding, Role},
    images::report::Report,
    pod::Pod,
    reach::other::Other,
    route::{Grant, Route},
    service::{Service, Slice},
};

/// What of an object a store keeps.
pub trait Kept: Clone {
    /// `name`, or `namespace/name` where the kind has namespaces.
    fn key(&self) -> Box<str>;

    /// Nothing is different that anybody decides by.
    fn says_the_same(&self, other: &Self) -> bool;

    /// Certainly the same object in the same version.
    fn is_same(&self, other: &Self) -> bool;
}

impl<K: Resource + Clone + PartialEq> Kept for K {
    fn key(&self) -> Box<str> {
        match self.namespace() {
            Some(namespace) => format!("{namespace}/{}", self.name_any()).into_boxed_str(),
            None => self.name_any().into_boxed_str(),
        }
    }

    fn says_the_same(&self, other: &Self) -> bool {
        without_versions(self) == without_versions(other)
    }

    fn is_same(&self, other: &Self) -> bool {
        let version = self.meta().resource_version.as_ref();
        version.is_some() && version == other.meta().resource_version.as_ref() && self.uid() == other.uid()
    }
}

/// Of these nothing is kept that does not decide.
macro_rules! kept_whole {
    ($($kind:ty: $key:expr),+) => {
        $(impl Kept for $kind {
            fn key(&self) -> Box<str> {
                let key: fn(&$kind) -> Box<str> = $key;
                key(self)
            }

            fn says_the_same(&self, other: &Self) -> bool {
                self == other
            }

            fn is_same(&self, other: &Self) -> bool {
                self == other
            }
        })+
    };
}

kept_whole!(
    Pod: |pod| pod.key.clone(),
    Service: |service| service.key.clone(),
    Slice: |slice| slice.key.clone(),
    Other: |other| other.key.clone(),
    Route: |route| route.key.clone(),
    Grant: |grant| grant.key.clone(),
    Role: |role| role.key.clone(),
    Binding: |binding| binding.key.clone(),
    Report: |report| format!("{}/{}", report.namespace, report.name).into()
);

fn without_versions<K: Resource + Clone>(object: &K) -> K {
    let mut object = object.clone();
    let metadata = object.meta_mut();
    metadata.resource_version = None;
    for entry in metadata.managed_fields.iter_mut().flatten() {
        entry.time = None;
    }
    object
}

/// Objects of one kind.
pub struct Store<K> {
    shelf: RwLock<Shelf<K>>,
    filled: watch::Sender<bool>,
}

struct Shelf<K> {
    known: Objects<K>,
    /// What a list has shown so far.
    listed: Objects<K>,
}

/// By `name`, or `namespace/name` where the kind has namespaces.
type Objects<K> = BTreeMap<Box<str>, Arc<K>>;

impl<K> Default for Store<K> {
    fn default() -> Self {
        let shelf = Shelf { known: BTreeMap::new(), listed: BTreeMap::new() };
        Store { shelf: RwLock::new(shelf), filled: watch::Sender::new(false) }
    }
}

impl<K: Kept> Store<K> {
    /// Takes an event of a watch in.
    pub fn apply(&self, event: &Event<K>) {
        let mut shelf = self.shelf.write().unwrap_or_else(PoisonError::into_inner);
        let shelf = &mut *shelf;
        match event {
            Event::Apply(object) => drop(shelf.known.insert(object.key(), Arc::new(object.clone()))),
            Event::Delete(object) => drop(shelf.known.remove(&object.key())),
            Event::Init => shelf.listed.clear(),
            Event::InitApply(object) => {
                let key = object.key();
                let same = shelf.known.get(&key).filter(|known| known.is_same(object));
                let object = same.map_or_else(|| Arc::new(object.clone()), Arc::clone);
                shelf.listed.insert(key, object);
            }
            Event::InitDone => {
                shelf.known = std::mem::take(&mut shelf.listed);
                self.filled.send_replace(true);
            }
        }
    }

    /// Waits until the first list is complete.
    pub async fn until_filled(&self) {
        // The sender lives as long as the store.
        let _ = self.filled.subscribe().wait_for(|filled| *filled).await;
    }

    /// An object of a kind without namespaces.
    pub fn get(&self, name: &str) -> Option<Arc<K>> {
        self.known().get(name).map(Arc::clone)
    }

    /// The object that has this one's name now.
    pub fn get_like(&self, object: &K) -> Option<Arc<K>> {
        self.get(&object.key())
    }

    /// The objects of one namespace, by name.
    pub fn within(&self, namespace: &str) -> Vec<Arc<K>> {
        let start = format!("{namespace}/");
        let shelf = self.known();
        let from = shelf.range::<str, _>((Bound::Included(start.as_str()), Bound::Unbounded));
        from.take_while(|(key, _)| key.starts_with(&start)).map(|(_, object)| Arc::clone(object)).collect()
    }

    /// All objects, by namespace and name.
    pub fn all(&self) -> Vec<Arc<K>> {
        self.known().values().map(Arc::clone).collect()
    }

    fn known(&self) -> Known<'_, K> {
        Known(self.shelf.read().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Known<'a, K>(RwLockReadGuard<'a, Shelf<K>>);

impl<K> std::ops::Deref for Known<'_, K> {
    type Target = Objects<K>;

    fn deref(&self) -> &Objects<K> {
        &self.0.known
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::networking::v1::NetworkPolicy;
    use serde_json::json;

    use super::*;

    fn policy(namespace: &str, name: &str, version: &str) -> NetworkPolicy {
        let metadata = json!({ "namespace": namespace, "name": name, "uid": name, "resourceVersion": version });
        serde_json::from_value(json!({ "metadata": metadata })).unwrap()
    }

    fn names(policies: &[Arc<NetworkPolicy>]) -> Vec<String> {
        policies.iter().map(|policy| format!("{}/{}", policy.namespace().unwrap(), policy.name_any())).collect()
    }

    #[test]
    fn a_namespace_is_found_among_others_whose_names_begin_alike() {
        let store = Store::default();
        for (namespace, name) in [("a", "z"), ("a-b", "a"), ("ab", "a"), ("a.b", "a"), ("a", "b"), ("0", "a")] {
            store.apply(&Event::Apply(policy(namespace, name, "1")));
        }
        assert_eq!(names(&store.within("a")), ["a/b", "a/z"]);
        assert!(store.within("b").is_empty());
        store.apply(&Event::Delete(policy("a", "b", "2")));
        assert_eq!(names(&store.within("a")), ["a/z"]);
    }

    #[test]
    fn a_list_takes_effect_as_a_whole_and_keeps_what_did_not_change() {
        let store = Store::default();
        for name in ["gone", "same", "changed"] {
            store.apply(&Event::Apply(policy("a", name, "1")));
        }
        let before = store.get("a/same").unwrap();
        store.apply(&Event::Init);
        store.apply(&Event::InitApply(policy("a", "same", "1")));
        store.apply(&Event::InitApply(policy("a", "changed", "2")));
        assert_eq!(names(&store.all()), ["a/changed", "a/gone", "a/same"], "until the list is complete");
        store.apply(&Event::InitDone);
        assert_eq!(names(&store.all()), ["a/changed", "a/same"]);
        assert_eq!(store.get("a/changed").unwrap().resource_version().as_deref(), Some("2"));
        assert!(Arc::ptr_eq(&store.get("a/same").unwrap(), &before), "held once");
    }
}
