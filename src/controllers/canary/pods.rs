//! What the canary's pods tell. A watch of its own: a pod that is being deleted ends with a message, and is gone a moment later; the
//! event that tells so still has it.

use std::{collections::HashMap, time::Duration};

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
pub type Pods = HashMap<(String, String), Told>;

/// Follows the pods for ever.
pub async fn follow(client: Client, to: watch::Sender<Pods>) {
    let api: Api<Pod> = Api::all(client);
    loop {
        let config = watcher::Config::default().labels(names::CANARY_LABEL).timeout(WATCH_SECONDS);
        let mut events = watcher::watcher(api.clone(), config).default_backoff().boxed();
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => to.send_modify(|pods| take(pods, event)),
                Err(error) => tracing::debug!(%error, "the canary's pods are not seen; it is tried again"),
            }
        }
        sleep(Duration::from_secs(1)).await;
    }
}

fn take(pods: &mut Pods, event: Event<Pod>) {
    let key = |pod: &Pod| (pod.namespace().unwrap_or_default(), pod.name_any());
    match event {
        Event::Apply(pod) | Event::InitApply(pod) => {
            let told = Told::from(&pod);
            let before = pods.get(&key(&pod)).and_then(|told| told.message.clone());
            pods.insert(key(&pod), Told { message: told.message.clone().or(before), ..told });
        }
        Event::Delete(pod) => {
            let told = Told::from(&pod);
            let before = pods.get(&key(&pod)).and_then(|told| told.message.clone());
            pods.insert(key(&pod), Told { message: told.message.clone().or(before), gone: true, ..told });
        }
        // What was there before and is not named now is found out by its time.
        Event::Init | Event::InitDone => {}
    }
    if pods.len() > MOST {
        pods.retain(|_, told| !told.gone);
    }
}
