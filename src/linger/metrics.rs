//! How much the forwarder has read and sent, as it tells it on the loopback of the pod, in the text form of Prometheus.

use std::{net::SocketAddr, str::FromStr, time::Duration};

use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// Bytes of an answer.
const MOST_BYTES: usize = 1024 * 1024;

/// Where it tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    address: SocketAddr,
    path: String,
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || "metrics are asked for in the own pod, as http://127.0.0.1:2020/metrics".to_string();
        let uri: Uri = text.parse().map_err(|_| form())?;
        let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http")).ok_or_else(form)?;
        let address: SocketAddr = authority.as_str().parse().map_err(|_| form())?;
        if !address.ip().is_loopback() {
            return Err(form());
        }
        Ok(Endpoint { address, path: uri.path_and_query().map_or("/", |path| path.as_str()).to_string() })
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
        let text =
            timeout(PATIENCE, self.text()).await.map_err(|_| format!("no answer in {} s", PATIENCE.as_secs()))??;
        let of = |name: &str| counter(&text, name).ok_or_else(|| format!("it has no counter {name}"));
        // Nothing sent yet is mostly no counter yet.
        Ok(Count { read: of(&self.read)?, sent: of(&self.sent).unwrap_or_default() / self.stores.max(1) })
    }

    async fn text(&self) -> Result<String, String> {
        let words = |error: &dyn std::error::Error| error.to_string();
        let stream = TcpStream::connect(self.endpoint.address).await.map_err(|error| words(&error))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| words(&error))?;
        let request = Request::get(&self.endpoint.path)
            .header(http::header::HOST, self.endpoint.address.to_string())
            .body(Empty::<bytes::Bytes>::new())
            .map_err(|error| words(&error))?;
        let ask = async {
            let answer = sender.send_request(request).await.map_err(|error| words(&error))?;
            if answer.status() != StatusCode::OK {
                return Err(format!("it answers {}", answer.status()));
            }
            let body =
                Limited::new(answer.into_body(), MOST_BYTES).collect().await.map_err(|error| error.to_string())?;
            Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
        };
        // The connection drives the exchange, and may be over while some of the answer still lies here.
        tokio::pin!(ask);
        tokio::select! {
            answer = &mut ask => answer,
            _ = connection => ask.await,
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
        let good: Endpoint = "http://127.0.0.1:2020/api/v2/metrics/prometheus?x=1".parse().unwrap();
        assert_eq!(good.path, "/api/v2/metrics/prometheus?x=1");
        assert!("http://[::1]:8888".parse::<Endpoint>().is_ok_and(|endpoint| endpoint.path == "/"));
        for wrong in [
            "",
            "127.0.0.1:1",
            "https://127.0.0.1:1/",
            "http://10.0.0.1:1/",
            "http://localhost:1/",
            "http://127.0.0.1/",
        ] {
            assert!(wrong.parse::<Endpoint>().is_err(), "{wrong}");
        }
    }
}
