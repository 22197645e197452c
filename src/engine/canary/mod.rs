//! The canary: small pods that show on real nodes what API objects only promise.

pub mod report;
