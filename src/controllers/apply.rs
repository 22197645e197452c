//! The only place that writes to the cluster.
//!
//! Every write passes the gate, has a timeout and names its object when it fails. Whatever protects is
//! removed only after the live object was read.

use std::{future::Future, sync::Arc, time::Duration};

use k8s_openapi::api::{
    core::v1::{Namespace, Node},
    networking::v1::NetworkPolicy,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions},
    core::DynamicObject,
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{error::Error, hub::zone_resource, leader::Gate};
use crate::{
    api::{PciZoneStatus, names},
    engine::{
        desired::node,
        ownership,
        plan::{Write, is_terminating, policy_matches, policy_subject},
        snapshot::ZoneRecord,
    },
};

/// How long one call may take.
const CALL: Duration = Duration::from_secs(10);
/// How often a guarded write is tried on fresh objects.
const TRIES: u32 = 3;
/// Writes under way at once; also what is waited for at the end.
const IN_FLIGHT: u32 = 32;
/// Objects looked at when nothing of a zone may be left.
const LEFT_OVER_PAGE: u32 = 50;

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

    /// Carries out one write. Returns the version that the object has now; `None` when it is gone.
    pub async fn write(&self, write: &Write) -> Result<Option<String>, Error> {
        match write {
            Write::CreatePolicy(policy) => self.put_policy(policy, None).await,
            Write::ReplacePolicy { live, desired } => self.put_policy(desired, Some(live.as_ref().clone())).await,
            Write::DeletePolicy(policy) => self.delete_policy(policy).await,
            Write::LabelNamespace { namespace, zone } => self.label_namespace(namespace, zone).await,
            Write::UnlabelNamespace { namespace, zone } => self.unlabel_namespace(namespace, zone).await,
            Write::PatchNode { node, label, taints, resource_version } => {
                let taints = json!(taints);
                self.patch_node(node, label.as_deref(), &taints, resource_version).await
            }
        }
    }

    fn policies(&self, policy: &NetworkPolicy) -> Api<NetworkPolicy> {
        Api::namespaced(self.client.clone(), &policy.namespace().unwrap_or_default())
    }

    fn zones(&self) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &zone_resource())
    }

    /// Creates a policy, or puts our labels and spec into the live one.
    async fn put_policy(
        &self,
        desired: &NetworkPolicy,
        mut live: Option<NetworkPolicy>,
    ) -> Result<Option<String>, Error> {
        let api = self.policies(desired);
        let name = desired.name_any();
        let params = PostParams { field_manager: Some(names::MANAGER_NAMESPACES.to_string()), ..PostParams::default() };
        let subject = policy_subject(desired);
        for _ in 0..TRIES {
            let result = match live.take() {
                None => self.call("create", &subject, api.create(&params, desired)).await,
                Some(live) => {
                    let merged = replacement(desired, live);
                    self.call("replace", &subject, api.replace(&name, &params, &merged)).await
                }
            };
            match result {
                Ok(written) => return Ok(written.resource_version()),
                // The store was behind: look at what is really there.
                Err(Error::Api { source, .. }) if is_stale(&source) => {
                    live = self.read("read", &subject, api.get_opt(&name)).await?;
                    if let Some(live) = live.as_ref().filter(|live| policy_matches(live, desired)) {
                        return Ok(live.resource_version());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::Contended { act: "replace", object: subject, tries: TRIES })
    }

    async fn delete_policy(&self, policy: &NetworkPolicy) -> Result<Option<String>, Error> {
        let api = self.policies(policy);
        let name = policy.name_any();
        let subject = policy_subject(policy);
        let Some(live) = self.read("read", &subject, api.get_opt(&name)).await? else { return Ok(None) };
        let same = live.uid() == policy.uid()
            && ownership::managed_zone(&live.metadata) == ownership::managed_zone(&policy.metadata);
        if !same || !ownership::is_managed(&live.metadata) {
            // Somebody exchanged it meanwhile; the next event decides anew.
            return Ok(live.resource_version());
        }
        let preconditions = Preconditions { uid: live.uid(), resource_version: live.resource_version() };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        match self.call("delete", &subject, api.delete(&name, &params)).await {
            Err(Error::Api { source, .. }) if is_not_found(&source) => Ok(None),
            other => other.map(|_| None),
        }
    }

    async fn label_namespace(&self, name: &str, zone: &str) -> Result<Option<String>, Error> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let patch = json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": { "name": name, "labels": { names::ZONE_LABEL: zone } },
        });
        let params = PatchParams::apply(names::MANAGER_NAMESPACES).force();
        let patch = Patch::Apply(&patch);
        let written =
            self.call("label", &format!("Namespace/{name}"), api.patch_metadata(name, &params, &patch)).await?;
        Ok(written.resource_version())
    }

    async fn unlabel_namespace(&self, name: &str, zone: &str) -> Result<Option<String>, Error> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let subject = format!("Namespace/{name}");
        let Some(live) = self.read("read", &subject, api.get_opt(name)).await? else { return Ok(None) };
        if ownership::zone_label(&live) != Some(zone) {
            return Ok(live.resource_version());
        }
        let patch = json!({ "metadata": {
            "resourceVersion": live.metadata.resource_version,
            "labels": { names::ZONE_LABEL: Value::Null },
        }});
        let params = manager(names::MANAGER_NAMESPACES);
        let patch = Patch::Merge(&patch);
        let written = self.call("unlabel", &subject, api.patch_metadata(name, &params, &patch)).await?;
        Ok(written.resource_version())
    }

    /// Label and taints in one guarded request. Taints are one list for everybody: if the node changed since
    /// they were computed, only ours are exchanged in the list that is there now.
    async fn patch_node(
        &self,
        name: &str,
        label: Option<&str>,
        taints: &Value,
        version: &str,
    ) -> Result<Option<String>, Error> {
        let api: Api<Node> = Api::all(self.client.clone());
        let subject = format!("Node/{name}");
        let params = manager(names::MANAGER_NODES);
        let mut taints = taints.clone();
        let mut version = version.to_string();
        for _ in 0..TRIES {
            let patch = json!({
                "metadata": { "resourceVersion": version, "labels": { names::NODE_LABEL: label } },
                "spec": { "taints": taints },
            });
            match self.call("patch", &subject, api.patch(name, &params, &Patch::Merge(&patch))).await {
                Ok(written) => return Ok(written.resource_version()),
                Err(Error::Api { source, .. }) if is_not_found(&source) => return Ok(None),
                Err(Error::Api { source, .. }) if is_stale(&source) => {
                    let Some(live) = self.read("read", &subject, api.get_opt(name)).await? else { return Ok(None) };
                    let ours = taints.as_array().into_iter().flatten();
                    let ours = ours.filter(|taint| taint["key"] == names::NODE_TAINT).cloned();
                    let mut merged: Vec<Value> = node::foreign_taints(&live).iter().map(|taint| json!(taint)).collect();
                    merged.extend(ours);
                    taints = Value::Array(merged);
                    let live_taints =
                        json!(live.spec.as_ref().and_then(|spec| spec.taints.clone()).unwrap_or_default());
                    if live_taints == taints && ownership::label(&live.metadata, names::NODE_LABEL) == label {
                        return Ok(live.resource_version());
                    }
                    version = live.resource_version().unwrap_or_default();
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::Contended { act: "patch", object: subject, tries: TRIES })
    }

    /// True when the zone as it is now carries this confirmation.
    pub async fn is_confirmed(&self, zone: &str, digest: &str) -> Result<bool, Error> {
        let live = self.read("read", &format!("PciZone/{zone}"), self.zones().get_opt(zone)).await?;
        Ok(live.is_some_and(|zone| zone.annotations().get(names::CONFIRM_CHANGE).is_some_and(|value| value == digest)))
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
        self.call(act, &subject, self.zones().patch_metadata(zone.name(), &params, &Patch::Merge(&patch)))
            .await
            .map(drop)
    }

    /// Whether the API server still has anything of a zone. What lies in a terminating namespace goes with it.
    pub async fn has_left_overs(&self, zone: &str) -> Result<bool, Error> {
        let object = format!("objects of PciZone/{zone}");
        let by_label = |key: &str| ListParams::default().labels(&format!("{key}={zone}")).limit(LEFT_OVER_PAGE);
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let labelled = self.read("list", &object, namespaces.list(&by_label(names::ZONE_LABEL))).await?;
        if labelled.iter().any(|namespace| !is_terminating(namespace)) {
            return Ok(true);
        }
        let nodes: Api<Node> = Api::all(self.client.clone());
        if !self.read("list", &object, nodes.list_metadata(&by_label(names::NODE_LABEL))).await?.items.is_empty() {
            return Ok(true);
        }
        let policies: Api<NetworkPolicy> = Api::all(self.client.clone());
        let ours = format!("{}={},{}={zone}", names::MANAGED_BY, names::MANAGED_BY_VALUE, names::ZONE_LABEL);
        let ours = ListParams::default().labels(&ours).limit(LEFT_OVER_PAGE);
        for policy in self.read("list", &object, policies.list_metadata(&ours)).await? {
            let namespace = policy.namespace().unwrap_or_default();
            let live = self.read("read", &format!("Namespace/{namespace}"), namespaces.get_opt(&namespace)).await?;
            if live.is_some_and(|namespace| !is_terminating(&namespace)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Writes the status of a zone.
    pub async fn set_status(&self, zone: &str, status: &PciZoneStatus) -> Result<(), Error> {
        let resource = zone_resource();
        let patch = json!({
            "apiVersion": resource.api_version, "kind": resource.kind,
            "metadata": { "name": zone },
            "status": status,
        });
        let params = PatchParams::apply(names::MANAGER_STATUS).force();
        let patch = Patch::Apply(&patch);
        let (api, subject) = (self.zones(), format!("PciZone/{zone}"));
        match self.call("write the status of", &subject, api.patch_status(zone, &params, &patch)).await {
            Err(Error::Api { source, .. }) if is_not_found(&source) => Ok(()),
            other => other.map(drop),
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
        match tokio::time::timeout(CALL, call).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(source)) => Err(Error::Api { act, object: object.to_string(), source: Box::new(source) }),
            Err(_) => Err(Error::Timeout { act, object: object.to_string(), limit: CALL }),
        }
    }
}

/// The live metadata kept, our labels and spec exchanged.
fn replacement(desired: &NetworkPolicy, mut live: NetworkPolicy) -> NetworkPolicy {
    let labels = live.metadata.labels.get_or_insert_default();
    for key in [names::MANAGED_BY, names::ZONE_LABEL, names::FLOW_LABEL] {
        labels.remove(key);
    }
    labels.extend(desired.metadata.labels.clone().unwrap_or_default());
    // Absent means: the API server keeps its own record.
    live.metadata.managed_fields = None;
    live.spec.clone_from(&desired.spec);
    live
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
