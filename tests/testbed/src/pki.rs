//! Makes the keys and certificates of one cluster, all of them from an authority of its own.
//! The authority's key stays in memory: who holds it is every user of the cluster.

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result, bail};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

/// The names and addresses by which clients reach the API server, from outside and from inside the cluster.
const SERVER_NAMES: [&str; 6] = [
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    crate::components::KUBERNETES_SERVICE_ADDRESS,
];

/// The certificate authority of one cluster.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its private key, both PEM.
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn create() -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name = name("pcizone testbed", &[])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().context("cannot make the key of the cluster's authority")?;
        let issuer = CertifiedIssuer::self_signed(params, key).context("cannot sign the cluster's authority")?;
        Ok(Self { issuer })
    }

    /// The authority's certificate, PEM.
    pub(crate) fn certificate(&self) -> String {
        self.issuer.pem()
    }

    /// The API server's certificate, for its names and the address where it listens.
    pub(crate) fn server(&self, address: Ipv4Addr) -> Result<Identity> {
        let mut names = SERVER_NAMES.map(str::to_owned).to_vec();
        names.push(address.to_string());
        self.serving("kube-apiserver", &[], names)
    }

    /// The certificate with which a kubelet serves: the API server asks it for logs, and runs programs in its pods.
    pub(crate) fn kubelet_server(&self, node: &str, address: Ipv4Addr) -> Result<Identity> {
        let names = vec![node.to_owned(), address.to_string()];
        self.serving(&format!("system:node:{node}"), &["system:nodes"], names)
    }

    fn serving(&self, common: &str, organizations: &[&str], names: Vec<String>) -> Result<Identity> {
        let params = CertificateParams::new(names).context("bad server name")?;
        self.sign(params, name(common, organizations)?, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A client certificate. Kubernetes reads the user from the common name and the groups from the organizations.
    pub(crate) fn client(&self, user: &str, groups: &[&str]) -> Result<Identity> {
        self.sign(CertificateParams::default(), name(user, groups)?, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn sign(
        &self,
        mut params: CertificateParams,
        subject: DistinguishedName,
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<Identity> {
        params.distinguished_name = subject;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().context("cannot make a key")?;
        let certificate = params.signed_by(&key, &self.issuer).context("cannot sign a certificate")?;
        Ok(Identity { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

/// The key pair with which service account tokens are signed and checked, PEM.
pub(crate) struct TokenKeys {
    pub(crate) private: String,
    pub(crate) public: String,
}

impl TokenKeys {
    pub(crate) fn create() -> Result<Self> {
        let key = KeyPair::generate().context("cannot make the key for service account tokens")?;
        Ok(Self { private: key.serialize_pem(), public: key.public_key_pem() })
    }
}

fn name(common: &str, organizations: &[&str]) -> Result<DistinguishedName> {
    // rcgen keeps one value per attribute type. Its type for any OID makes room for a second organization.
    let room = [DnType::OrganizationName, DnType::CustomDnType(vec![2, 5, 4, 10])];
    if organizations.len() > room.len() {
        bail!("{common:?} has {} groups, but a certificate made here holds {}", organizations.len(), room.len());
    }
    let mut name = DistinguishedName::new();
    for (attribute, organization) in room.into_iter().zip(organizations) {
        name.push(attribute, *organization);
    }
    name.push(DnType::CommonName, common);
    Ok(name)
}
