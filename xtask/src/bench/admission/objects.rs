//! Pods as users write them: they say nothing of where they run.

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::Pod;
use pcizone::api::names;
use serde_json::{Value, json};

pub(super) fn plain(number: usize, namespace: &str) -> Result<Pod> {
    describe(number, namespace, &Value::Null)
}

/// It asks for the nodes of another zone, which only a guard minds.
pub(super) fn placed_elsewhere(namespace: &str) -> Result<Pod> {
    describe(0, namespace, &json!({ names::NODE_LABEL: "another" }))
}

fn describe(number: usize, namespace: &str, selector: &Value) -> Result<Pod> {
    let pod = json!({
        "metadata": { "name": format!("checkout-5c8f7d6b9-{number:05}"), "namespace": namespace, "labels": {
            "app": "checkout", "app.kubernetes.io/name": "checkout", "app.kubernetes.io/part-of": "shop",
            "pod-template-hash": "5c8f7d6b9",
        } },
        "spec": {
            "serviceAccountName": "checkout",
            "automountServiceAccountToken": false,
            "nodeSelector": selector,
            "containers": [{
                "name": "checkout", "image": "registry.example.com/shop/checkout:v1.2.3",
                "ports": [{ "name": "https", "containerPort": 8443 }],
                "env": [
                    { "name": "VAULT_ADDRESS", "value": "https://vault.example.com" },
                    { "name": "LOG_LEVEL", "value": "info" },
                    { "name": "POD_NAME", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } },
                    { "name": "API_KEY", "valueFrom": { "secretKeyRef": { "name": "checkout", "key": "api-key" } } },
                ],
                "resources": { "requests": { "cpu": "100m", "memory": "128Mi" }, "limits": { "memory": "128Mi" } },
                "readinessProbe": { "httpGet": { "path": "/healthz", "port": "https", "scheme": "HTTPS" } },
                "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
            }],
        },
    });
    serde_json::from_value(pod).context("cannot describe a pod")
}
