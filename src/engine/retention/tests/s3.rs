//! S3 and what speaks like it: stubs from the published API shapes.

use super::{Answers, Kept, Row, SearchableTooShort, Store, TooShort, Unproven, but, ok};

const LOCK: &str = "/pci-logs?object-lock";
const LIFECYCLE: &str = "/pci-logs?lifecycle";
const VERSIONING: &str = "/pci-logs?versioning";
const NO_LOCK: &str = r#"<?xml version="1.0" encoding="UTF-8"?><Error><Code>ObjectLockConfigurationNotFoundError</Code><Message>Object Lock configuration does not exist for this bucket</Message></Error>"#;
const NO_RULES: &str = r#"<?xml version="1.0" encoding="UTF-8"?><Error><Code>NoSuchLifecycleConfiguration</Code><Message>The lifecycle configuration does not exist</Message></Error>"#;
const NS: &str = r#"xmlns="http://s3.amazonaws.com/doc/2006-03-01/""#;

fn store() -> Store {
    Store::S3 { bucket: "pci-logs".to_string(), prefix: "audit/".to_string() }
}

fn versioning(status: &str) -> String {
    format!("<?xml version=\"1.0\"?>\n<VersioningConfiguration {NS}>{status}</VersioningConfiguration>")
}

/// A bucket without lock and rules.
fn bare() -> Answers {
    let answers = ok(&[(VERSIONING, &versioning(""))]);
    but(but(answers, LOCK, 404, NO_LOCK), LIFECYCLE, 404, NO_RULES)
}

fn versioned(answers: Answers) -> Answers {
    but(answers, VERSIONING, 200, &versioning("<Status>Enabled</Status>"))
}

fn locked(mode: &str, time: &str) -> Answers {
    let lock = format!(
        "<ObjectLockConfiguration {NS}><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>{mode}</Mode>{time}</DefaultRetention></Rule></ObjectLockConfiguration>"
    );
    but(versioned(bare()), LOCK, 200, &lock)
}

pub fn ruled(answers: Answers, rules: &str) -> Answers {
    but(answers, LIFECYCLE, 200, &format!("<LifecycleConfiguration {NS}>\n{rules}\n</LifecycleConfiguration>"))
}

pub fn rule(content: &str) -> String {
    format!("<Rule><ID>old</ID><Filter><Prefix></Prefix></Filter><Status>Enabled</Status>{content}</Rule>")
}

pub fn unlocked(content: &str) -> Answers {
    ruled(bare(), &rule(content))
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
pub fn rows() -> Vec<Row> {
    let row = |name, answers, says| (name, store(), answers, says);
    let expires = |days: &str| format!("<Expiration><Days>{days}</Days></Expiration>");
    let old = |days: &str| {
        format!("<NoncurrentVersionExpiration><NoncurrentDays>{days}</NoncurrentDays></NoncurrentVersionExpiration>")
    };
    let away = |days: &str, class: &str| {
        format!("<Transition><Days>{days}</Days><StorageClass>{class}</StorageClass></Transition>")
    };
    let year = || locked("COMPLIANCE", "<Days>365</Days>");
    vec![
        row("locked for a year", year(), Kept(None, None, "")),
        row("locked for a year by years", locked("COMPLIANCE", "<Years>1</Years>"), Kept(None, None, "")),
        row("locked, but weakly", locked("GOVERNANCE", "<Days>400</Days>"), Kept(None, None, "GOVERNANCE")),
        row(
            "locked for a month, and nothing deletes",
            locked("COMPLIANCE", "<Days>30</Days>"),
            Kept(None, None, "ends after 30d"),
        ),
        row(
            "locked for a month, and a rule deletes then",
            ruled(locked("COMPLIANCE", "<Days>30</Days>"), &rule(&format!("{}{}", expires("100"), old("1")))),
            TooShort(101, "“old”"),
        ),
        row(
            "locked for a year against a rule",
            ruled(year(), &rule(&format!("{}{}", expires("100"), old("1")))),
            Kept(Some(365), Some(100), ""),
        ),
        row(
            "locked, but soon out of sight",
            ruled(year(), &rule(&format!("{}{}", expires("30"), old("1")))),
            SearchableTooShort(30, "delete marker"),
        ),
        row("locked without a time", locked("COMPLIANCE", ""), Unproven("Object lock")),
        row(
            "locked with days and years",
            locked("COMPLIANCE", "<Days>1</Days><Years>1</Years>"),
            Unproven("Object lock"),
        ),
        row("locked in a mode of tomorrow", locked("QUANTUM", "<Days>400</Days>"), Unproven("Object lock")),
        row("locked by negative days", locked("COMPLIANCE", "<Days>-400</Days>"), Unproven("no whole number: -400")),
        row(
            "lock without default",
            but(
                year(),
                LOCK,
                200,
                &format!(
                    "<ObjectLockConfiguration {NS}><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>"
                ),
            ),
            Kept(None, None, "no object lock by default"),
        ),
        row(
            "locked without versions cannot be",
            but(year(), VERSIONING, 200, &versioning("")),
            Unproven("without versioning"),
        ),
        row("nothing deletes, nothing forbids", bare(), Kept(None, None, "no object lock by default")),
        row(
            "a rule deletes after a month",
            unlocked(&expires("30")),
            TooShort(30, "Lifecycle rule “old” of bucket “pci-logs” deletes objects after 30d"),
        ),
        row("a rule deletes after a year", unlocked(&expires("365")), Kept(Some(365), Some(365), "no object lock")),
        row(
            "two rules: the sooner counts",
            ruled(bare(), &format!("{}{}", rule(&expires("400")), rule(&expires("60")))),
            TooShort(60, "60d"),
        ),
        row(
            "a rule that is off",
            ruled(bare(), &rule(&expires("30")).replace("Enabled", "Disabled")),
            Kept(None, None, "no object lock"),
        ),
        row(
            "a rule for something else",
            ruled(bare(), &rule(&expires("1")).replace("<Prefix></Prefix>", "<Prefix>tmp/</Prefix>")),
            Kept(None, None, "no object lock"),
        ),
        row(
            "a rule for a part of it",
            ruled(bare(), &rule(&expires("1")).replace("<Prefix></Prefix>", "<Prefix>audit/dev/</Prefix>")),
            Unproven("meant by its filter"),
        ),
        row(
            "a rule by tag",
            ruled(bare(), &rule(&expires("1")).replace("<Prefix></Prefix>", "<Tag><Key>a</Key><Value>b</Value></Tag>")),
            Unproven("meant by its filter"),
        ),
        row(
            "a rule of the older form",
            ruled(bare(), &rule(&expires("30")).replace("<Filter><Prefix></Prefix></Filter>", "<Prefix>au</Prefix>")),
            TooShort(30, "30d"),
        ),
        row(
            "a rule on a date",
            unlocked("<Expiration><Date>2027-01-01T00:00:00Z</Date></Expiration>"),
            Unproven("deletes on a date"),
        ),
        row(
            "versions are kept after that",
            ruled(versioned(bare()), &rule(&expires("100"))),
            Kept(None, Some(100), "no object lock"),
        ),
        row(
            "versions are kept for a while after that",
            ruled(versioned(bare()), &rule(&format!("{}{}", expires("100"), old("30")))),
            TooShort(130, "130d"),
        ),
        row(
            "one rule makes versions, another deletes them",
            ruled(versioned(bare()), &format!("{}{}", rule(&expires("100")), rule(&old("30")))),
            TooShort(130, "130d"),
        ),
        row(
            "moved to where it must be restored from",
            unlocked(&away("30", "DEEP_ARCHIVE")),
            SearchableTooShort(30, "restored from"),
        ),
        row(
            "moved there after four months",
            unlocked(&away("120", "GLACIER")),
            Kept(None, Some(120), "no object lock"),
        ),
        row(
            "moved to where it is read at once",
            unlocked(&away("30", "GLACIER_IR")),
            Kept(None, None, "no object lock"),
        ),
        row("moved to a class of tomorrow", unlocked(&away("30", "MOON")), Unproven("MOON")),
        row("huge days", unlocked(&expires("99999999999999999999999")), Unproven("no whole number")),
        row("an element of tomorrow", unlocked("<Vaporization><Days>1</Days></Vaporization>"), Unproven("not known")),
        row(
            "no rights on the lock",
            but(bare(), LOCK, 403, "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"),
            Unproven("403"),
        ),
        row("no such bucket", but(bare(), LOCK, 404, "<Error><Code>NoSuchBucket</Code></Error>"), Unproven("404")),
        row(
            "an entity from outside",
            but(
                bare(),
                LIFECYCLE,
                200,
                "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><LifecycleConfiguration>&x;</LifecycleConfiguration>",
            ),
            Unproven("no plain XML"),
        ),
        row(
            "deep",
            but(bare(), LIFECYCLE, 200, &"<LifecycleConfiguration>".repeat(5000)),
            Unproven("too many or lie too deep"),
        ),
        row(
            "cut off",
            but(bare(), VERSIONING, 200, "<VersioningConfiguration><Status>Enabled</Status>"),
            Unproven("cannot be read"),
        ),
    ]
}
