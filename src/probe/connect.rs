//! `pcizone probe connect`: asks targets again and again, and tells when they answered and when not.
//!
//! To the kubelet of its node it says by a status when all of them have answered: so whoever watches the pod sees it at once. Once all of
//! them have answered and then not any more for a while, it ends: there is nothing more to be seen.
//!
//! It asks seldom while nothing changes, and often for a while after each change of any target: so a change is seen within
//! the one pace, and its time is known to the other.

use std::{collections::BTreeSet, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{self, Instant},
};

use super::{
    Error, answered,
    ending::{self, Clock, Ending, note_trouble},
    guest, line, run_name,
    target::Target,
};
use crate::{
    cli::Outcome,
    engine::canary::report::{Asked, Report, Stretch},
};

/// Targets of one probe: as many as fit into a message.
const MOST_TARGETS: usize = 48;
/// For how many milliseconds a pod may be open after it started, before its policies hold.
const LASTING: u32 = 15_000;

/// Asks targets again and again, and writes when they answered and when not. Exit code 0: written, 1: it could not be, 3:
/// wrong arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// The name of the round; targets that listen for another one do not answer.
    #[arg(long, value_parser = run_name)]
    run: String,
    /// Whom to ask, 1 to 48 times: a number, TCP or UDP, address and port. Names are not looked up.
    #[arg(long = "target", value_name = "N=PROTOCOL:ADDRESS:PORT", required = true)]
    targets: Vec<Target>,
    /// How often each target is asked while nothing changes.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(10..=3_600_000))]
    every_ms: u64,
    /// How often each target is asked after a change.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(10..=3_600_000))]
    fast_ms: u64,
    /// For how long after a change.
    #[arg(long, value_name = "SECONDS", default_value_t = 45, value_parser = clap::value_parser!(u64).range(0..=3600))]
    fast_for: u64,
    /// Ends once every target has answered and then not so many times in a row; 0: never.
    #[arg(long, value_name = "ATTEMPTS", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1000))]
    closed_for: u32,
    /// A port where `GET /answered` is 200 once every target has answered, and everything else 503; 0: none.
    #[arg(long, default_value_t = 0)]
    tell_port: u16,
    #[command(flatten)]
    ending: ending::Arguments,
}

impl Arguments {
    /// What is wrong with them together.
    pub(super) fn check(&self) -> Result<(), String> {
        let count = self.targets.len();
        if count > MOST_TARGETS {
            return Err(format!("{count} targets are too many; {MOST_TARGETS} fit into a report"));
        }
        let mut numbers = BTreeSet::new();
        if let Some(twice) = self.targets.iter().find(|target| !numbers.insert(target.number)) {
            return Err(format!("target {} is there twice; each needs a number of its own", twice.number));
        }
        if self.fast_ms > self.every_ms {
            return Err(format!("--fast-ms {} is slower than --every-ms {}", self.fast_ms, self.every_ms));
        }
        Ok(())
    }
}

/// How an attempt at the target at a place ended.
struct Attempt {
    place: usize,
    at: u32,
    /// Whether there was an answer, or why it could not be asked for.
    ended: Result<bool, String>,
}

/// What is known of the targets.
struct Seen {
    report: Report,
    /// How the last attempt at each ended; stretches do not tell that once there are too many.
    last: Vec<Option<bool>>,
}

impl Seen {
    /// Takes an attempt in, and tells whether it ended otherwise than the one before.
    fn note(&mut self, attempt: Attempt) -> bool {
        let Attempt { place, at, ended } = attempt;
        let (Some(asked), Some(last)) = (self.report.asked.get_mut(place), self.last.get_mut(place)) else {
            return false;
        };
        match ended {
            Ok(open) => {
                asked.note(open, at);
                last.replace(open) != Some(open)
            }
            Err(trouble) => {
                note_trouble(&mut self.report, || trouble);
                false
            }
        }
    }
}

impl Seen {
    /// Each target was closed and has answered after that; or it answers for so long that it does not only because its pod has just
    /// started and its policies do not hold yet.
    fn have_all_answered(&self) -> bool {
        let opened = |two: &[Stretch]| matches!(two, [before, after] if !before.open && after.open);
        let is_lasting = |stretch: &Stretch| stretch.open && stretch.to.saturating_sub(stretch.from) >= LASTING;
        let has = |stretches: &[Stretch]| stretches.windows(2).any(opened) || stretches.iter().any(is_lasting);
        self.report.asked.iter().all(|asked| has(&asked.stretches))
    }

    /// Each target was closed, has answered after that, and did not so many times in a row since. What was open from the start and
    /// never closed before may still be on its way to be.
    fn are_all_closed_again(&self, attempts: u32) -> bool {
        self.report.asked.iter().all(|asked| match asked.stretches.as_slice() {
            [.., before, open, last] => !before.open && open.open && !last.open && last.attempts >= attempts,
            _ => false,
        })
    }
}

/// Runs the command.
pub(super) async fn run(arguments: Arguments) -> Result<Outcome, Error> {
    let Arguments { run, targets, every_ms, fast_ms, fast_for, closed_for, tell_port, ending } = arguments;
    let mut ending = Ending::prepare(&ending)?;
    let clock = ending.clock();
    eprintln!("asks {} targets", targets.len());
    let mut seen = Seen { report: ending.report(), last: vec![None; targets.len()] };
    seen.report.asked = targets.iter().map(|target| Asked { target: target.number, stretches: Vec::new() }).collect();
    let fast_for = Duration::from_secs(fast_for);
    let (hurry, hurried) = watch::channel(clock.began() + fast_for);
    let (tell, mut told) = mpsc::channel(MOST_TARGETS);
    let every = Duration::from_millis(every_ms);
    let fast = Duration::from_millis(fast_ms);
    let count = u32::try_from(targets.len()).unwrap_or(u32::MAX);
    let mut tasks = JoinSet::new();
    let (have_answered, is_answered) = watch::channel(false);
    if tell_port != 0 {
        let listener = guest::tcp(tell_port).await.map_err(|source| Error::Listen { port: tell_port, source })?;
        tasks.spawn(answered::serve(listener, is_answered));
    }
    for (target, place) in targets.into_iter().zip(0..) {
        let paces = Paces { clock, every, fast, place, count, hurried: hurried.clone() };
        tasks.spawn(ask(target, line(&run, target.number), paces, tell.clone()));
    }
    let why = loop {
        tokio::select! {
            why = ending.comes() => break why,
            Some(attempt) = told.recv() => {
                if seen.note(attempt) {
                    hurry.send_replace(Instant::now() + fast_for);
                }
                // Without a change too: what stays open has answered after a while.
                have_answered.send_replace(seen.have_all_answered());
                if closed_for > 0 && seen.are_all_closed_again(closed_for) {
                    break "every target has answered, and does not any more";
                }
            }
        }
    };
    while let Ok(attempt) = told.try_recv() {
        seen.note(attempt);
    }
    ending.write(seen.report)?;
    eprintln!("ended: {why}");
    Ok(Outcome::Clean)
}

async fn ask(target: Target, line: String, mut paces: Paces, tell: mpsc::Sender<Attempt>) {
    let place = paces.place as usize;
    time::sleep(paces.fast * paces.place / paces.count).await;
    loop {
        let began = paces.clock.began().elapsed();
        let ended = target.answers(&line).await;
        let ended = ended.map_err(|error| format!("cannot ask target {}: {error}", target.number));
        if tell.send(Attempt { place, at: paces.clock.at(), ended }).await.is_err() {
            return;
        }
        paces.wait(began).await;
    }
}

/// When a target is asked next.
struct Paces {
    clock: Clock,
    every: Duration,
    fast: Duration,
    place: u32,
    count: u32,
    /// Until when all go fast.
    hurried: watch::Receiver<Instant>,
}

impl Paces {
    /// Waits for the next attempt, after one that began then.
    async fn wait(&mut self, began: Duration) {
        loop {
            let is_fast = *self.hurried.borrow_and_update() > Instant::now();
            let pace = if is_fast { self.fast } else { self.every };
            let next = self.clock.began() + tick(began, pace, self.place, self.count);
            tokio::select! {
                () = time::sleep_until(next) => return,
                Ok(()) = self.hurried.changed() => {}
            }
        }
    }
}

/// The first tick of a target after a moment. Those of all targets are spread over each pace, so that they do not ask all at
/// once, and none waits longer than one pace.
fn tick(after: Duration, pace: Duration, place: u32, count: u32) -> Duration {
    let first = pace * place / count.max(1);
    let Some(since) = after.checked_sub(first) else { return first };
    let passed = since.as_nanos().checked_div(pace.as_nanos()).unwrap_or_default();
    first + pace * u32::try_from(passed + 1).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_tick_is_ahead_and_at_most_a_pace_away_and_targets_take_turns() {
        let pace = Duration::from_secs(1);
        for after in [0, 1, 249, 250, 251, 999, 1000, 1250, 7_200_000].map(Duration::from_millis) {
            let mut ticks: Vec<Duration> = (0..4).map(|place| tick(after, pace, place, 4)).collect();
            assert!(ticks.iter().all(|tick| *tick > after && *tick <= after + pace), "{after:?}: {ticks:?}");
            ticks.sort();
            assert!(ticks.windows(2).all(|two| two[1] == two[0] + pace / 4), "{after:?}: {ticks:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_wakes_who_waits_and_hurries_for_a_while() {
        let clock = Clock::start();
        let begin = clock.began();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let (hurry, hurried) = watch::channel(begin);
        let (every, fast) = (Duration::from_secs(10), Duration::from_secs(1));
        let mut paces = Paces { clock, every, fast, place: 0, count: 1, hurried };
        let asks = async {
            let mut times = Vec::new();
            for _ in 0..6 {
                paces.wait(begin.elapsed()).await;
                times.push(begin.elapsed().as_secs());
            }
            times
        };
        let change = async {
            time::sleep_until(at(13)).await;
            hurry.send_replace(at(15));
        };
        let (times, ()) = tokio::join!(asks, change);
        assert_eq!(times, [10, 13, 14, 15, 20, 30]);
    }

    #[test]
    fn it_has_answered_when_it_opened_and_is_over_when_it_closed_again() {
        let seen = |lines: &[&str]| {
            let mut seen = Seen { report: Report::default(), last: vec![None; lines.len()] };
            seen.report.asked = vec![Asked::default(); lines.len()];
            for (place, line) in lines.iter().enumerate() {
                for (second, letter) in (0..).zip(line.chars()) {
                    seen.note(Attempt { place, at: second * 1000, ended: Ok(letter == '#') });
                }
            }
            (seen.have_all_answered(), seen.are_all_closed_again(2))
        };
        for (lines, answered, over) in [
            (&["..##.."][..], true, true),
            (&["..##."], true, false),
            (&["....."], false, false),
            (&["#####"], false, false),
            (&["################"], true, false),
            (&["##..."], false, false),
            (&["#.##.."], true, true),
            (&["..##..", "..##"], true, false),
            (&["..##..", "...."], false, false),
        ] {
            assert_eq!(seen(lines), (answered, over), "{lines:?}");
        }
    }

    #[test]
    fn an_attempt_that_ends_otherwise_than_the_one_before_is_a_change_also_when_there_were_many() {
        let mut seen = Seen { report: Report { asked: vec![Asked::default()], ..Report::default() }, last: vec![None] };
        for at in 0..40 {
            assert!(seen.note(Attempt { place: 0, at, ended: Ok(at % 2 == 0) }), "{at}");
        }
        assert!(!seen.note(Attempt { place: 0, at: 40, ended: Ok(false) }));
        assert!(!seen.note(Attempt { place: 0, at: 41, ended: Err("no socket".to_string()) }));
        assert_eq!(seen.report.trouble, "no socket");
        assert_eq!(seen.report.asked[0].stretches.iter().map(|one| one.attempts).sum::<u32>(), 41, "it has not asked");
    }
}
