//! Asks a store everything that a verdict needs, and no longer than it is told.

use std::time::Duration;

use tokio::time::Instant;

use super::client::{Client, Failure};
use crate::engine::retention::{Answer, Answers, Store};

/// The tenant of a Loki that runs without tenants.
const NO_TENANT: &str = "fake";

/// A client as a store wants it: a Loki with tenants has to be told which one is meant.
pub fn for_store(client: Client, store: &Store) -> Result<Client, String> {
    match store {
        Store::Loki { tenant } if tenant != NO_TENANT => client.of_tenant(tenant),
        _ => Ok(client),
    }
}

/// What was asked, in this order, and what came of it.
pub type Asked = Vec<(String, Answer)>;

/// Asks for everything that a verdict on retention needs.
pub async fn ask(client: &Client, store: &Store, limit: Duration) -> Asked {
    ask_all(client, |answers| store.requests(answers), limit).await
}

/// Asks until nothing more is to be asked after what was answered, or the time is over; what was not asked then is silent, and says so.
/// `requests` has to come to an end: each path is asked for once.
pub async fn ask_all(client: &Client, requests: impl Fn(&Answers) -> Vec<String>, limit: Duration) -> Asked {
    let deadline = Instant::now() + limit;
    let mut asked = Asked::new();
    let mut answers = Answers::new();
    let mut unreachable = None;
    // Each path is asked for once, and there is a greatest number of them.
    loop {
        let paths = requests(&answers);
        if paths.is_empty() {
            return asked;
        }
        for path in paths {
            let answer = match &unreachable {
                Some(why) => Answer::Silent(String::clone(why)),
                None if Instant::now() >= deadline => {
                    Answer::Silent(format!("the time of {} s was over before it was asked for", limit.as_secs()))
                }
                None => match client.get(&path, deadline).await {
                    Ok(answer) => answer,
                    Err(Failure::Unanswered(why)) => Answer::Silent(why),
                    Err(Failure::Unreachable(why)) => {
                        unreachable = Some(why.clone());
                        Answer::Silent(why)
                    }
                },
            };
            answers.insert(path.clone(), answer.clone());
            asked.push((path, answer));
        }
    }
}
