//! Reads what the kernel says of processes, and keeps this program and what it starts on some cores.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, Result};
use rustix::thread::{CpuSet, Pid, sched_getaffinity, sched_setaffinity};

/// CPU time that a process has used, in seconds.
pub(super) fn cpu_seconds(pid: u32) -> Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}; has the process ended?"))?;
    let ticks = cpu_ticks(&text).with_context(|| format!("{path} does not look like that of a process"))?;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// utime and stime. The name of the program, in brackets, may hold blanks and brackets.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// Memory of a process in KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Memory {
    /// Now.
    pub(super) resident: f64,
    /// At most, since it was started.
    pub(super) peak: f64,
}

pub(super) fn memory(pid: u32) -> Result<Memory> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}; has the process ended?"))?;
    read_memory(&text).with_context(|| format!("{path} says nothing of memory"))
}

fn read_memory(status: &str) -> Option<Memory> {
    let field = |name: &str| {
        let rest = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        rest.trim().strip_suffix("kB")?.trim().parse().ok()
    };
    Some(Memory { resident: field("VmRSS")?, peak: field("VmHWM")? })
}

/// Keeps all threads of this program on these cores. Whatever it starts from then on stays there too, and sees from
/// the start how many cores it has.
pub(super) fn pin_self(cores: &[usize]) -> Result<()> {
    let mut set = CpuSet::new();
    for core in cores {
        set.set(*core);
    }
    for entry in fs::read_dir("/proc/self/task").context("cannot list the threads of this program")? {
        let name = entry.context("cannot list the threads of this program")?.file_name();
        let id = name.to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        // A thread that has ended meanwhile needs no core.
        let _ = sched_setaffinity(id, &set);
    }
    Ok(())
}

/// The cores that this program may use.
pub(super) fn cores() -> Result<Vec<usize>> {
    let set = sched_getaffinity(None).context("cannot ask which cores may be used")?;
    Ok((0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect())
}

/// The load average of the last minute.
pub(super) fn load_average() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

/// How much of the machine is busy, in percent, over a while.
pub(super) async fn busy_percent(during: Duration) -> Option<f64> {
    let before = machine_ticks(&fs::read_to_string("/proc/stat").ok()?)?;
    tokio::time::sleep(during).await;
    let after = machine_ticks(&fs::read_to_string("/proc/stat").ok()?)?;
    let (idle, all) = (after.0.saturating_sub(before.0), after.1.saturating_sub(before.1));
    #[expect(clippy::cast_precision_loss, reason = "ticks of a few seconds")]
    (all > 0).then(|| 100.0 * (all - idle) as f64 / all as f64)
}

/// Ticks that were idle (waiting for disks included), and all ticks.
fn machine_ticks(stat: &str) -> Option<(u64, u64)> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<u64> = line.split_whitespace().filter_map(|field| field.parse().ok()).take(8).collect();
    Some((ticks.get(3)? + ticks.get(4)?, ticks.iter().sum()))
}

/// A file's first line that begins so, without its name: `model name : X` in /proc/cpuinfo.
pub(super) fn field(path: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_program_does_not_shift_the_fields() {
        let stat = "42 (a ) 7 8) S 1 42 42 0 -1 4194560 1 0 0 0 150 50 3 4 20 0 5 0 100 1 1";
        assert_eq!(cpu_ticks(stat), Some(200));
        assert_eq!(cpu_ticks("42 (a"), None);
    }

    #[test]
    fn peak_and_present_memory_are_told_apart() {
        let status = "Name:\tx\nVmPeak:\t  9000 kB\nVmHWM:\t   300 kB\nVmRSS:\t   200 kB\n";
        assert_eq!(read_memory(status), Some(Memory { resident: 200.0, peak: 300.0 }));
        assert_eq!(read_memory("Name:\tx\nVmRSS:\t 200 kB\n"), None);
    }

    #[test]
    fn waiting_for_a_disk_is_idle() {
        assert_eq!(machine_ticks("cpu  10 0 10 60 20 0 0 0 5 5\ncpu0 1 1\n"), Some((80, 100)));
    }
}
