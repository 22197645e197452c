//! Decides where each binary comes from: `KUBEBUILDER_ASSETS`, the cache, or a build from the pinned `cluster/go.mod`.
//! It never downloads binaries and never writes into the source tree.

use std::{
    collections::BTreeMap,
    fmt,
    fmt::Write as _,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, anyhow, bail};
use sha2::{Digest as _, Sha256};

use crate::{go_build, progress::say};

/// The variable by which users of setup-envtest name the folder of their binaries.
const ASSETS_VARIABLE: &str = "KUBEBUILDER_ASSETS";

/// A program that a cluster is made of, or is driven with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Binary {
    /// The store behind the API server.
    Etcd,
    /// The API server.
    KubeApiserver,
    /// The API server of Kubernetes 1.35, which has no stable mutating policies.
    KubeApiserver135,
    /// The API server of Kubernetes 1.36, whose mutating policies are not sound yet. For those who ask for it.
    KubeApiserver136,
    /// The command line client.
    Kubectl,
    /// The built-in controllers: namespaces, garbage collection, service accounts, workloads.
    KubeControllerManager,
    /// The scheduler, which binds pods to nodes.
    KubeScheduler,
    /// The agent of Kubernetes on each node.
    Kubelet,
    /// Turns Services into rules of the kernel on each node.
    KubeProxy,
    /// Runs the containers of a node.
    Containerd,
    /// What containerd leaves beside each pod.
    ContainerdShim,
    /// The command line client of containerd.
    Ctr,
    /// Starts a container.
    Runc,
    /// Joins the pods of a node with a bridge, and knows no policies.
    CniBridge,
    /// Gives pods their addresses.
    CniHostLocal,
    /// Gives pods their loopback.
    CniLoopback,
    /// Gives pods the ports of their node.
    CniPortmap,
    /// Cilium's agent on each node, which enforces network policies.
    CiliumAgent,
    /// What Cilium does once in a cluster.
    CiliumOperator,
    /// What containerd calls of Cilium for each pod.
    CiliumCni,
    /// A store of logs that takes what most forwarders send.
    VictoriaLogs,
    /// A forwarder of logs.
    OtelCollector,
}

impl Binary {
    /// The file name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::KubeApiserver | Self::KubeApiserver135 | Self::KubeApiserver136 => "kube-apiserver",
            Self::Kubectl => "kubectl",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::KubeScheduler => "kube-scheduler",
            Self::Kubelet => "kubelet",
            Self::KubeProxy => "kube-proxy",
            Self::Containerd => "containerd",
            Self::ContainerdShim => "containerd-shim-runc-v2",
            Self::Ctr => "ctr",
            Self::Runc => "runc",
            Self::CniBridge => "bridge",
            Self::CniHostLocal => "host-local",
            Self::CniLoopback => "loopback",
            Self::CniPortmap => "portmap",
            Self::CiliumAgent => "cilium-agent",
            Self::CiliumOperator => "cilium-operator",
            Self::CiliumCni => "cilium-cni",
            Self::VictoriaLogs => "victoria-logs",
            Self::OtelCollector => "otelcol",
        }
    }

    /// The folder of the module that pins it.
    pub(crate) fn module(self) -> &'static str {
        match self {
            Self::KubeApiserver135 => "cluster-1.35",
            Self::KubeApiserver136 => "cluster-1.36",
            Self::Etcd | Self::KubeApiserver | Self::Kubectl | Self::KubeControllerManager | Self::KubeScheduler => {
                "cluster"
            }
            Self::Kubelet | Self::KubeProxy => "kubelet",
            Self::Containerd
            | Self::ContainerdShim
            | Self::Ctr
            | Self::Runc
            | Self::CniBridge
            | Self::CniHostLocal
            | Self::CniLoopback
            | Self::CniPortmap => "containers",
            Self::CiliumAgent | Self::CiliumOperator | Self::CiliumCni => "cilium",
            Self::VictoriaLogs => "victorialogs",
            Self::OtelCollector => "collector",
        }
    }

    /// The Go package that the module pins.
    pub(crate) fn package(self) -> &'static str {
        match self {
            Self::Etcd => "go.etcd.io/etcd/server/v3",
            Self::KubeApiserver | Self::KubeApiserver135 | Self::KubeApiserver136 => {
                "k8s.io/kubernetes/cmd/kube-apiserver"
            }
            Self::Kubectl => "k8s.io/kubernetes/cmd/kubectl",
            Self::KubeControllerManager => "k8s.io/kubernetes/cmd/kube-controller-manager",
            Self::KubeScheduler => "k8s.io/kubernetes/cmd/kube-scheduler",
            Self::Kubelet => "k8s.io/kubernetes/cmd/kubelet",
            Self::KubeProxy => "k8s.io/kubernetes/cmd/kube-proxy",
            Self::Containerd => "github.com/containerd/containerd/v2/cmd/containerd",
            Self::ContainerdShim => "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
            Self::Ctr => "github.com/containerd/containerd/v2/cmd/ctr",
            Self::Runc => "github.com/opencontainers/runc",
            Self::CniBridge => "github.com/containernetworking/plugins/plugins/main/bridge",
            Self::CniHostLocal => "github.com/containernetworking/plugins/plugins/ipam/host-local",
            Self::CniLoopback => "github.com/containernetworking/plugins/plugins/main/loopback",
            Self::CniPortmap => "github.com/containernetworking/plugins/plugins/meta/portmap",
            Self::CiliumAgent => "github.com/cilium/cilium/daemon",
            Self::CiliumOperator => "github.com/cilium/cilium/operator",
            Self::CiliumCni => "github.com/cilium/cilium/plugins/cilium-cni",
            Self::VictoriaLogs => "github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs",
            // It is put together here, from the parts that the module pins.
            Self::OtelCollector => ".",
        }
    }

    /// The build tags of one that needs C: runc enters namespaces before Go starts, and filters system calls with
    /// libseccomp. The others are static.
    pub(crate) fn c_tags(self) -> Option<&'static str> {
        (self == Self::Runc).then_some("seccomp")
    }

    /// How long a build takes on two cores, after the ones before it in this list, rounded up.
    pub(crate) fn expected_minutes(self) -> u32 {
        match self {
            Self::Etcd
            | Self::Kubectl
            | Self::KubeScheduler
            | Self::Kubelet
            | Self::KubeProxy
            | Self::ContainerdShim
            | Self::Ctr
            | Self::Runc
            | Self::CniBridge
            | Self::CniHostLocal
            | Self::CniLoopback
            | Self::CniPortmap
            | Self::CiliumOperator
            | Self::VictoriaLogs => 1,
            Self::Containerd | Self::CiliumCni => 2,
            Self::KubeApiserver | Self::KubeApiserver135 | Self::KubeApiserver136 => 7,
            Self::KubeControllerManager | Self::OtelCollector => 3,
            Self::CiliumAgent => 8,
        }
    }

    /// Whether setup-envtest ships it.
    fn is_in_envtest(self) -> bool {
        matches!(self, Self::Etcd | Self::KubeApiserver | Self::Kubectl)
    }
}

impl fmt::Display for Binary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where to find the binaries that were asked for. All of them exist.
#[derive(Clone, Debug)]
pub struct Assets {
    paths: BTreeMap<Binary, PathBuf>,
}

impl Assets {
    /// Finds the binaries, and builds those that are missing. Blocks, for minutes on the first run on a machine.
    pub fn get(wanted: &[Binary]) -> Result<Self> {
        let envtest = std::env::var_os(ASSETS_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
        let mut paths = BTreeMap::new();
        for &binary in wanted {
            let recipe = go_build::Recipe::read(binary.module())?;
            let cache = cache_dir(&recipe.key())?;
            let path = match choose(binary, envtest.as_deref(), &cache, Path::is_file)? {
                Choice::Found(path) => path,
                Choice::Build(path) => {
                    build_once(&recipe, binary, &cache, &path)?;
                    path
                }
            };
            paths.insert(binary, path);
        }
        Ok(Self { paths })
    }

    /// The path of a binary that was asked for.
    pub fn path(&self, binary: Binary) -> Result<PathBuf> {
        self.paths.get(&binary).cloned().ok_or_else(|| anyhow!("{binary} was not asked for in Assets::get"))
    }
}

/// What to do about one binary.
#[derive(Debug, PartialEq, Eq)]
enum Choice {
    Found(PathBuf),
    Build(PathBuf),
}

fn choose(binary: Binary, envtest: Option<&Path>, cache: &Path, exists: impl Fn(&Path) -> bool) -> Result<Choice> {
    if let Some(folder) = envtest {
        let path = folder.join(binary.name());
        if exists(&path) {
            return Ok(Choice::Found(path));
        }
        if binary.is_in_envtest() {
            bail!(
                "{ASSETS_VARIABLE} is set, but {} is not there: point it to a folder with etcd, kube-apiserver and \
                 kubectl (setup-envtest prints one), or unset it to build them from source",
                path.display()
            );
        }
    }
    let path = cache.join(binary.name());
    Ok(if exists(&path) { Choice::Found(path) } else { Choice::Build(path) })
}

/// Builds under a lock, so that test programs that run at the same time build once and the others wait.
fn build_once(recipe: &go_build::Recipe, binary: Binary, cache: &Path, path: &Path) -> Result<()> {
    let _lock = lock(cache, &format!("builds {binary} or a binary before it"))?;
    if path.is_file() {
        return Ok(());
    }
    recipe.build(binary, path)
}

/// Holds a folder of the cache, which it makes, as long as the result lives. `work` says what others do who hold it.
pub(crate) fn lock(cache: &Path, work: &str) -> Result<File> {
    fs::create_dir_all(cache).with_context(|| format!("cannot create the cache folder {}", cache.display()))?;
    let lock_path = cache.join("lock");
    let lock = File::create(&lock_path).with_context(|| format!("cannot create {}", lock_path.display()))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            say(&format!("waiting for another process that {work}"));
            lock.lock().with_context(|| format!("cannot lock {}", lock_path.display()))?;
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("cannot lock {}", lock_path.display()));
        }
    }
    Ok(lock)
}

/// The folder for binaries of this recipe: never inside the source tree, where `git clean` or a container build copies it.
pub(crate) fn cache_dir(key: &str) -> Result<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let root = absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .context("no place to cache the built binaries: set HOME or XDG_CACHE_HOME to an absolute path")?;
    Ok(root.join("pcizone").join("testbed").join(key))
}

/// A short digest that changes with any of the parts.
pub(crate) fn short_digest<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.len().to_be_bytes());
        hasher.update(part);
    }
    let mut digest = hexadecimal(&hasher.finalize());
    digest.truncate(16);
    digest
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String can not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CACHE: &str = "/cache/key";
    const ENVTEST: &str = "/envtest";

    fn chosen(binary: Binary, envtest: Option<&str>, files: &[&str]) -> Result<Choice> {
        choose(binary, envtest.map(Path::new), Path::new(CACHE), |path| {
            files.iter().any(|file| path == Path::new(file))
        })
    }

    #[test]
    fn envtest_binaries_win_over_the_cache() {
        let choice = chosen(Binary::Etcd, Some(ENVTEST), &["/envtest/etcd", "/cache/key/etcd"]).unwrap();
        assert_eq!(choice, Choice::Found("/envtest/etcd".into()));
    }

    #[test]
    fn an_incomplete_envtest_folder_is_an_error_and_not_a_silent_build() {
        let error = chosen(Binary::KubeApiserver, Some(ENVTEST), &["/cache/key/kube-apiserver"]).unwrap_err();
        assert!(error.to_string().contains("/envtest/kube-apiserver"), "{error}");
    }

    #[test]
    fn what_envtest_does_not_ship_comes_from_the_cache_or_a_build() {
        for binary in [Binary::KubeControllerManager, Binary::KubeScheduler] {
            let cached = format!("{CACHE}/{binary}");
            assert_eq!(chosen(binary, Some(ENVTEST), &[&cached]).unwrap(), Choice::Found(cached.clone().into()));
            assert_eq!(chosen(binary, Some(ENVTEST), &[]).unwrap(), Choice::Build(cached.into()));
        }
    }

    #[test]
    fn without_envtest_only_what_is_missing_is_built() {
        let files = ["/cache/key/etcd"];
        assert_eq!(chosen(Binary::Etcd, None, &files).unwrap(), Choice::Found("/cache/key/etcd".into()));
        assert_eq!(chosen(Binary::Kubectl, None, &files).unwrap(), Choice::Build("/cache/key/kubectl".into()));
    }

    #[test]
    fn the_digest_keeps_the_borders_between_parts() {
        assert_ne!(short_digest(["ab", "c"]), short_digest(["a", "bc"]));
        assert_eq!(short_digest(["ab", "c"]).len(), 16);
    }
}
