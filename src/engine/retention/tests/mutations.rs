//! Answers that are damaged or forged a little: what is too short never becomes a pass but by the value that decides.

use std::ops::Range;

use proptest::{prelude::*, sample::Index};

use super::{
    Answer, Answers, Store, Verdict, Wanted, elasticsearch, graylog, loki, opensearch, s3, splunk, victorialogs,
};

/// A store whose answers say that it keeps records for too short, and the values that decide it.
pub fn bases() -> Vec<(Store, Answers, &'static str)> {
    let named = |name: &str| name.to_string();
    vec![
        (
            Store::Elasticsearch { name: named("logs-pci-default") },
            elasticsearch::managed(
                r#""hot":{"min_age":"0ms","actions":{"rollover":{"max_age":"7d"}}},"delete":{"min_age":"30d","actions":{"delete":{}}}"#,
            ),
            "30d",
        ),
        (
            Store::Elasticsearch { name: named("logs-pci-default") },
            elasticsearch::own(
                r#""enabled":true,"data_retention":"30d","effective_retention":"30d","retention_determined_by":"data_stream_configuration""#,
                "",
            ),
            "30d",
        ),
        (
            Store::Elasticsearch { name: named("logs-pci-default") },
            elasticsearch::own(r#""enabled":true,"data_retention":"30d""#, ""),
            "30d",
        ),
        (
            Store::OpenSearch { name: named("logs-pci") },
            opensearch::managed(&opensearch::rolling(&[("delete", r#""min_index_age":"30d""#)], "")),
            "30d",
        ),
        (
            Store::Splunk { index: named("pci") },
            splunk::index("2592000", 90_000, "2025-07-01T00:00:00+0000", ""),
            "2592000",
        ),
        (
            Store::Graylog { index_set: named("pci") },
            graylog::answers(&[graylog::set(&graylog::by_time("P1D", "31"), "DeletionRetentionStrategy", "")]),
            "31",
        ),
        (
            Store::Loki { tenant: named("pci") },
            loki::answers(&loki::config("true", "  retention_period: 31d", ""), "overrides: {}\n"),
            "31d",
        ),
        (Store::VictoriaLogs, victorialogs::metrics("7d", ""), "7d"),
        (
            Store::S3 { bucket: named("pci-logs"), prefix: String::new() },
            s3::unlocked("<Expiration><Days>30</Days></Expiration>"),
            "30",
        ),
    ]
}

/// Where the value stands that decides, with what stands around it: a digit there makes another number of it.
fn decides(text: &str, value: &str) -> Vec<Range<usize>> {
    text.match_indices(value).map(|(at, _)| at.saturating_sub(1)..at + value.len() + 1).collect()
}

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
        Just('<'),
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

/// The text damaged; none where that would touch the value that decides.
fn damaged(text: &str, damage: &Damage, value: &str) -> Option<String> {
    let places: Vec<(usize, char)> = text.char_indices().collect();
    let is_free = |at: usize| !decides(text, value).iter().any(|range| range.contains(&at));
    let (at, with, skip) = match damage {
        Damage::CutOff(at) => return Some(text[..places[at.index(places.len())].0].to_string()),
        Damage::Gone => return Some(String::new()),
        Damage::Replaced(at, char) => (places[at.index(places.len())], Some(*char), true),
        Damage::Inserted(at, char) => (places[at.index(places.len())], Some(*char), false),
        Damage::Removed(at) => (places[at.index(places.len())], None, true),
    };
    let (at, old) = at;
    let after = if skip { at + old.len_utf8() } else { at };
    let middle = with.map(String::from).unwrap_or_default();
    is_free(at).then(|| format!("{}{middle}{}", &text[..at], &text[after..]))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

    #[test]
    fn damage_never_makes_a_pass_of_what_is_too_short(which in any::<Index>(), path in any::<Index>(), damages in prop::collection::vec(damage(), 1..3)) {
        let bases = bases();
        let (store, mut answers, value) = bases[which.index(bases.len())].clone();
        prop_assert!(matches!(store.verdict(&answers, Wanted::default()), Verdict::TooShort { .. }), "{store:?}");
        let path = answers.keys().nth(path.index(answers.len())).unwrap().clone();
        if let Some(Answer::Body { text, .. }) = answers.get_mut(&path) {
            for damage in &damages {
                if !text.is_empty() && let Some(changed) = damaged(text, damage, value) {
                    *text = changed;
                }
            }
        }
        let verdict = store.verdict(&answers, Wanted::default());
        prop_assert!(!matches!(verdict, Verdict::Kept { .. }), "{path}: {verdict:?} of {:?}", answers.get(&path));
    }

    #[test]
    fn whatever_a_server_sends_there_is_no_panic_and_no_pass(which in any::<Index>(), status in prop_oneof![Just(200_u16), any::<u16>()], texts in prop::collection::vec(any::<String>(), 1..4)) {
        let bases = bases();
        let (store, answers, _) = bases[which.index(bases.len())].clone();
        let forged: Answers = answers.keys().zip(texts.iter().cycle()).map(|(path, text)| (path.clone(), Answer::Body { status, text: text.clone() })).collect();
        let verdict = store.verdict(&forged, Wanted::default());
        prop_assert!(matches!(verdict, Verdict::Unproven(_)), "{verdict:?}");
        super::assert_told("forged", &verdict);
        let _ = store.requests(&forged);
    }

    #[test]
    fn the_number_that_decides_does_decide(days in 1_u32..2000) {
        let store = Store::Elasticsearch { name: "logs-pci-default".to_string() };
        let answers = elasticsearch::own(&format!(r#""enabled":true,"data_retention":"{days}d""#), "");
        let is_pass = matches!(store.verdict(&answers, Wanted::default()), Verdict::Kept { .. });
        prop_assert_eq!(is_pass, days >= 365);
    }
}
