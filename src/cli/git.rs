//! Manifests as they stand in a revision of a git repository, read by git itself.

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
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

/// Reads the manifests below some paths, as they stand in a revision. Returns what was read, in words.
pub(super) fn read(
    revision: &str,
    paths: &[PathBuf],
    reader: &mut Reader,
    progress: &mut Progress,
) -> anyhow::Result<String> {
    let commit = commit(revision)?;
    let blobs = list(&commit, paths).with_context(|| format!("cannot list the files of {revision}"))?;
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

/// Files below the paths that are manifests, as for folders; a path that is not there has none.
fn list(commit: &str, paths: &[PathBuf]) -> anyhow::Result<Vec<Blob>> {
    let output = Command::new("git")
        .args(["ls-tree", "-r", "-z", commit, "--"])
        .args(paths)
        .output()
        .context("cannot run git; is it installed?")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let text = String::from_utf8(output.stdout).context("a name of a file is no UTF-8")?;
    let mut blobs = Vec::new();
    for entry in text.split('\0').filter(|entry| !entry.is_empty()) {
        let Some((about, path)) = entry.split_once('\t') else { bail!("git lists {entry:?}, which is not understood") };
        let mut about = about.split(' ');
        let (mode, kind, id) = (about.next(), about.next(), about.next());
        let is_named = paths.iter().any(|wanted| wanted == Path::new(path));
        let within =
            paths.iter().find_map(|wanted| Path::new(path).strip_prefix(wanted).ok()).unwrap_or(Path::new(path));
        let is_seen = !within.ancestors().any(is_hidden) && is_manifest(Path::new(path));
        let (Some("blob"), Some(id)) = (kind, id) else { continue };
        if mode == Some("120000") && (is_named || is_seen) {
            bail!("{path} is a link, and links are not followed in a revision; name what it leads to by -f");
        }
        if is_named || is_seen {
            blobs.push(Blob { id: id.to_string(), path: path.to_string() });
        }
    }
    blobs.sort_by(|one, other| one.path.cmp(&other.path));
    blobs.dedup_by(|one, other| one.path == other.path);
    Ok(blobs)
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
