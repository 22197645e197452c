//! What may be got wrong about policies, their rules, selectors and ports.

use std::mem;

use k8s_openapi::{
    api::{
        core::v1::Namespace,
        networking::v1::{NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort},
    },
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelectorRequirement, ObjectMeta},
        util::intstr::IntOrString,
    },
};

use super::{
    Mutant,
    Mutation::Cluster as Of,
    walk::{peers, ports, rules, selectors, specs},
};
use crate::oracle::Cluster;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "egress is isolated only where policyTypes says so",
        mutation: Of(|cluster| default_types(cluster, &["Ingress"])),
    },
    Mutant {
        name: "without policyTypes both directions are isolated",
        mutation: Of(|cluster| default_types(cluster, &["Ingress", "Egress"])),
    },
    Mutant {
        name: "empty policyTypes isolate nothing",
        mutation: Of(|cluster| {
            cluster.policies.retain(|policy| {
                let types = policy.spec.as_ref().and_then(|spec| spec.policy_types.as_ref());
                types.is_none_or(|types| !types.is_empty())
            });
        }),
    },
    Mutant {
        name: "rules isolate a direction that policyTypes leaves out",
        mutation: Of(|cluster| {
            specs(cluster, |spec| {
                for types in spec.policy_types.iter_mut().filter(|types| !types.is_empty()) {
                    types.extend(spec.ingress.as_ref().map(|_| "Ingress".to_string()));
                    types.extend(spec.egress.as_ref().map(|_| "Egress".to_string()));
                }
            });
        }),
    },
    Mutant {
        name: "rules that are null allow everything",
        mutation: Of(|cluster| {
            specs(cluster, |spec| {
                spec.ingress.get_or_insert_with(|| vec![NetworkPolicyIngressRule::default()]);
                // With policyTypes that are absent, rules would isolate egress.
                if spec.policy_types.as_ref().is_some_and(|types| !types.is_empty()) {
                    spec.egress.get_or_insert_with(|| vec![NetworkPolicyEgressRule::default()]);
                }
            });
        }),
    },
    Mutant {
        name: "an empty list of peers is nobody",
        mutation: Of(|cluster| rules(cluster, |peers, _| peers.as_ref().is_none_or(|peers| !peers.is_empty()))),
    },
    Mutant {
        name: "an empty list of ports is no port",
        mutation: Of(|cluster| rules(cluster, |_, ports| ports.as_ref().is_none_or(|ports| !ports.is_empty()))),
    },
    Mutant {
        name: "a policy without spec does nothing",
        mutation: Of(|cluster| cluster.policies.retain(|policy| policy.spec.is_some())),
    },
    Mutant { name: "NotIn needs the key", mutation: Of(|cluster| require_key(cluster, "NotIn")) },
    Mutant { name: "DoesNotExist never matches", mutation: Of(|cluster| require_key(cluster, "DoesNotExist")) },
    Mutant {
        name: "expressions of selectors do not matter",
        mutation: Of(|cluster| selectors(cluster, |selector| selector.match_expressions = None)),
    },
    Mutant {
        name: "labels of selectors do not matter",
        mutation: Of(|cluster| selectors(cluster, |selector| selector.match_labels = None)),
    },
    Mutant {
        name: "an empty selector matches nobody",
        mutation: Of(|cluster| {
            selectors(cluster, |selector| {
                let labels = selector.match_labels.iter().flatten().count();
                if labels == 0 && selector.match_expressions.iter().flatten().next().is_none() {
                    selector.match_labels = Some([("nobody".to_string(), "has this".to_string())].into());
                }
            });
        }),
    },
    Mutant {
        name: "a podSelector alone is about all namespaces",
        mutation: Of(|cluster| {
            peers(cluster, |peers| {
                for peer in peers.iter_mut().filter(|peer| peer.pod_selector.is_some()) {
                    peer.namespace_selector.get_or_insert_default();
                }
            });
        }),
    },
    Mutant {
        name: "two selectors of one item are two items",
        mutation: Of(|cluster| {
            peers(cluster, |peers| {
                let both = peers.iter_mut().filter(|peer| peer.namespace_selector.is_some());
                let pods: Vec<_> = both.filter_map(|peer| peer.pod_selector.take()).collect();
                let item = |pods| NetworkPolicyPeer { pod_selector: Some(pods), ..NetworkPolicyPeer::default() };
                peers.extend(pods.into_iter().map(item));
            });
        }),
    },
    Mutant {
        name: "a namespace has the label of its name only where it is written",
        mutation: Of(|cluster| cluster.namespaces.iter_mut().for_each(take_name)),
    },
    Mutant {
        name: "a namespace whose object is missing has no label",
        mutation: Of(|cluster| {
            for pod in &cluster.pods {
                let name = &pod.metadata.namespace;
                if cluster.namespaces.iter().all(|namespace| namespace.metadata.name != *name) {
                    let metadata = ObjectMeta { name: name.clone(), ..ObjectMeta::default() };
                    let mut namespace = Namespace { metadata, ..Namespace::default() };
                    take_name(&mut namespace);
                    cluster.namespaces.push(namespace);
                }
            }
        }),
    },
    Mutant {
        name: "an entry without protocol means all protocols",
        mutation: Of(|cluster| {
            ports(cluster, |ports| {
                for port in mem::take(ports) {
                    let protocols = match &port.protocol {
                        None => vec!["TCP", "UDP", "SCTP"],
                        Some(protocol) => vec![protocol.as_str()],
                    };
                    let protocols = protocols.into_iter().map(|name| Some(name.to_string()));
                    ports.extend(protocols.map(|protocol| NetworkPolicyPort { protocol, ..port.clone() }));
                }
            });
        }),
    },
    Mutant {
        name: "SCTP is UDP",
        mutation: Of(|cluster| {
            ports(cluster, |ports| {
                for port in ports.iter_mut().filter(|port| port.protocol.as_deref() == Some("SCTP")) {
                    port.protocol = Some("UDP".to_string());
                }
            });
        }),
    },
    Mutant {
        name: "a range does not include its end",
        mutation: Of(|cluster| {
            ports(cluster, |ports| {
                ports.iter_mut().filter_map(|port| port.end_port.as_mut()).for_each(|end| *end -= 1);
            });
        }),
    },
    Mutant {
        name: "a range is its first port",
        mutation: Of(|cluster| ports(cluster, |ports| ports.iter_mut().for_each(|port| port.end_port = None))),
    },
    Mutant {
        name: "a range may be written the wrong way round",
        mutation: Of(|cluster| {
            ports(cluster, |ports| {
                for port in ports {
                    if let (Some(IntOrString::Int(first)), Some(last)) = (&mut port.port, &mut port.end_port)
                        && last < first
                    {
                        mem::swap(first, last);
                    }
                }
            });
        }),
    },
    Mutant {
        name: "a block has no exceptions",
        mutation: Of(|cluster| {
            peers(cluster, |peers| {
                peers.iter_mut().filter_map(|peer| peer.ip_block.as_mut()).for_each(|block| block.except = None);
            });
        }),
    },
];

fn default_types(cluster: &mut Cluster, types: &[&str]) {
    specs(cluster, |spec| {
        if spec.policy_types.as_ref().is_none_or(Vec::is_empty) {
            spec.policy_types = Some(types.iter().map(ToString::to_string).collect());
        }
    });
}

fn require_key(cluster: &mut Cluster, operator: &str) {
    selectors(cluster, |selector| {
        if let Some(expressions) = &mut selector.match_expressions {
            let keys = expressions.iter().filter(|expression| expression.operator == operator);
            let exists = |expression: &LabelSelectorRequirement| LabelSelectorRequirement {
                operator: "Exists".to_string(),
                values: None,
                ..expression.clone()
            };
            let required: Vec<_> = keys.map(exists).collect();
            expressions.extend(required);
        }
    });
}

fn take_name(namespace: &mut Namespace) {
    let labels = namespace.metadata.labels.get_or_insert_default();
    labels.entry("kubernetes.io/metadata.name".to_string()).or_default();
}
