//! What a judgement says about each requirement of PCI DSS, and what that rests on.
//!
//! It never says more than was looked at. Where a requirement asks for more than a cluster shows, no finding is no proof; where
//! nothing was there to judge, that is said; and what rests on enforcement is as proven as the network plug-in.

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use super::{
    About, bounded, commands,
    coverage::{self, Basis, Coverage, Grade, Need},
    declared::{self, Attestation},
    objects::{self, Object},
};
use crate::{
    api::{EntityType, FindingId, FindingState, requirements},
    engine::{
        checks::Found,
        reach::other::{self, Other},
    },
};

/// Requirements for service providers alone.
const PROVIDERS: [&str; 2] = ["11.4.6", "12.5.2.1"];

/// What is said about a requirement. The order is that of what an assessor has to look at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Verdict {
    /// Something is shown to be wrong.
    Violated,
    /// It could not be shown.
    Unproven,
    /// Something is wrong, and an exception of the zone accepts it.
    Accepted,
    /// Nothing was found; but not all that the requirement asks for is looked at.
    NoFinding,
    /// All that a cluster can show of it was judged as it is, and nothing was found.
    Proven,
    /// Somebody says so, and it holds.
    Attested,
    /// Nothing was judged.
    NotJudged,
}

/// What is said about one requirement.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// Its number.
    pub number: &'static str,
    /// What its chapter is about.
    pub topic: &'static str,
    /// What it asks for, in our words.
    pub asks: &'static str,
    /// What is said.
    pub verdict: Verdict,
    /// Why, in a sentence.
    pub reason: String,
    /// What is looked at; empty where nothing is.
    pub looks_at: &'static str,
    /// What it asks for besides.
    pub leaves: &'static str,
    /// Since when that is so, where it is known: the oldest of its findings, or what was attested.
    pub since: Option<Timestamp>,
    /// Findings that decide.
    pub findings: Vec<Cited>,
    /// What people say of it.
    pub attested: Vec<Attested>,
    /// The objects that it rests on.
    pub rests_on: Vec<Rest>,
    /// Commands that show it again.
    pub commands: Vec<String>,
}

/// Findings of one id.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cited {
    /// The id.
    pub id: FindingId,
    /// Their state.
    pub state: FindingState,
    /// How many there are.
    pub count: usize,
}

/// An attestation that speaks to a requirement.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attested {
    /// What was carried out.
    pub control: &'static str,
    /// Who says so.
    pub by: String,
    /// When it was carried out.
    pub at: Timestamp,
    /// Until when it holds.
    pub valid_until: Timestamp,
    /// It holds now.
    pub holds: bool,
}

/// Objects of one kind that a claim rests on.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rest {
    /// What they are, in words.
    pub what: &'static str,
    /// The first of them.
    pub objects: Vec<Object>,
    /// How many are not named.
    pub more: usize,
}

impl Verdict {
    /// All of them, in order.
    pub const ALL: [Verdict; 7] = [
        Verdict::Violated,
        Verdict::Unproven,
        Verdict::Accepted,
        Verdict::NoFinding,
        Verdict::Proven,
        Verdict::Attested,
        Verdict::NotJudged,
    ];

    /// The verdict in words.
    pub fn words(self) -> &'static str {
        match self {
            Verdict::Violated => "Violated",
            Verdict::Unproven => "Unproven",
            Verdict::Accepted => "Accepted",
            Verdict::NoFinding => "No finding",
            Verdict::Proven => "Proven",
            Verdict::Attested => "Attested",
            Verdict::NotJudged => "Not judged",
        }
    }
}

/// Every requirement, in the order of the standard.
pub(super) fn claims(about: &About) -> Vec<Claim> {
    let attestations = declared::attestations(about);
    let protective = Protective::new(about);
    requirements::ALL.iter().map(|one| claim(about, one, &attestations, &protective)).collect()
}

fn claim(
    about: &About,
    requirement: &requirements::Requirement,
    attestations: &[Attestation],
    protective: &Protective,
) -> Claim {
    let number = requirement.number;
    let coverage = coverage::of(number);
    let attested: Vec<Attested> =
        attestations.iter().filter(|one| one.requirements.contains(&number)).map(Attested::new).collect();
    let own = about.found.iter().filter(|one| one.requirements.contains(&number));
    let silence = if own.clone().next().is_some() { None } else { silence(about, number, coverage, &attested) };
    let rests_on = coverage.filter(|_| silence.is_none()).map(|coverage| coverage.rests_on).unwrap_or_default();
    let others = about.found.iter().filter(|one| rests_on.contains(&one.id) && !one.requirements.contains(&number));
    let deciding: Vec<&Found> = own.chain(others).collect();
    let (verdict, reason) = silence.unwrap_or_else(|| verdict(about, coverage, &deciding));
    let is_judged = verdict != Verdict::NotJudged;
    let oldest = deciding.iter().filter_map(|one| one.since).min();
    let since = match verdict {
        Verdict::Violated | Verdict::Unproven | Verdict::Accepted => oldest,
        Verdict::Attested => attested.iter().filter(|one| one.holds).map(|one| one.at).max(),
        Verdict::NoFinding | Verdict::Proven | Verdict::NotJudged => None,
    };
    let basis = coverage.filter(|_| is_judged).map(|coverage| coverage.basis).unwrap_or_default();
    let mut rests_on: Vec<Rest> = subjects(about, &deciding).into_iter().collect();
    rests_on.extend(basis.iter().filter_map(|basis| protective.rest(*basis)));
    let subjects = rests_on.first().filter(|_| !deciding.is_empty()).map(|rest| rest.objects.as_slice());
    let subjects = subjects.into_iter().flatten().filter_map(|object| commands::object(&object.subject));
    let filter = is_judged.then(|| commands::filter(about.name(), number));
    let shown = basis.iter().map(|basis| commands::show(about.name(), *basis));
    let mut commands: Vec<String> = Vec::new();
    for command in filter.into_iter().chain(subjects).chain(shown) {
        if !commands.contains(&command) {
            commands.push(command);
        }
    }
    Claim {
        number,
        topic: requirement.topic(),
        asks: requirement.summary,
        verdict,
        reason,
        looks_at: coverage.map(|coverage| coverage.looks_at).unwrap_or_default(),
        leaves: coverage.map(|coverage| coverage.leaves).unwrap_or_default(),
        since,
        findings: cited(&deciding),
        attested,
        rests_on,
        commands,
    }
}

/// What is said where no finding speaks to a requirement, and nothing was there that could have been found.
fn silence(
    about: &About,
    number: &str,
    coverage: Option<&Coverage>,
    attested: &[Attested],
) -> Option<(Verdict, String)> {
    let not_judged = |why: &str| Some((Verdict::NotJudged, format!("Not judged: {why}.")));
    if let Some(why) = &about.unjudged {
        return not_judged(why.trim_end_matches('.'));
    }
    let Some(coverage) = coverage else { return not_judged("nothing here looks at it") };
    let entity = about.declaration.map(|declaration| declaration.entity_type);
    if PROVIDERS.contains(&number) && entity != Some(EntityType::ServiceProvider) {
        return not_judged("it is for service providers, and the zone says Merchant");
    }
    if coverage.grade == Grade::Attested {
        return match attested.iter().find(|one| one.holds) {
            Some(one) => Some((Verdict::Attested, format!("Attested by {} ({}).", one.by, one.control))),
            None => not_judged("nobody attested it in the zone"),
        };
    }
    let missing = coverage.needs.iter().find(|need| !is_there(about, **need));
    missing.and_then(|need| not_judged(need.missing()))
}

fn verdict(about: &About, coverage: Option<&Coverage>, deciding: &[&Found]) -> (Verdict, String) {
    if let Some(state) = deciding.iter().map(|one| one.state).min() {
        return of_findings(state, deciding);
    }
    let part = |why: &str| (Verdict::NoFinding, why.to_string());
    let Some(coverage) = coverage.filter(|coverage| coverage.grade == Grade::Whole) else {
        return part("No finding; only a part of the requirement is looked at.");
    };
    if let Some(need) = coverage.needs_for_whole.iter().find(|need| !is_there(about, **need)) {
        return part(&format!("No finding; but {}, so not all was judged.", need.missing()));
    }
    if !about.as_is {
        return part("No finding; but manifests were judged, as the operator will carry them out, and no cluster.");
    }
    (Verdict::Proven, "All that a cluster can show of it was judged, and nothing was found.".to_string())
}

fn of_findings(state: FindingState, deciding: &[&Found]) -> (Verdict, String) {
    let count = deciding.iter().filter(|one| one.state == state).count();
    let findings = if count == 1 { "One finding" } else { &format!("{count} findings") };
    let verb = if count == 1 { "is" } else { "are" };
    match state {
        FindingState::Violated => (Verdict::Violated, format!("{findings} {verb} violated.")),
        FindingState::Unproven => (Verdict::Unproven, format!("{findings} {verb} unproven, none violated.")),
        FindingState::Accepted => {
            (Verdict::Accepted, format!("{findings} {verb} accepted by exceptions of the zone, and there is no other."))
        }
    }
}

fn is_there(about: &About, need: Need) -> bool {
    let declares = |test: fn(&crate::engine::declaration::Declaration) -> bool| about.declaration.is_some_and(test);
    let snapshot = about.snapshot;
    match need {
        Need::Pods => about.facts.pods > 0,
        Need::Nodes => declares(|declaration| declaration.nodes.is_some()),
        Need::Bindings => !snapshot.bindings.is_empty(),
        Need::Services => !snapshot.services.is_empty(),
        Need::Ingresses => about.facts.has_ingresses,
        Need::Stores => about.facts.has_stores,
        Need::Flows => declares(|declaration| !declaration.flows.is_empty()),
        Need::Environment => declares(|declaration| declaration.environment.is_some()),
        Need::PodSecurity => declares(|declaration| declaration.pod_security.is_some()),
        Need::Scanning => declares(|declaration| declaration.images.is_some()),
        Need::Logging => declares(|declaration| declaration.logs.is_some()),
        Need::Exceptions => declares(|declaration| !declaration.exceptions.is_empty()),
        Need::Confirmation => declares(|declaration| declaration.scope_confirmation.is_some()),
        Need::AsIs => about.as_is,
        Need::AdminPolicies => snapshot.others.iter().any(|other| is_of_admin(other)),
        Need::WholeScope => !snapshot.unseen.nodes || declares(|declaration| declaration.nodes.is_none()),
    }
}

fn is_of_admin(other: &Other) -> bool {
    matches!(other.kind, other::Kind::ClusterNetworkPolicy | other::Kind::AdminNetworkPolicy)
}

fn cited(deciding: &[&Found]) -> Vec<Cited> {
    let mut cited: Vec<Cited> = Vec::new();
    for one in deciding {
        match cited.iter_mut().find(|cited| cited.id == one.id && cited.state == one.state) {
            Some(cited) => cited.count += 1,
            None => cited.push(Cited { id: one.id, state: one.state, count: 1 }),
        }
    }
    cited
}

/// The first objects that the findings are about; findings come worst first.
fn subjects(about: &About, deciding: &[&Found]) -> Option<Rest> {
    let mut subjects: Vec<&str> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for one in deciding {
        if seen.insert(one.subject.as_str()) {
            subjects.push(&one.subject);
        }
    }
    let (subjects, more) = bounded(subjects, about.bounds.named);
    let objects: Vec<Object> =
        subjects.into_iter().map(|subject| Object::of_subject(about.snapshot, subject)).collect();
    (!objects.is_empty()).then_some(Rest { what: "Subjects of these findings", objects, more })
}

impl Attested {
    fn new(one: &Attestation) -> Self {
        Attested {
            control: one.control,
            by: one.by.clone(),
            at: one.at,
            valid_until: one.valid_until,
            holds: one.holds,
        }
    }
}

/// What protects a zone, looked up once for all requirements.
struct Protective {
    zone: Vec<Object>,
    namespaces: (Vec<Object>, usize),
    policies: (Vec<Object>, usize),
    nodes: (Vec<Object>, usize),
}

impl Protective {
    fn new(about: &About) -> Self {
        Protective {
            zone: vec![Object::of_subject(about.snapshot, &format!("PciZone/{}", about.name()))],
            namespaces: bounded(objects::namespaces(about), about.bounds.named),
            policies: bounded(objects::policies(about), about.bounds.named),
            nodes: bounded(objects::nodes(about), about.bounds.named),
        }
    }

    fn rest(&self, basis: Basis) -> Option<Rest> {
        let (what, objects, more) = match basis {
            Basis::Zone => ("The zone", &self.zone, 0),
            Basis::Namespaces => ("Its namespaces", &self.namespaces.0, self.namespaces.1),
            Basis::Policies => ("The zone's own policies", &self.policies.0, self.policies.1),
            Basis::Nodes => ("Its nodes", &self.nodes.0, self.nodes.1),
            Basis::Pods | Basis::Services | Basis::Routes | Basis::Access | Basis::Reports | Basis::Guards => {
                return None;
            }
        };
        (!objects.is_empty()).then(|| Rest { what, objects: objects.clone(), more })
    }
}
