//! Asks the store of one sink, over and over: what arrives twice a minute, how long it is kept every ten. One task for each sink of each zone,
//! so that a store that answers slowly, or with garbage, or not at all, holds up no other.

use std::{sync::Arc, time::Duration};

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, sleep, timeout};

use super::credentials::Credentials;
use crate::{
    api::{Logging, Retention, Sink},
    controllers::hub::Hub,
    engine::{
        collected::{self, Expected, Memory, Pace, Said, arriving},
        declaration::Declaration,
        delivery::{self, Element, Question},
        pod::Pod,
        retention::{Answers, Store, Verdict, Wanted},
    },
    sinks::{self, Client},
};

/// How often it is asked what arrives. With the patience of a minute a way that is cut shows within two.
const EVERY: Duration = Duration::from_secs(30);
/// How often it is asked how long records are kept, and what they say.
const SELDOM: Duration = Duration::from_secs(600);
/// The same while it is not known.
const UNKNOWN: Duration = Duration::from_secs(60);
/// How long a store may take for all of one kind of question.
const LIMIT: Duration = Duration::from_secs(15);
/// How long it may take for all kinds together.
const ROUND: Duration = Duration::from_secs(50);
/// How far back it is asked, at least.
const WINDOW: SignedDuration = SignedDuration::from_hours(1);

/// What the tasks of all zones share.
pub(super) struct Shared {
    pub(super) hub: Arc<Hub>,
    pub(super) credentials: Credentials,
}

/// What is remembered of a store between two questions.
#[derive(Default)]
struct Known {
    memory: Memory,
    settings: Option<Settings>,
}

/// What it said of itself.
#[derive(Clone)]
struct Settings {
    at: Instant,
    /// What its verdict is about.
    wanted: Retention,
    verdict: Verdict,
    lacking: Option<Vec<Element>>,
}

/// The zone as it asks now; nothing where it has no sink of this name.
pub(super) fn declared(hub: &Hub, zone: &str, sink: &str) -> Option<(Arc<Declaration>, Sink)> {
    hub.resolved(|resolution, _| {
        let declaration = resolution.zone(zone)?.answering().filter(|zone| !zone.deleting)?;
        let sink = declaration.logs.as_ref()?.sinks.iter().find(|one| one.name == sink)?;
        Some((Arc::clone(declaration), sink.clone()))
    })
}

/// Asks the store of a sink until the zone has it no more.
pub(super) async fn ask(zone: String, name: String, shared: Arc<Shared>) {
    let mut known = Known::default();
    let mut before: Option<Sink> = None;
    while let Some((declaration, sink)) = declared(&shared.hub, &zone, &name) {
        let begun = Instant::now();
        let Some(logs) = &declaration.logs else { break };
        // What was known of a sink that is another one now is of no use.
        if before.replace(sink.clone()).is_some_and(|before| before != sink) {
            known = Known::default();
        }
        let said = timeout(ROUND, one(&zone, logs, &sink, &mut known, &shared)).await;
        let said = said.unwrap_or_else(|_| Said::silent(&format!("no answer within {} s", ROUND.as_secs())));
        if shared.hub.collected.put(&zone, &name, said) {
            shared.hub.wake();
        }
        sleep(EVERY.saturating_sub(begun.elapsed())).await;
    }
}

async fn one(zone: &str, logs: &Logging, sink: &Sink, known: &mut Known, shared: &Shared) -> Said {
    let client = match client(sink, shared).await {
        Ok(client) => client,
        Err(why) => return Said::silent(&why),
    };
    let (client, store) = client;
    let every = logs.linger.as_ref().map_or(10, |linger| i64::from(linger.every_seconds));
    let pace = Pace { every, window: WINDOW.max(SignedDuration::from_secs(every.saturating_mul(20))) };
    let now = Timestamp::now();
    let since = now.checked_sub(pace.window).unwrap_or(Timestamp::MIN);
    let question = Question { zone, since, until: now };
    let delivery = match collected::hidden(logs, sink) {
        Some(why) => Err(why.to_string()),
        None => delivered(&client, &store, &question)
            .await
            .map(|runs| arriving(&expected(&shared.hub, zone), &runs, pace, &mut known.memory, now)),
    };
    let holds = |known: &&Settings| {
        let is_unknown = matches!(known.verdict, Verdict::Unproven(_));
        known.wanted == logs.retention && known.at.elapsed() < if is_unknown { UNKNOWN } else { SELDOM }
    };
    let settings = match known.settings.as_ref().filter(holds) {
        Some(settings) => settings.clone(),
        None => Settings {
            at: Instant::now(),
            wanted: logs.retention.clone(),
            verdict: kept(&client, &store, logs).await,
            lacking: lacking(&client, &store, &question).await,
        },
    };
    let (retention, lacking) = (settings.verdict.clone(), settings.lacking.clone());
    known.settings = Some(settings);
    Said { delivery, retention, lacking }
}

async fn client(sink: &Sink, shared: &Shared) -> Result<(Client, Store), String> {
    let store = collected::store(sink)?;
    let place = collected::place(&store);
    let credentials = shared.credentials.clone();
    let made = tokio::task::spawn_blocking(move || credentials.client(&store)).await;
    let client = made.map_err(|_| "its credentials could not be read".to_string())??;
    Ok((sinks::for_store(client, &place)?, place))
}

async fn delivered(client: &Client, store: &Store, question: &Question<'_>) -> Result<delivery::Runs, String> {
    let asked = sinks::ask_all(client, |answers| delivery::requests(store, question, answers), LIMIT).await;
    let answers: Answers = asked.into_iter().collect();
    delivery::runs(store, question, &answers).map_err(|why| client.hide(&why))
}

async fn kept(client: &Client, store: &Store, logs: &Logging) -> Verdict {
    let answers: Answers = sinks::ask(client, store, LIMIT).await.into_iter().collect();
    let days = |days: i32| u32::try_from(days).unwrap_or(u32::MAX);
    // Less than the standard wants may be declared; it is judged by what it wants.
    let least = Wanted::default();
    let wanted = Wanted {
        days: days(logs.retention.days).max(least.days),
        searchable_days: days(logs.retention.searchable_days).max(least.searchable_days),
    };
    client.hide_in(store.verdict(&answers, wanted))
}

async fn lacking(client: &Client, store: &Store, question: &Question<'_>) -> Option<Vec<Element>> {
    let asked = sinks::ask_all(client, |answers| delivery::sample_requests(store, question, answers), LIMIT).await;
    let answers: Answers = asked.into_iter().collect();
    delivery::lacking(store, question, &answers).ok().flatten()
}

/// The pods of a zone that write numbered lines, or did when they were seen last.
fn expected(hub: &Hub, zone: &str) -> Vec<Expected> {
    let expected = |pod: &Arc<Pod>| {
        let lines = pod.lines?;
        Some(Expected { key: pod.key.to_string(), created: pod.created, since: lines.since, until: lines.until })
    };
    hub.pods_of(zone).iter().filter_map(expected).collect()
}
