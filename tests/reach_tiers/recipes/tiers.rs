//! ClusterNetworkPolicy, AdminNetworkPolicy and BaselineAdminNetworkPolicy.

use super::{DNS, HTTP, Recipe, SQL};

pub const RECIPES: &[Recipe] = &[
    Recipe {
        name: "Admin accepts what a NetworkPolicy denies",
        manifests: r"
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: vault, name: closed}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: open}
spec:
  tier: Admin
  priority: 10
  subject: {namespaces: {matchLabels: {kubernetes.io/metadata.name: vault}}}
  ingress:
  - action: Accept
    from: [{namespaces: {matchLabels: {team: blue}}}]
",
        probes: &[("lab/test", "vault/db", SQL, true), ("shop/web", "vault/db", SQL, false)],
        unread: &[],
    },
    Recipe {
        name: "Admin denies what a NetworkPolicy allows",
        manifests: r"
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: vault, name: open}
spec: {podSelector: {}, ingress: [{}]}
---
apiVersion: policy.networking.k8s.io/v1beta1
kind: ClusterNetworkPolicy
metadata: {name: closed}
spec:
  tier: Admin
  priority: 10
  subject: {namespaces: {}}
  ingress:
  - action: Deny
    from: [{pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: web}}}}]
",
        probes: &[
            ("shop/web", "vault/db", SQL, false),
            ("vault/web", "vault/db", SQL, false),
            ("shop/api", "vault/db", SQL, true),
            ("shop/web", "shop/api", HTTP, false),
        ],
        unread: &[],
    },
    Recipe {
        name: "A lower priority number is asked first, in each policy the rules in their order",
        manifests: r"
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: a-late}
spec:
  tier: Admin
  priority: 1000
  subject: {namespaces: {}}
  ingress: [{action: Accept, from: [{namespaces: {}}]}]
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: z-early}
spec:
  tier: Admin
  priority: 0
  subject: {namespaces: {}}
  ingress:
  - {action: Accept, from: [{namespaces: {matchLabels: {team: blue}}}], protocols: [{tcp: {destinationPort: {number: 80}}}]}
  - {action: Deny, from: [{namespaces: {matchLabels: {team: blue}}}]}
  - {action: Accept, from: [{namespaces: {matchLabels: {team: blue}}}]}
",
        probes: &[
            ("lab/test", "vault/db", HTTP, true),
            ("lab/test", "vault/db", SQL, false),
            ("shop/web", "vault/db", SQL, true),
        ],
        unread: &[],
    },
    Recipe {
        name: "Pass leaves it to NetworkPolicies, whatever later rules of the tier say",
        manifests: r"
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: vault, name: some}
spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: red}}}]}]}
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: pass}
spec:
  tier: Admin
  priority: 1
  subject: {namespaces: {}}
  ingress: [{action: Pass, from: [{namespaces: {}}], protocols: [{tcp: {destinationPort: {number: 5432}}}]}]
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: accept}
spec: {tier: Admin, priority: 2, subject: {namespaces: {}}, ingress: [{action: Accept, from: [{namespaces: {}}]}]}
",
        probes: &[
            ("shop/web", "vault/db", SQL, true),
            ("lab/test", "vault/db", SQL, false),
            ("lab/test", "vault/db", HTTP, true),
            ("lab/test", "shop/web", SQL, true),
        ],
        unread: &[],
    },
    Recipe {
        name: "Baseline decides only about pods that no NetworkPolicy selects",
        manifests: r"
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: vault, name: open}
spec: {podSelector: {matchLabels: {app: db}}, ingress: [{}]}
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: baseline}
spec:
  tier: Baseline
  priority: 0
  subject: {namespaces: {}}
  ingress: [{action: Deny, from: [{namespaces: {}}]}]
",
        probes: &[
            ("shop/web", "vault/db", SQL, true),
            ("shop/web", "vault/web", HTTP, false),
            ("198.51.100.7", "vault/web", HTTP, true),
        ],
        unread: &[],
    },
    Recipe {
        name: "Baseline accepts nothing that a NetworkPolicy denies",
        manifests: r"
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: vault, name: closed}
spec: {podSelector: {}, policyTypes: [Ingress]}
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: baseline}
spec: {tier: Baseline, priority: 0, subject: {namespaces: {}}, ingress: [{action: Accept, from: [{namespaces: {}}]}]}
",
        probes: &[("shop/web", "vault/db", SQL, false)],
        unread: &[],
    },
    Recipe {
        name: "A tier without a rule for a connection says nothing about it, and isolates nobody",
        manifests: r"
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: some}
spec:
  tier: Admin
  priority: 0
  subject: {namespaces: {}}
  ingress: [{action: Accept, from: [{namespaces: {matchLabels: {team: red}}}]}]
",
        probes: &[("lab/test", "vault/db", SQL, true), ("198.51.100.7", "vault/db", SQL, true)],
        unread: &[],
    },
    Recipe {
        name: "Networks mean pods by their addresses too, in one family of addresses only",
        manifests: r"
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: outside}
spec:
  tier: Admin
  priority: 0
  subject: {namespaces: {matchLabels: {pci: 'yes'}}}
  egress:
  - {action: Accept, to: [{networks: [10.0.0.5/32]}]}
  - {action: Deny, to: [{networks: [0.0.0.0/0]}]}
",
        probes: &[
            ("vault/db", "lab/test", HTTP, true),
            ("vault/db", "shop/web", HTTP, false),
            ("vault/db", "198.51.100.7", HTTP, false),
            ("vault/db", "2001:db8::1", HTTP, true),
            ("shop/web", "198.51.100.7", HTTP, true),
        ],
        unread: &[],
    },
    Recipe {
        name: "Nodes are meant by the addresses of nodes with such labels",
        manifests: r"
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: nodes}
spec:
  tier: Admin
  priority: 0
  subject: {namespaces: {}}
  egress:
  - {action: Accept, to: [{nodes: {matchLabels: {role: edge}}}]}
  - {action: Deny, to: [{nodes: {}}]}
",
        probes: &[
            ("vault/db", "10.9.0.1", HTTP, true),
            ("vault/db", "lab/agent", HTTP, true),
            ("vault/db", "10.9.0.9", HTTP, false),
            ("vault/db", "10.9.0.8", HTTP, true),
        ],
        unread: &[],
    },
    Recipe {
        name: "Pods that use the network of their node are neither subject nor peer",
        manifests: r"
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: deny}
spec:
  tier: Admin
  priority: 0
  subject: {namespaces: {}}
  ingress: [{action: Deny, from: [{namespaces: {}}]}]
  egress: [{action: Deny, to: [{namespaces: {}}]}]
",
        probes: &[
            ("lab/agent", "vault/db", SQL, true),
            ("vault/db", "lab/agent", HTTP, true),
            ("shop/web", "vault/db", SQL, false),
        ],
        unread: &[],
    },
    Recipe {
        name: "A named port is the number that the accepting pod has for it, of any protocol",
        manifests: r"
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: named}
spec:
  tier: Admin
  priority: 0
  subject: {namespaces: {}}
  ingress:
  - {action: Accept, from: [{namespaces: {}}], protocols: [{destinationNamedPort: http}, {destinationNamedPort: dns}]}
  - {action: Deny, from: [{namespaces: {}}]}
",
        probes: &[
            ("lab/test", "shop/web", HTTP, true),
            ("lab/test", "vault/web", HTTP, false),
            ("lab/test", "vault/db", DNS, true),
            ("lab/test", "vault/db", SQL, false),
        ],
        unread: &[],
    },
    Recipe {
        name: "Ports are numbers and ranges of a protocol",
        manifests: r"
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: ports}
spec:
  tier: Admin
  priority: 0
  subject: {namespaces: {}}
  ingress:
  - action: Deny
    from: [{namespaces: {}}]
    protocols: [{tcp: {destinationPort: {range: {start: 80, end: 90}}}}, {udp: {destinationPort: {number: 53}}}]
",
        probes: &[
            ("lab/test", "vault/db", HTTP, false),
            ("lab/test", "vault/db", DNS, false),
            ("lab/test", "vault/db", SQL, true),
        ],
        unread: &[],
    },
    Recipe {
        name: "A peer that says nothing means nobody where the rule accepts, and everybody is denied where it does not",
        manifests: r"
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: strange}
spec:
  tier: Admin
  priority: 0
  subject: {pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: db}}}}
  ingress:
  - {action: Accept, from: [{}]}
  - {action: Pass, from: [{}], protocols: [{tcp: {destinationPort: {number: 5432}}}]}
",
        probes: &[("shop/web", "vault/db", HTTP, true), ("shop/web", "vault/db", SQL, false)],
        unread: &["spec.ingress[0].from[0]: it says nothing", "spec.ingress[1].from[0]: it says nothing"],
    },
    Recipe {
        name: "Names of hosts are not understood, what stands beside them is",
        manifests: r"
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: names}
spec:
  tier: Admin
  priority: 0
  subject: {namespaces: {matchLabels: {pci: 'yes'}}}
  egress:
  - {action: Accept, to: [{domainNames: ['*.example.com']}, {networks: [198.51.100.0/24]}]}
  - {action: Deny, to: [{networks: [0.0.0.0/0]}]}
",
        probes: &[("vault/db", "198.51.100.7", HTTP, true), ("vault/db", "203.0.113.1", HTTP, false)],
        unread: &["ClusterNetworkPolicy/names spec.egress[0].to[0]"],
    },
    Recipe {
        name: "A field that this version does not know makes its rule not understood",
        manifests: r"
apiVersion: policy.networking.k8s.io/v1beta1
kind: ClusterNetworkPolicy
metadata: {name: newer}
spec:
  tier: Admin
  priority: 0
  subject: {namespaces: {}}
  ingress:
  - {action: Deny, from: [{namespaces: {}}], unless: weekend}
  - {action: Accept, from: [{namespaces: {}}]}
",
        probes: &[("shop/web", "vault/db", SQL, true)],
        unread: &["spec.ingress[0]"],
    },
    Recipe {
        name: "A subject that this version does not know is nobody's, and said of all pods",
        manifests: r"
apiVersion: policy.networking.k8s.io/v1beta1
kind: ClusterNetworkPolicy
metadata: {name: newer}
spec: {tier: Admin, priority: 0, subject: {workloads: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}
",
        probes: &[("shop/web", "vault/db", SQL, true)],
        unread: &["spec.subject"],
    },
    Recipe {
        name: "AdminNetworkPolicy and BaselineAdminNetworkPolicy are the same tiers in older words",
        manifests: r"
apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: {name: some}
spec:
  priority: 5
  subject: {namespaces: {}}
  ingress:
  - {name: sql, action: Allow, from: [{namespaces: {matchLabels: {team: red}}}], ports: [{portNumber: {protocol: TCP, port: 5432}}]}
  - {action: Deny, from: [{namespaces: {matchLabels: {team: blue}}}], ports: [{portRange: {start: 1, end: 79}}, {namedPort: sql}]}
---
apiVersion: policy.networking.k8s.io/v1alpha1
kind: BaselineAdminNetworkPolicy
metadata: {name: default}
spec: {subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}
",
        probes: &[
            ("shop/web", "vault/db", SQL, true),
            ("shop/web", "vault/db", HTTP, false),
            ("lab/test", "vault/db", SQL, false),
        ],
        unread: &[],
    },
    Recipe {
        name: "Which of both generations of the API is asked first is not known",
        manifests: r"
apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: {name: old}
spec: {priority: 5, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: new}
spec: {tier: Admin, priority: 5, subject: {namespaces: {matchLabels: {team: blue}}}, ingress: [{action: Accept, from: [{namespaces: {}}]}]}
",
        probes: &[("shop/web", "vault/db", SQL, false)],
        unread: &["AdminNetworkPolicy/old spec.priority"],
    },
    Recipe {
        name: "The first shape of AdminNetworkPolicy is not understood",
        manifests: r"
apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: {name: old}
spec:
  priority: 5
  subject: {namespaces: {}}
  ingress: [{action: Allow, from: [{namespaces: {sameLabels: [team]}}]}]
",
        probes: &[],
        unread: &["AdminNetworkPolicy/old"],
    },
];
