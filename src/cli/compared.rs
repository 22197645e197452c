//! The sides of a comparison: files, folders, standard input, and revisions of a git repository.

use std::{
    path::{Path, PathBuf},
    slice,
};

use k8s_openapi::jiff::Timestamp;

use super::{
    git,
    input::{Loaded, Reading},
};

/// What the side without a revision is called.
pub(super) const NOW: &str = "what is there now";

/// Where one side of a comparison comes from.
pub(super) enum Side<'a> {
    /// A file, a folder or standard input, as they are now.
    Files(PathBuf),
    /// Paths of which some may be gone, as they are now.
    Now(&'a [PathBuf]),
    /// Paths of the current folder as they stand in a revision.
    Revision(&'a str, &'a [PathBuf]),
    /// A path of a revision.
    Path(&'a str, &'a str),
    /// Neither.
    Unknown(&'a str),
}

/// One side, read.
pub(super) struct Read {
    pub(super) loaded: Loaded,
    /// Its name.
    name: String,
    /// What was looked at, from the top of the repository.
    paths: Vec<PathBuf>,
    /// Paths of these that no manifest lies below.
    bare: Vec<PathBuf>,
}

impl<'a> Side<'a> {
    /// What an argument means. `files`: paths that are looked at in a revision.
    pub(super) fn of(argument: &'a str, files: &'a [PathBuf]) -> Self {
        if argument == "-" || Path::new(argument).exists() {
            return Side::Files(PathBuf::from(argument));
        }
        match argument.split_once(':') {
            Some((revision, path)) => Side::Path(revision, path),
            None if files.is_empty() => Side::Unknown(argument),
            None => Side::Revision(argument, files),
        }
    }

    pub(super) fn load(&self, reading: &Reading) -> anyhow::Result<Read> {
        match self {
            Side::Files(file) => {
                let loaded = reading.load_files(slice::from_ref(file))?;
                // Outside of a repository it is compared with nothing that lies in one.
                let paths = git::from_top(file).into_iter().collect();
                Ok(Read { loaded, name: NOW.to_string(), paths, bare: Vec::new() })
            }
            Side::Now(files) => {
                let (there, gone): (Vec<PathBuf>, Vec<PathBuf>) = files.iter().cloned().partition(|file| file.exists());
                let paths = files.iter().map(|file| git::from_top(file)).collect::<Result<_, _>>()?;
                let bare = gone.iter().map(|file| git::from_top(file)).collect::<Result<_, _>>()?;
                Ok(Read { loaded: reading.load_files(&there)?, name: NOW.to_string(), paths, bare })
            }
            Side::Revision(revision, files) => {
                let paths: Vec<PathBuf> = files.iter().map(|file| git::from_top(file)).collect::<Result<_, _>>()?;
                Read::revision(revision, paths, reading)
            }
            Side::Path(revision, path) => Read::revision(revision, vec![git::of_revision(path)?], reading),
            Side::Unknown(argument) => anyhow::bail!(
                "{argument:?} is no file, no folder and not REVISION:PATH; with -f PATH it may be a revision of git"
            ),
        }
    }
}

impl Read {
    fn revision(revision: &str, paths: Vec<PathBuf>, reading: &Reading) -> anyhow::Result<Self> {
        let mut bare = Vec::new();
        let loaded = reading.load(|reader, progress| git::read(revision, &paths, &mut bare, reader, progress))?;
        Ok(Read { loaded, name: revision.to_string(), paths, bare })
    }

    /// The first path of this side that no manifest lies below, and on the other side neither.
    fn nowhere(&self, other: &Read) -> Option<&PathBuf> {
        let is_there = |path: &PathBuf| other.paths.contains(path) && !other.bare.contains(path);
        self.bare.iter().find(|path| !is_there(path))
    }
}

/// The same of a side and files of the current folder, which are there.
pub(super) fn refuse_nothing_in(base: &Read, files: &[PathBuf]) -> anyhow::Result<()> {
    let there: Vec<PathBuf> = files.iter().filter_map(|file| git::from_top(file).ok()).collect();
    refuse(base, base.bare.iter().find(|path| !there.contains(path)))
}

/// Refuses sides of which one has a path with nothing in it that the other has not either: it is spelt wrong, and to compare
/// nothing would find that nothing opens.
pub(super) fn refuse_nothing(base: &Read, head: &Read) -> anyhow::Result<()> {
    refuse(base, base.nowhere(head))?;
    refuse(head, head.nowhere(base))
}

fn refuse(side: &Read, nowhere: Option<&PathBuf>) -> anyhow::Result<()> {
    if let Some(path) = nowhere {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        anyhow::bail!(
            "there is no manifest at {:?} (from the top of the repository) in {}, and on the other side neither; is it spelt right?",
            path.display().to_string(),
            side.name
        );
    }
    Ok(())
}

/// Both sides are looked at at the same moment.
pub(super) fn one_moment(reading: &Reading) -> Reading {
    let now = reading.now.unwrap_or_else(Timestamp::now);
    Reading { now: Timestamp::from_second(now.as_second()).ok(), ..reading.clone() }
}
