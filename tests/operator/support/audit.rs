//! What the operator asked the API server for, from the audit log.

use std::sync::atomic::Ordering;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use testbed::AuditEvent;

use super::{Bed, OPERATOR};

impl Bed {
    /// What the operator asked for besides its Lease, finished requests only.
    pub async fn requests(&self) -> Vec<AuditEvent> {
        self.requests_of(&[OPERATOR]).await
    }

    /// The same of these users.
    pub async fn requests_of(&self, users: &[&str]) -> Vec<AuditEvent> {
        // A line may come later than its answer. A request that is made now comes behind what was answered before.
        let marker = format!("marker-{}", self.markers.fetch_add(1, Ordering::Relaxed));
        Api::<ConfigMap>::default_namespaced(self.client.clone()).get_opt(&marker).await.unwrap();
        let events = self.cluster.audit_until(|events| events.iter().any(|event| event.name == marker)).await.unwrap();
        events.into_iter().filter(|event| users.contains(&event.user.as_str()) && event.resource != "leases").collect()
    }

    /// The operator's writes of the status of a zone, refused ones too, in the order in which they arrived.
    pub async fn status_writes(&self, zone: &str) -> Vec<AuditEvent> {
        let mut writes = self.requests().await;
        writes.retain(|event| event.is_write() && event.resource == "pcizones" && event.subresource == "status");
        writes.retain(|event| event.name == zone);
        writes.sort_by_key(|event| event.received.0);
        writes
    }

    /// The operator's writes to anything but status and events, refused ones too.
    pub async fn writes(&self) -> Vec<String> {
        words(self.requests().await)
    }

    /// Those that the API server carried out.
    pub async fn carried_out(&self) -> Vec<String> {
        self.carried_out_by(&[OPERATOR]).await
    }

    /// The same of these users.
    pub async fn carried_out_by(&self, users: &[&str]) -> Vec<String> {
        let mut requests = self.requests_of(users).await;
        requests.retain(|event| event.code < 300);
        words(requests)
    }
}

fn words(requests: Vec<AuditEvent>) -> Vec<String> {
    let writes = requests
        .into_iter()
        .filter(|event| event.is_write() && event.resource != "events" && event.subresource != "status");
    writes.map(|event| format!("{} {}/{}/{}", event.verb, event.resource, event.namespace, event.name)).collect()
}
