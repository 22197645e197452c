//! The containers and volumes that a pod of the zone gets, but for what the pod itself decides.

use serde_json::{Value, json};

use crate::{
    api::{ForwarderKind, Logging, Source},
    engine::{
        change,
        declaration::Declaration,
        desired::admission::{Guard, cel, draft::Draft},
        forwarder::{self, Rendered},
    },
};

/// Name of the forwarder's container.
pub const FORWARDER: &str = "pcizone-forwarder";
/// Name of the container that holds it.
pub const LINGER: &str = "pcizone-linger";
/// Start of the names of volumes for log files, where a pod has none.
const LOGS: &str = "pcizone-logs-";
const BUFFER: &str = "pcizone-buffer";
/// Name of the volume with the forwarder's configuration.
pub const CONFIGURATION: &str = "pcizone-configuration";
const AUTHORITIES: &str = "pcizone-authorities-";
/// Mebibytes of the buffer's volume beyond what the forwarder may fill: a volume that is full takes the pod with it.
const SPARE: i32 = 64;
/// Seconds that a pod gets to end beyond what it has and the wait: for the forwarder's own end.
pub const MARGIN: i32 = 5;

/// Variable of the policies that tells which sidecars they are about; nothing reads it but [`told`].
const SIDECARS: &str = "sidecars";

/// What the pod itself decides.
#[derive(Clone, Copy, Debug)]
pub(super) enum Hole {
    /// As whom the sidecars run: as the application, so that they may read what it writes.
    User,
    /// The volume of this source.
    Volume(usize),
}

/// The sidecars of a zone.
pub(super) struct Template<'a> {
    zone: &'a str,
    pub(super) logs: &'a Logging,
    pub(super) rendered: Rendered,
    configuration: String,
}

impl<'a> Template<'a> {
    /// Nothing where the zone declares no forwarder.
    pub(super) fn of(zone: &'a Declaration) -> Option<Self> {
        let logs = zone.logs.as_ref()?;
        let rendered = forwarder::render(&zone.name, logs)?;
        let configuration = forwarder::configuration_name(&rendered);
        Some(Template { zone: &zone.name, logs, rendered, configuration })
    }

    /// All that it adds, but for what the pod decides.
    pub(super) fn digest(&self) -> String {
        let hole = |hole| json!(format!("{hole:?}"));
        change::short_digest(
            &json!([self.containers(&hole), self.volumes(), self.logs.sources, self.grace()]).to_string(),
        )
    }

    /// Seconds by which the pod's time to end is raised.
    pub(super) fn grace(&self) -> i32 {
        self.logs.linger.as_ref().map_or(0, |linger| linger.wait_seconds.saturating_add(MARGIN))
    }

    pub(super) fn forwarder_image(&self) -> &str {
        self.logs.forwarder.as_ref().map(|forwarder| forwarder.image.as_str()).unwrap_or_default()
    }

    pub(super) fn linger_image(&self) -> &str {
        self.logs.linger.as_ref().map(|linger| linger.image.as_str()).unwrap_or_default()
    }

    pub(super) fn linger_args(&self) -> Vec<String> {
        let Some(linger) = &self.logs.linger else { return Vec::new() };
        let directory = self.logs.sources.first().map(|source| source.path.as_str()).unwrap_or_default();
        let own = ["linger", "--directory", directory].map(String::from);
        let times = [
            "--wait".to_string(),
            linger.wait_seconds.to_string(),
            "--every".to_string(),
            linger.every_seconds.to_string(),
        ];
        own.into_iter().chain(times).chain(self.rendered.linger.iter().cloned()).collect()
    }

    /// The forwarder and the one that holds it: in this order they start, and in the other one they end.
    pub(super) fn containers(&self, fill: &dyn Fn(Hole) -> Value) -> [Value; 2] {
        let sources = || self.logs.sources.iter().enumerate();
        let mount = |(index, source): (usize, &Source), read_only: bool| json!({ "name": fill(Hole::Volume(index)), "mountPath": source.path, "readOnly": read_only });
        let mut mounts: Vec<Value> = sources().map(|source| mount(source, true)).collect();
        mounts.push(json!({ "name": BUFFER, "mountPath": forwarder::BUFFER }));
        mounts.push(json!({ "name": CONFIGURATION, "mountPath": forwarder::CONFIGURATION, "readOnly": true }));
        for (index, authority) in self.rendered.authorities.iter().enumerate() {
            let folder = authority.path.rsplit_once('/').map_or(authority.path.as_str(), |(folder, _)| folder);
            mounts.push(json!({ "name": format!("{AUTHORITIES}{index}"), "mountPath": folder, "readOnly": true }));
        }
        let secrets = self.rendered.secrets.iter().map(|secret| {
            json!({ "name": secret.variable, "valueFrom": { "secretKeyRef": { "name": secret.secret, "key": secret.key } } })
        });
        let memory = self.logs.forwarder.as_ref().map(|forwarder| forwarder.memory_mebibytes).unwrap_or_default();
        let is_collector = self.logs.forwarder.as_ref().is_some_and(|one| one.kind == ForwarderKind::OpenTelemetry);
        // Go gives memory back when it is told where its limit is.
        let limit = is_collector.then(|| json!({ "name": "GOMEMLIMIT", "value": format!("{}MiB", memory / 5 * 4) }));
        let environment: Vec<Value> = self.origin().into_iter().chain(limit).chain(secrets).collect();
        let forwarder = json!({
            "name": FORWARDER, "image": self.forwarder_image(), "restartPolicy": "Always", "args": self.rendered.args,
            "env": environment, "volumeMounts": mounts, "securityContext": security(fill),
            "resources": resources("20m", "1", memory),
        });
        let shared: Vec<Value> = sources().take(1).map(|source| mount(source, false)).collect();
        let check: Vec<String> = ["/pcizone", "linger", "--check"]
            .map(String::from)
            .into_iter()
            .chain(self.rendered.linger.iter().cloned())
            .collect();
        let linger = json!({
            "name": LINGER, "image": self.linger_image(), "restartPolicy": "Always", "args": self.linger_args(),
            "env": self.origin(), "volumeMounts": shared, "securityContext": security(fill),
            "resources": resources("5m", "200m", 32),
            // Whether the forwarder runs, asked on the loopback; not whether its store answers: one that is away is no reason to take the
            // application out of service.
            "readinessProbe": {
                "exec": { "command": check }, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6,
            },
        });
        [forwarder, linger]
    }

    /// The volume of a source, for pods that have none there.
    pub(super) fn source_volume(index: usize, source: &Source) -> Value {
        let size = size(source.size_mebibytes);
        json!({ "name": Self::source_name(index), "emptyDir": { "sizeLimit": size } })
    }

    pub(super) fn source_name(index: usize) -> String {
        format!("{LOGS}{index}")
    }

    /// The other volumes.
    pub(super) fn volumes(&self) -> Vec<Value> {
        let buffer = self.logs.forwarder.as_ref().map(|forwarder| forwarder.buffer_mebibytes).unwrap_or_default();
        let size = size(buffer.saturating_add(SPARE));
        let mut volumes = vec![
            json!({ "name": BUFFER, "emptyDir": { "sizeLimit": size } }),
            json!({ "name": CONFIGURATION, "configMap": { "name": self.configuration } }),
        ];
        for (index, authority) in self.rendered.authorities.iter().enumerate() {
            let items = json!([{ "key": authority.key, "path": authority.key }]);
            let secret = json!({ "secretName": authority.secret, "items": items });
            volumes.push(json!({ "name": format!("{AUTHORITIES}{index}"), "secret": secret }));
        }
        volumes
    }

    /// Whose lines they are, as both containers say it.
    fn origin(&self) -> Vec<Value> {
        let field =
            |name: &str, path: &str| json!({ "name": name, "valueFrom": { "fieldRef": { "fieldPath": path } } });
        vec![
            json!({ "name": "PCIZONE_ZONE", "value": self.zone }),
            field("PCIZONE_NAMESPACE", "metadata.namespace"),
            field("PCIZONE_POD", "metadata.name"),
            field("PCIZONE_NODE", "spec.nodeName"),
        ]
    }
}

/// Stands for the sidecars that this declaration asks for.
pub(super) fn digest(zone: &Declaration) -> String {
    Template::of(zone).map(|template| template.digest()).unwrap_or_default()
}

/// The policy tells which sidecars it is about.
pub(super) fn telling<'a>(draft: Draft, templates: impl Iterator<Item = &'a Template<'a>>) -> Draft {
    let digests: Vec<String> = templates.map(Template::digest).collect();
    draft.variable(SIDECARS, cel::list(digests.iter().map(String::as_str)))
}

/// Which sidecars a live policy is about.
pub(super) fn told(guard: &Guard) -> Vec<String> {
    let variables = guard.spec.get("variables").and_then(Value::as_array).into_iter().flatten();
    let mut ours = variables.filter(|one| one.get("name").and_then(Value::as_str) == Some(SIDECARS));
    let list = ours.next().and_then(|one| one.get("expression")?.as_str());
    list.and_then(|list| serde_json::from_str(list).ok()).unwrap_or_default()
}

/// All that Pod Security `restricted` asks of a container: what the pod says of itself is not enough for what is added.
fn security(fill: &dyn Fn(Hole) -> Value) -> Value {
    json!({
        "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] }, "readOnlyRootFilesystem": true,
        "runAsNonRoot": true, "runAsUser": fill(Hole::User), "seccompProfile": { "type": "RuntimeDefault" },
    })
}

fn resources(cpu: &str, most_cpu: &str, mebibytes: i32) -> Value {
    let memory = size(mebibytes);
    json!({ "requests": { "cpu": cpu, "memory": memory }, "limits": { "cpu": most_cpu, "memory": memory } })
}

/// So many mebibytes, as the API server writes them.
fn size(mebibytes: i32) -> String {
    if mebibytes % 1024 == 0 { format!("{}Gi", mebibytes / 1024) } else { format!("{mebibytes}Mi") }
}
