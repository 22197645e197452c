//! Until the forwarder has sent everything, or the time is over.

use std::{fs, path::Path, time::Duration};

use tokio::time::{Instant, sleep};

use super::metrics::{Count, Counters};

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(200);
/// Files of the directory that are looked at.
const MOST_FILES: usize = 1000;

/// How long is waited.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// At most.
    pub(super) wait: Duration,
    /// For so long nothing may change.
    pub(super) settle: Duration,
}

/// How it ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Drained {
    /// Everything that was read is sent, the last line too.
    Sent { lines: u64 },
    /// Nobody writes any more; of the forwarder nothing is known.
    Quiet,
    /// Time ran out.
    OutOfTime { read: u64, sent: u64 },
    /// The forwarder told nothing.
    Untold(String),
}

/// What is known while it waits, of what the forwarder tells.
#[derive(Debug)]
struct Watch {
    /// What it told before the last line was written.
    before: Option<Count>,
    last: Option<(Count, Duration)>,
}

impl Watch {
    /// Takes in what it tells now. True when it is over: the last line was read, so everything before it was, and for a while
    /// nothing more was read and everything is sent.
    fn take(&mut self, count: Count, now: Duration, settle: Duration) -> bool {
        let since = match self.last {
            Some((last, since)) if last.read == count.read => since,
            _ => now,
        };
        self.last = Some((count, since));
        // Without a number from before, that nothing more is read has to do.
        let has_read_the_last = self.before.is_none_or(|before| count.read > before.read);
        has_read_the_last && count.sent >= count.read && now.saturating_sub(since) >= settle
    }
}

/// Waits until the forwarder tells that it has sent what it has read.
pub(super) async fn until_sent(counters: &Counters, before: Option<Count>, limits: Limits) -> Drained {
    let begun = Instant::now();
    let mut watch = Watch { before, last: None };
    let mut trouble = String::new();
    loop {
        match counters.ask().await {
            Ok(count) if watch.take(count, begun.elapsed(), limits.settle) => {
                return Drained::Sent { lines: count.read };
            }
            Ok(_) => {}
            Err(why) => trouble = why,
        }
        if begun.elapsed() >= limits.wait {
            return match watch.last {
                Some((Count { read, sent }, _)) => Drained::OutOfTime { read, sent },
                None => Drained::Untold(trouble),
            };
        }
        sleep(LOOK).await;
    }
}

/// Waits until nobody writes into the directory any more.
pub(super) async fn until_quiet(directory: &Path, limits: Limits) -> Drained {
    let begun = Instant::now();
    let (mut size, mut since) = (bytes(directory), begun);
    while since.elapsed() < limits.settle && begun.elapsed() < limits.wait {
        sleep(LOOK.min(limits.settle)).await;
        let now = bytes(directory);
        if now != size {
            (size, since) = (now, Instant::now());
        }
    }
    Drained::Quiet
}

fn bytes(directory: &Path) -> u64 {
    let files = fs::read_dir(directory).into_iter().flatten().flatten().take(MOST_FILES);
    files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_over_when_the_last_line_was_read_and_all_is_sent_and_nothing_more_comes() {
        let settle = Duration::from_secs(2);
        // Read and sent, second by second; before the last line ten were read.
        for (name, counts, over) in [
            ("all sent", &[(11, 11), (11, 11), (11, 11)][..], Some(2)),
            ("the last line is not read yet", &[(10, 10), (10, 10), (10, 10), (10, 10)], None),
            ("the store takes its time", &[(11, 4), (11, 9), (11, 10), (11, 11)], Some(3)),
            ("more is read", &[(11, 11), (20, 20), (30, 30), (30, 30), (30, 30)], Some(4)),
            ("never sent", &[(11, 3), (11, 3), (11, 3), (11, 3)], None),
            ("the forwarder was started anew", &[(11, 11), (1, 1), (1, 1), (1, 1)], None),
        ] {
            let mut watch = Watch { before: Some(Count { read: 10, sent: 10 }), last: None };
            let over_at = counts.iter().zip(0..).position(|((read, sent), at)| {
                watch.take(Count { read: *read, sent: *sent }, Duration::from_secs(at), settle)
            });
            assert_eq!(over_at, over, "{name}");
        }
        let mut unknown = Watch { before: None, last: None };
        let take = |watch: &mut Watch, at| watch.take(Count { read: 5, sent: 5 }, Duration::from_secs(at), settle);
        assert!(!take(&mut unknown, 0) && !take(&mut unknown, 1) && take(&mut unknown, 2));
    }
}
