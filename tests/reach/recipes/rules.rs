//! Which directions a policy isolates, and what lists that are absent, empty or full of nothing mean.

use super::{
    Expected::{Allowed, Neither, NoEgress, NoIngress},
    Recipe,
};
use crate::oracle::Protocol::{Sctp, Tcp, Udp};

pub(super) const RECIPES: &[Recipe] = &[
    Recipe {
        name: "without policyTypes, egress rules isolate both ways",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: types }
spec: { podSelector: { matchLabels: { app: web } }, egress: [{ ports: [{ port: 5432 }] }] }
",
        probes: &[
            ("shop/web", "vault/db", Tcp, 5432, Allowed),
            ("shop/web", "vault/db", Tcp, 80, NoEgress),
            ("vault/db", "shop/web", Tcp, 80, NoIngress),
        ],
    },
    Recipe {
        name: "without policyTypes, egress rules that are empty isolate ingress alone",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: types }
spec: { podSelector: { matchLabels: { app: web } }, egress: [] }
",
        probes: &[("shop/web", "vault/db", Tcp, 5432, Allowed), ("vault/db", "shop/web", Tcp, 80, NoIngress)],
    },
    Recipe {
        name: "policyTypes that are empty count as absent",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: types }
spec: { podSelector: { matchLabels: { app: web } }, policyTypes: [], egress: [{ ports: [{ port: 5432 }] }] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: vault, name: types }
spec: { podSelector: {}, policyTypes: [] }
",
        probes: &[
            ("shop/web", "lab/web", Tcp, 5432, Allowed),
            ("shop/web", "lab/web", Tcp, 80, NoEgress),
            ("lab/web", "shop/web", Tcp, 80, NoIngress),
            ("lab/web", "vault/db", Tcp, 80, NoIngress),
            ("vault/db", "lab/web", Tcp, 80, Allowed),
            ("vault/db", "shop/web", Tcp, 80, NoIngress),
            ("shop/web", "vault/db", Tcp, 80, Neither),
        ],
    },
    Recipe {
        name: "rules of a direction that policyTypes leaves out mean nothing",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: types }
spec:
  podSelector: { matchLabels: { app: web } }
  policyTypes: [Egress]
  ingress: [{ ports: [{ port: 80 }] }]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: vault, name: types }
spec:
  podSelector: {}
  policyTypes: [Ingress]
  egress: [{ ports: [{ port: 80 }] }]
",
        probes: &[
            ("lab/probe", "shop/web", Tcp, 443, Allowed),
            ("shop/web", "lab/probe", Tcp, 80, NoEgress),
            ("vault/db", "lab/probe", Tcp, 443, Allowed),
            ("lab/probe", "vault/db", Tcp, 80, NoIngress),
        ],
    },
    Recipe {
        name: "rules of a direction that another policy isolates mean nothing either",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: deny }
spec: { podSelector: {}, policyTypes: [Ingress] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: types }
spec: { podSelector: {}, policyTypes: [Egress], ingress: [{}], egress: [{}] }
",
        probes: &[("lab/probe", "shop/web", Tcp, 80, NoIngress), ("shop/web", "lab/probe", Tcp, 80, Allowed)],
    },
    Recipe {
        name: "rules that are null allow nothing",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: null-rules }
spec: { podSelector: {}, policyTypes: [Ingress, Egress], ingress: null, egress: null }
",
        probes: &[
            ("shop/api", "shop/web", Tcp, 80, Neither),
            ("198.51.100.7", "shop/web", Tcp, 80, NoIngress),
            ("shop/web", "198.51.100.7", Tcp, 80, NoEgress),
        ],
    },
    Recipe {
        name: "rules that are empty allow nothing",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: empty-rules }
spec: { podSelector: {}, policyTypes: [Ingress, Egress], ingress: [], egress: [] }
",
        probes: &[
            ("shop/api", "shop/web", Tcp, 80, Neither),
            ("198.51.100.7", "shop/web", Tcp, 80, NoIngress),
            ("shop/web", "198.51.100.7", Tcp, 80, NoEgress),
        ],
    },
    Recipe {
        name: "one rule that is empty allows everything",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: empty-rule }
spec: { podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{}], egress: [{}] }
",
        probes: &[
            ("shop/api", "shop/web", Tcp, 80, Allowed),
            ("198.51.100.7", "shop/web", Sctp, 9, Allowed),
            ("2001:db8::7", "shop/web", Udp, 9, Allowed),
            ("shop/web", "198.51.100.7", Udp, 9, Allowed),
        ],
    },
    Recipe {
        name: "peers that are absent, null or empty are all peers",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: all-peers }
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
  ingress:
  - ports: [{ port: 81 }]
  - ports: [{ port: 82 }]
    from: null
  - ports: [{ port: 83 }]
    from: []
  egress:
  - ports: [{ port: 91 }]
  - ports: [{ port: 92 }]
    to: null
  - ports: [{ port: 93 }]
    to: []
",
        probes: &[
            ("lab/probe", "shop/web", Tcp, 81, Allowed),
            ("198.51.100.7", "shop/web", Tcp, 82, Allowed),
            ("lab/probe", "shop/web", Tcp, 83, Allowed),
            ("lab/probe", "shop/web", Tcp, 84, NoIngress),
            ("shop/web", "198.51.100.7", Tcp, 91, Allowed),
            ("shop/web", "lab/probe", Tcp, 92, Allowed),
            ("shop/web", "198.51.100.7", Tcp, 93, Allowed),
            ("shop/web", "lab/probe", Tcp, 94, NoEgress),
        ],
    },
    Recipe {
        name: "ports that are absent, null or empty are all ports of all protocols",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: vault, name: all-ports }
spec:
  podSelector: { matchLabels: { app: db } }
  ingress:
  - from: [{ namespaceSelector: { matchLabels: { team: web } } }]
  - from: [{ namespaceSelector: { matchLabels: { env: testing } } }]
    ports: null
  - from: [{ podSelector: {} }]
    ports: []
",
        probes: &[
            ("shop/web", "vault/db", Sctp, 1, Allowed),
            ("lab/probe", "vault/db", Udp, 65535, Allowed),
            ("vault/backup", "vault/db", Tcp, 5432, Allowed),
            ("kube-system/dns", "vault/db", Tcp, 5432, NoIngress),
        ],
    },
    Recipe {
        name: "peers of one rule do not get the ports of another",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: vault, name: two-rules }
spec:
  podSelector: {}
  ingress:
  - from: [{ namespaceSelector: { matchLabels: { team: web } } }]
    ports: [{ port: 5432 }]
  - from: [{ namespaceSelector: { matchLabels: { env: testing } } }]
    ports: [{ port: 9187 }]
",
        probes: &[
            ("shop/web", "vault/db", Tcp, 5432, Allowed),
            ("shop/web", "vault/db", Tcp, 9187, NoIngress),
            ("lab/web", "vault/db", Tcp, 9187, Allowed),
            ("lab/web", "vault/db", Tcp, 5432, NoIngress),
        ],
    },
    Recipe {
        name: "a policy without podSelector is about all pods of its namespace",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: no-selector }
spec: { policyTypes: [Egress] }
",
        probes: &[
            ("shop/cron", "lab/web", Tcp, 80, NoEgress),
            ("lab/web", "shop/cron", Tcp, 80, Allowed),
            ("vault/db", "lab/web", Tcp, 80, Allowed),
        ],
    },
    Recipe {
        name: "a policy without spec denies all ingress of its namespace",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: no-spec }
",
        probes: &[
            ("shop/api", "shop/web", Tcp, 80, NoIngress),
            ("shop/web", "vault/db", Tcp, 80, Allowed),
            ("lab/probe", "lab/web", Tcp, 80, Allowed),
        ],
    },
];
