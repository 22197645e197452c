//! Real stores of logs, and real forwarders to them, as processes of this machine.
//! They know nothing of clusters: what runs in a pod of real nodes comes in an image.

mod collector;
mod daemon;
mod http;
mod open_search;
mod victoria_logs;

use anyhow::Result;

pub use collector::Collector;
pub use open_search::{OpenSearch, open_search_or_skip};
pub use victoria_logs::VictoriaLogs;

use crate::assets::{Assets, Binary};

/// Builds and fetches all stores and forwarders, so that no test has to. It starts none.
pub fn get_store_assets() -> Result<()> {
    Assets::get(&[Binary::VictoriaLogs, Binary::OtelCollector])?;
    if open_search_or_skip()? {
        open_search::fetch()?;
    }
    Ok(())
}
