//! Which pods the API server asks about, and where.

use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use serde_json::{Value, json};

use super::{Address, NAME};
use crate::{api::names, engine::desired::admission::suspect};

/// How long the API server waits, in seconds. It goes on without an answer.
const PATIENCE: u8 = 2;

/// The configuration, with every default of the API server spelled out. Pods that tolerate nothing in namespaces of others
/// cost nobody a call.
pub(super) fn desired(address: &Address, bundle: &str, own: &str) -> MutatingWebhookConfiguration {
    let bundle = k8s_openapi::ByteString(bundle.as_bytes().to_vec());
    let client = match address {
        Address::Service { namespace } => json!({
            "caBundle": bundle,
            "service": { "name": NAME, "namespace": namespace, "path": "/place", "port": 443 },
        }),
        Address::Url(url) => json!({ "caBundle": bundle, "url": format!("{}/place", url.trim_end_matches('/')) }),
    };
    let webhook = |name: &str, selector: Value, conditions: Value| {
        json!({
            "name": name, "clientConfig": client, "failurePolicy": "Ignore", "sideEffects": "None",
            "admissionReviewVersions": ["v1"], "timeoutSeconds": PATIENCE, "reinvocationPolicy": "Never",
            "matchPolicy": "Equivalent", "objectSelector": {}, "namespaceSelector": selector,
            "matchConditions": conditions,
            "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"], "scope": "Namespaced" }],
        })
    };
    let inside = json!({ "matchExpressions": [{ "key": names::ZONE_LABEL, "operator": "Exists" }] });
    let outside = json!({ "matchExpressions": [
        { "key": names::NAMESPACE_NAME, "operator": "NotIn", "values": [names::SYSTEM_NAMESPACE, own] },
        { "key": names::ZONE_LABEL, "operator": "DoesNotExist" },
    ]});
    let suspect = json!([{ "name": "suspect", "expression": suspect() }]);
    let labels = json!({ names::MANAGED_BY: names::MANAGED_BY_VALUE });
    let object = json!({
        "metadata": { "name": NAME, "labels": labels },
        "webhooks": [
            webhook("placement.pcizone.dev", inside, Value::Null),
            webhook("strangers.pcizone.dev", outside, suspect),
        ],
    });
    // Plain data of the shape that the type has.
    serde_json::from_value(object).unwrap_or_default()
}
