//! A cluster with real nodes: a kubelet, containerd and a network for pods, each node in namespaces of its own.

mod bridge;
mod cgroups;
mod cilium;
mod kubelet;
mod namespace;
mod needs;
mod node;
mod shell;
mod site;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::core::v1::Node;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;

pub use needs::{get_node_assets, nodes_or_skip};
pub use node::ClusterNode;
pub use site::{holders, sweep_nodes};

use self::site::Site;
use crate::{
    assets::{Assets, Binary},
    components::Reach,
    control_plane::{ControlPlane, Options, find_assets, on_a_thread},
    image::Image,
};

/// How long a node may take until it is ready, once its kubelet runs: Cilium compiles its data plane on it.
const READY: Duration = Duration::from_secs(300);
/// Where most API servers listen, and the policies of operators let their pods go.
const PORT: u16 = 6443;
/// More would have no addresses, and no memory.
const MOST: usize = 9;

/// What joins the pods of all nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cni {
    /// Cilium, which enforces network policies.
    #[default]
    Cilium,
    /// The plain bridge, which does not.
    Bridge,
}

/// What a cluster of real nodes consists of.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// How many nodes; two by default.
    pub nodes: usize,
    /// What joins their pods.
    pub cni: Cni,
    /// The labels of each node in order, on top of those that its kubelet gives.
    pub node_labels: Vec<BTreeMap<String, String>>,
    /// Record every request; see [`ControlPlane::audit`].
    pub audit: bool,
    /// More arguments for the API server. They win over those given by default.
    pub apiserver_args: Vec<String>,
}

impl Default for NodeOptions {
    fn default() -> Self {
        Self { nodes: 2, cni: Cni::default(), node_labels: Vec::new(), audit: false, apiserver_args: Vec::new() }
    }
}

/// A running cluster with real nodes. Dropping it removes all that it took of this machine.
pub struct NodeCluster {
    // Nodes before the API server that they talk to, and the site last, since all use it.
    nodes: Vec<ClusterNode>,
    control_plane: ControlPlane,
    cni: Cni,
    assets: Assets,
    /// What Cilium's agents compile.
    library: PathBuf,
    agents: Vec<PathBuf>,
    mode: Mutex<String>,
    site: Site,
}

impl NodeCluster {
    /// Starts a cluster and waits until all nodes are ready. The first time on a machine it builds for twenty minutes.
    pub async fn start(options: NodeOptions) -> Result<Self> {
        ensure!((1..=MOST).contains(&options.nodes), "a cluster has 1 to {MOST} nodes, not {}", options.nodes);
        let cni = options.cni;
        on_a_thread(move || needs::install(cni)).await?;
        let assets = find_assets(binaries(cni)).await?;
        let site = Site::claim()?;
        let reach = Reach { address: site.address(), port: PORT, pods: Some(site.pods()) };
        let control_plane = Options {
            controller_manager: true,
            scheduler: true,
            audit: options.audit,
            apiserver_args: options.apiserver_args,
            ..Options::default()
        };
        let control_plane = Box::pin(ControlPlane::start_at(control_plane, reach)).await?;
        let library = control_plane.workdir().folder("cilium")?;
        let mut cluster = Self {
            nodes: Vec::new(),
            control_plane,
            cni,
            assets,
            library,
            agents: Vec::new(),
            mode: Mutex::new("default".to_owned()),
            site,
        };
        for number in 1..=u8::try_from(options.nodes)? {
            let node = ClusterNode::start(&cluster.control_plane, &cluster.site, &cluster.assets, number).await?;
            cluster.nodes.push(node);
        }
        cluster.label(&options.node_labels).await?;
        cluster.join_pods().await?;
        cluster.wait_until_ready().await?;
        Ok(cluster)
    }

    /// The API server and all that is around it: clients, kubectl, users, the audit log.
    pub fn control_plane(&self) -> &ControlPlane {
        &self.control_plane
    }

    /// The address of this machine that nodes and their pods reach.
    pub fn address(&self) -> Ipv4Addr {
        self.site.address()
    }

    /// All nodes.
    pub fn nodes(&self) -> &[ClusterNode] {
        &self.nodes
    }

    /// One node, from 0.
    ///
    /// # Panics
    /// When there are not so many.
    #[expect(clippy::indexing_slicing, reason = "as documented, like the index of a slice")]
    pub fn node(&self, index: usize) -> &ClusterNode {
        &self.nodes[index]
    }

    /// Brings an image onto every node, under its tag and under its digest. `busybox` is there already.
    pub fn import_image(&self, image: &Image) -> Result<()> {
        let ctr = self.assets.path(Binary::Ctr)?;
        self.nodes.iter().try_for_each(|node| node.import(&ctr, image))
    }

    /// Brings the images of an archive (OCI layout or `docker save`) onto every node, by the names that are in it.
    pub fn import_archive(&self, path: &Path) -> Result<()> {
        let archive = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let ctr = self.assets.path(Binary::Ctr)?;
        self.nodes.iter().try_for_each(|node| node.import_archive(&ctr, &archive))
    }

    /// Kills the processes of one container on a node at once, as the kernel does that is out of memory. `id` is that of the container's status.
    pub fn kill_container(&self, index: usize, id: &str) -> Result<()> {
        let id = id.strip_prefix("containerd://").unwrap_or(id);
        self.node(index).kill_containers(&self.assets.path(Binary::Ctr)?, &format!("id=={id}"))
    }

    /// Kills all processes of a pod on a node at once, those that hold its namespaces too, without a word to anybody.
    pub fn kill_pod(&self, index: usize, uid: &str) -> Result<()> {
        let ctr = self.assets.path(Binary::Ctr)?;
        self.node(index).kill_containers(&ctr, &format!("labels.\"io.kubernetes.pod.uid\"=={uid}"))
    }

    /// Loses a node with everything in it at once, as when its power fails. It does not come back.
    pub fn lose(&self, index: usize) -> Result<()> {
        self.node(index).lose()
    }

    /// Kills Cilium's agent on a node, as a crash would. What it wrote into the kernel stays.
    pub async fn stop_cni_agent(&self, index: usize) -> Result<()> {
        self.needs_agent()?;
        self.node(index).stop_agent().await
    }

    /// Starts Cilium's agent on a node again, and waits until it is well. Does nothing while it runs.
    pub async fn start_cni_agent(&self, index: usize) -> Result<()> {
        self.needs_agent()?;
        let mode = self.mode.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let node = self.node(index);
        let kubeconfig = self.agents.get(index).context("the node has no agent")?;
        let program = cilium::agent(&node.plan(&self.assets), kubeconfig, &self.library, &mode)?;
        node.start_agent(program).await
    }

    /// Restarts Cilium's agents on all nodes with another meaning of policies: `default`, `always` or `never`.
    pub async fn set_cilium_enforcement(&self, mode: &str) -> Result<()> {
        self.needs_agent()?;
        cilium::check_mode(mode)?;
        mode.clone_into(&mut self.mode.lock().unwrap_or_else(PoisonError::into_inner));
        for index in 0..self.nodes.len() {
            self.stop_cni_agent(index).await?;
            self.start_cni_agent(index).await?;
        }
        Ok(())
    }

    fn needs_agent(&self) -> Result<()> {
        if self.cni != Cni::Cilium {
            bail!("the bridge has no agent; start the cluster with Cni::Cilium");
        }
        Ok(())
    }

    /// As an administrator does: kubelets may not give themselves each label.
    async fn label(&self, labels: &[BTreeMap<String, String>]) -> Result<()> {
        let nodes: Api<Node> = Api::all(self.control_plane.admin_client().await?);
        for (index, node) in self.nodes.iter().enumerate() {
            let registered = || async { Ok(nodes.get(node.name()).await.map(drop)?) };
            node.until("the kubelet", READY, registered).await?;
            if let Some(labels) = labels.get(index).filter(|labels| !labels.is_empty()) {
                let patch = json!({ "metadata": { "labels": labels } });
                let patched = nodes.patch(node.name(), &PatchParams::default(), &Patch::Merge(&patch)).await;
                patched.with_context(|| format!("cannot label {}", node.name()))?;
            }
        }
        Ok(())
    }

    async fn join_pods(&mut self) -> Result<()> {
        let ranges = self.pod_ranges().await?;
        for (node, ranges) in self.nodes.iter().zip(&ranges) {
            // The API server has the one family.
            for range in ranges.iter().filter(|range| !range.contains(':')) {
                self.site.route(range, node.number())?;
            }
        }
        match self.cni {
            Cni::Cilium => self.join_with_cilium().await,
            Cni::Bridge => self.join_with_bridges(&ranges),
        }
    }

    async fn join_with_cilium(&mut self) -> Result<()> {
        cilium::prepare(&self.library)?;
        let user = |name: &str| self.control_plane.user_kubeconfig(name, &["system:masters"]);
        let operator = user("cilium-operator")?;
        let agents: Result<_> = self.nodes.iter().map(|node| user(&format!("cilium-agent:{}", node.name()))).collect();
        self.agents = agents?;
        let first = self.node(0);
        first.add(cilium::operator(&first.plan(&self.assets), &operator)?)?;
        for index in 0..self.nodes.len() {
            self.start_cni_agent(index).await?;
        }
        Ok(())
    }

    fn join_with_bridges(&self, ranges: &[Vec<String>]) -> Result<()> {
        let kubeconfig = self.control_plane.user_kubeconfig("system:kube-proxy", &["system:masters"])?;
        for (node, own) in self.nodes.iter().zip(ranges) {
            let others = self.nodes.iter().zip(ranges).filter(|(other, _)| other.number() != node.number());
            for (other, range) in others.flat_map(|(other, ranges)| ranges.iter().map(move |range| (other, range))) {
                let address_6 = other.address_6().map(IpAddr::from).filter(|_| range.contains(':'));
                bridge::route(node.namespace(), range, address_6.unwrap_or(other.address().into()))?;
            }
            let plan = node.plan(&self.assets);
            let config = bridge::proxy_config(&plan, &kubeconfig, &self.site.pods());
            node.write("kube-proxy.json", &format!("{config:#}"))?;
            node.add(bridge::proxy(&plan)?)?;
            node.write_network(bridge::NETWORK_FILE, &format!("{:#}", bridge::network(own)))?;
        }
        Ok(())
    }

    /// The addresses that the controllers gave to each node for its pods, a range of each family.
    async fn pod_ranges(&self) -> Result<Vec<Vec<String>>> {
        let nodes: Api<Node> = Api::all(self.control_plane.admin_client().await?);
        let mut ranges = Vec::new();
        for node in &self.nodes {
            let range = Mutex::new(None);
            let given = || async {
                let spec = nodes.get(node.name()).await?.spec;
                let given = spec.and_then(|spec| spec.pod_cidrs).context("it has no addresses for pods yet")?;
                *range.lock().unwrap_or_else(PoisonError::into_inner) = Some(given);
                anyhow::Ok(())
            };
            node.until("the range of pods", READY, given).await?;
            ranges.extend(range.into_inner().unwrap_or_else(PoisonError::into_inner));
        }
        Ok(ranges)
    }

    async fn wait_until_ready(&self) -> Result<()> {
        let nodes: Api<Node> = Api::all(self.control_plane.admin_client().await?);
        for node in &self.nodes {
            let ready = || async {
                // containerd may miss how the last file came into the folder; any other event makes it look.
                node.write_network("look", "")?;
                let object = nodes.get(node.name()).await?;
                let conditions = object.status.and_then(|status| status.conditions).unwrap_or_default();
                let ready = conditions.iter().find(|condition| condition.type_ == "Ready");
                let ready = ready.context("its kubelet does not say whether it is ready")?;
                ensure!(ready.status == "True", "{}", ready.message.as_deref().unwrap_or("it does not say why"));
                let taints = object.spec.and_then(|spec| spec.taints).unwrap_or_default();
                ensure!(taints.is_empty(), "it still has taints: {taints:?}");
                Ok(())
            };
            node.until("the node", READY, ready).await?;
        }
        Ok(())
    }
}

/// All that a cluster is made of.
fn binaries(cni: Cni) -> Vec<Binary> {
    let mut all = vec![
        Binary::Kubelet,
        Binary::Containerd,
        Binary::ContainerdShim,
        Binary::Ctr,
        Binary::CniBridge,
        Binary::CniHostLocal,
        Binary::CniLoopback,
        Binary::CniPortmap,
        Binary::Runc,
    ];
    match cni {
        Cni::Cilium => all.extend([Binary::CiliumAgent, Binary::CiliumOperator, Binary::CiliumCni]),
        Cni::Bridge => all.push(Binary::KubeProxy),
    }
    all
}
