//! Starts and ends child processes so that none outlives this program.
//! It knows nothing of what the programs do.

use std::{
    fs::{self, File},
    io,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        OnceLock,
        mpsc::{Sender, channel},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::timeout,
};

/// How many lines of a log are shown with an error.
const TAIL: usize = 20;

/// A program with its arguments, ready to be started, more than once if need be.
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) folder: PathBuf,
    pub(crate) log: PathBuf,
}

impl Program {
    pub(crate) fn start(&self) -> Result<Process> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .with_context(|| format!("cannot open the log file {}", self.log.display()))?;
        let mut command = Command::new(&self.path);
        command
            .args(&self.args)
            .current_dir(&self.folder)
            // A proxy or a Go setting of the user must not change how a test cluster behaves.
            .env_clear()
            .env("HOME", &self.folder)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("cannot share a log file")?)
            .stderr(log)
            // Ctrl-C in a terminal reaches this program only, which then ends the children in order.
            .process_group(0);
        let child = spawn(command).with_context(|| format!("cannot start {}", self.path.display()))?;
        Ok(Process { name: self.name.clone(), child, log: self.log.clone() })
    }
}

/// A running child. Dropping it kills it and waits for its end; the kernel kills it when this program ends.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The file that holds its stdout and stderr.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The last lines of the log, with its path.
    pub fn log_tail(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let last = lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or_default().join("\n");
        format!("end of {}:\n{last}", self.log.display())
    }

    /// An error with the end of the log when the process is gone.
    pub(crate) fn check(&mut self) -> Result<()> {
        if let Some(status) = self.status()? {
            bail!("{} ended ({status})\n{}", self.name, self.log_tail());
        }
        Ok(())
    }

    /// Waits until the process ends by itself.
    pub async fn ended(&mut self) -> Result<ExitStatus> {
        let mut children = signal(SignalKind::child()).context("cannot listen for SIGCHLD")?;
        loop {
            // Asked only now that the signal is listened for, so that no end is missed.
            if let Some(status) = self.status()? {
                return Ok(status);
            }
            children.recv().await;
        }
    }

    /// Asks the process to end, and kills it if it has not within `grace`.
    pub async fn stop(&mut self, grace: Duration) -> Result<ExitStatus> {
        // Fails when the process has ended, which is what is wanted.
        let _ = self.send(Signal::TERM);
        if let Ok(ended) = timeout(grace, self.ended()).await {
            return ended;
        }
        self.kill()
    }

    /// Kills the process at once, as a crash would, and waits until it is gone.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        self.child.kill().with_context(|| format!("cannot kill {}", self.name))?;
        self.child.wait().with_context(|| format!("cannot wait for {}", self.name))
    }

    /// Stops the process where it is, until [`Self::resume`].
    pub fn pause(&mut self) -> Result<()> {
        self.send(Signal::STOP).with_context(|| format!("cannot pause {}", self.name))
    }

    /// Lets a paused process go on.
    pub fn resume(&mut self) -> Result<()> {
        self.send(Signal::CONT).with_context(|| format!("cannot resume {}", self.name))
    }

    fn send(&mut self, signal: Signal) -> Result<()> {
        // A number whose process was waited for may be somebody else's by now.
        self.check()?;
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("it has no process id")?;
        Ok(rustix::process::kill_process(pid, signal)?)
    }

    fn status(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("cannot ask for the state of {}", self.name))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when the process was reaped already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a command that the kernel kills when this program ends in whatever way.
///
/// Linux sends the parent-death signal when the *thread* that forked ends, so all children are forked by one thread that
/// lives as long as the program. A test's own thread, or one of an async runtime, would end too early.
pub(crate) fn spawn(command: Command) -> io::Result<Child> {
    type Request = (Command, Sender<io::Result<Child>>);
    static SPAWNER: OnceLock<Sender<Request>> = OnceLock::new();

    let spawner = SPAWNER.get_or_init(|| {
        let (sender, requests) = channel::<Request>();
        // When the thread can not be started, its end of the channel is gone, and the send below fails.
        let _ = thread::Builder::new().name("testbed-spawner".to_owned()).spawn(move || {
            for (mut command, reply) in requests {
                die_with_parent(&mut command);
                let spawned = command.spawn();
                if let Err(unsent) = reply.send(spawned)
                    && let Ok(mut child) = unsent.0
                {
                    // Nobody waits for this child any more.
                    let _ = child.kill();
                    let _ = child.wait();
                }
            }
        });
        sender
    });
    let gone = || io::Error::other("the thread that starts processes is gone");
    let (reply, answer) = channel();
    spawner.send((command, reply)).map_err(|_| gone())?;
    answer.recv().map_err(|_| gone())?
}

#[expect(unsafe_code, reason = "there is no safe way to run code between fork and exec")]
fn die_with_parent(command: &mut Command) {
    let parent = rustix::process::getpid();
    let prepare = move || {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        // The parent may have ended before the line above took effect.
        if rustix::process::getppid() == Some(parent) { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    };
    // SAFETY: the closure makes two plain system calls, allocates nothing and takes no lock.
    unsafe { command.pre_exec(prepare) };
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn a_child_outlives_the_thread_that_asked_for_it() {
        let mut command = Command::new("cat");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let asks = move || (spawn(command), fs::read_link("/proc/thread-self"));
        let (child, thread) = thread::spawn(asks).join().unwrap();
        let (mut child, thread) = (child.unwrap(), Path::new("/proc").join(thread.unwrap()));
        // A thread can be joined a moment before the kernel sends its children their signal; afterwards it is not
        // listed any more. Nothing announces that.
        while thread.exists() {
            thread::yield_now();
        }
        child.stdin.take().unwrap().write_all(b"alive").unwrap();
        let mut answer = String::new();
        child.stdout.take().unwrap().read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "alive", "killed with its thread");
        assert!(child.wait().unwrap().success());
    }

    #[test]
    fn a_missing_program_is_an_error() {
        assert_eq!(spawn(Command::new("/nonexistent/program")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
