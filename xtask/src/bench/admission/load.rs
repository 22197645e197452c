//! Creates pods as so many clients, each one after the other, and says what that took. Deleting them is not timed.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use anyhow::Result;
use k8s_openapi::api::core::v1::Pod;

use super::{bed::Bed, objects::plain, served::Served};
use crate::bench::{
    bare::{self, Bare},
    meter::Cpu,
    objects::OUTSIDE,
};

/// Coprime to any number of namespaces that is used: the pods lie in namespaces from all over the zone.
const STRIDE: usize = 7919;

/// How many clients create how many pods.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) clients: usize,
    pub(super) pods: usize,
}

/// Where pods are created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Zone,
    Outside,
}

impl Place {
    pub(super) fn text(self) -> &'static str {
        match self {
            Place::Zone => "in the zone",
            Place::Outside => "outside",
        }
    }
}

/// What the creations of one load took.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) clients: usize,
    /// Milliseconds of each, by the client's clock.
    pub(super) times: Vec<f64>,
    pub(super) cpu: Cpu,
    pub(super) served: Served,
}

/// Creates the pods, and deletes them again. `operator` is the process of one that runs meanwhile.
pub(super) async fn measure(bed: &Bed, operator: Option<u32>, load: Load, place: Place) -> Result<Sample> {
    let pods = pods(bed, load.pods, place)?;
    let names: Vec<_> = pods.iter().map(|pod| (pod.metadata.namespace.clone(), pod.metadata.name.clone())).collect();
    let served = Served::now(&bed.cluster).await?;
    let cpu = Cpu::now(&bed.cluster, operator)?;
    let times = create(&bed.maker.at(load.clients), pods).await?;
    let cpu = Cpu::now(&bed.cluster, operator)?.since(cpu);
    let served = Served::now(&bed.cluster).await?.since(&served);
    let deleted = bed.sweeper.all(names, |this, (namespace, name)| async move {
        bare::delete(&this.pods(&namespace.unwrap_or_default()), &name.unwrap_or_default()).await
    });
    deleted.await?;
    Ok(Sample { clients: load.clients, times, cpu, served })
}

fn pods(bed: &Bed, pods: usize, place: Place) -> Result<Vec<Pod>> {
    let all = bed.namespaces.len().max(1);
    let namespace = |number: usize| match place {
        Place::Outside => OUTSIDE,
        Place::Zone => bed.namespaces.get(number.wrapping_mul(STRIDE) % all).map(String::as_str).unwrap_or_default(),
    };
    (0..pods).map(|number| plain(number, namespace(number))).collect()
}

async fn create(maker: &Bare, pods: Vec<Pod>) -> Result<Vec<f64>> {
    let times = Arc::new(Mutex::new(Vec::with_capacity(pods.len())));
    let taken = Arc::clone(&times);
    let created = maker.all(pods, move |this, pod| {
        let taken = Arc::clone(&taken);
        async move {
            let api = this.pods(pod.metadata.namespace.as_deref().unwrap_or_default());
            let started = Instant::now();
            bare::create(&api, &pod).await?;
            let took = started.elapsed().as_secs_f64() * 1000.0;
            taken.lock().unwrap_or_else(PoisonError::into_inner).push(took);
            Ok(())
        }
    });
    created.await?;
    Ok(std::mem::take(&mut *times.lock().unwrap_or_else(PoisonError::into_inner)))
}
