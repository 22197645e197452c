//! Reads the audit log of the API server: who asked for what, and what came of it.
//! It judges nothing.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::PathBuf,
    time::Duration,
};

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
    /// Reads a line of the log. `None` when its request is not finished.
    pub fn parse(line: &str) -> serde_json::Result<Option<Self>> {
        let raw: Raw = serde_json::from_str(line)?;
        Ok((raw.stage == "ResponseComplete").then(|| raw.into()))
    }

    /// Whether authorization let the request pass. Admission may have refused it later.
    pub fn authorized(&self) -> bool {
        self.annotations.get("authorization.k8s.io/decision").is_some_and(|decision| decision == "allow")
    }

    /// It may have changed something in the store. Asking who one is and what one may is a POST that stores nothing, and so is
    /// a dry run.
    pub fn is_write(&self) -> bool {
        let asks = ["selfsubjectaccessreviews", "selfsubjectreviews"].contains(&self.resource.as_str());
        !["get", "list", "watch"].contains(&self.verb.as_str()) && !asks && !self.request_uri.contains("dryRun=All")
    }

    /// Time between arrival and the end of the response.
    pub fn duration(&self) -> Duration {
        Duration::try_from(self.completed.0.duration_since(self.received.0)).unwrap_or_default()
    }
}

/// Reads the log from where it was read to before.
#[derive(Debug)]
pub struct AuditReader {
    path: PathBuf,
    /// Bytes of the lines that were read.
    offset: u64,
    lines: usize,
}

impl AuditReader {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, offset: 0, lines: 0 }
    }

    /// The requests that were finished since the last call, in the order of the log. A line that is still being
    /// written comes with the next call.
    pub fn read(&mut self) -> Result<Vec<AuditEvent>> {
        let text = self.unread().with_context(|| format!("cannot read the audit log {}", self.path.display()))?;
        let complete = text.rsplit_once('\n').map_or("", |(lines, _)| lines);
        let mut events = Vec::new();
        for line in complete.lines() {
            self.lines += 1;
            let event = AuditEvent::parse(line)
                .with_context(|| format!("line {} of {} is no audit event", self.lines, self.path.display()))?;
            events.extend(event);
        }
        if !complete.is_empty() {
            self.offset += complete.len() as u64 + 1;
        }
        Ok(events)
    }

    fn unread(&self) -> io::Result<String> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            // Written with the first request.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
            Err(error) => return Err(error),
        };
        file.seek(SeekFrom::Start(self.offset))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        // The last line may end within a character.
        let complete = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        bytes.truncate(complete);
        String::from_utf8(bytes).map_err(io::Error::other)
    }
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

#[cfg(test)]
mod tests {
    use std::{fs::File, io::Write as _};

    use super::*;
    use crate::workdir::Workdir;

    fn line(name: &str) -> String {
        format!(
            r#"{{"stage":"ResponseComplete","requestURI":"/","verb":"get","user":{{"username":"ann"}},"objectRef":{{"name":"{name}"}},"requestReceivedTimestamp":"2026-10-01T00:00:00.000000Z","stageTimestamp":"2026-10-01T00:00:00.500000Z"}}"#
        )
    }

    #[test]
    fn each_request_is_read_once_and_never_half() {
        let workdir = Workdir::create().unwrap();
        let path = workdir.path().join("audit.log");
        let mut reader = AuditReader::new(path.clone());
        assert!(reader.read().unwrap().is_empty(), "nothing was asked yet");

        let mut log = File::create(path).unwrap();
        let mut write_and_read = |text: &str| {
            log.write_all(text.as_bytes()).unwrap();
            reader.read().unwrap().into_iter().map(|event| event.name).collect::<Vec<_>>()
        };
        let second = line("zwölf");
        let (begin, end) = second.split_at(second.len() / 2);
        assert_eq!(write_and_read(&format!("{}\n{begin}", line("one"))), ["one"]);
        assert!(write_and_read("").is_empty());
        assert_eq!(write_and_read(&format!("{end}\n{}\n", line("three"))), ["zwölf", "three"]);
        assert!(write_and_read("").is_empty());
    }
}
