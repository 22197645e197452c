//! An end of a connection, as people write it.

use std::{fmt, net::IpAddr, str::FromStr};

/// An end of a connection: `namespace/pod` or `ip:ADDRESS`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// A pod, by its namespace and name.
    Pod {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// An address.
    Address(IpAddr),
}

impl fmt::Display for End {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self {
            End::Pod { namespace, name } => write!(formatter, "{namespace}/{name}"),
            End::Address(address) => write!(formatter, "ip:{address}"),
        }
    }
}

impl FromStr for End {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(address) = text.strip_prefix("ip:") {
            let address = address.parse().map_err(|_| format!("{text}: {address} is no IPv4 or IPv6 address"))?;
            return Ok(End::Address(address));
        }
        match text.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(End::Pod { namespace: namespace.to_string(), name: name.to_string() })
            }
            _ => Err(format!("{text:?} is neither namespace/pod nor ip:ADDRESS")),
        }
    }
}
