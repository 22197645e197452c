//! The only place that writes to the cluster.
//!
//! Every write passes the gate, has a timeout and names its object when it fails. Whatever protects is
//! removed only after the live object was read.

use std::{collections::BTreeSet, fmt::Debug, future::Future, sync::Arc, time::Duration};

use k8s_openapi::{
    api::{
        core::v1::{Namespace, Node},
        networking::v1::NetworkPolicy,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions},
    core::DynamicObject,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{error::Error, hub::zone_resource, leader::Gate, lenient::Lenient, traffic::with_retry_after};
use crate::{
    api::{ConditionType, PciZoneStatus, names},
    engine::{
        arming,
        desired::{node, policies},
        due::Release,
        ownership,
        plan::{self, Write, is_terminating, policy_matches, policy_subject},
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
/// Objects of one page of a list.
const PAGE: u32 = 500;
/// Pages of one list at most.
const PAGES: u32 = 1000;

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
            Write::LabelNode { node, uid, zone, .. } => {
                let (object, label) = ((node.as_str(), uid.as_str()), (names::NODE_LABEL, zone.as_str()));
                self.apply_label(&self.nodes(), object, label, names::MANAGER_NODES).await
            }
            Write::PatchNode { node, label, taints, resource_version } => {
                let taints = json!(taints);
                self.patch_node(node, label.as_deref(), &taints, resource_version).await
            }
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
        let params = manager(names::MANAGER_NAMESPACES);
        match self.call("unlabel", &subject, api.patch(name, &params, &Patch::Merge(&patch))).await {
            Ok(written) => Ok(Done::Written(written.resource_version())),
            Err(Error::Api { source, .. }) if is_not_found(&source) => Ok(Done::Gone),
            Err(Error::Api { source, .. }) if is_stale(&source) => {
                Err(Error::Contended { act: "unlabel", object: subject, tries: 1 })
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

    /// Whether the API server still has anything of a zone. What lies in a terminating namespace goes with it.
    pub async fn has_left_overs(&self, zone: &str, deleting: bool) -> Result<bool, Error> {
        let object = format!("objects of PciZone/{zone}");
        let labelled = ListParams::default().labels(&format!("{}={zone}", names::ZONE_LABEL));
        let is_ours = |namespace: &Namespace| arming::is_left_namespace(namespace, zone, deleting);
        if self.find(&self.namespaces(), labelled, &object, is_ours).await?.is_some() {
            return Ok(true);
        }
        // Taints cannot be asked for.
        let is_ours = |node: &Node| arming::is_left_node(node, zone, deleting);
        if self.find(&self.nodes(), ListParams::default(), &object, is_ours).await?.is_some() {
            return Ok(true);
        }
        let ours = format!("{}={},{}={zone}", names::MANAGED_BY, names::MANAGED_BY_VALUE, names::ZONE_LABEL);
        let policies: Api<Lenient<NetworkPolicy>> = Api::all(self.client.clone());
        let mut passed = BTreeSet::new();
        loop {
            let is_ours = |policy: &NetworkPolicy| {
                let ours = arming::is_left_policy(&policy.metadata, zone, deleting);
                ours && !policy.metadata.namespace.as_ref().is_some_and(|namespace| passed.contains(namespace))
            };
            let found = self.find(&policies, ListParams::default().labels(&ours), &object, is_ours).await?;
            let Some(namespace) = found.and_then(|policy| policy.namespace()) else { return Ok(false) };
            let live =
                self.read("read", &format!("Namespace/{namespace}"), self.namespaces().get_opt(&namespace)).await?;
            if live.is_some_and(|Lenient(namespace)| !is_terminating(&namespace)) {
                return Ok(true);
            }
            passed.insert(namespace);
        }
    }

    /// The first object of a list that is looked for, page by page.
    async fn find<K>(
        &self,
        api: &Api<Lenient<K>>,
        mut params: ListParams,
        object: &str,
        is_it: impl Fn(&K) -> bool,
    ) -> Result<Option<K>, Error>
    where
        K: Resource + Clone + Debug + DeserializeOwned,
    {
        params.limit = Some(PAGE);
        for _ in 0..PAGES {
            let page = self.read("list", object, api.list(&params)).await?;
            params.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
            if let Some(Lenient(found)) = page.items.into_iter().find(|Lenient(item)| is_it(item)) {
                return Ok(Some(found));
            }
            if params.continue_token.is_none() {
                return Ok(None);
            }
        }
        Err(Error::Contended { act: "list", object: object.to_string(), tries: PAGES })
    }

    /// Writes the status of a zone. The conditions of others stay; whatever else they wrote goes. The count of
    /// confirmed changes never goes back, or a confirmation that was used up would fit again: where there is one, the
    /// count is written over what is really there.
    pub async fn set_status(&self, zone: &ZoneRecord, status: &PciZoneStatus) -> Result<(), Error> {
        let resource = zone_resource();
        let (api, subject) = (self.zones(), format!("PciZone/{}", zone.name()));
        let mut version = None;
        if zone.metadata().annotations.iter().flatten().any(|(key, _)| key == names::CONFIRM_CHANGE) {
            let Some(Lenient(live)) = self.read("read", &subject, api.get_opt(zone.name())).await? else {
                return Ok(());
            };
            let live = ZoneRecord::read(live);
            if live.status().is_some_and(|live| live.confirmed_changes > status.confirmed_changes) {
                return Err(Error::Contended { act: "write the status of", object: subject, tries: 1 });
            }
            version.clone_from(&live.metadata().resource_version);
        }
        let (name, uid) = (zone.name(), &zone.metadata().uid);
        let metadata = match version {
            Some(version) => json!({ "name": name, "uid": uid, "resourceVersion": version }),
            None => json!({ "name": name, "uid": uid }),
        };
        let patch = json!({
            "apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, "status": status,
        });
        let params = PatchParams::apply(names::MANAGER_STATUS).force();
        let patch = Patch::Apply(&patch);
        match self.call("write the status of", &subject, api.patch_status(zone.name(), &params, &patch)).await {
            Err(Error::Api { source, .. }) if is_not_found(&source) => Ok(()),
            Err(error) => Err(error),
            // An apply leaves alone what others wrote and we never did.
            Ok(Lenient(written)) => {
                let Some(patch) = without_strays(written, status) else { return Ok(()) };
                let params = manager(names::MANAGER_STATUS);
                let clean = api.patch_status(zone.name(), &params, &patch);
                self.call("clean the status of", &subject, clean).await.map(drop)
            }
        }
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

/// What takes the strays out of a status, if there are any; for just the version that was looked at.
fn without_strays(live: DynamicObject, status: &PciZoneStatus) -> Option<Patch<()>> {
    let version = live.metadata.resource_version.clone();
    let conditions = live.data.pointer("/status/conditions").and_then(Value::as_array).cloned();
    let live = ZoneRecord::read(live);
    if live.status().map(PciZoneStatus::without_foreign).as_ref() == Some(status) {
        return None;
    }
    let mut wanted = json!(status);
    let is_foreign =
        |condition: &Value| !condition.get("type").and_then(Value::as_str).is_some_and(ConditionType::is_ours);
    let foreign = conditions.into_iter().flatten().filter(is_foreign);
    wanted.get_mut("conditions")?.as_array_mut()?.extend(foreign);
    let operations = json!([
        { "op": "replace", "path": "/metadata/resourceVersion", "value": version },
        { "op": "replace", "path": "/status", "value": wanted },
    ]);
    serde_json::from_value(operations).map(Patch::Json).ok()
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
