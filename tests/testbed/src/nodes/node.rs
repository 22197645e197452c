//! One real node: its namespaces, and in them containerd, a kubelet and what joins its pods with others.

use std::{
    fs,
    io::Write as _,
    net::{Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, ensure};
use tokio::time::{Instant, sleep};

use super::{
    cgroups, cilium,
    kubelet::{CONTAINERD_SOCKET, NETWORK_FOLDER, Plan},
    namespace::Namespace,
    site::Site,
};
use crate::{
    assets::{Assets, Binary},
    components::{SERVICE_RANGE, SERVICE_RANGE_6},
    control_plane::ControlPlane,
    image::Image,
    kubeconfig::write_private,
    process::{Process, Program},
};

/// How long one program of a node may take to be ready.
const LIMIT: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(100);

/// One node of a [`NodeCluster`](crate::NodeCluster).
pub struct ClusterNode {
    number: u8,
    name: String,
    address: Ipv4Addr,
    address_6: Option<Ipv6Addr>,
    group: String,
    config: PathBuf,
    store: PathBuf,
    logs: PathBuf,
    kubelet_kubeconfig: PathBuf,
    namespace: Namespace,
    processes: Mutex<Processes>,
}

/// What runs in a node. All of it ends with the namespaces.
#[derive(Default)]
struct Processes {
    agent: Option<Process>,
    others: Vec<Process>,
}

impl ClusterNode {
    /// Makes the namespaces of a node and starts containerd and the kubelet in them. Its pods are not joined yet.
    pub(crate) async fn start(cluster: &ControlPlane, site: &Site, assets: &Assets, number: u8) -> Result<Self> {
        let name = format!("node-{number}");
        let (address, address_6) = (site.node_address(number), site.node_address_6(number));
        let group = site.group(&name);
        let workdir = cluster.workdir();
        let (config, store) = (workdir.folder(&format!("{name}/config"))?, workdir.folder(&format!("{name}/store"))?);
        let logs = cluster.logs().to_owned();
        cgroups::create(&group)?;
        let namespace = Namespace::create(&store, &cgroups::version_2(&group))?;
        site.connect(number, namespace.pid())?;
        let inside = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            namespace.run("ip", &words)
        };
        inside(&format!("address add {address}/24 dev eth0"))?;
        inside("link set eth0 up")?;
        // A packet to a Service needs a way before kube-proxy's rules lead it to a pod. There is no other way out.
        inside(&format!("route add {SERVICE_RANGE} dev eth0"))?;
        namespace.run("sysctl", &["-q", "-w", "net.ipv4.ip_forward=1"])?;
        if let Some(address) = address_6 {
            namespace.run("sysctl", &["-q", "-w", "net.ipv6.conf.all.forwarding=1"])?;
            inside(&format!("-6 address add {address}/64 dev eth0 nodad"))?;
            inside(&format!("-6 route add {SERVICE_RANGE_6} dev eth0"))?;
        }

        let user = format!("system:node:{name}");
        let kubelet_kubeconfig = cluster.user_kubeconfig(&user, &["system:nodes"])?;
        let serving = cluster.authority().kubelet_server(&name, address)?;
        let node = Self {
            number,
            name,
            address,
            address_6,
            group,
            config,
            store,
            logs,
            kubelet_kubeconfig,
            namespace,
            processes: Mutex::default(),
        };
        let plan = node.plan(assets);
        node.write("containerd.toml", &plan.containerd_config()?)?;
        node.write("kubelet.json", &format!("{:#}", plan.kubelet_config(&cluster.layout().authority())))?;
        node.write("kubelet.crt", &serving.certificate)?;
        node.write("kubelet.key", &serving.key)?;
        node.write("resolv.conf", "# Nobody resolves names here.\n")?;

        node.add(plan.containerd()?)?;
        let ctr = assets.path(Binary::Ctr)?;
        let asks = || async { node.ctr(&ctr, &["version"]).map(drop) };
        node.until("containerd", LIMIT, asks).await?;
        for image in [Image::pause()?, Image::busybox()?] {
            node.import(&ctr, &image)?;
        }
        node.add(plan.kubelet(&node.kubelet_kubeconfig)?)?;
        Ok(node)
    }

    /// The name of the Node object.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The address on the network of the nodes.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// The address of the other family, where the kernel has it.
    pub fn address_6(&self) -> Option<Ipv6Addr> {
        self.address_6
    }

    /// The kubelet's own credentials: the user `system:node:NAME` in the group `system:nodes`.
    pub fn kubelet_kubeconfig(&self) -> &Path {
        &self.kubelet_kubeconfig
    }

    /// Runs a command in the network of the node, as a process of the node does, and gives what it said.
    pub fn run(&self, program: &str, args: &[&str]) -> Result<String> {
        self.namespace.run(program, args)
    }

    pub(crate) fn number(&self) -> u8 {
        self.number
    }

    pub(crate) fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    pub(crate) fn plan<'a>(&'a self, assets: &'a Assets) -> Plan<'a> {
        Plan {
            assets,
            name: &self.name,
            address: self.address,
            address_6: self.address_6,
            config: &self.config,
            store: &self.store,
            logs: &self.logs,
            group: &self.group,
        }
    }

    /// Writes a file that the node's programs read.
    pub(crate) fn write(&self, name: &str, content: &str) -> Result<()> {
        write_private(&self.config.join(name), content)
    }

    /// Writes a file that tells containerd how pods are joined.
    pub(crate) fn write_network(&self, name: &str, content: &str) -> Result<()> {
        let path = self.namespace.path(&format!("{NETWORK_FOLDER}/{name}"));
        fs::write(&path, content).with_context(|| format!("cannot tell {} how its pods are joined", self.name))
    }

    /// Starts a program of the node.
    pub(crate) fn add(&self, program: Program) -> Result<()> {
        let process = self.namespace.enter(program).start()?;
        self.lock().others.push(process);
        Ok(())
    }

    /// Starts the agent that joins the pods, if it does not run.
    pub(crate) async fn start_agent(&self, program: Program) -> Result<()> {
        {
            let mut processes = self.lock();
            if processes.agent.is_some() {
                return Ok(());
            }
            processes.agent = Some(self.namespace.enter(program).start()?);
        }
        self.until("Cilium's agent", LIMIT, || cilium::is_well(&self.namespace)).await
    }

    /// Kills the agent that joins the pods.
    pub(crate) async fn stop_agent(&self) -> Result<()> {
        let agent = self.lock().agent.take();
        drop(agent);
        // The one inside ends a moment after the one that started it; nothing announces that here.
        let answers = || async { cilium::is_well(&self.namespace).await };
        let deadline = Instant::now() + LIMIT;
        while answers().await.is_ok() {
            anyhow::ensure!(Instant::now() < deadline, "the agent of {} does not end", self.name);
            sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Brings an image onto the node, under its tag and under its digest.
    pub(crate) fn import(&self, ctr: &Path, image: &Image) -> Result<()> {
        let archive = self.import_archive(ctr, image.archive());
        archive.with_context(|| format!("cannot bring {} onto {}", image.by_tag(), self.name))?;
        self.ctr(ctr, &["images", "tag", "--force", &image.by_tag(), &image.by_digest()]).map(drop)
    }

    /// Brings the images of an archive onto the node.
    pub(crate) fn import_archive(&self, ctr: &Path, archive: &[u8]) -> Result<()> {
        let path = self.config.join("image.tar");
        let mut file = fs::File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        file.write_all(archive).with_context(|| format!("cannot write {}", path.display()))?;
        let imported = self.ctr(ctr, &["images", "import", &path.display().to_string()]);
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        imported.map(drop)
    }

    /// Kills the processes of the containers that a filter of the runtime finds, by one call.
    pub(crate) fn kill_containers(&self, ctr: &Path, filter: &str) -> Result<()> {
        let found = self.ctr(ctr, &["containers", "list", "--quiet", filter])?;
        let tasks = self.ctr(ctr, &["tasks", "list"])?;
        let task = |line: &str| {
            let mut words = line.split_whitespace();
            let (id, pid, state) = (words.next()?, words.next()?, words.next()?);
            (state == "RUNNING" && found.lines().any(|one| one == id)).then(|| pid.to_owned())
        };
        let processes: Vec<String> = tasks.lines().filter_map(task).collect();
        ensure!(!processes.is_empty(), "nothing runs on {} that is {filter}", self.name);
        let args: Vec<&str> = ["-KILL"].into_iter().chain(processes.iter().map(String::as_str)).collect();
        self.namespace.run("kill", &args).map(drop)
    }

    /// Ends everything in there at once.
    pub(crate) fn lose(&self) -> Result<()> {
        self.namespace.end()
    }

    fn ctr(&self, ctr: &Path, args: &[&str]) -> Result<String> {
        let mut all = vec!["--address", CONTAINERD_SOCKET, "--namespace", "k8s.io"];
        all.extend(args);
        self.namespace.run(&ctr.display().to_string(), &all)
    }

    /// An error with the end of its log when a program of the node is gone.
    pub(crate) fn check(&self) -> Result<()> {
        let mut processes = self.lock();
        let Processes { agent, others } = &mut *processes;
        others.iter_mut().chain(agent).try_for_each(Process::check)
    }

    /// The ends of all logs, for errors.
    pub(crate) fn log_tails(&self) -> String {
        let processes = self.lock();
        let tails = processes.others.iter().chain(&processes.agent).map(Process::log_tail);
        tails.collect::<Vec<_>>().join("\n")
    }

    /// Polls until a probe succeeds, and fails when time is up or when a program of the node ends.
    pub(crate) async fn until<P>(&self, what: &str, limit: Duration, probe: impl Fn() -> P) -> Result<()>
    where
        P: Future<Output = Result<()>>,
    {
        let deadline = Instant::now() + limit;
        loop {
            self.check()?;
            let Err(error) = probe().await else { return Ok(()) };
            if Instant::now() > deadline {
                let late = anyhow!("{what} on {} was not ready within {limit:?}\n{}", self.name, self.log_tails());
                return Err(error.context(late));
            }
            sleep(PAUSE).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Processes> {
        // A panic elsewhere leaves nothing half done in there.
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
