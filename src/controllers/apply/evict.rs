//! Evicts a pod.

use k8s_openapi::api::core::v1;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, EvictParams, Preconditions},
};

use super::{Applier, Done, is_not_found, is_stale};
use crate::{
    controllers::{error::Error, lenient::Lenient},
    engine::pod::Pod,
};

impl Applier {
    /// Evicts a pod that is `still` to leave as the API server has it now; just that one, in that version.
    pub async fn evict(&self, namespace: &str, name: &str, still: impl Fn(&Pod) -> bool) -> Result<Done, Error> {
        let subject = format!("Pod/{namespace}/{name}");
        let read: Api<Lenient<v1::Pod>> = Api::namespaced(self.client.clone(), namespace);
        let Some(Lenient(live)) = self.read("read", &subject, read.get_opt(name)).await? else { return Ok(Done::Gone) };
        let preconditions = Preconditions { uid: live.uid(), resource_version: live.resource_version() };
        if !still(&live.clone().into()) {
            return Ok(Done::Found(preconditions.resource_version));
        }
        let delete = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        let params = EvictParams { delete_options: Some(delete), ..EvictParams::default() };
        let pods: Api<v1::Pod> = Api::namespaced(self.client.clone(), namespace);
        match self.call("evict", &subject, pods.evict(name, &params)).await {
            Ok(_) => Ok(Done::Deleted),
            Err(Error::Api { source, .. }) if is_not_found(&source) => Ok(Done::Gone),
            Err(Error::Api { source, .. }) if is_stale(&source) => Ok(Done::Found(None)),
            Err(error) => Err(error),
        }
    }
}
