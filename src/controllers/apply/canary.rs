//! Pods and policies of the canary: made for a round, and deleted with it.

use std::{fmt, net::IpAddr};

use k8s_openapi::{
    api::{core::v1, networking::v1::NetworkPolicy},
    jiff::Timestamp,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, PostParams, Preconditions},
    core::{ApiResource, DynamicObject},
};
use serde_json::Value;

use super::{Applier, is_not_found, is_stale};
use crate::{api::names, controllers::error::Error};

/// Objects of one answer.
const PAGE: u32 = 100;
/// Answers of one look; what is left is found the next time.
const PAGES: usize = 20;

/// A kind of object that a round is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A pod.
    Pod,
    /// A policy.
    NetworkPolicy,
}

impl Kind {
    fn resource(self) -> ApiResource {
        match self {
            Kind::Pod => ApiResource::erase::<v1::Pod>(&()),
            Kind::NetworkPolicy => ApiResource::erase::<NetworkPolicy>(&()),
        }
    }
}

/// An object of a round.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Piece {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The round that it is of.
    pub round: String,
}

impl fmt::Display for Piece {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "{:?}/{}/{}", self.kind, self.namespace, self.name)
    }
}

impl Applier {
    fn pieces(&self, kind: Kind, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, &kind.resource())
    }

    /// Makes an object of a round. One of its name that is there already is of this round, or somebody else's: then it fails.
    pub async fn put_piece(&self, kind: Kind, object: Value) -> Result<(), Error> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_string();
        let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
        let subject = format!("{kind:?}/{namespace}/{name}");
        let object: DynamicObject = serde_json::from_value(object).map_err(|source| Error::Api {
            act: "write down",
            object: subject.clone(),
            wait: None,
            source: Box::new(kube::Error::SerdeError(source)),
        })?;
        let params = PostParams { field_manager: Some(names::MANAGER_CANARY.to_string()), ..PostParams::default() };
        match self.call("create", &subject, self.pieces(kind, &namespace).create(&params, &object)).await {
            Err(Error::Api { source, act, object: subject, wait }) if is_there(&source) => {
                let round = object.labels().get(names::CANARY_LABEL).cloned().unwrap_or_default();
                let piece = Piece { kind, namespace, name, round };
                let is_ours = self.read("read", &piece.to_string(), self.live_piece(&piece)).await?.is_some();
                if is_ours { Ok(()) } else { Err(Error::Api { source, act, object: subject, wait }) }
            }
            other => other.map(drop),
        }
    }

    /// Deletes an object of a round, after a look at whether it carries the canary's label.
    pub async fn delete_piece(&self, piece: &Piece) -> Result<(), Error> {
        let api = self.pieces(piece.kind, &piece.namespace);
        let subject = piece.to_string();
        let Some(live) = self.read("read", &subject, self.live_piece(piece)).await? else { return Ok(()) };
        let preconditions = Preconditions { uid: live.uid(), resource_version: None };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        match self.call("delete", &subject, api.delete(&piece.name, &params)).await {
            Err(Error::Api { source, .. }) if is_not_found(&source) || is_stale(&source) => Ok(()),
            other => other.map(drop),
        }
    }

    /// By its label too: what only has the name is somebody else's. By a list, which the operator may of all pods.
    async fn live_piece(&self, piece: &Piece) -> kube::Result<Option<DynamicObject>> {
        let labels = format!("{}={}", names::CANARY_LABEL, piece.round);
        let params = ListParams::default().labels(&labels).fields(&format!("metadata.name={}", piece.name)).limit(1);
        let found = self.pieces(piece.kind, &piece.namespace).list(&params).await?;
        Ok(found.items.into_iter().next())
    }

    /// Everything of all rounds that is there.
    pub async fn list_pieces(&self) -> Result<Vec<Piece>, Error> {
        let mut all = Vec::new();
        for kind in [Kind::NetworkPolicy, Kind::Pod] {
            let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &kind.resource());
            let mut params = ListParams::default().labels(names::CANARY_LABEL).limit(PAGE);
            for _ in 0..PAGES {
                let page = self.read("list", "objects of the canary", api.list(&params)).await?;
                all.extend(page.items.iter().map(|object| Piece {
                    kind,
                    namespace: object.namespace().unwrap_or_default(),
                    name: object.name_any(),
                    round: object.labels().get(names::CANARY_LABEL).cloned().unwrap_or_default(),
                }));
                match page.metadata.continue_.filter(|next| !next.is_empty()) {
                    Some(next) => params = params.continue_token(&next),
                    None => break,
                }
            }
        }
        Ok(all)
    }

    /// The image of this operator by its digest, as its own pod tells it.
    pub async fn own_image(&self, namespace: &str, pod: &str) -> Result<Option<String>, Error> {
        let api: Api<v1::Pod> = Api::namespaced(self.client.clone(), namespace);
        let pod = self.read("read", &format!("Pod/{namespace}/{pod}"), api.get_opt(pod)).await?;
        let is_pinned = |image: &&String| image.contains("@sha256:");
        let of_spec = pod.iter().filter_map(|pod| pod.spec.as_ref()).flat_map(|spec| &spec.containers);
        let of_spec = of_spec.filter_map(|container| container.image.as_ref());
        let of_status = pod.iter().filter_map(|pod| pod.status.as_ref()?.container_statuses.as_ref()).flatten();
        let of_status = of_status.map(|status| &status.image_id);
        Ok(of_spec.chain(of_status).find(is_pinned).cloned())
    }
}

fn is_there(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_already_exists())
}

/// What a pod of the canary tells while it is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Its container runs.
    pub runs: bool,
    /// Its startup probe has said yes, or there is none.
    pub started: bool,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// With what its container ended, and when that was seen.
    pub message: Option<(String, Timestamp)>,
    /// Why it does not run, as far as that is told.
    pub waits: Option<String>,
    /// It is gone.
    pub gone: bool,
}

impl From<&v1::Pod> for Told {
    fn from(pod: &v1::Pod) -> Self {
        let status = pod.status.clone().unwrap_or_default();
        let ips = status.pod_ips.iter().flatten().filter_map(|ip| ip.ip.parse().ok());
        let container = status.container_statuses.iter().flatten().next();
        let state = container.and_then(|container| container.state.as_ref());
        let ended = state.and_then(|state| state.terminated.as_ref());
        let waiting = state.and_then(|state| state.waiting.as_ref()).and_then(|waiting| waiting.reason.clone());
        let pending = status.conditions.iter().flatten().find(|condition| condition.status == "False");
        let unscheduled =
            pending.filter(|condition| condition.type_ == "PodScheduled").and_then(|one| one.message.clone());
        Told {
            runs: state.is_some_and(|state| state.running.is_some()),
            started: container.and_then(|container| container.started).unwrap_or_default(),
            addresses: ips.collect(),
            message: ended.map(|ended| (ended.message.clone().unwrap_or_default(), Timestamp::now())),
            waits: unscheduled.or(waiting).or(status.message),
            gone: false,
        }
    }
}
