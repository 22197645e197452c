//! Who answers: always checked, and in words where it is not who was asked.

use std::{path::Path, sync::Arc};

use rustls::{
    AlertDescription, CertificateError, ClientConfig, Error, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    version::{TLS12, TLS13},
};
use secrecy::{ExposeSecret, SecretString};
use tokio_rustls::TlsConnector;

use crate::engine::shown::bounded;

/// Names of a certificate that are told, and the longest text of them.
const NAMES: usize = 4;
const SHOWN: usize = 120;

/// A certificate with which the client shows who it is, and its key, both PEM.
#[derive(Debug)]
pub struct Identity {
    /// The certificate, and those between it and its authority.
    pub certificates: String,
    /// Its key.
    pub key: SecretString,
}

/// What speaks TLS 1.2 and 1.3 and trusts the authorities of this file, or without one those of the system.
pub fn connector(authorities: Option<&Path>, identity: Option<&Identity>) -> Result<TlsConnector, String> {
    let roots = match authorities {
        Some(path) => named(path)?,
        None => system()?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|error| format!("cannot speak TLS: {error}"))?
        .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(Identity { certificates, key }) => {
            let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificates.as_bytes()).collect();
            let chain = chain.ok().filter(|chain| !chain.is_empty());
            let chain = chain.ok_or("the file of the client's certificate has none in PEM")?;
            let key = PrivateKeyDer::from_pem_slice(key.expose_secret().as_bytes());
            let key = key.map_err(|_| "the file of the client's key has none in PEM, or an encrypted one")?;
            let config = builder.with_client_auth_cert(chain, key);
            config.map_err(|_| "the client's certificate and its key do not belong together, or cannot be used")?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

fn named(path: &Path) -> Result<RootCertStore, String> {
    let shown = path.display();
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| format!("cannot read {shown}: {error}"))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| format!("{shown} has a certificate that is no PEM: {error}"))?;
        roots.add(certificate).map_err(|error| format!("{shown} has a certificate that cannot be used: {error}"))?;
    }
    if roots.is_empty() {
        return Err(format!("{shown} has no certificate in PEM"));
    }
    Ok(roots)
}

fn system() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
        return Err(format!("this system has no authorities to trust{why}: give that of the store by --ca-file"));
    }
    Ok(roots)
}

/// What is wrong with a connection, and what to do.
pub(super) fn words(error: &Error, host: &str) -> String {
    match error {
        Error::InvalidCertificate(certificate) => about(certificate, host),
        Error::InvalidMessage(_) => "it does not speak TLS on this port; is it plain http?".to_string(),
        Error::PeerIncompatible(why) => format!("it has no TLS in common with TLS 1.2 and 1.3 ({why:?})"),
        Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "it wants a certificate of the client: --client-cert-file and --client-key-file".to_string()
        }
        Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::DecryptError,
        ) => "it refuses the certificate of the client".to_string(),
        Error::AlertReceived(alert) => format!("it ends TLS with the alert {alert:?}"),
        other => bounded(&format!("TLS fails: {other}"), SHOWN),
    }
}

fn about(error: &CertificateError, host: &str) -> String {
    match error {
        CertificateError::UnknownIssuer => {
            "its certificate comes from an authority that is not trusted; give the right one by --ca-file".to_string()
        }
        // As where an authority was made anew under its old name.
        CertificateError::BadSignature => {
            "its certificate comes from an authority that is not trusted, but has the same name as one that is; give the right one by --ca-file".to_string()
        }
        CertificateError::NotValidForName => format!("its certificate is not for {host}; ask by a name that is in it"),
        CertificateError::NotValidForNameContext { presented, .. } => {
            let names: Vec<&str> = presented.iter().take(NAMES).map(String::as_str).collect();
            let names = bounded(&names.join(", "), SHOWN);
            let names = if names.is_empty() { "nothing".to_string() } else { names };
            format!("its certificate is not for {host}, but for {names}; ask by a name that is in it")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired, or this machine's clock is wrong".to_string()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet, or this machine's clock is wrong".to_string()
        }
        CertificateError::Revoked => "its certificate was revoked".to_string(),
        // That is how a store's own certificate looks which it made for itself as an authority.
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "its certificate is that of an authority, not of a server; give it one that is".to_string()
        }
        other => bounded(&format!("its certificate cannot be accepted: {other}"), SHOWN),
    }
}
