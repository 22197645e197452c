//! The sidecar that holds a log forwarder, as the program that it runs. The forwarder here is a stub: it only tells counters.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test ends where something is not as expected")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    path::PathBuf,
    process::{Child, ChildStderr, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

/// Who waits longer waits in vain.
const LONG: Duration = Duration::from_secs(60);

/// A forwarder that reads and sends nothing, and tells what it is told to tell. It is asked when it is done with an answer.
struct Stub {
    url: String,
    read: Arc<AtomicU64>,
    sent: Arc<AtomicU64>,
    asked: mpsc::Receiver<()>,
}

impl Stub {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/metrics", listener.local_addr().unwrap());
        let (tell, asked) = mpsc::channel();
        let stub = Stub { url, read: Arc::default(), sent: Arc::default(), asked };
        let (read, sent) = (Arc::clone(&stub.read), Arc::clone(&stub.sent));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = BufReader::new(stream.try_clone().unwrap());
                let mut line = String::new();
                while request.read_line(&mut line).unwrap_or_default() > 2 {
                    line.clear();
                }
                let read = read.load(Ordering::SeqCst);
                let sent = sent.load(Ordering::SeqCst);
                let body = format!("read_total{{name=\"tail\"}} {read}\nsent_total{{name=\"es\"}} {sent}\n");
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                let _ = stream.write_all((head + &body).as_bytes());
                // Nobody listens to it at the end of a test.
                let _ = tell.send(());
            }
        });
        stub
    }

    fn tell(&self, read: u64, sent: u64) {
        self.read.store(read, Ordering::SeqCst);
        self.sent.store(sent, Ordering::SeqCst);
    }

    /// Waits until it was asked so often again.
    fn until_asked(&self, times: u32) {
        while self.asked.try_recv().is_ok() {}
        for _ in 0..times {
            self.asked.recv_timeout(LONG).expect("it is asked");
        }
    }
}

struct Linger {
    child: Child,
    stderr: BufReader<ChildStderr>,
    folder: TempDir,
}

impl Linger {
    fn start(args: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_pcizone"))
            .args(["linger", "--directory", folder.path().to_str().unwrap(), "--settle", "300"])
            .args(args)
            .envs([
                ("PCIZONE_POD", "web-1"),
                ("PCIZONE_NAMESPACE", "vault"),
                ("PCIZONE_ZONE", "cde"),
                ("PCIZONE_NODE", "a"),
            ])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        assert!(line.starts_with("writes a line"), "{line}");
        Linger { child, stderr, folder }
    }

    fn forwarded(stub: &Stub, wait: &str) -> Self {
        Linger::start(&["--metrics", &stub.url, "--read", "read_total", "--sent", "sent_total", "--wait", wait])
    }

    fn lines(&self) -> Vec<Value> {
        let path: PathBuf = self.folder.path().join("pcizone-heartbeat.log");
        fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn terminate(&self) {
        let sent = Command::new("kill").args(["-s", "TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end; gives what it said last, and its lines.
    fn end(mut self) -> (String, Vec<Value>) {
        let mut stderr = String::new();
        self.stderr.read_to_string(&mut stderr).unwrap();
        let code = self.child.wait().unwrap().code();
        assert_eq!(code, Some(0), "{stderr}");
        let lines = self.lines();
        (stderr.trim().to_string(), lines)
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Linger {
    fn drop(&mut self) {
        // It has ended already where everything went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn kinds(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["pcizone"].as_str().unwrap()).collect()
}

#[test]
fn it_ends_when_the_last_line_is_sent_and_not_before() {
    let stub = Stub::start();
    stub.tell(10, 10);
    let mut linger = Linger::forwarded(&stub, "60");
    linger.terminate();
    // Asked for what it was before the last line, and then again and again: everything is sent, but the last line was not read.
    stub.until_asked(6);
    assert!(!linger.has_ended(), "the last line was not even read");
    stub.tell(11, 10);
    stub.until_asked(6);
    assert!(!linger.has_ended(), "one line is not sent");
    stub.tell(11, 11);
    let (said, lines) = linger.end();
    assert_eq!(said, "ended: the forwarder has sent all of 11 lines");
    assert_eq!(kinds(&lines), ["start", "end"]);
    assert_eq!((&lines[1]["seq"], &lines[1]["pod"], &lines[1]["zone"]), (&1.into(), &"web-1".into(), &"cde".into()));
}

#[test]
fn time_that_is_over_is_said_with_what_is_left() {
    let stub = Stub::start();
    stub.tell(5000, 4000);
    let linger = Linger::forwarded(&stub, "1");
    linger.terminate();
    let (said, lines) = linger.end();
    assert!(said.contains("of 5000 lines that the forwarder has read it has sent 4000"), "{said}");
    assert_eq!(kinds(&lines), ["start", "end"]);
}

#[test]
fn a_forwarder_that_tells_nothing_is_waited_for_and_named() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/metrics", gone.local_addr().unwrap());
    drop(gone);
    let linger = Linger::start(&["--metrics", &url, "--wait", "1"]);
    linger.terminate();
    let (said, _) = linger.end();
    assert!(said.contains("does not tell what it has sent: ") && said.contains("refuses the connection"), "{said}");
}

#[test]
fn without_metrics_it_waits_until_nobody_writes_any_more() {
    let linger = Linger::start(&["--wait", "30"]);
    linger.terminate();
    let (said, lines) = linger.end();
    assert!(said.contains("is not known"), "{said}");
    assert_eq!(kinds(&lines), ["start", "end"]);
}

#[test]
fn it_writes_a_line_each_time() {
    let linger = Linger::start(&["--every", "1", "--wait", "0"]);
    let begun = Instant::now();
    while linger.lines().len() < 3 {
        assert!(begun.elapsed() < LONG, "{:?}", linger.lines());
        thread::sleep(Duration::from_millis(20));
    }
    linger.terminate();
    let (_, lines) = linger.end();
    assert!(lines.iter().zip(0u64..).all(|(line, number)| line["seq"] == number), "{lines:?}");
}

#[test]
fn a_directory_that_cannot_be_written_is_said_at_once() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_pcizone")).args(["linger", "--directory", "/nowhere"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot write /nowhere/pcizone-heartbeat.log") && said.contains("No such file"), "{said}");
    for wrong in [["--metrics", "http://10.0.0.1:1/"], ["--pod", "a b"], ["--every", "0"]] {
        let refused = Command::new(env!("CARGO_BIN_EXE_pcizone"))
            .args(["linger", "--directory", "/tmp"])
            .args(wrong)
            .output()
            .unwrap();
        assert_eq!(refused.status.code(), Some(3), "{wrong:?}");
    }
}
