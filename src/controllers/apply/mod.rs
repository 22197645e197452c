//! The only place that writes to the cluster.
//!
//! Every write passes the gate, has a timeout and names its object when it fails. Whatever protects is
//! removed only after the live object was read.

pub mod canary;
mod configurations;
mod evict;
mod guards;
mod images;
mod left_overs;
mod reports;
mod status;

use std::{fmt::Debug, future::Future, sync::Arc, time::Duration};

use k8s_openapi::{
    api::{
        core::v1::{Namespace, Node},
        networking::v1::NetworkPolicy,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
    core::DynamicObject,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

pub use reports::VERSION as REPORTS_VERSION;
pub use status::Left;

use super::{error::Error, hub::zone_resource, leader::Gate, lenient::Lenient, traffic::with_retry_after};
use crate::{
    api::names,
    engine::{
        desired::{node, policies},
        due::Release,
        guards::GuardWrite,
        ownership,
        plan::{self, Write, policy_matches, policy_subject},
        policy::Policy,
        snapshot::ZoneRecord,
    },
};

/// How long one call may take.
const CALL: Duration = Duration::from_secs(10);
/// How often a guarded write is tried on fresh objects.
const TRIES: u32 = 3;
/// Writes under way at once; also what is waited for at the end. More than the controllers have together, so that
/// writes of one kind that hang hold up no other.
const IN_FLIGHT: u32 = 256;

/// What a write came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// It was carried out; the object has this version now.
    Written(Option<String>),
    /// It was carried out; the object is gone.
    Deleted,
    /// Nothing was written: the live object, in this version, needs it no more.
    Found(Option<String>),
    /// Nothing was written: the object is gone.
    Gone,
}

/// Carries writes out.
#[derive(Clone)]
pub struct Applier {
    client: Client,
    gate: Gate,
    in_flight: Arc<Semaphore>,
}

impl Applier {
    /// Writes through this client while the gate is open.
    pub fn new(client: Client, gate: Gate) -> Self {
        Applier { client, gate, in_flight: Arc::new(Semaphore::new(IN_FLIGHT as usize)) }
    }

    /// True when writes are carried out now.
    pub fn may_write(&self) -> bool {
        self.gate.is_open()
    }

    /// Waits for the writes under way, for as long as one call may take.
    pub async fn drain(&self) {
        let _ = tokio::time::timeout(CALL, self.in_flight.acquire_many(IN_FLIGHT)).await;
    }

    /// Carries out one write, where it is still to be made.
    pub async fn write(&self, write: &Write) -> Result<Done, Error> {
        match write {
            Write::CreatePolicy(policy) => self.put_policy(policy, None).await,
            Write::ReplacePolicy { live, desired } => self.put_policy(desired, Some(live.as_ref().clone())).await,
            Write::DeletePolicy(policy) => self.delete_policy(policy).await,
            Write::LabelNamespace { namespace, uid, zone, adopt: true } => {
                let (object, label) = ((namespace.as_str(), uid.as_str()), (names::ZONE_LABEL, zone.as_str()));
                self.apply_label(&self.namespaces(), object, label, names::MANAGER_NAMESPACES).await
            }
            Write::LabelNamespace { namespace, uid, zone, adopt: false } => {
                self.label_namespace(namespace, uid, zone).await
            }
            Write::UnlabelNamespace { namespace, zone, resource_version } => {
                self.unlabel_namespace(namespace, zone, resource_version).await
            }
            Write::SetPodSecurity { namespace, resource_version, level, record } => {
                self.set_pod_security(namespace, resource_version, level.as_deref(), record.as_deref()).await
            }
            Write::LabelNode { node, uid, zone, .. } => {
                let (object, label) = ((node.as_str(), uid.as_str()), (names::NODE_LABEL, zone.as_str()));
                self.apply_label(&self.nodes(), object, label, names::MANAGER_NODES).await
            }
            Write::PatchNode { node, label, taints, resource_version } => {
                let taints = json!(taints);
                self.patch_node(node, label.as_deref(), &taints, resource_version).await
            }
            Write::Guard(GuardWrite::Create(guard)) => self.put_guard(guard, None).await,
            Write::Guard(GuardWrite::Replace { live, desired }) => {
                self.put_guard(desired, Some(live.as_ref().clone())).await
            }
            Write::Guard(GuardWrite::Delete(guard)) => self.delete_guard(guard).await,
        }
    }

    fn policies(&self, policy: &Policy) -> Api<Lenient<NetworkPolicy>> {
        Api::namespaced(self.client.clone(), &policy.namespace().unwrap_or_default())
    }

    fn zones(&self) -> Api<Lenient<DynamicObject>> {
        Api::all_with(self.client.clone(), &zone_resource())
    }

    fn namespaces(&self) -> Api<Lenient<Namespace>> {
        Api::all(self.client.clone())
    }

    fn nodes(&self) -> Api<Lenient<Node>> {
        Api::all(self.client.clone())
    }

    /// Metadata of a namespace or node as it is now.
    pub async fn live(&self, kind: &str, name: &str) -> Result<Option<ObjectMeta>, Error> {
        let subject = format!("{kind}/{name}");
        Ok(if kind == "Node" {
            self.read("read", &subject, self.nodes().get_opt(name)).await?.map(|node| node.0.metadata)
        } else {
            self.read("read", &subject, self.namespaces().get_opt(name)).await?.map(|namespace| namespace.0.metadata)
        })
    }

    /// Creates a policy, or puts our labels and spec into the live one.
    async fn put_policy(&self, desired: &Policy, mut live: Option<Policy>) -> Result<Done, Error> {
        let api = self.policies(desired);
        let name = desired.name_any();
        let params = PostParams { field_manager: Some(names::MANAGER_NAMESPACES.to_string()), ..PostParams::default() };
        let subject = policy_subject(desired);
        for _ in 0..TRIES {
            let result = match live.take() {
                None => self.call("create", &subject, api.create(&params, &Lenient(desired.clone().into()))).await,
                Some(live) => {
                    let merged = Lenient(policies::replacement(desired, live).into());
                    self.call("replace", &subject, api.replace(&name, &params, &merged)).await
                }
            };
            match result {
                Ok(written) => return Ok(Done::Written(written.resource_version())),
                // The store was behind: look at what is really there.
                Err(Error::Api { source, .. }) if is_stale(&source) => {
                    live = self.read("read", &subject, api.get_opt(&name)).await?.map(|live| live.0.into());
                    let is_done = |live: &&Policy| !plan::may_replace(live) || policy_matches(live, desired);
                    if let Some(live) = live.as_ref().filter(is_done) {
                        return Ok(Done::Found(live.resource_version()));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::Contended { act: "replace", object: subject, tries: TRIES })
    }

    async fn delete_policy(&self, policy: &Policy) -> Result<Done, Error> {
        let api = self.policies(policy);
        let name = policy.name_any();
        let subject = policy_subject(policy);
        let Some(Lenient(live)) = self.read("read", &subject, api.get_opt(&name)).await? else { return Ok(Done::Gone) };
        let live = Policy::from(live);
        if !plan::may_delete(&live, policy) {
            // Somebody exchanged it meanwhile; the next event decides anew.
            return Ok(Done::Found(live.resource_version()));
        }
        let preconditions = Preconditions { uid: live.uid(), resource_version: live.resource_version() };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        match self.call("delete", &subject, api.delete(&name, &params)).await {
            Err(Error::Api { source, .. }) if is_not_found(&source) => Ok(Done::Gone),
            Err(Error::Api { source, .. }) if is_stale(&source) => {
                Err(Error::Contended { act: "delete", object: subject, tries: 1 })
            }
            other => other.map(|_| Done::Deleted),
        }
    }

    /// Sets a label by server-side apply, which makes it ours also where it has the right value already.
    async fn apply_label<K>(
        &self,
        api: &Api<Lenient<K>>,
        (name, uid): (&str, &str),
        (key, value): (&str, &str),
        manager: &str,
    ) -> Result<Done, Error>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let kind = K::kind(&());
        let patch = json!({
            "apiVersion": K::api_version(&()), "kind": kind,
            "metadata": { "name": name, "uid": uid, "labels": { key: value } },
        });
        let params = PatchParams::apply(manager).force();
        let patch = Patch::Apply(&patch);
        let written = self.call("label", &format!("{kind}/{name}"), api.patch(name, &params, &patch)).await?;
        Ok(Done::Written(written.resource_version()))
    }

    /// Sets a label that is not there, or has another value. A plain patch does it, and costs the API server less.
    async fn label_namespace(&self, name: &str, uid: &str, zone: &str) -> Result<Done, Error> {
        let patch = json!({ "metadata": { "uid": uid, "labels": { names::ZONE_LABEL: zone } } });
        let (params, patch) = (manager(names::MANAGER_NAMESPACES), Patch::Merge(&patch));
        let (api, subject) = (self.namespaces(), format!("Namespace/{name}"));
        let written = self.call("label", &subject, api.patch(name, &params, &patch)).await?;
        Ok(Done::Written(written.resource_version()))
    }

    /// What takes protection away is decided anew when the namespace has changed meanwhile.
    async fn unlabel_namespace(&self, name: &str, zone: &str, version: &str) -> Result<Done, Error> {
        let (api, subject) = (self.namespaces(), format!("Namespace/{name}"));
        let Some(Lenient(live)) = self.read("read", &subject, api.get_opt(name)).await? else { return Ok(Done::Gone) };
        if ownership::zone_label(&live) != Some(zone) {
            return Ok(Done::Found(live.resource_version()));
        }
        let patch = json!({ "metadata": {
            "resourceVersion": version,
            "labels": { names::ZONE_LABEL: Value::Null },
        }});
        self.patch_version(("unlabel", name), &patch).await
    }

    /// Decided anew when the namespace has changed meanwhile.
    async fn set_pod_security(
        &self,
        name: &str,
        version: &str,
        level: Option<&str>,
        record: Option<&str>,
    ) -> Result<Done, Error> {
        let patch = json!({ "metadata": {
            "resourceVersion": version,
            "labels": { names::POD_SECURITY: level },
            "annotations": { names::POD_SECURITY_BEFORE: record },
        }});
        self.patch_version(("set the pod security of", name), &patch).await
    }

    /// Patches a namespace in the version that the patch names.
    async fn patch_version(&self, (act, name): (&'static str, &str), patch: &Value) -> Result<Done, Error> {
        let (api, subject) = (self.namespaces(), format!("Namespace/{name}"));
        let params = manager(names::MANAGER_NAMESPACES);
        match self.call(act, &subject, api.patch(name, &params, &Patch::Merge(patch))).await {
            Ok(written) => Ok(Done::Written(written.resource_version())),
            Err(Error::Api { source, .. }) if is_not_found(&source) => Ok(Done::Gone),
            Err(Error::Api { source, .. }) if is_stale(&source) => {
                Err(Error::Contended { act, object: subject, tries: 1 })
            }
            Err(error) => Err(error),
        }
    }

    /// Label and taints in one guarded request. Taints are one list for everybody: if the node changed since
    /// they were computed, only ours are exchanged in the list that is there now. What takes protection away is
    /// decided anew instead.
    async fn patch_node(&self, name: &str, label: Option<&str>, taints: &Value, version: &str) -> Result<Done, Error> {
        let (api, subject) = (self.nodes(), format!("Node/{name}"));
        let params = manager(names::MANAGER_NODES);
        let mut taints = taints.clone();
        let mut version = version.to_string();
        for _ in 0..TRIES {
            let patch = json!({
                "metadata": { "resourceVersion": version, "labels": { names::NODE_LABEL: label } },
                "spec": { "taints": taints },
            });
            match self.call("patch", &subject, api.patch(name, &params, &Patch::Merge(&patch))).await {
                Ok(written) => return Ok(Done::Written(written.resource_version())),
                Err(Error::Api { source, .. }) if is_not_found(&source) => return Ok(Done::Gone),
                Err(Error::Api { source, .. }) if is_stale(&source) && label.is_none() => {
                    return Err(Error::Contended { act: "patch", object: subject, tries: 1 });
                }
                Err(Error::Api { source, .. }) if is_stale(&source) => {
                    let live = self.read("read", &subject, api.get_opt(name)).await?;
                    let Some(Lenient(live)) = live else { return Ok(Done::Gone) };
                    let ours = taints.as_array().into_iter().flatten();
                    let ours = ours.filter(|taint| taint["key"] == names::NODE_TAINT).cloned();
                    let mut merged: Vec<Value> = node::foreign_taints(&live).iter().map(|taint| json!(taint)).collect();
                    merged.extend(ours);
                    taints = Value::Array(merged);
                    let live_taints =
                        json!(live.spec.as_ref().and_then(|spec| spec.taints.clone()).unwrap_or_default());
                    if live_taints == taints && ownership::label(&live.metadata, names::NODE_LABEL) == label {
                        return Ok(Done::Found(live.resource_version()));
                    }
                    version = live.resource_version().unwrap_or_default();
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::Contended { act: "patch", object: subject, tries: TRIES })
    }

    /// True when the zone as it is now is the one that was confirmed, and still carries the confirmation.
    pub async fn is_confirmed(&self, release: &Release) -> Result<bool, Error> {
        let zone = &release.zone;
        let live = self.read("read", &format!("PciZone/{zone}"), self.zones().get_opt(zone)).await?;
        Ok(live.is_some_and(|Lenient(live)| release.is_confirmed_by(&ZoneRecord::read(live))))
    }

    /// Puts our finalizer on a zone, or takes it away. The finalizers of others stay.
    pub async fn set_finalizer(&self, zone: &ZoneRecord, present: bool) -> Result<(), Error> {
        let metadata = zone.metadata();
        let mut finalizers = metadata.finalizers.clone().unwrap_or_default();
        finalizers.retain(|finalizer| finalizer != names::FINALIZER);
        if present {
            finalizers.push(names::FINALIZER.to_string());
        }
        let patch = json!({ "metadata": { "resourceVersion": metadata.resource_version, "finalizers": finalizers } });
        let params = manager(names::MANAGER_ZONES);
        let subject = format!("PciZone/{}", zone.name());
        let act = if present { "put our finalizer on" } else { "take our finalizer from" };
        self.call(act, &subject, self.zones().patch(zone.name(), &params, &Patch::Merge(&patch))).await.map(drop)
    }

    /// A write: only while this replica leads.
    async fn call<T>(
        &self,
        act: &'static str,
        object: &str,
        call: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, Error> {
        let _permit = self.in_flight.acquire().await.map_err(|_| Error::NotLeading)?;
        if !self.gate.is_open() {
            return Err(Error::NotLeading);
        }
        self.read(act, object, call).await
    }

    async fn read<T>(
        &self,
        act: &'static str,
        object: &str,
        call: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, Error> {
        match tokio::time::timeout(CALL, with_retry_after(call)).await {
            Ok((Ok(value), _)) => Ok(value),
            Ok((Err(source), wait)) => {
                Err(Error::Api { act, object: object.to_string(), wait, source: Box::new(source) })
            }
            Err(_) => Err(Error::Timeout { act, object: object.to_string(), limit: CALL }),
        }
    }
}

fn manager(name: &str) -> PatchParams {
    PatchParams { field_manager: Some(name.to_string()), ..PatchParams::default() }
}

fn is_stale(error: &kube::Error) -> bool {
    // 409 is a conflict or a name that is taken; 404 is an object that went away.
    matches!(error, kube::Error::Api(status) if status.is_conflict() || status.is_already_exists() || status.is_not_found())
}

fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_not_found())
}
