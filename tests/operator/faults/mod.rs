//! What the operator does when things break: nothing lost, nothing widened. docs/reliability.md lists each fault.

mod answers;
mod backup;
mod crash;
mod history;
mod outage;
mod rivals;
mod silence;
mod size;
