//! Every version of every object of ours that ever was in the API server, in their order.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::{
    core::v1::{Namespace, Node},
    networking::v1::NetworkPolicy,
};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams, WatchEvent, WatchParams},
    core::Resource,
};
use pcizone::api::names;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::ask;

/// What of an object is ours, in one version; `None` when the object was deleted.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// `Kind/namespace/name`.
    pub object: String,
    /// What is there of ours.
    pub ours: Option<Value>,
}

/// Watches the API server without the proxy. Versions of all kinds count in one order.
pub struct History {
    client: Client,
    markers: AtomicUsize,
    versions: Arc<Mutex<BTreeMap<u64, Version>>>,
    _watches: JoinSet<()>,
}

impl History {
    /// Begins with what changes from now on.
    pub fn record(client: &Client) -> Self {
        let versions = Arc::default();
        let mut watches = JoinSet::new();
        watches.spawn(follow::<Namespace>(client.clone(), Arc::clone(&versions), |namespace| {
            json!(namespace.labels().get(names::ZONE_LABEL))
        }));
        watches.spawn(follow::<NetworkPolicy>(client.clone(), Arc::clone(&versions), |policy| {
            json!([policy.labels(), policy.spec])
        }));
        watches.spawn(follow::<Node>(client.clone(), Arc::clone(&versions), |node| {
            json!([node.labels().get(names::NODE_LABEL), node.spec.as_ref().and_then(|spec| spec.taints.as_ref())])
        }));
        Self { client: client.clone(), markers: AtomicUsize::default(), versions, _watches: watches }
    }

    /// Everything since this was last asked, with the numbers of the versions.
    pub async fn take(&self) -> Vec<(u64, Version)> {
        // Each kind comes in order: what was written before the marker of its kind is there with it.
        let markers = [
            self.mark::<Namespace>(Api::all(self.client.clone()), names::OPERATOR_NAMESPACE).await,
            self.mark::<NetworkPolicy>(Api::namespaced(self.client.clone(), names::OPERATOR_NAMESPACE), "marker").await,
            self.mark::<Node>(Api::all(self.client.clone()), names::OPERATOR_NAMESPACE).await,
        ];
        ask("the history is complete", async || {
            let versions = self.versions.lock().unwrap();
            if markers.iter().all(|marker| versions.contains_key(marker)) { Ok(()) } else { Err(String::new()) }
        })
        .await;
        std::mem::take(&mut *self.versions.lock().unwrap()).into_iter().collect()
    }

    /// Changes an object that is nobody's matter; returns its version.
    async fn mark<K>(&self, api: Api<K>, name: &str) -> u64
    where
        K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned,
    {
        let number = self.markers.fetch_add(1, Ordering::Relaxed).to_string();
        let object = json!({
            "apiVersion": K::api_version(&()), "kind": K::kind(&()),
            "metadata": { "name": name, "annotations": { "example.com/marker": number } },
        });
        let marked = api.patch(name, &PatchParams::apply("history").force(), &Patch::Apply(&object)).await.unwrap();
        version(&marked)
    }
}

/// Versions of all kinds are numbers in one order, that of the store.
pub fn version(object: &impl ResourceExt) -> u64 {
    object.resource_version().and_then(|version| version.parse().ok()).expect("versions are numbers")
}

async fn follow<K>(client: Client, versions: Arc<Mutex<BTreeMap<u64, Version>>>, ours: fn(&K) -> Value)
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned,
{
    let api: Api<K> = Api::all(client);
    let mut from = "0".to_string();
    loop {
        // The history ends with the cluster; whoever waits for more is told what is missing.
        let Ok(events) = api.watch(&WatchParams::default().timeout(290), &from).await else { return };
        let mut events = events.boxed();
        while let Ok(Some(event)) = events.try_next().await {
            let (object, exists) = match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => (object, true),
                WatchEvent::Deleted(object) => (object, false),
                WatchEvent::Bookmark(_) | WatchEvent::Error(_) => continue,
            };
            from = version(&object).to_string();
            let namespace = object.namespace().unwrap_or_default();
            let name = format!("{}/{namespace}/{}", K::kind(&()), object.name_any());
            let seen = Version { object: name, ours: exists.then(|| ours(&object)) };
            versions.lock().unwrap().insert(version(&object), seen);
        }
    }
}

/// What is in the cluster at one moment of a history.
#[derive(Default)]
pub struct State {
    now: BTreeMap<String, Value>,
}

impl State {
    /// Goes on by one version.
    pub fn advance(&mut self, version: &Version) {
        match version.ours.clone() {
            Some(ours) => self.now.insert(version.object.clone(), ours),
            None => self.now.remove(&version.object),
        };
    }

    /// The namespaces that have their default deny.
    pub fn denying(&self) -> BTreeSet<String> {
        let end = format!("/{}", names::BASELINE);
        let baselines = self.now.keys().filter_map(|object| object.strip_prefix("NetworkPolicy/")?.strip_suffix(&end));
        baselines.map(str::to_string).collect()
    }

    /// The namespaces that carry our label.
    pub fn labelled(&self) -> BTreeSet<String> {
        let labelled = self.now.iter().filter(|(_, ours)| ours.is_string());
        labelled.filter_map(|(object, _)| object.strip_prefix("Namespace//")).map(str::to_string).collect()
    }
}
