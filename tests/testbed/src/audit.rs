//! Reads the audit log of the API server: who asked for what, and what came of it.
//! It judges nothing.

use std::{collections::BTreeMap, fs, io, path::Path, time::Duration};

use anyhow::{Context as _, Result};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use serde::Deserialize;

/// One finished request. A watch is finished when it ends.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AuditEvent {
    /// The user as authenticated, such as `system:serviceaccount:default:build`.
    pub user: String,
    /// The groups of the user.
    pub groups: Vec<String>,
    /// The user that `user` asked to be taken for, if any. Rights are those of this one.
    pub impersonated_user: Option<String>,
    /// The verb, such as `get` or `deletecollection`.
    pub verb: String,
    /// The path and query.
    pub request_uri: String,
    /// The API group; empty for the core group, and for requests that are not for a resource.
    pub api_group: String,
    /// The resource, such as `pods`; empty for requests that are not for a resource.
    pub resource: String,
    /// The subresource, such as `status`; empty if none.
    pub subresource: String,
    /// The namespace; empty if none.
    pub namespace: String,
    /// The object's name; empty for lists, and for creations with a generated name.
    pub name: String,
    /// The HTTP status code.
    pub code: u16,
    /// What the client calls itself.
    pub user_agent: String,
    /// When the request arrived.
    pub received: MicroTime,
    /// When the response was complete.
    pub completed: MicroTime,
    /// What authorization and admission noted, such as `authorization.k8s.io/reason`.
    pub annotations: BTreeMap<String, String>,
}

impl AuditEvent {
    /// Whether authorization let the request pass. Admission may have refused it later.
    pub fn authorized(&self) -> bool {
        self.annotations.get("authorization.k8s.io/decision").is_some_and(|decision| decision == "allow")
    }

    /// Time between arrival and the end of the response.
    pub fn duration(&self) -> Duration {
        Duration::try_from(self.completed.0.duration_since(self.received.0)).unwrap_or_default()
    }
}

/// Reads the finished requests in the order of the log. A line that is still being written is left out.
pub(crate) fn read(path: &Path) -> Result<Vec<AuditEvent>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read the audit log {}", path.display())),
    };
    let complete = text.rsplit_once('\n').map_or("", |(lines, _)| lines);
    let mut events = Vec::new();
    for (index, line) in complete.lines().enumerate() {
        let raw: Raw = serde_json::from_str(line)
            .with_context(|| format!("line {} of {} is no audit event", index + 1, path.display()))?;
        if raw.stage == "ResponseComplete" {
            events.push(raw.into());
        }
    }
    Ok(events)
}

/// `audit.k8s.io/v1` Event, as far as it is read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    stage: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    verb: String,
    user: RawUser,
    impersonated_user: Option<RawUser>,
    #[serde(default)]
    user_agent: String,
    #[serde(default)]
    object_ref: RawObject,
    #[serde(default)]
    response_status: RawStatus,
    request_received_timestamp: MicroTime,
    stage_timestamp: MicroTime,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct RawUser {
    #[serde(default)]
    username: String,
    #[serde(default)]
    groups: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawObject {
    api_group: String,
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawStatus {
    code: u16,
}

impl From<Raw> for AuditEvent {
    fn from(raw: Raw) -> Self {
        Self {
            user: raw.user.username,
            groups: raw.user.groups,
            impersonated_user: raw.impersonated_user.map(|user| user.username),
            verb: raw.verb,
            request_uri: raw.request_uri,
            api_group: raw.object_ref.api_group,
            resource: raw.object_ref.resource,
            subresource: raw.object_ref.subresource,
            namespace: raw.object_ref.namespace,
            name: raw.object_ref.name,
            code: raw.response_status.code,
            user_agent: raw.user_agent,
            received: raw.request_received_timestamp,
            completed: raw.stage_timestamp,
            annotations: raw.annotations,
        }
    }
}
