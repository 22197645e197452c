//! Requirements of PCI DSS v4.0.1 that a cluster can say something about: the one list of them.
//!
//! Numbers are the standard's, sentences are ours and shorter; the standard itself decides.

/// A requirement of PCI DSS v4.0.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// Its number.
    pub number: &'static str,
    /// What it asks for, in our words.
    pub summary: &'static str,
}

const fn requirement(number: &'static str, summary: &'static str) -> Requirement {
    Requirement { number, summary }
}

impl Requirement {
    /// What its chapter is about.
    pub fn topic(&self) -> &'static str {
        match self.number.split('.').next() {
            Some("1") => "Network security controls",
            Some("2") => "Secure configuration",
            Some("3") => "Stored account data",
            Some("4") => "Account data in transit",
            Some("5") => "Malicious software",
            Some("6") => "Secure software",
            Some("7") => "Access by need to know",
            Some("8") => "Users and authentication",
            Some("9") => "Physical access",
            Some("10") => "Logging and monitoring",
            Some("11") => "Testing",
            Some(_) | None => "Policies and scope",
        }
    }
}

/// The requirement of this number.
pub fn find(number: &str) -> Option<&'static Requirement> {
    ALL.iter().find(|requirement| requirement.number == number)
}

/// In the order of the standard.
pub const ALL: &[Requirement] = &[
    requirement("1.2.1", "Rules for network security controls are written down, in force and kept up to date."),
    requirement("1.2.2", "Connections and network security controls change only with approval, by change control."),
    requirement("1.2.3", "A network diagram shows all connections to the cardholder data environment as they are."),
    requirement("1.2.4", "A data-flow diagram shows where account data goes, and changes with it."),
    requirement("1.2.5", "What is open (services, protocols, ports) is known, approved and needed by the business."),
    requirement("1.2.6", "Insecure services that are in use are named, and something limits their risk."),
    requirement("1.2.7", "The configuration of network security controls is reviewed every six months."),
    requirement("1.2.8", "Nobody changes that configuration without authority, and it is what is in force."),
    requirement("1.3.1", "Into the cardholder data environment comes only what is needed; all else is denied."),
    requirement("1.3.2", "Out of the cardholder data environment goes only what is needed; all else is denied."),
    requirement("1.4.1", "Network security controls stand between trusted and untrusted networks."),
    requirement("1.4.2", "From untrusted networks only declared public services are reached."),
    requirement("1.4.3", "Forged source addresses are noticed and blocked."),
    requirement("1.4.4", "What stores cardholder data is not reached from untrusted networks directly."),
    requirement("1.4.5", "Internal addresses and routes are told only to those who may know them."),
    requirement("2.2.1", "Each kind of component is configured by a standard for hardening."),
    requirement("2.2.3", "Functions that need different protection are kept apart, or all get the strongest."),
    requirement("2.2.4", "Only services and functions that are needed are switched on."),
    requirement("2.2.5", "An insecure service has a reason, and further protection."),
    requirement("2.2.6", "Security settings are such that a component is hard to misuse."),
    requirement("2.2.7", "Administration over the network is encrypted."),
    requirement("3.5.1", "Card numbers are unreadable wherever they are stored."),
    requirement("4.2.1", "Card numbers go through open, public networks only with strong cryptography."),
    requirement("5.2.1", "Components that malicious software can reach have something that finds it."),
    requirement("5.3.2", "That looks regularly and at once, or at behaviour all the time."),
    requirement("6.2.2", "Who writes the entity's software is trained in secure writing every year."),
    requirement("6.2.3", "The entity's software is reviewed before its release."),
    requirement("6.2.4", "Its engineering rules out the common attacks."),
    requirement("6.3.1", "Vulnerabilities are found from sources of the industry and ranked by risk."),
    requirement("6.3.2", "An inventory names the entity's software and what of others is in it."),
    requirement("6.3.3", "Critical vulnerabilities are patched within a month, others in a set time."),
    requirement("6.4.2", "Public web applications have something that finds and stops attacks by itself."),
    requirement("6.5.1", "Production changes by a procedure: reason, impact, approval, test, way back."),
    requirement("6.5.2", "After a significant change all requirements are confirmed again."),
    requirement("6.5.3", "Production is kept apart from what is not, by access control."),
    requirement("6.5.4", "Roles in production and elsewhere are kept apart."),
    requirement("6.5.5", "Live card numbers are not used outside production."),
    requirement("6.5.6", "Test data and test accounts are gone before a system goes live."),
    requirement("7.2.1", "A model of access says who may what, by role and need."),
    requirement("7.2.2", "Each user has the least rights that the role needs."),
    requirement("7.2.4", "Access of users is reviewed every six months."),
    requirement("7.2.5", "Accounts of applications and systems have the least rights that they need."),
    requirement("7.2.5.1", "These accounts are reviewed as often as a risk analysis says."),
    requirement("8.2.1", "Each user has an identity of their own."),
    requirement("8.2.2", "Shared accounts are exceptions, each with a reason and a record."),
    requirement("8.6.1", "A person uses a system's account only as an exception, with approval and on record."),
    requirement("8.6.2", "Passwords of such accounts are written in no script, file or code."),
    requirement("10.2.1", "Audit logs are on, for all components and all account data."),
    requirement("10.2.1.2", "They record what administrators do."),
    requirement("10.2.1.7", "They record what objects of the system are made and deleted."),
    requirement("10.2.2", "An entry says who did what, when, from where, on what, and how it ended."),
    requirement("10.3.1", "Audit logs are read only by those who have to."),
    requirement("10.3.2", "Nobody can change audit logs."),
    requirement("10.3.3", "Audit logs are copied at once to a place that is hard to change."),
    requirement("10.3.4", "A change of audit logs is noticed."),
    requirement("10.4.1", "Logs of security events and critical components are reviewed every day."),
    requirement("10.4.1.1", "Programs do that review."),
    requirement("10.5.1", "Audit logs are kept for twelve months, the last three at hand."),
    requirement("10.7.2", "When a critical security control fails, that is noticed, told and dealt with at once."),
    requirement("10.7.3", "Such a failure is mended, written down with its cause, and kept from coming back."),
    requirement("11.3.1", "Vulnerability scans from inside are made every three months."),
    requirement("11.4.1", "A method for penetration tests is written down, and it includes segmentation."),
    requirement("11.4.2", "Penetration tests from inside are made every twelve months and after significant changes."),
    requirement("11.4.3", "Penetration tests from outside are made every twelve months and after significant changes."),
    requirement("11.4.4", "What these tests find is mended and tested again."),
    requirement("11.4.5", "Segmentation is tested every twelve months and when it changes."),
    requirement("11.4.6", "Service providers have it tested every six months and when it changes."),
    requirement("11.5.1", "Intrusions are noticed or stopped at the perimeter and at critical points."),
    requirement("11.5.2", "Unauthorised changes of critical files are noticed, by a comparison every week at least."),
    requirement(
        "12.3.1",
        "How often something is done rests on a targeted risk analysis, where the standard leaves it open.",
    ),
    requirement("12.3.2", "What is met in another way than the standard says rests on a targeted risk analysis."),
    requirement("12.5.1", "An inventory names what is in scope and what it is for."),
    requirement("12.5.2", "The scope is written down and confirmed every twelve months and after significant changes."),
    requirement("12.5.2.1", "Service providers confirm it every six months and after significant changes."),
    requirement("12.10.1", "A plan for incidents is ready."),
    requirement("12.10.5", "It covers the alerts of the systems that monitor security."),
    requirement("12.10.7", "It covers card numbers that are found where none should be."),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Control, EntityType, FindingId};

    #[test]
    fn every_number_that_a_finding_names_is_in_the_list() {
        let controls = Control::ALL.into_iter().flat_map(|control| {
            [EntityType::Merchant, EntityType::ServiceProvider].map(|entity| control.requirements(entity))
        });
        let named = FindingId::ALL.iter().map(|id| id.requirements()).chain(controls).flatten();
        let unknown: Vec<_> = named.filter(|number| find(number).is_none()).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }

    #[test]
    fn attestations_that_are_over_name_requirements_of_the_finding() {
        for id in [FindingId::AttestationExpired, FindingId::AttestationExpiringSoon] {
            for number in Control::ALL.into_iter().flat_map(|control| control.requirements(EntityType::ServiceProvider))
            {
                assert!(id.requirements().contains(number), "{} lacks {number}", id.as_str());
            }
        }
    }

    #[test]
    fn the_list_is_in_order_and_names_nothing_twice() {
        let key =
            |one: &Requirement| one.number.split('.').map(|part| part.parse::<u32>().unwrap()).collect::<Vec<_>>();
        assert!(ALL.windows(2).all(|pair| key(&pair[0]) < key(&pair[1])));
    }
}
