//! Blocks of addresses, pods that have addresses, and the two families.

use super::{
    Expected::{Allowed, NoEgress, NoIngress, Split},
    Recipe,
};
use crate::oracle::Protocol::Tcp;

pub(super) const RECIPES: &[Recipe] = &[
    Recipe {
        name: "a block ends where it ends, and is without its exceptions",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: block }
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
  - to: [{ ipBlock: { cidr: 198.51.100.0/24, except: [198.51.100.8/30, 198.51.100.255/32] } }]
",
        probes: &[
            ("shop/web", "198.51.99.255", Tcp, 443, NoEgress),
            ("shop/web", "198.51.100.0", Tcp, 443, Allowed),
            ("shop/web", "198.51.100.7", Tcp, 443, Allowed),
            ("shop/web", "198.51.100.8", Tcp, 443, NoEgress),
            ("shop/web", "198.51.100.11", Tcp, 443, NoEgress),
            ("shop/web", "198.51.100.12", Tcp, 443, Allowed),
            ("shop/web", "198.51.100.254", Tcp, 443, Allowed),
            ("shop/web", "198.51.100.255", Tcp, 443, NoEgress),
            ("shop/web", "198.51.101.0", Tcp, 443, NoEgress),
        ],
    },
    Recipe {
        name: "an exception of one block does not narrow another",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: blocks }
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
  - to:
    - ipBlock: { cidr: 198.51.100.0/24, except: [198.51.100.0/28] }
    - ipBlock: { cidr: 198.51.100.4/31 }
",
        probes: &[
            ("shop/web", "198.51.100.3", Tcp, 443, NoEgress),
            ("shop/web", "198.51.100.4", Tcp, 443, Allowed),
            ("shop/web", "198.51.100.5", Tcp, 443, Allowed),
            ("shop/web", "198.51.100.6", Tcp, 443, NoEgress),
        ],
    },
    Recipe {
        name: "two halves are everything, of that family",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: halves }
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
  - to: [{ ipBlock: { cidr: 0.0.0.0/1 } }, { ipBlock: { cidr: 128.0.0.0/1 } }]
",
        probes: &[
            ("shop/web", "0.0.0.0", Tcp, 443, Allowed),
            ("shop/web", "127.255.255.255", Tcp, 443, Allowed),
            ("shop/web", "128.0.0.0", Tcp, 443, Allowed),
            ("shop/web", "255.255.255.255", Tcp, 443, Allowed),
            ("shop/web", "vault/db", Tcp, 5432, Allowed),
            ("shop/web", "2001:db8::7", Tcp, 443, NoEgress),
        ],
    },
    Recipe {
        name: "the block of all addresses is one of a family",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: four }
spec: { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: 0.0.0.0/0 } }] }] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: vault, name: six }
spec: { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: \"::/0\", except: [\"2001:db8::/32\"] } }] }] }
",
        probes: &[
            ("198.51.100.7", "shop/web", Tcp, 80, Allowed),
            ("2001:db8::7", "shop/web", Tcp, 80, NoIngress),
            ("lab/probe", "shop/web", Tcp, 80, Allowed),
            ("2001:db9::7", "vault/db", Tcp, 80, Allowed),
            ("2001:db8::7", "vault/db", Tcp, 80, NoIngress),
            ("198.51.100.7", "vault/db", Tcp, 80, NoIngress),
            ("lab/probe", "vault/db", Tcp, 80, NoIngress),
        ],
    },
    Recipe {
        name: "a block whose address is not its first means the same block",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: sloppy }
spec: { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: 198.51.100.77/24, except: [198.51.100.9/30] } }] }] }
",
        probes: &[
            ("198.51.100.1", "shop/web", Tcp, 80, Allowed),
            ("198.51.100.8", "shop/web", Tcp, 80, NoIngress),
            ("198.51.100.12", "shop/web", Tcp, 80, Allowed),
        ],
    },
    Recipe {
        name: "a block matches pods by their addresses",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: vault, name: lab-range }
spec: { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: 10.3.0.0/16, except: [10.3.0.2/32] } }] }] }
---
apiVersion: v1
kind: Pod
metadata: { namespace: lab, name: pending, labels: { app: probe } }
spec: { containers: [{ name: probe }] }
status: { phase: Pending }
",
        probes: &[
            ("lab/probe", "vault/db", Tcp, 80, Allowed),
            ("lab/web", "vault/db", Tcp, 80, NoIngress),
            ("shop/web", "vault/db", Tcp, 80, NoIngress),
            ("lab/pending", "vault/db", Tcp, 80, NoIngress),
        ],
    },
    Recipe {
        name: "selectors match pods that have no address yet",
        manifests: "
apiVersion: v1
kind: Pod
metadata: { namespace: lab, name: pending, labels: { app: pending } }
spec: { containers: [{ name: pending }] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: lab, name: pending }
spec: { podSelector: { matchLabels: { app: pending } }, ingress: [{ from: [{ ipBlock: { cidr: 10.0.0.0/8 } }] }] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: lab, name: web }
spec: { podSelector: { matchLabels: { app: web } }, ingress: [{ from: [{ podSelector: { matchLabels: { app: pending } } }] }] }
",
        probes: &[
            ("lab/pending", "lab/web", Tcp, 80, Allowed),
            ("lab/probe", "lab/web", Tcp, 80, NoIngress),
            ("lab/probe", "lab/pending", Tcp, 80, Allowed),
            ("lab/pending", "lab/probe", Tcp, 80, Allowed),
            ("10.9.9.9", "lab/pending", Tcp, 80, Allowed),
        ],
    },
    Recipe {
        name: "between pods of two families it is enough when one is allowed at both ends",
        manifests: "
apiVersion: v1
kind: Pod
metadata: { namespace: lab, name: a, labels: { app: a } }
spec: { containers: [{ name: a }] }
status: { podIPs: [{ ip: 10.5.0.1 }, { ip: \"fd00:5::1\" }] }
---
apiVersion: v1
kind: Pod
metadata: { namespace: lab, name: b, labels: { app: b } }
spec: { containers: [{ name: b }] }
status: { podIPs: [{ ip: 10.5.0.2 }, { ip: \"fd00:5::2\" }] }
---
apiVersion: v1
kind: Pod
metadata: { namespace: lab, name: four, labels: { app: b } }
spec: { containers: [{ name: b }] }
status: { podIPs: [{ ip: 10.5.0.4 }] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: lab, name: b }
spec: { podSelector: { matchLabels: { app: b } }, ingress: [{ from: [{ ipBlock: { cidr: \"fd00:5::/64\" } }] }] }
",
        probes: &[
            ("lab/a", "lab/b", Tcp, 80, Allowed),
            ("lab/a", "lab/four", Tcp, 80, NoIngress),
            ("lab/b", "lab/a", Tcp, 80, Allowed),
        ],
    },
    Recipe {
        name: "one family out and the other in is no way",
        manifests: "
apiVersion: v1
kind: Pod
metadata: { namespace: lab, name: a, labels: { app: a } }
spec: { containers: [{ name: a }] }
status: { podIPs: [{ ip: 10.5.0.1 }, { ip: \"fd00:5::1\" }] }
---
apiVersion: v1
kind: Pod
metadata: { namespace: lab, name: b, labels: { app: b } }
spec: { containers: [{ name: b }] }
status: { podIPs: [{ ip: 10.5.0.2 }, { ip: \"fd00:5::2\" }] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: lab, name: a }
spec:
  podSelector: { matchLabels: { app: a } }
  policyTypes: [Egress]
  egress: [{ to: [{ ipBlock: { cidr: 10.5.0.0/24 } }] }]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: lab, name: b }
spec: { podSelector: { matchLabels: { app: b } }, ingress: [{ from: [{ ipBlock: { cidr: \"fd00:5::/64\" } }] }] }
",
        probes: &[("lab/a", "lab/b", Tcp, 80, Split), ("lab/b", "lab/a", Tcp, 80, Allowed)],
    },
    Recipe {
        name: "without a common family blocks match neither pod, and selectors do",
        manifests: "
apiVersion: v1
kind: Pod
metadata: { namespace: lab, name: six, labels: { app: six } }
spec: { containers: [{ name: six }] }
status: { podIPs: [{ ip: \"fd00:5::6\" }] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: vault, name: db }
spec:
  podSelector: { matchLabels: { app: db } }
  ingress: [{ from: [{ ipBlock: { cidr: \"::/0\" } }, { ipBlock: { cidr: 0.0.0.0/0 } }] }]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: vault, name: backup }
spec:
  podSelector: { matchLabels: { app: backup } }
  ingress: [{ from: [{ namespaceSelector: { matchLabels: { env: testing } } }] }]
",
        probes: &[
            ("lab/six", "vault/db", Tcp, 80, NoIngress),
            ("lab/probe", "vault/db", Tcp, 80, Allowed),
            ("fd00:5::7", "vault/db", Tcp, 80, Allowed),
            ("lab/six", "vault/backup", Tcp, 80, Allowed),
        ],
    },
    Recipe {
        name: "a pod of unknown address has one of the cluster's family: only the block of all of them has it for sure",
        manifests: "
apiVersion: v1
kind: Pod
metadata: { namespace: lab, name: file, labels: { app: file } }
spec: { containers: [{ name: file }] }
---
apiVersion: v1
kind: Pod
metadata: { namespace: lab, name: other-file, labels: { app: other-file } }
spec: { containers: [{ name: file }] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: vault, name: all }
spec: { podSelector: { matchLabels: { app: db } }, ingress: [{ from: [{ ipBlock: { cidr: 0.0.0.0/0 } }] }] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: vault, name: some }
spec:
  podSelector: { matchLabels: { app: backup } }
  ingress:
  - from: [{ ipBlock: { cidr: \"::/0\" } }, { ipBlock: { cidr: 0.0.0.0/0, except: [198.51.100.0/24] } }]
  - from: [{ ipBlock: { cidr: 10.0.0.0/8 } }]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: lab, name: file }
spec:
  podSelector: { matchLabels: { app: file } }
  policyTypes: [Egress]
  egress: [{ to: [{ ipBlock: { cidr: 0.0.0.0/0 } }] }]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: lab, name: other-file }
spec:
  podSelector: { matchLabels: { app: other-file } }
  policyTypes: [Egress]
  egress: [{ to: [{ ipBlock: { cidr: 10.2.0.0/24 } }] }]
",
        probes: &[
            ("lab/file", "vault/db", Tcp, 80, Allowed),
            ("lab/file", "vault/backup", Tcp, 80, NoIngress),
            ("lab/file", "lab/other-file", Tcp, 80, Allowed),
            ("lab/other-file", "lab/file", Tcp, 80, NoEgress),
            ("lab/other-file", "vault/db", Tcp, 80, Allowed),
            ("lab/other-file", "lab/web", Tcp, 80, NoEgress),
        ],
    },
    Recipe {
        name: "who asks for an address of a pod of two families means that family",
        manifests: "
apiVersion: v1
kind: Pod
metadata: { namespace: lab, name: a, labels: { app: a } }
spec: { containers: [{ name: a }] }
status: { podIPs: [{ ip: 10.5.0.1 }, { ip: \"fd00:5::1\" }] }
---
apiVersion: v1
kind: Pod
metadata: { namespace: lab, name: b, labels: { app: b } }
spec: { containers: [{ name: b }] }
status: { podIPs: [{ ip: 10.5.0.2 }, { ip: \"fd00:5::2\" }] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: lab, name: b }
spec: { podSelector: { matchLabels: { app: b } }, ingress: [{ from: [{ ipBlock: { cidr: \"fd00:5::/64\" } }] }] }
",
        probes: &[
            ("lab/a", "lab/b", Tcp, 80, Allowed),
            ("fd00:5::1", "lab/b", Tcp, 80, Allowed),
            ("10.5.0.1", "lab/b", Tcp, 80, NoIngress),
            ("10.5.0.1", "10.5.0.2", Tcp, 80, NoIngress),
            ("lab/a", "fd00:5::2", Tcp, 80, Allowed),
            ("lab/a", "10.5.0.2", Tcp, 80, NoIngress),
            ("10.5.0.1", "fd00:5::2", Tcp, 80, NoIngress),
        ],
    },
    Recipe {
        name: "the address of a running pod is that pod",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: vault, name: webs }
spec:
  podSelector: {}
  ingress: [{ from: [{ namespaceSelector: {}, podSelector: { matchLabels: { app: web } } }], ports: [{ port: sql }] }]
",
        probes: &[
            ("10.1.0.1", "10.2.0.1", Tcp, 5432, Allowed),
            ("10.1.0.1", "vault/db", Tcp, 5432, Allowed),
            ("shop/web", "10.2.0.1", Tcp, 5432, Allowed),
            ("10.1.0.1", "10.2.0.1", Tcp, 5433, NoIngress),
            ("10.1.0.2", "10.2.0.1", Tcp, 5432, NoIngress),
            ("10.2.0.1", "vault/db", Tcp, 1, Allowed),
            ("10.1.0.9", "10.2.0.1", Tcp, 5432, NoIngress),
        ],
    },
];
