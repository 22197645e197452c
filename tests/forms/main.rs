//! Every form of a judgement says the same: which findings there are in which zone, how bad each is and in which state, and
//! how many that makes. Each form is read back by what reads such forms.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test ends where something is not as expected"
)]

mod cluster;
mod read;

use std::{collections::BTreeMap, panic::resume_unwind, thread};

use pcizone::{
    api::FindingState,
    evidence::{Dossier, Form, Judgement, Manner},
};

/// A finding as every form has it: zone, id, severity, state.
type Told = [String; 4];

/// Random clusters; each is a number, so that a failure can be looked at.
const CLUSTERS: u32 = 1000;

fn written(form: Form, (judgement, dossier): &(Judgement, Dossier), strict: bool) -> String {
    let mut bytes = Vec::new();
    let manner = Manner { strict, ..Manner::default() };
    form.write(&mut bytes, judgement, || dossier, &manner).unwrap_or_else(|error| panic!("{form:?}: {error}"));
    String::from_utf8(bytes).unwrap_or_else(|error| panic!("{form:?}: {error}"))
}

fn expected(judgement: &Judgement) -> Vec<Told> {
    let zones = judgement.zones.iter();
    let mut told: Vec<Told> = zones
        .flat_map(|zone| {
            zone.findings.iter().map(|one| {
                [zone.name.clone(), one.id.clone(), format!("{:?}", one.severity), format!("{:?}", one.state)]
            })
        })
        .collect();
    told.sort();
    told
}

fn counts(told: &[Told]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for [_, _, _, state] in told {
        *counts.entry(state.as_str()).or_default() += 1;
    }
    counts
}

#[test]
fn every_form_of_a_thousand_random_clusters_tells_the_same_findings() {
    let threads = thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1));
    let seen = thread::scope(|scope| {
        let parts = (0..threads).map(|part| scope.spawn(move || compare((part..CLUSTERS).step_by(threads as usize))));
        let parts: Vec<_> = parts.collect();
        parts
            .into_iter()
            .map(|part| part.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .fold(Seen::default(), Seen::with)
    });
    // Without these nothing would have been compared.
    for state in [FindingState::Violated, FindingState::Unproven, FindingState::Accepted] {
        assert!(seen.states.get(&state).is_some_and(|count| *count > 500), "{seen:?}");
    }
    assert!(seen.unjudged > 50 && seen.located > 500, "{seen:?}");
}

/// What there was to compare.
#[derive(Debug, Default)]
struct Seen {
    states: BTreeMap<FindingState, usize>,
    unjudged: usize,
    located: usize,
}

impl Seen {
    fn with(mut self, other: Seen) -> Seen {
        for (state, count) in other.states {
            *self.states.entry(state).or_default() += count;
        }
        self.unjudged += other.unjudged;
        self.located += other.located;
        self
    }
}

fn compare(numbers: impl Iterator<Item = u32>) -> Seen {
    let mut seen = Seen::default();
    for number in numbers {
        let judged = cluster::judged(number);
        let judgement = &judged.0;
        let expected = expected(judgement);
        for finding in judgement.findings() {
            *seen.states.entry(finding.state).or_default() += 1;
        }
        seen.unjudged += judgement.zones.iter().filter(|zone| zone.unjudged().is_some()).count();
        seen.located += judgement.zones.iter().map(|zone| zone.places.len()).sum::<usize>();
        for form in Form::all().iter().copied() {
            let strict = number % 2 == 1;
            let text = written(form, &judged, strict);
            let mut told = read::told(form, &text);
            told.sort();
            assert_eq!(told, expected, "cluster {number} as {form:?}:\n{text}");
            let stated = read::counts(form, &text, strict);
            assert!(
                stated.as_ref().is_none_or(|stated| *stated == read::Counts::of(&counts(&expected))),
                "cluster {number} as {form:?} says {stated:?}:\n{text}"
            );
        }
    }
    seen
}

#[test]
fn equal_judgements_give_equal_bytes() {
    for number in 0..20 {
        let [one, other] = [(), ()].map(|()| cluster::judged(number));
        for form in Form::all().iter().copied() {
            assert_eq!(written(form, &one, false), written(form, &other, false), "cluster {number} as {form:?}");
        }
    }
}
