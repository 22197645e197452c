//! The build of the container image, as far as it can be tried without a container engine: whether the files that
//! `.dockerignore` lets through are enough for the Dockerfile.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail, ensure};

/// What `.dockerignore` says. Only the forms that ours uses are known; others are an error, not a guess.
#[derive(Debug, PartialEq, Eq)]
struct Ignore<'a> {
    /// Files and folders that are let through.
    through: Vec<&'a str>,
    /// Names that are left out wherever they are.
    nowhere: Vec<&'a str>,
}

/// Copies the build context and has it checked with the arguments that the Dockerfile builds it with.
pub(crate) fn check() -> anyhow::Result<()> {
    let root = crate::root();
    let read = |name: &str| fs::read_to_string(root.join(name)).with_context(|| format!("cannot read {name}"));
    let (ignore, dockerfile) = (read(".dockerignore")?, read("Dockerfile")?);
    let ignore = Ignore::parse(&ignore)?;

    // Always the same folder: cargo keeps what it compiled for each folder that it ever saw.
    let target = crate::target()?;
    let context = target.join("image-context");
    if context.exists() {
        fs::remove_dir_all(&context).with_context(|| format!("cannot empty {}", context.display()))?;
    }
    for name in &ignore.through {
        copy(&root.join(name), &context.join(name), &ignore.nowhere)
            .with_context(|| format!("cannot copy {name}, which .dockerignore lets through"))?;
    }
    for source in copied(&dockerfile) {
        ensure!(context.join(source).exists(), "the Dockerfile copies {source}, but .dockerignore leaves it out");
    }

    let args = check_args(&dockerfile).context("the Dockerfile has no line that begins with RUN cargo build")?;
    println!("cargo {} in {}", args.join(" "), context.display());
    let status = Command::new("cargo").args(&args).current_dir(&context).env("CARGO_TARGET_DIR", target).status();
    if !status.context("cannot run cargo")?.success() {
        bail!("the image cannot be built from what .dockerignore lets through");
    }
    Ok(())
}

impl<'a> Ignore<'a> {
    fn parse(text: &'a str) -> anyhow::Result<Self> {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        ensure!(lines.next() == Some("*"), ".dockerignore has to leave out everything first, with the line *");
        let mut ignore = Ignore { through: Vec::new(), nowhere: Vec::new() };
        for line in lines {
            let (list, name) = match (line.strip_prefix('!'), line.strip_prefix("**/")) {
                (Some(path), _) => (&mut ignore.through, path),
                (None, Some(name)) if !name.contains('/') => (&mut ignore.nowhere, name),
                _ => bail!("this check knows only !path and **/name in .dockerignore, not {line}"),
            };
            ensure!(!name.contains(['*', '?', '[']), "this check knows no patterns such as {line} in .dockerignore");
            list.push(name);
        }
        Ok(ignore)
    }
}

fn copy(from: &Path, to: &Path, nowhere: &[&str]) -> anyhow::Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
        for entry in fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))? {
            let name = entry.with_context(|| format!("cannot list {}", from.display()))?.file_name();
            if !nowhere.iter().any(|left_out| name == *left_out) {
                copy(&from.join(&name), &to.join(&name), nowhere)?;
            }
        }
        return Ok(());
    }
    let folder = to.parent().map_or_else(PathBuf::new, Path::to_owned);
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    fs::copy(from, to).map(drop).with_context(|| format!("cannot copy {}", from.display()))
}

/// What the Dockerfile copies out of the context. Copies from other stages have an option, and are left out.
fn copied(dockerfile: &str) -> Vec<&str> {
    let mut sources = Vec::new();
    for line in dockerfile.lines() {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        if words.first() == Some(&"COPY") && !words.iter().any(|word| word.starts_with("--from=")) {
            words.pop();
            sources.extend(words.into_iter().skip(1).filter(|word| !word.starts_with("--")));
        }
    }
    sources
}

/// The arguments of the Dockerfile's `cargo build`, as a check without optimisation: it reads the same manifests and
/// sources, and shares what the other steps compiled.
fn check_args(dockerfile: &str) -> Option<Vec<&str>> {
    let build = dockerfile.lines().find_map(|line| line.strip_prefix("RUN cargo build"))?;
    let args = build.split_whitespace().take_while(|word| *word != "&&").filter(|word| *word != "--release");
    Some(std::iter::once("check").chain(args).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ignore_file_is_read_or_refused() {
        let ignore = Ignore::parse("# why\n*\n!Cargo.toml\n!tests/testbed\n\n**/target\n").unwrap();
        assert_eq!(ignore, Ignore { through: vec!["Cargo.toml", "tests/testbed"], nowhere: vec!["target"] });
        for unknown in ["!src\n", "*\nsrc\n", "*\n!src/*.rs\n", "*\n**/a/b\n"] {
            assert!(Ignore::parse(unknown).is_err(), "{unknown:?}");
        }
    }

    #[test]
    fn the_dockerfile_is_read() {
        let text = "COPY . .\nCOPY --chmod=600 a b c/\nCOPY --from=build /x /x\n\
                    RUN cargo build --release --locked --bin pcizone && true\n";
        assert_eq!(copied(text), [".", "a", "b"]);
        assert_eq!(check_args(text).unwrap(), ["check", "--locked", "--bin", "pcizone"]);
        assert_eq!(check_args("RUN true\n"), None);
    }
}
