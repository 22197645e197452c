//! `pcizone probe listen`: answers who asks for its round, and tells from whom it heard. Whoever says anything else gets no
//! answer, but for the kubelet: its readiness probe gets one, so that it is known to come through.

use std::{
    collections::VecDeque,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream, UdpSocket},
    sync::mpsc,
    task::AbortHandle,
    time::{sleep, timeout},
};

use super::{
    Error, MOST_BYTES, PORT, asked,
    ending::{self, Clock, Ending, note_trouble},
    line, run_name,
};
use crate::{
    cli::Outcome,
    engine::canary::report::{Heard, Report},
};

/// Connections at a time.
const MOST_GUESTS: usize = 64;
/// Targets that are remembered.
const MOST_TARGETS: usize = 256;
/// How long a connection may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long it rests when a socket gives an error, so that it does not spin.
const REST: Duration = Duration::from_millis(100);
/// What is read of a request after its first line, so that its sender gets the answer before the end.
const MOST_REQUEST: u64 = 4096;
/// The pod is never ready: nothing is to be led to it.
const NOT_READY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Listens on TCP and UDP, answers who asks for this round, and writes from whom it heard. Exit code 0: written, 1: it could
/// not be, or the port is taken, 3: wrong arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// The name of the round; who asks for another one gets no answer.
    #[arg(long, value_parser = run_name)]
    run: String,
    /// The port, for TCP and UDP.
    #[arg(long, default_value_t = PORT, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    #[command(flatten)]
    ending: ending::Arguments,
}

/// What came in.
enum Sign {
    /// Somebody asked for a target of this round.
    Asked { target: u32, at: u32 },
    /// The kubelet of the node came through.
    OwnNode { at: u32 },
}

/// Runs the command.
pub(super) async fn run(arguments: Arguments) -> Result<Outcome, Error> {
    let Arguments { run, port, ending } = arguments;
    let mut ending = Ending::prepare(&ending)?;
    let mut report = ending.report();
    let (tcp, udp) = match sockets(port).await {
        Ok(both) => both,
        Err(source) => {
            // In the report too: whoever started the pod reads nothing else.
            note_trouble(&mut report, || format!("cannot listen on port {port}: {source}"));
            ending.write(&report)?;
            return Err(Error::Listen { port, source });
        }
    };
    eprintln!("listens on port {port}, TCP and UDP");
    let run: Arc<str> = run.into();
    let clock = ending.clock();
    let (tell, mut told) = mpsc::channel(MOST_GUESTS);
    let mut guests = Guests::default();
    // One more than a line may have, so that what is longer is not taken for one.
    let mut datagram = [0; MOST_BYTES + 1];
    let why = loop {
        tokio::select! {
            why = ending.comes() => break why,
            Some(sign) = told.recv() => note(&mut report, &sign),
            guest = tcp.accept() => match guest {
                Ok((stream, _)) => guests.take(serve(stream, Arc::clone(&run), clock, tell.clone())),
                Err(error) => {
                    note_trouble(&mut report, || format!("cannot take a connection: {error}"));
                    sleep(REST).await;
                }
            },
            received = udp.recv_from(&mut datagram) => match received {
                Ok((length, sender)) => {
                    let target = datagram.get(..length).and_then(|message| asked(&run, message));
                    // Two listeners would answer each other for ever.
                    if let Some(target) = target.filter(|_| sender.port() != port) {
                        note(&mut report, &Sign::Asked { target, at: clock.at() });
                        // Who does not get it asks again.
                        let _ = timeout(REST, udp.send_to(line(&run, target).as_bytes(), sender)).await;
                    }
                }
                Err(error) => {
                    note_trouble(&mut report, || format!("cannot receive by UDP: {error}"));
                    sleep(REST).await;
                }
            },
        }
    };
    while let Ok(sign) = told.try_recv() {
        note(&mut report, &sign);
    }
    report.heard.sort_by_key(|heard| heard.target);
    ending.write(&report)?;
    eprintln!("ended: {why}");
    Ok(Outcome::Clean)
}

/// `[::]` hears IPv4 too. A kernel without IPv6 has no such sockets.
async fn sockets(port: u16) -> io::Result<(TcpListener, UdpSocket)> {
    match both(Ipv6Addr::UNSPECIFIED.into(), port).await {
        Err(error) if !matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied) => {
            both(Ipv4Addr::UNSPECIFIED.into(), port).await
        }
        sockets => sockets,
    }
}

async fn both(address: IpAddr, port: u16) -> io::Result<(TcpListener, UdpSocket)> {
    Ok((TcpListener::bind((address, port)).await?, UdpSocket::bind((address, port)).await?))
}

fn note(report: &mut Report, sign: &Sign) {
    let (target, at) = match *sign {
        Sign::OwnNode { at } => {
            report.own_node.get_or_insert(at);
            return;
        }
        Sign::Asked { target, at } => (target, at),
    };
    if let Some(heard) = report.heard.iter_mut().find(|heard| heard.target == target) {
        heard.last = at;
        heard.times = heard.times.saturating_add(1);
    } else if report.heard.len() < MOST_TARGETS {
        report.heard.push(Heard { target, first: at, last: at, times: 1 });
    } else {
        note_trouble(report, || format!("more than {MOST_TARGETS} targets were asked for"));
    }
}

/// The connections that are open. When there are too many the oldest gives way: whoever holds them open keeps nobody out.
#[derive(Default)]
struct Guests(VecDeque<AbortHandle>);

impl Guests {
    fn take(&mut self, served: impl Future<Output = ()> + Send + 'static) {
        self.0.retain(|guest| !guest.is_finished());
        if self.0.len() >= MOST_GUESTS
            && let Some(oldest) = self.0.pop_front()
        {
            oldest.abort();
        }
        self.0.push_back(tokio::spawn(served).abort_handle());
    }
}

async fn serve(stream: TcpStream, run: Arc<str>, clock: Clock, tell: mpsc::Sender<Sign>) {
    // Who goes away in the middle, or takes too long, has had its chance.
    let _ = timeout(PATIENCE, answer(stream, &run, clock, &tell)).await;
}

async fn answer(mut stream: TcpStream, run: &str, clock: Clock, tell: &mpsc::Sender<Sign>) -> io::Result<()> {
    let mut message = Vec::with_capacity(MOST_BYTES);
    let limited = (&mut stream).take(MOST_BYTES as u64);
    BufReader::with_capacity(MOST_BYTES, limited).read_until(b'\n', &mut message).await?;
    if let Some(target) = asked(run, &message) {
        // Counted before it is answered. Nobody takes it any more only at the end.
        let _ = tell.send(Sign::Asked { target, at: clock.at() }).await;
        stream.write_all(line(run, target).as_bytes()).await?;
        stream.shutdown().await
    } else if message.starts_with(b"GET ") {
        let _ = tell.send(Sign::OwnNode { at: clock.at() }).await;
        stream.write_all(NOT_READY).await?;
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(MOST_REQUEST), &mut tokio::io::sink()).await.map(drop)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_targets_are_remembered_and_more_are_told() {
        let mut report = Report::default();
        for round in 0..2 {
            for target in 0..256 {
                note(&mut report, &Sign::Asked { target, at: round * 1000 + target });
            }
        }
        assert_eq!(report.heard.len(), 256);
        assert_eq!(report.heard[5], Heard { target: 5, first: 5, last: 1005, times: 2 });
        assert_eq!(report.trouble, "");
        note(&mut report, &Sign::Asked { target: 256, at: 1 });
        assert_eq!((report.heard.len(), report.trouble.is_empty()), (256, false));
        note(&mut report, &Sign::OwnNode { at: 7 });
        note(&mut report, &Sign::OwnNode { at: 8 });
        assert_eq!(report.own_node, Some(7));
    }
}
