//! Services that send in plain text by their standard (PCI DSS 1.2.6, 2.2.5): the one list of them.

use std::ops::RangeInclusive;

use crate::api::{Port, Protocol};

/// A service that sends in plain text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Insecure {
    /// Its transport protocol.
    pub protocol: Protocol,
    /// Its ports.
    pub ports: RangeInclusive<i32>,
    /// Its name.
    pub name: &'static str,
}

const fn service(protocol: Protocol, first: i32, last: i32, name: &'static str) -> Insecure {
    Insecure { protocol, ports: first..=last, name }
}

/// By port. Services that usually speak TLS on the same port, such as databases, are left out: a port tells nothing about them.
pub const SERVICES: &[Insecure] = &[
    service(Protocol::TCP, 20, 21, "FTP"),
    service(Protocol::TCP, 23, 23, "Telnet"),
    service(Protocol::TCP, 25, 25, "SMTP"),
    service(Protocol::UDP, 69, 69, "TFTP"),
    service(Protocol::TCP, 80, 80, "HTTP"),
    service(Protocol::TCP, 110, 110, "POP3"),
    service(Protocol::TCP, 111, 111, "portmapper"),
    service(Protocol::UDP, 111, 111, "portmapper"),
    service(Protocol::TCP, 135, 135, "DCE/RPC"),
    service(Protocol::TCP, 137, 139, "NetBIOS"),
    service(Protocol::UDP, 137, 138, "NetBIOS"),
    service(Protocol::TCP, 143, 143, "IMAP"),
    service(Protocol::TCP, 161, 162, "SNMP"),
    service(Protocol::UDP, 161, 162, "SNMP"),
    service(Protocol::TCP, 389, 389, "LDAP"),
    service(Protocol::UDP, 389, 389, "LDAP"),
    service(Protocol::TCP, 445, 445, "SMB"),
    service(Protocol::TCP, 512, 512, "rexec"),
    service(Protocol::TCP, 513, 513, "rlogin"),
    service(Protocol::TCP, 514, 514, "rsh"),
    service(Protocol::UDP, 514, 514, "syslog"),
    service(Protocol::TCP, 873, 873, "rsync"),
    service(Protocol::TCP, 1883, 1883, "MQTT"),
];

/// The service that a port is known for, if it sends in plain text.
pub fn service_of(port: &Port) -> Option<&'static Insecure> {
    SERVICES.iter().find(|one| one.protocol == port.protocol && one.ports.contains(&port.port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_known_by_port_and_protocol() {
        for (protocol, port, wanted) in [
            (Protocol::TCP, 21, Some("FTP")),
            (Protocol::UDP, 21, None),
            (Protocol::TCP, 22, None),
            (Protocol::TCP, 514, Some("rsh")),
            (Protocol::UDP, 514, Some("syslog")),
            (Protocol::TCP, 443, None),
            (Protocol::TCP, 8080, None),
            (Protocol::SCTP, 80, None),
        ] {
            assert_eq!(service_of(&Port { protocol, port }).map(|one| one.name), wanted, "{protocol:?} {port}");
        }
    }

    #[test]
    fn no_port_is_listed_twice() {
        for (index, one) in SERVICES.iter().enumerate() {
            for other in SERVICES.iter().skip(index + 1).filter(|other| other.protocol == one.protocol) {
                assert!(one.ports.end() < other.ports.start(), "{} and {}", one.name, other.name);
            }
        }
    }
}
