//! The control groups of nodes: one folder per cluster with one folder per node in it, in each hierarchy of the machine.
//! It touches no group that it did not make.

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal};

const ROOT: &str = "/sys/fs/cgroup";
/// Where version 2 is when version 1 is in use.
const UNIFIED: &str = "/sys/fs/cgroup/unified";
/// The controllers that a kubelet wants, in version 2.
const CONTROLLERS: [&str; 5] = ["cpu", "cpuset", "io", "memory", "pids"];
/// What a group must have before a process may enter it, in version 1.
const CPUSET: [&str; 2] = ["cpuset.cpus", "cpuset.mems"];

/// How long killed processes may take to go. Nothing announces that a group is empty in version 1.
const LIMIT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

/// Whether this machine has version 2 alone.
fn is_unified() -> bool {
    Path::new(ROOT).join("cgroup.controllers").exists()
}

/// The root of each hierarchy.
fn hierarchies() -> Result<Vec<PathBuf>> {
    if is_unified() {
        return Ok(vec![ROOT.into()]);
    }
    let entries = fs::read_dir(ROOT).with_context(|| format!("cannot list {ROOT}"))?;
    let folders = entries.filter_map(io::Result::ok).map(|entry| entry.path());
    // Links name a hierarchy once more, as in cpu,cpuacct.
    Ok(folders.filter(|path| path.is_dir() && !path.is_symlink() && path.join("cgroup.procs").exists()).collect())
}

/// The folder of a group in version 2, for programs of the kernel that see sockets of a node.
pub(crate) fn version_2(group: &str) -> PathBuf {
    Path::new(if is_unified() { ROOT } else { UNIFIED }).join(group)
}

/// Makes a group, and those above it, such as `pcizone0/node-1`.
pub(crate) fn create(group: &str) -> Result<()> {
    for hierarchy in hierarchies()? {
        let mut folder = hierarchy;
        for part in group.split('/') {
            let above = folder.clone();
            folder.push(part);
            let cannot = || format!("cannot make the control group {}", folder.display());
            if is_unified() {
                let wanted = CONTROLLERS.map(|name| format!("+{name}")).join(" ");
                fs::write(above.join("cgroup.subtree_control"), wanted).with_context(cannot)?;
            }
            fs::create_dir_all(&folder).with_context(cannot)?;
            for file in CPUSET.iter().filter(|file| !is_unified() && above.join(file).exists()) {
                let value = fs::read(above.join(file)).with_context(cannot)?;
                fs::write(folder.join(file), value).with_context(cannot)?;
            }
        }
    }
    Ok(())
}

/// Kills what runs in a group, and removes it with all below it. Gives whether there was any.
pub(crate) fn remove(group: &str) -> Result<bool> {
    let mut was_there = false;
    for hierarchy in hierarchies()? {
        let folder = hierarchy.join(group);
        was_there |= folder.exists();
        let deadline = Instant::now() + LIMIT;
        while let Err(error) = remove_tree(&folder) {
            if Instant::now() > deadline {
                bail!("cannot remove the control group {} within {LIMIT:?}: {error}", folder.display());
            }
            sleep(PAUSE);
        }
    }
    Ok(was_there)
}

fn remove_tree(folder: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    let procs = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    for pid in procs.lines().filter_map(|line| line.parse().ok()).filter_map(Pid::from_raw) {
        // It may have ended since.
        let _ = rustix::process::kill_process(pid, Signal::KILL);
    }
    for entry in entries.filter_map(io::Result::ok).filter(|entry| entry.path().is_dir()) {
        remove_tree(&entry.path())?;
    }
    // The files in there go with the folder.
    fs::remove_dir(folder)
}
