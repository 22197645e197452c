//! The mutating webhook of API servers whose own mutating policies are not sound: it places the zone's pods and keeps strangers
//! from its nodes, as the policies do elsewhere.
//!
//! ```text
//!  Secret pcizone-webhook ──▶ certificate ──▶ TLS listener ◀── API server (pods CREATE)
//!            ▲                                    │
//!   the replica that leads ──▶ MutatingWebhookConfiguration (its bundle of certificates)
//! ```
//! It is never in the way: the API server goes on without its answer, and what was to be added is proven by a validating policy.

mod answer;
mod certificates;
mod configuration;
mod tls;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures::{StreamExt, stream::select};
use k8s_openapi::{
    api::{admissionregistration::v1::MutatingWebhookConfiguration, core::v1::Secret},
    jiff::Timestamp,
};
use kube::{
    Api, Client,
    api::{DeleteParams, PostParams},
    runtime::{WatchStreamExt, watcher},
};
use tokio::{net::TcpListener, time::timeout};

use super::{error::Error, hub::Hub, leader::Gate};
use crate::api::names;
use certificates::{Certificates, Step};
use tls::{Served, TlsListener};

/// Name of the Secret, of the configuration and of the Service.
pub const NAME: &str = names::WEBHOOK;
/// How soon everything is looked at again although no event asks for it.
const SAFETY_NET: Duration = Duration::from_secs(60);
/// How soon it is tried again after a failure.
const AGAIN: Duration = Duration::from_secs(2);
const CALL: Duration = Duration::from_secs(10);

/// How the API server reaches the webhook.
#[derive(Clone, Debug)]
pub enum Address {
    /// By a Service of this name space, port 443.
    Service {
        /// The operator's namespace.
        namespace: String,
    },
    /// By a URL, where the API server reaches no Services.
    Url(String),
}

impl Address {
    /// The names for which the certificate is made.
    fn names(&self) -> Vec<String> {
        match self {
            Address::Service { namespace } => vec![format!("{NAME}.{namespace}.svc")],
            Address::Url(url) => {
                let host = url.split("://").last().unwrap_or_default();
                let host = host.split(['/', ':']).next().unwrap_or_default();
                vec![host.to_string()]
            }
        }
    }
}

/// Everything that the webhook needs.
pub struct Webhook {
    /// How the API server is reached.
    pub client: Client,
    /// The operator's namespace, in which the Secret is.
    pub namespace: String,
    /// What is known of the cluster.
    pub hub: Arc<Hub>,
    /// Whether this replica writes.
    pub gate: Gate,
    /// How the API server reaches us.
    pub address: Address,
}

impl Webhook {
    /// Serves, and keeps certificate and configuration. On a server with sound mutating policies it only takes away what an
    /// older one needed.
    pub async fn run(self, listen: SocketAddr) -> Error {
        self.hub.until_synced().await;
        if self.hub.mutates() {
            return self.clean().await;
        }
        let listener = match TcpListener::bind(listen).await {
            Ok(listener) => listener,
            Err(error) => return Error::Serve(error),
        };
        let served = Arc::new(Served::default());
        let serving = tls::configuration(Arc::clone(&served));
        let listener = match serving.map(|serving| TlsListener::new(listener, serving)) {
            Ok(listener) => listener,
            Err(error) => return error,
        };
        let router = answer::router(Arc::clone(&self.hub));
        let serve =
            async { axum::serve(listener, router).await.err().map_or(Error::Ended("the webhook"), Error::Serve) };
        tokio::select! {
            error = serve => error,
            error = self.keep(&served) => error,
        }
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    fn configurations(&self) -> Api<MutatingWebhookConfiguration> {
        Api::all(self.client.clone())
    }

    /// Looks whenever Secret or configuration change.
    async fn keep(&self, served: &Served) -> Error {
        let only = watcher::Config::default().fields(&format!("metadata.name={NAME}"));
        let secrets = watcher(self.secrets(), only.clone()).default_backoff().map(drop);
        let configurations = watcher(self.configurations(), only).default_backoff().map(drop);
        let mut events = std::pin::pin!(select(secrets, configurations));
        loop {
            let again = match self.look(served).await {
                Ok(()) => SAFETY_NET,
                Err(error) => {
                    tracing::warn!(error = error.chain(), "the webhook is not in order and is tried again");
                    AGAIN
                }
            };
            // Several events at once are one look.
            let _ = timeout(again, events.next()).await;
        }
    }

    async fn look(&self, served: &Served) -> Result<(), Error> {
        let secrets = self.secrets();
        let secret = call("read", secrets.get_opt(NAME)).await?;
        let now = Timestamp::now();
        let mut certificates = secret.as_ref().and_then(Certificates::read);
        let step = certificates::step(certificates.as_ref(), now);
        if step != Step::Rest && self.gate.is_open() {
            let next = certificates::take(step, certificates.as_ref(), &self.address.names(), now)?;
            let object = next.secret(&self.namespace, secret.as_ref());
            let params = PostParams::default();
            match secret {
                None => call("create", secrets.create(&params, &object)).await.map(drop)?,
                Some(_) => call("replace", secrets.replace(NAME, &params, &object)).await.map(drop)?,
            }
            tracing::info!(?step, "the certificate of the webhook was exchanged");
            certificates = Some(next);
        }
        let Some(certificates) = certificates else { return Ok(()) };
        served.set(&certificates)?;
        if !self.gate.is_open() {
            return Ok(());
        }
        let desired = configuration::desired(&self.address, &certificates.bundle(), &self.namespace);
        let api = self.configurations();
        let live = call("read", api.get_opt(NAME)).await?;
        let params = PostParams::default();
        match live {
            None => call("create", api.create(&params, &desired)).await.map(drop),
            Some(live) if live.webhooks == desired.webhooks => Ok(()),
            Some(mut live) => {
                live.webhooks = desired.webhooks;
                call("replace", api.replace(NAME, &params, &live)).await.map(drop)
            }
        }
    }

    /// Takes away what an older API server needed.
    async fn clean(&self) -> Error {
        loop {
            let api = self.configurations();
            match call("read", api.get_opt(NAME)).await {
                Ok(None) => return std::future::pending().await,
                Ok(Some(_)) if self.gate.is_open() => {
                    if let Err(error) = call("delete", api.delete(NAME, &DeleteParams::default())).await {
                        tracing::warn!(error = error.chain(), "the webhook of an older API server is still there");
                    }
                }
                Ok(Some(_)) => {}
                Err(error) => {
                    tracing::warn!(error = error.chain(), "cannot look for the webhook of an older API server");
                }
            }
            tokio::time::sleep(SAFETY_NET).await;
        }
    }
}

async fn call<T>(act: &'static str, call: impl Future<Output = kube::Result<T>>) -> Result<T, Error> {
    let object = NAME.to_string();
    match timeout(CALL, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(source)) => Err(Error::Api { act, object, wait: None, source: Box::new(source) }),
        Err(_) => Err(Error::Timeout { act, object, limit: CALL }),
    }
}
