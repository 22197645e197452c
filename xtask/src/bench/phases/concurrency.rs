//! At how many requests in flight the bare client is fastest. That is the floor's, for all that follows.

use anyhow::Result;

use crate::bench::{bed::Bed, progress};

/// What is tried.
const TRIED: [usize; 4] = [16, 32, 64, 128];
/// Namespaces that are enough to tell them apart.
const ENOUGH: usize = 1000;

/// Finds it, and has the bare client use it. Gives the writes per second at each.
pub(in crate::bench) async fn choose(bed: &mut Bed) -> Result<Vec<(usize, f64)>> {
    progress::step("Look for the best concurrency of the bare client");
    let namespaces: Vec<String> = bed.namespaces.iter().take(ENOUGH).cloned().collect();
    // The first round opens all connections and fills caches.
    bed.bare.concurrency = TRIED.into_iter().max().unwrap_or(1);
    bed.bare.protect(&namespaces).await?;
    bed.bare.unprotect(&namespaces).await?;
    let mut rates = Vec::new();
    for concurrency in TRIED {
        bed.bare.concurrency = concurrency;
        let seconds = bed.bare.protect(&namespaces).await?;
        bed.bare.unprotect(&namespaces).await?;
        #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
        let rate = 2.0 * namespaces.len() as f64 / seconds;
        progress::note(&format!("{concurrency} in flight: {rate:.0} writes/s"));
        rates.push((concurrency, rate));
    }
    let best = rates.iter().max_by(|a, b| a.1.total_cmp(&b.1));
    bed.bare.concurrency = best.map_or(1, |(concurrency, _)| *concurrency);
    Ok(rates)
}
