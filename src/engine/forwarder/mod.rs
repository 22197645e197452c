//! STUB
pub mod configurations;
pub mod pod;
use crate::api::Logging;
use std::collections::BTreeMap;
/// A.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretVariable {
    /// v
    pub variable: String,
    /// s
    pub secret: String,
    /// k
    pub key: String,
}
/// A.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// s
    pub secret: String,
    /// k
    pub key: String,
    /// p
    pub path: String,
}
/// R.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// f
    pub files: BTreeMap<String, String>,
    /// a
    pub args: Vec<String>,
    /// s
    pub secrets: Vec<SecretVariable>,
    /// a
    pub authorities: Vec<Authority>,
    /// l
    pub linger: Vec<String>,
    /// r
    pub ready: (u16, &'static str),
}
/// dir
pub const CONFIGURATION: &str = "/etc/pcizone";
/// dir
pub const BUFFER: &str = "/var/lib/pcizone";
/// Render.
pub fn render(zone: &str, logging: &Logging) -> Option<Rendered> {
    let forwarder = logging.forwarder.as_ref()?;
    Some(Rendered {
        files: [("config.yaml".to_string(), format!("{zone}{forwarder:?}{:?}", logging.sinks))].into(),
        args: vec!["--config=/etc/pcizone/config.yaml".into()],
        secrets: logging
            .sinks
            .iter()
            .filter_map(|s| {
                Some(SecretVariable {
                    variable: format!("PCIZONE_SINK_{}_TOKEN", s.name.to_uppercase()),
                    secret: s.credentials_secret.clone()?,
                    key: "token".into(),
                })
            })
            .collect(),
        authorities: vec![],
        linger: vec![],
        ready: (8888, "/metrics"),
    })
}
/// Name of its ConfigMap: the same for the same content.
pub fn configuration_name(rendered: &Rendered) -> String {
    configurations::name(&rendered.files)
}
