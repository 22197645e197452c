//! What forwards the logs of a pod, as the pod itself shows it.

use k8s_openapi::{
    api::core::v1::{Container, ContainerStatus, PodSpec, PodStatus, VolumeMount},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
    jiff::Timestamp,
};

use crate::engine::{
    desired::admission::sidecars::{CONFIGURATION, FORWARDER, GRACE, LINGER},
    shown::bounded,
};

/// Names of images that forward logs, the last part of them or its beginning.
const FORWARDERS: [&str; 7] =
    ["fluent-bit", "fluentd", "otelcol", "opentelemetry-collector", "vector", "filebeat", "promtail"];
/// Characters of what a container waits for.
const SHOWN: usize = 200;

/// What forwards the logs of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Forwarding {
    /// Image of the zone's forwarder, where it is there as a native sidecar, before what holds it.
    pub forwarder: Option<Box<str>>,
    /// Image of what holds it.
    pub linger: Option<Box<str>>,
    /// Its configuration.
    pub configuration: Option<Box<str>>,
    /// A container that forwards logs and is no native sidecar.
    pub plain: Option<Box<str>>,
    /// A container that has something else where the forwarder reads: what it writes there is not collected.
    pub apart: Option<Box<str>>,
    /// Seconds that the pod has to end.
    pub grace: i64,
}

impl Forwarding {
    /// Nothing where nothing forwards its logs.
    pub fn read(spec: &PodSpec) -> Option<Self> {
        let native = |name: &str| {
            let sidecars = spec.init_containers.iter().flatten().enumerate();
            let is_it = |one: &Container| one.name == name && one.restart_policy.as_deref() == Some("Always");
            sidecars.into_iter().find(|(_, one)| is_it(one))
        };
        let image = |one: &Container| Box::from(one.image.as_deref().unwrap_or_default());
        let linger = native(LINGER);
        let forwarder = native(FORWARDER).filter(|(at, _)| linger.is_none_or(|(after, _)| *at < after));
        let forwards = |one: &&Container| {
            let image = one.image.as_deref().unwrap_or_default();
            let last = image.rsplit('/').next().and_then(|last| last.split([':', '@']).next()).unwrap_or_default();
            one.name == FORWARDER || FORWARDERS.iter().any(|name| last.starts_with(name))
        };
        let plain = spec.containers.iter().find(forwards).map(|one| Box::from(one.name.as_str()));
        if forwarder.is_none() && linger.is_none() && plain.is_none() {
            return None;
        }
        let volume = spec.volumes.iter().flatten().find(|volume| volume.name == CONFIGURATION);
        let configuration = volume.and_then(|volume| volume.config_map.as_ref()).map(|map| map.name.as_str().into());
        Some(Forwarding {
            forwarder: forwarder.map(|(_, one)| image(one)),
            linger: linger.map(|(_, one)| image(one)),
            configuration,
            apart: forwarder.and_then(|(_, forwarder)| apart(spec, forwarder)),
            plain,
            grace: spec.termination_grace_period_seconds.unwrap_or(GRACE),
        })
    }
}

/// A container that mounts something else, or only a part, where the forwarder mounts its sources.
fn apart(spec: &PodSpec, forwarder: &Container) -> Option<Box<str>> {
    let read: Vec<&VolumeMount> = forwarder.volume_mounts.iter().flatten().collect();
    // Those of its own, authorities too, and the token that the API server mounts.
    let own = [super::CONFIGURATION, super::BUFFER, "/var/run/secrets"];
    let is_other = |mount: &VolumeMount| {
        let path = mount.mount_path.trim_end_matches('/');
        let is_part = mount.sub_path.is_some() || mount.sub_path_expr.is_some();
        let touches = |read: &str| {
            read != path && (read.starts_with(&format!("{path}/")) || path.starts_with(&format!("{read}/")))
        };
        read.iter().any(|read| {
            let there = read.mount_path.trim_end_matches('/');
            let is_source = !own.iter().any(|own| there.starts_with(own));
            is_source && (touches(there) || there == path && (read.name != mount.name || is_part))
        })
    };
    let writes_apart = |one: &&Container| one.volume_mounts.iter().flatten().any(is_other);
    spec.containers.iter().find(writes_apart).map(|one| Box::from(one.name.as_str()))
}

/// A time in which numbered lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lines {
    /// From when on.
    pub since: Timestamp,
    /// Until when, where that is over.
    pub until: Option<Timestamp>,
}

/// When its numbered lines are written. What writes them may have begun anew: they are awaited from its first beginning on.
pub(in crate::engine) fn lines(metadata: &ObjectMeta, status: &PodStatus) -> Option<Lines> {
    let linger = of(status, LINGER)?;
    let state = linger.state.as_ref()?;
    let began_anew = linger.restart_count > 0;
    let first = metadata.creation_timestamp.as_ref().filter(|_| began_anew).map(|time| time.0);
    if let Some(running) = &state.running {
        return Some(Lines { since: first.or(Some(running.started_at.as_ref()?.0))?, until: None });
    }
    let ended = state.terminated.as_ref()?;
    let until = ended.finished_at.as_ref().map(|time| time.0);
    Some(Lines { since: first.or(Some(ended.started_at.as_ref()?.0))?, until: Some(until?) })
}

/// Why one of the sidecars does not run, as the kubelet tells it; nothing on its usual way to run, or once the pod has ended.
pub(in crate::engine) fn wait(status: &PodStatus) -> Option<Box<str>> {
    let waits = |name: &str| of(status, name)?.state.as_ref()?.waiting.clone();
    let waiting = [FORWARDER, LINGER].into_iter().filter_map(waits).find(|waiting| {
        let starts = ["PodInitializing", "ContainerCreating"];
        !starts.contains(&waiting.reason.as_deref().unwrap_or_default())
    })?;
    let reason = waiting.reason.unwrap_or_default();
    let message = waiting.message.map(|message| format!(": {message}")).unwrap_or_default();
    Some(bounded(&format!("{reason}{message}"), SHOWN).into())
}

fn of<'a>(status: &'a PodStatus, name: &str) -> Option<&'a ContainerStatus> {
    status.init_container_statuses.iter().flatten().find(|container| container.name == name)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(spec: Value) -> Option<Forwarding> {
        Forwarding::read(&serde_json::from_value(spec).unwrap())
    }

    #[test]
    fn sidecars_count_where_they_are_native_and_in_order() {
        let one =
            |name: &str, policy: Value| json!({ "name": name, "image": format!("{name}:1"), "restartPolicy": policy });
        let (forwarder, linger) = (one(FORWARDER, json!("Always")), one(LINGER, json!("Always")));
        let pod = |sidecars: Value, containers: Value| {
            read(json!({ "initContainers": sidecars, "containers": containers,
                         "volumes": [{ "name": CONFIGURATION, "configMap": { "name": "pcizone-logs-1" } }] }))
        };
        let app = json!([{ "name": "app", "image": "app:1" }]);
        let whole = pod(json!([forwarder, linger]), app.clone()).unwrap();
        assert_eq!(whole.forwarder.as_deref(), Some("pcizone-forwarder:1"));
        assert_eq!((whole.configuration.as_deref(), whole.grace), (Some("pcizone-logs-1"), 30));
        for (name, sidecars, containers, wanted) in [
            ("the other way round", json!([linger, forwarder]), app.clone(), Some((false, true, false))),
            ("not native", json!([one(FORWARDER, Value::Null), linger]), app.clone(), Some((false, true, false))),
            ("one alone", json!([forwarder]), app.clone(), Some((true, false, false))),
            ("plain by name", json!([]), json!([one(FORWARDER, Value::Null)]), Some((false, false, true))),
            (
                "plain by image",
                json!([]),
                json!([{ "name": "x", "image": "a.example/fluent-bit:3" }]),
                Some((false, false, true)),
            ),
            ("like one", json!([]), json!([{ "name": "x", "image": "a.example/vector/pgvector:16" }]), None),
            ("nothing", json!([]), app.clone(), None),
        ] {
            let seen = pod(sidecars, containers);
            let seen = seen.map(|one| (one.forwarder.is_some(), one.linger.is_some(), one.plain.is_some()));
            assert_eq!(seen, wanted, "{name}");
        }
    }

    #[test]
    fn what_lies_elsewhere_is_not_read() {
        let mount = |name: &str, more: Value| {
            let mut mount = json!({ "name": name, "mountPath": "/var/log/app/" });
            for (key, value) in more.as_object().into_iter().flatten() {
                mount[key] = value.clone();
            }
            mount
        };
        for (what, mounts, apart) in [
            ("the same", json!([mount("logs", json!({}))]), None),
            ("nothing there", json!([]), None),
            ("another volume", json!([mount("claim", json!({}))]), Some("app")),
            ("something above", json!([{ "name": "claim", "mountPath": "/var/log" }]), Some("app")),
            (
                "something below",
                json!([mount("logs", json!({})), { "name": "claim", "mountPath": "/var/log/app/audit" }]),
                Some("app"),
            ),
            ("something beside", json!([{ "name": "claim", "mountPath": "/var/log/application" }]), None),
            ("a part", json!([mount("logs", json!({ "subPath": "part" }))]), Some("app")),
        ] {
            let forwarder = json!({ "name": FORWARDER, "restartPolicy": "Always", "volumeMounts": [{ "name": "logs", "mountPath": "/var/log/app" }] });
            let spec =
                json!({ "initContainers": [forwarder], "containers": [{ "name": "app", "volumeMounts": mounts }] });
            assert_eq!(read(spec).unwrap().apart.as_deref(), apart, "{what}");
        }
    }

    #[test]
    fn what_it_waits_for_is_told_and_the_usual_start_is_not() {
        let status = |state: Value| {
            let all = json!({ "initContainerStatuses": [{ "name": FORWARDER, "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state }] });
            wait(&serde_json::from_value(all).unwrap())
        };
        let waiting = |reason: &str, message: &str| json!({ "waiting": { "reason": reason, "message": message } });
        assert_eq!(status(waiting("PodInitializing", "")), None);
        assert_eq!(status(json!({ "running": {} })), None);
        let missing = status(waiting("CreateContainerConfigError", "secret \"siem\" not found"));
        assert_eq!(missing.as_deref(), Some("CreateContainerConfigError: secret \"siem\" not found"));
    }
}
