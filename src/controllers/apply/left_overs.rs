//! What the API server still has of a zone that lets go.

use std::{collections::BTreeSet, fmt::Debug};

use k8s_openapi::api::{
    core::v1::{Namespace, Node},
    networking::v1::NetworkPolicy,
};
use kube::{Api, Resource, ResourceExt, api::ListParams};
use serde::de::DeserializeOwned;

use super::Applier;
use crate::{
    api::names,
    controllers::{error::Error, lenient::Lenient},
    engine::{arming, plan::is_terminating},
};

/// Objects of one page of a list.
const PAGE: u32 = 500;
/// Pages of one list at most.
const PAGES: u32 = 1000;

impl Applier {
    /// Whether the API server still has anything of a zone. What lies in a terminating namespace goes with it.
    pub async fn has_left_overs(&self, zone: &str, deleting: bool, mutates: bool) -> Result<bool, Error> {
        if self.has_guards(zone, mutates).await? {
            return Ok(true);
        }
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
    pub(super) async fn find<K>(
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
}
