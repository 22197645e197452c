//! A program that is started, waited for, ended, and started again with the same data.
//! It knows nothing of what the program does.

use std::{process::ExitStatus, time::Duration};

use anyhow::{Context as _, Result, anyhow, bail};
use tokio::time::{sleep, timeout};

use crate::process::{Process, Program};

/// How long one question of a readiness check may take.
const PROBE_LIMIT: Duration = Duration::from_secs(5);
const PROBE_PAUSE: Duration = Duration::from_millis(50);

pub(super) struct Daemon {
    program: Program,
    process: Option<Process>,
}

impl Daemon {
    pub(super) fn new(program: Program) -> Self {
        Self { program, process: None }
    }

    /// Starts the program and polls until the probe succeeds; fails when time is up or the program ends.
    pub(super) async fn start<P>(&mut self, limit: Duration, probe: impl Fn() -> P) -> Result<()>
    where
        P: Future<Output = Result<()>>,
    {
        let name = &self.program.name;
        if self.process.is_some() {
            bail!("{name} is running already");
        }
        let process = self.process.insert(self.program.start()?);
        let mut last = anyhow!("it was never asked");
        let poll = async {
            loop {
                process.check()?;
                match timeout(PROBE_LIMIT, probe()).await {
                    Ok(Ok(())) => return anyhow::Ok(()),
                    Ok(Err(error)) => last = error,
                    Err(_) => last = anyhow!("no answer within {PROBE_LIMIT:?}"),
                }
                sleep(PROBE_PAUSE).await;
            }
        };
        let result = match timeout(limit, poll).await {
            Ok(result) => result.with_context(|| format!("{name} did not start")),
            Err(_) => Err(last.context(format!("{name} was not ready within {limit:?}\n{}", process.log_tail()))),
        };
        if result.is_err() {
            // Dropped, so that it can be tried again.
            self.process = None;
        }
        result
    }

    /// Asks the program to end. One that has not ended within `grace` is killed, and that is an error.
    pub(super) async fn stop(&mut self, grace: Duration) -> Result<ExitStatus> {
        let mut process = self.take()?;
        let status = process.stop(grace).await?;
        if std::os::unix::process::ExitStatusExt::signal(&status) == Some(rustix::process::Signal::KILL.as_raw()) {
            bail!("{} did not end within {grace:?} and was killed\n{}", self.program.name, process.log_tail());
        }
        Ok(status)
    }

    /// Kills the program at once, as a crash would.
    pub(super) fn kill(&mut self) -> Result<()> {
        self.take()?.kill().map(drop)
    }

    pub(super) fn process(&mut self) -> Result<&mut Process> {
        self.process.as_mut().with_context(|| format!("{} is not running", self.program.name))
    }

    pub(super) fn program(&self) -> &Program {
        &self.program
    }

    fn take(&mut self) -> Result<Process> {
        self.process.take().with_context(|| format!("{} is not running", self.program.name))
    }
}
