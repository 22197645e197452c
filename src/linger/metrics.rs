//! How much the forwarder has read and sent, as it tells it on the loopback of the pod, in the text form of Prometheus.

use std::{net::IpAddr, str::FromStr, time::Duration};

use tokio::time::Instant;

use crate::{
    engine::retention::Answer,
    sinks::{Address, Client},
};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where it tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(Address);

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address: Address = text.parse()?;
        // No name: nothing of the pod's end is to wait for DNS.
        let is_own = address.host().parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if address.is_tls() || !is_own {
            return Err("metrics are asked for in the own pod, as http://127.0.0.1:24231/metrics".to_string());
        }
        Ok(Endpoint(address))
    }
}

/// The two counters.
pub(super) struct Counters {
    pub(super) endpoint: Endpoint,
    pub(super) read: String,
    pub(super) sent: String,
    /// Each line is counted as sent so often.
    pub(super) stores: u64,
}

/// What they were at one moment, in lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) read: u64,
    pub(super) sent: u64,
}

impl Counters {
    /// Asks for both.
    pub(super) async fn ask(&self) -> Result<Count, String> {
        let text = self.text().await?;
        let of = |name: &str| counter(&text, name).ok_or_else(|| format!("it has no counter {name}"));
        // Nothing sent yet is mostly no counter yet.
        Ok(Count { read: of(&self.read)?, sent: of(&self.sent).unwrap_or_default() / self.stores.max(1) })
    }

    /// Whether it answers at all.
    pub(super) async fn answers(&self) -> Result<(), String> {
        self.text().await.map(drop)
    }

    async fn text(&self) -> Result<String, String> {
        let client = Client::new(self.endpoint.0.clone(), None, None);
        match client.get("", Instant::now() + PATIENCE).await {
            Ok(Answer::Body { status: 200, text }) => Ok(text),
            Ok(Answer::Body { status, .. }) => Err(format!("it answers {status}")),
            Ok(Answer::Silent(why)) => Err(why),
            Err(failure) => Err(failure.to_string()),
        }
    }
}

/// The sum of all series of a counter.
fn counter(text: &str, name: &str) -> Option<u64> {
    let values = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let rest = match rest.strip_prefix('{') {
            Some(labels) => labels.rsplit_once('}')?.1,
            None => rest,
        };
        let value = rest.strip_prefix(' ')?.split_whitespace().next()?;
        value.parse::<f64>().ok().filter(|value| *value >= 0.0 && *value <= 9e15)
    });
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked, and counters are whole")]
    values.map(|value| value as u64).reduce(u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_the_sum_of_its_series_and_of_nothing_with_a_like_name() {
        let text = "# HELP lines_total Lines.\n# TYPE lines_total counter\nlines_total{name=\"tail.0\"} 12 1795000000000\n\
                    lines_total{name=\"a } 9\"} 3e1\nlines_total_more 99\nlines 7\nbroken_total x\n";
        assert_eq!(counter(text, "lines_total"), Some(42));
        assert_eq!(counter(text, "lines"), Some(7));
        for none in ["line", "broken_total", "other", "# HELP"] {
            assert_eq!(counter(text, none), None, "{none}");
        }
    }

    #[test]
    fn metrics_are_asked_for_in_the_own_pod_alone() {
        for good in ["http://127.0.0.1:2020/api/v2/metrics/prometheus", "http://[::1]:8888"] {
            assert!(good.parse::<Endpoint>().is_ok(), "{good}");
        }
        for wrong in ["", "127.0.0.1:1", "https://127.0.0.1:1/", "http://10.0.0.1:1/", "http://localhost:1/"] {
            assert!(wrong.parse::<Endpoint>().is_err(), "{wrong}");
        }
    }
}
