//! What a canary saw, as its container tells it: the message with which it ends, at most 4,096 bytes of JSON. So it needs
//! neither a way through the network nor a right at the API server.

use serde::{Deserialize, Serialize};

/// Bytes of a termination message that a kubelet keeps.
pub const MOST_BYTES: usize = 4096;
/// Stretches of one target that are kept; what comes later counts to the last.
pub const MOST_STRETCHES: usize = 6;

/// What one container saw.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// When it began, in milliseconds since 1970, by the clock of its node. All other times count from here.
    pub began: i64,
    /// When it ended, in milliseconds.
    #[serde(default)]
    pub ended: u32,
    /// Who asks: each target, and whether it answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asked: Vec<Asked>,
    /// Who listens: from whom it heard.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heard: Vec<Heard>,
    /// Who listens: when the kubelet of its own node got through for the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_node: Option<u32>,
    /// What it could not do, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub trouble: String,
}

/// How a target answered over time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The number of the target in the round.
    #[serde(rename = "t")]
    pub target: u32,
    /// Stretches in which all attempts ended alike, in order; two that follow each other differ.
    #[serde(rename = "s")]
    pub stretches: Vec<Stretch>,
}

/// Attempts one after the other that ended alike: whether there was an answer, when the first and the last of them ended, and how
/// many there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u8, u32, u32, u32)", into = "(u8, u32, u32, u32)")]
pub struct Stretch {
    /// There was an answer.
    pub open: bool,
    /// When the first attempt ended, in milliseconds.
    pub from: u32,
    /// When the last one ended, in milliseconds.
    pub to: u32,
    /// How many.
    pub attempts: u32,
}

impl From<(u8, u32, u32, u32)> for Stretch {
    fn from((open, from, to, attempts): (u8, u32, u32, u32)) -> Self {
        Stretch { open: open != 0, from, to, attempts }
    }
}

impl From<Stretch> for (u8, u32, u32, u32) {
    fn from(Stretch { open, from, to, attempts }: Stretch) -> Self {
        (u8::from(open), from, to, attempts)
    }
}

/// What a listener heard for one target of the round, whether its answer came back or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// The number of the target in the round.
    #[serde(rename = "t")]
    pub target: u32,
    /// When for the first time, in milliseconds.
    #[serde(rename = "f")]
    pub first: u32,
    /// When for the last time, in milliseconds.
    #[serde(rename = "l")]
    pub last: u32,
    /// How often.
    #[serde(rename = "n")]
    pub times: u32,
}

impl Asked {
    /// Takes an attempt in that ended now.
    pub fn note(&mut self, open: bool, at: u32) {
        let is_full = self.stretches.len() >= MOST_STRETCHES;
        match self.stretches.last_mut() {
            Some(last) if last.open == open || is_full => {
                last.to = at;
                last.attempts = last.attempts.saturating_add(1);
            }
            _ => self.stretches.push(Stretch { open, from: at, to: at, attempts: 1 }),
        }
    }
}

impl Report {
    /// As a termination message. What does not fit is left out from the end, and said.
    pub fn message(&self) -> String {
        let mut fitting = self.clone();
        loop {
            let text = serde_json::to_string(&fitting).unwrap_or_default();
            if text.len() <= MOST_BYTES || fitting.asked.pop().is_none() && fitting.heard.pop().is_none() {
                return text;
            }
            fitting.trouble = "not everything fits into the message".to_string();
        }
    }

    /// Reads a termination message.
    pub fn read(message: &str) -> Result<Self, String> {
        serde_json::from_str(message).map_err(|error| format!("its message is none of a canary: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_that_end_alike_are_one_stretch_and_there_are_so_many_at_most() {
        let mut asked = Asked::default();
        for (open, at) in [(false, 1), (false, 2), (true, 3), (false, 4), (false, 5)] {
            asked.note(open, at);
        }
        let is: Vec<(bool, u32, u32, u32)> =
            asked.stretches.iter().map(|one| (one.open, one.from, one.to, one.attempts)).collect();
        assert_eq!(is, [(false, 1, 2, 2), (true, 3, 3, 1), (false, 4, 5, 2)]);
        for at in 6..100 {
            asked.note(at % 2 == 0, at);
        }
        assert_eq!(asked.stretches.len(), MOST_STRETCHES);
        assert_eq!(asked.stretches.iter().map(|one| one.attempts).sum::<u32>(), 99);
    }

    #[test]
    fn a_message_fits_and_reads_back() {
        let mut report = Report { began: 1_795_000_000_000, own_node: Some(7), ..Report::default() };
        for target in 0..200 {
            let mut asked = Asked { target, stretches: Vec::new() };
            (0..20).for_each(|at| asked.note(at % 2 == 0, 100_000 + at));
            report.asked.push(asked);
        }
        let message = report.message();
        assert!(message.len() <= MOST_BYTES, "{}", message.len());
        let read = Report::read(&message).unwrap();
        assert_eq!(read.asked[..], report.asked[..read.asked.len()]);
        assert!(read.asked.len() > 10 && !read.trouble.is_empty());
        assert!(Report::read("hello").is_err());
    }
}
