//! Cilium on the nodes: an agent on each, and one operator. Its data plane is compiled on the node and enforces policies.

use std::{fs, os::unix::fs::symlink, path::Path, time::Duration};

use anyhow::{Context as _, Result, bail};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    time::timeout,
};

use super::{kubelet::NETWORK_FOLDER, kubelet::Plan, namespace::Namespace, shell};
use crate::{assets::Binary, components::flag, go_build::Recipe, process::Program};

/// The file by which the agent tells containerd that pods can come. Inside.
pub(crate) const NETWORK_FILE: &str = "05-cilium.conflist";

/// Compilers that Cilium's data plane is known to build with, the one of Debian 12 first.
const COMPILERS: [&str; 4] = ["/usr/bin/clang-19", "/usr/bin/clang-20", "/usr/bin/clang-21", "/usr/bin/clang-18"];
/// How long an agent may take to say how it is.
const ANSWER: Duration = Duration::from_secs(5);

/// What a policy means to the agents, as their own flag `--enable-policy` takes it: `default` enforces where a policy
/// selects a pod, `always` everywhere, `never` nowhere.
const MODES: [&str; 3] = ["default", "always", "never"];

/// Checks a mode of enforcement.
pub(crate) fn check_mode(mode: &str) -> Result<()> {
    if !MODES.contains(&mode) {
        bail!("Cilium has no enforcement {mode:?}: it has {}", MODES.join(", "));
    }
    Ok(())
}

/// The compiler on this machine, if there is one.
pub(crate) fn compiler() -> Option<&'static str> {
    COMPILERS.into_iter().find(|path| Path::new(path).exists())
}

/// Makes the folder with what the agents compile, and with the compiler by the name that they know.
pub(crate) fn prepare(folder: &Path) -> Result<()> {
    let cannot = || format!("cannot prepare {}", folder.display());
    let sources = Recipe::read(Binary::CiliumAgent.module())?.sources("github.com/cilium/cilium")?;
    symlink(sources.join("bpf"), folder.join("bpf")).with_context(cannot)?;
    let compiler = compiler().context("there is no clang: install the package clang-19")?;
    fs::create_dir(folder.join("bin")).with_context(cannot)?;
    symlink(compiler, folder.join("bin/clang")).with_context(cannot)
}

/// The agent of a node. `folder` is what [`prepare`] made.
pub(crate) fn agent(plan: &Plan, kubeconfig: &Path, folder: &Path, mode: &str) -> Result<Program> {
    let args = vec![
        flag("k8s-kubeconfig-path", kubeconfig.display()),
        flag("lib-dir", folder.display()),
        flag("state-dir", "/run/cilium"),
        flag("cgroup-root", "/run/cilium/cgroupv2"),
        flag("bpf-root", "/sys/fs/bpf"),
        flag("write-cni-conf-when-ready", format!("{NETWORK_FOLDER}/{NETWORK_FILE}")),
        flag("cni-exclusive", false),
        flag("devices", "eth0"),
        flag("ipam", "kubernetes"),
        flag("enable-ipv6", plan.address_6.is_some()),
        // There is no way out of the nodes by it.
        flag("enable-ipv6-masquerade", false),
        flag("routing-mode", "tunnel"),
        flag("tunnel-protocol", "vxlan"),
        flag("kube-proxy-replacement", true),
        flag("identity-allocation-mode", "crd"),
        flag("enable-policy", mode),
        // What one machine has no use for.
        flag("enable-hubble", false),
        flag("enable-l7-proxy", false),
        flag("enable-health-checking", false),
        flag("enable-endpoint-health-checking", false),
    ];
    let mut program = plan.program(Binary::CiliumAgent, args)?;
    program.env = vec![
        ("PATH".to_owned(), format!("{}:{}", folder.join("bin").display(), shell::PATH)),
        ("K8S_NODE_NAME".to_owned(), plan.name.to_owned()),
    ];
    Ok(program)
}

/// What Cilium does once in a cluster: its definitions, identities that nobody uses any more. It runs on a node, where its
/// ports are free.
pub(crate) fn operator(plan: &Plan, kubeconfig: &Path) -> Result<Program> {
    let args = vec![
        flag("k8s-kubeconfig-path", kubeconfig.display()),
        flag("ipam", "kubernetes"),
        flag("identity-allocation-mode", "crd"),
        flag("kube-proxy-replacement", true),
        flag("enable-ipv6", plan.address_6.is_some()),
    ];
    let mut program = plan.program(Binary::CiliumOperator, args)?;
    program.env.push(("K8S_NODE_NAME".to_owned(), plan.name.to_owned()));
    program.env.push(("CILIUM_K8S_NAMESPACE".to_owned(), "kube-system".to_owned()));
    Ok(program)
}

/// Asks the agent of a node whether it is well.
pub(crate) async fn is_well(namespace: &Namespace) -> Result<()> {
    // One that was killed while it was asked leaves the question without an answer and without an end.
    timeout(ANSWER, asked(namespace)).await.context("Cilium's agent does not answer")?
}

async fn asked(namespace: &Namespace) -> Result<()> {
    let mut socket = UnixStream::connect(namespace.path("/run/cilium/cilium.sock"))
        .await
        .context("Cilium's agent does not listen yet")?;
    socket.write_all(b"GET /v1/healthz HTTP/1.0\r\nHost: localhost\r\nbrief: true\r\n\r\n").await?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await?;
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    let status: serde_json::Value = serde_json::from_str(body).context("Cilium's agent does not answer in JSON")?;
    let state = status.pointer("/cilium/state").and_then(serde_json::Value::as_str);
    if state != Some("Ok") {
        let message = status.pointer("/cilium/msg").and_then(serde_json::Value::as_str);
        bail!("Cilium's agent is not well: {}", message.unwrap_or("it does not say why"));
    }
    Ok(())
}
