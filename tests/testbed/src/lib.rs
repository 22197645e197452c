//! Starts real Kubernetes clusters on this machine, for tests and demos, without Docker.
//!
//! A [`ControlPlane`] needs no root, and it runs no nodes: no kubelet, no containers, no network between pods.
//!
//! ```text
//!  cluster/go.mod ──go build──▶ cache ─┐                ControlPlane (one temporary folder)
//!                                      ├─▶ Assets ──▶  ┌──────────────────────────────────────────┐
//!  KUBEBUILDER_ASSETS ─────────────────┘               │ etcd ◀─unix socket─ kube-apiserver       │
//!                                                      │                      ▲    ▲   │          │
//!                          kube-controller-manager ────┼──────────────────────┘    │   ▼          │
//!                          kube-scheduler  (if asked) ─┼───────────────────────────┘  audit.log   │
//!                                                      └────────────────────┬─────────────────────┘
//!     Kubectl, kube::Config, your operator ────127.0.0.1, TLS, RBAC─────────┘
//! ```
//!
//! What is true of such a cluster is what the API server, the controllers and the scheduler do: validation, admission,
//! RBAC, garbage collection, binding. What is not: everything that happens on a node. [`create_node`] makes an API object
//! with nothing behind it.
//!
//! A [`NodeCluster`] has real nodes, for root on Linux. Each is a process tree, a network and mounts of its own on this
//! machine; when the first process of the tree ends, the kernel ends all of it.
//!
//! ```text
//!   kubelet/  containers/  cilium/  ──go build──▶ cache        NodeCluster
//!  ┌──────────────────────────────────────────────────────────────────────────────────────────┐
//!  │ ControlPlane on 10.89.N.1:6443 ── bridge pcizoneN ──┬── node-1 (10.89.N.11)              │
//!  │                                                     │     kubelet ─▶ containerd ─▶ runc  │
//!  │                                                     │     cilium-agent, or kube-proxy    │
//!  │                                                     └── node-2 (10.89.N.12)  …           │
//!  └──────────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! With [`Cni::Cilium`] network policies are enforced, with [`Cni::Bridge`] they are not: what proves segmentation must
//! pass on the one and fail on the other. See `docs/testbed.md`.
//!
//! [`FaultProxy`] stands between a client and the API server and fails as a script says.
//!
//! [`VictoriaLogs`] and [`OpenSearch`] are stores of logs, [`Collector`] and [`Rsyslog`] forward to them. They need no cluster and no root.
//!
//! Nothing outlives the program. Dropping a [`ControlPlane`] ends its processes and removes its folder; when the program
//! itself is killed, the kernel ends them, and the next program that starts a cluster sweeps the folder.
//! Of real nodes a bridge and control groups stay then, which the next such cluster and [`sweep_nodes`] remove. Set
//! `PCIZONE_TESTBED_KEEP` to keep the folder with all logs.

mod assets;
mod audit;
mod components;
mod control_plane;
mod definitions;
mod go_build;
mod image;
mod kubeconfig;
mod kubectl;
mod node;
mod nodes;
mod packages;
mod pki;
mod port;
mod process;
mod progress;
mod proxy;
mod stores;
mod workdir;

pub use assets::{Assets, Binary};
pub use audit::{AuditEvent, AuditReader};
pub use control_plane::{ControlPlane, Durability, Options, Version};
pub use definitions::{open_reports, policy_reports, trivy_operator};
pub use image::Image;
pub use kubeconfig::config_from;
pub use kubectl::Kubectl;
pub use node::create_node;
pub use nodes::{ClusterNode, Cni, NodeCluster, NodeOptions, get_node_assets, holders, nodes_or_skip, sweep_nodes};
pub use packages::install_packages;
pub use process::Process;
pub use proxy::{Fault, FaultProxy, Request, WatchFault};
pub use stores::{
    Collector, OpenSearch, Rsyslog, VictoriaLogs, get_store_assets, open_search_or_skip, rsyslog_or_skip,
};
pub use workdir::KEEP_VARIABLE;

/// Resolves when the user (Ctrl-C), the system (SIGTERM) or the end of the terminal (SIGHUP) asks this program to end.
///
/// Programs that hold a cluster wait on this and then drop the cluster. Without it a signal still leaves no process
/// behind, but the folder stays until the next cluster is started.
pub async fn interrupted() -> anyhow::Result<()> {
    use anyhow::Context as _;
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut hang_up = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
    Ok(())
}
