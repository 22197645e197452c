//! Admission policies and bindings, and whether they are in force.

use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions},
    client::Body,
    core::{DynamicObject, Request, Status},
};
use serde_json::{Value, json};

use super::{Applier, Done, TRIES, is_not_found, is_stale};
use crate::{
    api::{PciZone, names},
    controllers::{error::Error, hub::guard_resource, lenient::Lenient},
    engine::{
        desired::admission::{Guard, Kind, seen},
        guards,
    },
};

impl Applier {
    fn guards(&self, kind: Kind) -> Api<Lenient<DynamicObject>> {
        Api::all_with(self.client.clone(), &guard_resource(kind))
    }

    /// Creates a guard, or puts our labels and spec into the live one.
    pub(super) async fn put_guard(&self, desired: &Guard, mut live: Option<Guard>) -> Result<Done, Error> {
        let (api, name, subject) = (self.guards(desired.kind), desired.name(), desired.subject());
        let params = PostParams { field_manager: Some(names::MANAGER_GUARDS.to_string()), ..PostParams::default() };
        for _ in 0..TRIES {
            let result = match live.take() {
                None => self.call("create", &subject, api.create(&params, &object(desired.clone()))).await,
                Some(live) => {
                    let merged = object(guards::replacement(desired, live));
                    self.call("replace", &subject, api.replace(name, &params, &merged)).await
                }
            };
            match result {
                Ok(written) => return Ok(Done::Written(written.resource_version())),
                // The store was behind: look at what is really there.
                Err(Error::Api { source, .. }) if is_stale(&source) => {
                    let found = self.read("read", &subject, api.get_opt(name)).await?;
                    live = found.map(|Lenient(found)| Guard::read(desired.kind, found));
                    if let Some(live) = live.as_ref().filter(|live| guards::matches(live, desired)) {
                        return Ok(Done::Found(live.metadata.resource_version.clone()));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::Contended { act: "replace", object: subject, tries: TRIES })
    }

    /// Deletes a guard in just the version that was seen. Nothing carries the zone's label any more, so it guards nothing.
    pub(super) async fn delete_guard(&self, guard: &Guard) -> Result<Done, Error> {
        let subject = guard.subject();
        let Guard { metadata, .. } = guard;
        let preconditions =
            Preconditions { uid: metadata.uid.clone(), resource_version: metadata.resource_version.clone() };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        match self.call("delete", &subject, self.guards(guard.kind).delete(guard.name(), &params)).await {
            Err(Error::Api { source, .. }) if is_not_found(&source) => Ok(Done::Gone),
            Err(Error::Api { source, .. }) if is_stale(&source) => {
                Err(Error::Contended { act: "delete", object: subject, tries: 1 })
            }
            other => other.map(|_| Done::Deleted),
        }
    }

    /// Whether the API server acts by this policy already: it takes some hundred milliseconds after the write. Asked by a dry
    /// run of a patch of the zone, which a policy that checks refuses, or warns of, and one that patches patches. Of
    /// several API servers the one that answers speaks for itself.
    pub async fn is_in_force(&self, zone: &str, guard: &Guard) -> Result<bool, Error> {
        let Some(digest) = &guard.probe else { return Ok(true) };
        let subject = guard.subject();
        let patch = json!({ "metadata": { "annotations": { names::PROBE: digest } } });
        let params = PatchParams { dry_run: true, ..PatchParams::default() };
        let probe = async {
            let request = Request::new(PciZone::url_path(&(), None)).patch(zone, &params, &Patch::Merge(&patch));
            let request = request.map_err(kube::Error::BuildRequest)?;
            let response = self.client.send(request.map(Body::from)).await?;
            let warnings = response.headers().get_all(http::header::WARNING).iter();
            let mut said: Vec<String> = warnings.filter_map(|text| text.to_str().ok().map(str::to_string)).collect();
            let accepted = response.status().is_success();
            let body = response.into_body().collect_bytes().await?;
            said.push(String::from_utf8_lossy(&body).into_owned());
            let in_force = said.iter().any(|text| text.contains(&seen(digest)));
            match serde_json::from_slice::<Status>(&body) {
                Ok(status) if !accepted && !in_force => Err(kube::Error::Api(Box::new(status))),
                _ => Ok(in_force),
            }
        };
        self.call("probe", &subject, probe).await
    }

    /// Whether the API server still has guards of a zone.
    pub(super) async fn has_guards(&self, zone: &str, mutates: bool) -> Result<bool, Error> {
        let ours = format!("{}={},{}={zone}", names::MANAGED_BY, names::MANAGED_BY_VALUE, names::ZONE_LABEL);
        let object = format!("objects of PciZone/{zone}");
        for kind in Kind::ALL.into_iter().filter(|kind| mutates || !kind.mutates()) {
            let params = ListParams::default().labels(&ours);
            if self.find(&self.guards(kind), params, &object, |_| true).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn object(guard: Guard) -> Lenient<DynamicObject> {
    let resource = guard_resource(guard.kind);
    let mut object = DynamicObject::new(guard.name(), &resource);
    object.metadata = guard.metadata;
    object.data = Value::Object([("spec".to_string(), guard.spec)].into_iter().collect());
    Lenient(object)
}
