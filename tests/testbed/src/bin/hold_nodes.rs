//! Starts a cluster of real nodes and holds it until Ctrl-C. The tests kill it to see that nothing stays.

use std::io::Write as _;

use testbed::{Cni, NodeCluster, NodeOptions, interrupted};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cni = if std::env::args().any(|argument| argument == "cilium") { Cni::Cilium } else { Cni::Bridge };
    // Also while the cluster starts.
    let hold = async {
        let cluster = NodeCluster::start(NodeOptions { cni, ..NodeOptions::default() }).await?;
        let mut out = std::io::stdout();
        writeln!(out, "export KUBECONFIG={}", cluster.control_plane().admin_kubeconfig().display())?;
        out.flush()?;
        std::future::pending::<()>().await;
        anyhow::Ok(())
    };
    tokio::select! {
        ended = hold => ended,
        signal = interrupted() => signal,
    }
}
