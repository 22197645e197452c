//! What is measured, one file each. Every phase leaves the cluster as it found it, but for the zone.

pub(super) mod bulk_repair;
pub(super) mod concurrency;
pub(super) mod memory;
pub(super) mod protect;
pub(super) mod repair;
pub(super) mod restart;
pub(super) mod steady;
pub(super) mod yardstick;
