//! Kinds that other software brings: they may not be installed, and may come and go while the operator runs.
//!
//! ```text
//!  ask ──404──▶ absent: as if listed and empty; asked again each minute
//!   ├─── 200 ─▶ followed like any kind, until it is gone
//!   └── else ─▶ hidden: it may be there and cannot be seen; asked again soon
//! ```
//! They hold up no repair and no readiness. That a kind is hidden is said to the judgement, which must not take what it
//! cannot see for absent.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use kube::{
    Api, Client,
    core::{ApiResource, DynamicObject, GroupVersionKind},
    runtime::watcher::{self, Event},
};
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
    controllers::traffic::Traffic,
    engine::reach::other::{Kind, Other, Unseen},
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

/// A kind that may not be installed.
#[derive(Debug, PartialEq, Eq)]
pub struct Optional {
    /// Its plural and its group, with a dot between: other groups may have the same plural.
    pub resource: &'static str,
    /// Versions that mean the same to us; the first that is served is followed.
    versions: &'static [&'static str],
    kind: &'static str,
}

/// Policies of other kinds than NetworkPolicy, and what they depend on. Of objects of one kind and name the last counts: what
/// Calico keeps in one group it may show in the other.
pub const POLICIES: &[(Kind, Optional)] = &[
    (
        Kind::ClusterNetworkPolicy,
        optional("clusternetworkpolicies.policy.networking.k8s.io", &["v1beta1", "v1alpha2"], "ClusterNetworkPolicy"),
    ),
    (
        Kind::AdminNetworkPolicy,
        optional("adminnetworkpolicies.policy.networking.k8s.io", &["v1alpha1"], "AdminNetworkPolicy"),
    ),
    (
        Kind::BaselineAdminNetworkPolicy,
        optional("baselineadminnetworkpolicies.policy.networking.k8s.io", &["v1alpha1"], "BaselineAdminNetworkPolicy"),
    ),
    (Kind::CiliumNetworkPolicy, optional("ciliumnetworkpolicies.cilium.io", &["v2"], "CiliumNetworkPolicy")),
    (
        Kind::CiliumClusterwideNetworkPolicy,
        optional("ciliumclusterwidenetworkpolicies.cilium.io", &["v2"], "CiliumClusterwideNetworkPolicy"),
    ),
    (Kind::CalicoNetworkPolicy, optional("networkpolicies.crd.projectcalico.org", &["v1"], "NetworkPolicy")),
    (
        Kind::CalicoGlobalNetworkPolicy,
        optional("globalnetworkpolicies.crd.projectcalico.org", &["v1"], "GlobalNetworkPolicy"),
    ),
    (Kind::CalicoTier, optional("tiers.crd.projectcalico.org", &["v1"], "Tier")),
    (Kind::CalicoNetworkSet, optional("networksets.crd.projectcalico.org", &["v1"], "NetworkSet")),
    (Kind::CalicoGlobalNetworkSet, optional("globalnetworksets.crd.projectcalico.org", &["v1"], "GlobalNetworkSet")),
    (Kind::CalicoHostEndpoint, optional("hostendpoints.crd.projectcalico.org", &["v1"], "HostEndpoint")),
    (Kind::CalicoNetworkPolicy, optional("networkpolicies.projectcalico.org", &["v3"], "NetworkPolicy")),
    (
        Kind::CalicoGlobalNetworkPolicy,
        optional("globalnetworkpolicies.projectcalico.org", &["v3"], "GlobalNetworkPolicy"),
    ),
    (Kind::CalicoTier, optional("tiers.projectcalico.org", &["v3"], "Tier")),
    (Kind::CalicoNetworkSet, optional("networksets.projectcalico.org", &["v3"], "NetworkSet")),
    (Kind::CalicoGlobalNetworkSet, optional("globalnetworksets.projectcalico.org", &["v3"], "GlobalNetworkSet")),
    (Kind::CalicoHostEndpoint, optional("hostendpoints.projectcalico.org", &["v3"], "HostEndpoint")),
];

const fn optional(resource: &'static str, versions: &'static [&'static str], kind: &'static str) -> Optional {
    Optional { resource, versions, kind }
}

impl Optional {
    /// Every one.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        POLICIES.iter().map(|(_, optional)| optional)
    }

    /// The kind of this group and plural.
    pub fn of(group: &str, plural: &str) -> Option<&'static Self> {
        Self::all().find(|optional| optional.group() == group && optional.plural() == plural)
    }

    /// Its group.
    pub fn group(&self) -> &'static str {
        self.resource.split_once('.').map_or("", |(_, group)| group)
    }

    /// Its plural.
    pub fn plural(&self) -> &'static str {
        self.resource.split_once('.').map_or(self.resource, |(plural, _)| plural)
    }

    fn api_resource(&self, version: &str) -> ApiResource {
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(self.group(), version, self.kind), self.plural())
    }

    /// Which of its versions is served, if any; why that is not known, where it is not.
    async fn ask(&self, client: &Client) -> Result<Option<&'static str>, Refusal> {
        for version in self.versions {
            let path = format!("/apis/{}/{version}/{}?limit=1", self.group(), self.plural());
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
                    if self.is_served(client, version).await {
                        return Err(Refusal::Forbidden(format!("the operator may not list {}", self.resource)));
                    }
                }
                Ok(Err(error)) => return Err(Refusal::Passing(error.to_string())),
                Err(_) => return Err(Refusal::Passing(format!("no answer within {} s", CALL.as_secs()))),
            }
        }
        Ok(None)
    }

    /// Whoever may not list it may mostly ask whether it is there. Where that is not known either, it is.
    async fn is_served(&self, client: &Client, version: &str) -> bool {
        let group_version = format!("{}/{version}", self.group());
        match timeout(CALL, client.list_api_group_resources(&group_version)).await {
            Ok(Ok(served)) => served.resources.iter().any(|resource| resource.name == self.plural()),
            Ok(Err(kube::Error::Api(status))) => status.code != NOT_FOUND,
            Ok(Err(_)) | Err(_) => true,
        }
    }
}

impl Hub {
    /// What is kept in one group and shown in another is one object.
    pub(super) fn all_others(&self) -> Vec<Arc<Other>> {
        let all = self.others.iter().flat_map(|(_, store)| store.all());
        let all: BTreeMap<_, _> = all.map(|other| ((other.kind, other.key.clone()), other)).collect();
        all.into_values().collect()
    }

    pub(super) fn unseen(&self) -> Vec<Unseen> {
        let unseen = |(kind, store): &(Kind, OptionalStore<Other>)| {
            let why = store.hidden(&self.traffic)?;
            Some(Unseen { kind: *kind, why })
        };
        self.others.iter().filter_map(unseen).collect()
    }

    /// The kinds that other software brought.
    pub fn brought(&self) -> Vec<&'static Optional> {
        self.others.iter().map(|(_, store)| store).filter(|store| store.is_there()).map(|store| store.kind).collect()
    }
}

/// Why it is not known whether a kind is there.
enum Refusal {
    /// It is there, and may not be listed.
    Forbidden(String),
    /// No sensible answer came.
    Passing(String),
}

/// Objects of a kind that may not be installed.
pub struct OptionalStore<T> {
    /// The kind.
    pub kind: &'static Optional,
    store: Store<T>,
    state: channel::Sender<State>,
}

#[derive(Clone, Debug, PartialEq)]
enum State {
    Unasked,
    Absent,
    /// Listed, at that moment.
    Filled(Instant),
    Hidden(String),
}

impl<T: Kept> OptionalStore<T> {
    /// Nothing is known of it yet.
    pub fn new(kind: &'static Optional) -> Self {
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
            State::Hidden(why) => Some(why.clone()),
            State::Filled(at) => {
                let silence = traffic.silence(self.kind.resource).unwrap_or(Duration::MAX).min(at.elapsed());
                (silence > STALE).then(|| format!("its watch was not heard for {} s", silence.as_secs()))
            }
            State::Unasked | State::Absent => None,
        }
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
        let mut heard: Option<Instant> = None;
        let begun = Instant::now();
        loop {
            let pause = match self.kind.ask(client).await {
                Ok(Some(version)) => {
                    let resource = self.kind.api_resource(version);
                    let config = watcher::Config::default().timeout(WATCH_SECONDS);
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
                Err(Refusal::Forbidden(why)) => {
                    self.set(hub, State::Hidden(why));
                    HIDDEN
                }
                Err(Refusal::Passing(why)) => {
                    let (last, patience) = heard.map_or((begun, PATIENCE), |heard| (heard, STALE));
                    if last.elapsed() > patience {
                        self.set(hub, State::Hidden(why));
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
        self.store.apply(&Event::Init);
        self.store.apply(&Event::InitDone);
        self.set(hub, State::Absent);
    }

    fn set(&self, hub: &Hub, state: State) {
        let before = self.state.send_replace(state.clone());
        let is_change = std::mem::discriminant(&before) != std::mem::discriminant(&state);
        if !is_change {
            return;
        }
        let kind = self.kind.resource;
        match (before, state) {
            (_, State::Hidden(why)) => tracing::warn!(kind, why, "a kind may be there and cannot be seen"),
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

    const KIND: Optional = optional("things.example.com", &["v2", "v1"], "Thing");
    const LIST: &str = r#"{"apiVersion":"example.com/v1","kind":"ThingList","items":[]}"#;
    const NOWHERE: &str = "404 page not found\n";

    fn refusal(code: u16, reason: &str) -> String {
        json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason }).to_string()
    }

    fn resources(plural: &str) -> String {
        let resource = json!({ "name": plural, "singularName": "", "namespaced": false, "kind": "Thing", "verbs": [] });
        let group = json!({ "kind": "APIResourceList", "groupVersion": "example.com/v1", "resources": [resource] });
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
            ("no such kind in it", vec![("v1/things", 404, refusal(404, "NotFound"))], "absent"),
            ("the newer version", vec![("v2/things", 200, LIST.into()), ("v1/things", 200, LIST.into())], "v2"),
            ("the older version", vec![("v1/things", 200, LIST.into())], "v1"),
            (
                "it may not be listed and is there",
                vec![("v1/things", 403, refusal(403, "Forbidden")), ("com/v1", 200, resources("things"))],
                "forbidden",
            ),
            (
                "it may not be listed and is not there",
                vec![("v1/things", 403, refusal(403, "Forbidden")), ("com/v1", 200, resources("others"))],
                "absent",
            ),
            (
                "nothing may be asked",
                vec![("v1/things", 403, refusal(403, "Forbidden")), ("com/v1", 403, refusal(403, "Forbidden"))],
                "forbidden",
            ),
            ("its own API server is down", vec![("v2/things", 503, "no endpoints".into())], "passing"),
        ];
        for (what, answers, expected) in rows {
            let said = match KIND.ask(&client(answers)).await {
                Ok(Some(version)) => version,
                Ok(None) => "absent",
                Err(Refusal::Forbidden(_)) => "forbidden",
                Err(Refusal::Passing(_)) => "passing",
            };
            assert_eq!(said, expected, "{what}");
        }
    }
}
