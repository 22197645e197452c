//! From what the pods of a round saw to what is shown.
//!
//! ```text
//!                  allowed for a while          removed
//!  closed ────────────────┬─────────────────────────┬──────────── enforced: it follows what policies say
//!                         └──────── open ───────────┘
//!  open ────────────────────────────────────────────────────────── enforced nowhere: nothing denies it
//!  closed ──────┐ ┌──────────────────────────────────────────────── enforcement lapsed: it was open before anything allowed it
//!               └─┘
//!  closed ──────────────────────────────────────────────────────── unproven: it may as well be broken
//!  closed ────────────────┬──────────────────────────────────────── what was removed still holds
//!                         └──────── open ─────────────────────────
//! ```

use std::collections::BTreeMap;

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};

use super::{
    report::{Asked, Heard, Report, Stretch},
    round::{Round, Target},
};
use crate::{
    api::{SegmentationTest, TestFailure, TestResult, TestedPair},
    engine::{change::count, dates::seconds, shown::bounded, status::number},
};

/// Pairs of nodes that are told.
const PAIRS: usize = 12;
/// Longest name of a node that is told.
const NODE: usize = 63;
/// Longest request.
const REQUEST: usize = 64;
/// Ways that are named.
const SAMPLE: usize = 3;
/// Ways that are named in a sentence.
const NAMED: usize = 6;
/// Longest message.
const MESSAGE: usize = 384;
/// Lines that may arrive without that their answer does, where the two directions open or close a moment apart, and that get lost.
const UNANSWERED: u32 = 6;

/// A round that is over.
#[derive(Clone, Debug)]
pub struct Seen<'r> {
    /// The round.
    pub round: &'r Round,
    /// What was tried, by number.
    pub targets: &'r [Target],
    /// What the engine says of each target, whatever the canary's own policy says, by number.
    pub expected: &'r [Expected],
    /// What each post's prober told, or why it told nothing.
    pub asked: BTreeMap<usize, Result<Told, String>>,
    /// What each post's listener told, or why it told nothing.
    pub heard: BTreeMap<usize, Result<Told, String>>,
    /// When the policy that allows was written.
    pub allowed_at: Timestamp,
    /// When it was removed.
    pub removed_at: Timestamp,
    /// When the round ended.
    pub ended_at: Timestamp,
    /// SHA-256 over what it was about, from when it began.
    pub digest: String,
    /// SHA-256 over the settings of network plug-ins, from when it began, where they were read.
    pub settings: Option<String>,
    /// What asked for it.
    pub request: Option<&'r str>,
}

/// What a pod told, and when that was seen by the clock of whoever judges: clocks of nodes may be wrong.
#[derive(Clone, Debug)]
pub struct Told {
    /// What it told.
    pub report: Report,
    /// When that was seen, at its end or a moment later.
    pub seen_at: Timestamp,
}

impl Told {
    /// A moment of its report by the clock of whoever judges, or a moment later, in milliseconds since 1970.
    fn at(&self, millis: u32) -> i64 {
        self.seen_at.as_millisecond().saturating_sub(i64::from(self.report.ended.saturating_sub(millis)))
    }
}

/// What the engine says of a target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Expected {
    /// Nothing opens it but the canary's own policy.
    #[default]
    Closed,
    /// Policies open it, or deny nothing: these.
    Open(String),
    /// The policies of the flow that is tried open it: they mean the canary's pods as well.
    Declared,
    /// Policies may open it that are not understood in all: these.
    Unsure(String),
}

/// What one target did.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Behaviour {
    /// Open exactly while it was allowed; how many milliseconds longer, if that is known, and whether it was open at the start.
    Followed { longer: Option<i64>, open_at_start: bool },
    /// Open all the time.
    Open,
    /// Never open.
    Closed,
    /// Open, and open still when nothing allowed it any more.
    StayedOpen,
    /// Open for a while before anything allowed it, and not only at the start.
    Lapsed,
    /// Open since before anything allowed it, and to the end.
    Gone,
    /// One way got through without an answer, when nothing allowed it.
    OneWay,
    /// None of these: what was seen goes to and fro.
    Unclear,
    /// Nothing was told of it.
    Untold(String),
}

/// What one target shows.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Shown {
    Enforced,
    Broken(&'static str),
    /// What policies of others open is open: nothing follows for the network plug-in.
    Agrees(String),
    Unproven(String),
}

impl Shown {
    fn why(&self) -> &str {
        match self {
            Shown::Enforced => "as its policy says",
            Shown::Broken(why) => why,
            Shown::Agrees(why) | Shown::Unproven(why) => why,
        }
    }
}

/// Judges a round.
pub fn verdict(seen: &Seen) -> SegmentationTest {
    let ways: Vec<Way> =
        seen.targets.iter().enumerate().map(|(number, target)| Way::of(seen, number, target)).collect();
    let of = |is: fn(&Shown) -> bool| ways.iter().filter(move |way| is(&way.shown)).collect::<Vec<_>>();
    let enforced = of(|shown| matches!(shown, Shown::Enforced));
    let broken = of(|shown| matches!(shown, Shown::Broken(_)));
    let agrees = of(|shown| matches!(shown, Shown::Agrees(_)));
    let unproven = of(|shown| matches!(shown, Shown::Unproven(_)));
    let missing = absent(seen);
    let is_outside = seen.round.posts.iter().any(|post| !post.is_inside);
    let named = |ways: &[&Way]| named(seen.round, ways);
    let flows = proven_flows(&ways);
    let failure = failure(&ways, &broken);
    let (result, message) = if !broken.is_empty() {
        let head = match failure {
            Some(TestFailure::Everything) => "Nothing is enforced on any way",
            Some(TestFailure::OneFamily) => "One address family is not enforced",
            _ => "Not every way is enforced",
        };
        (TestResult::NotEnforced, format!("{head}: {}.", named(&broken)))
    } else if !agrees.is_empty() {
        let message = "Policies of others open the canary's own ways, as the findings say, so nothing is closed that could be shown";
        (TestResult::NotEnforced, format!("{message}: {}.", named(&agrees)))
    } else if !unproven.is_empty() {
        (TestResult::Unproven, format!("It could not be shown for all ways: {}.", named(&unproven)))
    } else if let Some(missing) = missing.first() {
        (TestResult::Unproven, format!("It could not be shown for every node: {missing}."))
    } else if enforced.is_empty() {
        (TestResult::Unproven, "No way was tried.".to_string())
    } else if !is_outside {
        let message = "Every way within the zone followed its policy; no node lies outside the zone from which to try the way in.";
        (TestResult::Unproven, message.to_string())
    } else {
        let nodes = count(seen.round.posts.iter().filter(|post| post.is_inside).count(), "node");
        let copied = if flows.is_empty() {
            String::new()
        } else {
            format!(" Flows among them, each by a copy of its policy: {}.", flows.join(", "))
        };
        let message = format!(
            "{} on {nodes} of the zone got through while a policy of the canary's own allowed it, and at no other time.{copied}",
            count(enforced.len(), "way")
        );
        (TestResult::Enforced, message)
    };
    let sample = broken.iter().chain(&agrees).chain(&unproven).map(|way| way.words(seen.round)).chain(missing);
    let longer = ways.iter().filter_map(|way| match way.behaviour {
        Behaviour::Followed { longer, .. } => longer,
        _ => None,
    });
    let opens_late = |way: &&Way| matches!(way.behaviour, Behaviour::Followed { open_at_start: true, .. });
    let own_node = seen.heard.iter().filter(|(post, told)| {
        let is_inside = seen.round.posts.get(**post).is_some_and(|post| post.is_inside);
        is_inside && told.as_ref().is_ok_and(|told| told.report.own_node.is_some())
    });
    SegmentationTest {
        tested_at: Time(seconds(seen.ended_at)),
        result,
        message: bounded(&message, MESSAGE),
        namespace: seen.round.inside.clone(),
        round: seen.round.id.clone(),
        request: seen.request.map(|request| bounded(request, REQUEST)),
        nodes: number(seen.round.posts.iter().filter(|post| post.is_inside).count()),
        tried: number(ways.len()),
        enforced: number(enforced.len()),
        broken: number(broken.len()),
        sample: sample.take(SAMPLE).map(|words| bounded(&words, 160)).collect(),
        pairs: pairs(seen.round, &ways),
        failure,
        closed_within_millis: longer.max(),
        open_at_start: number(ways.iter().filter(opens_late).count()),
        own_node: number(own_node.count()),
        flows,
        settings_digest: seen.settings.clone(),
        digest: seen.digest.clone(),
    }
}

/// A target and what is shown of it.
struct Way<'s> {
    target: &'s Target,
    behaviour: Behaviour,
    shown: Shown,
}

impl<'s> Way<'s> {
    fn of(seen: &Seen<'s>, number: usize, target: &'s Target) -> Self {
        let behaviour = behaviour(seen, number, target);
        let shown = shown(&behaviour, seen.expected.get(number).unwrap_or(&Expected::Closed));
        Way { target, behaviour, shown }
    }

    fn words(&self, round: &Round) -> String {
        format!("{}: {}", round.words(self.target), self.shown.why())
    }
}

fn shown(behaviour: &Behaviour, expected: &Expected) -> Shown {
    let closed = "it was closed also while a policy allowed it; either the network is broken, or a policy that was just written \
                  did not come into force in time while the loaded ones went on denying";
    match (behaviour, expected) {
        (Behaviour::Untold(why), _) => Shown::Unproven(why.clone()),
        (Behaviour::Unclear, _) => Shown::Unproven("it opened and closed by itself".to_string()),
        (
            Behaviour::Open | Behaviour::OneWay | Behaviour::Lapsed | Behaviour::Gone,
            Expected::Open(by) | Expected::Unsure(by),
        ) => Shown::Agrees(format!("open by {by}")),
        // What is declared is open, and needs no copy.
        (Behaviour::Open, Expected::Declared) => Shown::Enforced,
        (_, Expected::Open(_) | Expected::Declared) => Shown::Broken("policies open it, and it was closed"),
        (Behaviour::Open, Expected::Closed) => Shown::Broken("open all the time, and no policy allows it"),
        (Behaviour::Lapsed, Expected::Closed) => {
            Shown::Broken("open for a while before any policy allowed it; enforcement lapsed")
        }
        (Behaviour::Gone, Expected::Closed) => {
            Shown::Broken("open since before any policy allowed it, and to the end; enforcement is gone")
        }
        (Behaviour::OneWay, Expected::Closed) => {
            Shown::Broken("packets got through when no policy allowed it, only no answer came back")
        }
        (Behaviour::StayedOpen, _) => {
            Shown::Broken("open although the policy that allowed it was removed; the loaded ones go on")
        }
        (Behaviour::Closed, _) => Shown::Unproven(closed.to_string()),
        (Behaviour::Followed { .. }, _) => Shown::Enforced,
    }
}

fn behaviour(seen: &Seen, number: usize, target: &Target) -> Behaviour {
    let node = |at: usize| seen.round.posts.get(at).map(|post| post.node.as_str()).unwrap_or_default();
    let told = match seen.asked.get(&target.from) {
        Some(Ok(told)) => told,
        Some(Err(why)) => {
            return Behaviour::Untold(format!("the pod that asks on {} told nothing: {why}", node(target.from)));
        }
        None => return Behaviour::Untold(format!("no pod asked on {}", node(target.from))),
    };
    let is_meant = |asked: &&Asked| usize::try_from(asked.target).is_ok_and(|target| target == number);
    let Some(asked) = told.report.asked.iter().find(is_meant) else {
        return Behaviour::Untold(format!("the pod on {} does not tell of it{}", node(target.from), trouble(told)));
    };
    let stretches = without_losses(&asked.stretches);
    let open: Vec<bool> = stretches.iter().map(|stretch| stretch.open).collect();
    let allowed_at = seen.allowed_at.as_millisecond();
    // What is open at the start is another matter: the policies of a pod that was just made may not hold yet.
    let has_lapsed = stretches.iter().skip(1).any(|stretch| stretch.open && told.at(stretch.from) < allowed_at);
    match open.as_slice() {
        [] => Behaviour::Untold(format!("the pod on {} did not try it{}", node(target.from), trouble(told))),
        [true] => Behaviour::Open,
        [.., true] if has_lapsed => Behaviour::Gone,
        [.., true] => Behaviour::StayedOpen,
        _ if has_lapsed => Behaviour::Lapsed,
        [.., false] if is_one_way(seen, number, target, &stretches) => Behaviour::OneWay,
        [first @ .., true, false] if first == [false] || first == [true, false] => {
            let last_open = stretches.iter().filter(|stretch| stretch.open).map(|stretch| stretch.to).max();
            let longer = last_open.map(|open| told.report.began.saturating_add(i64::from(open)));
            let longer = longer.map(|open| open.saturating_sub(seen.removed_at.as_millisecond()).max(0));
            Behaviour::Followed { longer, open_at_start: first.len() > 1 }
        }
        // Where it was open at the start alone, whether the policy opened it later is not told apart.
        [false] | [true, false] => Behaviour::Closed,
        _ => Behaviour::Unclear,
    }
}

/// One attempt without an answer between two that had one is a packet that was lost. The other way round nothing is lost.
fn without_losses(stretches: &[Stretch]) -> Vec<Stretch> {
    let mut kept: Vec<Stretch> = Vec::with_capacity(stretches.len());
    for stretch in stretches {
        let is_loss = |lost: &Stretch| !lost.open && lost.attempts == 1;
        if stretch.open
            && kept.len() > 1
            && kept.last().is_some_and(is_loss)
            && let [.., open, _] = kept.as_mut_slice()
            && open.open
        {
            (open.to, open.attempts) = (stretch.to, open.attempts.saturating_add(stretch.attempts));
            kept.pop();
        } else {
            kept.push(*stretch);
        }
    }
    kept
}

/// Many more lines arrived than were answered.
fn is_one_way(seen: &Seen, number: usize, target: &Target, stretches: &[Stretch]) -> bool {
    let told = seen.heard.get(&target.to).and_then(|told| told.as_ref().ok());
    let is_meant = |heard: &&Heard| usize::try_from(heard.target).is_ok_and(|target| target == number);
    let arrived = told.and_then(|told| told.report.heard.iter().find(is_meant)).map_or(0, |heard| heard.times);
    let answered = stretches.iter().filter(|stretch| stretch.open).map(|stretch| stretch.attempts);
    arrived > answered.fold(UNANSWERED, u32::saturating_add)
}

fn trouble(told: &Told) -> String {
    if told.report.trouble.is_empty() { String::new() } else { format!(" ({})", bounded(&told.report.trouble, NODE)) }
}

/// The node of a post; one outside is said to be.
fn name(round: &Round, at: usize) -> String {
    let post = round.posts.get(at);
    let node = bounded(post.map(|post| post.node.as_str()).unwrap_or_default(), NODE);
    if post.is_some_and(|post| post.is_inside) { node } else { format!("outside/{node}") }
}

/// Pairs of nodes and what is said of them, each said once. The ways from outside come first.
fn named(round: &Round, ways: &[&Way]) -> String {
    let mut pairs: Vec<(bool, usize, usize, &str)> = Vec::new();
    for way in ways {
        let is_inside = round.posts.get(way.target.from).is_some_and(|post| post.is_inside);
        let pair = (is_inside, way.target.from, way.target.to, way.shown.why());
        if !pairs.contains(&pair) {
            pairs.push(pair);
        }
    }
    pairs.sort_unstable();
    let more = pairs.len().saturating_sub(NAMED);
    let mut by_reason: Vec<(&str, Vec<String>)> = Vec::new();
    for (_, from, to, why) in pairs.into_iter().take(NAMED) {
        let words = format!("{} → {}", name(round, from), name(round, to));
        match by_reason.iter_mut().find(|(known, _)| *known == why) {
            Some((_, all)) => all.push(words),
            None => by_reason.push((why, vec![words])),
        }
    }
    let said: Vec<String> = by_reason.into_iter().map(|(why, pairs)| format!("{}: {why}", pairs.join(", "))).collect();
    if more == 0 { said.join("; ") } else { format!("{}; and {more} more", said.join("; ")) }
}

/// The worst that each pair of nodes showed.
fn pairs(round: &Round, ways: &[Way]) -> Vec<TestedPair> {
    let is_worse = |one: TestResult| match one {
        TestResult::Enforced => 0,
        TestResult::Unproven => 1,
        TestResult::NotEnforced => 2,
    };
    let mut worst: BTreeMap<(usize, usize), TestResult> = BTreeMap::new();
    for way in ways {
        let result = match way.shown {
            Shown::Enforced => TestResult::Enforced,
            Shown::Broken(_) | Shown::Agrees(_) => TestResult::NotEnforced,
            Shown::Unproven(_) => TestResult::Unproven,
        };
        let known = worst.entry((way.target.from, way.target.to)).or_insert(result);
        if is_worse(result) > is_worse(*known) {
            *known = result;
        }
    }
    let pair = |((from, to), result)| TestedPair { from: name(round, from), to: name(round, to), result };
    let mut pairs: Vec<((usize, usize), TestResult)> = worst.into_iter().collect();
    if pairs.len() > PAIRS {
        // What is not as it must be is told first.
        pairs.sort_by_key(|(_, result)| std::cmp::Reverse(is_worse(*result)));
    }
    pairs.into_iter().map(pair).take(PAIRS).collect()
}

/// Flows all of whose ways got through as declared.
fn proven_flows(ways: &[Way]) -> Vec<String> {
    let mut flows: BTreeMap<&str, bool> = BTreeMap::new();
    for way in ways {
        if let Some(flow) = &way.target.flow {
            *flows.entry(flow).or_insert(true) &= way.shown == Shown::Enforced;
        }
    }
    flows.into_iter().filter(|(_, proven)| *proven).map(|(flow, _)| flow.to_string()).collect()
}

/// Posts whose pods told nothing at all, in words.
fn absent(seen: &Seen) -> Vec<String> {
    let reports = [&seen.asked, &seen.heard];
    let silent = seen.round.posts.iter().enumerate().filter_map(|(at, post)| {
        let why = reports.iter().find_map(|all| match all.get(&at) {
            Some(Ok(_)) => None,
            Some(Err(why)) => Some(why.clone()),
            None => Some("its pods did not start".to_string()),
        });
        Some(format!("node {}: {}", post.node, why?))
    });
    let left_out = seen.round.left_out.iter().map(|node| format!("node {node}: it is not ready"));
    silent.chain(left_out).collect()
}

fn failure(ways: &[Way], broken: &[&Way]) -> Option<TestFailure> {
    if broken.is_empty() {
        return None;
    }
    // Open in the end although nothing allows it: enforcement may have gone while the pods stood.
    let is_open = |way: &Way| {
        matches!(way.behaviour, Behaviour::Open | Behaviour::StayedOpen | Behaviour::Gone)
            && matches!(way.shown, Shown::Broken(_))
    };
    // What is open because it is declared says nothing of that.
    let is_declared = |way: &Way| way.behaviour == Behaviour::Open && way.shown == Shown::Enforced;
    let told = || ways.iter().filter(move |way| !matches!(way.behaviour, Behaviour::Untold(_)) && !is_declared(way));
    if told().all(is_open) {
        return Some(TestFailure::Everything);
    }
    let of = |is_v4: bool| told().filter(move |way| way.target.address.is_ipv4() == is_v4);
    let is_broken = |way: &Way| matches!(way.shown, Shown::Broken(_));
    let one_family = [true, false].into_iter().any(|family| {
        of(family).next().is_some()
            && of(!family).next().is_some()
            && of(family).all(is_broken)
            && !of(!family).any(is_broken)
    });
    Some(if one_family { TestFailure::OneFamily } else { TestFailure::Some })
}

#[cfg(test)]
mod tests;
