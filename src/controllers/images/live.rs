//! The objects that are there, by zone: watched in the operator's namespace alone, and only while a zone needs them.

use std::{collections::BTreeMap, time::Duration};

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, ResourceExt,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};
use tokio::{sync::watch, time::sleep};

use super::{Images, wanted};
use crate::{
    api::names,
    engine::{images::allow_list, ownership},
};

const LOOK: Duration = Duration::from_secs(1);
/// How long one watch request lasts, in seconds.
const WATCH_SECONDS: u32 = 290;
const FORBIDDEN: u16 = 403;

/// What the watch shows.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// Those that are there, once they were listed.
    pub(super) live: Option<BTreeMap<String, ConfigMap>>,
    /// Why they are not seen.
    pub(super) trouble: Option<String>,
}

/// Follows them for ever, while a zone needs them or something is left.
pub(super) async fn follow(images: &Images, to: watch::Sender<Seen>) {
    let api: Api<ConfigMap> = Api::namespaced(images.client.clone(), &images.namespace);
    let ours = format!("{}={}", names::MANAGED_BY, names::MANAGED_BY_VALUE);
    loop {
        let is_wanted = wanted(&images.hub).iter().any(|one| one.protects);
        if !is_wanted && to.borrow().live.as_ref().is_none_or(BTreeMap::is_empty) {
            sleep(LOOK).await;
            continue;
        }
        let config = watcher::Config::default().labels(&ours).timeout(WATCH_SECONDS);
        let mut events = watcher::watcher(api.clone(), config).default_backoff().boxed();
        let mut listed = BTreeMap::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => to.send_modify(|seen| take(seen, &mut listed, event)),
                Err(error) => {
                    let why = trouble(&error);
                    tracing::warn!(why, "what admission is told of images is not seen; it is tried again");
                    to.send_modify(|seen| seen.trouble = Some(why));
                }
            }
        }
        sleep(LOOK).await;
    }
}

fn trouble(error: &watcher::Error) -> String {
    let forbidden = |error: &kube::Error| matches!(error, kube::Error::Api(status) if status.code == FORBIDDEN);
    let is_forbidden = match error {
        watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error) => forbidden(error),
        _ => false,
    };
    if is_forbidden {
        "the operator may not list ConfigMaps of its namespace: install its component deploy/kustomize/components/scanning"
            .to_string()
    } else {
        format!("its ConfigMaps are not seen: {error}")
    }
}

/// The zone that an object is of, by its name: whatever its labels say.
fn zone(map: &ConfigMap) -> Option<String> {
    let zone = ownership::label(&map.metadata, names::ZONE_LABEL)?;
    (allow_list::name(zone) == map.name_any()).then(|| zone.to_string())
}

fn take(seen: &mut Seen, listed: &mut BTreeMap<String, ConfigMap>, event: Event<ConfigMap>) {
    match event {
        Event::Init => listed.clear(),
        Event::InitApply(map) => {
            if let Some(zone) = zone(&map) {
                listed.insert(zone, map);
            }
        }
        Event::InitDone => {
            seen.live = Some(std::mem::take(listed));
            seen.trouble = None;
        }
        Event::Apply(map) => {
            if let Some(zone) = zone(&map) {
                seen.live.get_or_insert_default().insert(zone, map);
            }
        }
        Event::Delete(map) => {
            if let Some(zone) = zone(&map) {
                seen.live.get_or_insert_default().remove(&zone);
            }
        }
    }
}
