//! What one cluster of real nodes takes of this machine: a number, and under it a bridge, addresses and control groups.
//! It removes them with the cluster, and what a killed program left with the next cluster.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, Write as _},
    net::{Ipv4Addr, Ipv6Addr},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

use super::{
    cgroups,
    shell::{run, sh},
};
use crate::{progress::say, workdir};

/// One locked file per cluster. The kernel releases it with the program.
const LOCKS: &str = "/run/pcizone-testbed";
/// How many clusters of real nodes one machine holds at a time.
const MOST: u8 = 10;

/// The place of one cluster.
pub(crate) struct Site {
    number: u8,
    lock: File,
}

impl Site {
    /// Takes the first free number, and sweeps those that nobody holds any more.
    pub(crate) fn claim() -> Result<Self> {
        let mut taken = Vec::new();
        for number in 0..MOST {
            let Some(lock) = try_lock(number)? else {
                taken.push(format!("{} is held by another cluster", bridge(number)));
                continue;
            };
            let site = Self { number, lock };
            site.clear()?;
            if let Some(route) = site.foreign_route()? {
                taken.push(format!("this machine has a route to {route}"));
                continue;
            }
            site.lay_bridge()?;
            site.sign()?;
            return Ok(site);
        }
        bail!("there is no room for another cluster of nodes on this machine: {}", taken.join("; "))
    }

    /// The address of this machine on the bridge.
    pub(crate) fn address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 89, self.number, 1)
    }

    /// The address of a node, from 1.
    pub(crate) fn node_address(&self, node: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 89, self.number, 10 + node)
    }

    /// The address of a node in the other family, where the kernel has it. There is no way to it from outside the nodes.
    pub(crate) fn node_address_6(&self, node: u8) -> Option<Ipv6Addr> {
        let address = Ipv6Addr::new(0xfd89, self.number.into(), 0, 0, 0, 0, 0, 10 + u16::from(node));
        has_ipv6().then_some(address)
    }

    /// The addresses of all pods, of each family that the kernel has.
    pub(crate) fn pods(&self) -> String {
        let pods = format!("10.{}.0.0/16", 244 - self.number);
        if has_ipv6() { format!("{pods},fd90:{:x}::/56", self.number) } else { pods }
    }

    /// The control group of a node.
    pub(crate) fn group(&self, node: &str) -> String {
        format!("{}/{node}", bridge(self.number))
    }

    /// Joins a node with the bridge, by a cable into the network namespace of a process.
    pub(crate) fn connect(&self, node: u8, pid: u32) -> Result<()> {
        let (bridge, cable) = (bridge(self.number), format!("{}n{node}", bridge(self.number)));
        sh(&format!("ip link add {cable} type veth peer name eth0 netns {pid}"))?;
        sh(&format!("ip link set {cable} master {bridge} up"))?;
        Ok(())
    }

    /// Leads this machine to the pods of a node, as the API server calls webhooks. It goes with the bridge.
    pub(crate) fn route(&self, pods: &str, node: u8) -> Result<()> {
        sh(&format!("ip route replace {pods} via {} dev {}", self.node_address(node), bridge(self.number))).map(drop)
    }

    /// Says who holds it.
    fn sign(&self) -> Result<()> {
        let mut lock = &self.lock;
        lock.set_len(0).and_then(|()| write!(lock, "{}", std::process::id())).context("cannot write into a lock file")
    }

    fn lay_bridge(&self) -> Result<()> {
        let bridge = bridge(self.number);
        sh(&format!("ip link add {bridge} type bridge"))?;
        sh(&format!("ip address add {}/24 dev {bridge}", self.address()))?;
        sh(&format!("ip link set {bridge} up")).map(drop)
    }

    /// A route of this machine that is in the way.
    fn foreign_route(&self) -> Result<Option<String>> {
        let routes = run("ip", &["-4", "route", "show", "table", "all"])?;
        let ours = [format!("10.89.{}.", self.number), format!("10.{}.", 244 - self.number)];
        let mut targets = routes.lines().filter_map(|line| line.split_whitespace().find(|word| word.contains('.')));
        Ok(targets.find(|target| ours.iter().any(|our| target.starts_with(our.as_str()))).map(str::to_owned))
    }

    /// Removes everything that is under this number. Gives what there was.
    fn clear(&self) -> Result<Vec<String>> {
        let bridge = bridge(self.number);
        let mut cleared = Vec::new();
        // Processes first: they hold the rest.
        if cgroups::remove(&bridge)? {
            cleared.push(format!("control groups {bridge}"));
        }
        let ours = |name: &str| {
            name == bridge || name.strip_prefix(&format!("{bridge}n")).is_some_and(|rest| rest.parse::<u8>().is_ok())
        };
        let links = fs::read_dir("/sys/class/net").context("cannot list the network links")?;
        let names = links.filter_map(io::Result::ok).filter_map(|entry| entry.file_name().into_string().ok());
        for name in names.filter(|name| ours(name)) {
            // The other end of a cable may go with its namespace at this moment.
            if let Err(error) = sh(&format!("ip link delete {name}"))
                && Path::new("/sys/class/net").join(&name).exists()
            {
                return Err(error);
            }
            cleared.push(format!("link {name}"));
        }
        Ok(cleared)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Err(error) = self.clear() {
            say(&format!("cannot remove what the nodes used: {error:#}"));
        }
        release(&self.lock, self.number);
    }
}

/// Removes what killed programs left of their nodes on this machine, and gives what it was, in words; folders of clusters
/// too, without a word. It leaves alone what a living program holds.
pub fn sweep_nodes() -> Result<Vec<String>> {
    workdir::sweep(&std::env::temp_dir());
    let mut swept = Vec::new();
    for number in 0..MOST {
        if let Some(lock) = try_lock(number)? {
            swept.extend(Site { number, lock }.clear()?);
        }
    }
    Ok(swept)
}

/// The ids of the programs on this machine that hold clusters of real nodes, each with the name of its bridge.
pub fn holders() -> Result<Vec<(u32, String)>> {
    let mut holders = Vec::new();
    for number in 0..MOST {
        if let Some(lock) = try_lock(number)? {
            release(&lock, number);
        } else {
            // The file goes when its holder ends at this moment.
            let pid = fs::read_to_string(lock_path(number)).ok().and_then(|text| text.parse().ok());
            holders.extend(pid.map(|pid| (pid, bridge(number))));
        }
    }
    Ok(holders)
}

fn has_ipv6() -> bool {
    Path::new("/proc/net/if_inet6").exists()
}

fn bridge(number: u8) -> String {
    format!("pcizone{number}")
}

fn lock_path(number: u8) -> PathBuf {
    Path::new(LOCKS).join(format!("{}.lock", bridge(number)))
}

/// Takes the lock of a number, or none when a living program has it.
fn try_lock(number: u8) -> Result<Option<File>> {
    let path = lock_path(number);
    let cannot = || format!("cannot lock {}", path.display());
    loop {
        DirBuilder::new().mode(0o700).recursive(true).create(LOCKS).with_context(cannot)?;
        let lock = match File::options().create(true).append(true).open(&path) {
            // Another cluster that ends removes the empty folder.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            lock => lock.with_context(cannot)?,
        };
        if lock.try_lock().is_err() {
            return Ok(None);
        }
        // Whoever had it may have removed the file meanwhile; then the next one would lock another.
        if is_at(&lock, &path) {
            return Ok(Some(lock));
        }
    }
}

/// Removes the file of a lock that is held. The lock itself goes with its value.
fn release(lock: &File, number: u8) {
    let path = lock_path(number);
    if is_at(lock, &path) {
        let _ = fs::remove_file(path);
        // Fails as long as there is another cluster.
        let _ = fs::remove_dir(LOCKS);
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(file), Ok(path)) => (file.dev(), file.ino()) == (path.dev(), path.ino()),
        _ => false,
    }
}
