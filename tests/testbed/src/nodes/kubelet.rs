//! Decides the command lines and the configuration of what runs on every node: containerd and kubelet.
//! It starts nothing.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    path::Path,
};

use anyhow::Result;
use serde_json::{Value, json};

use super::shell;
use crate::{
    assets::{Assets, Binary},
    components::flag,
    image,
    process::Program,
};

/// Where containerd listens, inside.
pub(crate) const CONTAINERD_SOCKET: &str = "/run/containerd/containerd.sock";
/// Where containerd looks for the configuration of the network, inside.
pub(crate) const NETWORK_FOLDER: &str = "/run/cni/net.d";

/// The files and names of one node.
pub(crate) struct Plan<'a> {
    pub(crate) assets: &'a Assets,
    pub(crate) name: &'a str,
    pub(crate) address: Ipv4Addr,
    pub(crate) address_6: Option<Ipv6Addr>,
    /// Configuration, keys and whatever else is written from outside.
    pub(crate) config: &'a Path,
    /// The files of the node, there inside only.
    pub(crate) store: &'a Path,
    pub(crate) logs: &'a Path,
    pub(crate) group: &'a str,
}

impl Plan<'_> {
    /// A program of this node, which logs to a file of its own.
    pub(crate) fn program(&self, binary: Binary, args: Vec<String>) -> Result<Program> {
        let path = self.assets.path(binary)?;
        let log = self.logs.join(format!("{}-{binary}.log", self.name));
        let folder = path.parent().map(|folder| format!("{}:", folder.display())).unwrap_or_default();
        let env = vec![("PATH".to_owned(), format!("{folder}{}", shell::PATH))];
        Ok(Program { name: format!("{binary} of {}", self.name), path, args, env, folder: self.config.into(), log })
    }

    /// The folders where containerd looks for plug-ins of the network.
    fn plugin_folders(&self) -> Vec<String> {
        let binaries = [Binary::CniLoopback, Binary::CiliumCni].into_iter();
        let paths = binaries.filter_map(|binary| self.assets.path(binary).ok());
        paths.filter_map(|path| path.parent().map(|folder| folder.display().to_string())).collect()
    }

    pub(crate) fn containerd_config(&self) -> Result<String> {
        let quoted = |text: String| Value::String(text).to_string();
        Ok(format!(
            r#"version = 3
root = {root}
state = "/run/containerd"
disabled_plugins = ["io.containerd.nri.v1.nri"]

[grpc]
address = "{CONTAINERD_SOCKET}"

[plugins.'io.containerd.internal.v1.opt']
path = "/run/containerd/opt"

[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = "{pause}"

[plugins.'io.containerd.cri.v1.runtime']
# Negative values may be refused, and a profile would stay in the kernel.
restrict_oom_score_adj = true
disable_apparmor = true

[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = {plugins}
conf_dir = "{NETWORK_FOLDER}"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
BinaryName = {runc}
SystemdCgroup = false
"#,
            root = quoted(self.store.join("containerd").display().to_string()),
            pause = image::PAUSE,
            plugins = json!(self.plugin_folders()),
            runc = quoted(self.assets.path(Binary::Runc)?.display().to_string()),
        ))
    }

    pub(crate) fn containerd(&self) -> Result<Program> {
        self.program(Binary::Containerd, vec![flag("config", self.config.join("containerd.toml").display())])
    }

    pub(crate) fn kubelet_config(&self, authority: &Path) -> Value {
        let file = |name: &str| self.config.join(name).display().to_string();
        json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": self.address,
            "authentication": {
                "anonymous": { "enabled": false },
                "webhook": { "enabled": true },
                "x509": { "clientCAFile": authority },
            },
            "authorization": { "mode": "Webhook" },
            "tlsCertFile": file("kubelet.crt"),
            "tlsPrivateKeyFile": file("kubelet.key"),
            "containerRuntimeEndpoint": format!("unix://{CONTAINERD_SOCKET}"),
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": format!("/{}", self.group),
            "failCgroupV1": false,
            "enforceNodeAllocatable": [],
            // Little is needed here, and the disk is that of whoever runs the tests.
            "evictionHard": { "memory.available": "20Mi", "nodefs.available": "1%", "imagefs.available": "1%" },
            "imageGCHighThresholdPercent": 100,
            "failSwapOn": false,
            "makeIPTablesUtilChains": false,
            "oomScoreAdj": 0,
            "nodeStatusUpdateFrequency": "5s",
            "readOnlyPort": 0,
            "resolvConf": file("resolv.conf"),
            "volumePluginDir": "/run/volume-plugins",
            // Tests wait for what a kubelet does; the defaults are sized for large clusters.
            "kubeAPIQPS": 200,
            "kubeAPIBurst": 400,
        })
    }

    pub(crate) fn kubelet(&self, kubeconfig: &Path) -> Result<Program> {
        let addresses = self.address_6.map_or(self.address.to_string(), |other| format!("{},{other}", self.address));
        let args = vec![
            flag("config", self.config.join("kubelet.json").display()),
            flag("kubeconfig", kubeconfig.display()),
            flag("hostname-override", self.name),
            flag("node-ip", addresses),
            flag("root-dir", self.store.join("kubelet").display()),
            flag("cert-dir", self.store.join("kubelet/pki").display()),
        ];
        self.program(Binary::Kubelet, args)
    }
}
