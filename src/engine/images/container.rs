//! The images of a pod: what each container names, and what it runs.

use k8s_openapi::api::core::v1::{ContainerStatus, PodSpec, PodStatus};

/// Letters of a SHA-256 in digits of sixteen.
const HEX: usize = 64;
const SHA_256: &str = "sha256:";

/// The image of a container, of whatever kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Image {
    /// Name of the container, or `volume` and that of the volume.
    pub container: Box<str>,
    /// As the pod names it.
    pub named: Box<str>,
    /// The digest of what runs, as `sha256:…`, where the node tells one.
    pub runs: Option<Box<str>>,
    /// It has begun: what runs is known, or is not told.
    pub has_begun: bool,
    /// The runtime tells just the digest that it asked the registry for: containerd does. Others tell that of the image of their platform,
    /// which is another one where an index was named.
    pub is_exact: bool,
}

impl Image {
    /// Those of a pod, sorted.
    pub fn read(spec: &PodSpec, status: &PodStatus) -> Box<[Image]> {
        let ordinary = spec.containers.iter().chain(spec.init_containers.iter().flatten());
        let ordinary = ordinary.map(|one| (one.name.as_str(), one.image.as_deref()));
        let added = spec.ephemeral_containers.iter().flatten().map(|one| (one.name.as_str(), one.image.as_deref()));
        let statuses = || {
            let all =
                [&status.container_statuses, &status.init_container_statuses, &status.ephemeral_container_statuses];
            all.into_iter().flatten().flatten()
        };
        let image = |(name, named): (&str, Option<&str>)| {
            let status = statuses().find(|status| status.name == name);
            Image {
                container: name.into(),
                named: named.unwrap_or_default().into(),
                runs: status.and_then(|status| digest(&status.image_id)).map(Into::into),
                has_begun: status.is_some_and(|status| !status.image_id.is_empty()),
                is_exact: status.is_some_and(is_exact),
            }
        };
        // What a volume brings along is run as well as what is beside it. No status tells what came.
        let volumes = spec.volumes.iter().flatten().filter_map(|volume| {
            let reference = volume.image.as_ref()?.reference.as_deref();
            Some(Image {
                container: format!("volume {}", volume.name).into(),
                named: reference.unwrap_or_default().into(),
                runs: None,
                has_begun: statuses().any(|status| !status.image_id.is_empty()),
                is_exact: false,
            })
        });
        let volumes: Vec<Image> = volumes.collect();
        let mut images: Vec<Image> = ordinary.chain(added).map(image).chain(volumes).collect();
        images.sort();
        images.into()
    }
}

/// The digest in the name of an image: one of a manifest, which stands behind an `@`. One that stands alone is of a configuration.
pub fn digest(image: &str) -> Option<&str> {
    let (_, digest) = image.rsplit_once('@')?;
    is_digest(digest).then_some(digest)
}

/// A SHA-256, as `sha256:` and its 64 digits.
pub fn is_digest(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.strip_prefix(SHA_256).is_some_and(|hex| hex.len() == HEX && hex.bytes().all(is_digit))
}

fn is_exact(status: &ContainerStatus) -> bool {
    status.container_id.as_deref().is_some_and(|id| id.starts_with("containerd://"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_runs_is_read_of_every_kind_of_container() {
        let digest = |letter: &str| format!("sha256:{}", letter.repeat(HEX));
        let spec = json!({
            "containers": [{ "name": "app", "image": "a:1" }],
            "initContainers": [{ "name": "first", "image": "b" }],
            "ephemeralContainers": [{ "name": "debug", "image": "c" }],
            "volumes": [{ "name": "tools", "image": { "reference": "d:1" } }, { "name": "tmp", "emptyDir": {} }],
        });
        let status = |name: &str, image: &str, id: &str| json!({ "name": name, "image": "", "imageID": image, "containerID": id, "ready": true, "restartCount": 0 });
        let status = json!({
            "containerStatuses": [status("app", &format!("docker.io/library/a@{}", digest("a")), "containerd://1")],
            "initContainerStatuses": [status("first", &format!("docker-pullable://b@{}", digest("b")), "docker://1")],
            "ephemeralContainerStatuses": [status("debug", &digest("c"), "cri-o://1")],
        });
        let images = Image::read(&serde_json::from_value(spec).unwrap(), &serde_json::from_value(status).unwrap());
        let image = |container: &str, named: &str, runs: Option<String>, is_exact| Image {
            container: container.into(),
            named: named.into(),
            runs: runs.map(Into::into),
            has_begun: true,
            is_exact,
        };
        assert_eq!(
            *images,
            [
                image("app", "a:1", Some(digest("a")), true),
                image("debug", "c", None, false),
                image("first", "b", Some(digest("b")), false),
                image("volume tools", "d:1", None, false),
            ]
        );
    }

    #[test]
    fn a_digest_is_of_a_manifest_and_has_all_its_digits() {
        let hex = "0".repeat(HEX);
        for (image, there) in [
            (format!("a@sha256:{hex}"), true),
            (format!("a:1@sha256:{hex}"), true),
            (format!("sha256:{hex}"), false),
            (format!("a@sha256:{}", &hex[1..]), false),
            (format!("a@sha256:{}A", &hex[1..]), false),
            (format!("a@sha512:{hex}"), false),
            ("a".to_string(), false),
        ] {
            assert_eq!(digest(&image).is_some(), there, "{image}");
        }
    }
}
