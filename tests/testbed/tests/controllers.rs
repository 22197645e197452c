//! With the controller manager and the scheduler a cluster does by itself what clusters do.

use std::time::Duration;

use anyhow::Result;
use testbed::{ControlPlane, Options, create_node};

const WEB: &str = r"
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      nodeSelector: {zone: cde}
      containers: [{name: web, image: nowhere.invalid/web}]
";

#[tokio::test(flavor = "multi_thread")]
async fn pods_are_made_and_bound_and_go_with_their_namespace() -> Result<()> {
    let options = Options { controller_manager: true, scheduler: true, audit: true, ..Options::default() };
    let cluster = ControlPlane::start(options).await?;
    let client = cluster.admin_client().await?;
    let plain = create_node(&client, "plain", &[]).await?;
    let cde = create_node(&client, "cde", &[("zone", "cde")]).await?;
    let ranges = [plain, cde].map(|node| node.spec.and_then(|spec| spec.pod_cidr).unwrap());
    assert_ne!(ranges[0], ranges[1]);

    let kubectl = cluster.kubectl().with_limit(Duration::from_secs(90));
    kubectl.run_stdin(&["apply", "-f", "-"], WEB).await?;
    let bound = ["-n", "shop", "wait", "pod", "-l", "app=web", "--for=condition=PodScheduled", "--timeout=60s"];
    kubectl
        .run(&["-n", "shop", "wait", "deployment/web", "--for=jsonpath={.status.replicas}=1", "--timeout=60s"])
        .await?;
    kubectl.run(&bound).await?;
    let nodes = ["-n", "shop", "get", "pods", "-o", "jsonpath={.items[*].spec.nodeName}"];
    assert_eq!(kubectl.run(&nodes).await?, "cde");

    // The pod has no kubelet that would confirm its end.
    kubectl.run(&["-n", "shop", "delete", "deployment/web", "--cascade=orphan"]).await?;
    kubectl.run(&["-n", "shop", "delete", "replicasets,pods", "--all", "--force", "--grace-period=0"]).await?;
    kubectl.run(&["delete", "namespace", "shop", "--timeout=60s"]).await?;
    assert!(kubectl.run(&["get", "namespace", "shop"]).await.is_err());

    // Each controller has a name of its own.
    let events = cluster.audit()?;
    for user in ["system:kube-scheduler", "system:serviceaccount:kube-system:replicaset-controller"] {
        assert!(events.iter().any(|event| event.user == user), "{user} did nothing");
    }
    Ok(())
}
