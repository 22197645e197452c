//! Everything CI runs, step by step, with the minutes that each step takes.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use testbed::{Assets, Binary};

struct Step {
    name: &'static str,
    program: &'static str,
    args: &'static [&'static str],
    folder: &'static str,
    env: &'static [(&'static str, &'static str)],
}

const fn cargo(name: &'static str, args: &'static [&'static str]) -> Step {
    Step { name, program: "cargo", args, folder: ".", env: &[] }
}

/// Warnings are errors in all of them.
const LINTS: &[Step] = &[
    cargo("format", &["fmt", "--all", "--check"]),
    cargo(
        "lints, API and engine alone",
        &["clippy", "--no-default-features", "--all-targets", "--", "--deny", "warnings"],
    ),
    cargo("lints, everything", &["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]),
];

const TESTS: &[Step] = &[
    cargo("tests", &["test", "--workspace"]),
    Step {
        env: &[("PROPTEST_CASES", "100000")],
        ..cargo(
            "a hundred thousand clusters",
            &[
                "test",
                "--profile",
                "interleave",
                "--no-default-features",
                "--test",
                "reach",
                "the_engine_agrees_with_the_oracle",
            ],
        )
    },
    cargo(
        "schemas of what pipelines take",
        &["test", "--no-default-features", "--test", "cli", "the_schemas_of_those_who_read_it", "--", "--ignored"],
    ),
    // By the package, so that cargo builds the engine alone; without optimisation it would take an hour.
    Step {
        env: &[("PCIZONE_RUNS", "1000000")],
        ..cargo("a million interleavings", &["test", "--profile", "interleave", "--package", "interleave"])
    },
    // -count=1: Go would repeat an old result, since it does not see that files outside the module changed.
    Step {
        name: "GitOps tools",
        program: "go",
        args: &["test", "-count=1", "./..."],
        folder: "tests/gitops",
        env: &[],
    },
    Step {
        name: "published schemas",
        program: "go",
        args: &["test", "-count=1", "./..."],
        folder: "tests/schemas",
        env: &[],
    },
];

/// Not advisories: a new one must not fail a change that has nothing to do with it.
const DENY: Step =
    cargo("banned crates, licences, sources", &["deny", "--workspace", "check", "bans", "licenses", "sources"]);

/// Crates that the API and the engine must do without.
const BEHIND_THE_WALL: [&str; 3] = ["kube-client", "kube-runtime", "tokio"];

pub(crate) fn run() -> anyhow::Result<()> {
    let mut times = Vec::new();
    let mut timed = |name: &str, step: &dyn Fn() -> anyhow::Result<()>| {
        println!("\n── {name}");
        let started = Instant::now();
        let result = step();
        times.push((name.to_string(), started.elapsed()));
        if result.is_err() {
            report(&times);
        }
        result
    };
    timed("paths in documents", &crate::paths::check)?;
    timed("the wall", &wall)?;
    timed(DENY.name, &deny)?;
    timed("test cluster and stores", &cluster)?;
    // Cheap steps first.
    for step in LINTS {
        timed(step.name, &|| step.run())?;
    }
    timed("build context of the image", &crate::image::check)?;
    timed("pages in a browser", &crate::pages::test)?;
    for step in TESTS {
        timed(step.name, &|| step.run())?;
    }
    report(&times);
    println!("everything passed");
    Ok(())
}

fn report(times: &[(String, Duration)]) {
    println!("\nMinutes of each step");
    for (name, time) in times {
        println!("  {:>6.1}  {name}", time.as_secs_f64() / 60.0);
    }
    let total: Duration = times.iter().map(|(_, time)| *time).sum();
    println!("  {:>6.1}  in all", total.as_secs_f64() / 60.0);
}

impl Step {
    fn run(&self) -> anyhow::Result<()> {
        let folder = crate::root().join(self.folder);
        let mut command = Command::new(self.program);
        command.args(self.args).current_dir(folder).envs(self.env.iter().copied());
        let status = command.status();
        let status = status.with_context(|| format!("cannot run {}; is it installed?", self.program))?;
        if !status.success() {
            bail!("{} failed: {} {}", self.name, self.program, self.args.join(" "));
        }
        Ok(())
    }
}

/// Builds the programs of the test cluster and the stores of logs, so that no test has to.
fn cluster() -> anyhow::Result<()> {
    let all = [
        Binary::Etcd,
        Binary::KubeApiserver,
        Binary::KubeApiserver135,
        Binary::Kubectl,
        Binary::KubeControllerManager,
        Binary::KubeScheduler,
    ];
    Assets::get(&all)?;
    testbed::get_node_assets()?;
    testbed::get_store_assets()
}

/// Without the feature `operator` nothing may talk to a cluster.
fn wall() -> anyhow::Result<()> {
    let args = ["tree", "--package", "pcizone", "--no-default-features", "--edges", "normal", "--prefix", "none"];
    let output =
        Command::new("cargo").args(args).current_dir(crate::root()).output().context("cannot run cargo tree")?;
    if !output.status.success() {
        bail!("cargo tree failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let tree = String::from_utf8_lossy(&output.stdout);
    let names = tree.lines().filter_map(|line| line.split_whitespace().next());
    let climbed: Vec<&str> = names.filter(|name| BEHIND_THE_WALL.contains(name)).collect();
    if !climbed.is_empty() {
        bail!("the API and the engine must build without {}", climbed.join(", "));
    }
    println!("none of {} below the API and the engine", BEHIND_THE_WALL.join(", "));
    Ok(())
}

/// Runs cargo-deny where it is installed.
fn deny() -> anyhow::Result<()> {
    let installed =
        Command::new("cargo").args(["deny", "--version"]).output().is_ok_and(|output| output.status.success());
    if !installed {
        println!("skipped: cargo-deny is not installed");
        return Ok(());
    }
    DENY.run()
}
