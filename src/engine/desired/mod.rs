//! What must be there: (zone, object) → the objects, labels and taints that protect it.

pub mod admission;
pub mod networks;
pub mod node;
pub mod pod_security;
pub mod policies;
