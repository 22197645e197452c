//! S3: what object lock forbids to delete, and what lifecycle rules delete or put away. The longer of what is forbidden and what is not
//! done counts.

use super::{
    Answers, Wanted,
    answer::{body, shown, status, text},
    length::Length,
    names::segment,
    term::{Term, Terms, least},
    xml::{Element, read},
};

/// Storage classes from which an object has to be restored before it can be read.
const AWAY: [&str; 2] = ["GLACIER", "DEEP_ARCHIVE"];
/// Those from which it is read as it is.
const AT_HAND: [&str; 6] =
    ["STANDARD", "STANDARD_IA", "ONEZONE_IA", "GLACIER_IR", "REDUCED_REDUNDANCY", "EXPRESS_ONEZONE"];

/// The paths that are to be asked for.
pub fn requests(bucket: &str) -> Vec<String> {
    paths(bucket).map(Vec::from).unwrap_or_default()
}

fn paths(bucket: &str) -> Result<[String; 3], String> {
    let bucket = segment(bucket)?;
    Ok([format!("/{bucket}?object-lock"), format!("/{bucket}?lifecycle"), format!("/{bucket}?versioning")])
}

/// How long objects with this prefix are kept.
pub fn terms(bucket: &str, prefix: &str, answers: &Answers, wanted: Wanted) -> Terms {
    let [lock, lifecycle, versioning] = paths(bucket)?;
    let name = shown(bucket);
    let lock = document(answers, &lock, "ObjectLockConfiguration", "ObjectLockConfigurationNotFoundError")?;
    let lock = lock
        .as_ref()
        .map(locked)
        .transpose()
        .map_err(|what| format!("Object lock of bucket “{name}”: {what}"))?
        .flatten();
    let rules = document(answers, &lifecycle, "LifecycleConfiguration", "NoSuchLifecycleConfiguration")?;
    let versions = document(answers, &versioning, "VersioningConfiguration", "")?;
    let versions = versions.as_ref().map(is_versioned).transpose()?.unwrap_or_default();
    if lock.is_some() && !versions {
        return Err(format!(
            "Bucket “{name}” has object lock without versioning, which cannot be: it is not S3 as it is known"
        ));
    }
    let (mut read, mut all) = (Vec::new(), Vec::new());
    for rule in rules.iter().flat_map(|rules| &rules.children) {
        match rule_of(rule, prefix) {
            Err(what) => all.push(Err(format!("Lifecycle of bucket “{name}”: {what}"))),
            Ok(rule) => read.extend(rule),
        }
    }
    // One rule may make old versions of objects, and another one delete these.
    let old = read.iter().filter_map(|rule| Some((rule.old_expires?, rule.is_partial))).min();
    let mut is_by_lock = false;
    for rule in read {
        let (term, by_lock) = rule.with_old(old).term(&name, lock.as_ref(), versions, wanted);
        is_by_lock |= by_lock;
        all.push(term);
    }
    let note = match &lock {
        None => format!("Bucket “{name}” has no object lock by default: who may delete objects can do so at any time."),
        Some(lock) if lock.length < Length::days(wanted.days.into()) && !is_by_lock => {
            format!(
                "Object lock of bucket “{name}” ends after {}: then objects can be deleted by hand.",
                lock.length.words()
            )
        }
        Some(lock) if lock.is_governance => {
            format!(
                "Object lock of bucket “{name}” is GOVERNANCE: s3:BypassGovernanceRetention gets around it; COMPLIANCE is stronger."
            )
        }
        Some(_) => String::new(),
    };
    all.push(Ok(if note.is_empty() { Term::default() } else { Term::for_ever(note) }));
    Ok(all)
}

/// What object lock forbids.
struct Lock {
    length: Length,
    is_governance: bool,
}

fn locked(document: &Element) -> Result<Option<Lock>, String> {
    let unknown = "it has a form that is not known";
    let enabled = document.one("ObjectLockEnabled")?.map(|it| it.text.as_str());
    if !document.is_known(&["ObjectLockEnabled", "Rule"]) || enabled != Some("Enabled") {
        return Err(unknown.to_string());
    }
    let Some(rule) = document.one("Rule")? else { return Ok(None) };
    let retention = rule.one("DefaultRetention")?.ok_or(unknown)?;
    let is_governance = match retention.one("Mode")?.map(|mode| mode.text.as_str()) {
        Some("COMPLIANCE") => false,
        Some("GOVERNANCE") => true,
        _ => return Err(unknown.to_string()),
    };
    let length = match (retention.one("Days")?, retention.one("Years")?) {
        (Some(days), None) => Length::days(number(days)?),
        (None, Some(years)) => Length::days(365).times(number(years)?),
        _ => return Err(unknown.to_string()),
    };
    Ok(Some(Lock { length, is_governance }))
}

fn is_versioned(document: &Element) -> Result<bool, String> {
    match document.one("Status")?.map(|status| status.text.as_str()) {
        Some("Enabled") => Ok(true),
        None if document.children.is_empty() => Ok(false),
        Some("Suspended") => Ok(false),
        _ => Err("The bucket's versioning has a form that is not known".to_string()),
    }
}

/// A lifecycle rule that is for these objects.
#[derive(Default)]
struct Rule {
    id: String,
    /// Only some of the objects are meant, and which is not known here.
    is_partial: bool,
    expires: Option<Length>,
    /// How long an object stays that was deleted or overwritten.
    old_expires: Option<Length>,
    away: Option<Length>,
}

fn rule_of(element: &Element, prefix: &str) -> Result<Option<Rule>, String> {
    const KNOWN: &[&str] = &[
        "ID",
        "Prefix",
        "Filter",
        "Status",
        "Expiration",
        "NoncurrentVersionExpiration",
        "Transition",
        "NoncurrentVersionTransition",
        "AbortIncompleteMultipartUpload",
    ];
    let id = shown(element.one("ID")?.map_or("without an ID", |id| id.text.as_str()));
    let unknown = || format!("rule “{id}” has a form that is not known");
    if element.name != "Rule" || !element.is_known(KNOWN) {
        return Err(unknown());
    }
    match element.one("Status")?.map(|status| status.text.as_str()) {
        Some("Enabled") => {}
        Some("Disabled") => return Ok(None),
        _ => return Err(unknown()),
    }
    let mut rule = Rule { id: id.clone(), ..Rule::default() };
    let filter = element.one("Filter")?;
    let filter = match filter.map(|filter| filter.one("And")).transpose()?.flatten() {
        Some(and) => Some(and),
        None => filter,
    };
    let own = filter.unwrap_or(element).one("Prefix")?.map_or("", |own| own.text.as_str());
    if !own.starts_with(prefix) && !prefix.starts_with(own) {
        return Ok(None);
    }
    rule.is_partial = !prefix.starts_with(own) || filter.is_some_and(|filter| !filter.is_known(&["Prefix"]));
    if let Some(expiration) = element.one("Expiration")? {
        match expiration.children.as_slice() {
            [days] if days.name == "Days" => rule.expires = Some(Length::days(number(days)?)),
            [marker] if marker.name == "ExpiredObjectDeleteMarker" => {}
            [date] if date.name == "Date" => {
                return Err(format!("rule “{id}” deletes on a date, however young objects are then"));
            }
            _ => return Err(unknown()),
        }
    }
    if let Some(old) = element.one("NoncurrentVersionExpiration")? {
        let days = old.one("NoncurrentDays")?.filter(|_| old.is_known(&["NoncurrentDays", "NewerNoncurrentVersions"]));
        rule.old_expires = Some(Length::days(number(days.ok_or_else(unknown)?)?));
    }
    for transition in element.all("Transition") {
        let class = transition.one("StorageClass")?.map_or("", |class| class.text.as_str());
        let is_away = AWAY.contains(&class);
        match (transition.one("Days")?, is_away) {
            (Some(days), true) => rule.away = least([rule.away, Some(Length::days(number(days)?))]),
            (_, false) if AT_HAND.contains(&class) => {}
            _ => return Err(format!("rule “{id}” puts objects away in a way that is not known: {}", shown(class))),
        }
    }
    Ok(Some(rule))
}

impl Rule {
    /// With how long an old version stays under all rules.
    fn with_old(self, old: Option<(Length, bool)>) -> Self {
        let is_partial = self.is_partial || self.old_expires.is_none() && old.is_some_and(|(_, is_partial)| is_partial);
        Rule { old_expires: old.map(|(length, _)| length), is_partial, ..self }
    }

    /// How long objects are kept under this rule, and whether it is object lock that keeps them.
    fn term(&self, bucket: &str, lock: Option<&Lock>, versions: bool, wanted: Wanted) -> (Result<Term, String>, bool) {
        // With versions an object that expires becomes an old version, and goes only when these expire.
        let gone = match (self.expires, self.old_expires) {
            (Some(expires), _) if !versions => Some(expires),
            (Some(expires), Some(old)) => Some(expires.and(old)),
            _ => None,
        };
        let locked = lock.map(|lock| lock.length);
        let kept = gone.map(|gone| gone.max(locked.unwrap_or_default()));
        let is_by_lock = kept.is_some() && kept != gone;
        let rule = format!("Lifecycle rule “{}” of bucket “{bucket}”", self.id);
        let deletes = |length: Length| {
            let own = gone.unwrap_or_default().words();
            let lock =
                if is_by_lock { format!(", object lock forbids that for {}", length.words()) } else { String::new() };
            format!("{rule} deletes objects after {own}{lock}")
        };
        let hidden = if self.expires.is_some() && versions { self.expires } else { None };
        let searchable = least([hidden, self.away]);
        let searchable_by = match searchable {
            Some(after) if after == hidden.unwrap_or(after) && hidden.is_some() => {
                format!("{rule} hides objects after {} behind a delete marker", after.words())
            }
            Some(after) => {
                format!("{rule} moves objects after {} to a class they must be restored from", after.words())
            }
            None => String::new(),
        };
        let term = Term { kept, by: kept.map_or_else(String::new, deletes), searchable, searchable_by, note: None };
        let is_short = kept.is_some_and(|kept| kept < Length::days(wanted.days.into()))
            || searchable.is_some_and(|at| at < Length::days(wanted.searchable_days.into()));
        if self.is_partial && is_short {
            let which = if term.by.is_empty() { &term.searchable_by } else { &term.by };
            return (
                Err(format!("{which}, and whether these records are meant by its filter is not known")),
                is_by_lock,
            );
        }
        (Ok(term), is_by_lock)
    }
}

fn number(element: &Element) -> Result<u64, String> {
    let is_number = !element.text.is_empty() && element.text.bytes().all(|b| b.is_ascii_digit());
    let number = element.text.parse().ok().filter(|_| is_number && element.children.is_empty());
    number.ok_or_else(|| format!("{} is no whole number: {}", element.name, shown(&element.text)))
}

/// A document of the bucket; none where S3 says that there is none.
fn document(answers: &Answers, path: &str, root: &str, absent: &str) -> Result<Option<Element>, String> {
    if status(answers, path) == Some(404) && !absent.is_empty() {
        let error = text(answers, path).and_then(|text| read(text, "Error").ok());
        let code = error.as_ref().and_then(|error| error.one("Code").ok()?).map(|code| code.text.as_str());
        if code == Some(absent) {
            return Ok(None);
        }
    }
    let text = body(answers, path)?;
    read(text, root).map(Some).map_err(|what| format!("The answer of {} cannot be read: {what}", shown(path)))
}
