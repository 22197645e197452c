//! Sockets that everybody may reach, and what is done with one who connects: one line is read, and a kubelet gets a status.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream, UdpSocket},
};

use super::MOST_BYTES;

/// What is read of a request after its first line, so that its sender gets the answer before the end.
const MOST_REQUEST: u64 = 4096;

/// Takes a port for TCP.
pub(super) async fn tcp(port: u16) -> io::Result<TcpListener> {
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
        Err(error) if is_without_v6(&error) => TcpListener::bind((v4(), port)).await,
        bound => bound,
    }
}

/// Takes a port for UDP.
pub(super) async fn udp(port: u16) -> io::Result<UdpSocket> {
    match UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port)).await {
        Err(error) if is_without_v6(&error) => UdpSocket::bind((v4(), port)).await,
        bound => bound,
    }
}

fn v4() -> IpAddr {
    Ipv4Addr::UNSPECIFIED.into()
}

/// `[::]` hears IPv4 too, and a kernel without IPv6 has no such sockets. A port that is taken, or that is not to be had, stays so.
fn is_without_v6(error: &io::Error) -> bool {
    !matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied)
}

/// What one who connects says first, a line at most.
pub(super) async fn first_line(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut line = Vec::with_capacity(MOST_BYTES);
    let limited = stream.take(MOST_BYTES as u64);
    BufReader::with_capacity(MOST_BYTES, limited).read_until(b'\n', &mut line).await?;
    Ok(line)
}

/// Tells a kubelet that it is so, or that it is not.
pub(super) async fn tell(mut stream: TcpStream, is_so: bool) -> io::Result<()> {
    let status = if is_so { "200 OK" } else { "503 Service Unavailable" };
    stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").as_bytes()).await?;
    stream.shutdown().await?;
    tokio::io::copy(&mut stream.take(MOST_REQUEST), &mut tokio::io::sink()).await.map(drop)
}
