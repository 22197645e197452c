//! What the API server is and whom it takes us for: asked once, before anything is planned.

use std::time::Duration;

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::{Api, Client, api::PostParams};
use tokio::time::{sleep, timeout};

use crate::{api::names, engine::desired::admission::Kind};

const CALL: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_secs(1);
/// The first version whose mutating policies do what they say: those of 1.36 fail on lists of objects in a patch.
const SOUND_MINOR: u32 = 37;

/// Facts about the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The user that we are.
    pub user: String,
    /// It knows mutating policies, and theirs are sound.
    pub mutates: bool,
}

impl Server {
    /// Asks until there is an answer.
    pub async fn ask(client: &Client, namespace: &str) -> Self {
        loop {
            let facts = async { Ok::<_, kube::Error>((mutates(client).await?, user(client, namespace).await?)) };
            match timeout(CALL, facts).await {
                Ok(Ok((mutates, user))) => {
                    tracing::info!(user, mutates, "the API server answers");
                    return Server { user, mutates };
                }
                Ok(Err(error)) => tracing::warn!(%error, "the API server does not say what it is"),
                Err(_) => tracing::warn!("the API server does not say what it is: no answer for {} s", CALL.as_secs()),
            }
            sleep(AGAIN).await;
        }
    }
}

async fn mutates(client: &Client) -> kube::Result<bool> {
    let version = client.apiserver_version().await?;
    let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>().parse::<u32>().ok();
    let sound = digits(&version.major) > Some(1) || digits(&version.minor) >= Some(SOUND_MINOR);
    if !sound {
        return Ok(false);
    }
    let served = client.list_api_group_resources(&format!("{}/{}", Kind::GROUP, Kind::VERSION)).await?;
    Ok(served.resources.iter().any(|resource| resource.name == Kind::Mutating.plural()))
}

/// The user that sealed objects must obey. Hardened clusters do not let everybody ask; then it is the account of `deploy/`.
async fn user(client: &Client, namespace: &str) -> kube::Result<String> {
    let reviews: Api<SelfSubjectReview> = Api::all(client.clone());
    let answer = reviews.create(&PostParams::default(), &SelfSubjectReview::default()).await;
    let user = match answer {
        Ok(review) => review.status.and_then(|status| status.user_info?.username),
        Err(kube::Error::Api(status)) if status.is_forbidden() || status.is_not_found() => None,
        Err(error) => return Err(error),
    };
    Ok(user.unwrap_or_else(|| {
        let user = format!("system:serviceaccount:{namespace}:{}", names::OPERATOR);
        tracing::warn!(user, "the API server does not say who we are; taken from the deployment");
        user
    }))
}
