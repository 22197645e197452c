//! The namespaces of one node: a network, a process tree and mounts of its own, held by one process.
//! When that process ends, the kernel ends all others in there, and with the last one mounts and network go.

use std::{
    fs, io,
    io::{BufRead as _, BufReader},
    os::fd::OwnedFd,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};

use super::shell;
use crate::process::{self, Program};

/// How long the processes of a node may take to go once they are killed.
const END: Timespec = Timespec { tv_sec: 20, tv_nsec: 0 };

/// What the holder does before it waits. Arguments: the store (an empty folder), the control group in version 2.
///
/// A kubelet sets parameters of the whole kernel, and so does Cilium's agent. They find files with the values that they
/// want, so that this machine keeps its own.
const SET_UP: &str = r#"
set -e
store=$1 group=$2
mount -t tmpfs -o mode=0700 tmpfs "$store"
mkdir "$store/lib" "$store/work" "$store/containerd" "$store/kubelet" "$store/kernel"
mount -t overlay -o "lowerdir=/var/lib,upperdir=$store/lib,workdir=$store/work" overlay /var/lib
mount -t tmpfs tmpfs /var/log
mount -t tmpfs tmpfs /run
mkdir -p /run/cni/net.d /run/cilium/cgroupv2 /run/lock
mount -t bpf bpf /sys/fs/bpf
if [ -d "$group" ]; then mount --bind "$group" /run/cilium/cgroupv2; fi
while read -r name value; do
    if [ -e "/proc/sys/$name" ]; then
        file="$store/kernel/$(echo "$name" | tr / .)"
        echo "$value" > "$file"
        mount --bind "$file" "/proc/sys/$name"
    fi
done <<END
vm/overcommit_memory 1
vm/panic_on_oom 0
kernel/panic 10
kernel/panic_on_oops 1
kernel/keys/root_maxkeys 1000000
kernel/keys/root_maxbytes 25000000
kernel/unprivileged_bpf_disabled 1
kernel/timer_migration 0
END
ip link set lo up
echo ready
# The shell reaps what loses its parent; a process that is number 1 must.
sleep infinity &
wait
"#;

/// The namespaces of a node. Dropping it ends everything in there.
pub(crate) struct Namespace {
    /// Outside; when it ends, the kernel kills the one inside.
    holder: Child,
    /// The first process inside.
    pid: u32,
    first: OwnedFd,
}

impl Namespace {
    /// Makes the namespaces. `store` is an empty folder that holds the files of the node, for those inside only.
    pub(crate) fn create(store: &Path, group: &Path) -> Result<Self> {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .args(["--", "sh", "-c", SET_UP, "sh"])
            .args([store, group])
            .env_clear()
            .env("PATH", shell::PATH)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let mut holder = process::spawn(command).context("cannot run unshare; is util-linux installed?")?;
        let output = holder.stdout.take().context("unshare has no output")?;
        let mut line = String::new();
        let read = BufReader::new(output).read_line(&mut line);
        if read.is_err() || line.trim() != "ready" {
            let _ = holder.kill();
            let said = holder.wait_with_output().map(|output| output.stderr).unwrap_or_default();
            bail!("cannot make the namespaces of a node: {}", String::from_utf8_lossy(&said).trim_end());
        }
        let pid = child_of(holder.id())?;
        let inside = i32::try_from(pid).ok().and_then(Pid::from_raw).context("the node has no process id")?;
        let first = pidfd_open(inside, PidfdFlags::empty()).context("cannot watch the first process of a node")?;
        Ok(Self { holder, pid, first })
    }

    /// The first process, whose namespaces these are.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// A file of the node, as seen from outside.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{inside}", self.pid))
    }

    /// The same program inside. It ends with what starts it.
    pub(crate) fn enter(&self, program: Program) -> Program {
        let mut args = self.entry();
        args.extend(["setpriv", "--pdeathsig", "KILL", "--"].map(str::to_owned));
        args.push(program.path.display().to_string());
        args.extend(program.args);
        Program { path: "/usr/bin/nsenter".into(), args, ..program }
    }

    /// Runs a command inside to its end, and gives what it said.
    pub(crate) fn run(&self, program: &str, args: &[&str]) -> Result<String> {
        let entry = self.entry();
        let mut all: Vec<&str> = entry.iter().map(String::as_str).collect();
        all.push(program);
        all.extend(args);
        shell::run("nsenter", &all)
    }

    /// Ends everything inside, as when the power fails.
    pub(crate) fn end(&self) -> Result<()> {
        pidfd_send_signal(&self.first, Signal::KILL).context("cannot end a node")?;
        let ended =
            poll(&mut [PollFd::new(&self.first, PollFlags::IN)], Some(&END)).context("cannot watch a node end")?;
        ensure!(ended == 1, "a node does not end within {} s", END.tv_sec);
        Ok(())
    }

    fn entry(&self) -> Vec<String> {
        let target = format!("--target={}", self.pid);
        [target.as_str(), "--mount", "--net", "--pid", "--"].map(str::to_owned).to_vec()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // The first process is gone when all others inside are, and the holder reaps it. All of this fails only when it is
        // gone already, and nobody is left to tell when it takes too long.
        let _ = pidfd_send_signal(&self.first, Signal::KILL);
        let _ = poll(&mut [PollFd::new(&self.first, PollFlags::IN)], Some(&END));
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// The one child of a process.
fn child_of(parent: u32) -> Result<u32> {
    let entries = fs::read_dir("/proc").context("cannot list the processes")?;
    let pids = entries.filter_map(io::Result::ok).filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_child = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // Name in parentheses, state, parent.
        let after = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
        after.split_whitespace().nth(1).and_then(|word| word.parse().ok()) == Some(parent)
    };
    pids.into_iter().find(is_child).context("unshare started nothing")
}
