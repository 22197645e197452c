//! Which images may run in a zone, and what scanners say of those that do (PCI DSS 6.3.1, 6.3.2, 6.3.3, 11.3.1).
//!
//! ```text
//!  reports of scanners ─▶ Report ───────────┐
//!  pods ─▶ Image (reference, what runs) ────┼─▶ Verdict of each image ─▶ findings, status
//!  since when fixes are known ─▶ Fixes ─────┘           └─▶ what admission lets in, and until when
//! ```
//! Nothing here scans, and nothing looks at signatures: what others say is matched with what runs, by digest.

pub mod allow_list;
pub mod arriving;
pub mod container;
pub mod fixes;
pub mod gate;
mod policy_reports;
pub mod reference;
pub mod report;
pub mod running;
mod trivy;
mod values;
pub mod verdict;
pub mod zone;
