//! Evicts a pod.

use k8s_openapi::{
    api::{core::v1, policy::v1::Eviction},
    apimachinery::pkg::apis::meta::v1::{DeleteOptions, ObjectMeta, Preconditions},
};
use kube::{Api, ResourceExt, api::PostParams};
use serde_json::Value;

use super::{Applier, Done, is_not_found, is_stale};
use crate::{
    controllers::{error::Error, lenient::Lenient},
    engine::pod::Pod,
};

impl Applier {
    /// Evicts a pod that is `still` to leave as the API server has it now; just that one, in that version.
    pub async fn evict(&self, namespace: &str, name: &str, still: impl Fn(&Pod) -> bool) -> Result<Done, Error> {
        let subject = format!("Pod/{namespace}/{name}");
        let api: Api<Lenient<v1::Pod>> = Api::namespaced(self.client.clone(), namespace);
        let Some(Lenient(live)) = self.read("read", &subject, api.get_opt(name)).await? else { return Ok(Done::Gone) };
        let eviction = eviction(&live);
        let version = live.resource_version();
        if !still(&live.into()) {
            return Ok(Done::Found(version));
        }
        let params = PostParams::default();
        let evicting = api.create_subresource::<_, Value>("eviction", name, &params, &eviction);
        match self.call("evict", &subject, evicting).await {
            Ok(_) => Ok(Done::Deleted),
            Err(Error::Api { source, .. }) if is_not_found(&source) => Ok(Done::Gone),
            Err(Error::Api { source, .. }) if is_stale(&source) => Ok(Done::Found(None)),
            Err(error) => Err(error),
        }
    }
}

/// Not kube's own: that one names the preconditions so that the API server overlooks them.
fn eviction(pod: &v1::Pod) -> Eviction {
    let preconditions = Preconditions { uid: pod.uid(), resource_version: pod.resource_version() };
    let metadata = ObjectMeta { name: pod.metadata.name.clone(), namespace: pod.namespace(), ..ObjectMeta::default() };
    let options = DeleteOptions { preconditions: Some(preconditions), ..DeleteOptions::default() };
    Eviction { metadata, delete_options: Some(options) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn another_pod_of_the_same_name_is_not_meant() {
        let pod = json!({ "metadata": { "namespace": "vault", "name": "web-0", "uid": "1", "resourceVersion": "7" } });
        let sent = json!(eviction(&serde_json::from_value(pod).unwrap()));
        assert_eq!(sent["deleteOptions"]["preconditions"], json!({ "uid": "1", "resourceVersion": "7" }));
    }
}
