//! How small objects are named: `namespace/name`, as one text.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// The key of an object.
pub(in crate::engine) fn of(metadata: &ObjectMeta) -> Box<str> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    format!("{}/{}", text(&metadata.namespace), text(&metadata.name)).into_boxed_str()
}

/// The namespace in a key.
pub(super) fn namespace(key: &str) -> &str {
    key.split_once('/').map_or("", |(namespace, _)| namespace)
}

/// The name in a key.
pub(super) fn name(key: &str) -> &str {
    key.split_once('/').map_or(key, |(_, name)| name)
}
