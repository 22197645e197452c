//! The API server's own audit trail: whether it is on, and what its audit policy leaves out (PCI DSS 10.2.1, 10.2.1.2, 10.2.1.7).
//!
//! ```text
//!  pod of an API server ──ApiServer::of──▶ is there a policy, and something that keeps the records
//!  text of the policy ────Policy::read──▶ Policy ──left_out──▶ requests that nobody could look up later, and the rule that drops each
//! ```
//! It rests on the published sources of the API server (k8s.io/apiserver, `pkg/audit/policy`, `pkg/apis/audit/validation`) and was never
//! compared with one that runs.

mod api_server;
mod left_out;
mod policy;
mod requests;

#[cfg(test)]
mod tests;

pub use api_server::ApiServer;
pub use left_out::{LeftOut, Why, left_out};
pub use policy::Policy;
