//! What people declared in a zone: flows, admitted workloads, exceptions, attestations; each with whether it holds now.

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use super::About;
use crate::{
    api::{self, FindingId, FindingState},
    engine::{
        checks::people::attested_until,
        declaration::flow_ports,
        exceptions::{is_about, is_live},
        graph::peer,
        obligations::review_due,
        reach::words,
    },
};

/// Subjects of an exception that are named.
const NAMED: usize = 10;

/// A flow.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Flow {
    /// Its name.
    pub name: String,
    /// Why the business needs it.
    pub need: String,
    /// Who answers for it.
    pub owner: String,
    /// Who approved it.
    pub approved_by: String,
    /// The change under which it was approved.
    pub ticket: String,
    /// When it was last reviewed.
    pub reviewed_at: Timestamp,
    /// Until when it has to be reviewed again.
    pub review_due: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Account data goes through it.
    pub account_data: bool,
    /// What protects a service that sends in plain text.
    pub mitigation: Option<String>,
    /// Who opens the connection, in words.
    pub from: String,
    /// Who accepts it, in words.
    pub to: String,
    /// On which ports, in words.
    pub ports: String,
    /// It is not over.
    pub is_open: bool,
    /// Its review is due or overdue.
    pub is_review_overdue: bool,
}

/// A workload of others that may run on the zone's nodes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Admitted {
    /// Its namespace.
    pub namespace: String,
    /// Its kind and name.
    pub workload: String,
    /// Why it has to run there.
    pub need: String,
    /// Who answers for it.
    pub owner: String,
    /// When it ends.
    pub expires_at: Timestamp,
    /// It is not over.
    pub is_open: bool,
}

/// An exception.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Exception {
    /// The finding that it accepts.
    pub finding: FindingId,
    /// Of which subjects.
    pub subject: String,
    /// Why that has to be borne.
    pub need: String,
    /// The risk analysis that it rests on.
    pub risk_analysis: String,
    /// Who answers for getting rid of it.
    pub owner: Option<String>,
    /// Who accepted the risk.
    pub approved_by: String,
    /// When it ends.
    pub expires_at: Timestamp,
    /// It is not over.
    pub is_open: bool,
    /// What it accepts now.
    pub accepts: AcceptedNow,
}

/// What an exception accepts at the moment of the judgement.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedNow {
    /// How many findings.
    pub total: usize,
    /// What some of them are about.
    pub subjects: Vec<String>,
    /// How many are not named.
    pub more: usize,
}

/// An attestation.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attestation {
    /// What was carried out.
    pub control: &'static str,
    /// What was done and what came of it.
    pub statement: String,
    /// Who says so.
    pub by: String,
    /// When it was carried out.
    pub at: Timestamp,
    /// Until when it holds.
    pub valid_until: Timestamp,
    /// Where the evidence lies.
    pub link: Option<String>,
    /// Requirements that it speaks to.
    pub requirements: &'static [&'static str],
    /// It holds now.
    pub holds: bool,
}

pub(super) fn flows(about: &About) -> Vec<Flow> {
    let flow = |flow: &api::Flow| {
        let due = review_due(flow.reviewed_at.0);
        Flow {
            name: flow.name.clone(),
            need: flow.need.clone(),
            owner: flow.owner.clone(),
            approved_by: flow.approved_by.clone(),
            ticket: flow.ticket.clone(),
            reviewed_at: flow.reviewed_at.0,
            review_due: due,
            expires_at: flow.expires_at.0,
            account_data: flow.account_data,
            mitigation: flow.mitigation.clone(),
            from: peer(&flow.from),
            to: peer(&flow.to),
            ports: words::ports(&flow_ports(flow)),
            is_open: flow.expires_at.0 > about.now,
            is_review_overdue: due <= about.now,
        }
    };
    about.declaration.into_iter().flat_map(|declaration| &declaration.flows).map(flow).collect()
}

pub(super) fn admits(about: &About) -> Vec<Admitted> {
    let admits = about.declaration.into_iter().flat_map(|declaration| &declaration.admits);
    admits
        .map(|admit| Admitted {
            namespace: admit.namespace.clone(),
            workload: admit.workload.clone(),
            need: admit.need.clone(),
            owner: admit.owner.clone(),
            expires_at: admit.expires_at.0,
            is_open: admit.expires_at.0 > about.now,
        })
        .collect()
}

pub(super) fn exceptions(about: &About) -> Vec<Exception> {
    let exception = |exception: &api::Exception| Exception {
        finding: exception.finding,
        subject: exception.subject.clone(),
        need: exception.need.clone(),
        risk_analysis: exception.risk_analysis.clone(),
        owner: exception.owner.clone(),
        approved_by: exception.approved_by.clone(),
        expires_at: exception.expires_at.0,
        is_open: is_live(exception, about.now),
        accepts: accepted_now(about, exception),
    };
    about.declaration.into_iter().flat_map(|declaration| &declaration.exceptions).map(exception).collect()
}

fn accepted_now(about: &About, exception: &api::Exception) -> AcceptedNow {
    if !is_live(exception, about.now) {
        return AcceptedNow::default();
    }
    let accepted = about.found.iter().filter(|one| one.state == FindingState::Accepted);
    let subjects = accepted.filter(|one| is_about(exception, one.id, &one.subject)).map(|one| one.subject.clone());
    let subjects: Vec<String> = subjects.collect();
    let total = subjects.len();
    let (subjects, more) = super::bounded(subjects, NAMED);
    AcceptedNow { total, subjects, more }
}

pub(super) fn attestations(about: &About) -> Vec<Attestation> {
    let Some(declaration) = about.declaration else { return Vec::new() };
    let attestation = |one: &api::Attestation| Attestation {
        control: one.control.as_str(),
        statement: one.statement.clone(),
        by: one.by.clone(),
        at: one.at.0,
        valid_until: attested_until(declaration.entity_type, one),
        link: one.link.clone(),
        requirements: one.control.requirements(declaration.entity_type),
        holds: one.at.0 <= about.now && about.now < attested_until(declaration.entity_type, one),
    };
    declaration.attestations.iter().map(attestation).collect()
}
