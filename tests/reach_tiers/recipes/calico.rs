//! NetworkPolicy and GlobalNetworkPolicy of Calico.

use super::{DNS, HTTP, Recipe, SQL};

pub const RECIPES: &[Recipe] = &[
    Recipe {
        name: "The first rule that means a connection decides, and the rest is denied",
        manifests: r"
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {namespace: vault, name: db}
spec:
  selector: app == 'db'
  types: [Ingress]
  ingress:
  - {action: Deny, protocol: TCP, source: {selector: app == 'web'}, destination: {ports: [80]}}
  - {action: Log}
  - {action: Allow, source: {selector: app == 'web'}}
",
        probes: &[
            ("vault/web", "vault/db", SQL, true),
            ("vault/web", "vault/db", HTTP, false),
            ("shop/web", "vault/db", SQL, false),
            ("shop/web", "vault/web", HTTP, true),
            ("vault/db", "shop/web", HTTP, true),
        ],
        unread: &[],
    },
    Recipe {
        name: "A policy of lower order is asked first, one without order last",
        manifests: r"
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: a-last}
spec: {selector: all(), types: [Ingress], ingress: [{action: Allow}]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: z-first}
spec: {order: 5, selector: all(), types: [Ingress], ingress: [{action: Deny, source: {namespaceSelector: team == 'blue'}}]}
",
        probes: &[("lab/test", "vault/db", SQL, false), ("shop/web", "vault/db", SQL, true)],
        unread: &[],
    },
    Recipe {
        name: "In the tier default NetworkPolicies stand at 1000: what allows before denies, and what denies before allows",
        manifests: r"
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: vault, name: some}
spec: {podSelector: {}, ingress: [{ports: [{port: 5432}]}]}
---
apiVersion: crd.projectcalico.org/v1
kind: GlobalNetworkPolicy
metadata: {name: default.before}
spec:
  order: 10
  selector: projectcalico.org/namespace == 'vault'
  types: [Ingress]
  ingress:
  - {action: Allow, protocol: TCP, source: {namespaceSelector: team == 'blue'}, destination: {ports: [80]}}
  - {action: Deny, source: {namespaceSelector: team == 'blue'}}
---
apiVersion: crd.projectcalico.org/v1
kind: GlobalNetworkPolicy
metadata: {name: default.after}
spec:
  order: 2000
  selector: projectcalico.org/namespace == 'vault'
  types: [Ingress]
  ingress:
  - {action: Deny, protocol: TCP, destination: {ports: [5432]}}
  - {action: Allow, protocol: UDP, destination: {ports: [53]}}
",
        probes: &[
            ("lab/test", "vault/db", HTTP, true),
            ("lab/test", "vault/db", SQL, false),
            ("shop/web", "vault/db", SQL, true),
            ("shop/web", "vault/db", DNS, true),
            ("shop/web", "vault/db", HTTP, false),
        ],
        unread: &[],
    },
    Recipe {
        name: "A tier before the default one decides before NetworkPolicies, and Pass leaves it to them",
        manifests: r"
apiVersion: projectcalico.org/v3
kind: Tier
metadata: {name: security}
spec: {order: 100}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: vault, name: closed}
spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: red}}}]}]}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {namespace: vault, name: security.gate}
spec:
  tier: security
  selector: all()
  types: [Ingress]
  ingress:
  - {action: Allow, protocol: TCP, source: {namespaceSelector: team == 'blue'}, destination: {ports: [80]}}
  - {action: Pass, protocol: TCP, destination: {ports: ['5000:6000']}}
",
        probes: &[
            ("lab/test", "vault/db", HTTP, true),
            ("lab/test", "vault/db", SQL, false),
            ("shop/web", "vault/db", SQL, true),
            ("shop/web", "vault/db", DNS, false),
        ],
        unread: &[],
    },
    Recipe {
        name: "A tier whose default is Pass denies only what a rule denies",
        manifests: r"
apiVersion: projectcalico.org/v3
kind: Tier
metadata: {name: security}
spec: {order: 100, defaultAction: Pass}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: security.some}
spec: {tier: security, selector: all(), types: [Ingress], ingress: [{action: Deny, source: {nets: [10.0.0.5/32]}}]}
",
        probes: &[("lab/test", "vault/db", SQL, false), ("shop/web", "vault/db", SQL, true)],
        unread: &[],
    },
    Recipe {
        name: "A tier after the default one is asked only about what that passes on",
        manifests: r"
apiVersion: projectcalico.org/v3
kind: Tier
metadata: {name: late}
spec: {order: 2000000}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: late.deny}
spec: {tier: late, selector: all(), types: [Ingress], ingress: [{action: Deny}]}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {namespace: vault, name: first}
spec:
  selector: all()
  types: [Ingress]
  ingress: [{action: Pass, protocol: TCP, destination: {ports: [80]}}, {action: Allow, protocol: TCP}]
",
        probes: &[
            ("shop/web", "vault/db", HTTP, false),
            ("shop/web", "vault/db", SQL, true),
            ("lab/test", "shop/web", HTTP, false),
        ],
        unread: &[],
    },
    Recipe {
        name: "Selectors have and, or, not, brackets, sets and parts of values",
        manifests: r#"
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: words}
spec:
  selector: (app in {'db', "x"} || app contains 'nothing') && !(has(tier))
  types: [Ingress]
  ingress:
  - {action: Allow, source: {selector: "app starts with 'w' && app ends with 'b' && tier != 'y'"}}
  - {action: Allow, source: {selector: "app not in {'web', 'db', 'x'}"}}
"#,
        probes: &[
            ("shop/web", "vault/db", SQL, true),
            ("lab/test", "vault/db", SQL, true),
            ("shop/api", "vault/db", SQL, false),
            ("shop/api", "vault/web", HTTP, true),
            ("vault/db", "shop/api", HTTP, false),
        ],
        unread: &[],
    },
    Recipe {
        name: "In a policy of a namespace a selector means pods of it, unless another selector means namespaces",
        manifests: r"
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {namespace: vault, name: own}
spec:
  selector: app == 'db'
  types: [Ingress]
  ingress: [{action: Allow, source: {selector: app == 'web'}}]
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {namespace: vault, name: all}
spec:
  selector: app == 'web'
  types: [Ingress]
  ingress: [{action: Allow, source: {namespaceSelector: all(), selector: app == 'web'}}]
",
        probes: &[
            ("vault/web", "vault/db", SQL, true),
            ("shop/web", "vault/db", SQL, false),
            ("shop/web", "vault/web", HTTP, true),
            ("shop/api", "vault/web", HTTP, false),
            ("lab/agent", "vault/web", HTTP, false),
        ],
        unread: &[],
    },
    Recipe {
        name: "Networks mean pods by their addresses, and all that is said must hold",
        manifests: r"
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: nets}
spec:
  selector: app == 'db'
  types: [Egress]
  egress:
  - {action: Allow, destination: {nets: [10.0.0.0/24], notNets: [10.0.0.5/32], notSelector: app == 'x'}}
  - {action: Allow, ipVersion: 6}
",
        probes: &[
            ("vault/db", "shop/web", HTTP, true),
            ("vault/db", "shop/api", HTTP, false),
            ("vault/db", "lab/test", HTTP, false),
            ("vault/db", "10.0.0.77", HTTP, true),
            ("vault/db", "203.0.113.1", HTTP, false),
            ("vault/db", "2001:db8::1", HTTP, true),
        ],
        unread: &[],
    },
    Recipe {
        name: "In a policy of a namespace, who is not selected is one of its pods too",
        manifests: r"
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {namespace: vault, name: not}
spec: {selector: all(), types: [Egress], egress: [{action: Allow, destination: {notSelector: app == 'x'}}]}
",
        probes: &[
            ("vault/db", "vault/web", HTTP, true),
            ("vault/db", "shop/web", HTTP, false),
            ("vault/db", "203.0.113.1", HTTP, false),
        ],
        unread: &[],
    },
    Recipe {
        name: "Networks with labels are selected like pods, those of no namespace by global()",
        manifests: r"
apiVersion: projectcalico.org/v3
kind: GlobalNetworkSet
metadata: {name: partners, labels: {who: partner}}
spec: {nets: [203.0.113.0/24]}
---
apiVersion: projectcalico.org/v3
kind: NetworkSet
metadata: {namespace: vault, name: bank, labels: {who: partner}}
spec: {nets: [198.51.100.0/24]}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {namespace: vault, name: db}
spec: {selector: app == 'db', types: [Egress], egress: [{action: Allow, destination: {selector: who == 'partner'}}]}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {namespace: vault, name: web}
spec:
  selector: app == 'web'
  types: [Egress]
  egress: [{action: Allow, destination: {namespaceSelector: global(), selector: who == 'partner'}}]
",
        probes: &[
            ("vault/db", "198.51.100.7", HTTP, true),
            ("vault/db", "203.0.113.1", HTTP, false),
            ("vault/web", "203.0.113.1", HTTP, true),
            ("vault/web", "198.51.100.7", HTTP, false),
            ("vault/web", "shop/web", HTTP, false),
        ],
        unread: &[],
    },
    Recipe {
        name: "Interfaces of nodes are selected by the addresses that they are expected to have",
        manifests: r"
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: n1, labels: {role: host}}
spec: {node: n1, expectedIPs: [10.9.0.1]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: hosts}
spec: {selector: app == 'db', types: [Egress], egress: [{action: Allow, destination: {selector: role == 'host'}}]}
",
        probes: &[
            ("vault/db", "lab/agent", HTTP, true),
            ("vault/db", "10.9.0.1", HTTP, true),
            ("vault/db", "10.9.0.9", HTTP, false),
        ],
        unread: &[],
    },
    Recipe {
        name: "Types follow from the rules where they are not written",
        manifests: r"
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {namespace: vault, name: db}
spec: {selector: app == 'db', egress: [{action: Allow, destination: {nets: [10.0.0.1/32]}}]}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {namespace: vault, name: web}
spec: {selector: app == 'web'}
",
        probes: &[
            ("vault/db", "shop/api", HTTP, false),
            ("shop/web", "vault/db", SQL, true),
            ("shop/web", "vault/web", HTTP, false),
            ("vault/web", "shop/web", HTTP, true),
        ],
        unread: &[],
    },
    Recipe {
        name: "Ports are numbers, ranges and names, and what notPorts says is cut out",
        manifests: r"
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {namespace: vault, name: ports}
spec:
  selector: all()
  types: [Ingress]
  ingress:
  - {action: Allow, protocol: TCP, source: {namespaceSelector: team == 'blue'}, destination: {ports: [http, '5000:5431']}}
  - {action: Allow, protocol: 17, source: {namespaceSelector: team == 'red'}, destination: {notPorts: [53]}}
  - {action: Allow, protocol: tcp, source: {namespaceSelector: team == 'red'}}
",
        probes: &[
            ("lab/test", "vault/web", (pcizone::api::Protocol::TCP, 82), true),
            ("lab/test", "vault/web", HTTP, false),
            ("lab/test", "vault/db", SQL, false),
            ("shop/web", "vault/db", DNS, false),
            ("shop/web", "vault/db", (pcizone::api::Protocol::UDP, 54), true),
            ("shop/web", "vault/db", SQL, true),
        ],
        unread: &[],
    },
    Recipe {
        name: "What is not understood of a rule leaves the rule out, and is said",
        manifests: r"
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: strange}
spec:
  selector: projectcalico.org/namespace == 'vault'
  types: [Ingress]
  ingress:
  - {action: Allow, http: {methods: [GET]}}
  - {action: Allow, source: {serviceAccounts: {names: [web]}}}
  - {action: Allow, protocol: ICMP}
  - {action: Deny, protocol: ICMP}
  - {action: Deny, protocol: TCP, source: {ports: [1000]}}
  - {action: Allow, destination: {selector: app == 'db'}}
  - {action: Allow, source: {services: {name: web, namespace: shop}}}
  - {action: Allow, notProtocol: TCP}
  - {action: Allow, source: {selector: app = 'db'}}
  - {action: Allow, source: {selector: pcsa.team == 'x'}}
  - {action: Allow, source: {selector: app == 'web'}, later: true}
",
        probes: &[("shop/web", "vault/db", SQL, false)],
        unread: &[
            "ingress[0].http",
            "ingress[1].source",
            "ingress[2].protocol",
            "ingress[4].source",
            "ingress[5].destination",
            "ingress[6].source",
            "ingress[7].notProtocol",
            "ingress[8].source",
            "ingress[9].source",
            "ingress[10]",
        ],
    },
    Recipe {
        name: "A policy is left out of which it is not understood whom it holds for, when, or in which tier",
        manifests: r"
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: accounts}
spec: {selector: all(), serviceAccountSelector: team == 'x', types: [Ingress], ingress: [{action: Deny}]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: untracked}
spec: {selector: all(), doNotTrack: true, applyOnForward: true, types: [Ingress], ingress: [{action: Deny}]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: nowhere.deny}
spec: {tier: nowhere, selector: all(), types: [Ingress], ingress: [{action: Deny}]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: broken}
spec: {selector: app ==, types: [Ingress], ingress: [{action: Deny}]}
",
        probes: &[("shop/web", "vault/db", SQL, true)],
        unread: &[
            "accounts spec.serviceAccountSelector",
            "untracked spec.doNotTrack",
            "untracked spec.applyOnForward",
            "deny spec.tier: there is no such tier",
            "broken spec",
        ],
    },
    Recipe {
        name: "What Calico shows of a NetworkPolicy is not a second one",
        manifests: r"
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: vault, name: closed}
spec: {podSelector: {}, policyTypes: [Ingress]}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {namespace: vault, name: knp.default.closed}
spec: {order: 1000, selector: all(), types: [Ingress]}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {namespace: shop, name: knp.default.other}
spec: {order: 1000, selector: all(), types: [Ingress]}
",
        probes: &[("shop/web", "vault/db", SQL, false), ("vault/db", "shop/web", HTTP, true)],
        unread: &["CalicoNetworkPolicy/shop/knp.default.other"],
    },
    Recipe {
        name: "Of one order, which of a policy for a namespace and one for all comes first is not known",
        manifests: r"
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: a}
spec: {order: 7, selector: all(), types: [Ingress], ingress: [{action: Allow}]}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {namespace: vault, name: b}
spec: {order: 7, selector: all(), types: [Ingress], ingress: [{action: Deny}]}
",
        probes: &[("shop/web", "shop/api", HTTP, true)],
        unread: &["CalicoGlobalNetworkPolicy/a spec.order"],
    },
    Recipe {
        name: "The tier Admin stands at 1000 among Calico's tiers",
        manifests: r"
apiVersion: projectcalico.org/v3
kind: Tier
metadata: {name: first}
spec: {order: 999, defaultAction: Pass}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: first.deny}
spec: {tier: first, selector: all(), types: [Ingress], ingress: [{action: Deny, source: {namespaceSelector: team == 'blue'}}]}
---
apiVersion: projectcalico.org/v3
kind: Tier
metadata: {name: second}
spec: {order: 1001}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: second.deny}
spec: {tier: second, selector: all(), types: [Ingress], ingress: [{action: Deny}]}
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: open}
spec: {tier: Admin, priority: 0, subject: {namespaces: {}}, ingress: [{action: Accept, from: [{namespaces: {}}]}]}
",
        probes: &[
            ("lab/test", "vault/db", SQL, false),
            ("shop/web", "vault/db", SQL, true),
            ("203.0.113.1", "vault/db", SQL, false),
        ],
        unread: &[],
    },
];
