//! One replica writes. The others watch and are ready to take over.
//!
//! The lease is an optimisation, not a lock: two leaders write the same bytes. Still a replica stops writing
//! at once when it loses the lease, also when it only cannot reach the API server to renew it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use k8s_openapi::{
    api::coordination::v1::Lease,
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::{SignedDuration, Timestamp},
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use kube_lease_manager::{LeaseManager, LeaseManagerBuilder, LeaseManagerError};
use serde_json::json;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{error::Error, traffic::Traffic};
use crate::api::names;

/// How long a lease holds without renewal.
const DURATION: Duration = Duration::from_secs(15);
/// How long before its end it is renewed.
const GRACE: Duration = Duration::from_secs(5);
/// How often the age of the own lease is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How often it is looked whether the lease is free, or is to be renewed by other means.
const LOOK_AT_LEASE: Duration = Duration::from_secs(2);
/// Age of the lease from which on it is renewed here: the lease manager pauses for longer after each failure, and
/// does not forget failures while it leads.
const LATE: Duration = Duration::from_secs(12);
/// How soon the election is joined again when that failed.
const JOIN_AGAIN: Duration = Duration::from_secs(2);
/// The longest field manager that the API server takes.
const LONGEST_MANAGER: usize = 128;

/// Says whether this replica may write.
#[derive(Clone)]
pub struct Gate {
    leading: watch::Receiver<bool>,
    traffic: Arc<Traffic>,
    closed: Arc<AtomicBool>,
}

impl Gate {
    /// True when this replica may write now.
    pub fn is_open(&self) -> bool {
        *self.leading.borrow() && self.traffic.is_renewed() && !self.closed.load(Ordering::Acquire)
    }

    /// Ends writing for good.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Waits until this may have changed; `None` when the election ended. An expired lease sends no signal,
    /// so the wait is bounded.
    pub async fn changed(&mut self) -> Option<bool> {
        match timeout(LOOK, self.leading.changed()).await {
            Ok(Err(_)) => None,
            Ok(Ok(())) | Err(_) => Some(self.is_open()),
        }
    }
}

impl Traffic {
    fn is_renewed(&self) -> bool {
        self.since_renewal().is_some_and(|age| age < DURATION)
    }
}

/// A running election.
pub struct Election {
    task: JoinHandle<()>,
    leave: watch::Sender<bool>,
}

impl Election {
    /// Takes part in the election until it is left. `identity` names this replica.
    pub fn join(client: Client, namespace: &str, identity: &str, traffic: Arc<Traffic>) -> (Self, Gate) {
        let (leading, is_leading) = watch::channel(false);
        let (leave, left) = watch::channel(false);
        let candidate = Candidate {
            leases: Api::namespaced(client.clone(), namespace),
            client,
            namespace: namespace.to_string(),
            identity: identity.to_string(),
            traffic: Arc::clone(&traffic),
        };
        let task = tokio::spawn(candidate.run(leading, left));
        (Election { task, leave }, Gate { leading: is_leading, traffic, closed: Arc::default() })
    }

    /// Gives the lease back and waits for that.
    pub async fn leave(self) {
        let Election { task, leave } = self;
        leave.send_replace(true);
        // Bounded: a lease that cannot be given back runs out by itself.
        if timeout(GRACE, task).await.is_err() {
            tracing::warn!("the lease was not given back in time; it runs out in {} s", DURATION.as_secs());
        }
    }
}

struct Candidate {
    client: Client,
    leases: Api<Lease>,
    namespace: String,
    identity: String,
    traffic: Arc<Traffic>,
}

impl Candidate {
    async fn run(self, leading: watch::Sender<bool>, mut left: watch::Receiver<bool>) {
        // Nobody can ask any more either when the operator was dropped.
        while !*left.borrow() && left.has_changed().is_ok() {
            let stood = self.stand(&leading, &mut left).await;
            leading.send_replace(false);
            if let Err(source) = stood {
                let (namespace, name) = (self.namespace.clone(), names::OPERATOR.to_string());
                let error = Error::Lease { namespace, name, source: Box::new(source) };
                tracing::warn!(error = error.chain(), "will try again");
                tokio::select! {
                    () = sleep(JOIN_AGAIN) => {}
                    () = is_true(&mut left) => {}
                }
            }
        }
    }

    /// Stands for election until it is to be joined anew or left.
    async fn stand(
        &self,
        leading: &watch::Sender<bool>,
        left: &mut watch::Receiver<bool>,
    ) -> Result<(), LeaseManagerError> {
        let manager = tokio::select! {
            manager = self.manager() => manager?,
            // Nothing is to be given back yet.
            () = is_true(left) => return Ok(()),
        };
        let (mut state, manager) = manager.watch().await;
        loop {
            tokio::select! {
                changed = state.changed() => match changed {
                    Ok(()) => {
                        let leads = *state.borrow_and_update();
                        if leads && !self.traffic.is_renewed() {
                            // Held under this name before, by a process that is gone.
                            self.renew().await;
                        }
                        leading.send_replace(leads);
                    }
                    Err(_) => break,
                },
                () = sleep(LOOK_AT_LEASE) => {
                    if *leading.borrow() {
                        let is_late = self.traffic.since_renewal().is_none_or(|age| age > LATE);
                        if is_late && !self.renew().await {
                            break;
                        }
                    } else if self.is_vacant().await {
                        // The manager waits for the end of a lease that it knows, or for longer after a failure.
                        break;
                    }
                }
                () = is_true(left) => break,
            }
        }
        leading.send_replace(false);
        // The manager gives the lease back when nobody listens to it any more. One that does not end in time must
        // not give back later what was won anew under the same name.
        drop(state);
        let stop = manager.abort_handle();
        match timeout(GRACE, manager).await {
            Ok(Ok(ended)) => ended.map(drop),
            Ok(Err(_)) => Ok(()),
            Err(_) => {
                stop.abort();
                Ok(())
            }
        }
    }

    async fn manager(&self) -> Result<LeaseManager, LeaseManagerError> {
        // The end of a name tells replicas apart. Each needs its own manager: between two of the same name the
        // API server sees no conflict.
        let prefix = "pcizone/leader-";
        let skipped = self.identity.len().saturating_sub(LONGEST_MANAGER - prefix.len());
        let end: String = self.identity.char_indices().filter(|(at, _)| *at >= skipped).map(|(_, c)| c).collect();
        LeaseManagerBuilder::new(self.client.clone(), names::OPERATOR)
            .with_namespace(&self.namespace)
            .with_identity(&self.identity)
            .with_duration(DURATION.as_secs())
            .with_grace(GRACE.as_secs())
            .with_field_manager(format!("{prefix}{end}"))
            .build()
            .await
    }

    /// Renews the lease if this replica holds it still; false when somebody else does, or nobody.
    async fn renew(&self) -> bool {
        // What cannot be read now may well be ours still.
        let Ok(Ok(lease)) = timeout(GRACE, self.leases.get_opt(names::OPERATOR)).await else { return true };
        let Some(lease) = lease else { return false };
        if lease.spec.and_then(|spec| spec.holder_identity).as_ref() != Some(&self.identity) {
            return false;
        }
        let patch = json!({
            "metadata": { "resourceVersion": lease.metadata.resource_version },
            "spec": { "renewTime": MicroTime(Timestamp::now()) },
        });
        let (params, patch) = (PatchParams::default(), Patch::Merge(&patch));
        let renewed = self.leases.patch(names::OPERATOR, &params, &patch);
        if !matches!(timeout(GRACE, renewed).await, Ok(Ok(_))) {
            tracing::warn!("the lease could not be renewed; it is tried again");
        }
        true
    }

    /// Nobody holds the lease, or nobody renewed it in time.
    async fn is_vacant(&self) -> bool {
        let Ok(Ok(lease)) = timeout(GRACE, self.leases.get_opt(names::OPERATOR)).await else { return false };
        let Some(spec) = lease.and_then(|lease| lease.spec) else { return true };
        let lasts = spec.lease_duration_seconds.map(i64::from).map(SignedDuration::from_secs);
        let ends = spec.renew_time.zip(lasts).and_then(|(renewed, lasts)| renewed.0.checked_add(lasts).ok());
        spec.holder_identity.is_none_or(|holder| holder.is_empty()) || ends.is_none_or(|end| end < Timestamp::now())
    }
}

/// Waits until it is so, or nobody can say so any more.
async fn is_true(it: &mut watch::Receiver<bool>) {
    let _ = it.wait_for(|it| *it).await;
}
