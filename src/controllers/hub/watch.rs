//! Keeps one store up to date, whatever the API server says.
//!
//! A watch of our own for each kind on purpose: kube's shared streams never dispatch deletions to their subscribers, and
//! a deleted policy is just what must be seen.

use std::time::Duration;

use backon::ExponentialBuilder;
use futures::{StreamExt, TryStreamExt};
use kube::{
    Api, Resource,
    runtime::{
        WatchStreamExt,
        utils::{Backoff, ResetTimerBackoff},
        watcher::{self, Event, ExponentialBackoff},
    },
};
use serde::de::DeserializeOwned;
use tokio::time::sleep;

use super::{
    Hub,
    store::{Kept, Store},
};
use crate::controllers::lenient::Lenient;

/// How soon everything is listed again when a watch cannot go on from where it was.
pub(super) const LIST_AGAIN: Duration = Duration::from_secs(1);

/// First pause after a failed watch; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Longest pause. Short, because nothing is repaired meanwhile: what broke may be back at any moment, and one request
/// of each kind in this time is no burden.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A watch that did not fail for so long starts with the first pause again.
const CALM: Duration = Duration::from_secs(30);

/// Follows one kind for ever. Of each object stays what `keep` makes of it.
pub(super) async fn follow<K, T>(
    hub: &Hub,
    (api, kind): (Api<Lenient<K>>, K::DynamicType),
    config: watcher::Config,
    store: &Store<T>,
    mut keep: impl FnMut(K) -> T,
    on: fn(&Hub, &Event<T>),
) where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
    T: Kept,
{
    let mut keep = |Lenient(object)| keep(object);
    loop {
        let hear = |event: &Event<T>| take_in(hub, store, event, on);
        follow_until((api.clone(), &kind), config.clone(), &mut keep, hear, is_too_old).await;
        sleep(LIST_AGAIN).await;
    }
}

/// Follows one kind until its watch fails in a way that `ends` it; other failures are tried again.
pub(super) async fn follow_until<K, T>(
    (api, kind): (Api<K>, &K::DynamicType),
    config: watcher::Config,
    keep: &mut impl FnMut(K) -> T,
    hear: impl Fn(&Event<T>),
    ends: impl Fn(&watcher::Error) -> bool,
) where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
{
    let events = watcher::watcher(api, config).backoff(pauses());
    let mut events = std::pin::pin!(events.map_ok(|event| kept(event, &mut *keep)));
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => hear(&event),
            Err(error) => {
                tracing::warn!(kind = %K::kind(kind), %error, "a watch failed and is tried again");
                if ends(&error) {
                    break;
                }
            }
        }
    }
}

/// The event, with what is kept of its object.
fn kept<K, T>(event: Event<K>, keep: impl FnOnce(K) -> T) -> Event<T> {
    match event {
        Event::Apply(object) => Event::Apply(keep(object)),
        Event::Delete(object) => Event::Delete(keep(object)),
        Event::Init => Event::Init,
        Event::InitApply(object) => Event::InitApply(keep(object)),
        Event::InitDone => Event::InitDone,
    }
}

/// Takes an event into its store, and tells the hub where it says something new.
pub(super) fn take_in<T: Kept>(hub: &Hub, store: &Store<T>, event: &Event<T>, on: fn(&Hub, &Event<T>)) {
    let is_news = is_news(store, event);
    store.apply(event);
    if is_news {
        hub.hear(event, on);
    }
}

fn pauses() -> impl Backoff {
    let growing = ExponentialBuilder::default().with_min_delay(FIRST_PAUSE).with_max_delay(LONGEST_PAUSE);
    let growing = ExponentialBackoff::from(growing.with_factor(2.0).with_jitter().without_max_times());
    // Also a list that fails at its second page begins well.
    ResetTimerBackoff::new(growing, CALM)
}

/// kube lists again when a running watch says that its version is too old, but not when that is the answer to
/// the request for the watch: it would ask the same for ever.
pub(super) fn is_too_old(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::WatchStartFailed(kube::Error::Api(status)) if status.code == 410 || status.code == 400)
}

/// False for what changes nothing that anybody decides by, such as the heartbeat of a node.
fn is_news<K: Kept>(store: &Store<K>, event: &Event<K>) -> bool {
    let Event::Apply(new) = event else { return true };
    store.get_like(new).is_none_or(|known| !known.says_the_same(new))
}
