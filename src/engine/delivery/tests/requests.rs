//! What is asked for: bounded, and nothing that a zone, an index or an answer could bend.

use k8s_openapi::jiff::SignedDuration;

use super::{
    Answers, Question, Store, answered, at, bases, elastic, graylog, loki, ok, question, requests, runs, splunk,
};
use crate::engine::delivery::{lacking, sample_requests};

fn stores() -> Vec<Store> {
    vec![elastic::store(), Store::VictoriaLogs, splunk::store(), graylog::store(), loki::store()]
}

#[test]
fn a_zone_that_is_no_name_is_not_asked_for() {
    let long = "z".repeat(254);
    for zone in
        ["", "cde\"", "c de", "*", "cde*", "cde\\", "-cde", "_cde", "cde}", "cde|x", "c\nde", "zönë", "a:b", &long]
    {
        let question = Question { zone, ..question() };
        for store in stores() {
            assert!(requests(&store, &question, &Answers::new()).is_empty(), "{zone:?}");
            assert!(sample_requests(&store, &question, &Answers::new()).is_empty(), "{zone:?}");
            let why = runs(&store, &question, &Answers::new()).unwrap_err();
            assert!(why.contains("no name of a zone"), "{why}");
            assert!(lacking(&store, &question, &Answers::new()).is_err());
        }
    }
}

#[test]
fn a_time_that_ends_before_it_begins_is_not_asked_about() {
    let Question { since, .. } = question();
    for until in [since, at("2026-11-25T00:00:00Z")] {
        let question = Question { until, ..question() };
        for store in stores() {
            assert!(requests(&store, &question, &Answers::new()).is_empty());
            assert!(runs(&store, &question, &Answers::new()).unwrap_err().contains("ends before it begins"));
        }
    }
}

#[test]
fn paths_are_bounded_and_plain() {
    let zone = "z".repeat(253);
    let question = Question { zone: &zone, ..question() };
    for (store, replies) in bases() {
        let asks = [requests, sample_requests];
        for ask in asks {
            let answers = answered(|answers| ask(&store, &question, answers), &replies);
            assert!(!answers.is_empty() && answers.len() <= 9, "{}: {}", store.product(), answers.len());
            for path in answers.keys() {
                // The first line of a request may have four kilobytes at most for Elasticsearch.
                // The next page names where it goes on: four names of 253 bytes, and what stands around them.
                let next = if path.contains("_search") { 4 * 253 + 120 } else { 0 };
                assert!(path.len() + next < 4050 && path.starts_with('/'), "{}: {}", store.product(), path.len());
                let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"/?&=-._~%,@".contains(&b);
                assert!(path.bytes().all(is_plain), "{path}");
            }
        }
    }
}

/// The same questions are asked whatever is answered: pages are the only thing that comes of answers.
#[test]
fn a_server_that_sends_the_same_for_ever_comes_to_an_end() {
    for (store, replies) in bases() {
        for reply in replies {
            let same = vec![reply; 30];
            answered(|answers| requests(&store, &question(), answers), &same);
        }
    }
    let full = super::loki::rows().into_iter().find(|(name, ..)| *name == "eight pages").unwrap();
    assert_eq!(answered(|answers| requests(&full.1, &question(), answers), &full.2).len(), 8);
}

/// An index of another time, in which texts are mapped otherwise, must not be searched.
#[test]
fn shards_of_another_time_are_left_out_first() {
    let answers = answered(|answers| requests(&elastic::store(), &question(), answers), &elastic::base());
    let search = answers.keys().find(|path| path.contains("_search")).unwrap();
    assert!(search.contains("?pre_filter_shard_size=1&"), "{search}");
    let fields = answers.keys().find(|path| path.contains("_field_caps")).unwrap();
    assert!(fields.contains("index_filter"), "{fields}");
}

#[test]
fn s3_is_not_asked() {
    let store = Store::S3 { bucket: "pci-logs".to_string(), prefix: String::new() };
    assert!(requests(&store, &question(), &Answers::new()).is_empty());
    assert!(runs(&store, &question(), &Answers::new()).is_err());
}

#[test]
fn graylog_is_asked_about_all_of_the_time() {
    let question = Question { since: question().until - SignedDuration::from_hours(3), ..question() };
    let paths = requests(&graylog::store(), &question, &Answers::new());
    assert!(paths.iter().all(|path| path.contains(&format!("&timerange={}m&", 3 * 60 + 24 * 60))), "{paths:?}");
    let answers = answered(|answers| requests(&graylog::store(), &question, answers), &[ok("{}")]);
    assert_eq!(answers.len(), 1);
}
