//! The operator that is measured: started, stopped, paused, killed, and asked for what it serves.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use testbed::{ControlPlane, FaultProxy};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};

use super::{
    proc::{self, Memory},
    soak::account::Told,
};
use crate::operator::{Operator, free_address};

/// Its name in the Lease; always the same, so that a new process goes on where an old one was killed.
const IDENTITY: &str = "bench";
/// How long it may take to lead.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long it may take to answer.
const ANSWER: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(5);
/// Memory is taken for settled when it has not grown for so long.
const SETTLED: Duration = Duration::from_secs(1);

/// A running operator.
pub(super) struct Subject {
    operator: Operator,
    address: SocketAddr,
    started: Instant,
}

/// Seconds since the start of the process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    pub(super) ready: f64,
    pub(super) leads: f64,
}

impl Subject {
    /// Starts it, and waits until it is ready and leads.
    pub(super) async fn start(cluster: &ControlPlane) -> Result<(Self, Start)> {
        let address = free_address()?;
        Self::begin(Operator::start(cluster, IDENTITY, address).await?, address).await
    }

    /// The same through a proxy.
    pub(super) async fn start_behind(cluster: &ControlPlane, proxy: &FaultProxy) -> Result<Self> {
        let address = free_address()?;
        let operator = Operator::start_behind(cluster, proxy, IDENTITY, address).await?;
        Ok(Self::begin(operator, address).await?.0)
    }

    async fn begin(operator: Operator, address: SocketAddr) -> Result<(Self, Start)> {
        let mut subject = Subject { operator, address, started: Instant::now() };
        let start = subject.wait().await;
        let start = start.map_err(|error| subject.operator.explain(&error))?;
        Ok((subject, start))
    }

    async fn wait(&mut self) -> Result<Start> {
        let (mut ready, mut leads) = (None, None);
        while self.started.elapsed() < PATIENCE {
            // It refuses connections until it listens.
            if ready.is_none() && self.get("/readyz").await.is_ok_and(|(code, _)| code == 200) {
                ready = Some(self.started.elapsed().as_secs_f64());
            }
            if leads.is_none() && self.metric("pcizone_leading").await.is_ok_and(|value| value > 0.5) {
                leads = Some(self.started.elapsed().as_secs_f64());
            }
            if let (Some(ready), Some(leads)) = (ready, leads) {
                return Ok(Start { ready, leads });
            }
            tokio::select! {
                () = sleep(PAUSE) => {}
                ended = self.operator.ended() => return Err(ended),
            }
        }
        bail!("the operator was not ready and leading within {} s", PATIENCE.as_secs())
    }

    pub(super) fn id(&self) -> u32 {
        self.operator.process.id()
    }

    pub(super) fn memory(&self) -> Result<Memory> {
        proc::memory(self.id())
    }

    /// Memory once it stands still, or what it is after some seconds.
    pub(super) async fn settled_memory(&self) -> Result<Memory> {
        let mut last = self.memory()?;
        for _ in 0..10 {
            sleep(SETTLED).await;
            let now = self.memory()?;
            if now.resident <= last.resident {
                return Ok(now);
            }
            last = now;
        }
        Ok(last)
    }

    /// Ends it in an orderly way, and says how much memory it had at most.
    pub(super) async fn stop(mut self) -> Result<Memory> {
        let memory = self.memory()?;
        self.operator.stop().await.map_err(|error| self.operator.explain(&error))?;
        Ok(memory)
    }

    /// Kills it as a crash would.
    pub(super) fn kill(mut self) -> Result<Memory> {
        let memory = self.memory()?;
        self.operator.process.kill()?;
        Ok(memory)
    }

    pub(super) fn pause(&mut self) -> Result<()> {
        self.operator.process.pause()
    }

    pub(super) fn resume(&mut self) -> Result<()> {
        self.operator.process.resume()
    }

    /// The sum of the series of this name.
    pub(super) async fn metric(&self, name: &str) -> Result<f64> {
        let (_, text) = self.get("/metrics").await?;
        Ok(sum(&text, name))
    }

    /// What it counted so far.
    pub(super) async fn told(&self) -> Result<Told> {
        let (_, text) = self.get("/metrics").await?;
        Ok(Told { writes: sum(&text, "pcizone_writes_total"), incidents: sum(&text, "pcizone_incidents_total") })
    }

    /// The end of its log.
    pub(super) fn log_tail(&self) -> String {
        self.operator.process.log_tail()
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    async fn get(&self, path: &str) -> Result<(u16, String)> {
        get(self.address, path).await
    }
}

/// Judgements so far and their seconds.
pub(super) async fn judgements(address: SocketAddr) -> Result<(f64, f64)> {
    let (_, text) = get(address, "/metrics").await?;
    Ok((sum(&text, "pcizone_judgement_seconds_count"), sum(&text, "pcizone_judgement_seconds_sum")))
}

/// Status code and body of a page.
async fn get(address: SocketAddr, path: &str) -> Result<(u16, String)> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: operator\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = timeout(ANSWER, exchange).await.with_context(|| format!("the operator did not answer {path}"))??;
    let (head, body) = answer.split_once("\r\n\r\n").with_context(|| format!("no whole answer to {path}"))?;
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).context("no status code")?;
    Ok((code, body.to_string()))
}

fn sum(text: &str, name: &str) -> f64 {
    let series = text.lines().filter(|line| line.split([' ', '{']).next() == Some(name));
    series.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::sum;

    #[test]
    fn only_series_of_that_very_name_are_summed() {
        let text = "# TYPE a counter\na{x=\"1\"} 2\na{x=\"2\"} 3\na_total 7\nab 9\n";
        assert!((sum(text, "a") - 5.0).abs() < 1e-9);
        assert!((sum(text, "a_total") - 7.0).abs() < 1e-9);
        assert!(sum(text, "missing").abs() < 1e-9);
    }
}
