//! Runs the real kubectl against a cluster, as one user.
//! It never reads the configuration of the person who runs the tests.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use tokio::{io::AsyncWriteExt as _, process::Command, time::timeout};

/// kubectl with a kubeconfig. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    home: PathBuf,
    limit: Duration,
}

impl Kubectl {
    /// kubectl with the kubeconfig of a cluster that another program holds. `home` is a folder for what it remembers.
    pub fn new(program: impl Into<PathBuf>, kubeconfig: impl Into<PathBuf>, home: impl Into<PathBuf>) -> Self {
        let (program, kubeconfig, home) = (program.into(), kubeconfig.into(), home.into());
        Self { program, kubeconfig, home, limit: Duration::from_secs(60) }
    }

    /// The same as another user.
    pub fn with_kubeconfig(mut self, kubeconfig: impl Into<PathBuf>) -> Self {
        self.kubeconfig = kubeconfig.into();
        self
    }

    /// The same with another bound on the duration of a command; a minute by default.
    pub fn with_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The kubectl program.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Runs a command and gives its stdout. A failure is an error that carries stderr.
    pub async fn run(&self, args: &[&str]) -> Result<String> {
        self.run_stdin(args, "").await
    }

    /// Runs a command that reads `input`, as in `apply -f -`.
    pub async fn run_stdin(&self, args: &[&str], input: &str) -> Result<String> {
        let shown = format!("kubectl {}", args.join(" "));
        let mut child = Command::new(&self.program)
            .args(args)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("KUBERC", "off")
            // For the discovery cache, which holds for one cluster.
            .env("HOME", &self.home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        let stdin = child.stdin.take();
        let feed = async {
            if let Some(mut stdin) = stdin {
                // kubectl closes its end when it needs no more input; its exit status tells whether that was well.
                let _ = stdin.write_all(input.as_bytes()).await;
            }
        };
        let finished = timeout(self.limit, async { tokio::join!(feed, child.wait_with_output()).1 });
        let output = finished
            .await
            .with_context(|| format!("`{shown}` did not end within {:?}", self.limit))?
            .with_context(|| format!("cannot wait for `{shown}`"))?;
        if !output.status.success() {
            bail!("`{shown}` failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim_end());
        }
        String::from_utf8(output.stdout).with_context(|| format!("the output of `{shown}` is not text"))
    }
}
