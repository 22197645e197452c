//! What can go wrong between us and the cluster, in words that name the act and the object.

use std::time::Duration;

/// However long the API server asks to wait, it is asked again after this: it may be another one by then.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A failed act.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused or did not answer properly.
    #[error("cannot {act} {object}")]
    Api {
        /// What was to be done.
        act: &'static str,
        /// On which object.
        object: String,
        /// How long the API server asked to wait, in the header of its answer.
        wait: Option<Duration>,
        /// Why not.
        #[source]
        source: Box<kube::Error>,
    },
    /// The API server did not answer in time; whether the write happened is not known.
    #[error("cannot {act} {object}: no answer within {} s", limit.as_secs())]
    Timeout {
        /// What was to be done.
        act: &'static str,
        /// On which object.
        object: String,
        /// How long was waited.
        limit: Duration,
    },
    /// Another replica leads, or this one cannot renew its lease.
    #[error("this replica does not lead; nothing was written")]
    NotLeading,
    /// The object kept changing under us.
    #[error("cannot {act} {object}: it changed {tries} times meanwhile; trying again later")]
    Contended {
        /// What was to be done.
        act: &'static str,
        /// On which object.
        object: String,
        /// How often it was tried.
        tries: u32,
    },
    /// Leader election could not be set up.
    #[error("cannot set up leader election with Lease {namespace}/{name}")]
    Lease {
        /// Namespace of the Lease.
        namespace: String,
        /// Name of the Lease.
        name: String,
        /// Why not.
        #[source]
        source: Box<kube_lease_manager::LeaseManagerError>,
    },
    /// The client could not be set up.
    #[error("cannot set up the client for the API server")]
    Client(#[source] Box<kube::Error>),
    /// The HTTP server ended.
    #[error("cannot serve metrics and health")]
    Serve(#[source] std::io::Error),
    /// A certificate of the webhook cannot be made or used.
    #[error("cannot use a certificate for the webhook: {0}")]
    Certificate(String),
    /// A part of the operator ended although it should run for ever.
    #[error("{0} ended unexpectedly")]
    Ended(&'static str),
}

impl Error {
    /// A stable word for metrics.
    pub fn category(&self) -> &'static str {
        match self {
            Error::Api { source, .. } => match source.as_ref() {
                kube::Error::Api(status) if status.is_forbidden() => "forbidden",
                kube::Error::Api(status) if status.is_conflict() => "conflict",
                kube::Error::Api(_) => "refused",
                _ => "unreachable",
            },
            Error::Timeout { .. } => "timeout",
            Error::NotLeading => "not_leading",
            Error::Contended { .. } => "contended",
            Error::Lease { .. } => "lease",
            Error::Client(_) => "client",
            Error::Serve(_) => "serve",
            Error::Certificate(_) => "certificate",
            Error::Ended(_) => "ended",
        }
    }

    /// The API server answered, and the answer was no: trying again soon helps nothing.
    pub fn is_refusal(&self) -> bool {
        match self {
            Error::Api { source, .. } => {
                matches!(source.as_ref(), kube::Error::Api(status)
                    if (400..500).contains(&status.code) && status.code != 429 && !status.is_conflict())
            }
            Error::Timeout { .. }
            | Error::NotLeading
            | Error::Contended { .. }
            | Error::Lease { .. }
            | Error::Client(_)
            | Error::Serve(_)
            | Error::Certificate(_)
            | Error::Ended(_) => false,
        }
    }

    /// The API server answered, whatever it said.
    pub fn is_answer(&self) -> bool {
        matches!(self, Error::Api { source, .. } if matches!(source.as_ref(), kube::Error::Api(_)))
    }

    /// The API server may have done it all the same: its answer is what is missing.
    pub fn may_have_happened(&self) -> bool {
        match self {
            Error::Timeout { .. } => true,
            // A server that gave up may have been waiting for its store, or a load balancer for the server.
            Error::Api { source, .. } => !matches!(source.as_ref(), kube::Error::Api(status) if status.code < 500),
            Error::NotLeading
            | Error::Contended { .. }
            | Error::Lease { .. }
            | Error::Client(_)
            | Error::Serve(_)
            | Error::Certificate(_)
            | Error::Ended(_) => false,
        }
    }

    /// Writes to other objects may well work.
    pub fn is_about_one_object(&self) -> bool {
        self.is_refusal() || matches!(self, Error::Contended { .. })
    }

    /// How long the API server asked to wait, [`LONGEST_WAIT`] at most.
    pub fn retry_after(&self) -> Option<Duration> {
        let Error::Api { source, wait, .. } = self else { return None };
        let kube::Error::Api(status) = source.as_ref() else { return None };
        let details = status.details.as_ref().map(|details| details.retry_after_seconds).filter(|seconds| *seconds > 0);
        let wait = wait.or(details.map(|seconds| Duration::from_secs(u64::from(seconds))));
        wait.map(|wait| wait.min(LONGEST_WAIT))
    }

    /// The error and its causes in one line.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }
}
