//! What the canary's pods tell. A watch of its own: a pod that is being deleted ends with a message, and is gone a moment later; the
//! event that tells so still has it.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, ResourceExt,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};
use tokio::{sync::watch, time::sleep};

use crate::{api::names, controllers::apply::canary::Told};

/// Pods of which something is known; those that are gone are forgotten first.
const MOST: usize = 1_000;
/// How long one watch request lasts, in seconds.
const WATCH_SECONDS: u32 = 290;

/// What is known, by namespace and name.
pub type Pods = HashMap<Key, Told>;
type Key = (String, String);

/// Follows the pods for ever.
pub async fn follow(client: Client, to: watch::Sender<Pods>) {
    let api: Api<Pod> = Api::all(client);
    loop {
        let config = watcher::Config::default().labels(names::CANARY_LABEL).timeout(WATCH_SECONDS);
        let mut events = watcher::watcher(api.clone(), config).default_backoff().boxed();
        let mut listed = HashSet::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => to.send_modify(|pods| take(pods, &mut listed, event)),
                Err(error) => tracing::debug!(%error, "the canary's pods are not seen; it is tried again"),
            }
        }
        sleep(Duration::from_secs(1)).await;
    }
}

fn take(pods: &mut Pods, listed: &mut HashSet<Key>, event: Event<Pod>) {
    match event {
        Event::Apply(pod) => note(pods, &pod, false),
        Event::Delete(pod) => note(pods, &pod, true),
        Event::Init => listed.clear(),
        Event::InitApply(pod) => {
            listed.insert(key(&pod));
            note(pods, &pod, false);
        }
        // What is not listed went while nobody heard of it.
        Event::InitDone => {
            let unlisted = pods.iter_mut().filter(|(key, _)| !listed.contains(*key));
            unlisted.for_each(|(_, told)| told.gone = true);
        }
    }
    if pods.len() > MOST {
        pods.retain(|_, told| !told.gone);
    }
}

fn key(pod: &Pod) -> Key {
    (pod.namespace().unwrap_or_default(), pod.name_any())
}

/// What it said once stays said.
fn note(pods: &mut Pods, pod: &Pod, gone: bool) {
    let mut told = Told { gone, ..Told::from(pod) };
    let before = pods.get(&key(pod)).and_then(|told| told.message.clone());
    told.message = before.or(told.message.take());
    pods.insert(key(pod), told);
}
