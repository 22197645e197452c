//! Whom selectors match, and in which namespaces.

use super::{
    Expected::{Allowed, NoEgress, NoIngress},
    Recipe,
};
use crate::oracle::Protocol::Tcp;

pub(super) const RECIPES: &[Recipe] = &[
    Recipe {
        name: "NotIn matches who does not have the key",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: not-in }
spec:
  podSelector: { matchLabels: { app: web } }
  ingress:
  - from: [{ podSelector: { matchExpressions: [{ key: tier, operator: NotIn, values: [back, middle] }] } }]
  - from: [{ namespaceSelector: { matchExpressions: [{ key: team, operator: NotIn, values: [payments, web] }] } }]
",
        probes: &[
            ("shop/cron", "shop/web", Tcp, 80, Allowed),
            ("shop/api", "shop/web", Tcp, 80, NoIngress),
            ("lab/probe", "shop/web", Tcp, 80, Allowed),
            ("vault/db", "shop/web", Tcp, 80, NoIngress),
        ],
    },
    Recipe {
        name: "DoesNotExist matches who does not have the key",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: absent }
spec:
  podSelector: { matchExpressions: [{ key: tier, operator: DoesNotExist }] }
  ingress:
  - from: [{ namespaceSelector: { matchExpressions: [{ key: team, operator: DoesNotExist }] } }]
",
        probes: &[
            ("lab/probe", "shop/cron", Tcp, 80, Allowed),
            ("kube-system/dns", "shop/cron", Tcp, 80, Allowed),
            ("vault/db", "shop/cron", Tcp, 80, NoIngress),
            ("vault/db", "shop/web", Tcp, 80, Allowed),
        ],
    },
    Recipe {
        name: "Exists matches who has the key, of any value",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: lab, name: present }
spec:
  podSelector: {}
  ingress:
  - from:
    - namespaceSelector: { matchExpressions: [{ key: team, operator: Exists }] }
      podSelector: { matchExpressions: [{ key: tier, operator: Exists }] }
",
        probes: &[
            ("shop/web", "lab/probe", Tcp, 80, Allowed),
            ("shop/api", "lab/probe", Tcp, 80, Allowed),
            ("shop/cron", "lab/probe", Tcp, 80, NoIngress),
            ("vault/db", "lab/probe", Tcp, 80, NoIngress),
            ("lab/probe", "lab/web", Tcp, 80, NoIngress),
        ],
    },
    Recipe {
        name: "In matches who has the key with one of the values",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: in }
spec:
  podSelector: { matchLabels: { app: web } }
  ingress:
  - from: [{ podSelector: { matchExpressions: [{ key: tier, operator: In, values: [back, middle] }] } }]
",
        probes: &[
            ("shop/api", "shop/web", Tcp, 80, Allowed),
            ("shop/cron", "shop/web", Tcp, 80, NoIngress),
            ("lab/web", "shop/web", Tcp, 80, NoIngress),
        ],
    },
    Recipe {
        name: "labels and expressions of a selector must all match",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: all-of-them }
spec:
  podSelector:
    matchLabels: { app: web }
    matchExpressions: [{ key: tier, operator: In, values: [front] }, { key: canary, operator: DoesNotExist }]
---
apiVersion: v1
kind: Pod
metadata: { namespace: shop, name: canary, labels: { app: web, tier: front, canary: \"\" } }
spec: { containers: [{ name: web }] }
---
apiVersion: v1
kind: Pod
metadata: { namespace: shop, name: backend, labels: { app: web, tier: back } }
spec: { containers: [{ name: web }] }
",
        probes: &[
            ("lab/probe", "shop/web", Tcp, 80, NoIngress),
            ("lab/probe", "shop/canary", Tcp, 80, Allowed),
            ("lab/probe", "shop/backend", Tcp, 80, Allowed),
            ("lab/probe", "shop/api", Tcp, 80, Allowed),
        ],
    },
    Recipe {
        name: "two expressions about one key",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: has-but-not }
spec:
  podSelector: { matchLabels: { app: api } }
  ingress:
  - from:
    - namespaceSelector:
        matchExpressions: [{ key: env, operator: Exists }, { key: env, operator: NotIn, values: [testing] }]
",
        probes: &[
            ("vault/db", "shop/api", Tcp, 80, Allowed),
            ("lab/probe", "shop/api", Tcp, 80, NoIngress),
            ("kube-system/dns", "shop/api", Tcp, 80, NoIngress),
        ],
    },
    Recipe {
        name: "a podSelector alone never leaves the namespace of its policy",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: vault, name: to-web }
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress: [{ to: [{ podSelector: { matchLabels: { app: web } } }] }]
",
        probes: &[
            ("vault/db", "shop/web", Tcp, 80, NoEgress),
            ("vault/db", "lab/web", Tcp, 80, NoEgress),
            ("vault/db", "vault/backup", Tcp, 80, NoEgress),
        ],
    },
    Recipe {
        name: "two empty selectors in one item are all pods of the cluster, and no address",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: vault, name: pods }
spec:
  podSelector: {}
  ingress: [{ from: [{ namespaceSelector: {}, podSelector: {} }] }]
",
        probes: &[
            ("lab/probe", "vault/db", Tcp, 80, Allowed),
            ("vault/backup", "vault/db", Tcp, 80, Allowed),
            ("198.51.100.7", "vault/db", Tcp, 80, NoIngress),
        ],
    },
    Recipe {
        name: "all pods of a label, in whatever namespace",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: vault, name: webs }
spec:
  podSelector: {}
  ingress: [{ from: [{ namespaceSelector: {}, podSelector: { matchLabels: { app: web } } }] }]
",
        probes: &[
            ("lab/web", "vault/db", Tcp, 80, Allowed),
            ("shop/web", "vault/db", Tcp, 80, Allowed),
            ("vault/backup", "vault/db", Tcp, 80, NoIngress),
        ],
    },
    Recipe {
        name: "labels of pods are not labels of their namespace",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: vault, name: mixed-up }
spec:
  podSelector: {}
  ingress:
  - from: [{ namespaceSelector: { matchLabels: { app: web } } }]
  - from: [{ namespaceSelector: {}, podSelector: { matchLabels: { env: testing } } }]
",
        probes: &[("shop/web", "vault/db", Tcp, 80, NoIngress), ("lab/probe", "vault/db", Tcp, 80, NoIngress)],
    },
    Recipe {
        name: "all namespaces but one, by name",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: not-lab }
spec:
  podSelector: {}
  ingress:
  - from:
    - namespaceSelector:
        matchExpressions: [{ key: kubernetes.io/metadata.name, operator: NotIn, values: [lab] }]
",
        probes: &[
            ("vault/db", "shop/web", Tcp, 80, Allowed),
            ("kube-system/dns", "shop/web", Tcp, 80, Allowed),
            ("lab/web", "shop/web", Tcp, 80, NoIngress),
        ],
    },
    Recipe {
        name: "a namespace whose object is missing has its name as its only label",
        manifests: "
apiVersion: v1
kind: Pod
metadata: { namespace: nowhere, name: lost }
spec: { containers: [{ name: lost }] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: nowhere, name: still-there }
spec: { podSelector: {}, ingress: [{ from: [{ podSelector: {} }] }] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: vault, name: by-name }
spec:
  podSelector: { matchLabels: { app: db } }
  ingress: [{ from: [{ namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: nowhere } } }] }]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: vault, name: by-label }
spec:
  podSelector: { matchLabels: { app: backup } }
  ingress: [{ from: [{ namespaceSelector: { matchExpressions: [{ key: env, operator: Exists }] } }] }]
",
        probes: &[
            ("nowhere/lost", "vault/db", Tcp, 80, Allowed),
            ("nowhere/lost", "vault/backup", Tcp, 80, NoIngress),
            ("vault/db", "nowhere/lost", Tcp, 80, NoIngress),
        ],
    },
    Recipe {
        name: "who is selected for a policy is decided by expressions as well",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: all-but-web }
spec:
  podSelector: { matchExpressions: [{ key: app, operator: NotIn, values: [web] }] }
  policyTypes: [Egress]
",
        probes: &[
            ("shop/web", "lab/web", Tcp, 80, Allowed),
            ("shop/api", "lab/web", Tcp, 80, NoEgress),
            ("shop/cron", "lab/web", Tcp, 80, NoEgress),
        ],
    },
];
