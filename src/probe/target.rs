//! A target of `probe connect`, and one attempt at it.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, UdpSocket},
    time::timeout,
};

use super::MOST_BYTES;

/// How long a connection may take to come about, and then an answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// By which protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Tcp,
    Udp,
}

impl Protocol {
    /// As the Kubernetes API spells it.
    pub(super) fn read(text: &str) -> Option<Self> {
        match text {
            "TCP" => Some(Protocol::Tcp),
            "UDP" => Some(Protocol::Udp),
            _ => None,
        }
    }
}

/// Whom to ask, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Its number in the round.
    pub(super) number: u32,
    protocol: Protocol,
    address: SocketAddr,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || "a target is N=TCP:ADDRESS:PORT or N=UDP:ADDRESS:PORT, as 1=TCP:192.0.2.7:47471 or 2=UDP:[2001:db8::7]:47471";
        let (number, rest) = text.split_once('=').ok_or_else(form)?;
        let (protocol, address) = rest.split_once(':').ok_or_else(form)?;
        let number = number.parse().map_err(|_| form())?;
        let protocol = Protocol::read(protocol).ok_or_else(form)?;
        let address: SocketAddr = address.parse().map_err(|_| form())?;
        if address.port() == 0 || address.ip().is_unspecified() || address.ip().is_multicast() {
            return Err(format!("nobody listens at {address}: it is no port and address of one pod"));
        }
        Ok(Target { number, protocol, address })
    }
}

impl Target {
    /// Whether the line comes back in time. An error is one of this side, which has not asked then.
    pub(super) async fn answers(&self, line: &str) -> io::Result<bool> {
        match self.protocol {
            Protocol::Tcp => self.answers_tcp(line).await,
            Protocol::Udp => self.answers_udp(line).await,
        }
    }

    async fn answers_tcp(&self, line: &str) -> io::Result<bool> {
        let socket = if self.address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        let Ok(Ok(mut stream)) = timeout(PATIENCE, socket.connect(self.address)).await else { return Ok(false) };
        let mut answer = vec![0; line.len()];
        let exchange = async {
            stream.write_all(line.as_bytes()).await?;
            stream.read_exact(&mut answer).await
        };
        Ok(matches!(timeout(PATIENCE, exchange).await, Ok(Ok(_))) && answer == line.as_bytes())
    }

    async fn answers_udp(&self, line: &str) -> io::Result<bool> {
        let any: IpAddr =
            if self.address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        // A new one each time, with a port of its own: firewalls keep what they once let through.
        let socket = UdpSocket::bind((any, 0)).await?;
        // Without a way there it is not open, as for TCP.
        let exchange = async {
            socket.connect(self.address).await?;
            socket.send(line.as_bytes()).await?;
            let mut answer = [0; MOST_BYTES];
            let length = socket.recv(&mut answer).await?;
            Ok::<bool, io::Error>(answer.get(..length) == Some(line.as_bytes()))
        };
        Ok(matches!(timeout(PATIENCE, exchange).await, Ok(Ok(true))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_number_a_protocol_an_address_and_a_port() {
        for (text, protocol, address) in [
            ("3=TCP:192.0.2.7:80", Protocol::Tcp, "192.0.2.7:80"),
            ("3=UDP:192.0.2.7:53", Protocol::Udp, "192.0.2.7:53"),
            ("3=TCP:[2001:db8::7]:80", Protocol::Tcp, "[2001:db8::7]:80"),
        ] {
            assert_eq!(text.parse(), Ok(Target { number: 3, protocol, address: address.parse().unwrap() }), "{text}");
        }
        for wrong in [
            "",
            "TCP:192.0.2.7:80",
            "x=TCP:192.0.2.7:80",
            "-1=TCP:192.0.2.7:80",
            "3=SCTP:192.0.2.7:80",
            "3=tcp:192.0.2.7:80",
            "3=TCP:192.0.2.7",
            "3=TCP:192.0.2.7:0",
            "3=TCP:192.0.2.7:65536",
            "3=TCP:2001:db8::7:80",
            "3=TCP:shop.example.com:80",
            "3=TCP:0.0.0.0:80",
            "3=UDP:[ff02::1]:80",
        ] {
            assert!(wrong.parse::<Target>().is_err(), "{wrong}");
        }
    }
}
