//! Whether the files exist that documents and examples name.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

/// What is read.
const DOCUMENTS: [&str; 7] =
    ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs", "examples", "deploy"];
/// A word that begins so is a path in the repository.
const FOLDERS: [&str; 7] = ["crds/", "deploy/", "docs/", "examples/", "src/", "tests/", "xtask/"];

pub(crate) fn check() -> anyhow::Result<()> {
    let root = crate::root();
    let mut files = Vec::new();
    for document in DOCUMENTS {
        collect(&root.join(document), &mut files)?;
    }
    let (mut named, mut missing) = (0, Vec::new());
    for file in &files {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let folder = file.parent().unwrap_or(&root);
        let from_root = words(&text).map(|path| (path, root.join(path)));
        let from_here = links(&text).map(|path| (path, folder.join(path)));
        for (path, place) in from_root.chain(from_here) {
            named += 1;
            // Tables of the architecture name modules without their ending.
            if !place.exists() && !place.with_extension("rs").exists() {
                let file = file.strip_prefix(&root).unwrap_or(file);
                missing.push(format!("{} names {path}, which does not exist", file.display()));
            }
        }
    }
    if !missing.is_empty() {
        bail!("{}", missing.join("\n"));
    }
    println!("{named} paths in {} files exist", files.len());
    Ok(())
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path).with_context(|| format!("cannot list {}", path.display()))? {
        collect(&entry.with_context(|| format!("cannot list {}", path.display()))?.path(), files)?;
    }
    Ok(())
}

/// Words that are paths from the root of the repository. Patterns are left out.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let outside = |c: char| !(c.is_ascii_alphanumeric() || "_-./*".contains(c));
    let words = text.split(outside).filter(|word| FOLDERS.iter().any(|folder| word.starts_with(folder)));
    words.filter(|word| !word.contains('*')).map(|word| word.trim_end_matches('.'))
}

/// Targets of Markdown links, relative to their file. Other sites and places in the same file are left out.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    targets.filter(|target| !target.is_empty() && !target.contains("://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_from_the_root_are_found_in_text() {
        let text = "See `docs/a.md`, tests/golden. And https://example.com/docs/b.md, tests/x/*.yaml;\n\
                    kubectl apply -k deploy/base/ -f=examples/c.yaml";
        assert_eq!(words(text).collect::<Vec<_>>(), ["docs/a.md", "tests/golden", "deploy/base/", "examples/c.yaml"]);
    }

    #[test]
    fn links_are_found_in_markdown() {
        let text = "[a](a.md) and [b](../b/c.md#part), not [this](#part) nor [that](https://example.com/x)";
        assert_eq!(links(text).collect::<Vec<_>>(), ["a.md", "../b/c.md"]);
    }
}
