//! Clusters with real nodes, to look around in.

use std::{fs, path::PathBuf, pin::pin, time::Duration};

use anyhow::{Context as _, Result, bail};
use clap::{Subcommand, ValueEnum};
use rustix::process::{Pid, Signal, kill_process};
use testbed::{Cni, NodeCluster, NodeOptions};
use tokio::time::{Instant, sleep};

/// How long another of these programs may take to end its cluster.
const END: Duration = Duration::from_secs(60);

/// What to do.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Start a cluster: kubelet, containerd and runc on each node, in namespaces of their own. It stays up until Ctrl-C.
    Up {
        /// How many nodes.
        #[arg(long, default_value_t = 2)]
        nodes: usize,
        /// What joins the pods: cilium enforces network policies, bridge does not.
        #[arg(long, value_enum, default_value_t = Network::Cilium)]
        cni: Network,
        /// Build the operator and bring its image onto the nodes.
        #[arg(long)]
        operator: bool,
    },
    /// End all clusters that `up` started, and remove what killed programs left of theirs.
    Down,
}

/// What joins the pods.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Network {
    Cilium,
    Bridge,
}

pub(crate) async fn run(command: Command) -> Result<()> {
    match command {
        Command::Up { nodes, cni, operator } => up(nodes, cni, operator).await,
        Command::Down => down().await,
    }
}

async fn up(nodes: usize, network: Network, operator: bool) -> Result<()> {
    let cni = match network {
        Network::Cilium => Cni::Cilium,
        Network::Bridge => Cni::Bridge,
    };
    if operator {
        crate::operator::build()?;
    }
    // One for all, so that no signal falls between two.
    let mut interrupted = pin!(testbed::interrupted());
    let start = NodeCluster::start(NodeOptions { nodes, cni, ..NodeOptions::default() });
    let cluster = tokio::select! {
        cluster = start => cluster?,
        signal = &mut interrupted => return signal,
    };
    println!("nodes: {}", cluster.nodes().iter().map(testbed::ClusterNode::name).collect::<Vec<_>>().join(", "));
    if operator {
        let image = testbed::Image::operator(&crate::operator::program()?)?;
        cluster.import_image(&image)?;
        println!("the operator: {}", image.by_digest());
    }
    println!("a shell with nc and httpd: {}", testbed::Image::busybox()?.by_tag());
    println!("It stays up until Ctrl-C. Look around:");
    println!("export KUBECONFIG={}", cluster.control_plane().admin_kubeconfig().display());
    println!("{} get nodes -o wide", cluster.control_plane().kubectl().program().display());
    interrupted.await
}

/// Ends those that were started with this very program, sweeps, and says what others hold.
async fn down() -> Result<()> {
    let own = program_of(std::process::id());
    for (pid, name) in testbed::holders()? {
        let program = program_of(pid);
        if program.is_none() || program != own {
            let program = program.unwrap_or_default();
            println!("{name} stays: it belongs to the process {pid} ({}), which still runs", program.display());
            continue;
        }
        println!("ending the cluster at {name} (process {pid})");
        end(pid).await?;
    }
    let swept = testbed::sweep_nodes()?;
    println!(
        "{}",
        if swept.is_empty() { "nothing else is left".to_owned() } else { format!("removed {}", swept.join(", ")) }
    );
    Ok(())
}

fn program_of(pid: u32) -> Option<PathBuf> {
    let path = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    // What was built anew since is still the same program.
    let path = path.display().to_string();
    Some(path.strip_suffix(" (deleted)").unwrap_or(&path).into())
}

async fn end(pid: u32) -> Result<()> {
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw).context("it has no process id")?;
    kill_process(process, Signal::TERM).with_context(|| format!("cannot end the process {pid}"))?;
    let deadline = Instant::now() + END;
    while testbed::holders()?.iter().any(|(holder, _)| *holder == pid) {
        if Instant::now() > deadline {
            bail!("the process {pid} did not end within {END:?}");
        }
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}
