//! Facts about the cluster that flows depend on, read off its objects.

use std::{net::IpAddr, sync::Arc};

use ipnet::IpNet;
use k8s_openapi::api::networking::v1::ServiceCIDR;

use super::service::Slice;

/// The addresses behind the `kubernetes` Service.
pub fn api_server(slices: &[Arc<Slice>]) -> Vec<IpAddr> {
    let slices = slices.iter().filter(|slice| slice.is_of_api_server());
    sorted(slices.flat_map(|slice| slice.addresses.iter().copied()))
}

/// The ranges of Service addresses.
pub fn service_ranges(ranges: &[Arc<ServiceCIDR>]) -> Vec<IpNet> {
    let cidrs = ranges.iter().filter_map(|range| range.spec.as_ref()?.cidrs.as_ref()).flatten();
    sorted(cidrs.filter_map(|cidr| cidr.parse().ok()))
}

/// Ranges of all nodes, each once.
pub fn all_ranges<'a>(ranges: impl IntoIterator<Item = &'a Vec<IpNet>>) -> Vec<IpNet> {
    sorted(ranges.into_iter().flatten().copied())
}

fn sorted<T: Ord>(some: impl Iterator<Item = T>) -> Vec<T> {
    let mut all: Vec<T> = some.collect();
    all.sort();
    all.dedup();
    all
}
