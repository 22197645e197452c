//! What real nodes need of this machine, and whether it is there.

use std::path::Path;

use anyhow::{Result, bail};

use super::{Cni, binaries, cilium, shell};
use crate::{assets::Assets, packages::install_packages, progress::say};

/// Set this environment variable where tests with real nodes must run, as in CI: what is missing fails them then.
const REQUIRE_VARIABLE: &str = "PCIZONE_REQUIRE_NODES";

/// Packages, each with a program or file that shows that it is there.
const PACKAGES: [(&str, &[&str]); 10] = [
    ("busybox-static", &["/bin/busybox", "/usr/bin/busybox", "/usr/local/bin/busybox"]),
    ("gcc", &["/usr/bin/gcc"]),
    ("iproute2", &["/sbin/ip", "/usr/sbin/ip"]),
    ("iptables", &["/usr/sbin/iptables", "/sbin/iptables"]),
    ("kmod", &["/sbin/modprobe", "/usr/sbin/modprobe"]),
    ("libseccomp-dev", &["/usr/include/seccomp.h"]),
    ("nftables", &["/usr/sbin/nft", "/sbin/nft"]),
    ("pkg-config", &["/usr/bin/pkg-config", "/usr/bin/pkgconf"]),
    ("procps", &["/sbin/sysctl", "/usr/sbin/sysctl"]),
    ("util-linux", &["/usr/bin/nsenter"]),
];

/// Whether tests with real nodes can run here. When they can not, it says to stderr what is missing, and fails where
/// `PCIZONE_REQUIRE_NODES` is set.
pub fn nodes_or_skip() -> Result<bool> {
    let Err(error) = can_have_nodes() else { return Ok(true) };
    if std::env::var_os(REQUIRE_VARIABLE).is_some_and(|value| !value.is_empty()) {
        return Err(error.context(format!("{REQUIRE_VARIABLE} is set, but there can be no real nodes here")));
    }
    say(&format!("skipped, since there can be no real nodes here: {error:#}"));
    Ok(false)
}

fn can_have_nodes() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!("only root can make them");
    }
    let args = ["--mount", "--net", "--pid", "--fork", "--mount-proc", "mount", "-t", "tmpfs", "tmpfs", "/run"];
    shell::run("unshare", &args).map(drop)
}

/// Builds the programs of real nodes, so that no test has to, where there can be any; see [`nodes_or_skip`].
pub fn get_node_assets() -> Result<()> {
    if !nodes_or_skip()? {
        return Ok(());
    }
    for cni in [Cni::Bridge, Cni::Cilium] {
        install(cni)?;
        Assets::get(&binaries(cni))?;
    }
    Ok(())
}

/// Installs the packages that are missing.
pub(crate) fn install(cni: Cni) -> Result<()> {
    can_have_nodes()?;
    let is_there = |files: &[&str]| files.iter().any(|file| Path::new(file).exists());
    let missing = PACKAGES.into_iter().filter(|(_, files)| !is_there(files)).map(|(package, _)| package);
    let mut missing: Vec<&str> = missing.collect();
    if cni == Cni::Cilium && cilium::compiler().is_none() {
        missing.push("clang-19");
    }
    if missing.is_empty() { Ok(()) } else { install_packages(&missing, "real nodes need more of this machine") }
}
