//! Kinds that other software brings: they may not be installed, and may come and go while the operator runs.
//!
//! ```text
//!  ask ──404──▶ absent: as if listed and empty; asked again each minute
//!   ├─── 200 ─▶ followed like any kind, until it is gone
//!   └── else ─▶ hidden: it may be there and cannot be seen; asked again soon
//! ```
//! They hold up no repair and no readiness. That a kind is hidden is said to the judgement, which must not take what it
//! cannot see for absent.

use std::{sync::Arc, time::Duration};

use kube::{
    Api, Client, Resource,
    core::{ApiResource, DynamicObject, GroupVersionKind},
    runtime::watcher::{self, Event},
};
use serde::de::DeserializeOwned;
use tokio::{
    sync::watch as channel,
    time::{Instant, sleep, timeout},
};

use super::{
    Hub, STALE, WATCH_SECONDS,
    store::{Kept, Store},
    watch::{LIST_AGAIN, follow_until, is_too_old, take_in},
};
use crate::{
    controllers::{lenient::Lenient, traffic::Traffic},
    engine::{
        intake::Kind,
        reach::other::{self, Hidden, Other},
        route::{self, Route},
    },
};

/// How soon it is looked again whether an absent kind has come.
const ABSENT: Duration = Duration::from_secs(60);
/// How soon it is looked again at a kind that is hidden.
const HIDDEN: Duration = Duration::from_secs(5);
/// How long failures are borne with before the first answer: the API server may just be starting.
const PATIENCE: Duration = Duration::from_secs(10);
const NOT_FOUND: u16 = 404;
const FORBIDDEN: u16 = 403;
const CALL: Duration = Duration::from_secs(10);

/// A store for each kind of policies other than NetworkPolicy, and of what they depend on.
pub(super) fn others() -> Vec<(other::Kind, OptionalStore<Other>)> {
    let store = |kind: &Kind| Some((other::Kind::of(*kind)?, OptionalStore::new(*kind)));
    Kind::ALL.iter().filter_map(store).collect()
}

/// A store for each kind of routes of the Gateway API.
pub(super) fn routes() -> Vec<(route::Kind, OptionalStore<Route>)> {
    let kind = |route: route::Kind| Kind::ALL.iter().find(|kind| kind.is_optional() && kind.as_str() == route.as_str());
    let store = |route: route::Kind| Some((route, OptionalStore::new(*kind(route)?)));
    route::Kind::OF_GATEWAYS.into_iter().filter_map(store).collect()
}

fn api_resource(kind: Kind, version: &str) -> ApiResource {
    let gvk = GroupVersionKind::gvk(kind.group(), version, kind.as_str());
    ApiResource::from_gvk_with_plural(&gvk, kind.plural())
}

/// Which of its versions is served, if any; why that is not known, where it is not.
pub async fn served(kind: Kind, client: &Client) -> Result<Option<&'static str>, Refusal> {
    served_resource((kind.group(), kind.plural()), kind.versions(), client).await
}

/// The same of what is no kind that is judged, by its group and plural.
pub async fn served_resource(
    (group, plural): (&str, &str),
    versions: &[&'static str],
    client: &Client,
) -> Result<Option<&'static str>, Refusal> {
    for version in versions {
        let path = format!("/apis/{group}/{version}/{plural}?limit=1");
        let answer = match http::Request::get(path).body(Vec::new()) {
            Ok(request) => timeout(CALL, client.request_text(request)).await,
            Err(error) => return Err(Refusal::Passing(error.to_string())),
        };
        match answer {
            Ok(Ok(_)) => return Ok(Some(version)),
            // Where not even the group is there, the answer is a line of text, without a reason.
            Ok(Err(kube::Error::Api(status))) if status.code == NOT_FOUND => {}
            // Rights are asked for before it is looked whether there is such a kind.
            Ok(Err(kube::Error::Api(status))) if status.code == FORBIDDEN => {
                if is_served((group, plural), client, version).await {
                    return Err(Refusal::Forbidden(format!(
                        "the right to list {plural}.{group} in the whole cluster is missing"
                    )));
                }
            }
            Ok(Err(error)) => return Err(Refusal::Passing(error.to_string())),
            Err(_) => return Err(Refusal::Passing(format!("no answer within {} s", CALL.as_secs()))),
        }
    }
    Ok(None)
}

/// Whoever may not list it may mostly ask whether it is there. Where that is not known either, it is.
async fn is_served((group, plural): (&str, &str), client: &Client, version: &str) -> bool {
    let group_version = format!("{group}/{version}");
    match timeout(CALL, client.list_api_group_resources(&group_version)).await {
        Ok(Ok(served)) => served.resources.iter().any(|resource| resource.name == plural),
        Ok(Err(kube::Error::Api(status))) => status.code != NOT_FOUND,
        Ok(Err(_)) | Err(_) => true,
    }
}

impl Hub {
    pub(super) fn all_routes(&self) -> Vec<Arc<Route>> {
        let of_gateways = self.routes.iter().flat_map(|(_, store)| store.all());
        self.ingresses.all().into_iter().chain(of_gateways).collect()
    }

    pub(super) fn all_others(&self) -> Vec<Arc<Other>> {
        other::distinct(self.others.iter().flat_map(|(_, store)| store.all()).collect())
    }

    pub(super) fn hidden_kinds(&self) -> Vec<Hidden> {
        let hidden = |(kind, store): &(other::Kind, OptionalStore<Other>)| {
            let why = store.hidden(&self.traffic)?;
            Some(Hidden { kind: *kind, why })
        };
        self.others.iter().filter_map(hidden).collect()
    }

    /// The kinds that other software brought.
    pub fn brought(&self) -> Vec<Kind> {
        fn there<T: Kept>(store: &OptionalStore<T>) -> Option<Kind> {
            store.is_there().then_some(store.kind)
        }
        let others = self.others.iter().filter_map(|(_, store)| there(store));
        let routes = self.routes.iter().filter_map(|(_, store)| there(store));
        others.chain(routes).chain(there(&self.grants)).collect()
    }
}

/// Why it is not known whether a kind is there.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// It is there, and may not be listed.
    Forbidden(String),
    /// No sensible answer came.
    Passing(String),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::Forbidden(why) | Refusal::Passing(why) => f.write_str(why),
        }
    }
}

/// Objects of a kind that may not be installed.
pub struct OptionalStore<T> {
    /// The kind.
    pub kind: Kind,
    store: Store<T>,
    state: channel::Sender<State>,
}

#[derive(Clone, Debug, PartialEq)]
enum State {
    Unasked,
    Absent,
    /// Listed, at that moment.
    Filled(Instant),
    Hidden(Refusal),
}

impl<T: Kept> OptionalStore<T> {
    /// Nothing is known of it yet.
    pub fn new(kind: Kind) -> Self {
        OptionalStore { kind, store: Store::default(), state: channel::Sender::new(State::Unasked) }
    }

    /// Its objects.
    pub fn all(&self) -> Vec<Arc<T>> {
        self.store.all()
    }

    /// It is installed, as far as is known.
    pub fn is_there(&self) -> bool {
        matches!(*self.state.borrow(), State::Filled(_) | State::Hidden(_))
    }

    /// Why its objects may not be what is in the cluster, if so.
    pub fn hidden(&self, traffic: &Traffic) -> Option<String> {
        match &*self.state.borrow() {
            State::Hidden(refusal) => Some(refusal.to_string()),
            State::Filled(at) => {
                let silence = traffic.silence(self.kind.resource()).unwrap_or(Duration::MAX).min(at.elapsed());
                (silence > STALE).then(|| format!("its watch was not heard for {} s", silence.as_secs()))
            }
            State::Unasked | State::Absent => None,
        }
    }

    /// It was listed.
    pub(super) fn is_filled(&self) -> bool {
        matches!(*self.state.borrow(), State::Filled(_))
    }

    /// It is there, and may not be listed.
    pub(super) fn is_forbidden(&self) -> bool {
        matches!(*self.state.borrow(), State::Hidden(Refusal::Forbidden(_)))
    }

    /// It is known what is to be known of it.
    pub(super) fn is_known(&self) -> bool {
        *self.state.borrow() != State::Unasked
    }

    /// Waits until it is known what is to be known: its objects, that there are none, or that they cannot be seen.
    pub async fn until_known(&self) {
        // The sender lives as long as the store.
        let _ = self.state.subscribe().wait_for(|state| *state != State::Unasked).await;
    }

    /// Follows it for ever. Of each object stays what `keep` makes of it.
    pub(super) async fn follow(
        &self,
        hub: &Hub,
        client: &Client,
        mut keep: impl FnMut(DynamicObject) -> T,
        on: fn(&Hub, &Event<T>),
    ) {
        self.follow_as(hub, client, watcher::Config::default(), |Lenient(object)| keep(object), on).await;
    }

    /// The same of objects that are read as something else.
    pub(super) async fn follow_as<K>(
        &self,
        hub: &Hub,
        client: &Client,
        config: watcher::Config,
        mut keep: impl FnMut(K) -> T,
        on: fn(&Hub, &Event<T>),
    ) where
        K: Resource<DynamicType = ApiResource> + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
    {
        let mut heard: Option<Instant> = None;
        let begun = Instant::now();
        loop {
            let pause = match served(self.kind, client).await {
                Ok(Some(version)) => {
                    let resource = api_resource(self.kind, version);
                    let config = config.clone().timeout(WATCH_SECONDS);
                    let hear = |event: &Event<T>| {
                        take_in(hub, &self.store, event, on);
                        if matches!(event, Event::InitDone) {
                            self.set(hub, State::Filled(Instant::now()));
                        }
                    };
                    let ends = |error: &watcher::Error| self.is_over(error);
                    follow_until((Api::all_with(client.clone(), &resource), &resource), config, &mut keep, hear, ends)
                        .await;
                    heard = Some(Instant::now());
                    LIST_AGAIN
                }
                Ok(None) => {
                    heard = Some(Instant::now());
                    self.forget(hub);
                    ABSENT
                }
                Err(refusal @ Refusal::Forbidden(_)) => {
                    self.set(hub, State::Hidden(refusal));
                    HIDDEN
                }
                Err(refusal @ Refusal::Passing(_)) => {
                    let (last, patience) = heard.map_or((begun, PATIENCE), |heard| (heard, STALE));
                    if last.elapsed() > patience {
                        self.set(hub, State::Hidden(refusal));
                    }
                    if heard.is_some() { HIDDEN } else { LIST_AGAIN }
                }
            };
            sleep(pause).await;
        }
    }

    /// A list that failed is begun anew by asking; a watch that failed is tried again, but where its kind is gone.
    fn is_over(&self, error: &watcher::Error) -> bool {
        let gone = |status: &kube::core::Status| [NOT_FOUND, FORBIDDEN].contains(&status.code);
        match error {
            watcher::Error::InitialListFailed(_) => true,
            watcher::Error::WatchStartFailed(kube::Error::Api(status)) if gone(status) => true,
            _ => is_too_old(error) || !matches!(*self.state.borrow(), State::Filled(_)),
        }
    }

    /// It is not installed, or not any more.
    fn forget(&self, hub: &Hub) {
        self.empty();
        self.set(hub, State::Absent);
    }

    /// It is not followed any more.
    pub(super) fn abandon(&self, hub: &Hub) {
        self.empty();
        self.set(hub, State::Unasked);
    }

    fn empty(&self) {
        self.store.apply(&Event::Init);
        self.store.apply(&Event::InitDone);
    }

    fn set(&self, hub: &Hub, state: State) {
        let before = self.state.send_replace(state.clone());
        let is_change = std::mem::discriminant(&before) != std::mem::discriminant(&state);
        if !is_change {
            return;
        }
        let kind = self.kind.resource();
        match (before, state) {
            (_, State::Hidden(why)) => tracing::warn!(kind, %why, "a kind may be there and cannot be seen"),
            (_, State::Filled(_)) => tracing::info!(kind, "a kind is watched that is not built in"),
            (State::Unasked, _) | (_, State::Unasked) => {}
            (_, State::Absent) => tracing::info!(kind, "a kind is not installed any more"),
        }
        hub.wake();
    }
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};
    use kube::client::Body;
    use serde_json::json;
    use tower::{BoxError, service_fn};

    use super::*;

    /// Of the versions `v1beta1` and `v1alpha2`.
    const KIND: Kind = Kind::ClusterNetworkPolicy;
    const LIST: &str = r#"{"kind":"ClusterNetworkPolicyList","items":[]}"#;
    const NOWHERE: &str = "404 page not found\n";

    fn refusal(code: u16, reason: &str) -> String {
        json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason }).to_string()
    }

    fn resources(plural: &str) -> String {
        let resource = json!({ "name": plural, "singularName": "", "namespaced": false, "kind": "Thing", "verbs": [] });
        let group = json!({ "kind": "APIResourceList", "groupVersion": "policy.networking.k8s.io/v1alpha2", "resources": [resource] });
        group.to_string()
    }

    /// How a path ends, and the code and body of the answer.
    type Answer = (&'static str, u16, String);

    /// An API server that answers so to a list of a version, and to the question what that version has.
    fn client(answers: Vec<Answer>) -> Client {
        let answer = move |request: Request<Body>| {
            let path = request.uri().path().trim_end_matches('/').to_string();
            let known = answers.iter().find(|(end, ..)| path.ends_with(end));
            let (code, body) = known.map_or((404, NOWHERE.to_string()), |(_, code, body)| (*code, body.clone()));
            async move { Response::builder().status(code).body(Body::from(body.into_bytes())).map_err(BoxError::from) }
        };
        Client::new(service_fn(answer), "default")
    }

    #[tokio::test]
    async fn what_the_api_server_answers_tells_whether_a_kind_is_there() {
        let rows: [(&str, Vec<Answer>, &str); 8] = [
            ("no such group", vec![], "absent"),
            ("no such kind in it", vec![("v1alpha2/clusternetworkpolicies", 404, refusal(404, "NotFound"))], "absent"),
            (
                "the newer version",
                vec![
                    ("v1beta1/clusternetworkpolicies", 200, LIST.into()),
                    ("v1alpha2/clusternetworkpolicies", 200, LIST.into()),
                ],
                "v1beta1",
            ),
            ("the older version", vec![("v1alpha2/clusternetworkpolicies", 200, LIST.into())], "v1alpha2"),
            (
                "it may not be listed and is there",
                vec![
                    ("v1alpha2/clusternetworkpolicies", 403, refusal(403, "Forbidden")),
                    ("k8s.io/v1alpha2", 200, resources("clusternetworkpolicies")),
                ],
                "forbidden",
            ),
            (
                "it may not be listed and is not there",
                vec![
                    ("v1alpha2/clusternetworkpolicies", 403, refusal(403, "Forbidden")),
                    ("k8s.io/v1alpha2", 200, resources("others")),
                ],
                "absent",
            ),
            (
                "nothing may be asked",
                vec![
                    ("v1alpha2/clusternetworkpolicies", 403, refusal(403, "Forbidden")),
                    ("k8s.io/v1alpha2", 403, refusal(403, "Forbidden")),
                ],
                "forbidden",
            ),
            (
                "its own API server is down",
                vec![("v1beta1/clusternetworkpolicies", 503, "no endpoints".into())],
                "passing",
            ),
        ];
        for (what, answers, expected) in rows {
            let said = match served(KIND, &client(answers)).await {
                Ok(Some(version)) => version,
                Ok(None) => "absent",
                Err(Refusal::Forbidden(_)) => "forbidden",
                Err(Refusal::Passing(_)) => "passing",
            };
            assert_eq!(said, expected, "{what}");
        }
    }
}
