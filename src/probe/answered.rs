//! Whether every target has answered, for the kubelet: its startup probe. What it finds is the one word of a pod that is seen while it
//! runs, and takes no way through the network but that of the node to its own pod.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{sleep, timeout},
};

use super::{Error, MOST_BYTES};

/// How long a connection may take. One at a time is served: the kubelet makes no more.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long it rests when the socket gives an error, so that it does not spin.
const REST: Duration = Duration::from_millis(100);
/// What is read of a request after its first line, so that its sender gets the answer before the end.
const MOST_REQUEST: u64 = 4096;

/// Takes the port, over IPv6 and IPv4 where the kernel has both.
pub(super) fn listen(port: u16) -> Result<TcpListener, Error> {
    let bind = |address: std::net::SocketAddr| {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    };
    bind((Ipv6Addr::UNSPECIFIED, port).into())
        .or_else(|_| bind((Ipv4Addr::UNSPECIFIED, port).into()))
        .map_err(|source| Error::Listen { port, source })
}

/// Answers for ever.
pub(super) async fn serve(listener: TcpListener, is_answered: watch::Receiver<bool>) {
    loop {
        match listener.accept().await {
            Ok((guest, _)) => {
                let is_answered = *is_answered.borrow();
                // Whoever takes longer gets no answer.
                let _ = timeout(PATIENCE, answer(guest, is_answered)).await;
            }
            Err(_) => sleep(REST).await,
        }
    }
}

async fn answer(mut guest: TcpStream, is_answered: bool) -> std::io::Result<()> {
    let (from, mut to) = guest.split();
    let mut from = BufReader::new(from.take(MOST_REQUEST));
    let mut line = Vec::new();
    (&mut from).take(MOST_BYTES as u64).read_until(b'\n', &mut line).await?;
    let is_meant = line.starts_with(b"GET /answered ");
    let status = if is_meant && is_answered { "200 OK" } else { "503 Service Unavailable" };
    to.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").as_bytes()).await?;
    to.shutdown().await
}
