//! `pcizone probe listen`: answers who asks for its round, and tells from whom it heard. Whoever says anything else gets no
//! answer, but for the kubelet: its readiness probe gets one, so that it is known to come through.

use std::{collections::VecDeque, io, str::FromStr, sync::Arc, time::Duration};

use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream, UdpSocket},
    sync::mpsc,
    task::{AbortHandle, JoinSet},
    time::{sleep, timeout},
};

use super::{
    Error, MOST_BYTES, PORT, asked,
    ending::{self, Clock, Ending, note_trouble},
    guest, line, run_name,
    target::Protocol,
};
use crate::{
    cli::Outcome,
    engine::canary::report::{Heard, Report},
};

/// Connections to one port at a time.
const MOST_GUESTS: usize = 64;
/// Targets that are remembered.
const MOST_TARGETS: usize = 256;
/// Ports besides its own.
const MOST_PORTS: usize = 16;
/// How long a connection may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long it rests when a socket gives an error, so that it does not spin.
const REST: Duration = Duration::from_millis(100);

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
    /// A port to listen on besides, 16 times at most.
    #[arg(long, value_name = "PROTOCOL:PORT")]
    also: Vec<Also>,
    #[command(flatten)]
    ending: ending::Arguments,
}

impl Arguments {
    /// What is wrong with them together.
    pub(super) fn check(&self) -> Result<(), String> {
        let count = self.also.len();
        if count > MOST_PORTS {
            return Err(format!("{count} ports are too many; it listens on {MOST_PORTS} besides its own"));
        }
        Ok(())
    }
}

/// A port and its protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Also {
    protocol: Protocol,
    port: u16,
}

impl FromStr for Also {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (protocol, port) = text.split_once(':')?;
            Some(Also { protocol: Protocol::read(protocol)?, port: port.parse().ok().filter(|port| *port != 0)? })
        };
        read().ok_or("a port to listen on is TCP:PORT or UDP:PORT, as TCP:8443 or UDP:53")
    }
}

/// What came in.
enum Sign {
    /// Somebody asked for a target of this round.
    Asked { target: u32, at: u32 },
    /// The kubelet of the node came through.
    OwnNode { at: u32 },
    /// Something could not be done.
    Trouble(String),
}

/// Runs the command.
pub(super) async fn run(arguments: Arguments) -> Result<Outcome, Error> {
    let Arguments { run, port, also, ending } = arguments;
    let mut ending = Ending::prepare(&ending)?;
    let mut report = ending.report();
    let (tell, mut told) = mpsc::channel(MOST_GUESTS);
    let host = Host { run: run.into(), clock: ending.clock(), tell };
    let mut tasks = JoinSet::new();
    let own = [Protocol::Tcp, Protocol::Udp].map(|protocol| Also { protocol, port });
    for Also { protocol, port } in own.into_iter().chain(also) {
        if let Err(source) = host.take_in(&mut tasks, protocol, port).await {
            // In the report too: whoever started the pod reads nothing else.
            note_trouble(&mut report, || format!("cannot listen on port {port}: {source}"));
            ending.write(report)?;
            return Err(Error::Listen { port, source });
        }
    }
    eprintln!("listens on port {port}, TCP and UDP");
    let why = loop {
        tokio::select! {
            why = ending.comes() => break why,
            Some(sign) = told.recv() => note(&mut report, sign),
        }
    };
    while let Ok(sign) = told.try_recv() {
        note(&mut report, sign);
    }
    report.heard.sort_by_key(|heard| heard.target);
    ending.write(report)?;
    eprintln!("ended: {why}");
    Ok(Outcome::Clean)
}

fn note(report: &mut Report, sign: Sign) {
    let (target, at) = match sign {
        Sign::OwnNode { at } => {
            report.own_node.get_or_insert(at);
            return;
        }
        Sign::Trouble(trouble) => return note_trouble(report, || trouble),
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

/// What those who listen have in common.
#[derive(Clone)]
struct Host {
    run: Arc<str>,
    clock: Clock,
    tell: mpsc::Sender<Sign>,
}

impl Host {
    /// Takes a port, and serves it in a task.
    async fn take_in(&self, tasks: &mut JoinSet<()>, protocol: Protocol, port: u16) -> io::Result<()> {
        match protocol {
            Protocol::Tcp => tasks.spawn(self.clone().serve_tcp(guest::tcp(port).await?)),
            Protocol::Udp => tasks.spawn(self.clone().serve_udp(guest::udp(port).await?, port)),
        };
        Ok(())
    }

    /// Nobody takes a sign any more only at the end.
    async fn say(&self, sign: Sign) {
        let _ = self.tell.send(sign).await;
    }

    async fn serve_tcp(self, socket: TcpListener) {
        let mut guests = Guests::default();
        loop {
            match socket.accept().await {
                Ok((stream, _)) => guests.take(self.clone().serve(stream)),
                Err(error) => {
                    self.say(Sign::Trouble(format!("cannot take a connection: {error}"))).await;
                    sleep(REST).await;
                }
            }
        }
    }

    async fn serve_udp(self, socket: UdpSocket, port: u16) {
        // One more than a line may have, so that what is longer is not taken for one.
        let mut datagram = [0; MOST_BYTES + 1];
        loop {
            match socket.recv_from(&mut datagram).await {
                Ok((length, sender)) => {
                    let target = datagram.get(..length).and_then(|message| asked(&self.run, message));
                    // Two listeners would answer each other for ever.
                    if let Some(target) = target.filter(|_| sender.port() != port) {
                        self.say(Sign::Asked { target, at: self.clock.at() }).await;
                        // Who does not get it asks again.
                        let _ = timeout(REST, socket.send_to(line(&self.run, target).as_bytes(), sender)).await;
                    }
                }
                Err(error) => {
                    self.say(Sign::Trouble(format!("cannot receive by UDP: {error}"))).await;
                    sleep(REST).await;
                }
            }
        }
    }

    async fn serve(self, stream: TcpStream) {
        // Who goes away in the middle, or takes too long, has had its chance.
        let _ = timeout(PATIENCE, self.answer(stream)).await;
    }

    async fn answer(&self, mut stream: TcpStream) -> io::Result<()> {
        let message = guest::first_line(&mut stream).await?;
        if let Some(target) = asked(&self.run, &message) {
            // Counted before it is answered.
            self.say(Sign::Asked { target, at: self.clock.at() }).await;
            stream.write_all(line(&self.run, target).as_bytes()).await?;
            stream.shutdown().await
        } else if message.starts_with(b"GET ") {
            self.say(Sign::OwnNode { at: self.clock.at() }).await;
            // The pod is never ready: nothing is to be led to it.
            guest::tell(stream, false).await
        } else {
            Ok(())
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_targets_are_remembered_and_more_are_told() {
        let mut report = Report::default();
        for round in 0..2 {
            for target in 0..256 {
                note(&mut report, Sign::Asked { target, at: round * 1000 + target });
            }
        }
        assert_eq!(report.heard.len(), 256);
        assert_eq!(report.heard[5], Heard { target: 5, first: 5, last: 1005, times: 2 });
        assert_eq!(report.trouble, "");
        note(&mut report, Sign::Asked { target: 256, at: 1 });
        assert_eq!((report.heard.len(), report.trouble.is_empty()), (256, false));
        note(&mut report, Sign::OwnNode { at: 7 });
        note(&mut report, Sign::OwnNode { at: 8 });
        assert_eq!(report.own_node, Some(7));
    }

    #[test]
    fn a_port_besides_is_a_protocol_and_a_number() {
        assert_eq!("TCP:443".parse(), Ok(Also { protocol: Protocol::Tcp, port: 443 }));
        assert_eq!("UDP:53".parse(), Ok(Also { protocol: Protocol::Udp, port: 53 }));
        for wrong in ["", "443", "TCP", "TCP:", "TCP:0", "TCP:65536", "SCTP:9", "tcp:443", "TCP:443:1"] {
            assert!(wrong.parse::<Also>().is_err(), "{wrong}");
        }
    }
}
