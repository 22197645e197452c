//! What the API server itself lets through, warns of and refuses for a zone: who, what, and in which mode.
//!
//! Every request is a dry run with the user's own credentials, so no row leaves anything behind for the next.

mod alone;
mod asking;
mod bed;
mod images;
mod joining;
mod people;
mod placement;
mod sidecars;
mod size;
mod table;

use asking::{Answer, ask};
use bed::guarded;
use people::People;
use table::UID_OF_NODE;
use testbed::Version;

/// The rows are written for Enforce. In Warn what is refused there is let through with the same words as a warning.
async fn accept(mode: &str, version: Version) {
    let bed = guarded(mode, version).await;
    let people = People::of(&bed).await;
    let mut wrong = Vec::new();
    let mut rows = table::rows();
    for row in &mut rows {
        if let Some(name) = row.body["spec"]["nodeName"].as_str().filter(|_| row.body.to_string().contains(UID_OF_NODE))
        {
            let uid = bed.node(name).await.metadata.uid.unwrap();
            row.body = serde_json::from_str(&row.body.to_string().replace(UID_OF_NODE, &uid)).unwrap();
        }
    }
    for row in &rows {
        let answer = ask(people.client(row.who), row).await;
        let as_wanted = match (row.stopped_by, mode) {
            (None, _) => matches!(answer, Answer::Allowed { .. }) && answer.warning().is_none(),
            (Some(id), "Enforce") => matches!(&answer, Answer::Refused(text) if text.contains(&format!("({id})"))),
            (Some(id), _) => answer.warning().is_some_and(|text| text.contains(&format!("({id})"))),
        };
        if !as_wanted {
            wrong.push(format!("{:?} {}: wanted {:?}, got {answer:?}", row.who, row.what, row.stopped_by));
        }
    }
    let all = rows.len();
    assert!(all >= 60, "the table has {all} rows");
    assert!(wrong.is_empty(), "{} of {all} rows in {mode}:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn enforce_refuses_what_gets_around_a_zone_and_nothing_else() {
    accept("Enforce", Version::Current).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn warn_says_of_the_same_requests_what_enforce_would_refuse() {
    accept("Warn", Version::Current).await;
}

/// There the operator's webhook does what mutating policies do elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_api_server_refuses_the_same() {
    accept("Enforce", Version::V135).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_api_server_warns_of_the_same() {
    accept("Warn", Version::V135).await;
}

/// An API server between the two takes seven minutes to build: `cargo test --test operator between -- --ignored`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds one more API server"]
async fn an_api_server_between_refuses_the_same() {
    accept("Enforce", Version::V136).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds one more API server"]
async fn an_api_server_between_warns_of_the_same() {
    accept("Warn", Version::V136).await;
}
