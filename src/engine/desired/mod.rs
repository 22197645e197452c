//! What must be there: (zone, object) → the objects, labels and taints that protect it.

pub mod networks;
pub mod node;
pub mod policies;
