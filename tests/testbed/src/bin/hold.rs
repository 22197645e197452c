//! Starts a bare cluster and holds it until Ctrl-C, to look around in. The tests kill it to see that nothing stays.

use std::io::Write as _;

use testbed::{ControlPlane, Options, interrupted};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let has = |flag: &str| std::env::args().any(|argument| argument == flag);
    let (controller_manager, scheduler) = (has("--controller-manager"), has("--scheduler"));
    let options = Options { controller_manager, scheduler, audit: true, ..Options::default() };
    // Also while the cluster starts.
    let hold = async {
        let cluster = ControlPlane::start(options).await?;
        let mut out = std::io::stdout();
        for (binary, pid) in cluster.pids() {
            writeln!(out, "pid {pid} {binary}")?;
        }
        writeln!(out, "export KUBECONFIG={}", cluster.admin_kubeconfig().display())?;
        out.flush()?;
        std::future::pending::<()>().await;
        anyhow::Ok(())
    };
    tokio::select! {
        ended = hold => ended,
        signal = interrupted() => signal,
    }
}
