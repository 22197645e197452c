//! `cargo xtask soak`: the operator under constant tampering for a long time.
//!
//! ```text
//!  administrator ── 50 changes a second ──▶ API server ◀── proxy: watches of 10 s, one fault every half minute ── operator
//!        └──────── each change is whole again? ── counted against the audit log and the operator's own metrics
//! ```

pub(super) mod account;
mod mirror;
mod tamper;
mod trend;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use testbed::{FaultProxy, WatchFault};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use super::{bed::Bed, progress, rebuild, subject::Subject};
use account::Account;
use mirror::Mirror;
use tamper::{Tampering, Target, targets};
use trend::Trend;

/// Break what the operator keeps, for a long time, and count that everything comes back.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How long.
    #[arg(long, default_value_t = 60)]
    minutes: u64,
    /// Changes per second.
    #[arg(long, default_value_t = 50)]
    rate: u32,
}

/// Namespaces of the zone.
const NAMESPACES: usize = 200;
/// Nodes of the zone.
const NODES: usize = 20;
/// How long the API server lets a watch last.
const WATCH_SECONDS: u32 = 10;
/// Time between two faults of watches.
const FAULTS: Duration = Duration::from_secs(30);
/// Time between two looks at memory and descriptors, and at the audit log.
const LOOKS: Duration = Duration::from_secs(5);
/// Looks between two lines of progress.
const LINES: usize = 12;
/// A change that is not undone in this time was missed.
const MISSED: Duration = Duration::from_secs(60);

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    rebuild::in_release()?;
    progress::step("Build the operator");
    crate::operator::build()?;
    tokio::select! {
        result = Box::pin(soak(&arguments)) => result,
        signal = testbed::interrupted() => {
            signal?;
            bail!("interrupted before the time was over")
        }
    }
}

async fn soak(arguments: &Arguments) -> Result<()> {
    progress::step("Start and fill the cluster");
    let mut bed = Bed::start(NAMESPACES).await?;
    bed.add_nodes(NODES).await?;
    let proxy = bed.cluster.fault_proxy().await?;
    proxy.shorten_watches(WATCH_SECONDS);
    let subject = Subject::start_behind(&bed.cluster, &proxy).await?;
    progress::step("Protect the zone");
    tamper::protect(&bed.admin, &bed.namespaces, NODES).await?;
    let mirror = Arc::new(Mirror::start(&bed.admin).await?);
    let targets = targets(&mirror, NODES)?;
    let account = undermine(arguments, &mut bed, &subject, &proxy, &mirror, targets).await?;
    println!("{}", account.table());
    let faults = account.faults();
    if !faults.is_empty() {
        bail!("{}\n{}", faults.join("\n"), subject.log_tail());
    }
    subject.stop().await?;
    Ok(())
}

/// Changes something of the operator's at an even pace, each object only while it is whole.
async fn undermine(
    arguments: &Arguments,
    bed: &mut Bed,
    subject: &Subject,
    proxy: &FaultProxy,
    mirror: &Arc<Mirror>,
    targets: Vec<Target>,
) -> Result<Account> {
    let length = Duration::from_secs(arguments.minutes * 60);
    let (mut account, mut trend) = (Account::new(subject.told().await?), Trend::new(length));
    bed.log.begin(&bed.admin).await?;
    progress::step(&format!("{} changes per second for {} minutes", arguments.rate, arguments.minutes));
    let started = Instant::now();
    let mut whole = targets;
    let mut under_way = JoinSet::new();
    let even = |period: Duration| {
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    };
    let mut changes = interval(Duration::from_secs(1) / arguments.rate.max(1));
    changes.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut faults, mut looks) = (even(FAULTS), even(LOOKS));
    let mut looked = 0_usize;
    while started.elapsed() < length {
        tokio::select! {
            _ = changes.tick() => {
                let Some(target) = pick(&mut whole) else {
                    account.skipped += 1;
                    continue;
                };
                let (client, mirror) = (bed.admin.clone(), Arc::clone(mirror));
                let tampering = Tampering::any(&target);
                under_way.spawn(async move {
                    let undone = tamper::tamper(&client, &mirror, &target, tampering, MISSED).await;
                    (target, tampering, undone)
                });
            }
            Some(done) = under_way.join_next() => whole.extend(account.take(done?)),
            _ = faults.tick() => {
                let kinds = ["networkpolicies", "namespaces", "nodes", "pcizones", ""];
                let ways = [WatchFault::Expire, WatchFault::Cut, WatchFault::End];
                if let (Some(kind), Some(way)) = (fastrand::choice(kinds), fastrand::choice(ways)) {
                    proxy.strike_watches(kind, way);
                    account.faults_of_watches += 1;
                }
            }
            _ = looks.tick() => {
                trend.look(started.elapsed(), subject)?;
                account.count(&bed.log.end(&bed.admin).await?);
                if looked.is_multiple_of(LINES) {
                    progress::note(&account.line(started.elapsed(), &trend));
                }
                looked += 1;
            }
        }
    }
    progress::step("Wait for what is under way");
    while let Some(done) = under_way.join_next().await {
        account.take(done?);
    }
    account.count(&bed.log.end(&bed.admin).await?);
    account.close(subject.told().await?, trend, started.elapsed());
    Ok(account)
}

/// Takes out any that is whole.
fn pick(whole: &mut Vec<Target>) -> Option<Target> {
    let place = (!whole.is_empty()).then(|| fastrand::usize(..whole.len()))?;
    Some(whole.swap_remove(place))
}
