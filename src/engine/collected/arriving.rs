//! From the numbered lines that a store has to what does not arrive there, and what was lost (PCI DSS 10.3.3, 10.7.2).

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::engine::{
    dates::{earlier, later},
    delivery::{Run, Runs},
};

/// A pod that is behind for less is not late: lines come in their rhythm, and stores show them a little later.
const PATIENCE: SignedDuration = SignedDuration::from_secs(60);
/// A gap that is younger may still be filled: what is sent again comes later than what follows it.
const FILLED_WITHIN: SignedDuration = SignedDuration::from_secs(120);
/// Pods of which each is named.
const NAMED: usize = 50;
/// Pods that are remembered after they went.
const REMEMBERED: usize = 10_000;
/// While nothing is wrong the newest record is told this coarsely: else it would be news every few seconds.
const COARSE: SignedDuration = SignedDuration::from_mins(5);

/// In which rhythm lines come, and over which time a store is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Seconds between two lines.
    pub every: i64,
    /// How far back is asked.
    pub window: SignedDuration,
}

impl Pace {
    fn late(self) -> SignedDuration {
        PATIENCE.max(SignedDuration::from_secs(self.every.saturating_mul(3)))
    }
}

/// A pod whose lines are to arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Its namespace and name, with a slash between.
    pub key: String,
    /// When it was made.
    pub created: Timestamp,
    /// Since when it writes lines.
    pub since: Timestamp,
    /// Until when it did, where that is over.
    pub until: Option<Timestamp>,
}

/// A pod of which nothing new arrives.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Late {
    /// The pod.
    pub key: String,
    /// Its newest record, if there is one within the asked time.
    pub newest: Option<Timestamp>,
}

/// Lines of a pod that were lost.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// The pod.
    pub key: String,
    /// Numbers that are missing between others.
    pub between: u64,
    /// It went without its last line: about how many numbers are missing after the last one that is there. Where nobody saw it go,
    /// that is not known.
    pub after: Option<Ending>,
}

/// How a run of lines ends without its last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ending {
    /// The last record that is there, if any is.
    pub newest: Option<Timestamp>,
    /// About how many numbers are missing after it, where it was seen that long.
    pub numbers: Option<u64>,
}

/// What arrives at a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Pods whose lines are to arrive.
    pub pods: usize,
    /// Those of which nothing new arrives, in all.
    pub late_pods: usize,
    /// Some of them.
    pub late: Vec<Late>,
    /// Pods with lines that were lost, in all.
    pub gap_pods: usize,
    /// Some of them.
    pub gaps: Vec<Gap>,
    /// The newest record of the pod that is farthest behind; coarsely while none is late.
    pub oldest: Option<Timestamp>,
    /// There is more in the store than could be asked for.
    pub is_cut: bool,
}

/// What was seen before, of one store.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Pods that wrote lines, by name and when each was made.
    seen: BTreeMap<(String, Timestamp), Seen>,
    /// When a gap of a run was seen first, and how many numbers it had.
    gaps: BTreeMap<(String, String), (u64, Timestamp)>,
    oldest: Option<Timestamp>,
}

/// A pod that wrote lines.
#[derive(Clone, Copy, Debug)]
struct Seen {
    since: Timestamp,
    /// When it was seen last, or it ended.
    last: Timestamp,
}

/// What arrives of the lines of these pods. `now` is the moment at which the store was asked.
pub fn arriving(expected: &[Expected], runs: &Runs, pace: Pace, memory: &mut Memory, now: Timestamp) -> Delivery {
    let mut by_pod: BTreeMap<String, Vec<&Run>> = BTreeMap::new();
    for run in &runs.runs {
        by_pod.entry(format!("{}/{}", run.namespace, run.pod)).or_default().push(run);
    }
    let late_since = earlier(now, pace.late());
    let mut late = Vec::new();
    let mut oldest: Option<Timestamp> = None;
    let mut pods = 0;
    for pod in expected.iter().filter(|pod| pod.until.is_none() && pod.since <= late_since) {
        pods += 1;
        // What an earlier pod of the name wrote says nothing of this one.
        let own = by_pod.get(&pod.key).into_iter().flatten().filter(|run| run.newest >= pod.created);
        let newest = own.map(|run| run.newest).max();
        oldest = Some(oldest.unwrap_or(Timestamp::MAX).min(newest.unwrap_or(pod.since)));
        // Where not all is known, what is not there may be there.
        let is_unknown = runs.is_cut && newest.is_none();
        if newest.is_none_or(|newest| newest < late_since) && !is_unknown {
            late.push(Late { key: pod.key.clone(), newest });
        }
    }
    memory.see(expected, pace, now);
    let mut gaps = gaps(expected, &by_pod, pace, memory, now);
    if !runs.is_cut {
        gaps.extend(never(expected, &by_pod, pace, memory, now));
    }
    gaps.sort();
    let (late_pods, gap_pods) = (late.len(), gaps.len());
    late.truncate(NAMED);
    gaps.truncate(NAMED);
    let oldest = memory.coarse(oldest, !late.is_empty());
    Delivery { pods, late_pods, late, gap_pods, gaps, oldest, is_cut: runs.is_cut }
}

fn gaps(
    expected: &[Expected],
    by_pod: &BTreeMap<String, Vec<&Run>>,
    pace: Pace,
    memory: &mut Memory,
    now: Timestamp,
) -> Vec<Gap> {
    let there: BTreeMap<&str, &Expected> = expected.iter().map(|pod| (pod.key.as_str(), pod)).collect();
    let late_since = earlier(now, pace.late());
    let asked_from = earlier(now, pace.window);
    let mut known = BTreeMap::new();
    let mut gaps = Vec::new();
    for (key, runs) in by_pod {
        let mut between: u64 = 0;
        for run in runs {
            let lives = lives(&there, key, run);
            // A beginning that lies within what was asked begins with the first number.
            let seen = memory.seen_of(key, run.newest);
            let is_only = runs.iter().filter(|one| seen.is_some_and(|(created, _)| one.newest >= created)).count() == 1;
            let begins = seen.is_some_and(|(_, seen)| seen.since > asked_from) && is_only;
            let missing = run.missing().saturating_add(if begins { run.first } else { 0 });
            if missing > 0 {
                let id = (key.clone(), run.run.clone());
                let before = memory.gaps.get(&id).filter(|(numbers, _)| *numbers <= missing).map(|(_, at)| *at);
                let since = before.unwrap_or(now);
                known.insert(id, (missing, since));
                if later(since, FILLED_WITHIN) <= now || !lives && run.newest < late_since {
                    between = between.saturating_add(missing);
                }
            }
        }
        // Only the last one: where a sidecar began anew the application's files were there still.
        let last = runs.iter().max_by_key(|run| run.newest);
        let after = last.filter(|run| !run.ended && run.newest < late_since && !lives(&there, key, run)).map(|run| {
            let seen = memory.seen_of(key, run.newest).map(|(_, seen)| seen.last).filter(|last| *last >= run.newest);
            let numbers = seen.map(|last| numbers(run.newest, last, pace));
            Ending { newest: Some(run.newest), numbers }
        });
        if between > 0 || after.is_some() {
            gaps.push(Gap { key: key.clone(), between, after });
        }
    }
    memory.gaps = known;
    gaps
}

/// The pod that wrote a run is there and writes still.
fn lives(there: &BTreeMap<&str, &Expected>, key: &str, run: &Run) -> bool {
    there.get(key).is_some_and(|pod| run.newest >= pod.created && pod.until.is_none())
}

/// Pods that went, or ended, and of which nothing is there at all.
fn never(
    expected: &[Expected],
    by_pod: &BTreeMap<String, Vec<&Run>>,
    pace: Pace,
    memory: &Memory,
    now: Timestamp,
) -> Vec<Gap> {
    let late_since = earlier(now, pace.late());
    let writes: BTreeSet<(&str, Timestamp)> =
        expected.iter().filter(|pod| pod.until.is_none()).map(|pod| (pod.key.as_str(), pod.created)).collect();
    let mut gaps = Vec::new();
    for ((key, created), seen) in &memory.seen {
        let came = by_pod.get(key).into_iter().flatten().any(|run| run.newest >= *created);
        if !came && seen.last < late_since && !writes.contains(&(key.as_str(), *created)) {
            // The first number is due at once.
            let lost = numbers(seen.since, seen.last, pace).saturating_add(1);
            let after = Some(Ending { newest: None, numbers: Some(lost) });
            gaps.push(Gap { key: key.clone(), between: 0, after });
        }
    }
    gaps
}

fn numbers(from: Timestamp, to: Timestamp, pace: Pace) -> u64 {
    u64::try_from(from.duration_until(to).as_secs() / pace.every.max(1)).unwrap_or_default()
}

impl Memory {
    fn see(&mut self, expected: &[Expected], pace: Pace, now: Timestamp) {
        let forgotten = earlier(now, pace.window);
        for pod in expected {
            let key = (pod.key.clone(), pod.created);
            let last = pod.until.unwrap_or(now);
            // What ended before anything is asked for has nothing to show.
            if last > forgotten && (self.seen.len() < REMEMBERED || self.seen.contains_key(&key)) {
                self.seen.insert(key, Seen { since: pod.since, last });
            }
        }
        self.seen.retain(|_, seen| seen.last > forgotten);
    }

    /// The pod of this name that was there at a moment.
    fn seen_of(&self, key: &str, at: Timestamp) -> Option<(Timestamp, Seen)> {
        let pods = self.seen.range((key.to_string(), Timestamp::MIN)..=(key.to_string(), at));
        pods.last().map(|((_, created), seen)| (*created, *seen))
    }

    fn coarse(&mut self, oldest: Option<Timestamp>, is_late: bool) -> Option<Timestamp> {
        let known = self.oldest.filter(|known| {
            oldest.is_some_and(|oldest| !is_late && oldest >= *known && known.duration_until(oldest) < COARSE)
        });
        self.oldest = known.or(oldest);
        self.oldest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { every: 10, window: SignedDuration::from_hours(1) };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn pod(key: &str, created: i64) -> Expected {
        Expected { key: key.to_string(), created: at(created), since: at(created + 2), until: None }
    }

    fn run(pod: &str, run: &str, (first, last, count): (u64, u64, u64), newest: i64, ended: bool) -> Run {
        Run {
            namespace: "vault".to_string(),
            pod: pod.to_string(),
            node: "pci-1".to_string(),
            run: run.to_string(),
            first,
            last,
            count,
            newest: at(newest),
            ended,
        }
    }

    fn judge(pods: &[Expected], runs: Vec<Run>, memory: &mut Memory, now: i64) -> Delivery {
        arriving(pods, &Runs { runs, is_cut: false }, PACE, memory, at(now))
    }

    #[test]
    fn a_pod_is_late_when_nothing_of_it_is_new() {
        let pods = [pod("vault/a", 0)];
        for (what, runs, now, late) in [
            ("it has just begun", vec![], 30, None),
            ("nothing came", vec![], 100, Some(None)),
            ("new", vec![run("a", "1", (0, 9, 10), 95, false)], 100, None),
            ("old", vec![run("a", "1", (0, 3, 4), 30, false)], 100, Some(Some(30))),
            ("of an earlier pod of its name", vec![run("a", "0", (0, 3, 4), -10, true)], 100, Some(None)),
            ("of another pod", vec![run("b", "1", (0, 9, 10), 95, false)], 100, Some(None)),
        ] {
            let delivery = judge(&pods, runs, &mut Memory::default(), now);
            let wanted: Vec<Late> = late
                .into_iter()
                .map(|newest: Option<i64>| Late { key: "vault/a".into(), newest: newest.map(at) })
                .collect();
            assert_eq!(delivery.late, wanted, "{what}");
        }
        let cut = arriving(&pods, &Runs { runs: vec![], is_cut: true }, PACE, &mut Memory::default(), at(100));
        assert!(cut.late.is_empty() && cut.is_cut, "what was not asked for is not missing");
    }

    #[test]
    fn a_gap_that_stays_is_lost_and_one_that_is_filled_is_not() {
        let pods = [pod("vault/a", 0)];
        let gap = |count, newest| vec![run("a", "1", (0, 19, count), newest, false)];
        let mut memory = Memory::default();
        assert!(judge(&pods, gap(17, 195), &mut memory, 200).gaps.is_empty());
        assert!(judge(&pods, gap(17, 225), &mut memory, 230).gaps.is_empty(), "it may come yet");
        let lost = judge(&pods, gap(17, 325), &mut memory, 330).gaps;
        assert_eq!(lost, [Gap { key: "vault/a".into(), between: 3, after: None }]);
        assert!(judge(&pods, gap(20, 355), &mut memory, 360).gaps.is_empty(), "it came");
        let mut memory = Memory::default();
        judge(&pods, gap(17, 195), &mut memory, 200);
        assert!(judge(&pods, gap(19, 325), &mut memory, 330).gaps.is_empty(), "it is being filled");
    }

    #[test]
    fn a_pod_that_went_without_its_last_line_lost_what_it_wrote_since() {
        let pods = [pod("vault/a", 0), pod("vault/db-0", 0)];
        let lines = || {
            vec![
                run("a", "1", (0, 9, 10), 95, false),
                run("db-0", "1", (0, 9, 10), 95, false),
                run("good", "1", (0, 5, 6), 60, true),
            ]
        };
        let mut memory = Memory::default();
        assert!(judge(&pods, lines(), &mut memory, 100).gaps.is_empty());
        judge(&pods, lines(), &mut memory, 130);
        // Both went; one of them came back under its name.
        let now = [pod("vault/db-0", 150)];
        let lost = judge(&now, lines(), &mut memory, 250).gaps;
        let after = |numbers| Some(Ending { newest: Some(at(95)), numbers });
        let gap = |key: &str, numbers| Gap { key: key.into(), between: 0, after: after(numbers) };
        assert_eq!(lost, [gap("vault/a", Some(3)), gap("vault/db-0", Some(3))]);
        // Nobody saw them go.
        let lost = judge(&[], lines(), &mut Memory::default(), 250).gaps;
        assert_eq!(lost, [gap("vault/a", None), gap("vault/db-0", None)]);
        // Its sidecar began anew before, and the pod ended well.
        let runs = vec![run("a", "1", (0, 5, 6), 60, false), run("a", "2", (0, 15, 16), 145, true)];
        assert!(judge(&[], runs, &mut Memory::default(), 250).gaps.is_empty());
        // Only its sidecar began anew.
        let same = [pod("vault/a", 0)];
        let runs = vec![run("a", "1", (0, 5, 6), 60, false), run("a", "2", (0, 15, 16), 245, false)];
        assert!(judge(&same, runs, &mut Memory::default(), 250).gaps.is_empty());
    }

    #[test]
    fn a_pod_of_which_nothing_came_is_told_when_it_is_gone_too() {
        let ended = Expected { until: Some(at(40)), ..pod("vault/job", 10) };
        let mut memory = Memory::default();
        judge(&[pod("vault/a", 0)], vec![], &mut memory, 30);
        // One went between two looks, the other one ended and is there still.
        let early = judge(std::slice::from_ref(&ended), vec![], &mut memory, 60);
        assert!(early.gaps.is_empty(), "it may come yet: {:?}", early.gaps);
        let lost = judge(std::slice::from_ref(&ended), vec![], &mut memory, 120).gaps;
        let gap = |key: &str, numbers| Gap {
            key: key.into(),
            between: 0,
            after: Some(Ending { newest: None, numbers: Some(numbers) }),
        };
        assert_eq!(lost, [gap("vault/a", 3), gap("vault/job", 3)]);
        let came = vec![run("a", "1", (0, 2, 3), 25, true), run("job", "1", (0, 3, 4), 40, true)];
        assert!(judge(std::slice::from_ref(&ended), came, &mut memory, 150).gaps.is_empty());
        let cut = arriving(&[ended], &Runs { runs: vec![], is_cut: true }, PACE, &mut memory, at(150));
        assert!(cut.gaps.is_empty(), "what was not asked for is not missing");
    }

    #[test]
    fn a_beginning_that_is_missing_is_a_gap() {
        let pods = [pod("vault/a", 0)];
        let lines = || vec![run("a", "1", (4, 19, 16), 195, false)];
        let mut memory = Memory::default();
        judge(&pods, lines(), &mut memory, 100);
        let lost = judge(&pods, lines(), &mut memory, 240).gaps;
        assert_eq!(lost, [Gap { key: "vault/a".into(), between: 4, after: None }]);
        // It began before anything was asked for.
        let old = [pod("vault/a", -4000)];
        let mut memory = Memory::default();
        judge(&old, lines(), &mut memory, 100);
        assert!(judge(&old, lines(), &mut memory, 240).gaps.is_empty());
    }

    #[test]
    fn a_quiet_zone_stays_the_same() {
        let pods = [pod("vault/a", 0)];
        let mut memory = Memory::default();
        let mut at_moment = |now: i64| judge(&pods, vec![run("a", "1", (0, 9, 10), now - 5, false)], &mut memory, now);
        let first = at_moment(100);
        assert_eq!(at_moment(130), first);
        assert_eq!(at_moment(300), first);
        let after = at_moment(500);
        assert_eq!(after.oldest, Some(at(495)));
        // Once it is late it is told as it is.
        let late = judge(&pods, vec![run("a", "1", (0, 9, 10), 495, false)], &mut memory, 600);
        assert_eq!((late.oldest, late.late_pods), (Some(at(495)), 1));
    }

    #[test]
    fn what_is_named_is_bounded() {
        let pods: Vec<Expected> = (0..200).map(|n| pod(&format!("vault/{n}"), 0)).collect();
        let delivery = judge(&pods, vec![], &mut Memory::default(), 100);
        assert_eq!((delivery.pods, delivery.late_pods, delivery.late.len()), (200, 200, NAMED));
    }
}
