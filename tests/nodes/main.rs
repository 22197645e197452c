//! The whole of it on real nodes: the operator as a pod from its own image, zones, and the canary, with a network plug-in that enforces
//! policies and with one that does not. Needs root; see `nodes_or_skip`.
#![expect(clippy::indexing_slicing, reason = "a test ends where something is not as expected")]

mod canary;
mod flow;
mod logs;
mod site;
