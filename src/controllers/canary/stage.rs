//! What happens in the cluster in a round: pods come, policies come and go, pods end and tell.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::jiff::Timestamp;
use tokio::{sync::watch, time::timeout};

use super::pods::Pods;
use crate::{
    controllers::{
        apply::{
            Applier,
            canary::{Kind, Piece, Told},
        },
        error::Error,
    },
    engine::canary::{
        objects::Part,
        report::Report,
        round::{Post, Round, Target},
        verdict::Told as Statement,
    },
};

/// How long pods may take to start.
const START: Duration = Duration::from_secs(60);
/// How long the policies that allow are there at most: the thirty seconds in which they have to come into force, and the pace of those who
/// ask.
const ALLOWED: Duration = Duration::from_secs(40);
/// How long is looked at most after they were removed: the thirty seconds in which that has to come into force.
const AFTER: Duration = Duration::from_secs(32);
/// How long pods may take to end and to tell.
const END: Duration = Duration::from_secs(25);

/// What each post's pod told, or why it told nothing.
type Reports = BTreeMap<usize, Result<Statement, String>>;

/// Where a round is played.
pub struct Stage<'r> {
    /// The round.
    pub round: &'r Round,
    /// What writes.
    pub applier: &'r Applier,
    /// What is known of the pods.
    pub pods: watch::Receiver<Pods>,
}

impl Stage<'_> {
    /// Has the pods stand, and tells what they ask.
    pub async fn set_up(&mut self, image: &str) -> Result<Vec<Target>, Error> {
        let round = self.round;
        self.applier.put_piece(Kind::NetworkPolicy, round.standing()).await?;
        for (at, post) in round.posts.iter().enumerate() {
            self.applier.put_piece(Kind::Pod, round.listener(at, post, image)).await?;
        }
        self.until(START, Part::Listener, |told| told.runs).await;
        let addresses = {
            let pods = self.pods.borrow();
            round.addresses(|namespace, name| {
                let told = pods.get(&(namespace.to_string(), name.to_string())).filter(|told| told.runs);
                told.map(|told| told.addresses.clone()).unwrap_or_default()
            })
        };
        let targets = round.targets(&addresses);
        for (at, post) in askers(round, &targets) {
            self.applier.put_piece(Kind::Pod, round.prober(at, post, image, &targets)).await?;
        }
        self.until_askers(START, &targets, |told| told.runs).await;
        Ok(targets)
    }

    /// One of those who ask has ended before anything was allowed: it has seen enough.
    pub fn has_ended(&self, targets: &[Target]) -> bool {
        let pods = self.pods.borrow();
        askers(self.round, targets).any(|(at, _)| told(&pods, self.round, at, Part::Prober).message.is_some())
    }

    /// Allows everything that is tried until it was seen, and removes that again; tells when it did both.
    pub async fn open_and_close(&mut self, targets: &[Target]) -> Result<(Timestamp, Timestamp), Error> {
        let allowed_at = Timestamp::now();
        for policy in self.round.allowing() {
            self.applier.put_piece(Kind::NetworkPolicy, policy).await?;
        }
        self.until_askers(ALLOWED, targets, |told| told.started).await;
        for piece in policies(self.round).filter(|piece| piece.namespace == self.round.inside) {
            self.applier.delete_piece(&piece).await?;
        }
        let removed_at = Timestamp::now();
        self.until_askers(AFTER, targets, |told| told.message.is_some()).await;
        Ok((allowed_at, removed_at))
    }

    /// Has the pods end, and reads what those who asked and those who listened tell.
    pub async fn collect(&mut self) -> Result<(Reports, Reports), Error> {
        // Those who ask end first: that nobody listens any more is no news.
        for part in [Part::Prober, Part::Listener] {
            delete_pods(self.applier, self.round, part).await?;
            self.until(END, part, |told| told.gone || !told.runs).await;
        }
        let known = self.pods.borrow().clone();
        let reports = |part: Part| -> Reports {
            (0..self.round.posts.len()).map(|at| (at, statement(&told(&known, self.round, at, part)))).collect()
        };
        Ok((reports(Part::Prober), reports(Part::Listener)))
    }

    /// Waits until all pods of a part are so, for so long at most.
    async fn until(&mut self, limit: Duration, part: Part, is: impl Fn(&Told) -> bool) {
        let posts: Vec<usize> = (0..self.round.posts.len()).collect();
        self.until_at(limit, &posts, part, is).await;
    }

    /// The same of those who ask.
    async fn until_askers(&mut self, limit: Duration, targets: &[Target], is: impl Fn(&Told) -> bool) {
        let posts: Vec<usize> = askers(self.round, targets).map(|(at, _)| at).collect();
        self.until_at(limit, &posts, Part::Prober, is).await;
    }

    async fn until_at(&mut self, limit: Duration, posts: &[usize], part: Part, is: impl Fn(&Told) -> bool) {
        let round = self.round;
        let all = |pods: &Pods| posts.iter().all(|at| is(&told(pods, round, *at, part)));
        // Time that is up shows in what the pods tell; an end of the watch ends the operator.
        let _ = timeout(limit, self.pods.wait_for(all)).await;
    }
}

/// Takes away all that a round put into the cluster.
pub async fn clear(applier: &Applier, round: &Round) -> Result<(), Error> {
    for piece in policies(round) {
        applier.delete_piece(&piece).await?;
    }
    for part in [Part::Prober, Part::Listener] {
        delete_pods(applier, round, part).await?;
    }
    Ok(())
}

async fn delete_pods(applier: &Applier, round: &Round, part: Part) -> Result<(), Error> {
    for (at, _) in round.posts.iter().enumerate() {
        applier.delete_piece(&pod(round, at, part)).await?;
    }
    Ok(())
}

/// The posts that ask somebody.
fn askers<'r>(round: &'r Round, targets: &'r [Target]) -> impl Iterator<Item = (usize, &'r Post)> {
    round.posts.iter().enumerate().filter(|(at, _)| targets.iter().any(|target| target.from == *at))
}

fn policies(round: &Round) -> impl Iterator<Item = Piece> {
    round.policies().map(|(namespace, name)| Piece {
        kind: Kind::NetworkPolicy,
        namespace: namespace.to_string(),
        name,
        round: round.id.clone(),
    })
}

fn pod(round: &Round, at: usize, part: Part) -> Piece {
    let namespace = round.posts.get(at).map(|post| round.namespace(post)).unwrap_or_default().to_string();
    Piece { kind: Kind::Pod, namespace, name: round.pod_name(at, part), round: round.id.clone() }
}

fn told(pods: &Pods, round: &Round, at: usize, part: Part) -> Told {
    let Piece { namespace, name, .. } = pod(round, at, part);
    pods.get(&(namespace, name)).cloned().unwrap_or_default()
}

fn statement(told: &Told) -> Result<Statement, String> {
    match &told.message {
        Some((message, seen_at)) => Ok(Statement { report: Report::read(message)?, seen_at: *seen_at }),
        None if told.runs => Err("it did not end in time".to_string()),
        None => Err(format!(
            "it did not start in {} s ({})",
            START.as_secs(),
            told.waits.as_deref().unwrap_or("no reason is told")
        )),
    }
}
