//! `ConfigMaps` of ours, watched by our label and only while something needs them: the right to read them is one that not every cluster has to
//! grant.

use std::{collections::BTreeMap, fmt::Debug, time::Duration};

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

use crate::api::names;

/// How often it is looked whether they are needed.
const LOOK: Duration = Duration::from_secs(1);
/// How soon they are listed anew after a failure.
const AGAIN: Duration = Duration::from_secs(5);
/// How long one watch request lasts, in seconds.
const WATCH_SECONDS: u32 = 290;
const FORBIDDEN: u16 = 403;

/// Namespace and name.
pub type Key = (String, String);

/// What the watch shows.
#[derive(Clone, Debug)]
pub struct Seen<T> {
    /// Those that are there, once they were listed.
    pub live: Option<BTreeMap<Key, T>>,
    /// Why they are not seen.
    pub trouble: Option<String>,
}

impl<T> Default for Seen<T> {
    fn default() -> Self {
        Seen { live: None, trouble: None }
    }
}

/// Follows them for ever, while they are wanted or something is left. `keep` is what stays of one; nothing where it is none of these. What is not
/// allowed is told with the component that has the right.
pub async fn follow<T: Clone>(
    api: Api<ConfigMap>,
    component: &str,
    is_wanted: impl Fn() -> bool,
    keep: impl Fn(ConfigMap) -> Option<T>,
    to: watch::Sender<Seen<T>>,
) {
    let ours = format!("{}={}", names::MANAGED_BY, names::MANAGED_BY_VALUE);
    loop {
        if !is_wanted() && to.borrow().live.as_ref().is_none_or(BTreeMap::is_empty) {
            sleep(LOOK).await;
            continue;
        }
        let config = watcher::Config::default().labels(&ours).timeout(WATCH_SECONDS);
        let mut events = watcher::watcher(api.clone(), config).default_backoff().boxed();
        let mut listed = BTreeMap::new();
        let mut pause = LOOK;
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => to.send_modify(|seen| take(seen, &mut listed, event, &keep)),
                Err(error) => {
                    let Some(why) = trouble(&error, component) else { continue };
                    tracing::warn!(why, "ConfigMaps are not seen; it is tried again");
                    to.send_modify(|seen| seen.trouble = Some(why));
                    // A watch that begins again says nothing of it; a list does.
                    pause = AGAIN;
                    break;
                }
            }
        }
        sleep(pause).await;
    }
}

/// A watch that breaks off goes on where it was.
fn trouble(error: &watcher::Error, component: &str) -> Option<String> {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
            if status.code == FORBIDDEN =>
        {
            Some(format!("the operator may not list ConfigMaps: install its component {component}"))
        }
        watcher::Error::InitialListFailed(_) | watcher::Error::WatchStartFailed(_) => {
            Some(format!("ConfigMaps are not seen: {error}"))
        }
        _ => None,
    }
}

fn take<T>(
    seen: &mut Seen<T>,
    listed: &mut BTreeMap<Key, T>,
    event: Event<ConfigMap>,
    keep: impl Fn(ConfigMap) -> Option<T>,
) {
    let key = |map: &ConfigMap| (map.namespace().unwrap_or_default(), map.name_any());
    match event {
        Event::Init => listed.clear(),
        Event::InitApply(map) => {
            let key = key(&map);
            listed.extend(keep(map).map(|kept| (key, kept)));
        }
        Event::InitDone => seen.live = Some(std::mem::take(listed)),
        Event::Apply(map) => {
            let (live, key) = (seen.live.get_or_insert_default(), key(&map));
            match keep(map) {
                Some(kept) => drop(live.insert(key, kept)),
                None => drop(live.remove(&key)),
            }
        }
        Event::Delete(map) => {
            seen.live.get_or_insert_default().remove(&key(&map));
        }
    }
    if seen.live.is_some() {
        seen.trouble = None;
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

    use super::*;

    fn map(name: &str) -> ConfigMap {
        let metadata =
            ObjectMeta { namespace: Some("vault".to_string()), name: Some(name.to_string()), ..ObjectMeta::default() };
        ConfigMap { metadata, ..ConfigMap::default() }
    }

    /// Those that do not begin with `other`.
    fn keep(map: ConfigMap) -> Option<String> {
        map.metadata.name.filter(|name| !name.starts_with("other"))
    }

    #[test]
    fn what_is_there_follows_from_events_and_trouble_is_over_with_the_next() {
        let mut seen: Seen<String> = Seen { live: None, trouble: Some("forbidden".to_string()) };
        let mut listed = BTreeMap::new();
        let mut take = |seen: &mut Seen<String>, event| {
            take(seen, &mut listed, event, keep);
            seen.live.as_ref().map(|live| live.values().cloned().collect::<Vec<_>>().join(" "))
        };
        assert_eq!(take(&mut seen, Event::Init), None);
        assert_eq!(take(&mut seen, Event::InitApply(map("a"))), None);
        assert!(seen.trouble.is_some());
        assert_eq!(take(&mut seen, Event::InitApply(map("other"))), None);
        assert_eq!(take(&mut seen, Event::InitDone).as_deref(), Some("a"));
        assert_eq!(seen.trouble, None);
        assert_eq!(take(&mut seen, Event::Apply(map("b"))).as_deref(), Some("a b"));
        assert_eq!(take(&mut seen, Event::Delete(map("a"))).as_deref(), Some("b"));
        // What is listed anew takes the place of everything.
        assert_eq!(take(&mut seen, Event::Init).as_deref(), Some("b"));
        assert_eq!(take(&mut seen, Event::InitDone).as_deref(), Some(""));
    }

    #[test]
    fn a_watch_that_breaks_off_is_no_trouble() {
        let refused = |code| {
            let status = kube::core::Status { code, ..kube::core::Status::default() };
            kube::Error::Api(Box::new(status))
        };
        let told = |error| trouble(&error, "deploy/x");
        assert!(told(watcher::Error::InitialListFailed(refused(403))).is_some_and(|text| text.contains("deploy/x")));
        assert!(told(watcher::Error::InitialListFailed(refused(500))).is_some_and(|text| !text.contains("deploy/x")));
        assert_eq!(told(watcher::Error::WatchFailed(refused(500))), None);
    }
}
