//! Answers that are damaged or forged a little: a run that lacks a number never becomes one that is all there.

use std::sync::LazyLock;

use proptest::{prelude::*, sample::Index};
use regex::Regex;

use super::{Answer, Run, Says, Store, all, assert_told, bases, found, ok};

/// Numbers that decide, with what stands around them: whoever can change these can write what is there.
static DECIDES: LazyLock<Regex> = LazyLock::new(|| {
    let keys = "seq|first|last|number|min|max|sum|sum_of_squares|count|doc_count|value";
    Regex::new(&format!(r#"\\?"({keys})\\?":\{{?\\?"?(value\\?":)?[0-9.]+|\\?"r1\\?",[0-9]+\]"#)).unwrap()
});

/// How an answer is damaged.
#[derive(Clone, Debug)]
enum Damage {
    CutOff(Index),
    Replaced(Index, char),
    Removed(Index),
    Inserted(Index, char),
    Gone,
}

fn damage() -> impl Strategy<Value = Damage> {
    let char = prop_oneof![
        Just('"'),
        Just('{'),
        Just('}'),
        Just(','),
        Just(':'),
        Just('\n'),
        Just('\\'),
        Just(' '),
        any::<char>(),
        "[a-zA-Z0-9_#]".prop_map(|text| text.chars().next().unwrap_or('x'))
    ];
    prop_oneof![
        any::<Index>().prop_map(Damage::CutOff),
        (any::<Index>(), char.clone()).prop_map(|(at, char)| Damage::Replaced(at, char)),
        any::<Index>().prop_map(Damage::Removed),
        (any::<Index>(), char).prop_map(|(at, char)| Damage::Inserted(at, char)),
        Just(Damage::Gone),
    ]
}

/// The text damaged; none where that would touch a number that decides.
fn damaged(text: &str, damage: &Damage) -> Option<String> {
    let places: Vec<(usize, char)> = text.char_indices().collect();
    let ((at, old), with, skip) = match damage {
        Damage::CutOff(at) => return Some(text[..places[at.index(places.len())].0].to_string()),
        Damage::Gone => return Some(String::new()),
        Damage::Replaced(at, char) => (places[at.index(places.len())], Some(*char), true),
        Damage::Inserted(at, char) => (places[at.index(places.len())], Some(*char), false),
        Damage::Removed(at) => (places[at.index(places.len())], None, true),
    };
    if DECIDES.find_iter(text).any(|found| (found.start()..=found.end()).contains(&at)) {
        return None;
    }
    let after = if skip { at + old.len_utf8() } else { at };
    let middle = with.map(String::from).unwrap_or_default();
    Some(format!("{}{middle}{}", &text[..at], &text[after..]))
}

/// A run of more than two lines that lacks none, where nothing is left open.
fn whole(store: &Store, replies: &[Answer]) -> Option<Run> {
    let found = found(store, replies);
    assert_told(store.product(), &found);
    let mut runs = found.ok().filter(|runs| !runs.is_cut)?.runs;
    runs.retain(|run| run.missing() == 0 && run.count > 2);
    runs.pop()
}

#[test]
fn what_decides_is_found_in_each_base() {
    for (store, replies) in bases() {
        let texts = replies.iter().map(|reply| if let Answer::Body { text, .. } = reply { text.as_str() } else { "" });
        let number: usize = texts.map(|text| DECIDES.find_iter(text).count()).sum();
        assert!(number >= 3, "{}: {number}", store.product());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

    #[test]
    fn damage_never_makes_a_whole_run(which in any::<Index>(), place in any::<Index>(), damages in prop::collection::vec(damage(), 1..3)) {
        let bases = bases();
        let (store, mut replies) = bases[which.index(bases.len())].clone();
        let place = place.index(replies.len());
        if let Answer::Body { text, .. } = &mut replies[place] {
            for damage in &damages {
                if !text.is_empty() && let Some(changed) = damaged(text, damage) {
                    *text = changed;
                }
            }
        }
        let whole = whole(&store, &replies);
        prop_assert!(whole.is_none(), "{whole:?} of {replies:?}");
    }

    #[test]
    fn whatever_a_server_sends_there_is_no_panic_and_no_whole_run(which in any::<Index>(), status in prop_oneof![Just(200_u16), any::<u16>()], texts in prop::collection::vec(any::<String>(), 1..4)) {
        let bases = bases();
        let (store, _) = bases[which.index(bases.len())].clone();
        let forged: Vec<Answer> = texts.into_iter().map(|text| Answer::Body { status, text }).collect();
        prop_assert!(whole(&store, &forged).is_none());
    }

    /// Answers of one store, given by another, and in any order.
    #[test]
    fn answers_in_another_place_make_no_whole_run(which in any::<Index>(), from in prop::collection::vec((any::<Index>(), any::<Index>()), 1..4)) {
        let bases = bases();
        let (store, _) = bases[which.index(bases.len())].clone();
        let reply = |(base, place): &(Index, Index)| {
            let (_, replies) = &bases[base.index(bases.len())];
            replies[place.index(replies.len())].clone()
        };
        let replies: Vec<Answer> = from.iter().map(reply).collect();
        prop_assert!(whole(&store, &replies).is_none());
    }
}

/// Of every answer of the tables that is cut off after each line, what was not all there is not.
#[test]
fn an_answer_that_ends_too_soon_does_not_lose_a_run_silently() {
    let mut number = 0;
    for (name, store, replies, says) in all() {
        let Says::All(told) = &says else { continue };
        for (n, reply) in replies.iter().enumerate() {
            let Answer::Body { text, .. } = reply else { continue };
            for (at, _) in text.match_indices('\n').take(20) {
                if text[at..].trim().is_empty() {
                    continue;
                }
                let mut changed = replies.clone();
                changed[n] = ok(&text[..at]);
                let found = found(&store, &changed);
                let is_same = found.as_ref().is_ok_and(|runs| runs.runs.len() == told.len());
                assert!(is_same || found.as_ref().map_or(true, |runs| runs.is_cut), "{name}: {found:?}");
                number += 1;
            }
        }
    }
    assert!(number >= 5, "{number}");
}
