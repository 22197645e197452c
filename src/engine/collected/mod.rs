//! What stores said of the logs of a zone, reduced to what is judged. It changes only when that does, so that a quiet zone stays quiet.
//!
//! ```text
//!  pods, Runs, what was seen before ──arriving──▶ Delivery ──┐
//!  answers about settings ──────────────────────▶ Verdict  ──┼──▶ Collection ──▶ findings, LogsCollected
//!  a sample of records ─────────────────────────▶ Elements ──┘
//! ```

mod arriving;
mod asked;

use std::collections::BTreeMap;

use super::{delivery::Element, retention::Verdict};

pub use arriving::{Delivery, Ending, Expected, Gap, Late, Memory, Pace, arriving};
pub use asked::{address, hidden, is_encrypted, place, port, store};

/// What is known of the logs of a zone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Collection {
    /// What keeps its forwarders from their configuration.
    pub trouble: Option<String>,
    /// What each of its stores said, by the name of the sink.
    pub stores: BTreeMap<String, Said>,
}

impl Said {
    /// Nothing, for this reason.
    pub fn silent(why: &str) -> Self {
        Said { delivery: Err(why.to_string()), retention: Verdict::Unproven(why.to_string()), lacking: None }
    }
}

/// What a store said.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// Which records of the zone's pods arrive, or why that is not known.
    pub delivery: Result<Delivery, String>,
    /// How long it keeps them.
    pub retention: Verdict,
    /// What its newest records lack of what an entry has to say; nothing where it has none, or could not be asked.
    pub lacking: Option<Vec<Element>>,
}
