//! Pods that are not like the others: in the network of their node, ended, or both ends at once.

use super::{
    Expected::{Allowed, Neither, NoEgress, NoIngress},
    Recipe,
};
use crate::oracle::Protocol::{Tcp, Udp};

pub(super) const RECIPES: &[Recipe] = &[
    Recipe {
        name: "a pod reaches itself, whatever isolates it",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: deny }
spec: { podSelector: {}, policyTypes: [Ingress, Egress] }
",
        probes: &[
            ("shop/web", "shop/web", Tcp, 80, Allowed),
            ("shop/web", "10.1.0.1", Udp, 7, Allowed),
            ("shop/web", "shop/api", Tcp, 80, Neither),
        ],
    },
    Recipe {
        name: "policies do not isolate a pod in the network of its node",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: deny }
spec: { podSelector: {}, policyTypes: [Ingress, Egress] }
---
apiVersion: v1
kind: Pod
metadata: { namespace: shop, name: agent, labels: { app: agent } }
spec: { nodeName: node-1, hostNetwork: true, containers: [{ name: agent }] }
status: { phase: Running, podIPs: [{ ip: 192.168.7.1 }] }
",
        probes: &[
            ("lab/probe", "shop/agent", Tcp, 9100, Allowed),
            ("198.51.100.7", "shop/agent", Tcp, 9100, Allowed),
            ("shop/agent", "198.51.100.7", Tcp, 443, Allowed),
            ("shop/agent", "shop/cron", Tcp, 80, NoIngress),
            ("shop/cron", "shop/agent", Tcp, 80, NoEgress),
        ],
    },
    Recipe {
        name: "selectors do not match a pod in the network of its node, blocks and rules for all do",
        manifests: "
apiVersion: v1
kind: Pod
metadata: { namespace: lab, name: agent, labels: { app: agent } }
spec: { nodeName: node-1, hostNetwork: true, containers: [{ name: agent, ports: [{ name: agent, containerPort: 9100 }] }] }
status: { phase: Running, podIPs: [{ ip: 192.168.7.1 }] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: vault, name: selectors }
spec:
  podSelector: { matchLabels: { app: db } }
  ingress: [{ from: [{ namespaceSelector: {} }, { namespaceSelector: {}, podSelector: { matchLabels: { app: agent } } }] }]
  egress:
  - to: [{ namespaceSelector: {}, podSelector: {} }]
  - ports: [{ port: agent }]
---
apiVersion: v1
kind: Pod
metadata: { namespace: vault, name: by-block, labels: { app: by-block } }
spec: { nodeName: node-2, containers: [{ name: by-block }] }
status: { phase: Running, podIPs: [{ ip: 10.2.0.3 }] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: vault, name: block }
spec:
  podSelector: { matchLabels: { app: by-block } }
  ingress: [{ from: [{ ipBlock: { cidr: 192.168.7.1/32 } }] }, { from: [], ports: [{ port: 81 }] }]
  egress: [{ to: [{ ipBlock: { cidr: 192.168.7.0/24 } }] }]
",
        probes: &[
            ("lab/agent", "vault/db", Tcp, 5432, NoIngress),
            ("lab/probe", "vault/db", Tcp, 5432, Allowed),
            ("vault/db", "lab/agent", Tcp, 80, NoEgress),
            ("vault/db", "lab/agent", Tcp, 9100, NoEgress),
            ("lab/agent", "vault/by-block", Tcp, 80, Allowed),
            ("vault/by-block", "lab/agent", Tcp, 80, Allowed),
            ("lab/probe", "vault/by-block", Tcp, 80, NoIngress),
            ("lab/probe", "vault/by-block", Tcp, 81, Allowed),
        ],
    },
    Recipe {
        name: "the node where a pod runs reaches it and is reached by it",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: deny }
spec: { podSelector: {}, policyTypes: [Ingress, Egress] }
---
apiVersion: v1
kind: Pod
metadata: { namespace: lab, name: agent }
spec: { nodeName: node-1, hostNetwork: true, containers: [{ name: agent }] }
status: { phase: Running, podIPs: [{ ip: 192.168.7.1 }] }
",
        probes: &[
            ("192.168.7.1", "shop/web", Tcp, 80, Allowed),
            ("shop/web", "192.168.7.1", Tcp, 10250, Allowed),
            ("192.168.7.2", "shop/web", Tcp, 80, NoIngress),
            ("shop/web", "192.168.7.2", Tcp, 10250, NoEgress),
            ("192.168.7.2", "shop/cron", Tcp, 80, Allowed),
            ("lab/agent", "shop/web", Tcp, 80, Allowed),
            ("shop/web", "lab/agent", Tcp, 80, Allowed),
            ("lab/agent", "shop/cron", Tcp, 80, NoIngress),
            ("shop/cron", "lab/agent", Tcp, 80, NoEgress),
        ],
    },
    Recipe {
        name: "addresses of a node are its internal and external ones",
        manifests: "
apiVersion: v1
kind: Node
metadata: { name: node-3 }
status:
  addresses:
  - { type: Hostname, address: 192.168.7.30 }
  - { type: InternalIP, address: 192.168.7.3 }
  - { type: ExternalIP, address: \"2001:db8:7::3\" }
  - { type: ExternalIP, address: node-3.example.com }
---
apiVersion: v1
kind: Pod
metadata: { namespace: shop, name: here }
spec: { nodeName: node-3, containers: [{ name: here }] }
status: { phase: Running, podIPs: [{ ip: 10.1.0.9 }] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: deny }
spec: { podSelector: {}, policyTypes: [Ingress, Egress] }
",
        probes: &[
            ("192.168.7.3", "shop/here", Tcp, 80, Allowed),
            ("shop/here", "2001:db8:7::3", Tcp, 80, Allowed),
            ("192.168.7.30", "shop/here", Tcp, 80, NoIngress),
            ("192.168.7.3", "shop/web", Tcp, 80, NoIngress),
        ],
    },
    Recipe {
        name: "pods tell the addresses of a node that tells none",
        manifests: "
apiVersion: v1
kind: Pod
metadata: { namespace: lab, name: here, labels: { app: here } }
spec: { nodeName: node-4, containers: [{ name: here }] }
status: { hostIP: 192.168.7.4, hostIPs: [{ ip: 192.168.7.4 }, { ip: \"fd00:7::4\" }], podIPs: [{ ip: 10.5.0.4 }] }
---
apiVersion: v1
kind: Pod
metadata: { namespace: lab, name: agent }
spec: { nodeName: node-5, hostNetwork: true, containers: [{ name: agent }] }
status: { podIPs: [{ ip: 192.168.7.5 }] }
---
apiVersion: v1
kind: Pod
metadata: { namespace: lab, name: there, labels: { app: here } }
spec: { nodeName: node-5, containers: [{ name: there }] }
status: { hostIP: 192.168.7.1, podIPs: [{ ip: 10.5.0.5 }] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: lab, name: deny }
spec: { podSelector: { matchLabels: { app: here } }, policyTypes: [Ingress, Egress] }
",
        probes: &[
            ("192.168.7.4", "lab/here", Tcp, 80, Allowed),
            ("lab/here", "fd00:7::4", Tcp, 80, Allowed),
            ("192.168.7.5", "lab/here", Tcp, 80, NoIngress),
            ("192.168.7.5", "lab/there", Tcp, 80, Allowed),
            ("192.168.7.4", "lab/there", Tcp, 80, NoIngress),
            ("192.168.7.1", "lab/there", Tcp, 80, NoIngress),
        ],
    },
    Recipe {
        name: "pods that are on no node yet are not on the same node",
        manifests: "
apiVersion: v1
kind: Pod
metadata: { namespace: lab, name: agent }
spec: { nodeName: \"\", hostNetwork: true, containers: [{ name: agent }] }
---
apiVersion: v1
kind: Pod
metadata: { namespace: shop, name: empty }
spec: { nodeName: \"\", containers: [{ name: empty }] }
---
apiVersion: v1
kind: Pod
metadata: { namespace: shop, name: absent }
spec: { containers: [{ name: absent }] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: deny }
spec: { podSelector: {}, policyTypes: [Ingress, Egress] }
",
        probes: &[
            ("lab/agent", "shop/empty", Tcp, 80, NoIngress),
            ("shop/empty", "lab/agent", Tcp, 80, NoEgress),
            ("lab/agent", "shop/absent", Tcp, 80, NoIngress),
        ],
    },
    Recipe {
        name: "a pod that only shares a node gets in as any other",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: deny }
spec: { podSelector: {}, policyTypes: [Ingress] }
",
        probes: &[
            ("lab/web", "shop/web", Tcp, 80, NoIngress),
            ("shop/api", "shop/web", Tcp, 80, NoIngress),
        ],
    },
    Recipe {
        name: "a pod in the network of its node lends that address to no selector",
        manifests: "
apiVersion: v1
kind: Pod
metadata: { namespace: lab, name: agent, labels: { app: agent } }
spec: { nodeName: node-9, hostNetwork: true, containers: [{ name: agent }] }
status: { phase: Running, podIPs: [{ ip: 192.168.7.9 }] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: vault, name: labs }
spec:
  podSelector: {}
  ingress:
  - from: [{ namespaceSelector: { matchLabels: { env: testing } } }]
  - from: [{ ipBlock: { cidr: 192.168.7.9/32 } }]
    ports: [{ port: 81 }]
",
        probes: &[
            ("192.168.7.9", "vault/db", Tcp, 80, NoIngress),
            ("192.168.7.9", "vault/db", Tcp, 81, Allowed),
            ("10.3.0.1", "vault/db", Tcp, 80, Allowed),
        ],
    },
    Recipe {
        name: "nothing goes to or from a pod that has ended",
        manifests: "
apiVersion: v1
kind: Pod
metadata: { namespace: lab, name: done, labels: { app: probe } }
spec: { nodeName: node-1, containers: [{ name: probe }] }
status: { phase: Succeeded, podIPs: [{ ip: 10.3.0.8 }] }
---
apiVersion: v1
kind: Pod
metadata: { namespace: lab, name: broken, labels: { app: probe } }
spec: { nodeName: node-1, hostNetwork: true, containers: [{ name: probe }] }
status: { phase: Failed, podIPs: [{ ip: 192.168.7.1 }] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: vault, name: probes }
spec:
  podSelector: {}
  ingress: [{ from: [{ namespaceSelector: {}, podSelector: { matchLabels: { app: probe } } }] }]
",
        probes: &[
            ("lab/done", "shop/web", Tcp, 80, Neither),
            ("shop/web", "lab/done", Tcp, 80, Neither),
            ("lab/done", "198.51.100.7", Tcp, 80, Neither),
            ("lab/done", "lab/done", Tcp, 80, Neither),
            ("lab/broken", "shop/web", Tcp, 80, Neither),
            ("lab/broken", "lab/broken", Tcp, 80, Neither),
            ("10.3.0.8", "shop/web", Tcp, 80, Allowed),
            ("10.3.0.8", "vault/db", Tcp, 80, NoIngress),
            ("lab/probe", "vault/db", Tcp, 80, Allowed),
        ],
    },
    Recipe {
        name: "the address of a pod that has ended may be another pod by now",
        manifests: "
apiVersion: v1
kind: Pod
metadata: { namespace: lab, name: before, labels: { app: before } }
spec: { nodeName: node-1, containers: [{ name: before }] }
status: { phase: Succeeded, podIPs: [{ ip: 10.3.0.8 }] }
---
apiVersion: v1
kind: Pod
metadata: { namespace: lab, name: after, labels: { app: after } }
spec: { nodeName: node-1, containers: [{ name: after }] }
status: { phase: Running, podIPs: [{ ip: 10.3.0.8 }] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: vault, name: after }
spec:
  podSelector: {}
  ingress: [{ from: [{ namespaceSelector: {}, podSelector: { matchLabels: { app: after } } }] }]
",
        probes: &[
            ("10.3.0.8", "vault/db", Tcp, 80, Allowed),
            ("lab/after", "vault/db", Tcp, 80, Allowed),
            ("lab/before", "vault/db", Tcp, 80, Neither),
        ],
    },
    Recipe {
        name: "a pod that terminates still runs",
        manifests: "
apiVersion: v1
kind: Pod
metadata: { namespace: lab, name: leaving, deletionTimestamp: \"2026-11-24T08:00:00Z\", labels: { app: leaving } }
spec: { containers: [{ name: leaving }] }
status: { phase: Running, podIPs: [{ ip: 10.3.0.8 }] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: lab, name: leaving }
spec: { podSelector: { matchLabels: { app: leaving } }, policyTypes: [Ingress] }
",
        probes: &[
            ("lab/leaving", "vault/db", Tcp, 5432, Allowed),
            ("10.3.0.8", "vault/db", Tcp, 5432, Allowed),
            ("lab/probe", "lab/leaving", Tcp, 80, NoIngress),
        ],
    },
];
