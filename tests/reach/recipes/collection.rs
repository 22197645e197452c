//! What people look up: the cases of the public collection of recipes.

use super::{
    Expected::{Allowed, Neither, NoEgress, NoIngress},
    Recipe,
};
use crate::oracle::Protocol::{Tcp, Udp};

pub(super) const RECIPES: &[Recipe] = &[
    Recipe {
        name: "deny all traffic to an app",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: web-deny }
spec: { podSelector: { matchLabels: { app: web } }, ingress: [] }
",
        probes: &[
            ("shop/api", "shop/web", Tcp, 80, NoIngress),
            ("198.51.100.7", "shop/web", Tcp, 80, NoIngress),
            ("shop/web", "shop/api", Tcp, 8080, Allowed),
            ("shop/cron", "shop/api", Tcp, 8080, Allowed),
            ("shop/api", "lab/web", Tcp, 80, Allowed),
        ],
    },
    Recipe {
        name: "limit traffic to an app to some pods of its namespace",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: api-limit }
spec:
  podSelector: { matchLabels: { app: api } }
  ingress:
  - from: [{ podSelector: { matchLabels: { tier: front } } }]
",
        probes: &[
            ("shop/web", "shop/api", Tcp, 8080, Allowed),
            ("shop/web", "shop/api", Udp, 1, Allowed),
            ("shop/cron", "shop/api", Tcp, 8080, NoIngress),
            ("lab/probe", "shop/api", Tcp, 8080, NoIngress),
        ],
    },
    Recipe {
        name: "allow all traffic to an app of a namespace that denies",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: deny }
spec: { podSelector: {}, ingress: [] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: web-open }
spec: { podSelector: { matchLabels: { app: web } }, ingress: [{}] }
",
        probes: &[
            ("lab/probe", "shop/web", Tcp, 80, Allowed),
            ("198.51.100.7", "shop/web", Udp, 80, Allowed),
            ("lab/probe", "shop/api", Tcp, 8080, NoIngress),
        ],
    },
    Recipe {
        name: "deny all that is not listed to pods of a namespace",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: deny }
spec: { podSelector: {}, ingress: [] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: listed }
spec:
  podSelector: { matchLabels: { app: api } }
  ingress:
  - from: [{ podSelector: { matchLabels: { app: web } } }]
    ports: [{ port: 8080 }]
",
        probes: &[
            ("shop/web", "shop/api", Tcp, 8080, Allowed),
            ("shop/web", "shop/api", Tcp, 9090, NoIngress),
            ("shop/api", "shop/web", Tcp, 80, NoIngress),
            ("shop/cron", "vault/db", Tcp, 5432, Allowed),
        ],
    },
    Recipe {
        name: "deny traffic from other namespaces",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: own }
spec:
  podSelector: { matchLabels: }
  ingress:
  - from: [{ podSelector: {} }]
",
        probes: &[
            ("shop/cron", "shop/web", Tcp, 80, Allowed),
            ("lab/web", "shop/web", Tcp, 80, NoIngress),
            ("198.51.100.7", "shop/web", Tcp, 80, NoIngress),
        ],
    },
    Recipe {
        name: "allow traffic to an app from all namespaces",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: vault, name: everybody }
spec:
  podSelector: { matchLabels: { app: db } }
  ingress:
  - from: [{ namespaceSelector: {} }]
",
        probes: &[
            ("shop/cron", "vault/db", Tcp, 5432, Allowed),
            ("kube-system/dns", "vault/db", Tcp, 5432, Allowed),
            ("vault/backup", "vault/db", Tcp, 5432, Allowed),
            ("198.51.100.7", "vault/db", Tcp, 5432, NoIngress),
        ],
    },
    Recipe {
        name: "allow traffic from namespaces of a label",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: vault, name: production }
spec:
  podSelector: { matchLabels: { app: db } }
  ingress:
  - from: [{ namespaceSelector: { matchLabels: { env: production } } }]
",
        probes: &[
            ("shop/cron", "vault/db", Tcp, 5432, Allowed),
            ("vault/backup", "vault/db", Tcp, 5432, Allowed),
            ("lab/probe", "vault/db", Tcp, 5432, NoIngress),
            ("kube-system/dns", "vault/db", Tcp, 5432, NoIngress),
        ],
    },
    Recipe {
        name: "allow traffic from some pods of another namespace",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: vault, name: front-of-shop }
spec:
  podSelector: { matchLabels: { app: db } }
  ingress:
  - from:
    - namespaceSelector: { matchLabels: { team: web } }
      podSelector: { matchLabels: { tier: front } }
",
        probes: &[
            ("shop/web", "vault/db", Tcp, 5432, Allowed),
            ("shop/api", "vault/db", Tcp, 5432, NoIngress),
            ("lab/probe", "vault/db", Tcp, 5432, NoIngress),
        ],
    },
    Recipe {
        name: "allow traffic from clients outside of a namespace that denies",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: deny }
spec: { podSelector: {} }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: web-outside }
spec:
  podSelector: { matchLabels: { app: web } }
  ingress:
  - from: []
    ports: [{ port: 80 }]
",
        probes: &[
            ("198.51.100.7", "shop/web", Tcp, 80, Allowed),
            ("2001:db8::7", "shop/web", Tcp, 80, Allowed),
            ("lab/probe", "shop/web", Tcp, 80, Allowed),
            ("198.51.100.7", "shop/web", Tcp, 9090, NoIngress),
            ("198.51.100.7", "shop/api", Tcp, 80, NoIngress),
        ],
    },
    Recipe {
        name: "allow traffic to one port of an app only",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: metrics }
spec:
  podSelector: { matchLabels: { app: web } }
  ingress:
  - ports: [{ port: 9090 }]
    from: [{ podSelector: { matchLabels: { app: api } } }]
",
        probes: &[
            ("shop/api", "shop/web", Tcp, 9090, Allowed),
            ("shop/api", "shop/web", Tcp, 80, NoIngress),
            ("shop/api", "shop/web", Udp, 9090, NoIngress),
            ("shop/cron", "shop/web", Tcp, 9090, NoIngress),
        ],
    },
    Recipe {
        name: "allow traffic from several apps",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: apps }
spec:
  podSelector: { matchLabels: { app: web, tier: front } }
  ingress:
  - from:
    - podSelector: { matchLabels: { app: api, tier: back } }
    - podSelector: { matchLabels: { app: search, tier: back } }
    - podSelector: { matchLabels: { app: stock } }
---
apiVersion: v1
kind: Pod
metadata: { namespace: shop, name: search, labels: { app: search, tier: front } }
spec: { containers: [{ name: search }] }
---
apiVersion: v1
kind: Pod
metadata: { namespace: shop, name: stock, labels: { app: stock, tier: front } }
spec: { containers: [{ name: stock }] }
",
        probes: &[
            ("shop/api", "shop/web", Tcp, 80, Allowed),
            ("shop/stock", "shop/web", Tcp, 80, Allowed),
            ("shop/search", "shop/web", Tcp, 80, NoIngress),
            ("shop/cron", "shop/web", Tcp, 80, NoIngress),
        ],
    },
    Recipe {
        name: "deny egress of an app",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: web-quiet }
spec: { podSelector: { matchLabels: { app: web } }, policyTypes: [Egress], egress: [] }
",
        probes: &[
            ("shop/web", "shop/api", Tcp, 8080, NoEgress),
            ("shop/web", "kube-system/dns", Udp, 53, NoEgress),
            ("shop/web", "198.51.100.7", Tcp, 443, NoEgress),
            ("shop/api", "shop/web", Tcp, 80, Allowed),
            ("lab/web", "shop/web", Tcp, 80, Allowed),
        ],
    },
    Recipe {
        name: "deny egress of an app but to DNS, wherever it is",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: web-names }
spec:
  podSelector: { matchLabels: { app: web } }
  policyTypes: [Egress]
  egress:
  - ports: [{ port: 53, protocol: UDP }, { port: 53, protocol: TCP }]
",
        probes: &[
            ("shop/web", "kube-system/dns", Udp, 53, Allowed),
            ("shop/web", "198.51.100.7", Tcp, 53, Allowed),
            ("shop/web", "shop/api", Tcp, 8080, NoEgress),
            ("shop/web", "198.51.100.7", Tcp, 443, NoEgress),
        ],
    },
    Recipe {
        name: "allow egress to the DNS of the cluster only",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: names }
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
  - to:
    - namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: kube-system } }
      podSelector: { matchLabels: { k8s-app: kube-dns } }
    ports: [{ protocol: UDP, port: dns }, { protocol: TCP, port: dns-tcp }]
",
        probes: &[
            ("shop/web", "kube-system/dns", Udp, 53, Allowed),
            ("shop/web", "kube-system/dns", Tcp, 53, Allowed),
            ("shop/web", "kube-system/dns", Udp, 9153, NoEgress),
            ("shop/web", "198.51.100.7", Udp, 53, NoEgress),
            ("shop/web", "shop/api", Udp, 53, NoEgress),
        ],
    },
    Recipe {
        name: "deny all that is not listed from pods of a namespace",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: deny }
spec: { podSelector: {}, policyTypes: [Egress], egress: [] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: api-to-db }
spec:
  podSelector: { matchLabels: { app: api } }
  policyTypes: [Egress]
  egress:
  - to:
    - namespaceSelector: { matchLabels: { team: payments } }
      podSelector: { matchLabels: { app: db } }
    ports: [{ port: 5432 }]
",
        probes: &[
            ("shop/api", "vault/db", Tcp, 5432, Allowed),
            ("shop/api", "vault/db", Tcp, 5433, NoEgress),
            ("shop/api", "vault/backup", Tcp, 5432, NoEgress),
            ("shop/web", "vault/db", Tcp, 5432, NoEgress),
        ],
    },
    Recipe {
        name: "deny egress out of the cluster",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: inside }
spec:
  podSelector: { matchLabels: { app: web } }
  policyTypes: [Egress]
  egress:
  - ports: [{ port: 53, protocol: UDP }, { port: 53, protocol: TCP }]
  - to: [{ namespaceSelector: {} }]
",
        probes: &[
            ("shop/web", "vault/db", Tcp, 5432, Allowed),
            ("shop/web", "shop/api", Tcp, 8080, Allowed),
            ("shop/web", "198.51.100.7", Udp, 53, Allowed),
            ("shop/web", "198.51.100.7", Tcp, 443, NoEgress),
            ("shop/api", "198.51.100.7", Tcp, 443, Allowed),
        ],
    },
    Recipe {
        name: "a namespace that trusts its team both ways, and nobody else",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: vault, name: team }
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
  ingress: [{ from: [{ podSelector: {} }] }]
  egress: [{ to: [{ podSelector: {} }] }]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: lab, name: quiet }
spec: { podSelector: {}, policyTypes: [Egress] }
",
        probes: &[
            ("vault/backup", "vault/db", Tcp, 5432, Allowed),
            ("shop/web", "vault/db", Tcp, 5432, NoIngress),
            ("vault/db", "shop/web", Tcp, 80, NoEgress),
            ("lab/probe", "vault/db", Tcp, 5432, Neither),
        ],
    },
];
