//! The sides of a comparison: files, folders, standard input, and revisions of a git repository.

use std::path::{Path, PathBuf};

use k8s_openapi::jiff::Timestamp;

use super::{
    git,
    input::{Loaded, Reading},
};

/// Where one side of a comparison comes from.
pub(super) enum Side<'a> {
    /// Files and folders as they are now.
    Files(Vec<PathBuf>),
    /// Files and folders as they stand in a revision.
    Revision(&'a str, Vec<PathBuf>),
    /// Neither.
    Unknown(&'a str),
}

impl<'a> Side<'a> {
    /// What an argument means. `files`: paths that are looked at in a revision.
    pub(super) fn of(argument: &'a str, files: &[PathBuf]) -> Self {
        if argument == "-" || Path::new(argument).exists() {
            return Side::Files(vec![PathBuf::from(argument)]);
        }
        match argument.split_once(':') {
            Some((revision, path)) => Side::Revision(revision, vec![PathBuf::from(path)]),
            None if files.is_empty() => Side::Unknown(argument),
            None => Side::Revision(argument, files.to_vec()),
        }
    }

    pub(super) fn load(&self, reading: &Reading) -> anyhow::Result<Loaded> {
        match self {
            Side::Files(files) => reading.load_files(files),
            Side::Revision(revision, paths) => {
                reading.load(|reader, progress| git::read(revision, paths, reader, progress))
            }
            Side::Unknown(argument) => anyhow::bail!(
                "{argument:?} is no file, no folder and not REVISION:PATH; with -f PATH it may be a revision of git"
            ),
        }
    }
}

/// Both sides are looked at at the same moment.
pub(super) fn one_moment(reading: &Reading) -> Reading {
    let now = reading.now.unwrap_or_else(Timestamp::now);
    Reading { now: Timestamp::from_second(now.as_second()).ok(), ..reading.clone() }
}
