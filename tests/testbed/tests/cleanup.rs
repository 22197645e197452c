//! No process outlives the program that started it, in whatever way that ends.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
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

/// The running processes of which one argument is as wanted, with that argument.
fn running_with(wanted: impl Fn(&str) -> bool) -> Result<Vec<(u32, String)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")?.filter_map(std::io::Result::ok) {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // Other processes come and go meanwhile.
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        if let Some(argument) = line.split('\0').find(|argument| wanted(argument))
            && runs(pid)
        {
            found.push((pid, argument.to_owned()));
        }
    }
    Ok(found)
}

/// Starts a program that holds a cluster, in a process group of its own, as a shell does; gives it with the processes
/// and the folder of the cluster.
fn hold() -> Result<(Child, Vec<u32>, PathBuf)> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_hold")).stdout(Stdio::piped()).process_group(0).spawn()?;
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
    // The last value of a flag counts, so the first one only marks the process, as one of this test program.
    let mark = format!("--v={}", 1_000_000_000 + std::process::id());
    let apiserver_args = vec![mark.clone(), "--v=0".to_owned()];
    let start = tokio::spawn(ControlPlane::start(Options { apiserver_args, ..Options::default() }));
    let deadline = Instant::now() + LIMIT;
    let apiserver = loop {
        if let Some((pid, _)) = running_with(|argument| argument == mark)?.pop() {
            break pid;
        }
        ensure!(Instant::now() < deadline && !start.is_finished(), "never saw the API server");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let folder = fs::read_link(format!("/proc/{apiserver}/cwd"))?;
    let of_the_cluster = || running_with(|argument| argument.contains(&format!("{}/", folder.display())));
    ensure!(of_the_cluster()?.len() == 2, "etcd and the API server do not both run: {:?}", of_the_cluster()?);
    start.abort();
    ensure!(start.await.is_err(), "the start was not interrupted");
    assert_eq!(of_the_cluster()?, []);
    assert!(!folder.exists());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_start_ends_etcd_too() -> Result<()> {
    let apiserver_args = vec!["--feature-gates=NoSuchGate=true".to_owned()];
    let Err(error) = ControlPlane::start(Options { apiserver_args, ..Options::default() }).await else {
        anyhow::bail!("started with an unknown feature gate");
    };
    let error = format!("{error:#}");
    let log = error.split("end of ").nth(1).and_then(|rest| rest.split(":\n").next()).context("no log is named")?;
    let folder = Path::new(log).ancestors().nth(2).context("no folder")?;
    assert_eq!(running_with(|argument| argument.contains(&format!("{}/", folder.display())))?, []);
    assert!(!folder.exists());
    Ok(())
}

#[test]
fn a_killed_program_leaves_no_process() -> Result<()> {
    let (mut child, pids, _folder) = hold()?;
    child.kill()?;
    child.wait()?;
    wait_until_none_runs(&pids)
}

/// What Ctrl-C sends, what the system sends, and what a terminal sends when it is closed: to the whole process group.
#[test]
fn a_program_that_is_asked_to_end_leaves_no_process_and_no_folder() -> Result<()> {
    for signal in ["INT", "TERM", "HUP"] {
        let (mut child, pids, folder) = hold()?;
        ensure!(folder.is_dir(), "no folder {}", folder.display());
        let group = format!("-{}", child.id());
        let sent = Command::new("kill").args(["-s", signal, "--", &group]).status()?;
        ensure!(sent.success(), "cannot send SIG{signal}");
        ensure!(child.wait()?.success(), "the program failed at SIG{signal}");
        wait_until_none_runs(&pids)?;
        ensure!(!folder.exists(), "{} is still there after SIG{signal}", folder.display());
    }
    Ok(())
}
