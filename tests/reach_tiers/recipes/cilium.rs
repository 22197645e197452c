//! CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy.

use super::{DNS, HTTP, Recipe, SQL};

pub const RECIPES: &[Recipe] = &[
    Recipe {
        name: "What it selects is closed in the direction of its rules, but for what they allow",
        manifests: r"
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {namespace: vault, name: db}
spec:
  endpointSelector: {matchLabels: {app: db}}
  ingress: [{fromEndpoints: [{matchLabels: {app: web}}], toPorts: [{ports: [{port: '5432', protocol: TCP}]}]}]
",
        probes: &[
            ("vault/web", "vault/db", SQL, true),
            ("vault/web", "vault/db", HTTP, false),
            ("shop/web", "vault/db", SQL, false),
            ("vault/db", "shop/web", HTTP, true),
            ("shop/web", "vault/web", HTTP, true),
        ],
        unread: &[],
    },
    Recipe {
        name: "An empty rule closes, and an empty selector means the pods of the own namespace",
        manifests: r"
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {namespace: vault, name: closed}
specs:
- {endpointSelector: {}, ingress: [{}]}
- {endpointSelector: {}, egress: [{toEndpoints: [{}]}]}
",
        probes: &[
            ("vault/web", "vault/db", SQL, false),
            ("shop/web", "vault/db", SQL, false),
            ("vault/db", "shop/web", HTTP, false),
            ("shop/web", "shop/api", HTTP, true),
        ],
        unread: &[],
    },
    Recipe {
        name: "It is asked together with NetworkPolicies: what one of them allows is allowed",
        manifests: r"
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: vault, name: closed}
spec: {podSelector: {}, policyTypes: [Ingress]}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {namespace: vault, name: open}
spec: {endpointSelector: {}, ingress: [{fromEntities: [cluster]}]}
",
        probes: &[
            ("shop/web", "vault/db", SQL, true),
            ("lab/agent", "vault/db", SQL, true),
            ("203.0.113.1", "vault/db", SQL, false),
        ],
        unread: &[],
    },
    Recipe {
        name: "What one denies is denied, whoever allows it",
        manifests: r"
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: vault, name: open}
spec: {podSelector: {}, ingress: [{}]}
---
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: deny}
spec:
  endpointSelector: {matchLabels: {app: db}}
  ingress: [{fromEntities: [all]}]
  ingressDeny: [{fromEndpoints: [{matchLabels: {'k8s:io.kubernetes.pod.namespace': lab}}]}]
",
        probes: &[("lab/test", "vault/db", SQL, false), ("shop/web", "vault/db", SQL, true)],
        unread: &[],
    },
    Recipe {
        name: "Denials alone close the direction too",
        manifests: r"
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {namespace: vault, name: deny}
spec: {endpointSelector: {}, egressDeny: [{toPorts: [{ports: [{port: '80'}]}]}]}
",
        probes: &[("vault/db", "shop/web", HTTP, false), ("vault/db", "shop/web", SQL, false)],
        unread: &[],
    },
    Recipe {
        name: "enableDefaultDeny leaves open what no rule denies",
        manifests: r"
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {namespace: vault, name: deny}
spec:
  endpointSelector: {}
  enableDefaultDeny: {egress: false}
  egressDeny: [{toEndpoints: [{matchLabels: {'k8s:io.kubernetes.pod.namespace': shop, app: web}}]}]
",
        probes: &[
            ("vault/db", "shop/web", HTTP, false),
            ("vault/db", "shop/api", HTTP, true),
            ("vault/db", "203.0.113.1", HTTP, true),
        ],
        unread: &[],
    },
    Recipe {
        name: "Namespaces are selected by their labels, and then the own one is not added",
        manifests: r"
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {namespace: vault, name: red}
spec:
  endpointSelector: {}
  ingress:
  - fromEndpoints:
    - matchLabels: {'k8s:io.cilium.k8s.namespace.labels.team': red, 'any:app': web}
    - matchExpressions: [{key: io.kubernetes.pod.namespace, operator: In, values: [lab]}]
",
        probes: &[
            ("shop/web", "vault/db", SQL, true),
            ("shop/api", "vault/db", SQL, false),
            ("lab/test", "vault/db", SQL, true),
            ("vault/db", "vault/web", HTTP, false),
        ],
        unread: &[],
    },
    Recipe {
        name: "In a policy for the whole cluster an empty selector means the pods of all namespaces",
        manifests: r"
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: pods}
spec: {endpointSelector: {}, ingress: [{fromEndpoints: [{}]}]}
",
        probes: &[
            ("lab/test", "vault/db", SQL, true),
            ("203.0.113.1", "vault/db", SQL, false),
            ("lab/agent", "vault/db", SQL, false),
        ],
        unread: &[],
    },
    Recipe {
        name: "A block means what is outside the cluster; whether more is an option of Cilium's",
        manifests: r"
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {namespace: vault, name: blocks}
spec:
  endpointSelector: {}
  egress:
  - {toCIDR: [10.0.0.0/8]}
  - {toCIDRSet: [{cidr: 203.0.113.0/24, except: [203.0.113.0/30]}]}
",
        probes: &[
            ("vault/db", "10.1.2.3", HTTP, true),
            ("vault/db", "shop/web", HTTP, false),
            ("vault/db", "10.9.0.9", HTTP, false),
            ("vault/db", "203.0.113.1", HTTP, false),
            ("vault/db", "203.0.113.9", HTTP, true),
        ],
        unread: &["spec.egress[0]: whether a block means pods and nodes"],
    },
    Recipe {
        name: "The world is everything outside the cluster, and API servers have a name of their own",
        manifests: r"
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {namespace: vault, name: world}
spec: {endpointSelector: {matchLabels: {app: db}}, egress: [{toEntities: [world]}]}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {namespace: vault, name: api}
spec: {endpointSelector: {matchLabels: {app: web}}, egress: [{toEntities: [kube-apiserver, remote-node, host, none]}]}
",
        probes: &[
            ("vault/db", "203.0.113.1", HTTP, true),
            ("vault/db", "shop/web", HTTP, false),
            ("vault/db", "10.9.0.9", HTTP, false),
            ("vault/web", "198.51.100.7", HTTP, true),
            ("vault/web", "10.9.0.9", HTTP, true),
            ("vault/web", "lab/agent", HTTP, true),
            ("vault/web", "203.0.113.1", HTTP, false),
        ],
        unread: &[],
    },
    Recipe {
        name: "Ports are of every protocol unless they name one, and 0 is every port",
        manifests: r"
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {namespace: vault, name: ports}
spec:
  endpointSelector: {}
  ingress:
  - {fromEndpoints: [{matchLabels: {'k8s:io.kubernetes.pod.namespace': shop}}], toPorts: [{ports: [{port: '53'}]}]}
  - {fromEndpoints: [{matchLabels: {'k8s:io.kubernetes.pod.namespace': lab}}], toPorts: [{ports: [{port: '0', protocol: UDP}]}]}
  - {fromEndpoints: [{}], toPorts: [{ports: [{port: '5000', endPort: 6000, protocol: ANY}, {port: http}]}]}
",
        probes: &[
            ("shop/web", "vault/db", DNS, true),
            ("shop/web", "vault/db", SQL, false),
            ("lab/test", "vault/db", DNS, true),
            ("lab/test", "vault/db", SQL, false),
            ("vault/web", "vault/db", SQL, true),
            ("vault/db", "vault/web", (pcizone::api::Protocol::TCP, 82), true),
            ("vault/db", "vault/web", HTTP, false),
        ],
        unread: &[],
    },
    Recipe {
        name: "Without peers a rule with ports means everybody, with an empty list of them nobody",
        manifests: r"
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {namespace: vault, name: ports}
spec:
  endpointSelector: {}
  ingress:
  - {toPorts: [{ports: [{port: '80', protocol: TCP}]}]}
  - {fromEndpoints: [], toPorts: [{ports: [{port: '5432', protocol: TCP}]}]}
",
        probes: &[("203.0.113.1", "vault/db", HTTP, true), ("shop/web", "vault/db", SQL, false)],
        unread: &[],
    },
    Recipe {
        name: "What HTTP, DNS and mutual authentication narrow counts as open",
        manifests: r"
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {namespace: vault, name: narrow}
spec:
  endpointSelector: {}
  ingress:
  - fromEndpoints: [{matchLabels: {'k8s:io.kubernetes.pod.namespace': shop}}]
    authentication: {mode: required}
    toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{method: GET}]}}]
",
        probes: &[("shop/web", "vault/db", HTTP, true), ("shop/web", "vault/db", SQL, false)],
        unread: &[],
    },
    Recipe {
        name: "Names of hosts, groups, Services and ICMP are not understood, the rest holds",
        manifests: r"
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {namespace: vault, name: strange}
spec:
  endpointSelector: {}
  egress:
  - {toFQDNs: [{matchName: example.com}]}
  - {toGroups: [{aws: {}}]}
  - {toServices: [{k8sService: {serviceName: web, namespace: shop}}]}
  - {icmps: [{fields: [{type: 8}]}]}
  - {toCIDRSet: [{cidrGroupRef: partners}]}
  - {toEndpoints: [{matchLabels: {'reserved:host': ''}}]}
  - {toEndpoints: [{matchLabels: {app: web}}], toPorts: [{ports: [{port: http}]}]}
  - {toEntities: [ingress]}
  egressDeny:
  - {icmps: [{fields: [{type: 8}]}]}
",
        probes: &[("vault/db", "shop/web", HTTP, false), ("vault/db", "203.0.113.1", HTTP, false)],
        unread: &[
            "egress[0].toFQDNs",
            "egress[1].toGroups",
            "egress[2].toServices",
            "egress[3].icmps",
            "egress[4]: CiliumCIDRGroups",
            "egress[5]: label",
            "egress[6].toPorts",
            "egress[7].toEntities",
        ],
    },
    Recipe {
        name: "Labels by which Cilium tells no pods apart mean something else than they say",
        manifests: r"
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {namespace: vault, name: hash}
spec: {endpointSelector: {matchLabels: {pod-template-hash: abc}}, ingress: [{fromEntities: [all]}]}
",
        probes: &[("shop/web", "vault/db", SQL, true)],
        unread: &["spec.endpointSelector: label"],
    },
    Recipe {
        name: "A policy for nodes holds for no pod of its own network",
        manifests: r"
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: nodes}
spec: {nodeSelector: {}, ingress: [{fromEntities: [cluster]}]}
",
        probes: &[("203.0.113.1", "vault/db", SQL, true)],
        unread: &["spec.nodeSelector"],
    },
    Recipe {
        name: "The tier Admin comes before what it denies, and what it allows",
        manifests: r"
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: deny}
spec: {endpointSelector: {}, ingressDeny: [{fromEntities: [all]}]}
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: open}
spec: {tier: Admin, priority: 1, subject: {namespaces: {}}, ingress: [{action: Accept, from: [{namespaces: {matchLabels: {team: blue}}}]}]}
",
        probes: &[("lab/test", "vault/db", SQL, true), ("shop/web", "vault/db", SQL, false)],
        unread: &[],
    },
    Recipe {
        name: "A rule with two kinds of peers is one that Cilium does not take",
        manifests: r"
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {namespace: vault, name: both}
spec: {endpointSelector: {}, ingress: [{fromEndpoints: [{}], fromCIDR: [203.0.113.0/24]}]}
",
        probes: &[],
        unread: &["spec.ingress[0]: Cilium takes no rule with several kinds of peers"],
    },
];
