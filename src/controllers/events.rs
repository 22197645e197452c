//! Events about zones: for people who look. They never hold the operator up.

use std::time::Duration;

use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use tokio::{sync::mpsc, time::timeout};

use super::hub::zone_resource;
use crate::api::{FindingId, PciZoneStatus};

/// Events that wait to be published; more are left out.
const EVENTS: usize = 256;
/// How long the publication of an event may take.
const EVENT: Duration = Duration::from_secs(5);

/// Publishes events in the background.
#[derive(Clone)]
pub struct Teller(mpsc::Sender<(Event, ObjectReference)>);

impl Teller {
    /// Publishes through this client, until nobody holds the teller any more.
    pub fn new(client: Client, identity: &str) -> Self {
        let reporter = Reporter { controller: "pcizone".into(), instance: Some(identity.to_string()) };
        let (events, queue) = mpsc::channel(EVENTS);
        tokio::spawn(publish(Recorder::new(client, reporter), queue));
        Teller(events)
    }

    /// Tells of a zone.
    pub fn tell(&self, zone: &ObjectMeta, event: Event) {
        let reference = ObjectReference {
            api_version: Some(zone_resource().api_version),
            kind: Some(zone_resource().kind),
            name: zone.name.clone(),
            uid: zone.uid.clone(),
            ..ObjectReference::default()
        };
        if self.0.try_send((event, reference)).is_err() {
            tracing::debug!(zone = zone.name, "too many events at once; one was left out");
        }
    }
}

/// Publishes events one by one, for as long as there may be some.
async fn publish(recorder: Recorder, mut events: mpsc::Receiver<(Event, ObjectReference)>) {
    while let Some((event, reference)) = events.recv().await {
        let zone = reference.name.as_deref().unwrap_or_default();
        match timeout(EVENT, recorder.publish(&event, &reference)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(zone, %error, "an event was not published"),
            Err(_) => tracing::debug!(zone, "an event was not published in time"),
        }
    }
}

/// What changed between two statuses and is worth an event.
pub fn between(before: Option<&PciZoneStatus>, after: &PciZoneStatus) -> Vec<Event> {
    let known = |kind: &str| before?.conditions.iter().find(|c| c.type_ == kind);
    let mut events = Vec::new();
    for condition in &after.conditions {
        let same =
            known(&condition.type_).is_some_and(|c| c.status == condition.status && c.reason == condition.reason);
        if same {
            continue;
        }
        let good = condition.status == "True" && condition.type_ != "Stalled" || condition.type_ == "Reconciling";
        events.push(Event {
            type_: if good || condition.status == "Unknown" { EventType::Normal } else { EventType::Warning },
            reason: condition.reason.clone(),
            note: Some(format!("{} is {}: {}", condition.type_, condition.status, condition.message)),
            action: condition.type_.clone(),
            secondary: None,
        });
    }
    let told = before.and_then(|status| status.break_glass.as_ref());
    if let (Some(_), Some(used)) = (told, after.break_glass.as_ref().filter(|used| told != Some(*used))) {
        // The first one is told by the reason of the condition.
        events.push(Event {
            type_: EventType::Warning,
            reason: FindingId::BreakGlassUsed.as_str().to_string(),
            note: Some(format!(
                "{} was changed again by break-glass at {} ({})",
                used.subject, used.last_used.0, used.evidence
            )),
            action: "Compliant".to_string(),
            secondary: Some(reference(&used.subject)),
        });
    }
    let tampered = FindingId::ManagedObjectTampered.as_str();
    let known = |finding: &&crate::api::Finding| {
        before.is_some_and(|status| {
            status
                .top_findings
                .iter()
                .any(|f| (&f.id, &f.subject, &f.since) == (&finding.id, &finding.subject, &finding.since))
        })
    };
    for finding in after.top_findings.iter().filter(|f| f.id == tampered).filter(|f| !known(f)) {
        events.push(Event {
            type_: EventType::Warning,
            reason: finding.id.clone(),
            note: Some(format!("{}: {} ({})", finding.subject, finding.message, finding.evidence)),
            action: "Restored".to_string(),
            // Without it the recorder would take one after the other for the same.
            secondary: Some(reference(&finding.subject)),
        });
    }
    events
}

/// The object that a subject names.
pub fn reference(subject: &str) -> ObjectReference {
    let mut parts = subject.splitn(3, '/');
    let kind = parts.next().unwrap_or_default();
    let (first, second) = (parts.next(), parts.next());
    let (namespace, name) = if second.is_some() { (first, second) } else { (None, first) };
    ObjectReference {
        api_version: Some(if kind == "NetworkPolicy" { "networking.k8s.io/v1" } else { "v1" }.to_string()),
        kind: Some(kind.to_string()),
        namespace: namespace.map(str::to_string),
        name: name.map(str::to_string),
        ..ObjectReference::default()
    }
}
