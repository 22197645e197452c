//! Reserves a port for a server, for the whole life of a cluster or a store.
//! It never listens: until the server does, connections are refused.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use anyhow::{Context as _, Result};
use socket2::{Domain, Protocol, Socket, Type};

/// A port that nobody else is given while this value lives.
///
/// The socket is bound with `SO_REUSEPORT` and the API server binds with it too (`--permit-port-sharing`), which the
/// kernel allows to processes of one user only. So no other program can take the port between choice and use, or while
/// the API server is down, and there is nothing to retry. The kernel delivers connections to listening sockets only.
pub(crate) struct Port {
    _socket: Socket,
    number: u16,
}

impl Port {
    /// Reserves a port on an address; any that is free for port 0.
    pub(crate) fn reserve(address: SocketAddrV4) -> Result<Self> {
        let reserve = || {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
            socket.set_reuse_port(true)?;
            socket.bind(&SocketAddr::V4(address).into())?;
            let number = socket.local_addr()?.as_socket().map_or(0, |address| address.port());
            std::io::Result::Ok(Self { _socket: socket, number })
        };
        reserve().with_context(|| format!("cannot reserve the port {address}"))
    }

    /// Reserves a port on 127.0.0.1 for a server that knows nothing of sharing; see [`reserve_for_reuse_at`](Self::reserve_for_reuse_at).
    pub(crate) fn reserve_for_reuse() -> Result<Self> {
        Self::reserve_for_reuse_at(Ipv4Addr::LOCALHOST)
    }

    /// Reserves a port for a server that knows nothing of sharing. It sets `SO_REUSEADDR`, as Go and Java do, and so the kernel lets it listen where another socket is bound that has this too and does not listen. The kernel does not
    /// give the port to anybody who takes any; only who asks for this very number gets it.
    pub(crate) fn reserve_for_reuse_at(address: Ipv4Addr) -> Result<Self> {
        let reserve = || {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
            socket.set_reuse_address(true)?;
            socket.bind(&SocketAddr::V4(SocketAddrV4::new(address, 0)).into())?;
            let number = socket.local_addr()?.as_socket().map_or(0, |address| address.port());
            std::io::Result::Ok(Self { _socket: socket, number })
        };
        reserve().with_context(|| format!("cannot reserve a port on {address}"))
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        io::ErrorKind,
        net::{Ipv4Addr, TcpListener, TcpStream},
    };

    use super::*;

    const ANY: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);

    #[test]
    fn a_reserved_port_is_closed_and_taken() {
        let port = Port::reserve(ANY).unwrap();
        let address = (Ipv4Addr::LOCALHOST, port.number());
        assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        assert_eq!(TcpListener::bind(address).unwrap_err().kind(), ErrorKind::AddrInUse);
    }

    #[test]
    fn a_port_for_reuse_is_closed_until_a_server_that_asks_for_it_listens() {
        let port = Port::reserve_for_reuse().unwrap();
        let address = (Ipv4Addr::LOCALHOST, port.number());
        assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        // The standard library sets SO_REUSEADDR.
        let server = TcpListener::bind(address).unwrap();
        TcpStream::connect(address).unwrap();
        drop(server);
        assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        TcpListener::bind(address).unwrap();
    }

    #[test]
    fn reservations_differ() {
        let ports = (0..200).map(|_| Port::reserve(ANY).unwrap());
        let ports: Vec<Port> = ports.chain((0..200).map(|_| Port::reserve_for_reuse().unwrap())).collect();
        assert_eq!(ports.iter().map(Port::number).collect::<BTreeSet<_>>().len(), ports.len());
    }
}
