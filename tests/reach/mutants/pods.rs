//! What may be got wrong about pods, their addresses, their nodes and the names of their ports.

use k8s_openapi::api::core::v1::{ContainerPort, Pod};

use super::{
    Mutant,
    Mutation::{Answer, Cluster as Of, Question},
    walk::{containers, pods},
};
use crate::oracle::{Cluster, End};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "names are those of the source",
        mutation: Question(|cluster, from, to| swap_ports(cluster, from, to)),
    },
    Mutant {
        name: "a name counts for any protocol",
        mutation: Of(|cluster| {
            containers(cluster, |container| {
                let protocols = ["TCP", "UDP", "SCTP"].map(|name| Some(name.to_string()));
                let ports = container.ports.take().into_iter().flatten();
                let of_each =
                    |port: ContainerPort| protocols.clone().map(|protocol| ContainerPort { protocol, ..port.clone() });
                container.ports = Some(ports.flat_map(of_each).collect());
            });
        }),
    },
    Mutant {
        name: "the first port of a name is the only one",
        mutation: Of(|cluster| {
            pods(cluster, |spec, _| {
                let mut names = Vec::new();
                let containers = spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten());
                for ports in containers.filter_map(|container| container.ports.as_mut()) {
                    ports.retain(|port| {
                        let is_first = !names.contains(&port.name);
                        names.push(port.name.clone());
                        is_first
                    });
                }
            });
        }),
    },
    Mutant {
        name: "names of init containers never count",
        mutation: Of(|cluster| pods(cluster, |spec, _| spec.init_containers = None)),
    },
    Mutant {
        name: "names of all init containers count",
        mutation: Of(|cluster| {
            pods(cluster, |spec, _| spec.containers.extend(spec.init_containers.take().into_iter().flatten()));
        }),
    },
    Mutant {
        name: "blocks do not match pods",
        mutation: Question(|cluster, from, to| {
            if let (End::Pod(..), End::Pod(..)) = (from, to) {
                pods(cluster, |_, status| status.pod_ips = None);
            }
        }),
    },
    Mutant {
        name: "the family of ingress need not be that of egress",
        mutation: Answer(|verdict| verdict.allowed = verdict.ingress && verdict.egress),
    },
    Mutant {
        name: "only the first family counts",
        mutation: Of(|cluster| pods(cluster, |_, status| status.pod_ips.iter_mut().for_each(|ips| ips.truncate(1)))),
    },
    Mutant {
        name: "the address of a pod is just an address",
        mutation: Question(|cluster, from, to| {
            let is_end = |ip: &str| {
                [from, to].iter().any(|end| matches!(end, End::Address(address) if address.to_string() == ip))
            };
            pods(cluster, |_, status| status.pod_ips.iter_mut().for_each(|ips| ips.retain(|ip| !is_end(&ip.ip))));
        }),
    },
    Mutant {
        name: "the own pod is as any other",
        mutation: Question(|cluster, from, to| {
            if *from == *to
                && let Some(mut twin) = find(cluster, from).cloned()
            {
                twin.metadata.name = Some("twin".to_string());
                *to = End::Pod(twin.metadata.namespace.clone().unwrap_or_default(), "twin".to_string());
                cluster.pods.push(twin);
            }
        }),
    },
    Mutant {
        name: "the network of the node is as any other",
        mutation: Of(|cluster| pods(cluster, |spec, _| spec.host_network = None)),
    },
    Mutant {
        name: "a pod in the network of its node has no address",
        mutation: Of(|cluster| {
            pods(cluster, |spec, status| {
                status.pod_ips = status.pod_ips.take().filter(|_| spec.host_network.is_none());
            });
        }),
    },
    Mutant {
        name: "pods in the network of the own node are as any other",
        mutation: Of(|cluster| {
            pods(cluster, |spec, _| spec.node_name = spec.node_name.take().filter(|_| spec.host_network.is_none()));
        }),
    },
    Mutant { name: "addresses of the own node are as any other", mutation: Of(|cluster| cluster.nodes.clear()) },
    Mutant {
        name: "pods on no node are on the same one",
        mutation: Of(|cluster| {
            pods(cluster, |spec, _| {
                let node = spec.node_name.take().filter(|node| !node.is_empty());
                spec.node_name = node.or(Some("nowhere".to_string()));
            });
        }),
    },
    Mutant {
        name: "a host name that is an address is one of the node",
        mutation: Of(|cluster| {
            let statuses = cluster.nodes.iter_mut().filter_map(|node| node.status.as_mut());
            for address in statuses.flat_map(|status| status.addresses.iter_mut().flatten()) {
                address.type_ = "InternalIP".to_string();
            }
        }),
    },
    Mutant {
        name: "external addresses are not the node's",
        mutation: Of(|cluster| {
            let statuses = cluster.nodes.iter_mut().filter_map(|node| node.status.as_mut());
            statuses
                .flat_map(|status| status.addresses.iter_mut())
                .for_each(|addresses| addresses.retain(|address| address.type_ != "ExternalIP"));
        }),
    },
    Mutant { name: "pods never end", mutation: Of(|cluster| pods(cluster, |_, status| status.phase = None)) },
    Mutant {
        name: "pods that have ended keep their addresses from others",
        mutation: Question(|cluster, from, to| {
            // Whoever has the address first, running or not.
            let mut seen = Vec::new();
            let ends: Vec<String> = [from, to].into_iter().filter_map(address).collect();
            pods(cluster, |spec, status| {
                if let Some(ips) = status.pod_ips.as_mut().filter(|_| spec.host_network.is_none()) {
                    ips.retain(|ip| !ends.contains(&ip.ip) || !seen.contains(&ip.ip));
                    seen.extend(ips.iter().map(|ip| ip.ip.clone()));
                }
            });
        }),
    },
    Mutant {
        name: "a pod that terminates has ended",
        mutation: Of(|cluster| {
            for pod in cluster.pods.iter_mut().filter(|pod| pod.metadata.deletion_timestamp.is_some()) {
                pod.status.get_or_insert_default().phase = Some("Succeeded".to_string());
            }
        }),
    },
];

fn find<'a>(cluster: &'a Cluster, end: &End) -> Option<&'a Pod> {
    let End::Pod(namespace, name) = end else { return None };
    cluster
        .pods
        .iter()
        .find(|pod| pod.metadata.namespace.as_ref() == Some(namespace) && pod.metadata.name.as_ref() == Some(name))
}

fn address(end: &End) -> Option<String> {
    match end {
        End::Address(address) => Some(address.to_string()),
        End::Pod(..) => None,
    }
}

/// Each of the two has the containers of the other.
fn swap_ports(cluster: &mut Cluster, from: &End, to: &End) {
    let containers = |pod: &Pod| pod.spec.as_ref().map(|spec| (spec.containers.clone(), spec.init_containers.clone()));
    let (Some(first), Some(second)) =
        (find(cluster, from).and_then(containers), find(cluster, to).and_then(containers))
    else {
        return;
    };
    for (end, (containers, init_containers)) in [(from, second), (to, first)] {
        let name = find(cluster, end).and_then(|pod| pod.metadata.name.clone());
        for pod in cluster.pods.iter_mut().filter(|pod| pod.metadata.name == name) {
            let spec = pod.spec.get_or_insert_default();
            (spec.containers, spec.init_containers) = (containers.clone(), init_containers.clone());
        }
    }
}
