//! The audit trail of the zone's pods: whether it is forwarded, arrives, and is kept (PCI DSS 10.2.1, 10.3.3, 10.5.1, 10.7.2).

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::{Case, Found};
use crate::{
    api::{FindingId, Logging, Protocol, Retention, Severity, Sink, StandardOutput, names},
    engine::{
        change::count,
        collected::{self, Delivery, Ending, Gap, Said},
        dates::later,
        desired::admission::sidecars,
        forwarder::{self, pod::Forwarding},
        pod::Pod,
        retention::{Verdict, Wanted},
    },
};

/// How long sidecars may take to begin.
const START: SignedDuration = SignedDuration::from_mins(3);

pub(super) fn check(case: &Case, found: &mut Vec<Found>) {
    let Some(logs) = &case.declaration.logs else { return };
    sidecars(case, logs, found);
    for sink in &logs.sinks {
        plaintext(case, sink, found);
        egress(case, sink, found);
        let said = case.snapshot.collected.get(case.name).and_then(|all| all.stores.get(&sink.name));
        match said {
            Some(said) => store(case, sink, said, found),
            None => unasked(case, sink, found),
        }
    }
    for unserved in forwarder::unserved(logs) {
        let message = format!("Nothing is sent to the sink {}: {}", unserved.sink, unserved.why);
        found.push(Found::new(FindingId::LogDeliveryStale, sink_subject(case, &unserved.sink), message));
    }
    declared(case, &logs.retention, found);
}

/// A sink of a zone.
fn sink_subject(case: &Case, sink: &str) -> String {
    format!("PciZone/{}/{sink}", case.name)
}

/// Whether each pod has what the zone declares.
fn sidecars(case: &Case, logs: &Logging, found: &mut Vec<Found>) {
    let zone = || format!("PciZone/{}", case.name);
    let Some(forwarder) = &logs.forwarder else {
        // No line is numbered, so none that is missing shows.
        let message = "The zone's pods have no forwarder, so nothing shows whether what they write arrives anywhere.";
        found.push(Found::new(FindingId::LogDeliveryUnproven, zone(), message));
        if logs.sinks.is_empty() {
            let message = "The zone names no sink, so nothing shows how long what its pods write is kept.";
            found.push(Found::new(FindingId::LogRetentionUnproven, zone(), message));
        }
        if logs.node_agent.is_none() {
            let message = "The zone declares neither a forwarder nor an agent on its nodes, so nothing collects what its pods write.";
            found.push(Found::new(FindingId::LogOutputUncovered, zone(), message));
        }
        return;
    };
    if logs.node_agent.is_none() && logs.standard_output == StandardOutput::Used {
        let message = "What pods write to standard output is not collected, only files in the declared directories. Where nothing of the audit trail goes there, say so in spec.logging.standardOutput.";
        found.push(Found::new(FindingId::LogOutputUncovered, zone(), message).with_severity(Severity::Medium));
    }
    let message =
        "What a forwarder has read and not sent lies in its pod and goes with it, where that is killed as a whole.";
    found.push(Found::new(FindingId::LogCrashWindowOpen, zone(), message));
    if let Some(why) = case.snapshot.collected.get(case.name).and_then(|all| all.trouble.as_ref()) {
        let message = format!("Pods get no forwarder: {why}.");
        found.push(Found::new(FindingId::WriteRefused, zone(), message));
    }
    let wanted = forwarder::render(case.name, logs).map(|rendered| forwarder::configuration_name(&rendered));
    let linger = logs.linger.as_ref();
    let own = case.pods.iter().filter(|pod| case.is_member(pod.namespace()) && !pod.is_static);
    // The canary's pods write no logs.
    for pod in own.filter(|pod| !pod.labels.contains_key(names::CANARY_LABEL)) {
        let images = (forwarder.image.as_str(), linger.map(|one| one.image.as_str()).unwrap_or_default());
        let least = linger.map_or(0, |one| i64::from(one.wait_seconds));
        found.extend(sidecar(pod, images, wanted.as_deref(), least));
        if let Some(container) = pod.forwarding.as_ref().and_then(|forwarding| forwarding.apart.as_deref()) {
            let message = format!(
                "The container {container} has another volume than the pod's own passing one where logs are read, so they are not."
            );
            found.push(Found::new(FindingId::LogOutputUncovered, pod.subject(), message));
        }
        found.extend(stuck(pod, case.now));
    }
}

/// Sidecars that are there and do not run.
fn stuck(pod: &Pod, now: Timestamp) -> Option<Found> {
    let found = |id, message: &str, why: &str| Some(Found::new(id, pod.subject(), message).with_evidence(why));
    match pod.logs_wait.as_deref() {
        Some(why) if why.starts_with("CreateContainerConfigError") => {
            let message = "The pod does not start, because what its forwarder shows to a sink is not there.";
            found(FindingId::LogSinkSecretMissing, message, why)
        }
        Some(why) => found(FindingId::LogSidecarMissing, "A log sidecar of the pod does not run.", why),
        // A Secret that is mounted and not there keeps the kubelet from beginning at all; no status says so.
        None if pod.forwarding.as_ref().is_some_and(|one| one.linger.is_some())
            && pod.lines.is_none()
            && pod.node.is_some()
            && !pod.ended
            && pod.leaving.is_none()
            && later(pod.created, START) < now =>
        {
            let message = "The pod has a node, and its log sidecars have not begun: kubectl describe pod says why.";
            found(FindingId::LogSidecarMissing, message, "no container of it has run")
        }
        None => None,
    }
}

/// What is wrong with the sidecars of a pod.
fn sidecar(pod: &Pod, (image, linger): (&str, &str), wanted: Option<&str>, least: i64) -> Option<Found> {
    let missing = |message: &str| Found::new(FindingId::LogSidecarMissing, pod.subject(), message);
    let Some(Forwarding { forwarder, linger: holder, configuration, plain, grace, apart: _ }) =
        pod.forwarding.as_deref()
    else {
        return Some(missing("The pod has no log forwarder beside it."));
    };
    match (forwarder, holder) {
        (Some(forwarder), Some(holder)) => {
            if **forwarder != *image || **holder != *linger {
                let message = "The pod's log forwarder, or what holds it, has another image than the zone declares.";
                return Some(missing(message).with_evidence(format!("images {forwarder}, {holder}")));
            }
            if *grace < least.saturating_add(sidecars::MARGIN.into()) {
                let message = format!(
                    "The pod has {grace} s to end, and its last lines may take {least} s beside what the application takes."
                );
                return Some(Found::new(FindingId::LogGraceTooShort, pod.subject(), message));
            }
            let is_other = wanted.is_some_and(|wanted| configuration.as_deref() != Some(wanted));
            is_other.then(|| {
                let message = "The pod's log forwarder has an earlier configuration; a new pod gets the present one.";
                let evidence = configuration.as_deref().unwrap_or("no configuration");
                Found::new(FindingId::LogSidecarStale, pod.subject(), message).with_evidence(evidence)
            })
        }
        _ => Some(match plain {
            Some(plain) => {
                let message = format!(
                    "The container {plain} forwards logs and is an ordinary one: it is told to end together with the application, and loses what that writes last."
                );
                Found::new(FindingId::LogSidecarNotNative, pod.subject(), message)
            }
            None => missing("The pod has only one of the two sidecars, or they are not native or not in their order."),
        }),
    }
}

fn plaintext(case: &Case, sink: &Sink, found: &mut Vec<Found>) {
    let mut plain = |what: &str, address: &str| {
        let message = format!("{what} {address} is no TLS: records can be read and changed on their way.");
        found.push(Found::new(FindingId::LogSinkPlaintext, sink_subject(case, &sink.name), message));
    };
    let address = collected::address(sink);
    if !collected::is_encrypted(address) {
        plain("The sink's address", address);
    } else if let Some(store) = sink.store.as_ref().filter(|store| !collected::is_encrypted(&store.url)) {
        plain("The address by which it is asked,", &store.url);
    }
}

/// The flow that the sink names opens its port for all pods of the zone.
fn egress(case: &Case, sink: &Sink, found: &mut Vec<Found>) {
    let blocked = |why: String| Found::new(FindingId::LogEgressBlocked, sink_subject(case, &sink.name), why);
    let Some(flow) = case.declaration.flows.iter().find(|flow| flow.name == sink.flow) else {
        found.push(blocked(format!("The zone has no flow {}, by which its pods would reach the sink.", sink.flow)));
        return;
    };
    if flow.expires_at.0 <= case.now {
        found.push(blocked(format!("The flow {} has ended, so the zone's pods do not reach the sink.", flow.name)));
        return;
    }
    let from_all = flow.from.zone.as_deref() == Some(case.name)
        || flow.from.namespace.is_some() && flow.from.pod_selector.is_none() && case.members().count() == 1;
    if !from_all {
        let message =
            format!("The flow {} leads from some pods of the zone alone; others do not reach the sink.", flow.name);
        // Several flows may do it together; that is not looked at.
        found.push(blocked(message).with_severity(Severity::Medium));
    }
    let address = collected::address(sink);
    let Some(port) = collected::port(address) else {
        found.push(blocked(format!("The port of {address} cannot be told, so neither can whether the flow opens it.")));
        return;
    };
    // Towards pods it is the port of the container, which may be another than that of the Service.
    let is_outside = !flow.to.cidrs.is_empty() || flow.to.internet == Some(true);
    if is_outside && !flow.ports.iter().any(|one| one.port == i32::from(port) && one.protocol == Protocol::TCP) {
        found.push(blocked(format!("The flow {} does not open port {port}, which {address} needs.", flow.name)));
    }
}

/// Nothing was asked: by files alone nobody knows what arrives.
fn unasked(case: &Case, sink: &Sink, found: &mut Vec<Found>) {
    let subject = sink_subject(case, &sink.name);
    let message = "The store was not asked; only the operator asks, in a cluster.";
    found.push(Found::new(FindingId::LogDeliveryUnproven, &subject, message));
    found.push(Found::new(FindingId::LogRetentionUnproven, &subject, message));
}

fn store(case: &Case, sink: &Sink, said: &Said, found: &mut Vec<Found>) {
    let subject = sink_subject(case, &sink.name);
    match &said.delivery {
        Ok(delivery) => arrives(sink, delivery, &subject, found),
        Err(why) => {
            let message = format!("Whether records arrive is not known: {why}");
            found.push(Found::new(FindingId::LogDeliveryUnproven, &subject, message));
        }
    }
    let retention = match &said.retention {
        Verdict::Kept { .. } => None,
        Verdict::TooShort { days, why } => {
            Some((FindingId::LogRetentionTooShort, format!("The store keeps records for {}: {why}", self::days(*days))))
        }
        Verdict::SearchableTooShort { days, why } => Some((
            FindingId::LogHotWindowTooShort,
            format!("Records can be searched for {} only: {why}", self::days(*days)),
        )),
        Verdict::Unproven(why) => {
            Some((FindingId::LogRetentionUnproven, format!("How long the store keeps records is not known: {why}")))
        }
    };
    found.extend(retention.map(|(id, message)| Found::new(id, &subject, message)));
    if let Some(lacking) = said.lacking.as_ref().filter(|lacking| !lacking.is_empty()) {
        let all: Vec<String> = lacking.iter().map(ToString::to_string).collect();
        let message = format!("The newest records do not say: {}.", all.join(", "));
        found.push(Found::new(FindingId::LogFieldsIncomplete, &subject, message));
    }
}

fn days(days: i64) -> String {
    count(usize::try_from(days).unwrap_or_default(), "day")
}

fn arrives(sink: &Sink, delivery: &Delivery, subject: &str, found: &mut Vec<Found>) {
    let Delivery { late, late_pods, gaps, gap_pods, is_cut, .. } = delivery;
    let at = &sink.name;
    for late in late {
        let message = match late.newest {
            Some(newest) => format!("Nothing of the pod has arrived at the sink {at} since {newest:.0}."),
            None => format!("Nothing of the pod has arrived at the sink {at}."),
        };
        found.push(Found::new(FindingId::LogDeliveryStale, format!("Pod/{}", late.key), message));
    }
    for Gap { key, between, after } in gaps {
        let between = (*between > 0).then(|| format!("{} missing between others", numbers(*between)));
        let after = after.map(|Ending { newest, numbers: lost }| {
            // None is missing that was due while it was seen: it is the rest that is lost.
            let lost = lost.filter(|lost| *lost > 0);
            let lost = lost
                .map_or_else(|| "what it wrote after that is".to_string(), |lost| format!("about {}", numbers(lost)));
            match newest {
                Some(newest) => {
                    format!("the pod went without its last line: its last record is of {newest:.0}, {lost} lost")
                }
                None => format!("nothing of the pod arrived, {lost} lost"),
            }
        });
        let parts: Vec<String> = between.into_iter().chain(after).collect();
        let message = format!("At the sink {at}: {}.", parts.join("; "));
        found.push(Found::new(FindingId::LogDeliveryGap, format!("Pod/{key}"), message));
    }
    let more = |all: usize, named: usize| all.saturating_sub(named);
    let (late, gaps) = (more(*late_pods, late.len()), more(*gap_pods, gaps.len()));
    if late > 0 {
        let message = format!("Nothing new of {} more arrives.", count(late, "pod"));
        found.push(Found::new(FindingId::LogDeliveryStale, subject, message));
    }
    if gaps > 0 {
        let message = format!("Lines of {} more were lost.", count(gaps, "pod"));
        found.push(Found::new(FindingId::LogDeliveryGap, subject, message));
    }
    if *is_cut {
        let message = "The store has more than could be asked for, so not every pod was looked at.";
        found.push(Found::new(FindingId::LogDeliveryUnproven, subject, message));
    }
}

fn numbers(count: u64) -> String {
    if count == 1 { "1 numbered line is".to_string() } else { format!("{count} numbered lines are") }
}

/// What the zone itself asks for is enough.
fn declared(case: &Case, retention: &Retention, found: &mut Vec<Found>) {
    let least = Wanted::default();
    let is_less = |days: i32, least: u32| u32::try_from(days).unwrap_or_default() < least;
    let subject = || format!("PciZone/{}", case.name);
    if is_less(retention.days, least.days) {
        let message =
            format!("spec.logging.retention asks for {} days; the standard wants {}.", retention.days, least.days);
        found.push(Found::new(FindingId::LogRetentionTooShort, subject(), message));
    }
    if is_less(retention.searchable_days, least.searchable_days) {
        let (asked, least) = (retention.searchable_days, least.searchable_days);
        let message = format!("spec.logging.retention asks for {asked} days at hand; the standard wants {least}.");
        found.push(Found::new(FindingId::LogHotWindowTooShort, subject(), message));
    }
}
