//! No process outlives the program that started it, in whatever way that ends.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use testbed::{ControlPlane, Options};

const LIMIT: Duration = Duration::from_secs(10);

/// Whether a process runs. A zombie does not; it only waits for whoever adopted it to notice.
fn runs(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The state follows the name, which is in parentheses and may hold anything.
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

fn wait_until_none_runs(pids: &[u32]) -> Result<()> {
    let deadline = Instant::now() + LIMIT;
    while pids.iter().any(|pid| runs(*pid)) {
        ensure!(Instant::now() < deadline, "some of {pids:?} still run after {LIMIT:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Starts a program that holds a cluster; gives it with the processes and the folder of the cluster.
fn hold() -> Result<(Child, Vec<u32>, PathBuf)> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_hold")).stdout(Stdio::piped()).spawn()?;
    let stdout = child.stdout.take().context("no stdout")?;
    let mut pids = Vec::new();
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        if let Some(pid) = line.strip_prefix("pid ").and_then(|rest| rest.split(' ').next()) {
            pids.push(pid.parse()?);
        } else if let Some(kubeconfig) = line.strip_prefix("export KUBECONFIG=") {
            let folder = Path::new(kubeconfig).ancestors().nth(2).context("no folder")?.to_owned();
            ensure!(pids.len() == 2 && pids.iter().all(|pid| runs(*pid)), "not all of {pids:?} run");
            return Ok((child, pids, folder));
        }
    }
    anyhow::bail!("the cluster did not start: {}", child.wait()?)
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_a_cluster_ends_its_processes_and_removes_its_folder() -> Result<()> {
    let cluster = ControlPlane::start(Options::default()).await?;
    let pids: Vec<u32> = cluster.pids().into_iter().map(|(_, pid)| pid).collect();
    let logs = cluster.logs().to_owned();
    assert_eq!(pids.iter().filter(|pid| runs(**pid)).count(), 2);

    drop(cluster);

    assert!(!pids.iter().any(|pid| runs(*pid)));
    assert!(!logs.exists());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn giving_up_on_a_start_ends_what_was_started() -> Result<()> {
    // The last value of a flag counts, so the first one only marks the process.
    const MARK: &str = "--v=1000";
    let found = || -> Result<Vec<u32>> {
        let marked = |pid: &u32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.split(|byte| *byte == 0).any(|argument| argument == MARK.as_bytes()) && runs(*pid)
        };
        let entries = fs::read_dir("/proc")?.filter_map(std::io::Result::ok);
        Ok(entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(marked).collect())
    };
    let apiserver_args = vec![MARK.to_owned(), "--v=0".to_owned()];
    let start = tokio::spawn(ControlPlane::start(Options { apiserver_args, ..Options::default() }));
    let deadline = Instant::now() + LIMIT;
    while found()?.is_empty() {
        ensure!(Instant::now() < deadline && !start.is_finished(), "never saw the API server");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    start.abort();
    ensure!(start.await.is_err(), "the start was not interrupted");
    assert_eq!(found()?, Vec::<u32>::new());
    Ok(())
}

#[test]
fn a_killed_program_leaves_no_process() -> Result<()> {
    let (mut child, pids, _folder) = hold()?;
    child.kill()?;
    child.wait()?;
    wait_until_none_runs(&pids)
}

#[test]
fn a_program_that_is_asked_to_end_leaves_no_process_and_no_folder() -> Result<()> {
    let (mut child, pids, folder) = hold()?;
    ensure!(folder.is_dir(), "no folder {}", folder.display());
    let ended = Command::new("kill").arg(child.id().to_string()).status()?;
    ensure!(ended.success(), "cannot send SIGTERM");
    ensure!(child.wait()?.success(), "the program failed");
    wait_until_none_runs(&pids)?;
    ensure!(!folder.exists(), "{} is still there", folder.display());
    Ok(())
}
