//! `pcizone diff` on the changes of `examples/changes/`, word by word, and on revisions of a git repository.
//!
//! `PCIZONE_BLESS=1 cargo test --no-default-features --test changes` writes what it says now.

#![expect(clippy::expect_used, reason = "a test ends where something is not as expected")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;

const NOW: &str = "2026-11-24T08:00:00Z";

fn diff(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pcizone"));
    command.current_dir(folder).arg("diff").args(["--quiet", "--now", NOW]).args(args).output().expect("it runs")
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("it is UTF-8")
}

fn changes() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/changes");
    let entries = fs::read_dir(root).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut changes: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    changes.sort();
    changes
}

#[test]
fn every_change_is_told_in_the_right_words() {
    let bless = std::env::var_os("PCIZONE_BLESS").is_some();
    let changes = changes();
    assert!(changes.len() >= 12, "only {} changes", changes.len());
    let mut wrong = Vec::new();
    for change in changes {
        let output = diff(&change, &["base.yaml", "head.yaml"]);
        let said = format!("{}\nexit code {}\n", said(&output), output.status.code().expect("it ends by itself"));
        let path = change.join("diff.txt");
        if bless {
            fs::write(&path, &said).expect("it is written");
        } else if fs::read_to_string(&path).unwrap_or_default() != said {
            wrong.push(format!("{} says:\n{said}", change.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_form_tells_the_same_and_the_way_back_closes_what_the_way_there_opens() {
    for change in changes() {
        let of = |args: &[&str]| -> Value { serde_json::from_str(&said(&diff(&change, args))).expect("JSON") };
        let there = of(&["base.yaml", "head.yaml", "-o", "json"]);
        let back = of(&["head.yaml", "base.yaml", "-o", "json"]);
        let count = |report: &Value, key: &str| report[key].as_array().expect("a list").len();
        for (one, other) in [("doorsOpened", "doorsClosed"), ("doorsClosed", "doorsOpened")] {
            assert_eq!(count(&there, one), count(&back, other), "{}: {one}", change.display());
        }
        for (one, other) in [("opens", "closes"), ("closes", "opens")] {
            assert_eq!(count(&there, one) == 0, count(&back, other) == 0, "{}: {one}", change.display());
        }
        let keys = ["opens", "closes", "doorsOpened", "doorsClosed", "declared", "raised", "settled", "unread"];
        let all: usize = keys.iter().map(|key| count(&there, key)).sum();
        let lines = |form: &str, marks: &[&str]| {
            let text = said(&diff(&change, &["base.yaml", "head.yaml", "-o", form]));
            text.lines().filter(|line| marks.iter().any(|mark| line.starts_with(mark))).count()
        };
        assert_eq!(lines("table", &["- ", "! "]), all, "{}", change.display());
        assert_eq!(lines("markdown", &["- "]), all, "{}", change.display());
        let same = diff(&change, &["head.yaml", "head.yaml"]);
        assert!(said(&same).contains("Nothing opens, nothing closes."), "{}", said(&same));
        assert_eq!(same.status.code(), Some(0));
    }
}

fn git(folder: &Path, args: &[&str]) {
    let about = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"];
    let output = Command::new("git").current_dir(folder).args(about).args(args).output().expect("git");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A repository with the one-dash change as its second commit.
fn repository() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let git = |args: &[&str]| git(folder.path(), args);
    let change = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/changes/one-dash");
    git(&["init", "--quiet"]);
    fs::create_dir(folder.path().join("prod")).expect("a folder");
    fs::write(folder.path().join("prod/README.md"), "no manifest").expect("it is written");
    fs::write(folder.path().join("prod/.hidden.yaml"), "neither").expect("it is written");
    for side in ["base", "head"] {
        fs::copy(change.join(side).with_extension("yaml"), folder.path().join("prod/shop.yaml")).expect("a copy");
        git(&["add", "--all"]);
        git(&["commit", "--quiet", "--message", side]);
    }
    folder
}

#[test]
fn revisions_of_git_are_compared_as_folders_are() {
    let folder = repository();
    let change = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/changes/one-dash");
    let lines = |output: &Output| said(output).lines().skip(1).map(str::to_string).collect::<Vec<_>>();
    let wanted = lines(&diff(&change, &["base.yaml", "head.yaml"]));
    for args in [
        &["HEAD~1", "HEAD", "-f", "prod"][..],
        &["HEAD~1", "-f", "prod"],
        &["HEAD~1:prod", "HEAD:prod"],
        &["HEAD~1:prod/shop.yaml", "prod"],
    ] {
        let output = diff(folder.path(), args);
        assert_eq!(lines(&output), wanted, "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(1), "{args:?}");
    }
    let whole = folder.path().join("prod").display().to_string();
    for (from, args) in [
        ("", &["HEAD~1", "HEAD", "-f", "./prod"][..]),
        ("", &["HEAD~1", "HEAD", "-f", "prod/"]),
        ("", &["HEAD~1", "HEAD", "-f", &whole]),
        ("", &["HEAD~1:", "HEAD:"]),
        ("prod", &["HEAD~1", "HEAD", "-f", "."]),
        ("prod", &["HEAD~1", "HEAD", "-f", "../prod/shop.yaml"]),
        ("prod", &["HEAD~1", "HEAD", "-f", ".."]),
        ("prod", &["HEAD~1:prod", "HEAD:./"]),
        ("prod", &["HEAD~1:./shop.yaml", "HEAD:prod/shop.yaml"]),
        ("prod", &["HEAD~1:../prod", "HEAD:"]),
    ] {
        let output = diff(&folder.path().join(from), args);
        assert_eq!(lines(&output), wanted, "{from} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_path_that_is_nowhere_is_told_and_one_that_is_new_or_gone_is_compared() {
    let folder = repository();
    git(folder.path(), &["rm", "--quiet", "-r", "prod"]);
    git(folder.path(), &["commit", "--quiet", "--message", "gone"]);
    for (args, code) in [
        (&["HEAD~1", "HEAD", "-f", "clusters/typo"][..], 2),
        (&["HEAD~2", "HEAD~1", "-f", "prod", "-f", "clusters/typo"], 2),
        (&["HEAD~1:clusters/typo", "HEAD:clusters/typo"], 2),
        (&["HEAD~2:prod", "HEAD~1:clusters/typo"], 2),
        (&["HEAD~2:clusters/typo", "HEAD~1:prod"], 2),
        (&["HEAD~1", "-f", "clusters/typo"], 2),
        (&["HEAD~1", "HEAD", "-f", "prod"], 0),
        (&["HEAD~1", "-f", "prod"], 0),
        (&["HEAD~1:prod", "HEAD:prod"], 0),
        (&["HEAD", "HEAD~1", "-f", "prod"], 1),
    ] {
        let output = diff(folder.path(), args);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {error}");
        assert_eq!(error.contains("there is no manifest at \"clusters/typo\""), code == 2, "{args:?}: {error}");
    }
}

/// What is not looked into could hold what opens everything.
#[test]
fn links_and_submodules_of_a_revision_are_refused() {
    for (link, to, looked_at, wanted) in [
        ("prod/more", Some("../other"), "prod", "prod/more is a link"),
        ("prod/more", Some("/etc"), "prod", "prod/more is a link"),
        ("prod/more", Some("../../outside"), "prod", "prod/more is a link"),
        ("prod/more.yaml", Some("shop.yaml"), "prod", "prod/more.yaml is a link"),
        ("link", Some("prod"), "link", "link is a link"),
        ("link", Some("other"), "link/x.yaml", "link is a link"),
        ("prod/text", Some("README.md"), "prod", ""),
        ("prod/dangling", Some("nowhere"), "prod", ""),
        ("prod/sub", None, "prod", "prod/sub is a submodule"),
        ("prod/sub", None, "prod/sub", "prod/sub is a submodule"),
        ("prod/sub", None, "prod/sub/x.yaml", "prod/sub is a submodule"),
        ("elsewhere", None, "prod", ""),
    ] {
        let folder = repository();
        let at = folder.path();
        fs::create_dir(at.join("other")).expect("a folder");
        fs::copy(at.join("prod/shop.yaml"), at.join("other/x.yaml")).expect("a copy");
        if let Some(to) = to {
            std::os::unix::fs::symlink(to, at.join(link)).expect("a link");
            git(at, &["add", "--all"]);
        } else {
            let head = Command::new("git").current_dir(at).args(["rev-parse", "HEAD"]).output().expect("git");
            let entry = format!("160000,{},{link}", said(&head).trim());
            git(at, &["update-index", "--add", "--cacheinfo", &entry]);
        }
        git(at, &["commit", "--quiet", "--message", "more"]);
        let output = diff(at, &["HEAD", "HEAD", "-f", looked_at]);
        let error = String::from_utf8_lossy(&output.stderr);
        let code = if wanted.is_empty() { 0 } else { 2 };
        assert_eq!(output.status.code(), Some(code), "{link} {to:?} {looked_at}: {error}");
        assert!(error.contains(wanted), "{link} {to:?} {looked_at}: {error}");
    }
}

#[test]
fn what_cannot_be_compared_is_said_and_opens_nothing() {
    let folder = repository();
    fs::write(folder.path().join("broken.yaml"), "kind: NetworkPolicy\n  a: b").expect("it is written");
    for (args, code, wanted) in [
        (&["nowhere", "HEAD", "-f", "prod"][..], 2, "\"nowhere\" is no revision of the git repository"),
        (&["--", "-x", "HEAD:prod"], 2, "\"-x\" is no file, no folder and not REVISION:PATH"),
        (&["HEAD:prod", "elsewhere"], 2, "\"elsewhere\" is no file, no folder and not REVISION:PATH"),
        (&["HEAD:prod", "broken.yaml"], 2, "broken.yaml:2"),
        (&["HEAD:prod", "-"], 2, "standard input is empty: did what writes it fail?"),
        (&["HEAD~1", "HEAD", "-f", ".."], 2, "lies outside of the git repository"),
        (&["HEAD~1:../x", "HEAD"], 2, "lies outside of the git repository"),
        (&["HEAD:prod"], 3, "give what to compare with"),
        (&["-", "-"], 3, "standard input can be one side only"),
        (&["HEAD", "-", "-f", "prod"], 3, "BASE and HEAD are revisions of git"),
    ] {
        let output = diff(folder.path(), args);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {error}");
        assert!(error.contains(wanted), "{args:?}: {error}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}
