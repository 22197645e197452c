//! What the API server has, as its watches tell an administrator.

use std::{collections::HashMap, sync::Mutex, sync::PoisonError};

use anyhow::{Context as _, Result, bail};
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::{
    core::v1::{Namespace, Node},
    networking::v1::NetworkPolicy,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    runtime::{WatchStreamExt as _, watcher},
};
use pcizone::api::names;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    task::AbortHandle,
    time::{Duration, Instant, timeout, timeout_at},
};

/// How long the first list may take.
const LIST: Duration = Duration::from_secs(60);

/// What of one object is the operator's, in its latest version.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Seen {
    pub(super) version: u64,
    /// A deleted object has nothing.
    pub(super) ours: Option<Value>,
}

/// The latest version of every object.
pub(super) struct Mirror {
    objects: std::sync::Arc<Mutex<HashMap<String, Seen>>>,
    changes: watch::Sender<()>,
    watches: Vec<AbortHandle>,
}

impl Mirror {
    pub(super) async fn start(client: &Client) -> Result<Self> {
        let mut mirror =
            Mirror { objects: std::sync::Arc::default(), changes: watch::Sender::new(()), watches: vec![] };
        mirror.follow::<NetworkPolicy>(client, |policy| json!([policy.labels(), policy.spec])).await?;
        mirror.follow::<Namespace>(client, |namespace| json!(namespace.labels().get(names::ZONE_LABEL))).await?;
        mirror
            .follow::<Node>(client, |node| {
                // Of the taints only ours: nobody puts those of others back.
                let taints = node.spec.iter().flat_map(|spec| spec.taints.iter().flatten());
                let taints: Vec<_> = taints.filter(|taint| taint.key == names::NODE_TAINT).collect();
                json!([node.labels().get(names::NODE_LABEL), taints])
            })
            .await?;
        Ok(mirror)
    }

    async fn follow<K>(&mut self, client: &Client, ours: fn(&K) -> Value) -> Result<()>
    where
        K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned + Send + 'static,
    {
        let (objects, changes) = (std::sync::Arc::clone(&self.objects), self.changes.clone());
        let (listed, mut is_listed) = watch::channel(false);
        let api: Api<K> = Api::all(client.clone());
        let task = tokio::spawn(async move {
            let mut events = watcher(api, watcher::Config::default()).default_backoff().boxed();
            loop {
                // A watch that fails is tried again by itself.
                let Ok(event) = events.try_next().await else { continue };
                let (object, exists) = match event {
                    Some(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) => (object, true),
                    Some(watcher::Event::Delete(object)) => (object, false),
                    Some(watcher::Event::Init) => continue,
                    Some(watcher::Event::InitDone) => {
                        listed.send_replace(true);
                        continue;
                    }
                    None => return,
                };
                let version = object.resource_version().and_then(|version| version.parse().ok()).unwrap_or_default();
                let seen = Seen { version, ours: exists.then(|| ours(&object)) };
                let namespace = object.namespace().unwrap_or_default();
                let key = key(&K::kind(&()), &namespace, &object.name_any());
                objects.lock().unwrap_or_else(PoisonError::into_inner).insert(key, seen);
                changes.send_replace(());
            }
        });
        self.watches.push(task.abort_handle());
        timeout(LIST, is_listed.wait_for(|listed| *listed))
            .await
            .with_context(|| format!("the {} were not listed in time", K::plural(&())))?
            .context("a watch ended")?;
        Ok(())
    }

    pub(super) fn get(&self, key: &str) -> Option<Seen> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    pub(super) fn keys(&self) -> Vec<String> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// Waits until a version after this one is as wanted.
    pub(super) async fn until(&self, key: &str, after: u64, wanted: &Value, limit: Duration) -> Result<()> {
        let mut changes = self.changes.subscribe();
        let end = Instant::now() + limit;
        loop {
            let seen = self.get(key);
            if seen.as_ref().is_some_and(|seen| seen.version > after && seen.ours.as_ref() == Some(wanted)) {
                return Ok(());
            }
            if timeout_at(end, changes.changed()).await.is_err() {
                bail!("{key} was not put back within {} s; it is {seen:?}", limit.as_secs());
            }
        }
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        for watch in &self.watches {
            watch.abort();
        }
    }
}

/// `Kind/namespace/name`.
pub(super) fn key(kind: &str, namespace: &str, name: &str) -> String {
    format!("{kind}/{namespace}/{name}")
}
