//! The canary: small pods that show on real nodes what API objects only promise.
//!
//! ```text
//!  Snapshot ─candidates▶ Round ─objects▶ pods and policies ─(nodes)▶ Reports ─verdict▶ SegmentationTest ─▶ findings, status
//! ```
//! A round: the pods stand, nothing is allowed; a policy of the canary's own allows; it is removed again. What got through must have
//! followed it, each way on each node. So a broken network does not pass for a closed one, and an open one not for a closed one.

pub mod about;
pub mod cycle;
pub mod flows;
pub mod objects;
pub mod report;
pub mod round;
pub mod verdict;
