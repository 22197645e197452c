//! What a pod may do to its node, and by its token: as far as it decides. Containers of every kind count, those too that
//! somebody added while it ran.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{self, PodSpec, SecurityContext, Volume, VolumeMount};

use crate::api::names;

/// By this annotation a pod asks for further network interfaces.
const NETWORKS: &str = "k8s.v1.cni.cncf.io/networks";
/// By this one it asks for another network in the place of the cluster's, about which no policy says anything either.
const DEFAULT_NETWORK: &str = "v1.multus-cni.io/default-network";
/// Bytes that are kept of it: enough to name what it asks for.
const NETWORKS_KEPT: usize = 64;

/// Capabilities that reach past a container: into its node, into other containers, or under what a policy sees.
const CAPABILITIES: [&str; 15] = [
    "ALL",
    "AUDIT_CONTROL",
    "BPF",
    "DAC_READ_SEARCH",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "NET_ADMIN",
    "NET_RAW",
    "PERFMON",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_MODULE",
    "SYS_PTRACE",
    "SYS_RAWIO",
];

/// Names of the sockets, and on Windows the pipes, by which container runtimes are asked.
const SOCKETS: [&str; 8] = [
    "containerd.sock",
    "cri-dockerd.sock",
    "crio.sock",
    "docker.sock",
    "dockershim.sock",
    "podman.sock",
    "\\containerd-containerd",
    "\\docker_engine",
];
/// Directories that hold one of them.
const SOCKET_DIRECTORIES: [&str; 7] =
    ["/", "/run", "/run/containerd", "/run/crio", "/run/k3s", "/run/k3s/containerd", "/run/podman"];

/// What a pod may do to its node, and by its token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Powers {
    /// A container is privileged.
    pub privileged: bool,
    /// A container is a process of its Windows node.
    pub host_process: bool,
    /// Capabilities beyond the usual ones that a container asks for and that reach past it, sorted.
    pub capabilities: Box<[&'static str]>,
    /// What of its node is mounted, writable first.
    pub paths: Box<[HostPath]>,
    /// Names of the containers that were added while it ran.
    pub added: Box<[Box<str>]>,
    /// Further networks that it asks for, as it asks; long ones are cut.
    pub networks: Option<Box<str>>,
    /// Labels that its node must have, but for the zone's.
    pub selector: Box<[(Box<str>, Box<str>)]>,
    /// Its tolerations of every taint, and of the zone's.
    pub tolerations: Box<[Toleration]>,
    /// The ServiceAccount whose token for the API server it holds.
    pub account: Option<Box<str>>,
}

/// Something of a node that a container sees.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPath {
    /// It cannot be written to.
    pub read_only: bool,
    /// Where it is on the node.
    pub path: Box<str>,
}

/// A toleration of every taint, or of that of zones.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Toleration {
    /// Of every taint, whatever its key.
    pub of_all: bool,
    /// Of this value only.
    value: Option<Box<str>>,
    /// Of this effect only.
    effect: Option<Box<str>>,
}

impl HostPath {
    /// Whoever has it can ask the container runtime for anything.
    pub fn leads_to_runtime(&self) -> bool {
        SOCKETS.iter().any(|socket| self.path.ends_with(socket)) || SOCKET_DIRECTORIES.contains(&&*self.path)
    }
}

impl Toleration {
    fn read(toleration: &v1::Toleration) -> Option<Self> {
        let exists = toleration.operator.as_deref() == Some("Exists");
        let key = toleration.key.as_deref().filter(|key| !key.is_empty());
        let of_all = key.is_none() && exists;
        let value = if exists { None } else { Some(toleration.value.as_deref().unwrap_or_default().into()) };
        let effect = toleration.effect.as_deref().filter(|effect| !effect.is_empty()).map(Into::into);
        (of_all || key == Some(names::NODE_TAINT)).then_some(Toleration { of_all, value, effect })
    }
}

impl Powers {
    /// Reads a pod.
    pub fn read(spec: &PodSpec, annotations: Option<&BTreeMap<String, String>>) -> Self {
        let containers = containers(spec);
        let contexts = || containers.iter().filter_map(|container| container.context);
        let of_pod = spec.security_context.as_ref().and_then(|context| context.windows_options.as_ref());
        let of_containers = contexts().filter_map(|context| context.windows_options.as_ref());
        let mut windows = of_pod.into_iter().chain(of_containers);
        let added = spec.ephemeral_containers.iter().flatten().map(|container| container.name.as_str().into());
        let selector = spec.node_selector.iter().flatten().filter(|(key, _)| *key != names::NODE_LABEL);
        Powers {
            privileged: contexts().any(|context| context.privileged == Some(true)),
            host_process: windows.any(|options| options.host_process == Some(true)),
            capabilities: capabilities(contexts()),
            paths: paths(spec, &containers),
            added: added.collect(),
            networks: annotations
                .and_then(|all| [DEFAULT_NETWORK, NETWORKS].into_iter().find_map(|key| networks(all.get(key)?))),
            selector: selector.map(|(key, value)| (key.as_str().into(), value.as_str().into())).collect(),
            tolerations: spec.tolerations.iter().flatten().filter_map(Toleration::read).collect(),
            account: account(spec),
        }
    }

    /// It tolerates every taint, be it of one effect.
    pub fn tolerates_everything(&self) -> bool {
        self.tolerations.iter().any(|toleration| toleration.of_all)
    }

    /// It tolerates the taint of a zone with this effect.
    pub fn tolerates(&self, zone: &str, effect: &str) -> bool {
        let is = |wanted: &Option<Box<str>>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        self.tolerations.iter().any(|one| is(&one.value, zone) && is(&one.effect, effect))
    }
}

/// What decides of a container of any kind.
struct Container<'a> {
    context: Option<&'a SecurityContext>,
    mounts: &'a [VolumeMount],
}

fn containers(spec: &PodSpec) -> Vec<Container<'_>> {
    let usual = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let usual = usual.map(|one| (one.security_context.as_ref(), one.volume_mounts.as_deref()));
    let added = spec.ephemeral_containers.iter().flatten();
    let added = added.map(|one| (one.security_context.as_ref(), one.volume_mounts.as_deref()));
    let container = |(context, mounts): (_, Option<_>)| Container { context, mounts: mounts.unwrap_or_default() };
    usual.chain(added).map(container).collect()
}

/// However they are spelled: runtimes read them in either case, and some with their prefix.
fn capabilities<'a>(contexts: impl Iterator<Item = &'a SecurityContext>) -> Box<[&'static str]> {
    let asked = contexts.filter_map(|context| context.capabilities.as_ref()?.add.as_ref()).flatten();
    let asked: Vec<String> = asked.map(|capability| capability.to_ascii_uppercase()).collect();
    let is_asked = |capability: &&str| asked.iter().any(|one| one.strip_prefix("CAP_").unwrap_or(one) == *capability);
    CAPABILITIES.into_iter().filter(is_asked).collect()
}

/// What no container mounts, nobody sees.
fn paths(spec: &PodSpec, containers: &[Container]) -> Box<[HostPath]> {
    let mounts = || containers.iter().flat_map(|container| container.mounts);
    let of = |volume: &Volume| Some((volume.name.clone(), volume.host_path.as_ref()?.path.clone()));
    let paths = spec.volumes.iter().flatten().filter_map(of).flat_map(|(name, path)| {
        let mounts = mounts().filter(move |mount| mount.name == name);
        mounts.map(move |mount| HostPath {
            read_only: mount.read_only == Some(true),
            path: below(&path, mount.sub_path.as_deref().unwrap_or_default()),
        })
    });
    let mut paths: Vec<HostPath> = paths.collect();
    paths.sort();
    let mut seen: Vec<HostPath> = Vec::new();
    for one in paths {
        if !seen.iter().any(|before| before.path == one.path) {
            seen.push(one);
        }
    }
    seen.into()
}

/// A path in one spelling, `/var/run` being `/run`.
fn below(path: &str, sub_path: &str) -> Box<str> {
    if !path.starts_with('/') {
        return path.into();
    }
    let parts: Vec<&str> =
        path.split('/').chain(sub_path.split('/')).filter(|part| !["", "."].contains(part)).collect();
    let parts = if parts.starts_with(&["var", "run"]) { parts.get(1..).unwrap_or_default() } else { parts.as_slice() };
    format!("/{}", parts.join("/")).into()
}

fn networks(asked: &str) -> Option<Box<str>> {
    let asked = Some(asked.trim()).filter(|asked| !["", "[]"].contains(asked))?;
    let end = (0..=NETWORKS_KEPT.min(asked.len())).rev().find(|end| asked.is_char_boundary(*end))?;
    asked.get(..end).map(Into::into)
}

/// Admission puts the token into a volume. One for somebody else than the API server names its audience.
fn account(spec: &PodSpec) -> Option<Box<str>> {
    let volumes = spec.volumes.iter().flatten().filter_map(|volume| volume.projected.as_ref());
    let mut tokens = volumes.flat_map(|volume| volume.sources.iter().flatten());
    let is_for_api_server = |audience: &Option<String>| {
        audience.as_deref().is_none_or(|audience| audience.is_empty() || audience.contains("kubernetes.default"))
    };
    let holds = tokens
        .any(|source| source.service_account_token.as_ref().is_some_and(|token| is_for_api_server(&token.audience)));
    let name = spec.service_account_name.as_deref().filter(|name| !name.is_empty()).unwrap_or("default");
    holds.then(|| name.into())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn powers(spec: &Value) -> Powers {
        Powers::read(&serde_json::from_value(spec.clone()).unwrap(), None)
    }

    fn with(context: &Value) -> Value {
        json!({ "name": "a", "securityContext": context })
    }

    #[test]
    fn a_container_of_any_kind_lends_its_powers_to_the_pod() {
        let plain = json!([{ "name": "a" }]);
        for (context, of) in [
            (json!({ "privileged": true }), Powers { privileged: true, ..Powers::default() }),
            (json!({ "privileged": false }), Powers::default()),
            (json!({ "windowsOptions": { "hostProcess": true } }), Powers { host_process: true, ..Powers::default() }),
            (
                json!({ "capabilities": { "add": ["cap_sys_admin", "NET_RAW", "CHOWN"], "drop": ["BPF"] } }),
                Powers { capabilities: ["NET_RAW", "SYS_ADMIN"].into(), ..Powers::default() },
            ),
            (
                json!({ "capabilities": { "add": ["ALL"] } }),
                Powers { capabilities: ["ALL"].into(), ..Powers::default() },
            ),
            (json!({ "capabilities": { "add": ["CHOWN"], "drop": ["ALL"] } }), Powers::default()),
        ] {
            let container = json!([with(&context)]);
            assert_eq!(powers(&json!({ "containers": container })), of, "{context}");
            assert_eq!(powers(&json!({ "containers": plain, "initContainers": container })), of, "{context}");
            let added = powers(&json!({ "containers": plain, "ephemeralContainers": container }));
            assert_eq!(added, Powers { added: ["a".into()].into(), ..of }, "{context}");
        }
        let of_pod = json!({ "containers": plain, "securityContext": { "windowsOptions": { "hostProcess": true } } });
        assert!(powers(&of_pod).host_process);
    }

    #[test]
    fn of_its_node_a_pod_has_what_a_container_mounts() {
        let mounted = |path: &str, mounts: Value| {
            let volumes = json!([{ "name": "v", "hostPath": { "path": path } }, { "name": "w", "emptyDir": {} }]);
            let spec = json!({ "volumes": volumes, "containers": [{ "name": "a", "volumeMounts": mounts }] });
            let paths = powers(&spec).paths;
            paths.iter().map(|one| format!("{} {}", one.path, one.read_only)).collect::<Vec<_>>()
        };
        let mount = |name: &str, read_only: bool, sub: &str| json!({ "name": name, "mountPath": "/m", "readOnly": read_only, "subPath": sub });
        assert_eq!(mounted("/var/log", json!([mount("v", true, "")])), ["/var/log true"]);
        assert_eq!(mounted("//etc/./x/", json!([mount("v", false, "")])), ["/etc/x false"]);
        assert_eq!(mounted("/", json!([mount("v", false, "etc/ssl")])), ["/etc/ssl false"]);
        assert_eq!(mounted("/a", json!([mount("v", true, ""), mount("v", false, "")])), ["/a false"]);
        assert_eq!(mounted("/a", json!([mount("v", true, "b"), mount("v", false, "c")])), ["/a/c false", "/a/b true"]);
        assert!(mounted("/a", json!([mount("w", false, "")])).is_empty(), "nobody mounts it");
    }

    #[test]
    fn what_leads_to_the_runtime_is_its_socket_or_a_directory_that_has_it() {
        for (path, leads) in [
            ("/var/run/docker.sock", true),
            ("/run/containerd/containerd.sock", true),
            ("/run/k3s/containerd/containerd.sock", true),
            ("/var/snap/microk8s/common/run/containerd.sock", true),
            ("/var/run/", true),
            ("/run/containerd", true),
            ("/", true),
            (r"\\.\pipe\containerd-containerd", true),
            ("/run/xtables.lock", false),
            ("/run/calico", false),
            ("/var", false),
            ("/var/log", false),
            ("/run/containerd/io.containerd.grpc", false),
        ] {
            assert_eq!(HostPath { read_only: true, path: below(path, "") }.leads_to_runtime(), leads, "{path}");
        }
    }

    #[test]
    fn a_taint_is_tolerated_as_the_scheduler_reads_it() {
        let key = names::NODE_TAINT;
        for (toleration, no_schedule, no_execute, everything) in [
            (json!({ "operator": "Exists" }), true, true, true),
            (json!({ "key": "", "operator": "Exists", "effect": "" }), true, true, true),
            (json!({ "operator": "Exists", "effect": "NoSchedule" }), true, false, true),
            (json!({ "key": key, "operator": "Exists" }), true, true, false),
            (json!({ "key": key, "value": "cde" }), true, true, false),
            (json!({ "key": key, "operator": "Equal", "value": "cde", "effect": "NoExecute" }), false, true, false),
            (json!({ "key": key, "operator": "Equal", "value": "other" }), false, false, false),
            (json!({ "key": key }), false, false, false),
            (json!({ "key": "node.kubernetes.io/not-ready", "operator": "Exists" }), false, false, false),
        ] {
            let powers = powers(&json!({ "containers": [], "tolerations": [toleration] }));
            assert_eq!(powers.tolerates("cde", "NoSchedule"), no_schedule, "{toleration}");
            assert_eq!(powers.tolerates("cde", "NoExecute"), no_execute, "{toleration}");
            assert_eq!(powers.tolerates_everything(), everything, "{toleration}");
        }
    }

    #[test]
    fn a_token_counts_where_the_api_server_takes_it() {
        let token = |audience: Option<&str>| json!({ "projected": { "sources": [{ "serviceAccountToken": { "path": "token", "audience": audience } }] }, "name": "t" });
        for (volumes, name, account) in [
            (json!([token(None)]), json!("web"), Some("web")),
            (json!([token(None)]), Value::Null, Some("default")),
            (json!([token(Some("https://kubernetes.default.svc"))]), json!("web"), Some("web")),
            (json!([token(Some("vault"))]), json!("web"), None),
            (json!([token(Some("vault")), token(None)]), json!("web"), Some("web")),
            (Value::Null, json!("web"), None),
        ] {
            let spec = json!({ "containers": [], "serviceAccountName": name, "volumes": volumes });
            assert_eq!(powers(&spec).account.as_deref(), account, "{spec}");
        }
    }

    #[test]
    fn what_asks_for_further_networks_is_kept_and_cut() {
        let of = |annotations: &[(&str, &str)]| {
            let text = |(key, value): &(&str, &str)| ((*key).to_string(), (*value).to_string());
            Powers::read(&PodSpec::default(), Some(&annotations.iter().map(text).collect())).networks
        };
        let asked = |asked: &str| of(&[(NETWORKS, asked)]);
        assert_eq!(asked("storage").as_deref(), Some("storage"));
        assert_eq!(asked(&"ö".repeat(50)).as_deref(), Some("ö".repeat(32).as_str()));
        assert_eq!([asked(""), asked(" [] ")], [None, None]);
        assert_eq!(of(&[(DEFAULT_NETWORK, "kube-system/macvlan")]).as_deref(), Some("kube-system/macvlan"));
        assert_eq!(of(&[(DEFAULT_NETWORK, ""), (NETWORKS, "a")]).as_deref(), Some("a"));
    }
}
