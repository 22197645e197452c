//! From what a log store answered to whether it keeps records long enough (PCI DSS 10.5.1: twelve months kept, of which the last
//! three are at hand). What could not be read, or is not understood, is unproven and never a pass.
//!
//! ```text
//!  Store ──requests──▶ paths ──(asked elsewhere)──▶ Answers ──┬──requests──▶ further paths, once names are known
//!                                                             └──verdict───▶ Verdict
//! ```
//! It asks nothing itself and knows no time: ages are those that the store's own settings name.

pub(super) mod answer;
mod elasticsearch;
mod graylog;
mod ilm;
mod ism;
mod length;
mod loki;
pub(in crate::engine) mod names;
mod opensearch;
mod s3;
mod splunk;
mod term;
#[cfg(test)]
mod tests;
mod victorialogs;
mod xml;

use std::collections::BTreeMap;

/// The most bytes of an answer that are read. A longer one is no answer, so whoever asks need not read further than this and a byte.
pub const BODY: usize = 1024 * 1024;

/// How long records are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Days that they are kept.
    pub days: u32,
    /// Days that they can be searched without being brought back first.
    pub searchable_days: u32,
}

impl Default for Wanted {
    fn default() -> Self {
        Wanted { days: 365, searchable_days: 90 }
    }
}

/// What one GET gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The server answered.
    Body {
        /// The HTTP status.
        status: u16,
        /// What it sent.
        text: String,
    },
    /// It did not: why, in words.
    Silent(String),
}

/// Answers by the path that was asked for.
pub type Answers = BTreeMap<String, Answer>;

/// Where records are kept, and under which name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Store {
    /// Elasticsearch: a data stream, an alias or an index.
    Elasticsearch {
        /// Its name.
        name: String,
    },
    /// `OpenSearch`: a data stream, an alias or an index.
    OpenSearch {
        /// Its name.
        name: String,
    },
    /// Splunk Enterprise.
    Splunk {
        /// The index.
        index: String,
    },
    /// Graylog.
    Graylog {
        /// The index set, by its id, its index prefix or its title.
        index_set: String,
    },
    /// Loki.
    Loki {
        /// The tenant; `fake` where Loki runs without.
        tenant: String,
    },
    /// One storage node of `VictoriaLogs`.
    VictoriaLogs,
    /// An S3 bucket.
    S3 {
        /// The bucket.
        bucket: String,
        /// What the keys of the records begin with.
        prefix: String,
    },
}

/// Whether a store keeps records long enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Kept {
        /// Whole days that it keeps them; none: nothing deletes them.
        days: Option<i64>,
        /// Whole days that they can be searched; none: as long as they are there.
        searchable_days: Option<i64>,
        /// What is to be known besides.
        note: Option<String>,
    },
    /// It deletes them sooner.
    TooShort {
        /// Whole days that it keeps them.
        days: i64,
        /// The setting that says so.
        why: String,
    },
    /// It keeps them, but puts them away sooner.
    SearchableTooShort {
        /// Whole days that they can be searched.
        days: i64,
        /// The setting that says so.
        why: String,
    },
    /// It is not known: why.
    Unproven(String),
}

impl Store {
    /// Whose product it is.
    pub fn product(&self) -> &'static str {
        match self {
            Store::Elasticsearch { .. } => "Elasticsearch",
            Store::OpenSearch { .. } => "OpenSearch",
            Store::Splunk { .. } => "Splunk",
            Store::Graylog { .. } => "Graylog",
            Store::Loki { .. } => "Loki",
            Store::VictoriaLogs => "VictoriaLogs",
            Store::S3 { .. } => "S3",
        }
    }

    /// What the records are kept under: how the store calls it, and its name. A whole node has none.
    pub fn place(&self) -> Option<(&'static str, &str)> {
        match self {
            Store::Elasticsearch { name } | Store::OpenSearch { name } => Some(("name", name)),
            Store::Splunk { index } => Some(("index", index)),
            Store::Graylog { index_set } => Some(("indexSet", index_set)),
            Store::Loki { tenant } => Some(("tenant", tenant)),
            Store::VictoriaLogs => None,
            Store::S3 { bucket, .. } => Some(("bucket", bucket)),
        }
    }

    /// The paths that are still to be asked for, after these answers. None are left once all is known that can be: each path is
    /// asked for once, and no more than [`REQUESTS`] in all.
    pub fn requests(&self, answers: &Answers) -> Vec<String> {
        let mut paths = match self {
            Store::Elasticsearch { name } => elasticsearch::requests(name, answers),
            Store::OpenSearch { name } => opensearch::requests(name, answers),
            Store::Splunk { index } => splunk::requests(index),
            Store::Graylog { index_set } => graylog::requests(index_set),
            Store::Loki { .. } => loki::requests(),
            Store::VictoriaLogs => victorialogs::requests(),
            Store::S3 { bucket, .. } => s3::requests(bucket),
        };
        paths.retain(|path| !answers.contains_key(path));
        paths.truncate(REQUESTS.saturating_sub(answers.len()));
        paths
    }

    /// Whether the store keeps records long enough.
    pub fn verdict(&self, answers: &Answers, wanted: Wanted) -> Verdict {
        let terms = match self {
            Store::Elasticsearch { name } => elasticsearch::terms(name, answers, wanted),
            Store::OpenSearch { name } => opensearch::terms(name, answers, wanted),
            Store::Splunk { index } => splunk::terms(index, answers, wanted),
            Store::Graylog { index_set } => graylog::terms(index_set, answers, wanted),
            Store::Loki { tenant } => loki::terms(tenant, answers, wanted),
            Store::VictoriaLogs => victorialogs::terms(answers, wanted),
            Store::S3 { bucket, prefix } => s3::terms(bucket, prefix, answers, wanted),
        };
        term::verdict(terms, wanted)
    }
}

/// Paths that are asked for, at most.
pub const REQUESTS: usize = 40;
