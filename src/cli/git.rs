//! Manifests as they stand in a revision of a git repository, read by git itself.

use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    path::{Component, Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use anyhow::{Context, bail};

use super::{
    manifests::{
        Place, Reader,
        files::{LARGEST, is_hidden, is_json, is_manifest},
    },
    progress::Progress,
};
use crate::engine::change::count;

/// A file of a revision.
struct Blob {
    id: String,
    path: String,
}

/// Reads the manifests below some paths from the top of the repository, as they stand in a revision. Returns what was read,
/// in words; paths that no manifest lies below go to `bare`.
pub(super) fn read(
    revision: &str,
    paths: &[PathBuf],
    bare: &mut Vec<PathBuf>,
    reader: &mut Reader,
    progress: &mut Progress,
) -> anyhow::Result<String> {
    let commit = commit(revision)?;
    let blobs = list(&commit, paths).with_context(|| format!("cannot list the files of {revision}"))?;
    let is_bare = |path: &&PathBuf| !blobs.iter().any(|blob| Path::new(&blob.path).starts_with(path));
    bare.extend(paths.iter().filter(is_bare).cloned());
    let mut git = Command::new("git")
        .args(["cat-file", "--batch"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run git; is it installed?")?;
    let (Some(mut to), Some(from)) = (git.stdin.take(), git.stdout.take()) else { bail!("cannot talk to git") };
    let mut from = BufReader::new(from);
    let result = thread::scope(|scope| {
        let ids: Vec<&str> = blobs.iter().map(|blob| blob.id.as_str()).collect();
        // Beside the reading: git does not take all questions before its answers are read.
        let asking = scope.spawn(move || ids.into_iter().try_for_each(|id| writeln!(to, "{id}")));
        for (number, blob) in blobs.iter().enumerate() {
            let name = format!("{revision}:{}", blob.path);
            let bytes = next(&mut from).with_context(|| format!("cannot read {name}"))?;
            if bytes.len() as u64 > LARGEST {
                reader.fail(Place { source: name, ..Place::default() }, "it is larger than 64 MiB; split it");
            } else {
                reader.read(&name, is_json(Path::new(&blob.path)), &bytes);
            }
            progress.tick(|seconds| {
                let objects = count(reader.objects(), "object");
                format!("{} of {} files of {revision}, {objects}, {seconds:.1} s", number + 1, blobs.len())
            });
        }
        match asking.join() {
            Ok(asked) => asked.context("cannot ask git"),
            Err(_) => bail!("cannot ask git"),
        }
    });
    // It ends by itself when nothing more is asked.
    let ended = git.wait().context("git does not end");
    result?;
    ended?;
    Ok(format!("{} of {revision}", count(blobs.len(), "file")))
}

/// The commit that a revision means.
fn commit(revision: &str) -> anyhow::Result<String> {
    let wanted = format!("{revision}^{{commit}}");
    let output = Command::new("git")
        .args(["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted])
        .output()
        .context("cannot run git; is it installed?")?;
    let commit = String::from_utf8_lossy(&output.stdout).trim().to_string();
    if !output.status.success() || commit.is_empty() {
        bail!("{revision:?} is no revision of the git repository that this folder lies in; see git log");
    }
    Ok(commit)
}

/// A path of the current folder, from the top of the repository. Nothing is asked of the file system about the path itself: it
/// may be gone.
pub(super) fn from_top(path: &Path) -> anyhow::Result<PathBuf> {
    if path.as_os_str() == "-" {
        bail!("standard input cannot be looked at in a revision");
    }
    let top = Command::new("git")
        .args(["rev-parse", "--show-toplevel"])
        .output()
        .context("cannot run git; is it installed?")?;
    let top = String::from_utf8(top.stdout).context("the name of the repository's folder is no UTF-8")?;
    let top = Path::new(top.trim_end_matches('\n'));
    if top.as_os_str().is_empty() {
        // Without files around it, as on a server of git, every path is from the top.
        return within(path).with_context(|| format!("{} leads out of the repository", path.display()));
    }
    let here = env::current_dir().context("cannot tell the current folder")?;
    let outside = || format!("{} lies outside of the git repository {}", path.display(), top.display());
    let whole = within(&here.join(path)).with_context(outside)?;
    if let Ok(rest) = whole.strip_prefix(top) {
        return Ok(rest.to_path_buf());
    }
    // By a link the same folder has another name.
    let is_top = |folder: &&Path| fs::canonicalize(folder).is_ok_and(|folder| folder == top);
    let above = whole.ancestors().find(is_top).with_context(outside)?;
    Ok(whole.strip_prefix(above).map(Path::to_path_buf)?)
}

/// What `REVISION:PATH` means by its path, as git reads it: from the top, unless it begins with a dot.
pub(super) fn of_revision(path: &str) -> anyhow::Result<PathBuf> {
    let is_named = |first| matches!(first, Component::Normal(_));
    if Path::new(path).components().next().is_some_and(|first| !is_named(first)) {
        return from_top(Path::new(path));
    }
    within(Path::new(path)).with_context(|| format!("{path:?} leads out of the repository"))
}

/// A path without dots; none where it leads up beyond its beginning.
fn within(path: &Path) -> Option<PathBuf> {
    let mut to = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                if !to.pop() {
                    return None;
                }
            }
            Component::Normal(_) | Component::RootDir | Component::Prefix(_) => to.push(component),
        }
    }
    Some(to)
}

/// An entry of a tree.
struct Entry {
    mode: String,
    id: String,
    path: String,
}

impl Entry {
    fn is_link(&self) -> bool {
        self.mode == "120000"
    }

    fn is_submodule(&self) -> bool {
        self.mode == "160000"
    }
}

/// What lies at some paths; `recursive`: and below them.
fn entries(commit: &str, paths: &[&Path], recursive: bool) -> anyhow::Result<Vec<Entry>> {
    let output = Command::new("git")
        .args(["--literal-pathspecs", "ls-tree", "-z", "--full-tree"])
        .args(recursive.then_some("-r"))
        .args([commit, "--"])
        .args(paths)
        .output()
        .context("cannot run git; is it installed?")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let text = String::from_utf8(output.stdout).context("a name of a file is no UTF-8")?;
    let entry = |line: &str| {
        let (about, path) = line.split_once('\t')?;
        let mut about = about.split(' ');
        let (mode, _, id) = (about.next()?, about.next()?, about.next()?);
        Some(Entry { mode: mode.to_string(), id: id.to_string(), path: path.to_string() })
    };
    let lines = text.split('\0').filter(|line| !line.is_empty());
    lines.map(|line| entry(line).with_context(|| format!("git lists {line:?}, which is not understood"))).collect()
}

/// Files below the paths that are manifests, as for folders; a path that is not there has none.
fn list(commit: &str, paths: &[PathBuf]) -> anyhow::Result<Vec<Blob>> {
    let mut above: Vec<&Path> = paths.iter().flat_map(|path| path.ancestors()).collect();
    above.retain(|path| !path.as_os_str().is_empty());
    above.sort_unstable();
    above.dedup();
    if !above.is_empty() {
        for entry in entries(commit, &above, false)? {
            refuse(&entry, entry.is_link())?;
        }
    }
    let is_all = paths.iter().any(|path| path.as_os_str().is_empty());
    let named: Vec<&Path> = paths.iter().map(PathBuf::as_path).filter(|_| !is_all).collect();
    let (mut blobs, mut links) = (Vec::new(), Vec::new());
    for entry in entries(commit, &named, true)? {
        let path = Path::new(&entry.path);
        let mut below = paths.iter().filter_map(|wanted| path.strip_prefix(wanted).ok());
        if !below.any(|below| !below.ancestors().any(is_hidden)) {
            continue;
        }
        let is_read = is_manifest(path) || paths.iter().any(|wanted| wanted == path);
        refuse(&entry, entry.is_link() && is_read)?;
        if entry.is_link() {
            links.push(entry);
        } else if is_read {
            blobs.push(Blob { id: entry.id, path: entry.path });
        }
    }
    for link in &links {
        refuse(link, leads_away(commit, &link.path)?)?;
    }
    blobs.sort_by(|one, other| one.path.cmp(&other.path));
    blobs.dedup_by(|one, other| one.path == other.path);
    Ok(blobs)
}

/// What is not looked into must not be passed over either.
fn refuse(entry: &Entry, link: bool) -> anyhow::Result<()> {
    let path = &entry.path;
    if link {
        bail!("{path} is a link, and links are not followed in a revision; name what it leads to by -f");
    }
    if entry.is_submodule() {
        bail!(
            "{path} is a submodule, whose files are in another repository; compare there, or name the other paths by -f"
        );
    }
    Ok(())
}

/// Whether a link leads to a folder, or to where git knows nothing.
fn leads_away(commit: &str, path: &str) -> anyhow::Result<bool> {
    if path.contains('\n') {
        return Ok(true);
    }
    let mut git = Command::new("git")
        .args(["cat-file", "--batch-check", "--follow-symlinks"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run git; is it installed?")?;
    if let Some(mut to) = git.stdin.take() {
        writeln!(to, "{commit}:{path}").context("cannot ask git")?;
    }
    let output = git.wait_with_output().context("git does not end")?;
    let answer = String::from_utf8_lossy(&output.stdout);
    let mut words = answer.split_whitespace();
    let (first, second) = (words.next(), words.next());
    Ok(!output.status.success() || first == Some("symlink") || second == Some("tree"))
}

/// The next answer of git: a line that tells the size, and the bytes.
fn next(from: &mut impl BufRead) -> anyhow::Result<Vec<u8>> {
    let mut head = String::new();
    from.read_line(&mut head)?;
    let size: u64 = match head.trim_end().rsplit(' ').next().map(str::parse) {
        Some(Ok(size)) => size,
        _ => bail!("git answers {:?}", head.trim_end()),
    };
    let mut bytes = Vec::new();
    from.take(size + 1).read_to_end(&mut bytes)?;
    if bytes.pop() != Some(b'\n') {
        bail!("git ended in the middle of it");
    }
    Ok(bytes)
}
