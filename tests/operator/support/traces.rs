//! What of us is in a cluster, and what else is.

use std::{collections::BTreeMap, fmt::Debug};

use k8s_openapi::api::{
    core::v1::{Namespace, Node},
    networking::v1::NetworkPolicy,
};
use kube::{
    Api, Resource, ResourceExt,
    api::ListParams,
    core::{ApiResource, DynamicObject},
};
use pcizone::{
    api::names,
    engine::desired::admission::{Guard, Kind},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Bed;

impl Bed {
    async fn all<K>(&self) -> Vec<K>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        Api::all(self.client.clone()).list(&ListParams::default()).await.unwrap().items
    }

    /// Namespaces, nodes, policies and guards with everything that zones may touch. Policies and guards with their
    /// version, so that a write that changes nothing shows. The operator's own namespace is left out, and what tests call after it.
    pub async fn surroundings(&self) -> BTreeMap<String, Value> {
        let mut all = BTreeMap::new();
        for namespace in self.all::<Namespace>().await {
            if namespace.name_any() == names::OPERATOR_NAMESPACE {
                continue;
            }
            let value = json!({ "labels": namespace.labels(), "annotations": namespace.annotations() });
            all.insert(format!("Namespace/{}", namespace.name_any()), value);
        }
        for node in self.all::<Node>().await {
            if node.name_any() == names::OPERATOR_NAMESPACE {
                continue;
            }
            // The built-in controllers put labels, annotations and taints of their own on nodes.
            let is_builtin = |key: &str| {
                let domain = key.split('/').next().unwrap_or_default();
                domain.ends_with("kubernetes.io") && domain != "node-restriction.kubernetes.io"
            };
            let kept = |map: &BTreeMap<String, String>| {
                map.iter().filter(|(key, _)| !is_builtin(key)).map(|(k, v)| (k.clone(), json!(v))).collect::<Value>()
            };
            let taints = node.spec.iter().flat_map(|spec| spec.taints.iter().flatten());
            let taints: Vec<_> = taints.filter(|taint| !is_builtin(&taint.key)).collect();
            let value =
                json!({ "labels": kept(node.labels()), "annotations": kept(node.annotations()), "taints": taints });
            all.insert(format!("Node/{}", node.name_any()), value);
        }
        for policy in self.all::<NetworkPolicy>().await {
            let namespace = policy.namespace().unwrap_or_default();
            if namespace != names::OPERATOR_NAMESPACE {
                let version = policy.resource_version();
                let value = json!({ "version": version, "labels": policy.labels(), "spec": policy.spec });
                all.insert(format!("NetworkPolicy/{namespace}/{}", policy.name_any()), value);
            }
        }
        for kind in Kind::ALL {
            let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &ApiResource::erase::<Guard>(&kind));
            for guard in api.list(&ListParams::default()).await.unwrap().items {
                let version = guard.resource_version();
                let value = json!({ "version": version, "labels": guard.labels(), "spec": guard.data["spec"] });
                all.insert(format!("{}/{}", kind.as_str(), guard.name_any()), value);
            }
        }
        all
    }

    /// The same without the versions of policies: what is there, however it came to be.
    pub async fn shape(&self) -> BTreeMap<String, Value> {
        let mut all = self.surroundings().await;
        for value in all.values_mut().filter_map(Value::as_object_mut) {
            value.remove("version");
        }
        all
    }

    /// Objects outside the zones themselves that bear our name: a label, a taint, a policy.
    pub async fn traces(&self) -> Vec<String> {
        let bears_our_name = |(object, value): &(String, Value)| {
            object.contains(names::OPERATOR) || value.to_string().contains(names::OPERATOR)
        };
        let all = self.surroundings().await.into_iter();
        all.filter(bears_our_name).map(|(object, _)| object).collect()
    }

    /// What `deploy/` made and is still there.
    pub async fn deployed(&self) -> String {
        let kinds = "crd,clusterroles,clusterrolebindings,namespaces";
        let all = self.kubectl(&["get", kinds, "--output=name"]).await;
        let mut left: Vec<&str> = all.lines().filter(|name| name.contains("pcizone")).collect();
        let kinds = "roles,rolebindings,serviceaccounts,leases,deployments,networkpolicies,poddisruptionbudgets";
        let ours = "--selector=app.kubernetes.io/part-of=pcizone";
        let inside = self.kubectl(&["get", kinds, "--all-namespaces", ours, "--output=name"]).await;
        left.extend(inside.lines());
        left.join("\n")
    }
}
