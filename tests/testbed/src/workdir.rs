//! Gives each cluster a private folder, and removes it when the cluster goes.
//! It removes nothing that a living program uses, that another user owns, or that was to be kept.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context as _, Result, bail};

use crate::progress::say;

/// Set this environment variable to keep the folders of clusters, with logs and data.
pub const KEEP_VARIABLE: &str = "PCIZONE_TESTBED_KEEP";

const PREFIX: &str = "pcizone-testbed-";

/// Linux allows 107 bytes for the path of a unix socket; the longest name in the folder is a socket with 15.
const LONGEST: usize = 90;

/// A folder of this program alone (mode 0700).
pub(crate) struct Workdir {
    path: PathBuf,
    /// Held as long as the folder is in use. The kernel releases it with the process.
    _lock: File,
    keep: bool,
}

impl Workdir {
    pub(crate) fn create() -> Result<Self> {
        let root = std::env::temp_dir();
        sweep(&root);
        let keep = std::env::var_os(KEEP_VARIABLE).is_some_and(|value| !value.is_empty());
        let path = fresh(&root)?;
        if path.as_os_str().len() > LONGEST {
            let _ = fs::remove_dir(&path);
            bail!("the path {} is too long for unix sockets: set TMPDIR to a shorter one", path.display());
        }
        let lock = if keep { File::create(path.join("kept")) } else { locked(&path) };
        let lock = lock.with_context(|| format!("cannot claim the folder {}", path.display()))?;
        Ok(Self { path, _lock: lock, keep })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Creates a folder inside.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.path.join(name);
        DirBuilder::new()
            .mode(0o700)
            .recursive(true)
            .create(&path)
            .with_context(|| format!("cannot create {}", path.display()))?;
        Ok(path)
    }
}

impl Drop for Workdir {
    fn drop(&mut self) {
        if self.keep {
            say(&format!("kept {} ({KEEP_VARIABLE} is set)", self.path.display()));
        } else if let Err(error) = fs::remove_dir_all(&self.path) {
            say(&format!("cannot remove {}: {error}", self.path.display()));
        }
    }
}

/// Creates a folder under a name that this program did not use before: whoever waits for a folder to go must not meet
/// the next one.
fn fresh(root: &Path) -> Result<PathBuf> {
    static NEXT: AtomicU32 = AtomicU32::new(0);

    let pid = std::process::id();
    for _ in 0..10_000 {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = root.join(format!("{PREFIX}{pid}-{number}"));
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| format!("cannot create {}", path.display())),
        }
    }
    bail!("no free name for a folder in {}", root.display())
}

/// Takes the lock under another name first, so that a sweep never sees a lock file that is not locked yet.
fn locked(path: &Path) -> io::Result<File> {
    let early = path.join("lock.new");
    let lock = File::create(&early)?;
    lock.lock()?;
    fs::rename(early, path.join("lock"))?;
    Ok(lock)
}

/// Removes what killed programs left behind. Best effort: another program may sweep at the same time.
pub(crate) fn sweep(root: &Path) {
    let Ok(entries) = fs::read_dir(root) else { return };
    for entry in entries.filter_map(io::Result::ok) {
        let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX))
            && entry.metadata().is_ok_and(|data| data.is_dir() && data.uid() == rustix::process::getuid().as_raw());
        if !ours {
            continue;
        }
        let path = entry.path();
        if let Ok(lock) = File::open(path.join("lock"))
            && lock.try_lock().is_ok()
        {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_removes_only_folders_that_nobody_holds() {
        let root = Workdir::create().unwrap();
        let make = |name: &str| {
            let path = root.folder(&format!("{PREFIX}{name}")).unwrap();
            (locked(&path).unwrap(), path)
        };
        let (_held, used) = make("used");
        let (released, abandoned) = make("abandoned");
        drop(released);
        let unclaimed = root.folder(&format!("{PREFIX}unclaimed")).unwrap();

        sweep(root.path());

        assert!(used.exists() && unclaimed.exists());
        assert!(!abandoned.exists());
    }

    #[test]
    fn a_folder_is_private_and_goes_with_its_owner() {
        let workdir = Workdir::create().unwrap();
        let path = workdir.path().to_owned();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        drop(workdir);
        assert!(!path.exists());
    }
}
