//! CPU time of the programs between two moments.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testbed::{Binary, ControlPlane};

use super::proc;

/// CPU seconds of each program.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cpu {
    pub(super) operator: f64,
    pub(super) apiserver: f64,
    pub(super) etcd: f64,
}

impl Cpu {
    /// What was used so far. Without an operator nothing is counted for it.
    pub(super) fn now(cluster: &ControlPlane, operator: Option<u32>) -> Result<Self> {
        let pids = cluster.pids();
        let used = |program: Binary| {
            let (_, pid) = pids
                .iter()
                .find(|(binary, _)| *binary == program)
                .with_context(|| format!("{program} does not run"))?;
            proc::cpu_seconds(*pid)
        };
        Ok(Cpu {
            operator: operator.map_or(Ok(0.0), proc::cpu_seconds)?,
            apiserver: used(Binary::KubeApiserver)?,
            etcd: used(Binary::Etcd)?,
        })
    }

    /// What was used since then.
    pub(super) fn since(self, before: Self) -> Self {
        Cpu {
            operator: self.operator - before.operator,
            apiserver: self.apiserver - before.apiserver,
            etcd: self.etcd - before.etcd,
        }
    }

    /// Both together.
    pub(super) fn and(self, other: Self) -> Self {
        Cpu {
            operator: self.operator + other.operator,
            apiserver: self.apiserver + other.apiserver,
            etcd: self.etcd + other.etcd,
        }
    }

    pub(super) fn json(self) -> Value {
        let round = |seconds: f64| (seconds * 100.0).round() / 100.0;
        json!({ "operator": round(self.operator), "apiserver": round(self.apiserver), "etcd": round(self.etcd) })
    }
}
