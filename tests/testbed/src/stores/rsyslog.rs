//! rsyslog of Debian: tails files and sends to Elasticsearch's kind of stores, with a queue in memory that goes to disk when it
//! must. Its packages are unpacked, not installed: installed they would take over the logs of this machine.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};

use super::{daemon::Daemon, or_skip, run};
use crate::{
    assets::{cache_dir, lock, short_digest},
    control_plane::on_a_thread,
    packages::{install_packages, update_packages},
    process::{Process, Program},
    progress::say,
    workdir::Workdir,
};

/// With the libraries that nothing else has.
const PACKAGES: [&str; 5] = ["rsyslog", "rsyslog-elasticsearch", "libestr0", "libfastjson4", "liblognorm5"];
/// Where Debian keeps what differs between architectures.
const LIBRARIES: &str = "usr/lib";
const START_LIMIT: Duration = Duration::from_secs(30);
/// What Kubernetes gives a pod by default.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// A running rsyslog. Dropping it kills it; its storage stays.
pub struct Rsyslog {
    daemon: Daemon,
    /// It writes this when it has started everything.
    pid_file: PathBuf,
    // Last, since the process uses it.
    _workdir: Workdir,
}

impl Rsyslog {
    /// Starts rsyslog and waits until it has started its parts, half a minute at most (and a download on the first run).
    /// The storage is its working folder, which the configuration does not name; the caller keeps it.
    pub async fn start(config: &str, storage_dir: &Path) -> Result<Self> {
        let root = on_a_thread(fetch).await.context("cannot get rsyslog")?;
        let libraries = libraries(&root)?;
        let cannot = || format!("cannot make the folder {}", storage_dir.display());
        fs::create_dir_all(storage_dir).with_context(cannot)?;
        let storage = storage_dir.canonicalize().with_context(cannot)?;
        let workdir = Workdir::create()?;
        let path = workdir.path().join("rsyslog.conf");
        let config = format!("global(workDirectory=\"{}\")\n{config}", storage.display());
        fs::write(&path, config).with_context(|| format!("cannot write {}", path.display()))?;
        let pid_file = workdir.path().join("pid");
        // -n: not in the background.
        let args = ["-n", "-f", &path.to_string_lossy(), "-i", &pid_file.to_string_lossy()].map(str::to_owned);
        let modules = ["-M".to_owned(), libraries.join("rsyslog").display().to_string()];
        let program = Program {
            name: "rsyslogd".to_owned(),
            path: root.join("usr/sbin/rsyslogd"),
            args: args.into_iter().chain(modules).collect(),
            env: vec![("LD_LIBRARY_PATH".to_owned(), libraries.display().to_string())],
            folder: workdir.path().to_owned(),
            log: workdir.path().join("rsyslogd.log"),
        };
        let mut forwarder = Self { daemon: Daemon::new(program), pid_file, _workdir: workdir };
        forwarder.start_again().await?;
        Ok(forwarder)
    }

    /// The file with what it complains of, over all starts.
    pub fn log(&self) -> PathBuf {
        self.daemon.program().log.clone()
    }

    /// Sends SIGTERM, as a kubelet does, and waits for the end, 30 seconds at most. What it has not sent by then is in its
    /// storage where its queues say so, or still unread.
    pub async fn terminate(&mut self) -> Result<()> {
        let status = self.daemon.stop(STOP_LIMIT).await?;
        ensure!(status.success(), "rsyslog failed when it was to end ({status}); see {}", self.log().display());
        Ok(())
    }

    /// Kills it at once, as a crash would.
    pub fn kill(&mut self) -> Result<()> {
        self.daemon.kill()
    }

    /// Starts it again with the same configuration on the same storage, and waits until it has started its parts.
    pub async fn start_again(&mut self) -> Result<()> {
        // One that was killed leaves it.
        let _ = fs::remove_file(&self.pid_file);
        let file = &self.pid_file;
        let probe = || async move { if file.exists() { Ok(()) } else { bail!("there is no {}", file.display()) } };
        self.daemon.start(START_LIMIT, probe).await
    }

    /// The process, to pause or to measure it.
    pub fn process(&mut self) -> Result<&mut Process> {
        self.daemon.process()
    }
}

/// Whether rsyslog can run here: it is taken from Debian. When it can not, this says to stderr why, and fails where
/// `PCIZONE_REQUIRE_STORES` is set.
pub fn rsyslog_or_skip() -> Result<bool> {
    or_skip("rsyslog", fetch().map(drop))
}

/// The folder with the unpacked packages. The first time they are downloaded, by Debian's package manager, which checks them.
pub(super) fn fetch() -> Result<PathBuf> {
    let release = fs::read_to_string("/etc/debian_version").context("this is no Debian, of which rsyslog is taken")?;
    let cache = cache_dir(&short_digest(PACKAGES.into_iter().chain([release.trim_end()])))?;
    let _lock = lock(&cache, "gets rsyslog")?;
    let root = cache.join("rsyslog");
    if !root.is_dir() {
        let partial = cache.join("partial");
        if partial.exists() {
            fs::remove_dir_all(&partial).with_context(|| format!("cannot remove {}", partial.display()))?;
        }
        say("fetching rsyslog, 3 MB, once per machine");
        download(&partial)?;
        fs::rename(&partial, &root).with_context(|| format!("cannot move rsyslog to {}", root.display()))?;
    }
    // Most machines have it, and it needs many others.
    let curl = libraries(&root)?.file_name().map(|name| Path::new("/usr/lib").join(name).join("libcurl.so.4"));
    if !curl.is_some_and(|library| library.exists()) {
        install_packages(&["libcurl4"], "rsyslog sends by libcurl")?;
    }
    Ok(root)
}

fn download(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let download = || {
        let mut apt = Command::new("apt-get");
        apt.args(["download", "--quiet"]).args(PACKAGES).current_dir(folder);
        run(apt)
    };
    if let Err(error) = download() {
        // What it knows of the archive may be old, or nothing.
        if !rustix::process::geteuid().is_root() {
            return Err(error);
        }
        update_packages()?;
        download()?;
    }
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let package = entry.with_context(|| format!("cannot list {}", folder.display()))?.path();
        if package.extension().is_some_and(|extension| extension == "deb") {
            let mut unpack = Command::new("dpkg-deb");
            unpack.arg("--extract").arg(&package).arg(folder);
            run(unpack)?;
            fs::remove_file(&package).with_context(|| format!("cannot remove {}", package.display()))?;
        }
    }
    Ok(())
}

/// The folder of the libraries, with those of this architecture.
fn libraries(root: &Path) -> Result<PathBuf> {
    let folder = root.join(LIBRARIES);
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut folders = entries.filter_map(std::io::Result::ok).map(|entry| entry.path());
    let found = folders.find(|folder| folder.join("rsyslog/imfile.so").exists());
    found.with_context(|| format!("the packages of rsyslog have no modules below {}", folder.display()))
}
