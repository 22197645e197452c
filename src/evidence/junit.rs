//! `JUnit` XML for CI servers: one suite per zone, one case per finding, and one that says whether the zone was judged.

use std::io::{self, Write};

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{
    Judgement, Manner, Zone,
    words::{UNJUDGED, acceptance, line, notes},
};
use crate::api::{Finding, FindingState};

pub(super) fn write(out: &mut impl Write, judgement: &Judgement, manner: &Manner) -> io::Result<()> {
    let mut report = Report::new("pcizone check");
    for zone in &judgement.zones {
        let mut suite = TestSuite::new(line(&zone.name));
        suite.extra.insert("timestamp".into(), judgement.judged_at.to_string().into());
        suite.add_test_case(judged(zone));
        suite.add_test_cases(zone.findings.iter().map(|finding| case(zone, finding, manner.strict)));
        report.add_test_suite(suite);
    }
    let skipped = format!(" skipped=\"{}\"", report.skipped);
    let text = report.to_string().map_err(io::Error::other)?;
    // The schema by which Jenkins refuses files has no such attribute there, and each suite has its own.
    write!(out, "{}", text.replacen(&skipped, "", 1))
}

/// Passes where the zone is in place, so that a zone without findings is no empty suite.
fn judged(zone: &Zone) -> TestCase {
    let notes = notes(zone);
    let status = if notes.is_empty() {
        TestCaseStatus::success()
    } else {
        let is_unjudged = notes.iter().any(|note| note.kind == UNJUDGED);
        let kind = if is_unjudged { NonSuccessKind::Error } else { NonSuccessKind::Failure };
        let mut status = TestCaseStatus::non_success(kind);
        let messages: Vec<String> = notes.iter().map(|note| line(&note.message)).collect();
        status.set_message(messages.join(" ")).set_type(notes.first().map_or("", |note| note.kind));
        status
    };
    named(zone, "the zone was judged and is in place", status)
}

fn case(zone: &Zone, finding: &Finding, strict: bool) -> TestCase {
    let is_failure = match finding.state {
        FindingState::Violated => true,
        FindingState::Unproven => strict,
        FindingState::Accepted => false,
    };
    let mut status =
        if is_failure { TestCaseStatus::non_success(NonSuccessKind::Failure) } else { TestCaseStatus::skipped() };
    let reason = match finding.state {
        FindingState::Violated => None,
        FindingState::Unproven => Some("could not be proven".to_string()),
        FindingState::Accepted => acceptance(finding),
    };
    let message = match reason {
        Some(reason) => format!("{reason}: {}", finding.message),
        None => finding.message.clone(),
    };
    status
        .set_type(format!("{:?} {:?}", finding.state, finding.severity))
        .set_message(line(&message))
        .set_description(details(zone, finding));
    named(zone, &format!("{} {}", finding.id, line(&finding.subject)), status)
}

fn named(zone: &Zone, name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname(format!("pcizone.{}", line(&zone.name)));
    case
}

/// What a CI server shows on the page of a case.
fn details(zone: &Zone, finding: &Finding) -> String {
    let place = zone.place(finding).map(ToString::to_string).unwrap_or_default();
    let lines = [
        ("What was seen", finding.evidence.clone()),
        ("Where", place),
        ("Requirements of PCI DSS v4.0.1", finding.requirements.join(", ")),
        ("What to do", finding.remediation.clone()),
    ];
    let lines = lines.iter().filter(|(_, text)| !text.is_empty());
    lines.fold(String::new(), |to, (head, text)| to + &format!("{head}: {}\n", line(text)))
}
