//! Since when a finding is there: from the last judgement, or from the status where this is the first.

use std::collections::HashMap;

use k8s_openapi::jiff::Timestamp;

use super::{checks::Found, dates::seconds, shown};
use crate::api::PciZoneStatus;

/// Gives every finding its date, in whole seconds. `judged` is what the last judgement found, with dates. The status knows those of the
/// worst findings only, also after a restart of the operator.
pub fn date(found: &mut [Found], judged: &[Found], previous: Option<&PciZoneStatus>, now: Timestamp) {
    let judged: HashMap<_, Timestamp> =
        judged.iter().filter_map(|one| Some(((one.id, one.subject.as_str()), one.since?))).collect();
    let told = previous.into_iter().flat_map(|status| &status.top_findings);
    let told: HashMap<_, Timestamp> = told.map(|one| ((one.id.as_str(), one.subject.as_str()), one.since.0)).collect();
    for one in found {
        let known = one.since.or_else(|| judged.get(&(one.id, one.subject.as_str())).copied());
        let known =
            known.or_else(|| told.get(&(one.id.as_str(), shown::shown_subject(&one.subject).as_str())).copied());
        one.since = Some(seconds(known.unwrap_or(now)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::FindingId;

    #[test]
    fn a_finding_keeps_its_date_as_long_as_it_is_there() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let ids = [FindingId::HostNetworkPod, FindingId::HostPortExposed, FindingId::FlowExpired];
        let [mut seen, mut told, mut new] = ids.map(|id| Found::new(id, "Pod/vault/vault-0", "It is so."));
        let mut known = Found { since: Some(at(5)), ..new.clone() };
        known.subject = "Pod/vault/known".to_string();
        seen.since = Some(at(10));
        told.since = Some(at(20));
        let status = PciZoneStatus { top_findings: vec![shown::shown(&told)], ..PciZoneStatus::default() };
        let judged = [seen.clone(), Found { since: Some(at(6)), ..known.clone() }];
        for one in [&mut seen, &mut told, &mut new] {
            one.since = None;
        }
        let mut found = [seen, told, new, known];
        date(&mut found, &judged, Some(&status), Timestamp::from_millisecond(30_500).unwrap());
        let dates = found.map(|one| one.since.map(Timestamp::as_millisecond));
        assert_eq!(dates, [10_000, 20_000, 30_000, 5_000].map(Some));
    }
}
