//! What the canary's pods run, as the program that they run, on loopback.
//!
//! Nothing waits for a time to pass: each attempt at the last target of a probe is seen here, and since targets take turns, all
//! others were asked before the next one.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends where something is not as expected"
)]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket},
    path::PathBuf,
    process::{Child, ChildStderr, Command, Stdio},
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use pcizone::engine::canary::report::{MOST_BYTES, Report};
use tempfile::TempDir;

const RUN: &str = "round-7";
const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
/// Who waits longer waits in vain.
const LONG: Duration = Duration::from_secs(60);
/// Often enough for a test.
const OFTEN: [&str; 6] = ["--every-ms", "100", "--fast-ms", "20", "--fast-for", "1"];

/// A run of the program.
struct Probe {
    child: Child,
    stderr: BufReader<ChildStderr>,
    folder: TempDir,
}

/// How it ended.
#[derive(Debug)]
struct End {
    code: Option<i32>,
    stderr: String,
    message: String,
}

impl End {
    /// What it saw, for one that ended well.
    fn report(&self) -> Report {
        assert_eq!(self.code, Some(0), "{self:?}");
        assert!(self.message.len() <= MOST_BYTES, "{self:?}");
        Report::read(&self.message).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Probe {
    fn spawn(args: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_pcizone"))
            .arg("probe")
            .args(args)
            .args((!args.contains(&"--report")).then_some("--report=report"))
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Probe { child, stderr, folder }
    }

    /// Waits until it does its work.
    fn begins(mut self) -> Self {
        let mut line = String::new();
        self.stderr.read_line(&mut line).unwrap();
        assert!(line.starts_with("listens on") || line.starts_with("asks"), "{line}");
        self
    }

    fn listen(port: u16) -> Self {
        Probe::spawn(&["listen", "--run", RUN, "--port", &port.to_string()]).begins()
    }

    fn listen_also(port: u16, also: &[String]) -> Self {
        let port = port.to_string();
        let mut args = vec!["listen", "--run", RUN, "--port", &port];
        args.extend(also.iter().flat_map(|also| ["--also", also]));
        Probe::spawn(&args).begins()
    }

    fn connect(targets: &[String]) -> Self {
        let mut args = vec!["connect", "--run", RUN];
        args.extend(OFTEN);
        args.extend(targets.iter().flat_map(|target| ["--target", target]));
        Probe::spawn(&args).begins()
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    fn end(mut self) -> End {
        let mut stderr = String::new();
        self.stderr.read_to_string(&mut stderr).unwrap();
        let code = self.child.wait().unwrap().code();
        let message = fs::read_to_string(self.path()).unwrap_or_default();
        End { code, stderr, message }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("report")
    }

    /// Told to stop as by a kubelet.
    fn stop(self) -> Report {
        self.signal("TERM");
        self.end().report()
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        // It has ended already where everything went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that is free for both protocols, from those that the kernel gives nobody by itself.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let is_free = |port: u16| {
        TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).is_ok()
            && UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port)).is_ok()
    };
    let begin = std::process::id().wrapping_mul(64);
    let ports =
        std::iter::repeat_with(|| 20_000 + (begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000) as u16);
    ports.take(1000).find(|port| is_free(*port)).expect("a free port")
}

fn tcp(number: u32, ip: IpAddr, port: u16) -> String {
    format!("{number}=TCP:{}", SocketAddr::new(ip, port))
}

fn udp(number: u32, ip: IpAddr, port: u16) -> String {
    format!("{number}=UDP:{}", SocketAddr::new(ip, port))
}

fn line(run: &str, target: u32) -> String {
    format!("pcizone-canary {run} {target}\n")
}

/// A target of a test itself: it answers a line as it is told to, and tells of each.
struct Other {
    port: u16,
    asked: mpsc::Receiver<()>,
}

impl Other {
    fn tcp(answer: impl Fn(&str, &mut TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind((V4, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tell, asked) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut line = String::new();
                BufReader::new(&mut stream).read_line(&mut line).unwrap_or_default();
                answer(&line, &mut stream);
                if tell.send(()).is_err() {
                    return;
                }
            }
        });
        Other { port, asked }
    }

    fn udp(answer: impl Fn(&str) -> Option<String> + Send + 'static) -> Self {
        let socket = UdpSocket::bind((V4, 0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        let (tell, asked) = mpsc::channel();
        thread::spawn(move || {
            loop {
                let mut buffer = [0; 200];
                let (length, sender) = socket.recv_from(&mut buffer).unwrap();
                if let Some(answer) = answer(str::from_utf8(&buffer[..length]).unwrap()) {
                    socket.send_to(answer.as_bytes(), sender).unwrap();
                }
                if tell.send(()).is_err() {
                    return;
                }
            }
        });
        Other { port, asked }
    }

    /// One that answers as a listener does.
    fn honest() -> Self {
        Other::tcp(|line, stream| stream.write_all(line.as_bytes()).unwrap_or_default())
    }

    /// Waits until it was asked for so long.
    fn rounds_for(&self, time: Duration) {
        let begun = Instant::now();
        while begun.elapsed() < time {
            self.asked.recv_timeout(LONG).expect("it is asked");
        }
    }

    /// Waits until it was asked so often from now on that every target before it was, too.
    fn rounds(&self) {
        while self.asked.try_recv().is_ok() {}
        for _ in 0..3 {
            self.asked.recv_timeout(LONG).expect("it is asked");
        }
    }
}

/// Whether a target was open, stretch by stretch.
fn opened(report: &Report, target: u32) -> Vec<bool> {
    let asked = report.asked.iter().find(|asked| asked.target == target).unwrap_or_else(|| panic!("{report:?}"));
    asked.stretches.iter().map(|stretch| stretch.open).collect()
}

/// Everything that comes back on a connection.
fn exchange(port: u16, sent: &str) -> String {
    let mut stream = TcpStream::connect((V4, port)).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.write_all(sent.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut received = Vec::new();
    // Who gets no answer may be cut off.
    let _ = stream.read_to_end(&mut received);
    String::from_utf8(received).unwrap()
}

#[test]
fn what_listens_is_open_from_the_start_by_both_protocols_and_both_families_and_each_side_tells_of_it() {
    let port = free_port();
    let listener = Probe::listen(port);
    let marker = Other::honest();
    let targets = [tcp(1, V4, port), udp(2, V4, port), tcp(3, V6, port), udp(4, V6, port), tcp(9, V4, marker.port)];
    let prober = Probe::connect(&targets);
    marker.rounds();
    let (asked, heard) = (prober.stop(), listener.stop());
    for target in [1, 2, 3, 4, 9] {
        assert_eq!(opened(&asked, target), [true], "{target}: {asked:?}");
    }
    assert_eq!(heard.heard.iter().map(|heard| heard.target).collect::<Vec<_>>(), [1, 2, 3, 4], "9 is another's");
    for heard in &heard.heard {
        let attempts = asked.asked.iter().find(|asked| asked.target == heard.target).unwrap().stretches[0].attempts;
        // The last one may have been under way at the end.
        assert!(heard.times == attempts || heard.times == attempts + 1, "{heard:?} {attempts}");
        assert!(heard.first <= heard.last);
    }
    assert_eq!((heard.own_node, heard.trouble.as_str(), asked.trouble.as_str()), (None, "", ""));
    assert!(heard.asked.is_empty() && asked.heard.is_empty() && heard.began <= asked.began);
}

#[test]
fn a_listener_that_comes_later_opens_and_one_that_is_killed_closes() {
    let port = free_port();
    let marker = Other::honest();
    let prober = Probe::connect(&[tcp(1, V4, port), udp(2, V4, port), tcp(3, V6, port), tcp(9, V4, marker.port)]);
    marker.rounds();
    let listener = Probe::listen(port);
    marker.rounds();
    listener.signal("KILL");
    assert_eq!(listener.end().code, None, "it was killed");
    // An attempt that was under way waits for its answer for a second.
    marker.rounds_for(Duration::from_secs(2));
    marker.rounds();
    let report = prober.stop();
    for target in [1, 2, 3] {
        assert_eq!(opened(&report, target), [false, true, false], "{target}: {report:?}");
    }
    assert_eq!(opened(&report, 9), [true]);
    for stretches in report.asked.iter().map(|asked| &asked.stretches) {
        assert!(stretches.iter().all(|one| one.from <= one.to && one.attempts > 0), "{stretches:?}");
        assert!(stretches.windows(2).all(|two| two[0].to <= two[1].from), "{stretches:?}");
    }
}

#[test]
fn only_the_same_line_is_an_answer() {
    let other = |line: &str| line.replace('7', "8");
    let rows: [(&str, bool, Other); 7] = [
        ("the same line", true, Other::honest()),
        (
            "another line",
            false,
            Other::tcp(move |line, stream| stream.write_all(other(line).as_bytes()).unwrap_or_default()),
        ),
        ("half of it", false, Other::tcp(|line, stream| stream.write_all(&line.as_bytes()[..9]).unwrap_or_default())),
        ("nothing", false, Other::tcp(|_, _| {})),
        ("the same datagram", true, Other::udp(|line| Some(line.to_string()))),
        ("another datagram", false, Other::udp(move |line| Some(other(line)))),
        ("a longer datagram", false, Other::udp(|line| Some(format!("{line} ")))),
    ];
    for (name, open, target) in rows {
        let form = if name.ends_with("datagram") { udp } else { tcp };
        let prober = Probe::connect(&[form(7, V4, target.port)]);
        target.rounds();
        assert_eq!(opened(&prober.stop(), 7), [open], "{name}");
    }
}

#[test]
fn who_stays_silent_is_not_open() {
    // The kernel takes connections that nobody reads from.
    let silent = TcpListener::bind((V4, 0)).unwrap();
    let datagrams = Other::udp(|_| None);
    let targets = [tcp(1, V4, silent.local_addr().unwrap().port()), udp(2, V4, datagrams.port)];
    let prober = Probe::connect(&targets);
    datagrams.rounds();
    let report = prober.stop();
    assert_eq!((opened(&report, 1), opened(&report, 2)), (vec![false], vec![false]));
}

#[test]
fn a_listener_answers_its_own_round_alone() {
    let port = free_port();
    let listener = Probe::listen(port);
    for foreign in [line("round-8", 1), line("", 1), "hello\n".to_string(), "\n".to_string(), "x".repeat(1000)] {
        assert_eq!(exchange(port, &foreign), "", "{foreign}");
    }
    assert_eq!(exchange(port, &line(RUN, 3)), line(RUN, 3));
    let socket = UdpSocket::bind((V4, 0)).unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    for message in [line("round-8", 1), "GET / HTTP/1.1\r\n".to_string(), "x".repeat(1000), line(RUN, 4)] {
        socket.send_to(message.as_bytes(), (V4, port)).unwrap();
    }
    let mut buffer = [0; 200];
    let (length, _) = socket.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], line(RUN, 4).as_bytes(), "the others got none");
    let report = listener.stop();
    let heard: Vec<(u32, u32)> = report.heard.iter().map(|heard| (heard.target, heard.times)).collect();
    assert_eq!((heard, report.own_node), (vec![(3, 1), (4, 1)], None));
}

#[test]
fn the_kubelet_is_told_that_it_is_not_ready_and_is_noted() {
    let port = free_port();
    let listener = Probe::listen(port);
    let request = format!(
        "GET /readyz HTTP/1.1\r\nHost: 10.0.0.7:{port}\r\nUser-Agent: kube-probe/1.36\r\n{}\r\n",
        "A: b\r\n".repeat(50)
    );
    let answer = exchange(port, &request);
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("\r\n\r\n"), "{answer}");
    let report = listener.stop();
    assert!(report.own_node.is_some() && report.heard.is_empty(), "{report:?}");
}

#[test]
fn whoever_holds_connections_open_keeps_nobody_out() {
    let port = free_port();
    let listener = Probe::listen(port);
    let mut idle: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect((V4, port)).unwrap()).collect();
    let threads = fs::read_dir(format!("/proc/{}/task", listener.child.id())).map(Iterator::count);
    assert_eq!(exchange(port, &line(RUN, 1)), line(RUN, 1));
    assert!(threads.is_err() || threads.is_ok_and(|count| count <= 2));
    for stream in &mut idle {
        stream.set_read_timeout(Some(LONG)).unwrap();
        assert_eq!(stream.read(&mut [0; 8]).unwrap_or_default(), 0, "each ends, without an answer");
    }
    assert_eq!(listener.stop().heard.len(), 1);
}

#[test]
fn forty_eight_targets_fit_into_the_message() {
    let port = free_port();
    let listener = Probe::listen(port);
    let marker = Other::honest();
    let mut targets: Vec<String> = (0..47)
        .map(|number| match number % 4 {
            0 => tcp(number, V4, port),
            1 => udp(number, V4, port),
            2 => tcp(number, V6, port),
            _ => udp(number, V6, port),
        })
        .collect();
    targets.push(tcp(4_294_967_295, V4, marker.port));
    let prober = Probe::connect(&targets);
    marker.rounds();
    let (asked, heard) = (prober.stop(), listener.stop());
    assert_eq!((asked.asked.len(), asked.trouble.as_str()), (48, ""));
    assert!(asked.asked.iter().all(|asked| asked.stretches.len() == 1 && asked.stretches[0].open), "{asked:?}");
    assert_eq!(heard.heard.iter().map(|heard| heard.target).collect::<Vec<_>>(), (0..47).collect::<Vec<_>>());
}

#[test]
fn each_ends_by_itself_when_the_time_is_over_and_on_ctrl_c() {
    let port = free_port().to_string();
    let target = tcp(1, V4, free_port());
    let listen = ["listen", "--run", RUN, "--port", &port];
    let connect = ["connect", "--run", RUN, "--target", &target];
    for args in [&listen[..], &connect[..]] {
        let end = Probe::spawn(&[args, &["--until", "1"]].concat()).begins().end();
        assert_eq!(end.stderr, "ended: the time is over\n");
        end.report();
        let probe = Probe::spawn(args).begins();
        probe.signal("INT");
        let end = probe.end();
        assert_eq!(end.stderr, "ended: told to stop\n");
        end.report();
    }
}

#[test]
fn who_cannot_tell_what_it_saw_says_where() {
    let port = free_port().to_string();
    let target = tcp(1, V4, free_port());
    for path in ["/nowhere/report", "/dev/full"] {
        for args in
            [&["listen", "--run", RUN, "--port", &port][..], &["connect", "--run", RUN, "--target", &target][..]]
        {
            let end = Probe::spawn(&[args, &["--until", "1", "--report", path]].concat()).end();
            assert_eq!(end.code, Some(1), "{end:?}");
            assert!(end.stderr.contains(&format!("cannot write the report to {path}: ")), "{end:?}");
        }
    }
}

#[test]
fn a_listener_without_its_port_says_so_in_its_report() {
    let taken = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let end = Probe::spawn(&["listen", "--run", RUN, "--port", &port.to_string()]).end();
    let says = format!("cannot listen on port {port}: ");
    assert!(end.code == Some(1) && end.stderr.contains(&says), "{end:?}");
    assert!(Report::read(&end.message).unwrap().trouble.starts_with(&says), "{end:?}");
}

#[test]
fn arguments_that_make_no_sense_are_refused_with_the_reason() {
    let many: Vec<String> = (0..49).flat_map(|number| ["--target".to_string(), tcp(number, V4, 9)]).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let target = ["--target", "1=TCP:192.0.2.7:9"];
    let rows: [(&str, &[&str], &[&str], &str); 12] = [
        ("listen", &[], &[], "--run"),
        ("listen", &["--run", "a b"], &[], "the name of a round has"),
        ("listen", &["--run", RUN, "--port", "0"], &[], "--port"),
        ("listen", &["--run", RUN, "--until", "0"], &[], "--until"),
        ("connect", &["--run", RUN], &[], "--target"),
        ("connect", &["--run", RUN, "--target", "1=TCP:shop:9"], &[], "a target is N=TCP:ADDRESS:PORT"),
        ("connect", &["--run", RUN, "--target", "1=TCP:0.0.0.0:9"], &[], "nobody listens at 0.0.0.0:9"),
        ("connect", &["--run", RUN], &many, "49 targets are too many; 48 fit"),
        ("connect", &["--run", RUN, "--target", "1=UDP:192.0.2.7:9"], &target, "target 1 is there twice"),
        ("connect", &["--run", RUN, "--fast-ms", "20000"], &target, "--fast-ms 20000 is slower than --every-ms 10000"),
        ("connect", &["--run", RUN, "--every-ms", "0"], &target, "--every-ms"),
        ("connect", &["--run", "", "--every-ms", "100"], &target, "the name of a round has"),
    ];
    for (command, args, more, says) in rows {
        let end = Probe::spawn(&[&[command], args, more].concat()).end();
        assert!(end.code == Some(3) && end.stderr.contains(says), "{args:?}: {end:?}");
        assert_eq!(end.message, "", "it has not begun");
    }
}

#[test]
fn what_listens_on_ports_besides_answers_on_each_by_its_protocol_alone() {
    let (own, of_tcp, of_udp) = (free_port(), free_port(), free_port());
    let also = [format!("TCP:{of_tcp}"), format!("UDP:{of_udp}")];
    let listener = Probe::listen_also(own, &also);
    let marker = Other::honest();
    let targets = [
        tcp(1, V4, of_tcp),
        udp(2, V6, of_udp),
        udp(3, V4, of_tcp),
        tcp(4, V4, of_udp),
        tcp(5, V4, own),
        tcp(9, V4, marker.port),
    ];
    let prober = Probe::connect(&targets);
    marker.rounds();
    let (asked, heard) = (prober.stop(), listener.stop());
    let open: Vec<u32> = (1..=5).filter(|target| opened(&asked, *target) == [true]).collect();
    assert_eq!(open, [1, 2, 5], "{asked:?}");
    assert_eq!(heard.heard.iter().map(|heard| heard.target).collect::<Vec<_>>(), [1, 2, 5], "{heard:?}");
}
