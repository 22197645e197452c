//! What the page on network policies in the documentation of Kubernetes shows.

use super::{
    Expected::{Allowed, Neither, NoEgress, NoIngress},
    Recipe,
};
use crate::oracle::Protocol::{Sctp, Tcp, Udp};

pub(super) const RECIPES: &[Recipe] = &[
    Recipe {
        name: "without policies everything is allowed",
        manifests: "{ apiVersion: v1, kind: Namespace, metadata: { name: empty } }",
        probes: &[
            ("lab/probe", "vault/db", Tcp, 5432, Allowed),
            ("lab/probe", "vault/db", Sctp, 1, Allowed),
            ("198.51.100.7", "shop/web", Udp, 65535, Allowed),
            ("shop/web", "198.51.100.7", Tcp, 443, Allowed),
            ("198.51.100.7", "203.0.113.9", Tcp, 443, Allowed),
        ],
    },
    Recipe {
        name: "one policy of three kinds of sources on one port, and of a block to go to on another",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: vault, name: store }
spec:
  podSelector: { matchLabels: { role: store } }
  policyTypes: [Ingress, Egress]
  ingress:
  - from:
    - ipBlock: { cidr: 172.16.0.0/16, except: [172.16.9.0/24] }
    - namespaceSelector: { matchLabels: { team: web } }
    - podSelector: { matchLabels: { app: backup } }
    ports: [{ protocol: TCP, port: 5432 }]
  egress:
  - to: [{ ipBlock: { cidr: 198.51.100.0/24 } }]
    ports: [{ protocol: TCP, port: 6000 }]
",
        probes: &[
            ("vault/backup", "vault/db", Tcp, 5432, Allowed),
            ("shop/web", "vault/db", Tcp, 5432, Allowed),
            ("shop/cron", "vault/db", Tcp, 5432, Allowed),
            ("172.16.8.255", "vault/db", Tcp, 5432, Allowed),
            ("172.16.9.0", "vault/db", Tcp, 5432, NoIngress),
            ("172.17.0.0", "vault/db", Tcp, 5432, NoIngress),
            ("lab/probe", "vault/db", Tcp, 5432, NoIngress),
            ("shop/web", "vault/db", Tcp, 5433, NoIngress),
            ("vault/db", "198.51.100.255", Tcp, 6000, Allowed),
            ("vault/db", "198.51.100.255", Tcp, 6001, NoEgress),
            ("vault/db", "198.51.101.0", Tcp, 6000, NoEgress),
            ("vault/db", "vault/backup", Tcp, 6000, NoEgress),
            ("lab/probe", "vault/backup", Tcp, 5432, Allowed),
        ],
    },
    Recipe {
        name: "both keys in one item: pods of that label in namespaces of that label",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: vault, name: and }
spec:
  podSelector: {}
  ingress:
  - from:
    - namespaceSelector: { matchLabels: { env: testing } }
      podSelector: { matchLabels: { app: web } }
",
        probes: &[
            ("lab/web", "vault/db", Tcp, 5432, Allowed),
            ("lab/probe", "vault/db", Tcp, 5432, NoIngress),
            ("shop/web", "vault/db", Tcp, 5432, NoIngress),
            ("vault/backup", "vault/db", Tcp, 5432, NoIngress),
        ],
    },
    Recipe {
        name: "a dash more: all pods of namespaces of that label, or pods of that label in the own namespace",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: vault, name: or }
spec:
  podSelector: {}
  ingress:
  - from:
    - namespaceSelector: { matchLabels: { env: testing } }
    - podSelector: { matchLabels: { app: backup } }
",
        probes: &[
            ("lab/web", "vault/db", Tcp, 5432, Allowed),
            ("lab/probe", "vault/db", Tcp, 5432, Allowed),
            ("vault/backup", "vault/db", Tcp, 5432, Allowed),
            ("shop/web", "vault/db", Tcp, 5432, NoIngress),
            ("vault/db", "vault/backup", Tcp, 5432, NoIngress),
        ],
    },
    Recipe {
        name: "default deny of ingress leaves egress as it is",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: deny-ingress }
spec: { podSelector: {}, policyTypes: [Ingress] }
",
        probes: &[
            ("shop/api", "shop/web", Tcp, 80, NoIngress),
            ("lab/probe", "shop/web", Tcp, 80, NoIngress),
            ("198.51.100.7", "shop/web", Tcp, 80, NoIngress),
            ("shop/web", "vault/db", Tcp, 5432, Allowed),
            ("shop/web", "198.51.100.7", Tcp, 443, Allowed),
        ],
    },
    Recipe {
        name: "allow all ingress wins over a deny, since policies add up",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: deny-ingress }
spec: { podSelector: {}, policyTypes: [Ingress] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: allow-ingress }
spec: { podSelector: {}, ingress: [{}], policyTypes: [Ingress] }
",
        probes: &[
            ("lab/probe", "shop/web", Tcp, 80, Allowed),
            ("198.51.100.7", "shop/web", Sctp, 7, Allowed),
            ("shop/web", "198.51.100.7", Tcp, 443, Allowed),
        ],
    },
    Recipe {
        name: "default deny of egress leaves ingress as it is",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: deny-egress }
spec: { podSelector: {}, policyTypes: [Egress] }
",
        probes: &[
            ("shop/api", "shop/web", Tcp, 80, NoEgress),
            ("shop/web", "kube-system/dns", Udp, 53, NoEgress),
            ("shop/web", "198.51.100.7", Tcp, 443, NoEgress),
            ("lab/probe", "shop/web", Tcp, 80, Allowed),
            ("198.51.100.7", "shop/web", Tcp, 80, Allowed),
        ],
    },
    Recipe {
        name: "allow all egress wins over a deny",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: deny-egress }
spec: { podSelector: {}, policyTypes: [Egress] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: allow-egress }
spec: { podSelector: {}, egress: [{}], policyTypes: [Egress] }
",
        probes: &[
            ("shop/web", "198.51.100.7", Tcp, 443, Allowed),
            ("shop/web", "vault/db", Udp, 7, Allowed),
            ("lab/probe", "shop/web", Tcp, 80, Allowed),
        ],
    },
    Recipe {
        name: "default deny of both cuts pods of the namespace off",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: deny-all }
spec: { podSelector: {}, policyTypes: [Ingress, Egress] }
",
        probes: &[
            ("shop/api", "shop/web", Tcp, 80, Neither),
            ("lab/probe", "shop/web", Tcp, 80, NoIngress),
            ("shop/web", "lab/probe", Tcp, 80, NoEgress),
            ("lab/probe", "lab/web", Tcp, 80, Allowed),
        ],
    },
    Recipe {
        name: "a range of ports includes both its ends",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: vault, name: range }
spec:
  podSelector: { matchLabels: { role: store } }
  policyTypes: [Egress]
  egress:
  - to: [{ ipBlock: { cidr: 198.51.100.0/24 } }]
    ports: [{ protocol: TCP, port: 32000, endPort: 32768 }]
",
        probes: &[
            ("vault/db", "198.51.100.7", Tcp, 31999, NoEgress),
            ("vault/db", "198.51.100.7", Tcp, 32000, Allowed),
            ("vault/db", "198.51.100.7", Tcp, 32400, Allowed),
            ("vault/db", "198.51.100.7", Tcp, 32768, Allowed),
            ("vault/db", "198.51.100.7", Tcp, 32769, NoEgress),
            ("vault/db", "198.51.100.7", Udp, 32400, NoEgress),
        ],
    },
    Recipe {
        name: "several namespaces by one label",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: lab, name: to-teams }
spec:
  podSelector: { matchLabels: { app: probe } }
  policyTypes: [Egress]
  egress:
  - to:
    - namespaceSelector:
        matchExpressions: [{ key: team, operator: In, values: [web, payments] }]
",
        probes: &[
            ("lab/probe", "shop/cron", Tcp, 80, Allowed),
            ("lab/probe", "vault/db", Tcp, 80, Allowed),
            ("lab/probe", "lab/web", Tcp, 80, NoEgress),
            ("lab/probe", "198.51.100.7", Tcp, 80, NoEgress),
        ],
    },
    Recipe {
        name: "a namespace by its name",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: vault, name: from-shop }
spec:
  podSelector: {}
  ingress:
  - from: [{ namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: shop } } }]
",
        probes: &[
            ("shop/cron", "vault/db", Tcp, 5432, Allowed),
            ("lab/web", "vault/db", Tcp, 5432, NoIngress),
            ("vault/backup", "vault/db", Tcp, 5432, NoIngress),
        ],
    },
    Recipe {
        name: "SCTP is a protocol of its own",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: vault, name: sctp }
spec:
  podSelector: {}
  ingress:
  - ports: [{ protocol: SCTP, port: 5432 }]
",
        probes: &[
            ("shop/web", "vault/db", Sctp, 5432, Allowed),
            ("shop/web", "vault/db", Sctp, 5433, NoIngress),
            ("shop/web", "vault/db", Tcp, 5432, NoIngress),
            ("shop/web", "vault/db", Udp, 5432, NoIngress),
        ],
    },
    Recipe {
        name: "both ends have a say: one that allows is not enough",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: to-vault }
spec:
  podSelector: { matchLabels: { app: web } }
  policyTypes: [Egress]
  egress:
  - to: [{ namespaceSelector: { matchLabels: { team: payments } } }]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: vault, name: from-api }
spec:
  podSelector: { matchLabels: { app: db } }
  ingress:
  - from:
    - namespaceSelector: { matchLabels: { team: web } }
      podSelector: { matchLabels: { app: api } }
",
        probes: &[
            ("shop/web", "vault/db", Tcp, 5432, NoIngress),
            ("shop/web", "vault/backup", Tcp, 5432, Allowed),
            ("shop/api", "vault/db", Tcp, 5432, Allowed),
            ("shop/web", "lab/web", Tcp, 80, NoEgress),
            ("lab/web", "vault/db", Tcp, 5432, NoIngress),
        ],
    },
    Recipe {
        name: "a label that opens the door",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: access }
spec:
  podSelector: { matchLabels: { app: web } }
  ingress:
  - from: [{ podSelector: { matchLabels: { access: yes-please } } }]
---
apiVersion: v1
kind: Pod
metadata: { namespace: shop, name: guest, labels: { access: yes-please } }
spec: { containers: [{ name: guest }] }
---
apiVersion: v1
kind: Pod
metadata: { namespace: lab, name: guest, labels: { access: yes-please } }
spec: { containers: [{ name: guest }] }
",
        probes: &[
            ("shop/guest", "shop/web", Tcp, 80, Allowed),
            ("shop/cron", "shop/web", Tcp, 80, NoIngress),
            ("lab/guest", "shop/web", Tcp, 80, NoIngress),
            ("lab/guest", "shop/api", Tcp, 80, Allowed),
        ],
    },
];
