//! Numbered lines in a file of the shared directory. They go the way of the application's own lines, so a number that is missing in the
//! store is a line that was lost.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use super::Error;
use crate::evidence::plain_lines;

/// The name of the file; a forwarder that reads `*.log` reads it too.
const FILE: &str = "pcizone-heartbeat.log";
/// Bytes after which it begins anew; the one before stays until then, so that a forwarder that is behind still finds it.
const MOST_BYTES: u64 = 256 * 1024;

/// What a line tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// The first one.
    Start,
    /// It goes on.
    Heartbeat,
    /// The last one: the application has ended, and nothing follows.
    End,
}

/// Whose lines they are.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Whose {
    pub(super) zone: String,
    pub(super) namespace: String,
    pub(super) pod: String,
    pub(super) node: String,
}

#[derive(Serialize)]
struct Line<'h> {
    /// RFC 3339, in UTC.
    time: String,
    pcizone: Kind,
    #[serde(flatten)]
    whose: &'h Whose,
    /// The same for all lines of one start of the container, and another for the next.
    run: &'h str,
    /// From 0 on, without a gap.
    seq: u64,
}

/// The file, and how far it is.
pub(super) struct Heartbeat {
    path: PathBuf,
    file: File,
    bytes: u64,
    whose: Whose,
    run: String,
    next: u64,
    /// The last line could not be written: said once.
    is_stuck: bool,
}

impl Heartbeat {
    /// Writes the first line; whoever cannot write has no need to begin.
    pub(super) fn begin(directory: &Path, whose: Whose) -> Result<Self, Error> {
        let path = directory.join(FILE);
        let fail = |source| Error::Write { path: plain_lines(&path.display().to_string()), source };
        let file = open(&path).map_err(fail)?;
        let bytes = file.metadata().map_err(fail)?.len();
        let run = format!("{:x}", Timestamp::now().as_millisecond());
        let mut heartbeat = Heartbeat { path: path.clone(), file, bytes, whose, run, next: 0, is_stuck: false };
        heartbeat.append(Kind::Start).map_err(fail)?;
        Ok(heartbeat)
    }

    /// The file, in words.
    pub(super) fn path(&self) -> String {
        plain_lines(&self.path.display().to_string())
    }

    /// Writes a line. One that cannot be written is a number that is missing, which is what the store is to show.
    pub(super) fn write(&mut self, kind: Kind) {
        let written = self.turn_over().and_then(|()| self.append(kind));
        if let Err(error) = &written
            && !self.is_stuck
        {
            eprintln!("cannot write {}: {error}; its number will be missing", self.path());
        }
        self.is_stuck = written.is_err();
    }

    fn append(&mut self, pcizone: Kind) -> io::Result<()> {
        let line =
            Line { time: Timestamp::now().to_string(), pcizone, whose: &self.whose, run: &self.run, seq: self.next };
        self.next += 1;
        let mut text = serde_json::to_string(&line)?;
        text.push('\n');
        // At once: half a line would be read as one.
        self.file.write_all(text.as_bytes())?;
        self.bytes += text.len() as u64;
        Ok(())
    }

    fn turn_over(&mut self) -> io::Result<()> {
        if self.bytes < MOST_BYTES {
            return Ok(());
        }
        fs::rename(&self.path, self.path.with_extension("log.1"))?;
        self.file = open(&self.path)?;
        self.bytes = 0;
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn pod() -> Whose {
        let text = |text: &str| text.to_string();
        Whose { zone: text("cde"), namespace: text("vault"), pod: text("web-1"), node: text("pci-1") }
    }

    fn lines(path: &Path) -> Vec<Value> {
        fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn lines_are_numbered_without_a_gap_and_a_new_start_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let mut heartbeat = Heartbeat::begin(folder.path(), pod()).unwrap();
        heartbeat.write(Kind::Heartbeat);
        heartbeat.write(Kind::End);
        let again = Heartbeat { run: "other".to_string(), ..Heartbeat::begin(folder.path(), pod()).unwrap() };
        drop(again);
        let lines = lines(&folder.path().join(FILE));
        let told: Vec<(&str, u64)> =
            lines.iter().map(|line| (line["pcizone"].as_str().unwrap(), line["seq"].as_u64().unwrap())).collect();
        assert_eq!(told, [("start", 0), ("heartbeat", 1), ("end", 2), ("start", 0)]);
        assert_eq!((&lines[0]["pod"], &lines[0]["zone"]), (&Value::from("web-1"), &Value::from("cde")));
        assert!(lines[0]["time"].as_str().unwrap().parse::<Timestamp>().is_ok());
    }

    #[test]
    fn the_file_stays_small_and_no_number_is_lost_when_it_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let mut heartbeat = Heartbeat::begin(folder.path(), pod()).unwrap();
        let path = folder.path().join(FILE);
        let old = path.with_extension("log.1");
        while !old.exists() {
            heartbeat.write(Kind::Heartbeat);
        }
        let numbers: Vec<u64> =
            [lines(&old), lines(&path)].concat().iter().map(|line| line["seq"].as_u64().unwrap()).collect();
        assert!(numbers.iter().copied().eq(0..numbers.len() as u64));
        assert!(fs::metadata(&old).unwrap().len() < MOST_BYTES + 1024);
        assert_eq!(lines(&path).len(), 1);
    }

    #[test]
    fn a_line_that_cannot_be_written_leaves_its_number_out() {
        let folder = tempfile::tempdir().unwrap();
        let mut heartbeat = Heartbeat::begin(folder.path(), pod()).unwrap();
        let writable = std::mem::replace(&mut heartbeat.file, File::open(folder.path().join(FILE)).unwrap());
        heartbeat.write(Kind::Heartbeat);
        assert!(heartbeat.is_stuck);
        heartbeat.file = writable;
        heartbeat.write(Kind::Heartbeat);
        let numbers: Vec<u64> =
            lines(&folder.path().join(FILE)).iter().map(|line| line["seq"].as_u64().unwrap()).collect();
        assert_eq!(numbers, [0, 2]);
        assert!(Heartbeat::begin(&folder.path().join("none"), pod()).is_err());
    }
}
