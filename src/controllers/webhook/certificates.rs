//! The webhook's certificates: made by ourselves, exchanged in time, and never so that the API server knows none of ours.
//!
//! A new certificate is first put into the bundle that the API server trusts, and served some time later; the one before it
//! stays in the bundle until the next exchange.

use k8s_openapi::{
    ByteString,
    api::core::v1::Secret,
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
    jiff::{SignedDuration, Timestamp},
};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};

use super::NAME;
use crate::{api::names, controllers::error::Error};

/// After this time a new certificate is made.
const EXCHANGE_AFTER: SignedDuration = SignedDuration::from_hours(60 * 24);
/// A new certificate is served when it was trusted for so long.
const SERVE_AFTER: SignedDuration = SignedDuration::from_hours(1);
/// How long a certificate is valid; the difference is what an operator may be away for.
const VALID: SignedDuration = SignedDuration::from_hours(365 * 24);
/// Clocks may differ.
const EARLIER: SignedDuration = SignedDuration::from_hours(24);

/// A certificate with its key, PEM, and when it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) certificate: String,
    pub(super) key: String,
    made: Timestamp,
}

/// What the Secret holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Certificates {
    /// What is served.
    pub(super) current: Pair,
    /// What will be.
    next: Option<Pair>,
    /// What was.
    before: Option<String>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Make the first certificate.
    Begin,
    /// Make the next one, and have it trusted.
    Prepare,
    /// Serve the next one.
    Exchange,
    /// Nothing.
    Rest,
}

/// What is to be done now.
pub(super) fn step(certificates: Option<&Certificates>, now: Timestamp) -> Step {
    let Some(certificates) = certificates else { return Step::Begin };
    let age = |pair: &Pair| now.duration_since(pair.made);
    match &certificates.next {
        _ if age(&certificates.current) >= VALID => Step::Begin,
        Some(next) if age(next) >= SERVE_AFTER => Step::Exchange,
        None if age(&certificates.current) >= EXCHANGE_AFTER => Step::Prepare,
        Some(_) | None => Step::Rest,
    }
}

/// The certificates after a step.
pub(super) fn take(
    step: Step,
    certificates: Option<&Certificates>,
    names: &[String],
    now: Timestamp,
) -> Result<Certificates, Error> {
    let begin = |pair| Certificates { current: pair, next: None, before: None };
    let Some(certificates) = certificates.cloned().filter(|_| step != Step::Begin) else {
        return Ok(begin(make(names, now)?));
    };
    Ok(match (step, certificates) {
        (Step::Prepare, Certificates { current, before, .. }) => {
            Certificates { current, next: Some(make(names, now)?), before }
        }
        (Step::Exchange, Certificates { current, next: Some(next), .. }) => {
            Certificates { current: next, next: None, before: Some(current.certificate) }
        }
        (_, certificates) => certificates,
    })
}

fn make(names: &[String], now: Timestamp) -> Result<Pair, Error> {
    let failed = |error: rcgen::Error| Error::Certificate(error.to_string());
    let mut params = CertificateParams::new(names).map_err(failed)?;
    params.not_before = date(now.saturating_sub(EARLIER).unwrap_or(now));
    params.not_after = date(now.saturating_add(VALID).unwrap_or(now));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate().map_err(failed)?;
    let certificate = params.self_signed(&key).map_err(failed)?;
    Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem(), made: now })
}

fn date(at: Timestamp) -> time::OffsetDateTime {
    // Both know all the years that there are here.
    time::OffsetDateTime::from_unix_timestamp(at.as_second()).unwrap_or(time::OffsetDateTime::UNIX_EPOCH)
}

impl Certificates {
    /// Reads a Secret; `None` where it holds nothing that can be used.
    pub(super) fn read(secret: &Secret) -> Option<Self> {
        let data = secret.data.as_ref()?;
        let text = |key: &str| String::from_utf8(data.get(key)?.0.clone()).ok();
        let pair = |name: &str| {
            let made = text(&format!("{name}.made"))?.parse().ok()?;
            Some(Pair { certificate: text(&format!("{name}.crt"))?, key: text(&format!("{name}.key"))?, made })
        };
        Some(Certificates { current: pair("tls")?, next: pair("next"), before: text("before.crt") })
    }

    /// The Secret that holds them.
    pub(super) fn secret(&self, namespace: &str, live: Option<&Secret>) -> Secret {
        let mut data = std::collections::BTreeMap::new();
        let mut put = |key: String, text: &str| data.insert(key, ByteString(text.as_bytes().to_vec()));
        for (name, pair) in [("tls", Some(&self.current)), ("next", self.next.as_ref())] {
            let Some(Pair { certificate, key, made }) = pair else { continue };
            put(format!("{name}.crt"), certificate);
            put(format!("{name}.key"), key);
            put(format!("{name}.made"), &made.to_string());
        }
        if let Some(before) = &self.before {
            put("before.crt".to_string(), before);
        }
        let labels = [(names::MANAGED_BY.to_string(), names::MANAGED_BY_VALUE.to_string())];
        let metadata = ObjectMeta {
            name: Some(NAME.to_string()),
            namespace: Some(namespace.to_string()),
            labels: Some(labels.into()),
            resource_version: live.and_then(|live| live.metadata.resource_version.clone()),
            ..ObjectMeta::default()
        };
        Secret { metadata, data: Some(data), ..Secret::default() }
    }

    /// What the API server trusts.
    pub(super) fn bundle(&self) -> String {
        let next = self.next.iter().map(|pair| pair.certificate.as_str());
        let all = std::iter::once(self.current.certificate.as_str()).chain(next).chain(self.before.as_deref());
        all.collect::<Vec<_>>().join("")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_trusted_before_it_is_served_and_after() {
        let names = ["pcizone-webhook.pcizone-system.svc".to_string()];
        let mut now: Timestamp = "2026-11-25T00:00:00Z".parse().unwrap();
        assert_eq!(step(None, now), Step::Begin);
        let first = take(Step::Begin, None, &names, now).unwrap();
        assert_eq!(step(Some(&first), now), Step::Rest);
        now = now.saturating_add(EXCHANGE_AFTER).unwrap();
        assert_eq!(step(Some(&first), now), Step::Prepare);
        let second = take(Step::Prepare, Some(&first), &names, now).unwrap();
        assert_eq!(second.current, first.current, "what is served stays");
        assert!(second.bundle().contains(&first.current.certificate) && second.bundle().len() > first.bundle().len());
        assert_eq!(step(Some(&second), now), Step::Rest);
        now = now.saturating_add(SERVE_AFTER).unwrap();
        assert_eq!(step(Some(&second), now), Step::Exchange);
        let third = take(Step::Exchange, Some(&second), &names, now).unwrap();
        assert_eq!(Some(&third.current), second.next.as_ref());
        assert!(third.bundle().contains(&first.current.certificate), "a replica may serve the old one still");
        assert_eq!(step(Some(&third), now), Step::Rest);
        now = now.saturating_add(EXCHANGE_AFTER).unwrap();
        let fourth = take(Step::Prepare, Some(&third), &names, now).unwrap();
        let fifth = take(Step::Exchange, Some(&fourth), &names, now).unwrap();
        assert!(!fifth.bundle().contains(&first.current.certificate), "the oldest is forgotten");
        now = now.saturating_add(VALID).unwrap();
        assert_eq!(step(Some(&fourth), now), Step::Begin, "nobody was there in time");
    }

    #[test]
    fn a_secret_holds_all_of_them() {
        let now: Timestamp = "2026-11-25T00:00:00Z".parse().unwrap();
        let names = ["localhost".to_string()];
        let first = take(Step::Begin, None, &names, now).unwrap();
        let second = take(Step::Prepare, Some(&first), &names, now).unwrap();
        let third = take(Step::Exchange, Some(&second), &names, now).unwrap();
        for certificates in [first, second, third] {
            assert_eq!(Certificates::read(&certificates.secret("n", None)), Some(certificates));
        }
        assert_eq!(Certificates::read(&Secret::default()), None);
    }
}
