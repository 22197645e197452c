//! The figures of one phase with what belongs beside them.

use serde_json::Value;

use super::{figure::Figure, meter::Cpu, stats::Spread};

/// The figures of one phase.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: &'static str,
    pub(super) figures: Vec<Figure>,
    /// What the bare client needed in the same run.
    pub(super) floor: Option<Spread>,
    pub(super) cpu: Option<Cpu>,
    /// CPU time while the bare client did the same.
    pub(super) floor_cpu: Option<Cpu>,
    /// Requests by user.
    pub(super) requests: Option<Value>,
    pub(super) notes: Vec<String>,
}

impl Group {
    pub(super) fn new(name: &'static str) -> Self {
        Group { name, figures: Vec::new(), floor: None, cpu: None, floor_cpu: None, requests: None, notes: Vec::new() }
    }
}
