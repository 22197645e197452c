//! Builds one binary from the pinned modules beside `src/`, with the flags that make it say its version.
//! It never changes `go.mod` or `go.sum`, and never leaves a half-written binary under its final name.

use std::{
    collections::VecDeque,
    fmt::Write as _,
    fs,
    io::{self, BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, bail};

use crate::{
    assets::{Binary, short_digest},
    process,
    progress::Progress,
};

/// How many lines of a failed build are shown.
const TAIL: usize = 30;

/// Everything that decides what a build produces.
pub(crate) struct Recipe {
    folder: PathBuf,
    go_mod: String,
    go_sum: String,
    /// Of a program that is put together here.
    main_go: String,
    ldflags: String,
}

impl Recipe {
    /// Reads the module files in a folder next to this crate's sources.
    pub(crate) fn read(folder: &str) -> Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read_to_string(&path).with_context(|| {
                format!("cannot read {}: the testbed needs the source tree it was compiled from", path.display())
            })
        };
        let (go_mod, go_sum) = (read("go.mod")?, read("go.sum")?);
        let main_go = if folder.join("main.go").exists() { read("main.go")? } else { String::new() };
        let ldflags = ldflags(&go_mod)?;
        Ok(Self { folder, go_mod, go_sum, main_go, ldflags })
    }

    /// Names the cache folder: equal keys mean equal binaries.
    pub(crate) fn key(&self) -> String {
        let parts = [self.go_mod.as_str(), &self.go_sum, &self.ldflags, std::env::consts::ARCH];
        // Nothing for the others: what was built of them stays valid.
        let own = (!self.main_go.is_empty()).then_some(self.main_go.as_str());
        short_digest(parts.into_iter().chain(own))
    }

    /// Builds `binary` and moves it to `path` when it is complete.
    pub(crate) fn build(&self, binary: Binary, path: &Path) -> Result<()> {
        let mut progress = Progress::start(binary);
        progress.set_total(self.packages_to_build(binary)?);

        let partial = path.with_extension("partial");
        let mut command = self.go(&["build", "-v"], binary);
        command.arg("-o").arg(&partial).arg(binary.package()).stderr(Stdio::piped()).stdin(Stdio::null());
        let mut child = process::spawn(command).map_err(explain_missing_go)?;
        let stderr = child.stderr.take().context("go build has no stderr")?;
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(io::Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });

        let mut tail = VecDeque::with_capacity(TAIL);
        loop {
            match lines.recv_timeout(Duration::from_secs(1)) {
                Ok(line) => {
                    // `-v` prints the path of each package when its compilation starts; errors have spaces.
                    if !line.contains(' ') {
                        progress.package_done();
                    }
                    if tail.len() == TAIL {
                        tail.pop_front();
                    }
                    tail.push_back(line);
                }
                Err(RecvTimeoutError::Timeout) => progress.tick(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let status = child.wait().context("cannot wait for go build")?;
        if !status.success() {
            // The build may have failed before it wrote anything.
            let _ = fs::remove_file(&partial);
            let output = Vec::from(tail).join("\n");
            bail!("building {binary} failed ({status}), in {}; last lines:\n{output}", self.folder.display());
        }
        fs::rename(&partial, path).with_context(|| format!("cannot move the built {binary} to {}", path.display()))?;
        progress.finish();
        Ok(())
    }

    /// How many packages are not in Go's build cache yet. It is an estimate for the progress display only.
    fn packages_to_build(&self, binary: Binary) -> Result<u64> {
        let mut command = self.go(&["list", "-deps", "-f", "{{if .Stale}}{{.ImportPath}}{{end}}"], binary);
        command.arg(binary.package()).stdout(Stdio::piped()).stderr(Stdio::piped()).stdin(Stdio::null());
        let child = process::spawn(command).map_err(explain_missing_go)?;
        let output = child.wait_with_output().context("cannot wait for go list")?;
        if !output.status.success() {
            bail!(
                "go cannot load {} ({}); the first run downloads the modules, so it needs a module proxy:\n{}",
                binary.package(),
                output.status,
                String::from_utf8_lossy(&output.stderr).trim_end()
            );
        }
        let count = output.stdout.lines().map_while(io::Result::ok).filter(|line| !line.is_empty()).count();
        Ok(u64::try_from(count).unwrap_or(u64::MAX))
    }

    /// The folder of the sources of a module that this one pins, in Go's cache. Not to be written to.
    pub(crate) fn sources(&self, module: &str) -> Result<PathBuf> {
        let mut command = Command::new("go");
        command.current_dir(&self.folder).args(["list", "-m", "-f", "{{.Dir}}", module]).env("GOWORK", "off");
        let output = command.output().map_err(explain_missing_go)?;
        let dir = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
        if !output.status.success() || dir.is_empty() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("go does not say where the sources of {module} are: {}", said.trim_end());
        }
        Ok(dir.into())
    }

    fn go(&self, verb: &[&str], binary: Binary) -> Command {
        let mut command = Command::new("go");
        command.current_dir(&self.folder).args(verb).args(["-trimpath", "-ldflags", &self.ldflags]);
        if let Some(tags) = binary.c_tags() {
            command.args(["-tags", tags]).env("CGO_ENABLED", "1");
        } else {
            command.env("CGO_ENABLED", "0");
        }
        // A go.work somewhere above must not change what is pinned here.
        command.env("GOWORK", "off");
        command
    }
}

fn explain_missing_go(error: io::Error) -> anyhow::Error {
    if error.kind() == io::ErrorKind::NotFound {
        anyhow!(
            "the program `go` was not found: install Go 1.26 or later (https://go.dev/doc/install) so that the test \
             cluster can be built, or set KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver and kubectl"
        )
    } else {
        anyhow::Error::new(error).context("cannot run go")
    }
}

/// The version of a module in the module file, as in `v1.37.2`.
fn version<'a>(go_mod: &'a str, module: &str) -> Option<&'a str> {
    go_mod
        .lines()
        .filter_map(|line| line.trim().strip_prefix(module)?.strip_prefix(' '))
        .find_map(|rest| rest.split_whitespace().next())
}

/// Where the sources of a module look for its version when they are built outside its own repository.
const VERSIONED: [(&str, &str); 4] = [
    ("github.com/containerd/containerd/v2", "github.com/containerd/containerd/v2/version.Version"),
    ("github.com/cilium/cilium", "github.com/cilium/cilium/pkg/version.ciliumVersion"),
    ("github.com/VictoriaMetrics/VictoriaLogs", "github.com/VictoriaMetrics/VictoriaMetrics/lib/buildinfo.Version"),
    ("go.opentelemetry.io/collector/otelcol", "main.version"),
];

/// Without the version clients refuse to parse what the server says of itself.
fn ldflags(go_mod: &str) -> Result<String> {
    let mut flags = "-s -w".to_owned();
    if let Some(version) = version(go_mod, "k8s.io/kubernetes") {
        let mut numbers = version.trim_start_matches('v').split('.');
        let (Some(major), Some(minor)) = (numbers.next(), numbers.next()) else {
            bail!("k8s.io/kubernetes has the unexpected version {version:?} in go.mod");
        };
        let at = "k8s.io/component-base/version";
        // Writing to a String can not fail.
        let _ = write!(flags, " -X {at}.gitVersion={version} -X {at}.gitMajor={major} -X {at}.gitMinor={minor}");
    }
    for (module, variable) in VERSIONED {
        if let Some(version) = version(go_mod, module) {
            let _ = write!(flags, " -X {variable}={version}");
        }
    }
    if !flags.contains("-X") {
        bail!("go.mod requires nothing that the testbed is made of");
    }
    Ok(flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_the_module_file() {
        let go_mod =
            "tool (\n\tk8s.io/kubernetes/cmd/kubectl\n)\nrequire (\n\tk8s.io/kubernetes v1.37.2 // indirect\n)\n";
        assert_eq!(version(go_mod, "k8s.io/kubernetes"), Some("v1.37.2"));
        assert!(ldflags(go_mod).unwrap().ends_with("gitMinor=37"));
        assert!(ldflags("module x\n").is_err());
    }

    #[test]
    fn the_pinned_module_files_are_usable() {
        let folders =
            ["cluster", "cluster-1.35", "cluster-1.36", "kubelet", "containers", "cilium", "victorialogs", "collector"];
        let mut keys = folders.map(|folder| Recipe::read(folder).unwrap().key()).to_vec();
        assert!(keys.iter().all(|key| key.len() == 16), "{keys:?}");
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), folders.len());
    }

    #[test]
    fn the_parts_of_one_cluster_are_of_one_version() {
        let pinned = |folder| version(&Recipe::read(folder).unwrap().go_mod, "k8s.io/kubernetes").map(str::to_owned);
        assert_eq!(pinned("kubelet"), pinned("cluster"));
    }
}
