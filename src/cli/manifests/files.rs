//! The files that arguments mean, and what is in them.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

/// The largest file that is read. What etcd stores of 10,000 pods is less.
pub const LARGEST: u64 = 64 * 1024 * 1024;
const LARGEST_IN_WORDS: &str = "64 MiB";

/// The deepest that folders may lie within each other.
const DEPTH: usize = 32;
/// The most files.
const FILES: usize = 100_000;

/// What an argument stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Standard input.
    Stdin,
    /// A file.
    File(PathBuf),
}

impl Source {
    /// Its name in messages.
    pub fn name(&self) -> String {
        match self {
            Source::Stdin => "stdin".to_string(),
            Source::File(path) => path.display().to_string(),
        }
    }

    /// Whether its name says that it is JSON.
    pub fn is_json(&self) -> bool {
        match self {
            Source::Stdin => false,
            Source::File(path) => is_json(path),
        }
    }

    /// Reads all of it into the buffer, in place of what was there.
    pub fn read(&self, buffer: &mut Vec<u8>) -> Result<(), String> {
        buffer.clear();
        let read = match self {
            Source::Stdin => io::stdin().lock().take(LARGEST + 1).read_to_end(buffer),
            Source::File(path) => File::open(path).and_then(|file| {
                if file.metadata()?.len() > LARGEST {
                    return Ok(usize::MAX);
                }
                file.take(LARGEST + 1).read_to_end(buffer)
            }),
        };
        match read {
            Ok(length) if u64::try_from(length).is_ok_and(|length| length <= LARGEST) => Ok(()),
            Ok(_) => Err(format!("it is larger than {LARGEST_IN_WORDS}, which is the most that is read; split it")),
            Err(error) => Err(format!("cannot read it: {error}")),
        }
    }
}

/// Something that is wrong with an argument: the path, and what.
pub type Wrong = (String, String);

/// Every file that the arguments mean, each once and in order: folders with all folders in them, sorted by name.
pub fn sources(arguments: &[PathBuf]) -> (Vec<Source>, Vec<Wrong>) {
    let mut walk = Walk::default();
    for argument in arguments {
        if argument.as_os_str() == "-" {
            if !walk.sources.contains(&Source::Stdin) {
                walk.sources.push(Source::Stdin);
            }
            continue;
        }
        match fs::metadata(argument) {
            Ok(metadata) if metadata.is_dir() => {
                let before = walk.sources.len() + walk.again + walk.wrong.len();
                walk.folder(argument, 0);
                if before == walk.sources.len() + walk.again + walk.wrong.len() {
                    walk.fail(argument, "there is no .yaml, .yml or .json file in it");
                }
            }
            Ok(_) => walk.file(argument.clone()),
            Err(error) => walk.fail(argument, format!("cannot read it: {error}")),
        }
    }
    (walk.sources, walk.wrong)
}

#[derive(Default)]
struct Walk {
    sources: Vec<Source>,
    wrong: Vec<Wrong>,
    /// Files and folders by the path that no link is in.
    seen: BTreeSet<PathBuf>,
    /// Files that were met once more.
    again: usize,
    is_full: bool,
}

impl Walk {
    fn fail(&mut self, path: &Path, what: impl Into<String>) {
        self.wrong.push((path.display().to_string(), what.into()));
    }

    /// False where it was seen before, by this path or another.
    fn is_new(&mut self, path: &Path) -> bool {
        let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        self.seen.insert(real)
    }

    fn file(&mut self, path: PathBuf) {
        if !self.is_new(&path) {
            self.again += 1;
        } else if self.sources.len() < FILES {
            self.sources.push(Source::File(path));
        } else if !self.is_full {
            self.is_full = true;
            self.fail(&path, format!("there are more than {FILES} files"));
        }
    }

    fn folder(&mut self, path: &Path, depth: usize) {
        if depth > DEPTH {
            return self.fail(path, format!("folders lie more than {DEPTH} deep in each other"));
        }
        if !self.is_new(path) {
            return;
        }
        let entries = fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let entries = match entries {
            Ok(entries) => entries,
            Err(error) => return self.fail(path, format!("cannot read it: {error}")),
        };
        let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths.into_iter().filter(|path| !is_hidden(path)) {
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_dir() => self.folder(&path, depth + 1),
                Ok(_) if is_manifest(&path) => self.file(path),
                Err(error) if is_manifest(&path) => self.fail(&path, format!("cannot read it: {error}")),
                // A link that leads nowhere is no manifest either.
                Ok(_) | Err(_) => {}
            }
        }
    }
}

pub(in crate::cli) fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// What a kustomization says is for kustomize, and need not even be an object.
pub(in crate::cli) fn is_manifest(path: &Path) -> bool {
    let is_yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    let is_kustomization = is_yaml && path.file_stem().is_some_and(|stem| stem == "kustomization");
    (is_yaml || is_json(path)) && !is_kustomization
}

/// Whether the name of a file says that it is JSON.
pub(in crate::cli) fn is_json(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "json")
}
